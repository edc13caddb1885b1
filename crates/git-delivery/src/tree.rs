//! Trees: what differs between two, and new ones made of an old one and some files.

use std::collections::{BTreeMap, BTreeSet};

use gix::objs::WriteTo as _;
use ledger_core::{BlobId, Change, EntryMode, ObjectId, RepoPath, Side, TreeId};

use crate::names::is_forbidden_path;
use crate::objects::{DurableWriter, ObjectError, entry_kind, entry_mode, object_id, ours, read_object, theirs};
use crate::repository::Repository;

/// The tree without any file.
pub(crate) const EMPTY_TREE: TreeId = TreeId(ObjectId::from_bytes([
    0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49,
    0x04,
]));

/// A tree cannot be made or compared.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Git refuses such a name in a tree.
    #[error("`{path}` has a name that git refuses")]
    ForbiddenName {
        /// The path.
        path: RepoPath,
    },
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// What should be at a path: a file, or nothing.
pub(crate) type Edits = BTreeMap<RepoPath, Option<Side>>;

impl Repository {
    /// Every path at which two trees differ, in the order of the paths' bytes. Renames are not looked for.
    pub fn tree_changes(&self, before: TreeId, after: TreeId) -> Result<Vec<Change>, ObjectError> {
        tree_changes(&self.local(), before, after)
    }

    /// Whether two trees are equal but for paths for which `allowed` says yes.
    pub fn tree_differs_only_in(
        &self,
        before: TreeId,
        after: TreeId,
        allowed: impl Fn(&RepoPath) -> bool,
    ) -> Result<bool, ObjectError> {
        Ok(self
            .tree_changes(before, after)?
            .iter()
            .all(|change| allowed(&change.path)))
    }

    /// A tree like `tree`, but that each of these paths is as given: this entry, or nothing. Written so that it survives a power cut; not
    /// anchored. What is in the way of an entry is replaced.
    pub fn with_entries(&self, tree: TreeId, entries: &BTreeMap<RepoPath, Option<Side>>) -> Result<TreeId, TreeError> {
        for (path, side) in entries {
            let is_symlink = side.is_some_and(|side| side.mode == EntryMode::Symlink);
            if side.is_some() && is_forbidden_path(path.as_bytes(), is_symlink) {
                return Err(TreeError::ForbiddenName { path: path.clone() });
            }
        }
        let local = self.local();
        let writer = DurableWriter::new(&local);
        let tree = edited_tree(&local, tree, entries, Some(&writer))?;
        writer.finish()?;
        Ok(tree)
    }

    /// A tree like `tree` with these files and without those, written so that it survives a power cut. A file that is in the way of a
    /// folder, or a folder in the way of a file, is replaced. The files are plain, not executable. One that is in both lists is there.
    pub fn overlay(
        &self,
        tree: TreeId,
        files: &BTreeMap<RepoPath, Vec<u8>>,
        removed: &BTreeSet<RepoPath>,
    ) -> Result<TreeId, TreeError> {
        let local = self.local();
        let writer = DurableWriter::new(&local);
        let mut edits: Edits = removed.iter().map(|path| (path.clone(), None)).collect();
        for (path, bytes) in files {
            if is_forbidden_path(path.as_bytes(), false) {
                return Err(TreeError::ForbiddenName { path: path.clone() });
            }
            let id = BlobId(writer.write(gix::objs::Kind::Blob, bytes)?);
            let mode = EntryMode::File;
            edits.insert(path.clone(), Some(Side { mode, id }));
        }
        let tree = edited_tree(&local, tree, &edits, Some(&writer))?;
        writer.finish()?;
        Ok(tree)
    }
}

