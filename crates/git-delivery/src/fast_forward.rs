//! Bringing the user's own branch, index and work tree forward to a commit that goes on from it, touching nothing but the paths that
//! differ.
//!
//! It is what `git merge --ff-only` does, with stronger promises: what is to be overwritten is compared by content, whatever the index
//! says of it; a file is replaced whole or not at all; and a process that is killed in the middle leaves nothing that the next one
//! cannot finish. The order is: the index is locked, every path is looked at, files are written, the branch moves by
//! compare-and-set, the index is replaced. Until the branch moves, everything can be taken back.
//!
//! No hook runs, and no filter: a path that has one is refused.

mod error;
mod look;
mod own_changes;
mod staging;
mod user_index;
mod work_tree;

#[cfg(feature = "fuzzing")]
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(feature = "fuzzing")]
use ledger_core::ObjectId;
use ledger_core::{Change, CommitId, EntryMode, RefName, RepoPath};

pub use error::FastForwardError;
pub use own_changes::OwnChange;
pub use user_index::IndexLock;

use self::error::{failed, in_workshop};
use self::look::{Look, Step};
use self::staging::Staging;
use self::user_index::{Replacement, UserIndex};
use self::work_tree::{Found, Writer, look};
use crate::beneath::Root;
use crate::names::is_forbidden_path;
use crate::refs::{Expected, RefError};
use crate::repository::{Head, Repository};

/// A commit that the user's work tree can be brought forward to, with every path looked at.
pub struct FastForward {
    branch: RefName,
    from: CommitId,
    to: CommitId,
    tip: CommitId,
    steps: Vec<Step>,
    new: Option<Staging>,
    workshop: Workshop,
}

impl std::fmt::Debug for FastForward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastForward")
            .field("branch", &self.branch)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A delivery into the work tree that a process has begun and not ended.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// The branch.
    pub branch: &'a RefName,
    /// Where it was.
    pub from: CommitId,
}

