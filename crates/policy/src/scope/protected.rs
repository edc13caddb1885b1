//! Paths that belong to the runner or instruct agents.

use std::fmt;

use ledger_core::RepoPath;

use super::InvalidScope;
use super::fold::{folded_part, folded_path};
use super::pattern_set::FoldedSet;
use crate::config::{PathPattern, Policy};

/// Why a path is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protected {
    /// The policy.
    Policy,
    /// The ledger: tickets, approvals, records, specs.
    Ledger,
    /// Something that an automatic build runs.
    Automation,
    /// Something that tells Git what to do or run.
    Git,
    /// Something that tells coding agents what to do.
    Agents,
    /// Something that runs on a person's machine by itself: hooks, `.envrc`.
    Hooks,
    /// Something that the policy protects beside these.
    ByPolicy,
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "protected: it is the policy",
            Self::Ledger => "protected: it belongs to the ledger",
            Self::Automation => "protected: automatic builds run it",
            Self::Git => "protected: it tells Git what to do",
            Self::Agents => "protected: it instructs coding agents",
            Self::Hooks => "protected: it runs by itself on a person's machine",
            Self::ByPolicy => "protected by the policy's `[scope] protected`",
        })
    }
}

/// `.gitignore` is not here: a changed one is judged by scope like any file. It has no effect on what the runner sees,
/// since the change set goes by the ignore rules of the base.
const GIT: &[&str] = &[
    "**/.git",
    "**/.git/**",
    "**/git~1",
    "**/git~1/**",
    "**/.gitattributes",
    "**/.gitmodules",
    "**/.gitconfig",
    "**/.lfsconfig",
];

const AUTOMATION: &[&str] = &[
    ".github/workflows/**",
    "**/.github/actions/**",
    ".github/dependabot.{yml,yaml}",
    "**/CODEOWNERS",
    ".gitlab-ci.{yml,yaml}",
    ".gitlab-ci/**",
    ".gitlab/ci/**",
    ".circleci/**",
    "azure-pipelines*.{yml,yaml}",
    ".azure-pipelines/**",
    ".azuredevops/**",
    "**/Jenkinsfile*",
    "**/*.jenkinsfile",
    ".buildkite/**",
    ".travis.{yml,yaml}",
    ".woodpecker.{yml,yaml}",
    ".woodpecker/**",
    ".drone.{yml,yaml,star,jsonnet}",
    ".drone/**",
    ".ci/**",
    ".{forgejo,gitea}/workflows/**",
    ".appveyor.{yml,yaml}",
    "appveyor.{yml,yaml}",
    "bitbucket-pipelines.{yml,yaml}",
    "cloudbuild.{yml,yaml,json}",
    ".cirrus.{yml,yaml,star}",
    ".semaphore/**",
    ".teamcity/**",
    ".builds/**",
    ".build.{yml,yaml}",
];

const AGENTS: &[&str] = &[
    "**/AGENTS*.md",
    "**/AGENT.md",
    "**/opencode.{json,jsonc}",
    "**/.opencode/**",
    "**/.rules",
    "**/CLAUDE*.md",
    "**/GEMINI*.md",
    "**/QWEN.md",
    "**/SKILL.md",
    "**/.codex/**",
    "**/.agents/**",
    "**/.claude/**",
    "**/.gemini/**",
    "**/.cursor/**",
    "**/.cursorrules",
    "**/.cursorignore",
    "**/.windsurf/**",
    "**/.windsurfrules",
    "**/.clinerules",
    "**/.clinerules/**",
    "**/.roo/**",
    "**/.roorules*",
    "**/.junie/**",
    "**/.kiro/**",
    "**/.continue/**",
    "**/.aider*",
    "**/.mcp.json",
    "**/.vscode/mcp.json",
    "**/copilot-instructions.md",
    "**/*.instructions.md",
    "**/.github/{instructions,prompts,chatmodes,agents,skills}/**",
];

