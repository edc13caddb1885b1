//! Which event may follow.

mod children;
mod evidence;
mod hooks;
mod intents;
mod questions;

use jiff::Timestamp;

use super::{Refusal, Run, State};
use crate::changed_tests::TestOrder;
use crate::effect::Effect;
use crate::event::{DeliveryOpened, Event, IterationCause, PauseCause, ResumeCause};
use crate::evidence::divided;
use crate::object::TreeId;
use crate::observation::Observation;
use crate::phase::{DeliveryMode, NotRequiredCode, Phase, PhaseEvidence};
use crate::receipt::Receipt;

fn condition(event: &'static str, holds: bool, reason: &'static str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::Condition { event, reason })
    }
}

impl Run {
    /// Whether this event may follow at this moment.
    pub(super) fn permit(&self, at: Timestamp, event: &Event) -> Result<(), Refusal> {
        self.permit_state(event)?;
        match event {
            Event::Opened(_) => Err(Refusal::OpenedTwice),
            Event::DeliveryOpened(delivery) => self.permit_delivery(delivery),
            Event::Entered(evidence) => {
                self.permit_order(evidence.phase())?;
                let turn_under_way = matches!(evidence, PhaseEvidence::WriterAssigned { .. });
                condition(
                    "entered",
                    self.pending.is_none() || turn_under_way,
                    "an effect is under way",
                )?;
                self.permit_evidence(evidence)
            }
            Event::NotRequired { phase, code, .. } => {
                self.permit_order(*phase)?;
                condition("not_required", self.pending.is_none(), "an effect is under way")?;
                self.permit_not_required(*phase, *code)
            }
            Event::ChildEnded(ended) => self.permit_child(ended),
            Event::IterationStarted { n, cause } => {
                self.permit_going_back("iteration_started")?;
                self.permit_round(cause)?;
                self.permit_after_question(cause)?;
                condition(
                    "iteration_started",
                    *n == self.totals.iterations + 1,
                    "iterations are counted one by one",
                )
            }
            Event::RepairStarted { round, n, .. } => {
                self.permit_going_back("repair_started")?;
                condition(
                    "repair_started",
                    *n == self.totals.iterations + 1,
                    "iterations are counted one by one",
                )?;
                condition(
                    "repair_started",
                    *round == self.totals.repair_rounds + 1,
                    "rounds are counted one by one",
                )?;
                condition(
                    "repair_started",
                    *round <= self.opened.max_repair_rounds,
                    "no more repair rounds are allowed",
                )?;
                condition(
                    "repair_started",
                    self.has_something_to_repair(),
                    "no review and no person found anything",
                )
            }
            Event::Intended(effect) => self.permit_intent(effect),
            Event::Activity(_) => {
                let by_agent = self.pending.as_ref().is_some_and(|pending| {
                    matches!(
                        pending.effect,
                        Effect::TakePlan { .. }
                            | Effect::TakeTurn { .. }
                            | Effect::TakeReview { .. }
                            | Effect::AskExpert { .. }
                            | Effect::TakeCuration { .. }
                            | Effect::TakeAdvice { .. }
                    )
                });
                condition("activity", by_agent, "no agent is at work")
            }
            Event::Observed { of, observation } => {
                let pending = self.pending.as_ref().filter(|pending| pending.seq == *of);
                let fits = pending.is_some_and(|pending| fits(&pending.effect, observation));
                condition("observed", pending.is_some(), "it belongs to no effect under way")?;
                condition("observed", fits, "it is not what that effect shows")?;
                condition(
                    "observed",
                    self.explains_known_failures(observation),
                    "a test is said to have failed before that did not",
                )?;
                condition(
                    "observed",
                    self.explains_earlier_trees(observation),
                    "it names an earlier tree that was not like that",
                )
            }
            Event::Accepted { tree, .. } => {
                let reviewed = self.phase >= Some(Phase::RepairLoopCompleteOrNotNeeded);
                let there = reviewed && self.phase < Some(Phase::GitDeliveryStarted);
                condition(
                    "accepted",
                    there && self.pending.is_none(),
                    "there is no reviewed result that is not yet delivered",
                )?;
                condition("accepted", !self.is_rejected(), "a person rejected the result")?;
                let same = tree.is_none() || *tree == self.tree();
                condition("accepted", same, "the run stands on another tree")
            }
            Event::Rejected { .. } => {
                let there = self.tree().is_some() && self.phase < Some(Phase::GitDeliveryStarted);
                condition(
                    "rejected",
                    self.delivers.is_none(),
                    "a run that delivers repairs nothing",
                )?;
                condition(
                    "rejected",
                    there && self.pending.is_none(),
                    "there is no result that is not yet delivered",
                )
            }
            Event::Paused { cause } => {
                condition("paused", self.pending.is_none(), "an effect is under way")?;
                condition("paused", *cause != PauseCause::Person, "a person's word says it")?;
                let first =
                    self.phase == Some(Phase::SourceLockValidated) && self.opened.mode.discipline().owns_tickets;
                condition(
                    "paused",
                    first || *cause != PauseCause::Children,
                    "only a parent waits for children, before its base is chosen",
                )
            }
            Event::Resumed { after } => {
                let left = match &self.state {
                    State::Climbing => ResumeCause::Crash,
                    State::Paused { .. } => ResumeCause::Pause,
                    State::Blocked(blocker) if blocker.resumable => ResumeCause::Blocker,
                    State::Blocked(_) | State::Canceled { .. } | State::Done => ResumeCause::Unstored,
                };
                let clock_was_set = *after == ResumeCause::Clock && self.state == State::Climbing;
                condition(
                    "resumed",
                    *after == left || clock_was_set,
                    "the run was not left like that",
                )?;
                // After a crash the run is taken up first, and what was under way is looked at then.
                let looked_at = self.pending.is_none() || *after == ResumeCause::Crash;
                condition("resumed", looked_at, "an effect has not been looked at")?;
                let to_store = self.stored.is_none() && self.failure.is_some();
                condition(
                    "resumed",
                    to_store || left != ResumeCause::Unstored,
                    "nothing kept it from being stored",
                )
            }
            Event::QuestionAsked(asked) => self.permit_question(asked),
            Event::QuestionSeen { question, .. } => self.permit_seen(*question),
            Event::QuestionAnswered { question, answer, by } => {
                self.permit_answer(at, *question, answer, by.as_deref())
            }
            Event::Blocked(_) => condition("blocked", self.pending.is_none(), "an effect is under way"),
            Event::Canceled { .. } => condition("canceled", self.pending.is_none(), "an effect is under way"),
            Event::Warned { .. } => Ok(()),
        }
    }

