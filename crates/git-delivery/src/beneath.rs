//! Files below a folder that somebody hostile may have filled: no symbolic link is ever followed, nothing outside is
//! ever reached, and a pipe never blocks.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The longest path below the root that is looked at, in bytes. Systems refuse longer ones, and so does Git.
pub(crate) const LONGEST_PATH: usize = 4000;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The folder beneath which everything stays.
pub(crate) struct Root {
    folder: OwnedFd,
}

impl Root {
    /// Opens a folder of ours. The path itself is trusted, but for its last part, which must not be a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = rustix::fs::open(path, FOLDER, Mode::empty())?;
        Ok(Self { folder })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Opens a folder below. The empty path is the root itself.
    pub(crate) fn folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        if path.is_empty() {
            return Ok(rustix::fs::openat(&self.folder, ".", FOLDER, Mode::empty())?);
        }
        match open_in_one_step(&self.folder, path) {
            // Old kernels do not have it, and some sandboxes forbid it.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::NOTSUP) => self.folder_in_steps(path),
            other => Ok(other?),
        }
    }

    fn folder_in_steps(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut current = rustix::fs::openat(&self.folder, ".", FOLDER, Mode::empty())?;
        for part in path.split(|byte| *byte == b'/') {
            current = rustix::fs::openat(&current, part, FOLDER, Mode::empty())?;
        }
        Ok(current)
    }

    /// Opens a folder below and makes what is missing of it. What is in the way is removed.
    pub(crate) fn make_folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        if let Ok(folder) = self.folder(path) {
            return Ok(folder);
        }
        let mut current = rustix::fs::openat(&self.folder, ".", FOLDER, Mode::empty())?;
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            current = match rustix::fs::openat(&current, part, FOLDER, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => make_and_open(&current, part)?,
                Err(Errno::ACCESS) => {
                    make_usable(current.as_fd(), part)?;
                    rustix::fs::openat(&current, part, FOLDER, Mode::empty())?
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    make_writable(current.as_fd())?;
                    rustix::fs::unlinkat(&current, part, AtFlags::empty())?;
                    make_and_open(&current, part)?
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(current)
    }
}

fn make_and_open(folder: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    make_writable(folder.as_fd())?;
    match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
        // Another thread of the checkout was faster.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}

#[cfg(target_os = "linux")]
fn open_in_one_step(root: &OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, FOLDER, Mode::empty(), resolve)
}

#[cfg(not(target_os = "linux"))]
fn open_in_one_step(_: &OwnedFd, _: &[u8]) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// Splits a path into its folder and its name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Opens a plain file for reading. Anything else gives an error, without waiting for anybody.
pub(crate) fn open_file(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    Ok(file)
}

/// Gives the owner back the right to change a folder's entries.
pub fn make_writable(folder: BorrowedFd<'_>) -> io::Result<()> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(folder)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(folder, mode | Mode::RWXU)?;
    }
    Ok(())
}

/// Gives the owner back the right to open a folder, which must be one.
#[cfg(target_os = "linux")]
pub fn make_usable(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let found = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    // There is no call that changes the mode of such a handle; its own name below /proc leads exactly to it.
    rustix::fs::chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), Mode::RWXU)?;
    Ok(())
}

/// Gives the owner back the right to open a folder, which must be one.
#[cfg(not(target_os = "linux"))]
pub fn make_usable(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// The depth from which on subfolders are moved up before they are emptied, so that no tree is too deep to remove.
const DEEPEST: usize = 64;

/// Removes whatever has this name, however deep and whatever its permissions. A name that is not there is nothing.
pub(crate) fn remove(root: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(root, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM | Errno::ACCESS) => {}
        Err(error) => return Err(error.into()),
    }
    make_writable(root)?;
    if !is_folder(root, name)? {
        return ignore_missing(rustix::fs::unlinkat(root, name, AtFlags::empty()));
    }
    // Folders that are moved up are put beside the first one and emptied in turn.
    let mut names = vec![name.to_owned()];
    let mut moved = 0_u64;
    while let Some(next) = names.pop() {
        let mut too_deep = Vec::new();
        empty(root, &next, &mut |folder, name| {
            loop {
                moved += 1;
                let fresh = format!(".counterfoil-remove-{}-{moved}", std::process::id()).into_bytes();
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                if rustix::fs::statat(root, fresh.as_slice(), flags).is_ok() {
                    continue;
                }
                // Moving a folder changes the folder itself.
                make_usable(folder, name.to_bytes())?;
                rustix::fs::renameat(folder, name, root, fresh.as_slice())?;
                too_deep.push(fresh);
                return Ok(());
            }
        })?;
        ignore_missing(rustix::fs::unlinkat(root, next.as_slice(), AtFlags::REMOVEDIR))?;
        names.extend(too_deep);
    }
    Ok(())
}

type MoveUp<'a> = dyn FnMut(BorrowedFd<'_>, &CStr) -> io::Result<()> + 'a;

/// Empties a folder down to the depth at which subfolders are moved up.
fn empty(parent: BorrowedFd<'_>, name: &[u8], move_up: &mut MoveUp<'_>) -> io::Result<()> {
    struct Level {
        folder: OwnedFd,
        names: Vec<std::ffi::CString>,
        own_name: Vec<u8>,
    }
    let open = |parent: BorrowedFd<'_>, name: &[u8]| -> io::Result<Level> {
        let folder = match rustix::fs::openat(parent, name, FOLDER, Mode::empty()) {
            Err(Errno::ACCESS) => {
                make_usable(parent, name)?;
                rustix::fs::openat(parent, name, FOLDER, Mode::empty())?
            }
            other => other?,
        };
        make_writable(folder.as_fd())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(Level {
            folder,
            names,
            own_name: name.to_owned(),
        })
    };
    let mut levels = vec![open(parent, name)?];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.pop() else {
            let done = levels.pop();
            if let (Some(done), Some(above)) = (done, levels.last()) {
                ignore_missing(rustix::fs::unlinkat(
                    &above.folder,
                    done.own_name.as_slice(),
                    AtFlags::REMOVEDIR,
                ))?;
            }
            continue;
        };
        match rustix::fs::unlinkat(&level.folder, &*name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        if levels.len() < DEEPEST {
            let next = open(
                levels.last().map_or(parent, |level| level.folder.as_fd()),
                name.to_bytes(),
            )?;
            levels.push(next);
        } else if let Some(level) = levels.last() {
            move_up(level.folder.as_fd(), &name)?;
        }
    }
    Ok(())
}

fn is_folder(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<bool> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn ignore_missing(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_need_the_same_new_folder_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        for round in 0..100 {
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (root, start) = (&root, &start);
                    scope.spawn(move || {
                        start.wait();
                        root.make_folder(format!("{round}/shared/{thread}").as_bytes()).unwrap();
                    });
                }
            });
        }
    }
}
