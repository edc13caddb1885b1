//! The planner's turn.

use std::sync::Arc;

use ledger_core::{BlockerCode, Event, Observation, Plan, PlanEnd, Run};
use policy::{ScopeRules, plan_violations};

use super::turns::unchanged_by_reader;
use super::{Engine, Failed};
use crate::agent::{Role, TurnEnd, TurnOutcome};
use crate::prompt::{PlanTask, plan_prompt};

impl Engine {
    /// The planner sees the base, where nobody writes.
    pub(super) fn take_plan(&mut self, seq: u64, label: &str, run: &Run) {
        let base = run.base();
        let base = base.ok_or_else(|| Failed::new(BlockerCode::TreeMismatch, "the run has no base"));
        let prepared = base.and_then(|base| {
            let tree = self.repository.commit_tree_id(base);
            let tree = tree.map_err(|error| Failed::of(&error))?;
            self.bring_review_to(base, tree)
        });
        if let Err(failed) = prepared {
            let observation = failed.observation();
            let _ = self.sender.send(Event::Observed { of: seq, observation });
            return;
        }
        let prompt = plan_prompt(&PlanTask {
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
        });
        let request = self.request(Role::Planner, label, prompt);
        self.forward(seq, request, self.given_with_hand_offs(run), self.end_of_plan(label));
    }

    /// What the end of a planner's turn shows.
    pub(super) fn end_of_plan(
        &self,
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
                TurnOutcome::Completed { answer } => match Plan::parse(&answer, &label) {
                    Ok(answered) => {
                        unchanged_by_reader(&places, &plan, &repository, "planning")?;
                        let rules = ScopeRules::new(&plan.policy, &plan.ticket.file)
                            .map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))?;
                        let violations = plan_violations(&answered, &rules);
                        PlanEnd::Answered {
                            plan: answered,
                            violations,
                        }
                    }
                    Err(error) => PlanEnd::InvalidAnswer {
                        reason: error.to_string(),
                    },
                },
                TurnOutcome::Interrupted => PlanEnd::Interrupted,
                TurnOutcome::Failed(failure) => PlanEnd::Failed { failure },
            };
            Ok(Observation::PlanEnded { end, tokens, thread })
        }
    }
}