    /// Only what is done, and was delivered nowhere, is delivered later, and to a branch.
    fn permit_delivery(&self, delivery: &DeliveryOpened) -> Result<(), Refusal> {
        const EVENT: &str = "delivery_opened";
        condition(EVENT, self.state == State::Done, "the run is not done")?;
        condition(EVENT, self.pending.is_none(), "an effect is under way")?;
        let receipt = self.receipt.as_ref().map(Receipt::digest);
        let same = receipt == Some(delivery.receipt);
        condition(EVENT, same, "it is not the receipt of the run")?;
        let nowhere = self.opened.delivery == DeliveryMode::None;
        condition(EVENT, nowhere, "the run was delivered")?;
        let to_a_branch = delivery.delivery == DeliveryMode::Branch;
        condition(EVENT, to_a_branch, "only a branch is delivered to later")?;
        condition(EVENT, delivery.run != self.opened.run, "it is the same run")
    }

    /// What may still follow when the run is paused or over.
    fn permit_state(&self, event: &Event) -> Result<(), Refusal> {
        let pending = self.pending.as_ref().map(|pending| &pending.effect);
        let ends_command = matches!(event, Event::Intended(Effect::Interrupt { .. }))
            && matches!(pending, Some(Effect::RunHook { .. } | Effect::Notify { .. }));
        let storing = ends_command
            || matches!(
                event,
                Event::Intended(Effect::StoreRun { .. } | Effect::RunHook { .. } | Effect::Notify { .. })
                    | Event::Observed { .. }
                    | Event::Resumed {
                        after: ResumeCause::Unstored
                    }
            );
        let about_question = matches!(event, Event::QuestionSeen { .. } | Event::QuestionAnswered { .. });
        let word = matches!(event, Event::Accepted { .. } | Event::Rejected { .. });
        let (state, allowed) = match &self.state {
            State::Climbing => return Ok(()),
            State::Paused { cause } => {
                let leaving = matches!(
                    event,
                    Event::Resumed { .. } | Event::Blocked(_) | Event::Canceled { .. }
                );
                let child = matches!(event, Event::ChildEnded(_)) && *cause == PauseCause::Children;
                ("paused", leaving || word || child)
            }
            State::Blocked(blocker) => {
                let resumed = matches!(
                    event,
                    Event::Resumed {
                        after: ResumeCause::Blocker
                    }
                );
                let goes_on = (resumed || word || about_question) && blocker.resumable;
                ("blocked", storing || goes_on || matches!(event, Event::Canceled { .. }))
            }
            State::Canceled { .. } => ("canceled", storing),
            State::Done => ("done", storing || matches!(event, Event::DeliveryOpened(_))),
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::NotClimbing {
                state,
                event: event.kind(),
            })
        }
    }

    fn permit_order(&self, phase: Phase) -> Result<(), Refusal> {
        let next = match self.phase {
            None => Some(Phase::SourceLockValidated),
            Some(current) => current.next(),
        };
        if next != Some(phase) {
            return Err(Refusal::Order {
                phase,
                from: self.phase,
            });
        }
        // What a person rejected goes back to be repaired; it never comes nearer to its delivery.
        if phase > Phase::IndependentReviewComplete && self.is_rejected() {
            return Err(Refusal::Evidence {
                phase,
                reason: "a person rejected the result",
            });
        }
        Ok(())
    }

    fn permit_not_required(&self, phase: Phase, code: NotRequiredCode) -> Result<(), Refusal> {
        let by_mode = self.opened.mode.discipline().skips(phase);
        let delivery = self.opened.delivery;
        let expected = match phase {
            Phase::PlanRecorded if !self.opened.plan => Some(NotRequiredCode::NoPlan),
            Phase::FocusedTestsPassed if self.opened.checks.is_empty() && !self.has_drifted() => by_mode,
            Phase::SelfReviewComplete | Phase::IndependentReviewComplete if !self.opened.review => by_mode,
            Phase::GitDeliveryStarted | Phase::ExplicitPathsStaged | Phase::Committed
                if delivery == DeliveryMode::None =>
            {
                Some(NotRequiredCode::DeliveryMode)
            }
            Phase::Pushed | Phase::HeadEqualsUpstreamProved
                if matches!(delivery, DeliveryMode::None | DeliveryMode::Branch) =>
            {
                Some(NotRequiredCode::DeliveryMode)
            }
            Phase::Proposed if delivery != DeliveryMode::DraftPr => Some(NotRequiredCode::DeliveryMode),
            _ => None,
        };
        if expected == Some(code) {
            return Ok(());
        }
        Err(Refusal::Evidence {
            phase,
            reason: "mode, checks and delivery of this run do not allow to skip it",
        })
    }

    /// A run that goes in rounds does nothing that the advisor has not asked for.
    fn permit_round(&self, cause: &IterationCause) -> Result<(), Refusal> {
        const EVENT: &str = "iteration_started";
        match cause {
            IterationCause::Round { round, task } => {
                let next = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX).saturating_add(1);
                condition(EVENT, *round == next, "rounds are counted one by one")?;
                let most = self.opened.max_rounds.unwrap_or(0);
                condition(EVENT, *round <= most, "no more rounds are allowed")?;
                condition(EVENT, self.is_advised(task), "the advisor did not ask for it")
            }
            IterationCause::First => condition(
                EVENT,
                self.opened.max_rounds.is_none(),
                "the advisor did not ask for it",
            ),
            IterationCause::TurnFailed { .. } | IterationCause::Answered { .. } => Ok(()),
            _ => condition(
                EVENT,
                self.is_done_as_advised(),
                "the advisor did not say that all is done",
            ),
        }
    }

    fn permit_going_back(&self, event: &'static str) -> Result<(), Refusal> {
        let there = self.phase >= Some(Phase::RepositoryTicketRecorded);
        condition(event, there, "the ticket is not recorded yet")?;
        condition(event, self.delivers.is_none(), "a run that delivers changes nothing")?;
        condition(
            event,
            self.phase < Some(Phase::GitDeliveryStarted),
            "the delivery has begun",
        )?;
        condition(event, self.pending.is_none(), "an effect is under way")?;
        self.permit_after_stop(event)
    }

    /// Whether the change has parted from its specs, so that it cannot be delivered.
    pub(super) fn has_drifted(&self) -> bool {
        let measured = self.attempt.as_ref().and_then(|attempt| attempt.measured.as_ref());
        let drift = measured.and_then(|measured| measured.drift.as_ref());
        drift.is_some_and(|drift| drift.blocking().next().is_some())
    }

    fn has_something_to_repair(&self) -> bool {
        self.is_refused() || self.is_rejected()
    }

    /// Whether the tests that are said to have failed on the base did, with the same ending.
    fn explains_known_failures(&self, observation: &Observation) -> bool {
        let (Observation::ChecksRan { results, .. }, Some(baseline)) = (observation, &self.baseline) else {
            return true;
        };
        results.iter().all(|result| {
            let known = result.tests.as_ref().map_or(&[][..], |tests| &tests.known);
            let before = baseline.iter().find(|before| before.name == result.name);
            let failed_before = before.filter(|before| before.outcome == result.outcome);
            let failed_before = failed_before.and_then(|before| before.tests.as_ref());
            known.is_empty() || failed_before.is_some_and(|before| divided(known, &before.failing).1.is_empty())
        })
    }

    /// Whether what a change set says of earlier trees of the run is so.
    fn explains_earlier_trees(&self, observation: &Observation) -> bool {
        let Observation::ChangesMeasured { tests, same_as, .. } = observation else {
            return true;
        };
        let alone = tests.as_ref().and_then(|tests| match tests.order? {
            TestOrder::Alone { tree } => Some(tree),
            TestOrder::NotAlone => None,
        });
        let is_refused = |tree: &TreeId| self.refused.iter().any(|refused| refused.tree == *tree);
        (alone.is_none() || alone == self.tests_alone) && same_as.as_ref().is_none_or(is_refused)
    }
}

