//! `[review]` and `[delivery]`: who judges a change, and where it goes.

use ledger_core::{DeliveryMode, ExpertField, RefName, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::byte_size::ByteSize;
use super::text::checked_text;

/// `[review]`: the independent judgement of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReviewPolicy {
    /// Whether another thread reviews the change; `off` counts in loop mode only
    pub independent: IndependentReview,
    /// The fields whose experts are asked about a change that touches them, beside those that its ticket names; `[]`: none
    pub experts: Vec<ExpertField>,
    /// The least severe finding that stops a change
    pub block_on: Severity,
    /// The largest diff that is put into the reviewer's prompt; of a larger one it is told the paths
    pub max_diff: ByteSize,
}

impl Default for ReviewPolicy {
    fn default() -> Self {
        Self {
            independent: IndependentReview::Required,
            experts: vec![ExpertField::Security, ExpertField::DataMigration],
            block_on: Severity::High,
            max_diff: ByteSize::kibibytes(256),
        }
    }
}

/// Whether a change is reviewed by another thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndependentReview {
    /// In every mode
    #[default]
    Required,
    /// Not in loop mode
    Off,
}

/// `[delivery]`: where a reviewed tree goes. Never a merge: only a person's command merges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryPolicy {
    /// How far a delivery goes. This version knows `none`, `branch` and `push`
    pub mode: DeliveryMode,
    /// The branch, with `{id}` for the ticket's id and `{package}` for its package's name; without `{id}` the tickets of a package
    /// share one
    pub branch: BranchTemplate,
    /// Whether a dependency that is delivered but not merged becomes part of the base
    pub stack: bool,
    /// The name of the remote that is pushed to
    pub remote: RemoteName,
    /// The branch of the remote that is pushed to, such as `main`. Mode `push` needs it: that it is named is the consent
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<BranchName>,
    /// Whether a person has to accept the result before it is delivered: `foil accept` or `foil reject`
    pub accept: AcceptUse,
    /// What becomes of a change whose target was moved by somebody else meanwhile
    pub when_moved: WhenMoved,
    /// Branches that are never a target by themselves. Not acted on by this version, which pushes nowhere but to `target`: only the
    /// default is accepted
    pub forbidden_targets: Vec<String>,
    /// The first line of the commit message, with `{id}`, `{title}` and `{kind}` of the ticket
    pub message: MessageTemplate,
    /// The title of a pull request. Not acted on by this version: it must be absent
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_title: Option<String>,
    /// Whether commits are signed. Not acted on by this version: it must be false
    pub sign: bool,
    /// The user's commit hooks; skipped and recorded. Not acted on by this version beyond that
    pub hooks: CommitHooks,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            mode: DeliveryMode::Branch,
            branch: BranchTemplate::default(),
            stack: true,
            remote: RemoteName::default(),
            target: None,
            accept: AcceptUse::Off,
            when_moved: WhenMoved::Rebase,
            forbidden_targets: vec!["main".to_owned(), "master".to_owned()],
            message: MessageTemplate::default(),
            pr_title: None,
            sign: false,
            hooks: CommitHooks::Skip,
        }
    }
}

/// Whether a person's word is needed before a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptUse {
    /// The run waits with `acceptance_needed` until a person has accepted exactly the tree that is to be delivered
    Required,
    /// A passed review is enough
    #[default]
    Off,
}

/// What becomes of a change whose target moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenMoved {
    /// It is brought onto the target, where both changed other files, and its checks run again; at most five times
    #[default]
    Rebase,
    /// The run ends with `upstream_moved`
    Stop,
}

/// What happens to the user's commit hooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommitHooks {
    /// They are skipped, and that is recorded
    #[default]
    Skip,
    /// They run as sandboxed checks, from the base's files
    Run,
}

checked_text! {
    /// A branch name with `{id}` for the ticket's id and `{package}` for its package's name.
    BranchTemplate, what = "a branch template", rule = branch_rule, example = "foil/{id}"
}

impl Default for BranchTemplate {
    fn default() -> Self {
        Self("foil/{id}".to_owned())
    }
}

fn branch_rule(text: &str) -> Result<(), String> {
    let sample = filled(text, &[("id", "0001-a"), ("package", "p")])?;
    if !text.contains("{id}") && !text.contains("{package}") {
        return Err("it must hold `{id}`, or `{package}` for one branch with all tickets of a package".to_owned());
    }
    if text.starts_with('-') || text == "HEAD" {
        return Err("it begins with `-`".to_owned());
    }
    RefName::branch(&sample)
        .map(|_| ())
        .map_err(|error| error.reason.to_owned())
}

