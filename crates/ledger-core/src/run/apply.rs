//! Which event may follow, and what it changes.

mod evidence;
mod intents;

use jiff::Timestamp;

use super::attempt::{
    Attempt, CheckedTree, EndedPlan, EndedReview, EndedTurn, MeasuredChange, Pending, RefusedChange, StartedThread,
};
use super::{AcceptedTree, EffectFailure, MovedRef, PushedRef, Refusal, RefusedPush, Run, SeenRemote, State};
use crate::activity::{Activity, AgentFailure, AgentFailureClass};
use crate::changed_tests::{ChangedTests, TestOrder};
use crate::effect::{CheckPurpose, Effect, Observation, PlanEnd, ReviewEnd, TurnEnd, TurnPurpose};
use crate::event::{Event, IterationCause, PauseCause, ResumeCause};
use crate::evidence::{CheckResult, divided};
use crate::id::ThreadId;
use crate::mode::Mode;
use crate::object::{CommitId, TreeId};
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
    /// Whether this event may follow.
    pub(super) fn permit(&self, event: &Event) -> Result<(), Refusal> {
        self.permit_state(event)?;
        match event {
            Event::Opened(_) => Err(Refusal::OpenedTwice),
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
            Event::IterationStarted { n, .. } => {
                self.permit_going_back("iteration_started")?;
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
                        Effect::TakePlan { .. } | Effect::TakeTurn { .. } | Effect::TakeReview { .. }
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
                    there && self.pending.is_none(),
                    "there is no result that is not yet delivered",
                )
            }
            Event::Paused { cause } => {
                condition("paused", self.pending.is_none(), "an effect is under way")?;
                condition("paused", *cause != PauseCause::Person, "a person's word says it")
            }
            Event::Resumed { after } => {
                let left = match &self.state {
                    State::Climbing => ResumeCause::Crash,
                    State::Paused { .. } => ResumeCause::Pause,
                    State::Blocked(blocker) if blocker.resumable => ResumeCause::Blocker,
                    State::Blocked(_) | State::Canceled { .. } | State::Done => ResumeCause::Unstored,
                };
                condition("resumed", *after == left, "the run was not left like that")?;
                // After a crash the run is taken up first, and what was under way is looked at then.
                let looked_at = self.pending.is_none() || left == ResumeCause::Crash;
                condition("resumed", looked_at, "an effect has not been looked at")?;
                let to_store = self.stored.is_none() && self.failure.is_some();
                condition(
                    "resumed",
                    to_store || left != ResumeCause::Unstored,
                    "nothing kept it from being stored",
                )
            }
            Event::Blocked(_) => condition("blocked", self.pending.is_none(), "an effect is under way"),
            Event::Canceled { .. } => condition("canceled", self.pending.is_none(), "an effect is under way"),
            Event::Warned { .. } => Ok(()),
        }
    }

    /// What may still follow when the run is paused or over.
    fn permit_state(&self, event: &Event) -> Result<(), Refusal> {
        let storing = matches!(
            event,
            Event::Intended(Effect::StoreRun { .. })
                | Event::Observed { .. }
                | Event::Resumed {
                    after: ResumeCause::Unstored
                }
        );
        let word = matches!(event, Event::Accepted { .. } | Event::Rejected { .. });
        let (state, allowed) = match &self.state {
            State::Climbing => return Ok(()),
            State::Paused { .. } => {
                let leaving = matches!(
                    event,
                    Event::Resumed { .. } | Event::Blocked(_) | Event::Canceled { .. }
                );
                ("paused", leaving || word)
            }
            State::Blocked(blocker) => {
                let resumed = matches!(
                    event,
                    Event::Resumed {
                        after: ResumeCause::Blocker
                    }
                );
                let goes_on = (resumed || word) && blocker.resumable;
                ("blocked", storing || goes_on || matches!(event, Event::Canceled { .. }))
            }
            State::Canceled { .. } => ("canceled", storing),
            State::Done => ("done", storing),
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::NotClimbing {
                state,
                event: name(event),
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
        let mode_goes_without = self.opened.mode == Mode::Loop && !self.opened.review;
        let delivery = self.opened.delivery;
        let expected = match phase {
            Phase::PlanRecorded if !self.opened.plan => Some(NotRequiredCode::NoPlan),
            Phase::FocusedTestsPassed if self.opened.checks.is_empty() && !self.has_drifted() => {
                Some(NotRequiredCode::NoChecks)
            }
            Phase::SelfReviewComplete | Phase::IndependentReviewComplete if mode_goes_without => {
                Some(NotRequiredCode::Mode)
            }
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

    fn permit_going_back(&self, event: &'static str) -> Result<(), Refusal> {
        let there = self.phase >= Some(Phase::RepositoryTicketRecorded);
        condition(event, there, "the ticket is not recorded yet")?;
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
        self.attempt.as_ref().is_some_and(|attempt| {
            let refused = attempt
                .review
                .as_ref()
                .is_some_and(|review| matches!(review.end, ReviewEnd::Answered { passes: false, .. }));
            refused || attempt.rejection.is_some()
        })
    }

    /// Changes the run by an event that [`Self::permit`] has let pass.
    pub(super) fn fold(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Opened(_) => {}
            Event::Accepted { by, .. } => {
                let accepted = |tree| AcceptedTree { by: by.clone(), tree };
                self.accepted = self.tree().map(accepted);
                self.wait_for_runner();
            }
            Event::Entered(evidence) => self.enter(evidence.phase(), Some(evidence.clone())),
            Event::NotRequired { phase, .. } => self.enter(*phase, None),
            Event::IterationStarted { n, cause } => {
                if let IterationCause::TestsRefused { .. } = cause {
                    self.totals.tests_refused += 1;
                }
                if let IterationCause::SpecDrift { .. } = cause {
                    self.totals.spec_drifts += 1;
                }
                self.go_back(Attempt::new(*n, Some(cause.clone()), Vec::new(), at));
            }
            Event::RepairStarted { round, n, findings } => {
                self.totals.repair_rounds = *round;
                self.refused.extend(self.attempt.as_ref().and_then(refused));
                self.go_back(Attempt::new(*n, None, findings.clone(), at));
            }
            Event::Intended(Effect::Interrupt { because, .. }) => {
                if let Some(pending) = &mut self.pending {
                    pending.interrupt = Some(because.clone());
                }
            }
            Event::Intended(effect) => {
                let writes = matches!(
                    effect,
                    Effect::TakeTurn {
                        purpose: TurnPurpose::Write,
                        ..
                    }
                );
                if let (true, Some(attempt)) = (writes, &mut self.attempt) {
                    attempt.begin_turn();
                    self.unmeasured = true;
                }
                self.failure = None;
                if let Effect::Push { .. } = effect {
                    self.totals.pushes += 1;
                }
                if let Effect::AskRemote { .. } | Effect::Push { .. } = effect {
                    self.remote = None;
                    self.push_refused = None;
                }
                self.pending = Some(Pending::new(self.next_seq, effect.clone(), at));
            }
            Event::Activity(activity) => self.see(at, activity),
            Event::Observed { observation, .. } => {
                if let Some(pending) = self.pending.take() {
                    self.observe(at, &pending, observation);
                }
            }
            Event::Rejected { findings, .. } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.rejection = Some(findings.clone());
                }
                self.accepted = None;
                self.wait_for_runner();
            }
            Event::Paused { cause } => self.state = State::Paused { cause: *cause },
            Event::Resumed { after } => self.resume(*after),
            Event::Warned { message } => self.totals.warnings.push(message.clone()),
            Event::Blocked(blocker) => {
                self.stored = None;
                self.failure = None;
                self.state = State::Blocked(blocker.clone());
            }
            Event::Canceled { by, reason } => {
                self.stored = None;
                self.failure = None;
                self.state = State::Canceled {
                    by: by.clone(),
                    reason: reason.clone(),
                };
            }
        }
    }

    /// A person's word does nothing by itself: whoever runs the ticket next acts on it.
    fn wait_for_runner(&mut self) {
        if self.state != State::Climbing {
            let cause = PauseCause::Person;
            self.state = State::Paused { cause };
        }
    }

    fn enter(&mut self, phase: Phase, evidence: Option<PhaseEvidence>) {
        if let Some(PhaseEvidence::Done { journal, .. }) = &evidence {
            self.receipt = Receipt::of(self, *journal);
        }
        self.phase = Some(phase);
        self.entered.insert(phase, evidence);
        if phase == Phase::Pushed {
            // That it is there is proved by asking once more.
            self.remote = None;
        }
        if phase == Phase::Done {
            self.stored = None;
            self.failure = None;
            self.state = State::Done;
        }
    }

    /// Evidence of an earlier iteration stays in the journal and counts for nothing.
    fn go_back(&mut self, attempt: Attempt) {
        self.totals.iterations = attempt.n;
        self.phase = Some(Phase::RepositoryTicketRecorded);
        self.entered
            .retain(|phase, _| *phase <= Phase::RepositoryTicketRecorded);
        self.attempt = Some(attempt);
        self.accepted = None;
        self.consent = None;
        self.prepared = None;
        self.failure = None;
    }

    /// The change stands on another base, so that its checks and those of the base count for nothing, and it is measured anew. A review
    /// judged the same change, file by file, and is carried over to the new tree.
    fn rebase(&mut self, onto: (CommitId, TreeId), tree: TreeId, same_change: bool) {
        if let (true, Some(delivery)) = (self.branch_holds_delivery(), &self.prepared) {
            self.placed = Some((delivery.branch.clone(), delivery.records));
        }
        self.rebased = Some(onto);
        self.carried = Some(tree);
        self.totals.rebases += 1;
        self.totals.moved_pushes = 0;
        self.phase = Some(Phase::RepositoryTicketRecorded);
        self.entered
            .retain(|phase, _| *phase <= Phase::RepositoryTicketRecorded);
        self.places_ready = false;
        self.baseline = None;
        self.unmeasured = true;
        self.accepted = None;
        self.consent = None;
        self.prepared = None;
        self.moved = None;
        self.remote = None;
        self.push_refused = None;
        let Some(attempt) = &mut self.attempt else { return };
        attempt.measured = None;
        attempt.checked = None;
        attempt.compared = None;
        attempt.review = attempt.review.take().filter(|_| same_change);
        if let Some(review) = &mut attempt.review {
            review.carried_from.get_or_insert(review.tree);
            review.tree = tree;
        }
    }

    fn resume(&mut self, after: ResumeCause) {
        if after == ResumeCause::Unstored {
            self.failure = None;
            return;
        }
        self.state = State::Climbing;
        self.places_ready = false;
        self.consent = None;
        self.failure = None;
        if after == ResumeCause::Blocker {
            self.totals.runner_failures = 0;
        }
        if !self.branch_holds_delivery() {
            // What stood in the way may be gone.
            self.moved = None;
            self.prepare_anew();
        }
        self.remote = None;
        self.push_refused = None;
        if !self.plan.as_ref().is_some_and(EndedPlan::is_sound) {
            self.plan = None;
            self.totals.plans = 0;
        }
        if let Some(pending) = &mut self.pending {
            pending.orphaned = true;
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.resume(after, self.writer.as_ref());
        }
    }

    /// A branch that this run had made, and that is not as it left it any more, cannot be moved: another delivery is prepared.
    fn prepare_anew(&mut self) {
        let replaces = self.prepared.as_ref().is_some_and(|delivery| delivery.old.is_some());
        if replaces && self.phase > Some(Phase::ContextCurated) {
            self.phase = Some(Phase::ContextCurated);
            self.entered.retain(|phase, _| *phase <= Phase::ContextCurated);
            self.prepared = None;
        }
    }

    fn see(&mut self, at: Timestamp, activity: &Activity) {
        let Some(pending) = &mut self.pending else { return };
        pending.live.see(at, activity);
        let writes = matches!(pending.effect, Effect::TakeTurn { .. });
        if let (true, Activity::ThreadStarted { thread, agent, .. }, Some(attempt)) =
            (writes, activity, &mut self.attempt)
        {
            self.writer = Some(thread.clone());
            attempt.thread = Some(StartedThread {
                thread: thread.clone(),
                agent: agent.clone(),
            });
        }
    }

    fn observe(&mut self, at: Timestamp, pending: &Pending, observation: &Observation) {
        match observation {
            Observation::PlacesReady { anew, copied, set_up } => {
                self.places_ready = true;
                self.copied.clone_from(copied);
                if *anew {
                    self.set_up.clone_from(set_up);
                }
            }
            Observation::ChecksRan { tree, results, .. } => self.checks_ran(pending, *tree, results),
            Observation::PlanEnded { end, tokens, thread } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                self.plan_ended(at, pending, end, thread.as_ref());
            }
            Observation::TestsCompared { comparison, .. } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.compared = Some(comparison.clone());
                }
            }
            Observation::TurnEnded { end, tokens, thread } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                if thread.is_some() {
                    self.writer.clone_from(thread);
                }
                self.turn_ended(at, pending, end);
            }
            Observation::ChangesMeasured {
                change,
                violations,
                weakened,
                tests,
                same_as,
                drift,
            } => {
                self.unmeasured = false;
                let is_carried = self.carried.take().is_some();
                let reported = |turn: &EndedTurn| matches!(turn.end, TurnEnd::Reported { .. });
                let turn = self.attempt.as_ref().and_then(|attempt| attempt.turn.as_ref());
                // A turn that was cut off goes on later; that its tree stands still says nothing.
                if turn.is_some_and(reported) && !is_carried {
                    let again = self.totals.trees.contains(&change.tree);
                    self.totals.repeated_trees = if again { self.totals.repeated_trees + 1 } else { 0 };
                }
                self.totals.trees.push(change.tree);
                if let Some(attempt) = &mut self.attempt {
                    attempt.measured = Some(MeasuredChange {
                        change: change.clone(),
                        violations: violations.clone(),
                        weakened: weakened.clone(),
                        tests: tests.clone(),
                        same_as: *same_as,
                        drift: drift.clone(),
                    });
                }
            }
            Observation::ReviewEnded {
                tree,
                end,
                tokens,
                thread,
            } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                self.review_ended(at, pending, *tree, end, thread.as_ref());
            }
            Observation::ConsentSeen { consent } => self.consent = Some(consent.clone()),
            Observation::DeliveryPrepared { delivery } => {
                self.prepared = Some(delivery.clone());
                // It is looked at once more before the branch moves.
                self.consent = None;
            }
            Observation::RefSeen { value, contains_new } => {
                self.moved = Some(MovedRef {
                    value: *value,
                    contains_new: *contains_new,
                });
                // It is looked at once more before a push.
                self.consent = None;
            }
            Observation::RemoteSeen { value, contains_new } => {
                self.remote = Some(SeenRemote {
                    value: *value,
                    contains_new: *contains_new,
                });
            }
            Observation::Pushed { old, new } => self.pushed = Some(PushedRef { old: *old, new: *new }),
            Observation::PushRefused { moved, reason } => {
                self.totals.moved_pushes += u32::from(*moved);
                self.push_refused = Some(RefusedPush {
                    moved: *moved,
                    reason: reason.clone(),
                });
            }
            Observation::Rebased {
                onto,
                base_tree,
                tree,
                same_change,
            } => self.rebase((*onto, *base_tree), *tree, *same_change),
            Observation::RunStored { commit } => self.stored = Some(*commit),
            Observation::Failed { code, reason } => {
                self.cut_off(at, pending, None);
                // What the policy stopped it for is graver than that it could not be done.
                self.failure = pending.stopped_for().is_none().then(|| EffectFailure {
                    code: *code,
                    reason: reason.clone(),
                });
            }
            Observation::Lost { reason } => self.cut_off(at, pending, Some(reason)),
            Observation::Interrupted => self.cut_off(at, pending, None),
        }
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

    fn checks_ran(&mut self, pending: &Pending, tree: TreeId, results: &[CheckResult]) {
        let baseline = matches!(
            pending.effect,
            Effect::RunChecks {
                purpose: CheckPurpose::Baseline,
                ..
            }
        );
        if baseline {
            self.baseline = Some(results.to_vec());
            return;
        }
        let passed = results.iter().all(CheckResult::passed);
        let wants_order = |tests: &&ChangedTests| tests.order.is_some() && tests.is_tests_alone();
        // Tests that stand alone are to fail.
        let is_first_of_two = !passed && self.changed_tests().filter(wants_order).is_some();
        if is_first_of_two {
            self.tests_alone = Some(tree);
        }
        self.totals.verification_failures = if passed || is_first_of_two {
            0
        } else {
            self.totals.verification_failures + 1
        };
        let checked = CheckedTree {
            tree,
            results: results.to_vec(),
        };
        // The next iteration is told what failed in this one.
        self.last_checked = Some(checked.clone());
        if let Some(attempt) = &mut self.attempt {
            attempt.checked = Some(checked);
        }
    }

    /// An effect ended, and nobody saw how. Where an agent was at work, what it was stopped for still counts; and where
    /// the runner is there and the agent is not, the agent has failed.
    fn cut_off(&mut self, at: Timestamp, pending: &Pending, lost: Option<&str>) {
        self.totals.tokens = self.totals.tokens.plus(pending.live.spent);
        let stopped = pending.stopped_for().is_some();
        let (plan, turn, review) = match lost {
            _ if stopped => (PlanEnd::Interrupted, TurnEnd::Interrupted, ReviewEnd::Interrupted),
            Some(reason) if !pending.orphaned => {
                let failure = AgentFailure {
                    class: AgentFailureClass::Crashed,
                    message: reason.to_owned(),
                };
                let of_plan = PlanEnd::Failed {
                    failure: failure.clone(),
                };
                let of_review = ReviewEnd::Failed {
                    failure: failure.clone(),
                };
                (of_plan, TurnEnd::Failed { failure }, of_review)
            }
            _ => return,
        };
        match &pending.effect {
            Effect::TakePlan { .. } => self.plan_ended(at, pending, &plan, None),
            Effect::TakeTurn { .. } => self.turn_ended(at, pending, &turn),
            Effect::TakeReview { tree, .. } => self.review_ended(at, pending, *tree, &review, None),
            _ => {}
        }
    }

    fn plan_ended(&mut self, at: Timestamp, pending: &Pending, end: &PlanEnd, thread: Option<&ThreadId>) {
        if *end == PlanEnd::Interrupted && pending.was_abandoned() {
            // It is asked for again.
            return;
        }
        self.totals.plans += 1;
        self.plan = Some(EndedPlan {
            end: end.clone(),
            at,
            thread: thread.cloned(),
            interrupted_for: pending.stopped_for().cloned(),
        });
    }

    fn review_ended(
        &mut self,
        at: Timestamp,
        pending: &Pending,
        tree: TreeId,
        end: &ReviewEnd,
        thread: Option<&ThreadId>,
    ) {
        let Some(attempt) = &mut self.attempt else { return };
        if *end == ReviewEnd::Interrupted && pending.was_abandoned() {
            attempt.review = None;
            return;
        }
        let interrupted_for = pending.stopped_for().cloned();
        if interrupted_for.is_none() && !matches!(end, ReviewEnd::Answered { .. }) {
            attempt.failed_reviews += 1;
        }
        attempt.review = Some(EndedReview {
            tree,
            end: end.clone(),
            at,
            thread: thread.cloned(),
            interrupted_for,
            carried_from: None,
        });
    }

    fn turn_ended(&mut self, at: Timestamp, pending: &Pending, end: &TurnEnd) {
        if *end == TurnEnd::Interrupted && pending.was_abandoned() {
            // It is taken again.
            return;
        }
        let interrupted_for = pending.stopped_for().cloned();
        let outside = |class: AgentFailureClass| class != AgentFailureClass::ContextWindow;
        match end {
            _ if interrupted_for.is_some() => {}
            TurnEnd::Failed { failure } if outside(failure.class) => self.totals.runner_failures += 1,
            TurnEnd::Interrupted => {}
            _ => self.totals.runner_failures = 0,
        }
        let Some(attempt) = &mut self.attempt else { return };
        if matches!(
            pending.effect,
            Effect::TakeTurn {
                purpose: TurnPurpose::RepairReport,
                ..
            }
        ) {
            attempt.report_repairs += 1;
        }
        attempt.turn = Some(EndedTurn {
            end: end.clone(),
            at,
            interrupted_for,
        });
    }
}

