//! The user's own index: read as it is, locked as Git locks it, and replaced by one in which exactly some entries differ.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ledger_core::{EntryMode, ObjectId, RepoPath, Side};

use super::staging::nul_separated;
use crate::crash_point::crash_point;
use crate::git_program::GitProgramError;
use crate::repository::Repository;

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: String,
    pub(super) id: ObjectId,
    pub(super) stage: u8,
    /// Not to be in the work tree.
    pub(super) skip_worktree: bool,
    /// Not to be looked at in the work tree.
    pub(super) assume_unchanged: bool,
}

/// What the index holds, by path. A path in a conflict has several entries.
#[derive(Debug)]
pub(super) struct UserIndex(pub(super) BTreeMap<RepoPath, Vec<Entry>>);

impl UserIndex {
    pub(super) fn read(repository: &Repository) -> Result<Self, GitProgramError> {
        let unreadable = || GitProgramError::Unreadable {
            command: "ls-files".to_owned(),
        };
        let answer = repository
            .git()
            .on_index("ls-files", repository.work_dir())
            .args(["-v", "--stage", "-z", "--full-name"])
            .succeed()?;
        if answer.truncated {
            return Err(unreadable());
        }
        Self::listed(&answer.stdout).ok_or_else(unreadable)
    }

    /// What `ls-files -v --stage -z` answers. None where it is not that.
    pub(super) fn listed(answer: &[u8]) -> Option<Self> {
        let mut entries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in answer.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let tab = line.iter().position(|byte| *byte == b'\t')?;
            let facts = std::str::from_utf8(&line[..tab]).ok()?;
            let path = RepoPath::new(&line[tab + 1..]).ok()?;
            let facts: Vec<_> = facts.split(' ').collect();
            let [tag, mode, id, stage] = facts[..] else {
                return None;
            };
            entries.entry(path).or_default().push(Entry {
                mode: mode.to_owned(),
                id: id.parse().ok()?,
                stage: stage.parse().ok()?,
                skip_worktree: tag.eq_ignore_ascii_case("s"),
                assume_unchanged: tag.chars().all(|tag| tag.is_ascii_lowercase()),
            });
        }
        Some(Self(entries))
    }

    /// The first path that is in a conflict.
    pub(super) fn conflict(&self) -> Option<&RepoPath> {
        let mut conflicts = self
            .0
            .iter()
            .filter(|(_, entries)| entries.iter().any(|entry| entry.stage > 0));
        conflicts.next().map(|(path, _)| path)
    }

    /// Whether it holds exactly this at a path.
    pub(super) fn has(&self, path: &RepoPath, side: Option<Side>) -> bool {
        match (self.0.get(path).map(Vec::as_slice), side) {
            (None, None) => true,
            (Some([entry]), Some(side)) => entry.stage == 0 && entry.id == side.id.0 && entry.mode == octal(side.mode),
            _ => false,
        }
    }

    /// The one entry at a path.
    pub(super) fn entry(&self, path: &RepoPath) -> Option<&Entry> {
        self.0.get(path)?.first()
    }

    /// The paths below a folder.
    pub(super) fn below<'a>(&'a self, folder: &'a RepoPath) -> impl Iterator<Item = &'a RepoPath> {
        let after = self.0.range::<RepoPath, _>(folder..).map(|(path, _)| path);
        // Between a folder and what is in it, such as `a` and `a/b`, sorts what begins alike, such as `a-b`.
        after
            .take_while(|path| path.as_bytes().starts_with(folder.as_bytes()))
            .filter(move |path| *path != folder && path.is_within(folder))
    }

    /// Whether a path that is not in the index would be in a sparse work tree: where a file beside it is. None where nothing beside
    /// it tells.
    pub(super) fn is_beside_a_present_one(&self, path: &RepoPath) -> bool {
        let folder = |path: &RepoPath| {
            let bytes = path.as_bytes();
            let end = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            bytes[..end].to_vec()
        };
        let wanted = folder(path);
        wanted.is_empty()
            || self
                .0
                .iter()
                .any(|(other, entries)| folder(other) == wanted && entries.iter().all(|entry| !entry.skip_worktree))
    }
}

fn octal(mode: EntryMode) -> &'static str {
    match mode {
        EntryMode::File => "100644",
        EntryMode::Executable => "100755",
        EntryMode::Symlink => "120000",
        EntryMode::Submodule => "160000",
    }
}

