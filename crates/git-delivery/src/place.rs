//! Places: checkouts of their own in which a run works, checks or reviews.

pub(crate) mod checkout;
pub(crate) mod cleaning;
pub(crate) mod copies;
mod git_index;
pub(crate) mod index;
pub(crate) mod throw_away_git;
pub(crate) mod walk;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use ledger_core::{CommitId, RepoPath, TreeId};

use crate::beneath::{Root, make_usable, remove};
use crate::objects::{ObjectError, for_each_file, ours, theirs};
use crate::place::checkout::{Wanted, write_files};
use crate::place::index::{Entry, FileStat, Origin, PlaceIndex, PlaceIndexError, RuleFile};
use crate::place::throw_away_git::{RefSnapshot, renew_git_folder, write_git_folder};
use crate::place::walk::WalkError;
use crate::repository::Repository;
use crate::rules::is_rule_file;

/// A place cannot be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The folder exists and is not empty.
    #[error("`{}` exists and is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be made, opened or removed.
    #[error("the place at `{}` cannot be made, opened or removed", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file in the place cannot be written or removed.
    #[error("`{path}` in the place cannot be written or removed")]
    Io {
        /// The file, `.` for the place itself.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The tree has a name that would land outside the place or in a `.git`.
    #[error("the tree has the name `{path}`, which git refuses")]
    ForbiddenName {
        /// The path, made printable.
        path: String,
    },
    /// A file cannot be put beside the tree: the tree has something at, above or below its path.
    #[error("`{path}` is tracked, or something tracked is above or below it")]
    Tracked {
        /// The path.
        path: String,
    },
    /// The place cannot share the objects of the repository.
    #[error("the place cannot share the repository's objects: {reason}")]
    Alternates {
        /// What is wrong.
        reason: String,
    },
    /// A part of the work died.
    #[error("a part of the checkout ended unexpectedly")]
    Died,
    /// The index beside the place is missing or damaged.
    #[error(transparent)]
    Index(#[from] PlaceIndexError),
    /// The place cannot be looked at.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl PlaceError {
    pub(crate) fn io(path: &[u8], source: impl Into<io::Error>) -> Self {
        let path = RepoPath::new(path).map_or_else(|_| ".".to_owned(), |path| path.to_string());
        Self::Io {
            path,
            source: source.into(),
        }
    }
}

/// What happens to untracked files when a place is brought to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Those that the base's rules or the user's own ignore stay: they are caches.
    KeepIgnored,
    /// All go.
    RemoveAll,
}

/// What was done to bring a place to a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// Files written.
    pub written: u64,
    /// Files removed, those that were written anew not counted.
    pub removed: u64,
    /// The files of the tree before that were found changed, as in [`Strays::changed`]; none where nobody looked.
    pub changed: Vec<RepoPath>,
}

/// How a place differs from the tree that it was brought to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strays {
    /// The files of the tree whose content, kind or execute bit is another, or that are gone. Sorted.
    pub changed: Vec<RepoPath>,
    /// What is not in the tree and would go if the place were brought to it now. Sorted.
    pub added: Vec<RepoPath>,
}

/// A checkout of its own, with a throw-away `.git`: objects are shared with the repository, branches and tags are a
/// snapshot, there is no remote and no hook, `HEAD` is the base.
///
/// Files hold exactly the bytes that are stored. No filter is run and no line ending converted, in either direction, so
/// that an unchanged file is always the unchanged blob; a path with a filter is reported when it changes. Submodules are
/// empty folders.
///
/// Beside the place, in a file with the same name and the ending `.place`, is the runner's own index of it. Nobody who
/// works in the place may be able to write there.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    index: PlaceIndex,
}

/// Files of the base that are not written into a place: those in the folders directly below one folder, but for some of these
/// folders. Not to see them there is no change; whatever is put in their place is one, as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The folder whose subfolders are left out.
    pub below: RepoPath,
    /// The names of the subfolders that are written all the same.
    pub except: BTreeSet<String>,
}

impl LeftOut {
    fn covers(&self, path: &[u8]) -> bool {
        let below = path.strip_prefix(self.below.as_bytes());
        let below = below.and_then(|rest| rest.strip_prefix(b"/")).unwrap_or_default();
        match below.iter().position(|byte| *byte == b'/') {
            Some(end) => !std::str::from_utf8(&below[..end]).is_ok_and(|name| self.except.contains(name)),
            None => false,
        }
    }
}

