//! Which paths two tickets could both write, so that they are kept apart.

use std::collections::BTreeMap;

use ledger_core::TicketFile;

use crate::config::{PathPattern, Policy};

/// Which paths a ticket may write. Two of them are compared by their words alone, whatever files there are.
///
/// ```
/// use counterfoil_policy::{Policy, WriteScope};
/// use ledger_core::TicketFile;
/// let scope = |allowed: &str| {
///     let text = format!("title = \"x\"\n[scope]\nallowed = [\"{allowed}\"]\n");
///     WriteScope::of(&TicketFile::parse(text.as_bytes()).unwrap(), &Policy::default())
/// };
/// assert!(scope("src/**").may_meet(&scope("**/*.rs")));
/// assert!(!scope("src/a*.rs").may_meet(&scope("src/b.rs")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteScope(Paths);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Paths {
    Everything,
    Only(Vec<Glob>),
}

impl WriteScope {
    /// That of this ticket. One without a list may write everything, in `docs_only` what is documentation by the policy; one that only reads,
    /// nothing.
    pub fn of(ticket: &TicketFile, policy: &Policy) -> Self {
        let discipline = ticket.mode.discipline();
        let granted = ticket.grants.protected.iter().map(String::as_str);
        let paths = match &ticket.scope.allowed {
            _ if !discipline.may_change && !discipline.owns_tickets => Paths::Only(Vec::new()),
            Some(allowed) => Paths::Only(globs(allowed.iter().map(String::as_str).chain(granted))),
            None if ticket.docs_only => {
                let docs = policy.scope.docs_roots.iter().map(PathPattern::as_str);
                Paths::Only(globs(docs.chain(granted)))
            }
            None => Paths::Everything,
        };
        Self(paths)
    }

    /// That of a ticket of which nothing is known.
    pub fn everything() -> Self {
        Self(Paths::Everything)
    }

    /// That of whatever takes this one's part and the other's.
    pub fn with(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Paths::Only(mut own), Paths::Only(others)) => {
                own.extend(others);
                Self(Paths::Only(own))
            }
            _ => Self(Paths::Everything),
        }
    }

    /// Whether some path could be written by both, or a folder by the one that the other makes a file.
    pub fn may_meet(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Paths::Only(own), Paths::Only(others)) => {
                own.iter().any(|own| others.iter().any(|other| own.may_meet(other)))
            }
            (Paths::Only(some), Paths::Everything) | (Paths::Everything, Paths::Only(some)) => !some.is_empty(),
            (Paths::Everything, Paths::Everything) => true,
        }
    }

    /// Whether a path of these patterns could be written.
    pub fn may_touch(&self, patterns: &[PathPattern]) -> bool {
        let patterns = globs(patterns.iter().map(PathPattern::as_str));
        self.may_meet(&Self(Paths::Only(patterns)))
    }
}

fn globs<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Glob> {
    texts.map(Glob::new).collect()
}

/// A pattern, as wide as it could be meant. Names count without case, because on some file systems it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    /// The name of a folder or file.
    Name(Vec<Sign>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Is(char),
    One,
    Any,
}

impl Glob {
    fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        for part in text.split('/') {
            // Alternatives and escapes may hold a slash: from here on it could mean anything.
            if part.contains(['{', '\\']) {
                parts.push(Part::Folders);
                break;
            }
            parts.push(match part {
                "**" => Part::Folders,
                // Both a class of characters and a name with brackets in it; and `?` is a byte, where a character may be several or fold to another.
                _ if part.contains('[') || !part.is_ascii() => Part::Name(vec![Sign::Any]),
                _ => Part::Name(part.chars().map(Sign::new).collect()),
            });
        }
        Self(parts)
    }

    fn may_meet(&self, other: &Self) -> bool {
        // Most patterns begin with other names.
        if let (Some(Part::Name(name)), Some(Part::Name(other_name))) = (self.0.first(), other.0.first())
            && !names_meet(name, other_name)
        {
            return false;
        }
        Comparison {
            one: &self.0,
            other: &other.0,
            known: BTreeMap::new(),
        }
        .meet(At::default())
    }
}

impl Sign {
    fn new(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            other => Self::Is(other.to_ascii_lowercase()),
        }
    }
}

/// How far two patterns were read, and whether the last part of each was only passed over by folders of the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    one: usize,
    other: usize,
    one_passed: bool,
    other_passed: bool,
}

struct Comparison<'a> {
    one: &'a [Part],
    other: &'a [Part],
    known: BTreeMap<At, bool>,
}

impl Comparison<'_> {
    fn meet(&mut self, at: At) -> bool {
        if let Some(known) = self.known.get(&at) {
            return *known;
        }
        let meets = self.look(at);
        self.known.insert(at, meets);
        meets
    }

    fn look(&mut self, at: At) -> bool {
        let (one, other) = (&self.one[at.one..], &self.other[at.other..]);
        let (next_one, next_other) = (at.one + 1, at.other + 1);
        match (one.first(), other.first()) {
            // What is named to its end is also the folder of all that is below it.
            (None, _) => !at.one_passed || other.iter().all(|part| *part == Part::Folders),
            (_, None) => !at.other_passed || one.iter().all(|part| *part == Part::Folders),
            (Some(Part::Folders), _) => {
                let passes = At {
                    other: next_other,
                    other_passed: true,
                    ..at
                };
                self.meet(At { one: next_one, ..at }) || self.meet(passes)
            }
            (_, Some(Part::Folders)) => {
                let passes = At {
                    one: next_one,
                    one_passed: true,
                    ..at
                };
                self.meet(At {
                    other: next_other,
                    ..at
                }) || self.meet(passes)
            }
            (Some(Part::Name(name)), Some(Part::Name(other_name))) => {
                names_meet(name, other_name)
                    && self.meet(At {
                        one: next_one,
                        other: next_other,
                        ..At::default()
                    })
            }
        }
    }
}

