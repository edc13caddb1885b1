//! Whether what the daemon runs is started again when it has ended, and when. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::run_clock::ClockReading;

/// How the worker of a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerEnd {
    /// It has run all that it should: nothing is left to do, or it was told to stop looking.
    Finished,
    /// It left in good order because somebody asked it to.
    Left,
    /// What a night may cost is used up. That is no failure.
    NightOver,
    /// Anything else: it was killed, it met an error of the machine's, the policy cannot be used.
    Failed,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The daemon ends too.
    End,
    /// It is started again at this time.
    StartAt(Timestamp),
}

/// How long one must have worked for what failed before to be forgotten.
const WORKED: SignedDuration = SignedDuration::from_mins(10);
/// The pause after the first failure in a row; it doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// The longest pause: what a person mends in the morning is taken up by then.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// From the beginning of one night to that of the next.
const NIGHT: SignedDuration = SignedDuration::from_hours(24);

/// How often in a row workers have failed, and the night that they work in.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    pub(super) failures: u32,
    /// When the night began, while it lasts.
    night: Option<Timestamp>,
}

impl Restarts {
    /// The night in which a worker begins at this moment: one that is started again begins no new one.
    pub(super) fn night_at(&mut self, now: Timestamp) -> Timestamp {
        let lasts = |began: &Timestamp| *began <= now && now.duration_since(*began) < NIGHT;
        *self.night.insert(self.night.filter(lasts).unwrap_or(now))
    }

    /// What follows the end of a worker.
    pub(super) fn after(&mut self, end: WorkerEnd, began: Timestamp, now: Timestamp) -> Next {
        match end {
            WorkerEnd::Finished | WorkerEnd::Left => Next::End,
            WorkerEnd::NightOver => {
                self.failures = 0;
                let night = self.night.take().unwrap_or(began);
                let next = night.checked_add(NIGHT).unwrap_or(Timestamp::MAX);
                // A clock that was set back makes no busy loop.
                let soonest = now.checked_add(LONGEST_PAUSE).unwrap_or(Timestamp::MAX);
                Next::StartAt(next.max(soonest))
            }
            WorkerEnd::Failed => {
                if has_worked(began, now) {
                    self.failures = 0;
                }
                self.failures = self.failures.saturating_add(1);
                Next::StartAt(now.checked_add(pause(self.failures)).unwrap_or(Timestamp::MAX))
            }
        }
    }
}

/// Whether a worker that runs since then has worked long enough for what failed before to be forgotten.
pub(super) fn has_worked(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) >= WORKED
}

/// One second, two, four, … at most five minutes.
fn pause(failures: u32) -> SignedDuration {
    let times = 1_i32 << failures.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE)
}

/// How much is left of a pause that was begun at one reading and ends at a time: nothing once either clock says that it is over. The machine's goes on
/// while the machine sleeps; the other is not set back.
pub(super) fn rest(at: Timestamp, begun: ClockReading, now: ClockReading) -> Duration {
    let until = |reading: ClockReading| at.duration_since(reading.machine).try_into().unwrap_or_default();
    let passed = now.steady.saturating_duration_since(begun.steady);
    let planned: Duration = until(begun);
    planned.saturating_sub(passed).min(until(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_pause_is_over_by_either_clock() {
        let begun = ClockReading::now();
        let second = SignedDuration::from_secs(1);
        let end = begun.machine + second * 8;
        let left = |passed: u64, set: SignedDuration| {
            let now = ClockReading {
                machine: begun.machine + set,
                steady: begun.steady + Duration::from_secs(passed),
            };
            rest(end, begun, now).as_secs()
        };
        assert_eq!(
            [left(0, SignedDuration::ZERO), left(5, second * 5), left(8, second * 8)],
            [8, 3, 0]
        );
        assert_eq!(left(5, -second * 3600), 3, "it was set back");
        assert_eq!(left(8, -second * 3600), 0);
        assert_eq!(left(1, second * 3600), 0, "the machine slept, or it was set ahead");
    }

    #[test]
    fn a_crash_is_followed_by_a_start_after_a_pause_that_doubles_and_is_forgotten_once_it_worked() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..11)
            .map(|_| match restarts.after(WorkerEnd::Failed, at(100), at(100)) {
                Next::StartAt(then) => then.as_second() - 100,
                Next::End => -1,
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(
            restarts.after(WorkerEnd::Failed, at(100), at(700)),
            Next::StartAt(at(701))
        );
    }

    #[test]
    fn what_has_ended_as_it_should_is_not_started_again() {
        let mut restarts = Restarts::default();
        for end in [WorkerEnd::Finished, WorkerEnd::Left] {
            assert_eq!(restarts.after(end, at(0), at(1)), Next::End);
        }
    }

    #[test]
    fn the_next_night_begins_a_day_after_the_last_began() {
        let mut restarts = Restarts {
            failures: 3,
            night: None,
        };
        let day = 24 * 60 * 60;
        assert_eq!(
            restarts.after(WorkerEnd::NightOver, at(0), at(3600)),
            Next::StartAt(at(day))
        );
        assert_eq!(restarts.failures, 0);
        assert_eq!(
            restarts.after(WorkerEnd::NightOver, at(0), at(2 * day)),
            Next::StartAt(at(2 * day + 300))
        );
    }

    #[test]
    fn a_worker_that_is_started_again_works_in_the_same_night() {
        let hour = 60 * 60;
        let mut restarts = Restarts::default();
        assert_eq!(restarts.night_at(at(0)), at(0));
        restarts.after(WorkerEnd::Failed, at(0), at(hour));
        assert_eq!(restarts.night_at(at(hour)), at(0));
        assert_eq!(
            restarts.after(WorkerEnd::NightOver, at(hour), at(2 * hour)),
            Next::StartAt(at(24 * hour)),
            "a day after the night began, not the worker"
        );
        assert_eq!(restarts.night_at(at(24 * hour)), at(24 * hour));
        assert_eq!(
            restarts.night_at(at(48 * hour)),
            at(48 * hour),
            "none lasts longer than a day"
        );
        assert_eq!(restarts.night_at(at(hour)), at(hour), "a clock that was set back");
    }
}
