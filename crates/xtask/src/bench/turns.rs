//! From the end of a turn to the start of the next: what the runner itself costs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Effect, Event, Journal, Observation};

use super::Bench;
use super::measure::Samples;
use super::repository::TestRepository;
use super::table::Row;
use crate::error::TaskError;

const GOAL: Duration = Duration::from_millis(15);
/// How long a turn takes. Far less than any real one, and long enough for what the runner does meanwhile.
const TURN_MILLISECONDS: u64 = 500;
const TICKET: &str = "refuse-addresses";

/// A small repository, one with a large ledger, and a run with a long journal.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let many = if bench.quick { 1_000 } else { 10_000 };
    let worlds = [
        ("a small repository".to_owned(), 0, 0),
        (format!("{many} tickets in the ledger"), many, 0),
        (format!("after {many} journal events"), 0, many),
    ];
    let mut rows = Vec::new();
    for (place, tickets, events) in worlds {
        let run = Run {
            tickets,
            events,
            turns: bench.rounds + 1,
        };
        let pauses = run.pauses(bench)?;
        let without: Samples = pauses.iter().map(Pause::without_checks).collect();
        let whole: Samples = pauses.iter().map(|pause| pause.whole).collect();
        let measuring: Samples = pauses.iter().map(|pause| pause.measuring).collect();
        rows.push(Row::within(
            format!("from a turn to the next, without the checks' own processes: {place}"),
            &without,
            GOAL,
        ));
        rows.push(Row::told(format!("the same with them: {place}"), &whole));
        rows.push(Row::told(
            format!("of that, computing the change set: {place}"),
            &measuring,
        ));
    }
    Ok(rows)
}

/// A run whose worker needs this many turns until the check passes.
struct Run {
    tickets: usize,
    events: usize,
    turns: usize,
}

/// Between the end of one turn and the intent of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// When it began.
    pub(super) began: Timestamp,
    whole: Duration,
    checks: Duration,
    measuring: Duration,
}

impl Pause {
    /// What the runner itself took.
    pub(super) fn without_checks(&self) -> Duration {
        self.whole.saturating_sub(self.checks)
    }
}

impl Run {
    fn pauses(&self, bench: &Bench) -> Result<Vec<Pause>, TaskError> {
        let folder = bench.folder.join("turns");
        let world = TestRepository::create(&folder)?;
        let script = folder.join("script");
        self.write_script(&script)?;
        let policy = format!(
            "[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n[limits]\nmax_iterations = {}\n\n[[check]]\nname = \"address\"\n\
             run = \"test ! -e address.txt || grep -q right address.txt\"\n",
            script.display(),
            self.turns + 1
        );
        world.write("counterfoil.toml", &policy)?;
        world.write("src/main.rs", "fn main() {}\n")?;
        world.write_tickets(self.tickets)?;
        let contract = "title = \"Refuse addresses\"\nkind = \"feature\"\nmode = \"standard\"\n\n[scope]\nallowed = [\"address.txt\"]\n";
        world.write(&format!("ledger/tickets/{TICKET}/ticket.toml"), contract)?;
        world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Write what is right.\n")?;
        world.commit_all("a ticket")?;
        let foil = &bench.programs.foil;
        world.capture(foil, &["trust"])?;
        world.capture(foil, &["approve", TICKET])?;
        world.capture(foil, &["run", TICKET])?;
        let journal = only_journal(&world.root().join(".git/counterfoil/runs").join(TICKET))?;
        let found = pauses(&journal);
        // All but the last turn are followed by another.
        if found.len() + 1 == self.turns {
            return Ok(found);
        }
        let reason = format!("it has {} pauses between {} turns", found.len(), self.turns);
        Err(TaskError::unreadable("the run's journal", reason))
    }

    fn write_script(&self, folder: &Path) -> Result<(), TaskError> {
        std::fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
        let mut first = String::from("role = \"writer\"\nturn = 1\n");
        for number in 0..self.events {
            let _ = writeln!(first, "[[step]]\ndo = \"message\"\ntext = \"step {number}\"");
        }
        let write = |text: &str| {
            format!(
                "[[step]]\ndo = \"wait\"\nmilliseconds = {TURN_MILLISECONDS}\n[[step]]\ndo = \"write\"\npath = \"address.txt\"\ntext = \"{text}\\n\"\n[answer]\nreport = {{ status = \"done\", summary = \"wrote it\" }}\n"
            )
        };
        first.push_str(&write("wrong {turn}"));
        let last = format!("role = \"writer\"\nturn = {}\n{}", self.turns, write("right"));
        let other = format!("role = \"writer\"\n{}", write("wrong {turn}"));
        let review = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"pass\", summary = \"fine\", next_action = \"merge\" }\n";
        for (name, text) in [("1", first.as_str()), ("2", &last), ("3", &other), ("4", review)] {
            let path = folder.join(format!("{name}.toml"));
            std::fs::write(&path, text).map_err(TaskError::file(&path))?;
        }
        Ok(())
    }
}

/// The journal of the only run in this folder.
pub(super) fn only_journal(runs: &Path) -> Result<Journal, TaskError> {
    let mut entries = std::fs::read_dir(runs).map_err(TaskError::file(runs))?;
    let run = entries
        .next()
        .ok_or_else(|| TaskError::unreadable(runs.display().to_string(), "it holds no run"))?
        .map_err(TaskError::file(runs))?;
    let path = run.path().join("journal.jsonl");
    let bytes = std::fs::read(&path).map_err(TaskError::file(&path))?;
    Journal::parse(&bytes).map_err(|error| TaskError::unreadable("the run's journal", error))
}

/// Every time between a turn and the next.
pub(super) fn pauses(journal: &Journal) -> Vec<Pause> {
    let mut pauses = Vec::new();
    let mut open: Option<Pause> = None;
    let mut measuring_since = None;
    let since = |at: Timestamp, earlier: Timestamp| Duration::try_from(at.duration_since(earlier)).unwrap_or_default();
    for record in &journal.records {
        match &record.event {
            Event::Observed {
                observation: Observation::TurnEnded { .. },
                ..
            } => {
                open = Some(Pause {
                    began: record.at,
                    whole: Duration::ZERO,
                    checks: Duration::ZERO,
                    measuring: Duration::ZERO,
                });
            }
            Event::Intended(Effect::MeasureChanges { .. }) => measuring_since = Some(record.at),
            Event::Observed {
                observation: Observation::ChangesMeasured { .. },
                ..
            } => {
                if let (Some(pause), Some(began)) = (&mut open, measuring_since) {
                    pause.measuring += since(record.at, began);
                }
            }
            Event::Observed {
                observation: Observation::ChecksRan { results, .. },
                ..
            } => {
                if let Some(pause) = &mut open {
                    pause.checks += results
                        .iter()
                        .map(|result| Duration::from_millis(result.duration_ms))
                        .sum::<Duration>();
                }
            }
            Event::Intended(Effect::TakeTurn { .. }) => {
                if let Some(mut pause) = open.take() {
                    pause.whole = since(record.at, pause.began);
                    pauses.push(pause);
                }
            }
            _ => {}
        }
    }
    pauses
}
