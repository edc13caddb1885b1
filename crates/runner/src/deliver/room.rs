//! The folder of ours in a work tree's Git directory, with what a delivery into that work tree has to remember.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use git_delivery::{OwnChange, Repository, crash_point};
use ledger_core::{CommitId, Digest, RefName, RepoPath, RunId, TicketId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::DeliverError;

const BEGUN: &str = "begun.json";
const BASELINE: &str = "baseline.json";

/// The folder, held by this process until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    /// The file stays: if it were deleted, two processes could hold locks of two files of one name.
    _held: File,
}

/// A delivery that was begun. While this is there, it was not seen to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BegunHere {
    pub(super) schema: u32,
    pub(super) ticket: TicketId,
    pub(super) run: RunId,
    pub(super) branch: RefName,
    pub(super) from: CommitId,
    pub(super) to: CommitId,
}

/// The user's own changes as they were last told of.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Baseline {
    schema: u32,
    changes: Vec<KnownChange>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KnownChange {
    path: RepoPath,
    identity: Digest,
}

impl Room {
    pub(super) fn enter(repository: &Repository) -> Result<Self, DeliverError> {
        let failed = |source| DeliverError::Io {
            name: "counterfoil/here",
            source,
        };
        let folder = repository.git_dir().join("counterfoil/here");
        fs::create_dir_all(&folder).map_err(failed)?;
        let held = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))
            .map_err(failed)?;
        match held.try_lock() {
            Ok(()) => Ok(Self { folder, _held: held }),
            Err(fs::TryLockError::WouldBlock) => Err(DeliverError::UnderWay),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was begun. Where that cannot be read, nobody knows what of the work tree is the person's.
    pub(super) fn begun(&self) -> Result<Option<BegunHere>, DeliverError> {
        let bytes = match fs::read(self.folder.join(BEGUN)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| DeliverError::Io { name: BEGUN, source })?,
        };
        let begun = serde_json::from_slice(&bytes).ok();
        let begun = begun.filter(|begun: &BegunHere| begun.schema == 1);
        begun.map(Some).ok_or_else(|| DeliverError::NoteDamaged {
            path: self.folder.join(BEGUN),
        })
    }

    pub(super) fn begin(&self, begun: &BegunHere) -> Result<(), DeliverError> {
        self.write(BEGUN, begun)
    }

    pub(super) fn end(&self) -> Result<(), DeliverError> {
        let removed = fs::remove_file(self.folder.join(BEGUN)).and_then(|()| self.sync());
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| DeliverError::Io { name: BEGUN, source }),
        }
    }

    /// Those of these changes that are not as they were last told of.
    pub(super) fn untold(&self, changes: &[OwnChange]) -> Vec<RepoPath> {
        let known: Baseline = read(&self.folder.join(BASELINE)).unwrap_or_default();
        let known: BTreeMap<_, _> = known.changes.iter().map(|one| (&one.path, one.identity)).collect();
        let untold = changes.iter().filter(|one| known.get(&one.path) != Some(&one.identity));
        untold.map(|one| one.path.clone()).collect()
    }

    pub(super) fn note(&self, changes: &[OwnChange]) -> Result<(), DeliverError> {
        let known = |one: &OwnChange| KnownChange {
            path: one.path.clone(),
            identity: one.identity,
        };
        let changes = changes.iter().map(known).collect();
        self.write(BASELINE, &Baseline { schema: 1, changes })
    }

    fn write(&self, name: &'static str, value: &impl Serialize) -> Result<(), DeliverError> {
        let temporary = self.folder.join(format!("{name}.new"));
        let written = serde_json::to_vec(value).map_err(io::Error::other).and_then(|bytes| {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            crash_point("a note of a delivery is written beside its name");
            fs::rename(&temporary, self.folder.join(name))?;
            crash_point("a note of a delivery is made");
            self.sync()
        });
        written.map_err(|source| DeliverError::Io { name, source })
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
