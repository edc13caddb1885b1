//! Why an event may not follow.

use crate::mode::Mode;
use crate::phase::{DeliveryMode, Phase};

/// Why an event may not follow. Nothing was changed or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first event is not `opened`.
    #[error("a run begins with the event `opened`")]
    NotOpened,
    /// `opened` stands anywhere else.
    #[error("the event `opened` may only be the first")]
    OpenedTwice,
    /// Only loop mode may go without an independent review.
    #[error("mode `{}` does not go without an independent review", mode.as_str())]
    ReviewNeeded {
        /// The mode.
        mode: Mode,
    },
    /// The mode needs experts, and none is named; or one is named twice or out of order.
    #[error("mode `{}` does not go with these experts", mode.as_str())]
    ExpertsNeeded {
        /// The mode.
        mode: Mode,
    },
    /// A run that goes in rounds has a limit for them and a check, and no other has such a limit.
    #[error("mode `{}` does not go with this limit of rounds and these checks", mode.as_str())]
    RoundsNeeded {
        /// The mode.
        mode: Mode,
    },
    /// Who pushes must say where to, and nobody else.
    #[error("delivery mode `{}` and the target of a push do not go together", delivery.as_str())]
    TargetNeeded {
        /// The delivery mode.
        delivery: DeliveryMode,
    },
    /// The run is paused or over.
    #[error("the run is {state}: `{event}` may not follow")]
    NotClimbing {
        /// How it stands.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
    /// The phase is not the next one.
    #[error("phase `{phase}` may not be entered from `{}`", from.map_or("the ground", Phase::as_str))]
    Order {
        /// The phase.
        phase: Phase,
        /// Where the run stands.
        from: Option<Phase>,
    },
    /// The phase's evidence does not say what was seen.
    #[error("phase `{phase}` may not be entered: {reason}")]
    Evidence {
        /// The phase.
        phase: Phase,
        /// What does not fit.
        reason: &'static str,
    },
    /// The event's conditions do not hold.
    #[error("`{event}` may not follow: {reason}")]
    Condition {
        /// The event or effect.
        event: &'static str,
        /// What does not hold.
        reason: &'static str,
    },
}
