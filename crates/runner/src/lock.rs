//! One run a ticket per clone, one exclusive check, and one runner that chooses: file locks that the system drops with the process that held them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger_core::TicketId;
use serde::{Deserialize, Serialize};

use crate::guard::ProcessIdentity;

/// More than this is no note of a holder.
const MAX_NOTE_BYTES: u64 = 4096;

/// Who holds a lock, as it wrote it into the file. Information for people: the lock itself is the system's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The process.
    pub process: ProcessIdentity,
    /// Since when.
    pub since: Timestamp,
    /// What for.
    #[serde(default)]
    pub purpose: LockPurpose,
}

/// What a ticket is locked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockPurpose {
    /// To run it. Such a holder leaves in good order when it is asked to.
    #[default]
    Run,
    /// To remove or repair what runs left. Short, and never to be interrupted.
    Upkeep,
}

impl LockHolder {
    /// This process, since this moment, to run the ticket.
    pub fn current(since: Timestamp) -> io::Result<Self> {
        Ok(Self {
            process: ProcessIdentity::current()?,
            since,
            purpose: LockPurpose::Run,
        })
    }

    /// The same holder, for upkeep.
    #[must_use]
    pub fn for_upkeep(&self) -> Self {
        Self {
            purpose: LockPurpose::Upkeep,
            ..self.clone()
        }
    }
}

/// A ticket could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another task of this one, holds it.
    #[error("another run of `{ticket}` is under way in this clone")]
    Held {
        /// The ticket.
        ticket: TicketId,
        /// Who holds it, if that can be read.
        holder: Option<LockHolder>,
    },
    /// The lock file cannot be used.
    #[error("the lock of `{ticket}` is not usable: {source}")]
    Io {
        /// The ticket.
        ticket: TicketId,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to be the only run of a ticket in this clone, until it is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct TicketLock {
    _lock: NotedLock,
}

impl TicketLock {
    /// Locks a ticket in the folder of locks (`<git common dir>/counterfoil/locks`), which is made if need be. Does not wait.
    ///
    /// Ids that differ only by case share a lock.
    ///
    /// # Errors
    /// [`LockError::Held`] where it is held.
    pub fn acquire(folder: &Path, ticket: &TicketId, holder: &LockHolder) -> Result<Self, LockError> {
        let io = |source| LockError::Io {
            ticket: ticket.clone(),
            source,
        };
        let path = lock_file(folder, ticket);
        match NotedLock::acquire(&path, holder).map_err(io)? {
            Some(lock) => Ok(Self { _lock: lock }),
            None => Err(LockError::Held {
                ticket: ticket.clone(),
                holder: read_note(&path),
            }),
        }
    }

    /// Who runs a ticket now. `None` where nobody does, as far as the note and the system's processes say; takes no lock, so it
    /// disturbs nobody who wants one.
    pub fn holder(folder: &Path, ticket: &TicketId) -> Option<LockHolder> {
        read_note(&lock_file(folder, ticket)).filter(|holder| holder.process.is_alive())
    }
}

/// A locked file with a note of who holds it, until it is dropped or the process ends in whatever way.
///
/// The file stays: if it were deleted, two processes could hold locks of two files of one name.
#[derive(Debug)]
pub(crate) struct NotedLock {
    file: File,
}

impl NotedLock {
    /// Locks this file, which is made if need be, with its folder. Does not wait. None: another process, or another task of this one, holds it.
    pub(crate) fn acquire(path: &Path, holder: &LockHolder) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        loop {
            let file = open_lock(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
            // Someone may have put another file in its place between opening and locking.
            if !is_at(&file, path)? {
                continue;
            }
            let mut lock = Self { file };
            lock.clear()?;
            lock.file.write_all(&serde_json::to_vec(holder)?)?;
            return Ok(Some(lock));
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()
    }
}

impl Drop for NotedLock {
    fn drop(&mut self) {
        // A note that stays names a process that has ended, or that says itself what it runs.
        let _ = self.clear();
        let _ = self.file.unlock();
    }
}

/// What says that a process runs tickets, as long as it does: also while it waits for one that it could run, and holds none.
#[derive(Debug)]
pub(crate) struct RunnerNote {
    path: PathBuf,
    /// Held open, so that the note of another process is not taken for this one's.
    _file: File,
}

/// How the names of such notes begin; a process's number follows.
const RUNNER: &str = "runner-";

impl RunnerNote {
    /// Writes it into the folder of locks, and takes away those of processes that are gone.
    pub(crate) fn write(folder: &Path, holder: &LockHolder) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for (path, note) in runner_notes(folder)? {
            if note.is_none_or(|note| !note.process.is_alive())
                // Another runner that begins now takes it away, too.
                && let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        let path = folder.join(format!("{RUNNER}{}", holder.process.pid));
        // Whoever reads it finds all of it: one that cannot be read counts as left over.
        let mut file = tempfile::Builder::new().prefix(".note-").tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec(holder)?)?;
        let file = file.persist(&path)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for RunnerNote {
    fn drop(&mut self) {
        // One that stays names a process that has ended.
        let _ = fs::remove_file(&self.path);
    }
}

/// The processes that run tickets of this clone now, also those that wait for one that they could run.
pub fn runners(folder: &Path) -> io::Result<Vec<LockHolder>> {
    let notes = runner_notes(folder)?;
    let alive = |note: Option<LockHolder>| note.filter(|holder| holder.process.is_alive());
    Ok(notes.into_iter().filter_map(|(_, note)| alive(note)).collect())
}

/// The notes of runners, with who they say it is, where that can be read.
pub(crate) fn runner_notes(folder: &Path) -> io::Result<Vec<(PathBuf, Option<LockHolder>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut notes = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_note = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(RUNNER));
        // A ticket's lock may begin like that too.
        if is_note && path.extension().is_none() {
            let note = read_note(&path);
            notes.push((path, note));
        }
    }
    notes.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(notes)
}

/// The right to run a check that no other such check of this clone runs beside, until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct AloneLock {
    _file: File,
}

