//! Carries out Counterfoil runs.
#![warn(missing_docs)]

mod agent;
mod approve;
mod beneath;
mod cancel;
mod check_ledger;
mod consent;
mod finding;
pub mod guard;
mod init;
pub mod junit;
mod ledger;
pub mod lock;
mod moment;
mod new;
mod packages;
pub mod process;
pub mod redact;
mod state;
mod status;
mod trust;
mod workspace;

pub use agent::{
    Access, Agent, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexHomeError, CodexProgram,
    CodexProgramError, CodexVersion, HomeSettings, InvalidScript, MAX_ANSWER_BYTES, OLDEST_CODEX, PINNED_CODEX,
    ProjectInstructions, ScriptedAgent, StopSignal, ThreadChoice, TranscriptEntry, TranscriptRecord, Turn, TurnEnd,
    TurnEvent, TurnOutcome, TurnRequest, TurnSink, is_reserved_config_key, read_transcript, recover_turn, shorten,
    shorten_end,
};

pub use approve::{ApprovalPlan, ApproveError, Approved, Committing, PlannedApproval};
pub use beneath::{WriteError, read_beneath};
pub use cancel::{CancelError, Canceled, cancel};
pub use check_ledger::{CHECK_SCHEMA, CheckLedgerError, LedgerCheck, check_ledger, ticket_findings};
pub use consent::{ConsentState, StaleReason, consent_state, required_files};
pub use finding::{Finding, FindingSeverity};
pub use init::{
    DetectedCheck, InitDone, InitError, InitFile, InitOptions, Initialized, built_in_template, detect_checks, init,
    schema_texts,
};
pub use ledger::{FileProblem, Ledger, LedgerError, Misfit, MisfitReason, TicketFileName, TicketFolder};
pub use moment::Moment;
pub use new::{Draft, NewTicket, NewTicketError};
pub use packages::{Packages, PackagesError};
pub use state::{StateError, StateRoots, user_state_folder};
pub use status::{
    BlockedStatus, BrokenStatus, DoneStatus, MisfitStatus, NextStep, PausedStatus, PolicyStatus, RepositoryStatus,
    RunStatus, STATUS_SCHEMA, StaleStatus, StatusError, StatusReport, TicketState, TicketStatus, WaitingStatus,
    nearest_id, status, ticket_status,
};
pub use trust::{PolicyCommand, PolicyCommandKind, TrustError, TrustStore, policy_commands};
pub use workspace::{PolicyFile, Settings, Workspace, WorkspaceError, repository_id};
