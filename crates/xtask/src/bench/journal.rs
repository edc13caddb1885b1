//! What a journal costs beside writing and hashing the same bytes.

use std::process::Command;

use super::measure::{in_turn, ours_and_theirs};
use super::table::Row;
use super::{Bench, emptied};
use crate::command::succeed;
use crate::error::TaskError;

/// Appending 1,000 lines, and verifying a large journal.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let folder = bench.folder.join("journal");
    emptied(&folder)?;
    let program = &bench.programs.journal;
    let mut append = Command::new(program);
    append.arg("append").arg(&folder).arg(bench.rounds.to_string());
    let (ours, theirs) = ours_and_theirs(append)?;
    let mut rows = vec![Row::against(
        "1,000 journal lines, each synced",
        &ours,
        &theirs,
        "the bare bytes",
        1.2,
    )];

    let mebibytes: u64 = if bench.quick { 8 } else { 64 };
    let file = folder.join("journal.jsonl");
    let mut write = Command::new(program);
    write.arg("write").arg(&file).arg((mebibytes << 20).to_string());
    succeed(write)?;
    let [ours, theirs] = in_turn(
        bench.rounds,
        [
            &|| {
                let mut verify = Command::new(program);
                verify.arg("verify").arg(&file);
                verify
            },
            &|| {
                let mut sum = Command::new("sha256sum");
                sum.arg(&file);
                sum
            },
        ],
    )?;
    rows.push(Row::against(
        format!("verifying the chain of a journal of {mebibytes} MiB"),
        &ours,
        &theirs,
        "`sha256sum`",
        1.0,
    ));
    emptied(&folder)?;
    Ok(rows)
}
