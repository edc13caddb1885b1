//! Which effect may be intended.

use super::condition;
use crate::effect::{CheckPurpose, Effect, TurnPurpose};
use crate::evidence::CheckResult;
use crate::expert::{ExpertSubject, Judge};
use crate::observation::{Consent, TurnEnd};
use crate::phase::{DeliveryMode, Phase, PushTarget};
use crate::run::{MAX_REBASES, Refusal, Run};

impl Run {
    pub(super) fn permit_intent(&self, effect: &Effect) -> Result<(), Refusal> {
        let phase = self.phase;
        if let Effect::Interrupt { of, because } = effect {
            let pending = self.pending.as_ref().filter(|pending| pending.seq == *of);
            condition("interrupt", pending.is_some(), "there is no such effect under way")?;
            // What is ended because the runner is to leave may still do something that stops the run.
            let fresh = pending.is_some_and(|pending| match &pending.interrupt {
                None => true,
                Some(None) => because.is_some(),
                Some(Some(_)) => false,
            });
            return condition("interrupt", fresh, "it was asked for already");
        }
        condition("intended", self.pending.is_none(), "another effect is under way")?;
        if let Effect::StoreRun { .. } = effect {
            condition("store_run", self.state.is_ended(), "the run is not over")?;
            return condition("store_run", self.stored.is_none(), "it is stored already");
        }
        if let Effect::Notify { about, by } = effect {
            return self.permit_notification(*about, *by);
        }
        if let Effect::RunHook { hook, iteration, tree } = effect {
            let is_over = self.state.is_ended();
            condition(
                "run_hook",
                is_over != hook.is_of_iteration(),
                "it is not the time for this hook",
            )?;
            return self.permit_hook(*hook, *iteration, *tree);
        }
        condition("intended", !self.state.is_ended(), "the run is over")?;
        match effect {
            Effect::PreparePlaces { base } => {
                let there = phase >= Some(Phase::RepositoryTicketRecorded);
                condition("prepare_places", there, "the ticket is not recorded yet")?;
                let same = self.base() == Some(*base);
                condition("prepare_places", same, "it is not the base of this run")
            }
            Effect::RunChecks {
                purpose: CheckPurpose::Baseline,
                ..
            } => {
                let first = phase == Some(Phase::RepositoryTicketRecorded) && self.totals.iterations == 0;
                let again = phase == Some(Phase::ImplementationComplete) && self.rebased.is_some();
                let before = self.baseline.is_none() && (first || again);
                condition("run_checks", before, "the base is checked before the first iteration")?;
                condition("run_checks", self.places_ready, "the places are not ready")
            }
            Effect::RunChecks {
                purpose: CheckPurpose::Proof,
                tree,
                checks,
            } => {
                let after_turn = phase == Some(Phase::ImplementationComplete);
                condition("run_checks", after_turn, "there is no finished turn")?;
                condition("run_checks", self.places_ready, "the places are not ready")?;
                condition(
                    "run_checks",
                    self.tree() == Some(*tree),
                    "it is not the tree of the turn",
                )?;
                condition(
                    "run_checks",
                    *checks == self.opened.checks,
                    "they are not the checks of this run",
                )
            }
            Effect::TakePlan { .. } => {
                let discovered = phase == Some(Phase::RepositoryDiscovered);
                condition("take_plan", discovered, "it is not the time to plan")?;
                condition("take_plan", self.opened.plan, "no plan is part of this run")?;
                self.permit_after_stop("take_plan")?;
                condition(
                    "take_plan",
                    self.sound_plan().is_none() || self.plan_is_refused(),
                    "there is a plan that can be followed",
                )
            }
            Effect::TakeAdvice { tree, .. } => {
                self.permit_after_stop("take_advice")?;
                condition("take_advice", self.places_ready, "the places are not ready")?;
                let first = phase == Some(Phase::RepositoryTicketRecorded) && self.attempt.is_none();
                let begins = first && self.opened.max_rounds.is_some();
                let goes_on = phase == Some(Phase::ImplementationComplete) && self.tree_to_advise() == Some(*tree);
                condition("take_advice", begins || goes_on, "it is not the time for advice")
            }
            Effect::CompareTests { tree, apart, checks } => {
                let after_turn = phase == Some(Phase::ImplementationComplete);
                condition("compare_tests", after_turn, "there is no finished turn")?;
                condition("compare_tests", self.places_ready, "the places are not ready")?;
                let measured = self.changed_tests().and_then(|tests| tests.apart);
                let of_turn = self.tree() == Some(*tree) && measured == Some(*apart);
                condition("compare_tests", of_turn, "they are not the trees of the turn")?;
                condition(
                    "compare_tests",
                    *checks == self.opened.checks,
                    "they are not the checks of this run",
                )?;
                let checked = self.attempt.as_ref().and_then(|attempt| attempt.checked.as_ref());
                let passed = checked
                    .is_some_and(|checked| checked.tree == *tree && checked.results.iter().all(CheckResult::passed));
                condition("compare_tests", passed, "the checks did not pass on the tree")
            }
            Effect::TakeTurn { iteration, purpose, .. } => {
                let assigned = phase == Some(Phase::RepositoryTicketRecorded) || phase == Some(Phase::WriterAssigned);
                condition("take_turn", assigned, "no iteration was started")?;
                condition("take_turn", self.places_ready, "the places are not ready")?;
                let attempt = self.attempt.as_ref().filter(|attempt| attempt.n == *iteration);
                condition("take_turn", attempt.is_some(), "it is not the iteration under way")?;
                self.permit_after_stop("take_turn")?;
                let turn = attempt.and_then(|attempt| attempt.turn.as_ref()).map(|turn| &turn.end);
                match purpose {
                    TurnPurpose::Write => {
                        let open = !matches!(turn, Some(TurnEnd::Reported { .. } | TurnEnd::InvalidReport { .. }));
                        condition("take_turn", open, "the turn of this iteration was taken")
                    }
                    TurnPurpose::RepairReport => {
                        let needed = matches!(turn, Some(TurnEnd::InvalidReport { .. }));
                        condition("take_turn", needed, "there is no invalid report")
                    }
                }
            }
            Effect::MeasureChanges { iteration } => {
                let attempt = self.attempt.as_ref().filter(|attempt| attempt.n == *iteration);
                condition(
                    "measure_changes",
                    attempt.is_some(),
                    "it is not the iteration under way",
                )?;
                condition(
                    "measure_changes",
                    self.unmeasured,
                    "no turn was begun since it was done",
                )?;
                condition("measure_changes", self.places_ready, "the places are not ready")
            }
            Effect::TakeReview { tree, .. } => {
                let there = phase == Some(Phase::SelfReviewComplete);
                condition("take_review", there, "the worker's own review is not complete")?;
                self.permit_after_stop("take_review")?;
                condition("take_review", self.places_ready, "the places are not ready")?;
                condition(
                    "take_review",
                    self.tree() == Some(*tree),
                    "it is not the tree that was checked",
                )
            }
            Effect::AskExpert { judge, subject, .. } => self.permit_expert(*judge, subject),
            Effect::TakeCuration { tree, .. } => {
                let reviewed = phase == Some(Phase::RepairLoopCompleteOrNotNeeded);
                condition("take_curation", reviewed, "no reviewed result is there")?;
                condition("take_curation", self.opened.curate, "no curator is part of this run")?;
                condition("take_curation", !self.is_rejected(), "a person rejected the result")?;
                self.permit_after_stop("take_curation")?;
                condition("take_curation", self.places_ready, "the places are not ready")?;
                condition(
                    "take_curation",
                    self.tree() == Some(*tree),
                    "it is not the tree that was reviewed",
                )?;
                let ended = self.attempt.as_ref().and_then(|attempt| attempt.curation.as_ref());
                let sound = ended.is_some_and(|ended| ended.sound().is_some());
                condition("take_curation", !sound, "there is an answer that can be used")
            }
            Effect::ConfirmConsent => {
                let last = match self.opened.target {
                    Some(_) => Phase::Pushed,
                    None => Phase::Committed,
                };
                let near = phase >= Some(Phase::ContextCurated) && phase < Some(last);
                condition("confirm_consent", near, "no delivery is near")
            }
            Effect::PrepareDelivery { tree, .. } => {
                condition(
                    "prepare_delivery",
                    phase == Some(Phase::ContextCurated),
                    "the context is not curated",
                )?;
                condition("prepare_delivery", !self.is_rejected(), "a person rejected the result")?;
                condition(
                    "prepare_delivery",
                    self.opened.delivery != DeliveryMode::None,
                    "nothing is to be delivered",
                )?;
                condition(
                    "prepare_delivery",
                    self.tree() == Some(*tree),
                    "it is not the tree that was reviewed",
                )?;
                self.permit_with_consent("prepare_delivery")
            }
            Effect::UpdateRef { name, old, new } => {
                let staged = phase == Some(Phase::ExplicitPathsStaged);
                condition("update_ref", staged, "the paths are not staged")?;
                let prepared = self.prepared.as_ref().is_some_and(|delivery| {
                    delivery.branch == *name && delivery.old == *old && delivery.records == *new
                });
                condition("update_ref", prepared, "it is not the delivery that was prepared")?;
                self.permit_with_consent("update_ref")
            }
            Effect::AskRemote { target } => {
                let near = matches!(phase, Some(Phase::ContextCurated | Phase::Committed | Phase::Pushed));
                condition("ask_remote", near, "nothing rests on the remote now")?;
                condition("ask_remote", self.is_target(target), "it is not the target of this run")
            }
            Effect::Push { target, old, new } => {
                condition(
                    "push",
                    phase == Some(Phase::Committed),
                    "the branch does not hold the delivery",
                )?;
                condition("push", self.is_target(target), "it is not the target of this run")?;
                let prepared = self
                    .prepared
                    .as_ref()
                    .is_some_and(|delivery| delivery.base == *old && delivery.records == *new);
                condition("push", prepared, "it is not the delivery that was prepared")?;
                let unmoved = self.remote.is_some_and(|seen| seen.value == Some(*old));
                condition("push", unmoved, "the remote was not seen to be at the base")?;
                self.permit_with_consent("push")
            }
            Effect::Rebase { onto } => {
                let near = matches!(phase, Some(Phase::ContextCurated | Phase::Committed));
                condition("rebase", near, "no delivery is near")?;
                condition("rebase", self.opened.target.is_some(), "nothing is pushed")?;
                condition("rebase", !self.is_rejected(), "a person rejected the result")?;
                let moved = self
                    .remote
                    .is_some_and(|seen| seen.value == Some(*onto) && !seen.contains_new);
                condition("rebase", moved, "the remote was not seen to be there")?;
                condition("rebase", !self.remote_holds_delivery(), "the remote has it")?;
                condition("rebase", self.base() != Some(*onto), "it is the base already")?;
                condition(
                    "rebase",
                    self.totals.rebases < MAX_REBASES,
                    "the target moved too often",
                )
            }
            Effect::RunHook { .. } | Effect::Notify { .. } | Effect::Interrupt { .. } | Effect::StoreRun { .. } => {
                Ok(())
            }
        }
    }

