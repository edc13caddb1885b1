//! Which tickets could run, in which order, and what each takes for itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ledger_core::{Blocker, PackageName, TicketId};
use policy::config::{Focus, Pick};
use policy::{Candidate, Claim, Policy, Queued, SelectionError, TicketsAtHand, ready_in_order, select_tickets};

use crate::finding::Finding;
use crate::ledger::Ledger;
use crate::lock::ScheduleLockError;
use crate::packages::{Named, Packages, PackagesError, package_path};
use crate::questions::QuestionReport;
use crate::status::{StatusError, StatusReport, TicketState, TicketStatus, nearest_id, status_beside};
use crate::stop::{StopError, running_tickets};
use crate::workspace::{Workspace, WorkspaceError};

/// Everything that could run now.
#[derive(Debug)]
pub struct Queue<'a> {
    ledger: Ledger<'a>,
    packages: Packages,
    report: StatusReport,
    candidates: Vec<Candidate>,
    /// Those whose run is over and not kept in Git, because its runner died before.
    unkept: Vec<TicketId>,
    /// Of each ticket that names one, its parent.
    parents: BTreeMap<TicketId, TicketId>,
    policy: &'a Policy,
    running: BTreeSet<TicketId>,
    now: Timestamp,
}

/// Which tickets whose last run stopped for a reason count as ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// Those whose run can go on once the cause is gone.
    #[default]
    Resumable,
    /// Also the others, for which a new run begins: the worker is told why the last one failed.
    All,
}

/// A ticket that was to be run and is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftTicket {
    /// The ticket.
    pub id: TicketId,
    /// Where it stands, such as `blocked`.
    pub state: &'static str,
    /// Why, where that is known.
    pub reason: Option<String>,
}

