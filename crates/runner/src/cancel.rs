//! Closing a ticket without running it.

use std::collections::BTreeMap;

use git_delivery::{GitProgramError, HereError, RepositoryError};
use ledger_core::{Cancellation, CommitId, RepoPath, TicketId};

use crate::approve::{Committing, is_delivered};
use crate::beneath::{WriteError, replace_beneath};
use crate::ledger::{FileProblem, TicketFileName};
use crate::moment::Moment;
use crate::status::nearest_id;
use crate::workspace::{Workspace, WorkspaceError};

/// What canceling did.
#[derive(Debug)]
pub struct Canceled {
    /// The file that closes the ticket.
    pub path: RepoPath,
    /// Whether the ticket was canceled already; then nothing was done.
    pub already: bool,
    /// The commit that holds it.
    pub commit: Option<CommitId>,
    /// Why the index does not show the new file as committed, if it does not.
    pub index_not_refreshed: Option<GitProgramError>,
}

/// A ticket cannot be canceled. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Git knows no name for the user.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// There is no such ticket.
    #[error("there is no ticket `{id}`")]
    NoSuchTicket {
        /// What was asked for.
        id: TicketId,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
    /// It is delivered.
    #[error("`{id}` is delivered, so there is nothing to cancel")]
    Delivered {
        /// The ticket.
        id: TicketId,
    },
    /// There is a cancellation that cannot be read.
    #[error("`{path}`: {problem}")]
    Unreadable {
        /// The file.
        path: RepoPath,
        /// Why.
        problem: FileProblem,
    },
    /// A cancellation has no form in TOML.
    #[error("the cancellation cannot be written: {reason}")]
    Encode {
        /// Why.
        reason: String,
    },
    /// Git cannot commit it.
    #[error(transparent)]
    Commit(#[from] HereError),
    /// It cannot be written to the work tree.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Closes a ticket: it never runs again until the file is gone. A run that is under way stops before its next effect.
pub fn cancel(
    workspace: &Workspace,
    id: &TicketId,
    reason: &str,
    moment: Moment,
    committing: Committing,
) -> Result<Canceled, CancelError> {
    let ledger = workspace.ledger()?;
    let folder = ledger.ticket(id).ok_or_else(|| CancelError::NoSuchTicket {
        id: id.clone(),
        nearest: nearest_id(id.as_str(), ledger.ids()),
    })?;
    if is_delivered(workspace, &folder) {
        return Err(CancelError::Delivered { id: id.clone() });
    }
    let path = folder.path(TicketFileName::Canceled);
    let there = folder.cancellation().map_err(|problem| CancelError::Unreadable {
        path: path.clone(),
        problem,
    })?;
    if there.is_some() {
        return Ok(Canceled {
            path,
            already: true,
            commit: None,
            index_not_refreshed: None,
        });
    }
    let identity = workspace.repository().identity()?;
    let cancellation = Cancellation {
        schema: 1,
        by: format!("{} <{}>", identity.author.name, identity.author.email),
        at: moment.whole_seconds(),
        reason: reason.to_owned(),
    };
    let text = cancellation.to_toml().map_err(|error| CancelError::Encode {
        reason: error.to_string(),
    })?;
    let bytes = format!("#:schema ../../schemas/cancellation.schema.json\n{text}").into_bytes();
    let committed = match committing {
        Committing::Yes => {
            let files = BTreeMap::from([(path.clone(), bytes.clone())]);
            let message = format!("Cancel ticket {id}\n");
            let time = moment.commit_time();
            Some(
                workspace
                    .repository()
                    .commit_files_on_head(&files, &message, &identity, time)?,
            )
        }
        Committing::No => None,
    };
    replace_beneath(workspace.repository().work_dir(), &path, &bytes)?;
    let (commit, index_not_refreshed) = match committed {
        Some(committed) => (Some(committed.commit), committed.index_not_refreshed),
        None => (None, None),
    };
    Ok(Canceled {
        path,
        already: false,
        commit,
        index_not_refreshed,
    })
}
