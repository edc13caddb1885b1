//! Which steering packs a ticket is given, in which order, and where they contradict each other or the ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ledger_core::{DecisionStatus, InclusionMode, RepoPath, SteeringHead, SteeringName, SteeringPack, TicketFile};

use crate::config::Policy;
use crate::scope::{InvalidScope, PatternSet, ScopeRules, patterns};

/// What has to be known of steering before a ticket may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SteeringFacts {
    /// The packs that were chosen, in the order in which they are given.
    pub packs: Vec<(SteeringName, SteeringPack)>,
    /// What cannot be used, in words. Whatever it is, nobody knows what it would say.
    pub unusable: Vec<String>,
}

/// Packs cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SteeringError {
    /// A pattern of a pack cannot be used.
    #[error("the pack `{pack}`: {source}")]
    Pattern {
        /// The pack.
        pack: SteeringName,
        /// What is wrong.
        source: InvalidScope,
    },
    /// The ticket names a pack that is not there.
    #[error("the ticket names the pack `{name}`, which is not there")]
    Unknown {
        /// The name.
        name: SteeringName,
    },
    /// It cannot be told which files the ticket may change.
    #[error(transparent)]
    Scope(InvalidScope),
}

/// Where packs, or a pack and the ticket, contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SteeringConflict {
    /// The same rule has two values.
    Rule {
        /// The rule.
        key: String,
        /// Who gives it the first value.
        first: RuleSource,
        /// That value.
        value: String,
        /// Who gives it another.
        second: RuleSource,
        /// That value.
        other: String,
    },
    /// A pack asks to change what the ticket may not change.
    Scope {
        /// The pack.
        pack: SteeringName,
        /// The path.
        path: RepoPath,
        /// Why it may not change.
        detail: String,
    },
}

/// Who says a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleSource {
    /// An accepted decision of the ticket, by its id.
    Decision(String),
    /// A pack.
    Pack(SteeringName),
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(id) => write!(f, "the decision `{id}`"),
            Self::Pack(name) => write!(f, "the pack `{name}`"),
        }
    }
}

impl fmt::Display for SteeringConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule {
                key,
                first,
                value,
                second,
                other,
            } => write!(f, "{first} says `{key}` is `{value}`, and {second} says `{other}`"),
            Self::Scope { pack, path, detail } => write!(f, "the pack `{pack}` asks to change `{path}`: {detail}"),
        }
    }
}

/// Whether choosing among these packs needs the list of the repository's files.
pub fn steering_needs_files<'a>(packs: impl IntoIterator<Item = &'a SteeringHead>) -> bool {
    let needs = |mode| matches!(mode, InclusionMode::FileMatch | InclusionMode::Auto);
    packs.into_iter().any(|head| needs(head.inclusion.mode))
}

/// Those of the repository's files that any of these packs is chosen by: [`choose_steering`] answers the same with them as with all. For
/// whoever chooses for many tickets.
///
/// ```
/// use counterfoil_policy::files_of_packs;
/// use ledger_core::{RepoPath, SteeringPack};
/// let text = b"+++\ntitle = \"x\"\n[inclusion]\nmode = \"file_match\"\nfile_match = [\"src/**\"]\n+++\nText.\n";
/// let pack = SteeringPack::parse(text).unwrap();
/// let files: Vec<RepoPath> = ["README", "src/a.rs"].map(|path| path.parse().unwrap()).to_vec();
/// assert_eq!(files_of_packs([&pack.head], files)[0].to_string(), "src/a.rs");
/// ```
pub fn files_of_packs<'a>(
    packs: impl IntoIterator<Item = &'a SteeringHead>,
    mut files: Vec<RepoPath>,
) -> Vec<RepoPath> {
    let chosen_by_files = packs
        .into_iter()
        .filter(|head| matches!(head.inclusion.mode, InclusionMode::FileMatch | InclusionMode::Auto));
    let matchers: Vec<_> = chosen_by_files.filter_map(|head| matcher(head).ok()).collect();
    files.retain(|path| matchers.iter().any(|matcher| matcher.allows(path)));
    files
}

/// The patterns of a pack, refused where one cannot be used.
pub fn check_steering_patterns(head: &SteeringHead) -> Result<(), InvalidScope> {
    matcher(head).map(drop)
}

fn matcher(head: &SteeringHead) -> Result<PatternSet, InvalidScope> {
    const KEY: &str = "inclusion.file_match";
    PatternSet::new(KEY, &patterns(KEY, &head.inclusion.file_match)?)
}

