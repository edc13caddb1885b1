//! Running tickets in the background: a process that starts a worker, starts it again when it crashes, and writes down what it prints.
//!
//! The worker is a `foil run --continuous` like any other, so nothing works in the background that does not work in a terminal. It is started under
//! a guard: when the daemon is gone, by any signal at any moment, the worker is asked to leave, and is ended if it does not.

mod log;
mod restart;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::agent::{OWN_HEAP, SMALL_HEAP};
use crate::guard::{
    Exit, GuardError, GuardProgram, GuardedChild, GuardedCommand, LeftoverError, ProcessIdentity, end_leftovers,
};
use crate::lock::{LockHolder, NotedLock, has_open, read_note};
use crate::moment::Moment;
use crate::run_clock::ClockReading;
use crate::state::StateRoots;
use crate::stop::{Ask, StopOutcome};

pub use self::restart::WorkerEnd;

use self::log::Log;
use self::restart::{Next, Restarts, rest};

/// How long a worker whose daemon is gone may take to leave in good order before it is ended.
const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked whether a daemon has left.
const POLL: Duration = Duration::from_millis(20);

/// The longest sleep in one piece: a clock may be set, and a machine sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How many bytes of the worker's output are read at once.
const CHUNK: usize = 16 * 1024;

/// How much of the end of the log is looked at for its last lines.
const TAIL: u64 = 16 * 1024;

/// Where the daemon of a clone keeps its state.
#[derive(Debug, Clone)]
pub struct DaemonFiles {
    folder: PathBuf,
}

impl DaemonFiles {
    /// Those of the clone with these roots.
    pub fn of(roots: &StateRoots) -> Self {
        Self {
            folder: roots.repository().join("daemon"),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its workers print, with the time; older parts are in `daemon.log.1` and on.
    pub fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The records of guards.
    pub(crate) fn guards(&self) -> PathBuf {
        self.folder.join("guards")
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// The last lines of the log, at most so many.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let tail = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(self.log())?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(end.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = tail().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<_> = text.lines().rev().take(count).map(ToOwned::to_owned).collect();
        lines.reverse();
        lines
    }
}

/// How the daemon stands with its worker. Kept in a file for those who ask; a daemon that is gone leaves it behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonState {
    /// The worker that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<ProcessIdentity>,
    /// How often in a row workers have failed.
    #[serde(default)]
    pub failures: u32,
    /// How the last worker ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<WorkerEnd>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end_in_words: Option<String>,
    /// When the next worker is started, while none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start: Option<Timestamp>,
    /// Since when the worker that runs has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_since: Option<Timestamp>,
}

/// After this many failures in a row somebody has to look at a daemon.
const FAILING: u32 = 3;

impl DaemonState {
    /// Whether its workers fail again and again: what failed before is forgotten once one has worked for a while.
    pub fn is_failing(&self, now: Timestamp) -> bool {
        let has_worked = self.worker_since.is_some_and(|since| restart::has_worked(since, now));
        self.failures >= FAILING && !has_worked
    }

    /// The same, of a daemon that has ended.
    fn ended(self) -> Self {
        Self {
            worker: None,
            worker_since: None,
            next_start: None,
            ..self
        }
    }

    /// Whether the daemon that wrote this is at work, as far as it knew.
    fn says_at_work(&self) -> bool {
        self.worker.is_some() || self.next_start.is_some()
    }
}

/// Why somebody has to look at the daemon of a clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonTrouble {
    /// Its workers fail again and again.
    Failing {
        /// How often in a row.
        failures: u32,
        /// How the last one ended, in words.
        last_end: Option<String>,
    },
    /// It was at work and is gone without a word: killed, or the machine went down.
    Gone,
}

/// What is wrong with the daemon of this clone at this moment, if anything. That none was started is no trouble. Takes no lock.
pub fn daemon_trouble(files: &DaemonFiles, now: Timestamp) -> Option<DaemonTrouble> {
    match running_daemon(files) {
        Some(RunningDaemon { state, .. }) => state.is_failing(now).then_some(DaemonTrouble::Failing {
            failures: state.failures,
            last_end: state.last_end_in_words,
        }),
        None => noted(files)
            .is_some_and(|state| state.says_at_work())
            .then_some(DaemonTrouble::Gone),
    }
}

