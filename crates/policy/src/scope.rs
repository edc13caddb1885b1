//! Which paths a ticket may change.

mod fold;
mod pattern_set;
mod protected;
mod whole_pattern;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use ledger_core::{BlockerCode, RepoPath, TicketFile, Violation};

use crate::config::{InvalidText, PathPattern, Policy};
pub(crate) use pattern_set::{FoldedSet, PatternSet};
pub use protected::{Protected, ProtectedPaths};

/// A pattern or path of a ticket that cannot be used, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// It is no path pattern.
    #[error("`{key}` has an entry that cannot be used: {source}")]
    Pattern {
        /// The list, such as `scope.allowed`.
        key: &'static str,
        /// Its place in the list, counted from 0.
        index: usize,
        /// What is wrong.
        source: InvalidText,
    },
    /// A grant that is not one exact path.
    #[error("`grants.protected` has an entry that is not one exact path: {source}")]
    Grant {
        /// Its place in the list, counted from 0.
        index: usize,
        /// What is wrong.
        source: ledger_core::InvalidRepoPath,
    },
    /// A grant for what no worker may write.
    #[error("`{path}` cannot be granted: {reason}")]
    NotGrantable {
        /// Its place in the list, counted from 0.
        index: usize,
        /// The path.
        path: RepoPath,
        /// Why not.
        reason: &'static str,
    },
    /// The patterns together are more than can be compiled.
    #[error("the patterns of `{key}` are too large together: {reason}")]
    TooLarge {
        /// The list.
        key: &'static str,
        /// What the compiler said.
        reason: String,
    },
}

impl InvalidScope {
    /// The keys that lead to the entry in `ticket.toml`, for `ledger_core::locate`; none where it is not in the ticket.
    pub fn place(&self) -> Option<(&'static str, usize)> {
        match self {
            Self::Pattern { key, index, .. } => Some((key, *index)),
            Self::Grant { index, .. } | Self::NotGrantable { index, .. } => Some(("grants.protected", *index)),
            Self::TooLarge { .. } => None,
        }
    }
}

/// Patterns with so few bytes in all are far below what the compiler refuses.
const SURELY_COMPILES: usize = 4096;

/// What a policy says of paths to every ticket. Compiled when it is first needed, and then shared by all tickets that are judged: that takes longer
/// than the patterns of most tickets.
///
/// ```
/// use counterfoil_policy::{Policy, PolicyScope};
/// use ledger_core::TicketFile;
/// let policy = Policy::default();
/// let scope = PolicyScope::new(&policy);
/// for folder in ["src", "docs"] {
///     let text = format!("title = \"x\"\n[scope]\nallowed = [\"{folder}/**\"]\n");
///     let rules = scope.rules(&TicketFile::parse(text.as_bytes()).unwrap()).unwrap();
///     assert_eq!(rules.judge(&format!("{folder}/a").parse().unwrap()), None);
/// }
/// ```
#[derive(Debug)]
pub struct PolicyScope<'a> {
    policy: &'a Policy,
    sets: OnceLock<Result<Arc<PolicySets>, InvalidScope>>,
}

#[derive(Debug)]
struct PolicySets {
    docs: PatternSet,
    forbidden: FoldedSet,
    protected: ProtectedPaths,
}

