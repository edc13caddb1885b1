//! When a limit is lifted, from the words in which Codex says so where it gives no number.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use ledger_core::{AgentFailure, AgentFailureClass};

use super::TurnOutcome;

/// What comes before the time.
const BEFORE: &str = "try again at ";

/// A limit that is said to last longer is none that could be waited for.
const LONGEST: SignedDuration = SignedDuration::from_hours(32 * 24);

/// The end of a turn that has just ended: where a limit of the provider's ended it, with the time at which that is lifted, as far as the words say that.
pub(super) fn with_told_reset(outcome: TurnOutcome, now: &Zoned) -> TurnOutcome {
    match outcome {
        TurnOutcome::Failed(failure) if is_limit(&failure) => TurnOutcome::Failed(AgentFailure {
            resets_at: failure.resets_at.or_else(|| reset_in_prose(&failure.message, now)),
            ..failure
        }),
        other => other,
    }
}

/// Whether a limit of the provider's was reached.
pub(super) fn is_limit(failure: &AgentFailure) -> bool {
    matches!(
        failure.class,
        AgentFailureClass::RateLimited | AgentFailureClass::UsageLimit
    )
}

/// The time in `… or try again at 3:05 PM.`, which is today's, or in `… or try again at Jan 5th, 2026 3:05 PM.`, both of this machine's
/// zone. The end of that minute: seconds are left out. `None` where there is none, or where it is no time to wait for.
fn reset_in_prose(message: &str, now: &Zoned) -> Option<Timestamp> {
    let (_, said) = message.rsplit_once(BEFORE)?;
    let said = said.trim().trim_end_matches('.');
    let at = match said.rsplit_once(", ") {
        None => now.date().to_datetime(time(said)?),
        Some((day, rest)) => {
            let (year, clock) = rest.split_once(' ')?;
            let day = day.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
            let date = Date::strptime("%b %d %Y", format!("{day} {year}")).ok()?;
            date.to_datetime(time(clock)?)
        }
    };
    let minute = at.to_zoned(now.time_zone().clone()).ok()?;
    let end = minute.timestamp().checked_add(1.minute()).ok()?;
    let wait = end.duration_since(now.timestamp());
    // A moment that has just passed is one to try again in.
    (wait > SignedDuration::from_mins(-1) && wait <= LONGEST).then_some(end)
}

fn time(clock: &str) -> Option<Time> {
    Time::strptime("%I:%M %p", clock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_in_the_zone_of_the_machine() {
        let now: Zoned = "2026-03-04T14:50:30[America/New_York]".parse().unwrap();
        let usage = "You've hit your usage limit. Upgrade to Plus to continue using Codex (https://chatgpt.com/explore/plus), or ";
        for (words, expected) in [
            ("try again at 3:05 PM.", Some("2026-03-04T15:06:00-05:00")),
            ("try again at 2:50 PM.", Some("2026-03-04T14:51:00-05:00")),
            ("try again at 11:59 PM", Some("2026-03-05T00:00:00-05:00")),
            (
                "try again at Mar 5th, 2026 12:00 AM.",
                Some("2026-03-05T00:01:00-05:00"),
            ),
            (
                "try again at Mar 21st, 2026 10:49 AM.",
                Some("2026-03-21T10:50:00-04:00"),
            ),
            // What is over, and what nobody waits for.
            ("try again at 2:40 PM.", None),
            ("try again at Mar 5th, 2027 12:00 AM.", None),
            ("try again later.", None),
            ("try again at noon.", None),
            ("try again at 3:05 PM of the next day.", None),
            ("try again at Foo 5th, 2026 12:00 AM.", None),
            ("try again at , ", None),
            ("try again at ", None),
        ] {
            let expected: Option<Timestamp> = expected.map(|at| at.parse().unwrap());
            assert_eq!(reset_in_prose(&format!("{usage}{words}"), &now), expected, "{words}");
        }
    }
}
