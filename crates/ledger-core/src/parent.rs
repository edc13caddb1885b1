//! How the children of a parent ticket ended, and what its run chose to do then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocker::BlockerCode;
use crate::id::{RunId, TicketId};
use crate::object::CommitId;

/// A child of the ticket has ended, for now, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildEnded {
    /// The child.
    pub ticket: TicketId,
    /// Its run; none where no run of it was opened, or where it is known from its record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How it ended.
    pub end: ChildEnd,
    /// What is done now.
    pub choice: Choice,
    /// Why, in words.
    pub reason: String,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum ChildEnd {
    /// It is delivered.
    Delivered {
        /// Its last commit; none where it is known from its record alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<CommitId>,
    },
    /// A person closed it without running it.
    Canceled,
    /// It stopped for a reason, or may not start.
    Blocked {
        /// The reason's code.
        code: BlockerCode,
        /// The reason in words.
        reason: String,
        /// Whether the same run may go on once the cause is gone.
        resumable: bool,
    },
    /// The runner was asked to leave.
    Paused,
}

impl ChildEnd {
    /// Whether nothing more is to be done for the child.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Canceled)
    }
}

/// What a parent's run does after a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// It goes on: with the next child, or with bringing them together
    Advance,
    /// It runs the same child again, once
    Retry,
    /// It keeps what there is and leaves, to go on later
    Checkpoint,
    /// It stops: a person has to look
    Stop,
}

impl Choice {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Retry => "retry",
            Self::Checkpoint => "checkpoint",
            Self::Stop => "stop",
        }
    }
}

/// What a run knows of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// How it last ended, and what was chosen.
    pub ended: ChildEnded,
    /// Whether it was run again since a runner took the parent's run up.
    pub retried: bool,
    /// Whether it ended since then.
    pub is_recent: bool,
}
