//! How a ticket stands in its package before it runs.

use git_delivery::ObjectError;
use ledger_core::{CoveredFile, Digest, Package, PackageName, RepoPath, StackedTicket, TicketFile, TicketId};
use policy::{DependencyState, PackageFact, PackageState};

use super::{PackageSources, package_path};
use crate::beneath::{Seen, look_beneath};
use crate::ledger::{Ledger, TicketFileName, read_committed};
use crate::other_tickets::OtherTickets;

/// How a ticket stands in its package, and what its run takes from that.
pub(crate) struct PackageStanding {
    /// What the gates are judged from.
    pub(crate) fact: PackageFact,
    /// The tickets before it that are delivered and not in the base, which it is stacked on.
    pub(crate) stacked: Vec<StackedTicket>,
    /// The tickets before it, as they are in the base.
    pub(crate) before: Vec<(TicketId, TicketFile)>,
    /// Whether it is the last one.
    pub(crate) is_last: bool,
    /// Whether its tickets share one branch, whatever the policy says.
    pub(crate) has_one_branch: bool,
}

/// How a ticket stands in the package that it names, at the base and in the work tree. `committed` is the ledger of the base.
pub(crate) fn package_standing(
    others: &OtherTickets<'_>,
    committed: Option<&Ledger<'_>>,
    name: &PackageName,
    id: &TicketId,
) -> Result<PackageStanding, ObjectError> {
    let mut standing = PackageStanding {
        fact: PackageFact {
            name: name.clone(),
            state: PackageState::Missing,
            before: Vec::new(),
            after: 0,
            delivered_after: Vec::new(),
        },
        stacked: Vec::new(),
        before: Vec::new(),
        is_last: false,
        has_one_branch: false,
    };
    let fact = &mut standing.fact;
    let (Some(ledger), Some(tip), Some(path)) = (committed, others.tip, package_path(others.ledger.dir(), name)) else {
        fact.state = PackageState::Unknown {
            reason: "there is no commit yet that could hold the package".to_owned(),
        };
        return Ok(standing);
    };
    let bytes = match read_committed(others.repository, tip, &path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(standing),
        Err(problem) => {
            fact.state = PackageState::Invalid {
                reason: problem.to_string(),
            };
            return Ok(standing);
        }
    };
    let package = match Package::parse(&bytes) {
        Ok(package) => package,
        Err(error) => {
            fact.state = PackageState::Invalid {
                reason: error.to_string(),
            };
            return Ok(standing);
        }
    };
    let Some(place) = package.tickets.iter().position(|ticket| ticket == id) else {
        fact.state = PackageState::NotListed;
        return Ok(standing);
    };
    fact.state = lock_state(others, ledger, &package);
    standing.has_one_branch = package.one_branch;
    let (before, from_here) = package.tickets.split_at(place);
    fact.after = from_here.len().saturating_sub(1);
    for (index, other) in package.tickets.iter().enumerate() {
        if index == place {
            continue;
        }
        let (dependency, delivered) = others.dependency(other)?;
        let is_delivered = matches!(dependency.state, DependencyState::InBase | DependencyState::Delivered);
        if index < place {
            fact.before.push(dependency);
            standing.stacked.extend(delivered);
        } else if is_delivered {
            fact.delivered_after.push(other.clone());
        }
    }
    // Where the lock holds, all of them can be read; where it does not, nothing runs.
    let file = |id: &TicketId| Some((id.clone(), ledger.ticket(id)?.ticket().ok()?));
    standing.before = before.iter().filter_map(file).collect();
    standing.is_last = fact.after == 0;
    Ok(standing)
}

/// Whether every file is as it was locked: all of them in the base, and in the work tree too. There, somebody may be about to change what
/// was agreed on.
fn lock_state(others: &OtherTickets<'_>, committed: &Ledger<'_>, package: &Package) -> PackageState {
    if !package.is_locked() {
        return PackageState::NotLocked;
    }
    let differs = |difference: String| PackageState::Differs { difference };
    match PackageSources::of(committed, package) {
        Err(problem) => return differs(problem.to_string()),
        Ok(sources) => {
            if let Some(first) = package.lock_differences(&sources.files).first() {
                return differs(first.to_string());
            }
        }
    }
    match hole_in_work_tree(others, package) {
        Err(reason) => PackageState::Unknown { reason },
        Ok(Some(difference)) => differs(difference),
        Ok(None) => PackageState::Locked {
            files: package.lock.len(),
        },
    }
}

/// What of a lock does not hold in the work tree, and was not committed there. Another branch may be checked out, or an older state, which has
/// files that the lock does not name, or does not have those that it names; a sparse work tree does not have them either.
fn hole_in_work_tree(others: &OtherTickets<'_>, package: &Package) -> Result<Option<String>, String> {
    let repository = others.repository;
    let work_dir = repository.work_dir();
    let mut gone: Vec<&CoveredFile> = Vec::new();
    for file in &package.lock {
        match look_beneath(work_dir, &file.path) {
            Ok(Seen::File(bytes)) if Digest::of(&bytes) == file.sha256 => {}
            Ok(Seen::Nothing) => gone.push(file),
            _ => return Ok(Some(format!("`{}` differs in the work tree", file.path))),
        }
    }
    let head = repository.head().map_err(|error| error.to_string())?;
    let Some(head) = head.commit() else { return Ok(None) };
    let tree = repository.commit_tree_id(head).map_err(|error| error.to_string())?;
    let is_committed = |path: &RepoPath| match repository.entry_at(tree, path) {
        Ok(side) => Ok(side.is_some()),
        Err(error) => Err(error.to_string()),
    };
    let mut sparse = None;
    for file in gone {
        if is_committed(&file.path)? && !*sparse.get_or_insert_with(|| repository.is_sparse()) {
            return Ok(Some(format!("`{}` is gone from the work tree", file.path)));
        }
    }
    for folder in package.tickets.iter().filter_map(|id| others.ledger.ticket(id)) {
        let mut paths = folder.other_files().map_err(|problem| problem.to_string())?;
        if !matches!(folder.written_plan(), Ok(None)) {
            paths.push(folder.path(TicketFileName::Plan));
        }
        for path in paths {
            if !package.lock.iter().any(|file| file.path == path) && !is_committed(&path)? {
                return Ok(Some(format!("`{path}` is in the work tree, and it is not in the lock")));
            }
        }
    }
    Ok(None)
}
