//! What a broken guard leaves running: whatever loses its parents becomes a child of this process, and is ended before the next breakage.

use std::io;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

use crate::error::TaskError;

fn failed(source: impl Into<io::Error>) -> TaskError {
    TaskError::unreadable("processes that tests left", source.into())
}

/// From now on.
pub(super) fn adopt() -> Result<(), TaskError> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid())).map_err(failed)?;
    Ok(())
}

/// Ends all children, and theirs, which become this one's when they do. To be called while nothing runs that is waited for.
pub(super) fn end() -> Result<(), TaskError> {
    loop {
        let children = children().map_err(failed)?;
        if children.is_empty() {
            return Ok(());
        }
        for child in children {
            // It is not waited for yet: the number is its own.
            let _ = kill_process(child, Signal::KILL);
        }
        wait(WaitOptions::empty()).map_err(failed)?;
    }
}

fn children() -> io::Result<Vec<Pid>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // One that is gone meanwhile is nobody's child.
        if let Some(pid) = pid
            && parent_of(pid) == Some(getpid())
        {
            children.push(pid);
        }
    }
    Ok(children)
}

/// `123 (name) S 1 …`; the name may hold anything.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(after_name + 1..)?).ok()?;
    Pid::from_raw(rest.split_ascii_whitespace().nth(1)?.parse().ok()?)
}
