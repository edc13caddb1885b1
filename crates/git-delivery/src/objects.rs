//! Reading objects of the user's store, and writing some so that they survive a power cut.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use gix::objs::FindExt as _;
use ledger_core::{BlobId, CommitId, EntryMode, ObjectId, RepoPath, Side, TreeId};

use crate::crash_point::{crash_object, crash_point};
use crate::repository::Repository;
use crate::tree::EMPTY_TREE;
use crate::tree_order::TreeOrder;

/// The most entries of one tree that are listed. Small objects can describe endless trees.
const LISTING_LIMIT: usize = 10_000_000;

/// From this many new objects on, one flush of the whole file system is cheaper than one a file.
const FLUSH_ALL_FROM: usize = 128;

/// How many files are brought to the disk at the same time.
const MOST_SYNCS: usize = 8;

/// An object cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is not in the store.
    #[error("the object {id} is missing")]
    Missing {
        /// The object.
        id: ObjectId,
    },
    /// It is not what it was taken for.
    #[error("the object {id} is not a {expected}")]
    WrongKind {
        /// The object.
        id: ObjectId,
        /// What it should be.
        expected: &'static str,
    },
    /// It is larger than the caller wants to hold.
    #[error("the object {id} has {size} bytes, more than {limit}")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// Its size in bytes, or its number of entries for a tree.
        size: u64,
        /// The most that was allowed.
        limit: u64,
    },
    /// It is there but makes no sense.
    #[error("the object {id} is damaged: {reason}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// What is wrong.
        reason: String,
    },
    /// The history that would answer is not in this clone.
    #[error("the history of {commit} ends early in this shallow clone")]
    ShallowHistory {
        /// Where the search began.
        commit: CommitId,
    },
    /// It cannot be written.
    #[error("an object cannot be written: {reason}")]
    NotWritten {
        /// What is wrong.
        reason: String,
    },
    /// It is written but cannot be brought to the disk.
    #[error("`{}` cannot be brought to the disk", path.display())]
    NotDurable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The id has another length than SHA-1.
    #[error("an object id is not SHA-1")]
    ForeignHash,
}

/// A library id in our type.
pub(crate) fn ours(id: gix::ObjectId) -> Result<ObjectId, ObjectError> {
    <[u8; 20]>::try_from(id.as_slice())
        .map(ObjectId::from_bytes)
        .map_err(|_| ObjectError::ForeignHash)
}

/// Our id in the library's type.
pub(crate) fn theirs(id: ObjectId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*id.as_bytes())
}

pub(crate) fn entry_mode(mode: gix::objs::tree::EntryMode) -> Option<EntryMode> {
    use gix::objs::tree::EntryKind;
    match mode.kind() {
        EntryKind::Blob => Some(EntryMode::File),
        EntryKind::BlobExecutable => Some(EntryMode::Executable),
        EntryKind::Link => Some(EntryMode::Symlink),
        EntryKind::Commit => Some(EntryMode::Submodule),
        EntryKind::Tree => None,
    }
}

pub(crate) fn entry_kind(mode: EntryMode) -> gix::objs::tree::EntryKind {
    use gix::objs::tree::EntryKind;
    match mode {
        EntryMode::File => EntryKind::Blob,
        EntryMode::Executable => EntryKind::BlobExecutable,
        EntryMode::Symlink => EntryKind::Link,
        EntryMode::Submodule => EntryKind::Commit,
    }
}

/// The id that these bytes have as a blob.
pub fn blob_id(bytes: &[u8]) -> Result<BlobId, ObjectError> {
    object_id(gix::objs::Kind::Blob, bytes).map(BlobId)
}

pub(crate) fn object_id(kind: gix::objs::Kind, bytes: &[u8]) -> Result<ObjectId, ObjectError> {
    let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, bytes).map_err(not_written)?;
    ours(id)
}

/// With what the system says at the bottom of it, such as that the disk is full, which the library's first words leave out.
fn not_written(error: gix::Error) -> ObjectError {
    let reason = match error.downcast_any_ref::<std::io::Error>() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    ObjectError::NotWritten { reason }
}

/// A file of a tree, wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path from the root of the tree.
    pub path: RepoPath,
    /// What it is.
    pub side: Side,
}

impl Repository {
    /// Whether the store has this object.
    pub fn has_object(&self, id: ObjectId) -> bool {
        self.local().has_object(theirs(id))
    }

