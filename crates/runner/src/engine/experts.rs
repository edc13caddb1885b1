//! An expert's turn.

use ledger_core::{BlockerCode, ExpertReview, ExpertSubject, Judge, JudgedExpertReview, Observation, Run, TreeId};

use super::reading::SeenEnd;
use super::{Engine, Failed};
use crate::agent::Role;
use crate::prompt::{ExpertPlanTask, ExpertTask, expert_plan_prompt, expert_prompt};

impl Engine {
    /// The expert sees exactly what it judges: the tree, or the base that the plan is about.
    pub(super) fn ask_expert(&mut self, seq: u64, judge: Judge, subject: ExpertSubject, label: &str, run: &Run) {
        let refused = run.expert(judge, &subject).and_then(|last| last.turn.end.refused_for());
        let prompt = match subject {
            ExpertSubject::Plan { .. } => self.prompt_about_plan(judge, label, refused, run),
            ExpertSubject::Tree { tree } => self.prompt_about_tree(judge, tree, label, refused, run),
        };
        let end = self.end_of_expert(judge, subject, label);
        self.read(seq, Role::Expert, label, prompt, self.given(Role::Expert, run), end);
    }

    fn prompt_about_tree(
        &self,
        judge: Judge,
        tree: TreeId,
        label: &str,
        refused: Option<&str>,
        run: &Run,
    ) -> Result<String, Failed> {
        let uncalled = || Failed::new(BlockerCode::ReviewFailed, "nothing calls for this expert");
        let call = run.expert_calls().into_iter().find(|call| call.judge == judge);
        let call = call.ok_or_else(uncalled)?;
        let (patch, patch_is_cut) = self.show_to_reader(tree, run)?;
        Ok(self.with_review(label, (&patch, patch_is_cut), refused, run, |review| {
            expert_prompt(&ExpertTask {
                call: &call,
                review: review.clone(),
            })
        }))
    }

    fn prompt_about_plan(&self, judge: Judge, label: &str, refused: Option<&str>, run: &Run) -> Result<String, Failed> {
        let missing = || Failed::new(BlockerCode::TreeMismatch, "the run has no plan");
        let plan = run.sound_plan().ok_or_else(missing)?;
        self.show_base(run)?;
        Ok(expert_plan_prompt(&ExpertPlanTask {
            judge,
            ticket: &self.plan.ticket,
            label,
            plan,
            refused,
            checks: &self.named_checks(),
            forbidden: &self.forbidden(),
            specs: self.plan.specs.as_ref(),
            instructions: self.plan.instructions.reviewer.as_deref(),
            steering: &self.plan.instructions.steering,
        }))
    }

    /// What the end of an expert's turn shows.
    pub(super) fn end_of_expert(&self, judge: Judge, subject: ExpertSubject, label: &str) -> SeenEnd {
        self.end_of_reading(
            label,
            "the turn of an expert",
            move |answer, label| ExpertReview::parse(answer, label, &subject),
            |review, plan, _| {
                let passes = review.passes(plan.policy.review.block_on);
                Ok(JudgedExpertReview { review, passes })
            },
            move |end, tokens, thread| Observation::ExpertEnded {
                judge,
                subject,
                end,
                tokens,
                thread,
            },
        )
    }
}
