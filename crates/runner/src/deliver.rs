//! A person's own steps with what a finished run has delivered.

mod here;
mod later;
mod room;
mod tag;

use std::path::PathBuf;

use git_delivery::{CommitError, FastForwardError, ObjectError, RefError, RemoteError, RepositoryError};
use ledger_core::{BlockerCode, Delivered, DeliveryMode, Receipt, RefName, RunId, TicketId};

pub use here::{DeliveredHere, HereOutcome, deliver_here};
pub use later::deliver_later;
pub use tag::{TagOutcome, Tagged, deliver_tag};

use crate::run_history::{HistoryError, known_runs, read_known};
use crate::run_ticket::RunError;
use crate::target::remote_code;
use crate::verify::{Verified, verify_without_remotes};
use crate::workspace::Workspace;

/// What a run has delivered cannot be brought on. Nothing was changed, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The runs of the ticket cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// No run of the ticket is done.
    #[error("no run of `{ticket}` is done")]
    NotDone {
        /// The ticket.
        ticket: TicketId,
    },
    /// The run went without a delivery.
    #[error("`{ticket}` was delivered nowhere: its run has delivery mode `none`")]
    Nowhere {
        /// The ticket.
        ticket: TicketId,
    },
    /// An earlier run of it goes on first.
    #[error("run {run} of `{ticket}` is not over")]
    NotOver {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
    },
    /// It is delivered already.
    #[error("`{ticket}` is delivered to `{}` already", branch.short())]
    Already {
        /// The ticket.
        ticket: TicketId,
        /// The branch.
        branch: RefName,
    },
    /// The policy wants a push, which a later delivery does not do.
    #[error("the policy delivers by `{}`, and what a run left is delivered later only to a branch", mode.as_str())]
    OnlyBranches {
        /// The mode of the policy.
        mode: DeliveryMode,
    },
    /// The run that delivers cannot begin or go on.
    #[error(transparent)]
    Run(#[from] Box<RunError>),
    /// What the run claims is not what is there.
    #[error("run {run} of `{ticket}` does not verify: {}: {detail}", .what)]
    Unverified {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
        /// The first comparison that differs.
        what: &'static str,
        /// In which way.
        detail: String,
    },
    /// Another delivery into this work tree is under way.
    #[error("another delivery into this work tree is under way")]
    UnderWay,
    /// A delivery into this work tree was cut off.
    #[error("a delivery of `{ticket}` into this work tree was cut off")]
    CutOff {
        /// The ticket.
        ticket: TicketId,
    },
    /// A delivery into this work tree was cut off, and what it noted cannot be read.
    #[error("a delivery into this work tree was begun, and what it noted cannot be read: `{}`", path.display())]
    NoteDamaged {
        /// The note.
        path: PathBuf,
    },
    /// The work tree cannot be brought forward.
    #[error(transparent)]
    Here(#[from] FastForwardError),
    /// No tag may have such a name.
    #[error("`{name}` is no name of a tag: {reason}")]
    TagName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// There is another tag of this name.
    #[error("there is a tag `{}` in {at} already", short_tag(name))]
    TagTaken {
        /// The tag.
        name: RefName,
        /// The remote, or this clone.
        at: String,
    },
    /// A ref of this clone is called like a folder of the tag, or lies in one that is called like the tag.
    #[error("the tag `{}` cannot exist beside `{beside}` of this clone", short_tag(name))]
    TagBeside {
        /// The tag.
        name: RefName,
        /// The other ref.
        beside: String,
    },
    /// The run was delivered to a branch of this clone alone.
    #[error("`{ticket}` was not pushed, and a tag is for what others can have")]
    NotPushed {
        /// The ticket.
        ticket: TicketId,
    },
    /// The branch that it was pushed to does not hold it any more.
    #[error("`{target}` does not hold the delivery any more")]
    TakenBack {
        /// The branch of the remote.
        target: String,
    },
    /// The remote did not take the tag.
    #[error("`{remote}` did not take the tag: {reason}")]
    TagRejected {
        /// The remote.
        remote: String,
        /// Its words.
        reason: String,
    },
    /// The remote cannot be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The tag cannot be made.
    #[error(transparent)]
    Tag(#[from] CommitError),
    /// A ref cannot be read or made.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Git knows no name for the person.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A folder of ours cannot be used.
    #[error("`{name}` in the Git directory cannot be used: {source}")]
    Io {
        /// The file or folder.
        name: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl DeliverError {
    /// The stable code of what keeps the delivery from being brought on, where it is a blocker by nature.
    pub fn code(&self) -> Option<BlockerCode> {
        match self {
            Self::NotDone { .. } | Self::Nowhere { .. } | Self::UnderWay => Some(BlockerCode::NeedsPerson),
            Self::CutOff { .. } | Self::NoteDamaged { .. } => Some(BlockerCode::NeedsPerson),
            Self::NotOver { .. } | Self::Already { .. } | Self::OnlyBranches { .. } => Some(BlockerCode::NeedsPerson),
            Self::Run(error) => error.code(),
            Self::TagTaken { .. } | Self::TagBeside { .. } | Self::NotPushed { .. } => Some(BlockerCode::NeedsPerson),
            Self::TakenBack { .. } => Some(BlockerCode::UpstreamMoved),
            Self::TagRejected { .. } => Some(BlockerCode::PushRejected),
            Self::Remote(error) => Some(remote_code(error)),
            Self::Unverified { .. } => Some(BlockerCode::TreeMismatch),
            Self::Here(error) => match error {
                FastForwardError::Overlap { .. } => Some(BlockerCode::BaselineOverlap),
                FastForwardError::Filtered { .. } => Some(BlockerCode::FilteredPath),
                FastForwardError::NotForward { .. } => Some(BlockerCode::NotFastForward),
                FastForwardError::Submodule { .. }
                | FastForwardError::Sparse { .. }
                | FastForwardError::ForbiddenName { .. } => Some(BlockerCode::RepositoryUnsupported),
                FastForwardError::OperationInProgress { .. }
                | FastForwardError::DetachedHead
                | FastForwardError::Unborn { .. }
                | FastForwardError::CheckedOutElsewhere { .. }
                | FastForwardError::Conflict { .. }
                | FastForwardError::IndexLocked => Some(BlockerCode::NeedsPerson),
                _ => None,
            },
            Self::History(_)
            | Self::TagName { .. }
            | Self::Tag(_)
            | Self::Ref(_)
            | Self::Object(_)
            | Self::Repository(_)
            | Self::Io { .. } => None,
        }
    }
}

fn short_tag(name: &RefName) -> &str {
    let name = name.as_str();
    name.strip_prefix("refs/tags/").unwrap_or(name)
}

/// A run that is done, and where it was delivered.
struct Finished {
    receipt: Receipt,
    delivered: Delivered,
}

/// The latest run of a ticket that is done, once all that it claims of this repository was compared.
fn finished_run(workspace: &Workspace, ticket: &TicketId) -> Result<Finished, DeliverError> {
    let receipt = verified_receipt(workspace, ticket)?;
    match receipt.delivered.clone() {
        Some(delivered) => Ok(Finished { receipt, delivered }),
        None => Err(DeliverError::Nowhere { ticket: ticket.clone() }),
    }
}

/// The receipt of that run.
fn verified_receipt(workspace: &Workspace, ticket: &TicketId) -> Result<Receipt, DeliverError> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let runs = known_runs(repository, roots, ticket)?;
    if runs.is_empty() {
        let ticket = ticket.clone();
        return Err(HistoryError::NoRun { ticket }.into());
    }
    let mut receipt = None;
    for known in runs.into_iter().rev() {
        let read = read_known(repository, roots, ticket, known)?;
        receipt = read.and_then(|read| read.run.receipt().cloned());
        if receipt.is_some() {
            break;
        }
    }
    let ticket = ticket.clone();
    let Some(receipt) = receipt else {
        return Err(DeliverError::NotDone { ticket });
    };
    let report = verify_without_remotes(repository, roots, &ticket, &receipt.run);
    let differs = report
        .verifications
        .into_iter()
        .find(|one| one.verdict == Verified::Differs);
    if let Some(differs) = differs {
        return Err(DeliverError::Unverified {
            ticket,
            run: receipt.run,
            what: differs.what,
            detail: differs.detail,
        });
    }
    Ok(receipt)
}