const HOOKS: &[&str] = &[
    "**/.envrc",
    "**/.husky/**",
    "**/.githooks/**",
    "**/.pre-commit-config.{yml,yaml}",
    "**/.pre-commit-hooks.{yml,yaml}",
    "**/{lefthook,lefthook-local,.lefthook,.lefthook-local}.{yml,yaml,toml,json}",
    "**/.lefthook/**",
    "**/.lefthook-local/**",
    "**/.overcommit.yml",
    "**/.git-hooks/**",
    // What editors and tools run or obey when a folder is opened or entered.
    "**/.vscode/{tasks,settings}.json",
    "**/*.code-workspace",
    "**/.devcontainer/**",
    "**/.devcontainer.json",
    "**/{mise,.mise,mise.local,.mise.local}.toml",
    "**/.mise/**",
    "**/.config/mise/**",
    "**/.yarnrc.yml",
    "**/.cargo/{config,config.toml}",
    "**/.{exrc,vimrc,nvimrc,nvim.lua}",
];

/// Paths that no worker may change without a grant for exactly that path. Compared without case and normal forms, so that
/// a twin such as `agents.MD` is caught that some file systems would take for the real one.
#[derive(Debug, Clone)]
pub struct ProtectedPaths {
    all: FoldedSet,
    /// Why, for each pattern of `all`.
    why: Vec<Protected>,
    consent: FoldedSet,
}

impl ProtectedPaths {
    /// The built-in paths and those of the policy.
    pub fn new(policy: &Policy) -> Result<Self, InvalidScope> {
        let ledger = policy.ledger.dir.path().to_string();
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let below = |folder: &str| vec![format!("{folder}/**")];
        let lists = [
            (Protected::Git, texts(GIT)),
            (Protected::Policy, texts(&[Policy::FILE_NAME])),
            (Protected::Ledger, below(&ledger)),
            (Protected::Agents, texts(AGENTS)),
            (Protected::Automation, texts(AUTOMATION)),
            (Protected::Hooks, texts(HOOKS)),
            (
                Protected::ByPolicy,
                policy
                    .scope
                    .protected
                    .iter()
                    .map(|path| path.as_str().to_owned())
                    .collect(),
            ),
        ];
        let (mut patterns, mut why) = (Vec::new(), Vec::new());
        for (reason, list) in lists {
            let list: Vec<_> = list.iter().flat_map(|text| with_folders(text)).collect();
            patterns.extend(parsed(&list));
            why.resize(patterns.len(), reason);
        }
        let consent = [
            below(&format!("{ledger}/tickets")),
            below(&format!("{ledger}/packages")),
        ]
        .concat();
        let consent: Vec<_> = consent.iter().flat_map(|text| with_folders(text)).collect();
        Ok(Self {
            all: FoldedSet::new("scope.protected", &patterns)?,
            why,
            consent: FoldedSet::new("scope.protected", &parsed(&consent))?,
        })
    }

    /// Why this path is protected; none: it is not.
    pub fn find(&self, path: &RepoPath) -> Option<Protected> {
        self.why.get(self.all.position(path)?).copied()
    }

    /// Why no ticket can grant this path: Git's own folder is never content, and a worker that could write tickets,
    /// approvals or the policy would write its own consent.
    pub fn never_granted(&self, path: &RepoPath) -> Option<&'static str> {
        if path.parts().any(is_git_folder) {
            Some("Git's own folder is never content")
        } else if folded_path(path) == Policy::FILE_NAME.as_bytes() {
            Some("only a person changes the policy")
        } else if self.consent.find(path).is_some() {
            Some("tickets, approvals, packages and records are a person's and the runner's")
        } else {
            None
        }
    }
}

/// Whether a part of a path is Git's own folder on some file system.
pub(super) fn is_git_folder(part: &[u8]) -> bool {
    matches!(folded_part(part).as_slice(), b".git" | b"git~1")
}

/// The pattern and every folder that it names: a folder that became a file or a link is a change of what was in it.
fn with_folders(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    let mut end = text.len();
    while let Some(slash) = text[..end].rfind('/') {
        end = slash;
        // `**/x` names no folder above `x`, and a brace may not be cut in two.
        let folder = &text[..end];
        let is_whole = folder.matches('{').count() == folder.matches('}').count();
        if is_whole && folder.split('/').any(|part| !part.contains('*')) && !folder.ends_with('*') {
            all.push(folder.to_owned());
        }
    }
    all
}

/// The built-in texts are right, which a test shows; a folder cut from a policy's own pattern may not be one.
fn parsed(texts: &[String]) -> Vec<PathPattern> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_text_is_a_pattern() {
        for text in [GIT, AUTOMATION, AGENTS, HOOKS].concat() {
            assert!(text.parse::<PathPattern>().is_ok(), "{text}");
        }
    }
}
