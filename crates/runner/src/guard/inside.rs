//! The guard process itself: starts one child, and sees to it that nothing of its descent outlives it or the runner.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::census::{self, ProcessIdentity};
use super::control_group::ControlGroup;
use super::leftovers::GuardRecord;
use super::stage;
use super::wire::{self, Notice, Order, STARTED_AS_GUARD, Start};

/// The word after the program's name that makes it a guard.
pub(crate) const GUARD_VERB: &str = "__guard";
const STAGE_VERB: &str = "__guarded";

/// How long a killed process may take to disappear before the guard gives up on it (a device that does not answer).
const LAST_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(15);

/// Acts as a guard if this process was started as one, and says with what to end; `None` in every other process.
///
/// A program that starts guards from itself calls this first in its `main`, before it starts a thread or reads arguments:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = counterfoil_runner::guard::main_if_guard() {
///         return code;
///     }
///     ExitCode::SUCCESS
/// }
/// ```
pub fn main_if_guard() -> Option<ExitCode> {
    std::env::var_os(STARTED_AS_GUARD)?;
    let verb = std::env::args_os().nth(1)?;
    if verb == GUARD_VERB {
        // There is no one to tell: the runner sees the closed socket.
        Some(guard().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
    } else if verb == STAGE_VERB {
        Some(stage::main())
    } else {
        None
    }
}

fn guard() -> io::Result<()> {
    // Out of the terminal's reach first: an interrupt there is for the runner to answer.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let socket = wire::socket_at_standard_input()?;
    let (start, descriptors) = wire::receive_start::<3>(&socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Guard::run(socket, start, descriptors))
}

/// A guard whose child was started.
struct Guard {
    orders: Orders,
    notices: OwnedWriteHalf,
    /// The first child's pid.
    child: i32,
    group: Option<ControlGroup>,
    /// Whether the first child's end was seen.
    child_ended: bool,
    grace: Duration,
}

impl Guard {
    async fn run(socket: UnixStream, start: Start, descriptors: [OwnedFd; 3]) -> io::Result<()> {
        // Before anything is started, so that none of these signals can end the guard alone.
        let mut children = signal(SignalKind::child())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;

        socket.set_nonblocking(true)?;
        let (incoming, mut notices) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(super::own_program()?);
        command
            .arg(STAGE_VERB)
            .env_clear()
            .env(STARTED_AS_GUARD, "1")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => i32::try_from(child.id()).unwrap_or_default(),
            Err(error) => {
                let reason = format!("the guard cannot start a process: {error}");
                let _ = notices.write_all(&wire::line(&Notice::NotStarted { reason })?).await;
                return Ok(());
            }
        };
        // Its copy of the stage's end of the socket goes with it.
        drop(command);

        let group = ControlGroup::create(&start.id);
        let mut guard = Self {
            orders: Orders {
                incoming,
                received: Vec::new(),
                closed: false,
            },
            notices,
            child,
            group,
            child_ended: false,
            grace: Duration::from_millis(start.grace_ms),
        };
        let record = guard.record(&start);
        let sent = record.and_then(|record| guard.send_start(&ours, &start, descriptors).map(|()| record));
        let record = match sent {
            Ok(record) => record,
            Err(error) => {
                guard
                    .tell(&Notice::NotStarted {
                        reason: error.to_string(),
                    })
                    .await;
                guard.end(&start, Duration::ZERO, &mut children).await;
                return Ok(());
            }
        };

        let mut answer = Vec::new();
        ours.set_nonblocking(true)?;
        let mut ours = tokio::net::UnixStream::from_std(ours)?;
        let became_program = tokio::select! {
            read = ours.read_to_end(&mut answer) => read.is_ok() && answer.is_empty(),
            () = guard.orders.until_closed() => false,
            _ = terminate.recv() => false,
        };
        if !became_program {
            let reason = String::from_utf8_lossy(&answer).into_owned();
            guard.tell(&Notice::NotStarted { reason }).await;
            guard.end(&start, Duration::ZERO, &mut children).await;
            return Ok(());
        }
        guard.tell(&Notice::Started { pid: child, record }).await;

        let grace = loop {
            guard.reap().await;
            if guard.child_ended {
                break guard.grace;
            }
            tokio::select! {
                _ = children.recv() => {}
                order = guard.orders.next() => match order {
                    Some(Order::Signal(number)) => guard.signal_child(number),
                    Some(Order::End { grace_ms }) => break Duration::from_millis(grace_ms),
                    None => break guard.grace,
                },
                _ = terminate.recv() => break guard.grace,
                _ = interrupt.recv() => break guard.grace,
                _ = hang_up.recv() => break guard.grace,
            }
        };
        guard.end(&start, grace, &mut children).await;
        Ok(())
    }

    /// Writes down who guard and child are, before the child can become anything.
    fn record(&self, start: &Start) -> io::Result<Option<GuardRecord>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let record = GuardRecord {
            schema: 1,
            id: start.id.clone(),
            guard: ProcessIdentity::current()?,
            child: ProcessIdentity::of(self.child)?,
            control_group: self.group.as_ref().map(|group| group.folder().to_owned()),
        };
        if let Some(file) = &start.identity {
            record.write(file.to_os_string().as_ref())?;
        }
        Ok(Some(record))
    }

    fn send_start(&self, stage: &UnixStream, start: &Start, descriptors: [OwnedFd; 3]) -> io::Result<()> {
        let start = Start {
            parent: Some(rustix::process::getpid().as_raw_pid()),
            control_group: self
                .group
                .as_ref()
                .map(|group| group.folder().as_os_str().to_owned().into()),
            ..start.clone()
        };
        let body = wire::send_header(stage, &start, &descriptors.each_ref().map(OwnedFd::as_fd))?;
        let mut stage = stage;
        io::Write::write_all(&mut stage, &body)
        // Our own copies of the descriptors are closed here, so that the readers see the end when the descent is gone.
    }

    fn signal_child(&self, number: i32) {
        if self.child_ended {
            return;
        }
        if let (Some(pid), Some(signal)) = (Pid::from_raw(self.child), Signal::from_named_raw(number)) {
            // The child was not reaped yet, so the pid is still its own.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Takes notice of every child that has ended, own or adopted.
    async fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_pid() == self.child && !self.child_ended {
                self.child_ended = true;
                self.tell(&how_it_ended(status)).await;
            }
        }
    }

    /// Ends the whole descent: TERM, and after `grace` KILL, until none is left.
    async fn end(&mut self, start: &Start, grace: Duration, children: &mut tokio::signal::unix::Signal) {
        let own_pid = rustix::process::getpid().as_raw_pid();
        let mut kill_at = Instant::now() + grace;
        let mut asked = BTreeSet::new();
        let surviving = loop {
            self.reap().await;
            let alive = census::descent_of(own_pid);
            if alive.is_empty() {
                // The last ones may have ended since they were looked for.
                self.reap().await;
                if self.child_ended {
                    break 0;
                }
            }
            let now = Instant::now();
            if now >= kill_at + LAST_WAIT {
                break alive.len();
            }
            for process in &alive {
                if asked.insert((process.pid, process.start_time)) && now < kill_at {
                    process.signal(Signal::TERM);
                    // A stopped process would not hear it.
                    process.signal(Signal::CONT);
                }
            }
            let hard = now >= kill_at;
            if hard {
                self.kill_descent(own_pid, &mut asked);
            }
            if !cfg!(target_os = "linux") {
                self.signal_group(if hard { Signal::KILL } else { Signal::TERM });
            }
            tokio::select! {
                _ = children.recv() => {}
                () = sleep_until(Instant::now() + POLL) => {}
                order = self.orders.next(), if !self.orders.closed => match order {
                    Some(Order::End { grace_ms }) => kill_at = kill_at.min(now + Duration::from_millis(grace_ms)),
                    Some(Order::Signal(_)) | None => {}
                },
            }
        };
        let ended = asked.len() - usize::from(asked.iter().any(|(pid, _)| *pid == self.child));
        if let Some(group) = &self.group {
            group.remove();
        }
        if let (Some(file), 0) = (&start.identity, surviving) {
            let _ = std::fs::remove_file(file.to_os_string());
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.tell(&Notice::Gone {
            ended: count(ended),
            surviving: count(surviving),
        })
        .await;
    }

    /// Kills what is there. Everything is stopped first, so that nothing forks while the rest is being killed.
    fn kill_descent(&self, own_pid: i32, seen: &mut BTreeSet<(i32, u64)>) {
        if let Some(group) = &self.group {
            group.kill();
        }
        let mut stopped = BTreeSet::new();
        loop {
            let mut grew = false;
            for process in census::descent_of(own_pid) {
                if stopped.insert((process.pid, process.start_time)) {
                    grew |= process.signal(Signal::STOP);
                }
            }
            if !grew || stopped.len() > 100_000 {
                break;
            }
        }
        for process in census::descent_of(own_pid) {
            process.signal(Signal::KILL);
        }
        seen.extend(stopped);
    }

    /// Where no descent can be listed: at least the group that the first child leads.
    fn signal_group(&self, signal: Signal) {
        if let (Some(pid), false) = (Pid::from_raw(self.child), self.child_ended) {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    async fn tell(&mut self, notice: &Notice) {
        // A runner that is gone needs no notice.
        if let Ok(line) = wire::line(notice) {
            let _ = self.notices.write_all(&line).await;
        }
    }
}

fn how_it_ended(status: WaitStatus) -> Notice {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Notice::Exited { code },
        (None, Some(signal)) => Notice::Signaled { signal },
        (None, None) => Notice::Exited { code: -1 },
    }
}

/// What the runner asks for.
struct Orders {
    incoming: OwnedReadHalf,
    received: Vec<u8>,
    closed: bool,
}

impl Orders {
    /// The next order, or `None` when the runner has closed its end or is gone. May be dropped and called again.
    async fn next(&mut self) -> Option<Order> {
        loop {
            match wire::take_line(&mut self.received) {
                Some(Ok(order)) => return Some(order),
                Some(Err(_)) => continue,
                None => {}
            }
            if self.closed || !matches!(self.incoming.read_buf(&mut self.received).await, Ok(read) if read > 0) {
                self.closed = true;
                return None;
            }
        }
    }

    /// Waits until the runner wants an end. Signals are meaningless before the child is a program.
    async fn until_closed(&mut self) {
        while !matches!(self.next().await, None | Some(Order::End { .. })) {}
    }
}
