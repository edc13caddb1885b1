//! What tickets say of each other: one verdict for `foil check`, which is told of all of it, and `foil approve`, which holds to it.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{Mode, PackageName, TicketFile, TicketId};

use super::cycles;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{Ledger, TicketFileName, TicketFolder};
use crate::packages::Packages;
use crate::status::nearest_id;

/// What all tickets of a ledger say of each other.
#[derive(Debug)]
pub(crate) struct Relations {
    /// In the order of the ids.
    all: Vec<Names>,
    circles: Circles,
}

impl Relations {
    /// Of what every ticket says, in the order of the ids.
    pub(super) fn new(all: Vec<Names>, packages: &Packages) -> Self {
        let order = waited_for(&all, packages);
        let circles = Circles {
            by_themselves: cycles::in_a_circle(&all, &BTreeMap::new()),
            with_order: cycles::in_a_circle(&all, &order),
        };
        Self { all, circles }
    }

    /// Reads every ticket of the ledger.
    pub(crate) fn of(ledger: &Ledger<'_>, packages: &Packages) -> Self {
        Self::new(ledger.map(|folder| names(folder.id(), folder.ticket().ok())), packages)
    }

    /// What every ticket says, in the order of the ids.
    pub(super) fn all(&self) -> &[Names] {
        &self.all
    }

    fn find(&self, id: &TicketId) -> Option<&Names> {
        find(&self.all, id)
    }

    /// The tickets that name this one as their parent, in the order of their ids.
    pub(crate) fn children_of<'a>(&'a self, id: &'a TicketId) -> impl DoubleEndedIterator<Item = &'a TicketId> {
        let children = self.all.iter().filter(|child| child.parent.as_ref() == Some(id));
        children.map(|child| &child.id)
    }

    /// What is wrong about the other tickets and the package that a ticket names.
    pub(crate) fn findings(&self, ledger: &Ledger<'_>, packages: &Packages, id: &TicketId) -> Vec<Finding> {
        let mut findings = Vec::new();
        let (Some(names), Some(folder)) = (self.find(id), ledger.ticket(id)) else {
            return findings;
        };
        let path = folder.path(TicketFileName::Ticket);
        // Read again only where there is something to show in it.
        let find = |severity, keys: &[&str], message: String| {
            let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
            Finding::at(severity, path.clone(), &contract, keys, message)
        };
        let mut missing = |severity, key: &str, index: Option<usize>, id: &TicketId| {
            if folder.knows(id) {
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
        if self.circles.by_themselves.contains(&names.id) {
            let message = "it depends on itself through the tickets in `depends_on`".to_owned();
            let finding = find(FindingSeverity::Error, &["depends_on"], message);
            findings.push(finding.with_hint("take one of them out of `depends_on`"));
        } else if self.circles.with_order.contains(&names.id) {
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
        if let Some(parent) = names.parent.as_ref().and_then(|parent| self.find(parent))
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
        if names.owns_tickets() && self.children_of(&names.id).next().is_none() {
            let message = "no ticket names it as its parent, so there is nothing to bring together".to_owned();
            let finding = find(FindingSeverity::Warning, &["mode"], message);
            findings.push(finding.with_hint(format!("`foil new \"<title>\" --parent {}` writes a child", names.id)));
        }
        findings.extend(membership_finding(&folder, packages, names));
        findings
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
#[derive(Debug)]
struct Circles {
    /// They depend on themselves.
    by_themselves: BTreeSet<TicketId>,
    /// They do where the order of packages counts too.
    with_order: BTreeSet<TicketId>,
}

/// What this ticket says of others; nothing where it cannot be read.
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

/// What is wrong where a ticket names a package that is not there or does not list it. What is wrong with the package itself is told
/// there.
fn membership_finding(folder: &TicketFolder<'_>, packages: &Packages, names: &Names) -> Option<Finding> {
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
