//! The commit that a run starts from: the tip, with every dependency that is delivered and not merged yet.

use git_delivery::{CommitTime, Identity, MergeAll, Person, Repository};
use ledger_core::{
    BaseReason, Blocker, BlockerCode, CommitId, Receipt, RefName, RepoPath, StackedTicket, TicketId, TreeId,
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
}

/// How a dependency stands with a tip. `ledger` is the ledger's folder.
pub fn dependency_state(
    repository: &Repository,
    tip: CommitId,
    tip_tree: TreeId,
    ledger: &RepoPath,
    ticket: &TicketId,
) -> DependencyState {
    match delivered_commit(repository, ticket) {
        Some(commit) if repository.is_ancestor(commit, tip).unwrap_or(false) => DependencyState::InBase,
        Some(commit) => DependencyState::Delivered(commit),
        None => {
            let record = format!("{ledger}/tickets/{ticket}/result.md");
            let there = record
                .parse()
                .ok()
                .and_then(|path| repository.entry_at(tip_tree, &path).ok())
                .flatten();
            if there.is_some() {
                DependencyState::InBase
            } else {
                DependencyState::NotDone
            }
        }
    }
}

/// Where a ticket was delivered, as its receipt says.
pub fn delivered_commit(repository: &Repository, ticket: &TicketId) -> Option<CommitId> {
    Some(stored_receipt(repository, ticket)?.delivered?.records)
}

/// The receipt of a ticket's latest finished run, as stored in this repository.
pub fn stored_receipt(repository: &Repository, ticket: &TicketId) -> Option<Receipt> {
    let name: RefName = format!("refs/counterfoil/receipts/{ticket}").parse().ok()?;
    let commit = CommitId(repository.resolve(&name).ok()??);
    let path: RepoPath = "receipt.json".parse().ok()?;
    let bytes = repository.read_file_at(commit, &path, MAX_STORED_BYTES).ok()??;
    serde_json::from_slice(&bytes).ok()
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
