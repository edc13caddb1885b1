//! A worker that makes empty files until there are a million.

use super::world::Worker;
use super::{Costs, sizes};
use crate::bench::table::Row;
use crate::bench::{Bench, emptied};
use crate::error::TaskError;

/// In MiB.
const GOAL: u64 = 150;
/// The most new files and folders that a change is measured with.
const MOST: usize = 100_000;
/// Files of one folder.
const FOLDER: usize = 1_000;

/// From the end of the turn to the end of the run, and the run's memory.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let sizes = sizes(bench, [10_000, 100_000, 1_000_000]);
    let mut costs = Costs::default();
    for files in sizes {
        let script = format!(
            "set -e; for d in $(seq 1 {folders}); do mkdir new$d; (cd new$d && seq 1 {FOLDER} | xargs touch); done",
            folders = files / FOLDER
        );
        let steps = format!("[[step]]\ndo = \"run\"\ncommand = '''{script}'''\n");
        // With its folders the change has more than that.
        let ends = (files >= MOST).then_some("scope_violation");
        let ran = Worker::Steps(&steps).run(bench, "files", |_| Ok(()))?.must_end(ends)?;
        costs.add(files, ran.afterwards(), ran.spent.memory);
    }
    // Nobody else needs so many files.
    emptied(&bench.folder.join("limits/files"))?;
    let what = format!("{} empty files of a worker, from the turn's end to the run's", sizes[2]);
    Ok(Vec::from(costs.rows(&what, GOAL)))
}
