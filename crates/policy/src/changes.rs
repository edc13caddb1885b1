//! What the policy and the ticket forbid about a change set.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{BlockerCode, Change, ChangeSet, EntryMode, Grants, RepoPath, TicketFile, Violation, fitting};

use crate::config::Policy;
use crate::dependencies::{DependencyChange, is_dependency_file};
use crate::quick_flow::{Crossing, PublicApiChange, QuickFlow};
use crate::scope::ScopeRules;
use crate::secrets::SecretFinding;

/// The most violations that are listed one by one; one more says how many there are besides.
pub const MAX_VIOLATIONS: usize = 100;

/// What has to be known of a change set beside its paths and modes. Whoever measures the change gathers it; what is
/// missing is taken for forbidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFacts {
    /// What is known of each path that is there after the change.
    pub files: BTreeMap<RepoPath, FileFacts>,
    /// What the walk through the place met that cannot be part of a tree as it is.
    pub walk: Vec<WalkFinding>,
    /// The package manifests of the base that lie in the folders above the changed paths: files with a name of
    /// [`crate::PACKAGE_MANIFESTS`]. Needed for a ticket in quick mode.
    pub manifests: BTreeSet<RepoPath>,
}

/// What is known of one changed path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// The target of a symbolic link. Needed for each.
    pub link_target: Option<Vec<u8>>,
    /// The Git filter that the base's attributes name for this path.
    pub filter: Option<String>,
    /// The secrets that the change adds to this file, from `SecretRules::added`. Needed for each file and each link's
    /// target; none: nobody looked.
    pub secrets: Option<Vec<SecretFinding>>,
    /// What the change does to dependencies, from [`crate::dependency_change`]. Needed where [`is_dependency_file`].
    pub dependencies: Option<DependencyChange>,
    /// What the change does to what the file offers to others, from [`crate::public_api_change`]. Needed for a ticket in quick
    /// mode, where [`crate::has_public_api`].
    pub public_api: Option<PublicApiChange>,
}

/// Something that the walk through the place met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalkFinding {
    /// Where.
    pub path: RepoPath,
    /// What.
    pub problem: WalkProblem,
}

/// Why something cannot be part of a tree as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WalkProblem {
    /// It is neither a file, a folder nor a link: a socket, a device, a pipe.
    NotAFile,
    /// It could not be read.
    Unreadable,
    /// It is larger than a file of a change may be.
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// There are more files than a change may have.
    TooMany {
        /// The most that are allowed.
        limit: u64,
    },
    /// It is a repository of its own.
    NestedRepository,
    /// Git refuses the name in a tree, on some system.
    ForbiddenName,
    /// It was put into the empty folder that stands for a submodule.
    FilesInSubmodule,
    /// Its path is too long for any system.
    PathTooLong,
    /// It has a second name somewhere, in the place or outside of it.
    HardLink,
    /// Another path differs from it only in case or normal form.
    Twin {
        /// That path.
        of: RepoPath,
    },
}

impl std::fmt::Display for WalkProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAFile => f.write_str("neither a file nor a link, so that Git cannot store it"),
            Self::Unreadable => f.write_str("it cannot be read"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "it has {bytes} bytes, more than the {limit} of a change's file")
            }
            Self::TooMany { limit } => write!(f, "the change has more than {limit} files"),
            Self::NestedRepository => f.write_str("it is a repository of its own"),
            Self::ForbiddenName => f.write_str("Git refuses such a name"),
            Self::FilesInSubmodule => f.write_str("files were put into a submodule"),
            Self::PathTooLong => f.write_str("the path is too long"),
            Self::HardLink => {
                f.write_str("it has a second name somewhere, so that a change there would change it here")
            }
            Self::Twin { of } => write!(f, "it differs from `{of}` only in case or normal form"),
        }
    }
}

