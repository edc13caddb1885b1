//! Keeping to `[disk] budget` before a run begins.

use jiff::{SignedDuration, Timestamp};
use policy::{Room, Spare, SpareThing, given_up};

use super::places::{all_places, borrows_from};
use super::plan::plan_clean;
use super::plans::bytes_of_plans;
use super::size::bytes_below;
use super::{CleanError, CleanItem, CleanKind, CleanOptions, CleanPlan, CleanReport, KEEP_ORPHANS_FOR, apply_clean};
use crate::disk::free_bytes;
use crate::lock::LockHolder;
use crate::workspace::Workspace;

/// What was given up so that what is left keeps to `[disk] budget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeRoom {
    /// What went, and what should have gone and is still there.
    pub report: CleanReport,
    /// The bytes that the places and the logs of this clone take now.
    pub used: u64,
    /// The bytes that they may take.
    pub budget: u64,
}

impl MadeRoom {
    /// Whether they take more than they may, although nothing else could go.
    pub fn is_over(&self) -> bool {
        self.used > self.budget
    }
}

/// The bytes that the places, the live run folders and the plans of this clone take.
pub fn used_bytes(workspace: &Workspace) -> Result<u64, CleanError> {
    let roots = workspace.roots();
    let places = all_places(roots).map_err(CleanError::Places)?;
    let of_places = places
        .iter()
        .filter(|folder| borrows_from(&folder.path, roots))
        .map(|folder| bytes_below(&folder.path));
    let of_plans = bytes_of_plans(roots).map_err(CleanError::Places)?;
    let of_runs = bytes_below(&roots.runs());
    Ok(of_places.fold(of_runs.saturating_add(of_plans), u64::saturating_add))
}

/// Removes what [`apply_clean`] would, as much of it as the policy of the work tree wants before a run begins, what was used
/// longest ago first; for this the logs of finished runs that are kept in Git need not be old. `None` where the policy sets no
/// budget, where it is not trusted, and where all keeps to it. What can go on, and what is kept nowhere else, stays.
pub fn make_room(workspace: &Workspace, holder: &LockHolder, now: Timestamp) -> Result<Option<MadeRoom>, CleanError> {
    let Ok(policy) = workspace.policy() else {
        return Ok(None);
    };
    let (Some(budget), true) = (policy.disk.budget, workspace.is_policy_trusted().unwrap_or(false)) else {
        return Ok(None);
    };
    let used = used_bytes(workspace)?;
    let free = free_bytes(&[workspace.roots().user(), workspace.repository().common_dir()]);
    let room = Room { used, free };
    let options = CleanOptions {
        keep: 0,
        older_than: Some(SignedDuration::ZERO),
        now,
    };
    let is_within = used <= budget.as_bytes() && free.is_none_or(|free| free >= policy.disk.min_free.as_bytes());
    if is_within {
        return Ok(None);
    }
    let mut items = plan_clean(workspace, &options)?.items;
    items.retain(|item| match item.kind {
        CleanKind::Places | CleanKind::RunFolder | CleanKind::PlanPlaces | CleanKind::PlanLogs => true,
        // The run of a young one may be about to begin.
        CleanKind::PlacesWithoutRun => now.duration_since(item.last_used) >= KEEP_ORPHANS_FOR,
        // They are no clone's, and count to no budget.
        CleanKind::Anchors | CleanKind::Conversations => false,
    });
    let things: Vec<_> = items.iter().map(spare).collect();
    let chosen: Vec<_> = given_up(&policy.disk, room, &things)
        .into_iter()
        .filter_map(|at| items.get(at).cloned())
        .collect();
    let plan = CleanPlan {
        items: chosen,
        kept: Vec::new(),
    };
    let report = apply_clean(workspace, plan, &options, holder);
    // Counted anew: a run that works meanwhile takes room too.
    let used = used_bytes(workspace)?;
    Ok(Some(MadeRoom {
        report,
        used,
        budget: budget.as_bytes(),
    }))
}

fn spare(item: &CleanItem) -> SpareThing {
    SpareThing {
        kind: match item.kind {
            CleanKind::Places | CleanKind::PlacesWithoutRun | CleanKind::PlanPlaces => Spare::Place,
            CleanKind::RunFolder | CleanKind::Anchors | CleanKind::PlanLogs | CleanKind::Conversations => Spare::Logs,
        },
        last_used: item.last_used,
        bytes: item.bytes,
    }
}
