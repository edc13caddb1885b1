//! The files that a run keeps, opened without following a link: what lies there is shown and removed by name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use ledger_core::{RunId, TicketId};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::open_folder;
use crate::state::StateRoots;

/// The open folder of one run.
#[derive(Debug)]
pub(crate) struct RunFiles {
    folder: OwnedFd,
}

impl RunFiles {
    /// Opens the folder of a run. `None` where there is none. Refuses one that is a link or is reached through one.
    pub(crate) fn open(roots: &StateRoots, ticket: &TicketId, run: &RunId) -> io::Result<Option<Self>> {
        let parts = ["runs", ticket.as_str(), run.as_str()];
        match open_folder(roots.repository(), parts.iter().map(|part| part.as_bytes())) {
            Ok(folder) => Ok(Some(Self { folder })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// A plain file of the run, in its folder or one below. `None` where there is none. Refuses links, pipes and devices.
    pub(crate) fn file(&self, path: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut above = None;
        let mut name = path;
        while let Some((part, rest)) = name.split_once('/') {
            let folder = above.as_ref().unwrap_or(&self.folder);
            match rustix::fs::openat(
                folder,
                OsStr::from_bytes(part.as_bytes()),
                flags | OFlags::DIRECTORY,
                Mode::empty(),
            ) {
                Ok(opened) => above = Some(opened),
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(refused(errno)),
            }
            name = rest;
        }
        let folder = above.as_ref().unwrap_or(&self.folder);
        // Without NONBLOCK a named pipe would wait for a writer for ever.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refused(errno)),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a plain file"));
        }
        Ok(Some(file))
    }

    /// The bytes of such a file. Refuses one with more than `limit` bytes.
    pub(crate) fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let message = format!("it has more than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(Some(bytes))
    }
}

fn refused(errno: Errno) -> io::Error {
    match errno {
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => io::Error::new(
            io::ErrorKind::InvalidData,
            "it is a symbolic link, or is reached through one",
        ),
        other => other.into(),
    }
}