/// The packs that a ticket is given: those for every ticket, those for a file that it may change, those for a file that the repository has, and those
/// that it names; within each of these by name. `files` are all files of the base.
///
/// A ticket may change the files of the base that its scope allows, the paths that its scope names, and for a pattern `folder/**` any new file in
/// that folder, for which `folder/new` stands.
///
/// ```
/// use std::collections::BTreeMap;
/// use counterfoil_policy::{Policy, choose_steering};
/// use ledger_core::{SteeringPack, TicketFile};
/// let pack = |inclusion: &str| {
///     SteeringPack::parse(format!("+++\ntitle = \"x\"\n[inclusion]\n{inclusion}\n+++\nText.\n").as_bytes()).unwrap()
/// };
/// let packs = BTreeMap::from([
///     ("rust".parse().unwrap(), pack("mode = \"file_match\"\nfile_match = [\"src/**\"]")),
///     ("style".parse().unwrap(), pack("mode = \"always\"")),
///     ("shop".parse().unwrap(), pack("mode = \"manual\"")),
/// ]);
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/new/**\"]\n").unwrap();
/// let heads = packs.iter().map(|(name, pack)| (name, &pack.head)).collect();
/// let chosen = choose_steering(&ticket, &Policy::default(), &heads, &[]).unwrap();
/// let names: Vec<_> = chosen.iter().map(|name| name.as_str()).collect();
/// assert_eq!(names, ["style", "rust"]);
/// ```
pub fn choose_steering(
    ticket: &TicketFile,
    policy: &Policy,
    packs: &BTreeMap<&SteeringName, &SteeringHead>,
    files: &[RepoPath],
) -> Result<Vec<SteeringName>, SteeringError> {
    if let Some(name) = ticket.context.steering.iter().find(|name| !packs.contains_key(*name)) {
        return Err(SteeringError::Unknown { name: name.clone() });
    }
    let mut changeable: Option<Vec<RepoPath>> = None;
    let mut chosen = BTreeSet::new();
    for (&name, &head) in packs {
        let mode = head.inclusion.mode;
        let matcher = || {
            matcher(head).map_err(|source| SteeringError::Pattern {
                pack: name.clone(),
                source,
            })
        };
        let is_named = ticket.context.steering.contains(name);
        let is_given = match mode {
            InclusionMode::Always => true,
            InclusionMode::FileMatch => {
                let paths = match &mut changeable {
                    Some(paths) => paths,
                    none => none.insert(may_change(ticket, policy, files).map_err(SteeringError::Scope)?),
                };
                let matcher = matcher()?;
                paths.iter().any(|path| matcher.allows(path))
            }
            InclusionMode::Auto => {
                let matcher = matcher()?;
                files.iter().any(|path| matcher.allows(path))
            }
            InclusionMode::Manual => false,
        };
        match (is_given, is_named) {
            (true, _) => chosen.insert((mode, name.clone())),
            // Whatever its mode: a person asked for it.
            (false, true) => chosen.insert((InclusionMode::Manual, name.clone())),
            (false, false) => false,
        };
    }
    Ok(chosen.into_iter().map(|(_, name)| name).collect())
}

/// The paths that a ticket may change, as far as they can be listed.
fn may_change(ticket: &TicketFile, policy: &Policy, files: &[RepoPath]) -> Result<Vec<RepoPath>, InvalidScope> {
    let rules = ScopeRules::new(policy, ticket)?;
    let named = ticket.scope.allowed.iter().flatten().flat_map(|entry| {
        let new = entry
            .strip_suffix("**")
            .filter(|folder| folder.is_empty() || folder.ends_with('/'));
        let stand_in = new.filter(|folder| !folder.contains(['*', '?', '[', '{']));
        [Some(entry.clone()), stand_in.map(|folder| format!("{folder}new"))]
    });
    let named = named.flatten().filter_map(|path| path.parse().ok());
    let granted = ticket.grants.protected.iter().filter_map(|path| path.parse().ok());
    let there = files.iter().filter(|path| rules.may_change(path)).cloned();
    let new = named.chain(granted).filter(|path| rules.may_change(path));
    Ok(there.chain(new).collect())
}

/// Where the chosen packs contradict each other, the ticket's accepted decisions or its scope. Nothing is merged, and none outweighs another: a person has to
/// say which holds.
pub fn steering_conflicts(
    ticket: &TicketFile,
    policy: &Policy,
    packs: &[(SteeringName, SteeringPack)],
) -> Vec<SteeringConflict> {
    let decisions = ticket
        .decision
        .iter()
        .filter(|decision| decision.status == DecisionStatus::Accepted)
        .map(|decision| (RuleSource::Decision(decision.id.clone()), &decision.rules));
    let of_packs = packs
        .iter()
        .map(|(name, pack)| (RuleSource::Pack(name.clone()), &pack.head.rules));
    let mut said: BTreeMap<&str, (RuleSource, &str)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (source, rules) in decisions.chain(of_packs) {
        for (key, value) in rules {
            match said.get(key.as_str()) {
                None => {
                    said.insert(key, (source.clone(), value));
                }
                Some((_, first)) if first == value => {}
                Some((first, earlier)) => conflicts.push(SteeringConflict::Rule {
                    key: key.clone(),
                    first: first.clone(),
                    value: (*earlier).to_owned(),
                    second: source.clone(),
                    other: value.clone(),
                }),
            }
        }
    }
    // Compiling the scope takes longer than all the rest. One that cannot be used is told of by itself.
    let asks = packs.iter().any(|(_, pack)| !pack.head.asks_to_change.is_empty());
    if let Some(Ok(rules)) = asks.then(|| ScopeRules::new(policy, ticket)) {
        for (name, pack) in packs {
            conflicts.extend(pack.head.asks_to_change.iter().filter_map(|path| {
                let violation = rules.judge(path)?;
                Some(SteeringConflict::Scope {
                    pack: name.clone(),
                    path: path.clone(),
                    detail: violation.detail,
                })
            }));
        }
    }
    conflicts
}

#[cfg(test)]
mod tests;
