//! Which requirements and current specs open tickets work on, and where two of them would work on the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ledger_core::{
    DecisionStatus, PackageName, RepoPath, RequirementId, SpecFolder, SpecKind, SpecSet, TicketFile, TicketId,
};

/// What an open ticket works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecClaim {
    /// The ticket.
    pub ticket: TicketId,
    /// The tickets that are delivered before it begins.
    pub depends_on: Vec<TicketId>,
    /// Its package, whose tickets are worked on one after the other.
    pub package: Option<PackageName>,
    /// The requirements and files.
    pub on: BTreeSet<ClaimedSpec>,
}

/// Something that only one open ticket may work on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimedSpec {
    /// A requirement.
    Requirement(RequirementId),
    /// A file of the current specs.
    Current(RepoPath),
    /// The specs of a change themselves, which are archived when the ticket is delivered.
    Change(RepoPath),
}

impl fmt::Display for ClaimedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requirement(id) => write!(f, "`{id}`"),
            Self::Current(path) | Self::Change(path) => write!(f, "`{path}`"),
        }
    }
}

/// Two open tickets that would work on the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecConflict {
    /// The other ticket.
    pub other: TicketId,
    /// What both work on.
    pub on: ClaimedSpec,
}

impl SpecClaim {
    /// The claim of a ticket with these specs. What is superseded is nobody's.
    pub fn new(ticket: TicketId, file: &TicketFile, requirements_file: RepoPath, set: &SpecSet) -> Self {
        let lives = |status| status != DecisionStatus::Superseded;
        let mut on = BTreeSet::from([ClaimedSpec::Change(requirements_file)]);
        let own = set.requirements.items.iter().filter(|item| lives(item.status));
        on.extend(own.map(|item| ClaimedSpec::Requirement(item.id.clone())));
        let items = set
            .delta
            .iter()
            .flat_map(|delta| &delta.items)
            .filter(|item| lives(item.status));
        for item in items {
            on.insert(ClaimedSpec::Requirement(item.requirement.clone()));
            on.insert(ClaimedSpec::Current(item.current.clone()));
        }
        Self::on(ticket, file, on)
    }

    /// The claim of a ticket whose specs have a mistake, with what can be read of the files that it links: every requirement and every file
    /// of the current specs that they name, whatever they say of it. Too much is the safe side, and ends when the mistake is mended.
    pub fn of_unreadable<'a>(
        ticket: TicketId,
        file: &TicketFile,
        specs: &SpecFolder,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut on = BTreeSet::new();
        if let Some(path) = file.specs.file(SpecKind::Requirements) {
            on.insert(ClaimedSpec::Change(path.clone()));
        }
        for text in texts {
            on.extend(named_requirements(text).map(ClaimedSpec::Requirement));
            on.extend(named_current(specs, text).map(ClaimedSpec::Current));
        }
        Self::on(ticket, file, on)
    }

    fn on(ticket: TicketId, file: &TicketFile, on: BTreeSet<ClaimedSpec>) -> Self {
        Self {
            ticket,
            depends_on: file.depends_on.clone(),
            package: file.package.clone(),
            on,
        }
    }

    /// Whether one of the two begins only when the other is delivered.
    fn is_ordered_with(&self, other: &Self) -> bool {
        let is_named = self.depends_on.contains(&other.ticket) || other.depends_on.contains(&self.ticket);
        is_named || (self.package.is_some() && self.package == other.package)
    }
}

/// For each ticket what it would work on at the same time as another, with the first such ticket for each. Two of which one names the
/// other in `depends_on`, or of one package, are no conflict: they are worked on one after the other.
pub fn spec_conflicts(claims: &[SpecClaim]) -> BTreeMap<TicketId, Vec<SpecConflict>> {
    let mut by_spec: BTreeMap<&ClaimedSpec, Vec<&SpecClaim>> = BTreeMap::new();
    for claim in claims {
        for on in &claim.on {
            by_spec.entry(on).or_default().push(claim);
        }
    }
    let mut found: BTreeMap<TicketId, Vec<SpecConflict>> = BTreeMap::new();
    for (on, claims) in by_spec {
        for claim in &claims {
            let is_in_conflict = |other: &&&SpecClaim| other.ticket != claim.ticket && !claim.is_ordered_with(other);
            if let Some(other) = claims.iter().find(is_in_conflict) {
                found.entry(claim.ticket.clone()).or_default().push(SpecConflict {
                    other: other.ticket.clone(),
                    on: on.clone(),
                });
            }
        }
    }
    found
}

