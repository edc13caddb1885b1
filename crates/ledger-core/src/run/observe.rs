//! What an observation changes.

use jiff::Timestamp;

use super::attempt::{CheckedTree, EndedReview, EndedTurn, MeasuredChange, Pending};
use super::ended_reader::{EndedCuration, EndedPlan, EndedReader};
use super::{EffectFailure, MovedRef, PushedRef, RefusedPush, Run, SeenRemote};
use crate::activity::{AgentFailure, AgentFailureClass};
use crate::change::ChangeSummary;
use crate::changed_tests::ChangedTests;
use crate::effect::{CheckPurpose, Effect, TurnPurpose};
use crate::event::Rescued;
use crate::evidence::CheckResult;
use crate::object::TreeId;
use crate::observation::{Observation, TurnEnd};
use crate::reader_end::{JudgedReview, ReaderEnd};

impl Run {
    /// Changes the run by what was seen after the effect that was under way.
    pub(super) fn observe(&mut self, at: Timestamp, pending: &Pending, observation: &Observation) {
        if let Some(spent) = observation.spent() {
            self.totals.tokens = self.totals.tokens.plus(spent);
        }
        if self.note_once_only(pending, observation) {
            // How it ended is no failure of the run's own.
            return;
        }
        let is_move = matches!(pending.effect, Effect::UpdateRef { .. });
        let has_moved = matches!(observation, Observation::RefSeen { contains_new: true, .. });
        if pending.orphaned && is_move && !has_moved {
            self.prepare_anew();
        }
        match observation {
            Observation::PlacesReady { anew, copied, set_up } => {
                self.places_ready = true;
                self.copied.clone_from(copied);
                if *anew {
                    self.set_up.clone_from(set_up);
                }
            }
            Observation::ChecksRan { tree, results, .. } => self.checks_ran(pending, *tree, results),
            Observation::PlanEnded { end, thread, .. } => {
                self.plan_ended(EndedReader::new(at, pending, end.clone(), thread.clone()));
            }
            Observation::AdviceEnded { tree, end, thread, .. } => {
                self.advice_ended(*tree, EndedReader::new(at, pending, end.clone(), thread.clone()));
            }
            Observation::TestsCompared { comparison, .. } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.compared = Some(comparison.clone());
                }
            }
            Observation::TurnEnded { end, thread, .. } => {
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
                // Who asks has not had its say: that the tree stands still until it is answered says nothing.
                let reported =
                    |turn: &EndedTurn| matches!(&turn.end, TurnEnd::Reported { report } if report.asks().is_none());
                let turn = self.attempt.as_ref().and_then(|attempt| attempt.turn.as_ref());
                // A turn that was cut off goes on later; that its tree stands still says nothing.
                if turn.is_some_and(reported) && !is_carried {
                    let again = self.has_occurred(change);
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
            Observation::ReviewEnded { tree, end, thread, .. } => {
                self.review_ended(*tree, EndedReader::new(at, pending, end.clone(), thread.clone()));
            }
            Observation::ExpertEnded {
                judge,
                subject,
                end,
                thread,
                ..
            } => {
                let turn = EndedReader::new(at, pending, end.clone(), thread.clone());
                self.expert_ended(*judge, *subject, turn);
            }
            Observation::CurationEnded { end, thread, .. } => {
                self.curation_ended(EndedReader::new(at, pending, end.clone(), thread.clone()));
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
            // Of those that are done once only.
            Observation::HookEnded { .. } | Observation::Notified { .. } => {}
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

    /// Whether a turn ended where one before it did, or where the run began.
    fn has_occurred(&self, change: &ChangeSummary) -> bool {
        let is_rescued = |rescued: &Rescued| rescued.tree == change.tree;
        change.counts.total() == 0
            || self.opened.rescued.as_ref().is_some_and(is_rescued)
            || self.totals.trees.contains(&change.tree)
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
        let failure = match lost {
            _ if pending.stopped_for().is_some() => None,
            Some(reason) if !pending.orphaned => Some(AgentFailure::new(AgentFailureClass::Crashed, reason.to_owned())),
            _ => return,
        };
        match &pending.effect {
            Effect::TakePlan { .. } => self.plan_ended(EndedReader::cut_off(at, pending, failure)),
            Effect::TakeAdvice { tree, .. } => self.advice_ended(*tree, EndedReader::cut_off(at, pending, failure)),
            Effect::TakeTurn { .. } => self.turn_ended(at, pending, &TurnEnd::cut_off(failure)),
            Effect::TakeReview { tree, .. } => self.review_ended(*tree, EndedReader::cut_off(at, pending, failure)),
            Effect::AskExpert { judge, subject, .. } => {
                self.expert_ended(*judge, *subject, EndedReader::cut_off(at, pending, failure));
            }
            Effect::TakeCuration { .. } => self.curation_ended(EndedReader::cut_off(at, pending, failure)),
            _ => {}
        }
    }

    /// Where there is no turn, here and below, the end is nobody's fault, and it is asked again.
    fn plan_ended(&mut self, turn: Option<EndedPlan>) {
        let Some(turn) = turn else { return };
        self.totals.plans += 1;
        self.plan_experts.clear();
        self.plan = Some(turn);
    }

    fn review_ended(&mut self, tree: TreeId, turn: Option<EndedReader<JudgedReview>>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.failed_reviews += u32::from(turn.as_ref().is_some_and(EndedReader::is_failed));
        attempt.review = turn.map(|turn| EndedReview {
            tree,
            turn,
            carried_from: None,
        });
    }

    fn curation_ended(&mut self, turn: Option<EndedCuration>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.curation = turn;
        let Some(turn) = &mut attempt.curation else { return };
        // Nobody else than the writer wrote down what it is worth.
        if turn.end.answer().is_some() && !turn.is_independent(self.writer.as_ref()) {
            turn.end = ReaderEnd::InvalidAnswer {
                reason: "it was answered in the writer's conversation, or in none".to_owned(),
            };
        }
        attempt.failed_curations += u32::from(turn.sound().is_none());
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
            TurnEnd::Reported { .. } => self.totals.runner_failures = 0,
            // An answer of another form, or a full conversation, is no sign that the agent works again.
            _ => {}
        }
        let repairs_report = matches!(
            pending.effect,
            Effect::TakeTurn {
                purpose: TurnPurpose::RepairReport,
                ..
            }
        );
        if interrupted_for.is_none() {
            self.totals.misfits = match end {
                TurnEnd::Failed { failure } if failure.class == AgentFailureClass::ContextWindow => {
                    // Where nothing but the report was asked for again, what came before it was as good as full.
                    self.totals.misfits + u32::from(begins_anew(&pending.effect) || repairs_report)
                }
                // An answer of another form does not show that there was room.
                TurnEnd::InvalidReport { .. } | TurnEnd::Interrupted => self.totals.misfits,
                TurnEnd::Reported { .. } | TurnEnd::Failed { .. } => 0,
            };
        }
        let Some(attempt) = &mut self.attempt else { return };
        attempt.report_repairs += u32::from(repairs_report);
        attempt.turn = Some(EndedTurn {
            end: end.clone(),
            at,
            interrupted_for,
        });
    }
}

/// Whether a turn goes on from no conversation before it.
fn begins_anew(effect: &Effect) -> bool {
    matches!(effect, Effect::TakeTurn { thread: None, .. })
}
