//! Why a package cannot be written or shown.

use ledger_core::{PackageName, RepoPath, TicketId};

use super::PackagesError;
use crate::beneath::WriteError;
use crate::finding::Finding;
use crate::status::StatusError;
use crate::workspace::WorkspaceError;

/// A package cannot be written or shown. Nothing was changed, but for what the message says.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// Where the tickets stand cannot be told.
    #[error(transparent)]
    Status(Box<StatusError>),
    /// There is no such package.
    #[error("there is no package `{name}`")]
    Unknown {
        /// What was asked for.
        name: PackageName,
        /// Every package that there is.
        known: Vec<PackageName>,
    },
    /// The title is none.
    #[error("a title is one line of 1 to 200 characters")]
    Title,
    /// The title has no word that a file could be named after.
    #[error("`{title}` has no letter or digit that a file could be named after")]
    NoName {
        /// The title.
        title: String,
    },
    /// There is a package of this name, perhaps with other upper and lower case.
    #[error("there is a package `{name}` already")]
    Taken {
        /// The package that is there.
        name: PackageName,
    },
    /// A ticket has that name, and a command that is given it would mean the ticket.
    #[error("there is a ticket `{id}`, which a command would take for the package")]
    NameOfTicket {
        /// The ticket.
        id: TicketId,
    },
    /// There is no such ticket.
    #[error("there is no ticket `{id}`")]
    NoSuchTicket {
        /// What was asked for.
        id: TicketId,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
    /// A ticket was named twice.
    #[error("`{id}` is named twice")]
    Twice {
        /// The ticket.
        id: TicketId,
    },
    /// A ticket is delivered or canceled.
    #[error("`{id}` is {how}, and a package is made of what is still to be done")]
    Closed {
        /// The ticket.
        id: TicketId,
        /// `delivered` or `canceled`.
        how: &'static str,
    },
    /// A ticket belongs to another package.
    #[error("`{id}` belongs to the package `{package}`, and a ticket is in one package")]
    OtherPackage {
        /// The ticket.
        id: TicketId,
        /// Its package.
        package: PackageName,
    },
    /// Package or tickets are not fit.
    #[error("the package `{name}` cannot be locked as it is")]
    NotFit {
        /// The package.
        name: PackageName,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// A document has no form in TOML.
    #[error("`{path}` cannot be written: {reason}")]
    Encode {
        /// The file.
        path: RepoPath,
        /// Why.
        reason: String,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<StatusError> for PackageError {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::Workspace(error) => Self::Workspace(error),
            StatusError::Repository(error) => Self::Workspace(WorkspaceError::Repository(error)),
            StatusError::Packages(error) => Self::Packages(error),
            other => Self::Status(Box::new(other)),
        }
    }
}
