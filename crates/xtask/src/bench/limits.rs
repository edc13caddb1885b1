//! What the largest things cost that are still worked with, and how that grows up to there.

mod change_set;
mod files;
mod fit;
mod journal;
mod output;
mod world;

use super::Bench;
use super::ledger;
use super::measure::{Samples, Spent, spent};
use super::repository::TestRepository;
use super::table::Row;
use crate::error::TaskError;

use self::fit::Growth;

/// How often what only reads is measured at each size.
const ROUNDS: usize = 3;
/// The most memory, in MiB, of status and check with the largest ledger.
const LEDGER_GOAL: u64 = 160;

/// The largest ledger, journal, change set, output and number of files.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let mut rows = Vec::new();
    for part in [of_ledger, journal::rows, change_set::rows, output::rows, files::rows] {
        rows.extend(part(bench)?);
    }
    Ok(rows)
}

fn of_ledger(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let sizes = sizes(bench, [10_000, 30_000, 100_000]);
    let mut costs = [("status", Costs::default()), ("check", Costs::default())];
    for count in sizes {
        let folder = bench.folder.join(format!("ledger-{count}"));
        let world = ledger::world(&folder, count)?;
        for (verb, costs) in &mut costs {
            costs.read(count, bench, &world, &[*verb])?;
        }
    }
    let rows = costs
        .into_iter()
        .flat_map(|(verb, costs)| costs.rows(&format!("`foil {verb}`, {} tickets", sizes[2]), LEDGER_GOAL));
    Ok(rows.collect())
}

/// The sizes at which a thing is measured: a tenth of them where little time is given.
fn sizes(bench: &Bench, full: [usize; 3]) -> [usize; 3] {
    full.map(|size| if bench.quick { size / 10 } else { size })
}

/// What one thing took at each size.
#[derive(Debug, Default)]
struct Costs {
    time: Growth<Samples>,
    memory: Growth<Option<u64>>,
}

impl Costs {
    fn add(&mut self, size: usize, time: Samples, memory: Option<u64>) {
        self.time.add(size, time);
        self.memory.add(size, memory);
    }

    /// Measures a command that changes nothing and succeeds.
    fn read(
        &mut self,
        size: usize,
        bench: &Bench,
        world: &TestRepository,
        arguments: &[&str],
    ) -> Result<(), TaskError> {
        let command = world.command(&bench.programs.foil, arguments);
        let rounds: Vec<Spent> = (0..ROUNDS).map(|_| spent(&command)).collect::<Result<_, _>>()?;
        if let Some(failed) = rounds.iter().find(|round| !round.succeeded) {
            let command = crate::command::line(&command);
            return Err(TaskError::unreadable(command, &failed.errors));
        }
        let memory = rounds.iter().map(|round| round.memory).max().flatten();
        self.add(size, rounds.iter().map(|round| round.time).collect(), memory);
        Ok(())
    }

    /// How long it took, and its memory, which may be at most `goal` MiB.
    fn rows(self, what: &str, goal: u64) -> [Row; 2] {
        [
            self.time.time_row(what),
            self.memory.memory_row(&format!("its memory: {what}"), goal),
        ]
    }
}
