//! A night's load: many runs at the same time beside a large ledger, a hundred thousand events, a check that prints a gibibyte.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Bench;
use super::measure::{Samples, peak_memory};
use super::repository::TestRepository;
use super::table::Row;
use super::turns::{Pause, only_journal, pauses};
use crate::error::TaskError;

/// What a turn to the next may cost, as with one run.
const GOAL: Duration = Duration::from_millis(15);
/// How long the shortest turn takes for each run beside it; the longest, not twice as long. Far less than any real one, and long enough for what
/// the runner does meanwhile for all of them.
const TURN_MILLISECONDS: u64 = 500;
/// Runs at the same time whose turns are measured.
const RUNS: usize = 8;
/// Runs at the same time whose memory is, and the events that their workers cause in all.
const MANY_RUNS: usize = 16;
const EVENTS: usize = 100_000;
/// In MiB.
const DAEMON_GOAL: u64 = 60;
const OUTPUT_GOAL: u64 = 8;

pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let tickets = if bench.quick { 1_000 } else { 10_000 };
    let several = Night {
        tickets,
        runs: RUNS,
        events: 0,
        turns: if bench.quick { 8 } else { 20 },
        prints: 0,
    };
    let world = several.spent(bench)?;
    let mut of_runs = Vec::new();
    for run in 0..RUNS {
        let journal = only_journal(&world.root().join(".git/counterfoil/runs").join(id(run)))?;
        of_runs.push(pauses(&journal));
    }
    let pauses = while_all_run(&of_runs);
    let events = if bench.quick { EVENTS / 10 } else { EVENTS };
    let long = Night {
        tickets: 0,
        runs: MANY_RUNS,
        events,
        turns: 1,
        prints: 0,
    };
    let (daemon, alone) = (long.memory(bench, true)?, long.memory(bench, false)?);
    let quiet = Night {
        runs: 1,
        events: 0,
        ..long
    };
    let loud = Night {
        prints: if bench.quick { 1 << 27 } else { 1 << 30 },
        ..quiet
    };
    let more = quiet
        .memory(bench, false)?
        .zip(loud.memory(bench, false)?)
        .map(|(quiet, loud)| loud.saturating_sub(quiet));
    Ok(vec![
        Row::within(
            format!(
                "from a turn to the next, without the checks' own processes: {RUNS} runs at the same time, {tickets} tickets"
            ),
            &pauses,
            GOAL,
        ),
        Row::size(
            format!("memory of the daemon's worker: {MANY_RUNS} runs at the same time, {events} events"),
            daemon,
            Some(DAEMON_GOAL),
        ),
        Row::size("the same of a `foil run` in a terminal", alone, None),
        Row::size(
            format!("what a check that would print {} MiB adds to it", loud.prints >> 20),
            more,
            Some(OUTPUT_GOAL),
        ),
    ])
}

/// What each pause cost that began after the first of the last run to begin and before the last of the first to end: before, places are made.
fn while_all_run(runs: &[Vec<Pause>]) -> Samples {
    let from = runs.iter().filter_map(|pauses| Some(pauses.first()?.began)).max();
    let until = runs.iter().filter_map(|pauses| Some(pauses.last()?.began)).min();
    let all = runs.iter().flatten();
    let within = all.filter(|pause| from <= Some(pause.began) && Some(pause.began) <= until);
    within.map(Pause::without_checks).collect()
}

fn id(run: usize) -> String {
    format!("night-{run:02}")
}

/// Runs of one `foil run`.
#[derive(Debug, Clone, Copy)]
struct Night {
    /// Tickets beside them.
    tickets: usize,
    /// How many run at the same time.
    runs: usize,
    /// What all their workers say.
    events: usize,
    /// Turns that each needs.
    turns: usize,
    /// Bytes that the check prints.
    prints: u64,
}

impl Night {
    /// The world once all is done.
    fn spent(self, bench: &Bench) -> Result<TestRepository, TaskError> {
        let world = self.world(bench)?;
        world.capture(
            &bench.programs.foil,
            &["run", "--all", "--jobs", &self.runs.to_string()],
        )?;
        Ok(world)
    }

