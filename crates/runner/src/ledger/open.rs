//! Opening files of a work tree without following a symbolic link anywhere: what is in it may come from others.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ledger_core::{MAX_DOCUMENT_BYTES, RepoPath};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{FileProblem, LedgerError};

/// The names in a folder that may be tickets, and whether each is a symbolic link.
type Entries = Vec<(Vec<u8>, bool)>;

/// The folder `tickets` of a ledger, open, and what is in it. None if it is not there.
pub(super) fn list_tickets(root: &Path, dir: &RepoPath) -> Result<Option<(OwnedFd, Entries)>, LedgerError> {
    let path = super::tickets_dir(dir).unwrap_or_else(|| dir.clone());
    let failed = |errno: Errno| match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => LedgerError::NotAFolder { path: path.clone() },
        other => LedgerError::Io {
            path: path.clone(),
            source: other.into(),
        },
    };
    let tickets = match open_folder(root, path.parts()) {
        Ok(tickets) => tickets,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(&tickets).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        // Hidden folders and plain files, such as a README, are nobody's tickets.
        if name.starts_with(b".") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(&tickets, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        if matches!(kind, FileType::Directory | FileType::Symlink) {
            entries.push((name.to_vec(), kind == FileType::Symlink));
        }
    }
    Ok(Some((tickets, entries)))
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A folder below `root`, opened part by part.
fn open_folder<'a>(root: &Path, parts: impl Iterator<Item = &'a [u8]>) -> Result<OwnedFd, Errno> {
    let root = rustix::fs::open(root, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let mut folder = root;
    for part in parts {
        folder = rustix::fs::openat(&folder, part, FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

/// The bytes of a file below `root`, following no symbolic link on the way. Refuses what is no plain file and what has
/// more than a document may have.
pub fn read_beneath(root: &Path, path: &RepoPath) -> Result<Vec<u8>, FileProblem> {
    let folder_parts = path.parts().count().saturating_sub(1);
    match open_folder(root, path.parts().take(folder_parts)) {
        Ok(folder) => read_at(folder, path.file_name()),
        Err(Errno::NOENT) => Err(FileProblem::Missing),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Err(FileProblem::NotAFile),
        Err(errno) => Err(unreadable(errno)),
    }
}

/// The bytes of the file `name` in an open folder. `name` may be a path whose folders are known to be no links.
pub(super) fn read_at(folder: impl AsFd, name: &[u8]) -> Result<Vec<u8>, FileProblem> {
    // Without NONBLOCK a named pipe would wait for a writer for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::openat(folder, std::ffi::OsStr::from_bytes(name), flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(FileProblem::Missing),
        Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Err(FileProblem::NotAFile),
        Err(errno) => return Err(unreadable(errno)),
    };
    let mut bytes = Vec::with_capacity(4096);
    loop {
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) if bytes.len() > MAX_DOCUMENT_BYTES => {
                let size = rustix::fs::fstat(&file).map_err(unreadable)?.st_size;
                return Err(FileProblem::TooLarge {
                    bytes: u64::try_from(size).unwrap_or(u64::MAX).max(bytes.len() as u64),
                });
            }
            Ok(_) if bytes.len() == bytes.capacity() => bytes.reserve(bytes.len()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::ISDIR | Errno::AGAIN | Errno::INVAL) => return Err(FileProblem::NotAFile),
            Err(errno) => return Err(unreadable(errno)),
        }
    }
    if bytes.is_empty() {
        // A named pipe without a writer looks like an empty file.
        let stat = rustix::fs::fstat(&file).map_err(unreadable)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileProblem::NotAFile);
        }
    }
    Ok(bytes)
}

fn unreadable(errno: Errno) -> FileProblem {
    FileProblem::Unreadable {
        reason: io::Error::from(errno).to_string(),
    }
}
