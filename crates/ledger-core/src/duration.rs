//! Durations as people write them: `30s`, `10m`, `1h 30m`, `1d`.

use std::str::FromStr;

use crate::text_form::text_form;

/// A length of time, at least a second and at most a year, in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// The text is no duration, or one that is too short or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration from 1s to 365d; write it like `30s`, `10m`, `8h` or `1d`")]
pub struct InvalidDuration {
    /// What was given.
    pub text: String,
}

impl Duration {
    const YEAR: u64 = 365 * 86_400;

    /// This many seconds; zero becomes one second, more than a year becomes a year.
    pub const fn seconds(seconds: u64) -> Self {
        match seconds {
            0 => Self(1),
            s if s > Self::YEAR => Self(Self::YEAR),
            s => Self(s),
        }
    }

    /// This many minutes, within the same bounds.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// The whole seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// The same as the standard library's type.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }

    /// The moment that lies this long after `start`.
    pub fn after(self, start: jiff::Timestamp) -> jiff::Timestamp {
        // A duration of at most a year fits into i64 seconds.
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        start
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(jiff::Timestamp::MAX)
    }

    fn text(&self) -> String {
        let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
        let (size, unit) = units
            .into_iter()
            .find(|(size, _)| self.0.is_multiple_of(*size))
            .unwrap_or((1, 's'));
        format!("{}{unit}", self.0 / size)
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        // jiff also reads ISO 8601, fractions and "ago"; one way of writing is enough.
        let plain = text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b' ');
        let seconds = if plain { text.parse::<jiff::Span>().ok() } else { None }
            .and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok())
            .and_then(|duration| u64::try_from(duration.as_secs()).ok());
        match seconds {
            Some(seconds @ 1..=Self::YEAR) => Ok(Self(seconds)),
            _ => Err(InvalidDuration {
                text: text.chars().take(40).collect(),
            }),
        }
    }
}

text_form!(
    Duration,
    name = "Duration",
    description = "A length of time such as `30s`, `10m`, `8h` or `1d`",
    pattern = "^[0-9]+ ?[a-z]+( ?[0-9]+ ?[a-z]+)*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip_and_refuse_nonsense() {
        for (text, seconds, back) in [
            ("30s", 30, "30s"),
            ("10m", 600, "10m"),
            ("1h 30m", 5400, "90m"),
            ("1d", 86_400, "1d"),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!((duration.as_seconds(), duration.to_string().as_str()), (seconds, back));
        }
        for bad in [
            "",
            "10",
            "-5m",
            "0s",
            "soon",
            "400d",
            "99999999999999h",
            "PT5M",
            "1.5h",
            "5m ago",
        ] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
