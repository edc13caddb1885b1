//! Which tickets are tried again by themselves, and when.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Blocker, TicketId};

use crate::pauses::spread;

/// How often in a row something is tried again whose end nobody knows: eight to ten hours.
const MOST_IN_A_ROW: u32 = 20;

/// The longest pause before that, but for what it is spread by.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// What stopped runs for causes that pass without anybody doing anything.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// When each ticket is tried again.
    at: BTreeMap<TicketId, Pause>,
    /// Until when no ticket is begun, because each would meet the same.
    hold: Option<Pause>,
    /// How often in a row a cause was met of which it is not known when it passes.
    in_a_row: u32,
}

/// A time in which something is not begun.
#[derive(Debug, Clone, Copy)]
struct Pause {
    /// Where the length is ours: a clock that says less has been set back, and nobody knows how much of the pause is over. The provider's times are those of any clock.
    since: Option<Timestamp>,
    until: Timestamp,
}

impl Pause {
    fn lasts(&self, now: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= now) && now < self.until
    }
}

impl Retries {
    /// When a ticket is tried again whose run was stopped by this at this moment. None: not by itself.
    pub(crate) fn after(&mut self, ticket: &TicketId, stopped_by: &Blocker, now: Timestamp) -> Option<Timestamp> {
        if !stopped_by.code.passes_by_itself() {
            // What was in the way is not any more.
            self.in_a_row = 0;
            return None;
        }
        let lasting = self.hold.filter(|hold| hold.lasts(now));
        let pause = match (stopped_by.retry_at.filter(|at| now < *at), lasting) {
            (Some(until), _) => Pause { since: None, until },
            // Several that run at the same time meet the same once.
            (None, Some(hold)) => hold,
            (None, None) if self.in_a_row >= MOST_IN_A_ROW => return None,
            (None, None) => {
                self.in_a_row += 1;
                Pause {
                    since: Some(now),
                    until: now.checked_add(pause(self.in_a_row, now)).unwrap_or(Timestamp::MAX),
                }
            }
        };
        self.at.insert(ticket.clone(), pause);
        if stopped_by.code.meets_every_ticket() && lasting.is_none_or(|hold| hold.until < pause.until) {
            self.hold = Some(pause);
        }
        Some(pause.until)
    }

    /// A run was done: nothing is in the way.
    pub(crate) fn reset(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether nothing is to be begun now.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        self.hold.is_some_and(|hold| hold.lasts(now))
    }

    /// Whether this ticket is to be tried again, and its time has not come.
    pub(crate) fn waits(&self, ticket: &TicketId, now: Timestamp) -> bool {
        self.at.get(ticket).is_some_and(|pause| pause.lasts(now))
    }

    /// The next time at which something can be begun that could not now.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let end = |pause: &Pause| pause.lasts(now).then_some(pause.until);
        // Nothing begins before the hold ends.
        let hold = self.hold.as_ref().and_then(end);
        hold.or_else(|| self.at.values().filter_map(end).min())
    }
}

/// One minute, two, four, … at most half an hour, and up to a quarter more.
fn pause(in_a_row: u32, now: Timestamp) -> SignedDuration {
    let minutes = 1_i64 << in_a_row.saturating_sub(1).min(10);
    spread(SignedDuration::from_mins(minutes).min(LONGEST_PAUSE), now)
}

#[cfg(test)]
mod tests {
    use ledger_core::BlockerCode;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn id(name: &str) -> TicketId {
        name.parse().unwrap()
    }

    fn after_pause(in_a_row: u32, now: Timestamp) -> Timestamp {
        now.checked_add(pause(in_a_row, now)).unwrap()
    }

    fn just_before(at: Timestamp) -> Timestamp {
        at.checked_sub(SignedDuration::from_nanos(1)).unwrap()
    }

