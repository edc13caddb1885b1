//! `[workspace]`: the places that a run works and checks in.

use ledger_core::{Duration, RepoPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::checked_text;

/// `[workspace]`: the places that a run works and checks in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspacePolicy {
    /// The folder in which places are made; absent: Counterfoil's own state folder
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<FolderPath>,
    /// Commands that prepare a place, in order, once per place and before the worker. They must leave tracked content as
    /// it was
    pub setup: Vec<SetupCommand>,
    /// Untracked files of the user's work tree that checks need; copied into each place, never part of a change set
    pub copy: Vec<RepoPath>,
    /// Names of environment variables that are handed to set-up commands and checks beside the built-in ones
    pub env: Vec<EnvironmentName>,
    /// Folders outside the places that set-up commands and checks may write, such as a package cache. Checks can only read
    /// them where a set-up command has the network
    pub writable: Vec<FolderPath>,
    /// Names of Git filters from the user's own configuration that may run, such as `lfs`
    pub filters: Vec<FilterName>,
    /// When the places of a run are removed
    pub keep: KeepPlaces,
    /// How long caches of a place are kept. Not acted on by this version: only the default is accepted
    pub cache_ttl: Duration,
}

impl Default for WorkspacePolicy {
    fn default() -> Self {
        Self {
            root: None,
            setup: Vec::new(),
            copy: Vec::new(),
            env: Vec::new(),
            writable: Vec::new(),
            filters: Vec::new(),
            keep: KeepPlaces::UntilFinished,
            cache_ttl: Duration::seconds(86_400),
        }
    }
}

/// A command that prepares a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupCommand {
    /// The line for `sh -c`
    #[schemars(length(min = 1))]
    pub run: String,
    /// How long it may take
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Whether it may use the network
    #[serde(default)]
    pub network: bool,
}

pub(super) fn default_timeout() -> Duration {
    Duration::minutes(10)
}

/// When the places of a run are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepPlaces {
    /// When the run is done; a blocked or canceled run keeps them for `foil clean`
    #[default]
    UntilFinished,
    /// Never by themselves; `foil clean` removes them
    Always,
}

checked_text! {
    /// A folder of the machine: an absolute path, or one that begins with `~/`.
    FolderPath, what = "a folder", rule = folder_rule, example = "~/.cache/counterfoil"
}

fn folder_rule(text: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(reason.to_owned());
    let Some(rest) = text.strip_prefix("~/").or_else(|| text.strip_prefix('/')) else {
        return wrong("it must be absolute or begin with `~/`");
    };
    let parts: Vec<_> = rest.trim_end_matches('/').split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return wrong("it must name a folder below `/` or `~/`, without empty, `.` or `..` parts");
    }
    if text.chars().any(char::is_control) {
        return wrong("it holds a control character");
    }
    let first = parts[0].to_ascii_lowercase();
    let private = [
        ".ssh",
        ".gnupg",
        ".aws",
        ".azure",
        ".kube",
        ".docker",
        ".netrc",
        ".codex",
        ".password-store",
    ];
    if text.starts_with("~/") && private.contains(&first.as_str()) {
        return wrong("credentials live there");
    }
    let system = [
        "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr",
    ];
    if text.starts_with('/') && (system.contains(&first.as_str()) || (first == "home" && parts.len() < 3)) {
        return wrong("it belongs to the system or is a whole home");
    }
    Ok(())
}

checked_text! {
    /// The name of an environment variable that commands are handed. Names of credentials are refused.
    EnvironmentName, what = "an environment variable for commands", rule = environment_rule, example = "CARGO_HOME"
}

/// Whether the text can name an environment variable.
pub(super) fn is_environment_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 200
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn environment_rule(text: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(reason.to_owned());
    if !is_environment_name(text) {
        return wrong("a name has letters, digits and `_`, and does not begin with a digit");
    }
    let upper = text.to_ascii_uppercase();
    let credentials = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "PRIVATE_KEY",
        "API_KEY",
        "APIKEY",
        "ACCESS_KEY",
        "SSH_AUTH_SOCK",
        "GPG_AGENT",
        "DATABASE_URL",
    ];
    if credentials.iter().any(|word| upper.contains(word)) {
        return wrong("it names a credential; set-up commands and checks get none");
    }
    if upper.starts_with("FOIL_") || upper.starts_with("COUNTERFOIL_") {
        return wrong("foil keeps such names to itself");
    }
    if upper.starts_with("GIT_") || upper.starts_with("LD_") || upper.starts_with("DYLD_") || upper == "CODEX_HOME" {
        return wrong("it would change what Git, the loader or Codex does; the runner sets it");
    }
    Ok(())
}

checked_text! {
    /// The name of a Git filter, such as `lfs`.
    FilterName, what = "a filter name", rule = filter_rule, example = "lfs"
}

fn filter_rule(text: &str) -> Result<(), String> {
    let fits =
        (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err("it must have 1 to 100 letters, digits or `._-`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_names_that_would_open_the_sandbox_are_refused() {
        for good in [
            "~/.cache/x",
            "/var/cache/foil",
            "/home/me/.cargo",
            "~/.cargo/registry/",
            "/srv",
        ] {
            assert!(good.parse::<FolderPath>().is_ok(), "{good}");
        }
        for bad in [
            "", "/", "~", "~/", "x", "/etc/x", "/home/me", "~/.ssh/x", "~/../x", "/a//b", "/usr", "//",
        ] {
            assert!(bad.parse::<FolderPath>().is_err(), "{bad}");
        }
        for good in ["CARGO_HOME", "CI", "_x1"] {
            assert!(good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "1A",
            "A-B",
            "GITHUB_TOKEN",
            "aws_secret_access_key",
            "GIT_DIR",
            "LD_PRELOAD",
            "A=B",
            "FOIL_WEBHOOK",
        ] {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
    }
}
