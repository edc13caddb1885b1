//! The user's work tree, path by path: what is there now, and how one path after the other is brought to its new content and, where
//! something goes wrong, back.
//!
//! No symbolic link is followed on the way to a path, a file is replaced by renaming a whole one over it, and what it replaces is kept
//! until all is done.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use ledger_core::{BlobId, CommitId, EntryMode, RepoPath};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::{Root, open_file, split};
use crate::crash_point::crash_point;
use crate::objects::blob_id;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// Nothing can be there: this path above it is no folder, or a repository of its own.
    Blocked { above: RepoPath },
    /// A plain file.
    File(Content),
    /// A symbolic link; its content is its target.
    Link(Content),
    /// A folder.
    Folder,
    /// Something that Git does not track.
    Other,
}

/// Content, and the facts by which a change of it is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// The id that the bytes have as a blob.
    pub(super) id: BlobId,
    /// Whether its owner may execute it.
    pub(super) executable: bool,
    permissions: u32,
    stamp: Stamp,
}

/// Facts that change with every write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

impl Found {
    /// Whether it is this content, of this kind. `mode` is compared as far as the file system keeps it.
    pub(super) fn is(&self, mode: EntryMode, id: BlobId, trusts_mode: bool) -> bool {
        match (self, mode) {
            (Self::File(content), EntryMode::File | EntryMode::Executable) => {
                let fits = content.executable == (mode == EntryMode::Executable);
                content.id == id && (fits || !trusts_mode)
            }
            (Self::Link(content), EntryMode::Symlink) => content.id == id,
            _ => false,
        }
    }
}

/// What is at a path below this folder. Reads a file as a whole.
pub(super) fn look(root: &Root, path: &RepoPath) -> io::Result<Found> {
    let mut folder = rustix::fs::openat(root.as_fd(), ".", FOLDER, Mode::empty())?;
    let parts: Vec<&[u8]> = path.parts().collect();
    let Some((name, above)) = parts.split_last() else {
        return Ok(Found::Missing);
    };
    for (depth, part) in above.iter().enumerate() {
        let blocked = || match RepoPath::new(above[..=depth].join(&b'/')) {
            Ok(above) => Ok(Found::Blocked { above }),
            Err(error) => Err(io::Error::other(error)),
        };
        folder = match rustix::fs::openat(&folder, *part, FOLDER, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(Found::Missing),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return blocked(),
            Err(error) => return Err(error.into()),
        };
        // A folder with a `.git` in it is somebody else's work tree.
        if rustix::fs::statat(&folder, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return blocked();
        }
    }
    look_in(&folder, name)
}

fn look_in(folder: &OwnedFd, name: &[u8]) -> io::Result<Found> {
    let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Found::Missing),
        Err(error) => return Err(error.into()),
    };
    let content = |bytes: &[u8], stat: &rustix::fs::Stat| -> io::Result<Content> {
        let mode = Mode::from_raw_mode(stat.st_mode);
        Ok(Content {
            id: blob_id(bytes).map_err(io::Error::other)?,
            executable: mode.contains(Mode::XUSR),
            permissions: mode.bits() & 0o777,
            stamp: stamp(stat),
        })
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let mut file = open_file(folder.as_fd(), name)?;
            // Of the file that is read, which may be another by now.
            let stat = rustix::fs::fstat(&file)?;
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes)?;
            Found::File(content(&bytes, &stat)?)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
            Found::Link(content(target.to_bytes(), &stat)?)
        }
        FileType::Directory => Found::Folder,
        _ => Found::Other,
    })
}

#[expect(clippy::unnecessary_cast, reason = "the fields have other types on other systems")]
fn stamp(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as i64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
    }
}

