//! A change of many files: half of them are edited, half are new, half of each are tests.

use std::fmt::Write as _;

use super::fit::Growth;
use super::world::Worker;
use super::{Costs, sizes};
use crate::bench::Bench;
use crate::bench::repository::TestRepository;
use crate::bench::table::Row;
use crate::error::TaskError;

/// In MiB: 16 KiB for each file. What the tests among them say is held side by side, because a test may have moved from any to any.
const GOAL: u64 = 800;
/// Files of one folder.
const FOLDER: usize = 100;

/// From the end of the turn to the end of the run, and the run's memory.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let sizes = sizes(bench, [5_000, 20_000, 50_000]);
    let mut costs = Costs::default();
    let mut measuring = Growth::default();
    for files in sizes {
        let steps = format!("[[step]]\ndo = \"run\"\ncommand = '''{}'''\n", edits(files));
        let ran = Worker::Steps(&steps)
            .run(bench, "change-set", |world| write_base(world, files))?
            .must_end(None)?;
        measuring.add(files, ran.measuring());
        costs.add(files, ran.afterwards(), ran.spent.memory);
    }
    let what = format!("a change of {} files, from the turn's end to the run's", sizes[2]);
    let mut rows = Vec::from(costs.rows(&what, GOAL));
    rows.push(measuring.time_row("of that, until the change is measured and judged"));
    Ok(rows)
}

/// The half of the files that is there before.
fn write_base(world: &TestRepository, files: usize) -> Result<(), TaskError> {
    for number in 0..files / 2 {
        let (folder, text) = match number % 2 {
            0 => ("src", format!("pub fn f{number}() -> u32 {{\n    {number}\n}}\n")),
            _ => (
                "tests",
                format!("#[test]\nfn t{number}() {{\n    assert_eq!({number}, {number});\n}}\n"),
            ),
        };
        world.write(&format!("{folder}/old{}/f{number}.rs", number / FOLDER), &text)?;
    }
    Ok(())
}

/// A line is added to each file, and as many new ones are made.
fn edits(files: usize) -> String {
    let mut script =
        String::from("set -e\nfor file in src/old*/*.rs tests/old*/*.rs; do echo '// edited' >> $file; done\n");
    let folders = (files / 4).div_ceil(FOLDER);
    for (folder, line) in [
        ("src", "pub fn f%.0f() {}"),
        ("tests", "#[test] fn t%.0f() { assert!(f()); }"),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(
            script,
            "for d in $(seq 1 {folders}); do mkdir -p {folder}/new$d; \
             (cd {folder}/new$d && seq -f '{line}' $((d * 1000)) $((d * 1000 + {last})) | split -l 1 -a 4 --additional-suffix=.rs - f); done",
            last = FOLDER - 1
        );
    }
    script
}