    /// The most memory that the runner held.
    fn memory(self, bench: &Bench, in_background: bool) -> Result<Option<u64>, TaskError> {
        let world = self.world(bench)?;
        let jobs = self.runs.to_string();
        let mut command = world.command(&bench.programs.foil, &["--quiet", "run", "--all", "--jobs", &jobs]);
        if in_background {
            // As the daemon starts it.
            command.env("MALLOC_ARENA_MAX", "2");
            command.env("MALLOC_MMAP_THRESHOLD_", "32768");
            command.env("MALLOC_TRIM_THRESHOLD_", "65536");
            command.env("COUNTERFOIL_OWN_HEAP", "1");
        }
        let peak = peak_memory(&command);
        for run in 0..self.runs {
            // It was measured doing something.
            only_journal(&world.root().join(".git/counterfoil/runs").join(id(run)))?;
        }
        Ok(peak)
    }

    fn world(self, bench: &Bench) -> Result<TestRepository, TaskError> {
        let folder = bench.folder.join("night");
        let world = TestRepository::create(&folder)?;
        let scripts = folder.join("script");
        self.write_scripts(&scripts)?;
        // Until the last turn of each its file is not as it should be.
        let holds = "for file in night-*.txt; do test ! -e \"$file\" || grep -q right \"$file\" || exit 1; done";
        let prints = match self.prints {
            0 => String::new(),
            bytes => format!("; head -c {bytes} /dev/zero | tr '\\\\0' 'x'"),
        };
        let policy = format!(
            "[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n[limits]\nmax_iterations = {}\n\n[review]\nindependent = \"off\"\n\n\
             [[check]]\nname = \"files\"\nrun = '''{holds}{prints}'''\n",
            scripts.display(),
            self.turns + 1
        );
        world.write("counterfoil.toml", &policy)?;
        world.write_tickets(self.tickets)?;
        let mut approve = vec!["approve".to_owned()];
        for run in 0..self.runs {
            let id = id(run);
            let contract = format!("title = \"Write it\"\nmode = \"loop\"\n\n[scope]\nallowed = [\"{id}.txt\"]\n");
            world.write(&format!("ledger/tickets/{id}/ticket.toml"), &contract)?;
            world.write(&format!("ledger/tickets/{id}/prompt.md"), &format!("Write {id}.txt.\n"))?;
            approve.push(id);
        }
        world.commit_all("tickets")?;
        world.capture(&bench.programs.foil, &["trust"])?;
        let approve: Vec<_> = approve.iter().map(String::as_str).collect();
        world.capture(&bench.programs.foil, &approve)?;
        Ok(world)
    }

    fn write_scripts(self, folder: &Path) -> Result<(), TaskError> {
        std::fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
        for run in 0..self.runs {
            let id = id(run);
            let head = format!("role = \"writer\"\nprompt_contains = \"Write {id}.txt.\"\n");
            // Turns of real workers do not all end at the same moment.
            let takes = TURN_MILLISECONDS * (self.runs + run) as u64;
            let write = |text: &str| {
                format!(
                    "[[step]]\ndo = \"wait\"\nmilliseconds = {takes}\n[[step]]\ndo = \"write\"\npath = \"{id}.txt\"\ntext = \"{text}\\n\"\n\
                     [answer]\nreport = {{ summary = \"wrote it\" }}\n"
                )
            };
            let mut last = format!("{head}turn = {}\n", self.turns);
            let _ = writeln!(
                last,
                "[[step]]\ndo = \"message\"\ntext = \"step {{n}}\"\ntimes = {}",
                self.events / self.runs
            );
            last.push_str(&write("right"));
            let other = format!("{head}{}", write("wrong {turn}"));
            for (name, text) in [("a", &last), ("b", &other)] {
                let path: PathBuf = folder.join(format!("{id}-{name}.toml"));
                std::fs::write(&path, text).map_err(TaskError::file(&path))?;
            }
        }
        Ok(())
    }
}
