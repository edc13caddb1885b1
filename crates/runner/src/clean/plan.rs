//! Deciding what could go. Reads only.

use std::collections::BTreeSet;

use git_delivery::Repository;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{CommitId, ObjectId, Run, RunId, State, TicketId};

use super::conversations::left_by_agents;
use super::places::{all_places, borrows_from, places_of, started_at};
use super::plans::left_by_plans;
use super::size::bytes_below;
use super::{
    CleanError, CleanItem, CleanKind, CleanOptions, CleanOwner, CleanPlan, KEEP_LOGS_FOR, KEEP_ORPHANS_FOR, KeptItem,
};
use crate::lock::TicketLock;
use crate::run_files::RunFiles;
use crate::run_history::{
    JOURNAL, KnownRun, MAX_RUN_BYTES, ReadRun, known_runs, read_known, stored_file, tickets_with_runs,
};
use crate::workspace::Workspace;

/// The most branches that are asked whether they hold a commit.
const MAX_BRANCHES: usize = 1000;

/// What could go, and what stays although it looks as if it could. Changes nothing.
pub fn plan_clean(workspace: &Workspace, options: &CleanOptions) -> Result<CleanPlan, CleanError> {
    let mut plan = CleanPlan {
        items: Vec::new(),
        kept: Vec::new(),
    };
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let mut planner = Planner {
        workspace,
        options,
        anchored: repository.anchored_runs()?.into_iter().collect(),
        branches: None,
    };
    let mut known = BTreeSet::new();
    for ticket in tickets_with_runs(repository, roots)? {
        known.extend(
            known_runs(repository, roots, &ticket)?
                .into_iter()
                .map(|known| known.run),
        );
        if TicketLock::holder(&roots.locks(), &ticket).is_some() {
            plan.kept.push(KeptItem {
                ticket,
                run: None,
                bytes: 0,
                why: "a run is under way".to_owned(),
            });
            continue;
        }
        planner.plan_ticket(&ticket, &mut plan)?;
    }
    for folder in all_places(roots).map_err(CleanError::Places)? {
        if known.contains(&folder.run) || !borrows_from(&folder.path, roots) {
            continue;
        }
        if TicketLock::holder(&roots.locks(), &folder.ticket).is_some() {
            continue;
        }
        let Some(began) = started_at(folder.run.as_str()) else {
            continue;
        };
        if is_old(began, options, KEEP_ORPHANS_FOR) {
            plan.items.push(CleanItem {
                kind: CleanKind::PlacesWithoutRun,
                of: CleanOwner::Run {
                    ticket: folder.ticket,
                    run: folder.run,
                },
                bytes: bytes_below(&folder.path),
                why: "nobody knows its run".to_owned(),
                last_used: began,
                anchors: Vec::new(),
                held: Vec::new(),
            });
        }
    }
    plan.items
        .extend(left_by_plans(roots, options).map_err(CleanError::Places)?);
    plan.items.extend(left_by_agents(roots, options));
    Ok(plan)
}

/// What could go of one ticket, whose lock the caller holds.
pub(super) fn plan_ticket(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &CleanOptions,
) -> Result<CleanPlan, CleanError> {
    let mut plan = CleanPlan {
        items: Vec::new(),
        kept: Vec::new(),
    };
    let mut planner = Planner {
        workspace,
        options,
        anchored: workspace.repository().anchored_runs()?.into_iter().collect(),
        branches: None,
    };
    planner.plan_ticket(ticket, &mut plan)?;
    Ok(plan)
}

struct Planner<'a> {
    workspace: &'a Workspace,
    options: &'a CleanOptions,
    anchored: BTreeSet<RunId>,
    /// HEAD and the tips of all branches.
    branches: Option<Vec<CommitId>>,
}

