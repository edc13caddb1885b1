//! The runs of a ticket that this clone knows: live, stored in Git, or both.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use git_delivery::{RefError, Repository, StoreError};
use ledger_core::{CommitId, Journal, JournalError, Refusal, RepoPath, Run, RunId, TicketId};

use crate::run_files::RunFiles;
use crate::state::StateRoots;

/// The most bytes of one run's journal, or of all that is stored of it, that are read.
pub(crate) const MAX_RUN_BYTES: u64 = 512 * 1024 * 1024;

/// The journal's name in a run's folder and in a stored run.
pub(crate) const JOURNAL: &str = "journal.jsonl";

/// A run that this clone knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRun {
    /// The run.
    pub run: RunId,
    /// Whether its live folder is there.
    pub live: bool,
    /// The commit that stores it, where it is stored.
    pub stored: Option<CommitId>,
}

/// A run whose journal was read and holds.
#[derive(Debug, Clone)]
pub struct ReadRun {
    /// Where it is.
    pub known: KnownRun,
    /// Its journal: the live one where there is one.
    pub journal: Journal,
    /// What the journal amounts to.
    pub run: Run,
}

/// Why a run cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The ticket never ran in this clone.
    #[error("`{ticket}` has no run in this clone")]
    NoRun {
        /// The ticket.
        ticket: TicketId,
    },
    /// The ticket has no such run.
    #[error("`{ticket}` has no run `{run}` in this clone")]
    UnknownRun {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
    },
    /// The journal is damaged, or written by a newer version.
    #[error("the journal of run {run}: {source}")]
    Journal {
        /// The run.
        run: RunId,
        /// Where and how.
        source: JournalError,
    },
    /// The journal holds a step that may not follow.
    #[error("the journal of run {run} holds a step that may not follow: {source}")]
    Replay {
        /// The run.
        run: RunId,
        /// Which one.
        source: Refusal,
    },
    /// The journal is that of another run.
    #[error("the journal in the folder of run {run} is that of `{found_ticket}`, run {found_run}")]
    Foreign {
        /// The run whose folder it lies in.
        run: RunId,
        /// The ticket that it names.
        found_ticket: TicketId,
        /// The run that it names.
        found_run: RunId,
    },
    /// The stored run has no journal.
    #[error("the commit that stores run {run} holds no journal")]
    NoJournal {
        /// The run.
        run: RunId,
    },
    /// The files of a run cannot be read.
    #[error("the files of {what} cannot be read: {source}")]
    Io {
        /// Which run, or whose runs.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The refs of stored runs cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A stored run cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The runs of a ticket, oldest first: run ids sort by time.
pub fn known_runs(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
) -> Result<Vec<KnownRun>, HistoryError> {
    let mut runs = BTreeMap::new();
    let entry = |run: &RunId| KnownRun {
        run: run.clone(),
        live: false,
        stored: None,
    };
    let live = roots.runs_of(ticket).map_err(|source| HistoryError::Io {
        what: format!("`{ticket}`"),
        source,
    })?;
    for run in live {
        runs.entry(run.clone()).or_insert_with(|| entry(&run)).live = true;
    }
    let prefix = format!("refs/counterfoil/runs/{ticket}/");
    repository.refs_below(&prefix, |name, id| {
        if let Some(Ok(run)) = name.strip_prefix(&prefix).map(str::parse::<RunId>) {
            runs.entry(run.clone()).or_insert_with(|| entry(&run)).stored = Some(CommitId(id));
        }
    })?;
    Ok(runs.into_values().collect())
}

/// The tickets that have a run in this clone, in the order of their ids. Names that are no ticket id are passed over.
pub fn tickets_with_runs(repository: &Repository, roots: &StateRoots) -> Result<Vec<TicketId>, HistoryError> {
    let mut tickets = BTreeSet::new();
    let unreadable = |source| HistoryError::Io {
        what: "all tickets".to_owned(),
        source,
    };
    match std::fs::read_dir(roots.runs()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(error)),
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(unreadable)?.file_name();
                tickets.extend(name.to_str().and_then(|name| name.parse::<TicketId>().ok()));
            }
        }
    }
    let prefix = "refs/counterfoil/runs/";
    repository.refs_below(prefix, |name, _| {
        let ticket = name.strip_prefix(prefix).and_then(|rest| rest.split('/').next());
        tickets.extend(ticket.and_then(|ticket| ticket.parse::<TicketId>().ok()));
    })?;
    Ok(tickets.into_iter().collect())
}

