//! Which steering packs a ticket is given, in which order, and where they contradict each other or the ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ledger_core::{
    DecisionStatus, InclusionMode, RepoPath, RuleKey, RuleValue, SteeringHead, SteeringName, SteeringPack, TicketFile,
};

use crate::config::PathPattern;
use crate::scope::{InvalidScope, PatternSet, PolicyScope, patterns};

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
        key: RuleKey,
        /// Who gives it the first value.
        first: RuleSource,
        /// That value.
        value: RuleValue,
        /// Who gives it another.
        second: RuleSource,
        /// That value.
        other: RuleValue,
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

/// The patterns of a pack, refused where one cannot be used.
pub fn check_steering_patterns(head: &SteeringHead) -> Result<(), InvalidScope> {
    matcher(head).map(drop)
}

fn matcher(head: &SteeringHead) -> Result<PatternSet, InvalidScope> {
    const KEY: &str = "inclusion.file_match";
    PatternSet::new(KEY, &patterns(KEY, &head.inclusion.file_match)?)
}

/// What chooses among a ledger's packs. Made once and asked for each ticket, because their patterns have to be compiled.
///
/// A ticket is given the packs for every ticket, those for a file that it may change, those for a file that the repository has, and those that it
/// names; within each of these by name. It may change the files of the base that its scope allows, the paths that its scope names, and for a
/// pattern `folder/**` any new file in that folder, for which `folder/new` stands.
///
/// ```
/// use std::collections::BTreeMap;
/// use counterfoil_policy::{Policy, PolicyScope, SteeringChoice};
/// use ledger_core::{SteeringName, SteeringPack, TicketFile};
/// let pack = |inclusion: &str| {
///     SteeringPack::parse(format!("+++\ntitle = \"x\"\n[inclusion]\n{inclusion}\n+++\nText.\n").as_bytes()).unwrap()
/// };
/// let packs = BTreeMap::<SteeringName, _>::from([
///     ("rust".parse().unwrap(), pack("mode = \"file_match\"\nfile_match = [\"src/**\"]")),
///     ("style".parse().unwrap(), pack("mode = \"always\"")),
///     ("shop".parse().unwrap(), pack("mode = \"manual\"")),
/// ]);
/// let choice = SteeringChoice::new(packs.iter().map(|(name, pack)| (name, &pack.head)));
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/new/**\"]\n").unwrap();
/// let chosen = choice.of(&ticket, &PolicyScope::new(&Policy::default()), &[]).unwrap();
/// let names: Vec<_> = chosen.iter().map(|name| name.as_str()).collect();
/// assert_eq!(names, ["style", "rust"]);
/// ```
#[derive(Debug, Clone)]
pub struct SteeringChoice {
    packs: BTreeMap<SteeringName, Inclusion>,
    places: Option<BTreeSet<RepoPath>>,
}

#[derive(Debug, Clone)]
enum Inclusion {
    Always,
    FileMatch(Result<PatternSet, InvalidScope>),
    Auto(Result<PatternSet, InvalidScope>),
    Manual,
}

impl Inclusion {
    fn of(head: &SteeringHead) -> Self {
        match head.inclusion.mode {
            InclusionMode::Always => Self::Always,
            InclusionMode::FileMatch => Self::FileMatch(matcher(head)),
            InclusionMode::Auto => Self::Auto(matcher(head)),
            InclusionMode::Manual => Self::Manual,
        }
    }

    fn mode(&self) -> InclusionMode {
        match self {
            Self::Always => InclusionMode::Always,
            Self::FileMatch(_) => InclusionMode::FileMatch,
            Self::Auto(_) => InclusionMode::Auto,
            Self::Manual => InclusionMode::Manual,
        }
    }

    fn matcher(&self) -> Option<&Result<PatternSet, InvalidScope>> {
        match self {
            Self::FileMatch(matcher) | Self::Auto(matcher) => Some(matcher),
            Self::Always | Self::Manual => None,
        }
    }
}

impl SteeringChoice {
    /// That among these packs.
    pub fn new<'a>(packs: impl IntoIterator<Item = (&'a SteeringName, &'a SteeringHead)>) -> Self {
        let mut choice = Self {
            packs: BTreeMap::new(),
            places: Some(BTreeSet::new()),
        };
        for (name, head) in packs {
            let inclusion = Inclusion::of(head);
            if inclusion.matcher().is_some() {
                // A pattern that cannot be used means nothing.
                let patterns = head.inclusion.file_match.iter().filter_map(|text| text.parse().ok());
                let beginnings: Option<Vec<_>> = patterns.map(|pattern: PathPattern| pattern.beginning()).collect();
                match (&mut choice.places, beginnings) {
                    (Some(places), Some(beginnings)) => places.extend(beginnings),
                    (places, _) => *places = None,
                }
            }
            choice.packs.insert(name.clone(), inclusion);
        }
        choice
    }

    /// Whether it needs the list of the repository's files.
    pub fn needs_files(&self) -> bool {
        self.packs.values().any(|pack| pack.matcher().is_some())
    }

    /// The files and folders in which all of the repository's files are that any pack is chosen by; none where they may be anywhere.
    pub fn places(&self) -> Option<&BTreeSet<RepoPath>> {
        self.places.as_ref()
    }

    /// Those of the repository's files that any pack is chosen by: the answers are the same with them as with all. For whoever chooses for many
    /// tickets.
    pub fn files_that_count(&self, mut files: Vec<RepoPath>) -> Vec<RepoPath> {
        let matchers = self.packs.values().filter_map(|pack| pack.matcher()?.as_ref().ok());
        let matchers: Vec<_> = matchers.collect();
        files.retain(|path| matchers.iter().any(|matcher| matcher.allows(path)));
        files
    }

    /// The packs that a ticket is given, in their order. `files` are all files of the base.
    pub fn of(
        &self,
        ticket: &TicketFile,
        scope: &PolicyScope<'_>,
        files: &[RepoPath],
    ) -> Result<Vec<SteeringName>, SteeringError> {
        let is_unknown = |name: &&SteeringName| !self.packs.contains_key(*name);
        if let Some(name) = ticket.context.steering.iter().find(is_unknown) {
            return Err(SteeringError::Unknown { name: name.clone() });
        }
        let named = named_paths(ticket);
        let mut rules = None;
        let mut chosen = BTreeSet::new();
        for (name, pack) in &self.packs {
            let unusable = |source: &InvalidScope| SteeringError::Pattern {
                pack: name.clone(),
                source: source.clone(),
            };
            let is_given = match pack {
                Inclusion::Always => true,
                Inclusion::FileMatch(matcher) => {
                    let matcher = matcher.as_ref().map_err(unusable)?;
                    let mut matching = files
                        .iter()
                        .chain(&named)
                        .filter(|path| matcher.allows(path))
                        .peekable();
                    // Most packs are for other files than most tickets: their scope need not be compiled.
                    matching.peek().is_some() && {
                        let rules = match &mut rules {
                            Some(rules) => rules,
                            none => none.insert(scope.rules(ticket).map_err(SteeringError::Scope)?),
                        };
                        matching.any(|path| rules.may_change(path))
                    }
                }
                Inclusion::Auto(matcher) => {
                    let matcher = matcher.as_ref().map_err(unusable)?;
                    files.iter().any(|path| matcher.allows(path))
                }
                Inclusion::Manual => false,
            };
            let is_named = ticket.context.steering.contains(name);
            match (is_given, is_named) {
                (true, _) => chosen.insert((pack.mode(), name)),
                // Whatever its mode: a person asked for it.
                (false, true) => chosen.insert((InclusionMode::Manual, name)),
                (false, false) => false,
            };
        }
        Ok(chosen.into_iter().map(|(_, name)| name.clone()).collect())
    }
}

/// The paths that a ticket may change by its own words, where they are not forbidden.
fn named_paths(ticket: &TicketFile) -> Vec<RepoPath> {
    let named = ticket.scope.allowed.iter().flatten().flat_map(|entry| {
        let new = entry
            .strip_suffix("**")
            .filter(|folder| folder.is_empty() || folder.ends_with('/'));
        let stand_in = new.filter(|folder| !folder.contains(['*', '?', '[', '{']));
        [Some(entry.clone()), stand_in.map(|folder| format!("{folder}new"))]
    });
    let granted = ticket.grants.protected.iter().cloned();
    named
        .flatten()
        .chain(granted)
        .filter_map(|path| path.parse().ok())
        .collect()
}

/// Where the chosen packs contradict each other, the ticket's accepted decisions or its scope. Nothing is merged, and none outweighs another: a person has to
/// say which holds.
pub fn steering_conflicts(
    ticket: &TicketFile,
    scope: &PolicyScope<'_>,
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
    let mut said: BTreeMap<&RuleKey, (RuleSource, &RuleValue)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (source, rules) in decisions.chain(of_packs) {
        for (key, value) in rules {
            match said.get(key) {
                None => {
                    said.insert(key, (source.clone(), value));
                }
                Some((_, first)) if *first == value => {}
                Some((first, earlier)) => conflicts.push(SteeringConflict::Rule {
                    key: key.clone(),
                    first: first.clone(),
                    value: (*earlier).clone(),
                    second: source.clone(),
                    other: value.clone(),
                }),
            }
        }
    }
    // Compiling the scope takes longer than all the rest. One that cannot be used is told of by itself.
    let asks = packs.iter().any(|(_, pack)| !pack.head.asks_to_change.is_empty());
    if let Some(Ok(rules)) = asks.then(|| scope.rules(ticket)) {
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
