//! The hooks that ran around a run and the notifications that went out. None of them is ever done again after its end was not seen.

use super::attempt::Pending;
use super::{Run, State};
use crate::effect::Effect;
use crate::event::ResumeCause;
use crate::evidence::{CheckResult, CommandOutcome};
use crate::hook::HookPoint;
use crate::notification::{NotificationChannel, NotificationEvent};
use crate::object::TreeId;
use crate::observation::Observation;

/// A hook that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct RanHook {
    /// The number of its intent.
    pub seq: u64,
    /// When it was run.
    pub hook: HookPoint,
    /// The iteration that it belongs to; at the end of the run, how many were begun.
    pub iteration: u32,
    /// The tree that it found in its place.
    pub tree: TreeId,
    /// How it ended.
    pub end: HookEnd,
    /// Whether somebody has taken the run up since it stopped there: who did has seen how the hook ended.
    pub is_seen: bool,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq)]
pub enum HookEnd {
    /// Its command ended, by itself or by our hand.
    Ended(CheckResult),
    /// It could not be started.
    NotRun {
        /// Why.
        reason: String,
    },
    /// Nobody saw how: the runner was gone.
    Unknown,
}

impl HookEnd {
    /// Whether it did what it was to do, as far as its status tells.
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Ended(result) if result.outcome.succeeded())
    }

    /// Whether it was ended because the runner was to leave.
    fn was_stopped(&self) -> bool {
        matches!(self, Self::Ended(result) if result.outcome == CommandOutcome::Stopped)
    }
}

impl std::fmt::Display for HookEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(result) => result.outcome.fmt(f),
            Self::NotRun { reason } => write!(f, "it could not be run: {reason}"),
            Self::Unknown => f.write_str("unknown: the runner was gone, and nobody saw how it ended"),
        }
    }
}

/// A notification that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentNotification {
    /// The number of its intent.
    pub seq: u64,
    /// What it is about.
    pub about: NotificationEvent,
    /// How it was handed over.
    pub by: NotificationChannel,
    /// What came of it.
    pub end: NotificationEnd,
}

/// What came of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationEnd {
    /// Whoever was to get it took it.
    HandedOver,
    /// It was not taken.
    Failed {
        /// Why, as far as it is known.
        reason: String,
    },
    /// Nobody saw how: the runner was gone.
    Unknown,
}

impl std::fmt::Display for NotificationEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HandedOver => f.write_str("handed over"),
            Self::Failed { reason } => write!(f, "not handed over: {reason}"),
            Self::Unknown => f.write_str("unknown: the runner was gone, and nobody saw whether it was handed over"),
        }
    }
}

impl Run {
    /// The hooks that ran, in order.
    pub fn hooks(&self) -> &[RanHook] {
        &self.hooks
    }

    /// The notifications that were sent, in order.
    pub fn notifications(&self) -> &[SentNotification] {
        &self.notifications
    }

    /// The last hook of this kind in the iteration under way.
    pub fn hook_of_iteration(&self, hook: HookPoint) -> Option<&RanHook> {
        let iteration = self.attempt.as_ref()?.n;
        let mut ran = self.hooks.iter().rev();
        ran.find(|ran| ran.hook == hook && ran.iteration == iteration)
    }

    /// The hook of this kind since the run ended last.
    pub fn hook_of_end(&self, hook: HookPoint) -> Option<&RanHook> {
        let ended_at = self.ended_at?;
        let mut ran = self.hooks.iter().rev();
        ran.find(|ran| ran.hook == hook && ran.seq > ended_at)
    }

    /// The notification on this way since the run ended last.
    pub fn notification_of_end(&self, by: NotificationChannel) -> Option<&SentNotification> {
        let ended_at = self.ended_at?;
        let mut sent = self.notifications.iter().rev();
        sent.find(|sent| sent.by == by && sent.seq > ended_at)
    }

    /// Whether this hook may still run where the run stands now.
    pub(super) fn awaits_hook(&self, hook: HookPoint) -> bool {
        match hook {
            HookPoint::PreIteration | HookPoint::PostIteration => self.hook_of_iteration(hook).is_none_or(|ran| {
                // Somebody has seen that it failed, and wants the run to go on. What nobody saw is not tried again all the same.
                ran.is_seen && !ran.end.succeeded() && ran.end != HookEnd::Unknown
            }),
            HookPoint::OnCompleted => self.state == State::Done && self.hook_of_end(hook).is_none(),
            HookPoint::OnBlocked => matches!(self.state, State::Blocked(_)) && self.hook_of_end(hook).is_none(),
        }
    }

    /// Notes how a hook or a notification ended. Gives whether it was one.
    pub(super) fn note_once_only(&mut self, pending: &Pending, observation: &Observation) -> bool {
        match &pending.effect {
            Effect::RunHook { hook, iteration, tree } => {
                if let Some(end) = end_of_hook(*hook, observation) {
                    self.hooks.push(RanHook {
                        seq: pending.seq,
                        hook: *hook,
                        iteration: *iteration,
                        tree: *tree,
                        end,
                        is_seen: false,
                    });
                }
                true
            }
            Effect::Notify { about, by } => {
                self.notifications.push(SentNotification {
                    seq: pending.seq,
                    about: *about,
                    by: *by,
                    end: end_of_notification(observation),
                });
                true
            }
            _ => false,
        }
    }

    /// Whoever takes a run up that stopped has seen how its last hooks ended.
    pub(super) fn hooks_are_seen(&mut self, after: ResumeCause) {
        let iteration = self.attempt.as_ref().map(|attempt| attempt.n);
        for ran in self.hooks.iter_mut().filter(|ran| Some(ran.iteration) == iteration) {
            let was_stopped = after == ResumeCause::Pause && ran.end.was_stopped();
            ran.is_seen |= was_stopped || after == ResumeCause::Blocker;
        }
    }
}

/// None: its command was never started, and it may be run later.
fn end_of_hook(hook: HookPoint, observation: &Observation) -> Option<HookEnd> {
    match observation {
        Observation::HookEnded { result, .. } => Some(HookEnd::Ended(result.clone())),
        Observation::Failed { reason, .. } => Some(HookEnd::NotRun { reason: reason.clone() }),
        Observation::Interrupted if hook.is_of_iteration() => None,
        Observation::Interrupted => Some(HookEnd::NotRun {
            reason: "the runner was asked to leave".to_owned(),
        }),
        _ => Some(HookEnd::Unknown),
    }
}

fn end_of_notification(observation: &Observation) -> NotificationEnd {
    match observation {
        Observation::Notified { problem: None } => NotificationEnd::HandedOver,
        Observation::Notified { problem: Some(reason) } | Observation::Failed { reason, .. } => {
            NotificationEnd::Failed { reason: reason.clone() }
        }
        _ => NotificationEnd::Unknown,
    }
}