/// Everything that the policy and the ticket forbid about this change set; empty: nothing. In the order of the paths'
/// bytes, at most [`MAX_VIOLATIONS`], as many as fit into a journal line, and one that counts the rest. A rename is judged at both its ends, because a change
/// set holds both. A ticket in quick mode is also held to what [`QuickFlow`] says of the change.
///
/// ```
/// use counterfoil_policy::{ChangeFacts, Policy, ScopeRules, judge_changes};
/// use ledger_core::{Change, ChangeSet, EntryMode, Side, TicketFile};
/// let policy = Policy::default();
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/**\"]\n").unwrap();
/// let rules = ScopeRules::new(&policy, &ticket).unwrap();
/// let gone = Side { mode: EntryMode::File, id: "1".repeat(40).parse().unwrap() };
/// let change = Change { path: "README.md".parse().unwrap(), before: Some(gone), after: None, renamed_from: None };
/// let set = ChangeSet { base: "2".repeat(40).parse().unwrap(), tree: "3".repeat(40).parse().unwrap(), changes: vec![change] };
/// let violations = judge_changes(&set, &ChangeFacts::default(), &rules, &policy, &ticket);
/// assert_eq!(violations[0].code.as_str(), "scope_violation");
/// ```
pub fn judge_changes(
    set: &ChangeSet,
    facts: &ChangeFacts,
    rules: &ScopeRules,
    policy: &Policy,
    ticket: &TicketFile,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for change in &set.changes {
        judge_change(
            change,
            facts.files.get(&change.path),
            rules,
            policy,
            &ticket.grants,
            &mut found,
        );
    }
    for finding in &facts.walk {
        found.push(Violation {
            code: BlockerCode::ScopeViolation,
            path: Some(finding.path.clone()),
            detail: finding.problem.to_string(),
        });
    }
    if ticket.mode.discipline().is_small {
        match QuickFlow::new(policy) {
            Ok(quick) => found.extend(
                quick
                    .of_changes(set, facts, ticket)
                    .into_iter()
                    .map(Crossing::violation),
            ),
            // Only with patterns that no run is admitted with.
            Err(error) => found.push(Violation {
                code: BlockerCode::QuickFlowEscalation,
                path: None,
                detail: error.to_string(),
            }),
        }
    }
    let key = |violation: &Violation| (violation.path.clone(), violation.code, violation.detail.clone());
    found.sort_by_cached_key(key);
    found.dedup();
    let listed = fitting(&found).min(MAX_VIOLATIONS);
    let more = found.len() - listed;
    if more > 0 {
        // The rest may be graver than what is listed; the first code stands for it, since any one of them stops the run.
        let code = found[0].code;
        found.truncate(listed);
        found.push(Violation {
            code,
            path: None,
            detail: format!("and {more} more"),
        });
    }
    found
}

fn judge_change(
    change: &Change,
    facts: Option<&FileFacts>,
    rules: &ScopeRules,
    policy: &Policy,
    grants: &Grants,
    found: &mut Vec<Violation>,
) {
    let path = &change.path;
    let mut add = |code, detail: String| {
        found.push(Violation {
            code,
            path: Some(path.clone()),
            detail,
        });
    };
    if let Some(violation) = rules.judge(path) {
        add(violation.code, violation.detail);
    }
    if let Some(detail) = missing_dependency(change, facts, grants) {
        add(BlockerCode::GrantMissing, detail);
    }
    let is_submodule = |mode| mode == EntryMode::Submodule;
    let modes = [change.before, change.after]
        .into_iter()
        .flatten()
        .map(|side| side.mode);
    if modes.clone().any(is_submodule) && !rules.names_exactly(path) {
        let detail = "it links to a commit of another repository, and the ticket does not name it exactly";
        add(BlockerCode::ScopeViolation, detail.to_owned());
    }
    if !grants.migrations && is_migration(path) {
        let detail = "it is a data migration, and the ticket has no `[grants] migrations`";
        add(BlockerCode::GrantMissing, detail.to_owned());
    }
    let Some(after) = change.after else {
        judge_filter(facts, policy, &mut add);
        return;
    };
    if after.mode == EntryMode::Submodule {
        return;
    }
    judge_filter(facts, policy, &mut add);
    if after.mode == EntryMode::Symlink {
        match facts.and_then(|facts| facts.link_target.as_deref()) {
            None => add(
                BlockerCode::ScopeViolation,
                "the target of the symbolic link is not known".to_owned(),
            ),
            Some(target) => {
                if let Some(violation) = rules.judge_link(path, target) {
                    add(violation.code, violation.detail);
                }
            }
        }
    }
    let content_changed = change.before.is_none_or(|before| before.id != after.id);
    if !content_changed {
        return;
    }
    match facts.and_then(|facts| facts.secrets.as_ref()) {
        None => add(BlockerCode::SecretFound, "it was not searched for secrets".to_owned()),
        Some(secrets) => {
            for secret in secrets {
                let place = match secret.line {
                    0 => String::new(),
                    line => format!(" in line {line}"),
                };
                add(
                    BlockerCode::SecretFound,
                    format!("{}{place}, fingerprint {}", secret.rule, secret.fingerprint),
                );
            }
        }
    }
}

fn judge_filter(facts: Option<&FileFacts>, policy: &Policy, add: &mut impl FnMut(BlockerCode, String)) {
    if let Some(filter) = facts.and_then(|facts| facts.filter.as_deref())
        && !policy
            .workspace
            .filters
            .iter()
            .any(|allowed| allowed.as_str() == filter)
    {
        let shown: String = filter.chars().take(60).flat_map(char::escape_default).collect();
        add(
            BlockerCode::FilteredPath,
            format!("the Git filter `{shown}` produces its content"),
        );
    }
}

/// What a ticket does not grant of what a change does to dependencies. Its grants are names, and paths of files whose every change is granted. A
/// lock file also names what the granted ones need themselves, so for that any grant will do, but not for content from elsewhere.
fn missing_dependency(change: &Change, facts: Option<&FileFacts>, grants: &Grants) -> Option<String> {
    let path = &change.path;
    let is_granted_whole = || {
        grants
            .dependencies
            .iter()
            .any(|granted| granted.as_bytes() == path.as_bytes())
    };
    let has_same_content = change.before.map(|side| side.id) == change.after.map(|side| side.id);
    if !is_dependency_file(path) || has_same_content || is_granted_whole() {
        return None;
    }
    let missing = |names: &BTreeSet<String>| -> Option<String> {
        let missing: Vec<_> = names.iter().filter(|name| !grants.names_dependency(name)).collect();
        (!missing.is_empty()).then(|| shown_names(&missing))
    };
    let is_link = change.after.is_some_and(|after| after.mode == EntryMode::Symlink);
    match facts.and_then(|facts| facts.dependencies.as_ref()).filter(|_| !is_link) {
        None | Some(DependencyChange::Unknown) => Some(format!(
            "it says which dependencies there are, in a way that is not read, and the ticket does not grant the whole file: \
             `[grants] dependencies` does not name `{path}`"
        )),
        Some(DependencyChange::Locked { replaced, .. }) if !grants.dependencies.is_empty() => {
            missing(replaced).map(|names| {
                format!("it takes {names} from elsewhere, or with other content, which the ticket does not grant")
            })
        }
        Some(DependencyChange::Locked { names, .. } | DependencyChange::Names(names)) => {
            missing(names).map(|names| format!("it adds, replaces or removes {names}, which the ticket does not grant"))
        }
    }
}

fn shown_names(names: &[&String]) -> String {
    let shown: Vec<_> = names.iter().take(5).map(|name| shown_name(name)).collect();
    let more = match names.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

fn shown_name(name: &str) -> String {
    let short: String = name.chars().take(80).flat_map(char::escape_default).collect();
    format!("`{short}`")
}

/// Where tools of many languages keep changes of a database.
pub(crate) fn is_migration(path: &RepoPath) -> bool {
    let parts: Vec<Vec<u8>> = path.parts().map(<[u8]>::to_ascii_lowercase).collect();
    let Some((name, folders)) = parts.split_last() else {
        return false;
    };
    let is = |folder: &Vec<u8>, names: &[&str]| names.iter().any(|name| folder == name.as_bytes());
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()));
    // A README beside them is none, nor a folder of documentation that has the same name.
    let is_text = ends(&[".md", ".txt", ".rst", ".adoc", ".html"]);
    let in_folder = folders
        .iter()
        .any(|folder| is(folder, &["migrations", "migration", "db_migrations"]));
    let pair = |first: &str, second: &str| {
        folders
            .windows(2)
            .any(|pair| pair[0] == first.as_bytes() && pair[1] == second.as_bytes())
    };
    let among = |names: &[&str]| folders.iter().any(|folder| is(folder, names));
    let is_changelog = name.windows(9).any(|part| part == b"changelog")
        && ends(&[".xml", ".yaml", ".yml", ".json", ".sql"])
        && among(&["db", "changelog", "changelogs", "liquibase", "database"]);
    // Of tools that go by the name: `V1__init.sql` and `R__views.sql` of Flyway, and what is numbered in a folder `migrate`.
    let is_flyways = match name.split_first() {
        Some((b'v' | b'u', rest)) => {
            rest.first().is_some_and(u8::is_ascii_digit) && rest.windows(2).any(|two| two == b"__")
        }
        Some((b'r', rest)) => rest.starts_with(b"__"),
        _ => false,
    };
    let is_numbered = name.first().is_some_and(u8::is_ascii_digit);
    !is_text
        && (in_folder
            || (among(&["migrate"]) && is_numbered)
            || (is_flyways && ends(&[".sql"]))
            || pair("db", "migrate")
            || pair("alembic", "versions")
            || pair("db", "changelog"))
        || (ends(&[".sql"])
            && among(&[
                "flyway",
                "liquibase",
                "migrate",
                "sqitch",
                "deploy",
                "revert",
                "evolutions",
            ]))
        || is_changelog
        || name.as_slice() == b"sqitch.plan"
}

#[cfg(test)]
mod tests;
