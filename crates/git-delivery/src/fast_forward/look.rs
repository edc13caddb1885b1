//! Whether every path that has to change is exactly as the last commit has it.

use std::collections::BTreeMap;

use ledger_core::{BlobId, Change, EntryMode, RepoPath};

use super::FastForward;
use super::error::{FastForwardError, failed, in_workshop};
use super::staging::Staging;
use super::user_index::UserIndex;
use super::work_tree::{Found, first_that_stays, look, remove_unfinished};
use crate::beneath::Root;
use crate::repository::Repository;

/// What is known when the paths are looked at.
pub(super) struct Look<'a> {
    pub(super) repository: &'a Repository,
    pub(super) root: Root,
    pub(super) changes: BTreeMap<&'a RepoPath, &'a Change>,
    pub(super) index: UserIndex,
    pub(super) new: &'a Staging,
    pub(super) trusts_mode: bool,
    pub(super) is_sparse: bool,
    pub(super) is_begun: bool,
}

impl Look<'_> {
    /// One step for each path, or what is in the way of all of them.
    pub(super) fn steps(&self, plan: &FastForward) -> Result<Vec<Step>, FastForwardError> {
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

/// One path that differs.
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) found: Found,
    /// Whether the work tree is not touched: nothing is there, and the index says that nothing is to be.
    pub(super) is_hidden: bool,
    /// Whether the work tree is as it will be.
    pub(super) is_done: bool,
    pub(super) skip_worktree: bool,
    pub(super) assume_unchanged: bool,
}
