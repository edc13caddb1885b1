//! Carries out Counterfoil runs.
#![warn(missing_docs)]

mod agent;
pub mod check;
pub mod guard;
pub mod junit;
pub mod lock;
pub mod process;
pub mod redact;
pub mod sandbox;

pub use agent::{
    Access, Agent, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexHomeError, CodexProgram,
    CodexProgramError, CodexVersion, HomeSettings, InvalidScript, MAX_ANSWER_BYTES, OLDEST_CODEX, PINNED_CODEX,
    ProjectInstructions, ScriptedAgent, StopSignal, ThreadChoice, TranscriptEntry, TranscriptRecord, Turn, TurnEnd,
    TurnEvent, TurnOutcome, TurnRequest, TurnSink, is_reserved_config_key, read_transcript, recover_turn, shorten,
    shorten_end,
};
