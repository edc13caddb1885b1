//! Development tasks: `cargo run -p xtask -- <task>`.

mod codex;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let done = match task.as_deref() {
        Some("codex") => codex::fetch(&target_folder()).and_then(|program| say(&program)),
        Some("e2e") => end_to_end(),
        _ => Err(io::Error::other("usage: xtask <codex|e2e>")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the tests that need the real Codex.
fn end_to_end() -> io::Result<()> {
    let program = codex::fetch(&target_folder())?;
    let status = Command::new("cargo")
        .args(["nextest", "run", "--workspace", "--run-ignored", "only"])
        .args(std::env::args_os().skip(2))
        .env("FOIL_TEST_CODEX", program)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other("a test failed"))
    }
}

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
}

fn say(path: &Path) -> io::Result<()> {
    writeln!(io::stdout(), "{}", path.display())
}
