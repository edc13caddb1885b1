//! What a name means that may be a ticket's or a package's.

use ledger_core::{Package, PackageName, TicketId};

use super::Packages;
use crate::ledger::{FileProblem, Ledger};

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<'a> {
    /// A ticket. Where a package has the same name, the ticket is meant.
    Ticket(TicketId),
    /// A package, and what is known of it.
    Package {
        /// Its name.
        name: PackageName,
        /// What it says, or why it cannot be read.
        read: &'a Result<Package, FileProblem>,
    },
}

impl<'a> Named<'a> {
    /// What a name means in this ledger; none where nothing has it.
    pub fn find(ledger: &Ledger<'_>, packages: &'a Packages, name: &str) -> Option<Self> {
        if let Ok(id) = name.parse::<TicketId>()
            && ledger.ids().binary_search(&id).is_ok()
        {
            return Some(Self::Ticket(id));
        }
        let name = name.parse::<PackageName>().ok()?;
        let read = packages.find(&name)?;
        Some(Self::Package { name, read })
    }
}
