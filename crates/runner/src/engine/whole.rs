//! The whole that a parent brings together: what its children changed, which its own change set has nothing of.

use git_delivery::Repository;
use ledger_core::{ChangeSet, CommitId, Run, TreeId};

use super::Failed;

/// From where the whole of a parent is looked at; none for every other ticket.
pub(super) fn began(run: &Run) -> Option<CommitId> {
    run.discovery().and_then(|found| found.since)
}

/// Everything that differs between this commit and the tree.
pub(super) fn whole(repository: &Repository, since: CommitId, tree: TreeId) -> Result<ChangeSet, Failed> {
    let before = repository.commit_tree_id(since).map_err(|error| Failed::of(&error))?;
    let changes = repository
        .tree_changes(before, tree)
        .map_err(|error| Failed::of(&error))?;
    Ok(ChangeSet {
        base: since,
        tree,
        changes,
    })
}
