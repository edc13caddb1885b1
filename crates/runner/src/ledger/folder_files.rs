//! What lies in a ticket's folder beside contract and prompt.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use ledger_core::{RepoPath, TicketId};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::FileProblem;

/// The most files that a ticket's folder may hold.
pub(super) const MOST_FILES: usize = 1_000;

/// Whether a file directly in a ticket's folder is written by runner and commands, and is no part of what is asked.
pub(super) fn is_record(name: &[u8]) -> bool {
    if matches!(name, b"approval.toml" | b"canceled.toml") {
        return true;
    }
    let Some(stem) = name.strip_suffix(b".md") else {
        return false;
    };
    ["plan", "result", "review", "handoff"].iter().any(|record| {
        let rest = stem.strip_prefix(record.as_bytes());
        rest.is_some_and(|rest| match rest.strip_prefix(b"-") {
            None => rest.is_empty(),
            Some(number) => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
        })
    })
}

/// Every path below the folder of a ticket, of whatever kind, in order. `tickets` is the open folder that it lies in, `path` its path in
/// the repository. Hidden files and those whose names end in `~` are left out: editors put them there, and nobody commits them.
pub(super) fn below(tickets: &OwnedFd, id: &TicketId, path: &[u8]) -> Result<Vec<RepoPath>, FileProblem> {
    let mut found = Vec::new();
    let mut open = vec![(open_at(tickets, id.as_str().as_bytes())?, path.to_vec())];
    while let Some((folder, path)) = open.pop() {
        for entry in rustix::fs::Dir::read_from(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") || name.ends_with(b"~") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW);
                    FileType::from_raw_mode(stat.map_err(unreadable)?.st_mode)
                }
                known => known,
            };
            let path = [&path, b"/".as_slice(), name].concat();
            if kind == FileType::Directory {
                open.push((open_at(&folder, name)?, path));
            } else {
                found.push(RepoPath::new(path).map_err(|error| FileProblem::Unreadable {
                    reason: error.to_string(),
                })?);
            }
            if found.len() + open.len() > MOST_FILES {
                return Err(too_many());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn open_at(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, FileProblem> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, OsStr::from_bytes(name), flags, Mode::empty()).map_err(unreadable)
}

pub(super) fn too_many() -> FileProblem {
    FileProblem::Unreadable {
        reason: format!("it holds more than {MOST_FILES} files"),
    }
}

fn unreadable(errno: Errno) -> FileProblem {
    FileProblem::Unreadable {
        reason: std::io::Error::from(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_by_their_names() {
        for record in [
            "approval.toml",
            "canceled.toml",
            "handoff.md",
            "plan.md",
            "result.md",
            "result-2.md",
            "review-10.md",
        ] {
            assert!(is_record(record.as_bytes()), "{record}");
        }
        for other in [
            "ticket.toml",
            "prompt.md",
            "notes.md",
            "result-.md",
            "result-x.md",
            "results.md",
            "result",
            ".result.md",
        ] {
            assert!(!is_record(other.as_bytes()), "{other}");
        }
    }
}
