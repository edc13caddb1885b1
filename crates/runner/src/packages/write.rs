//! Making a package, and locking the files of its tickets.

use std::collections::BTreeMap;

use ledger_core::{
    CoveredFile, LockChange, LockDifference, Package, PackageName, RepoPath, TicketFile, TicketId, document_text,
};
use serde::Serialize;
use toml_edit::DocumentMut;

use super::{PackageError, PackageSources, Packages, SourceProblem, TicketSources, package_path};
use crate::approve::is_delivered;
use crate::beneath::{Created, create_beneath, replace_beneath};
use crate::check_ledger::{Names, PackageCheck};
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{FileProblem, Ledger, TicketFileName};
use crate::new::{set, words_of};
use crate::status::nearest_id;
use crate::workspace::Workspace;

/// What a package is to be.
#[derive(Debug, Clone, Default)]
pub struct NewPackage {
    /// What its tickets amount to: one line.
    pub title: String,
    /// Its name; none: the title's words.
    pub name: Option<PackageName>,
    /// The goal in a few sentences; may be empty.
    pub goal: String,
    /// Its tickets in their order.
    pub tickets: Vec<TicketId>,
    /// Whether they share one branch.
    pub one_branch: bool,
}

/// What was done to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageWritten {
    /// The package.
    pub name: PackageName,
    /// The files that were written, or locked otherwise than before, in the order of their paths.
    pub changes: Vec<PackageChange>,
}

/// What was done about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// The file.
    pub path: RepoPath,
    /// What was done.
    pub what: PackageChangeKind,
}

/// What was done about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageChangeKind {
    /// The file is new.
    Created,
    /// The ticket's contract names the package now.
    Named,
    /// The lock has the file, which it did not have.
    Locked,
    /// The lock has other bytes of the file than before.
    Relocked,
    /// The lock does not have the file any more.
    Unlocked,
}

/// Makes a package of these tickets, with its lock, and lets each of them name it. Never overwrites a package; of a ticket only the
/// key `package` is added, where it has none. Nothing is committed: `foil approve` does that.
pub fn new_package(workspace: &Workspace, wanted: &NewPackage) -> Result<PackageWritten, PackageError> {
    let title = wanted.title.trim();
    if title.is_empty() || title.chars().count() > 200 || title.chars().any(char::is_control) {
        return Err(PackageError::Title);
    }
    let name = match &wanted.name {
        Some(name) => name.clone(),
        None => words_of(title).parse().map_err(|_| PackageError::NoName {
            title: title.to_owned(),
        })?,
    };
    let ledger = workspace.ledger()?;
    let root = workspace.repository().work_dir();
    let packages = Packages::in_work_tree(root, ledger.dir())?;
    if let Some((there, _)) = packages
        .iter()
        .find(|(there, _)| there.as_str().eq_ignore_ascii_case(name.as_str()))
    {
        return Err(PackageError::Taken { name: there.clone() });
    }
    if let Some(id) = ledger
        .ids()
        .iter()
        .find(|id| id.as_str().eq_ignore_ascii_case(name.as_str()))
    {
        return Err(PackageError::NameOfTicket { id: id.clone() });
    }
    let path = package_path(ledger.dir(), &name).unwrap_or_else(|| ledger.dir().clone());
    let members = members(workspace, &ledger, &name, &wanted.tickets)?;

    let mut package = Package {
        schema: 1,
        title: title.to_owned(),
        goal: wanted.goal.trim().to_owned(),
        one_branch: wanted.one_branch,
        tickets: wanted.tickets.clone(),
        lock: Vec::new(),
    };
    let unlocked = text_of(&path, &package)?;
    let check = PackageCheck {
        name: &name,
        package: &package,
        path: path.clone(),
        document: unlocked.as_bytes(),
        ledger: &ledger,
    };
    let findings = check.order_findings(|id| {
        let member = members.iter().find(|member| member.id == *id)?;
        Some(Names {
            id: id.clone(),
            mode: None,
            parent: None,
            package: Some(name.clone()),
            depends_on: member.ticket.depends_on.clone(),
            prior_work: Vec::new(),
        })
    });
    // There is no such file yet that a line of it could be shown.
    let without_place = |finding: Finding| Finding {
        line: None,
        column: None,
        span: None,
        ..finding
    };
    fit(&name, findings.into_iter().map(without_place).collect())?;
    let mut sources = PackageSources::default();
    for member in &members {
        if let Some(folder) = ledger.ticket(&member.id) {
            let ticket = TicketSources::with_contract(&folder, member.contract.clone(), &member.ticket);
            sources.add(ticket.map_err(|problem| not_fit(&name, &path, problem))?);
        }
    }
    package.lock = sources.files;
    let text = text_of(&path, &package)?;

    // The tickets first: should this be ended in between, the same command goes on.
    let mut changes = Vec::new();
    for member in members.iter().filter(|member| member.is_named_now) {
        replace_beneath(root, &member.path, &member.contract)?;
        changes.push(PackageChange {
            path: member.path.clone(),
            what: PackageChangeKind::Named,
        });
    }
    if create_beneath(root, &path, text.as_bytes())? == Created::Exists {
        return Err(PackageError::Taken { name });
    }
    changes.push(PackageChange {
        path,
        what: PackageChangeKind::Created,
    });
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(PackageWritten { name, changes })
}

