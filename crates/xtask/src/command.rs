//! Running other programs.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::TaskError;
use crate::workspace::Workspace;

/// `cargo` as this tool was started by, in the workspace's root.
pub(crate) fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    cargo_at(workspace.root(), arguments)
}

/// The same in another folder.
pub(crate) fn cargo_at(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// A program, in this folder.
pub(crate) fn program(name: &str, arguments: &[&str], folder: &std::path::Path) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(folder);
    command
}

/// Runs a program that speaks to the terminal itself.
pub(crate) fn succeed(mut command: Command) -> Result<(), TaskError> {
    let status = command.status().map_err(start(&command))?;
    if status.success() {
        return Ok(());
    }
    Err(TaskError::Ended {
        command: line(&command),
        status,
    })
}

/// Runs a program and keeps what it prints.
pub(crate) fn capture(mut command: Command) -> Result<Output, TaskError> {
    command.output().map_err(start(&command))
}

/// What a program that succeeds prints, without the end of its last line.
pub(crate) fn told(command: Command) -> Result<String, TaskError> {
    let said = line(&command);
    let output = capture(command)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
        false => Err(TaskError::Ended {
            command: said,
            status: output.status,
        }),
    }
}

/// Which of a program's streams is looked at while it passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Errors,
}

/// Runs a program, passes one of its streams through, and shows each of its lines to `look`.
pub(crate) fn watch(mut command: Command, stream: Stream, mut look: impl FnMut(&str)) -> Result<(), TaskError> {
    match stream {
        Stream::Output => command.stdout(Stdio::piped()),
        Stream::Errors => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(start(&command))?;
    let source: Option<Box<dyn std::io::Read>> = match stream {
        Stream::Output => child.stdout.take().map(|pipe| Box::new(pipe) as _),
        Stream::Errors => child.stderr.take().map(|pipe| Box::new(pipe) as _),
    };
    if let Some(source) = source {
        let mut lines = BufReader::new(source);
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            // A closed terminal is no reason to stop the program.
            let _ = match stream {
                Stream::Output => std::io::stdout().write_all(&bytes),
                Stream::Errors => std::io::stderr().write_all(&bytes),
            };
            look(&anstream::adapter::strip_str(&String::from_utf8_lossy(&bytes)).to_string());
            bytes.clear();
        }
    }
    let status = child.wait().map_err(start(&command))?;
    if status.success() {
        return Ok(());
    }
    Err(TaskError::Ended {
        command: line(&command),
        status,
    })
}

/// Whether a Cargo subcommand is installed.
pub(crate) fn has_subcommand(workspace: &Workspace, name: &str) -> bool {
    capture(cargo(workspace, &[name, "--version"])).is_ok_and(|output| output.status.success())
}

fn start(command: &Command) -> impl FnOnce(std::io::Error) -> TaskError + use<> {
    let command = line(command);
    |source| TaskError::Start { command, source }
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
