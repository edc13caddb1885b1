//! What a dead runner left behind, and how a later one ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git_delivery::crash_point;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::census::{self, ProcessIdentity, Seen};
use super::control_group::ControlGroup;
use super::wire::GUARD_ID;

/// How long a guard whose runner is gone is left to do its own work.
const GUARD_WAIT: Duration = Duration::from_secs(4);
/// How long killed processes may take to disappear.
const LAST_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A process that a dead runner had left and that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedProcess {
    /// The process id that it had.
    pub pid: i32,
    /// The name that the system showed for it: chosen by the process, not to be trusted.
    pub name: String,
}

/// Leftovers could not be ended for certain.
#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    /// A record of a guard is not one.
    #[error("the record of a guard, `{file}`, is damaged")]
    Damaged {
        /// The name of the file.
        file: String,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
    /// Killed processes are still there.
    #[error("{} processes of an earlier run do not end", .pids.len())]
    Surviving {
        /// Their process ids.
        pids: Vec<i32>,
    },
    /// The records cannot be read or removed.
    #[error("records of guards are not accessible")]
    Io(#[from] io::Error),
}

/// Who a guard and its first child are, as the guard wrote it down before the child became anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GuardRecord {
    pub(crate) schema: u32,
    pub(crate) id: String,
    pub(crate) guard: ProcessIdentity,
    pub(crate) child: Option<ProcessIdentity>,
    pub(crate) control_group: Option<PathBuf>,
}

impl GuardRecord {
    /// Writes the record so that a reader sees all of it or nothing.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let folder = file
            .parent()
            .ok_or_else(|| io::Error::other("the record of a guard needs a folder"))?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&serde_json::to_vec(self)?)?;
        new.persist(file)?;
        crash_point("a guard is noted");
        Ok(())
    }

    /// Everything that can be told to have been guarded by it, the guard itself last.
    fn leftovers(&self) -> Vec<Seen> {
        let mut found = BTreeMap::new();
        let mut add = |process: Seen| {
            for one in census::descent_of(process.pid).into_iter().chain([process]) {
                found.insert(one.pid, one);
            }
        };
        let guard = self.guard.seen();
        guard.iter().cloned().for_each(&mut add);
        self.child
            .as_ref()
            .and_then(ProcessIdentity::seen)
            .into_iter()
            .for_each(&mut add);
        census::with_environment_entry(&format!("{GUARD_ID}={}", self.id))
            .into_iter()
            .for_each(&mut add);
        if let Some(guard) = &guard {
            found.remove(&guard.pid);
        }
        // This process may itself run below a guard of an outer run, but never below one whose runner is dead.
        found.remove(&rustix::process::getpid().as_raw_pid());
        found.into_values().chain(guard).collect()
    }
}

/// Where the guard with this id writes who it is.
pub(crate) fn record_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("guard-{id}.json"))
}

/// Ends whatever the guards that are recorded in `folder` guarded, and removes the records. A folder that does not exist holds
/// none.
///
/// A process is recognised by pid, start time and start of the machine together, by descending from one that is, or by a
/// random word in its environment; a reused pid is never touched. Blocks, at most for some seconds a record. Only for who
/// holds the lock of the run: a guard whose runner lives would be ended too.
///
/// # Errors
/// [`LeftoverError::Surviving`] where killed processes do not go away; their record stays. A damaged record is an error and
/// stays as well; all others are dealt with before it is reported.
pub fn end_leftovers(folder: &Path) -> Result<Vec<EndedProcess>, LeftoverError> {
    let mut ended = Vec::new();
    let mut first_error = None;
    for (file, record) in records_in(folder)? {
        let result =
            record
                .and_then(|record| end_one(&record, &mut ended))
                .and_then(|()| match fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                    _ => Ok(()),
                });
        if let Err(error) = result {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(ended), Err)
}

/// What the guards that are recorded in a folder left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// How many records there are.
    pub(crate) records: usize,
    /// The processes that still run.
    pub(crate) pids: BTreeSet<i32>,
}

/// Looks at what [`end_leftovers`] would end, and ends nothing.
///
/// # Errors
/// A damaged record, or one that cannot be read.
pub(crate) fn leftovers_in(folder: &Path) -> Result<Leftovers, LeftoverError> {
    let mut left = Leftovers::default();
    for (_, record) in records_in(folder)? {
        left.records += 1;
        left.pids.extend(record?.leftovers().iter().map(|process| process.pid));
    }
    Ok(left)
}

/// The records of a folder, each with its file. A folder that does not exist holds none.
fn records_in(folder: &Path) -> io::Result<Vec<(PathBuf, Result<GuardRecord, LeftoverError>)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !(file.starts_with("guard-") && file.ends_with(".json")) {
            continue;
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Its guard removed it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let record = serde_json::from_slice(&bytes).map_err(|source| LeftoverError::Damaged { file, source });
        records.push((path, record));
    }
    Ok(records)
}

/// Ends what this record names. Adds what it ended.
pub(super) fn end_one(record: &GuardRecord, ended: &mut Vec<EndedProcess>) -> Result<(), LeftoverError> {
    let began = Instant::now();
    let mut seen = BTreeMap::new();
    let result = loop {
        let left = record.leftovers();
        if left.is_empty() {
            break Ok(());
        }
        for process in &left {
            if process.pid != record.guard.pid {
                seen.insert((process.pid, process.start_time), process.name.clone());
            }
        }
        let waited = began.elapsed();
        if waited > GUARD_WAIT + LAST_WAIT {
            break Err(LeftoverError::Surviving {
                pids: left.iter().map(|process| process.pid).collect(),
            });
        }
        // A guard that lives is already at it, and more gently.
        if waited > GUARD_WAIT || !record.guard.is_alive() {
            if let Some(group) = record.control_group.as_deref().and_then(ControlGroup::remembered) {
                group.kill();
            }
            for process in &left {
                process.signal(Signal::KILL);
            }
        }
        std::thread::sleep(POLL);
    };
    if let Some(group) = record.control_group.as_deref().and_then(ControlGroup::remembered) {
        group.remove();
    }
    ended.extend(seen.into_iter().map(|((pid, _), name)| EndedProcess { pid, name }));
    result
}