impl<'a> PolicyScope<'a> {
    /// That of this policy.
    pub fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            sets: OnceLock::new(),
        }
    }

    /// The policy.
    pub fn policy(&self) -> &'a Policy {
        self.policy
    }

    /// The rules of a ticket under the policy. Refuses a ticket whose patterns or grants cannot be used.
    pub fn rules(&self, ticket: &TicketFile) -> Result<ScopeRules, InvalidScope> {
        let of_policy = self.sets()?;
        let allowed = match &ticket.scope.allowed {
            Some(list) => Some(PatternSet::new("scope.allowed", &patterns("scope.allowed", list)?)?),
            // Without a list a ticket may touch everything in loop mode, the documentation if it is `docs_only`, else
            // nothing: `TicketFile::parse` refuses the last, but a ticket need not have been parsed.
            None if !ticket.mode.discipline().may_change => Some(PatternSet::new("scope.allowed", &[])?),
            None if !ticket.mode.discipline().needs_scope || ticket.docs_only => None,
            None => Some(PatternSet::new("scope.allowed", &[])?),
        };
        let mut granted = BTreeSet::new();
        for (index, path) in ticket.grants.protected.iter().enumerate() {
            let path: RepoPath = path.parse().map_err(|source| InvalidScope::Grant { index, source })?;
            if let Some(reason) = of_policy.protected.never_granted(&path) {
                return Err(InvalidScope::NotGrantable { index, path, reason });
            }
            granted.insert(path);
        }
        let forbidden = patterns("scope.forbidden", &ticket.scope.forbidden)?;
        Ok(ScopeRules {
            of_policy: Arc::clone(of_policy),
            docs_only: ticket.docs_only,
            allowed,
            forbidden: FoldedSet::new("scope.forbidden", &forbidden)?,
            granted,
        })
    }

    /// Refuses what [`Self::rules`] refuses about the ticket, and mostly without compiling its patterns.
    pub fn check(&self, ticket: &TicketFile) -> Result<(), InvalidScope> {
        let lists = ticket.scope.allowed.iter().chain([&ticket.scope.forbidden]);
        let bytes: usize = lists.flatten().map(String::len).sum();
        // A grant has to be matched, and only patterns of some length can be too large to be compiled.
        if !ticket.grants.protected.is_empty() || bytes > SURELY_COMPILES {
            return self.rules(ticket).map(drop);
        }
        if let Some(list) = &ticket.scope.allowed {
            patterns("scope.allowed", list)?;
        }
        patterns("scope.forbidden", &ticket.scope.forbidden).map(drop)
    }

    fn sets(&self) -> Result<&Arc<PolicySets>, InvalidScope> {
        let compile = || {
            Ok(Arc::new(PolicySets {
                docs: PatternSet::new("scope.docs_roots", &self.policy.scope.docs_roots)?,
                forbidden: FoldedSet::new("scope.forbidden", &self.policy.scope.forbidden)?,
                protected: ProtectedPaths::new(self.policy)?,
            }))
        };
        self.sets.get_or_init(compile).as_ref().map_err(Clone::clone)
    }
}

