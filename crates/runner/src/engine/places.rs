//! The places of a run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git_delivery::{Leftovers, Place, PlaceError, Repository};
use ledger_core::{BlockerCode, CommitId, Observation, TreeId};

use super::{Engine, Failed};

/// Where a run keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolders {
    /// Journal, logs and outputs, below the repository's common Git directory.
    pub run: PathBuf,
    /// The places, in the user's state folder: never in the repository, never in a temporary folder.
    pub places: PathBuf,
}

impl RunFolders {
    /// The folder of one place.
    pub fn place(&self, name: &str) -> PathBuf {
        self.places.join(name)
    }
}

/// The places that are open. `work` is the worker's; the runner alone writes `check`; nobody writes `review`.
#[derive(Debug, Default, Clone)]
pub(super) struct Places(Arc<Mutex<Opened>>);

#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) work: Option<Place>,
    check: Option<Place>,
    review: Option<Place>,
}

impl Places {
    /// The open places. A thread that panicked while it had them left nothing half-changed in memory that matters: a
    /// place's truth is on disk.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Opened) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A place that the runner brings to exact trees.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunnersPlace {
    /// For checks, with what becomes of caches.
    Check(Leftovers),
    /// For the reviewer.
    Review,
}

impl Opened {
    /// Brings one of the runner's places to exactly this tree, making it if need be.
    pub(super) fn bring(
        &mut self,
        repository: &Repository,
        which: RunnersPlace,
        folder: &Path,
        base: CommitId,
        tree: TreeId,
    ) -> Result<(), Failed> {
        let refs = repository
            .snapshot_refs()
            .map_err(|error| Failed::new(BlockerCode::NeedsPerson, error))?;
        let (slot, leftovers) = match which {
            RunnersPlace::Check(leftovers) => (&mut self.check, leftovers),
            RunnersPlace::Review => (&mut self.review, Leftovers::RemoveAll),
        };
        let place = match slot {
            Some(place) => place,
            None => slot.insert(open_or_create(repository, folder, base)?),
        };
        match place.bring_to(repository, tree, &refs, leftovers, &BTreeSet::new()) {
            Ok(_) => Ok(()),
            Err(_) => {
                // Whatever the code under test did to it: the place is only a copy.
                *slot = None;
                Place::remove(folder).map_err(failed)?;
                let place = slot.insert(open_or_create(repository, folder, base)?);
                place
                    .bring_to(repository, tree, &refs, leftovers, &BTreeSet::new())
                    .map(drop)
                    .map_err(failed)
            }
        }
    }
}

/// What an earlier runner left is used again, if it is whole and of the same base.
fn open_or_create(repository: &Repository, folder: &Path, base: CommitId) -> Result<Place, Failed> {
    match Place::open(folder) {
        Ok(place) if place.base() == base => return Ok(place),
        _ => Place::remove(folder).map_err(failed)?,
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Failed::new(code_of(&error), error))?;
    }
    let refs = repository
        .snapshot_refs()
        .map_err(|error| Failed::new(BlockerCode::NeedsPerson, error))?;
    Place::create(repository, folder, base, &refs).map_err(failed)
}

fn failed(error: PlaceError) -> Failed {
    Failed::of(&error)
}

/// The blocker for an error of the file system.
pub(super) fn code_of(error: &std::io::Error) -> BlockerCode {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => BlockerCode::DiskFull,
        _ => BlockerCode::NeedsPerson,
    }
}

impl Engine {
    pub(super) fn prepare_places(&mut self, seq: u64, base: CommitId) {
        let (plan, repository, places) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.repository),
            self.places.clone(),
        );
        self.blocking(seq, move || {
            let folder = plan.folders.place("work");
            let anew = !matches!(Place::open(&folder), Ok(place) if place.base() == base);
            let work = open_or_create(&repository, &folder, base)?;
            places.with(|opened| opened.work = Some(work));
            Ok(Observation::PlacesReady { anew })
        });
    }

    /// Brings `review/` to exactly this tree.
    pub(super) fn bring_review_to(&self, base: CommitId, tree: TreeId) -> Result<(), Failed> {
        let folder = self.plan.folders.place("review");
        self.places
            .with(|opened| opened.bring(&self.repository, RunnersPlace::Review, &folder, base, tree))
    }
}
