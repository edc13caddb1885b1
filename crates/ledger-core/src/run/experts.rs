//! Whom a run asks beside the reviewer, and what they said.

use std::collections::BTreeMap;

use super::{EndedPlan, EndedReader, Run};
use crate::expert::{ExpertCall, ExpertField, ExpertSubject, ExpertVerdict, Judge, Recommendation};
use crate::id::ThreadId;
use crate::object::TreeId;
use crate::plan::Plan;
use crate::reader_end::JudgedExpertReview;
use crate::review::Finding;

/// An expert's turn that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedExpert {
    /// What was judged.
    pub subject: ExpertSubject,
    /// The expert's turn.
    pub turn: EndedReader<JudgedExpertReview>,
    /// Turns about the same in a row that ended without a valid answer.
    pub failed: u32,
    /// The tree that the expert saw, where the same change was brought onto another base since.
    pub carried_from: Option<TreeId>,
}

impl Run {
    /// Whom the run asks about its change, in their order: those that the ticket names, those that the change calls for, and those who
    /// have refused an earlier tree of the run, whatever the change is now. Nobody where the run goes without reviews.
    pub fn expert_calls(&self) -> Vec<ExpertCall> {
        if !self.opened.review {
            return Vec::new();
        }
        let mut calls = BTreeMap::new();
        let measured = self.attempt.as_ref().and_then(|attempt| attempt.measured.as_ref());
        for call in measured.iter().flat_map(|measured| &measured.experts) {
            calls.entry(call.judge).or_insert_with(|| call.clone());
        }
        let binding = |judge, trigger: &str| ExpertCall {
            judge,
            trigger: trigger.to_owned(),
            path: None,
            is_advisory: false,
        };
        for judge in &self.unsatisfied {
            let call = binding(*judge, "it refused an earlier tree of this run");
            calls.entry(*judge).or_insert(call).is_advisory = false;
        }
        for field in &self.opened.experts {
            let judge = Judge::from(*field);
            calls.insert(judge, binding(judge, "the ticket names it"));
        }
        calls.into_values().collect()
    }

    /// What somebody last said of the change, or of the plan, once that turn ended.
    pub fn expert(&self, judge: Judge, subject: &ExpertSubject) -> Option<&EndedExpert> {
        let ended = match subject {
            ExpertSubject::Plan { .. } => self.plan_experts.get(&judge),
            ExpertSubject::Tree { .. } => self.attempt.as_ref()?.experts.get(&judge),
        };
        ended.filter(|ended| ended.subject == *subject)
    }

    /// What those said of the tree that the run stands on whom it has asked, in their order.
    pub fn expert_verdicts(&self) -> Vec<ExpertVerdict> {
        let Some(subject) = self.tree().map(|tree| ExpertSubject::Tree { tree }) else {
            return Vec::new();
        };
        let verdict = |call: ExpertCall| {
            let ended = self.expert(call.judge, &subject)?;
            if ended.turn.interrupted_for.is_some() {
                return None;
            }
            let said = ended.turn.end.answer()?;
            Some(ExpertVerdict {
                judge: call.judge,
                thread: ended.turn.thread.clone()?,
                recommendation: said.review.recommendation,
                passes: said.passes,
                is_advisory: call.is_advisory,
                carried_from: ended.carried_from,
            })
        };
        self.expert_calls().into_iter().filter_map(verdict).collect()
    }

    /// What those have found who do not let the tree pass that the run stands on, in their order.
    pub fn expert_findings(&self) -> Vec<Finding> {
        let Some(subject) = self.tree().map(|tree| ExpertSubject::Tree { tree }) else {
            return Vec::new();
        };
        let verdicts = self.expert_verdicts();
        let refusing = verdicts
            .iter()
            .filter(|verdict| !verdict.passes && !verdict.is_advisory);
        refusing
            .filter_map(|verdict| self.expert(verdict.judge, &subject)?.turn.end.answer())
            .flat_map(|said| said.review.to_repair())
            .collect()
    }

    /// The first whose word the tree needs that the run stands on, and who has not let it pass.
    pub(super) fn missing_expert(&self) -> Option<Judge> {
        let verdicts = self.expert_verdicts();
        let has_passed = |judge| verdicts.iter().any(|verdict| verdict.judge == judge && verdict.passes);
        let calls = self.expert_calls();
        let mut binding = calls.iter().filter(|call| !call.is_advisory);
        binding.find(|call| !has_passed(call.judge)).map(|call| call.judge)
    }

    /// Whose word a plan needs before it is followed, in their order.
    pub fn plan_experts(&self) -> &[ExpertField] {
        let asked = self.opened.plan && self.opened.mode.discipline().needs_experts;
        if asked { &self.opened.experts } else { &[] }
    }

    /// The last plan, where it fits the ticket: what experts judge before the first edit.
    pub fn sound_plan(&self) -> Option<&Plan> {
        self.plan.as_ref().and_then(EndedPlan::sound)
    }

    /// The same, as what an expert is asked about.
    pub fn plan_to_judge(&self) -> Option<ExpertSubject> {
        let plan = self.sound_plan()?.digest();
        Some(ExpertSubject::Plan { plan })
    }

