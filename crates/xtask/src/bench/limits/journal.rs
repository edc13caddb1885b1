//! A run whose worker says a million things, and what reads its journal.

use super::world::{TICKET, Worker};
use super::{Costs, sizes};
use crate::bench::Bench;
use crate::bench::table::Row;
use crate::error::TaskError;

/// In MiB: the run itself, which keeps its journal in Git, and what looks at one run only by its state.
const RUN_GOAL: u64 = 400;
const STATE_GOAL: u64 = 40;
/// In MiB: what holds the events of the whole journal, or those of the live one and of the one in Git. Less than a KiB of each event.
const EVENTS_GOAL: u64 = 1_000;

/// The run, and what is asked of it afterwards.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let sizes = sizes(bench, [10_000, 100_000, 1_000_000]);
    let mut run = Costs::default();
    let mut readers = [
        (["status", TICKET], STATE_GOAL, Costs::default()),
        (["logs", TICKET], STATE_GOAL, Costs::default()),
        (["events", TICKET], EVENTS_GOAL, Costs::default()),
        (["verify", TICKET], EVENTS_GOAL, Costs::default()),
    ];
    for events in sizes {
        let steps = format!(
            "[[step]]\ndo = \"message\"\ntext = \"step {{n}}\"\ntimes = {events}\n[[step]]\ndo = \"write\"\npath = \"a.txt\"\ntext = \"a\\n\"\n"
        );
        let ran = Worker::Steps(&steps)
            .run(bench, "journal", |_| Ok(()))?
            .must_end(None)?;
        run.add(events, [ran.spent.time].into_iter().collect(), ran.spent.memory);
        for (arguments, _, costs) in &mut readers {
            costs.read(events, bench, &ran.world, arguments.as_slice())?;
        }
    }
    let events = sizes[2];
    let mut rows = Vec::from(run.rows(&format!("a run whose worker says {events} things"), RUN_GOAL));
    for ([verb, _], goal, costs) in readers {
        rows.extend(costs.rows(&format!("`foil {verb}` of it, {events} events"), goal));
    }
    Ok(rows)
}
