//! Which tickets of a set could be worked on at the same time.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::TicketId;

/// A ticket and those that it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The ticket.
    pub id: TicketId,
    /// What it depends on. Tickets that are not in the set do not count.
    pub depends_on: Vec<TicketId>,
}

/// Tickets that wait for each other have no waves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these tickets wait for each other: {}", list(.tickets))]
pub struct WavesError {
    /// They and what waits for them, in the order of the ids.
    pub tickets: Vec<TicketId>,
}

fn list(tickets: &[TicketId]) -> String {
    let shown: Vec<_> = tickets.iter().map(|ticket| format!("`{ticket}`")).collect();
    shown.join(", ")
}

/// The tickets in waves: each is in the first wave after all that it depends on, so that those of one wave do not wait for each other.
/// In a wave they keep the order in which they were given. A ticket that is given twice counts once.
///
/// ```
/// use counterfoil_policy::{Waiting, waves};
/// let ticket = |id: &str, depends_on: &[&str]| Waiting {
///     id: id.parse().unwrap(),
///     depends_on: depends_on.iter().map(|id| id.parse().unwrap()).collect(),
/// };
/// let waves = waves(&[ticket("c", &["a", "b"]), ticket("b", &[]), ticket("a", &[])]).unwrap();
/// let names: Vec<Vec<&str>> = waves.iter().map(|wave| wave.iter().map(|id| id.as_str()).collect()).collect();
/// assert_eq!(names, [vec!["b", "a"], vec!["c"]]);
/// ```
pub fn waves(tickets: &[Waiting]) -> Result<Vec<Vec<TicketId>>, WavesError> {
    let mut open: BTreeMap<&TicketId, BTreeSet<&TicketId>> = BTreeMap::new();
    let mut given: Vec<&TicketId> = Vec::new();
    for ticket in tickets {
        if !open.contains_key(&ticket.id) {
            given.push(&ticket.id);
        }
        open.entry(&ticket.id).or_default().extend(&ticket.depends_on);
    }
    let known: BTreeSet<&TicketId> = open.keys().copied().collect();
    let mut needed_by: BTreeMap<&TicketId, Vec<&TicketId>> = BTreeMap::new();
    for (id, needs) in &mut open {
        needs.retain(|needed| known.contains(needed));
        for needed in needs.iter() {
            needed_by.entry(needed).or_default().push(id);
        }
    }
    let place: BTreeMap<&TicketId, usize> = given.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut free: Vec<&TicketId> = given.iter().copied().filter(|id| open[id].is_empty()).collect();
    let mut waves = Vec::new();
    while !free.is_empty() {
        let mut next = Vec::new();
        for done in &free {
            open.remove(done);
            for waiting in needed_by.get(done).into_iter().flatten() {
                if let Some(needs) = open.get_mut(waiting) {
                    needs.remove(done);
                    if needs.is_empty() {
                        next.push(*waiting);
                    }
                }
            }
        }
        next.sort_by_key(|id| place.get(id));
        waves.push(free.into_iter().cloned().collect());
        free = next;
    }
    match open.is_empty() {
        true => Ok(waves),
        false => Err(WavesError {
            tickets: open.into_keys().cloned().collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(id: &str, depends_on: &[&str]) -> Waiting {
        Waiting {
            id: id.parse().unwrap(),
            depends_on: depends_on.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }

    fn told(tickets: &[Waiting]) -> String {
        match waves(tickets) {
            Ok(waves) => {
                let wave = |wave: &Vec<TicketId>| wave.iter().map(TicketId::as_str).collect::<Vec<_>>().join(" ");
                waves.iter().map(wave).collect::<Vec<_>>().join(" | ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_ticket_is_in_the_first_wave_after_all_that_it_waits_for() {
        assert_eq!(told(&[]), "");
        assert_eq!(
            told(&[
                ticket("d", &["b", "c", "elsewhere"]),
                ticket("c", &["a"]),
                ticket("b", &["a", "a"]),
                ticket("a", &[]),
                ticket("e", &[]),
            ]),
            "a e | c b | d"
        );
    }

    #[test]
    fn tickets_that_wait_for_each_other_are_named_with_what_waits_for_them() {
        let tickets = [
            ticket("a", &["b"]),
            ticket("b", &["a"]),
            ticket("c", &["a"]),
            ticket("d", &[]),
        ];
        assert_eq!(told(&tickets), "these tickets wait for each other: `a`, `b`, `c`");
        assert_eq!(told(&[ticket("a", &["a"])]), "these tickets wait for each other: `a`");
    }

    proptest::proptest! {
        #[test]
        fn every_ticket_is_in_one_wave_and_after_what_it_waits_for(
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40),
        ) {
            let tickets: Vec<_> = (0..12).map(|n| {
                let needs: Vec<_> = edges.iter().filter(|(a, b)| *a == n && b < a).map(|(_, b)| format!("t{b}")).collect();
                ticket(&format!("t{n}"), &needs.iter().map(String::as_str).collect::<Vec<_>>())
            }).collect();
            let waves = waves(&tickets).unwrap();
            let wave_of = |id: &TicketId| waves.iter().position(|wave| wave.contains(id)).unwrap();
            proptest::prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), 12);
            for ticket in &tickets {
                let last = ticket.depends_on.iter().map(wave_of).max();
                proptest::prop_assert_eq!(wave_of(&ticket.id), last.map_or(0, |last| last + 1));
            }
        }
    }
}
