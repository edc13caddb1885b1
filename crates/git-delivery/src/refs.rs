//! Refs: read in process, changed by compare-and-set through `git update-ref`, but for those that only this program writes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use ledger_core::{ObjectId, RefName};

use crate::crash_point::crash_point;
use crate::git_program::GitProgramError;
use crate::objects::{ObjectError, ours, sync_folder};
use crate::repository::Repository;

/// How many symbolic refs are followed, as Git does.
const MOST_SYMBOLIC_STEPS: usize = 5;

/// How often a folder of refs is made anew when Git removes it at the same moment.
const MOST_ATTEMPTS: u32 = 5;

/// What a ref must be for a change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It must not exist.
    Missing,
    /// It must name this object.
    Is(ObjectId),
}

/// A ref cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// It is not what was expected. Nothing was changed.
    #[error("`{name}` is not what was expected")]
    Refused {
        /// The ref.
        name: RefName,
        /// What it names now.
        actual: Option<ObjectId>,
    },
    /// The branch is checked out, so moving it would make a work tree look changed. Nothing was changed.
    #[error("`{name}` is checked out in `{}`", at.display())]
    CheckedOut {
        /// The branch.
        name: RefName,
        /// The Git directory of the work tree that has it.
        at: PathBuf,
    },
    /// A ref that exists makes this name impossible: `a` and `a/b` cannot both be. Nothing was changed.
    #[error("`{name}` cannot exist beside `{beside}`")]
    NameTaken {
        /// The ref.
        name: RefName,
        /// The first ref that is in the way.
        beside: String,
    },
    /// The ref's lock is there: another program moves it, or one died while it did. Nothing was changed.
    #[error("`{name}` is locked: another program moves it, or died while it did (`foil doctor` tells)")]
    Locked {
        /// The ref.
        name: RefName,
    },
    /// A ref must not name what is not there.
    #[error("the object {id} is missing")]
    MissingObject {
        /// The object.
        id: ObjectId,
    },
    /// A ref cannot be read.
    #[error("the refs below `{name}` cannot be read: {reason}")]
    Unreadable {
        /// The ref, or what its name begins with.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Its file cannot be written. Nothing was changed.
    #[error("`{name}` cannot be written")]
    NotWritten {
        /// The ref.
        name: RefName,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It was changed but may not survive a power cut.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

impl Repository {
    /// The object that a ref names, through symbolic refs. A tag object is not peeled.
    pub fn resolve(&self, name: &RefName) -> Result<Option<ObjectId>, RefError> {
        let local = self.local();
        let unreadable = |reason: String| RefError::Unreadable {
            name: name.to_string(),
            reason,
        };
        let mut wanted = gix::refs::FullName::try_from(name.as_str()).map_err(|error| unreadable(error.to_string()))?;
        for _ in 0..=MOST_SYMBOLIC_STEPS {
            let found = local
                .try_find_reference(wanted.as_ref())
                .map_err(|error| unreadable(error.to_string()))?;
            let Some(found) = found.filter(|found| found.name() == wanted.as_ref()) else {
                return Ok(None);
            };
            match found.target() {
                gix::refs::TargetRef::Object(id) => return Ok(Some(ours(id.to_owned())?)),
                gix::refs::TargetRef::Symbolic(next) => wanted = next.to_owned(),
            }
        }
        Err(unreadable("it leads through too many symbolic refs".to_owned()))
    }

    /// Calls with each ref whose name begins with `prefix` and the object that it names, sorted by name. Names that are
    /// not UTF-8 are left out: nothing here could name them.
    pub fn refs_below(&self, prefix: &str, mut each: impl FnMut(&str, ObjectId)) -> Result<(), RefError> {
        let unreadable = |reason: String| RefError::Unreadable {
            name: prefix.to_owned(),
            reason,
        };
        let local = self.local();
        let mut loose = self.loose_refs_below(&local, prefix)?.into_iter().peekable();
        let packed = local
            .refs
            .cached_packed_buffer()
            .map_err(|error| unreadable(error.to_string()))?;
        if let Some(buffer) = packed.as_ref() {
            let packed = buffer
                .iter_prefixed(prefix.into())
                .map_err(|error| unreadable(error.to_string()))?;
            for reference in packed {
                let reference = reference.map_err(|error| unreadable(error.to_string()))?;
                let Ok(name) = std::str::from_utf8(reference.name.as_bstr()) else {
                    continue;
                };
                while let Some((name, id)) = loose.next_if(|(loose, _)| loose.as_str() < name) {
                    each(&name, id);
                }
                if let Some((name, id)) = loose.next_if(|(loose, _)| loose.as_str() == name) {
                    each(&name, id);
                } else {
                    each(name, ours(reference.target())?);
                }
            }
        }
        for (name, id) in loose {
            each(&name, id);
        }
        Ok(())
    }

    fn loose_refs_below(&self, local: &gix::Repository, prefix: &str) -> Result<Vec<(String, ObjectId)>, RefError> {
        let unreadable = |reason: String| RefError::Unreadable {
            name: prefix.to_owned(),
            reason,
        };
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !local.common_dir().join(folder).is_dir() && !local.git_dir().join(folder).is_dir() {
            return Ok(Vec::new());
        }
        let relative: &gix::path::RelativePath = prefix
            .as_bytes()
            .as_bstr()
            .try_into()
            .map_err(|error: gix::Error| unreadable(error.to_string()))?;
        let mut found = Vec::new();
        let iterator = local
            .refs
            .loose_iter_prefixed(relative)
            .map_err(|error| unreadable(error.to_string()))?;
        for reference in iterator {
            let reference = reference.map_err(|error| unreadable(error.to_string()))?;
            let Ok(name) = std::str::from_utf8(reference.name.as_bstr()) else {
                continue;
            };
            let id = match reference.target {
                gix::refs::Target::Object(id) => Some(ours(id)?),
                // One that leads nowhere names no object.
                gix::refs::Target::Symbolic(_) => match name.parse() {
                    Ok(name) => self.resolve(&name)?,
                    Err(_) => None,
                },
            };
            if let Some(id) = id {
                found.push((name.to_owned(), id));
            }
        }
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        Ok(found)
    }

    /// Makes a ref name `new` if it is what was expected, with a line in its reflog, and brings that to the disk. Refuses
    /// a branch that is checked out in any work tree.
    pub fn update_ref(&self, name: &RefName, new: ObjectId, expected: Expected, reason: &str) -> Result<(), RefError> {
        if let Some(at) = self.checked_out_at(name) {
            return Err(RefError::CheckedOut { name: name.clone(), at });
        }
        self.move_ref(name, new, expected, reason)
    }

    /// As [`Self::update_ref`], also for a branch that is checked out.
    pub(crate) fn move_ref(
        &self,
        name: &RefName,
        new: ObjectId,
        expected: Expected,
        reason: &str,
    ) -> Result<(), RefError> {
        if !self.has_object(new) {
            return Err(RefError::MissingObject { id: new });
        }
        let order = match expected {
            Expected::Missing => format!("create {name}\0{new}\0"),
            Expected::Is(old) => format!("update {name}\0{new}\0{old}\0"),
        };
        crash_point("a ref is about to move");
        self.change_ref(name, &order, reason, expected)?;
        crash_point("a ref has moved");
        // Git brings the ref's file to the disk, but not the folders that name it.
        let mut folder = self.common_dir().join(name.as_str());
        while folder.pop() && folder.starts_with(self.common_dir()) {
            if folder.is_dir() {
                sync_folder(&folder)?;
            }
        }
        Ok(())
    }

    /// Makes a ref that nobody but this program writes, in process: starting `git` costs more than all the rest of keeping a
    /// tree. Gives what the ref names where it is there already. No reflog is kept for what never moves.
    ///
    /// The order is that of Git: a lock file beside the ref, its content to the disk, its name in place, the name to the
    /// disk. Names that exclude each other cannot occur below a run's own folder.
    pub(crate) fn create_ref_of_ours(&self, name: &RefName, object: ObjectId) -> Result<Option<ObjectId>, RefError> {
        let path = self.common_dir().join(name.as_str());
        let not_written = |source: io::Error| RefError::NotWritten {
            name: name.clone(),
            source,
        };
        let mut lock_path = path.clone().into_os_string();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let mut lock = self.lock_file(name, &lock_path)?;
        crash_point("an anchor's name is locked");
        // Looked at while nobody else can make it.
        let made = match self.resolve(name) {
            Ok(None) => writeln!(lock, "{object}")
                .and_then(|()| lock.sync_all())
                .inspect(|()| crash_point("an anchor is written beside its name"))
                .and_then(|()| fs::rename(&lock_path, &path))
                .inspect(|()| crash_point("an anchor has its name"))
                .map(|()| None)
                .map_err(not_written),
            other => other,
        };
        match made {
            Ok(None) => {
                if let Some(folder) = path.parent() {
                    sync_folder(folder)?;
                }
                Ok(None)
            }
            other => {
                let _ = fs::remove_file(&lock_path);
                other
            }
        }
    }

    /// A new lock file, with the folders that it needs. Git removes empty folders of refs when it packs them, so they may go
    /// away meanwhile.
    fn lock_file(&self, name: &RefName, path: &Path) -> Result<File, RefError> {
        let mut attempt = 0;
        loop {
            let error = match File::options().write(true).create_new(true).open(path) {
                Ok(file) => return Ok(file),
                Err(error) => error,
            };
            attempt += 1;
            match error.kind() {
                io::ErrorKind::AlreadyExists => return Err(RefError::Locked { name: name.clone() }),
                io::ErrorKind::NotFound if attempt < MOST_ATTEMPTS => {
                    if let Some(folder) = path.parent() {
                        make_durable_folder(folder).map_err(|source| RefError::NotWritten {
                            name: name.clone(),
                            source,
                        })?;
                    }
                }
                _ => {
                    return Err(RefError::NotWritten {
                        name: name.clone(),
                        source: error,
                    });
                }
            }
        }
    }

    /// Deletes a ref if it names `old`.
    pub fn delete_ref(&self, name: &RefName, old: ObjectId) -> Result<(), RefError> {
        if let Some(at) = self.checked_out_at(name) {
            return Err(RefError::CheckedOut { name: name.clone(), at });
        }
        crash_point("a ref is about to be deleted");
        self.change_ref(name, &format!("delete {name}\0{old}\0"), "deleted", Expected::Is(old))
    }

    fn change_ref(&self, name: &RefName, order: &str, reason: &str, expected: Expected) -> Result<(), RefError> {
        let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let answer = self
            .git()
            .writing("update-ref")
            .args(["-m", &reason, "--create-reflog", "--no-deref", "-z", "--stdin"])
            .stdin(order.as_bytes())
            .run()?;
        if answer.status == Some(0) {
            return Ok(());
        }
        let actual = self.resolve(name)?;
        let as_expected = match expected {
            Expected::Missing => actual.is_none(),
            Expected::Is(old) => actual == Some(old),
        };
        if !as_expected {
            return Err(RefError::Refused {
                name: name.clone(),
                actual,
            });
        }
        // Messages are in English because the program runs in the C locale.
        if answer.complaint.contains("File exists") {
            return Err(RefError::Locked { name: name.clone() });
        }
        if let Some(beside) = self.ref_in_the_way(name)? {
            return Err(RefError::NameTaken {
                name: name.clone(),
                beside,
            });
        }
        Err(RefError::Git(GitProgramError::Failed {
            command: "update-ref".into(),
            status: answer.status,
            complaint: answer.complaint,
        }))
    }

    /// A ref that is called like a folder of this one, or lies in a folder that is called like this one: beside it this one cannot be.
    pub fn ref_in_the_way(&self, name: &RefName) -> Result<Option<String>, RefError> {
        let mut found = None;
        self.refs_below(&format!("{name}/"), |below, _| {
            found.get_or_insert_with(|| below.to_owned());
        })?;
        let mut shorter = name.as_str();
        while let (Some((parent, _)), None) = (shorter.rsplit_once('/'), &found) {
            shorter = parent;
            if let Ok(parent) = parent.parse::<RefName>()
                && self.resolve(&parent)?.is_some()
            {
                found = Some(parent.to_string());
            }
        }
        Ok(found)
    }

    /// The Git directory of the work tree that has this branch checked out, is rebasing it or bisecting from it.
    pub fn checked_out_at(&self, name: &RefName) -> Option<PathBuf> {
        if !name.as_str().starts_with("refs/heads/") {
            return None;
        }
        self.git_dirs().into_iter().find(|git_dir| holds_branch(git_dir, name))
    }

    /// Whether a work tree other than this one has this branch checked out, is rebasing it or bisecting from it.
    pub(crate) fn is_checked_out_elsewhere(&self, name: &RefName) -> bool {
        let is_ours = |git_dir: &Path| match (git_dir.canonicalize(), self.git_dir().canonicalize()) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            _ => git_dir == self.git_dir(),
        };
        let others = self.git_dirs().into_iter().filter(|git_dir| !is_ours(git_dir));
        others.into_iter().any(|git_dir| holds_branch(&git_dir, name))
    }

    /// The Git directories of all work trees.
    fn git_dirs(&self) -> Vec<PathBuf> {
        let mut git_dirs = vec![self.common_dir().to_owned(), self.git_dir().to_owned()];
        if let Ok(linked) = std::fs::read_dir(self.common_dir().join("worktrees")) {
            git_dirs.extend(linked.filter_map(Result::ok).map(|entry| entry.path()));
        }
        git_dirs
    }
}

fn holds_branch(git_dir: &Path, name: &RefName) -> bool {
    let says = |file: &str, expected: &str| {
        std::fs::read(git_dir.join(file)).is_ok_and(|content| content.trim() == expected.as_bytes())
    };
    says("HEAD", &format!("ref: {name}"))
        || says("rebase-merge/head-name", name.as_str())
        || says("rebase-apply/head-name", name.as_str())
        || says("BISECT_START", name.short())
}

/// Makes a folder and what is missing above it, and brings the new names to the disk.
fn make_durable_folder(folder: &Path) -> io::Result<()> {
    let Some(parent) = folder.parent() else {
        return Ok(());
    };
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_durable_folder(parent)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    File::open(parent)?.sync_all()
}
