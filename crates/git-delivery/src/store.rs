//! Files kept in Git outside any branch: journals, receipts and evidence of finished runs.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{CommitId, EntryMode, RepoPath};

use crate::commit::{CommitDraft, CommitError, CommitTime};
use crate::objects::ObjectError;
use crate::repository::{Person, Repository};
use crate::tree::{EMPTY_TREE, TreeError};

/// Files cannot be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tree cannot be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The commit cannot be made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It holds something that was never stored here.
    #[error("`{path}` in {commit} is not a plain file")]
    NotAFile {
        /// The commit.
        commit: CommitId,
        /// The path.
        path: RepoPath,
    },
    /// The files together are larger than the caller wants to hold.
    #[error("the files stored in {commit} have more than {limit} bytes")]
    TooLarge {
        /// The commit.
        commit: CommitId,
        /// The most that was allowed.
        limit: u64,
    },
}

impl Repository {
    /// Stores these files, and nothing else, as a commit that survives a power cut. No ref names it yet: that is the next
    /// step. The same files, message, parents and time always give the same commit.
    pub fn store_files(
        &self,
        files: &BTreeMap<RepoPath, Vec<u8>>,
        message: &str,
        parents: &[CommitId],
        when: CommitTime,
    ) -> Result<CommitId, StoreError> {
        let tree = self.overlay(EMPTY_TREE, files, &BTreeSet::new())?;
        let runner = Person {
            name: "Counterfoil".to_owned(),
            email: "counterfoil@localhost".to_owned(),
        };
        let draft = CommitDraft {
            tree,
            parents: parents.to_vec(),
            author: runner.clone(),
            committer: runner,
            time: when,
            message: message.to_owned(),
        };
        Ok(draft.write(self)?)
    }

    /// All files of such a commit, which together have at most `limit` bytes.
    pub fn read_stored(&self, commit: CommitId, limit: u64) -> Result<BTreeMap<RepoPath, Vec<u8>>, StoreError> {
        let tree = self.commit_tree_id(commit)?;
        let mut files = BTreeMap::new();
        let mut left = limit;
        for entry in self.list_tree(tree, None)? {
            if entry.side.mode != EntryMode::File {
                return Err(StoreError::NotAFile {
                    commit,
                    path: entry.path,
                });
            }
            let bytes = match self.read_blob(entry.side.id, left) {
                Err(ObjectError::TooLarge { .. }) => return Err(StoreError::TooLarge { commit, limit }),
                other => other?,
            };
            left -= bytes.len() as u64;
            files.insert(entry.path, bytes);
        }
        Ok(files)
    }
}
