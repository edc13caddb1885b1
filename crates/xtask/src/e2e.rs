//! The tests that drive the real Codex against the scripted model server.

use std::process::Command;

use crate::codex;
use crate::command::{cargo, succeed};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Runs every test that needs Codex.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), TaskError> {
    succeed(command(workspace, arguments)?)
}

/// Fetches the pinned Codex where it is not there yet; what then runs the tests that need it.
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<Command, TaskError> {
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
    command.args(arguments).env("FOIL_TEST_CODEX", program);
    Ok(command)
}
