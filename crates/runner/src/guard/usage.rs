//! What guarded processes use, as the kernel shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::census::{Seen, descent_of};
use super::leftovers::GuardRecord;

/// The name of the agent's program where a wrapper is the guard's child, as npm installs it. Whoever takes this name gets less patience, not more.
const AGENT: &str = "codex";

/// What the processes below guards have used up to now, and their open network connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Bytes read and written by what agents started, whatever from and to. An agent's own program counts for nothing here: Codex
    /// writes its logs and its state for as long as it lives, also while it waits for an answer that never comes.
    pub(crate) io_bytes: u64,
    /// TCP connections that are established.
    pub(crate) connections: u32,
}

impl Usage {
    /// Of all that lives below the guards that are recorded in this folder. What the system does not show counts for nothing.
    pub(crate) fn below_guards(records: &Path) -> Self {
        let established = established();
        let mut usage = Self::default();
        for record in guards_in(records) {
            for process in descent_of(record.guard.pid) {
                let is_child = record.child.as_ref().is_some_and(|child| child.pid == process.pid);
                usage.add(&process, is_child || process.name == AGENT, &established);
            }
        }
        usage
    }

    /// What was used since an earlier look. Processes that have ended since took theirs with them: never below zero.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ms: self.cpu_ms.saturating_sub(earlier.cpu_ms),
            io_bytes: self.io_bytes.saturating_sub(earlier.io_bytes),
            connections: self.connections,
        }
    }

    fn add(&mut self, process: &Seen, is_agent: bool, established: &BTreeSet<u64>) {
        let pid = process.pid;
        self.cpu_ms = self.cpu_ms.saturating_add(cpu_ms(pid).unwrap_or(0));
        if !is_agent {
            self.io_bytes = self.io_bytes.saturating_add(io_bytes(pid).unwrap_or(0));
        }
        let open = sockets_of(pid).filter(|inode| established.contains(inode)).count();
        self.connections = self.connections.saturating_add(u32::try_from(open).unwrap_or(u32::MAX));
    }
}

fn guards_in(records: &Path) -> Vec<GuardRecord> {
    let entries = fs::read_dir(records).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let bytes = fs::read(entry.path()).ok()?;
            let record: GuardRecord = serde_json::from_slice(&bytes).ok()?;
            record.guard.is_alive().then_some(record)
        })
        .collect()
}

/// The time in user and in system mode, its ended children's included.
fn cpu_ms(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any of them.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok());
    let ticks = ticks.fold(0_u64, u64::saturating_add);
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(ticks.saturating_mul(1_000) / per_second)
}

fn io_bytes(pid: i32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let value = |name: &str| {
        io.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some(value("rchar:")?.saturating_add(value("wchar:")?))
}

/// The inodes of sockets that a process has open.
fn sockets_of(pid: i32) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    })
}

/// The inodes of established TCP connections of this network namespace, as `/proc/net/tcp` lists them (see `proc(5)`).
fn established() -> BTreeSet<u64> {
    const ESTABLISHED: &str = "01";
    let of = |table: &str| {
        let text = fs::read_to_string(table).unwrap_or_default();
        let lines = text.lines().skip(1);
        let inodes = lines.filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            (*fields.get(3)? == ESTABLISHED).then_some(())?;
            fields.get(9)?.parse().ok()
        });
        inodes.collect::<Vec<u64>>()
    };
    of("/proc/net/tcp").into_iter().chain(of("/proc/net/tcp6")).collect()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::guard::census::ProcessIdentity;

    fn record(folder: &Path) {
        let guard = ProcessIdentity::current().unwrap();
        let record = GuardRecord {
            schema: 1,
            id: "test".to_owned(),
            guard,
            child: None,
            control_group: None,
        };
        record.write(&folder.join("test.json")).unwrap();
    }

    #[test]
    fn what_processes_below_a_guard_use_is_seen_and_what_idle_ones_use_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // This process stands for the guard.
        record(folder.path());
        let mut idle = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let before = Usage::below_guards(folder.path());
        std::thread::sleep(Duration::from_millis(100));
        let quiet = Usage::below_guards(folder.path()).since(before);
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let mut used = Usage::default();
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(50));
            used = Usage::below_guards(folder.path()).since(before);
            if used.cpu_ms >= 200 {
                break;
            }
        }
        for child in [&mut idle, &mut busy] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!((quiet.cpu_ms, quiet.connections), (0, 0));
        assert!(used.cpu_ms >= 200, "{used:?}");
    }

    #[test]
    fn what_the_agents_own_program_reads_and_writes_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path());
        let copying = |name: &str| {
            let program = folder.path().join(name);
            std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
            let mut command = std::process::Command::new(program);
            command
                .arg("/dev/zero")
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        let used_by = |name: &str| {
            let before = Usage::below_guards(folder.path());
            let mut child = copying(name);
            // Both are busy, so that is waited for; only one of them moves bytes that count.
            let mut used = Usage::default();
            while used.cpu_ms < 100 {
                std::thread::sleep(Duration::from_millis(20));
                used = Usage::below_guards(folder.path()).since(before);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            used
        };
        assert_eq!(used_by("codex").io_bytes, 0);
        assert!(used_by("copier").io_bytes > 1_000_000);
    }

    #[test]
    fn a_connection_is_seen_as_long_as_it_is_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let own = std::process::id().cast_signed();
        let open = || {
            let established = established();
            sockets_of(own).filter(|inode| established.contains(inode)).count()
        };
        let accepted = listener.accept().unwrap();
        let before = open();
        assert!(before >= 2, "both ends are this process's");
        drop((stream, accepted));
        assert!(open() < before);
    }

    #[test]
    fn where_nothing_is_recorded_nothing_is_used() {
        assert_eq!(Usage::below_guards(Path::new("/nowhere")), Usage::default());
    }
}
