//! A point in time as a commit has it.

use git_delivery::CommitTime;
use jiff::Timestamp;

/// A point in time, and how far the local clock is ahead of UTC then. Handed in wherever time matters, so that tests and
/// embedders choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub at: Timestamp,
    /// Minutes by which the local time is ahead of UTC.
    pub offset_minutes: i16,
}

impl Moment {
    /// Now, by the machine's clock and time zone.
    pub fn now() -> Self {
        let zoned = jiff::Zoned::now();
        let offset_minutes = i16::try_from(zoned.offset().seconds() / 60).unwrap_or(0);
        Self {
            at: zoned.timestamp(),
            offset_minutes,
        }
    }

    /// The same as a commit has it: whole seconds.
    pub fn commit_time(self) -> CommitTime {
        CommitTime {
            seconds: self.at.as_second(),
            offset_minutes: self.offset_minutes,
        }
    }

    /// The time without parts of a second, for files that people read.
    pub fn whole_seconds(self) -> Timestamp {
        Timestamp::from_second(self.at.as_second()).unwrap_or(self.at)
    }
}
