//! The first child of a guard, between being started and becoming the program that is guarded.
//!
//! What has to be set in the child after it was forked would need `unsafe` code in the guard; a process that sets it for itself
//! and then becomes the program needs none.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::wire::{self, GUARD_ID, Start};

/// Becomes the program. Returns only if that is not possible; the guard has been told why.
pub(crate) fn main() -> ExitCode {
    let Ok(socket) = wire::socket_at_standard_input() else {
        return ExitCode::from(127);
    };
    let Err(error) = become_program(&socket);
    // A guard that is gone cannot be told.
    let _ = (&socket).write_all(error.as_bytes());
    ExitCode::from(127)
}

fn become_program(socket: &UnixStream) -> Result<std::convert::Infallible, String> {
    let (start, descriptors) =
        wire::receive_start::<3>(socket).map_err(|error| format!("the order to start is unreadable: {error}"))?;
    prepare(&start, descriptors).map_err(|error| format!("the process could not be prepared: {error}"))?;
    let folder = start.folder.to_os_string();
    std::env::set_current_dir(&folder).map_err(|error| format!("its folder cannot be entered: {error}"))?;
    let error = Command::new(start.program.to_os_string())
        .args(start.arguments.iter().map(wire::Raw::to_os_string))
        .env_clear()
        .envs(
            start
                .environment
                .iter()
                .map(|(name, value)| (name.to_os_string(), value.to_os_string())),
        )
        .env(GUARD_ID, &start.id)
        .exec();
    Err(format!("the program cannot be run: {error}"))
}

fn prepare(start: &Start, [input, output, errors]: [OwnedFd; 3]) -> io::Result<()> {
    rustix::process::setsid()?;
    if let Some(group) = &start.control_group {
        // Being in a control group is a second net; the guard walks the descent with or without it.
        let _ = std::fs::write(std::path::Path::new(&group.to_os_string()).join("cgroup.procs"), "0");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Signal};
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        let parent = rustix::process::getppid().map(Pid::as_raw_pid);
        if start.parent.is_some() && parent != start.parent {
            return Err(io::Error::other("its guard is gone"));
        }
        // A program with raised rights could not be ended by a guard without them.
        rustix::thread::set_no_new_privs(true)?;
    }
    rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(errors)?;
    Ok(())
}
