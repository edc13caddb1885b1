//! Asking a live runner to leave: its journal and its places stay, and the next run of the ticket goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ledger_core::TicketId;
use rustix::process::Signal;
use serde::Serialize;

use crate::guard::ProcessIdentity;
use crate::leaving::{ask_to_leave, take_back};
use crate::lock::{LockHolder, LockPurpose, TicketLock, has_open, lock_file, runner_notes};

/// How often it is looked whether a runner is gone.
const POLL: Duration = Duration::from_millis(20);

/// What a runner is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To leave in good order, by SIGUSR1: a named ticket alone, else all that it works on.
    Leave,
    /// To begin no more tickets, and to leave when those under way have ended, by SIGUSR2.
    BeginNoMore,
}

impl Ask {
    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::Leave => Signal::USR1,
            Self::BeginNoMore => Signal::USR2,
        }
    }
}

/// A ticket that a process of this machine works on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTicket {
    /// The ticket, in the form in which its lock is named: small letters.
    pub ticket: TicketId,
    /// Who works on it.
    pub holder: LockHolder,
}

/// What came of asking a runner to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum StopOutcome {
    /// Nobody works on the ticket.
    NotRunning,
    /// The runner left.
    Left {
        /// The process that it was.
        pid: i32,
        /// How long that took, in milliseconds.
        after_ms: u64,
    },
    /// The runner was asked and is still there.
    StillThere {
        /// The process.
        pid: i32,
    },
}

/// A runner could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The process that the lock names does not have it open, so it is no runner of this ticket. It was left alone.
    #[error("process {pid}, which the lock of `{ticket}` names, does not hold it")]
    NotTheHolder {
        /// The ticket.
        ticket: TicketId,
        /// The process.
        pid: i32,
    },
    /// The system does not let this user signal it.
    #[error("process {pid}, which works on `{ticket}`, could not be asked to leave")]
    NotAsked {
        /// The ticket.
        ticket: TicketId,
        /// The process.
        pid: i32,
    },
    /// The locks cannot be read.
    #[error("the locks cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The tickets that runners of this machine hold in this folder of locks (see [`crate::StateRoots::locks`]), in the order
/// of their ids. Takes no lock.
pub fn running_tickets(locks: &Path) -> Result<Vec<RunningTicket>, StopError> {
    let entries = match fs::read_dir(locks) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut running = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let ticket = name
            .to_str()
            .and_then(|name| name.strip_suffix(".lock")?.parse::<TicketId>().ok());
        if let Some(ticket) = ticket
            && let Some(holder) = runner_of(locks, &ticket)
            && has_open(&holder.process, &lock_file(locks, &ticket))?
        {
            running.push(RunningTicket { ticket, holder });
        }
    }
    running.sort_by(|a, b| a.ticket.cmp(&b.ticket));
    Ok(running)
}

/// Asks the runner of a ticket for something, and waits until it has let go of the ticket, at most `patience`. Never kills: a runner
/// that is still there ends its turn or check, or its run, and leaves then.
///
/// The process is recognised by pid, start time and start of the machine together, and must have the lock open: a pid
/// that was reused is never signalled.
pub async fn stop_ticket(
    locks: &Path,
    ticket: &TicketId,
    ask: Ask,
    patience: Duration,
) -> Result<StopOutcome, StopError> {
    let Some(holder) = runner_of(locks, ticket) else {
        return Ok(StopOutcome::NotRunning);
    };
    if !has_open(&holder.process, &lock_file(locks, ticket))? {
        // It may have left between the two looks.
        return match TicketLock::holder(locks, ticket) {
            Some(now) if now == holder => Err(StopError::NotTheHolder {
                ticket: ticket.clone(),
                pid: holder.process.pid,
            }),
            _ => Ok(StopOutcome::NotRunning),
        };
    }
    if ask == Ask::Leave {
        ask_to_leave(locks, ticket, &holder)?;
    }
    let running = RunningTicket {
        ticket: ticket.clone(),
        holder,
    };
    let stopped = ask_all(locks, vec![running], Vec::new(), ask, patience).await;
    let is_there = |stopped: &StoppedRunners| {
        let mut outcomes = stopped.tickets.iter().map(|(_, outcome)| *outcome);
        outcomes.any(|outcome| matches!(outcome, StopOutcome::StillThere { .. }))
    };
    if !stopped.as_ref().is_ok_and(is_there) {
        take_back(locks, ticket);
    }
    let stopped = stopped?;
    Ok(stopped
        .tickets
        .into_iter()
        .next()
        .map_or(StopOutcome::NotRunning, |(_, outcome)| outcome))
}

