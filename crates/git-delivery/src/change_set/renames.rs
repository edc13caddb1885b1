//! Which new files most likely came from which old ones. For people: every rule judges both paths.

use std::collections::{BTreeMap, HashMap};

use ledger_core::{BlobId, Change, EntryMode, RepoPath};

use crate::objects::{ObjectError, read_object};

/// Pairs beyond this are not compared: nobody reads that many renames, and the effort grows with the square.
const MOST_PAIRS: usize = 10_000;
/// Larger files are not compared.
const LARGEST: u64 = 1 << 20;
/// From this share of equal lines on, in percent, a file counts as renamed, as in Git.
const LEAST_SIMILARITY: u64 = 50;

/// Fills in [`Change::renamed_from`]. Each old file is used once. Contents are compared only if they are stored.
pub(crate) fn find(local: &gix::Repository, changes: &mut [Change], are_stored: bool) -> Result<(), ObjectError> {
    let mut gone: BTreeMap<BlobId, Vec<RepoPath>> = BTreeMap::new();
    for change in changes.iter() {
        if let (Some(before), None) = (change.before, change.after)
            && before.mode != EntryMode::Submodule
        {
            gone.entry(before.id).or_default().push(change.path.clone());
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    // In the order of the paths' bytes, the last being taken first.
    for paths in gone.values_mut() {
        paths.reverse();
    }
    for change in changes.iter_mut().filter(|change| change.before.is_none()) {
        if let Some(after) = change.after {
            change.renamed_from = gone.get_mut(&after.id).and_then(Vec::pop);
        }
    }
    let left: Vec<(BlobId, RepoPath)> = gone
        .into_iter()
        .flat_map(|(id, paths)| paths.into_iter().map(move |path| (id, path)))
        .collect();
    if are_stored && !left.is_empty() {
        find_similar(local, changes, left)?;
    }
    Ok(())
}

fn find_similar(
    local: &gix::Repository,
    changes: &mut [Change],
    gone: Vec<(BlobId, RepoPath)>,
) -> Result<(), ObjectError> {
    let is_candidate = |change: &Change| {
        change.before.is_none()
            && change.renamed_from.is_none()
            && change
                .after
                .is_some_and(|after| matches!(after.mode, EntryMode::File | EntryMode::Executable))
    };
    let new: Vec<usize> = (0..changes.len()).filter(|at| is_candidate(&changes[*at])).collect();
    if new.is_empty() || new.len().saturating_mul(gone.len()) > MOST_PAIRS {
        return Ok(());
    }
    let mut old = Vec::new();
    for (id, path) in gone {
        if let Some(lines) = lines_of(local, id)? {
            old.push((lines, path));
        }
    }
    let mut pairs = Vec::new();
    for at in new {
        let Some(after) = changes[at].after else { continue };
        let Some(lines) = lines_of(local, after.id)? else {
            continue;
        };
        for (number, (before, _)) in old.iter().enumerate() {
            let similarity = similarity(before, &lines);
            if similarity >= LEAST_SIMILARITY {
                pairs.push((similarity, at, number));
            }
        }
    }
    // The most similar first; among equals the order of the paths decides.
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut is_used = vec![false; old.len()];
    for (_, at, number) in pairs {
        if changes[at].renamed_from.is_none() && !is_used[number] {
            is_used[number] = true;
            changes[at].renamed_from = Some(old[number].1.clone());
        }
    }
    Ok(())
}

/// How many bytes a file has in each of its lines.
struct Lines {
    bytes: HashMap<Vec<u8>, u64>,
    total: u64,
}

fn lines_of(local: &gix::Repository, id: BlobId) -> Result<Option<Lines>, ObjectError> {
    let content = match read_object(local, id.0, gix::objs::Kind::Blob, LARGEST) {
        Err(ObjectError::TooLarge { .. }) => return Ok(None),
        other => other?,
    };
    if content.is_empty() {
        return Ok(None);
    }
    let mut bytes = HashMap::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        *bytes.entry(line.to_owned()).or_default() += line.len() as u64;
    }
    Ok(Some(Lines {
        bytes,
        total: content.len() as u64,
    }))
}

/// The share of bytes in lines that both have, in percent of the larger file.
fn similarity(one: &Lines, other: &Lines) -> u64 {
    let larger = one.total.max(other.total);
    if one.total.min(other.total) * 100 < larger * LEAST_SIMILARITY {
        return 0;
    }
    let common: u64 = one
        .bytes
        .iter()
        .filter_map(|(line, count)| other.bytes.get(line).map(|found| *count.min(found)))
        .sum();
    common * 100 / larger
}
