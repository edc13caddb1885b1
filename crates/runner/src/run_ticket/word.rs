//! A person's word on a result that waits to be delivered.

use git_delivery::RepositoryError;
use jiff::Timestamp;
use ledger_core::{Event, Finding, RunId, Severity, State, TicketId, TreeId};

use super::{Earlier, EarlierRun, RunError, earlier_runs};
use crate::drive::DriveError;
use crate::journal_file::JournalSink as _;
use crate::lock::{LockHolder, TicketLock};
use crate::run_history::{HistoryError, read_run};
use crate::workspace::Workspace;

/// The most bytes of a reason.
const MAX_REASON_BYTES: usize = 16 * 1024;

/// What a person says of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonsWord {
    /// It may be delivered, exactly as it is.
    Accepted,
    /// It has to be repaired.
    Rejected {
        /// What is wrong, which the worker is told.
        because: String,
    },
}

/// A word that was given. The next runner acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenWord {
    /// The run.
    pub run: RunId,
    /// The tree that it is about.
    pub tree: TreeId,
    /// Who gave it, as Git knows the person.
    pub by: String,
}

/// A word cannot be given. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// The result is delivered already.
    #[error("`{ticket}` is done, and its result is delivered")]
    Done {
        /// The ticket.
        ticket: TicketId,
    },
    /// There is no result that waits for a person.
    #[error("no result of `{ticket}` waits for a person's word")]
    NotWaiting {
        /// The ticket.
        ticket: TicketId,
    },
    /// A person has rejected the result, and it is not repaired yet.
    #[error("the result of `{ticket}` was rejected, and is not repaired yet")]
    Rejected {
        /// The ticket.
        ticket: TicketId,
    },
    /// The worker would be told nothing, or too much.
    #[error("a rejection says in 1 to {MAX_REASON_BYTES} bytes what is wrong")]
    Reason,
    /// The runs of the ticket cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Git knows no name for the person.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Another process has the ticket, or its journal cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The word cannot be recorded.
    #[error(transparent)]
    Record(#[from] DriveError),
}

/// Records what a person says of the result of a ticket's run that waits for it. Nothing else happens: whoever runs the ticket next
/// delivers what was accepted, or has repaired what was rejected. An accepted tree is accepted as it is, and no other in its place.
pub fn give_word(
    workspace: &Workspace,
    ticket: &TicketId,
    word: &PersonsWord,
    now: Timestamp,
) -> Result<GivenWord, WordError> {
    if let PersonsWord::Rejected { because } = word
        && (because.trim().is_empty() || because.len() > MAX_REASON_BYTES)
    {
        return Err(WordError::Reason);
    }
    let not_waiting = || -> Result<WordError, HistoryError> {
        let read = read_run(workspace.repository(), workspace.roots(), ticket, None)?;
        let ticket = ticket.clone();
        Ok(match read.run.state() {
            State::Done => WordError::Done { ticket },
            _ => WordError::NotWaiting { ticket },
        })
    };
    if !workspace.roots().ticket_runs(ticket).is_dir() {
        return Err(not_waiting()?);
    }
    let _lock = lock_for_upkeep(workspace, ticket, now)?;
    let Earlier { unfinished, .. } = earlier_runs(workspace, ticket)?;
    let waiting = unfinished.and_then(|earlier| earlier.run.waits_for_word().map(|tree| (earlier, tree)));
    let Some((mut earlier, tree)) = waiting else {
        return Err(not_waiting()?);
    };
    if *word == PersonsWord::Accepted && earlier.run.is_rejected() {
        let ticket = ticket.clone();
        return Err(WordError::Rejected { ticket });
    }
    let by = person(workspace)?;
    let event = match word {
        PersonsWord::Accepted => Event::Accepted {
            by: by.clone(),
            tree: Some(tree),
        },
        PersonsWord::Rejected { because } => Event::Rejected {
            by: by.clone(),
            findings: vec![finding(because)],
        },
    };
    let mut nobody = |_: &_, _: &_| ();
    let EarlierRun { run, .. } = &earlier;
    let run = run.opened().run.clone();
    let driver = &mut earlier.driver(&mut nobody);
    driver.record(now, &event)?;
    driver.journal.sync().map_err(DriveError::from)?;
    Ok(GivenWord { run, tree, by })
}

/// Who speaks, as Git knows the person.
pub(super) fn person(workspace: &Workspace) -> Result<String, RepositoryError> {
    let author = workspace.repository().identity()?.author;
    Ok(format!("{} <{}>", author.name, author.email))
}

/// The lock of a ticket for somebody who only writes something down.
pub(super) fn lock_for_upkeep(
    workspace: &Workspace,
    ticket: &TicketId,
    now: Timestamp,
) -> Result<TicketLock, RunError> {
    let locks = workspace.roots().locks();
    let io = |source| RunError::Io {
        path: locks.clone(),
        source,
    };
    let holder = LockHolder::current(now).map_err(io)?.for_upkeep();
    Ok(TicketLock::acquire(&locks, ticket, &holder)?)
}

fn finding(because: &str) -> Finding {
    Finding {
        severity: Severity::High,
        place: "the change as a whole".to_owned(),
        expected: "a change that the person who asked for it accepts".to_owned(),
        actual: because.trim().to_owned(),
        required_repair: because.trim().to_owned(),
    }
}
