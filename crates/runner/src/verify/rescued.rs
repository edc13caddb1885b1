//! Whether a run began with what an earlier one left, and with nothing else.

use std::collections::BTreeMap;

use git_delivery::ObjectError;
use ledger_core::{CommitId, Rescued, Run};

use super::{Verified, Verifier};
use crate::run_history::{HistoryError, read_run};

impl Verifier<'_> {
    pub(super) fn rescued(&mut self, run: &Run) {
        const WHAT: &str = "what the run began with";
        let opened = run.opened();
        let (Some(rescued), Some(base)) = (&opened.rescued, run.discovery().map(|discovery| discovery.base)) else {
            return;
        };
        let earlier = match read_run(self.repository, self.roots, &opened.ticket, Some(&rescued.run)) {
            Ok(earlier) => earlier.run,
            Err(HistoryError::UnknownRun { .. }) => {
                let detail = format!("run {} is not in this clone", rescued.run);
                return self.add(WHAT, Verified::Information, detail);
            }
            Err(error) => return self.differs(WHAT, error.to_string()),
        };
        let before = earlier.base();
        let is_left = earlier.kept_tree() == Some(rescued.left);
        match before
            .filter(|_| is_left)
            .map(|before| self.is_carried(rescued, before, base))
        {
            None => self.differs(WHAT, format!("run {} left another tree", rescued.run)),
            Some(Ok(true)) => self.matches(WHAT, format!("the change that run {} left", rescued.run)),
            Some(Ok(false)) => self.differs(WHAT, format!("not the change that run {} left", rescued.run)),
            Some(Err(error)) => self.differs(WHAT, error.to_string()),
        }
    }

    /// Whether the tree is the new base with the change that the earlier run left on its own.
    fn is_carried(&self, rescued: &Rescued, before: CommitId, base: CommitId) -> Result<bool, ObjectError> {
        let repository = self.repository;
        let left = repository.tree_changes(repository.commit_tree_id(before)?, rescued.left)?;
        let left: BTreeMap<_, _> = left.into_iter().map(|change| (change.path, change.after)).collect();
        for (path, after) in &left {
            if repository.entry_at(rescued.tree, path)? != *after {
                return Ok(false);
            }
        }
        repository.tree_differs_only_in(repository.commit_tree_id(base)?, rescued.tree, |path| {
            left.contains_key(path)
        })
    }
}
