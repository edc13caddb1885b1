//! Validating policy, tickets, packages and approvals, each on its own and against each other.

mod cycles;
mod quick;
mod steering;
mod ticket;

use std::collections::BTreeSet;

use git_delivery::RepositoryError;
use ledger_core::{Digest, PackageName, RepoPath, TicketFile, TicketId};
use policy::spec_conflicts;
use serde::Serialize;

pub(crate) use quick::QuickRules;
pub(crate) use steering::SteeringRules;
pub(crate) use ticket::ticket_findings;

use crate::approve::is_delivered;
use crate::beneath::read_beneath;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{FileProblem, Ledger, LedgerError, MisfitReason, TicketFileName, join};
use crate::packages::{Packages, PackagesError};
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

/// What a ticket says of others.
pub(crate) struct Names {
    pub(crate) id: TicketId,
    pub(crate) parent: Option<TicketId>,
    pub(crate) package: Option<PackageName>,
    pub(crate) depends_on: Vec<TicketId>,
    pub(crate) prior_work: Vec<TicketId>,
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
    let quick = QuickRules::new(policy, workspace.repository());
    let steering = SteeringRules::new(policy, workspace.repository());
    let read = ledger.map(|folder| {
        let ticket = folder.ticket();
        let (findings, claim) = match &ticket {
            Ok(other) if !wanted(folder.id()) => (Vec::new(), claim_of(workspace, folder, other, policy)),
            Err(_) if !wanted(folder.id()) => (Vec::new(), None),
            _ => {
                let (findings, claim) = ticket_findings(folder, &ticket, policy, &repository_id, &quick, &steering);
                (findings, claim.filter(|_| !is_delivered(workspace, folder)))
            }
        };
        (names(folder.id(), ticket.ok()), (findings, claim))
    });
    let (names, found): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    let circles = cycles::in_a_circle(&names);
    let claims: Vec<_> = found.iter().filter_map(|(_, claim)| claim.clone()).collect();
    let conflicts = spec_conflicts(&claims);
    let mut findings = Vec::new();
    for (names, (found, _)) in names.iter().zip(found) {
        if wanted(&names.id) {
            findings.extend(found);
            findings.extend(cross_findings(&ledger, &packages, names, &circles));
            if let (Some(conflicts), Some(folder)) = (conflicts.get(&names.id), ledger.ticket(&names.id)) {
                let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
                findings.extend(conflict_findings(&folder, &contract, conflicts));
            }
        }
    }
    let mut checked_packages = 0;
    if only.is_empty() {
        findings.extend(steering.pack_findings());
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
        for (name, package) in packages.iter() {
            checked_packages += 1;
            package_findings(workspace, &ledger, &names, name, package, &mut findings);
        }
    }
    Ok(LedgerCheck {
        schema: CHECK_SCHEMA,
        tickets: names.iter().filter(|names| wanted(&names.id)).count(),
        packages: checked_packages,
        findings,
    })
}

fn names(id: &TicketId, ticket: Option<TicketFile>) -> Names {
    let (parent, package, depends_on, prior_work) = match ticket {
        Some(ticket) => (
            ticket.parent,
            ticket.package,
            ticket.depends_on,
            ticket.context.prior_work,
        ),
        None => (None, None, Vec::new(), Vec::new()),
    };
    Names {
        id: id.clone(),
        parent,
        package,
        depends_on,
        prior_work,
    }
}

/// What is wrong about the other tickets and the package that a ticket names.
fn cross_findings(
    ledger: &Ledger<'_>,
    packages: &Packages,
    names: &Names,
    circles: &BTreeSet<TicketId>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(folder) = ledger.ticket(&names.id) else {
        return findings;
    };
    let path = folder.path(TicketFileName::Ticket);
    // Read again only where there is something to show in it.
    let find = |severity, keys: &[&str], message: String| {
        let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
        Finding::at(severity, path.clone(), &contract, keys, message)
    };
    let mut missing = |severity, key: &str, index: Option<usize>, id: &TicketId| {
        if ledger.ids().binary_search(id).is_ok() {
            return;
        }
        let message = format!("`{key}` names `{id}`, which does not exist");
        let index = index.map(|index| index.to_string());
        let keys: Vec<_> = key.split('.').chain(index.as_deref()).collect();
        let hint = match nearest_id(id.as_str(), ledger.ids()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "name a ticket that is there; `foil status` lists them".to_owned(),
        };
        findings.push(find(severity, &keys, message).with_hint(hint));
    };
    for (index, id) in names.depends_on.iter().enumerate() {
        missing(FindingSeverity::Error, "depends_on", Some(index), id);
    }
    if let Some(id) = &names.parent {
        missing(FindingSeverity::Error, "parent", None, id);
    }
    for (index, id) in names.prior_work.iter().enumerate() {
        missing(FindingSeverity::Warning, "context.prior_work", Some(index), id);
    }
    if circles.contains(&names.id) {
        let message = "it depends on itself through the tickets in `depends_on`".to_owned();
        let finding = find(FindingSeverity::Error, &["depends_on"], message);
        findings.push(finding.with_hint("take one of them out of `depends_on`"));
    }
    if let Some(package) = &names.package
        && packages.iter().all(|(name, _)| name != package)
    {
        let message = format!("`package` names `{package}`, which does not exist");
        let finding = find(FindingSeverity::Warning, &["package"], message);
        findings.push(finding.with_hint(format!(
            "write `{}/packages/{package}.toml`, or leave the key out",
            ledger.dir()
        )));
    }
    findings
}

fn package_findings(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    names: &[Names],
    name: &PackageName,
    package: &Result<ledger_core::Package, FileProblem>,
    findings: &mut Vec<Finding>,
) {
    let Some(path) = package_path(ledger.dir(), name) else {
        return;
    };
    let package = match package {
        Ok(package) => package,
        Err(problem) => {
            findings.push(Finding::in_file(path, problem));
            return;
        }
    };
    let document = read_beneath(workspace.repository().work_dir(), &path).unwrap_or_default();
    for (index, id) in package.tickets.iter().enumerate() {
        let member = names
            .binary_search_by(|names| names.id.cmp(id))
            .ok()
            .map(|index| &names[index]);
        let (severity, message, hint) = match member {
            None => (
                FindingSeverity::Error,
                format!("it lists `{id}`, which does not exist"),
                match nearest_id(id.as_str(), ledger.ids()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "write that ticket, or take it off the list".to_owned(),
                },
            ),
            Some(member) if member.package.as_ref() != Some(name) => (
                FindingSeverity::Warning,
                format!("it lists `{id}`, whose `package` is not `{name}`, so its place in the order does not count"),
                format!("write `package = \"{name}\"` in the ticket, or take it off the list"),
            ),
            Some(_) => continue,
        };
        let keys = ["tickets", &index.to_string()];
        findings.push(Finding::at(severity, path.clone(), &document, &keys, message).with_hint(hint));
    }
    for locked in &package.lock {
        let found = read_beneath(workspace.repository().work_dir(), &locked.path).map(Digest::of);
        if found != Ok(locked.sha256) {
            let message = format!("`{}` is not what the package was made from", locked.path);
            let finding = Finding::at(FindingSeverity::Warning, path.clone(), &document, &["lock"], message);
            findings.push(finding.with_hint("look at what changed in it"));
        }
    }
}

/// The file of a package.
pub(crate) fn package_path(dir: &RepoPath, name: &PackageName) -> Option<RepoPath> {
    join(dir, &format!("packages/{name}.toml"))
}
