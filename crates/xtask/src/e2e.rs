//! The tests that drive the real Codex against the scripted model server.

use crate::codex;
use crate::command::{cargo, succeed};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Fetches the pinned Codex where it is not there yet, and runs every test that needs it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), TaskError> {
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
    succeed(command)
}
