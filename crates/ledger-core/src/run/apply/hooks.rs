//! Which hook may run, and which notification may be sent.

use super::condition;
use crate::hook::HookPoint;
use crate::notification::{NotificationChannel, NotificationEvent};
use crate::object::TreeId;
use crate::phase::Phase;
use crate::run::{Refusal, Run, State};

impl Run {
    pub(super) fn permit_hook(&self, hook: HookPoint, iteration: u32, tree: TreeId) -> Result<(), Refusal> {
        const EVENT: &str = "run_hook";
        condition(EVENT, self.delivers.is_none(), "a run that delivers has no hooks")?;
        condition(EVENT, self.base().is_some(), "the run has no base")?;
        let same = self.kept_tree().is_none_or(|kept| kept == tree);
        condition(EVENT, same, "it is not the tree that is kept of the worker's")?;
        condition(
            EVENT,
            self.totals.iterations == iteration,
            "it is not the iteration under way",
        )?;
        let turn = self.attempt.as_ref().map(|attempt| attempt.turn.is_some());
        let in_time = match hook {
            HookPoint::PreIteration => {
                let assigned = [Phase::RepositoryTicketRecorded, Phase::WriterAssigned];
                turn.is_some() && self.phase.is_some_and(|phase| assigned.contains(&phase))
            }
            HookPoint::PostIteration => turn == Some(true) && self.phase < Some(Phase::GitDeliveryStarted),
            HookPoint::OnCompleted => self.state == State::Done,
            HookPoint::OnBlocked => matches!(self.state, State::Blocked(_)),
        };
        condition(EVENT, in_time, "it is not the time for this hook")?;
        if hook.is_of_iteration() {
            condition(EVENT, self.places_ready, "the places are not ready")?;
        } else {
            condition(EVENT, self.stored.is_none(), "the run is stored")?;
        }
        condition(EVENT, self.awaits_hook(hook), "it was run, and is not run again")
    }

    pub(super) fn permit_notification(&self, about: NotificationEvent, by: NotificationChannel) -> Result<(), Refusal> {
        const EVENT: &str = "notify";
        let is_so = match &self.state {
            State::Done => about == NotificationEvent::Done,
            State::Blocked(blocker) => about == NotificationEvent::of_blocker(blocker),
            State::Climbing | State::Paused { .. } | State::Canceled { .. } => false,
        };
        condition(EVENT, is_so, "it is not how the run stands")?;
        condition(
            EVENT,
            self.delivers.is_none(),
            "of a run that delivers nobody is notified",
        )?;
        condition(EVENT, self.stored.is_none(), "the run is stored")?;
        let is_first = self.notification_of_end(by).is_none();
        condition(EVENT, is_first, "it was sent, and is not sent again")
    }
}
