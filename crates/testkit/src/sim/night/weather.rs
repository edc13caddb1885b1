//! What befalls every run alike: limits of the provider, a remote that does not answer, a disk that is full.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{AgentFailure, AgentFailureClass};

/// When what is not to be had, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Weather {
    provider: Vec<(Window, AgentFailureClass)>,
    remote: Vec<Window>,
    disk: Vec<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    from: Timestamp,
    until: Timestamp,
}

impl Window {
    fn holds(self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Some of these, one after the other, each of at most so long.
    fn draw(chance: &mut Rng, begin: Timestamp, most: usize, minutes: i64) -> Vec<Self> {
        let mut from = begin;
        let count = chance.usize(0..=most);
        (0..count)
            .map(|_| {
                from += SignedDuration::from_mins(chance.i64(10..600));
                let until = from + SignedDuration::from_mins(chance.i64(1..minutes));
                let window = Self { from, until };
                from = until;
                window
            })
            .collect()
    }
}

impl Weather {
    pub(super) fn draw(chance: &mut Rng, begin: Timestamp) -> Self {
        use AgentFailureClass::{RateLimited, Unavailable, UsageLimit};
        let classes = [UsageLimit, RateLimited, Unavailable];
        let provider = Window::draw(chance, begin, 6, 180);
        Self {
            provider: provider
                .into_iter()
                .map(|window| (window, classes[chance.usize(0..classes.len())]))
                .collect(),
            remote: Window::draw(chance, begin, 3, 90),
            disk: Window::draw(chance, begin, 2, 60),
        }
    }

    /// Why no turn works now. A usage limit says when it is lifted.
    pub(super) fn provider(&self, now: Timestamp) -> Option<AgentFailure> {
        let (window, class) = self.provider.iter().find(|(window, _)| window.holds(now))?;
        Some(AgentFailure {
            resets_at: (*class == AgentFailureClass::UsageLimit).then_some(window.until),
            ..AgentFailure::new(*class, "not now")
        })
    }

    pub(super) fn has_remote(&self, now: Timestamp) -> bool {
        !self.remote.iter().any(|window| window.holds(now))
    }

    /// When the disk that is full now has room again.
    pub(super) fn disk_full_until(&self, now: Timestamp) -> Option<Timestamp> {
        let full = self.disk.iter().find(|window| window.holds(now))?;
        Some(full.until)
    }
}