checked_text! {
    /// The name of a remote of the repository's configuration. Never an address.
    RemoteName, what = "the name of a remote", rule = remote_rule, example = "origin"
}

impl Default for RemoteName {
    fn default() -> Self {
        Self("origin".to_owned())
    }
}

fn remote_rule(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || !text.chars().all(plain) || text.starts_with(['-', '.']) || text.contains("..") {
        return Err(
            "it may hold only letters, digits and `._-`, and is the name and not the address of a remote".to_owned(),
        );
    }
    Ok(())
}

checked_text! {
    /// The short name of a branch.
    BranchName, what = "a branch", rule = branch_name_rule, example = "main"
}

fn branch_name_rule(text: &str) -> Result<(), String> {
    if text.starts_with('-') || text.starts_with("refs/") || text == "HEAD" {
        return Err("write its short name, such as `main`".to_owned());
    }
    RefName::branch(text)
        .map(|_| ())
        .map_err(|error| error.reason.to_owned())
}

checked_text! {
    /// The first line of a commit message, with `{id}`, `{title}` and `{kind}` of the ticket.
    MessageTemplate, what = "a message template", rule = message_rule, example = "{id}: {title}"
}

impl Default for MessageTemplate {
    fn default() -> Self {
        Self("{id}: {title}".to_owned())
    }
}

fn message_rule(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        return Err("it must be one line of 1 to 500 characters".to_owned());
    }
    filled(text, &[("id", ""), ("title", ""), ("kind", "")]).map(|_| ())
}

impl BranchTemplate {
    /// Whether all tickets of a package share one branch.
    pub fn is_shared(&self) -> bool {
        !self.as_str().contains("{id}")
    }

    /// The template with which all tickets of a package share one branch: the package is named where this one names the ticket.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self(self.as_str().replace("{id}", "{package}"))
    }

    /// The branch's short name. A ticket without a package has `no-package` there, or its id where a package has one branch.
    pub fn fill(&self, id: &str, package: Option<&str>) -> String {
        let alone = if self.is_shared() { id } else { "no-package" };
        let values = [("id", id), ("package", package.unwrap_or(alone))];
        filled(self.as_str(), &values).unwrap_or_else(|_| format!("foil/{id}"))
    }
}

impl MessageTemplate {
    /// The first line of the message.
    pub fn fill(&self, id: &str, title: &str, kind: &str) -> String {
        let values = [("id", id), ("title", title), ("kind", kind)];
        filled(self.as_str(), &values).unwrap_or_else(|_| format!("{id}: {title}"))
    }
}

/// The text with each `{name}` replaced, in one pass: a value that holds braces stays as it is.
fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').map(|end| at + end);
        let value = end.and_then(|end| {
            let name = rest[at..end].strip_prefix('{')?;
            values
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (end, *value))
        });
        let Some((end, value)) = value else {
            let known: Vec<_> = values.iter().map(|(name, _)| format!("`{{{name}}}`")).collect();
            return Err(format!("braces may only hold {}", known.join(", ")));
        };
        out.push_str(value);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_one_pass_and_wrong_ones_refused() {
        let message: MessageTemplate = "{kind}: {title} ({id})".parse().unwrap();
        assert_eq!(message.fill("0042", "a {id} b", "feature"), "feature: a {id} b (0042)");
        let branch: BranchTemplate = "team/{package}/{id}".parse().unwrap();
        assert_eq!(branch.fill("0042-x", Some("goal")), "team/goal/0042-x");
        assert_eq!(branch.fill("0042-x", None), "team/no-package/0042-x");
        assert!(!branch.is_shared());
        let shared: BranchTemplate = "goals/{package}".parse().unwrap();
        assert!(shared.is_shared());
        assert_eq!(shared.fill("0042-x", Some("goal")), "goals/goal");
        assert_eq!(shared.fill("0042-x", None), "goals/0042-x");
        for bad in [
            "main",
            "-{package}",
            "{package}.lock",
            "foil/{id",
            "foil/id}",
            "foil/{name}/{id}",
            "-{id}",
            "a..b/{id}",
            "{id}.lock",
            "a b/{id}",
        ] {
            assert!(bad.parse::<BranchTemplate>().is_err(), "{bad}");
        }
        for bad in ["", " ", "a\nb", "{who}", "{"] {
            assert!(bad.parse::<MessageTemplate>().is_err(), "{bad:?}");
        }
    }
}
