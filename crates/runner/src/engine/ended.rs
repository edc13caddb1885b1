//! Runs that do not climb any more: what they were started from changed, or they only wait to be kept in Git. No agent, no
//! place and no gate has a part in it.

use std::path::Path;

use git_delivery::Repository;
use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, Effect, Event, Observation, Phase, RefName, Run};

use super::Failed;
use super::delivery::see_ref;
use super::storage::{look_for_stored, store};
use crate::drive::{DriveError, Driver};
use crate::journal_file::JournalSink;

/// Whether the run's branch has its commits, so that nothing is left but to say so.
pub(crate) fn has_delivered(run: &Run, repository: &Repository) -> bool {
    if run.opened().target.is_some() {
        // What became of a push that was tried is asked before anything else.
        return run.holds_delivery() || run.totals().pushes > 0 && run.phase() >= Some(Phase::Committed);
    }
    if run.phase() >= Some(Phase::Committed) || run.moved().is_some_and(|moved| moved.contains_new) {
        return true;
    }
    match run.pending().map(|pending| &pending.effect) {
        Some(Effect::UpdateRef { name, new, .. }) => matches!(
            see_ref(repository, name, *new),
            Ok(Observation::RefSeen { contains_new: true, .. })
        ),
        _ => false,
    }
}

/// Ends a run that was started from other sources than those that are approved now: a new run begins from these. Its places
/// stay as they are.
pub(crate) fn end_for_changed_sources<J: JournalSink>(
    driver: &mut Driver<'_, J>,
    repository: &Repository,
) -> Result<(), DriveError> {
    look_back(driver, repository)?;
    let reason = "ticket or policy were changed and approved after the run was started: a new run begins";
    driver.record(
        Timestamp::now(),
        &Event::Blocked(Blocker::new(BlockerCode::SourceLockMismatch, reason)),
    )?;
    Ok(driver.journal.sync()?)
}

/// Keeps an ended run, whose live folder this is, in Git, where it is not kept yet. Where that fails the journal says why, and
/// the next runner tries again.
pub(crate) fn store_ended<J: JournalSink>(
    driver: &mut Driver<'_, J>,
    repository: &Repository,
    folder: &Path,
) -> Result<(), DriveError> {
    look_back(driver, repository)?;
    keep_ended(driver, repository, folder)
}

/// The same for a run that has just ended.
pub(crate) fn keep_ended<J: JournalSink>(
    driver: &mut Driver<'_, J>,
    repository: &Repository,
    folder: &Path,
) -> Result<(), DriveError> {
    let opened = driver.run.opened();
    let name = format!("refs/counterfoil/runs/{}/{}", opened.ticket, opened.run).parse();
    if let (None, Ok(name)) = (driver.run.stored(), name) {
        let (seq, journal) = (driver.run.next_seq(), driver.journal.head().sum);
        let intent = Event::Intended(Effect::StoreRun {
            name: RefName::clone(&name),
            journal,
        });
        driver.record(Timestamp::now(), &intent)?;
        driver.journal.sync()?;
        let observation = match store(folder, repository, &name, journal, driver.run) {
            Ok(commit) => Observation::RunStored { commit },
            Err(failed) => Failed::observation(failed),
        };
        driver.record(Timestamp::now(), &Event::Observed { of: seq, observation })?;
    }
    Ok(driver.journal.sync()?)
}

/// Takes the run up, and records what came of an effect that a dead runner left under way.
fn look_back<J: JournalSink>(driver: &mut Driver<'_, J>, repository: &Repository) -> Result<(), DriveError> {
    let left_under_way = driver.run.pending().cloned();
    driver.resume(Timestamp::now())?;
    let Some(pending) = left_under_way else {
        return Ok(());
    };
    let stored = match &pending.effect {
        Effect::StoreRun { name, journal } => look_for_stored(repository, &driver.run.opened().ticket, name, *journal),
        _ => None,
    };
    let seen = stored.map(|commit| Event::Observed {
        of: pending.seq,
        observation: Observation::RunStored { commit },
    });
    driver.see(Timestamp::now(), &pending, seen.into_iter().collect())
}