/// The change of an iteration, as one that was refused.
fn refused(attempt: &Attempt) -> Option<RefusedChange> {
    let measured = attempt.measured.as_ref()?;
    Some(RefusedChange {
        base: measured.change.base,
        tree: measured.change.tree,
        weakened: measured.weakened.clone(),
    })
}

/// Whether an observation is one that this effect can show.
fn fits(effect: &Effect, observation: &Observation) -> bool {
    match observation {
        Observation::Failed { .. } | Observation::Lost { .. } | Observation::Interrupted => true,
        Observation::PlacesReady { .. } => matches!(effect, Effect::PreparePlaces { .. }),
        Observation::ChecksRan { .. } => matches!(effect, Effect::RunChecks { .. }),
        Observation::PlanEnded { .. } => matches!(effect, Effect::TakePlan { .. }),
        Observation::TestsCompared { comparison, .. } => {
            matches!(effect, Effect::CompareTests { tree, apart, .. } if *tree == comparison.tree && *apart == comparison.apart)
        }
        Observation::TurnEnded { .. } => matches!(effect, Effect::TakeTurn { .. }),
        Observation::ChangesMeasured { .. } => matches!(effect, Effect::MeasureChanges { .. }),
        Observation::ReviewEnded { .. } => matches!(effect, Effect::TakeReview { .. }),
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
        Observation::RunStored { .. } => matches!(effect, Effect::StoreRun { .. }),
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened(_) => "opened",
        Event::Entered(_) => "entered",
        Event::NotRequired { .. } => "not_required",
        Event::IterationStarted { .. } => "iteration_started",
        Event::RepairStarted { .. } => "repair_started",
        Event::Intended(_) => "intended",
        Event::Activity(_) => "activity",
        Event::Observed { .. } => "observed",
        Event::Paused { .. } => "paused",
        Event::Resumed { .. } => "resumed",
        Event::Warned { .. } => "warned",
        Event::Accepted { .. } => "accepted",
        Event::Rejected { .. } => "rejected",
        Event::Blocked(_) => "blocked",
        Event::Canceled { .. } => "canceled",
    }
}
