//! Reading and writing files of a work tree without following a symbolic link anywhere: what is in it may come from
//! others.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ledger_core::{MAX_DOCUMENT_BYTES, RepoPath};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::ledger::FileProblem;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something on the way is a file or a symbolic link.
    #[error("`{path}` cannot be written: a part of it is a symbolic link or no folder")]
    NotAFolder {
        /// The path in the repository.
        path: RepoPath,
    },
    /// The system refuses.
    #[error("`{path}` cannot be written: {source}")]
    Io {
        /// The path in the repository.
        path: RepoPath,
        /// What the system says.
        source: io::Error,
    },
}

impl WriteError {
    fn new(path: &RepoPath, errno: Errno) -> Self {
        let path = path.clone();
        match errno {
            Errno::NOTDIR | Errno::LOOP | Errno::MLINK => Self::NotAFolder { path },
            other => Self::Io {
                path,
                source: other.into(),
            },
        }
    }
}

/// Whether a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is new.
    New,
    /// Something is there already; it was left as it is.
    Exists,
}

/// A folder below `root`, opened without following a link anywhere.
pub(crate) fn open_folder<'a>(root: &Path, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Result<OwnedFd, Errno> {
    let mut folder = rustix::fs::open(root, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    #[cfg(target_os = "linux")]
    match open_at_once(&folder, parts.clone()) {
        // A kernel before 5.6 does not know how; a sandbox may not let us.
        Err(Errno::NOSYS | Errno::PERM) => {}
        opened => return opened,
    }
    for part in parts {
        folder = rustix::fs::openat(&folder, OsStr::from_bytes(part), FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

/// The same in one call of the system, where ledgers have tens of thousands of folders.
#[cfg(target_os = "linux")]
fn open_at_once<'a>(root: &OwnedFd, parts: impl Iterator<Item = &'a [u8]>) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;

    let mut path = b".".to_vec();
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, OsStr::from_bytes(&path), FOLDER, Mode::empty(), resolve)
}

/// The bytes of a file below `root`. Refuses what is no plain file and what has more than a document may have.
pub fn read_beneath(root: &Path, path: &RepoPath) -> Result<Vec<u8>, FileProblem> {
    match open_folder(root, folders_of(path)) {
        Ok(folder) => read_at(folder, path.file_name()),
        Err(Errno::NOENT) => Err(FileProblem::Missing),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Err(FileProblem::NotAFile),
        Err(errno) => Err(unreadable(errno)),
    }
}

/// What is at a path of a work tree. No link is followed: it could lead to where nothing is, or to what waits for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    File(Vec<u8>),
    /// A link, a folder, a pipe, or more than a document may have.
    Other,
}

/// What is at a path below `root`. Only what the system refuses is an error.
pub(crate) fn look_beneath(root: &Path, path: &RepoPath) -> Result<Seen, FileProblem> {
    match read_beneath(root, path) {
        Ok(bytes) => Ok(Seen::File(bytes)),
        Err(FileProblem::Missing) => Ok(Seen::Nothing),
        // Another branch may be checked out that has a file where the ledger is on this one.
        Err(FileProblem::NotAFile) if is_below_a_file(root, path) => Ok(Seen::Nothing),
        Err(FileProblem::NotAFile | FileProblem::TooLarge { .. } | FileProblem::Document(_)) => Ok(Seen::Other),
        Err(problem @ FileProblem::Unreadable { .. }) => Err(problem),
    }
}

/// Whether the first thing on the way that is no folder is a plain file.
fn is_below_a_file(root: &Path, path: &RepoPath) -> bool {
    let mut place = root.to_owned();
    for part in folders_of(path) {
        place.push(OsStr::from_bytes(part));
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => return metadata.is_file(),
            Err(_) => return false,
        }
    }
    false
}

fn folders_of(path: &RepoPath) -> impl Iterator<Item = &[u8]> + Clone {
    let folders = path.parts().count().saturating_sub(1);
    path.parts().take(folders)
}

