//! Why a work tree cannot be brought forward.

use std::io;

use ledger_core::{CommitId, RefName, RepoPath};

use super::staging::StagingError;
use super::user_index::PrepareError;
use crate::git_program::GitProgramError;
use crate::objects::ObjectError;
use crate::refs::RefError;
use crate::repository::{Operation, RepositoryError};

/// A work tree cannot be brought forward. Nothing was changed, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum FastForwardError {
    /// The user is in the middle of something.
    #[error("a {operation} is in progress")]
    OperationInProgress {
        /// What it is.
        operation: Operation,
    },
    /// No branch is checked out.
    #[error("no branch is checked out")]
    DetachedHead,
    /// The branch that is checked out has no commit.
    #[error("`{}` has no commit yet", name.short())]
    Unborn {
        /// The branch.
        name: RefName,
    },
    /// The branch would have to be merged.
    #[error("`{}` has commits of its own: {} does not go on from it", branch.short(), to.short())]
    NotForward {
        /// The branch.
        branch: RefName,
        /// The commit.
        to: CommitId,
    },
    /// Another work tree has the branch too, and would seem changed.
    #[error("`{}` is checked out in another work tree too", branch.short())]
    CheckedOutElsewhere {
        /// The branch.
        branch: RefName,
    },
    /// The index has a conflict.
    #[error("`{path}` is in a conflict that is not resolved")]
    Conflict {
        /// The first such path.
        path: RepoPath,
    },
    /// What would be overwritten is not what the last commit has.
    #[error("changes of yours are in the way: {}", listed(paths))]
    Overlap {
        /// Where, in the order of the paths.
        paths: Vec<RepoPath>,
    },
    /// A path's content is made by a program.
    #[error("the content of `{path}` is made by the filter `{filter}`")]
    Filtered {
        /// The path.
        path: RepoPath,
        /// The filter's name.
        filter: String,
    },
    /// A link to another repository differs.
    #[error("`{path}` is a submodule, and the commit changes it")]
    Submodule {
        /// Where it is.
        path: RepoPath,
    },
    /// Whether a new path belongs to the sparse work tree is not known.
    #[error("the work tree is sparse, and nothing beside `{path}` tells whether that belongs to it")]
    Sparse {
        /// The path.
        path: RepoPath,
    },
    /// A name that no work tree should get.
    #[error("`{path}` has a name that git refuses")]
    ForbiddenName {
        /// The path.
        path: RepoPath,
    },
    /// Another program changes the index.
    #[error("another program has locked the index")]
    IndexLocked,
    /// The system refuses.
    #[error("`{path}`: {source}")]
    Io {
        /// What is read or written.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// What was done could not be taken back.
    #[error("{error}; what was written by then could not be taken back: {source}")]
    HalfDone {
        /// Why it was not finished.
        error: Box<FastForwardError>,
        /// What the system says.
        source: io::Error,
    },
    /// Files and branch are as they were to become, and the index is not.
    #[error("all is delivered but for the index, which could not be put in its place: {source}")]
    OldIndex {
        /// What the system says.
        source: io::Error,
    },
    /// The branch cannot be moved.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// The first few paths, and how many more there are.
fn listed(paths: &[RepoPath]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<_> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    if paths.len() > SHOWN {
        shown.push(format!("{} more", paths.len() - SHOWN));
    }
    shown.join(", ")
}

pub(super) fn failed(path: &RepoPath, source: io::Error) -> FastForwardError {
    let path = path.to_string();
    FastForwardError::Io { path, source }
}

/// A failure in a folder of ours.
pub(super) fn in_workshop(source: io::Error) -> FastForwardError {
    let path = "counterfoil/here".to_owned();
    FastForwardError::Io { path, source }
}

impl From<StagingError> for FastForwardError {
    fn from(error: StagingError) -> Self {
        match error {
            StagingError::Io(source) => in_workshop(source),
            StagingError::Git(error) => Self::Git(error),
        }
    }
}

impl From<PrepareError> for FastForwardError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Io(source) => in_workshop(source),
            PrepareError::Git(error) => Self::Git(error),
        }
    }
}
