//! Files of a tree, written into a place exactly as they are stored.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use gix::objs::FindExt as _;
use ledger_core::{EntryMode, RepoPath, Side};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::{Root, make_writable, remove, split};
use crate::names::is_forbidden_path;
use crate::objects::{ObjectError, theirs};
use crate::place::PlaceError;
use crate::place::index::{FileStat, permissions};
use crate::repository::Repository;

/// A file that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) path: Vec<u8>,
    pub(crate) side: Side,
}

/// Writes these files, sorted by path, and gives the facts of each in the same order. What is in the way is removed.
pub(crate) fn write_files(
    repository: &Repository,
    root: &Root,
    wanted: &[Wanted],
) -> Result<Vec<FileStat>, PlaceError> {
    if let Some(bad) = wanted.iter().find(|wanted| is_hostile(wanted)) {
        return Err(PlaceError::ForbiddenName {
            path: String::from_utf8_lossy(&bad.path).escape_debug().to_string(),
        });
    }
    let threads = thread_count(wanted.len());
    if threads == 1 {
        return write_part(repository, root, wanted);
    }
    let share = wanted.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = wanted
            .chunks(share)
            .map(|part| scope.spawn(move || write_part(repository, root, part)))
            .collect();
        let mut stats = Vec::with_capacity(wanted.len());
        for part in parts {
            stats.extend(part.join().unwrap_or(Err(PlaceError::Died))?);
        }
        Ok(stats)
    })
}

/// How many threads read or write a place with this many files: more than one only where it pays to start them.
pub(crate) fn thread_count(files: usize) -> usize {
    // Asking costs a dozen reads of control group files each time.
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = CORES.get_or_init(|| std::thread::available_parallelism().map_or(2, |count| count.get().clamp(1, 8)));
    (files / 64 + 1).min(*cores)
}

/// A tree that anybody may have made can hold names by which files would land elsewhere.
fn is_hostile(wanted: &Wanted) -> bool {
    RepoPath::new(wanted.path.as_slice()).is_err()
        || is_forbidden_path(&wanted.path, wanted.side.mode == EntryMode::Symlink)
}

fn write_part(repository: &Repository, root: &Root, part: &[Wanted]) -> Result<Vec<FileStat>, PlaceError> {
    let local = repository.local();
    let mut stats = Vec::with_capacity(part.len());
    let mut buffer = Vec::new();
    let mut current: Option<(Vec<u8>, OwnedFd)> = None;
    for wanted in part {
        let (folder, name) = split(&wanted.path);
        let handle = match current.take() {
            Some((path, handle)) if path == folder => handle,
            _ => {
                let handle = root
                    .make_folder(folder)
                    .map_err(|error| PlaceError::io(folder, error))?;
                make_writable(handle.as_fd()).map_err(|error| PlaceError::io(folder, error))?;
                handle
            }
        };
        let stat = write_one(&local, handle.as_fd(), name, wanted, &mut buffer)?;
        stats.push(stat);
        current = Some((folder.to_owned(), handle));
    }
    Ok(stats)
}

fn write_one(
    local: &gix::Repository,
    folder: BorrowedFd<'_>,
    name: &[u8],
    wanted: &Wanted,
    buffer: &mut Vec<u8>,
) -> Result<FileStat, PlaceError> {
    let failed = |error: Errno| PlaceError::io(&wanted.path, error);
    if wanted.side.mode == EntryMode::Submodule {
        make_empty_folder(folder, name).map_err(|error| PlaceError::io(&wanted.path, error))?;
    } else {
        let id = wanted.side.id.0;
        let blob = local.objects.find_blob(&theirs(id), buffer).map_err(|error| {
            PlaceError::Object(if error.is_not_found() {
                ObjectError::Missing { id }
            } else {
                ObjectError::Damaged {
                    id,
                    reason: error.to_string(),
                }
            })
        })?;
        if wanted.side.mode == EntryMode::Symlink {
            retried(folder, name, || rustix::fs::symlinkat(blob.data, folder, name)).map_err(failed)?;
        } else {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = permissions(wanted.side.mode);
            let file = retried(folder, name, || rustix::fs::openat(folder, name, flags, mode)).map_err(failed)?;
            let mut file = File::from(file);
            file.write_all(blob.data)
                .map_err(|error| PlaceError::io(&wanted.path, error))?;
            let stat = rustix::fs::fstat(&file).map_err(failed)?;
            let found = Mode::from_raw_mode(stat.st_mode);
            if wanted.side.mode == EntryMode::Executable && !found.contains(Mode::XUSR) {
                rustix::fs::fchmod(&file, found | Mode::XUSR).map_err(failed)?;
                return Ok(FileStat::new(&rustix::fs::fstat(&file).map_err(failed)?));
            }
            return Ok(FileStat::new(&stat));
        }
    }
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    Ok(FileStat::new(&stat))
}

/// Does it, and once more after removing what is in the way.
fn retried<T>(
    folder: BorrowedFd<'_>,
    name: &[u8],
    action: impl Fn() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match action() {
        Err(Errno::EXIST) => {
            remove(folder, name).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            action()
        }
        other => other,
    }
}

fn make_empty_folder(folder: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<()> {
    remove(folder, name)?;
    Ok(rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o777))?)
}