/// What came of asking every runner of a clone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StoppedRunners {
    /// Each ticket that one worked on, in the order of their ids.
    pub tickets: Vec<(TicketId, StopOutcome)>,
    /// Each that worked on none, and waited for a ticket that it could run.
    pub waiting: Vec<StopOutcome>,
}

/// Asks every runner of this clone, each once, as [`stop_ticket`] does one; also those that only wait for a ticket that they could run.
pub async fn stop_all(locks: &Path, ask: Ask, patience: Duration) -> Result<StoppedRunners, StopError> {
    let running = running_tickets(locks)?;
    let mut waiting = Vec::new();
    for (path, note) in runner_notes(locks)? {
        if let Some(holder) = note
            && running.iter().all(|running| running.holder.process != holder.process)
            && has_open(&holder.process, &path)?
        {
            waiting.push((path, holder));
        }
    }
    ask_all(locks, running, waiting, ask, patience).await
}

async fn ask_all(
    locks: &Path,
    running: Vec<RunningTicket>,
    waiting: Vec<(PathBuf, LockHolder)>,
    ask: Ask,
    patience: Duration,
) -> Result<StoppedRunners, StopError> {
    let began = Instant::now();
    let mut asked: BTreeMap<i32, bool> = BTreeMap::new();
    let holders = running.iter().map(|running| &running.holder);
    for holder in holders.chain(waiting.iter().map(|(_, holder)| holder)) {
        let process = &holder.process;
        asked
            .entry(process.pid)
            .or_insert_with(|| process.seen().is_some_and(|process| process.signal(ask.signal())));
    }
    let outcome = |process: &ProcessIdentity, is_there: bool| {
        let (pid, after_ms) = (process.pid, began.elapsed().as_millis());
        match is_there {
            true => StopOutcome::StillThere { pid },
            false => StopOutcome::Left {
                pid,
                after_ms: u64::try_from(after_ms).unwrap_or(u64::MAX),
            },
        }
    };
    let (mut tickets, mut runners) = (vec![None; running.len()], vec![None; waiting.len()]);
    loop {
        let is_late = began.elapsed() >= patience;
        for (found, RunningTicket { ticket, holder }) in tickets.iter_mut().zip(&running) {
            let is_there = TicketLock::holder(locks, ticket).as_ref() == Some(holder);
            if is_there && asked.get(&holder.process.pid) == Some(&false) {
                return Err(StopError::NotAsked {
                    ticket: ticket.clone(),
                    pid: holder.process.pid,
                });
            }
            if found.is_none() && (!is_there || is_late) {
                *found = Some(outcome(&holder.process, is_there));
            }
        }
        for (found, (path, holder)) in runners.iter_mut().zip(&waiting) {
            let is_there = has_open(&holder.process, path)?;
            if found.is_none() && (!is_there || is_late) {
                *found = Some(outcome(&holder.process, is_there));
            }
        }
        if tickets.iter().chain(&runners).all(Option::is_some) {
            let ids = running.into_iter().map(|running| running.ticket);
            return Ok(StoppedRunners {
                tickets: ids.zip(tickets.into_iter().flatten()).collect(),
                waiting: runners.into_iter().flatten().collect(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Who runs a ticket now. Who only cleans up or repairs is no runner, and has nothing to leave in good order.
fn runner_of(locks: &Path, ticket: &TicketId) -> Option<LockHolder> {
    TicketLock::holder(locks, ticket).filter(|holder| holder.purpose == LockPurpose::Run)
}
