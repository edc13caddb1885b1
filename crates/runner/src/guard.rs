//! Processes that never outlive the runner: each is started under a guard process.
//!
//! A guard is the runner's own program, started again with a hidden verb. It is the subreaper of everything that its child
//! starts, so that a daemon that left its parent, its group and its session is still its descendant. It holds one end of a
//! socket to the runner; when the other end is closed, because the runner wants it so or because the runner is gone by any signal
//! at any moment, it ends the whole descent: TERM, some grace, then KILL until none is left. Should the guard itself be killed,
//! the kernel kills its first child, and what is left is found by the next start ([`end_leftovers`]).
//!
//! Where this user may make a version 2 control group below the own one, `cgroup.kill` ends what the walk over the descent would
//! have to chase. On systems other than Linux there is no subreaper: only the process group of the first child is ended.

mod census;
mod command;
mod control_group;
mod inside;
mod leftovers;
mod stage;
mod usage;
mod wire;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

pub use census::ProcessIdentity;
pub use command::GuardedCommand;
pub use inside::main_if_guard;
use leftovers::GuardRecord;
pub(crate) use leftovers::leftovers_in;
pub use leftovers::{EndedProcess, LeftoverError, end_leftovers};
pub(crate) use usage::Usage;
use wire::{Notice, Order};

/// How long a process that is asked to end may take before it is killed, if nothing else is said. Half of the two seconds in
/// which an interrupted run stops.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(1);

/// How long a guard may take to start.
const START_WAIT: Duration = Duration::from_secs(30);
/// How long a guard may take beyond the grace before it is no longer trusted to do its work.
const GUARD_WAIT: Duration = Duration::from_secs(15);

/// The program that becomes a guard: one that calls [`main_if_guard`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardProgram(PathBuf);

impl GuardProgram {
    /// This program, even if its file has been replaced since it was started.
    pub fn current() -> io::Result<Self> {
        own_program().map(Self)
    }

    /// Another program, for an embedder whose own `main` cannot call [`main_if_guard`].
    pub fn at(program: impl AsRef<Path>) -> io::Result<Self> {
        std::path::absolute(program).map(Self)
    }
}

fn own_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        // Its file may have been replaced; this is always the program that runs.
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}

/// A process could not be started, or its guard was lost.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The command itself cannot be run: no such program, no such folder.
    #[error("the process was not started: {reason}")]
    NotStarted {
        /// What the system said.
        reason: String,
    },
    /// The guard program does not act as a guard.
    #[error("the guard did not answer: its program must call `main_if_guard` first")]
    NoGuard,
    /// The guard ended before its work did; what it guarded has been ended.
    #[error("the guard was killed from outside")]
    Lost,
    /// Processes are still there after they were killed.
    #[error("killed processes do not end")]
    Surviving {
        /// How many.
        count: u32,
    },
    /// The system refused something.
    #[error("a guard cannot be started or asked")]
    Io(#[from] io::Error),
}

/// How the first child of a guard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Exited {
        /// 0 is success.
        code: i32,
    },
    /// By a signal.
    Signaled {
        /// Its number.
        signal: i32,
    },
}

/// What is known when nothing guarded is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardedExit {
    /// How the first child ended.
    pub exit: Exit,
    /// How many further processes were still there and had to be ended.
    pub ended: u32,
}

/// A process under its guard. Dropping it ends the process and all that it started.
#[derive(Debug)]
pub struct GuardedChild {
    /// Its standard input, if piped. Dropping it closes the input.
    pub stdin: Option<pipe::Sender>,
    /// Its standard output, if piped.
    pub stdout: Option<pipe::Receiver>,
    /// Its standard error, if piped.
    pub stderr: Option<pipe::Receiver>,
    /// Our end of what [`GuardedCommand::signal_at_stdin`] gives it.
    signal: Option<std::os::unix::net::UnixStream>,
    /// `None` once we have closed it.
    socket: Option<tokio::net::UnixStream>,
    received: Vec<u8>,
    /// The guard.
    process: tokio::process::Child,
    pid: i32,
    exit: Option<Exit>,
    /// How many were ended and how many survive, once the guard has said so.
    gone: Option<(u32, u32)>,
    /// Who guard and first child are.
    record: Option<GuardRecord>,
    grace: Duration,
}

impl GuardedChild {
    /// The process id of the first child.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it has written anything to the standard input that [`GuardedCommand::signal_at_stdin`] gives it. What was written is taken.
    pub fn has_signaled(&self) -> bool {
        let read = self
            .signal
            .as_ref()
            .map(|mut signal| io::Read::read(&mut signal, &mut [0]));
        matches!(read, Some(Ok(1..)))
    }

    async fn started(&mut self, body: &[u8]) -> Result<(), GuardError> {
        if let Some(socket) = &mut self.socket {
            socket.write_all(body).await.map_err(|_| GuardError::NoGuard)?;
        }
        match self.next_notice().await {
            Some(Notice::Started { pid, record }) => {
                self.pid = pid;
                self.record = record;
                Ok(())
            }
            Some(Notice::NotStarted { reason }) => Err(GuardError::NotStarted { reason }),
            Some(_) | None => Err(GuardError::NoGuard),
        }
    }

