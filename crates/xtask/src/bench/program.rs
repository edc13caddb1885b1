//! The program itself.

use std::process::Command;
use std::time::Duration;

use super::Bench;
use super::measure::in_turn;
use super::table::Row;
use crate::error::TaskError;

/// How fast it starts and how large it is.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let foil = &bench.programs.foil;
    let [version] = in_turn(
        bench.rounds,
        [&|| {
            let mut command = Command::new(foil);
            command.arg("--version");
            command
        }],
    )?;
    let bytes = std::fs::metadata(foil).map_err(TaskError::file(foil))?.len();
    Ok(vec![
        Row::within("`foil --version`", &version, Duration::from_millis(10)),
        Row::size("release program, stripped", Some(bytes), Some(25)),
    ])
}