/// The first path in a folder, however deep, that `goes` does not name; folders count for what is in them. None where all of it goes.
pub(super) fn first_that_stays(
    root: &Root,
    folder: &RepoPath,
    goes: &dyn Fn(&RepoPath) -> bool,
) -> io::Result<Option<RepoPath>> {
    let mut waiting = vec![folder.clone()];
    while let Some(next) = waiting.pop() {
        let handle = root.folder(next.as_bytes())?;
        for entry in Dir::read_from(&handle)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let path = RepoPath::new([next.as_bytes(), b"/", name].concat()).map_err(io::Error::other)?;
            let stat = rustix::fs::statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            if name == b".git" {
                return Ok(Some(path));
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                waiting.push(path);
            } else if !goes(&path) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Changes the work tree path by path, and can take all of it back.
pub(super) struct Writer<'a> {
    root: &'a Root,
    /// Where what is replaced is kept meanwhile.
    kept: PathBuf,
    temporary: Vec<u8>,
    done: Vec<Done>,
    made: Vec<Vec<u8>>,
    touched: Vec<OwnedFd>,
}

struct Done {
    path: RepoPath,
    /// What was there; none where nothing was.
    before: Option<PathBuf>,
}

/// The name of the one unfinished file that a delivery of this commit may leave in a folder.
fn temporary_name(commit: CommitId) -> Vec<u8> {
    format!(".foil-{}.tmp", commit.short()).into_bytes()
}

/// Removes what a runner that died in the middle left beside a path.
pub(super) fn remove_unfinished(root: &Root, path: &RepoPath, commit: CommitId) -> io::Result<()> {
    let Ok(folder) = root.folder(split(path.as_bytes()).0) else {
        return Ok(());
    };
    match rustix::fs::unlinkat(&folder, temporary_name(commit).as_slice(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(root: &'a Root, kept: PathBuf, commit: CommitId) -> Self {
        Self {
            root,
            kept,
            temporary: temporary_name(commit),
            done: Vec::new(),
            made: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Takes a path away, and the folders that are empty then. Refused with `ErrorKind::ResourceBusy` where it is not what was seen.
    pub(super) fn delete(&mut self, path: &RepoPath, seen: &Found) -> io::Result<()> {
        let (above, name) = split(path.as_bytes());
        let folder = self.root.folder(above)?;
        let before = self.keep(&folder, name, seen)?;
        rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
        self.note(path, before);
        let mut emptied = above;
        while !emptied.is_empty() {
            let (above, name) = split(emptied);
            let Ok(folder) = self.root.folder(above) else { break };
            if rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
            emptied = above;
        }
        Ok(())
    }

    /// Puts a file or link from `from` at a path, whole, with the permissions that the file there had. Refused with
    /// `ErrorKind::ResourceBusy` where what is there is not what was seen.
    pub(super) fn put(&mut self, path: &RepoPath, from: &Path, seen: &Found) -> io::Result<()> {
        let (above, name) = split(path.as_bytes());
        let folder = self.make_folders(above)?;
        if *seen == Found::Folder {
            // What was in it is gone by now; one that is not empty stays.
            match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.write_temporary(&folder, from, seen)?;
        let replaced = match seen {
            Found::File(_) | Found::Link(_) => self.keep(&folder, name, seen),
            // Looked at right before: a rename would replace what appeared in between.
            _ => match look_in(&folder, name) {
                Ok(Found::Missing) => Ok(None),
                Ok(_) => Err(busy()),
                Err(error) => Err(error),
            },
        };
        let renamed = replaced.and_then(|before| {
            crash_point("a file of the user's is kept and its new one is written beside it");
            rustix::fs::renameat(&folder, self.temporary.as_slice(), &folder, name)?;
            crash_point("a file of the user's is replaced");
            Ok(before)
        });
        match renamed {
            Ok(before) => {
                self.note(path, before);
                self.touched.push(folder);
                Ok(())
            }
            Err(error) => {
                let _ = rustix::fs::unlinkat(&folder, self.temporary.as_slice(), AtFlags::empty());
                Err(error)
            }
        }
    }

    /// Brings the names to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for folder in self.touched.drain(..) {
            rustix::fs::fsync(&folder)?;
        }
        Ok(())
    }

    /// Takes back what was done, the last first.
    pub(super) fn take_back(mut self) -> io::Result<()> {
        while let Some(Done { path, before }) = self.done.pop() {
            let (above, name) = split(path.as_bytes());
            match before {
                Some(kept) => {
                    let folder = self.make_folders(above)?;
                    match rustix::fs::renameat(rustix::fs::CWD, kept.as_path(), &folder, name) {
                        Ok(()) => {}
                        Err(Errno::XDEV) => {
                            self.write_temporary(&folder, &kept, &Found::Missing)?;
                            let permissions = std::fs::symlink_metadata(&kept)?.permissions();
                            let mode = std::os::unix::fs::PermissionsExt::mode(&permissions);
                            let file = open_file(folder.as_fd(), &self.temporary);
                            if let Ok(file) = file {
                                rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
                            }
                            rustix::fs::renameat(&folder, self.temporary.as_slice(), &folder, name)?;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                None => {
                    let folder = self.root.folder(above)?;
                    rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
                }
            }
        }
        while let Some(made) = self.made.pop() {
            let (above, name) = split(&made);
            // Somebody else may have put something there meanwhile.
            let _ = rustix::fs::unlinkat(self.root.folder(above)?, name, AtFlags::REMOVEDIR);
        }
        Ok(())
    }

    fn note(&mut self, path: &RepoPath, before: Option<PathBuf>) {
        let path = path.clone();
        self.done.push(Done { path, before });
    }

    /// Keeps what is at a name under a second name outside of the work tree, where it still is what was seen.
    fn keep(&self, folder: &OwnedFd, name: &[u8], seen: &Found) -> io::Result<Option<PathBuf>> {
        if look_in(folder, name)? != *seen {
            return Err(busy());
        }
        let kept = self.kept.join(self.done.len().to_string());
        match rustix::fs::linkat(folder, name, rustix::fs::CWD, kept.as_path(), AtFlags::empty()) {
            Ok(()) => return Ok(Some(kept)),
            // Another file system, or one without hard links.
            Err(Errno::XDEV | Errno::PERM | Errno::NOTSUP | Errno::MLINK | Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
        match seen {
            Found::Link(_) => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
                rustix::fs::symlink(target, kept.as_path())?;
            }
            _ => {
                let mut from = open_file(folder.as_fd(), name)?;
                let permissions = from.metadata()?.permissions();
                let mut to = File::create_new(&kept)?;
                io::copy(&mut from, &mut to)?;
                to.set_permissions(permissions)?;
            }
        }
        Ok(Some(kept))
    }

    fn write_temporary(&self, folder: &OwnedFd, from: &Path, replaced: &Found) -> io::Result<()> {
        let name = self.temporary.as_slice();
        let kind = std::fs::symlink_metadata(from)?;
        if kind.is_symlink() {
            rustix::fs::symlinkat(std::fs::read_link(from)?.as_path(), folder, name)?;
            return Ok(());
        }
        let executable = std::os::unix::fs::PermissionsExt::mode(&kind.permissions()) & 0o100 != 0;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fresh = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let mut file = File::from(rustix::fs::openat(folder, name, flags, fresh)?);
        let written = std::fs::read(from)
            .and_then(|bytes| file.write_all(&bytes))
            .and_then(|()| {
                if let Found::File(old) = replaced {
                    // What only its owner may read stays so.
                    let readable = old.permissions & 0o666;
                    let mode = readable | if executable { (readable & 0o444) >> 2 } else { 0 };
                    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
                }
                file.sync_all()
            });
        written.inspect_err(|_| {
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        })
    }

    /// Opens a folder and makes what is missing of it. What is in the way stays and is an error.
    fn make_folders(&mut self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut current = rustix::fs::openat(self.root.as_fd(), ".", FOLDER, Mode::empty())?;
        let mut end = 0;
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            end = path.len().min(if end == 0 { part.len() } else { end + 1 + part.len() });
            current = match rustix::fs::openat(&current, part, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&current, part, Mode::from_raw_mode(0o777))?;
                    self.made.push(path[..end].to_owned());
                    let made = rustix::fs::openat(&current, part, FOLDER, Mode::empty())?;
                    self.touched.push(current);
                    made
                }
                other => other?,
            };
        }
        Ok(current)
    }
}

/// Something is not as it was when it was looked at.
fn busy() -> io::Error {
    io::ErrorKind::ResourceBusy.into()
}