/// Locks the files of a package's tickets as they are now. Whatever else its file says stays as it is, also comments.
pub fn lock_package(workspace: &Workspace, name: &PackageName) -> Result<PackageWritten, PackageError> {
    let ledger = workspace.ledger()?;
    let root = workspace.repository().work_dir();
    let packages = Packages::in_work_tree(root, ledger.dir())?;
    let path = package_path(ledger.dir(), name).unwrap_or_else(|| ledger.dir().clone());
    let package = known(&packages, name, &path)?;
    let document = packages.document(name);
    let check = PackageCheck {
        name,
        package,
        path: path.clone(),
        document,
        ledger: &ledger,
    };
    let findings = check.order_findings(|id| {
        ledger
            .ticket(id)
            .map(|folder| crate::check_ledger::names(id, folder.ticket().ok()))
    });
    fit(name, findings)?;
    let sources = PackageSources::of(&ledger, package).map_err(|problem| not_fit(name, &path, problem))?;
    let differences = package.lock_differences(&sources.files);
    let changes: Vec<_> = differences.into_iter().map(change_of).collect();
    if !changes.is_empty() {
        let text = relocked(&path, document, &sources.files)?;
        replace_beneath(root, &path, text.as_bytes())?;
    }
    Ok(PackageWritten {
        name: name.clone(),
        changes,
    })
}

/// A package that can be read.
pub(super) fn known<'a>(
    packages: &'a Packages,
    name: &PackageName,
    path: &RepoPath,
) -> Result<&'a Package, PackageError> {
    match packages.find(name) {
        Some(Ok(package)) => Ok(package),
        Some(Err(problem)) => Err(PackageError::NotFit {
            name: name.clone(),
            findings: vec![Finding::in_file(path.clone(), problem)],
        }),
        None => Err(PackageError::Unknown {
            name: name.clone(),
            known: packages.iter().map(|(name, _)| name.clone()).collect(),
        }),
    }
}

/// A ticket that a package is made of.
struct Member {
    id: TicketId,
    ticket: TicketFile,
    path: RepoPath,
    contract: Vec<u8>,
    /// Whether the contract did not name the package before.
    is_named_now: bool,
}

