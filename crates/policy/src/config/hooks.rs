//! `[hooks]`: commands around a run.

use ledger_core::{Duration, HookPoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[hooks]`: commands around a run. Each is a line for `sh -c` that runs in the check place, in the sandbox of checks, and is told about the run
/// in environment variables. None of them runs twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HooksPolicy {
    /// Before the worker's turn of each iteration
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_iteration: Option<String>,
    /// After each iteration: once its checks ran, or it is known that it gave nothing to check
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_iteration: Option<String>,
    /// When a run is done
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_completed: Option<String>,
    /// When a run stopped with a blocker
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_blocked: Option<String>,
    /// What a failing `pre_iteration` or `post_iteration` does. The others come when the run is over, and change nothing about its end
    pub failure: HookFailure,
    /// How long a hook may take
    pub timeout: Duration,
    /// Whether hooks may use the network. What the worker wrote may use it too then, where a hook runs it
    pub network: bool,
}

impl Default for HooksPolicy {
    fn default() -> Self {
        Self {
            pre_iteration: None,
            post_iteration: None,
            on_completed: None,
            on_blocked: None,
            failure: HookFailure::Ignore,
            timeout: Duration::minutes(5),
            network: false,
        }
    }
}

impl HooksPolicy {
    /// The command that runs then, where there is one.
    pub fn command(&self, hook: HookPoint) -> Option<&str> {
        let command = match hook {
            HookPoint::PreIteration => &self.pre_iteration,
            HookPoint::PostIteration => &self.post_iteration,
            HookPoint::OnCompleted => &self.on_completed,
            HookPoint::OnBlocked => &self.on_blocked,
        };
        command.as_deref()
    }

    /// All commands, in the order in which a run meets them.
    pub fn commands(&self) -> impl Iterator<Item = (HookPoint, &str)> {
        HookPoint::ALL
            .into_iter()
            .filter_map(|hook| Some((hook, self.command(hook)?)))
    }
}

/// What a failing hook does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookFailure {
    /// It is recorded
    #[default]
    Ignore,
    /// It stops the run with `hook_failed`, as does a hook whose end nobody saw
    Block,
}
