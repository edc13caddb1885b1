//! Processes as the kernel shows them: which ones there are, who is whose child, and which one exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// One process for as long as this machine runs: a pid alone may name another process a moment later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id, in the namespace of whoever wrote it down.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_time: u64,
    /// Which start of the machine that was.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// Who the process with this pid is. `None` where there is none, or only the remains of one that has ended.
    pub fn of(pid: i32) -> io::Result<Option<Self>> {
        let boot_id = boot_id()?;
        Ok(Seen::read(pid)
            .filter(|seen| !seen.ended)
            .map(|Seen { pid, start_time, .. }| Self {
                pid,
                start_time,
                boot_id,
            }))
    }

    /// Who this process is.
    pub fn current() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_pid();
        Self::of(pid)?.ok_or_else(|| io::Error::other("the system does not show this process in /proc"))
    }

    /// Whether exactly this process still runs. `false` also where the system does not say.
    pub fn is_alive(&self) -> bool {
        self.seen().is_some()
    }

    /// The process as it is now, if it is still this one.
    pub(crate) fn seen(&self) -> Option<Seen> {
        if boot_id().ok()? != self.boot_id {
            return None;
        }
        Seen::read(self.pid).filter(|seen| seen.start_time == self.start_time && !seen.ended)
    }
}

/// What `/proc` showed of one process.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) start_time: u64,
    /// The name that the kernel shows, which a process may choose itself.
    pub(crate) name: String,
    /// It has ended and waits for its parent to take notice.
    pub(crate) ended: bool,
}

impl Seen {
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&stat)
    }

    /// Reads a line of `/proc/<pid>/stat`. The name stands in parentheses and may itself hold any of them.
    fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let number = |text: &str| text.trim().parse::<i32>().ok();
        let pid = number(std::str::from_utf8(stat.get(..open)?).ok()?)?;
        let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            parent: number(fields.get(1)?)?,
            start_time: fields.get(19)?.parse().ok()?,
            name,
            ended: matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }

    /// Sends a signal to exactly this process. `false` where it is gone, or its pid names another by now.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        let same = || Seen::read(self.pid).is_some_and(|now| now.start_time == self.start_time);
        // The file descriptor is taken first and stays with one process; only then is it compared.
        #[cfg(target_os = "linux")]
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(process) => return same() && rustix::process::pidfd_send_signal(process, signal).is_ok(),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            Err(_) => return false,
        }
        same() && rustix::process::kill_process(pid, signal).is_ok()
    }
}

/// Every process that this one may see.
pub(crate) fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Seen::read)
        .collect()
}

/// The children of `root`, their children, and so on, without those that have ended.
pub(crate) fn descent_of(root: i32) -> Vec<Seen> {
    let mut children = BTreeMap::<i32, Vec<Seen>>::new();
    for seen in all() {
        children.entry(seen.parent).or_default().push(seen);
    }
    let mut descent = Vec::new();
    let mut open = vec![root];
    let mut visited = BTreeSet::new();
    while let Some(parent) = open.pop() {
        // Parents are read one after the other, so a reused pid could close a circle.
        if !visited.insert(parent) {
            continue;
        }
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.pid);
            if !child.ended {
                descent.push(child);
            }
        }
    }
    descent
}

/// The processes that were started with this entry (`NAME=value`) in their environment.
pub(crate) fn with_environment_entry(entry: &str) -> Vec<Seen> {
    all()
        .into_iter()
        .filter(|seen| !seen.ended)
        .filter(|seen| {
            fs::read(format!("/proc/{}/environ", seen.pid))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()))
        })
        .collect()
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_the_rest_of_the_line_is_read_as_a_name() {
        let stat = b"42 (a) R 1 (b)) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        let seen = Seen::parse(stat).unwrap();
        assert_eq!(
            (seen.pid, seen.parent, seen.start_time, seen.name.as_str(), seen.ended),
            (42, 7, 987654, "a) R 1 (b)", false)
        );
        for cut in 0..stat.len() - 6 {
            assert!(Seen::parse(&stat[..cut]).is_none_or(|seen| seen.start_time <= 987654));
        }
    }

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        let this = ProcessIdentity::current().unwrap();
        assert!(this.is_alive());
        let later = ProcessIdentity {
            start_time: this.start_time + 1,
            ..this.clone()
        };
        assert!(!later.is_alive());
        let rebooted = ProcessIdentity {
            boot_id: "another".to_owned(),
            ..this
        };
        assert!(!rebooted.is_alive());
    }
}
