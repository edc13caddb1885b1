//! Which Codex settings `[agent.config]` may hold.
//!
//! The policy is trusted by digest, so it may say how Codex reaches a model. What keeps the worker apart is the runner's
//! to say: a setting that widens the sandbox, answers approvals, marks folders as trusted, or starts programs outside
//! the sandbox is refused by name, whether it is written as a table or with a dotted key.

use serde_json::Value;

/// A refused setting: the keys that lead to it as written, and why.
pub(super) struct RefusedSetting {
    pub(super) keys: Vec<String>,
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

/// First parts of names that are refused, why, and what to do instead.
const REFUSED_PREFIXES: &[(&str, &str, &str)] = &[
    (
        "sandbox",
        "it would change the worker's sandbox",
        "the runner sets the sandbox; `[agent] network` opens the network",
    ),
    (
        "windows",
        "it would change the worker's sandbox",
        "the runner sets the sandbox",
    ),
    (
        "approval",
        "it would answer requests that the runner declines",
        "leave it out",
    ),
    (
        "auto_review",
        "it would answer requests that the runner declines",
        "leave it out",
    ),
    (
        "default_permissions",
        "it would change the worker's sandbox",
        "the runner sets the sandbox",
    ),
    (
        "permission",
        "it would change the worker's sandbox",
        "the runner sets the sandbox",
    ),
    (
        "project_root",
        "it would change which folder counts as the project",
        "leave it out",
    ),
    (
        "projects",
        "it would mark folders as trusted",
        "the runner decides which folders Codex trusts",
    ),
    (
        "mcp",
        "it starts programs outside the sandbox",
        "this version runs the worker without MCP servers",
    ),
    ("hooks", "it starts programs outside the sandbox", "leave it out"),
    ("notify", "it starts a program outside the sandbox", "leave it out"),
    (
        "plugins",
        "it loads tools that the runner does not know",
        "leave it out",
    ),
    (
        "marketplaces",
        "it loads tools that the runner does not know",
        "leave it out",
    ),
    ("apps", "it loads tools that the runner does not know", "leave it out"),
    (
        "profile",
        "it would bring in settings that nobody has read here",
        "write the settings out",
    ),
    (
        "shell_environment_policy",
        "it would hand credentials to the worker's commands",
        "leave it out",
    ),
    (
        "zsh_path",
        "it names a program that runs outside the sandbox",
        "leave it out",
    ),
    (
        "js_repl",
        "it names programs that run outside the sandbox",
        "leave it out",
    ),
    ("cwd", "the runner sets the worker's folder", "leave it out"),
    ("log_dir", "it makes Codex write outside its home", "leave it out"),
    ("sqlite_home", "it makes Codex write outside its home", "leave it out"),
    (
        "instructions",
        "the runner writes the worker's instructions",
        "put it into the ticket's prompt",
    ),
    (
        "base_instructions",
        "the runner writes the worker's instructions",
        "put it into the ticket's prompt",
    ),
    (
        "developer_instructions",
        "the runner writes the worker's instructions",
        "put it into the ticket's prompt",
    ),
    (
        "model_instructions_file",
        "the runner writes the worker's instructions",
        "put it into the ticket's prompt",
    ),
    (
        "experimental_instructions_file",
        "the runner writes the worker's instructions",
        "put it into the ticket's prompt",
    ),
];

/// Names that have a key of their own in `[agent]`.
const OWN_KEYS: &[(&str, &str)] = &[
    ("model", "set `[agent] model`"),
    ("model_reasoning_effort", "set `[agent] reasoning_effort`"),
];

/// Parts of feature names that protect something, and so may not be turned off either.
const PROTECTIVE_FEATURES: &[&str] = &[
    "sandbox",
    "landlock",
    "bwrap",
    "seccomp",
    "approval",
    "guardian",
    "permission",
    "secret",
];

/// The first setting that is refused, in the order of the keys.
pub(super) fn refused(config: &std::collections::BTreeMap<String, Value>, network: bool) -> Option<RefusedSetting> {
    config.iter().find_map(|(key, value)| {
        let mut keys = vec![key.clone()];
        let mut parts: Vec<String> = key.split('.').map(plain).collect();
        walk(value, &mut keys, &mut parts, network)
    })
}

/// Quotes inside of a dotted key do not make it another name.
fn plain(part: &str) -> String {
    part.trim().trim_matches(['"', '\'']).to_owned()
}

fn walk(value: &Value, keys: &mut Vec<String>, parts: &mut Vec<String>, network: bool) -> Option<RefusedSetting> {
    if let Some((reason, hint)) = refusal(parts, value, network) {
        return Some(RefusedSetting {
            keys: keys.clone(),
            reason,
            hint,
        });
    }
    let Value::Object(table) = value else { return None };
    table.iter().find_map(|(key, value)| {
        let before = parts.len();
        keys.push(key.clone());
        parts.extend(key.split('.').map(plain));
        let found = walk(value, keys, parts, network);
        keys.pop();
        parts.truncate(before);
        found
    })
}

fn refusal(parts: &[String], value: &Value, network: bool) -> Option<(String, &'static str)> {
    let first = parts.first().map(String::as_str).unwrap_or_default();
    if let Some((_, reason, hint)) = REFUSED_PREFIXES.iter().find(|(prefix, ..)| first.starts_with(prefix)) {
        return Some(((*reason).to_owned(), hint));
    }
    if let Some((_, hint)) = OWN_KEYS.iter().find(|(name, _)| *name == first) {
        return Some(("it has a key of its own".to_owned(), hint));
    }
    // How TOML's dates, and numbers that JSON does not have, come out of the reader.
    if value.is_null() || value.get("$__toml_private_datetime").is_some() {
        let reason = "Codex has no setting that is a date, an infinity or not a number";
        return Some((reason.to_owned(), "write a text or a number"));
    }
    let leaf = !value.is_object();
    match (first, parts) {
        ("features", [_, name, ..]) if leaf => {
            if *value != Value::Bool(false) {
                Some((
                    "a feature may only be turned off here".to_owned(),
                    "leave it out, or set it to false",
                ))
            } else if PROTECTIVE_FEATURES.iter().any(|part| name.contains(part)) {
                Some((
                    "this feature protects the user and stays as it is".to_owned(),
                    "leave it out",
                ))
            } else {
                None
            }
        }
        ("model_providers", [_, _, key, rest @ ..]) => provider_refusal(key, rest, leaf),
        ("web_search", _) if !network && value != "disabled" && value != "cached" => Some(web_search()),
        ("tools", [_, tool, ..]) if leaf && tool == "web_search" && !network && *value != Value::Bool(false) => {
            Some(web_search())
        }
        _ => None,
    }
}

fn web_search() -> (String, &'static str) {
    (
        "it lets the worker reach the network".to_owned(),
        "set `[agent] network = true` too, or leave it out",
    )
}

fn provider_refusal(key: &str, rest: &[String], leaf: bool) -> Option<(String, &'static str)> {
    let secret = "it holds a credential, and this file is committed";
    match key {
        "auth" => Some((
            "it starts a program outside the sandbox".to_owned(),
            "name a variable in `env_key`",
        )),
        "experimental_bearer_token" => Some((secret.to_owned(), "name a variable in `env_key`")),
        "http_headers" | "query_params" if leaf => {
            let name = rest.join(".").to_ascii_lowercase();
            ["auth", "key", "token", "cookie", "secret", "password"]
                .iter()
                .any(|word| name.contains(word))
                .then(|| (secret.to_owned(), "name a variable in `env_key` or `env_http_headers`"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_keys(config: Value, network: bool) -> Option<String> {
        let config = serde_json::from_value(config).unwrap();
        refused(&config, network).map(|setting| setting.keys.join(" > "))
    }

    #[test]
    fn settings_that_weaken_isolation_are_refused_however_they_are_written() {
        for (config, key) in [
            (
                serde_json::json!({"sandbox_mode": "danger-full-access"}),
                "sandbox_mode",
            ),
            (
                serde_json::json!({"sandbox_workspace_write.network_access": true}),
                "sandbox_workspace_write.network_access",
            ),
            (serde_json::json!({"\"sandbox_mode\"": "x"}), "\"sandbox_mode\""),
            (serde_json::json!({"approval_policy": "on-request"}), "approval_policy"),
            (serde_json::json!({"approvals_reviewer": "x"}), "approvals_reviewer"),
            (
                serde_json::json!({"projects": {"/": {"trust_level": "trusted"}}}),
                "projects",
            ),
            (
                serde_json::json!({"mcp_servers": {"a": {"command": "x"}}}),
                "mcp_servers",
            ),
            (serde_json::json!({"notify": ["x"]}), "notify"),
            (serde_json::json!({"hooks": {}}), "hooks"),
            (serde_json::json!({"features": {"hooks": true}}), "features > hooks"),
            (
                serde_json::json!({"features.sandbox_denials": false}),
                "features.sandbox_denials",
            ),
            (
                serde_json::json!({"features": {"plugins": "yes"}}),
                "features > plugins",
            ),
            (serde_json::json!({"model": "x"}), "model"),
            (
                serde_json::json!({"model_providers": {"a": {"auth": {"command": "x"}}}}),
                "model_providers > a > auth",
            ),
            (
                serde_json::json!({"model_providers.a.auth.command": "x"}),
                "model_providers.a.auth.command",
            ),
            (
                serde_json::json!({"model_providers": {"a": {"experimental_bearer_token": "x"}}}),
                "model_providers > a > experimental_bearer_token",
            ),
            (
                serde_json::json!({"model_providers": {"a": {"http_headers": {"Authorization": "x"}}}}),
                "model_providers > a > http_headers > Authorization",
            ),
            (serde_json::json!({"web_search": "live"}), "web_search"),
            (serde_json::json!({"tools": {"web_search": true}}), "tools > web_search"),
            (
                serde_json::json!({"developer_instructions": "x"}),
                "developer_instructions",
            ),
            (serde_json::json!({"profile": "x"}), "profile"),
        ] {
            assert_eq!(refused_keys(config.clone(), false).as_deref(), Some(key), "{config}");
        }
    }

    #[test]
    fn settings_that_reach_a_model_are_fine() {
        let config = serde_json::json!({
            "model_provider": "mock",
            "model_providers": {"mock": {"name": "mock", "base_url": "http://127.0.0.1:1/v1", "wire_api": "responses",
                "env_key": "MOCK_API_KEY", "http_headers": {"X-Team": "a"}, "stream_max_retries": 0}},
            "features": {"plugins": false, "shell_snapshot": false, "unbounded_connection_retries": false},
            "model_verbosity": "low",
            "analytics": {"enabled": false},
            "web_search": "cached",
        });
        assert_eq!(refused_keys(config, false), None);
        assert_eq!(refused_keys(serde_json::json!({"web_search": "live"}), true), None);
    }
}