fn members(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    name: &PackageName,
    tickets: &[TicketId],
) -> Result<Vec<Member>, PackageError> {
    let mut members: Vec<Member> = Vec::new();
    for id in tickets {
        if members.iter().any(|member| member.id.folded() == id.folded()) {
            return Err(PackageError::Twice { id: id.clone() });
        }
        let folder = ledger.ticket(id).ok_or_else(|| PackageError::NoSuchTicket {
            id: id.clone(),
            nearest: nearest_id(id.as_str(), ledger.ids()),
        })?;
        let closed = if is_delivered(workspace, &folder) {
            Some("delivered")
        } else {
            folder.has(TicketFileName::Canceled).then_some("canceled")
        };
        if let Some(how) = closed {
            return Err(PackageError::Closed { id: id.clone(), how });
        }
        let path = folder.path(TicketFileName::Ticket);
        let wrong = |problem: FileProblem| PackageError::NotFit {
            name: name.clone(),
            findings: vec![Finding::in_file(path.clone(), &problem)],
        };
        let bytes = folder
            .read(TicketFileName::Ticket)
            .and_then(|bytes| bytes.ok_or(FileProblem::Missing))
            .map_err(wrong)?;
        let ticket = TicketFile::parse(&bytes).map_err(|error| wrong(error.into()))?;
        let is_named_now = match &ticket.package {
            None => true,
            Some(package) if package == name => false,
            Some(package) => {
                return Err(PackageError::OtherPackage {
                    id: id.clone(),
                    package: package.clone(),
                });
            }
        };
        let contract = if is_named_now {
            naming(&path, &bytes, name)?
        } else {
            bytes
        };
        members.push(Member {
            id: id.clone(),
            ticket,
            path,
            contract,
            is_named_now,
        });
    }
    Ok(members)
}

/// The contract with the key `package`, and everything else as it was.
fn naming(path: &RepoPath, contract: &[u8], name: &PackageName) -> Result<Vec<u8>, PackageError> {
    let mut document = document(path, contract)?;
    set(&mut document, "package", name.as_str());
    let text = document.to_string();
    let named = TicketFile::parse(text.as_bytes()).map(|ticket| ticket.package);
    match named {
        Ok(Some(package)) if package == *name => Ok(text.into_bytes()),
        _ => Err(PackageError::Encode {
            path: path.clone(),
            reason: format!("`package = \"{name}\"` does not fit into it; write it there yourself"),
        }),
    }
}

fn document(path: &RepoPath, bytes: &[u8]) -> Result<DocumentMut, PackageError> {
    let encode = |reason: String| PackageError::Encode {
        path: path.clone(),
        reason,
    };
    let text = document_text(bytes).map_err(|error| encode(error.to_string()))?;
    text.parse()
        .map_err(|error: toml_edit::TomlError| encode(error.to_string()))
}

fn text_of(path: &RepoPath, package: &Package) -> Result<String, PackageError> {
    let text = package.to_toml().map_err(|error| PackageError::Encode {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    Ok(format!("#:schema ../schemas/package.schema.json\n{text}"))
}

/// The file of a package with another lock.
fn relocked(path: &RepoPath, bytes: &[u8], lock: &[CoveredFile]) -> Result<String, PackageError> {
    let encode = |reason: String| PackageError::Encode {
        path: path.clone(),
        reason,
    };
    let mut document = document(path, bytes)?;
    document.remove("lock");
    let only = toml::to_string(&BTreeMap::from([("lock", lock)])).map_err(|error| encode(error.to_string()))?;
    let text = format!("{}\n\n{only}", document.to_string().trim_end());
    match Package::parse(text.as_bytes()) {
        Ok(package) if package.lock == lock => Ok(text),
        Ok(_) => Err(encode("the lock does not read as it was written".to_owned())),
        Err(error) => Err(encode(error.to_string())),
    }
}

fn change_of(difference: LockDifference) -> PackageChange {
    PackageChange {
        path: difference.path,
        what: match difference.how {
            LockChange::Changed => PackageChangeKind::Relocked,
            LockChange::Gone => PackageChangeKind::Unlocked,
            LockChange::NotLocked => PackageChangeKind::Locked,
        },
    }
}

fn fit(name: &PackageName, mut findings: Vec<Finding>) -> Result<(), PackageError> {
    findings.retain(|finding| finding.severity == FindingSeverity::Error);
    match findings.is_empty() {
        true => Ok(()),
        false => Err(PackageError::NotFit {
            name: name.clone(),
            findings,
        }),
    }
}

fn not_fit(name: &PackageName, path: &RepoPath, problem: SourceProblem) -> PackageError {
    PackageError::NotFit {
        name: name.clone(),
        findings: vec![match problem {
            SourceProblem::File { path, problem } => Finding::in_file(path, &problem),
            missing @ SourceProblem::NoTicket { .. } => {
                Finding::new(FindingSeverity::Error, path.clone(), missing.to_string())
            }
        }],
    }
}