/// Forgets a daemon that is gone without a word; whether there was one to forget.
///
/// # Errors
/// Where what it left cannot be changed.
pub fn forget_gone_daemon(files: &DaemonFiles) -> io::Result<bool> {
    let was_at_work = |state: &DaemonState| state.says_at_work();
    if noted(files).is_none_or(|state| !was_at_work(&state)) {
        return Ok(false);
    }
    let holder = LockHolder::current(Moment::now().at)?;
    let Some(_lock) = NotedLock::acquire(&files.lock(), &holder)? else {
        // One has just begun, and notes how it stands itself.
        return Ok(false);
    };
    let Some(state) = noted(files).filter(was_at_work) else {
        return Ok(false);
    };
    write_note(files, &state.ended())?;
    Ok(true)
}

/// A daemon that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningDaemon {
    /// Who it is, and since when.
    pub holder: LockHolder,
    /// How it stands with its worker.
    pub state: DaemonState,
}

/// The daemon of this clone, where one runs. Takes no lock.
pub fn running_daemon(files: &DaemonFiles) -> Option<RunningDaemon> {
    let holder = read_note(&files.lock()).filter(|holder| holder.process.is_alive())?;
    // What cannot be told of a process is told by its note.
    if !has_open(&holder.process, &files.lock()).unwrap_or(true) {
        return None;
    }
    Some(RunningDaemon {
        holder,
        state: noted(files).unwrap_or_default(),
    })
}

/// What the last daemon has noted.
fn noted(files: &DaemonFiles) -> Option<DaemonState> {
    serde_json::from_slice(&fs::read(files.state()).ok()?).ok()
}

/// Asks the daemon of this clone to leave, and waits until it has, at most `patience`. Never kills. None: none runs.
///
/// # Errors
/// [`DaemonError::NotAsked`].
pub async fn stop_daemon(
    files: &DaemonFiles,
    ask: Ask,
    patience: Duration,
) -> Result<Option<StopOutcome>, DaemonError> {
    let Some(RunningDaemon { holder, .. }) = running_daemon(files) else {
        return Ok(None);
    };
    let pid = holder.process.pid;
    let asked = holder
        .process
        .seen()
        .is_some_and(|process| process.signal(ask.signal()));
    let began = Instant::now();
    loop {
        // It lets go of its lock a moment before it ends.
        let is_there = running_daemon(files).is_some_and(|now| now.holder == holder) || holder.process.is_alive();
        if !is_there {
            let after_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Ok(Some(StopOutcome::Left { pid, after_ms }));
        }
        if !asked {
            return Err(DaemonError::NotAsked { pid });
        }
        if began.elapsed() >= patience {
            return Ok(Some(StopOutcome::StillThere { pid }));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// How a daemon works.
#[derive(Debug)]
pub struct DaemonOptions {
    /// How its worker is started.
    pub guard: GuardProgram,
    /// The program of the worker.
    pub program: PathBuf,
    /// Its arguments, which `--night-began <time>` follows.
    pub arguments: Vec<OsString>,
    /// Where it is started.
    pub directory: PathBuf,
    /// What its exit code means.
    pub meaning: fn(i32) -> WorkerEnd,
    /// What is handed on to the worker. When none runs, any ends the daemon.
    pub signals: DaemonSignals,
}

/// Signals for a daemon, as they come.
#[derive(Debug)]
pub struct DaemonSignals(mpsc::UnboundedReceiver<Signal>);

impl DaemonSignals {
    /// Those that this process gets from now on, of the kinds that a runner understands. To be called in a runtime.
    pub fn of_this_process() -> io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let kinds = [
            (SignalKind::interrupt(), Signal::INT),
            (SignalKind::terminate(), Signal::TERM),
            (SignalKind::hangup(), Signal::HUP),
            (SignalKind::user_defined1(), Signal::USR1),
            (SignalKind::user_defined2(), Signal::USR2),
        ];
        for (kind, number) in kinds {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(number).is_ok() {} });
        }
        Ok(Self(receiver))
    }
}

