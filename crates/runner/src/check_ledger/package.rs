//! What is wrong with a package: its tickets, their order, and its lock.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{CoveredFile, LockChange, Package, PackageName, RepoPath, TicketId};

use super::Names;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{FileProblem, Ledger, TicketFileName};
use crate::packages::{PackageSources, Packages, SourceProblem, package_path};
use crate::status::nearest_id;

/// How many files are told that are not as they were locked.
const MOST_DIFFERENCES: usize = 20;

/// A package that can be read, and what it is held against.
pub(crate) struct PackageCheck<'a> {
    /// Its name.
    pub(crate) name: &'a PackageName,
    /// What it says.
    pub(crate) package: &'a Package,
    /// Its file.
    pub(crate) path: RepoPath,
    /// The bytes of that.
    pub(crate) document: &'a [u8],
    /// The ledger with its tickets.
    pub(crate) ledger: &'a Ledger<'a>,
}

/// The files of each ticket of a package that a lock has to name, where they were read already.
pub(super) type KnownSources = BTreeMap<TicketId, Result<Vec<CoveredFile>, SourceProblem>>;

/// What is wrong with a package.
pub(super) fn findings(
    ledger: &Ledger<'_>,
    packages: &Packages,
    name: &PackageName,
    read: &Result<Package, FileProblem>,
    names: &[Names],
    known: &KnownSources,
) -> Vec<Finding> {
    let Some(path) = package_path(ledger.dir(), name) else {
        return Vec::new();
    };
    let package = match read {
        Ok(package) => package,
        Err(problem) => return vec![Finding::in_file(path, problem)],
    };
    let check = PackageCheck {
        name,
        package,
        path,
        document: packages.document(name),
        ledger,
    };
    let mut findings = Vec::new();
    if let Some(twin) = packages.twin_of(name) {
        let message = format!("`{twin}` has the same name but for upper and lower case");
        let finding = Finding::new(FindingSeverity::Error, check.path.clone(), message);
        findings.push(finding.with_hint("rename one of them: some file systems cannot hold both"));
    }
    if ledger
        .ids()
        .binary_search_by(|id| id.as_str().cmp(name.as_str()))
        .is_ok()
    {
        let message = format!("`{name}` is the name of a ticket too, which is what commands mean by it");
        let finding = Finding::new(FindingSeverity::Warning, check.path.clone(), message);
        findings.push(finding.with_hint("rename the file, and `package` in its tickets"));
    }
    findings.extend(check.order_findings(|id| {
        let index = names.binary_search_by(|names| names.id.cmp(id)).ok()?;
        Some(names[index].clone())
    }));
    let all_there = !findings
        .iter()
        .any(|finding| finding.severity == FindingSeverity::Error);
    if all_there {
        findings.extend(check.lock_findings(sources(ledger, package, known)));
    }
    findings
}

/// The files of a package, read where that was not done yet.
fn sources(ledger: &Ledger<'_>, package: &Package, known: &KnownSources) -> Result<Vec<CoveredFile>, SourceProblem> {
    let mut files: Vec<CoveredFile> = Vec::new();
    let mut seen = BTreeSet::new();
    for id in &package.tickets {
        match known.get(id) {
            Some(Ok(of_ticket)) => files.extend(of_ticket.iter().filter(|file| seen.insert(&file.path)).cloned()),
            Some(Err(problem)) => return Err(problem.clone()),
            None => return Ok(PackageSources::of(ledger, package)?.files),
        }
    }
    Ok(files)
}

