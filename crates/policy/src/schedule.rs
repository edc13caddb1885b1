//! Which tickets may run at the same time.

use std::collections::BTreeSet;
use std::fmt;

use ledger_core::{TicketFile, TicketId};

use crate::config::Policy;
use crate::write_scope::WriteScope;

/// What a ticket takes for itself as long as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The ticket.
    pub ticket: TicketId,
    /// What it may write.
    pub writes: WriteScope,
    /// The things of its `resources`.
    pub resources: BTreeSet<String>,
    /// Whether it may change what only one run may change at a time: the policy's `[schedule] serialize`.
    pub serialized: bool,
}

/// Which waiting tickets start now, and why the others do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Those that start, in order.
    pub start: Vec<TicketId>,
    /// Those that do not, in order.
    pub held: Vec<Held>,
}

/// A ticket that could run and does not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The ticket.
    pub ticket: TicketId,
    /// Why.
    pub because: HeldBecause,
}

/// Why a ticket that could run does not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBecause {
    /// As many run as may run at the same time.
    NoSlot,
    /// This one, which runs or comes before it, may write the same paths.
    SamePaths(TicketId),
    /// This one uses the same thing.
    SameResource {
        /// The thing.
        resource: String,
        /// The ticket.
        with: TicketId,
    },
    /// This one also may change what only one run may change at a time.
    Serialized(TicketId),
}

impl fmt::Display for HeldBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlot => f.write_str("as many run as may run at the same time"),
            Self::SamePaths(other) => write!(f, "`{other}` may write the same paths"),
            Self::SameResource { resource, with } => write!(f, "`{with}` uses `{resource}` too"),
            Self::Serialized(other) => write!(f, "`{other}` may also change what the policy serializes"),
        }
    }
}

impl Claim {
    /// What this ticket takes under this policy.
    pub fn of(id: TicketId, ticket: &TicketFile, policy: &Policy) -> Self {
        let writes = WriteScope::of(ticket, policy);
        Self {
            ticket: id,
            resources: ticket.resources.iter().cloned().collect(),
            serialized: writes.may_touch(&policy.schedule.serialize),
            writes,
        }
    }

    /// That of a ticket of which nobody knows what it may write.
    pub fn of_unknown(id: TicketId) -> Self {
        Self {
            ticket: id,
            writes: WriteScope::everything(),
            resources: BTreeSet::new(),
            serialized: true,
        }
    }

    /// The same with what another ticket takes, whose run is a part of this one's.
    pub fn with(mut self, part: Self) -> Self {
        self.writes = self.writes.with(part.writes);
        self.resources.extend(part.resources);
        self.serialized |= part.serialized;
        self
    }

    /// Why this one has to wait for the other; none: both can run.
    fn waits_for(&self, other: &Self) -> Option<HeldBecause> {
        if let Some(resource) = self.resources.intersection(&other.resources).next() {
            return Some(HeldBecause::SameResource {
                resource: resource.clone(),
                with: other.ticket.clone(),
            });
        }
        if self.serialized && other.serialized {
            return Some(HeldBecause::Serialized(other.ticket.clone()));
        }
        self.writes
            .may_meet(&other.writes)
            .then(|| HeldBecause::SamePaths(other.ticket.clone()))
    }
}

