//! The tests that drive the real Codex against the scripted model server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codex;
use crate::command::cargo;
use crate::error::TaskError;
use crate::hygiene;
use crate::test::{Counts, run_nextest};
use crate::workspace::Workspace;

/// Runs every test that needs Codex, and ends with the line that counts them.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), TaskError> {
    let (counts, result) = run_counted(workspace, arguments)?;
    println!("{counts}");
    result
}

/// Runs every test that needs Codex, and lists those that this machine cannot run. They pass as far as their runner can
/// tell, and are counted as what they are.
pub(crate) fn run_counted(
    workspace: &Workspace,
    arguments: &[String],
) -> Result<(Counts, Result<(), TaskError>), TaskError> {
    let list = skipped_list(workspace);
    match std::fs::remove_file(&list) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TaskError::file(&list)(error)),
        _ => {}
    }
    let (counts, result) = run_nextest(command(workspace, arguments)?);
    let skipped = read_skipped(&list)?;
    for line in &skipped {
        println!("skipped: {line}");
    }
    let number = u64::try_from(skipped.len()).unwrap_or(u64::MAX);
    Ok((counts.of_which_skipped_themselves(number), result))
}

/// Where tests write down that they cannot run here: one line each, its name and the reason.
fn skipped_list(workspace: &Workspace) -> PathBuf {
    workspace.target_folder().join("e2e-skipped.txt")
}

fn read_skipped(list: &Path) -> Result<Vec<String>, TaskError> {
    match std::fs::read_to_string(list) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(TaskError::file(list)(error)),
    }
}

/// Fetches the pinned Codex where it is not there yet; answers what then runs the tests that need it.
fn command(workspace: &Workspace, arguments: &[String]) -> Result<Command, TaskError> {
    let program = codex::fetch(workspace)?;
    let mut command = cargo(
        workspace,
        &[
            "nextest",
            "run",
            "--workspace",
            "--run-ignored",
            "only",
            "--no-tests=fail",
        ],
    );
    hygiene::count_in(workspace, &mut command);
    command
        .args(arguments)
        .env("FOIL_TEST_CODEX", program)
        .env("FOIL_TEST_SKIPPED", skipped_list(workspace));
    Ok(command)
}
