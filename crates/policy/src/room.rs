//! What is given up for room on the disk, from what is missed least to what is missed most.

use jiff::Timestamp;

use crate::config::DiskPolicy;

/// What a thing is that nobody needs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spare {
    /// A place, with the caches in it: what it held is kept as a tree, and it is made anew where it is wanted.
    Place,
    /// The logs of a finished run, which are kept nowhere else.
    Logs,
}

/// Something that could go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpareThing {
    /// What it is.
    pub kind: Spare,
    /// When it was used last.
    pub last_used: Timestamp,
    /// The bytes that it takes.
    pub bytes: u64,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The bytes that places and logs take.
    pub used: u64,
    /// The bytes that are free on the disk; `None` where the system does not say.
    pub free: Option<u64>,
}

/// Which of these things are given up before a run begins, in this order: none without a budget, else so many that what is
/// left keeps to it and as much is free as must be. Places go before logs, and what was used longest ago goes first.
///
/// ```
/// use counterfoil_policy::{Policy, Room, Spare, SpareThing, given_up};
/// let policy = Policy::parse(b"[disk]\nbudget = \"10 MiB\"\nmin_free = \"0 B\"\n").unwrap();
/// let thing = |kind, second, mebibytes: u64| SpareThing {
///     kind,
///     last_used: jiff::Timestamp::from_second(second).unwrap(),
///     bytes: mebibytes << 20,
/// };
/// let things = [thing(Spare::Logs, 1, 4), thing(Spare::Place, 3, 4), thing(Spare::Place, 2, 4)];
/// let room = Room { used: 15 << 20, free: None };
/// assert_eq!(given_up(&policy.disk, room, &things), [2, 1]);
/// ```
pub fn given_up(policy: &DiskPolicy, room: Room, things: &[SpareThing]) -> Vec<usize> {
    let Some(budget) = policy.budget else {
        return Vec::new();
    };
    let over = room.used.saturating_sub(budget.as_bytes());
    let short = room
        .free
        .map_or(0, |free| policy.min_free.as_bytes().saturating_sub(free));
    let mut left = over.max(short);
    let mut order: Vec<usize> = (0..things.len()).filter(|at| things[*at].bytes > 0).collect();
    order.sort_by_key(|at| (things[*at].kind, things[*at].last_used, *at));
    order
        .into_iter()
        .take_while(|at| {
            let goes = left > 0;
            left = left.saturating_sub(things[*at].bytes);
            goes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn thing(kind: Spare, second: i64, bytes: u64) -> SpareThing {
        SpareThing {
            kind,
            last_used: Timestamp::from_second(second).unwrap(),
            bytes,
        }
    }

    fn chosen(policy: &str, used: u64, free: Option<u64>) -> Vec<usize> {
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        let things = [
            thing(Spare::Logs, 1, 100),
            thing(Spare::Place, 9, 100),
            thing(Spare::Place, 2, 0),
            thing(Spare::Place, 5, 100),
        ];
        given_up(&policy.disk, Room { used, free }, &things)
    }

    #[test]
    fn no_more_goes_than_must_and_what_was_used_longest_ago_goes_first() {
        let policy = "[disk]\nbudget = \"1000 B\"\nmin_free = \"500 B\"\n";
        assert_eq!(chosen(policy, 1000, Some(500)), [0; 0]);
        assert_eq!(chosen(policy, 1001, Some(500)), [3]);
        assert_eq!(chosen(policy, 1100, None), [3]);
        assert_eq!(chosen(policy, 1101, None), [3, 1]);
        assert_eq!(chosen(policy, 5000, None), [3, 1, 0], "places before logs");
        assert_eq!(chosen(policy, 0, Some(350)), [3, 1], "what must be free counts too");
    }

    #[test]
    fn without_a_budget_nothing_goes_by_itself() {
        assert_eq!(chosen("", u64::MAX, Some(0)), [0; 0]);
    }
}
