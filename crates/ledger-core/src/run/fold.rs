//! What an event changes.

use jiff::Timestamp;

use super::attempt::{
    Attempt, CheckedTree, EndedCuration, EndedPlan, EndedReview, EndedTurn, MeasuredChange, Pending, RefusedChange,
    StartedThread,
};
use super::{AcceptedTree, EffectFailure, MovedRef, PushedRef, RefusedPush, Run, SeenRemote, State};
use crate::activity::{Activity, AgentFailure, AgentFailureClass};
use crate::changed_tests::ChangedTests;
use crate::effect::{
    AdviceEnd, CheckPurpose, CurationEnd, Effect, ExpertEnd, Observation, PlanEnd, ReviewEnd, TurnEnd, TurnPurpose,
};
use crate::event::{DeliveryOpened, Event, IterationCause, PauseCause, ResumeCause};
use crate::evidence::CheckResult;
use crate::id::ThreadId;
use crate::object::{CommitId, TreeId};
use crate::parent::{Child, Choice};
use crate::phase::{Phase, PhaseEvidence};
use crate::receipt::{DeliveredRun, Receipt};

impl Run {
    /// Changes the run by an event that [`Self::permit`] has let pass.
    pub(super) fn fold(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Opened(_) => {}
            Event::DeliveryOpened(delivery) => self.open_delivery(at, delivery),
            Event::Accepted { by, .. } => {
                let accepted = |tree| AcceptedTree { by: by.clone(), tree };
                self.accepted = self.tree().map(accepted);
                self.wait_for_runner();
            }
            Event::Entered(evidence) => self.enter(evidence.phase(), Some(evidence.clone())),
            Event::NotRequired { phase, .. } => self.enter(*phase, None),
            Event::ChildEnded(ended) => {
                let earlier = self.children.get(&ended.ticket);
                let retried = earlier.is_some_and(|child| child.retried) || ended.choice == Choice::Retry;
                let child = Child {
                    ended: ended.clone(),
                    retried,
                    is_recent: true,
                };
                self.children.insert(ended.ticket.clone(), child);
            }
            Event::IterationStarted { n, cause } => {
                if let IterationCause::TestsRefused { .. } = cause {
                    self.totals.tests_refused += 1;
                }
                if let IterationCause::SpecDrift { .. } = cause {
                    self.totals.spec_drifts += 1;
                }
                let mut attempt = Attempt::new(*n, Some(cause.clone()), Vec::new(), at);
                attempt.round = match cause {
                    IterationCause::Round { round, task } => {
                        self.begin_round(*round, task);
                        Some(*round)
                    }
                    // The round goes on.
                    IterationCause::TurnFailed { .. } => self.attempt.as_ref().and_then(|attempt| attempt.round),
                    _ => None,
                };
                self.go_back(attempt);
            }
            Event::RepairStarted { round, n, findings } => {
                self.totals.repair_rounds = *round;
                self.remember_refusals();
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

    /// The run that is done becomes one that delivers: all that it has shown stands, and its delivery begins anew.
    fn open_delivery(&mut self, at: Timestamp, delivery: &DeliveryOpened) {
        let run = std::mem::replace(&mut self.opened.run, delivery.run.clone());
        let receipt = delivery.receipt;
        self.delivers = Some(DeliveredRun { run, receipt });
        self.opened.foil.clone_from(&delivery.foil);
        self.opened.delivery = delivery.delivery;
        self.opened_at = at;
        self.state = State::Climbing;
        self.phase = Some(Phase::ContextCurated);
        self.entered.retain(|phase, _| *phase <= Phase::ContextCurated);
        self.places_ready = false;
        self.consent = None;
        self.prepared = None;
        self.moved = None;
        self.failure = None;
        self.receipt = None;
        self.stored = None;
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
        attempt.round = None;
        attempt.measured = None;
        attempt.checked = None;
        attempt.compared = None;
        attempt.review = attempt.review.take().filter(|_| same_change);
        if !same_change {
            attempt.forget_curation();
        }
        if let Some(review) = &mut attempt.review {
            review.carried_from.get_or_insert(review.tree);
            review.tree = tree;
        }
        if same_change {
            attempt.experts.values_mut().for_each(|expert| expert.carry(tree));
        } else {
            attempt.experts.clear();
        }
    }

    fn resume(&mut self, after: ResumeCause) {
        if after == ResumeCause::Unstored {
            self.failure = None;
            return;
        }
        self.state = State::Climbing;
        for child in self.children.values_mut() {
            child.retried = false;
            child.is_recent = false;
        }
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
        if !self.plan.as_ref().is_some_and(|plan| plan.is_useful(after)) {
            self.plan = None;
            self.totals.plans = 0;
        }
        self.resume_advice(after);
        let to_judge = self.plan_to_judge();
        self.plan_experts
            .retain(|_, expert| Some(expert.subject) == to_judge && expert.is_useful(after, None));
        if let Some(pending) = &mut self.pending {
            pending.orphaned = true;
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.resume(after, self.writer.as_ref());
        }
        self.drop_borrowed_words();
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
            Observation::AdviceEnded {
                tree,
                end,
                tokens,
                thread,
            } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                self.advice_ended(at, pending, *tree, end, thread.as_ref());
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
                experts,
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
                        experts: experts.clone(),
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
            Observation::ExpertEnded {
                judge,
                subject,
                end,
                tokens,
                thread,
            } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                self.expert_ended(at, pending, (*judge, *subject), end, thread.as_ref());
            }
            Observation::CurationEnded { end, tokens, thread } => {
                self.totals.tokens = self.totals.tokens.plus(*tokens);
                self.curation_ended(at, pending, end, thread.as_ref());
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
        self.checkpoint_reached(tree, results);
        if let Some(attempt) = &mut self.attempt {
            attempt.checked = Some(checked);
        }
    }

    /// An effect ended, and nobody saw how. Where an agent was at work, what it was stopped for still counts; and where
    /// the runner is there and the agent is not, the agent has failed.
    fn cut_off(&mut self, at: Timestamp, pending: &Pending, lost: Option<&str>) {
        self.totals.tokens = self.totals.tokens.plus(pending.live.spent);
        let stopped = pending.stopped_for().is_some();
        let (plan, turn, review, expert, curation, advice) = match lost {
            _ if stopped => (
                PlanEnd::Interrupted,
                TurnEnd::Interrupted,
                ReviewEnd::Interrupted,
                ExpertEnd::Interrupted,
                CurationEnd::Interrupted,
                AdviceEnd::Interrupted,
            ),
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
                let of_expert = ExpertEnd::Failed {
                    failure: failure.clone(),
                };
                let of_curation = CurationEnd::Failed {
                    failure: failure.clone(),
                };
                let of_advice = AdviceEnd::Failed {
                    failure: failure.clone(),
                };
                (
                    of_plan,
                    TurnEnd::Failed { failure },
                    of_review,
                    of_expert,
                    of_curation,
                    of_advice,
                )
            }
            _ => return,
        };
        match &pending.effect {
            Effect::TakePlan { .. } => self.plan_ended(at, pending, &plan, None),
            Effect::TakeAdvice { tree, .. } => self.advice_ended(at, pending, *tree, &advice, None),
            Effect::TakeTurn { .. } => self.turn_ended(at, pending, &turn),
            Effect::TakeReview { tree, .. } => self.review_ended(at, pending, *tree, &review, None),
            Effect::AskExpert { judge, subject, .. } => {
                self.expert_ended(at, pending, (*judge, *subject), &expert, None)
            }
            Effect::TakeCuration { .. } => self.curation_ended(at, pending, &curation, None),
            _ => {}
        }
    }

    fn plan_ended(&mut self, at: Timestamp, pending: &Pending, end: &PlanEnd, thread: Option<&ThreadId>) {
        if *end == PlanEnd::Interrupted && pending.was_abandoned() {
            // It is asked for again.
            return;
        }
        self.totals.plans += 1;
        self.plan_experts.clear();
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

    fn curation_ended(&mut self, at: Timestamp, pending: &Pending, end: &CurationEnd, thread: Option<&ThreadId>) {
        let Some(attempt) = &mut self.attempt else { return };
        if *end == CurationEnd::Interrupted && pending.was_abandoned() {
            // It is asked for again.
            attempt.curation = None;
            return;
        }
        // Nobody else than the writer wrote down what it is worth.
        let is_independent = thread.is_some() && thread != self.writer.as_ref();
        let end = match end {
            CurationEnd::Answered { .. } if !is_independent => CurationEnd::InvalidAnswer {
                reason: "it was answered in the writer's conversation, or in none".to_owned(),
            },
            end => end.clone(),
        };
        let ended = EndedCuration {
            end,
            at,
            thread: thread.cloned(),
            interrupted_for: pending.stopped_for().cloned(),
        };
        if ended.sound().is_none() {
            attempt.failed_curations += 1;
        }
        attempt.curation = Some(ended);
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
