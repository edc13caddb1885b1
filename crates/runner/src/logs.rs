//! What the worker, the reviewer and the checks printed, as text for people: the worker's transcript and the kept outputs
//! of checks, in the order of time. All of it is hostile: cleaned, bounded and never believed.

mod agent_text;
mod check_text;

use std::collections::VecDeque;
use std::io;

use git_delivery::Repository;
use jiff::Timestamp;
use ledger_core::{CheckResult, CommitId, Event, Observation, Record, Run, RunId, TicketId};
use serde::Serialize;

use crate::agent::{MAX_RECORD_BYTES, TranscriptRecord};
use crate::growing_file::GrowingFile;
use crate::redact::Redactor;
use crate::run_files::RunFiles;
use crate::run_history::{HistoryError, known_runs, read_known};
use crate::state::StateRoots;
use crate::timeline::{FollowError, JournalFollower};
use agent_text::AgentText;

/// The name of the format of a log's lines.
pub const LOGS_SCHEMA: &str = "counterfoil.logs/1";

/// The transcript's name in a run's folder.
const TRANSCRIPT: &str = "agent.jsonl";

/// The most characters of a line.
const MAX_LINE: usize = 4000;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// [`LOGS_SCHEMA`].
    pub schema: &'static str,
    /// When it was recorded. The lines of one output have one time: that of its end.
    pub at: Timestamp,
    /// Where it comes from.
    pub source: LogSource,
    /// The label of the turn or the name of the check.
    pub name: String,
    /// What it is.
    pub kind: LogKind,
    /// The line, without control characters, at most 4000 characters.
    pub text: String,
}

/// Where a line of a log comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// A turn of the worker or of the reviewer.
    Agent,
    /// A check.
    Check,
    /// The runner, about the log itself.
    Runner,
}

/// What a line of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// A turn or a check begins or ends.
    Mark,
    /// A command that was started.
    Command,
    /// What a command or a check printed.
    Output,
    /// What the agent said.
    Said,
    /// What the agent thought, as far as it tells.
    Thought,
    /// An error or a warning.
    Problem,
    /// A raw line of the agent's protocol.
    Protocol,
}

/// What of a run's logs is wanted.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The turns of the worker and the reviewer.
    pub agent: bool,
    /// The outputs of checks.
    pub checks: bool,
    /// The agent's protocol line by line instead of what it means.
    pub raw: bool,
    /// Takes secrets that are known, and paths, out of every text.
    pub redactor: Redactor,
}

/// Why logs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The run cannot be found or read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The journal cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// A file of the run cannot be read.
    #[error("the logs of run {run} cannot be read: {source}")]
    Io {
        /// The run.
        run: RunId,
        /// What the system says.
        source: io::Error,
    },
}

/// The logs of one run, read on while they grow.
pub struct RunLogs<'a> {
    repository: &'a Repository,
    roots: StateRoots,
    ticket: TicketId,
    options: LogOptions,
    id: RunId,
    stored: Option<CommitId>,
    files: Option<RunFiles>,
    journal: JournalSource,
    transcript: Option<GrowingFile>,
    agent: AgentText,
}

impl std::fmt::Debug for RunLogs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunLogs").field("run", &self.id).finish_non_exhaustive()
    }
}

/// Where it is written which checks ran.
enum JournalSource {
    Live(Box<JournalFollower>),
    Stored(Vec<Record>, Box<Run>),
    /// It was damaged, which was told once.
    Given,
}

/// Checks whose end was read in the journal and not shown yet.
struct EndedChecks {
    at: Timestamp,
    results: Vec<CheckResult>,
}

impl<'a> RunLogs<'a> {
    /// Opens the logs of the latest run of a ticket, or of the one that is wanted.
    pub fn open(
        repository: &'a Repository,
        roots: &StateRoots,
        ticket: &TicketId,
        wanted: Option<&RunId>,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        let mut runs = known_runs(repository, roots, ticket)?;
        let known = match wanted {
            None => runs
                .pop()
                .ok_or_else(|| HistoryError::NoRun { ticket: ticket.clone() })?,
            Some(wanted) => {
                runs.into_iter()
                    .find(|known| known.run == *wanted)
                    .ok_or_else(|| HistoryError::UnknownRun {
                        ticket: ticket.clone(),
                        run: wanted.clone(),
                    })?
            }
        };
        let (id, stored) = (known.run.clone(), known.stored);
        let files = RunFiles::open(roots, ticket, &id).map_err(|source| LogError::Io {
            run: id.clone(),
            source,
        })?;
        let journal = match JournalFollower::open(roots, ticket, &id)? {
            Some(follower) => JournalSource::Live(Box::new(follower)),
            None => match read_known(repository, roots, ticket, known)? {
                Some(read) => JournalSource::Stored(read.journal.records, Box::new(read.run)),
                None => return Err(HistoryError::NoRun { ticket: ticket.clone() }.into()),
            },
        };
        Ok(Self {
            repository,
            roots: roots.clone(),
            ticket: ticket.clone(),
            agent: AgentText::new(options.raw),
            options,
            id,
            stored,
            files,
            journal,
            transcript: None,
        })
    }

    /// The run as far as its journal was read.
    pub fn run(&self) -> Option<&Run> {
        match &self.journal {
            JournalSource::Live(follower) => follower.run(),
            JournalSource::Stored(_, run) => Some(run),
            JournalSource::Given => None,
        }
    }

    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// A run of the same ticket that began later, where one did. Of several the first.
    pub fn later_run(&self) -> Result<Option<RunId>, LogError> {
        let runs = self.roots.runs_of(&self.ticket).map_err(|source| self.io(source))?;
        Ok(runs.into_iter().find(|run| *run > self.id))
    }

