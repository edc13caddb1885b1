//! Commands of the policy around a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    /// Before the worker's turn of an iteration.
    PreIteration,
    /// Once it is known what came of an iteration, before the next step.
    PostIteration,
    /// When the run is done.
    OnCompleted,
    /// When the run stopped with a blocker.
    OnBlocked,
}

impl HookPoint {
    /// All of them, in the order in which a run meets them.
    pub const ALL: [Self; 4] = [
        Self::PreIteration,
        Self::PostIteration,
        Self::OnCompleted,
        Self::OnBlocked,
    ];

    /// Its name in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreIteration => "pre_iteration",
            Self::PostIteration => "post_iteration",
            Self::OnCompleted => "on_completed",
            Self::OnBlocked => "on_blocked",
        }
    }

    /// Whether it belongs to an iteration, so that it can still stop the run. The others come when the run is over.
    pub fn is_of_iteration(self) -> bool {
        matches!(self, Self::PreIteration | Self::PostIteration)
    }
}

impl std::fmt::Display for HookPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
