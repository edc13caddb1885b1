//! Merges of dependencies into one base: exactly what `git merge` would give, or a conflict.

use std::collections::BTreeSet;

use ledger_core::{CommitId, RepoPath, TreeId};

use crate::commit::{CommitDraft, CommitError, CommitTime};
use crate::git_program::GitProgramError;
use crate::objects::{ObjectError, find_entry, flush, theirs as named};
use crate::repository::{Person, Repository};
use crate::tree::tree_changes;

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// It is clean.
    Clean {
        /// The merged tree. Written, but not anchored.
        tree: TreeId,
    },
    /// A person has to decide.
    Conflict {
        /// The paths that differ on both sides.
        paths: Vec<RepoPath>,
    },
}

/// What became of merging several commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeAll {
    /// One commit has them all: a merge of ours, or one of them that holds the others.
    Clean {
        /// The commit.
        commit: CommitId,
    },
    /// Two of them do not fit together.
    Conflict {
        /// The first commit that does not fit those before it.
        commit: CommitId,
        /// The paths that differ on both sides.
        paths: Vec<RepoPath>,
    },
}

/// A merge cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there is no commit to merge")]
    Nothing,
    /// The commits have no common history.
    #[error("{ours} and {theirs} have no common history")]
    Unrelated {
        /// One commit.
        ours: CommitId,
        /// The other.
        theirs: CommitId,
    },
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The merge commit cannot be made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

impl Repository {
    /// Merges two commits without touching any work tree or index.
    pub fn merge_trees(&self, ours: CommitId, theirs: CommitId) -> Result<Merge, MergeError> {
        let base = self.merge_base(ours, theirs)?;
        if base.is_none() {
            return Err(MergeError::Unrelated { ours, theirs });
        }
        let answer = self
            .git()
            .writing("merge-tree")
            .args(["--write-tree", "-z", "--name-only", "--no-messages"])
            .args([ours.to_string(), theirs.to_string()])
            .run()?;
        let unreadable = || GitProgramError::Unreadable {
            command: "merge-tree".to_owned(),
        };
        let mut fields = answer.stdout.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        match answer.status {
            Some(0) => {
                let tree = fields
                    .next()
                    .and_then(|field| std::str::from_utf8(field).ok()?.trim().parse().ok())
                    .ok_or_else(unreadable)?;
                self.flush_merged(self.commit_tree_id(ours)?, tree)?;
                Ok(Merge::Clean { tree })
            }
            Some(1) => {
                let paths = conflicts_in(&answer.stdout).ok_or_else(unreadable)?;
                Ok(Merge::Conflict { paths })
            }
            status => Err(MergeError::Git(GitProgramError::Failed {
                command: "merge-tree".to_owned(),
                status,
                complaint: answer.complaint,
            })),
        }
    }

    /// Brings to the disk what a merged tree does not share with one of its sides. Git flushes the bytes of what it writes, but not their names, and nothing
    /// that it finds, which a dead runner may have left in memory.
    fn flush_merged(&self, side: TreeId, merged: TreeId) -> Result<(), ObjectError> {
        let local = self.local();
        let changes = tree_changes(&local, side, merged)?;
        let mut folders = BTreeSet::new();
        let mut ids = BTreeSet::from([named(merged.0)]);
        for change in &changes {
            ids.extend(change.after.map(|after| named(after.id.0)));
            let path = change.path.as_bytes();
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            folders.extend(ends.map(|(end, _)| &path[..end]));
        }
        for folder in folders {
            let folder = RepoPath::new(folder).map_err(|error| ObjectError::Damaged {
                id: merged.0,
                reason: error.to_string(),
            })?;
            ids.extend(find_entry(&local, merged, &folder)?.map(|(_, id)| id));
        }
        flush(local.objects.store_ref().path(), &ids)
    }

    /// One commit that holds all of these, merged in order. A commit that is already held by those before it, or holds
    /// them, needs no merge. The same input always gives the same commit, which is written but not anchored.
    pub fn merge_all(
        &self,
        commits: &[CommitId],
        person: &Person,
        time: CommitTime,
        message: &str,
    ) -> Result<MergeAll, MergeError> {
        let (first, rest) = commits.split_first().ok_or(MergeError::Nothing)?;
        let mut tip = *first;
        for commit in rest {
            if self.is_ancestor(*commit, tip)? {
                continue;
            }
            if self.is_ancestor(tip, *commit)? {
                tip = *commit;
                continue;
            }
            match self.merge_trees(tip, *commit)? {
                Merge::Conflict { paths } => return Ok(MergeAll::Conflict { commit: *commit, paths }),
                Merge::Clean { tree } => {
                    let draft = CommitDraft {
                        tree,
                        parents: vec![tip, *commit],
                        author: person.clone(),
                        committer: person.clone(),
                        time,
                        message: message.to_owned(),
                    };
                    tip = draft.write(self)?;
                }
            }
        }
        Ok(MergeAll::Clean { commit: tip })
    }
}

/// The paths that `merge-tree --name-only -z` names after the tree, each once. None where one of them is none.
pub(crate) fn conflicts_in(answer: &[u8]) -> Option<Vec<RepoPath>> {
    let fields = answer.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let paths = fields.skip(1).map(|field| RepoPath::new(field).ok());
    let mut paths = paths.collect::<Option<Vec<_>>>()?;
    paths.sort();
    paths.dedup();
    Some(paths)
}
