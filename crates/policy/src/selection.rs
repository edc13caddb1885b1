//! Which ticket runs next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ledger_core::TicketId;

use crate::config::Pick;

/// A ticket that could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The ticket.
    pub id: TicketId,
    /// Higher runs first.
    pub priority: i32,
    /// Of one priority, these run first: what is under way is brought to its end before something else is begun.
    pub in_focus: bool,
    /// When it was approved, which counts after that: the oldest runs first. Where it is not known, last.
    pub approved_at: Option<Timestamp>,
    /// The tickets that it depends on, done or not.
    pub depends_on: Vec<TicketId>,
    /// Whether every gate says yes.
    pub ready: bool,
}

/// Why no ticket was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A name that no ticket has.
    #[error("there is no ticket `{id}`")]
    Unknown {
        /// The name.
        id: TicketId,
        /// The ticket with the nearest name, where one is near.
        nearest: Option<TicketId>,
    },
    /// Several tickets are ready and none was named.
    #[error("{} tickets are ready: {}", .ready.len(), list(.ready))]
    SeveralReady {
        /// They, in the order in which they would run.
        ready: Vec<TicketId>,
    },
    /// All that were named wait for each other.
    #[error("these tickets depend on each other: {}", list(.tickets))]
    Cycle {
        /// They, in order of their names.
        tickets: Vec<TicketId>,
    },
}