/// Nothing can be chosen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Where the tickets stand cannot be told.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// Who runs cannot be told.
    #[error(transparent)]
    Running(#[from] StopError),
    /// Another runner does not let this one choose.
    #[error(transparent)]
    Schedule(#[from] ScheduleLockError),
    /// The names do not say what to run.
    #[error(transparent)]
    Select(#[from] SelectionError),
    /// A package cannot be read.
    #[error("the package `{name}` cannot be used")]
    BrokenPackage {
        /// The package.
        name: PackageName,
        /// What is wrong with it.
        finding: Box<Finding>,
    },
}

impl From<WorkspaceError> for QueueError {
    fn from(error: WorkspaceError) -> Self {
        Self::Status(error.into())
    }
}

impl<'a> Queue<'a> {
    /// Looks at every ticket.
    pub fn look(workspace: &'a Workspace, now: Timestamp, retry: Retry) -> Result<Self, QueueError> {
        Self::look_beside(workspace, now, retry, &BTreeSet::new())
    }

    /// The same where these are known to be delivered, which is not to be seen in the work tree yet.
    pub(crate) fn look_beside(
        workspace: &'a Workspace,
        now: Timestamp,
        retry: Retry,
        delivered: &BTreeSet<TicketId>,
    ) -> Result<Self, QueueError> {
        let policy = workspace.policy()?;
        let report = status_beside(workspace, now, delivered)?;
        let ledger = workspace.ledger()?;
        let packages = Packages::in_work_tree(workspace.repository().work_dir(), ledger.dir())?;
        let after = packages.each_after();
        let under_way = under_way(&report, &packages);
        let mut parents = BTreeMap::new();
        let candidates = report.tickets.iter().map(|ticket| {
            let folder = ledger.ticket(&ticket.id);
            let file = folder.as_ref().and_then(|folder| folder.ticket().ok());
            let ready = match &ticket.state {
                TicketState::Ready { .. } | TicketState::Paused(_) => true,
                TicketState::Blocked(blocked) => {
                    (blocked.resumable || retry == Retry::All && !blocked.unkept) && !blocked.waits_for_word
                }
                _ => false,
            };
            let approval = folder
                .filter(|_| ready)
                .and_then(|folder| folder.approval().ok().flatten());
            let package = file.as_ref().and_then(|file| file.package.as_ref());
            let in_focus =
                policy.schedule.focus == Focus::Package && package.is_some_and(|package| under_way.contains(package));
            if let Some(parent) = file.as_ref().and_then(|file| file.parent.clone()) {
                parents.insert(ticket.id.clone(), parent);
            }
            let mut depends_on = file.map(|file| file.depends_on).unwrap_or_default();
            depends_on.extend(after.get(&ticket.id).into_iter().flatten().cloned());
            Candidate {
                id: ticket.id.clone(),
                priority: ticket.priority,
                in_focus,
                approved_at: approval.map(|approval| approval.at),
                depends_on,
                ready,
            }
        });
        let mut candidates: Vec<_> = candidates.collect();
        let locked = running_tickets(&workspace.roots().locks())?;
        let locked: BTreeSet<&str> = locked.iter().map(|running| running.ticket.as_str()).collect();
        let ids = ledger.ids().iter().filter(|id| locked.contains(id.folded().as_str()));
        let running: BTreeSet<TicketId> = ids.cloned().collect();
        // A parent has its children run itself.
        let owners: BTreeSet<TicketId> = candidates
            .iter()
            .filter(|candidate| candidate.ready || running.contains(&candidate.id))
            .filter(|candidate| owns_tickets(&report, &candidate.id))
            .map(|candidate| candidate.id.clone())
            .collect();
        for candidate in &mut candidates {
            candidate.ready &= parents.get(&candidate.id).is_none_or(|parent| !owners.contains(parent));
        }
        let is_unkept = |ticket: &&TicketStatus| match &ticket.state {
            TicketState::Done(done) => done.unkept,
            TicketState::Blocked(blocked) => blocked.unkept,
            _ => false,
        };
        let unkept = report.tickets.iter().filter(is_unkept).map(|ticket| ticket.id.clone());
        Ok(Self {
            unkept: unkept.collect(),
            candidates,
            ledger,
            packages,
            report,
            parents,
            policy,
            running,
            now,
        })
    }

    /// When the first question of a parent's children is over, where they have asked some.
    fn first_answer(&self, parent: &TicketId) -> Option<Timestamp> {
        let children = self
            .parents
            .iter()
            .filter(|(child, of)| *of == parent && *child != parent);
        children
            .filter_map(|(child, _)| Some(self.question(child)?.expires_at))
            .min()
    }

    /// Why a ticket does not run before a person has answered, or the time for that is over: its run, or that of a child, has asked a question.
    pub fn waits_for_answer(&self, id: &TicketId) -> Option<Blocker> {
        let Some(TicketState::Blocked(blocked)) = state_in(&self.report, id) else {
            return None;
        };
        let asked = self.question(id).is_some() || self.first_answer(id).is_some();
        asked.then(|| Blocker {
            retry_at: self.not_before(id),
            ..Blocker::new(blocked.code, blocked.reason.clone())
        })
    }

    /// The question that a ticket's run waits for an answer to now, where its time is not over.
    pub fn question(&self, id: &TicketId) -> Option<&QuestionReport> {
        match state_in(&self.report, id) {
            Some(TicketState::Blocked(blocked)) => {
                let question = blocked.question.as_ref();
                question.filter(|question| self.now < question.expires_at)
            }
            _ => None,
        }
    }

    /// The tickets that are approved and not done.
    pub fn left(&self) -> Vec<LeftTicket> {
        let tickets = self.report.tickets.iter();
        tickets.filter(|ticket| self.is_left(ticket)).map(left_ticket).collect()
    }

    /// Those of these that are not done.
    pub fn left_of(&self, ids: &[TicketId]) -> Vec<LeftTicket> {
        let open = ids.iter().filter(|id| self.is_open(id));
        open.filter_map(|id| ticket_in(&self.report, id))
            .map(left_ticket)
            .collect()
    }

    fn is_left(&self, ticket: &TicketStatus) -> bool {
        match &ticket.state {
            TicketState::Blocked(_)
            | TicketState::Waiting(_)
            | TicketState::Stale(_)
            | TicketState::Ready { .. }
            | TicketState::Paused(_)
            | TicketState::Running(_) => true,
            // What cannot be read was approved where somebody has tried to.
            TicketState::Broken(_) => {
                let folder = self.ledger.ticket(&ticket.id);
                folder.is_some_and(|folder| !matches!(folder.approval(), Ok(None)))
            }
            TicketState::Draft | TicketState::Done(_) | TicketState::Canceled => false,
        }
    }

    /// The tickets that these names of tickets and packages mean, else those that are to be picked. Of a package, those that are neither
    /// delivered nor canceled, in its order.
    pub fn choose(&self, names: &[TicketId], pick: Pick) -> Result<Vec<Queued>, QueueError> {
        let mut tickets: Vec<TicketId> = Vec::new();
        let mut of_packages: Vec<Queued> = Vec::new();
        for name in names {
            match Named::find(&self.ledger, &self.packages, name.as_str()) {
                Some(Named::Ticket(id)) => tickets.push(id),
                Some(Named::Package { name, read: Ok(read) }) => {
                    let open = read.tickets.iter().filter(|id| self.is_open(id));
                    of_packages.extend(open.map(|id| Queued {
                        id: id.clone(),
                        package: Some(name.clone()),
                    }));
                }
                Some(Named::Package {
                    name,
                    read: Err(problem),
                }) => {
                    let path = package_path(self.ledger.dir(), &name).unwrap_or_else(|| self.ledger.dir().clone());
                    let finding = Box::new(Finding::in_file(path, problem));
                    return Err(QueueError::BrokenPackage { name, finding });
                }
                None => {
                    self.ledger.refuse_link(name).map_err(WorkspaceError::from)?;
                    return Err(SelectionError::Unknown {
                        id: name.clone(),
                        nearest: nearest_id(name.as_str(), self.ledger.ids()),
                    }
                    .into());
                }
            }
        }
        if tickets.is_empty() && !names.is_empty() {
            return Ok(self.under_parents(once_each(of_packages)));
        }
        // Only whoever names a ticket that has asked a person means it all the same.
        let mut candidates = self.candidates.clone();
        for candidate in &mut candidates {
            candidate.ready &= self.question(&candidate.id).is_none();
        }
        let mut chosen = by_themselves(select_tickets(&candidates, &tickets, pick)?);
        chosen.extend(of_packages);
        Ok(self.under_parents(once_each(chosen)))
    }

    /// Leaves out tickets whose parent is among them: its run has them run first, and notes how they end. The parent runs where the first of
    /// them would; in a package only if nothing else comes in between, whose turn it would be before.
    fn under_parents(&self, mut queued: Vec<Queued>) -> Vec<Queued> {
        let parents: Vec<TicketId> = queued
            .iter()
            .map(|queued| queued.id.clone())
            .filter(|id| owns_tickets(&self.report, id))
            .collect();
        for parent in parents {
            // One that names itself is its own child in nobody's eyes, and is refused.
            let is_child = |queued: &Queued| queued.id != parent && self.parents.get(&queued.id) == Some(&parent);
            let first = queued.iter().position(is_child);
            // It may have been left out as somebody's child itself.
            let place = queued.iter().position(|queued| queued.id == parent);
            let (Some(first), Some(place)) = (first, place) else {
                continue;
            };
            if place < first {
                queued.retain(|queued| !is_child(queued));
                continue;
            }
            let between = &queued[first..place];
            if queued[place].package.is_some() && !between.iter().all(is_child) {
                continue;
            }
            let moved = queued.remove(place);
            queued.insert(first, moved);
            queued.retain(|queued| !is_child(queued));
        }
        queued
    }

    fn own_claim(&self, id: &TicketId) -> Claim {
        let read = self.ledger.ticket(id).and_then(|folder| folder.ticket().ok());
        match read {
            Some(file) => Claim::of(id.clone(), &file, self.policy),
            None => Claim::of_unknown(id.clone()),
        }
    }

    fn is_open(&self, id: &TicketId) -> bool {
        !matches!(
            state_in(&self.report, id),
            Some(TicketState::Done(_) | TicketState::Canceled)
        )
    }
}

impl TicketsAtHand for Queue<'_> {
    /// What a ticket takes for itself as long as it runs; a parent, what its children take too. Of what cannot be read nobody knows.
    fn claim(&self, id: &TicketId) -> Claim {
        let mut claim = self.own_claim(id);
        let mut family = BTreeSet::from([id]);
        let mut unasked = vec![id];
        while let Some(parent) = unasked.pop() {
            let children = self.parents.iter().filter(|(_, of)| *of == parent);
            for (child, _) in children {
                // Tickets that nobody has approved may name each other as they like.
                if family.insert(child) {
                    claim = claim.with(self.own_claim(child));
                    unasked.push(child);
                }
            }
        }
        claim
    }

    /// The tickets that a ticket waits for, whether they are done or not: those that it depends on, and the one before it in its package.
    fn waits_for(&self, id: &TicketId) -> &[TicketId] {
        let place = self.candidates.binary_search_by(|candidate| candidate.id.cmp(id));
        place.map_or(&[], |place| &self.candidates[place].depends_on)
    }

    /// Before this moment the cause that stopped a ticket's run is not gone, where that is known.
    fn not_before(&self, id: &TicketId) -> Option<Timestamp> {
        let Some(TicketState::Blocked(blocked)) = state_in(&self.report, id) else {
            return None;
        };
        blocked.retry_at.or_else(|| self.first_answer(id))
    }

    fn passes(&self, id: &TicketId) -> Option<Blocker> {
        match state_in(&self.report, id) {
            Some(TicketState::Blocked(blocked)) if blocked.code.passes_by_itself() => Some(Blocker {
                retry_at: blocked.retry_at,
                ..Blocker::new(blocked.code, blocked.reason.clone())
            }),
            _ => None,
        }
    }

    fn held_until(&self) -> Option<Timestamp> {
        let blocked = self.report.tickets.iter().filter_map(|ticket| match &ticket.state {
            TicketState::Blocked(blocked) if blocked.code.meets_every_ticket() => blocked.retry_at,
            _ => None,
        });
        blocked.filter(|at| self.now < *at).max()
    }

    fn waits_for_answer(&self, id: &TicketId) -> Option<Blocker> {
        Queue::waits_for_answer(self, id)
    }

    /// When a ticket that could run was approved.
    fn approved_at(&self, id: &TicketId) -> Option<Timestamp> {
        let place = self
            .candidates
            .binary_search_by(|candidate| candidate.id.cmp(id))
            .ok()?;
        self.candidates[place].approved_at
    }

    /// The tickets that a runner of this clone works on, by their locks: a run has no journal yet as long as its remote, agent and sandbox are
    /// looked at.
    fn running(&self) -> &BTreeSet<TicketId> {
        &self.running
    }

    /// First those of which only the record is to be kept, then every ready ticket, in the order in which they would run.
    fn ready(&self) -> Vec<Queued> {
        let mut queued = by_themselves(self.unkept.clone());
        queued.extend(self.under_parents(by_themselves(ready_in_order(&self.candidates))));
        queued
    }
}

fn left_ticket(ticket: &TicketStatus) -> LeftTicket {
    let reason = match &ticket.state {
        TicketState::Blocked(blocked) => Some(format!("{} ({})", blocked.reason, blocked.code)),
        TicketState::Waiting(waiting) => Some(waiting.reason.clone()),
        TicketState::Stale(stale) => Some(stale.reason.clone()),
        TicketState::Running(_) => Some("another process runs it".to_owned()),
        TicketState::Broken(broken) => Some(broken.reason.clone()),
        _ => None,
    };
    LeftTicket {
        id: ticket.id.clone(),
        state: ticket.state.name(),
        reason,
    }
}

fn ticket_in<'r>(report: &'r StatusReport, id: &TicketId) -> Option<&'r TicketStatus> {
    let place = report.tickets.binary_search_by(|ticket| ticket.id.cmp(id)).ok()?;
    report.tickets.get(place)
}

