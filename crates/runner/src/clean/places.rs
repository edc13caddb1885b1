//! The folders of places: whose they are, and keeping what is in them before they go.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use git_delivery::{MeasureOptions, Place, Repository};
use jiff::Timestamp;
use ledger_core::{RepoPath, RunId, TicketId};

use crate::engine::unfinished;
use crate::state::StateRoots;

/// Length of a run id: a UUID with hyphens.
const RUN_ID: usize = 36;

/// The folder of a run's places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacesFolder {
    pub(super) ticket: TicketId,
    pub(super) run: RunId,
    pub(super) path: PathBuf,
}

/// Where a run's places are.
pub(super) fn places_of(roots: &StateRoots, ticket: &TicketId, run: &RunId) -> PathBuf {
    roots.places_of(ticket, run)
}

/// All folders that are named as places of a run. Links and other names are passed over: they are not ours.
pub(super) fn all_places(roots: &StateRoots) -> io::Result<Vec<PlacesFolder>> {
    let entries = match std::fs::read_dir(roots.places()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((ticket, run)) = name.to_str().and_then(owner)
            && entry.file_type()?.is_dir()
        {
            let path = entry.path();
            found.push(PlacesFolder { ticket, run, path });
        }
    }
    found.sort_by(|a, b| (&a.ticket, &a.run).cmp(&(&b.ticket, &b.run)));
    Ok(found)
}

fn owner(name: &str) -> Option<(TicketId, RunId)> {
    let (ticket, run) = name.split_at_checked(name.len().checked_sub(RUN_ID + 1)?)?;
    let run = run.strip_prefix('-')?;
    started_at(run)?;
    Some((ticket.parse().ok()?, run.parse().ok()?))
}

/// When a run began, as its id says.
pub(super) fn started_at(run: &str) -> Option<Timestamp> {
    let id: uuid::Uuid = run.parse().ok()?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

/// Whether a place of this folder borrows its objects from this repository. Places of all repositories of a user lie side by
/// side; one that nobody can tell the repository of is not ours.
pub(super) fn borrows_from(folder: &Path, roots: &StateRoots) -> bool {
    let Some(objects) = roots
        .repository()
        .parent()
        .and_then(|common| common.join("objects").canonicalize().ok())
    else {
        return false;
    };
    ["work", "check", "review"].iter().any(|place| {
        let path = folder.join(place).join(".git/objects/info/alternates");
        // Written by the runner; whatever the worker made of it, it names one folder or none.
        let plain = path
            .symlink_metadata()
            .is_ok_and(|data| data.is_file() && data.len() < 64 * 1024);
        let text = if plain {
            std::fs::read_to_string(&path).unwrap_or_default()
        } else {
            String::new()
        };
        text.lines()
            .any(|line| Path::new(line).canonicalize().is_ok_and(|named| named == objects))
    })
}

/// Keeps what the worker left in `work/` as an anchored tree, unless nothing differs from the base or the run keeps that
/// tree already. Its copies of the user's untracked files are left out. Says why not, where it cannot be kept whole.
pub(super) fn keep_work(
    repository: &Repository,
    run: &RunId,
    folder: &Path,
    copied: BTreeSet<RepoPath>,
) -> Result<(), String> {
    let work = folder.join("work");
    let index = folder.join("work.place");
    // Without the runner's index it is no place: one whose making or removal was cut short, in which nobody worked since.
    if !work.exists() || !index.exists() || unfinished(&work).exists() {
        return Ok(());
    }
    let unkept = |error: &dyn std::fmt::Display| format!("what is in its place cannot be kept first: {error}");
    let place = Place::open(&work).map_err(|error| unkept(&error))?;
    let options = MeasureOptions {
        keep: true,
        exempt: copied,
        ..MeasureOptions::default()
    };
    let measured = place.measure(repository, &options).map_err(|error| unkept(&error))?;
    if !measured.findings.is_empty() {
        return Err(format!(
            "its place holds {} that no tree can hold; look at them, and remove the folder by hand",
            match measured.findings.len() {
                1 => "something".to_owned(),
                count => format!("{count} things"),
            }
        ));
    }
    if measured.change_set.is_empty() {
        return Ok(());
    }
    let tree = measured.change_set.tree;
    let anchors = repository.anchors(run).map_err(|error| unkept(&error))?;
    if anchors.iter().any(|anchor| anchor.object == tree.0) {
        return Ok(());
    }
    let name = format!("cleaned-{}", tree.short());
    repository.anchor(run, &name, tree.0).map_err(|error| unkept(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_places_names_its_ticket_and_run() {
        let run = "01a1f86a-0613-7821-992d-b2eec5112875";
        let (ticket, found) = owner(&format!("0042-validate-{run}")).unwrap();
        assert_eq!((ticket.as_str(), found.as_str()), ("0042-validate", run));
        assert_eq!(started_at(run).unwrap().as_second(), 1_795_169_060);
        for other in [
            "",
            "x",
            run,
            &format!("-{run}"),
            "0042-not-a-run",
            &format!("../x-{run}"),
            &format!("0042{run}"),
        ] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
