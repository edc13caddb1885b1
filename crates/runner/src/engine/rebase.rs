//! Bringing a change onto a target that others moved while it was made.

use std::sync::Arc;

use git_delivery::{Merge, Patience, Repository};
use ledger_core::{BlockerCode, CommitId, Observation, RepoPath, Run, TreeId};
use policy::Policy;

use super::consent::pinned;
use super::{Engine, Failed, RunPlan, ticket_folder};
use crate::rescue::listed;
use crate::target::{LONGEST_TRANSFER, remote_code};

impl Engine {
    pub(super) fn rebase(&mut self, seq: u64, onto: CommitId, run: &Run) {
        let (plan, repository) = (Arc::clone(&self.plan), Arc::clone(&self.repository));
        let run = run.clone();
        self.with_patience(seq, Patience::of(LONGEST_TRANSFER), move |patience| {
            fetch(&repository, &run, onto, patience)?;
            carry(&plan, &repository, seq, onto, &run)
        });
    }
}

fn moved(reason: impl std::fmt::Display) -> Failed {
    Failed::new(BlockerCode::UpstreamMoved, reason)
}

/// Brings the commit here that the remote named. It may name another already.
fn fetch(repository: &Repository, run: &Run, onto: CommitId, patience: &Patience) -> Result<(), Failed> {
    let Some(target) = &run.opened().target else {
        return Err(moved("the run pushes nowhere"));
    };
    if !repository.has_object(onto.0) {
        let fetched = repository.fetch_branch(&target.remote, &target.name, patience);
        fetched.map_err(|error| Failed::new(remote_code(&error), Failed::of(&error).reason))?;
    }
    if !repository.has_object(onto.0) {
        return Err(moved(format!("`{target}` was {} and is not any more", onto.short())));
    }
    Ok(())
}

fn carry(plan: &RunPlan, repository: &Repository, seq: u64, onto: CommitId, run: &Run) -> Result<Observation, Failed> {
    let (Some(base), Some(tree)) = (run.base(), run.tree()) else {
        return Err(Failed::new(BlockerCode::TreeMismatch, "the run stands on no tree"));
    };
    let failed = |error: &(dyn std::error::Error + 'static)| Failed::of(error);
    if !repository.is_ancestor(base, onto).map_err(|error| failed(&error))? {
        let reason = format!(
            "the target was written anew: {} does not go on from {}",
            onto.short(),
            base.short()
        );
        return Err(moved(reason));
    }
    let before = repository.commit_tree_id(base).map_err(|error| failed(&error))?;
    let after = repository.commit_tree_id(onto).map_err(|error| failed(&error))?;
    if let Some(path) = changed_consent(plan, repository, run, before, after)? {
        return Err(moved(format!(
            "`{path}` changed in the target, and the run was started from it"
        )));
    }
    if let Some(specs) = &plan.specs
        && let Some(overtaken) = specs
            .overtaken_between(repository, before, after)
            .map_err(|error| failed(&error))?
    {
        let (requirement, path) = (&overtaken.requirement, &overtaken.path);
        let reason = format!(
            "`{requirement}` in `{path}` changed in the target, and the delta would overwrite that: look at what it \
             says now, mend the delta where it matters, and approve the ticket again"
        );
        return Err(Failed::new(BlockerCode::SpecConflict, reason));
    }
    // Lines that both changed are nobody's to choose between. What is merged is checked and reviewed as what it has become.
    let carried = match repository
        .carry_merging(before, tree, after)
        .map_err(|error| failed(&error))?
    {
        Merge::Clean { tree } => tree,
        Merge::Conflict { paths } => {
            let reason = format!("the target and the change both changed {}", listed(&paths));
            return Err(moved(reason));
        }
    };
    for (name, object) in [
        (format!("base-{}", onto.short()), onto.0),
        (format!("rebased-{seq}"), carried.0),
    ] {
        repository
            .anchor(&plan.run, &name, object)
            .map_err(|error| failed(&error))?;
    }
    let now = repository
        .tree_changes(after, carried)
        .map_err(|error| failed(&error))?;
    let then = repository.tree_changes(before, tree).map_err(|error| failed(&error))?;
    if now.is_empty() && !then.is_empty() {
        return Err(moved("the target has the same change already"));
    }
    Ok(Observation::Rebased {
        onto,
        base_tree: after,
        tree: carried,
        // An answer was judged by the old base, and has to be judged by this one.
        same_change: now == then && !then.is_empty(),
    })
}

/// The first of the files that the run was started from which is another in the target: what a person consented to is frozen.
fn changed_consent(
    plan: &RunPlan,
    repository: &Repository,
    run: &Run,
    before: TreeId,
    after: TreeId,
) -> Result<Option<RepoPath>, Failed> {
    let lock = run.source_lock();
    let locked = lock.into_iter().flat_map(|lock| {
        lock.files
            .iter()
            .chain([&lock.approval])
            .chain(&lock.prompts)
            .chain(&lock.steering)
    });
    let mut paths: Vec<RepoPath> = locked.map(|file| file.path.clone()).collect();
    if let Some(lock) = lock {
        paths.extend(pinned(plan, repository, lock)?.into_iter().map(|file| file.path));
    }
    let folder = ticket_folder(plan);
    for path in [
        Policy::FILE_NAME.to_owned(),
        format!("{folder}/canceled.toml"),
        format!("{folder}/result.md"),
    ] {
        paths.extend(path.parse::<RepoPath>());
    }
    for path in paths {
        let at = |tree| repository.entry_at(tree, &path).map_err(|error| Failed::of(&error));
        if at(before)? != at(after)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