fn owns_tickets(report: &StatusReport, id: &TicketId) -> bool {
    let mode = ticket_in(report, id).and_then(|ticket| ticket.mode);
    mode.is_some_and(|mode| mode.discipline().owns_tickets)
}

fn state_in<'r>(report: &'r StatusReport, id: &TicketId) -> Option<&'r TicketState> {
    Some(&ticket_in(report, id)?.state)
}

/// The packages of which something is delivered, or was begun, and not all.
fn under_way(report: &StatusReport, packages: &Packages) -> BTreeSet<PackageName> {
    let is_begun = |id: &TicketId| {
        let state = state_in(report, id);
        matches!(
            state,
            Some(TicketState::Running(_) | TicketState::Paused(_) | TicketState::Blocked(_) | TicketState::Done(_))
        )
    };
    let begun = packages.iter().filter(|(_, read)| {
        let package = read.as_ref().ok();
        package.is_some_and(|package| package.tickets.iter().any(is_begun))
    });
    begun.map(|(name, _)| name.clone()).collect()
}

fn by_themselves(tickets: Vec<TicketId>) -> Vec<Queued> {
    let alone = |id| Queued { id, package: None };
    tickets.into_iter().map(alone).collect()
}

/// Each ticket where it comes first.
fn once_each(queued: Vec<Queued>) -> Vec<Queued> {
    let mut seen = std::collections::BTreeSet::new();
    let is_first = |queued: &Queued| seen.insert(queued.id.clone());
    queued.into_iter().filter(is_first).collect()
}
