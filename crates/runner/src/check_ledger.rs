//! Validating policy, tickets, packages and approvals, each on its own and against each other.

mod cycles;
mod package;
mod quick;
mod relations;
mod steering;
mod ticket;

use std::collections::BTreeSet;

use git_delivery::RepositoryError;
use ledger_core::{CoveredFile, PackageName, TicketFile, TicketId};
use policy::spec_conflicts;
use serde::Serialize;

pub(crate) use package::PackageCheck;
pub(crate) use relations::{Names, Relations, names};
pub(crate) use ticket::TicketRules;

use self::package::KnownSources;
use crate::approve::is_delivered;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{Ledger, LedgerError, MisfitReason, TicketFileName, TicketFolder};
use crate::packages::{Packages, PackagesError, SourceProblem, TicketSources};
use crate::specs::{claim_of, conflict_findings};
use crate::status::nearest_id;
use crate::workspace::{PolicyFile, Workspace, WorkspaceError};

/// The name of the report's format.
pub const CHECK_SCHEMA: &str = "counterfoil.check/1";

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerCheck {
    /// [`CHECK_SCHEMA`].
    pub schema: &'static str,
    /// Tickets that were looked at.
    pub tickets: usize,
    /// Packages that were looked at.
    pub packages: usize,
    /// What is wrong: the policy first, then tickets and packages in the order of their names.
    pub findings: Vec<Finding>,
}

impl LedgerCheck {
    /// How many findings are this severe.
    pub fn count(&self, severity: FindingSeverity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// The check cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckLedgerError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be listed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// There is no such ticket.
    #[error("there is no ticket `{id}`")]
    NoSuchTicket {
        /// What was asked for.
        id: TicketId,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
}

impl From<RepositoryError> for CheckLedgerError {
    fn from(error: RepositoryError) -> Self {
        Self::Workspace(error.into())
    }
}

/// Validates the policy and, without names, everything in the ledger; with names only these tickets.
pub fn check_ledger(workspace: &Workspace, only: &[TicketId]) -> Result<LedgerCheck, CheckLedgerError> {
    let policy_file = workspace.policy_file();
    let policy = match &policy_file.policy {
        Ok(policy) => policy,
        // Without a policy it is unknown where the ledger is.
        Err(problem) => {
            return Ok(LedgerCheck {
                schema: CHECK_SCHEMA,
                tickets: 0,
                packages: 0,
                findings: vec![Finding::in_file(PolicyFile::path(), problem)],
            });
        }
    };
    let work_dir = workspace.repository().work_dir();
    let ledger = Ledger::in_work_tree(work_dir, policy.ledger.dir.path())?;
    if let Some(id) = only.iter().find(|id| ledger.ids().binary_search(id).is_err()) {
        return Err(CheckLedgerError::NoSuchTicket {
            id: id.clone(),
            nearest: nearest_id(id.as_str(), ledger.ids()),
        });
    }
    let repository_id = workspace.repository_id()?;
    let wanted = |id: &TicketId| only.is_empty() || only.contains(id);
    let packages = Packages::in_work_tree(work_dir, ledger.dir())?;
    let rules = TicketRules::new(policy, workspace.repository(), &repository_id);
    let read = ledger.map(|folder| {
        let (contract, ticket) = folder.contract();
        let (findings, claim) = match &ticket {
            Ok(other) if !wanted(folder.id()) => (Vec::new(), claim_of(workspace, folder, other, policy)),
            Err(_) if !wanted(folder.id()) => (Vec::new(), None),
            _ => {
                let (findings, claim) = rules.findings(folder, &contract, &ticket);
                (findings, claim.filter(|_| !is_delivered(workspace, folder)))
            }
        };
        let ticket = ticket.ok();
        // Here, because two threads are at it.
        let sources = ticket.as_ref().and_then(|ticket| {
            let is_checked = only.is_empty() && packages.contains(ticket.package.as_ref()?, folder.id());
            is_checked.then(|| sources(folder, contract, ticket))
        });
        (names(folder.id(), ticket), (findings, claim), sources)
    });
    let mut known = KnownSources::new();
    let (names, found): (Vec<_>, Vec<_>) = read
        .into_iter()
        .map(|(names, found, sources)| {
            known.extend(sources.map(|sources| (names.id.clone(), sources)));
            (names, found)
        })
        .unzip();
    let relations = Relations::new(names, &packages);
    let claims: Vec<_> = found.iter().filter_map(|(_, claim)| claim.clone()).collect();
    let conflicts = spec_conflicts(&claims);
    let mut findings = Vec::new();
    let all = relations.all();
    for (names, (found, _)) in all.iter().zip(found) {
        if !wanted(&names.id) {
            continue;
        }
        findings.extend(found);
        findings.extend(relations.findings(&ledger, &packages, &names.id));
        if let (Some(conflicts), Some(folder)) = (conflicts.get(&names.id), ledger.ticket(&names.id)) {
            let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
            findings.extend(conflict_findings(&folder, &contract, conflicts));
        }
    }
    if only.is_empty() {
        findings.extend(rules.pack_findings());
        for misfit in ledger.misfits() {
            let finding = Finding::new(FindingSeverity::Error, misfit.path.clone(), misfit.reason.to_string());
            findings.push(finding.with_hint(match misfit.reason {
                MisfitReason::NotText | MisfitReason::Name(_) => "rename the folder, as in `0042-validate-email`",
                MisfitReason::Twin { .. } => "rename one of them: some file systems cannot hold both",
                MisfitReason::SymbolicLink => "put the folder itself in its place",
            }));
        }
        for path in packages.misfits() {
            let message = "its name is no package name";
            let finding = Finding::new(FindingSeverity::Error, path.clone(), message);
            findings.push(finding.with_hint("rename the file, as in `sign-up.toml`"));
        }
    }
    // What is wrong with its package keeps a ticket from being approved too.
    let of_wanted: BTreeSet<&PackageName> = all
        .iter()
        .filter(|names| wanted(&names.id))
        .filter_map(|names| names.package.as_ref())
        .collect();
    let checked: Vec<_> = packages
        .iter()
        .filter(|(name, _)| only.is_empty() || of_wanted.contains(name))
        .collect();
    for (name, read) in &checked {
        findings.extend(package::findings(&ledger, &packages, name, read, all, &known));
    }
    Ok(LedgerCheck {
        schema: CHECK_SCHEMA,
        tickets: all.iter().filter(|names| wanted(&names.id)).count(),
        packages: checked.len(),
        findings,
    })
}

/// The files of a ticket that the lock of its package has to name.
fn sources(
    folder: &TicketFolder<'_>,
    contract: Vec<u8>,
    ticket: &TicketFile,
) -> Result<Vec<CoveredFile>, SourceProblem> {
    let sources = TicketSources::with_contract(folder, contract, ticket)?;
    Ok(sources.files.into_iter().map(|(file, _)| file).collect())
}