fn list(tickets: &[TicketId]) -> String {
    let shown: Vec<_> = tickets.iter().take(20).map(|ticket| format!("`{ticket}`")).collect();
    match tickets.len().saturating_sub(20) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The tickets to run, in order. Named ones are taken as they are named, each once, dependencies among them first: whether
/// they may run is for their gates to say. Those that depend on each other come last, where their gates refuse them; only where no other is named, nothing is
/// chosen. Without a name the only ready ticket is taken; with [`Pick::Next`] the first
/// of several; none ready gives an empty list.
///
/// ```
/// use counterfoil_policy::{Candidate, config::Pick, select_tickets};
/// let candidate = |id: &str, priority| Candidate {
///     id: id.parse().unwrap(), priority, in_focus: false, approved_at: None, depends_on: vec![], ready: true,
/// };
/// let all = [candidate("0001-a", 0), candidate("0002-b", 5)];
/// assert!(select_tickets(&all, &[], Pick::Only).is_err());
/// assert_eq!(select_tickets(&all, &[], Pick::Next).unwrap()[0].as_str(), "0002-b");
/// ```
pub fn select_tickets(all: &[Candidate], named: &[TicketId], pick: Pick) -> Result<Vec<TicketId>, SelectionError> {
    if !named.is_empty() {
        for id in named {
            if !all.iter().any(|candidate| candidate.id == *id) {
                let nearest = nearest(all, id);
                return Err(SelectionError::Unknown {
                    id: id.clone(),
                    nearest,
                });
            }
        }
        return named_in_order(all, named);
    }
    let ready = ready_in_order(all);
    match (ready.as_slice(), pick) {
        ([] | [_], _) => Ok(ready),
        (_, Pick::Next) => Ok(ready.into_iter().take(1).collect()),
        (_, Pick::Only) => Err(SelectionError::SeveralReady { ready }),
    }
}

/// All ready tickets in the order in which they would run: what another ready one depends on first, then by priority, by focus, by
/// age and by id. Tickets that depend on each other come last, by id; none of them can be ready for long.
pub fn ready_in_order(all: &[Candidate]) -> Vec<TicketId> {
    let ready: Vec<_> = all.iter().filter(|candidate| candidate.ready).collect();
    let (mut order, rest) = in_order(&ready, |candidate| {
        (
            Reverse(candidate.priority),
            !candidate.in_focus,
            candidate.approved_at.is_none(),
            candidate.approved_at,
            candidate.id.clone(),
        )
    });
    order.extend(rest);
    order
}

fn named_in_order(all: &[Candidate], named: &[TicketId]) -> Result<Vec<TicketId>, SelectionError> {
    let mut place = BTreeMap::new();
    for (index, id) in named.iter().enumerate() {
        place.entry(id).or_insert(index);
    }
    let chosen: Vec<_> = all
        .iter()
        .filter(|candidate| place.contains_key(&candidate.id))
        .collect();
    let (order, rest) = in_order(&chosen, |candidate| {
        (place.get(&candidate.id).copied(), candidate.id.clone())
    });
    if order.is_empty() && !rest.is_empty() {
        return Err(SelectionError::Cycle { tickets: rest });
    }
    Ok(order.into_iter().chain(rest).collect())
}

/// The tickets so that each comes after those that it depends on, else by `key`; and those that wait for each other.
fn in_order<K: Ord>(tickets: &[&Candidate], key: impl Fn(&Candidate) -> K) -> (Vec<TicketId>, Vec<TicketId>) {
    let among: BTreeSet<_> = tickets.iter().map(|candidate| &candidate.id).collect();
    let mut waiting: BTreeMap<&TicketId, BTreeSet<&TicketId>> = BTreeMap::new();
    let mut needed_by: BTreeMap<&TicketId, Vec<&Candidate>> = BTreeMap::new();
    let mut free = BTreeMap::new();
    for candidate in tickets {
        let needs: BTreeSet<_> = candidate.depends_on.iter().filter(|id| among.contains(id)).collect();
        if needs.is_empty() {
            free.insert(key(candidate), &candidate.id);
        }
        for needed in &needs {
            needed_by.entry(needed).or_default().push(candidate);
        }
        waiting.insert(&candidate.id, needs);
    }
    let mut order = Vec::new();
    while let Some((_, id)) = free.pop_first() {
        if waiting.remove(id).is_none() {
            continue;
        }
        order.push(id.clone());
        for candidate in needed_by.remove(id).unwrap_or_default() {
            if let Some(needs) = waiting.get_mut(&candidate.id) {
                needs.remove(id);
                if needs.is_empty() {
                    free.insert(key(candidate), &candidate.id);
                }
            }
        }
    }
    (order, waiting.into_keys().cloned().collect())
}

/// A ticket whose id has the name as a part, or the other way round.
fn nearest(all: &[Candidate], id: &TicketId) -> Option<TicketId> {
    let wanted = id.folded();
    let near = |candidate: &&Candidate| {
        let known = candidate.id.folded();
        known.contains(&wanted) || wanted.contains(&known)
    };
    all.iter().filter(near).map(|candidate| candidate.id.clone()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, priority: i32, depends_on: &[&str], ready: bool) -> Candidate {
        Candidate {
            id: id.parse().unwrap(),
            priority,
            in_focus: false,
            approved_at: None,
            depends_on: depends_on.iter().map(|id| id.parse().unwrap()).collect(),
            ready,
        }
    }

    fn chosen(all: &[Candidate], named: &[&str], pick: Pick) -> String {
        let named: Vec<TicketId> = named.iter().map(|id| id.parse().unwrap()).collect();
        match select_tickets(all, &named, pick) {
            Ok(list) => list.iter().map(TicketId::as_str).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_only_ready_ticket_runs_and_several_are_refused_with_a_list() {
        let all = [
            candidate("0003-c", 0, &[], true),
            candidate("0001-a", 0, &["0003-c"], true),
            candidate("0002-b", 9, &["0001-a"], true),
            candidate("0004-d", 5, &[], true),
            candidate("0005-e", 99, &[], false),
        ];
        assert_eq!(
            chosen(&all, &[], Pick::Only),
            "4 tickets are ready: `0004-d`, `0003-c`, `0001-a`, `0002-b`"
        );
        assert_eq!(chosen(&all, &[], Pick::Next), "0004-d");
        assert_eq!(chosen(&all[..1], &[], Pick::Only), "0003-c");
        assert_eq!(chosen(&all[4..], &[], Pick::Next), "");
        assert_eq!(
            chosen(&all, &["0002-b", "0005-e", "0003-c", "0001-a", "0002-b"], Pick::Only),
            "0005-e 0003-c 0001-a 0002-b"
        );
        assert_eq!(chosen(&all, &["0009-x"], Pick::Only), "there is no ticket `0009-x`");
    }

    #[test]
    fn of_one_priority_what_is_under_way_runs_first_and_then_the_oldest() {
        let at = |id: &str, in_focus, second| Candidate {
            in_focus,
            approved_at: Some(Timestamp::from_second(second).unwrap()),
            ..candidate(id, 0, &[], true)
        };
        let all = [
            at("a", false, 9),
            at("b", false, 3),
            at("c", true, 7),
            candidate("d", 0, &[], true),
            candidate("e", 1, &[], true),
        ];
        let order = ready_in_order(&all);
        assert_eq!(
            order.iter().map(TicketId::as_str).collect::<Vec<_>>(),
            ["e", "c", "b", "a", "d"]
        );
    }

    #[test]
    fn tickets_that_wait_for_each_other_are_named() {
        let all = [
            candidate("a", 0, &["b"], true),
            candidate("b", 0, &["a"], true),
            candidate("c", 0, &["c"], true),
        ];
        assert_eq!(
            chosen(&all, &["a", "b"], Pick::Only),
            "these tickets depend on each other: `a`, `b`"
        );
        assert_eq!(
            chosen(&all, &["c"], Pick::Only),
            "these tickets depend on each other: `c`"
        );
        let mut all = all.to_vec();
        all.push(candidate("d", 0, &[], true));
        assert_eq!(
            chosen(&all, &["b", "a", "d"], Pick::Only),
            "d a b",
            "a circle is no reason against another ticket"
        );
        assert_eq!(ready_in_order(&all).len(), 4);
    }

    proptest::proptest! {
        #[test]
        fn every_ready_ticket_comes_once_and_after_what_it_needs(
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30),
            priorities in proptest::collection::vec(-3i32..3, 12),
        ) {
            let all: Vec<_> = (0..12).map(|n| {
                // Edges only go down, so that there is no cycle.
                let needs: Vec<_> = edges.iter().filter(|(a, b)| *a == n && b < a).map(|(_, b)| format!("t{b}")).collect();
                candidate(&format!("t{n}"), priorities[n], &needs.iter().map(String::as_str).collect::<Vec<_>>(), true)
            }).collect();
            let order = ready_in_order(&all);
            proptest::prop_assert_eq!(order.len(), 12);
            for candidate in &all {
                let place = |id: &TicketId| order.iter().position(|other| other == id);
                for needed in &candidate.depends_on {
                    proptest::prop_assert!(place(needed) < place(&candidate.id));
                }
            }
        }
    }
}
