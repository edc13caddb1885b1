//! How the tickets stand that have to be delivered before another one runs.

use git_delivery::{ObjectError, Repository};
use ledger_core::{CommitId, StackedTicket, TicketId};
use policy::DependencyFact;

use crate::base::{DependencyState, dependency_state};
use crate::ledger::{Ledger, TicketFileName};

/// Where the tickets are looked up.
pub(crate) struct OtherTickets<'a> {
    /// The repository, with the receipts.
    pub(crate) repository: &'a Repository,
    /// The ledger of the work tree.
    pub(crate) ledger: &'a Ledger<'a>,
    /// The commit that a run would start from; none where there is none.
    pub(crate) tip: Option<CommitId>,
}

impl OtherTickets<'_> {
    /// How a ticket stands that has to be delivered first, and where it is delivered, if that is not in the tip.
    pub(crate) fn dependency(&self, id: &TicketId) -> Result<(DependencyFact, Option<StackedTicket>), ObjectError> {
        let fact = |state| DependencyFact { id: id.clone(), state };
        let state = match self.tip {
            Some(tip) => {
                let tree = self.repository.commit_tree_id(tip)?;
                dependency_state(self.repository, tip, tree, self.ledger.dir(), id)
            }
            None => DependencyState::NotDone,
        };
        Ok(match state {
            DependencyState::Unknown => (fact(policy::DependencyState::Unknown), None),
            DependencyState::InBase => (fact(policy::DependencyState::InBase), None),
            DependencyState::Delivered(commit) => (
                fact(policy::DependencyState::Delivered),
                Some(StackedTicket {
                    ticket: id.clone(),
                    commit,
                }),
            ),
            DependencyState::NotDone => {
                let state = match self.ledger.ticket(id) {
                    None => policy::DependencyState::Missing,
                    Some(folder) if folder.has(TicketFileName::Canceled) => policy::DependencyState::Canceled,
                    Some(_) => policy::DependencyState::NotDelivered,
                };
                (fact(state), None)
            }
        })
    }
}
