//! `[prompts]`, and tables that this version reads but does not act on: `[hooks]` and `[notify]`. They are part of
//! the format so that a policy can be written for several versions; setting one to anything but its default is an error,
//! because a rule that is silently ignored is worse than none.

use ledger_core::{Duration, RepoPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[prompts]`: the repository's own prompt files, in the ledger's folder `prompts`. A run takes them from its base, and records their
/// digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PromptsPolicy {
    /// What every worker is told beside its ticket
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<RepoPath>,
    /// What every planner is told beside the ticket
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planner: Option<RepoPath>,
    /// What every reviewer is told beside the ticket
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<RepoPath>,
    /// What the worker is told in a repair round, in place of `writer`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepoPath>,
    /// What every curator is told beside the ticket
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curator: Option<RepoPath>,
}

/// `[hooks]`: commands around a run. Not acted on by this version: only the defaults are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HooksPolicy {
    /// Before each iteration
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_iteration: Option<String>,
    /// After each iteration
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_iteration: Option<String>,
    /// When a run is done
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_completed: Option<String>,
    /// When a run is blocked
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_blocked: Option<String>,
    /// What a failing hook does
    pub failure: HookFailure,
    /// How long a hook may take
    pub timeout: Duration,
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
        }
    }
}

/// What a failing hook does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookFailure {
    /// It is recorded
    #[default]
    Ignore,
    /// It stops the run
    Block,
}

/// `[notify]`: who is told. Not acted on by this version: all must be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyPolicy {
    /// An address that gets a POST
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A command
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What is told
    pub on: Vec<String>,
}
