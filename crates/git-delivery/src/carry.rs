//! Carrying a change from the tree that it was made on to another, whole files at a time, or line by line where that is wanted.

use std::collections::BTreeMap;

use ledger_core::{Change, CommitId, EntryMode, RepoPath, TreeId};

use crate::commit::{CommitDraft, CommitTime};
use crate::merge::{Merge, MergeError};
use crate::names::folded;
use crate::objects::{DurableWriter, ObjectError};
use crate::repository::{Person, Repository};
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
        self.with_edits(mine, onto)
    }

    /// The same, where files that both sides changed are merged line by line, as `git merge` would. Clean only where each of those is
    /// a file before and after on both sides, of one kind, and the merge touches no path that the change did not.
    pub fn carry_merging(&self, from: TreeId, changed: TreeId, onto: TreeId) -> Result<Merge, MergeError> {
        let paths = match self.carry(from, changed, onto)? {
            Merge::Clean { tree } => return Ok(Merge::Clean { tree }),
            Merge::Conflict { paths } => paths,
        };
        let mine = self.tree_changes(from, changed)?;
        let theirs = self.tree_changes(from, onto)?;
        // Before and after on one side, where both are there.
        let sides = |changes: &[Change], path: &RepoPath| {
            let change = changes.iter().find(|change| change.path == *path)?;
            Some([change.before?, change.after?])
        };
        let is_text = |path: &RepoPath| {
            let (Some(mine), Some(theirs)) = (sides(&mine, path), sides(&theirs, path)) else {
                return false;
            };
            let kind = mine[0].mode;
            matches!(kind, EntryMode::File | EntryMode::Executable)
                && mine.iter().chain(&theirs).all(|side| side.mode == kind)
        };
        if !paths.iter().all(is_text) {
            return Ok(Merge::Conflict { paths });
        }
        let base = self.draft_of(from, Vec::new())?;
        let ours = self.draft_of(onto, vec![base])?;
        let merged = match self.merge_trees(ours, self.draft_of(changed, vec![base])?)? {
            Merge::Clean { tree } => tree,
            Merge::Conflict { paths } => return Ok(Merge::Conflict { paths }),
        };
        // A renamed file of theirs would take the change to a path that nobody allowed.
        let moved: Vec<RepoPath> = self
            .tree_changes(onto, merged)?
            .into_iter()
            .map(|change| change.path)
            .filter(|path| !mine.iter().any(|change| change.path == *path))
            .collect();
        Ok(match moved.is_empty() {
            true => Merge::Clean { tree: merged },
            false => Merge::Conflict { paths: moved },
        })
    }

    /// A commit that only stands for a tree in a merge.
    fn draft_of(&self, tree: TreeId, parents: Vec<CommitId>) -> Result<CommitId, MergeError> {
        let nobody = Person {
            name: "Counterfoil".to_owned(),
            email: "counterfoil@localhost".to_owned(),
        };
        let draft = CommitDraft {
            tree,
            parents,
            author: nobody.clone(),
            committer: nobody,
            time: CommitTime {
                seconds: 0,
                offset_minutes: 0,
            },
            message: "A side of a merge\n".to_owned(),
        };
        Ok(draft.write(self)?)
    }

    fn with_edits(&self, mine: Vec<Change>, onto: TreeId) -> Result<Merge, ObjectError> {
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
