//! Carrying a change from the tree that it was made on to another, whole files at a time.

use std::collections::BTreeMap;

use ledger_core::{Change, RepoPath, TreeId};

use crate::merge::Merge;
use crate::names::folded;
use crate::objects::{DurableWriter, ObjectError};
use crate::repository::Repository;
use crate::tree::{Edits, edited_tree};

impl Repository {
    /// The tree that `onto` becomes by what differs between `from` and `changed`. Clean only where no path of that change is
    /// one that differs between `from` and `onto` too, or lies above or below one, or differs from a name there by nothing but case or
    /// normal form: files are never merged, so that nothing
    /// decides about their contents, and no merge driver is asked. The tree is written, but not anchored.
    pub fn carry(&self, from: TreeId, changed: TreeId, onto: TreeId) -> Result<Merge, ObjectError> {
        let mine = self.tree_changes(from, changed)?;
        let theirs = self.tree_changes(from, onto)?;
        let theirs: BTreeMap<&[u8], &Change> = theirs.iter().map(|change| (change.path.as_bytes(), change)).collect();
        let names = Names::of(self, onto)?;
        let paths: Vec<RepoPath> = mine
            .iter()
            .filter(|change| meets(change, &theirs) || (change.after.is_some() && names.have_a_twin_of(&change.path)))
            .map(|change| change.path.clone())
            .collect();
        if !paths.is_empty() {
            return Ok(Merge::Conflict { paths });
        }
        let edits: Edits = mine.into_iter().map(|change| (change.path, change.after)).collect();
        let local = self.local();
        let writer = DurableWriter::new(&local);
        let tree = edited_tree(&local, onto, &edits, Some(&writer))?;
        writer.finish()?;
        Ok(Merge::Clean { tree })
    }
}

/// The names of all files and folders of a tree, by the form in which some file systems find them.
struct Names(BTreeMap<Vec<u8>, Vec<u8>>);

impl Names {
    fn of(repository: &Repository, tree: TreeId) -> Result<Self, ObjectError> {
        let mut names = BTreeMap::new();
        for entry in repository.list_tree(tree, None)? {
            for path in with_folders(entry.path.as_bytes()) {
                names.entry(folded(path)).or_insert_with(|| path.to_vec());
            }
        }
        Ok(Self(names))
    }

    fn have_a_twin_of(&self, path: &RepoPath) -> bool {
        with_folders(path.as_bytes()).any(|path| self.0.get(&folded(path)).is_some_and(|known| known != path))
    }
}

/// A path and every folder above it.
fn with_folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    ends.map(|(end, _)| &path[..end]).chain([path])
}

/// Whether a change is about the same path as one of the others, or one of them is about a folder that the other needs. The
/// same change on both sides is no conflict.
fn meets(change: &Change, others: &BTreeMap<&[u8], &Change>) -> bool {
    let path = change.path.as_bytes();
    let is_other = others.get(path).is_some_and(|other| other.after != change.after);
    let mut folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let is_below_one = folders.any(|(end, _)| others.contains_key(&path[..end]));
    let folder = [path, b"/"].concat();
    let next = others.range(folder.as_slice()..).next();
    is_other || is_below_one || next.is_some_and(|(path, _)| path.starts_with(&folder))
}
