//! What an agent is seen doing during a turn, and how a turn ends. All of it is the worker's word or
//! Codex' word about the worker: shown and limited, never believed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::ThreadId;
use crate::object::{BlobId, TreeId};
use crate::path::RepoPath;

/// Which kind of agent takes the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// Codex through its app-server.
    Codex,
    /// Codex through `codex exec --json`.
    CodexExec,
    /// Plain files that say what the worker does; for the demo and for tests.
    Scripted,
    /// An agent that an embedding program brings.
    External,
}

/// Who took a turn, with which settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentIdentity {
    /// Which kind of agent.
    pub kind: AgentKind,
    /// The version that the agent reported, such as `0.169.0`.
    pub version: String,
    /// The model that the agent reported, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The sandbox that was asked for and reported, such as `workspace-write`.
    pub sandbox: String,
}

/// Tokens spent. `total` is what limits count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCount {
    /// Tokens sent to the model, cached ones included.
    pub input: u64,
    /// The part of `input` that came from the provider's cache.
    pub cached_input: u64,
    /// Tokens that the model wrote, reasoning included.
    pub output: u64,
    /// The sum that limits count, as the agent reported it.
    pub total: u64,
}

impl TokenCount {
    /// The sum of both, saturating: a hostile count never wraps.
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            output: self.output.saturating_add(other.output),
            total: self.total.saturating_add(other.total),
        }
    }

    /// What is spent beyond `earlier`, never below zero.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            input: self.input.saturating_sub(earlier.input),
            cached_input: self.cached_input.saturating_sub(earlier.cached_input),
            output: self.output.saturating_sub(earlier.output),
            total: self.total.saturating_sub(earlier.total),
        }
    }
}

/// The most files that are recorded as given with a prompt.
pub const MAX_GIVEN_FILES: usize = 100;

/// How much a prompt gives or tells to read, beside the ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenSize {
    /// Files, also those beyond [`MAX_GIVEN_FILES`].
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// The lines that a ticket's `max_summary_lines` counts, with those of hand-offs.
    pub lines: u64,
}

/// A file that an agent is given or told to read: of the base, or the hand-off of another ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenFile {
    /// Its path.
    pub path: RepoPath,
    /// What it holds.
    pub blob: BlobId,
}

/// One thing that an agent was seen doing during a turn. Texts are shortened and redacted before they get here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// The prompt was handed over.
    PromptSent {
        /// Digest of the prompt's bytes.
        digest: Digest,
        /// Length of the prompt in bytes.
        bytes: u64,
        /// The files of the base that it gives or tells to read, and the instructions to agents that its reader takes from its place by itself.
        /// The first [`MAX_GIVEN_FILES`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        given: Vec<GivenFile>,
        /// How much that is in all; none in journals of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<GivenSize>,
    },
    /// The agent is ready and has named the conversation.
    ThreadStarted {
        /// The conversation.
        thread: ThreadId,
        /// Whether an earlier conversation goes on. False also where that was asked for and could not be had.
        resumed: bool,
        /// Who answers.
        agent: AgentIdentity,
    },
    /// A command was started.
    CommandStarted {
        /// The agent's name for this item.
        item: String,
        /// The command line, shortened.
        command: String,
    },
    /// A command ended, was declined, or was cut off.
    CommandEnded {
        /// The agent's name for this item.
        item: String,
        /// The exit status where the command had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// Whether the command was refused rather than run.
        declined: bool,
    },
    /// The agent says that it edited files.
    FilesEdited {
        /// The paths as the agent gave them, at most twenty, relative to the place.
        paths: Vec<String>,
    },
    /// The agent said something to people.
    Message {
        /// The end of what it said, shortened.
        text: String,
    },
    /// Tokens that this turn has spent up to now, in all its conversations.
    Tokens {
        /// The sum since the turn began.
        spent: TokenCount,
    },
    /// A request to the model failed and is being made again by the agent.
    Retrying {
        /// Why, in the agent's words.
        reason: String,
    },
    /// The agent asked for an approval or an answer, and was declined.
    RequestDeclined {
        /// The kind of request, such as `item/commandExecution/requestApproval`.
        request: String,
        /// What it was about, shortened.
        about: String,
    },
    /// What the agent's processes have used since the runner last looked at them. Looked at only while the agent says nothing; this is nobody's word.
    ProcessSeen {
        /// Processor time, in milliseconds.
        cpu_ms: u64,
        /// Bytes read and written by what the agent started, whatever from and to. Its own program does not count.
        io_bytes: u64,
        /// Network connections that are open now.
        connections: u32,
    },
    /// The worker's files are as they were never before in this turn. Looked at only while the agent does the same over and over, and
    /// nobody's word either.
    TreeChanged {
        /// What they amount to now.
        tree: TreeId,
    },
    /// The agent reported something that did not end the turn.
    Warning {
        /// What it said, shortened.
        message: String,
    },
}

/// Why a turn failed, as far as the agent's typed errors tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentFailureClass {
    /// Not logged in, or the credentials were refused.
    Auth,
    /// A rate limit that ends by itself, after the agent's own retries.
    RateLimited,
    /// A usage limit, a quota or a missing payment.
    UsageLimit,
    /// The model does not exist or may not be used.
    ModelUnavailable,
    /// The conversation no longer fits into the model.
    ContextWindow,
    /// The provider is overloaded or answered with an error of its own.
    Server,
    /// The provider could not be reached, or the stream was cut.
    Connection,
    /// The provider could make nothing of the request. The same one would be answered the same way.
    BadRequest,
    /// The provider, or whoever watches over the agent, refuses what the turn is about.
    Refused,
    /// The agent's own sandbox could not start.
    Sandbox,
    /// The agent is not installed, has the wrong version or could not start.
    Unavailable,
    /// The agent's process ended in the middle of the turn.
    Crashed,
    /// The agent did not keep to its protocol.
    Protocol,
    /// Anything else.
    Other,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentFailure {
    /// The class that decisions rest on.
    pub class: AgentFailureClass,
    /// The agent's words, shortened and redacted.
    pub message: String,
    /// When the limit that was reached is lifted, where the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

impl AgentFailure {
    /// A failure of which it is not known when it passes.
    pub fn new(class: AgentFailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            resets_at: None,
        }
    }
}