    fn permit_expert(&self, judge: Judge, subject: &ExpertSubject) -> Result<(), Refusal> {
        const EVENT: &str = "ask_expert";
        self.permit_after_stop(EVENT)?;
        let answered = self
            .expert(judge, subject)
            .is_some_and(|ended| ended.turn.end.answer().is_some());
        condition(EVENT, !answered, "it has answered")?;
        match subject {
            ExpertSubject::Plan { .. } => {
                let discovered = self.phase == Some(Phase::RepositoryDiscovered);
                condition(EVENT, discovered, "it is not the time to plan")?;
                let named = self.plan_experts().iter().any(|field| Judge::from(*field) == judge);
                condition(EVENT, named, "nothing calls for it")?;
                condition(
                    EVENT,
                    self.plan_to_judge() == Some(*subject),
                    "it is not the plan that was made",
                )
            }
            ExpertSubject::Tree { tree } => {
                let there = self.phase == Some(Phase::SelfReviewComplete);
                condition(EVENT, there, "the worker's own review is not complete")?;
                condition(EVENT, self.places_ready, "the places are not ready")?;
                condition(EVENT, self.tree() == Some(*tree), "it is not the tree that was checked")?;
                let called = self.expert_calls().iter().any(|call| call.judge == judge);
                condition(EVENT, called, "nothing calls for it")
            }
        }
    }

    fn is_target(&self, target: &PushTarget) -> bool {
        self.opened.delivery >= DeliveryMode::Push && self.opened.target.as_ref() == Some(target)
    }

    /// What was stopped for a reason that still holds is not begun again, and nothing comes of it.
    pub(super) fn permit_after_stop(&self, event: &'static str) -> Result<(), Refusal> {
        condition(event, self.stopped_for().is_none(), "the policy stopped the agent")
    }

    fn permit_with_consent(&self, event: &'static str) -> Result<(), Refusal> {
        condition(
            event,
            self.consent == Some(Consent::Current),
            "the consent was not confirmed just before",
        )
    }
}