/// The bytes of the file `name` in an open folder. `name` may be a path whose folders are known to be no links.
pub(crate) fn read_at(folder: impl AsFd, name: &[u8]) -> Result<Vec<u8>, FileProblem> {
    // Without NONBLOCK a named pipe would wait for a writer for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::openat(folder, OsStr::from_bytes(name), flags, Mode::empty()) {
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

/// Whether there is a plain file below `root`. No link is followed.
pub(crate) fn is_file_beneath(root: &Path, path: &RepoPath) -> bool {
    let Ok(folder) = open_folder(root, folders_of(path)) else {
        return false;
    };
    let stat = rustix::fs::statat(&folder, OsStr::from_bytes(path.file_name()), AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// The names of the folders in a folder below `root`, in order; none where it cannot be listed. Names that are no UTF-8 are left out.
pub(crate) fn folders_beneath(root: &Path, path: &RepoPath) -> Vec<String> {
    let listed = open_folder(root, path.parts()).and_then(rustix::fs::Dir::read_from);
    let mut names: Vec<_> = listed
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !entry.file_name().to_bytes().starts_with(b"."))
        .filter(|entry| matches!(entry.file_type(), FileType::Directory | FileType::Unknown))
        .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn unreadable(errno: Errno) -> FileProblem {
    FileProblem::Unreadable {
        reason: io::Error::from(errno).to_string(),
    }
}

/// Makes a folder below `root`, and those above it, where they are not there.
pub(crate) fn make_folder(root: &Path, path: &RepoPath) -> Result<OwnedFd, WriteError> {
    make_folders(root, path.parts()).map_err(|errno| WriteError::new(path, errno))
}

fn make_folders<'a>(root: &Path, parts: impl Iterator<Item = &'a [u8]>) -> Result<OwnedFd, Errno> {
    let mut folder = open_folder(root, std::iter::empty())?;
    for part in parts {
        let part = OsStr::from_bytes(part);
        match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        folder = rustix::fs::openat(&folder, part, FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

/// Makes exactly this folder; those above it where they are not there.
pub(crate) fn make_new_folder(root: &Path, path: &RepoPath) -> Result<Created, WriteError> {
    let failed = |errno| WriteError::new(path, errno);
    let above = make_folders(root, folders_of(path)).map_err(failed)?;
    match rustix::fs::mkdirat(&above, OsStr::from_bytes(path.file_name()), Mode::from_raw_mode(0o777)) {
        Ok(()) => Ok(Created::New),
        Err(Errno::EXIST) => Ok(Created::Exists),
        Err(errno) => Err(failed(errno)),
    }
}

/// Writes a file that is not there yet, whole or not at all. Whatever is there, a dangling link too, is left as it is.
pub(crate) fn create_beneath(root: &Path, path: &RepoPath, bytes: &[u8]) -> Result<Created, WriteError> {
    let failed = |errno| WriteError::new(path, errno);
    let folder = make_folders(root, folders_of(path)).map_err(failed)?;
    let name = OsStr::from_bytes(path.file_name());
    if rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(Created::Exists);
    }
    let temporary = write_temporary(&folder, bytes, 0o666).map_err(failed)?;
    // A link cannot replace what appeared in between, as a rename would.
    let linked = rustix::fs::linkat(&folder, temporary.as_str(), &folder, name, AtFlags::empty());
    let removed = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
    match linked {
        Ok(()) => removed.map(|()| Created::New).map_err(failed),
        Err(Errno::EXIST) => Ok(Created::Exists),
        Err(errno) => Err(failed(errno)),
    }
}

/// Writes a file, whole or not at all, in place of what is there; its permissions stay. Refuses to replace what is no
/// plain file.
pub(crate) fn replace_beneath(root: &Path, path: &RepoPath, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |errno| WriteError::new(path, errno);
    let folder = make_folders(root, folders_of(path)).map_err(failed)?;
    let name = OsStr::from_bytes(path.file_name());
    let mode = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Some(stat.st_mode & 0o777),
        Ok(_) => return Err(failed(Errno::LOOP)),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(failed(errno)),
    };
    let temporary = write_temporary(&folder, bytes, mode.unwrap_or(0o666)).map_err(failed)?;
    rustix::fs::renameat(&folder, temporary.as_str(), &folder, name)
        .and_then(|()| rustix::fs::fsync(&folder))
        .map_err(|errno| {
            let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
            failed(errno)
        })
}

/// A file with these bytes on the disk and a name that nobody else uses.
fn write_temporary(folder: &OwnedFd, bytes: &[u8], mode: u32) -> Result<String, Errno> {
    let name = format!(".foil-{}.tmp", uuid::Uuid::now_v7().simple());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name.as_str(), flags, Mode::from_raw_mode(mode))?;
    let written = write_all(&file, bytes).and_then(|()| rustix::fs::fsync(&file));
    match written {
        Ok(()) => Ok(name),
        Err(errno) => {
            let _ = rustix::fs::unlinkat(folder, name.as_str(), AtFlags::empty());
            Err(errno)
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes a file or an empty folder that was just made. Best effort: it is called when something else failed already.
pub(crate) fn remove_just_made(root: &Path, path: &RepoPath, folder: bool) {
    if let Ok(above) = open_folder(root, folders_of(path)) {
        let flags = if folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        let _ = rustix::fs::unlinkat(&above, OsStr::from_bytes(path.file_name()), flags);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn path(text: &str) -> RepoPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_that_is_there_is_never_overwritten_by_creating() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(create_beneath(root.path(), &path("a/b"), b"one").unwrap(), Created::New);
        assert_eq!(
            create_beneath(root.path(), &path("a/b"), b"two").unwrap(),
            Created::Exists
        );
        symlink("nowhere", root.path().join("a/link")).unwrap();
        assert_eq!(
            create_beneath(root.path(), &path("a/link"), b"x").unwrap(),
            Created::Exists
        );
        assert_eq!(fs::read(root.path().join("a/b")).unwrap(), b"one");
        let names: Vec<_> = fs::read_dir(root.path().join("a"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "nothing temporary stays: {names:?}");
    }

    #[test]
    fn nothing_is_written_through_a_symbolic_link() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("ledger")).unwrap();
        assert!(matches!(
            create_beneath(root.path(), &path("ledger/x"), b""),
            Err(WriteError::NotAFolder { .. })
        ));
        fs::write(outside.path().join("file"), b"kept").unwrap();
        symlink(outside.path().join("file"), root.path().join("file")).unwrap();
        assert!(matches!(
            replace_beneath(root.path(), &path("file"), b"x"),
            Err(WriteError::NotAFolder { .. })
        ));
        assert_eq!(fs::read(outside.path().join("file")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacing_keeps_the_permissions() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x");
        fs::write(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        replace_beneath(root.path(), &path("x"), b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
