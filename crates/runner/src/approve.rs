//! A person's consent to exactly these bytes of tickets: planned first, so that it can be shown, then written and
//! committed.

mod fitness;

use std::collections::BTreeMap;

use git_delivery::{CommittedHere, GitProgramError, HereError, ObjectError, RepositoryError, blob_id};
use ledger_core::{
    Approval, ApprovalKind, CommitId, CoveredFile, Digest, Package, PackageName, ReplacedRequirement, RepoPath,
    TicketFile, TicketId,
};

use self::fitness::Fitness;
use crate::base::receipt_bytes;
use crate::beneath::{WriteError, replace_beneath};
use crate::check_ledger::{PackageCheck, names};
use crate::consent::{ConsentState, consent_state, required_files};
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{FileProblem, Ledger, TicketFileName, TicketFolder};
use crate::moment::Moment;
use crate::packages::{Named, PackageSources, Packages, PackagesError, SourceProblem, package_path};
use crate::status::nearest_id;
use crate::workspace::{Workspace, WorkspaceError};

/// What is about to be approved.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalPlan {
    /// The tickets, in the order in which they were named.
    pub tickets: Vec<PlannedApproval>,
    /// The packages that they are of.
    pub packages: Vec<PlannedPackage>,
    /// Who approves, as Git names that person.
    pub by: String,
    /// The repository that the approval is for.
    pub repository: String,
    moment: Moment,
    identity: git_delivery::Identity,
}

/// One ticket that is about to be approved.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedApproval {
    /// The ticket.
    pub id: TicketId,
    /// What it says.
    pub ticket: TicketFile,
    /// Every covered file.
    pub files: Vec<CoveredFile>,
    /// The current requirements that its delta modifies or removes.
    pub replaces: Vec<ReplacedRequirement>,
    /// Whether these very bytes are approved already.
    pub already: bool,
    /// What is worth knowing and does not stand in the way.
    pub warnings: Vec<Finding>,
    approval_path: RepoPath,
    bytes: BTreeMap<RepoPath, Vec<u8>>,
}

/// A package that approvals cover, whose lock holds.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedPackage {
    /// Its name.
    pub name: PackageName,
    /// What it says.
    pub package: Package,
    /// Every file that its lock names, and its own. They are committed with the approvals: a run looks for all of them in its base.
    bytes: BTreeMap<RepoPath, Vec<u8>>,
}

/// What was written.
#[derive(Debug)]
pub struct Approved {
    /// The approvals that were written, by path; those that were there already are left out.
    pub written: Vec<RepoPath>,
    /// The commit that holds them; none with [`Committing::No`] and where nothing was to do.
    pub commit: Option<CommitId>,
    /// Why the index does not show the new files as committed, if it does not.
    pub index_not_refreshed: Option<GitProgramError>,
}

/// Whether what is written is also committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committing {
    /// On the current branch, exactly these files.
    Yes,
    /// Only written; the user commits.
    No,
}