/// Leaves the session of whoever started this process, so that the end of its terminal means nothing here. To be called before any thread is
/// started, by a process that leads no group.
pub fn leave_session() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// A daemon could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another one runs in this clone.
    #[error("a daemon of this clone is at work already")]
    AlreadyRunning {
        /// Who it is, if that can be read.
        holder: Option<LockHolder>,
    },
    /// The system does not let this user signal it.
    #[error("the daemon, process {pid}, could not be asked to leave")]
    NotAsked {
        /// The process.
        pid: i32,
    },
    /// What an earlier daemon left could not be ended.
    #[error(transparent)]
    Leftovers(#[from] LeftoverError),
    /// The file system refused.
    #[error("the folder of the daemon cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// Runs workers until one has finished or was asked to leave. One daemon a clone.
///
/// What the worker prints goes into [`DaemonFiles::log`] and to `show`. One that fails is started again, after a pause that grows from one second to five
/// minutes, for ever: what is broken at night is mended in the morning. One that ended because a night's budget is used up is started again 24 hours
/// after it began.
///
/// # Errors
/// [`DaemonError::AlreadyRunning`].
pub async fn run_daemon(
    files: &DaemonFiles,
    mut options: DaemonOptions,
    mut show: impl FnMut(&[u8]),
) -> Result<WorkerEnd, DaemonError> {
    let holder = LockHolder::current(Moment::now().at)?;
    let Some(_lock) = NotedLock::acquire(&files.lock(), &holder)? else {
        let holder = read_note(&files.lock());
        return Err(DaemonError::AlreadyRunning { holder });
    };
    let leftovers = files.guards();
    {
        let leftovers = leftovers.clone();
        let ended = tokio::task::spawn_blocking(move || end_leftovers(&leftovers)).await;
        ended.map_err(io::Error::other)??;
    }
    let mut log = Log::open(&files.log());
    log.line("started", Moment::now().at);
    let mut restarts = Restarts::default();
    let mut state = DaemonState::default();
    // Whether anybody wants it to end. A worker may die of a signal before it listens to any, and nobody asks twice.
    let mut is_to_end = false;
    loop {
        let began = Moment::now().at;
        let (end, words) = match start(&options, restarts.night_at(began), &leftovers).await {
            Ok(mut worker) => {
                state.worker = ProcessIdentity::of(worker.pid()).ok().flatten();
                state.worker_since = Some(began);
                state.next_start = None;
                note(files, &state);
                let mut keep = |bytes: &[u8]| {
                    log.append(bytes, Moment::now().at);
                    show(bytes);
                };
                match follow(&mut worker, &mut options.signals, &mut is_to_end, &mut keep).await {
                    Ok(Exit::Exited { code }) => ((options.meaning)(code), format!("exit code {code}")),
                    Ok(Exit::Signaled { signal }) => (WorkerEnd::Failed, format!("signal {signal}")),
                    Err(error) => (WorkerEnd::Failed, error.to_string()),
                }
            }
            // A machine that is short of processes or memory now may not be later.
            Err(error) => (WorkerEnd::Failed, error.to_string()),
        };
        let end = if is_to_end && end != WorkerEnd::Finished {
            WorkerEnd::Left
        } else {
            end
        };
        let now = Moment::now().at;
        let next = restarts.after(end, began, now);
        state = DaemonState {
            worker: None,
            worker_since: None,
            failures: restarts.failures,
            last_end: Some(end),
            last_end_in_words: Some(words.clone()),
            next_start: match next {
                Next::End => None,
                Next::StartAt(at) => Some(at),
            },
        };
        note(files, &state);
        let Next::StartAt(at) = next else {
            log.line(&format!("the worker has ended ({words}); so does the daemon"), now);
            return Ok(end);
        };
        log.line(
            &format!("the worker has ended ({words}); the next starts at {at:.0}"),
            now,
        );
        if is_asked_to_end(at, &mut options.signals).await {
            log.line("asked to leave", Moment::now().at);
            note(files, &state.ended());
            return Ok(WorkerEnd::Left);
        }
    }
}

/// What the worker is told of its memory, where the user has not said anything of it.
fn small_heap() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_set = SMALL_HEAP.iter().any(|(name, _)| std::env::var_os(name).is_some());
    let ours = SMALL_HEAP.into_iter().chain([(OWN_HEAP, "1")]);
    ours.filter(move |_| !is_set)
}

