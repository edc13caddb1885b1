//! Where a goal is planned: a place that the planner reads, and one in which its drafts are held against the rules before a file of the user's is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git_delivery::{Leftovers, Place, PlaceError, RefSnapshot, Repository};
use ledger_core::{CommitId, RepoPath};

use super::drafts::Wanted;
use crate::beneath::{Created, WriteError, create_beneath, remove_just_made, replace_beneath};
use crate::workspace::{PolicyFile, Settings, Workspace, WorkspaceError};

/// More files than these are no ledger that is planned beside.
const MOST_FILES: usize = 500_000;

/// Deeper folders are not a ledger's.
const MOST_DEPTH: usize = 8;

/// Two checkouts of the same commit, with the ledger and the policy as they are in the user's work tree. Both go when it is dropped.
#[derive(Debug)]
pub(super) struct Desk {
    folder: PathBuf,
    reading: Place,
}

/// A desk cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("`{path}` cannot be copied: {source}", path = path.display())]
    Copy { path: PathBuf, source: io::Error },
    #[error("the ledger has more than {MOST_FILES} files")]
    TooMany,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl Desk {
    pub(super) fn make(
        workspace: &Workspace,
        folder: PathBuf,
        base: CommitId,
        refs: &RefSnapshot,
        ledger: &RepoPath,
    ) -> Result<Self, DeskError> {
        let gone = git_delivery::remove_tree(&folder);
        if let Err(source) = gone
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(DeskError::Copy { path: folder, source });
        }
        fs::create_dir_all(&folder).map_err(|source| DeskError::Copy {
            path: folder.clone(),
            source,
        })?;
        let repository = workspace.repository();
        let reading = Place::create(repository, &folder.join("read"), base, refs)?;
        let desk = Self { folder, reading };
        Place::create(repository, &desk.checking(), base, refs)?;
        for place in [desk.reading(), desk.checking()] {
            copy_ledger(repository.work_dir(), &place, ledger)?;
        }
        let policy = workspace.policy_file().bytes.as_deref();
        write_policy(&desk.checking(), policy)?;
        Ok(desk)
    }

    /// Where the planner reads.
    pub(super) fn reading(&self) -> PathBuf {
        self.folder.join("read")
    }

    fn checking(&self) -> PathBuf {
        self.folder.join("check")
    }

    /// Lays the ledger of the work tree out for a check, as it would be with what a plan wants.
    pub(super) fn lay_out(&self, workspace: &Workspace, ledger: &RepoPath, wanted: &Wanted) -> Result<(), DeskError> {
        let place = self.checking();
        copy_ledger(workspace.repository().work_dir(), &place, ledger)?;
        for path in &wanted.removed {
            remove_just_made(&place, path, false);
            let above = path.to_str().and_then(|path| path.rsplit_once('/'));
            if let Some(Ok(folder)) = above.map(|(folder, _)| folder.parse()) {
                remove_just_made(&place, &folder, true);
            }
        }
        for (path, text) in &wanted.files {
            match create_beneath(&place, path, text.as_bytes())? {
                Created::New => {}
                Created::Exists => replace_beneath(&place, path, text.as_bytes())?,
            }
        }
        Ok(())
    }

    /// The place for checks, as a workspace of its own.
    pub(super) fn workspace(&self, settings: &Settings) -> Result<Workspace, DeskError> {
        Ok(Workspace::open(&self.checking(), settings)?)
    }

    /// Whether somebody has written where the planner only reads; the ledger's copies are looked at by name only.
    pub(super) fn is_touched(&mut self, repository: &Repository, ledger: &RepoPath) -> Result<bool, DeskError> {
        let strays = self
            .reading
            .strays(repository, Leftovers::RemoveAll, &std::collections::BTreeSet::new())?;
        let is_elsewhere = |path: &RepoPath| !path.is_within(ledger);
        Ok(strays.changed.iter().chain(&strays.added).any(is_elsewhere))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What stays is removed by the next plan of the package, and by `foil clean`.
        let _ = git_delivery::remove_tree(&self.folder);
    }
}

fn write_policy(place: &Path, bytes: Option<&[u8]>) -> Result<(), DeskError> {
    let path = place.join(relative(&PolicyFile::path()));
    let written = match bytes {
        Some(bytes) => fs::write(&path, bytes),
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    written.map_err(|source| DeskError::Copy { path, source })
}

fn relative(path: &RepoPath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

/// Makes the ledger of a place the one of the work tree. Links are not followed and not copied.
fn copy_ledger(work_dir: &Path, place: &Path, ledger: &RepoPath) -> Result<(), DeskError> {
    let below = relative(ledger);
    let (from, to) = (work_dir.join(&below), place.join(&below));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DeskError::Copy { path, source }
    };
    match git_delivery::remove_tree(&to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&to)(error)),
        _ => {}
    }
    // The ledger itself may be no link either, nor anything on the way to it.
    let mut part = work_dir.to_owned();
    for name in below.components() {
        part.push(name);
        match fs::symlink_metadata(&part) {
            Ok(found) if found.is_dir() => {}
            _ => return Ok(()),
        }
    }
    let mut folders = vec![(from, to, 0_usize)];
    let mut count = 0_usize;
    while let Some((from, to, depth)) = folders.pop() {
        fs::create_dir_all(&to).map_err(failed(&to))?;
        for entry in fs::read_dir(&from).map_err(failed(&from))? {
            let entry = entry.map_err(failed(&from))?;
            let kind = entry.file_type().map_err(failed(&from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if kind.is_dir() && depth < MOST_DEPTH {
                folders.push((path, target, depth.saturating_add(1)));
            } else if kind.is_file() {
                count = count.saturating_add(1);
                if count > MOST_FILES {
                    return Err(DeskError::TooMany);
                }
                fs::copy(&path, &target).map_err(failed(&path))?;
            }
        }
    }
    Ok(())
}