/// How often it is looked whether the others are done.
const POLL: Duration = Duration::from_millis(50);

impl AloneLock {
    /// Waits for it, in the folder of locks. None where `stop` is ready first. `meanwhile` is done beside, as long as it waits.
    pub(crate) async fn wait(
        folder: &Path,
        stop: impl Future<Output = ()>,
        meanwhile: impl Future<Output = ()>,
    ) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        // No name of a ticket's lock.
        let file = open_lock(&folder.join("exclusive-checks"))?;
        let (mut stop, mut meanwhile) = (std::pin::pin!(stop), std::pin::pin!(meanwhile));
        let mut is_done = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
            tokio::select! {
                () = stop.as_mut() => return Ok(None),
                () = meanwhile.as_mut(), if !is_done => is_done = true,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// The right to look at what runs in this clone and to lock the tickets that start, until it is dropped or the process ends: what two runners choose at the same
/// moment would not see each other. Never held while a run works.
#[derive(Debug)]
pub(crate) struct ScheduleLock {
    _file: File,
}

/// No runner got the right to choose in time.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleLockError {
    /// Another one has it for longer than choosing takes.
    #[error("another `foil run` of this clone has been choosing its tickets for {} s: it is stopped, or the machine is too busy", .waited.as_secs())]
    Held {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock file cannot be used.
    #[error("the lock by which runners choose their tickets is not usable: {0}")]
    Io(#[from] io::Error),
}

impl ScheduleLock {
    /// Waits for it, in the folder of locks, for at most `patience`. None where it is not wanted any more.
    pub(crate) fn wait(
        folder: &Path,
        patience: Duration,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Option<Self>, ScheduleLockError> {
        fs::create_dir_all(folder)?;
        // No name of a ticket's lock.
        let file = open_lock(&folder.join("schedule"))?;
        let began = Instant::now();
        while is_wanted() {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error.into()),
            }
            let waited = began.elapsed();
            if waited >= patience {
                return Err(ScheduleLockError::Held { waited });
            }
            std::thread::sleep(CHOICE_POLL);
        }
        Ok(None)
    }
}

/// How often it is looked whether another runner has chosen.
const CHOICE_POLL: Duration = Duration::from_millis(5);

/// Opens a file for locking, which is made if need be. No link is followed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// The file of a ticket's lock.
pub(crate) fn lock_file(folder: &Path, ticket: &TicketId) -> PathBuf {
    folder.join(format!("{}.lock", ticket.folded()))
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn read_note(path: &Path) -> Option<LockHolder> {
    let mut note = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_NOTE_BYTES)
        .read_to_end(&mut note)
        .ok()?;
    serde_json::from_slice(&note).ok()
}

/// Whether this process has the file open. Where the system does not show what a process has open, its note must do.
pub(crate) fn has_open(process: &ProcessIdentity, file: &Path) -> io::Result<bool> {
    if !cfg!(target_os = "linux") {
        return Ok(process.is_alive());
    }
    let lock = match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let entries = match fs::read_dir(format!("/proc/{}/fd", process.pid)) {
        // It is gone, or is another user's.
        Err(_) => return Ok(false),
        Ok(entries) => entries,
    };
    for entry in entries {
        let Ok(entry) = entry else { return Ok(false) };
        // Follows to the file itself, also where it was renamed or deleted.
        if let Ok(open) = fs::metadata(entry.path())
            && (open.dev(), open.ino()) == (lock.dev(), lock.ino())
        {
            return Ok(process.is_alive());
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_that_begin_at_the_same_time_beside_what_others_left_all_have_their_note() {
        let folder = tempfile::tempdir().unwrap();
        let holder = |pid| {
            let mut holder = LockHolder::current(jiff::Timestamp::UNIX_EPOCH).unwrap();
            holder.process.pid = pid;
            holder
        };
        for _ in 0..50 {
            for left in 0..20 {
                fs::write(folder.path().join(format!("{RUNNER}{left}")), "").unwrap();
            }
            let barrier = std::sync::Barrier::new(4);
            let begin = |number: i32| {
                barrier.wait();
                RunnerNote::write(folder.path(), &holder(1_000_000_000 + number))
            };
            let notes: Vec<_> = std::thread::scope(|scope| {
                let begun: Vec<_> = (0..4).map(|number| scope.spawn(move || begin(number))).collect();
                begun.into_iter().map(|begun| begun.join().unwrap()).collect()
            });
            assert!(notes.iter().all(Result::is_ok), "{notes:?}");
        }
    }
}