/// A folder of ours for what is made on the way. It holds nothing that the commits do not hold.
struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    fn new(room: &Path) -> io::Result<Self> {
        let folder = room.join("work");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(folder.join("kept"))?;
        Ok(Self { folder })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Repository {
    /// Takes the lock of the index, with `room` as a folder of ours in the Git directory of the work tree.
    pub fn lock_index(&self, room: &Path) -> Result<IndexLock, FastForwardError> {
        IndexLock::take(self, room)
            .map_err(in_workshop)?
            .ok_or(FastForwardError::IndexLocked)
    }

    /// Looks at everything that has to change to bring the current branch forward to a commit. Changes nothing but `room`, a folder of
    /// ours in the Git directory of the work tree.
    ///
    /// Refused where anything that would be overwritten is not what the last commit has. For a delivery that was `begun`, what is as the
    /// commit has it counts too.
    pub fn plan_fast_forward(
        &self,
        to: CommitId,
        room: &Path,
        begun: Option<Begun<'_>>,
    ) -> Result<FastForward, FastForwardError> {
        if let Some(operation) = self.operation_in_progress() {
            return Err(FastForwardError::OperationInProgress { operation });
        }
        let (branch, tip) = match self.head()? {
            Head::Branch { name, commit } => (name, commit),
            Head::Detached { .. } => return Err(FastForwardError::DetachedHead),
            Head::Unborn { name } => return Err(FastForwardError::Unborn { name }),
        };
        let begun = begun.filter(|begun| *begun.branch == branch && (begun.from == tip || to == tip));
        let from = begun.map_or(tip, |begun| begun.from);
        let mut plan = FastForward {
            branch,
            from,
            to,
            tip,
            steps: Vec::new(),
            new: None,
            workshop: Workshop::new(room).map_err(in_workshop)?,
        };
        if begun.is_none() && (tip == to || self.is_ancestor(to, tip)?) {
            return Ok(plan);
        }
        let branch = plan.branch.clone();
        if !self.is_ancestor(from, to)? {
            return Err(FastForwardError::NotForward { branch, to });
        }
        if self.is_checked_out_elsewhere(&branch) {
            return Err(FastForwardError::CheckedOutElsewhere { branch });
        }
        let changes = self.tree_changes(self.commit_tree_id(from)?, self.commit_tree_id(to)?)?;
        let index = UserIndex::read(self)?;
        if let Some(path) = index.conflict() {
            return Err(FastForwardError::Conflict { path: path.clone() });
        }
        let new = self.stage(&plan.workshop.folder.join("new"), to, &changes)?;
        let look = Look {
            repository: self,
            root: self.work_root()?,
            changes: changes.iter().map(|change| (&change.path, change)).collect(),
            index,
            new: &new,
            trusts_mode: self.is_configured("core.fileMode", true),
            is_sparse: self.is_sparse(),
            is_begun: begun.is_some(),
        };
        plan.steps = look.steps(&plan)?;
        plan.new = Some(new);
        Ok(plan)
    }

    /// The new files as Git would write them. Refuses what cannot be written exactly.
    fn stage(&self, folder: &Path, to: CommitId, changes: &[Change]) -> Result<Staging, FastForwardError> {
        for change in changes {
            let path = &change.path;
            let sides = || [change.before, change.after].into_iter().flatten();
            if sides().any(|side| side.mode == EntryMode::Submodule) {
                return Err(FastForwardError::Submodule { path: path.clone() });
            }
            if sides().any(|side| is_forbidden_path(path.as_bytes(), side.mode == EntryMode::Symlink)) {
                return Err(FastForwardError::ForbiddenName { path: path.clone() });
            }
        }
        let staging = Staging::of(self, folder, to)?;
        let written: Vec<_> = changes
            .iter()
            .filter(|change| change.after.is_some())
            .map(|change| &change.path)
            .collect();
        if let Some((path, filter)) = staging.filtered(self, &written)? {
            return Err(FastForwardError::Filtered { path, filter });
        }
        staging.write(self, &written)?;
        Ok(staging)
    }

    fn work_root(&self) -> Result<Root, FastForwardError> {
        let opened = self.work_dir().canonicalize().and_then(|path| Root::open(&path));
        opened.map_err(|source| FastForwardError::Io {
            path: ".".to_owned(),
            source,
        })
    }

    /// Whether only a part of what is committed is checked out, as the configuration says.
    pub fn is_sparse(&self) -> bool {
        self.is_configured("core.sparseCheckout", false)
    }

    /// A switch of the configuration, also of that of one work tree.
    fn is_configured(&self, key: &str, default: bool) -> bool {
        let answer = self.git().reading("config").args(["--type=bool", "--get", key]).run();
        match answer.map(|answer| answer.stdout) {
            Ok(value) if value == b"true\n" => true,
            Ok(value) if value == b"false\n" => false,
            _ => default,
        }
    }
}

impl FastForward {
    /// The branch that is checked out.
    pub fn branch(&self) -> &RefName {
        &self.branch
    }

    /// Where the branch was when the delivery began.
    pub fn from(&self) -> CommitId {
        self.from
    }

    /// Whether the branch contains the commit, and nothing is left to do.
    pub fn is_there(&self) -> bool {
        self.new.is_none()
    }

    /// What differs, in the order of the paths.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps.iter().map(|step| &step.change)
    }

    /// What only the index gets: paths that the work tree leaves out.
    pub fn hidden(&self) -> impl Iterator<Item = &RepoPath> {
        let hidden = self.steps.iter().filter(|step| step.is_hidden);
        hidden.map(|step| &step.change.path)
    }

    /// Writes the files, moves the branch, and replaces the index. Where anything is not as it was when it was looked at, all is taken
    /// back. `reason` is for the reflog.
    pub fn carry_out(&self, repository: &Repository, lock: IndexLock, reason: &str) -> Result<(), FastForwardError> {
        let Some(new) = &self.new else { return Ok(()) };
        let replacements: Vec<_> = self
            .steps
            .iter()
            .map(|step| Replacement {
                path: &step.change.path,
                side: step.change.after,
                skip_worktree: step.skip_worktree,
                assume_unchanged: step.assume_unchanged,
            })
            .collect();
        let root = repository.work_root()?;
        let mut writer = Writer::new(&root, self.workshop.folder.join("kept"), self.to);
        let result = self.write(&mut writer, new).and_then(|()| {
            let copy = lock.prepare(repository, &self.workshop.folder, &replacements)?;
            if self.tip != self.to {
                let moved = repository.move_ref(&self.branch, self.to.0, Expected::Is(self.from.0), reason);
                match moved {
                    // A `git` of a runner that was killed may have ended only now.
                    Err(RefError::Refused { actual, .. }) if actual == Some(self.to.0) => {}
                    other => other?,
                }
            }
            Ok(copy)
        });
        match result {
            // What is left is one rename.
            Ok(copy) => lock
                .install(&copy)
                .map_err(|source| FastForwardError::OldIndex { source }),
            Err(error) => match writer.take_back() {
                Ok(()) => Err(error),
                Err(source) => {
                    let error = Box::new(error);
                    Err(FastForwardError::HalfDone { error, source })
                }
            },
        }
    }

    fn write(&self, writer: &mut Writer<'_>, new: &Staging) -> Result<(), FastForwardError> {
        let open = || self.steps.iter().filter(|step| !step.is_hidden && !step.is_done);
        let told = |step: &Step, source: io::Error| match source.kind() {
            io::ErrorKind::ResourceBusy | io::ErrorKind::DirectoryNotEmpty => FastForwardError::Overlap {
                paths: vec![step.change.path.clone()],
            },
            _ => failed(&step.change.path, source),
        };
        for step in open().filter(|step| step.change.after.is_none()) {
            writer
                .delete(&step.change.path, &step.found)
                .map_err(|source| told(step, source))?;
        }
        for step in open().filter(|step| step.change.after.is_some()) {
            let from = new.path(&step.change.path);
            writer
                .put(&step.change.path, &from, &step.found)
                .map_err(|source| told(step, source))?;
        }
        writer.sync().map_err(|source| FastForwardError::Io {
            path: ".".to_owned(),
            source,
        })
    }

    /// The paths at which work tree or index are not as the commit has them, now that it is carried out.
    pub fn differing(&self, repository: &Repository) -> Result<Vec<RepoPath>, FastForwardError> {
        let Some(new) = &self.new else { return Ok(Vec::new()) };
        let root = repository.work_root()?;
        let index = UserIndex::read(repository)?;
        let mut differing = Vec::new();
        for Step { change, is_hidden, .. } in &self.steps {
            let path = &change.path;
            let found = look(&root, path).map_err(|source| failed(path, source))?;
            let written = match change.after {
                Some(_) => {
                    let side = new.side(path).map_err(in_workshop)?;
                    side.is_some_and(|(mode, id)| found.is(mode, id, true))
                }
                None => !matches!(found, Found::File(_) | Found::Link(_)),
            };
            if !(written || *is_hidden) || !index.has(path, change.after) {
                differing.push(path.clone());
            }
        }
        Ok(differing)
    }
}

/// For the fuzz targets: see [`crate::fuzzing::user_index`].
#[cfg(feature = "fuzzing")]
pub(crate) fn user_index(answer: &[u8]) -> Option<BTreeMap<RepoPath, Vec<ObjectId>>> {
    let ids = |entries: Vec<user_index::Entry>| entries.iter().map(|entry| entry.id).collect();
    let index = UserIndex::listed(answer)?;
    Some(
        index
            .0
            .into_iter()
            .map(|(path, entries)| (path, ids(entries)))
            .collect(),
    )
}

/// For the fuzz targets: see [`crate::fuzzing::own_changes`].
#[cfg(feature = "fuzzing")]
pub(crate) fn own_changes(answer: &[u8]) -> Option<BTreeMap<RepoPath, Vec<u8>>> {
    own_changes::told(answer)
}
