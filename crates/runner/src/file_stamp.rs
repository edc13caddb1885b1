//! What tells, without reading anything, whether a file or a folder is still as it was.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long after a change another one may leave the same stamp: clocks of file systems go in steps.
const STEP: Duration = Duration::from_millis(100);

/// What changes with a file or folder, of itself and not of what it names: a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileStamp {
    device: u64,
    inode: u64,
    mode: u32,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    /// The stamp of what lies there now; none where nothing does, or where the system does not say.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let data = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: data.dev(),
            inode: data.ino(),
            mode: data.mode(),
            bytes: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When it was last written: seconds and nanoseconds since 1970.
    pub(crate) fn modified(&self) -> (i64, i64) {
        self.modified
    }

    /// Whether whatever changes after `taken` changes the stamp too.
    pub(crate) fn is_settled(&self, taken: SystemTime) -> bool {
        is_settled(self.changed, taken)
    }
}

/// The stamps of many files and folders in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeStamp {
    /// Of all, in whatever order they were listed.
    sum: u64,
    /// When any of them last changed.
    newest: (i64, i64),
    taken: SystemTime,
}

impl TreeStamp {
    /// A stamp of nothing.
    pub(crate) fn begin() -> Self {
        Self {
            sum: 0,
            newest: (0, 0),
            taken: SystemTime::now(),
        }
    }

    /// Adds what lies at this path.
    pub(crate) fn add(&mut self, path: &Path) {
        self.add_stamp(path, FileStamp::of(path));
    }

    /// Adds what lies at this path and everything below it, down to so many folders. Links are not followed.
    pub(crate) fn add_all(&mut self, path: &Path, depth: usize) {
        let stamp = FileStamp::of(path);
        self.add_stamp(path, stamp);
        let is_folder = stamp.is_some_and(|stamp| stamp.mode & FOLDER_MASK == FOLDER);
        let Some(below) = depth.checked_sub(1).filter(|_| is_folder) else {
            return;
        };
        for entry in list(path) {
            self.add_all(&entry, below);
        }
    }

    /// Whether what is stamped is as it was for `earlier`. What had changed just before `earlier` was taken may have changed
    /// again without leaving a trace, and counts as changed.
    pub(crate) fn shows_no_change_since(&self, earlier: &Self) -> bool {
        self.sum == earlier.sum && is_settled(earlier.newest, earlier.taken)
    }

    fn add_stamp(&mut self, path: &Path, stamp: Option<FileStamp>) {
        let mut hasher = DefaultHasher::new();
        path.as_os_str().as_bytes().hash(&mut hasher);
        stamp.hash(&mut hasher);
        self.sum = self.sum.wrapping_add(hasher.finish());
        if let Some(stamp) = stamp {
            self.newest = self.newest.max(stamp.changed);
        }
    }
}

const FOLDER_MASK: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;

/// What lies in a folder; nothing where it cannot be listed, which its own stamp shows.
fn list(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    entries.map_or_else(
        |_| Vec::new(),
        |entries| entries.iter().map(std::fs::DirEntry::path).collect(),
    )
}

fn is_settled((seconds, nanoseconds): (i64, i64), taken: SystemTime) -> bool {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u64::try_from(nanoseconds)) else {
        // Before 1970.
        return true;
    };
    let changed = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds));
    taken
        .duration_since(SystemTime::UNIX_EPOCH)
        .is_ok_and(|taken| taken > changed.saturating_add(STEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &Path) -> TreeStamp {
        let mut stamp = TreeStamp::begin();
        stamp.add_all(path, 3);
        stamp
    }

    /// The stamp as if nothing had changed for a while before it was taken.
    fn settled(path: &Path) -> TreeStamp {
        TreeStamp {
            taken: SystemTime::now() + Duration::from_secs(60),
            ..stamp(path)
        }
    }

    #[test]
    fn every_change_below_a_folder_shows_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::write(root.join("a/file"), "one").unwrap();
        let before = settled(root);
        assert!(stamp(root).shows_no_change_since(&before));
        let changes: [fn(&Path); 4] = [
            |root| std::fs::write(root.join("a/file"), "three").unwrap(),
            |root| std::fs::write(root.join("a/b/new"), "").unwrap(),
            |root| std::fs::rename(root.join("a/b/new"), root.join("a/b/other")).unwrap(),
            |root| std::fs::remove_dir(root.join("a/b/c")).unwrap(),
        ];
        for change in changes {
            let before = settled(root);
            change(root);
            assert!(!stamp(root).shows_no_change_since(&before));
        }
    }

    #[test]
    fn what_changed_just_now_is_not_relied_on() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "one").unwrap();
        let just_now = stamp(folder.path());
        assert!(!stamp(folder.path()).shows_no_change_since(&just_now));
        let alone = FileStamp::of(&folder.path().join("file")).unwrap();
        assert!(!alone.is_settled(SystemTime::now()));
        assert!(alone.is_settled(SystemTime::now() + Duration::from_secs(1)));
    }

    #[test]
    fn a_link_is_stamped_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let before = settled(&inside);
        std::fs::write(outside.join("file"), "x").unwrap();
        assert!(stamp(&inside).shows_no_change_since(&before));
    }
}