/// Tickets cannot be approved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The repository cannot be read, or Git knows no name for the user.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// A file of a package cannot be read.
    #[error(transparent)]
    Source(#[from] SourceProblem),
    /// There is no such ticket or package.
    #[error("there is no ticket or package `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
    /// No package was named, and there is not exactly one that has drafts.
    #[error("{}", drafted(.packages))]
    NoName {
        /// Those that have drafts.
        packages: Vec<PackageName>,
    },
    /// A package cannot be used.
    #[error("the package `{package}` cannot be used as it is")]
    BrokenPackage {
        /// The package.
        package: PackageName,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// The files of a package are not as they were locked, or were never locked.
    #[error("the lock of the package `{package}` does not hold")]
    LockDiffers {
        /// The package.
        package: PackageName,
        /// What differs.
        findings: Vec<Finding>,
    },
    /// A ticket is not fit to be approved.
    #[error("`{id}` cannot be approved as it is")]
    NotFit {
        /// The ticket.
        id: TicketId,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// A ticket is closed.
    #[error("`{id}` is canceled")]
    Canceled {
        /// The ticket.
        id: TicketId,
    },
    /// A ticket is delivered.
    #[error("`{id}` is delivered, and a delivered ticket never runs again")]
    Delivered {
        /// The ticket.
        id: TicketId,
    },
    /// A file cannot be read.
    #[error("`{path}`: {problem}")]
    File {
        /// The file.
        path: RepoPath,
        /// Why.
        problem: FileProblem,
    },
    /// An object's id cannot be computed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An approval has no form in TOML.
    #[error("the approval cannot be written: {reason}")]
    Encode {
        /// Why.
        reason: String,
    },
    /// Git cannot commit it.
    #[error(transparent)]
    Commit(#[from] HereError),
    /// It cannot be written to the work tree.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The only package that has drafts: open tickets that nobody has approved.
///
/// # Errors
/// [`ApproveError::NoName`] where there is none, or more than one.
pub fn drafted_package(workspace: &Workspace) -> Result<PackageName, ApproveError> {
    let ledger = workspace.ledger()?;
    let packages = Packages::in_work_tree(workspace.repository().work_dir(), ledger.dir())?;
    let is_draft = |id: &TicketId| {
        let folder = ledger.ticket(id);
        folder.is_some_and(|folder| !folder.has(TicketFileName::Approval) && is_closed(workspace, &folder).is_none())
    };
    let drafted = packages.iter().filter(|(_, read)| {
        let tickets = read.as_ref().map(|package| package.tickets.iter());
        tickets.is_ok_and(|mut tickets| tickets.any(is_draft))
    });
    let mut packages: Vec<_> = drafted.map(|(name, _)| name.clone()).collect();
    match packages.len() {
        1 => Ok(packages.remove(0)),
        _ => Err(ApproveError::NoName { packages }),
    }
}

fn drafted(packages: &[PackageName]) -> String {
    match packages {
        [] => "no package has a draft to approve".to_owned(),
        several => {
            let names: Vec<_> = several.iter().map(|name| format!("`{name}`")).collect();
            format!("several packages have drafts: {}", names.join(", "))
        }
    }
}

impl ApprovalPlan {
    /// What approving these names would cover. A name is a ticket's, or a package's: then every ticket of it that is neither
    /// delivered nor canceled. A ticket of a package is approved only while the package's lock holds. Changes nothing.
    pub fn new(workspace: &Workspace, names: &[String], moment: Moment) -> Result<Self, ApproveError> {
        let ledger = workspace.ledger()?;
        let repository = workspace.repository_id()?;
        let identity = workspace.repository().identity()?;
        let packages = Packages::in_work_tree(workspace.repository().work_dir(), ledger.dir())?;
        let fitness = Fitness::new(workspace, &ledger, &packages, &repository)?;
        let mut tickets: Vec<PlannedApproval> = Vec::new();
        let mut planned_packages: Vec<PlannedPackage> = Vec::new();
        for name in names {
            for (id, by_name) in with_children(&ledger, &fitness, meant(&ledger, &packages, name)?) {
                if tickets.iter().any(|planned| planned.id == id) {
                    continue;
                }
                let folder = ledger.ticket(&id).ok_or_else(|| unknown(&ledger, id.as_str()))?;
                if !by_name && is_closed(workspace, &folder).is_some() {
                    continue;
                }
                let planned = plan(&fitness, &folder)?;
                if let Some(package) = &planned.ticket.package
                    && !planned_packages.iter().any(|known| known.name == *package)
                {
                    planned_packages.push(plan_package(workspace, &ledger, &packages, package)?);
                }
                tickets.push(planned);
            }
        }
        Ok(Self {
            tickets,
            packages: planned_packages,
            by: format!("{} <{}>", identity.author.name, identity.author.email),
            repository,
            moment,
            identity,
        })
    }

    /// Writes the approvals and commits exactly them and the files that they cover. Whatever else is changed or staged
    /// stays as it is.
    pub fn carry_out(&self, workspace: &Workspace, committing: Committing) -> Result<Approved, ApproveError> {
        let mut approvals = BTreeMap::new();
        let mut files = BTreeMap::new();
        for package in &self.packages {
            files.extend(package.bytes.clone());
        }
        for planned in &self.tickets {
            files.extend(planned.bytes.clone());
            if planned.already {
                continue;
            }
            let approval = Approval {
                schema: 1,
                kind: ApprovalKind::Person,
                by: self.by.clone(),
                at: self.moment.whole_seconds(),
                repository: self.repository.clone(),
                label: None,
                file: planned.files.clone(),
                replaces: planned.replaces.clone(),
                signature: None,
            };
            let text = approval.to_toml().map_err(|error| ApproveError::Encode {
                reason: error.to_string(),
            })?;
            approvals.insert(planned.approval_path.clone(), with_schema_hint(&text).into_bytes());
        }
        files.extend(approvals.clone());
        // What is approved already may still wait for its commit.
        for planned in self.tickets.iter().filter(|planned| planned.already) {
            if let Ok(bytes) = crate::beneath::read_beneath(workspace.repository().work_dir(), &planned.approval_path) {
                files.insert(planned.approval_path.clone(), bytes);
            }
        }
        let committed = match committing {
            Committing::Yes if !files.is_empty() => Some(self.commit(workspace, &files)?),
            _ => None,
        };
        for (path, bytes) in &approvals {
            replace_beneath(workspace.repository().work_dir(), path, bytes)?;
        }
        let (commit, index_not_refreshed) = match committed {
            Some(CommittedHere {
                commit,
                index_not_refreshed,
            }) => (Some(commit), index_not_refreshed),
            None => (None, None),
        };
        Ok(Approved {
            written: approvals.into_keys().collect(),
            commit,
            index_not_refreshed,
        })
    }

    fn commit(
        &self,
        workspace: &Workspace,
        files: &BTreeMap<RepoPath, Vec<u8>>,
    ) -> Result<CommittedHere, ApproveError> {
        let names: Vec<_> = self.tickets.iter().map(|planned| planned.id.as_str()).collect();
        let message = match names.as_slice() {
            [one] => format!("Approve ticket {one}\n"),
            many => format!("Approve {} tickets\n\n{}\n", many.len(), many.join("\n")),
        };
        let time = self.moment.commit_time();
        Ok(workspace
            .repository()
            .commit_files_on_head(files, &message, &self.identity, time)?)
    }
}

/// The editor's hint at the schema, as in every TOML file that foil writes.
pub(crate) fn with_schema_hint(toml: &str) -> String {
    format!("#:schema ../../schemas/approval.schema.json\n{toml}")
}

fn unknown(ledger: &Ledger<'_>, name: &str) -> ApproveError {
    ApproveError::Unknown {
        name: name.to_owned(),
        nearest: nearest_id(name, ledger.ids()),
    }
}

/// The tickets that a name means, and whether each was named itself.
fn meant(ledger: &Ledger<'_>, packages: &Packages, name: &str) -> Result<Vec<(TicketId, bool)>, ApproveError> {
    match Named::find(ledger, packages, name) {
        None => Err(unknown(ledger, name)),
        Some(Named::Ticket(id)) => Ok(vec![(id, true)]),
        Some(Named::Package { read: Ok(read), .. }) => Ok(read.tickets.iter().map(|id| (id.clone(), false)).collect()),
        Some(Named::Package {
            name,
            read: Err(problem),
        }) => Err(ApproveError::BrokenPackage {
            findings: vec![Finding::in_file(file_of(ledger, &name), problem)],
            package: name,
        }),
    }
}

/// The tickets, and right after each parent its children: who approves a parent approves them.
fn with_children(ledger: &Ledger<'_>, fitness: &Fitness<'_>, meant: Vec<(TicketId, bool)>) -> Vec<(TicketId, bool)> {
    let mut waiting = std::collections::VecDeque::from(meant);
    let mut all: Vec<(TicketId, bool)> = Vec::new();
    while let Some((id, by_name)) = waiting.pop_front() {
        if all.iter().any(|(known, _)| *known == id) {
            continue;
        }
        let file = ledger.ticket(&id).and_then(|folder| folder.ticket().ok());
        if file.is_some_and(|file| file.mode.discipline().owns_tickets) {
            for child in fitness.relations().children_of(&id).rev() {
                waiting.push_front((child.clone(), false));
            }
        }
        all.push((id, by_name));
    }
    all
}

fn file_of(ledger: &Ledger<'_>, package: &PackageName) -> RepoPath {
    package_path(ledger.dir(), package).unwrap_or_else(|| ledger.dir().clone())
}

/// A package whose tickets can be approved: each is there, names it, and is as it was locked.
fn plan_package(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    packages: &Packages,
    name: &PackageName,
) -> Result<PlannedPackage, ApproveError> {
    let broken = |findings: Vec<Finding>| ApproveError::BrokenPackage {
        package: name.clone(),
        findings,
    };
    let path = file_of(ledger, name);
    let package = match packages.find(name) {
        Some(Ok(package)) => package,
        Some(Err(problem)) => return Err(broken(vec![Finding::in_file(path, problem)])),
        None => return Err(broken(vec![Finding::in_file(path, &FileProblem::Missing)])),
    };
    let check = PackageCheck {
        name,
        package,
        path: path.clone(),
        document: packages.document(name),
        ledger,
    };
    let stands_in_the_way = |finding: &Finding| finding.severity >= FindingSeverity::Unfinished;
    let mut findings = check.order_findings(|id| ledger.ticket(id).map(|folder| names(id, folder.ticket().ok())));
    findings.retain(stands_in_the_way);
    if !findings.is_empty() {
        return Err(broken(findings));
    }
    let sources = PackageSources::of(ledger, package);
    let files = sources.as_ref().map(|sources| sources.files.clone());
    let mut findings = check.lock_findings(files.map_err(Clone::clone));
    findings.retain(stands_in_the_way);
    if !findings.is_empty() {
        return Err(ApproveError::LockDiffers {
            package: name.clone(),
            findings,
        });
    }
    let mut bytes = sources?.bytes;
    let findings = still_committed(workspace, ledger, package, &bytes)?;
    if !findings.is_empty() {
        return Err(ApproveError::LockDiffers {
            package: name.clone(),
            findings,
        });
    }
    bytes.insert(path, packages.document(name).to_vec());
    Ok(PlannedPackage {
        name: name.clone(),
        package: package.clone(),
        bytes,
    })
}

/// Files of the tickets that the last commit has and the lock has not: hidden ones, and those whose removal is not committed. An
/// approval would not take them out of the base, where a run would find them.
fn still_committed(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    package: &Package,
    locked: &BTreeMap<RepoPath, Vec<u8>>,
) -> Result<Vec<Finding>, ApproveError> {
    let repository = workspace.repository();
    let Some(commit) = repository.head()?.commit() else {
        return Ok(Vec::new());
    };
    let committed = Ledger::at_commit(repository, commit, ledger.dir()).map_err(WorkspaceError::from)?;
    let mut findings = Vec::new();
    for folder in package.tickets.iter().filter_map(|id| committed.ticket(id)) {
        let others = folder.other_files().map_err(|problem| ApproveError::File {
            path: folder.path(TicketFileName::Ticket),
            problem,
        })?;
        for path in others.into_iter().filter(|path| !locked.contains_key(path)) {
            let message = "it is in the last commit, and not in the lock";
            let finding = Finding::new(FindingSeverity::Error, path, message);
            findings.push(finding.with_hint("take it out of the ticket's folder, and commit that"));
        }
    }
    Ok(findings)
}

/// Why a ticket cannot be approved any more.
fn is_closed(workspace: &Workspace, folder: &TicketFolder<'_>) -> Option<ApproveError> {
    let id = folder.id().clone();
    if is_delivered(workspace, folder) {
        Some(ApproveError::Delivered { id })
    } else if folder.has(TicketFileName::Canceled) {
        Some(ApproveError::Canceled { id })
    } else {
        None
    }
}

/// Whether a ticket is consumed: it has a receipt, or its record is there.
pub(crate) fn is_delivered(workspace: &Workspace, folder: &TicketFolder<'_>) -> bool {
    // One that cannot be read is a receipt too.
    folder.has(TicketFileName::Result) || !matches!(receipt_bytes(workspace.repository(), folder.id()), Ok(None))
}

fn plan(fitness: &Fitness<'_>, folder: &TicketFolder<'_>) -> Result<PlannedApproval, ApproveError> {
    if let Some(closed) = is_closed(fitness.workspace, folder) {
        return Err(closed);
    }
    let (contract, read) = folder.contract();
    let (errors, warnings): (Vec<_>, Vec<_>) = fitness
        .findings(folder, &contract, &read)
        .into_iter()
        // An approval that does not count any more is what this replaces.
        .filter(|finding| finding.path != folder.path(TicketFileName::Approval))
        .partition(|finding| finding.severity >= FindingSeverity::Unfinished);
    let ticket = match read {
        Ok(ticket) if errors.is_empty() => ticket,
        _ => {
            return Err(ApproveError::NotFit {
                id: folder.id().clone(),
                findings: errors,
            });
        }
    };
    let mut bytes = BTreeMap::new();
    let mut files = Vec::new();
    for path in required_files(folder, &ticket) {
        let problem = |problem| ApproveError::File {
            path: path.clone(),
            problem,
        };
        let content = if path == folder.path(TicketFileName::Ticket) {
            // The bytes that were judged, whatever stands there by now.
            contract.clone()
        } else {
            let read = folder.read_path(&path).map_err(problem)?;
            read.ok_or_else(|| problem(FileProblem::Missing))?
        };
        files.push(CoveredFile {
            path: path.clone(),
            blob: blob_id(&content)?,
            sha256: Digest::of(&content),
        });
        bytes.insert(path, content);
    }
    let replaces = fitness.replaced_by(folder, &ticket);
    let already = matches!(
        consent_state(folder, &contract, &ticket, fitness.repository_id),
        ConsentState::Approved { .. }
    ) && covers(folder, &files, &replaces);
    Ok(PlannedApproval {
        id: folder.id().clone(),
        ticket,
        files,
        replaces,
        already,
        warnings,
        approval_path: folder.path(TicketFileName::Approval),
        bytes,
    })
}

/// Whether the approval that is there covers exactly these files, and lets exactly these requirements be replaced.
fn covers(folder: &TicketFolder<'_>, files: &[CoveredFile], replaces: &[ReplacedRequirement]) -> bool {
    let Ok(Some(approval)) = folder.approval() else {
        return false;
    };
    let sorted = |files: &[CoveredFile]| {
        let mut files = files.to_vec();
        files.sort();
        files
    };
    sorted(&approval.file) == sorted(files) && approval.replaces == replaces
}