/// Whether some name fits both.
fn names_meet(one: &[Sign], other: &[Sign]) -> bool {
    let same =
        |(sign, other): &(&Sign, &Sign)| matches!((sign, other), (Sign::Is(one), Sign::Is(other)) if one == other);
    let shared = one.iter().zip(other).take_while(same).count();
    let (one, other) = (&one[shared..], &other[shared..]);
    if let (Some(Sign::Is(_)), Some(Sign::Is(_))) = (one.first(), other.first()) {
        return false;
    }
    // Whether the rest of `one` from here can meet each rest of `other`, from the end.
    let is_any = |signs: &[Sign]| signs.iter().all(|sign| *sign == Sign::Any);
    let mut below: Vec<bool> = (0..=other.len()).map(|at| is_any(&other[at..])).collect();
    for sign in one.iter().rev() {
        let mut row = vec![false; other.len() + 1];
        let last = other.len();
        row[last] = *sign == Sign::Any && below[last];
        for at in (0..last).rev() {
            row[at] = match (sign, other[at]) {
                (Sign::Any, _) | (_, Sign::Any) => below[at] || row[at + 1] || below[at + 1],
                (Sign::Is(one), Sign::Is(other)) => *one == other && below[at + 1],
                (Sign::One, _) | (_, Sign::One) => below[at + 1],
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use globset::GlobBuilder;
    use proptest::prelude::*;

    use super::*;

    fn meet(one: &str, other: &str) -> bool {
        let meets = Glob::new(one).may_meet(&Glob::new(other));
        assert_eq!(meets, Glob::new(other).may_meet(&Glob::new(one)), "{one} {other}");
        meets
    }

    #[test]
    fn patterns_meet_where_a_path_could_fit_both() {
        for (one, other) in [
            ("src/a.rs", "src/a.rs"),
            ("src/A.rs", "SRC/a.rs"),
            ("src/**", "src/a.rs"),
            ("src/**", "src/deep/a.rs"),
            ("**/*.rs", "src/**"),
            ("**/a/**", "b/**/c"),
            ("src/*.rs", "src/a?.rs"),
            ("src/??.rs", "src/é.rs"),
            ("src/e*", "src/e\u{301}"),
            ("src/é/**", "src/É/a"),
            ("a*c", "ab*"),
            ("src", "src/a.rs"),
            ("src/**", "src"),
            ("**", "a"),
            ("app/[id]/page.tsx", "app/[id]/page.tsx"),
            ("app/[ab]/x", "app/a/x"),
            ("{src,lib}/**", "lib/a.rs"),
            ("src/{a,b/c}.rs", "src/b/c.rs"),
            ("*", "?"),
            ("**/**", "a/b"),
            ("**/*.sql", "db/**"),
        ] {
            assert!(meet(one, other), "{one} and {other}");
        }
        for (one, other) in [
            ("src/a.rs", "src/b.rs"),
            ("src/**", "lib/**"),
            ("src/**/*.sql", "src/**/*.rs"),
            ("src/*.rs", "src/deep/a.rs"),
            ("**/*.sql", "src/a.rs"),
            ("docs/**", "src/docs/**"),
            ("a*b", "a*c"),
            ("?", "ab"),
            ("src/a/**", "src/b/**"),
        ] {
            assert!(!meet(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_a_ticket_may_write_is_never_less_than_its_scope() {
        let policy = Policy::default();
        let scope = |text: &str| {
            let text = format!("title = \"x\"\n{text}");
            WriteScope::of(&TicketFile::parse(text.as_bytes()).unwrap(), &policy)
        };
        let source = scope("[scope]\nallowed = [\"src/**\"]\n");
        let docs = scope("docs_only = true\n");
        let all = scope("mode = \"loop\"\n");
        let reads = scope("mode = \"research\"\n");
        let granted = scope("[scope]\nallowed = [\"lib/a.rs\"]\n[grants]\nprotected = [\"src/AGENTS.md\"]\n");
        assert!(source.may_meet(&all) && all.may_meet(&all) && docs.may_meet(&all));
        assert!(!reads.may_meet(&all) && !reads.may_meet(&reads));
        assert!(!source.may_meet(&docs));
        assert!(source.may_meet(&granted));
        assert!(docs.clone().with(source.clone()).may_meet(&source));
        assert!(all.may_touch(&["api/**".parse().unwrap()]));
        assert!(!source.may_touch(&["api/**".parse().unwrap()]));
        assert!(!all.may_touch(&[]));
    }

    fn pattern() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            3 => "[abé]{1,2}",
            1 => "[abé*?]{1,3}",
            1 => Just("**".to_owned()),
        ];
        prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_path_that_fits_both_is_never_missed(one in pattern(), other in pattern(), path in "[abé]{1,2}(/[abé]{1,2}){0,3}") {
            let fits = |pattern: &str| {
                let glob = GlobBuilder::new(pattern).literal_separator(true).build().unwrap();
                glob.compile_matcher().is_match(&path)
            };
            if fits(&one) && fits(&other) {
                prop_assert!(meet(&one, &other), "{path} fits {one} and {other}");
            }
        }
    }
}
