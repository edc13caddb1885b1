//! A live run's journal, read on while its runner writes it.

use std::io;

use jiff::Timestamp;
use ledger_core::{Digest, Event, JOURNAL_FORMAT, JournalError, MAX_LINE_BYTES, Record, Refusal, Run, RunId, TicketId};
use serde::Deserialize;

use crate::growing_file::GrowingFile;
use crate::run_files::RunFiles;
use crate::run_history::JOURNAL;
use crate::state::StateRoots;

/// Why a journal cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The file cannot be read.
    #[error("the journal of run {run} cannot be read: {source}")]
    Io {
        /// The run.
        run: RunId,
        /// What the system says.
        source: io::Error,
    },
    /// What was appended is no line of this journal.
    #[error("the journal of run {run}: {source}")]
    Damaged {
        /// The run.
        run: RunId,
        /// Where and how.
        source: JournalError,
    },
    /// A step may not follow.
    #[error("the journal of run {run} holds a step that may not follow: {source}")]
    Replay {
        /// The run.
        run: RunId,
        /// Which one.
        source: Refusal,
    },
    /// The journal is that of another run.
    #[error("the journal in the folder of run {run} is that of another run")]
    Foreign {
        /// The run whose folder it lies in.
        run: RunId,
    },
}

/// Follows the journal of a run: each line is checked against the one before it and given once.
///
/// Costs what was appended since the last look, however long the journal is.
#[derive(Debug)]
pub struct JournalFollower {
    ticket: TicketId,
    id: RunId,
    files: RunFiles,
    file: Option<GrowingFile>,
    run: Option<Run>,
    next: u64,
    sum: Digest,
}

/// A line as it is written. [`ledger_core::Journal`] reads whole journals only; this reads one line after another, by the
/// same rules.
#[derive(Deserialize)]
struct Line {
    seq: u64,
    at: Timestamp,
    prev: Digest,
    event: Event,
    sum: Digest,
}

enum Stopped {
    Io(io::Error),
    Line(JournalError),
    Replay(Refusal),
    Foreign,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl JournalFollower {
    /// Follows the journal of this run from its beginning. `None` where the run has no live folder. The journal itself need
    /// not be there yet.
    pub fn open(roots: &StateRoots, ticket: &TicketId, run: &RunId) -> Result<Option<Self>, FollowError> {
        let files = RunFiles::open(roots, ticket, run).map_err(|source| FollowError::Io {
            run: run.clone(),
            source,
        })?;
        let head = ledger_core::Head::default();
        Ok(files.map(|files| Self {
            ticket: ticket.clone(),
            id: run.clone(),
            files,
            file: None,
            run: None,
            next: head.next,
            sum: head.sum,
        }))
    }

    /// The run as far as it was read; none before its first line.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Calls with each record that was appended since the last call.
    ///
    /// # Errors
    /// What is no next line of this journal ends following: the records before it were given.
    pub fn read_on(&mut self, mut each: impl FnMut(&Record)) -> Result<(), FollowError> {
        let stopped = self.try_read_on(&mut each);
        stopped.map_err(|stopped| {
            let run = self.id.clone();
            match stopped {
                Stopped::Io(source) => FollowError::Io { run, source },
                Stopped::Line(source) => FollowError::Damaged { run, source },
                Stopped::Replay(source) => FollowError::Replay { run, source },
                Stopped::Foreign => FollowError::Foreign { run },
            }
        })
    }

    fn try_read_on(&mut self, each: &mut dyn FnMut(&Record)) -> Result<(), Stopped> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => match self.files.file(JOURNAL)? {
                Some(file) => GrowingFile::new(file, MAX_LINE_BYTES),
                None => return Ok(()),
            },
        };
        let result = file.read_on(|line| {
            let record = self.check(line)?;
            each(&record);
            Ok(())
        });
        self.file = Some(file);
        result
    }

    fn check(&mut self, bytes: &[u8]) -> Result<Record, Stopped> {
        let number = usize::try_from(self.next).unwrap_or(usize::MAX).saturating_add(1);
        let line = parse(bytes, number).map_err(Stopped::Line)?;
        let chain = |reason| Stopped::Line(JournalError::Chain { line: number, reason });
        if line.seq != self.next {
            return Err(chain("its number is not the next one"));
        }
        if line.prev != self.sum {
            return Err(chain("it names another sum than that line has"));
        }
        let record = Record {
            seq: line.seq,
            at: line.at,
            event: line.event,
            sum: line.sum,
        };
        match &mut self.run {
            Some(run) => run.apply(record.at, &record.event).map_err(Stopped::Replay)?,
            None => {
                let run = Run::open(record.at, &record.event).map_err(Stopped::Replay)?;
                // The journal of a run that delivers begins with that of the run that it delivers.
                if run.opened().ticket != self.ticket || run.opened().run > self.id {
                    return Err(Stopped::Foreign);
                }
                self.run = Some(run);
            }
        }
        self.next += 1;
        self.sum = record.sum;
        Ok(record)
    }
}

fn parse(bytes: &[u8], number: usize) -> Result<Line, JournalError> {
    let at = bytes
        .windows(SUM_KEY.len())
        .rposition(|window| window == SUM_KEY)
        .ok_or(JournalError::Sum { line: number })?;
    let expected = format!("{}{}\"}}", String::from_utf8_lossy(SUM_KEY), Digest::of(&bytes[..at]));
    if bytes[at..] != *expected.as_bytes() {
        return Err(JournalError::Sum { line: number });
    }
    let line: Line = serde_json::from_slice(bytes).map_err(|error| unreadable(bytes, number, &error))?;
    if let Event::Opened(opened) = &line.event
        && opened.format > JOURNAL_FORMAT
    {
        let reason = format!(
            "it has format {}, and this foil reads up to {JOURNAL_FORMAT}",
            opened.format
        );
        return Err(JournalError::Newer { line: number, reason });
    }
    Ok(line)
}

const SUM_KEY: &[u8] = b",\"sum\":\"";

/// Tells an event that a newer version wrote from one that is merely wrong.
fn unreadable(bytes: &[u8], line: usize, error: &serde_json::Error) -> JournalError {
    let kind = serde_json::from_slice::<serde_json::Value>(bytes)
        .ok()
        .and_then(|value| value.pointer("/event/kind")?.as_str().map(str::to_owned));
    let newer = kind.is_some_and(|kind| !Event::KINDS.contains(&kind.as_str()));
    let reason = error.to_string();
    if newer || reason.starts_with("unknown variant") {
        JournalError::Newer { line, reason }
    } else {
        JournalError::Shape { line, reason }
    }
}
