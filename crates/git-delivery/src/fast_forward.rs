//! Bringing the user's own branch, index and work tree forward to a commit that goes on from it, touching nothing but the paths that
//! differ.
//!
//! It is what `git merge --ff-only` does, with stronger promises: what is to be overwritten is compared by content, whatever the index
//! says of it; a file is replaced whole or not at all; and a process that is killed in the middle leaves nothing that the next one
//! cannot finish. The order is: the index is locked, every path is looked at, files are written, the branch moves by
//! compare-and-set, the index is replaced. Until the branch moves, everything can be taken back.
//!
//! No hook runs, and no filter: a path that has one is refused.

mod own_changes;
mod staging;
mod user_index;
mod work_tree;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ledger_core::{BlobId, Change, CommitId, EntryMode, RefName, RepoPath};

pub use own_changes::OwnChange;
pub use user_index::IndexLock;

use self::staging::{Staging, StagingError};
use self::user_index::{PrepareError, Replacement, UserIndex};
use self::work_tree::{Found, Writer, first_that_stays, look, remove_unfinished};
use crate::beneath::Root;
use crate::git_program::GitProgramError;
use crate::names::is_forbidden_path;
use crate::objects::ObjectError;
use crate::refs::{Expected, RefError};
use crate::repository::{Head, Operation, Repository, RepositoryError};

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

/// One path that differs.
struct Step {
    change: Change,
    found: Found,
    /// Whether the work tree is not touched: nothing is there, and the index says that nothing is to be.
    is_hidden: bool,
    /// Whether the work tree is as it will be.
    is_done: bool,
    skip_worktree: bool,
    assume_unchanged: bool,
}

/// A work tree cannot be brought forward. Nothing was changed, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum FastForwardError {
    /// The user is in the middle of something.
    #[error("a {operation} is in progress")]
    OperationInProgress {
        /// What it is.
        operation: Operation,
    },
    /// No branch is checked out.
    #[error("no branch is checked out")]
    DetachedHead,
    /// The branch that is checked out has no commit.
    #[error("`{}` has no commit yet", name.short())]
    Unborn {
        /// The branch.
        name: RefName,
    },
    /// The branch would have to be merged.
    #[error("`{}` has commits of its own: {} does not go on from it", branch.short(), to.short())]
    NotForward {
        /// The branch.
        branch: RefName,
        /// The commit.
        to: CommitId,
    },
    /// Another work tree has the branch too, and would seem changed.
    #[error("`{}` is checked out in another work tree too", branch.short())]
    CheckedOutElsewhere {
        /// The branch.
        branch: RefName,
    },
    /// The index has a conflict.
    #[error("`{path}` is in a conflict that is not resolved")]
    Conflict {
        /// The first such path.
        path: RepoPath,
    },
    /// What would be overwritten is not what the last commit has.
    #[error("changes of yours are in the way: {}", listed(paths))]
    Overlap {
        /// Where, in the order of the paths.
        paths: Vec<RepoPath>,
    },
    /// A path's content is made by a program.
    #[error("the content of `{path}` is made by the filter `{filter}`")]
    Filtered {
        /// The path.
        path: RepoPath,
        /// The filter's name.
        filter: String,
    },
    /// A link to another repository differs.
    #[error("`{path}` is a submodule, and the commit changes it")]
    Submodule {
        /// Where it is.
        path: RepoPath,
    },
    /// Whether a new path belongs to the sparse work tree is not known.
    #[error("the work tree is sparse, and nothing beside `{path}` tells whether that belongs to it")]
    Sparse {
        /// The path.
        path: RepoPath,
    },
    /// A name that no work tree should get.
    #[error("`{path}` has a name that git refuses")]
    ForbiddenName {
        /// The path.
        path: RepoPath,
    },
    /// Another program changes the index.
    #[error("another program has locked the index")]
    IndexLocked,
    /// The system refuses.
    #[error("`{path}`: {source}")]
    Io {
        /// What is read or written.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// What was done could not be taken back.
    #[error("{error}; what was written by then could not be taken back: {source}")]
    HalfDone {
        /// Why it was not finished.
        error: Box<FastForwardError>,
        /// What the system says.
        source: io::Error,
    },
    /// The branch cannot be moved.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// The first few paths, and how many more there are.
fn listed(paths: &[RepoPath]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<_> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    if paths.len() > SHOWN {
        shown.push(format!("{} more", paths.len() - SHOWN));
    }
    shown.join(", ")
}

fn failed(path: &RepoPath, source: io::Error) -> FastForwardError {
    let path = path.to_string();
    FastForwardError::Io { path, source }
}

/// A failure in a folder of ours.
fn in_workshop(source: io::Error) -> FastForwardError {
    let path = "counterfoil/here".to_owned();
    FastForwardError::Io { path, source }
}

impl From<StagingError> for FastForwardError {
    fn from(error: StagingError) -> Self {
        match error {
            StagingError::Io(source) => in_workshop(source),
            StagingError::Git(error) => Self::Git(error),
        }
    }
}

impl From<PrepareError> for FastForwardError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Io(source) => in_workshop(source),
            PrepareError::Git(error) => Self::Git(error),
        }
    }
}

/// A folder of ours for what is made on the way. Gone in the end, unless it holds what could not be put back.
struct Workshop {
    folder: PathBuf,
    stays: Cell<bool>,
}

