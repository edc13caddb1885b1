//! The rounds of a run, in the form in which people read them.

use ledger_core::{RoundTask, Run};
use serde::Serialize;

/// A round, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoundReport {
    /// Counted from 1 in the run.
    pub n: u32,
    /// What was to be done.
    pub task: RoundTask,
    /// The tree that came of it, which is kept; none where its checks did not run.
    pub tree: Option<String>,
    /// The checks that failed on it.
    pub failed: Vec<String>,
}

impl RoundReport {
    /// What came of it, in words.
    pub fn outcome(&self) -> String {
        match (&self.tree, self.failed.as_slice()) {
            (None, _) => "its checks did not run".to_owned(),
            (Some(tree), []) => format!("tree {tree}, every check passed"),
            (Some(tree), failed) => format!("tree {tree}, these checks failed: {}", failed.join(", ")),
        }
    }
}

pub(crate) fn round_reports(run: &Run) -> Vec<RoundReport> {
    let rounds = run.rounds().iter();
    let report = |round: &ledger_core::Round| RoundReport {
        n: round.n,
        task: round.task.clone(),
        tree: round.tree.map(|tree| tree.to_string()),
        failed: round
            .results
            .iter()
            .filter(|result| !result.passed())
            .map(|result| result.name.clone())
            .collect(),
    };
    rounds.map(report).collect()
}
