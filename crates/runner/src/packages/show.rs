//! Where a package stands: its order, how far each ticket is, and whether the lock holds.

use jiff::Timestamp;
use ledger_core::{LockDifference, PackageName, RepoPath, TicketId};
use policy::{Waiting, waves};
use serde::Serialize;

use super::write::known;
use super::{PackageChange, PackageError, PackageSources, Packages, package_path};
use crate::status::{TicketState, TicketStatus, status};
use crate::workspace::Workspace;

/// The name of the report's format.
pub const PACKAGE_SCHEMA: &str = "counterfoil.package/1";

/// Where a package stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageReport {
    /// [`PACKAGE_SCHEMA`].
    pub schema: &'static str,
    /// Its name.
    pub package: PackageName,
    /// Its file.
    pub path: RepoPath,
    /// What its tickets amount to.
    pub title: String,
    /// The goal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// Whether the files of its tickets are as they were locked.
    pub lock: LockStatus,
    /// Its tickets, in the order in which they are delivered.
    pub tickets: Vec<PackageTicket>,
    /// The first that is not delivered; none where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<TicketId>,
    /// What the command did; empty where it only looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PackageChange>,
}

/// A ticket of a package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageTicket {
    /// By its dependencies alone, those of one wave could be worked on side by side; none where some wait for each other. In a package
    /// they are delivered one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// What it depends on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TicketId>,
    /// Where it stands; none where there is no such ticket.
    #[serde(flatten)]
    pub status: Option<TicketStatus>,
    /// Its id, where there is no such ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<TicketId>,
}

/// Whether the files of a package's tickets are as they were locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LockStatus {
    /// All of them are.
    Holds {
        /// How many there are.
        files: usize,
    },
    /// Nobody locked them.
    Missing,
    /// Some are not.
    Differs {
        /// Which, and how.
        differences: Vec<LockDifference>,
    },
    /// That cannot be told, because a file cannot be read.
    Unreadable {
        /// Which, and why.
        reason: String,
    },
}

impl LockStatus {
    /// How the lock of a package stands in this ledger.
    pub fn of(ledger: &crate::ledger::Ledger<'_>, package: &ledger_core::Package) -> Self {
        if !package.is_locked() {
            return Self::Missing;
        }
        match PackageSources::of(ledger, package) {
            Err(problem) => Self::Unreadable {
                reason: problem.to_string(),
            },
            Ok(sources) => match package.lock_differences(&sources.files) {
                none if none.is_empty() => Self::Holds {
                    files: package.lock.len(),
                },
                differences => Self::Differs { differences },
            },
        }
    }

    /// Why the lock does not hold; none where it does.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Holds { .. } => None,
            Self::Missing => Some("it has no lock".to_owned()),
            Self::Differs { differences } => {
                let first = differences.first().map(ToString::to_string).unwrap_or_default();
                Some(match differences.len() {
                    0 | 1 => first,
                    more => format!("{first}, and {} more", more - 1),
                })
            }
            Self::Unreadable { reason } => Some(reason.clone()),
        }
    }
}

/// Where a package stands at this moment. Changes nothing.
pub fn show_package(workspace: &Workspace, name: &PackageName, now: Timestamp) -> Result<PackageReport, PackageError> {
    let ledger = workspace.ledger()?;
    let packages = Packages::in_work_tree(workspace.repository().work_dir(), ledger.dir())?;
    let path = package_path(ledger.dir(), name).unwrap_or_else(|| ledger.dir().clone());
    let package = known(&packages, name, &path)?;
    let report = status(workspace, now)?;
    let waiting: Vec<_> = package
        .tickets
        .iter()
        .map(|id| {
            let ticket = ledger.ticket(id).and_then(|folder| folder.ticket().ok());
            Waiting {
                id: id.clone(),
                depends_on: ticket.map(|ticket| ticket.depends_on).unwrap_or_default(),
            }
        })
        .collect();
    let waves = waves(&waiting).ok();
    let wave_of = |id: &TicketId| {
        let wave = waves.as_ref()?.iter().position(|wave| wave.contains(id))?;
        Some(wave + 1)
    };
    let tickets: Vec<_> = waiting
        .into_iter()
        .map(|Waiting { id, depends_on }| {
            let status = report.tickets.iter().find(|ticket| ticket.id == id).cloned();
            PackageTicket {
                wave: wave_of(&id),
                depends_on,
                missing: status.is_none().then_some(id),
                status,
            }
        })
        .collect();
    let is_open = |ticket: &&PackageTicket| {
        let state = ticket.status.as_ref().map(|status| &status.state);
        !matches!(state, Some(TicketState::Done(_)))
    };
    let next = tickets.iter().find(is_open).and_then(|ticket| {
        let status = ticket.status.as_ref();
        status
            .map(|status| status.id.clone())
            .or_else(|| ticket.missing.clone())
    });
    Ok(PackageReport {
        schema: PACKAGE_SCHEMA,
        package: name.clone(),
        path,
        title: package.title.clone(),
        goal: package.goal.clone(),
        lock: LockStatus::of(&ledger, package),
        tickets,
        next,
        changes: Vec::new(),
    })
}