    /// Whether all whose word the last plan needs let it proceed.
    pub(super) fn plan_may_proceed(&self) -> bool {
        let Some(subject) = self.plan_to_judge() else {
            return false;
        };
        self.plan_experts().iter().all(|field| {
            let ended = self.expert(Judge::from(*field), &subject);
            ended.is_some_and(|EndedExpert { turn, .. }| {
                let whole = turn.thread.is_some() && turn.interrupted_for.is_none();
                whole && turn.end.answer().is_some_and(|said| said.passes)
            })
        })
    }

    /// Whether an expert wants the last plan to be made anew. One that wants the run to stop does not.
    pub fn plan_is_refused(&self) -> bool {
        let Some(subject) = self.plan_to_judge() else {
            return false;
        };
        self.plan_experts().iter().any(|field| {
            let ended = self.expert(Judge::from(*field), &subject);
            let said = ended.and_then(|ended| ended.turn.end.answer());
            said.is_some_and(|said| !said.passes && said.review.recommendation != Recommendation::Stop)
        })
    }

    /// What the experts have found in the last plan, who do not let it proceed.
    pub fn plan_findings(&self) -> Vec<(Judge, Vec<Finding>)> {
        let refused = self.plan_experts.iter().filter_map(|(judge, ended)| {
            let said = ended.turn.end.answer().filter(|said| !said.passes)?;
            Some((*judge, said.review.to_repair()))
        });
        refused.collect()
    }

    /// Whether a conversation is somebody else's than this expert's: its word would not be its own.
    pub fn is_taken(&self, thread: &ThreadId, judge: Judge, subject: &ExpertSubject) -> bool {
        let others = match subject {
            ExpertSubject::Plan { .. } => Some(&self.plan_experts),
            ExpertSubject::Tree { .. } => self.attempt.as_ref().map(|attempt| &attempt.experts),
        };
        let of_others = others.into_iter().flatten().filter(|(other, _)| **other != judge);
        let reviewer = self.attempt.as_ref().and_then(|attempt| attempt.review.as_ref());
        let planner = self.plan.as_ref().and_then(|plan| plan.thread.as_ref());
        let mut taken = of_others
            .filter_map(|(_, ended)| ended.turn.thread.as_ref())
            .chain(self.writer.as_ref())
            .chain(reviewer.and_then(|review| review.turn.thread.as_ref()))
            .chain(planner);
        taken.any(|other| other == thread)
    }

    /// Whether the review, or an expert, has refused the tree that the run stands on.
    pub(super) fn is_refused(&self) -> bool {
        let review = self.attempt.as_ref().and_then(|attempt| attempt.review.as_ref());
        let said = review.and_then(|review| review.turn.end.answer());
        said.is_some_and(|said| !said.passes) || !self.expert_findings().is_empty()
    }

    /// Where there is no turn, the end is nobody's fault, and it is asked again.
    pub(super) fn expert_ended(
        &mut self,
        judge: Judge,
        subject: ExpertSubject,
        turn: Option<EndedReader<JudgedExpertReview>>,
    ) {
        let of_tree = self.attempt.as_mut().map(|attempt| &mut attempt.experts);
        let experts = match subject {
            ExpertSubject::Plan { .. } => &mut self.plan_experts,
            ExpertSubject::Tree { .. } => match of_tree {
                Some(experts) => experts,
                None => return,
            },
        };
        let before = experts.remove(&judge);
        let Some(turn) = turn else { return };
        let tries = before
            .filter(|before| before.subject == subject)
            .map_or(0, |before| before.failed);
        let ended = EndedExpert {
            subject,
            failed: tries + u32::from(turn.is_failed()),
            turn,
            carried_from: None,
        };
        experts.insert(judge, ended);
    }

    /// What was said in somebody else's conversation is asked for again.
    pub(super) fn drop_borrowed_words(&mut self) {
        let experts = self.attempt.as_ref().map(|attempt| &attempt.experts);
        let both = experts.into_iter().flatten().chain(&self.plan_experts);
        let borrowed: Vec<_> = both
            .filter(|(judge, ended)| {
                let thread = ended.turn.thread.as_ref();
                ended.turn.interrupted_for.is_none()
                    && thread.is_some_and(|thread| self.is_taken(thread, **judge, &ended.subject))
            })
            .map(|(judge, ended)| (*judge, ended.subject))
            .collect();
        for (judge, subject) in borrowed {
            match (subject, &mut self.attempt) {
                (ExpertSubject::Plan { .. }, _) => self.plan_experts.remove(&judge),
                (ExpertSubject::Tree { .. }, Some(attempt)) => attempt.experts.remove(&judge),
                (ExpertSubject::Tree { .. }, None) => None,
            };
        }
    }

    /// Who has refused the tree that a repair begins from is asked about every later one.
    pub(super) fn remember_refusals(&mut self) {
        let verdicts = self.expert_verdicts();
        let refused = verdicts
            .iter()
            .filter(|verdict| !verdict.passes && !verdict.is_advisory);
        self.unsatisfied.extend(refused.map(|verdict| verdict.judge));
    }
}

impl EndedExpert {
    /// Where the same change was brought onto another base, it was judged there too.
    pub(super) fn carry(&mut self, to: TreeId) {
        if let ExpertSubject::Tree { tree } = &mut self.subject {
            self.carried_from.get_or_insert(*tree);
            *tree = to;
        }
    }
}
