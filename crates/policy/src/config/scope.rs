//! `[scope]` and `[commands]`: what no ticket may touch or run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::PathPattern;
use super::text::checked_text;

/// `[scope]`: which paths no ticket, or only a grant, may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScopePolicy {
    /// Paths that no ticket may change
    pub forbidden: Vec<PathPattern>,
    /// Secrets beyond the built-in patterns, and exceptions
    pub secrets: SecretsPolicy,
    /// Paths that need a grant, beside the built-in ones: policy, ledger, CI, Git, Codex and instructions to agents
    pub protected: Vec<PathPattern>,
    /// Where tests live, beside what the usual names of files and folders say
    pub tests: Vec<PathPattern>,
    /// Where documentation lives; what a `docs_only` ticket may change
    pub docs_roots: Vec<PathPattern>,
}

impl Default for ScopePolicy {
    fn default() -> Self {
        Self {
            forbidden: Vec::new(),
            secrets: SecretsPolicy::default(),
            protected: Vec::new(),
            tests: Vec::new(),
            docs_roots: ["docs/**", "*.md"]
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
        }
    }
}

/// `[scope.secrets]`: what counts as a secret beside the built-in patterns, and what does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsPolicy {
    /// Regular expressions, each matched line by line; the first group, else the whole match, is the secret
    pub patterns: Vec<SecretPattern>,
    /// Fingerprints of findings that are no secrets, as messages show them
    pub exceptions: Vec<Fingerprint>,
}

checked_text! {
    /// A regular expression for a secret of your own, in the syntax of Rust's `regex` crate.
    SecretPattern, what = "a regular expression for a secret", rule = secret_rule, example = "acme_[0-9a-f]{32}"
}

impl SecretPattern {
    /// The compiled expression; bounded in size, linear in time.
    pub(crate) fn regex(&self) -> Result<regex::bytes::Regex, regex::Error> {
        compile(self.as_str())
    }
}

fn compile(text: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(text).size_limit(1 << 20).build()
}

fn secret_rule(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 1000 {
        return Err("it must have 1 to 1000 characters".to_owned());
    }
    let regex = compile(text).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })?;
    if regex.is_match(b"") {
        return Err("it matches the empty text, so every line".to_owned());
    }
    Ok(())
}

checked_text! {
    /// A short digest by which a finding is recognised: 16 lower-case hex digits. The secret cannot be told from it.
    Fingerprint, what = "a fingerprint", rule = fingerprint_rule, example = "9f86d081884c7d65"
}

fn fingerprint_rule(text: &str) -> Result<(), String> {
    let hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex {
        Ok(())
    } else {
        Err("copy the 16 hex digits that the message shows".to_owned())
    }
}

/// `[commands]`: commands that stop the turn when the worker starts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandsPolicy {
    /// Commands beyond the built-in ones: destruction of data, deploy, release, publish, push, reading credentials
    pub deny: Vec<CommandPattern>,
}

checked_text! {
    /// The beginning of a command, word by word; `*` stands for any one word. `make deploy` denies `make deploy prod`.
    CommandPattern, what = "a command pattern", rule = command_rule, example = "make deploy"
}

impl CommandPattern {
    /// The words that a command must begin with.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.as_str().split_whitespace()
    }
}

fn command_rule(text: &str) -> Result<(), String> {
    if text.len() > 1000 || text.chars().any(char::is_control) {
        return Err("it must be one line of at most 1000 characters".to_owned());
    }
    if text.contains(['"', '\'', '`', ';', '|', '&', '<', '>', '(', ')', '\\']) {
        return Err("it is compared word by word; leave out quotes and what joins commands".to_owned());
    }
    match text.split_whitespace().next() {
        None => Err("it is empty".to_owned()),
        Some("*") => Err("it begins with `*`, so it would deny every command".to_owned()),
        Some(_) => Ok(()),
    }
}
