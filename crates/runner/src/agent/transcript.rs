//! The raw log of turns, `agent.jsonl`: every line from and to the agent, and how each turn ended. It outlives a crash
//! of the runner, so that a turn that was complete is not taken again.
//!
//! One JSON object a line. Only the runner writes it; what it quotes is the agent's.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use ledger_core::{Activity, AgentKind, ThreadId};
use serde::{Deserialize, Serialize};

use super::child::MAX_LINE_BYTES;
use super::codex_app_server::watch::TurnWatch;
use super::codex_exec::watch::ExecWatch;
use super::text::Redaction;
use super::{Access, Role, TurnEnd, TurnRequest};

/// After this many bytes of one turn, long lines are recorded by their beginning only.
const FULL_LINES_BYTES: u64 = 256 * 1024 * 1024;

/// How much of a long line is recorded then.
const CUT_LINE_BYTES: usize = 64 * 1024;

/// After this many bytes of one turn, what the agent writes is recorded no more: nobody reads it, and the disk is not the agent's. How the turn
/// ended still is.
const MOST_BYTES: u64 = 2 * FULL_LINES_BYTES;

/// The longest line of the log that is read: JSON may double an agent's line and more.
pub(crate) const MAX_RECORD_BYTES: u64 = 8 * MAX_LINE_BYTES as u64;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptRecord {
    /// When it was written.
    pub at: Timestamp,
    /// The label of the turn that it belongs to.
    pub turn: String,
    /// What happened.
    #[serde(flatten)]
    pub entry: TranscriptEntry,
}

/// What a line of the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum TranscriptEntry {
    /// The turn began.
    Began {
        /// Who takes it.
        agent: AgentKind,
        /// What it may do.
        access: Access,
        /// As what it is asked; logs of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    /// The turn's conversation is known.
    Thread {
        /// The conversation.
        thread: ThreadId,
    },
    /// A line that was sent to the agent.
    Sent {
        /// The line.
        line: String,
    },
    /// A line that the agent wrote.
    Received {
        /// The line.
        line: String,
        /// Whether only its beginning was kept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut: bool,
    },
    /// The end of what the agent wrote to standard error.
    LastWords {
        /// The text.
        text: String,
    },
    /// The turn ended.
    Ended {
        /// In which way.
        end: TurnEnd,
    },
}

/// Writes the log of one turn.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
    turn: String,
    written: u64,
    /// Whether lines are left out by now.
    is_full: bool,
}

impl Transcript {
    /// Opens the log at its end and records that the turn began.
    pub(super) fn begin(request: &TurnRequest, agent: AgentKind) -> io::Result<Self> {
        let log = &request.log;
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(log)?;
        // A line that a crash tore must not swallow the next one.
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        let mut transcript = Self {
            file,
            turn: request.label.clone(),
            written: 0,
            is_full: false,
        };
        transcript.append(TranscriptEntry::Began {
            agent,
            access: request.access,
            role: Some(request.role),
        })?;
        Ok(transcript)
    }

    pub(super) fn sent(&mut self, line: &str) -> io::Result<()> {
        self.append(TranscriptEntry::Sent { line: line.to_owned() })
    }

    pub(super) fn received(&mut self, line: &str) -> io::Result<()> {
        if self.is_full {
            return Ok(());
        }
        if self.written > MOST_BYTES {
            self.is_full = true;
            let line = String::new();
            return self.append(TranscriptEntry::Received { line, cut: true });
        }
        let cut = self.written > FULL_LINES_BYTES && line.len() > CUT_LINE_BYTES;
        let kept = if cut {
            String::from_utf8_lossy(&line.as_bytes()[..CUT_LINE_BYTES]).into_owned()
        } else {
            line.to_owned()
        };
        self.append(TranscriptEntry::Received { line: kept, cut })
    }

    pub(super) fn thread(&mut self, thread: &ThreadId) -> io::Result<()> {
        self.append(TranscriptEntry::Thread { thread: thread.clone() })
    }

    pub(super) fn last_words(&mut self, text: String) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.append(TranscriptEntry::LastWords { text })
    }

    /// Records the end and brings the log to the disk: what follows relies on it.
    pub(super) fn ended(&mut self, end: &TurnEnd) -> io::Result<()> {
        self.append(TranscriptEntry::Ended { end: end.clone() })?;
        self.file.sync_data()
    }

    fn append(&mut self, entry: TranscriptEntry) -> io::Result<()> {
        let record = TranscriptRecord {
            at: Timestamp::now(),
            turn: self.turn.clone(),
            entry,
        };
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.written = self.written.saturating_add(line.len() as u64);
        self.file.write_all(&line)
    }
}

