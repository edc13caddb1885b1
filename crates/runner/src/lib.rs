//! Carries out Counterfoil runs: Codex, checks, sandbox, journals, delivery.
//!
//! Nothing here prints, reads the terminal or ends the process; the command does.
#![warn(missing_docs)]

mod agent;
mod agents;
mod consent;
mod drive;
mod executor;
pub mod guard;
mod journal_file;
pub mod junit;
mod ledger;
pub mod lock;
mod moment;
mod packet;
pub mod process;
mod prompt;
mod records;
pub mod redact;
mod state;
mod trust;
mod verify;
mod workspace;

pub use agent::{
    Access, Agent, AgentGuard, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexHomeError, CodexProgram,
    CodexProgramError, CodexVersion, HomeSettings, InvalidScript, MAX_ANSWER_BYTES, OLDEST_CODEX, PINNED_CODEX,
    ProjectInstructions, ScriptedAgent, StopSignal, ThreadChoice, TranscriptEntry, TranscriptRecord, Turn, TurnEnd,
    TurnEvent, TurnOutcome, TurnRequest, TurnSink, is_reserved_config_key, read_transcript, recover_turn, shorten,
    shorten_end,
};
pub use agents::{AgentProblem, PreparedCodex, prepare_agent};
pub use consent::{ConsentState, StaleReason, consent_state, required_files};
pub use drive::{DriveError, drive};
pub use executor::Executor;
pub use journal_file::{JournalFile, JournalFileError, JournalSink, OpenedJournal, read_journal};
pub use ledger::{FileProblem, Ledger, LedgerError, Misfit, MisfitReason, TicketFileName, TicketFolder, read_beneath};
pub use moment::Moment;
pub use packet::{NextCommand, ReviewPacket, next_commands};
pub use prompt::{ReviewTask, WriterTask, report_repair_prompt, review_prompt, writer_prompt};
pub use records::{RecordFacts, report_of, result_record, review_of, review_record};
pub use state::{StateError, StateRoots, user_state_folder};
pub use trust::{PolicyCommand, PolicyCommandKind, TrustError, TrustStore, policy_commands};
pub use verify::{Verification, Verified, VerifyReport, verify_ticket};
pub use workspace::{PolicyFile, Settings, Workspace, WorkspaceError, repository_id};
