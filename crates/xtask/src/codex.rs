//! Fetches the pinned Codex for the tests that drive the real program.

use std::path::PathBuf;

use crate::command::{self, succeed};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// The version that the tests are written for; the same as the runner's `PINNED_CODEX`.
const VERSION: &str = "0.169.0";

/// The target whose package is fetched. It is the only one that the tests run on.
const PACKAGE: &str = "linux-x64";
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Where the program is, fetched with npm's client unless it is there already. The package keeps its layout: without
/// the files beside it Codex has no sandbox.
pub(crate) fn fetch(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    let folder = workspace.target_folder().join("codex");
    let package = folder.join(VERSION);
    let program = package.join("vendor").join(TARGET).join("bin/codex");
    if program.is_file() {
        return Ok(program);
    }
    let here = TaskError::file;
    std::fs::create_dir_all(&folder).map_err(here(&folder))?;
    // Everything happens in a folder of this process, which is renamed once it is whole.
    let scratch = folder.join(format!("fetching-{}", std::process::id()));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(here(&scratch))?;
    }
    std::fs::create_dir(&scratch).map_err(here(&scratch))?;
    let wanted = format!("@openai/codex@{VERSION}-{PACKAGE}");
    succeed(command::program("npm", &["pack", "--silent", &wanted], &scratch))?;
    let archive = format!("openai-codex-{VERSION}-{PACKAGE}.tgz");
    succeed(command::program("tar", &["xzf", &archive], &scratch))?;
    match std::fs::rename(scratch.join("package"), &package) {
        // Another process was faster.
        Err(_) if program.is_file() => {}
        other => other.map_err(here(&package))?,
    }
    std::fs::remove_dir_all(&scratch).map_err(here(&scratch))?;
    if program.is_file() {
        Ok(program)
    } else {
        Err(TaskError::unreadable(
            wanted,
            format!("it holds no {}", program.display()),
        ))
    }
}