/// Whether an observation is one that this effect can show.
fn fits(effect: &Effect, observation: &Observation) -> bool {
    match observation {
        Observation::Failed { .. } | Observation::Lost { .. } | Observation::Interrupted => true,
        Observation::PlacesReady { .. } => matches!(effect, Effect::PreparePlaces { .. }),
        Observation::ChecksRan { .. } => matches!(effect, Effect::RunChecks { .. }),
        Observation::AdviceEnded { tree, .. } => {
            matches!(effect, Effect::TakeAdvice { tree: about, .. } if about == tree)
        }
        Observation::PlanEnded { .. } => matches!(effect, Effect::TakePlan { .. }),
        Observation::TestsCompared { comparison, .. } => {
            matches!(effect, Effect::CompareTests { tree, apart, .. } if *tree == comparison.tree && *apart == comparison.apart)
        }
        Observation::TurnEnded { .. } => matches!(effect, Effect::TakeTurn { .. }),
        Observation::ChangesMeasured { .. } => matches!(effect, Effect::MeasureChanges { .. }),
        Observation::ReviewEnded { .. } => matches!(effect, Effect::TakeReview { .. }),
        Observation::ExpertEnded { judge, subject, .. } => {
            matches!(effect, Effect::AskExpert { judge: asked, subject: about, .. } if asked == judge && about == subject)
        }
        Observation::CurationEnded { .. } => matches!(effect, Effect::TakeCuration { .. }),
        Observation::ConsentSeen { .. } => matches!(effect, Effect::ConfirmConsent),
        Observation::DeliveryPrepared { .. } => matches!(effect, Effect::PrepareDelivery { .. }),
        Observation::RefSeen { .. } => matches!(effect, Effect::UpdateRef { .. }),
        // After a crash the remote is asked what became of a push.
        Observation::RemoteSeen { .. } => matches!(effect, Effect::AskRemote { .. } | Effect::Push { .. }),
        Observation::Pushed { old, new } => {
            matches!(effect, Effect::Push { old: from, new: to, .. } if from == old && to == new)
        }
        Observation::PushRefused { .. } => matches!(effect, Effect::Push { .. }),
        Observation::Rebased { onto, .. } => matches!(effect, Effect::Rebase { onto: asked } if asked == onto),
        Observation::HookEnded { .. } => matches!(effect, Effect::RunHook { .. }),
        Observation::Notified { .. } => matches!(effect, Effect::Notify { .. }),
        Observation::RunStored { .. } => matches!(effect, Effect::StoreRun { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{JOURNAL_FORMAT, Opened};
    use crate::mode::Mode;

    fn opened(mode: Mode, has_everything: bool) -> Run {
        let discipline = mode.discipline();
        let opened = Opened {
            format: JOURNAL_FORMAT,
            foil: "0.1.0".to_owned(),
            ticket: "0001-x".parse().unwrap(),
            run: "r1".parse().unwrap(),
            repository: "local".to_owned(),
            mode,
            delivery: DeliveryMode::Branch,
            plan: discipline.plans || has_everything,
            curate: false,
            review: !discipline.review_may_be_off || has_everything,
            experts: match discipline.needs_experts {
                true => vec![crate::ExpertField::Security],
                false => Vec::new(),
            },
            checks: match has_everything || discipline.goes_in_rounds {
                true => vec!["tests".to_owned()],
                false => Vec::new(),
            },
            max_repair_rounds: 3,
            max_rounds: discipline.goes_in_rounds.then_some(5),
            target: None,
            rescued: None,
        };
        Run::open(Timestamp::UNIX_EPOCH, &Event::Opened(opened)).unwrap()
    }

    #[test]
    fn a_run_goes_without_exactly_the_phases_that_the_table_of_modes_says() {
        let codes = [
            NotRequiredCode::Mode,
            NotRequiredCode::DeliveryMode,
            NotRequiredCode::NoChecks,
            NotRequiredCode::NoPlan,
        ];
        let of_delivery = [Phase::Pushed, Phase::HeadEqualsUpstreamProved, Phase::Proposed];
        for mode in Mode::ALL {
            let (poor, rich) = (opened(mode, false), opened(mode, true));
            for phase in Phase::ALL.into_iter().filter(|phase| !of_delivery.contains(phase)) {
                for code in codes {
                    let may = poor.permit_not_required(phase, code).is_ok();
                    assert_eq!(
                        may,
                        mode.discipline().skips(phase) == Some(code),
                        "{mode:?} {phase} {code:?}"
                    );
                    assert!(
                        rich.permit_not_required(phase, code).is_err(),
                        "{mode:?} {phase} {code:?}"
                    );
                }
            }
        }
    }
}
