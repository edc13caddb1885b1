//! What an event changes.

use jiff::Timestamp;

use super::attempt::{Attempt, Pending, RefusedChange, StartedThread};
use super::ended_reader::{EndedPlan, still_counts};
use super::{AcceptedTree, Run, State};
use crate::activity::Activity;
use crate::effect::{Effect, TurnPurpose};
use crate::event::{DeliveryOpened, Event, IterationCause, PauseCause, ResumeCause};
use crate::object::{CommitId, TreeId};
use crate::parent::{Child, Choice};
use crate::phase::{Phase, PhaseEvidence};
use crate::receipt::{DeliveredRun, Receipt};
use crate::review::Verdict;

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
            Event::Entered(evidence) => {
                if let PhaseEvidence::IndependentReviewComplete {
                    verdict: Verdict::Pass, ..
                } = evidence
                {
                    self.to_mend.clear();
                }
                self.enter(evidence.phase(), Some(evidence.clone()));
            }
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
                let mut attempt = Attempt::new(*n, Some(cause.clone()), at);
                attempt.round = match cause {
                    IterationCause::Round { round, task } => {
                        self.begin_round(*round, task);
                        Some(*round)
                    }
                    // The round goes on.
                    IterationCause::TurnFailed { .. } | IterationCause::Answered { .. } => {
                        self.attempt.as_ref().and_then(|attempt| attempt.round)
                    }
                    _ => None,
                };
                self.go_back(attempt);
            }
            Event::RepairStarted { round, n, findings } => {
                self.totals.repair_rounds = *round;
                self.remember_refusals();
                self.refused.extend(self.attempt.as_ref().and_then(refused));
                self.to_mend.clone_from(findings);
                self.go_back(Attempt::new(*n, None, at));
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
            Event::QuestionAsked(asked) => self.question_asked(at, asked),
            Event::QuestionSeen { by, .. } => self.question_seen(at, by),
            Event::QuestionAnswered { answer, by, .. } => {
                self.question_answered(at, answer, by.as_deref());
                self.wait_for_runner();
            }
            Event::Paused { cause } => self.state = State::Paused { cause: *cause },
            Event::Resumed { after } => self.resume(*after),
            Event::Warned { message } => self.totals.warnings.push(message.clone()),
            Event::Blocked(blocker) => {
                self.ended_at = Some(self.next_seq);
                self.stored = None;
                self.failure = None;
                self.state = State::Blocked(blocker.clone());
            }
            Event::Canceled { by, reason } => {
                self.ended_at = Some(self.next_seq);
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
        self.ended_at = None;
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
            self.ended_at = Some(self.next_seq);
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
    pub(super) fn rebase(&mut self, onto: (CommitId, TreeId), tree: TreeId, same_change: bool) {
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
        match after {
            ResumeCause::Unstored => {
                self.failure = None;
                return;
            }
            ResumeCause::Clock => return,
            ResumeCause::Pause | ResumeCause::Crash | ResumeCause::Blocker => {}
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
        // Whether a branch that was under way has moved is seen when it is looked at.
        let is_moving = |pending: &Pending| matches!(pending.effect, Effect::UpdateRef { .. });
        if !self.branch_holds_delivery() && !self.pending.as_ref().is_some_and(is_moving) {
            // What stood in the way may be gone.
            self.moved = None;
            self.prepare_anew();
        }
        self.remote = None;
        self.push_refused = None;
        let useful_plan = |plan: &EndedPlan| still_counts(plan.interrupted_for.as_ref(), after, plan.sound().is_some());
        if !self.plan.as_ref().is_some_and(useful_plan) {
            self.plan = None;
            self.totals.plans = 0;
        }
        self.resume_advice(after);
        let to_judge = self.plan_to_judge();
        self.plan_experts
            .retain(|_, expert| Some(expert.subject) == to_judge && expert.turn.is_useful(after, None));
        if let Some(pending) = &mut self.pending {
            pending.orphaned = true;
        }
        self.hooks_are_seen(after);
        if let Some(attempt) = &mut self.attempt {
            attempt.resume(after, self.writer.as_ref());
        }
        self.drop_borrowed_words();
    }

    /// A branch that this run had made, and that is not as it left it any more, cannot be moved: another delivery is prepared.
    pub(super) fn prepare_anew(&mut self) {
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