impl PackageCheck<'_> {
    fn at_ticket(&self, severity: FindingSeverity, index: usize, message: String) -> Finding {
        let keys = ["tickets", &index.to_string()];
        Finding::at(severity, self.path.clone(), self.document, &keys, message)
    }

    /// What is wrong with its tickets and their order. `names` has what each ticket says of others; none where it is not there.
    pub(crate) fn order_findings(&self, names: impl Fn(&TicketId) -> Option<Names>) -> Vec<Finding> {
        let name = self.name;
        let mut findings = Vec::new();
        for (index, id) in self.package.tickets.iter().enumerate() {
            let Some(member) = names(id) else {
                let finding = self.at_ticket(
                    FindingSeverity::Error,
                    index,
                    format!("it lists `{id}`, which does not exist"),
                );
                findings.push(finding.with_hint(match nearest_id(id.as_str(), self.ledger.ids()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "write that ticket, or take it off the list".to_owned(),
                }));
                continue;
            };
            if member.package.as_ref() != Some(name) {
                let whose = match &member.package {
                    Some(other) => format!("whose `package` is `{other}`: a ticket is in one package"),
                    None => "which does not name it as its `package`".to_owned(),
                };
                let finding = self.at_ticket(FindingSeverity::Error, index, format!("it lists `{id}`, {whose}"));
                findings.push(finding.with_hint(format!(
                    "write `package = \"{name}\"` in the ticket, or take it off the list"
                )));
            }
            for dependency in &member.depends_on {
                let message = match self.package.tickets.iter().position(|other| other == dependency) {
                    Some(place) if place == index => format!("`{id}` depends on itself"),
                    Some(place) if place > index => format!("`{id}` depends on `{dependency}`, which comes after it"),
                    _ => continue,
                };
                let finding = self.at_ticket(FindingSeverity::Error, index, message);
                findings.push(finding.with_hint("list each ticket after those in its `depends_on`"));
            }
            let folder = self.ledger.ticket(id);
            let is_last = index + 1 == self.package.tickets.len();
            if !is_last
                && folder
                    .is_some_and(|folder| folder.has(TicketFileName::Canceled) && !folder.has(TicketFileName::Result))
            {
                let message = format!("`{id}` is canceled, so that nothing after it starts");
                let finding = self.at_ticket(FindingSeverity::Warning, index, message);
                findings.push(finding.with_hint(format!("take it off the list, then `foil package lock {name}`")));
            }
        }
        findings
    }

    /// What differs from its lock. `sources` is every file of its tickets, or why they cannot be read.
    pub(crate) fn lock_findings(&self, sources: Result<Vec<CoveredFile>, SourceProblem>) -> Vec<Finding> {
        let (name, package) = (self.name, self.package);
        let at = |severity, keys: &[&str], message: String| {
            Finding::at(severity, self.path.clone(), self.document, keys, message)
        };
        let again = format!("`foil package lock {name}`");
        let sources = match sources {
            Ok(sources) => sources,
            Err(problem) => {
                return vec![match &problem {
                    SourceProblem::File { path, problem } => Finding::in_file(path.clone(), problem),
                    SourceProblem::NoTicket { .. } => at(FindingSeverity::Error, &["tickets"], problem.to_string()),
                }];
            }
        };
        if !package.is_locked() {
            let finding = at(
                FindingSeverity::Unfinished,
                &["tickets"],
                "it has no lock yet".to_owned(),
            );
            return vec![finding.with_hint(format!("{again} when its tickets are as they should be"))];
        }
        let differences = package.lock_differences(&sources);
        let told = differences.iter().take(MOST_DIFFERENCES).map(|difference| {
            let index = package.lock.iter().position(|file| file.path == difference.path);
            let finding = match index {
                Some(index) => at(
                    FindingSeverity::Error,
                    &["lock", &index.to_string(), "path"],
                    difference.to_string(),
                ),
                None => at(FindingSeverity::Error, &["tickets"], difference.to_string()),
            };
            finding.with_hint(match difference.how {
                LockChange::NotLocked => {
                    format!("take it out of the ticket's folder; or, if it belongs there, {again}")
                }
                LockChange::Changed => format!(
                    "`git diff -- {}` shows the difference; if it is right, {again}",
                    difference.path
                ),
                LockChange::Gone => format!("bring it back; or, if it shall not be there, {again}"),
            })
        });
        let mut findings: Vec<_> = told.collect();
        if let Some(more) = differences.len().checked_sub(MOST_DIFFERENCES).filter(|more| *more > 0) {
            findings.push(at(
                FindingSeverity::Error,
                &["lock"],
                format!("{more} more files are not as locked"),
            ));
        }
        findings
    }
}
