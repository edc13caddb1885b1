//! The package manifests of a tree, by which policy tells modules apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use git_delivery::{ObjectError, Repository};
use ledger_core::{RepoPath, TreeId};
use policy::PACKAGE_MANIFESTS;

/// The most paths whose folders are looked at. A change of more is too large for quick mode, however many modules it is in.
const MAX_PATHS: usize = 1000;

/// The package manifests of one tree, looked up folder by folder, each folder once.
pub(crate) struct Manifests<'a> {
    repository: &'a Repository,
    tree: TreeId,
    known: Mutex<BTreeMap<Vec<u8>, Vec<RepoPath>>>,
}

impl<'a> Manifests<'a> {
    /// Those of this tree.
    pub(crate) fn of(repository: &'a Repository, tree: TreeId) -> Self {
        Self {
            repository,
            tree,
            known: Mutex::default(),
        }
    }

    /// Those in the folders above these paths.
    pub(crate) fn above<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p RepoPath>,
    ) -> Result<BTreeSet<RepoPath>, ObjectError> {
        let mut found = BTreeSet::new();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths.into_iter().take(MAX_PATHS) {
            for folder in folders_above(path) {
                if !known.contains_key(folder) {
                    known.insert(folder.to_vec(), self.inside(folder)?);
                }
                found.extend(known.get(folder).into_iter().flatten().cloned());
            }
        }
        Ok(found)
    }

    fn inside(&self, folder: &[u8]) -> Result<Vec<RepoPath>, ObjectError> {
        let mut found = Vec::new();
        for name in PACKAGE_MANIFESTS {
            // A folder that is part of a path and a fixed name are always a path together.
            let Ok(path) = RepoPath::new([folder, name.as_bytes()].concat()) else {
                continue;
            };
            if self.repository.entry_at(self.tree, &path)?.is_some() {
                found.push(path);
            }
        }
        Ok(found)
    }
}

/// The folders that a path lies in, each with a slash at its end; the root's is empty.
fn folders_above(path: &RepoPath) -> impl Iterator<Item = &[u8]> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    std::iter::once(&bytes[..0]).chain(slashes.map(|(index, _)| &bytes[..=index]))
}
