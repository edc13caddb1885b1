//! What becomes of specs when their ticket is delivered: accepted items of the delta become current, and the specs themselves go to the
//! archive. All of it follows from bytes that a person approved and from the tree, so that anybody can compute it again.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{ObjectError, Repository};
use ledger_core::{CurrentProblem, RepoPath, TreeId};

use crate::specs::LinkedSpecs;

/// How the records commit changes the specs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closeout {
    /// The files that are written, whole.
    pub(crate) written: BTreeMap<RepoPath, Vec<u8>>,
    /// The files that go.
    pub(crate) removed: BTreeSet<RepoPath>,
}

/// Specs cannot be closed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseoutError {
    /// An item of the delta does not fit what is current.
    #[error("{0}")]
    Current(CurrentProblem),
    /// Every name in the archive is taken.
    #[error("the archive has 999 changes of this name")]
    Archive,
    /// The tree does not have the specs as they were approved.
    #[error("`{path}` is not in the tree as it was approved")]
    Changed {
        /// The file.
        path: RepoPath,
    },
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl Closeout {
    /// What becomes of these specs on this tree.
    pub(crate) fn of(repository: &Repository, tree: TreeId, specs: &LinkedSpecs) -> Result<Self, CloseoutError> {
        for file in &specs.files {
            let side = repository.entry_at(tree, &file.path)?;
            let blob = git_delivery::blob_id(&file.bytes)?;
            if side.is_none_or(|side| !side.mode.is_file() || side.id != blob) {
                let path = file.path.clone();
                return Err(CloseoutError::Changed { path });
            }
        }
        let brought = specs.brought_into(repository, tree)?;
        let mut written = brought.map_err(|problems| match problems.into_iter().next() {
            Some(problem) => CloseoutError::Current(problem),
            None => CloseoutError::Archive,
        })?;
        let number = free_number(repository, tree, specs)?;
        let mut removed = BTreeSet::new();
        for file in &specs.files {
            let archived = specs.folder.archived_file(&specs.name, number, file.kind);
            written.insert(archived, file.bytes.clone());
            removed.insert(file.path.clone());
        }
        Ok(Self { written, removed })
    }

    /// Whether it is about this path.
    pub(crate) fn has(&self, path: &RepoPath) -> bool {
        self.written.contains_key(path) || self.removed.contains(path)
    }
}

/// Nothing in the archive is overwritten: a second change of a name gets a number.
fn free_number(repository: &Repository, tree: TreeId, specs: &LinkedSpecs) -> Result<u32, CloseoutError> {
    for number in 1..=ledger_core::MOST_OF_ONE_NAME {
        let mut is_free = true;
        for kind in ledger_core::SpecKind::ALL {
            let path = specs.folder.archived_file(&specs.name, number, kind);
            is_free &= repository.entry_at(tree, &path)?.is_none();
        }
        if is_free {
            return Ok(number);
        }
    }
    Err(CloseoutError::Archive)
}