async fn start(options: &DaemonOptions, night: Timestamp, leftovers: &Path) -> Result<GuardedChild, GuardError> {
    GuardedCommand::new(&options.program)
        .args(&options.arguments)
        .args(["--night-began", &night.to_string()])
        .envs(std::env::vars_os())
        .envs(small_heap())
        .current_dir(&options.directory)
        .record_in(leftovers)
        .grace(GRACE)
        .pipe_stdout()
        .stderr_with_stdout()
        .spawn(&options.guard)
        .await
}

/// Hands on output and signals until the worker has ended and nothing of it is left. Any signal asks the daemon to end with it: at once, or with what the worker
/// has begun.
async fn follow(
    worker: &mut GuardedChild,
    DaemonSignals(signals): &mut DaemonSignals,
    is_to_end: &mut bool,
    show: &mut impl FnMut(&[u8]),
) -> Result<Exit, GuardError> {
    let mut output = worker.stdout.take();
    let mut chunk = vec![0; CHUNK];
    let exit = loop {
        tokio::select! {
            read = read_some(&mut output, &mut chunk) => match read {
                Some(read) => show(&chunk[..read]),
                None => output = None,
            },
            Some(signal) = signals.recv() => {
                *is_to_end = true;
                worker.signal(signal).await?;
            }
            exit = worker.wait() => break exit?.exit,
        }
    };
    // Nobody writes any more, so this ends.
    if output.is_some() {
        while let Some(read) = read_some(&mut output, &mut chunk).await {
            show(&chunk[..read]);
        }
    }
    Ok(exit)
}

/// Waits for ever where there is nothing to read from.
async fn read_some(output: &mut Option<pipe::Receiver>, chunk: &mut [u8]) -> Option<usize> {
    match output {
        Some(output) => output.read(chunk).await.ok().filter(|read| *read > 0),
        None => std::future::pending().await,
    }
}

async fn is_asked_to_end(at: Timestamp, DaemonSignals(signals): &mut DaemonSignals) -> bool {
    let begun = ClockReading::now();
    loop {
        let rest = rest(at, begun, ClockReading::now());
        if rest.is_zero() {
            return false;
        }
        tokio::select! {
            Some(_) = signals.recv() => return true,
            () = tokio::time::sleep(rest.min(LONGEST_SLEEP)) => {}
        }
    }
}

/// That it cannot be written stops nothing.
fn note(files: &DaemonFiles, state: &DaemonState) {
    let _ = write_note(files, state);
}

/// Those who ask see the old state or the new one.
fn write_note(files: &DaemonFiles, state: &DaemonState) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(&files.folder)?;
    file.write_all(&serde_json::to_vec(state)?)?;
    file.persist(files.state()).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn one_fails_after_three_failures_in_a_row_until_a_worker_has_worked() {
        let now = Timestamp::UNIX_EPOCH;
        let failing = |failures, minutes: Option<i64>| {
            let worker_since = minutes.map(|minutes| now.checked_sub(SignedDuration::from_mins(minutes)).unwrap());
            let state = DaemonState {
                failures,
                worker_since,
                ..DaemonState::default()
            };
            state.is_failing(now)
        };
        assert!(!failing(2, None) && failing(3, None) && failing(4, Some(9)));
        assert!(!failing(4, Some(10)), "what failed before is forgotten");
    }
}
