//! What both ways of driving Codex have in common: environment, and configuration of one conversation.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use ledger_core::AgentIdentity;
use serde_json::{Map, Value, json};

use super::child::{AgentGuard, inherited_environment};
use super::text::Redaction;
use super::{Access, CodexHome, CodexProgram, ProjectInstructions, TurnRequest};

/// How Codex is started.
#[derive(Debug, Clone)]
pub struct CodexAgentSettings {
    /// The program.
    pub program: CodexProgram,
    /// Its home.
    pub home: CodexHome,
    /// Further environment variables for Codex itself. Its commands do not see those that look like secrets.
    pub env: BTreeMap<String, String>,
    /// Under what it is started.
    pub guard: AgentGuard,
}

/// The first parts of configuration keys that say what a worker may do. They follow from the [`TurnRequest`] and cannot
/// be set beside it.
const RESERVED: [&str; 12] = [
    "allow_login_shell",
    "approval_policy",
    "approvals_reviewer",
    "default_permissions",
    "hooks",
    "permissions",
    "projects",
    "project_doc_max_bytes",
    "sandbox_mode",
    "sandbox_workspace_write",
    "shell_environment_policy",
    "notify",
];

/// Whether this (dotted) key of Codex' configuration is set by the request itself, so that [`TurnRequest::config`] must
/// not hold it.
pub fn is_reserved_config_key(key: &str) -> bool {
    let first = key
        .split('.')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches(['"', '\'']);
    RESERVED.contains(&first)
}

impl CodexAgentSettings {
    /// The environment of Codex' process.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        let ours = self.env.iter().map(|(name, value)| (name.into(), value.into()));
        let mut environment: BTreeMap<OsString, OsString> = inherited_environment().chain(ours).collect();
        environment.insert("CODEX_HOME".into(), self.home.path().into());
        environment.into_iter().collect()
    }

    /// What must not leave a turn.
    pub(super) fn redaction(&self, request: &TurnRequest) -> Redaction {
        let known = self
            .environment()
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .chain(request.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        Redaction::new(&request.place, Some(self.home.path()), known, request.redactor.clone())
    }

    /// Who answers, before more is known.
    pub(super) fn identity(&self, access: Access) -> AgentIdentity {
        AgentIdentity {
            kind: ledger_core::AgentKind::Codex,
            version: self.program.version().to_string(),
            model: None,
            sandbox: access.sandbox_mode().to_owned(),
        }
    }
}

impl Access {
    /// Codex' name of the sandbox that holds the agent to this.
    pub(super) fn sandbox_mode(self) -> &'static str {
        match self {
            Self::Write => "workspace-write",
            Self::ReadOnly => "read-only",
        }
    }
}

/// A key of the request's configuration that it must not have.
#[derive(Debug, thiserror::Error)]
#[error("the configuration key `{key}` is set by the runner itself")]
pub(super) struct ReservedKey {
    key: String,
}

/// The configuration of one conversation by dotted key.
pub(super) fn thread_config(request: &TurnRequest) -> Result<Map<String, Value>, ReservedKey> {
    if let Some(key) = request.config.keys().find(|key| is_reserved_config_key(key)) {
        return Err(ReservedKey { key: key.clone() });
    }
    let mut config = request.config.clone();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    set("sandbox_workspace_write.network_access", json!(request.network));
    set("sandbox_workspace_write.exclude_slash_tmp", json!(true));
    set("sandbox_workspace_write.exclude_tmpdir_env_var", json!(true));
    set("sandbox_workspace_write.writable_roots", json!([]));
    if !request.network {
        // The provider's search would reach the network in the worker's place.
        set("web_search", json!("disabled"));
    }
    if request.instructions == ProjectInstructions::Off {
        // Each of these closes one way: AGENTS.md, skills of the place, skills that come with Codex, and, as an
        // untrusted place has none of them, whatever else Codex would read there.
        set("project_doc_max_bytes", json!(0));
        set("skills.include_instructions", json!(false));
        set("skills.bundled.enabled", json!(false));
        set("projects", untrusted(&request.place));
    }
    if !request.env.is_empty() {
        set("shell_environment_policy.set", json!(request.env));
    }
    Ok(config)
}

/// Says of a place that it is not trusted, under both of its names where it has two.
fn untrusted(place: &Path) -> Value {
    let names = [Some(place.to_owned()), place.canonicalize().ok()]
        .into_iter()
        .flatten();
    names
        .filter_map(|name| name.into_os_string().into_string().ok())
        .map(|name| (name, json!({ "trust_level": "untrusted" })))
        .collect::<Map<String, Value>>()
        .into()
}

/// Variables that the agent's commands never see, beside those that look like secrets by their names.
pub(super) const HIDDEN_VARIABLES: [&str; 10] = [
    "*PASS*",
    "*CREDENTIAL*",
    "*AUTH*",
    "AWS_*",
    "AZURE_*",
    "DBUS_*",
    "GH_*",
    "GITHUB_*",
    "GPG_*",
    "SSH_*",
];