impl Workshop {
    fn new(room: &Path) -> io::Result<Self> {
        let folder = room.join("work");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(folder.join("kept"))?;
        Ok(Self {
            folder,
            stays: Cell::new(false),
        })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if !self.stays.get() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
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
            is_sparse: self.is_configured("core.sparseCheckout", false),
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

/// What is known when the paths are looked at.
struct Look<'a> {
    repository: &'a Repository,
    root: Root,
    changes: BTreeMap<&'a RepoPath, &'a Change>,
    index: UserIndex,
    new: &'a Staging,
    trusts_mode: bool,
    is_sparse: bool,
    is_begun: bool,
}

impl Look<'_> {
    fn steps(&self, plan: &FastForward) -> Result<Vec<Step>, FastForwardError> {
        let mut steps = Vec::new();
        let mut overlaps = Vec::new();
        let mut doubtful = Vec::new();
        for change in self.changes.values() {
            let path = &change.path;
            if self.is_begun {
                remove_unfinished(&self.root, path, plan.to).map_err(|source| failed(path, source))?;
            }
            let step = self.step(change)?;
            if !self.index_fits(change) {
                overlaps.push(path.clone());
            } else if !step.is_hidden && !step.is_done && !self.is_old(&step)? {
                match step.found {
                    Found::File(_) if change.before.is_some() => doubtful.push(steps.len()),
                    _ => overlaps.push(path.clone()),
                }
            }
            steps.push(step);
        }
        if !doubtful.is_empty() {
            // Other bytes than the commit has may still be what a checkout made of them.
            let paths: Vec<_> = doubtful.iter().map(|at| &steps[*at].change.path).collect();
            let old = Staging::of(self.repository, &plan.workshop.folder.join("old"), plan.from)?;
            if let Some((path, filter)) = old.filtered(self.repository, &paths)? {
                return Err(FastForwardError::Filtered { path, filter });
            }
            old.write(self.repository, &paths)?;
            for at in doubtful {
                let Step { change, found, .. } = &steps[at];
                let side = old.side(&change.path).map_err(in_workshop)?;
                if !side.is_some_and(|(mode, id)| found.is(mode, id, self.trusts_mode)) {
                    overlaps.push(change.path.clone());
                }
            }
        }
        if overlaps.is_empty() {
            return Ok(steps);
        }
        overlaps.sort();
        Err(FastForwardError::Overlap { paths: overlaps })
    }

    fn step(&self, change: &Change) -> Result<Step, FastForwardError> {
        let path = &change.path;
        let found = look(&self.root, path).map_err(|source| failed(path, source))?;
        let entry = self.index.entry(path);
        let is_hidden = entry.is_some_and(|entry| entry.skip_worktree) && found == Found::Missing;
        if self.is_sparse && entry.is_none() && change.after.is_some() && !self.index.is_beside_a_present_one(path) {
            return Err(FastForwardError::Sparse { path: path.clone() });
        }
        let is_done = match self.new_side(change)? {
            Some((mode, id)) => found.is(mode, id, self.trusts_mode),
            None => match &found {
                Found::Missing => true,
                // A new file has taken the place of its folder, or a folder of new files that of the file.
                Found::Blocked { above } => self.is_written(above),
                Found::Folder => self
                    .changes
                    .keys()
                    .any(|other| other.is_within(path) && self.is_written(other)),
                _ => false,
            },
        };
        Ok(Step {
            change: change.clone(),
            is_hidden,
            is_done: is_done && self.is_begun,
            skip_worktree: entry.is_some_and(|entry| entry.skip_worktree),
            assume_unchanged: entry.is_some_and(|entry| entry.assume_unchanged),
            found,
        })
    }

    /// What the work tree will have at a path, as a checkout writes it.
    fn new_side(&self, change: &Change) -> Result<Option<(EntryMode, BlobId)>, FastForwardError> {
        match change.after {
            Some(_) => self.new.side(&change.path).map_err(in_workshop),
            None => Ok(None),
        }
    }

    fn is_written(&self, path: &RepoPath) -> bool {
        self.changes.get(path).is_some_and(|change| change.after.is_some())
    }

    fn is_deleted(&self, path: &RepoPath) -> bool {
        self.changes.get(path).is_some_and(|change| change.after.is_none())
    }

    /// Whether the index has nothing of the user's at a path, and nothing that is in its way.
    fn index_fits(&self, change: &Change) -> bool {
        let path = &change.path;
        let is_expected = self.index.has(path, change.before) || self.is_begun && self.index.has(path, change.after);
        let in_the_way = |other: &RepoPath| self.index.entry(other).is_some() && !self.is_deleted(other);
        let blocked = change.after.is_some()
            && (ancestors(path).any(|above| in_the_way(&above)) || self.index.below(path).any(in_the_way));
        is_expected && !blocked
    }

    /// Whether the work tree has at a path exactly what the last commit has there, byte for byte.
    fn is_old(&self, step: &Step) -> Result<bool, FastForwardError> {
        let path = &step.change.path;
        Ok(match (step.change.before, &step.found) {
            (Some(side), found) => found.is(side.mode, side.id, self.trusts_mode),
            (None, Found::Missing) => true,
            (None, Found::Blocked { above }) => self.is_deleted(above),
            (None, Found::Folder) => first_that_stays(&self.root, path, &|path| self.is_deleted(path))
                .map_err(|source| failed(path, source))?
                .is_none(),
            (None, _) => false,
        })
    }
}

/// The folders that a path is in, from the outermost.
fn ancestors(path: &RepoPath) -> impl Iterator<Item = RepoPath> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| RepoPath::new(&bytes[..at]).ok())
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
            Ok(copy) => lock.install(&copy).map_err(in_workshop),
            Err(error) => match writer.take_back() {
                Ok(()) => Err(error),
                Err(source) => {
                    self.workshop.stays.set(true);
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
