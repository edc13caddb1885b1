//! A finished run's commit in the user's own work tree.

use std::collections::BTreeSet;

use git_delivery::{Begun, FastForward, FastForwardError, Head, OwnChange, Repository};
use ledger_core::{Change, CommitId, RefName, RepoPath, RunId, TicketId};
use serde::Serialize;

use super::room::{BegunHere, Room};
use super::{DeliverError, finished_run};
use crate::workspace::Workspace;

/// What became of a delivery into the user's work tree.
#[derive(Debug, Clone)]
pub struct DeliveredHere {
    /// What was done.
    pub outcome: HereOutcome,
    /// The run whose delivery it is.
    pub run: RunId,
    /// The branch that is checked out.
    pub branch: RefName,
    /// Where it was.
    pub from: CommitId,
    /// The commit of the delivery.
    pub to: CommitId,
    /// Whether an earlier process had begun it.
    pub taken_up: bool,
    /// What differs between the two, in the order of the paths. None where it was there already.
    pub changes: Vec<Change>,
    /// Those of them that the work tree leaves out, so that only the index has them.
    pub hidden: Vec<RepoPath>,
    /// The user's own changes at other paths, which stay as they are.
    pub own: Vec<RepoPath>,
    /// Those of them that were not told of before, or are not as they were then.
    pub untold: Vec<RepoPath>,
    /// Paths that were changed by somebody else while it was done.
    pub changed_meanwhile: Vec<RepoPath>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HereOutcome {
    /// The branch and the work tree were brought forward.
    Delivered,
    /// The branch contained the commit.
    AlreadyThere,
    /// It can be done; nothing was changed.
    WouldDeliver,
}

/// Brings the branch that is checked out, its index and its work tree forward to what the latest finished run of a ticket has
/// delivered. Only the paths that differ are touched, and only where they are exactly as the last commit has them: anything of the
/// user's there is `baseline_overlap`, before anything is changed. With `trial` everything is looked at and nothing changed.
///
/// What a process that was killed has begun is finished by the next one.
pub fn deliver_here(workspace: &Workspace, ticket: &TicketId, trial: bool) -> Result<DeliveredHere, DeliverError> {
    let repository = workspace.repository();
    let finished = finished_run(workspace, ticket)?;
    let to = finished.delivered.records;
    let room = Room::enter(repository)?;
    let begun = still_begun(repository, &room)?;
    if let Some(begun) = begun.as_ref().filter(|begun| begun.to != to) {
        let ticket = begun.ticket.clone();
        return Err(DeliverError::CutOff { ticket });
    }
    let goes_on = begun.as_ref().map(|begun| Begun {
        branch: &begun.branch,
        from: begun.from,
    });
    // Held while it is looked, so that nothing changes in between.
    let lock = match trial {
        true => None,
        false => Some(repository.lock_index(room.folder())?),
    };
    let plan = repository.plan_fast_forward(to, room.folder(), goes_on)?;
    let own = unrelated(repository, &plan)?;
    let mut done = DeliveredHere {
        outcome: HereOutcome::WouldDeliver,
        run: finished.receipt.run,
        branch: plan.branch().clone(),
        from: plan.from(),
        to,
        taken_up: begun.is_some(),
        changes: plan.changes().cloned().collect(),
        hidden: plan.hidden().cloned().collect(),
        untold: room.untold(&own),
        own: own.iter().map(|change| change.path.clone()).collect(),
        changed_meanwhile: Vec::new(),
    };
    if plan.is_there() {
        done.outcome = HereOutcome::AlreadyThere;
        return Ok(done);
    }
    let Some(lock) = lock else { return Ok(done) };
    room.begin(&BegunHere {
        schema: 1,
        ticket: ticket.clone(),
        run: done.run.clone(),
        branch: done.branch.clone(),
        from: done.from,
        to,
    })?;
    match plan.carry_out(repository, lock, &format!("foil: deliver {ticket} here")) {
        Ok(()) => {}
        // The same command finishes it.
        Err(error @ (FastForwardError::HalfDone { .. } | FastForwardError::OldIndex { .. })) => {
            return Err(error.into());
        }
        Err(error) => {
            // All is as it was, or as the process before had left it.
            if !done.taken_up {
                room.end()?;
            }
            return Err(error.into());
        }
    }
    done.outcome = HereOutcome::Delivered;
    done.changed_meanwhile = plan.differing(repository)?;
    let now: BTreeSet<_> = unrelated(repository, &plan)?.into_iter().collect();
    let other = own.iter().filter(|change| !now.contains(change));
    done.changed_meanwhile.extend(other.map(|change| change.path.clone()));
    room.note(&own)?;
    room.end()?;
    Ok(done)
}

/// What was begun in this work tree and can go on: its branch is checked out, and is where it was or where it was to go. Anything
/// else the user has dealt with.
fn still_begun(repository: &Repository, room: &Room) -> Result<Option<BegunHere>, DeliverError> {
    let Some(begun) = room.begun()? else { return Ok(None) };
    let head = repository.head().map_err(FastForwardError::from)?;
    let stands = matches!(
        head,
        Head::Branch { name, commit } if name == begun.branch && (commit == begun.from || commit == begun.to)
    );
    Ok(stands.then_some(begun))
}

/// The user's own changes at paths that the delivery does not touch.
fn unrelated(repository: &Repository, plan: &FastForward) -> Result<Vec<OwnChange>, FastForwardError> {
    let touched: BTreeSet<_> = plan.changes().map(|change| &change.path).collect();
    let mut own = repository.own_changes()?;
    own.retain(|change| !touched.contains(&change.path));
    Ok(own)
}