    /// Whether the turns can be shown: a run of which only Git knows has none.
    pub fn has_transcript(&self) -> bool {
        self.files.is_some()
    }

    /// Calls with each line that came since the last call, in the order of time.
    pub fn read_on(&mut self, mut each: impl FnMut(LogLine)) -> Result<(), LogError> {
        let mut ended = self.ended_checks(&mut each);
        let transcript = match self.transcript.take() {
            Some(transcript) => Some(transcript),
            None => self.open_transcript()?,
        };
        if let Some(mut transcript) = transcript {
            let result = transcript.read_on(|line| {
                if let Ok(record) = serde_json::from_slice::<TranscriptRecord>(line) {
                    while ended.front().is_some_and(|checks| checks.at <= record.at) {
                        if let Some(checks) = ended.pop_front() {
                            self.show_checks(&checks, &mut each);
                        }
                    }
                    self.show_turn(record, &mut each);
                }
                Ok::<(), io::Error>(())
            });
            self.transcript = Some(transcript);
            result.map_err(|source| self.io(source))?;
        }
        for checks in ended {
            self.show_checks(&checks, &mut each);
        }
        Ok(())
    }

    fn io(&self, source: io::Error) -> LogError {
        LogError::Io {
            run: self.id.clone(),
            source,
        }
    }

    fn open_transcript(&self) -> Result<Option<GrowingFile>, LogError> {
        let Some(files) = self.files.as_ref().filter(|_| self.options.agent) else {
            return Ok(None);
        };
        let file = files.file(TRANSCRIPT).map_err(|source| self.io(source))?;
        let max_line = usize::try_from(MAX_RECORD_BYTES).unwrap_or(usize::MAX);
        Ok(file.map(|file| GrowingFile::new(file, max_line)))
    }

    fn ended_checks(&mut self, each: &mut dyn FnMut(LogLine)) -> VecDeque<EndedChecks> {
        let mut ended = VecDeque::new();
        let wanted = self.options.checks;
        let mut see = |record: &Record| {
            let Event::Observed { observation, .. } = &record.event else {
                return;
            };
            let (set_up, results) = match observation {
                Observation::ChecksRan { results, set_up, .. } => (&set_up[..], results.clone()),
                Observation::TestsCompared { ran, set_up, .. } => {
                    let results = ran.iter().flat_map(|run| run.results.clone());
                    (&set_up[..], results.collect())
                }
                Observation::PlacesReady { set_up, .. } => (&set_up[..], Vec::new()),
                Observation::HookEnded { result, set_up } => (&set_up[..], vec![result.clone()]),
                _ => return,
            };
            if wanted && !(set_up.is_empty() && results.is_empty()) {
                ended.push_back(EndedChecks {
                    at: record.at,
                    results: [set_up, &results].concat(),
                });
            }
        };
        match &mut self.journal {
            JournalSource::Given => {}
            JournalSource::Stored(records, _) => std::mem::take(records).iter().for_each(see),
            JournalSource::Live(follower) => {
                // What the worker did is worth seeing most of all when a journal is damaged.
                if let Err(error) = follower.read_on(&mut see) {
                    let at = follower.run().map_or(Timestamp::UNIX_EPOCH, Run::last_at);
                    each(LogLine {
                        schema: LOGS_SCHEMA,
                        at,
                        source: LogSource::Runner,
                        name: self.id.to_string(),
                        kind: LogKind::Problem,
                        text: format!("{error}; outputs of later checks are not shown"),
                    });
                    self.journal = JournalSource::Given;
                }
            }
        }
        ended
    }

    fn show_turn(&mut self, record: TranscriptRecord, each: &mut dyn FnMut(LogLine)) {
        let (at, name) = (record.at, crate::agent::shorten(&record.turn, 200));
        for (kind, text) in self.agent.lines_of(record.entry) {
            self.show(at, LogSource::Agent, &name, kind, &text, each);
        }
    }

    fn show_checks(&self, checks: &EndedChecks, each: &mut dyn FnMut(LogLine)) {
        for result in &checks.results {
            let name = crate::agent::shorten(&result.name, 200);
            for (kind, text) in check_text::lines_of(result, self.files.as_ref(), self.repository, self.stored) {
                self.show(checks.at, LogSource::Check, &name, kind, &text, each);
            }
        }
    }

    /// Shows a text line by line.
    fn show(
        &self,
        at: Timestamp,
        source: LogSource,
        name: &str,
        kind: LogKind,
        text: &str,
        each: &mut dyn FnMut(LogLine),
    ) {
        for line in self.options.redactor.text(text).lines() {
            each(LogLine {
                schema: LOGS_SCHEMA,
                at,
                source,
                name: name.to_owned(),
                kind,
                text: bounded(line),
            });
        }
    }
}

fn bounded(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        None => line.to_owned(),
        Some((at, _)) => {
            let left_out = line[at..].chars().count();
            format!("{}… ({left_out} more characters)", &line[..at])
        }
    }
}

/// The last lines of a log of any length.
#[derive(Debug)]
pub struct LastLines {
    limit: usize,
    lines: VecDeque<LogLine>,
}

impl LastLines {
    /// Keeps this many lines.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            lines: VecDeque::new(),
        }
    }

    /// Adds a line, and forgets the oldest where there are too many.
    pub fn push(&mut self, line: LogLine) {
        self.lines.push_back(line);
        if self.lines.len() > self.limit {
            self.lines.pop_front();
        }
    }

    /// The lines, oldest first.
    pub fn into_lines(self) -> impl Iterator<Item = LogLine> {
        self.lines.into_iter()
    }
}
