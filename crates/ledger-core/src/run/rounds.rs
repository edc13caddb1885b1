//! Rounds: what an advisor asked for, and what came of it.

use super::{EndedReader, Run};
use crate::advice::{AdviceNext, RoundTask};
use crate::event::ResumeCause;
use crate::evidence::CheckResult;
use crate::object::TreeId;
use crate::reader_end::JudgedAdvice;

/// A round: one task, one turn of the worker, and what the checks then showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Counted from 1 in the run.
    pub n: u32,
    /// What was to be done.
    pub task: RoundTask,
    /// The tree that came of it, once its checks ran: the checkpoint.
    pub tree: Option<TreeId>,
    /// What the checks showed on it.
    pub results: Vec<CheckResult>,
}

/// An advisor's turn that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAdvice {
    /// The tree that it was about.
    pub tree: TreeId,
    /// The advisor's turn.
    pub turn: EndedReader<JudgedAdvice>,
}

impl Run {
    /// The rounds that were begun, in order.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// The last advice that was asked for on the tree that the run stands on, once it ended.
    pub fn advice(&self) -> Option<&EndedAdvice> {
        self.advice.as_ref()
    }

    /// How often advice was asked for in a row without one that could be followed.
    pub fn failed_advice(&self) -> u32 {
        self.failed_advice
    }

    /// The round that the iteration under way belongs to; none before the first and once the advisor has said that all is done.
    pub fn round(&self) -> Option<&Round> {
        let n = self.attempt.as_ref()?.round?;
        self.rounds.iter().find(|round| round.n == n)
    }

    /// What the checks showed where the last round before this began: on the checkpoint, or on the base.
    pub fn checkpoint(&self) -> &[CheckResult] {
        let n = self.attempt.as_ref().and_then(|attempt| attempt.round);
        let mut before = self.rounds.iter().rev().filter(|round| Some(round.n) != n);
        match before.find(|round| round.tree.is_some()) {
            Some(round) => &round.results,
            None => self.baseline.as_deref().unwrap_or_default(),
        }
    }

    /// The tree that advice is to be about now; none where it is not the time.
    pub(super) fn tree_to_advise(&self) -> Option<TreeId> {
        let round = self.round()?;
        round.tree.filter(|tree| self.tree() == Some(*tree))
    }

    /// Whether the advisor has said, about the tree that the run stands on, that all is done, and the checks pass there.
    pub(super) fn is_done_as_advised(&self) -> bool {
        let Some(round) = self.round() else { return true };
        let advice = self.advice.as_ref().filter(|ended| Some(ended.tree) == self.tree());
        let said = advice.and_then(|ended| ended.turn.end.answer());
        said.is_some_and(|said| said.advice.next == AdviceNext::Done) && round.results.iter().all(CheckResult::passed)
    }

    /// Whether this task is what the advisor asked for last, and nothing about it is forbidden.
    pub(super) fn is_advised(&self, task: &RoundTask) -> bool {
        let said = self.advice.as_ref().and_then(|ended| ended.turn.end.answer());
        said.is_some_and(|said| said.violations.is_empty() && said.advice.task().as_ref() == Some(task))
    }

    /// Where there is no turn, the end is nobody's fault, and it is asked again.
    pub(super) fn advice_ended(&mut self, tree: TreeId, turn: Option<EndedReader<JudgedAdvice>>) {
        self.failed_advice += u32::from(turn.is_some());
        self.advice = turn.map(|turn| EndedAdvice { tree, turn });
    }

    /// Drops advice that nothing can come of, when a runner takes the run up.
    pub(super) fn resume_advice(&mut self, after: ResumeCause) {
        let writer = self.writer.as_ref();
        if !self
            .advice
            .as_ref()
            .is_some_and(|ended| ended.turn.is_useful(after, writer))
        {
            self.advice = None;
            self.failed_advice = 0;
        }
    }

    /// What the checks showed after the turn of a round.
    pub(super) fn checkpoint_reached(&mut self, tree: TreeId, results: &[CheckResult]) {
        let Some(n) = self.attempt.as_ref().and_then(|attempt| attempt.round) else {
            return;
        };
        if let Some(round) = self.rounds.iter_mut().find(|round| round.n == n) {
            round.tree = Some(tree);
            round.results = results.to_vec();
        }
        self.advice = None;
        self.failed_advice = 0;
    }

    pub(super) fn begin_round(&mut self, n: u32, task: &RoundTask) {
        self.rounds.push(Round {
            n,
            task: task.clone(),
            tree: None,
            results: Vec::new(),
        });
        self.advice = None;
        self.failed_advice = 0;
    }
}
