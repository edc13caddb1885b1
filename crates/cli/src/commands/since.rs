//! `--since`: a point in time, or how long ago.

use jiff::Timestamp;
use ledger_core::Duration;

/// A point in time, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// This moment.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Since {
    /// The moment that is meant at this one.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now
                .checked_sub(jiff::SignedDuration::from_secs(
                    i64::try_from(ago.as_seconds()).unwrap_or(i64::MAX),
                ))
                .unwrap_or(Timestamp::MIN),
        }
    }
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = text.parse::<Duration>() {
            return Ok(Self::Ago(ago));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        // A date or a time of day without a zone is meant in the local one.
        let local = text.parse::<jiff::civil::DateTime>().ok();
        let zoned = local.and_then(|local| local.to_zoned(jiff::tz::TimeZone::system()).ok());
        zoned
            .map(|zoned| Self::At(zoned.timestamp()))
            .ok_or_else(|| "write how long ago, like `2h`, or a time, like `2026-01-02T03:04:05Z`".to_owned())
    }
}

/// A time for people, in their zone.
pub(crate) fn local_time(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_counted_back_and_a_time_is_that_time() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let at = |text: &str| text.parse::<Since>().unwrap().at(now).to_string();
        assert_eq!(at("2h"), "2026-01-02T01:04:05Z");
        assert_eq!(at("2026-01-01T00:00:00+01:00"), "2025-12-31T23:00:00Z");
        for wrong in ["", "yesterday", "-2h", "2 fortnights", "99999999999999999999s"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