    /// The tree of a commit.
    pub fn commit_tree_id(&self, commit: CommitId) -> Result<TreeId, ObjectError> {
        let bytes = read_object(&self.local(), commit.0, gix::objs::Kind::Commit, u64::MAX)?;
        let tree = gix::objs::CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1)
            .tree_id()
            .map_err(|error| damaged(commit.0, error))?;
        ours(tree).map(TreeId)
    }

    /// The parents of a commit, in order.
    pub fn commit_parents(&self, commit: CommitId) -> Result<Vec<CommitId>, ObjectError> {
        let bytes = read_object(&self.local(), commit.0, gix::objs::Kind::Commit, u64::MAX)?;
        let parsed = gix::objs::CommitRef::from_bytes(&bytes, gix::hash::Kind::Sha1)
            .map_err(|error| damaged(commit.0, error))?;
        parsed.parents().map(|parent| ours(parent).map(CommitId)).collect()
    }

    /// When a commit was made, in seconds since 1970-01-01T00:00:00Z, as it says.
    pub fn commit_seconds(&self, commit: CommitId) -> Result<i64, ObjectError> {
        let bytes = read_object(&self.local(), commit.0, gix::objs::Kind::Commit, u64::MAX)?;
        let committer = gix::objs::CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1)
            .committer()
            .map_err(|error| damaged(commit.0, error))?;
        Ok(committer.seconds())
    }

    /// The message of a commit as it is stored, with its trailers; what is not UTF-8 is replaced.
    pub fn commit_message(&self, commit: CommitId) -> Result<String, ObjectError> {
        let bytes = read_object(&self.local(), commit.0, gix::objs::Kind::Commit, u64::MAX)?;
        let parsed = gix::objs::CommitRef::from_bytes(&bytes, gix::hash::Kind::Sha1)
            .map_err(|error| damaged(commit.0, error))?;
        Ok(parsed.message.to_string())
    }

    /// Whether `ancestor` is `commit` or can be reached from it. In a shallow clone "no" cannot be told from
    /// "unknown", which is an error.
    pub fn is_ancestor(&self, ancestor: CommitId, commit: CommitId) -> Result<bool, ObjectError> {
        if ancestor == commit {
            return Ok(true);
        }
        let local = self.local();
        for id in [ancestor, commit] {
            if !local.has_object(theirs(id.0)) {
                return Err(ObjectError::Missing { id: id.0 });
            }
        }
        let base = local
            .merge_base(theirs(ancestor.0), theirs(commit.0))
            .map_err(|error| damaged(commit.0, error))?;
        if base.is_some_and(|base| base.detach() == theirs(ancestor.0)) {
            return Ok(true);
        }
        if self.is_shallow() {
            return Err(ObjectError::ShallowHistory { commit });
        }
        Ok(false)
    }

    /// The bytes of a blob that has at most `limit` bytes.
    pub fn read_blob(&self, id: BlobId, limit: u64) -> Result<Vec<u8>, ObjectError> {
        read_object(&self.local(), id.0, gix::objs::Kind::Blob, limit)
    }

    /// The size of a blob in bytes, without reading it.
    pub fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        let header = self
            .local()
            .try_find_header(theirs(id.0))
            .map_err(|error| damaged(id.0, error))?
            .ok_or(ObjectError::Missing { id: id.0 })?;
        Ok(header.size())
    }

    /// What a tree has at this path; nothing for a folder.
    pub fn entry_at(&self, tree: TreeId, path: &RepoPath) -> Result<Option<Side>, ObjectError> {
        side_at(&self.local(), tree, path)
    }

    /// All files of a tree, or of one folder of it, however deep, in the order of their paths' bytes. A folder that is
    /// not there has none.
    pub fn list_tree(&self, tree: TreeId, folder: Option<&RepoPath>) -> Result<Vec<TreeEntry>, ObjectError> {
        list(&self.local(), tree, folder)
    }

    /// The bytes of the file at this path of a commit, following no symbolic link. Nothing if there is no file.
    pub fn read_file_at(&self, commit: CommitId, path: &RepoPath, limit: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        let tree = self.commit_tree_id(commit)?;
        match self.entry_at(tree, path)? {
            Some(side) if matches!(side.mode, EntryMode::File | EntryMode::Executable) => {
                self.read_blob(side.id, limit).map(Some)
            }
            _ => Ok(None),
        }
    }
}

pub(crate) fn damaged(id: ObjectId, error: impl std::fmt::Display) -> ObjectError {
    ObjectError::Damaged {
        id,
        reason: error.to_string(),
    }
}