/// Which of the waiting tickets, given in their order, start beside those that run, where `slots` may run at the same time.
///
/// A ticket that has to wait for another is not overtaken by a third that it would have to wait for as well, so that it starts once those that now run have
/// ended, whatever comes meanwhile.
///
/// ```
/// use counterfoil_policy::{Claim, Policy, schedule};
/// use ledger_core::TicketFile;
/// let claim = |id: &str, allowed: &str| {
///     let text = format!("title = \"x\"\n[scope]\nallowed = [\"{allowed}\"]\n");
///     Claim::of(id.parse().unwrap(), &TicketFile::parse(text.as_bytes()).unwrap(), &Policy::default())
/// };
/// let waiting = [claim("b", "**"), claim("c", "src/**"), claim("d", "docs/**")];
/// assert_eq!(schedule(&waiting, &[], 2).start, ["b".parse().unwrap()]);
/// let schedule = schedule(&waiting[1..], &[claim("a", "src/lib.rs")], 2);
/// assert_eq!(schedule.start, ["d".parse().unwrap()]);
/// assert_eq!(schedule.held[0].because.to_string(), "`a` may write the same paths");
/// ```
pub fn schedule(waiting: &[Claim], running: &[Claim], slots: usize) -> Schedule {
    let mut schedule = Schedule::default();
    let mut before: Vec<&Claim> = running.iter().collect();
    for claim in waiting {
        let free = slots.saturating_sub(running.len() + schedule.start.len());
        let because = match before.iter().find_map(|other| claim.waits_for(other)) {
            Some(because) => because,
            None if free == 0 => HeldBecause::NoSlot,
            None => {
                schedule.start.push(claim.ticket.clone());
                before.push(claim);
                continue;
            }
        };
        if because != HeldBecause::NoSlot {
            before.push(claim);
        }
        schedule.held.push(Held {
            ticket: claim.ticket.clone(),
            because,
        });
    }
    schedule
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(id: &str, text: &str) -> Claim {
        let policy = Policy::parse(b"[schedule]\nserialize = [\"api/**\", \"migrations/**\"]\n").unwrap();
        let ticket = TicketFile::parse(format!("title = \"x\"\n{text}").as_bytes()).unwrap();
        Claim::of(id.parse().unwrap(), &ticket, &policy)
    }

    fn paths(id: &str, allowed: &str) -> Claim {
        claim(id, &format!("[scope]\nallowed = [\"{allowed}\"]\n"))
    }

    fn told(schedule: &Schedule) -> Vec<String> {
        let started = schedule.start.iter().map(|ticket| format!("{ticket} starts"));
        let held = schedule
            .held
            .iter()
            .map(|held| format!("{}: {}", held.ticket, held.because));
        started.chain(held).collect()
    }

    #[test]
    fn what_could_meet_runs_one_after_the_other() {
        let using = |id: &str, path: &str| {
            claim(
                id,
                &format!("resources = [\"staging\"]\n[scope]\nallowed = [\"{path}\"]\n"),
            )
        };
        let waiting = [
            paths("a", "src/a/**"),
            paths("b", "src/a/x.rs"),
            paths("c", "api/v1.yaml"),
            paths("d", "migrations/2.sql"),
            using("e", "e"),
            using("f", "f"),
            claim("g", "mode = \"research\"\n"),
            paths("h", "h"),
        ];
        assert_eq!(
            told(&schedule(&waiting, &[], 4)),
            [
                "a starts",
                "c starts",
                "e starts",
                "g starts",
                "b: `a` may write the same paths",
                "d: `c` may also change what the policy serializes",
                "f: `e` uses `staging` too",
                "h: as many run as may run at the same time",
            ]
        );
    }

    #[test]
    fn one_that_waits_is_not_overtaken_by_what_would_keep_it_waiting() {
        let waiting = [
            claim("all", "mode = \"loop\"\n"),
            paths("b", "b"),
            claim("c", "mode = \"research\"\n"),
        ];
        assert_eq!(
            told(&schedule(&waiting, &[paths("a", "a")], 3)),
            [
                "c starts",
                "all: `a` may write the same paths",
                "b: `all` may write the same paths"
            ]
        );
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let path = prop::sample::select(vec!["a/**", "a/b", "b/*", "c", "**", "api/x"]);
        let resource = prop::option::of(prop::sample::select(vec!["db", "port"]));
        prop::collection::vec((path, resource), 0..8).prop_map(|all| {
            let claim = |(index, (path, resource)): (usize, (&str, Option<&str>))| {
                let resources = resource
                    .map(|name| format!("resources = [\"{name}\"]\n"))
                    .unwrap_or_default();
                claim(
                    &format!("t{index}"),
                    &format!("{resources}[scope]\nallowed = [\"{path}\"]\n"),
                )
            };
            all.into_iter().enumerate().map(claim).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        /// With slots that refill as they free up, every ticket runs, never beside one that it has to wait for, and the first that waits starts
        /// when what ran before it has ended.
        #[test]
        fn all_run_in_the_end_and_none_beside_what_it_waits_for(all in claims(), slots in 1usize..4, order in any::<u64>()) {
            let mut waiting = all.clone();
            let mut running: Vec<Claim> = Vec::new();
            let mut seed = order;
            for _ in 0..=2 * all.len() {
                let next = schedule(&waiting, &running, slots);
                prop_assert_eq!(next.start.len() + next.held.len(), waiting.len());
                prop_assert!(running.len() + next.start.len() <= slots);
                prop_assert!(!running.is_empty() || !next.start.is_empty() || waiting.is_empty());
                if running.is_empty() {
                    prop_assert_eq!(next.start.first(), waiting.first().map(|claim| &claim.ticket));
                }
                let (start, rest): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|claim| next.start.contains(&claim.ticket));
                running.extend(start);
                waiting = rest;
                for (index, one) in running.iter().enumerate() {
                    for other in &running[index + 1..] {
                        prop_assert_eq!(one.waits_for(other), None);
                    }
                }
                if !running.is_empty() {
                    seed = seed.rotate_left(7);
                    running.remove(usize::try_from(seed % 97).unwrap() % running.len());
                }
            }
            prop_assert!(waiting.is_empty() && running.is_empty());
        }
    }
}