/// Reads a run: the latest one, or the one that is wanted. Changes nothing, and may be called while a runner works.
pub fn read_run(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    wanted: Option<&RunId>,
) -> Result<ReadRun, HistoryError> {
    let runs = known_runs(repository, roots, ticket)?;
    if let Some(wanted) = wanted {
        let unknown = || HistoryError::UnknownRun {
            ticket: ticket.clone(),
            run: wanted.clone(),
        };
        let known = runs
            .into_iter()
            .find(|known| known.run == *wanted)
            .ok_or_else(unknown)?;
        return read_known(repository, roots, ticket, known)?.ok_or_else(unknown);
    }
    for known in runs.into_iter().rev() {
        if let Some(read) = read_known(repository, roots, ticket, known)? {
            return Ok(read);
        }
    }
    Err(HistoryError::NoRun { ticket: ticket.clone() })
}

/// Reads a run. `None` where it never began: its folder is there, and no whole line of a journal.
pub(crate) fn read_known(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    known: KnownRun,
) -> Result<Option<ReadRun>, HistoryError> {
    let io = |source| HistoryError::Io {
        what: format!("run {}", known.run),
        source,
    };
    let mut bytes = None;
    if known.live
        && let Some(files) = RunFiles::open(roots, ticket, &known.run).map_err(io)?
    {
        bytes = files.read(JOURNAL, MAX_RUN_BYTES).map_err(io)?;
    }
    let bytes = match (bytes, known.stored) {
        (Some(bytes), _) => bytes,
        (None, Some(commit)) => stored_file(repository, commit, JOURNAL)?
            .ok_or_else(|| HistoryError::NoJournal { run: known.run.clone() })?,
        (None, None) => Vec::new(),
    };
    let journal = match Journal::parse(&bytes) {
        Ok(journal) => journal,
        Err(JournalError::Empty)
            if known.stored.is_none()
                && unwritten(repository, roots, ticket, &known.run).map_err(io)? != Unwritten::Lost =>
        {
            return Ok(None);
        }
        Err(source) => {
            let run = known.run;
            return Err(HistoryError::Journal { run, source });
        }
    };
    let run = Run::replay(&journal.records).map_err(|source| HistoryError::Replay {
        run: known.run.clone(),
        source,
    })?;
    let opened = run.opened();
    if opened.ticket != *ticket || opened.run != known.run {
        return Err(HistoryError::Foreign {
            run: known.run,
            found_ticket: opened.ticket.clone(),
            found_run: opened.run.clone(),
        });
    }
    Ok(Some(ReadRun { known, journal, run }))
}

/// What a run is whose journal is gone or has no whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// Its runner died before it had begun, or is about to begin.
    NeverBegan,
    /// Somebody has set its journal aside.
    SetAside,
    /// It had begun: something is there that only a run leaves that was under way.
    Lost,
}

pub(crate) fn unwritten(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    run: &RunId,
) -> io::Result<Unwritten> {
    let entries = match std::fs::read_dir(roots.run(ticket, run)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries?),
    };
    let mut has_more = false;
    for entry in entries.into_iter().flatten() {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with(DAMAGED) {
            return Ok(Unwritten::SetAside);
        }
        has_more |= !FROM_THE_BEGINNING.iter().any(|known| name == *known);
    }
    // What was there before is kept before the run is opened.
    let was_there = |name: &str| name == "delivers" || name.starts_with("base-");
    let anchors = repository.anchors(run).map_err(io::Error::other)?;
    match has_more || !anchors.iter().all(|anchor| was_there(&anchor.name)) {
        true => Ok(Unwritten::Lost),
        false => Ok(Unwritten::NeverBegan),
    }
}

/// What lies in the folder of a run before its journal has a line.
const FROM_THE_BEGINNING: [&str; 3] = [JOURNAL, "journal.new", "checks"];

/// How the names begin under which damaged journals are set aside.
pub(crate) const DAMAGED: &str = "journal-damaged-";

/// One file of a stored run.
pub(crate) fn stored_file(
    repository: &Repository,
    commit: CommitId,
    path: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(path) = path.parse::<RepoPath>() else {
        return Ok(None);
    };
    Ok(repository.read_file_at(commit, &path, MAX_RUN_BYTES)?)
}