/// The tree that `tree` becomes by these edits. Without a writer only its id is computed.
pub(crate) fn edited_tree(
    local: &gix::Repository,
    tree: TreeId,
    edits: &Edits,
    writer: Option<&DurableWriter<'_>>,
) -> Result<TreeId, ObjectError> {
    let unwritable = |error: gix::Error| ObjectError::NotWritten {
        reason: error.to_string(),
    };
    let bytes = if tree == EMPTY_TREE {
        Vec::new()
    } else {
        read_object(local, tree.0, gix::objs::Kind::Tree, u64::MAX)?
    };
    let root = gix::objs::TreeRef::from_bytes(&bytes, gix::hash::Kind::Sha1).map_err(|error| ObjectError::Damaged {
        id: tree.0,
        reason: error.to_string(),
    })?;
    let mut editor = gix::objs::tree::Editor::new(root.into(), &local.objects, gix::hash::Kind::Sha1);
    // What goes away goes first: it may be in the way of what comes.
    for (path, _) in edits.iter().filter(|(_, side)| side.is_none()) {
        editor
            .remove(path.parts().map(gix::bstr::BStr::new))
            .map_err(unwritable)?;
    }
    for (path, side) in edits {
        if let Some(side) = side {
            editor
                .upsert(
                    path.parts().map(gix::bstr::BStr::new),
                    entry_kind(side.mode),
                    theirs(side.id.0),
                )
                .map_err(unwritable)?;
        }
    }
    let mut buffer = Vec::new();
    let id = editor.write(|tree| {
        buffer.clear();
        tree.write_to(&mut buffer).map_err(|error| ObjectError::NotWritten {
            reason: error.to_string(),
        })?;
        let id = match writer {
            Some(writer) => writer.write(gix::objs::Kind::Tree, &buffer)?,
            None => object_id(gix::objs::Kind::Tree, &buffer)?,
        };
        Ok::<_, ObjectError>(theirs(id))
    })?;
    Ok(TreeId(ours(id)?))
}

type Entries = BTreeMap<Vec<u8>, (gix::objs::tree::EntryMode, gix::ObjectId)>;

pub(crate) fn tree_changes(local: &gix::Repository, before: TreeId, after: TreeId) -> Result<Vec<Change>, ObjectError> {
    let mut changes = Vec::new();
    let mut waiting = vec![(Some(theirs(before.0)), Some(theirs(after.0)), Vec::new())];
    while let Some((before, after, prefix)) = waiting.pop() {
        if before == after {
            continue;
        }
        let before = entries(local, before)?;
        let mut after = entries(local, after)?;
        let mut pairs: Vec<_> = before
            .into_iter()
            .map(|(name, old)| {
                let new = after.remove(&name);
                (name, Some(old), new)
            })
            .collect();
        pairs.extend(after.into_iter().map(|(name, new)| (name, None, Some(new))));
        for (name, old, new) in pairs {
            if old == new {
                continue;
            }
            let path = [prefix.as_slice(), &name].concat();
            let folder = |entry: Option<(gix::objs::tree::EntryMode, gix::ObjectId)>| {
                entry.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| id)
            };
            let (old_folder, new_folder) = (folder(old), folder(new));
            if old_folder.is_some() || new_folder.is_some() {
                waiting.push((old_folder, new_folder, [path.as_slice(), b"/"].concat()));
            }
            let (before, after) = (file(old)?, file(new)?);
            if before != after {
                changes.push(Change {
                    path: RepoPath::new(path).map_err(|error| ObjectError::NotWritten {
                        reason: error.to_string(),
                    })?,
                    before,
                    after,
                    renamed_from: None,
                });
            }
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn file(entry: Option<(gix::objs::tree::EntryMode, gix::ObjectId)>) -> Result<Option<Side>, ObjectError> {
    let Some((mode, id)) = entry else {
        return Ok(None);
    };
    Ok(match entry_mode(mode) {
        Some(mode) => Some(Side {
            mode,
            id: BlobId(ours(id)?),
        }),
        None => None,
    })
}

fn entries(local: &gix::Repository, tree: Option<gix::ObjectId>) -> Result<Entries, ObjectError> {
    let mut entries = Entries::new();
    let Some(tree) = tree.filter(|id| *id != theirs(EMPTY_TREE.0)) else {
        return Ok(entries);
    };
    let id = ours(tree)?;
    let bytes = read_object(local, id, gix::objs::Kind::Tree, u64::MAX)?;
    for entry in gix::objs::TreeRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1) {
        let entry = entry.map_err(|error| ObjectError::Damaged {
            id,
            reason: error.to_string(),
        })?;
        entries.insert(entry.filename.to_vec(), (entry.mode, entry.oid.to_owned()));
    }
    Ok(entries)
}
