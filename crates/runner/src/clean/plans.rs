//! What planning goals left: places of planners that were killed, and what planners said.

use std::fs;
use std::io;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use ledger_core::PackageName;

use super::plan::is_old;
use super::size::{bytes_below, bytes_of};
use super::{CleanItem, CleanKind, CleanOptions, CleanOwner, KEEP_LOGS_FOR};
use crate::guard::end_leftovers;
use crate::lock::{LockHolder, NotedLock};
use crate::plan_files::{PlanFiles, planned_packages, plans};
use crate::state::StateRoots;

/// What could go of the packages that nobody plans now.
pub(super) fn left_by_plans(roots: &StateRoots, options: &CleanOptions) -> io::Result<Vec<CleanItem>> {
    let mut items = Vec::new();
    for package in planned_packages(roots)? {
        if !PlanFiles::of(roots, &package).is_under_way() {
            items.extend(left_by(roots, &package, options));
        }
    }
    Ok(items)
}

fn left_by(roots: &StateRoots, package: &PackageName, options: &CleanOptions) -> Vec<CleanItem> {
    let files = PlanFiles::of(roots, package);
    let item = |kind, bytes, last_used, why: &str| CleanItem {
        kind,
        of: CleanOwner::Plan {
            package: package.clone(),
        },
        bytes,
        why: why.to_owned(),
        last_used,
        anchors: Vec::new(),
        held: Vec::new(),
    };
    let mut items = Vec::new();
    let is_folder = files.place().symlink_metadata().is_ok_and(|data| data.is_dir());
    if let Some(began) = modified(files.place()).filter(|_| is_folder)
        && is_old(began, options, SignedDuration::ZERO)
    {
        let why = "the planner is gone without a word, and only read there";
        items.push(item(CleanKind::PlanPlaces, bytes_below(files.place()), began, why));
    }
    let logs = [files.log(), files.earlier_log()];
    if let Some(last) = logs.iter().filter_map(|log| modified(log)).max()
        && is_old(last, options, KEEP_LOGS_FOR)
    {
        let bytes = logs.iter().map(|log| bytes_of(log)).sum();
        let why = "what the planner said is old; the drafts stay";
        items.push(item(CleanKind::PlanLogs, bytes, last, why));
    }
    items
}

/// Removes what this item names, if it still could go. What went, or why it stays.
pub(super) fn remove_of_plan(
    roots: &StateRoots,
    package: &PackageName,
    item: &CleanItem,
    options: &CleanOptions,
    holder: &LockHolder,
) -> Result<CleanItem, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let files = PlanFiles::of(roots, package);
    // While it is held nobody begins to plan the package.
    let lock = NotedLock::acquire(&files.lock(), holder).map_err(|error| words(&error))?;
    let _lock = lock.ok_or_else(|| "the package is being planned".to_owned())?;
    let mut now = left_by(roots, package, options).into_iter();
    let current = now.find(|now| now.kind == item.kind);
    let current = current.ok_or_else(|| "it is needed again".to_owned())?;
    // What a dead planner left might still write there.
    end_leftovers(&files.guards()).map_err(|error| words(&error))?;
    if item.kind == CleanKind::PlanPlaces {
        git_delivery::remove_tree(files.place()).map_err(|error| words(&error))?;
        return Ok(current);
    }
    for log in [files.log(), files.earlier_log()] {
        match fs::remove_file(&log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(words(&error)),
            _ => {}
        }
    }
    Ok(current)
}

/// The bytes that planning takes: its places and what planners said.
pub(super) fn bytes_of_plans(roots: &StateRoots) -> io::Result<u64> {
    let packages = planned_packages(roots)?;
    let places = packages
        .iter()
        .map(|package| bytes_below(PlanFiles::of(roots, package).place()));
    Ok(places.fold(bytes_below(&plans(roots)), u64::saturating_add))
}

fn modified(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(path.symlink_metadata().ok()?.modified().ok()?).ok()
}
