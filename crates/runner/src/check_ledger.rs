//! Validating policy, tickets, packages and approvals, each on its own and against each other.

mod cycles;
mod package;
mod quick;
mod steering;
mod ticket;

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::RepositoryError;
use ledger_core::{CoveredFile, Mode, PackageName, TicketFile, TicketId};
use policy::spec_conflicts;
use serde::Serialize;

pub(crate) use package::PackageCheck;
pub(crate) use quick::QuickRules;
pub(crate) use steering::SteeringRules;
pub(crate) use ticket::ticket_findings;

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

/// What a ticket says of others.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) id: TicketId,
    /// None where the ticket cannot be read.
    pub(crate) mode: Option<Mode>,
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
        let ticket = ticket.ok();
        // Here, because two threads are at it.
        let sources = ticket.as_ref().and_then(|ticket| {
            let is_checked = only.is_empty() && packages.contains(ticket.package.as_ref()?, folder.id());
            is_checked.then(|| sources(folder, ticket))
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
    let order = waited_for(&names, &packages);
    let circles = Circles {
        by_themselves: cycles::in_a_circle(&names, &BTreeMap::new()),
        with_order: cycles::in_a_circle(&names, &order),
    };
    let claims: Vec<_> = found.iter().filter_map(|(_, claim)| claim.clone()).collect();
    let conflicts = spec_conflicts(&claims);
    let mut findings = Vec::new();
    let all = names;
    for (names, (found, _)) in all.iter().zip(found) {
        if wanted(&names.id) {
            findings.extend(found);
            findings.extend(cross_findings(&ledger, &packages, (names, &all), &circles));
            if let (Some(conflicts), Some(folder)) = (conflicts.get(&names.id), ledger.ticket(&names.id)) {
                let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
                findings.extend(conflict_findings(&folder, &contract, conflicts));
            }
        }
    }
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
        findings.extend(package::findings(&ledger, &packages, name, read, &all, &known));
    }
    Ok(LedgerCheck {
        schema: CHECK_SCHEMA,
        tickets: all.iter().filter(|names| wanted(&names.id)).count(),
        packages: checked.len(),
        findings,
    })
}

/// The files of a ticket that the lock of its package has to name.
fn sources(folder: &TicketFolder<'_>, ticket: &TicketFile) -> Result<Vec<CoveredFile>, SourceProblem> {
    let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
    let sources = TicketSources::with_contract(folder, contract, ticket)?;
    Ok(sources.files.into_iter().map(|(file, _)| file).collect())
}

pub(crate) fn names(id: &TicketId, ticket: Option<TicketFile>) -> Names {
    let mode = ticket.as_ref().map(|ticket| ticket.mode);
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
        mode,
        parent,
        package,
        depends_on,
        prior_work,
    }
}

/// What each ticket waits for besides those that it depends on: the ticket before it in its package, and a parent for its children.
fn waited_for(names: &[Names], packages: &Packages) -> BTreeMap<TicketId, Vec<TicketId>> {
    let mut waited_for = packages.each_after();
    for child in names {
        let parent = child.parent.as_ref().and_then(|parent| find(names, parent));
        if let Some(parent) = parent.filter(|parent| parent.owns_tickets()) {
            waited_for.entry(parent.id.clone()).or_default().push(child.id.clone());
        }
    }
    waited_for
}

fn find<'a>(names: &'a [Names], id: &TicketId) -> Option<&'a Names> {
    let place = names.binary_search_by(|names| names.id.cmp(id)).ok()?;
    names.get(place)
}

impl Names {
    fn owns_tickets(&self) -> bool {
        self.mode.is_some_and(|mode| mode.discipline().owns_tickets)
    }
}

/// Tickets that never get their turn.
struct Circles {
    /// They depend on themselves.
    by_themselves: BTreeSet<TicketId>,
    /// They do where the order of packages counts too.
    with_order: BTreeSet<TicketId>,
}

/// What is wrong about the other tickets and the package that a ticket names.
fn cross_findings(
    ledger: &Ledger<'_>,
    packages: &Packages,
    (names, all): (&Names, &[Names]),
    circles: &Circles,
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
    if circles.by_themselves.contains(&names.id) {
        let message = "it depends on itself through the tickets in `depends_on`".to_owned();
        let finding = find(FindingSeverity::Error, &["depends_on"], message);
        findings.push(finding.with_hint("take one of them out of `depends_on`"));
    } else if circles.with_order.contains(&names.id) {
        let key = match (names.depends_on.is_empty(), &names.package) {
            (false, _) => "depends_on",
            (true, Some(_)) => "package",
            (true, None) => "parent",
        };
        let message = "it waits for itself through `depends_on`, `parent` and the order of packages".to_owned();
        let finding = find(FindingSeverity::Error, &[key], message);
        findings.push(
            finding.with_hint("put the tickets of the package in another order (a parent comes after its children), or take one out of `depends_on`"),
        );
    }
    if let Some(parent) = names.parent.as_ref().and_then(|parent| self::find(all, parent))
        && parent.mode.is_some()
        && !parent.owns_tickets()
    {
        let message = format!(
            "`parent` names `{}`, which is not in mode `parent`: nobody brings its children together",
            parent.id
        );
        let finding = find(FindingSeverity::Warning, &["parent"], message);
        findings.push(finding.with_hint("set `mode = \"parent\"` there, or leave the key out"));
    }
    if names.owns_tickets() && !all.iter().any(|child| child.parent.as_ref() == Some(&names.id)) {
        let message = "no ticket names it as its parent, so there is nothing to bring together".to_owned();
        let finding = find(FindingSeverity::Warning, &["mode"], message);
        findings.push(finding.with_hint(format!("`foil new \"<title>\" --parent {}` writes a child", names.id)));
    }
    findings.extend(membership_finding(&folder, packages, names));
    findings
}

/// What is wrong where a ticket names a package that is not there or does not list it. What is wrong with the package itself is told
/// there.
pub(crate) fn membership_finding(folder: &TicketFolder<'_>, packages: &Packages, names: &Names) -> Option<Finding> {
    let package = names.package.as_ref()?;
    let file = folder.package_path(package)?;
    let id = &names.id;
    let (message, hint) = match packages.find(package) {
        Some(Err(_)) => return None,
        Some(Ok(_)) if packages.contains(package, id) => return None,
        Some(Ok(_)) => (
            format!("`package` names `{package}`, which does not list this ticket"),
            format!("put `{id}` in its place in `{file}`, or leave the key out"),
        ),
        None => (
            format!("`package` names `{package}`, which does not exist"),
            format!("`foil package new \"<title>\" {id} --name {package}` makes it; or leave the key out"),
        ),
    };
    let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
    let path = folder.path(TicketFileName::Ticket);
    Some(Finding::at(FindingSeverity::Error, path, &contract, &["package"], message).with_hint(hint))
}
