//! `[agent]`: who takes the turns, and how it is started.

use std::collections::BTreeMap;

use ledger_core::AgentKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[agent]`: who takes the turns, and how it is started. Requests of the agent for approval or input are declined and
/// recorded; no key changes that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentPolicy {
    /// Which kind of agent: `codex` through its app-server, `codex-exec`, or `scripted` for demos and tests. What `codex-exec` spends is known only after turns
    /// that ended well, so that limits on tokens are looked at between turns
    pub kind: AgentKind,
    /// The program to start: a name that is looked up in PATH, or an absolute path
    pub command: String,
    /// The model; absent: the one that Codex chooses
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much the model reasons, in Codex' words; absent: the model's own default
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// The sandbox of the worker's commands
    pub sandbox: WorkerSandbox,
    /// Whether the worker's commands may use the network
    pub network: bool,
    /// Whose Codex home is used
    pub home: AgentHome,
    /// Codex settings passed with each conversation, such as `model_provider` and `model_providers`. Settings that would
    /// weaken the isolation of the worker are refused
    pub config: BTreeMap<String, serde_json::Value>,
    /// Environment variables set for the agent itself, by name
    pub env: BTreeMap<String, String>,
}

impl Default for AgentPolicy {
    fn default() -> Self {
        Self {
            kind: AgentKind::Codex,
            command: "codex".to_owned(),
            model: None,
            reasoning_effort: None,
            sandbox: WorkerSandbox::WorkspaceWrite,
            network: false,
            home: AgentHome::Shared,
            config: BTreeMap::new(),
            env: BTreeMap::new(),
        }
    }
}

/// The sandbox of the worker's commands. There is only one: without a sandbox the worker could write what it is judged
/// by, and read-only it could do no work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerSandbox {
    /// The place is writable, the rest of the machine is not
    #[default]
    WorkspaceWrite,
}

impl WorkerSandbox {
    /// The name in files and in Codex.
    pub fn as_str(self) -> &'static str {
        "workspace-write"
    }
}

/// Whose Codex home is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgentHome {
    /// One of Counterfoil's own per user
    #[default]
    Shared,
    /// The user's own
    User,
}
