//! The children of a parent ticket, as they stand at the base.

use std::collections::BTreeMap;

use git_delivery::{ObjectError, Repository};
use ledger_core::{CommitId, Receipt, StackedTicket, TicketFile, TicketId};
use policy::{ChildFact, ChildState, DependencyFact, DependencyState};

use crate::base::stored_receipt;
use crate::ledger::{Ledger, join};
use crate::other_tickets::OtherTickets;

/// The tickets that name another one as their parent.
#[derive(Debug, Default)]
pub(crate) struct Children {
    /// How they stand, for the gates.
    pub(super) facts: Vec<DependencyFact>,
    /// How they stand, for the run.
    pub(super) run: Vec<ChildFact>,
    /// Those that are delivered and not in the base.
    pub(super) stacked: Vec<StackedTicket>,
    /// Those that nobody has closed, with what they ask for: their checks run once more on the whole.
    pub(super) files: Vec<(TicketId, TicketFile)>,
    /// The commit before the first of their changes.
    pub(super) since: Option<CommitId>,
}

/// The children of a ticket in the ledger of the base. `before` has, for each ticket of a package, the ones right before it.
pub(super) fn children_of(
    others: &OtherTickets<'_>,
    committed: &Ledger<'_>,
    parent: &TicketId,
    before: &BTreeMap<TicketId, Vec<TicketId>>,
) -> Result<Children, ObjectError> {
    let of_this = |file: &TicketFile| file.parent.as_ref() == Some(parent);
    let named = committed.map(|folder| {
        let file = folder.ticket().ok().filter(of_this)?;
        Some((folder.id().clone(), file))
    });
    let mut children = Children::default();
    let mut bases = Vec::new();
    for (id, file) in named.into_iter().flatten().filter(|(id, _)| id != parent) {
        let (mut fact, delivered) = others.dependency(&id)?;
        let receipt = stored_receipt(others.repository, &id).ok().flatten();
        let commit = receipt.as_ref().and_then(|receipt| receipt.delivered.as_ref());
        let state = match fact.state {
            DependencyState::InBase | DependencyState::Delivered => ChildState::Delivered {
                commit: commit.map(|delivered| delivered.records),
            },
            DependencyState::Canceled => ChildState::Canceled,
            DependencyState::NotDelivered | DependencyState::Missing | DependencyState::Unknown => ChildState::Open,
        };
        if matches!(state, ChildState::Delivered { .. }) {
            match base_of(others, &id, receipt.as_ref())? {
                Some(base) => bases.push(base),
                // Nobody could look at what it changed.
                None => fact.state = DependencyState::Unknown,
            }
        }
        let mut after = file.depends_on.clone();
        after.extend(before.get(&id).into_iter().flatten().cloned());
        children.run.push(ChildFact {
            id: id.clone(),
            state,
            after,
        });
        children.stacked.extend(delivered);
        if state != ChildState::Canceled {
            children.files.push((id, file));
        }
        children.facts.push(fact);
    }
    children.since = first_base(others.repository, &bases);
    if children.since.is_none() && !bases.is_empty() {
        let delivered = children.facts.iter_mut().zip(&children.run);
        let delivered = delivered.filter(|(_, child)| matches!(child.state, ChildState::Delivered { .. }));
        delivered.for_each(|(fact, _)| fact.state = DependencyState::Unknown);
    }
    Ok(children)
}

/// The commit before the change of a child: what its receipt says, else what was there before its record came into this history, because receipts are of the clone
/// in which a child ran.
fn base_of(
    others: &OtherTickets<'_>,
    id: &TicketId,
    receipt: Option<&Receipt>,
) -> Result<Option<CommitId>, ObjectError> {
    if let Some(receipt) = receipt {
        return Ok(Some(receipt.base));
    }
    let record = join(others.ledger.dir(), &format!("tickets/{id}/result.md"));
    let (Some(tip), Some(record)) = (others.tip, record) else {
        return Ok(None);
    };
    let repository = others.repository;
    let parent = |commit: CommitId| Ok(repository.commit_parents(commit)?.into_iter().next());
    // Whatever keeps Git from telling it: then nobody knows it.
    let Some(recorded) = repository.added_by(tip, &record).ok().flatten() else {
        return Ok(None);
    };
    let Some(before) = parent(recorded)?.filter(|before| repository.has_object(before.0)) else {
        return Ok(None);
    };
    // The records lie on top of the change, or both were made one.
    let trailer = format!("Counterfoil-Ticket: {id}");
    let message = repository.commit_message(before)?;
    match message.lines().any(|line| line == trailer) {
        true => Ok(parent(before)?.filter(|base| repository.has_object(base.0))),
        false => Ok(Some(before)),
    }
}

/// The commit that all of these go on from; none where there is no such one.
fn first_base(repository: &Repository, bases: &[CommitId]) -> Option<CommitId> {
    let mut bases = bases.iter();
    let first = bases.next().copied();
    bases.fold(first, |common, base| {
        repository.merge_base(common?, *base).ok().flatten()
    })
}
