//! The advisor's turn.

use std::sync::Arc;

use ledger_core::{Advice, AdviceEnd, BlockerCode, Event, Observation, Run, TreeId};
use policy::{ScopeRules, task_violations};

use super::turns::unchanged_by_reader;
use super::{Engine, Failed};
use crate::agent::{Role, TurnEnd, TurnOutcome};
use crate::prompt::{AdviceTask, advice_prompt};

impl Engine {
    /// The advisor sees the tree as it is now: the base before the first round, later what the last one left.
    pub(super) fn take_advice(&mut self, seq: u64, tree: TreeId, label: &str, run: &Run) {
        let base = run.base();
        let base = base.ok_or_else(|| Failed::new(BlockerCode::TreeMismatch, "the run has no base"));
        if let Err(failed) = base.and_then(|base| self.bring_review_to(base, tree)) {
            let observation = failed.observation();
            let _ = self.sender.send(Event::Observed { of: seq, observation });
            return;
        }
        let last = run.advice().filter(|ended| ended.tree == tree);
        let checked = run.attempt().and_then(|attempt| attempt.checked.as_ref());
        let prompt = advice_prompt(&AdviceTask {
            ticket: &self.plan.ticket,
            label,
            plan: run.followed_plan(),
            rounds: run.rounds(),
            max_rounds: run.opened().max_rounds.unwrap_or_default(),
            results: match checked {
                Some(checked) => &checked.results,
                None => run.baseline().unwrap_or_default(),
            },
            checks: &self.named_checks(),
            last: last.map(|ended| &ended.end),
            forbidden: &self.forbidden(),
            specs: self.plan.specs.as_ref(),
            instructions: self.plan.instructions.reviewer.as_deref(),
            steering: &self.plan.instructions.steering,
        });
        let request = self.request(Role::Advisor, label, prompt);
        self.forward(seq, request, self.given(run), self.end_of_advice(tree, label));
    }

    /// What the end of an advisor's turn shows.
    pub(super) fn end_of_advice(
        &self,
        tree: TreeId,
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
                TurnOutcome::Completed { answer } => match Advice::parse(&answer, &label) {
                    Ok(advice) => {
                        unchanged_by_reader(&places, &plan, &repository, "the turn of the advisor")?;
                        let rules = ScopeRules::new(&plan.policy, &plan.ticket.file)
                            .map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))?;
                        let violations = advice.task().map(|task| task_violations(&task, &rules));
                        AdviceEnd::Answered {
                            advice,
                            violations: violations.unwrap_or_default(),
                        }
                    }
                    Err(error) => AdviceEnd::InvalidAnswer {
                        reason: error.to_string(),
                    },
                },
                TurnOutcome::Interrupted => AdviceEnd::Interrupted,
                TurnOutcome::Failed(failure) => AdviceEnd::Failed { failure },
            };
            Ok(Observation::AdviceEnded {
                tree,
                end,
                tokens,
                thread,
            })
        }
    }
}
