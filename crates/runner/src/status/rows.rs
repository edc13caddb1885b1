//! What the folders of tickets say, and what they are to each other.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{BlockerCode, Kind, Mode, PackageName, RepoPath, TicketId};

use super::{PackageStatus, StaleStatus, TicketState};
use crate::consent::ConsentState;
use crate::ledger::{FileProblem, Ledger};
use crate::packages::{LockStatus, Packages};

/// What one folder says, without any other.
pub(super) struct Row {
    pub(super) id: TicketId,
    pub(super) title: Option<Box<str>>,
    pub(super) kind: Option<Kind>,
    pub(super) mode: Option<Mode>,
    pub(super) priority: i32,
    pub(super) depends_on: Vec<TicketId>,
    pub(super) package: Option<PackageName>,
    pub(super) said: Said,
}

pub(super) enum Said {
    Canceled,
    Done,
    /// It has a receipt that is none, or that of another ticket.
    BadReceipt(Box<str>),
    Broken(Box<(RepoPath, FileProblem)>),
    Consent(Box<ConsentState>),
}

/// The rows in the order of their ids, and what they say of packages.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Of each package the first ticket that is not delivered.
    pub(super) first_open: BTreeMap<PackageName, TicketId>,
    /// Why the lock of a package does not hold, of those that an approved ticket waits in.
    pub(super) locks: BTreeMap<PackageName, String>,
}

impl Rows {
    pub(super) fn new(rows: Vec<Row>, packages: &Packages, ledger: &Ledger<'_>) -> Self {
        let mut found = Self {
            rows,
            first_open: BTreeMap::new(),
            locks: BTreeMap::new(),
        };
        for (name, package) in packages.iter() {
            let tickets = package.as_ref().map_or(&[][..], |package| &package.tickets);
            if let Some(first) = tickets.iter().find(|id| !found.is_done(id)) {
                let first = first.clone();
                found.first_open.insert(name.clone(), first);
            }
        }
        let is_approved = |row: &&Row| matches!(&row.said, Said::Consent(consent) if matches!(**consent, ConsentState::Approved { .. }));
        let wanted: BTreeSet<_> = found
            .rows
            .iter()
            .filter(is_approved)
            .filter_map(|row| row.package.as_ref())
            .collect();
        let problem = |name: &PackageName| {
            let problem = LockStatus::of(ledger, packages.get(name)?).problem()?;
            Some((name.clone(), problem))
        };
        found.locks = wanted.into_iter().filter_map(problem).collect();
        found
    }

    pub(super) fn is_done(&self, id: &TicketId) -> bool {
        self.find(id).is_some_and(|row| matches!(row.said, Said::Done))
    }

    pub(super) fn package(&self, name: &PackageName, packages: &Packages) -> Option<PackageStatus> {
        let package = packages.get(name)?;
        Some(PackageStatus {
            name: name.clone(),
            title: package.title.clone(),
            tickets: package.tickets.len(),
            delivered: package.tickets.iter().filter(|id| self.is_done(id)).count(),
            next: self.first_open.get(name).cloned(),
            lock: self.locks.get(name).cloned(),
        })
    }

    pub(super) fn find(&self, id: &TicketId) -> Option<&Row> {
        let index = self.rows.binary_search_by(|row| row.id.cmp(id)).ok()?;
        Some(&self.rows[index])
    }
}

/// An approved ticket of a package whose lock does not hold.
pub(super) fn unlocked(row: &Row, rows: &Rows) -> Option<TicketState> {
    let package = row.package.as_ref()?;
    let problem = rows.locks.get(package)?;
    Some(TicketState::Stale(Box::new(StaleStatus {
        code: BlockerCode::SourceLockMismatch,
        reason: format!("the lock of the package `{package}` does not hold: {problem}"),
        next_step: format!(
            "`foil package show {package}` lists what differs; then `foil package lock {package}` and `foil approve {package}`"
        ),
    })))
}
