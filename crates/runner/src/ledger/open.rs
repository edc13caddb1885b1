//! Listing the folder of tickets.

use std::os::fd::OwnedFd;
use std::path::Path;

use ledger_core::RepoPath;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::LedgerError;
use crate::beneath::open_folder;

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
        let name = entry.file_name();
        // Hidden folders and plain files, such as a README, are nobody's tickets.
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(&tickets, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        if matches!(kind, FileType::Directory | FileType::Symlink) {
            entries.push((name.to_bytes().to_vec(), kind == FileType::Symlink));
        }
    }
    Ok(Some((tickets, entries)))
}
