//! Keeping an ended run in Git for good.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use git_delivery::{CommitTime, Expected, RefError, Repository};
use ledger_core::{
    BlockerCode, CommitId, Digest, EvidenceIndex, Observation, Record, RefName, RepoPath, Run, State, Statement,
    TicketId, verify_chain,
};

use super::delivery::trailers;
use super::{Engine, Failed};
use crate::journal_records::{JournalRecords, ReplayError};
use crate::run_history::JOURNAL;

/// The most bytes of check output that are stored with a run.
const MAX_ARTIFACT_BYTES: u64 = 16 * 1024 * 1024;

impl Engine {
    pub(super) fn store_run(&mut self, seq: u64, name: &RefName, journal: Digest, run: &Run) {
        let folder = self.plan.folders.run.clone();
        let (repository, run, name) = (Arc::clone(&self.repository), run.clone(), name.clone());
        self.blocking(seq, move || {
            let commit = store(&folder, &repository, &name, journal, &run)?;
            Ok(Observation::RunStored { commit })
        });
    }
}

/// The ref under which a finished run's receipt can be found without reading anything.
fn receipt_ref(ticket: &TicketId) -> Result<RefName, Failed> {
    format!("refs/counterfoil/receipts/{ticket}")
        .parse()
        .map_err(|error| unstored(&error))
}

fn unstored(error: &(dyn std::error::Error + 'static)) -> Failed {
    let Failed { code, reason } = Failed::of(error);
    Failed::new(code, format!("the run could not be stored in Git: {reason}"))
}

/// Held while a run is stored: its whole journal is in memory then, and many runs may end at the same time.
static STORING: Mutex<()> = Mutex::new(());

/// Stores an ended run, whose live folder this is, up to the line of its journal with this sum.
pub(super) fn store(
    folder: &Path,
    repository: &Repository,
    name: &RefName,
    journal: Digest,
    run: &Run,
) -> Result<CommitId, Failed> {
    let _one = STORING.lock().unwrap_or_else(PoisonError::into_inner);
    let earlier = repository
        .resolve(name)
        .map_err(|error| unstored(&error))?
        .map(CommitId);
    let mut files = BTreeMap::new();
    let mut add = |path: &str, bytes: Vec<u8>| -> Result<(), Failed> {
        files.insert(path.parse::<RepoPath>().map_err(|error| unstored(&error))?, bytes);
        Ok(())
    };
    add("journal.jsonl", journal_up_to(folder, journal)?)?;
    if let (State::Done, Some(receipt)) = (run.state(), run.receipt()) {
        add("receipt.json", receipt.to_bytes())?;
        add("statement.json", Statement::of(receipt).to_bytes())?;
    }
    if let Some(evidence) = EvidenceIndex::of(run) {
        let mut left = MAX_ARTIFACT_BYTES;
        for check in &evidence.checks {
            let output = std::fs::read(folder.join("checks").join(check.output.digest.hex()));
            if let Ok(bytes) = output
                && bytes.len() as u64 <= left
                && Digest::of(&bytes) == check.output.digest
            {
                left -= bytes.len() as u64;
                add(&format!("outputs/{}", check.output.digest.hex()), bytes)?;
            }
        }
        add("evidence.json", evidence.to_bytes())?;
    }
    let outcome = match run.state() {
        State::Done => "done",
        State::Canceled { .. } => "canceled",
        _ => "blocked",
    };
    let opened = run.opened();
    let (ticket, id) = (&opened.ticket, &opened.run);
    let message = format!("{ticket}: run {id}, {outcome}\n\n{}", trailers(ticket, id, journal));
    let when = CommitTime {
        seconds: run.last_at().as_second(),
        offset_minutes: 0,
    };
    let parents: Vec<_> = earlier.into_iter().collect();
    let commit = repository
        .store_files(&files, &message, &parents, when)
        .map_err(|error| unstored(&error))?;
    let expected = earlier.map_or(Expected::Missing, |earlier| Expected::Is(earlier.0));
    repository
        .update_ref(name, commit.0, expected, "foil: store run")
        .map_err(|error| unstored(&error))?;
    if *run.state() == State::Done {
        point_receipt_at(repository, &receipt_ref(ticket)?, commit)?;
    }
    Ok(commit)
}

/// The receipt of a ticket is that of its latest finished run.
fn point_receipt_at(repository: &Repository, name: &RefName, commit: CommitId) -> Result<(), Failed> {
    let earlier = repository.resolve(name).map_err(|error| unstored(&error))?;
    if earlier == Some(commit.0) {
        return Ok(());
    }
    let expected = earlier.map_or(Expected::Missing, Expected::Is);
    match repository.update_ref(name, commit.0, expected, "foil: receipt") {
        Ok(()) | Err(RefError::Refused { .. }) => Ok(()),
        Err(error) => Err(unstored(&error)),
    }
}

/// The journal's bytes up to the line with this sum, as they are on the disk. Where somebody else has written there, they are
/// no longer what the run rests on.
fn journal_up_to(folder: &Path, head: Digest) -> Result<Vec<u8>, Failed> {
    let mut bytes = std::fs::read(folder.join(JOURNAL)).map_err(|error| unread(&error))?;
    let mark = format!(",\"sum\":\"{head}\"}}\n");
    let at = bytes
        .windows(mark.len())
        .rposition(|window| window == mark.as_bytes())
        .ok_or_else(|| changed(&"its last line is missing"))?;
    bytes.truncate(at + mark.len());
    verify_chain(&bytes).map_err(|error| changed(&error))?;
    Ok(bytes)
}

/// Hands over the records of a journal up to the line with this sum, under the same condition.
pub(super) fn each_record_up_to(folder: &Path, head: Digest, mut visit: impl FnMut(&Record)) -> Result<(), Failed> {
    let records = JournalRecords::open(&folder.join(JOURNAL)).map_err(|error| unread(&error))?;
    for record in records {
        let record = record.map_err(|error| match error {
            ReplayError::Io(error) => unread(&error),
            error => changed(&error),
        })?;
        visit(&record);
        if record.sum == head {
            return Ok(());
        }
    }
    Err(changed(&"its last line is missing"))
}

fn changed(what: &dyn std::fmt::Display) -> Failed {
    let reason = format!("the journal of the run is not as this runner wrote it: {what}");
    Failed::new(BlockerCode::NeedsPerson, reason)
}

fn unread(error: &std::io::Error) -> Failed {
    match error.kind() {
        std::io::ErrorKind::NotFound => changed(&"it is gone"),
        _ => unstored(error),
    }
}

/// What is to be seen of a run that was to be stored when its runner died.
pub(super) fn look_for_stored(
    repository: &Repository,
    ticket: &TicketId,
    name: &RefName,
    journal: Digest,
) -> Option<CommitId> {
    let commit = CommitId(repository.resolve(name).ok()??);
    let message = repository.commit_message(commit).ok()?;
    let trailer = format!("Counterfoil-Journal: {journal}");
    if !message.lines().any(|line| line == trailer) {
        return None;
    }
    let done = message.lines().next().is_some_and(|line| line.ends_with(", done"));
    if done {
        // The run's own ref moved; the receipt's may not have.
        point_receipt_at(repository, &receipt_ref(ticket).ok()?, commit).ok()?;
    }
    Some(commit)
}
