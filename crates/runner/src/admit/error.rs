//! Why it cannot even be told whether a ticket may run.

use git_delivery::{ObjectError, RefError, RepositoryError};
use ledger_core::{Blocker, ObjectId, RepoPath, RunId, TicketId};
use policy::InvalidChecks;

use crate::base::ReceiptError;

use crate::ledger::{FileProblem, LedgerError};
use crate::packages::PackagesError;
use crate::target::TargetError;
use crate::trust::TrustError;
use crate::workspace::WorkspaceError;

/// What is needed to decide is not there or cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// There is no such ticket.
    #[error("there is no ticket `{id}`")]
    NoSuchTicket {
        /// The name.
        id: TicketId,
        /// The ticket with the nearest name, where one is near.
        nearest: Option<TicketId>,
    },
    /// A file of the ticket or the policy cannot be used.
    #[error("`{path}`: {problem}")]
    File {
        /// The file.
        path: RepoPath,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// The checks of policy and ticket do not go together.
    #[error(transparent)]
    Checks(#[from] InvalidChecks),
    /// What the run was started from is not what is approved now.
    #[error("what the run was started from is not what is approved now")]
    SourceLock,
    /// Commits would have no author.
    #[error("commits need an author: {0}")]
    Identity(RepositoryError),
    /// An object that a run goes on from is gone from the repository.
    #[error("run {run} cannot go on: object {object}, which it names, is not in the repository any more")]
    ObjectGone {
        /// The run.
        run: RunId,
        /// The object.
        object: ObjectId,
    },
    /// The branch that is pushed to cannot be looked at.
    #[error(transparent)]
    Target(TargetError),
    /// The base cannot be made.
    #[error("{}", .0.reason)]
    Base(Blocker),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A ref cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The ticket has a receipt that cannot be read, so that nobody knows whether it is delivered.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trust store cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}