/// One path of the index that changes.
pub(super) struct Replacement<'a> {
    pub(super) path: &'a RepoPath,
    pub(super) side: Option<Side>,
    /// The flags that the entry had, which stay.
    pub(super) skip_worktree: bool,
    pub(super) assume_unchanged: bool,
}

/// The right to change the index, taken as Git takes it: while its lock file is there, no `git` command does.
///
/// The lock is a second name of a file of ours, so that a lock that a dead runner left is known as ours. Whoever takes it must keep
/// other runners out by other means.
#[derive(Debug)]
pub struct IndexLock {
    index: PathBuf,
    lock: PathBuf,
    own: PathBuf,
    is_released: bool,
}

impl IndexLock {
    /// Takes the lock, with `room` as the folder of ours. None where another program has it.
    pub(super) fn take(repository: &Repository, room: &Path) -> io::Result<Option<Self>> {
        let index = repository.git_dir().join("index");
        let lock = repository.git_dir().join("index.lock");
        let own = room.join("index.lock");
        if let (Ok(theirs), Ok(ours)) = (fs::symlink_metadata(&lock), fs::symlink_metadata(&own))
            && (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino())
        {
            fs::remove_file(&lock)?;
        }
        match fs::remove_file(&own) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::create_new(&own)?;
        crash_point("the lock of the user's index is made beside its name");
        match fs::hard_link(&own, &lock) {
            Ok(()) => {
                crash_point("the user's index is locked");
                Ok(Some(Self {
                    index,
                    lock,
                    own,
                    is_released: false,
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&own)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A copy of the index in `room` in which these entries are others.
    pub(super) fn prepare(
        &self,
        repository: &Repository,
        room: &Path,
        replacements: &[Replacement<'_>],
    ) -> Result<PathBuf, PrepareError> {
        let copy = room.join("index");
        fs::copy(&self.index, &copy)?;
        let call = |name| repository.git().on_index_at(name, repository.work_dir(), &copy);
        let mut order = Vec::new();
        // What goes away goes first: it may be in the way of what comes.
        let (gone, new): (Vec<_>, Vec<_>) = replacements.iter().partition(|one| one.side.is_none());
        for one in gone.into_iter().chain(new) {
            let facts = match one.side {
                Some(side) => format!("{} {} 0\t", octal(side.mode), side.id),
                None => format!("0 {} 0\t", "0".repeat(40)),
            };
            order.extend_from_slice(facts.as_bytes());
            order.extend_from_slice(one.path.as_bytes());
            order.push(0);
        }
        call("update-index")
            .args(["-z", "--index-info"])
            .stdin(&order)
            .succeed()?;
        let flagged = |is: fn(&Replacement<'_>) -> bool| -> Vec<&RepoPath> {
            let flagged = replacements.iter().filter(|one| one.side.is_some() && is(one));
            flagged.map(|one| one.path).collect()
        };
        // Before the flags are set: it passes over what has them.
        let present = flagged(|one| !one.skip_worktree);
        // Only saves Git from comparing the contents later; where it cannot be done, Git does that.
        let _ = call("add")
            .args(["--refresh", "--pathspec-from-file=-", "--pathspec-file-nul"])
            .stdin(&nul_separated(&present))
            .run();
        for (flag, paths) in [
            ("--skip-worktree", flagged(|one| one.skip_worktree)),
            ("--assume-unchanged", flagged(|one| one.assume_unchanged)),
        ] {
            if !paths.is_empty() {
                let input = nul_separated(&paths);
                call("update-index")
                    .args([flag, "-z", "--stdin"])
                    .stdin(&input)
                    .succeed()?;
            }
        }
        File::open(&copy)?.sync_all()?;
        Ok(copy)
    }

    /// Makes a prepared copy the index, and gives the lock back.
    pub(super) fn install(mut self, copy: &Path) -> io::Result<()> {
        crash_point("the user's index is about to be replaced");
        fs::rename(copy, &self.index)?;
        crash_point("the user's index is replaced");
        if let Some(folder) = self.index.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.release()
    }

    fn release(&mut self) -> io::Result<()> {
        self.is_released = true;
        fs::remove_file(&self.lock)?;
        fs::remove_file(&self.own)
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if !self.is_released {
            let _ = self.release();
        }
    }
}

/// The new index cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Git(#[from] GitProgramError),
}