impl Place {
    /// Makes a place at a folder that does not exist or is empty, with the files of `base`.
    pub fn create(
        repository: &Repository,
        folder: &Path,
        base: CommitId,
        refs: &RefSnapshot,
    ) -> Result<Self, PlaceError> {
        Self::create_partly(repository, folder, base, refs, None)
    }

    /// The same, but some files are left out.
    pub fn create_without(
        repository: &Repository,
        folder: &Path,
        base: CommitId,
        refs: &RefSnapshot,
        left_out: &LeftOut,
    ) -> Result<Self, PlaceError> {
        Self::create_partly(repository, folder, base, refs, Some(left_out))
    }

    fn create_partly(
        repository: &Repository,
        folder: &Path,
        base: CommitId,
        refs: &RefSnapshot,
        left_out: Option<&LeftOut>,
    ) -> Result<Self, PlaceError> {
        let folder_error = |source| PlaceError::Folder {
            path: folder.to_owned(),
            source,
        };
        let folder = &std::path::absolute(folder).map_err(folder_error)?;
        let base_tree = repository.commit_tree_id(base)?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_empty = std::fs::read_dir(folder).map_err(folder_error)?.next().is_none();
                if !is_empty {
                    return Err(PlaceError::NotEmpty { path: folder.clone() });
                }
            }
            other => other.map_err(folder_error)?,
        }
        let root = Root::open(folder).map_err(folder_error)?;
        let files = files_of(repository, base_tree)?;
        let rules = files
            .iter()
            .filter(|wanted| is_rule_file(&wanted.path, wanted.side.mode))
            .map(|wanted| RuleFile {
                path: wanted.path.clone(),
                id: wanted.side.id,
            })
            .collect();
        let is_wanted = |file: &Wanted| !left_out.is_some_and(|left_out| left_out.covers(&file.path));
        let wanted: Vec<Wanted> = files.iter().filter(|file| is_wanted(file)).cloned().collect();
        let mut stats = write_files(repository, &root, &wanted)?.into_iter();
        let entries = files.iter().map(|file| Entry {
            path: &file.path,
            side: file.side,
            stat: match is_wanted(file) {
                true => stats.next().unwrap_or(FileStat::LEFT_OUT),
                false => FileStat::LEFT_OUT,
            },
        });
        let origin = Origin {
            base,
            base_tree,
            tree: base_tree,
        };
        let mut index = PlaceIndex::new(origin, rules, entries);
        write_git_folder(repository, folder, &index, refs)?;
        index.tick = index.save(&index_path(folder), folder)?;
        Ok(Self {
            folder: folder.clone(),
            index,
        })
    }

    /// Opens a place that was made earlier. One whose making or change was cut short is refused or repaired by the next
    /// [`Self::bring_to`].
    pub fn open(folder: &Path) -> Result<Self, PlaceError> {
        let folder = std::path::absolute(folder).map_err(|source| PlaceError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let index = PlaceIndex::load(&index_path(&folder))?;
        Ok(Self { folder, index })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether somebody has removed it, or all that was in it but its `.git`, and left what is noted beside it.
    pub fn is_gone(&self) -> bool {
        match std::fs::read_dir(&self.folder) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            Ok(mut entries) => {
                let holds_something = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".git"));
                self.index.len() > 0 && !holds_something
            }
        }
    }

    /// Whether something else stands where it was made: a link, another repository, or a folder that none is.
    pub fn is_replaced(&self, repository: &Repository) -> bool {
        !throw_away_git::is_of(repository, &self.folder)
    }

    /// Gives what stands in the place of it another name, under which one from before is removed, so that a place can be made here. Nothing of it is
    /// followed or changed.
    pub fn set_aside(folder: &Path) -> Result<(), PlaceError> {
        let aside = with_ending(folder, ".replaced");
        let failed = |source: io::Error| PlaceError::Folder {
            path: folder.to_owned(),
            source,
        };
        remove_tree(&aside).map_err(failed)?;
        std::fs::rename(folder, &aside).map_err(failed)?;
        Self::remove(folder)
    }

    /// The commit that it was made of.
    pub fn base(&self) -> CommitId {
        self.index.origin.base
    }

    /// The tree that it was last brought to.
    pub fn tree(&self) -> TreeId {
        self.index.origin.tree
    }

    pub(crate) fn index(&self) -> &PlaceIndex {
        &self.index
    }

    pub(crate) fn root(&self) -> Result<Root, PlaceError> {
        Root::open(&self.folder).map_err(|source| PlaceError::Folder {
            path: self.folder.clone(),
            source,
        })
    }

    /// Brings the place to exactly this tree, touching only what differs from what is really there: code that ran in it
    /// may have changed anything. What is untracked goes, see [`Leftovers`]; `exempt` stays. `.git` is made anew. Nobody
    /// may work in the place meanwhile.
    pub fn bring_to(
        &mut self,
        repository: &Repository,
        tree: TreeId,
        refs: &RefSnapshot,
        leftovers: Leftovers,
        exempt: &BTreeSet<RepoPath>,
    ) -> Result<Brought, PlaceError> {
        self.make_enterable()?;
        let root = self.root()?;
        let (index, brought) = cleaning::bring_to(repository, &root, &self.index, tree, leftovers, exempt)?;
        self.index = index;
        remove(root.as_fd(), b".git").map_err(|error| PlaceError::io(b".git", error))?;
        write_git_folder(repository, &self.folder, &self.index, refs)?;
        self.index.tick = self.index.save(&index_path(&self.folder), &self.folder)?;
        Ok(brought)
    }

    /// Brings the place to exactly this tree as [`Self::bring_to`] does, but without looking at what is there: only for one in
    /// which nobody can have written since it was last brought to a tree.
    pub fn advance_to(
        &mut self,
        repository: &Repository,
        tree: TreeId,
        refs: &RefSnapshot,
    ) -> Result<Brought, PlaceError> {
        let root = self.root()?;
        let (index, brought) = cleaning::advance_to(repository, &root, &self.index, tree)?;
        self.index = index;
        let (folder, index) = (&self.folder, &self.index);
        let (renewed, saved) = std::thread::scope(|scope| {
            let renewed = scope.spawn(|| renew_git_folder(folder, index, refs));
            let saved = index.save(&index_path(folder), folder);
            (renewed.join().unwrap_or(Err(PlaceError::Died)), saved)
        });
        renewed?;
        self.index.tick = saved?;
        Ok(brought)
    }

    /// How the place differs from the tree that it was last brought to. Mends nothing but the permissions of folders that may
    /// not be read.
    pub fn strays(
        &self,
        repository: &Repository,
        leftovers: Leftovers,
        exempt: &BTreeSet<RepoPath>,
    ) -> Result<Strays, PlaceError> {
        self.make_enterable()?;
        cleaning::strays(repository, &self.root()?, &self.index, leftovers, exempt)
    }

    /// Code that ran in the place may have locked the runner out of it.
    fn make_enterable(&self) -> Result<(), PlaceError> {
        let failed = |source| PlaceError::Folder {
            path: self.folder.clone(),
            source,
        };
        if let (Some(parent), Some(name)) = (self.folder.parent(), self.folder.file_name())
            && Root::open(&self.folder).is_err()
        {
            let parent = Root::open(parent).map_err(failed)?;
            make_usable(parent.as_fd(), name.as_encoded_bytes()).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes a place, finished or not, whatever is in it: read-only folders, endless depth, links that lead elsewhere.
    /// One that is not there is nothing.
    pub fn remove(folder: &Path) -> Result<(), PlaceError> {
        let failed = |source: io::Error| PlaceError::Folder {
            path: folder.to_owned(),
            source,
        };
        let folder = std::path::absolute(folder).map_err(failed)?;
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(failed(io::Error::from(io::ErrorKind::InvalidInput)));
        };
        let parent = match Root::open(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(failed)?,
        };
        // The index goes first: without it nothing takes the rest for a place.
        for path in [index_path(&folder), with_ending(&folder, ".place.new")] {
            if let Some(name) = path.file_name() {
                remove(parent.as_fd(), name.as_encoded_bytes()).map_err(failed)?;
            }
        }
        remove(parent.as_fd(), name.as_encoded_bytes()).map_err(failed)
    }
}

/// Removes a folder with all that is in it, as [`Place::remove`] does, but without what belongs to a place.
pub fn remove_tree(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    match Root::open(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        parent => remove(parent?.as_fd(), name.as_encoded_bytes()),
    }
}

fn index_path(folder: &Path) -> PathBuf {
    with_ending(folder, ".place")
}

fn with_ending(folder: &Path, ending: &str) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// All files of a tree, sorted by path.
fn files_of(repository: &Repository, tree: TreeId) -> Result<Vec<Wanted>, ObjectError> {
    let mut files = Vec::new();
    for_each_file(
        &repository.local(),
        theirs(tree.0),
        Vec::new(),
        &mut |path, mode, id| {
            let id = ledger_core::BlobId(ours(id)?);
            files.push(Wanted {
                path,
                side: ledger_core::Side { mode, id },
            });
            Ok(())
        },
    )?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
