//! How much room there is where runs keep things.

use std::path::Path;

use crate::workspace::Workspace;

/// The bytes that are free for this user where there are fewer: where places are, or where objects are. None where the
/// system does not say.
pub(crate) fn free_bytes(workspace: &Workspace) -> Option<u64> {
    let roots = [workspace.roots().user(), workspace.repository().common_dir()];
    roots.iter().filter_map(|root| free_bytes_at(root)).min()
}

/// What is free on the disk of a folder, or of the nearest one above it that exists.
fn free_bytes_at(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|parent| parent.is_dir())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
