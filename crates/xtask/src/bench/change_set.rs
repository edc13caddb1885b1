//! What a turn changed, in a place with many files.

use std::process::Command;

use super::Bench;
use super::measure::ours_and_theirs;
use super::table::Row;
use crate::error::TaskError;

/// 50,000 files and ten edits, beside `git status`.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let mut command = Command::new(&bench.programs.change_set);
    command.arg(bench.folder.join("change-set"));
    let (ours, theirs) = ours_and_theirs(command)?;
    Ok(vec![Row::against(
        "change set of 50,000 files with 10 edits",
        &ours,
        &theirs,
        "`git status --porcelain=v2 -uall`",
        1.5,
    )])
}
