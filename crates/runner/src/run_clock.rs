//! The clock by which a run is timed.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// How far the machine's clock may be from that of a run before the latter is set: more than what passes between two looks at a clock.
const MOST_APART: SignedDuration = SignedDuration::from_secs(10);

/// What the two clocks of a machine say at one moment.
#[derive(Debug, Clone, Copy)]
pub struct ClockReading {
    /// The time of day, which anybody may set.
    pub machine: Timestamp,
    /// What only ever goes on.
    pub steady: Instant,
}

impl ClockReading {
    /// What they say now.
    pub fn now() -> Self {
        Self {
            machine: Timestamp::now(),
            steady: Instant::now(),
        }
    }
}

/// The time of a run: the machine's when it was last set, and what has passed since by a clock that nobody sets.
///
/// So no limit of a run comes earlier, and none later, because the machine's clock is set. Nor does the time count that the machine
/// sleeps: [`Instant`] stands still then, as do the agent and its commands, and who was interrupted by the night is not late in the morning.
///
/// As long as an effect is under way this time may therefore be another than the machine's. Between effects
/// [`Self::set_by`] brings them together, which the journal says, so that the difference counts for nothing.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    set: ClockReading,
}

impl RunClock {
    /// A clock that is right at this reading.
    pub fn new(set: ClockReading) -> Self {
        Self { set }
    }

    /// The time at this moment of the steady clock.
    pub fn at(&self, steady: Instant) -> Timestamp {
        let passed = steady.saturating_duration_since(self.set.steady);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        self.set.machine.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Sets it by the machine's clock, where they are apart. Whether they were.
    pub fn set_by(&mut self, reading: ClockReading) -> bool {
        let apart = reading.machine.duration_since(self.at(reading.steady)).abs() > MOST_APART;
        if apart {
            self.set = reading;
        }
        apart
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EIGHT_HOURS: SignedDuration = SignedDuration::from_hours(8);

    #[test]
    fn it_goes_on_as_it_did_when_the_machines_clock_is_set_until_it_is_set_too() {
        let began = ClockReading::now();
        for jump in [EIGHT_HOURS, -EIGHT_HOURS] {
            let mut clock = RunClock::new(began);
            let minute = began.steady + Duration::from_secs(60);
            let later = began.machine + SignedDuration::from_mins(1);
            assert_eq!(clock.at(minute), later);
            let read = ClockReading {
                machine: later + jump,
                steady: minute,
            };
            assert!(clock.set_by(read));
            assert_eq!(clock.at(minute), later + jump);
            assert!(!clock.set_by(read), "they are together");
        }
    }

    #[test]
    fn small_steps_leave_it_alone() {
        let began = ClockReading::now();
        let mut clock = RunClock::new(began);
        for step in [-10, -1, 0, 1, 10] {
            let machine = began.machine + SignedDuration::from_secs(step);
            assert!(!clock.set_by(ClockReading { machine, ..began }), "{step}");
        }
        assert_eq!(clock.at(began.steady), began.machine);
    }
}
