//! The children of a parent ticket, as they stand at the base.

use std::collections::BTreeMap;

use git_delivery::{ObjectError, Repository};
use ledger_core::{CommitId, Receipt, StackedTicket, TicketFile, TicketId};
use policy::{ChildFact, ChildState, DependencyFact, DependencyState};

use crate::base::stored_receipt;
use crate::ledger::Ledger;
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
        let (fact, delivered) = others.dependency(&id)?;
        let receipt = stored_receipt(others.repository, &id).ok().flatten();
        let commit = receipt.as_ref().and_then(|receipt| receipt.delivered.as_ref());
        let state = match fact.state {
            DependencyState::InBase | DependencyState::Delivered => ChildState::Delivered {
                commit: commit.map(|delivered| delivered.records),
            },
            DependencyState::Canceled => ChildState::Canceled,
            DependencyState::NotDelivered | DependencyState::Missing | DependencyState::Unknown => ChildState::Open,
        };
        bases.extend(receipt.filter(|_| matches!(state, ChildState::Delivered { .. })));
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
    Ok(children)
}

/// The base that all others go on from; none where there is no such one.
fn first_base(repository: &Repository, receipts: &[Receipt]) -> Option<CommitId> {
    let bases = || receipts.iter().map(|receipt| receipt.base);
    bases().find(|first| bases().all(|base| repository.is_ancestor(*first, base).unwrap_or(false)))
}
