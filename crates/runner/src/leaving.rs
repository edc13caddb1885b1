//! Leaving single tickets: what `foil stop TICKET` asks of a runner that works on others too.
//!
//! A signal carries no name. So who asks puts a note beside the ticket's lock, for the process that holds it, and signals that
//! process then; one that is signalled and finds no note leaves everything.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ledger_core::{PauseCause, TicketId};
use tokio::sync::watch;

use crate::guard::ProcessIdentity;
use crate::lock::{LockHolder, open_lock, read_note};

/// How the names of notes end; a ticket's id in small letters is before it.
const STOP: &str = "stop";

/// Asks the holder of a ticket's lock to leave that ticket, once it is signalled.
pub(crate) fn ask_to_leave(locks: &Path, ticket: &TicketId, holder: &LockHolder) -> io::Result<()> {
    let mut file = open_lock(&note_file(locks, ticket))?;
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(holder)?)
}

/// Takes back what [`ask_to_leave`] asked for: nobody was there to hear it.
pub(crate) fn take_back(locks: &Path, ticket: &TicketId) {
    // A note that stays is for a process that is gone.
    let _ = fs::remove_file(note_file(locks, ticket));
}

fn note_file(locks: &Path, ticket: &TicketId) -> PathBuf {
    locks.join(format!("{}.{STOP}", ticket.folded()))
}

/// The tickets of this process that somebody asked to leave.
#[derive(Debug, Clone)]
pub struct LeaveRequests {
    locks: PathBuf,
    process: ProcessIdentity,
}

impl LeaveRequests {
    /// Those for this process, in this folder of locks (see [`crate::StateRoots::locks`]).
    pub fn for_this_process(locks: PathBuf) -> io::Result<Self> {
        let process = ProcessIdentity::current()?;
        Ok(Self { locks, process })
    }

    /// What was asked for since the last look. None where the folder cannot be read.
    pub fn take(&self) -> Vec<TicketId> {
        let Ok(entries) = fs::read_dir(&self.locks) else {
            return Vec::new();
        };
        let mut tickets = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != STOP) {
                continue;
            }
            let Some(note) = read_note(&path) else { continue };
            let is_own = note.process == self.process;
            if is_own || !note.process.is_alive() {
                let _ = fs::remove_file(&path);
            }
            let ticket = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
            tickets.extend(ticket.filter(|_| is_own));
        }
        tickets
    }
}

/// The tickets whose runs are to be left in good order, while those beside them go on.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    /// Their ids in small letters, by which they are locked.
    tickets: watch::Sender<BTreeSet<String>>,
}

impl Leaving {
    /// Has a ticket left that runs now. Where it is a child that its parent's run has begun, that is left too.
    pub fn leave(&self, ticket: &TicketId) {
        self.tickets.send_modify(|tickets| {
            tickets.insert(ticket.folded());
        });
    }

    /// Forgets what was asked of an earlier run of the ticket.
    pub(crate) fn begin(&self, ticket: &TicketId) {
        self.tickets
            .send_if_modified(|tickets| tickets.remove(&ticket.folded()));
    }

    /// What tells the run of a ticket to leave: what tells all, or that it alone is to be left. To be called in a runtime.
    pub fn stop_of(
        &self,
        ticket: &TicketId,
        mut all: watch::Receiver<Option<PauseCause>>,
    ) -> watch::Receiver<Option<PauseCause>> {
        let (sender, stop) = watch::channel(*all.borrow());
        let (mut tickets, ticket) = (self.tickets.subscribe(), ticket.folded());
        tokio::spawn(async move {
            let cause = tokio::select! {
                Ok(cause) = all.wait_for(Option::is_some) => *cause,
                Ok(_) = tickets.wait_for(|tickets| tickets.contains(&ticket)) => Some(PauseCause::Stop),
                () = sender.closed() => None,
                else => None,
            };
            if cause.is_some() {
                sender.send_replace(cause);
            }
            // Who asked may be gone before the run is.
            sender.closed().await;
        });
        stop
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn id(name: &str) -> TicketId {
        name.parse().unwrap()
    }

    #[test]
    fn a_request_is_found_once_and_only_by_the_process_that_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let own = LockHolder::current(Timestamp::UNIX_EPOCH).unwrap();
        let mut earlier = own.clone();
        earlier.process.start_time -= 1;
        ask_to_leave(folder.path(), &id("One"), &own).unwrap();
        ask_to_leave(folder.path(), &id("two"), &earlier).unwrap();
        fs::write(folder.path().join("three.stop"), "no note").unwrap();
        fs::write(folder.path().join("four.lock"), "").unwrap();
        let requests = LeaveRequests::for_this_process(folder.path().to_owned()).unwrap();
        assert_eq!(requests.take(), [id("one")]);
        assert_eq!(requests.take(), []);
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["four.lock", "three.stop"]);
    }

    #[tokio::test]
    async fn one_ticket_is_left_and_what_all_are_told_reaches_each() {
        let leaving = Leaving::default();
        let (all, told) = watch::channel(None);
        let mut one = leaving.stop_of(&id("one"), told.clone());
        let mut two = leaving.stop_of(&id("two"), told);
        leaving.leave(&id("ONE"));
        assert_eq!(*one.wait_for(Option::is_some).await.unwrap(), Some(PauseCause::Stop));
        assert_eq!(*two.borrow(), None);
        all.send_replace(Some(PauseCause::Terminate));
        let cause = *two.wait_for(Option::is_some).await.unwrap();
        assert_eq!(cause, Some(PauseCause::Terminate));
    }

    #[tokio::test]
    async fn what_an_earlier_run_was_asked_is_not_asked_of_the_next() {
        let leaving = Leaving::default();
        let (_all, told) = watch::channel(None);
        leaving.leave(&id("one"));
        leaving.begin(&id("one"));
        let mut one = leaving.stop_of(&id("one"), told);
        leaving.leave(&id("two"));
        tokio::task::yield_now().await;
        assert_eq!(*one.borrow(), None);
        leaving.leave(&id("one"));
        assert_eq!(*one.wait_for(Option::is_some).await.unwrap(), Some(PauseCause::Stop));
    }
}