/// The bytes of an object of this kind and at most this size.
pub(crate) fn read_object(
    local: &gix::Repository,
    id: ObjectId,
    kind: gix::objs::Kind,
    limit: u64,
) -> Result<Vec<u8>, ObjectError> {
    let expected = match kind {
        gix::objs::Kind::Blob => "blob",
        gix::objs::Kind::Tree => "tree",
        gix::objs::Kind::Commit => "commit",
        gix::objs::Kind::Tag => "tag",
    };
    if limit != u64::MAX {
        let header = local
            .try_find_header(theirs(id))
            .map_err(|error| damaged(id, error))?
            .ok_or(ObjectError::Missing { id })?;
        if header.size() > limit {
            return Err(ObjectError::TooLarge {
                id,
                size: header.size(),
                limit,
            });
        }
    }
    let object = local
        .try_find_object(theirs(id))
        .map_err(|error| damaged(id, error))?
        .ok_or(ObjectError::Missing { id })?;
    if object.kind != kind {
        return Err(ObjectError::WrongKind { id, expected });
    }
    Ok(object.detach().data)
}

/// What a tree has at this path; nothing for a folder.
pub(crate) fn side_at(local: &gix::Repository, tree: TreeId, path: &RepoPath) -> Result<Option<Side>, ObjectError> {
    let file = find_entry(local, tree, path)?.and_then(|(mode, id)| Some((entry_mode(mode)?, id)));
    file.map(|(mode, id)| {
        Ok(Side {
            mode,
            id: BlobId(ours(id)?),
        })
    })
    .transpose()
}

/// The entry at this path, also if it is a folder.
pub(crate) fn find_entry(
    local: &gix::Repository,
    tree: TreeId,
    path: &RepoPath,
) -> Result<Option<(gix::objs::tree::EntryMode, gix::ObjectId)>, ObjectError> {
    let mut current = theirs(tree.0);
    let mut parts = path.parts().peekable();
    while let Some(part) = parts.next() {
        let bytes = read_object(local, ours(current)?, gix::objs::Kind::Tree, u64::MAX)?;
        let mut found = None;
        for entry in gix::objs::TreeRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|error| damaged(tree.0, error))?;
            if entry.filename == part {
                found = Some((entry.mode, entry.oid.to_owned()));
                break;
            }
        }
        match found {
            Some(entry) if parts.peek().is_none() => return Ok(Some(entry)),
            Some((mode, id)) if mode.is_tree() => current = id,
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// All files of a tree, or of one folder of it, in the order of their paths' bytes.
pub(crate) fn list(
    local: &gix::Repository,
    tree: TreeId,
    folder: Option<&RepoPath>,
) -> Result<Vec<TreeEntry>, ObjectError> {
    let mut entries = Vec::new();
    let (start, prefix) = match folder {
        None => (theirs(tree.0), Vec::new()),
        Some(folder) => match find_entry(local, tree, folder)? {
            Some((mode, id)) if mode.is_tree() => (id, [folder.as_bytes(), b"/"].concat()),
            _ => return Ok(entries),
        },
    };
    for_each_file(local, start, prefix, &mut |path, mode, id| {
        let path = RepoPath::new(path).map_err(|error| damaged(tree.0, error))?;
        let id = BlobId(ours(id)?);
        entries.push(TreeEntry {
            path,
            side: Side { mode, id },
        });
        Ok(())
    })?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Calls with path, mode and id of each file below a tree, in the trees' own order. Refuses a tree that could be read in two ways.
pub(crate) fn for_each_file(
    local: &gix::Repository,
    tree: gix::ObjectId,
    prefix: Vec<u8>,
    each: &mut dyn FnMut(Vec<u8>, EntryMode, gix::ObjectId) -> Result<(), ObjectError>,
) -> Result<(), ObjectError> {
    let mut waiting = vec![(tree, prefix)];
    let mut buffer = Vec::new();
    let mut count = 0;
    while let Some((id, prefix)) = waiting.pop() {
        let tree = ours(id)?;
        // Git knows it without being told, so it may be in no store.
        if tree == EMPTY_TREE.0 {
            continue;
        }
        let entries = local.objects.find_tree_iter(&id, &mut buffer).map_err(|error| {
            if error.is_not_found() {
                ObjectError::Missing { id: tree }
            } else {
                damaged(tree, error)
            }
        })?;
        let mut order = TreeOrder::default();
        for entry in entries {
            let entry = entry.map_err(|error| damaged(tree, error))?;
            if let Some(reason) = order.refuses(entry.filename, entry.mode.is_tree()) {
                return Err(damaged(tree, reason));
            }
            count += 1;
            if count > LISTING_LIMIT {
                return Err(ObjectError::TooLarge {
                    id: tree,
                    size: count as u64,
                    limit: LISTING_LIMIT as u64,
                });
            }
            let mut path = Vec::with_capacity(prefix.len() + entry.filename.len() + 1);
            path.extend_from_slice(&prefix);
            path.extend_from_slice(entry.filename);
            match entry_mode(entry.mode) {
                Some(mode) => each(path, mode, entry.oid.to_owned())?,
                None => {
                    path.push(b'/');
                    waiting.push((entry.oid.to_owned(), path));
                }
            }
        }
    }
    Ok(())
}

/// Writes objects that must be on the disk before an event names them. [`Self::finish`] is what makes them durable.
pub(crate) struct DurableWriter<'a> {
    local: &'a gix::Repository,
    written: RefCell<BTreeSet<gix::ObjectId>>,
}

impl<'a> DurableWriter<'a> {
    pub(crate) fn new(local: &'a gix::Repository) -> Self {
        Self {
            local,
            written: RefCell::default(),
        }
    }

    /// Writes an object unless the store has it.
    pub(crate) fn write(&self, kind: gix::objs::Kind, bytes: &[u8]) -> Result<ObjectId, ObjectError> {
        let id = object_id(kind, bytes)?;
        self.write_known(kind, bytes, id)?;
        Ok(id)
    }

    /// Writes an object whose id has been computed from these very bytes.
    pub(crate) fn write_known(&self, kind: gix::objs::Kind, bytes: &[u8], id: ObjectId) -> Result<(), ObjectError> {
        use gix::objs::Exists as _;
        let known = theirs(id);
        if !self.local.objects.exists(&known) {
            crate::loose::write(self.local.objects.store_ref().path(), kind, bytes, id).map_err(|error| {
                ObjectError::NotWritten {
                    reason: error.to_string(),
                }
            })?;
            crash_object('+', &known);
            crash_point("an object is written and not brought to the disk");
        }
        // One that exists may have been written without a flush by somebody else.
        self.written.borrow_mut().insert(known);
        Ok(())
    }

    /// The ids that were written or found, for a [`flush`] together with those of other threads.
    pub(crate) fn into_ids(self) -> BTreeSet<gix::ObjectId> {
        self.written.into_inner()
    }

    /// Brings everything that was written to the disk.
    pub(crate) fn finish(self) -> Result<(), ObjectError> {
        let objects = self.local.objects.store_ref().path().to_owned();
        flush(&objects, &self.into_ids())?;
        crash_point("objects are brought to the disk");
        Ok(())
    }
}

/// Brings loose objects and their folders to the disk. Objects in packs are there already.
pub(crate) fn flush(objects: &Path, ids: &BTreeSet<gix::ObjectId>) -> Result<(), ObjectError> {
    let mut folders = BTreeSet::from([objects.to_owned()]);
    let mut files = Vec::new();
    let now = std::time::SystemTime::now();
    let all_at_once = cfg!(target_os = "linux") && ids.len() >= FLUSH_ALL_FROM;
    for id in ids {
        let digits = id.to_string();
        let (first, rest) = digits.split_at(2);
        let folder = objects.join(first);
        let path = folder.join(rest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ObjectError::NotDurable { path, source }),
        };
        // As Git does: an old unreachable object that is used again must not be pruned before a ref names it. Not
        // allowed where another user wrote it, and then not needed: it is not ours to keep.
        let _ = file.set_modified(now);
        if !all_at_once {
            files.push((path, file));
            folders.insert(folder);
        }
    }
    if all_at_once {
        flush_file_system(objects)?;
    } else {
        sync_together(&files)?;
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
    }
    ids.iter().for_each(|id| crash_object('-', id));
    Ok(())
}

