//! Pauses before something is tried again.

use jiff::{SignedDuration, Timestamp};
use ledger_core::Digest;

/// The pause, longer by up to a quarter, so that what failed for many at the same moment is not tried again by all of them at the same moment. By how much
/// follows from when it failed: the same moment gives the same pause.
pub(crate) fn spread(pause: SignedDuration, since: Timestamp) -> SignedDuration {
    let [part, ..] = *Digest::of(since.as_nanosecond().to_le_bytes()).as_bytes();
    pause.saturating_add(pause / 1024 * i32::from(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_neighbouring_moments_differ_and_none_is_shorter_or_longer_by_more_than_a_quarter() {
        let minute = SignedDuration::from_mins(1);
        let after = |nanosecond: i128| spread(minute, Timestamp::from_nanosecond(nanosecond).unwrap());
        let pauses: Vec<_> = (0..1_000).map(after).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= minute && *pause <= minute + minute / 4)
        );
        let different: std::collections::BTreeSet<_> = pauses.iter().collect();
        assert!(different.len() > 200, "{}", different.len());
        assert_eq!(after(7), after(7));
    }
}
