//! Which files a curator may add to, and what is forbidden about its notes.

use std::collections::BTreeSet;

use ledger_core::{BlockerCode, Curation, RepoPath, Violation};

use crate::config::Policy;
use crate::scope::{FoldedSet, InvalidScope, PatternSet, ProtectedPaths};
use crate::secrets::SecretFinding;

/// The paths of `[memory] paths`, without those that are protected or forbidden: no curator changes the policy, the ledger, or what tells
/// agents, Git or automatic builds what to do.
#[derive(Debug, Clone)]
pub struct MemoryPaths {
    paths: PatternSet,
    forbidden: FoldedSet,
    protected: ProtectedPaths,
}

/// What has to be known to judge an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFacts {
    /// The files that may be added to: plain files of the base and of the reviewed tree that [`MemoryPaths`] takes in.
    pub files: BTreeSet<RepoPath>,
    /// What looks like a secret in what would be added, with the file.
    pub secrets: Vec<(RepoPath, SecretFinding)>,
    /// What looks like a secret in what is said to the next ticket.
    pub secrets_in_handoff: Vec<SecretFinding>,
}

impl MemoryPaths {
    /// Those of this policy. Refuses patterns that are too large to be compiled.
    pub fn new(policy: &Policy) -> Result<Self, InvalidScope> {
        Ok(Self {
            paths: PatternSet::new("memory.paths", &policy.memory.paths)?,
            forbidden: FoldedSet::new("scope.forbidden", &policy.scope.forbidden)?,
            protected: ProtectedPaths::new(policy)?,
        })
    }

    /// Why a file may not be added to, in words; none: it may.
    pub fn refusal(&self, path: &RepoPath) -> Option<(BlockerCode, String)> {
        if let Some(protected) = self.protected.find(path) {
            return Some((BlockerCode::ProtectedPathChanged, protected.to_string()));
        }
        if let Some(pattern) = self.forbidden.find(path) {
            return Some((
                BlockerCode::ForbiddenPath,
                format!("forbidden by the policy: `{pattern}`"),
            ));
        }
        let allowed = self.paths.allows(path);
        let outside = || {
            (
                BlockerCode::ScopeViolation,
                "it is not in the policy's `[memory] paths`".to_owned(),
            )
        };
        (!allowed).then(outside)
    }
}

/// What is forbidden about the notes of an answer, in their order; empty: nothing.
///
/// ```
/// use counterfoil_policy::{MemoryFacts, MemoryPaths, Policy, note_violations};
/// use ledger_core::Curation;
/// let paths = MemoryPaths::new(&Policy::default()).unwrap();
/// let answer = r#"{ "turn": "t", "handoff": "", "notes": [
///     { "path": "agent/state.md", "kind": "state", "title": "a", "text": "b", "source": "c" },
///     { "path": "counterfoil.toml", "kind": "state", "title": "a", "text": "b", "source": "c" } ] }"#;
/// let curation = Curation::parse(answer, "t").unwrap();
/// let facts = MemoryFacts { files: ["agent/state.md".parse().unwrap()].into(), ..MemoryFacts::default() };
/// let found = note_violations(&curation, &paths, &facts);
/// assert_eq!((found.len(), found[0].code.as_str()), (1, "protected_path_changed"));
/// ```
pub fn note_violations(curation: &Curation, paths: &MemoryPaths, facts: &MemoryFacts) -> Vec<Violation> {
    let of_notes = curation.notes.iter().filter_map(|note| {
        let Some(path) = note.file() else {
            let detail = format!("`{}` is no path of the repository", note.path);
            return Some(violation(BlockerCode::ScopeViolation, None, detail));
        };
        if let Some((code, detail)) = paths.refusal(&path) {
            return Some(violation(code, Some(&path), detail));
        }
        let is_there = facts.files.contains(&path);
        let detail = "it is no plain file of the base and of the change: notes are added to files that are there";
        (!is_there).then(|| violation(BlockerCode::ScopeViolation, Some(&path), detail.to_owned()))
    });
    let secret = |path: Option<&RepoPath>, secret: &SecretFinding| {
        let detail = format!("it looks like a secret: {}", secret.rule);
        violation(BlockerCode::SecretFound, path, detail)
    };
    let in_notes = facts.secrets.iter().map(|(path, found)| secret(Some(path), found));
    let in_handoff = facts.secrets_in_handoff.iter().map(|found| secret(None, found));
    of_notes.chain(in_notes).chain(in_handoff).collect()
}

fn violation(code: BlockerCode, path: Option<&RepoPath>, detail: String) -> Violation {
    Violation {
        code,
        path: path.cloned(),
        detail,
    }
}
