//! Opening a new run.

use git_delivery::Repository;
use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, Event, JOURNAL_FORMAT, Opened, Record, Run, RunId, TicketId, TicketLimits};
use policy::config::IndependentReview;

use super::{EarlierRun, RunError};
use crate::admit::{AdmitError, Candidacy};
use crate::drive::DriveError;
use crate::engine::RunFolders;
use crate::journal_file::{JournalFile, JournalSink};

/// Sortable by time, unique on this machine and elsewhere.
pub(super) fn new_run_id(ticket: &TicketId) -> Result<RunId, RunError> {
    uuid::Uuid::now_v7()
        .to_string()
        .parse()
        .map_err(|error: ledger_core::InvalidName| RunError::Refused {
            ticket: ticket.clone(),
            blocker: Blocker::new(BlockerCode::NeedsPerson, error.to_string()),
            is_delivered: false,
        })
}

/// Begins the journal of a new run. What it begins with is kept before the journal names it.
pub(super) fn open_run(
    repository: &Repository,
    folders: &RunFolders,
    opened: Opened,
    observe: &mut dyn FnMut(&Run, &Record),
) -> Result<EarlierRun, RunError> {
    if let Some(rescued) = &opened.rescued {
        repository.anchor(&opened.run, "rescued", rescued.tree.0)?;
    }
    let at = Timestamp::now();
    let event = Event::Opened(opened);
    let run = Run::open(at, &event).map_err(DriveError::from)?;
    let mut journal = JournalFile::create(&folders.run.join("journal.jsonl"))?;
    let record = journal.append(at, &event)?;
    observe(&run, &record);
    Ok(EarlierRun { run, journal })
}

/// The terms of a new run.
pub(super) fn opened(candidacy: &Candidacy, repository: &Repository, run: &RunId) -> Result<Opened, AdmitError> {
    let (policy, ticket) = (&candidacy.policy, &candidacy.ticket);
    let discipline = ticket.file.mode.discipline();
    let off = policy.review.independent == IndependentReview::Off;
    let mut experts = ticket.file.experts.clone();
    experts.sort();
    Ok(Opened {
        format: JOURNAL_FORMAT,
        foil: env!("CARGO_PKG_VERSION").to_owned(),
        ticket: ticket.id.clone(),
        run: run.clone(),
        repository: candidacy.repository.clone(),
        mode: ticket.file.mode,
        delivery: policy.delivery.mode,
        target: candidacy.target().cloned(),
        plan: discipline.plans && !candidacy.has_plan(),
        curate: discipline.curates && candidacy.has_memory(repository)?,
        review: !(off && discipline.review_may_be_off),
        experts,
        checks: candidacy.checks()?.iter().map(|check| check.name.clone()).collect(),
        max_rounds: discipline
            .goes_in_rounds
            .then(|| ticket.file.limits.max_rounds.unwrap_or(TicketLimits::DEFAULT_ROUNDS)),
        max_repair_rounds: policy.limits.max_repair_rounds,
        rescued: None,
    })
}
