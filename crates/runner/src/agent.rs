//! Agents: whoever takes the turns of a run. Nothing that an agent says is believed here; it is bounded, cleaned and
//! handed on.
//!
//! An agent takes one turn after another. A turn is a stream of [`TurnEvent`]s that ends with exactly one
//! [`TurnEvent::Ended`]; dropping the [`Turn`] interrupts it.

mod child;
mod codex_app_server;
mod codex_exec;
mod codex_home;
mod codex_program;
mod codex_settings;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod reset;
mod scripted;
mod text;
mod transcript;
mod turn;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use ledger_core::{Activity, AgentFailure, AgentKind, ThreadId, TokenCount};
use serde::{Deserialize, Serialize};

use crate::redact::Redactor;

pub use child::AgentGuard;
pub(crate) use child::{OWN_HEAP, SMALL_HEAP, inherited_environment};
pub use codex_app_server::{CodexAppServer, CodexProtocol, ProtocolDrift, ProtocolError};
pub use codex_exec::CodexExec;
pub use codex_home::{CodexHome, CodexHomeError, HomeSettings};
pub use codex_program::{CodexProgram, CodexProgramError, CodexVersion, OLDEST_CODEX, PINNED_CODEX, agent_warning};
pub use codex_settings::{CodexAgentSettings, is_reserved_config_key};
pub use scripted::{InvalidScript, ScriptedAgent};
pub(crate) use text::Redaction;
pub use text::{shorten, shorten_end};
pub(crate) use transcript::{MAX_RECORD_BYTES, recover_turn_seeing};
pub use transcript::{TranscriptEntry, TranscriptRecord, read_transcript, recover_turn};
pub use turn::{StopSignal, Turn, TurnSink};

/// A coding agent that takes turns.
///
/// ```no_run
/// # async fn example(mut agent: Box<dyn counterfoil_runner::Agent>, request: counterfoil_runner::TurnRequest) {
/// use counterfoil_runner::TurnEvent;
/// let mut turn = agent.start_turn(request);
/// while let Some(event) = turn.events.recv().await {
///     match event {
///         TurnEvent::Activity(activity) => drop(activity), // shown, limited, judged
///         TurnEvent::Ended(end) => drop(end),
///     }
/// }
/// agent.close().await;
/// # }
/// ```
pub trait Agent: Send {
    /// Which kind of agent this is.
    fn kind(&self) -> AgentKind;

    /// Starts a turn. Must be called within a Tokio runtime. Turns of one agent run one after another: a turn that is
    /// started while another is under way waits for it.
    fn start_turn(&mut self, request: TurnRequest) -> Turn;

    /// Ends whatever the agent keeps running and waits until it is gone. A turn under way is not waited for:
    /// interrupt it first.
    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What an agent is asked to do in one turn.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// The label that the prompt gives this turn and that the answer must repeat.
    pub label: String,
    /// As what the agent is asked.
    pub role: Role,
    /// The absolute path of the checkout that the agent works in.
    pub place: PathBuf,
    /// A new conversation, or an earlier one.
    pub thread: ThreadChoice,
    /// What the agent is told.
    pub prompt: String,
    /// The JSON Schema that the final answer is asked to have. Agents do not enforce it: parse the answer strictly.
    pub answer_schema: serde_json::Value,
    /// Whether the agent may write in its place.
    pub access: Access,
    /// Whether the agent's commands may use the network.
    pub network: bool,
    /// The model; the agent's default where absent.
    pub model: Option<String>,
    /// The reasoning effort; the model's default where absent.
    pub effort: Option<String>,
    /// Whether instructions that lie in the place are read to the agent.
    pub instructions: ProjectInstructions,
    /// Further Codex configuration for this conversation, by (dotted) key. Keys that would loosen what this request
    /// says are refused, see [`is_reserved_config_key`].
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Further environment variables for the agent's commands.
    pub env: BTreeMap<String, String>,
    /// The file to which every raw line from and to the agent is appended.
    pub log: PathBuf,
    /// What must not leave of what is told of the turn, beside secrets of the environment, its place and the home.
    pub redactor: Redactor,
}

/// As what an agent is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It plans what is to be done, and may only read.
    Planner,
    /// It does what is asked.
    Writer,
    /// It judges what was done, and may only read.
    Reviewer,
    /// It says what is to be done next, and may only read.
    Advisor,
    /// It judges in one field what was done, or what is planned, and may only read.
    Expert,
    /// It says what is worth knowing of what was done, and may only read.
    Curator,
}

impl Role {
    /// Whether it is instructed by its place. Whoever judges what a worker did there is not.
    pub(crate) fn instructions(self) -> ProjectInstructions {
        match self {
            Self::Planner | Self::Writer => ProjectInstructions::On,
            Self::Reviewer | Self::Advisor | Self::Expert | Self::Curator => ProjectInstructions::Off,
        }
    }
}

/// Which conversation a turn belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadChoice {
    /// A new one.
    Fresh,
    /// An earlier one. Where it cannot be had, a new one is started, and
    /// [`Activity::ThreadStarted`] says so.
    Resume(ThreadId),
}

/// What an agent may do to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Write below the place and nowhere else.
    Write,
    /// Write nothing.
    ReadOnly,
}

/// Whether instructions to agents in the place (AGENTS.md, skills) reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectInstructions {
    /// They do.
    On,
    /// They do not: for reviewers, whom the writer must not instruct.
    Off,
}

/// What happens in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEvent {
    /// Something was seen.
    Activity(Activity),
    /// The turn is over; nothing follows.
    Ended(TurnEnd),
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnEnd {
    /// In which way.
    pub outcome: TurnOutcome,
    /// What the turn spent, as far as the agent told.
    pub tokens: TokenCount,
    /// The conversation, where it came to one.
    pub thread: Option<ThreadId>,
}

/// In which way a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The agent finished.
    Completed {
        /// Its final answer, unchecked. Never longer than [`MAX_ANSWER_BYTES`].
        answer: String,
    },
    /// The turn was interrupted.
    Interrupted,
    /// The turn failed.
    Failed(AgentFailure),
}

/// The most bytes of a final answer that are kept. It is more than any valid answer has, so that a longer one is still
/// refused as too long.
pub const MAX_ANSWER_BYTES: usize = 2 * ledger_core::MAX_REPORT_BYTES;

/// Keeps the beginning of an answer, whole characters, at most [`MAX_ANSWER_BYTES`].
fn bounded_answer(mut answer: String) -> String {
    if answer.len() > MAX_ANSWER_BYTES {
        let end = (0..=MAX_ANSWER_BYTES).rev().find(|at| answer.is_char_boundary(*at));
        answer.truncate(end.unwrap_or(0));
    }
    answer
}
