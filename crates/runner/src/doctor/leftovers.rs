//! Processes of runners, planners and daemons that are dead.

use std::path::PathBuf;

use super::DoctorFinding;
use crate::daemon::{DaemonFiles, running_daemon};
use crate::guard::{end_leftovers, leftovers_in};
use crate::lock::{LockHolder, NotedLock};
use crate::plan_files::{PlanFiles, planned_packages};
use crate::state::StateRoots;

const WHAT: &str = "processes";

/// More processes are only counted.
const MOST_NAMED: usize = 10;

/// Records of guards that should have been removed, because nobody works there now.
pub(super) struct Guards {
    /// Where they are.
    pub(super) folder: PathBuf,
    /// Whose they are, in words.
    pub(super) about: String,
    /// What would end the processes too.
    pub(super) next: &'static str,
}

impl Guards {
    /// Looks at what is left, and ends it where there is a lock that keeps others from beginning meanwhile.
    pub(super) fn examine<Lock>(&self, lock: impl FnOnce() -> Option<Lock>) -> Option<DoctorFinding> {
        let Self { folder, about, next } = self;
        let left = match leftovers_in(folder) {
            Ok(left) if left.records == 0 => return None,
            Ok(left) => left,
            Err(error) => return Some(DoctorFinding::problem(WHAT, format!("{about}: {error}"))),
        };
        let Some(_lock) = lock() else {
            let pids: Vec<i32> = left.pids.into_iter().collect();
            let detail = format!("{about}: {}", left_in_words(&pids));
            let hint = format!("`foil doctor --repair` ends them, as {next} does");
            return Some(DoctorFinding::warning(WHAT, detail).hint(hint));
        };
        Some(match end_leftovers(folder) {
            Ok(ended) => {
                let detail = match ended.len() {
                    1 => "a process of a dead runner ended".to_owned(),
                    count => format!("{count} processes of a dead runner ended"),
                };
                DoctorFinding::ok(WHAT, format!("{about}: {detail}")).repaired()
            }
            Err(error) => DoctorFinding::problem(WHAT, format!("{about}: {error}")),
        })
    }
}

fn left_in_words(pids: &[i32]) -> String {
    let named: Vec<_> = pids.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    match pids.len() {
        0 => "the record of processes that a dead runner had, all of which are gone".to_owned(),
        1 => format!("a process of a dead runner still runs: {named}"),
        count if count > MOST_NAMED => format!("{count} processes of a dead runner still run: {named} and others"),
        count => format!("{count} processes of a dead runner still run: {named}"),
    }
}

/// What plans left, and what the daemon did.
pub(super) fn of_plans_and_daemon(roots: &StateRoots, repair: Option<&LockHolder>) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    match planned_packages(roots) {
        Err(error) => findings.push(DoctorFinding::problem("plans", error)),
        Ok(packages) => {
            for package in packages {
                let files = PlanFiles::of(roots, &package);
                let guards = Guards {
                    folder: files.guards(),
                    about: format!("the plan of `{package}`"),
                    next: "the next plan of the package",
                };
                if !files.is_under_way() {
                    findings.extend(guards.examine(|| lock_at(files.lock(), repair)));
                }
            }
        }
    }
    let files = DaemonFiles::of(roots);
    let guards = Guards {
        folder: files.guards(),
        about: "the daemon".to_owned(),
        next: "the next daemon",
    };
    if running_daemon(&files).is_none() {
        findings.extend(guards.examine(|| lock_at(files.lock(), repair)));
    }
    findings
}

/// The right to repair, where it was asked for and nobody works there.
fn lock_at(file: PathBuf, repair: Option<&LockHolder>) -> Option<NotedLock> {
    NotedLock::acquire(&file, repair?).ok().flatten()
}