impl Planner<'_> {
    fn plan_ticket(&mut self, ticket: &TicketId, plan: &mut CleanPlan) -> Result<(), CleanError> {
        let (repository, roots) = (self.workspace.repository(), self.workspace.roots());
        let runs = known_runs(repository, roots, ticket)?;
        let mut read: Vec<(KnownRun, Option<ReadRun>)> = Vec::new();
        for known in runs {
            match read_known(repository, roots, ticket, known.clone()) {
                Ok(run) => read.push((known, run)),
                Err(error) => {
                    plan.kept.push(self.kept(ticket, &known.run, error.to_string()));
                    read.push((known, None));
                }
            }
        }
        let done = read.iter().rposition(|(known, read)| {
            let is_done = read.as_ref().is_some_and(|read| *read.run.state() == State::Done);
            is_done && known.stored.is_some()
        });
        let latest = read.len().saturating_sub(self.options.keep);
        for (index, (known, read)) in read.iter().enumerate() {
            let (Some(read), true) = (read, index < latest) else {
                continue;
            };
            self.plan_run(ticket, known, read, done.is_some_and(|done| index <= done), plan)?;
        }
        Ok(())
    }

    fn plan_run(
        &mut self,
        ticket: &TicketId,
        known: &KnownRun,
        read: &ReadRun,
        ticket_is_done: bool,
        plan: &mut CleanPlan,
    ) -> Result<(), CleanError> {
        let (roots, run) = (self.workspace.roots(), &read.run);
        let places = places_of(roots, ticket, &known.run);
        if let Some(why) = goes_on(run, known) {
            if places.exists() {
                plan.kept.push(self.kept(ticket, &known.run, why));
            }
            return Ok(());
        }
        let item = |kind, bytes, why: &str| CleanItem {
            kind,
            of: CleanOwner::Run {
                ticket: ticket.clone(),
                run: known.run.clone(),
            },
            bytes,
            why: why.to_owned(),
            last_used: run.last_at(),
            anchors: Vec::new(),
            held: Vec::new(),
        };
        let ended = run.last_at();
        if places.symlink_metadata().is_ok_and(|data| data.is_dir())
            && is_old(ended, self.options, SignedDuration::ZERO)
        {
            let why = match run.state() {
                State::Done => "the run is done and kept in Git",
                _ => "the run ended; what is in its place is kept as a tree first",
            };
            plan.items.push(item(CleanKind::Places, bytes_below(&places), why));
        }
        if ticket_is_done && is_old(ended, self.options, KEEP_LOGS_FOR) && self.is_kept_in_git(ticket, known, read) {
            let bytes = bytes_below(&roots.run(ticket, &known.run));
            plan.items.push(item(
                CleanKind::RunFolder,
                bytes,
                "the run is kept in Git; its logs are old",
            ));
        }
        if self.anchored.contains(&known.run) && is_old(ended, self.options, SignedDuration::ZERO) {
            let held = self.held_by_branches(run);
            let mut anchors = self.workspace.repository().anchors(&known.run)?;
            anchors.retain(|anchor| held.contains(&anchor.object));
            if !anchors.is_empty() {
                plan.items.push(CleanItem {
                    anchors: anchors.iter().map(|anchor| anchor.name.clone()).collect(),
                    held: anchors,
                    ..item(CleanKind::Anchors, 0, "a branch holds what they keep")
                });
            }
        }
        Ok(())
    }

    /// Whether all of a live folder that is worth keeping is in Git too.
    fn is_kept_in_git(&self, ticket: &TicketId, known: &KnownRun, read: &ReadRun) -> bool {
        let (true, Some(commit)) = (known.live, known.stored) else {
            return false;
        };
        if read.run.stored() != Some(commit) {
            return false;
        }
        let live = RunFiles::open(self.workspace.roots(), ticket, &known.run)
            .ok()
            .flatten()
            .and_then(|files| files.read(JOURNAL, MAX_RUN_BYTES).ok().flatten());
        let stored = stored_file(self.workspace.repository(), commit, JOURNAL).ok().flatten();
        matches!((live, stored), (Some(live), Some(stored)) if live.starts_with(&stored))
    }

    /// The objects of a run that branches hold anyway.
    fn held_by_branches(&mut self, run: &Run) -> BTreeSet<ObjectId> {
        let repository = self.workspace.repository();
        let mut held = BTreeSet::new();
        let delivered = run.receipt().and_then(|receipt| receipt.delivered.as_ref());
        let mut commits: Vec<CommitId> = run
            .discovery()
            .map(|discovery| discovery.base)
            .into_iter()
            .chain(run.base())
            .collect();
        commits.extend(
            delivered
                .into_iter()
                .flat_map(|delivered| [delivered.change, delivered.records]),
        );
        let branches = self.branches.get_or_insert_with(|| tips(repository));
        for commit in commits {
            let is_held = branches
                .iter()
                .any(|tip| repository.is_ancestor(commit, *tip).unwrap_or(false));
            if is_held {
                held.insert(commit.0);
                held.extend(repository.commit_tree_id(commit).ok().map(|tree| tree.0));
            }
        }
        held
    }

    fn kept(&self, ticket: &TicketId, run: &RunId, why: String) -> KeptItem {
        KeptItem {
            ticket: ticket.clone(),
            run: Some(run.clone()),
            bytes: bytes_below(&places_of(self.workspace.roots(), ticket, run)),
            why,
        }
    }
}

/// Why a run may still go on; none where it is over for good and kept.
fn goes_on(run: &Run, known: &KnownRun) -> Option<String> {
    let ticket = &run.opened().ticket;
    match run.state() {
        State::Climbing => Some(format!(
            "its runner was gone without a word: `foil run {ticket}` goes on"
        )),
        State::Paused { .. } => Some(format!("it is paused: `foil run {ticket}` goes on")),
        State::Blocked(blocker) if blocker.resumable => {
            Some(format!("blocked, {}: `foil run {ticket}` goes on", blocker.code))
        }
        _ if known.stored.is_none() => Some(format!(
            "it ended and is not kept in Git yet: `foil run {ticket}` does that"
        )),
        _ => None,
    }
}

pub(super) fn is_old(since: Timestamp, options: &CleanOptions, unless_said: SignedDuration) -> bool {
    options.now.duration_since(since) >= options.older_than.unwrap_or(unless_said)
}

fn tips(repository: &Repository) -> Vec<CommitId> {
    let mut tips: Vec<CommitId> = repository
        .head()
        .ok()
        .and_then(|head| head.commit())
        .into_iter()
        .collect();
    // What cannot be listed holds nothing: then anchors stay.
    let _ = repository.refs_below("refs/heads/", |_, id| {
        if tips.len() < MAX_BRANCHES {
            tips.push(CommitId(id));
        }
    });
    tips.sort();
    tips.dedup();
    tips
}
