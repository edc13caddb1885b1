//! How much a folder takes.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The most entries that are looked at: a place may hold any number.
const MAX_ENTRIES: usize = 2_000_000;

/// The bytes that a file takes on the disk; nothing where there is none.
pub(super) fn bytes_of(file: &Path) -> u64 {
    file.symlink_metadata()
        .map_or(0, |data| data.blocks().saturating_mul(512))
}

/// The bytes that the files below a folder take on the disk, without following links; each file counts once for each name.
/// What cannot be read counts nothing.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    let mut sum = 0_u64;
    let mut seen = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return sum;
            }
            let Ok(data) = entry.metadata() else { continue };
            sum = sum.saturating_add(data.blocks().saturating_mul(512));
            if data.is_dir() {
                open.push(entry.path());
            }
        }
    }
    sum
}
