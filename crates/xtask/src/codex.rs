//! Fetches the pinned Codex for the tests that drive the real program.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the tests are written for; the same as the runner's `PINNED_CODEX`.
const VERSION: &str = "0.169.0";

/// The target whose package is fetched. It is the only one that the tests run on.
const PACKAGE: &str = "linux-x64";
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Where the program is, fetched with npm's client unless it is there already. The package keeps its layout: without
/// the files beside it Codex has no sandbox.
pub(crate) fn fetch(target_folder: &Path) -> io::Result<PathBuf> {
    let folder = target_folder.join("codex");
    let package = folder.join(VERSION);
    let program = package.join("vendor").join(TARGET).join("bin/codex");
    if program.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder)?;
    // Everything happens in a folder of this process, which is renamed once it is whole.
    let scratch = folder.join(format!("fetching-{}", std::process::id()));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    std::fs::create_dir(&scratch)?;
    let wanted = format!("@openai/codex@{VERSION}-{PACKAGE}");
    run(Command::new("npm")
        .args(["pack", "--silent", &wanted])
        .current_dir(&scratch))?;
    let archive = format!("openai-codex-{VERSION}-{PACKAGE}.tgz");
    run(Command::new("tar").args(["xzf", &archive]).current_dir(&scratch))?;
    match std::fs::rename(scratch.join("package"), &package) {
        // Another process was faster.
        Err(_) if program.is_file() => {}
        other => other?,
    }
    std::fs::remove_dir_all(&scratch)?;
    if program.is_file() {
        Ok(program)
    } else {
        Err(io::Error::other(format!("`{wanted}` holds no {}", program.display())))
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!("`{program}` ended with {status}")))
}
