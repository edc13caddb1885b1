//! Removing what could go, ticket by ticket, under the ticket's lock and after looking again.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::Place;
use ledger_core::{RepoPath, RunId, State, TicketId};
use serde::Serialize;

use super::conversations::remove_conversations;
use super::places::{keep_work, places_of};
use super::plan::plan_ticket;
use super::plans::remove_of_plan;
use super::{CleanItem, CleanKind, CleanOptions, CleanOwner, CleanPlan};
use crate::guard::end_leftovers;
use crate::lock::{LockHolder, TicketLock};
use crate::run_history::read_run;
use crate::workspace::Workspace;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CleanReport {
    /// What is gone.
    pub removed: Vec<CleanItem>,
    /// What is still there.
    pub failed: Vec<CleanFailure>,
}

impl CleanReport {
    /// The bytes that became free.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    fn note(&mut self, item: CleanItem, removed: Result<CleanItem, String>) {
        match removed {
            Ok(item) => self.removed.push(item),
            Err(reason) => self.failed.push(CleanFailure { item, reason }),
        }
    }
}

/// Something that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanFailure {
    /// What it is.
    pub item: CleanItem,
    /// Why it is still there.
    pub reason: String,
}

/// Removes what a plan names, if it still could go. `holder` is who holds the locks meanwhile.
pub fn apply_clean(workspace: &Workspace, plan: CleanPlan, options: &CleanOptions, holder: &LockHolder) -> CleanReport {
    let holder = &holder.for_upkeep();
    let mut report = CleanReport::default();
    let mut of_runs: BTreeMap<TicketId, Vec<OfRun>> = BTreeMap::new();
    let mut of_plans = Vec::new();
    for item in plan.items {
        match item.of.clone() {
            CleanOwner::Run { ticket, run } => of_runs.entry(ticket).or_default().push(OfRun { run, item }),
            CleanOwner::Plan { package } => of_plans.push((package, item)),
            CleanOwner::Codex { .. } => {
                let removed = remove_conversations(workspace.roots(), options);
                report.note(item, removed);
            }
        }
    }
    for (ticket, items) in of_runs {
        apply_ticket(workspace, &ticket, items, options, holder, &mut report);
    }
    for (package, item) in of_plans {
        let removed = remove_of_plan(workspace.roots(), &package, &item, options, holder);
        report.note(item, removed);
    }
    report
}

/// What is a run's.
struct OfRun {
    run: RunId,
    item: CleanItem,
}

fn apply_ticket(
    workspace: &Workspace,
    ticket: &TicketId,
    items: Vec<OfRun>,
    options: &CleanOptions,
    holder: &LockHolder,
    report: &mut CleanReport,
) {
    // While it is held no run of the ticket starts or goes on.
    let lock = TicketLock::acquire(&workspace.roots().locks(), ticket, holder).map_err(|error| error.to_string());
    let now = lock.and_then(|lock| {
        let now = plan_ticket(workspace, ticket, options).map_err(|error| error.to_string())?;
        Ok((lock, now.items))
    });
    for OfRun { run, item } in items {
        let removed = now.as_ref().map_err(Clone::clone).and_then(|(_lock, now)| {
            // A place without a run has none now either: a run of the ticket would have needed the lock.
            let current = match item.kind {
                CleanKind::PlacesWithoutRun => Some(&item),
                kind => now.iter().find(|now| now.kind == kind && now.of == item.of),
            };
            let current = current.ok_or_else(|| "it is needed again".to_owned())?;
            remove(workspace, ticket, &run, current).map(|()| current.clone())
        });
        report.note(item, removed);
    }
}

/// What the policy of the work tree puts into places, for those of which no journal tells.
fn copied_now(workspace: &Workspace) -> BTreeSet<RepoPath> {
    let policy = workspace.policy();
    policy
        .map(|policy| policy.workspace.copy.iter().cloned().collect())
        .unwrap_or_default()
}

fn remove(workspace: &Workspace, ticket: &TicketId, run: &RunId, item: &CleanItem) -> Result<(), String> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    match item.kind {
        CleanKind::Places | CleanKind::PlacesWithoutRun => {
            // What a dead runner left might still write there.
            end_leftovers(&roots.run(ticket, run).join("guards")).map_err(|error| error.to_string())?;
            let folder = places_of(roots, ticket, run);
            let known = read_run(repository, roots, ticket, Some(run)).ok().map(|read| read.run);
            let delivered = known.as_ref().is_some_and(|run| *run.state() == State::Done);
            if item.kind == CleanKind::PlacesWithoutRun || !delivered {
                let copied = match &known {
                    Some(run) => run.copied().iter().map(|file| file.path.clone()).collect(),
                    None => copied_now(workspace),
                };
                keep_work(repository, run, &folder, copied)?;
            }
            Place::remove(&folder).map_err(|error| error.to_string())
        }
        CleanKind::RunFolder => {
            end_leftovers(&roots.run(ticket, run).join("guards")).map_err(|error| error.to_string())?;
            Place::remove(&roots.run(ticket, run)).map_err(|error| error.to_string())?;
            // Empty now, if it was the only one.
            let _ = std::fs::remove_dir(roots.ticket_runs(ticket));
            Ok(())
        }
        CleanKind::Anchors => {
            for anchor in &item.held {
                repository
                    .release_anchor(run, &anchor.name)
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        CleanKind::PlanPlaces | CleanKind::PlanLogs | CleanKind::Conversations => Err("it is no run's".to_owned()),
    }
}
