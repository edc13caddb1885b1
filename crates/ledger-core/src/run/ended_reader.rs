//! What a run keeps of the turn of a thread that may only read.

use jiff::Timestamp;

use super::Pending;
use crate::activity::AgentFailure;
use crate::blocker::{Blocker, BlockerCode};
use crate::curation::Curation;
use crate::event::ResumeCause;
use crate::id::ThreadId;
use crate::plan::{Plan, PlanStatus};
use crate::reader_end::{JudgedCuration, JudgedPlan, ReaderEnd};

/// The turn of a thread that may only read, once it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedReader<A> {
    /// How.
    pub end: ReaderEnd<A>,
    /// When.
    pub at: Timestamp,
    /// The conversation.
    pub thread: Option<ThreadId>,
    /// Why it was interrupted by us, where the policy did.
    pub interrupted_for: Option<Blocker>,
}

/// A planner's turn that ended.
pub type EndedPlan = EndedReader<JudgedPlan>;

/// A curator's turn that ended.
pub type EndedCuration = EndedReader<JudgedCuration>;

impl<A> EndedReader<A> {
    /// None where the end is nobody's fault: it is asked again.
    pub(super) fn new(at: Timestamp, pending: &Pending, end: ReaderEnd<A>, thread: Option<ThreadId>) -> Option<Self> {
        if matches!(end, ReaderEnd::Interrupted) && pending.was_abandoned() {
            return None;
        }
        Some(Self {
            end,
            at,
            thread,
            interrupted_for: pending.stopped_for().cloned(),
        })
    }

    /// The same, where nobody saw how it ended.
    pub(super) fn cut_off(at: Timestamp, pending: &Pending, failure: Option<AgentFailure>) -> Option<Self> {
        Self::new(at, pending, ReaderEnd::cut_off(failure), None)
    }

    /// Whether it gave no answer, and not because the policy stopped it.
    pub(super) fn is_failed(&self) -> bool {
        self.interrupted_for.is_none() && self.end.answer().is_none()
    }

    /// Whether it was held in a conversation of its own.
    pub(super) fn is_independent(&self, writer: Option<&ThreadId>) -> bool {
        self.thread.is_some() && self.thread.as_ref() != writer
    }

    /// Whether something can come of it still, when a runner takes the run up.
    pub(super) fn is_useful(&self, after: ResumeCause, writer: Option<&ThreadId>) -> bool {
        let answered = self.end.answer().is_some() && self.is_independent(writer);
        still_counts(self.interrupted_for.as_ref(), after, answered)
    }
}

impl EndedPlan {
    /// The plan, where the run can follow it: it says that the ticket can be done, and nothing about it is forbidden.
    pub fn sound(&self) -> Option<&Plan> {
        let JudgedPlan { plan, violations } = self.end.answer()?;
        let is_sound = plan.status == PlanStatus::Planned && violations.is_empty() && self.interrupted_for.is_none();
        is_sound.then_some(plan)
    }
}

impl EndedCuration {
    /// The answer, where it can be used: nothing about it is forbidden.
    pub fn sound(&self) -> Option<&Curation> {
        let JudgedCuration { curation, refused } = self.end.answer()?;
        (refused.is_empty() && self.interrupted_for.is_none()).then_some(curation)
    }

    /// Why the policy stopped the curator, where that stops the run. That it took too long or too much does not: a change is not held up by
    /// somebody who has nothing to say about it.
    pub(super) fn stopped_for(&self) -> Option<&Blocker> {
        let too_long = |blocker: &&Blocker| {
            matches!(
                blocker.code,
                BlockerCode::TurnTimeout | BlockerCode::Stalled | BlockerCode::BudgetExhausted
            )
        };
        self.interrupted_for.as_ref().filter(|blocker| !too_long(blocker))
    }
}

/// Whether what was stopped for this, if for anything, still counts when a runner takes the run up. A cause that may be gone is not held
/// against it; any other still holds.
pub(super) fn still_counts(stopped_for: Option<&Blocker>, after: ResumeCause, is_sound: bool) -> bool {
    stopped_for.map_or(is_sound, |blocker| {
        !(after == ResumeCause::Blocker && blocker.resumable)
    })
}
