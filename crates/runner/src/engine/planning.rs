//! The planner's turn.

use ledger_core::{JudgedPlan, Observation, Plan, Run};
use policy::plan_violations;

use super::reading::SeenEnd;
use super::{Engine, Failed, scope_of};
use crate::agent::Role;
use crate::prompt::{PlanTask, plan_prompt};

impl Engine {
    /// The planner sees the base, where nobody writes.
    pub(super) fn take_plan(&mut self, seq: u64, label: &str, run: &Run) {
        let prompt = self.prompt_for_plan(label, run);
        let given = self.given(Role::Planner, run);
        self.read(seq, Role::Planner, label, prompt, given, self.end_of_plan(label));
    }

    fn prompt_for_plan(&self, label: &str, run: &Run) -> Result<String, Failed> {
        self.show_base(run)?;
        Ok(plan_prompt(&PlanTask {
            ticket: &self.plan.ticket,
            label,
            checks: &self.named_checks(),
            forbidden: &self.forbidden(),
            specs: self.plan.specs.as_ref(),
            last: run.plan().map(|ended| &ended.end),
            found: &run.plan_findings(),
            instructions: self.plan.instructions.planner.as_deref(),
            steering: &self.plan.instructions.steering,
            hand_offs: &self.plan.hand_offs,
        }))
    }

    /// What the end of a planner's turn shows.
    pub(super) fn end_of_plan(&self, label: &str) -> SeenEnd {
        self.end_of_reading(
            label,
            "planning",
            Plan::parse,
            |plan, of, _| {
                let violations = plan_violations(&plan, &scope_of(of)?, &of.ticket.file.grants);
                Ok(JudgedPlan { plan, violations })
            },
            |end, tokens, thread| Observation::PlanEnded { end, tokens, thread },
        )
    }
}
