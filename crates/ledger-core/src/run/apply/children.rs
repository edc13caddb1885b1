//! What may be said of the children of a parent ticket.

use super::condition;
use crate::parent::{ChildEnd, ChildEnded, Choice};
use crate::phase::Phase;
use crate::run::{Refusal, Run};

impl Run {
    pub(super) fn permit_child(&self, ended: &ChildEnded) -> Result<(), Refusal> {
        const EVENT: &str = "child_ended";
        let owns = self.opened.mode.discipline().owns_tickets && ended.ticket != self.opened.ticket;
        condition(EVENT, owns, "the ticket has no such child")?;
        condition(
            EVENT,
            self.phase == Some(Phase::SourceLockValidated),
            "children end before the base is chosen that holds them",
        )?;
        condition(EVENT, self.pending.is_none(), "an effect is under way")?;
        let earlier = self.children.get(&ended.ticket);
        let is_open = earlier.is_none_or(|child| !child.ended.end.is_closed());
        condition(EVENT, is_open, "the child was closed before")?;
        let follows = match (&ended.end, ended.choice) {
            (ChildEnd::Delivered { .. } | ChildEnd::Canceled, choice) => choice == Choice::Advance,
            (ChildEnd::Paused, choice) => choice == Choice::Checkpoint,
            (ChildEnd::Blocked { resumable, .. }, Choice::Retry) => {
                *resumable && earlier.is_none_or(|child| !child.retried)
            }
            (ChildEnd::Blocked { .. }, choice) => choice != Choice::Checkpoint,
        };
        condition(EVENT, follows, "that choice does not follow from this end")
    }

    /// Whether the run may choose its base: that of a parent holds all its children.
    pub(super) fn has_its_children(&self) -> bool {
        let mut children = self.children.values();
        !self.opened.mode.discipline().owns_tickets
            || !self.children.is_empty() && children.all(|child| child.ended.end.is_closed())
    }
}
