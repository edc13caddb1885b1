//! `[prompts]`: what the repository tells each agent.

use ledger_core::RepoPath;
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
