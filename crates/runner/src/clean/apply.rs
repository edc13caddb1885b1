//! Removing what could go, ticket by ticket, under the ticket's lock and after looking again.

use std::collections::BTreeSet;

use git_delivery::Place;
use ledger_core::{RepoPath, State, TicketId};
use serde::Serialize;

use super::places::{keep_work, places_of};
use super::plan::plan_ticket;
use super::{CleanItem, CleanKind, CleanOptions, CleanPlan};
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
    let tickets: BTreeSet<TicketId> = plan.items.iter().map(|item| item.ticket.clone()).collect();
    let mut items = plan.items;
    for ticket in tickets {
        let (mine, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.ticket == ticket);
        items = others;
        let mut fail_all = |reason: String| {
            let failures = mine.iter().map(|item| CleanFailure {
                item: item.clone(),
                reason: reason.clone(),
            });
            report.failed.extend(failures);
        };
        // While it is held no run of the ticket starts or goes on.
        let lock = match TicketLock::acquire(&workspace.roots().locks(), &ticket, holder) {
            Ok(lock) => lock,
            Err(error) => {
                fail_all(error.to_string());
                continue;
            }
        };
        let now = match plan_ticket(workspace, &ticket, options) {
            Ok(now) => now,
            Err(error) => {
                fail_all(error.to_string());
                continue;
            }
        };
        for item in mine {
            // A place without a run has none now either: a run of the ticket would have needed the lock.
            let current = match item.kind {
                CleanKind::PlacesWithoutRun => Some(item.clone()),
                kind => now
                    .items
                    .iter()
                    .find(|now| now.kind == kind && now.run == item.run)
                    .cloned(),
            };
            let removed = match current {
                Some(current) => remove(workspace, &current).map(|()| current),
                None => Err("it is needed again".to_owned()),
            };
            match removed {
                Ok(item) => report.removed.push(item),
                Err(reason) => report.failed.push(CleanFailure { item, reason }),
            }
        }
        drop(lock);
    }
    report
}

/// What the policy of the work tree puts into places, for those of which no journal tells.
fn copied_now(workspace: &Workspace) -> BTreeSet<RepoPath> {
    let policy = workspace.policy();
    policy
        .map(|policy| policy.workspace.copy.iter().cloned().collect())
        .unwrap_or_default()
}

fn remove(workspace: &Workspace, item: &CleanItem) -> Result<(), String> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let (ticket, run) = (&item.ticket, &item.run);
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
    }
}
