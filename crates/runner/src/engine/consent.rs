//! Whether the consent that a run was started with still stands.

use std::path::Path;
use std::sync::Arc;

use git_delivery::{Head, Repository};
use ledger_core::{
    BlockerCode, Cancellation, CommitId, Consent, CoveredFile, Discovery, MAX_DOCUMENT_BYTES, Observation, Run,
    SourceLock,
};

use super::{Engine, Failed, RunPlan, ticket_folder};
use crate::packages::{is_as_pinned, pinned_files};

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
    let in_work_tree = |path: &str| read(&repository.work_dir().join(path));
    if let Some(bytes) = in_work_tree(&canceled)? {
        return Ok(consent_canceled(&bytes));
    }
    let pinned = pinned(plan, repository, lock)?;
    let all = || lock.files.iter().chain([&lock.approval]).chain(&pinned);
    for file in all() {
        let Some(path) = file.path.to_str() else { continue };
        // A file that is not there says nothing: another branch may be checked out. The branch below tells.
        if let Some(bytes) = in_work_tree(path)?
            && ledger_core::Digest::of(&bytes) != file.sha256
        {
            return Ok(Consent::Changed {
                path: file.path.clone(),
            });
        }
    }
    let Some(tip) = discovery.map_or(Ok(None), |discovery| tip(repository, discovery))? else {
        return Ok(Consent::Current);
    };
    let tree = repository.commit_tree_id(tip).map_err(|error| Failed::of(&error))?;
    if let Ok(path) = canceled.parse()
        && let Some(bytes) = repository
            .read_file_at(tip, &path, MAX_DOCUMENT_BYTES as u64)
            .map_err(|error| Failed::of(&error))?
    {
        return Ok(consent_canceled(&bytes));
    }
    let changed = |file: &CoveredFile| Consent::Changed {
        path: file.path.clone(),
    };
    for file in lock.files.iter().chain([&lock.approval]) {
        let side = repository
            .entry_at(tree, &file.path)
            .map_err(|error| Failed::of(&error))?;
        // Also one that is gone from there.
        if side.is_none_or(|side| side.id != file.blob) {
            return Ok(changed(file));
        }
    }
    for file in pinned.iter().filter(|file| !lock.files.contains(file)) {
        let ledger = plan.policy.ledger.dir.path();
        if !is_as_pinned(repository, tree, ledger, file).map_err(|error| Failed::of(&error))? {
            return Ok(changed(file));
        }
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

/// Whatever the file says, that it is there cancels the ticket.
fn consent_canceled(bytes: &[u8]) -> Consent {
    match Cancellation::parse(bytes) {
        Ok(cancellation) => Consent::Canceled {
            by: cancellation.by,
            reason: cancellation.reason,
        },
        Err(_) => Consent::Canceled {
            by: "unknown".to_owned(),
            reason: "canceled.toml cannot be read".to_owned(),
        },
    }
}

/// A small file's bytes; none where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failed> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(Failed::of(&error)),
    }
}
