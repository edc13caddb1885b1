//! The commit that a run starts from: the tip, with every dependency that is delivered and not merged yet.

use git_delivery::{CommitTime, Identity, MergeAll, ObjectError, Person, RefError, Repository};
use ledger_core::{
    BaseReason, Blocker, BlockerCode, CommitId, EntryMode, InvalidRefName, InvalidRepoPath, Receipt, RefName, RepoPath,
    StackedTicket, TicketId, TreeId,
};

/// The most bytes of a stored run that are read to find where it was delivered.
const MAX_STORED_BYTES: u64 = 512 * 1024 * 1024;

/// How a dependency stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencyState {
    /// Its delivered commit, or its record, is in the base.
    InBase,
    /// It is delivered at this commit, which is not in the base.
    Delivered(CommitId),
    /// It is not done, or was delivered nowhere.
    NotDone,
    /// It has a receipt that cannot be read.
    Unknown,
}

/// How a dependency stands with a tip. `ledger` is the ledger's folder.
pub fn dependency_state(
    repository: &Repository,
    tip: CommitId,
    tip_tree: TreeId,
    ledger: &RepoPath,
    ticket: &TicketId,
) -> DependencyState {
    // The record tells also where the commits are others: after a squash, a rebase, or in a clone without receipts.
    let record = format!("{ledger}/tickets/{ticket}/result.md");
    let recorded = record
        .parse()
        .ok()
        .and_then(|path| repository.entry_at(tip_tree, &path).ok())
        .flatten();
    // What it says is not read: whoever may commit to the base may say what is done, also of what was done before there was a ledger.
    if recorded.is_some_and(|side| side.mode == EntryMode::File) {
        return DependencyState::InBase;
    }
    match stored_receipt(repository, ticket) {
        Err(_) => DependencyState::Unknown,
        Ok(receipt) => match receipt.and_then(|receipt| receipt.delivered) {
            None => DependencyState::NotDone,
            Some(delivered) if repository.is_ancestor(delivered.records, tip).unwrap_or(false) => {
                DependencyState::InBase
            }
            Some(delivered) => DependencyState::Delivered(delivered.records),
        },
    }
}

/// A ticket has a receipt, and it is none.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Its ref cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// What it names cannot be read.
    #[error("the receipt of `{ticket}` cannot be read: {source}")]
    Object {
        /// The ticket.
        ticket: TicketId,
        /// Why.
        source: ObjectError,
    },
    /// What it names holds no receipt of this ticket.
    #[error("the receipt of `{ticket}` cannot be used: {reason}")]
    Invalid {
        /// The ticket.
        ticket: TicketId,
        /// Why.
        reason: String,
    },
}

/// The receipt of a ticket's latest finished run, as stored in this repository; none where no run of it finished here.
pub fn stored_receipt(repository: &Repository, ticket: &TicketId) -> Result<Option<Receipt>, ReceiptError> {
    let Some(bytes) = receipt_bytes(repository, ticket)? else {
        return Ok(None);
    };
    let receipt = Receipt::parse(&bytes).map_err(|error| invalid(ticket, &error))?;
    if receipt.ticket != *ticket {
        return Err(invalid(ticket, &format!("it is that of `{}`", receipt.ticket)));
    }
    Ok(Some(receipt))
}

/// The bytes of [`stored_receipt`], whatever they are.
pub(crate) fn receipt_bytes(repository: &Repository, ticket: &TicketId) -> Result<Option<Vec<u8>>, ReceiptError> {
    let name: RefName = format!("refs/counterfoil/receipts/{ticket}")
        .parse()
        .map_err(|error: InvalidRefName| invalid(ticket, &error))?;
    match repository.resolve(&name)?.map(CommitId) {
        None => receipt_of_runs(repository, ticket),
        Some(commit) => match receipt_in(repository, ticket, commit)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(invalid(ticket, &format!("{} holds none", commit.short()))),
        },
    }
}

/// The receipt of the latest stored run that finished. The ref of the receipt only saves looking for it: without it the ticket
/// is no less done.
fn receipt_of_runs(repository: &Repository, ticket: &TicketId) -> Result<Option<Vec<u8>>, ReceiptError> {
    let mut runs = Vec::new();
    repository.refs_below(&format!("refs/counterfoil/runs/{ticket}/"), |_, id| {
        runs.push(CommitId(id))
    })?;
    for commit in runs.into_iter().rev() {
        if let Some(bytes) = receipt_in(repository, ticket, commit)? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn receipt_in(repository: &Repository, ticket: &TicketId, commit: CommitId) -> Result<Option<Vec<u8>>, ReceiptError> {
    let path: RepoPath = "receipt.json"
        .parse()
        .map_err(|error: InvalidRepoPath| invalid(ticket, &error))?;
    let bytes = repository.read_file_at(commit, &path, MAX_STORED_BYTES);
    bytes.map_err(|source| ReceiptError::Object {
        ticket: ticket.clone(),
        source,
    })
}

fn invalid(ticket: &TicketId, reason: &dyn std::fmt::Display) -> ReceiptError {
    ReceiptError::Invalid {
        ticket: ticket.clone(),
        reason: reason.to_string(),
    }
}

/// The base of a run and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// The commit.
    pub commit: CommitId,
    /// Why.
    pub reason: BaseReason,
}

/// Chooses the base: the tip; with delivered dependencies that it does not hold, one commit that holds them all.
pub(crate) fn choose_base(
    repository: &Repository,
    branch: Option<RefName>,
    tip: CommitId,
    stacked: &[StackedTicket],
    identity: &Identity,
) -> Result<Base, Blocker> {
    let [_, ..] = stacked else {
        return Ok(Base {
            commit: tip,
            reason: BaseReason::Tip { branch },
        });
    };
    let commits: Vec<_> = std::iter::once(tip)
        .chain(stacked.iter().map(|ticket| ticket.commit))
        .collect();
    let names: Vec<_> = stacked.iter().map(|ticket| ticket.ticket.as_str()).collect();
    let message = format!("Base with {}\n", names.join(", "));
    // The same tickets always give the same base.
    let time = CommitTime {
        seconds: 0,
        offset_minutes: 0,
    };
    let merged = repository
        .merge_all(&commits, &identity.committer, time, &message)
        .map_err(|error| Blocker::new(BlockerCode::MergeConflict, error.to_string()))?;
    let commit = match merged {
        MergeAll::Clean { commit } => commit,
        MergeAll::Conflict { commit, paths } => {
            let ticket = stacked
                .iter()
                .find(|ticket| ticket.commit == commit)
                .map(|ticket| ticket.ticket.as_str());
            let paths: Vec<_> = paths.iter().take(10).map(|path| format!("`{path}`")).collect();
            let reason = format!(
                "`{}` does not merge with what it is stacked on: {}",
                ticket.unwrap_or("a dependency"),
                paths.join(", ")
            );
            return Err(Blocker::new(BlockerCode::MergeConflict, reason));
        }
    };
    let reason = match stacked {
        [only] if only.commit == commit => BaseReason::Stacked { on: only.clone() },
        several => BaseReason::Merged { of: several.to_vec() },
    };
    Ok(Base { commit, reason })
}

/// Who merges bases where the user has no identity: no such commit is ever delivered by itself.
pub(crate) fn runner_identity() -> Identity {
    let person = Person {
        name: "Counterfoil".to_owned(),
        email: "counterfoil@localhost".to_owned(),
    };
    Identity {
        author: person.clone(),
        committer: person,
    }
}
