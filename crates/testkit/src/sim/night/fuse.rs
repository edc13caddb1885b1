//! When the runner dies: after so many operations, counted wherever it could matter.

use fastrand::Rng;

/// How a runner dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process is killed: all that was written is there.
    Killed,
    /// The machine loses power: what was not synced may be gone.
    PowerCut,
}

/// Counts operations, and says which are the runner's last.
#[derive(Debug)]
pub(super) struct Fuse {
    /// How many operations each runner has left, the last runner but one first. The last lives.
    left: Vec<(u64, Death)>,
    /// How the runner has died.
    death: Option<Death>,
}

impl Fuse {
    /// Deaths all over a night of about so many operations. Some come right after another, while what that left is taken up.
    pub(super) fn draw(chance: &mut Rng, operations: u64) -> Self {
        let count = chance.usize(0..=12);
        let left = (0..count).map(|_| {
            let after = match chance.bool() {
                true => chance.u64(1..=60),
                false => chance.u64(1..=operations.max(2) / 4),
            };
            let death = if chance.bool() { Death::Killed } else { Death::PowerCut };
            (after, death)
        });
        Self {
            left: left.collect(),
            death: None,
        }
    }

    /// Counts an operation. Whether it is the runner's last.
    pub(super) fn burn(&mut self) -> bool {
        let Some((left, death)) = self.left.last_mut() else {
            return false;
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return false;
        }
        self.death = Some(*death);
        self.left.pop();
        true
    }

    pub(super) fn is_dead(&self) -> bool {
        self.death.is_some()
    }

    /// How the runner died, where it did; another one begins.
    pub(super) fn take_death(&mut self) -> Option<Death> {
        self.death.take()
    }
}