/// Calls `each` with every record of the log, in order. Lines that are no records (torn by a crash) are passed over.
pub fn read_transcript(log: &Path, mut each: impl FnMut(TranscriptRecord)) -> io::Result<()> {
    let mut reader = match File::open(log) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(MAX_RECORD_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Ok(record) = serde_json::from_slice(&line) {
            each(record);
        }
    }
}

/// Whether and how the turn with this label had ended, from what its log holds, also where the runner died before it
/// noticed. `None` where the turn never began or was cut off.
pub fn recover_turn(log: &Path, turn: &str) -> io::Result<Option<TurnEnd>> {
    recover_turn_seeing(log, turn, &Redaction::default(), |_| {})
}

/// The same; `see` is shown what the agent did, in the words of this redaction.
pub(crate) fn recover_turn_seeing(
    log: &Path,
    turn: &str,
    redaction: &Redaction,
    mut see: impl FnMut(Activity),
) -> io::Result<Option<TurnEnd>> {
    let mut recovery = Recovery::NotBegun;
    read_transcript(log, |record| {
        if record.turn == turn {
            recovery.absorb(record.entry, redaction).into_iter().for_each(&mut see);
        }
    })?;
    Ok(recovery.end())
}

/// What is known of a turn while its log is read.
enum Recovery {
    NotBegun,
    Unknown,
    AppServer(Box<TurnWatch>),
    Exec(Box<ExecWatch>),
    Ended(TurnEnd),
}

impl Recovery {
    fn absorb(&mut self, entry: TranscriptEntry, redaction: &Redaction) -> Vec<Activity> {
        match (&mut *self, entry) {
            (_, TranscriptEntry::Ended { end }) => *self = Self::Ended(end),
            (_, TranscriptEntry::Began { agent, .. }) => {
                *self = match agent {
                    AgentKind::Codex => Self::AppServer(Box::new(TurnWatch::new(redaction.clone()))),
                    AgentKind::CodexExec => Self::Exec(Box::new(ExecWatch::new(redaction.clone()))),
                    AgentKind::Scripted | AgentKind::External => Self::Unknown,
                }
            }
            (Self::AppServer(watch), TranscriptEntry::Thread { thread }) => watch.main_thread_is(&thread),
            (Self::AppServer(watch), TranscriptEntry::Received { line, .. }) => {
                return watch.line(&line);
            }
            (Self::Exec(watch), TranscriptEntry::Received { line, .. }) => return watch.line(&line),
            _ => {}
        }
        Vec::new()
    }

    fn end(self) -> Option<TurnEnd> {
        match self {
            Self::Ended(end) => Some(end),
            Self::AppServer(watch) => watch.end(),
            Self::Exec(watch) => watch.end(),
            Self::NotBegun | Self::Unknown => None,
        }
    }
}

/// The conversation's cumulative count of tokens that `codex exec` reported last, from the log of its turns.
pub(super) fn last_exec_usage(log: &Path, thread: &ThreadId) -> io::Result<Option<ledger_core::TokenCount>> {
    let mut found = None;
    let mut watch = ExecWatch::new(Redaction::default());
    read_transcript(log, |record| match record.entry {
        TranscriptEntry::Began { .. } => watch = ExecWatch::new(Redaction::default()),
        TranscriptEntry::Received { line, .. } => {
            watch.line(&line);
            if watch.thread().is_some_and(|current| current == thread) {
                found = watch.cumulative().or(found);
            }
        }
        _ => {}
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ledger_core::TokenCount;

    use super::*;
    use crate::agent::TurnOutcome;

    #[test]
    fn what_an_agent_writes_without_end_is_recorded_to_a_limit_and_then_only_how_the_turn_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("agent.jsonl");
        let mut transcript = Transcript {
            file: File::create(&log).unwrap(),
            turn: "one".to_owned(),
            written: MOST_BYTES,
            is_full: false,
        };
        for line in ["the last", "too much", "more", "and more"] {
            transcript.received(line).unwrap();
        }
        let end = TurnEnd {
            outcome: TurnOutcome::Interrupted,
            tokens: TokenCount::default(),
            thread: None,
        };
        transcript.ended(&end).unwrap();
        let mut entries = Vec::new();
        read_transcript(&log, |record| entries.push(record.entry)).unwrap();
        let received = |line: &str, cut| TranscriptEntry::Received {
            line: line.to_owned(),
            cut,
        };
        let expected = [
            received("the last", false),
            received("", true),
            TranscriptEntry::Ended { end: end.clone() },
        ];
        assert_eq!(entries, expected);
        assert_eq!(recover_turn(&log, "one").unwrap(), Some(end));
    }
}
