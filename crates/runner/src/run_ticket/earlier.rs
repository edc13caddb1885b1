//! What earlier runs of a ticket leave to do.

use jiff::Timestamp;
use ledger_core::{Record, Run, RunId, State, TicketId};
use policy::Outcome;

use super::RunError;
use crate::drive::Driver;
use crate::journal_file::{JournalFile, OpenedJournal};
use crate::journal_records::replay;
use crate::run_history::{Unwritten, unwritten};
use crate::verify::forgets_a_delivery;
use crate::workspace::Workspace;

/// A run with its journal.
pub(super) struct EarlierRun {
    pub(super) run: Run,
    pub(super) journal: JournalFile,
}

impl EarlierRun {
    pub(super) fn driver<'a>(&'a mut self, observe: &'a mut dyn FnMut(&Run, &Record)) -> Driver<'a, JournalFile> {
        Driver {
            run: &mut self.run,
            journal: &mut self.journal,
            observe,
        }
    }
}

/// What earlier runs of a ticket leave to do.
pub(super) struct Earlier {
    /// Runs before the latest that ended and are not kept in Git.
    pub(super) unstored: Vec<EarlierRun>,
    /// The latest, where it can go on or is not kept in Git.
    pub(super) unfinished: Option<EarlierRun>,
}

/// Reads the runs of a ticket. A journal in which nothing but torn bytes stands is of a run that never was.
pub(super) fn earlier_runs(workspace: &Workspace, ticket: &TicketId) -> Result<Earlier, RunError> {
    let roots = workspace.roots();
    let mut runs = roots.runs_of(ticket).map_err(|source| RunError::Io {
        path: roots.ticket_runs(ticket),
        source,
    })?;
    for id in &runs {
        let dropped = workspace.repository().drop_dead_locks(id);
        dropped.map_err(|source| RunError::Io {
            path: roots.run(ticket, id),
            source,
        })?;
    }
    let mut unfinished = None;
    while let Some(id) = runs.pop() {
        let path = roots.journal(ticket, &id);
        let OpenedJournal { file, records, .. } = match JournalFile::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.never_began() => {
                drop_unbegun(workspace, ticket, &id)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let run = Run::replay(&records).map_err(|source| RunError::Replay { run: id, source })?;
        if over(&run).is_none() || run.stored().is_none() {
            if forgets_a_delivery(workspace.repository(), &run.opened().run, &records)? {
                return Err(RunError::Rewound {
                    run: run.opened().run.clone(),
                });
            }
            unfinished = Some(EarlierRun { run, journal: file });
        }
        break;
    }
    let mut unstored = Vec::new();
    for id in runs {
        // Those before are history: one that is damaged stands in nobody's way, and `foil doctor` shows it.
        let path = roots.journal(ticket, &id);
        let known = replay(&path).is_ok_and(|run| over(&run).is_some() && run.stored().is_none());
        if known
            && let Ok(OpenedJournal { file, records, .. }) = JournalFile::open(&path)
            && let Ok(run) = Run::replay(&records)
        {
            unstored.push(EarlierRun { run, journal: file });
        }
    }
    Ok(Earlier { unstored, unfinished })
}

/// Removes what is left of a run whose runner died before it had begun: a journal without a whole line, what checks printed in the run that it
/// was to deliver, and what it was to keep of what was there before it. One whose journal was set aside is left alone.
fn drop_unbegun(workspace: &Workspace, ticket: &TicketId, run: &RunId) -> Result<(), RunError> {
    let repository = workspace.repository();
    let folder = workspace.roots().run(ticket, run);
    let io = |source| RunError::Io {
        path: folder.clone(),
        source,
    };
    match unwritten(repository, workspace.roots(), ticket, run).map_err(io)? {
        Unwritten::NeverBegan => {}
        Unwritten::SetAside => return Ok(()),
        Unwritten::Lost => return Err(RunError::JournalLost { run: run.clone() }),
    }
    let anchors = repository.anchors(run).map_err(RunError::Anchor)?;
    for anchor in &anchors {
        repository.release_anchor(run, &anchor.name).map_err(RunError::Anchor)?;
    }
    std::fs::remove_dir_all(&folder).map_err(io)
}

/// Whether nothing is gained by taking the run up now: it has asked a person, and everybody was told who is to be.
pub(super) fn still_waits(run: &Run) -> bool {
    run.stored().is_some() && run.pending().is_none() && policy::unanswered(run, Timestamp::now()).is_some()
}

/// How a run ended that never goes on.
pub(crate) fn over(run: &Run) -> Option<Outcome> {
    match run.state() {
        State::Blocked(blocker) if !blocker.resumable => Some(Outcome::Blocked(blocker.clone())),
        State::Canceled { .. } => Some(Outcome::Canceled),
        State::Done => Some(Outcome::Done),
        State::Blocked(_) | State::Climbing | State::Paused { .. } => None,
    }
}