/// Brings files to the disk. File systems make one transaction of what is asked for at the same time, where one after the
/// other would be one each.
fn sync_together(files: &[(PathBuf, File)]) -> Result<(), ObjectError> {
    let sync = |(path, file): &(PathBuf, File)| {
        file.sync_all().map_err(|source| ObjectError::NotDurable {
            path: path.clone(),
            source,
        })
    };
    let Some((first, others)) = files.split_first() else {
        return Ok(());
    };
    let share = others.len().div_ceil(MOST_SYNCS - 1).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = others
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().try_for_each(sync)))
            .collect();
        let first = sync(first);
        threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(ObjectError::NotWritten {
                        reason: "a part of the work ended unexpectedly".to_owned(),
                    })
                })
            })
            .fold(first, Result::and)
    })
}

#[cfg(target_os = "linux")]
fn flush_file_system(path: &Path) -> Result<(), ObjectError> {
    let not_durable = |source| ObjectError::NotDurable {
        path: path.to_owned(),
        source,
    };
    let folder = File::open(path).map_err(not_durable)?;
    rustix::fs::syncfs(&folder).map_err(|error| not_durable(error.into()))
}

#[cfg(not(target_os = "linux"))]
fn flush_file_system(path: &Path) -> Result<(), ObjectError> {
    sync_folder(path)
}

/// Brings the names in a folder to the disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ObjectError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| ObjectError::NotDurable {
            path: folder.to_owned(),
            source,
        })
}