/// Which paths one ticket may change, under one policy.
///
/// A path is judged by its bytes as it stands in the tree; what it is called on a file system that folds names counts
/// for what is protected and what is forbidden, never for what is allowed. A path that is not UTF-8 is in scope only
/// where a pattern takes in a whole folder (`folder/**`), because no other pattern can have meant it.
///
/// ```
/// use counterfoil_policy::{Policy, ScopeRules};
/// use ledger_core::TicketFile;
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/**\"]\n").unwrap();
/// let rules = ScopeRules::new(&Policy::default(), &ticket).unwrap();
/// assert_eq!(rules.judge(&"src/lib.rs".parse().unwrap()), None);
/// assert_eq!(rules.judge(&"README.md".parse().unwrap()).unwrap().code.as_str(), "scope_violation");
/// assert_eq!(rules.judge(&"src/AGENTS.md".parse().unwrap()).unwrap().code.as_str(), "protected_path_changed");
/// ```
#[derive(Debug, Clone)]
pub struct ScopeRules {
    of_policy: Arc<PolicySets>,
    docs_only: bool,
    /// None: everything, as only loop mode may.
    allowed: Option<PatternSet>,
    forbidden: FoldedSet,
    granted: BTreeSet<RepoPath>,
}

impl ScopeRules {
    /// The rules of this ticket under this policy, as by [`PolicyScope::rules`].
    pub fn new(policy: &Policy, ticket: &TicketFile) -> Result<Self, InvalidScope> {
        PolicyScope::new(policy).rules(ticket)
    }

    /// What is forbidden about changing this path, the gravest first: it is protected and not granted, it is forbidden, it
    /// is not in the ticket's scope. None: it may change.
    ///
    /// A granted path counts as in scope, since the ticket names it exactly; it may still be forbidden by the policy.
    pub fn judge(&self, path: &RepoPath) -> Option<Violation> {
        let violation = |code, detail: String| {
            Some(Violation {
                code,
                path: Some(path.clone()),
                detail,
            })
        };
        let granted = self.granted.contains(path);
        let of_policy = &self.of_policy;
        if let Some(protected) = of_policy.protected.find(path)
            && !(granted && of_policy.protected.never_granted(path).is_none())
        {
            return violation(BlockerCode::ProtectedPathChanged, protected.to_string());
        }
        for (set, by) in [(&of_policy.forbidden, "policy"), (&self.forbidden, "ticket")] {
            if let Some(pattern) = set.find(path) {
                return violation(
                    BlockerCode::ForbiddenPath,
                    format!("forbidden by the {by}: `{pattern}`"),
                );
            }
        }
        if granted {
            return None;
        }
        if self.docs_only && !of_policy.docs.allows(path) {
            let detail = "the ticket is `docs_only`, and the path lies outside the policy's documentation roots";
            return violation(BlockerCode::ScopeViolation, detail.to_owned());
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.allows(path)) {
            let detail = "the path is not in the ticket's `[scope] allowed`";
            return violation(BlockerCode::ScopeViolation, detail.to_owned());
        }
        None
    }

    /// Whether nothing is forbidden about changing this path. Quick about paths out of scope, so that all files of a repository can be asked about.
    pub(crate) fn may_change(&self, path: &RepoPath) -> bool {
        let in_scope = self.allowed.as_ref().is_none_or(|allowed| allowed.allows(path)) || self.granted.contains(path);
        in_scope && self.judge(path).is_none()
    }

    /// What is forbidden about a symbolic link with this target: it is absolute, leaves the repository, or points into
    /// Git's own folder. The link's own path is judged by [`Self::judge`].
    ///
    /// The target is followed by its words only. That is enough for one link, and every link of a change is judged; a
    /// chain through links that the base already has is not followed.
    pub fn judge_link(&self, path: &RepoPath, target: &[u8]) -> Option<Violation> {
        let violation = |code, detail: &str| {
            Some(Violation {
                code,
                path: Some(path.clone()),
                detail: detail.to_owned(),
            })
        };
        if target.is_empty() || target.contains(&0) {
            return violation(BlockerCode::ScopeViolation, "the symbolic link has no usable target");
        }
        let drive = target.len() > 1 && target[0].is_ascii_alphabetic() && target[1] == b':';
        if matches!(target[0], b'/' | b'\\') || drive {
            return violation(
                BlockerCode::ScopeViolation,
                "the symbolic link points to an absolute path",
            );
        }
        let mut parts: Vec<&[u8]> = path.parts().collect();
        parts.pop();
        for part in target.split(|byte| matches!(byte, b'/' | b'\\')) {
            match part {
                b"" | b"." => {}
                b".." => {
                    if parts.pop().is_none() {
                        return violation(
                            BlockerCode::ScopeViolation,
                            "the symbolic link points outside the repository",
                        );
                    }
                }
                name => parts.push(name),
            }
        }
        if parts.iter().any(|part| protected::is_git_folder(part)) {
            return violation(
                BlockerCode::ProtectedPathChanged,
                "the symbolic link points into Git's own folder",
            );
        }
        None
    }

    /// Whether the ticket names exactly this path, so that even a link to another repository's commit may change.
    pub fn names_exactly(&self, path: &RepoPath) -> bool {
        self.granted.contains(path) || self.allowed.as_ref().is_some_and(|allowed| allowed.names(path))
    }
}

pub(crate) fn patterns(key: &'static str, list: &[String]) -> Result<Vec<PathPattern>, InvalidScope> {
    let parse = |(index, text): (usize, &String)| {
        text.parse()
            .map_err(|source| InvalidScope::Pattern { key, index, source })
    };
    list.iter().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests;
