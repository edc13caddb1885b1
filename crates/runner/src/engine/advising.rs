//! The advisor's turn.

use ledger_core::{Advice, JudgedAdvice, Observation, Run, TreeId};
use policy::task_violations;

use super::reading::SeenEnd;
use super::{Engine, Failed, base_of, scope_of};
use crate::agent::Role;
use crate::prompt::{AdviceTask, advice_prompt};

impl Engine {
    /// The advisor sees the tree as it is now: the base before the first round, later what the last one left.
    pub(super) fn take_advice(&mut self, seq: u64, tree: TreeId, label: &str, run: &Run) {
        let prompt = self.prompt_for_advice(tree, label, run);
        let end = self.end_of_advice(tree, label);
        self.read(seq, Role::Advisor, label, prompt, self.given(Role::Advisor, run), end);
    }

    fn prompt_for_advice(&self, tree: TreeId, label: &str, run: &Run) -> Result<String, Failed> {
        self.bring_review_to(base_of(run)?, tree)?;
        let last = run.advice().filter(|ended| ended.tree == tree);
        let checked = run.attempt().and_then(|attempt| attempt.checked.as_ref());
        Ok(advice_prompt(&AdviceTask {
            ticket: &self.plan.ticket,
            label,
            plan: run.followed_plan(),
            rounds: run.rounds(),
            max_rounds: run.opened().max_rounds.unwrap_or_default(),
            questions: run.questions(),
            results: match checked {
                Some(checked) => &checked.results,
                None => run.baseline().unwrap_or_default(),
            },
            checks: &self.named_checks(),
            last: last.map(|ended| &ended.turn.end),
            forbidden: &self.forbidden(),
            specs: self.plan.specs.as_ref(),
            instructions: self.plan.instructions.reviewer.as_deref(),
            steering: &self.plan.instructions.steering,
        }))
    }

    /// What the end of an advisor's turn shows.
    pub(super) fn end_of_advice(&self, tree: TreeId, label: &str) -> SeenEnd {
        self.end_of_reading(
            label,
            "the turn of the advisor",
            Advice::parse,
            |advice, of, _| {
                let rules = scope_of(of)?;
                let violations = advice
                    .task()
                    .map(|task| task_violations(&task, &rules, &of.ticket.file.grants));
                Ok(JudgedAdvice {
                    advice,
                    violations: violations.unwrap_or_default(),
                })
            },
            move |end, tokens, thread| Observation::AdviceEnded {
                tree,
                end,
                tokens,
                thread,
            },
        )
    }
}
