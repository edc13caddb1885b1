//! Locks of refs that a program which died has left: whatever moves such a ref is refused, and so the run that would deliver to it.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::DoctorFinding;
use crate::lock::{LockHolder, TicketLock};
use crate::run_history::tickets_with_runs;
use crate::workspace::Workspace;

const WHAT: &str = "ref locks";

/// Git moves a ref in a moment; a lock that is older belongs to nobody.
const OLD: SignedDuration = SignedDuration::from_mins(1);

/// The refs that nobody but us moves.
const OURS: &str = "refs/counterfoil/";

/// Looks for them. With `repair` those of our own refs are removed while no ticket is worked on; a person's own branches are a person's.
pub(super) fn examine(workspace: &Workspace, repair: Option<&LockHolder>, now: Timestamp) -> Vec<DoctorFinding> {
    let common = workspace.repository().common_dir();
    let mut locks = Vec::new();
    find(&common.join("refs"), &mut locks);
    locks.push(common.join("packed-refs.lock"));
    locks.retain(|lock| age(lock, now).is_some_and(|age| age >= OLD));
    locks.sort();
    let nobody_works = || {
        let tickets = tickets_with_runs(workspace.repository(), workspace.roots()).unwrap_or_default();
        let locks = workspace.roots().locks();
        tickets
            .iter()
            .all(|ticket| TicketLock::holder(&locks, ticket).is_none())
    };
    let told = |lock: PathBuf| {
        let name = lock
            .strip_prefix(common)
            .unwrap_or(&lock)
            .to_string_lossy()
            .into_owned();
        let finding = |detail| DoctorFinding::problem(WHAT, format!("`{name}` {detail}"));
        let is_mended = repair.is_some() && name.starts_with(OURS) && nobody_works() && fs::remove_file(&lock).is_ok();
        match is_mended {
            true => finding("was left by a program that died; it is removed").repaired(),
            false => finding("was left by a program that died: until it is gone, what it locks cannot be moved").hint(
                format!("once no Git is at work here: rm \"$(git rev-parse --git-common-dir)/{name}\""),
            ),
        }
    };
    locks.into_iter().map(told).collect()
}

/// Every lock below a folder. What cannot be read has none that we know of.
fn find(folder: &Path, locks: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find(&path, locks),
            // A ref of its own may not end so.
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "lock") => locks.push(path),
            _ => {}
        }
    }
}

fn age(lock: &Path, now: Timestamp) -> Option<SignedDuration> {
    let written = fs::symlink_metadata(lock).and_then(|found| found.modified()).ok()?;
    Some(now.duration_since(Timestamp::try_from(written).ok()?))
}
