//! Untracked files of the user's that are put into places beside their tree.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;

use ledger_core::RepoPath;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::{Root, make_writable, open_file, remove, split};
use crate::place::{Place, PlaceError};
use crate::repository::Repository;

/// A file of the user's work tree, as it is put into places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntrackedFile {
    /// Where it is, in the work tree and in places.
    pub path: RepoPath,
    /// What it holds.
    pub content: Vec<u8>,
    /// Its permission bits, which are kept: what only its owner can read stays so.
    pub mode: u32,
}

/// A file of the work tree cannot be put into places.
#[derive(Debug, thiserror::Error)]
pub enum UntrackedFileError {
    /// It is not there.
    #[error("`{path}` is not in your work tree")]
    Missing {
        /// Its path.
        path: RepoPath,
    },
    /// It is a folder, a link or a special file, or lies behind a link.
    #[error("`{path}` of your work tree is no plain file")]
    NotAFile {
        /// Its path.
        path: RepoPath,
    },
    /// It has more bytes than were asked for.
    #[error("`{path}` of your work tree has more than {limit} bytes")]
    TooLarge {
        /// Its path.
        path: RepoPath,
        /// The most that it may have.
        limit: u64,
    },
    /// The system refuses.
    #[error("`{path}` of your work tree cannot be read")]
    Io {
        /// Its path.
        path: RepoPath,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Repository {
    /// Reads a file of the work tree of at most this many bytes, following no link. Whether it is tracked is not looked at.
    pub fn read_untracked(&self, path: &RepoPath, limit: u64) -> Result<UntrackedFile, UntrackedFileError> {
        let failed = |source: io::Error| {
            let path = path.clone();
            match (source.kind(), Errno::from_io_error(&source)) {
                (io::ErrorKind::NotFound, _) => UntrackedFileError::Missing { path },
                (io::ErrorKind::InvalidInput, _) | (_, Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO)) => {
                    UntrackedFileError::NotAFile { path }
                }
                _ => UntrackedFileError::Io { path, source },
            }
        };
        let root = Root::open(&self.work_dir().canonicalize().map_err(failed)?).map_err(failed)?;
        let (folder, name) = split(path.as_bytes());
        let folder = root.folder(folder).map_err(failed)?;
        let file = open_file(folder.as_fd(), name).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        let mut content = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(failed)?;
        if content.len() as u64 > limit {
            let path = path.clone();
            return Err(UntrackedFileError::TooLarge { path, limit });
        }
        Ok(UntrackedFile {
            path: path.clone(),
            content,
            mode,
        })
    }
}

impl Place {
    /// Puts a file beside the tree, in place of whatever is there, through no link. Refused where the tree has something at, above or
    /// below its path.
    pub fn put(&self, file: &UntrackedFile) -> Result<(), PlaceError> {
        let path = file.path.as_bytes();
        if self.index().meets(path) {
            return Err(PlaceError::Tracked {
                path: file.path.to_string(),
            });
        }
        if crate::names::is_forbidden_path(path, false) {
            return Err(PlaceError::ForbiddenName {
                path: file.path.to_string(),
            });
        }
        let failed = |error: io::Error| PlaceError::io(path, error);
        let (folder, name) = split(path);
        let folder = self.root()?.make_folder(folder).map_err(failed)?;
        make_writable(folder.as_fd()).map_err(failed)?;
        remove(folder.as_fd(), name).map_err(failed)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(file.mode);
        let opened = rustix::fs::openat(&folder, name, flags, mode).map_err(|error| failed(error.into()))?;
        File::from(opened).write_all(&file.content).map_err(failed)
    }
}
