//! Why a turn through the app-server cannot go on.

use std::time::Duration;

use ledger_core::{AgentFailure, AgentFailureClass};
use serde_json::Value;

use super::server::Refusal;
use crate::agent::child::LineError;
use crate::agent::failure;
use crate::agent::text::Redaction;
use crate::guard::GuardError;

/// Why a turn cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the turn was interrupted")]
    Stopped,
    #[error("codex did not answer `{method}` within {} seconds", limit.as_secs())]
    NoAnswer { method: &'static str, limit: Duration },
    #[error("codex refused `{method}`: {refusal}")]
    Refused { method: &'static str, refusal: Refusal },
    #[error("codex ended in the middle of the turn{}", last_words(.stderr))]
    Gone { stderr: String },
    #[error("codex cannot be started: {0}")]
    CannotStart(GuardError),
    #[error("codex wrote something that cannot be read: {0}")]
    Line(#[from] LineError),
    #[error("codex answered `{method}` without {what}")]
    Incomplete { method: &'static str, what: &'static str },
    #[error("codex works in another sandbox than it was given: {got}")]
    OtherSandbox { got: Value },
    #[error("the agent's log cannot be written: {0}")]
    Log(#[from] std::io::Error),
    #[error("{0}")]
    Request(String),
}

fn last_words(stderr: &str) -> String {
    if stderr.trim().is_empty() {
        String::new()
    } else {
        format!(": {}", stderr.trim())
    }
}

impl Fault {
    /// The failure that this makes of the turn.
    pub(super) fn failure(&self, redaction: &Redaction) -> AgentFailure {
        let class = match self {
            // Never reported: an interrupted turn is not a failed one.
            Self::Stopped => AgentFailureClass::Other,
            Self::NoAnswer { .. } | Self::Line(LineError::TooLong) | Self::Incomplete { .. } => {
                AgentFailureClass::Protocol
            }
            Self::Refused { refusal, .. } => {
                let failure = failure::from_prose(&refusal.message, redaction);
                if failure.class == AgentFailureClass::Other {
                    AgentFailureClass::Protocol
                } else {
                    failure.class
                }
            }
            Self::Gone { .. } | Self::Line(LineError::Read(_)) => AgentFailureClass::Crashed,
            Self::CannotStart(_) => AgentFailureClass::Unavailable,
            Self::OtherSandbox { .. } => AgentFailureClass::Sandbox,
            Self::Log(_) => AgentFailureClass::Other,
            Self::Request(_) => AgentFailureClass::BadRequest,
        };
        failure::seen(class, &self.to_string(), redaction)
    }
}