    #[test]
    fn only_what_passes_is_tried_again_and_what_meets_all_holds_all() {
        let mut retries = Retries::default();
        let blocked = |code| Blocker::new(code, "x");
        assert_eq!(
            retries.after(&id("a"), &blocked(BlockerCode::ScopeViolation), at(0)),
            None
        );
        assert_eq!(retries.after(&id("a"), &blocked(BlockerCode::AgentAuth), at(0)), None);
        let again = retries.after(&id("a"), &blocked(BlockerCode::RemoteUnreachable), at(0));
        let first = after_pause(1, at(0));
        assert_eq!(again, Some(first));
        assert!(retries.waits(&id("a"), just_before(first)) && !retries.waits(&id("a"), first));
        assert!(!retries.holds(at(0)) && !retries.waits(&id("b"), at(0)));
        for ticket in ["b", "c"] {
            let again = retries.after(&id(ticket), &blocked(BlockerCode::AgentUnavailable), at(0));
            assert_eq!(
                again,
                Some(after_pause(2, at(0))),
                "the second in a row, for all that run"
            );
        }
        let second = after_pause(2, at(0));
        assert!(retries.holds(just_before(second)) && !retries.holds(second));
        assert_eq!(retries.next(at(0)), Some(second), "nothing begins before");
        assert_eq!(retries.next(second), None);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_pause_and_not_what_the_provider_said() {
        let (a, b) = (id("a"), id("b"));
        let now = at(1_000_000);
        let unknown = Blocker::new(BlockerCode::AgentUnavailable, "x");
        let mut retries = Retries::default();
        retries.after(&a, &unknown, now).unwrap();
        assert!(retries.holds(now) && retries.waits(&a, now));
        let earlier = at(1_000_000 - 3600);
        assert!(!retries.holds(earlier) && !retries.waits(&a, earlier));
        assert_eq!(retries.next(earlier), None);
        let again = retries.after(&a, &unknown, earlier).unwrap();
        assert_eq!(again, after_pause(2, earlier), "it counts on");
        let known = Blocker {
            retry_at: Some(at(1_000_100)),
            ..Blocker::new(BlockerCode::AgentRateLimited, "x")
        };
        retries.after(&b, &known, now);
        assert!(retries.holds(earlier) && retries.waits(&b, earlier));
        assert_eq!(retries.next(earlier), Some(at(1_000_100)));
    }

    #[test]
    fn what_is_known_to_pass_is_waited_for_and_what_is_not_only_so_often() {
        let mut retries = Retries::default();
        let known = Blocker {
            retry_at: Some(at(90_000)),
            ..Blocker::new(BlockerCode::AgentRateLimited, "x")
        };
        for _ in 0..100 {
            assert_eq!(retries.after(&id("a"), &known, at(0)), Some(at(90_000)));
        }
        let unknown = Blocker::new(BlockerCode::AgentRateLimited, "x");
        let mut now = at(90_000);
        let pauses: Vec<_> = (0..=MOST_IN_A_ROW)
            .map(|_| {
                let began = now;
                now = retries.after(&id("a"), &unknown, began)?;
                let pause = now.duration_since(began);
                // A quarter more at the most.
                [1, 2, 4, 8, 16, 30].into_iter().find(|minutes| {
                    let least = SignedDuration::from_mins(*minutes);
                    least <= pause && pause <= least + least / 4
                })
            })
            .collect();
        let expected = [1, 2, 4, 8, 16].into_iter().chain(std::iter::repeat_n(30, 15));
        let expected: Vec<_> = expected.map(Some).chain([None]).collect();
        assert_eq!(pauses, expected);
        assert_eq!(retries.after(&id("b"), &unknown, now), None, "nor for others");
        retries.reset();
        let again = after_pause(1, now);
        assert_eq!(retries.after(&id("a"), &unknown, now), Some(again));
        // A time that has passed says nothing.
        assert_eq!(retries.after(&id("a"), &known, again), Some(after_pause(2, again)));
    }
}
