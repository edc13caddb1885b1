//! An expert's turn.

use std::sync::Arc;

use ledger_core::{BlockerCode, Event, ExpertEnd, ExpertReview, ExpertSubject, Judge, Observation, Run, TreeId};

use super::turns::unchanged_by_reader;
use super::{Engine, Failed};
use crate::agent::{Role, TurnEnd, TurnOutcome};
use crate::prompt::{ExpertPlanTask, ExpertTask, expert_plan_prompt, expert_prompt};

impl Engine {
    /// The expert sees exactly what it judges: the tree, or the base that the plan is about.
    pub(super) fn ask_expert(&mut self, seq: u64, judge: Judge, subject: ExpertSubject, label: &str, run: &Run) {
        let prompt = match subject {
            ExpertSubject::Plan { .. } => self.prompt_about_plan(judge, label, run),
            ExpertSubject::Tree { tree } => self.prompt_about_tree(judge, tree, label, run),
        };
        let prompt = match prompt {
            Ok(prompt) => prompt,
            Err(failed) => {
                let observation = failed.observation();
                let _ = self.sender.send(Event::Observed { of: seq, observation });
                return;
            }
        };
        let request = self.request(Role::Expert, label, prompt);
        self.forward(seq, request, self.given(run), self.end_of_expert(judge, subject, label));
    }

    fn prompt_about_tree(&self, judge: Judge, tree: TreeId, label: &str, run: &Run) -> Result<String, Failed> {
        let uncalled = || Failed::new(BlockerCode::ReviewFailed, "nothing calls for this expert");
        let call = run.expert_calls().into_iter().find(|call| call.judge == judge);
        let call = call.ok_or_else(uncalled)?;
        let (patch, patch_is_cut) = self.show_to_reader(tree, run)?;
        let repaired = run.attempt().map_or(&[][..], |attempt| &attempt.findings);
        Ok(self.with_review(label, (&patch, patch_is_cut), run, |review| {
            expert_prompt(&ExpertTask {
                call: &call,
                review: review.clone(),
                repaired,
            })
        }))
    }

    fn prompt_about_plan(&self, judge: Judge, label: &str, run: &Run) -> Result<String, Failed> {
        let missing = |what| Failed::new(BlockerCode::TreeMismatch, what);
        let base = run.base().ok_or_else(|| missing("the run has no base"))?;
        let plan = run.sound_plan().ok_or_else(|| missing("the run has no plan"))?;
        let tree = self
            .repository
            .commit_tree_id(base)
            .map_err(|error| Failed::of(&error))?;
        self.bring_review_to(base, tree)?;
        Ok(expert_plan_prompt(&ExpertPlanTask {
            judge,
            ticket: &self.plan.ticket,
            label,
            plan,
            checks: &self.named_checks(),
            forbidden: &self.forbidden(),
            specs: self.plan.specs.as_ref(),
            instructions: self.plan.instructions.reviewer.as_deref(),
            steering: &self.plan.instructions.steering,
        }))
    }

    /// What the end of an expert's turn shows. As with a reviewer, nothing may have changed in the place that it reads.
    pub(super) fn end_of_expert(
        &self,
        judge: Judge,
        subject: ExpertSubject,
        label: &str,
    ) -> impl FnOnce(TurnEnd) -> Result<Observation, Failed> + Send + use<> {
        let (plan, repository, places) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.repository),
            self.places.clone(),
        );
        let label = label.to_owned();
        move |end| {
            let (tokens, thread) = (end.tokens, end.thread);
            let end = match end.outcome {
                TurnOutcome::Completed { answer } => match ExpertReview::parse(&answer, &label, &subject) {
                    Ok(review) => {
                        unchanged_by_reader(&places, &plan, &repository, "the turn of an expert")?;
                        let passes = review.passes(plan.policy.review.block_on);
                        ExpertEnd::Answered { review, passes }
                    }
                    Err(error) => ExpertEnd::InvalidAnswer {
                        reason: error.to_string(),
                    },
                },
                TurnOutcome::Interrupted => ExpertEnd::Interrupted,
                TurnOutcome::Failed(failure) => ExpertEnd::Failed { failure },
            };
            Ok(Observation::ExpertEnded {
                judge,
                subject,
                end,
                tokens,
                thread,
            })
        }
    }
}