/// The most bytes of an id.
const MAX_ID_BYTES: usize = 60;

/// The ids of requirements that stand anywhere in a text.
fn named_requirements(text: &str) -> impl Iterator<Item = RequirementId> {
    text.match_indices("REQ-").filter_map(|(start, _)| {
        let rest = &text[start..];
        let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-';
        // One that is longer than an id may be is none, and is not looked at to its end from each of its parts.
        let end = rest.bytes().take(MAX_ID_BYTES + 1).take_while(is_part).count();
        rest[..end].trim_end_matches('-').parse().ok()
    })
}

/// The files of the current specs that stand anywhere in a text.
fn named_current(specs: &SpecFolder, text: &str) -> impl Iterator<Item = RepoPath> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '|' | '`' | ','));
    let paths = words.filter_map(|word| word.parse::<RepoPath>().ok());
    paths.filter(|path| specs.is_current(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(ticket: &str, depends_on: &[&str], on: &[&str]) -> SpecClaim {
        SpecClaim {
            ticket: ticket.parse().unwrap(),
            depends_on: depends_on.iter().map(|id| id.parse().unwrap()).collect(),
            package: None,
            on: on
                .iter()
                .map(|id| ClaimedSpec::Requirement(id.parse().unwrap()))
                .collect(),
        }
    }

    fn conflicts(claims: &[SpecClaim]) -> Vec<String> {
        let found = spec_conflicts(claims);
        let lines = found.iter().flat_map(|(ticket, conflicts)| {
            conflicts
                .iter()
                .map(move |conflict| format!("{ticket} {} {}", conflict.other, conflict.on))
        });
        lines.collect()
    }

    #[test]
    fn tickets_of_one_package_are_in_an_order() {
        let of = |ticket: &str, package: &str| SpecClaim {
            package: Some(package.parse().unwrap()),
            ..claim(ticket, &[], &["REQ-1"])
        };
        assert_eq!(conflicts(&[of("a", "p"), of("b", "p")]), Vec::<String>::new());
        assert_eq!(conflicts(&[of("a", "p"), of("b", "q")]), ["a b `REQ-1`", "b a `REQ-1`"]);
    }

    #[test]
    fn both_tickets_that_work_on_the_same_are_named() {
        assert_eq!(
            conflicts(&[
                claim("a", &[], &["REQ-1", "REQ-2"]),
                claim("b", &[], &["REQ-2", "REQ-3"]),
                claim("c", &[], &["REQ-4"]),
            ]),
            ["a b `REQ-2`", "b a `REQ-2`"]
        );
    }

    #[test]
    fn tickets_that_follow_each_other_may_work_on_the_same() {
        let first = claim("a", &[], &["REQ-1"]);
        let second = claim("b", &["a"], &["REQ-1"]);
        assert_eq!(conflicts(&[first.clone(), second.clone()]), Vec::<String>::new());
        // A third one that only follows the second may come before the first.
        let third = claim("c", &["b"], &["REQ-1"]);
        assert_eq!(conflicts(&[first, second, third]), ["a c `REQ-1`", "c a `REQ-1`"]);
    }

    #[test]
    fn specs_with_a_mistake_claim_all_that_they_name() {
        let text = "title = \"x\"\n[scope]\nallowed = [\"a\"]\n[specs]\nmode = \"full\"\nrequirements = \"r\"\ndesign = \"d\"\ntasks = \"t\"\n";
        let ticket = TicketFile::parse(text.as_bytes()).unwrap();
        let specs = SpecFolder::of(&"ledger".parse().unwrap());
        let claimed = |texts: &[&str]| {
            let claim = SpecClaim::of_unreadable("a".parse().unwrap(), &ticket, &specs, texts.iter().copied());
            claim.on.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(claimed(&[]), ["`r`"]);
        assert_eq!(
            claimed(&[
                "| REQ-001 | acc\n(`REQ-LOGIN-2`). REQ-3- REQ- REQ-x REQSET-mail ü",
                "REQ-001|ledger/specs/current/mail/requirements.md| ledger/specs/current/mail.md",
            ]),
            [
                "`REQ-001`",
                "`REQ-3`",
                "`REQ-LOGIN-2`",
                "`ledger/specs/current/mail/requirements.md`",
                "`r`"
            ]
        );
    }
}
