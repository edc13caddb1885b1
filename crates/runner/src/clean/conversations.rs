//! What agents of runs said to their provider, as Codex keeps it to take a conversation up again: one file a conversation, in the Codex home that the runs
//! of all clones of a user share.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::plan::is_old;
use super::size::bytes_of;
use super::{CleanItem, CleanKind, CleanOptions, CleanOwner};
use crate::state::StateRoots;

/// How old a conversation must be, if nothing else is said. Where a run goes on whose conversation is gone, its agent begins a new one.
const KEEP_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// However young what goes may be otherwise: a turn of another clone may be under way, and nothing here says so.
const LEAST: SignedDuration = SignedDuration::from_hours(24);

/// The folders below each other in which Codex files conversations: year, month, day.
const DEPTH: usize = 3;

/// The conversations that could go, as one thing.
pub(super) fn left_by_agents(roots: &StateRoots, options: &CleanOptions) -> Option<CleanItem> {
    let old = old_ones(roots, options);
    let last_used = old.iter().map(|(_, last)| *last).max()?;
    Some(CleanItem {
        kind: CleanKind::Conversations,
        of: CleanOwner::Codex {
            conversations: old.len(),
        },
        bytes: old.iter().map(|(path, _)| bytes_of(path)).sum(),
        why: "nobody has gone on with them for long; the logs of their runs stay".to_owned(),
        anchors: Vec::new(),
        last_used,
        held: Vec::new(),
    })
}

/// Removes those that still could go. What went, or why it stays.
pub(super) fn remove_conversations(roots: &StateRoots, options: &CleanOptions) -> Result<CleanItem, String> {
    let gone = left_by_agents(roots, options).ok_or_else(|| "it is needed again".to_owned())?;
    for (path, _) in old_ones(roots, options) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        // Folders of days, months and years in which nothing is left. One that holds something stays.
        let _ = path.ancestors().skip(1).take(DEPTH).try_for_each(fs::remove_dir);
    }
    Ok(gone)
}

fn old_ones(roots: &StateRoots, options: &CleanOptions) -> Vec<(PathBuf, Timestamp)> {
    let mut files = Vec::new();
    below(&roots.codex_home().join("sessions"), DEPTH, &mut files);
    let is_spare = |last: Timestamp| is_old(last, options, KEEP_FOR) && options.now.duration_since(last) >= LEAST;
    files.retain(|(_, last)| is_spare(*last));
    files
}

/// The conversations so deep below a folder, without following links.
fn below(folder: &Path, depth: usize, files: &mut Vec<(PathBuf, Timestamp)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(data)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_conversation = depth == 0 && data.is_file() && name.starts_with("rollout-") && name.ends_with(".jsonl");
        if is_conversation && let Some(last) = data.modified().ok().and_then(|time| Timestamp::try_from(time).ok()) {
            files.push((path, last));
        } else if data.is_dir() && depth > 0 {
            below(&path, depth - 1, files);
        }
    }
}
