//! Whether the consent that a run was started with still stands.

use std::path::Path;
use std::sync::Arc;

use git_delivery::{Head, Repository};
use ledger_core::{
    BlockerCode, Cancellation, CommitId, Consent, CoveredFile, Digest, Discovery, MAX_DOCUMENT_BYTES, Observation,
    RepoPath, Run, SourceLock, TreeId,
};

use super::{Engine, Failed, RunPlan, ticket_folder};
use crate::beneath::{Seen, look_beneath};
use crate::packages::{is_as_pinned, pinned_files};
use crate::specs::{approval_of, overtaken_in};

impl Engine {
    /// Looks at the covered files where the person who gave the consent would change them: in the work tree, and on the
    /// branch where the run was started.
    pub(super) fn confirm_consent(&mut self, seq: u64, run: &Run) {
        let (plan, repository) = (Arc::clone(&self.plan), Arc::clone(&self.repository));
        let lock = run.source_lock().cloned();
        let discovery = run.discovery().cloned();
        self.blocking(seq, move || {
            let lock =
                lock.ok_or_else(|| Failed::new(BlockerCode::SourceLockMismatch, "the run has no source lock"))?;
            Ok(Observation::ConsentSeen {
                consent: look(&plan, &repository, &lock, discovery.as_ref())?,
            })
        });
    }
}

fn look(
    plan: &RunPlan,
    repository: &Repository,
    lock: &SourceLock,
    discovery: Option<&Discovery>,
) -> Result<Consent, Failed> {
    let canceled = format!("{}/canceled.toml", ticket_folder(plan));
    let canceled: RepoPath = canceled.parse().map_err(|error| Failed::of(&error))?;
    let in_work_tree = |path: &RepoPath| in_work_tree(repository.work_dir(), path);
    match in_work_tree(&canceled)? {
        Seen::Nothing => {}
        seen => return Ok(consent_canceled(&seen)),
    }
    let pinned = pinned(plan, repository, lock)?;
    let all = || lock.files.iter().chain([&lock.approval]).chain(&pinned);
    for file in all() {
        let is_as_approved = match in_work_tree(&file.path)? {
            // That it is not there says nothing: another branch may be checked out. The branch below tells.
            Seen::Nothing => true,
            Seen::File(bytes) => Digest::of(&bytes) == file.sha256,
            Seen::Other => false,
        };
        if !is_as_approved {
            return Ok(Consent::Changed {
                path: file.path.clone(),
            });
        }
    }
    let Some(tip) = discovery.map_or(Ok(None), |discovery| tip(repository, discovery))? else {
        return Ok(Consent::Current);
    };
    let tree = repository.commit_tree_id(tip).map_err(|error| Failed::of(&error))?;
    match in_tree(repository, tree, &canceled)? {
        Seen::Nothing => {}
        seen => return Ok(consent_canceled(&seen)),
    }
    let changed = |file: &CoveredFile| Consent::Changed {
        path: file.path.clone(),
    };
    for file in lock.files.iter().chain([&lock.approval]) {
        let side = repository
            .entry_at(tree, &file.path)
            .map_err(|error| Failed::of(&error))?;
        // Also one that is gone from there, and a link whose target reads like it.
        if side.is_none_or(|side| !side.mode.is_file() || side.id != file.blob) {
            return Ok(changed(file));
        }
    }
    for file in pinned.iter().filter(|file| !lock.files.contains(file)) {
        let ledger = plan.policy.ledger.dir.path();
        if !is_as_pinned(repository, tree, ledger, file).map_err(|error| Failed::of(&error))? {
            return Ok(changed(file));
        }
    }
    let approval =
        approval_of(repository, lock).map_err(|error| Failed::new(BlockerCode::SourceLockMismatch, error))?;
    let overtaken = overtaken_in(repository, tree, &approval.replaces).map_err(|error| Failed::of(&error))?;
    if let Some(overtaken) = overtaken.into_iter().next() {
        return Ok(Consent::Changed { path: overtaken.path });
    }
    Ok(Consent::Current)
}

/// The files of the other tickets of its package, which the person agreed to with the package.
pub(super) fn pinned(plan: &RunPlan, repository: &Repository, lock: &SourceLock) -> Result<Vec<CoveredFile>, Failed> {
    let (ticket, package) = (&plan.ticket.id, plan.ticket.file.package.as_ref());
    let pinned = pinned_files(repository, lock, ticket, package);
    pinned.map_err(|error| Failed::new(BlockerCode::SourceLockMismatch, error))
}

/// Where the person would commit a change of mind: the branch where the run was started; for a run that was started without
/// a branch what is checked out, as long as that is no branch and goes on from the base. A branch that is gone says nothing.
fn tip(repository: &Repository, discovery: &Discovery) -> Result<Option<CommitId>, Failed> {
    if let Some(branch) = discovery.started_on() {
        let tip = repository.resolve(branch).map_err(|error| Failed::of(&error))?;
        return Ok(tip.map(CommitId));
    }
    match repository.head().map_err(|error| Failed::of(&error))? {
        Head::Detached { commit } => {
            let goes_on = repository.is_ancestor(discovery.base, commit);
            Ok(goes_on.map_err(|error| Failed::of(&error))?.then_some(commit))
        }
        Head::Branch { .. } | Head::Unborn { .. } => Ok(None),
    }
}

/// Whatever the file says, and whatever it is, that it is there cancels the ticket.
fn consent_canceled(seen: &Seen) -> Consent {
    let read = match seen {
        Seen::File(bytes) => Cancellation::parse(bytes).ok(),
        Seen::Nothing | Seen::Other => None,
    };
    match read {
        Some(cancellation) => Consent::Canceled {
            by: cancellation.by,
            reason: cancellation.reason,
        },
        None => Consent::Canceled {
            by: "unknown".to_owned(),
            reason: "canceled.toml cannot be read".to_owned(),
        },
    }
}

fn in_work_tree(root: &Path, path: &RepoPath) -> Result<Seen, Failed> {
    look_beneath(root, path).map_err(|problem| Failed::of(&problem))
}

fn in_tree(repository: &Repository, tree: TreeId, path: &RepoPath) -> Result<Seen, Failed> {
    let side = repository.entry_at(tree, path).map_err(|error| Failed::of(&error))?;
    let below = || {
        repository
            .list_tree(tree, Some(path))
            .map_err(|error| Failed::of(&error))
    };
    Ok(match side {
        None if below()?.is_empty() => Seen::Nothing,
        None => Seen::Other,
        Some(side) if side.mode.is_file() => repository
            .read_blob(side.id, MAX_DOCUMENT_BYTES as u64)
            .map_or(Seen::Other, Seen::File),
        Some(_) => Seen::Other,
    })
}