    /// Waits until the first child has ended and nothing else of its descent is left; what it left is ended by the guard.
    /// May be dropped and called again. Output that nobody reads can make the child wait for ever.
    ///
    /// # Errors
    /// [`GuardError::Lost`] where the guard was killed: then what it guarded has been ended too.
    pub async fn wait(&mut self) -> Result<GuardedExit, GuardError> {
        while self.gone.is_none() {
            match self.next_notice().await {
                Some(Notice::Exited { code }) => self.exit = Some(Exit::Exited { code }),
                Some(Notice::Signaled { signal }) => self.exit = Some(Exit::Signaled { signal }),
                Some(Notice::Gone { ended, surviving }) => self.gone = Some((ended, surviving)),
                Some(Notice::Started { .. } | Notice::NotStarted { .. }) => {}
                None => break,
            }
        }
        match (self.gone, self.exit) {
            (Some((_, count)), _) if count > 0 => Err(GuardError::Surviving { count }),
            (Some((ended, _)), Some(exit)) => {
                // Only so that no remains of the guard stay behind: it has nothing left to do.
                self.process.wait().await?;
                Ok(GuardedExit { exit, ended })
            }
            (_, None) | (None, _) => {
                self.end_without_guard().await?;
                Err(GuardError::Lost)
            }
        }
    }

    /// Waits until the first child has ended, while what it left may still be ending. May be dropped and called again.
    ///
    /// # Errors
    /// [`GuardError::Lost`] where the guard was killed.
    pub async fn wait_for_exit(&mut self) -> Result<Exit, GuardError> {
        loop {
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            match self.next_notice().await {
                Some(Notice::Exited { code }) => self.exit = Some(Exit::Exited { code }),
                Some(Notice::Signaled { signal }) => self.exit = Some(Exit::Signaled { signal }),
                Some(Notice::Gone { ended, surviving }) => self.gone = Some((ended, surviving)),
                Some(Notice::Started { .. } | Notice::NotStarted { .. }) => {}
                None => {
                    self.end_without_guard().await?;
                    return Err(GuardError::Lost);
                }
            }
        }
    }

    /// Sends a signal to the first child alone, unless it has ended.
    pub async fn signal(&mut self, signal: Signal) -> Result<(), GuardError> {
        self.order(Order::Signal(signal.as_raw())).await
    }

    /// Ends everything: TERM, the grace of the command, then KILL; and waits until nothing is left.
    ///
    /// # Errors
    /// As [`GuardedChild::wait`].
    pub async fn kill_all(&mut self) -> Result<GuardedExit, GuardError> {
        self.end(self.grace).await
    }

    /// Ends everything at once, without asking first.
    ///
    /// # Errors
    /// As [`GuardedChild::wait`].
    pub async fn kill_now(&mut self) -> Result<GuardedExit, GuardError> {
        self.end(Duration::ZERO).await
    }

    async fn end(&mut self, grace: Duration) -> Result<GuardedExit, GuardError> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        // A guard that does not listen is dealt with below.
        let _ = self.order(Order::End { grace_ms }).await;
        match tokio::time::timeout(grace + GUARD_WAIT, self.wait()).await {
            Ok(result) => result,
            Err(_) => {
                self.end_without_guard().await?;
                Err(GuardError::Lost)
            }
        }
    }

    async fn order(&mut self, order: Order) -> Result<(), GuardError> {
        let line = wire::line(&order)?;
        match &mut self.socket {
            Some(socket) => Ok(socket.write_all(&line).await?),
            None => Ok(()),
        }
    }

    /// The guard is gone or deaf: ends what can be found of it and its descent.
    async fn end_without_guard(&mut self) -> Result<(), GuardError> {
        // Closed first: a guard that only seemed deaf now knows what to do.
        self.socket = None;
        if let Some(record) = self.record.take() {
            let ended = tokio::task::spawn_blocking(move || leftovers::end_one(&record, &mut Vec::new()))
                .await
                .map_err(io::Error::other)?;
            if let Err(LeftoverError::Surviving { pids }) = ended {
                let count = u32::try_from(pids.len()).unwrap_or(u32::MAX);
                return Err(GuardError::Surviving { count });
            }
        }
        // A guard that is not recorded yet has started nothing that could survive it.
        self.process.kill().await?;
        Ok(())
    }

    /// The next thing that the guard says, or `None` when it is gone.
    async fn next_notice(&mut self) -> Option<Notice> {
        let socket = self.socket.as_mut()?;
        loop {
            match wire::take_line(&mut self.received) {
                Some(Ok(notice)) => return Some(notice),
                Some(Err(_)) => continue,
                None => {}
            }
            match socket.read_buf(&mut self.received).await {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }
}
