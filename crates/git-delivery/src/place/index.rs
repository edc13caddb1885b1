//! What a place held when the runner last wrote it: for each file its content, its kind and the system's own facts about
//! it. Kept beside the place, where nobody who works in the place can write.
//!
//! A file whose facts are all the same has the same content: a change always sets the change time, which nobody can set
//! back. The one exception is a change within the same tick of the clock in which the facts were taken; such files are
//! always read again.

pub(crate) mod stored;

use std::collections::BTreeMap;
use std::ops::Range;

use ledger_core::{BlobId, CommitId, EntryMode, ObjectId, Side, TreeId};
use rustix::fs::{Mode, Stat};

pub use stored::PlaceIndexError;

/// Where the path begins and how long it is, id, mode and kind, two times, size, inode.
const ENTRY_SIZE: usize = 8 + 4 + 20 + 4 + 8 + 8 + 8 + 8;

/// The facts by which an unchanged file is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileStat {
    pub(crate) changed: Moment,
    pub(crate) modified: Moment,
    pub(crate) size: u64,
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    /// How many names the file has. Not compared, and 1 in an index: another name changes nothing in the file, and what
    /// is written through it changes the times.
    pub(crate) links: u64,
}

impl FileStat {
    /// Of a file that was left out of the place. Every real file has a kind, and so a mode.
    pub(crate) const LEFT_OUT: Self = Self {
        changed: Moment::ZERO,
        modified: Moment::ZERO,
        size: 0,
        inode: 0,
        mode: 0,
        links: 1,
    };
}

impl PartialEq for FileStat {
    fn eq(&self, other: &Self) -> bool {
        (self.changed, self.modified, self.size, self.inode, self.mode)
            == (other.changed, other.modified, other.size, other.inode, other.mode)
    }
}

impl Eq for FileStat {}

/// A time of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl Moment {
    const ZERO: Self = Self {
        seconds: 0,
        nanoseconds: 0,
    };
}

impl FileStat {
    #[cfg_attr(
        target_os = "linux",
        expect(clippy::unnecessary_cast, reason = "the fields have other widths on other systems")
    )]
    pub(crate) fn new(stat: &Stat) -> Self {
        let moment = |seconds, nanoseconds| Moment { seconds, nanoseconds };
        Self {
            changed: moment(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            modified: moment(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            size: stat.st_size as u64,
            inode: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            links: stat.st_nlink as u64,
        }
    }

    /// What Git calls a file with this mode, if it can store it.
    pub(crate) fn entry_mode(&self) -> Option<EntryMode> {
        use rustix::fs::FileType;
        match FileType::from_raw_mode(self.mode as _) {
            FileType::RegularFile if self.mode & 0o100 != 0 => Some(EntryMode::Executable),
            FileType::RegularFile => Some(EntryMode::File),
            FileType::Symlink => Some(EntryMode::Symlink),
            _ => None,
        }
    }
}

/// One file of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) side: Side,
    pub(crate) stat: FileStat,
}

/// A file of the base that says how Git treats others: `.gitignore` or `.gitattributes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleFile {
    pub(crate) path: Vec<u8>,
    pub(crate) id: BlobId,
}

/// Which commit and tree a place was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) base: CommitId,
    pub(crate) base_tree: TreeId,
    pub(crate) tree: TreeId,
}

/// The index of a place, as it is stored: sorted by the bytes of the paths.
#[derive(Debug)]
pub(crate) struct PlaceIndex {
    pub(crate) origin: Origin,
    pub(crate) rules: Vec<RuleFile>,
    /// Facts taken from this moment on say nothing. Absent where the place's clock cannot be observed.
    pub(crate) tick: Option<Moment>,
    count: usize,
    entries: Vec<u8>,
    paths: Vec<u8>,
}

impl PlaceIndex {
    /// An index of these entries, which must be sorted by path.
    pub(crate) fn new<'a>(origin: Origin, rules: Vec<RuleFile>, sorted: impl IntoIterator<Item = Entry<'a>>) -> Self {
        let mut index = Self {
            origin,
            rules,
            tick: None,
            count: 0,
            entries: Vec::new(),
            paths: Vec::new(),
        };
        sorted.into_iter().for_each(|entry| index.push(entry));
        index
    }

    /// The index once the files at these paths are so, or gone. All others are taken over as they are.
    pub(crate) fn with(&self, origin: Origin, changes: &BTreeMap<&[u8], Option<(Side, FileStat)>>) -> Self {
        let mut index = Self {
            origin,
            rules: self.rules.clone(),
            tick: None,
            count: 0,
            entries: Vec::with_capacity(self.entries.len() + changes.len() * ENTRY_SIZE),
            paths: Vec::with_capacity(self.paths.len() + changes.keys().map(|path| path.len()).sum::<usize>()),
        };
        let mut next = 0;
        for (path, now) in changes {
            let at = self.first_from(path);
            index.take_over(self, next..at);
            next = at + usize::from(at < self.count && self.path(at) == *path);
            if let Some((side, stat)) = *now {
                index.push(Entry { path, side, stat });
            }
        }
        index.take_over(self, next..self.count);
        index
    }

    /// Adds an entry whose path comes after all others.
    fn push(&mut self, entry: Entry<'_>) {
        let bytes = &mut self.entries;
        bytes.extend_from_slice(&(self.paths.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(entry.path.len() as u32).to_le_bytes());
        bytes.extend_from_slice(entry.side.id.0.as_bytes());
        let kind: u32 = match entry.side.mode {
            EntryMode::File => 0,
            EntryMode::Executable => 1,
            EntryMode::Symlink => 2,
            EntryMode::Submodule => 3,
        };
        bytes.extend_from_slice(&(entry.stat.mode | kind << 30).to_le_bytes());
        for moment in [entry.stat.changed, entry.stat.modified] {
            // Nanoseconds have 30 bits, and 34 bits of seconds last for 500 years.
            let packed = (moment.seconds << 30) | i64::from(moment.nanoseconds & 0x3fff_ffff);
            bytes.extend_from_slice(&packed.to_le_bytes());
        }
        bytes.extend_from_slice(&entry.stat.size.to_le_bytes());
        bytes.extend_from_slice(&entry.stat.inode.to_le_bytes());
        self.paths.extend_from_slice(entry.path);
        self.count += 1;
    }

    /// Adds entries of another index, whose paths come after all others, as they are stored.
    fn take_over(&mut self, other: &Self, numbers: Range<usize>) {
        let start = |number| read_u64(other.record(number), 0) as usize;
        let end = match numbers.end < other.count {
            true => start(numbers.end),
            false => other.paths.len(),
        };
        let paths = start(numbers.start)..end;
        let records = numbers.start * ENTRY_SIZE..numbers.end * ENTRY_SIZE;
        let (Some(paths), Some(records), false) = (
            other.paths.get(paths.clone()),
            other.entries.get(records),
            numbers.is_empty(),
        ) else {
            return;
        };
        let (first, added) = (self.entries.len(), self.paths.len() as u64);
        let was = start(numbers.start) as u64;
        self.entries.extend_from_slice(records);
        self.paths.extend_from_slice(paths);
        self.count += numbers.len();
        for record in self.entries[first..].chunks_exact_mut(ENTRY_SIZE) {
            let at = read_u64(record, 0).wrapping_sub(was).wrapping_add(added);
            record[..8].copy_from_slice(&at.to_le_bytes());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The path of an entry. The caller counts up to [`Self::len`]; beyond it is the empty path.
    pub(crate) fn path(&self, number: usize) -> &[u8] {
        let bytes = self.record(number);
        let start = read_u64(bytes, 0) as usize;
        let length = read_u32(bytes, 8) as usize;
        self.paths.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    pub(crate) fn side(&self, number: usize) -> Side {
        let bytes = self.record(number);
        let mut id = [0; 20];
        if let Some(stored) = bytes.get(12..32) {
            id.copy_from_slice(stored);
        }
        let mode = match read_u32(bytes, 32) >> 30 {
            0 => EntryMode::File,
            1 => EntryMode::Executable,
            2 => EntryMode::Symlink,
            _ => EntryMode::Submodule,
        };
        Side {
            mode,
            id: BlobId(ObjectId::from_bytes(id)),
        }
    }

    pub(crate) fn stat(&self, number: usize) -> FileStat {
        let bytes = self.record(number);
        let moment = |at| {
            let packed = read_u64(bytes, at) as i64;
            Moment {
                seconds: packed >> 30,
                nanoseconds: (packed & 0x3fff_ffff) as u32,
            }
        };
        FileStat {
            changed: moment(36),
            modified: moment(44),
            size: read_u64(bytes, 52),
            inode: read_u64(bytes, 60),
            mode: read_u32(bytes, 32) & 0x3fff_ffff,
            links: 1,
        }
    }

    pub(crate) fn entry(&self, number: usize) -> Entry<'_> {
        Entry {
            path: self.path(number),
            side: self.side(number),
            stat: self.stat(number),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.count).map(|number| self.entry(number))
    }

    /// Whether a file was left out of the place when it was made: that it is not there is no change.
    pub(crate) fn is_left_out(&self, number: usize) -> bool {
        read_u32(self.record(number), 32) & 0x3fff_ffff == FileStat::LEFT_OUT.mode
    }

    /// Whether a file with these facts certainly has the content of this entry.
    pub(crate) fn is_unchanged(&self, number: usize, now: &FileStat) -> bool {
        let then = self.stat(number);
        then == *now
            && self
                .tick
                .is_some_and(|tick| then.changed < tick && then.modified < tick)
    }

    /// Whether an entry is at this path, below it, or where one of its folders would be.
    pub(crate) fn meets(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let first = self.first_from(&below);
        let folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let is_at = |path: &[u8]| self.path(self.first_from(path)) == path;
        self.path(first).starts_with(&below) || is_at(path) || folders.into_iter().any(|(end, _)| is_at(&path[..end]))
    }

    /// The first entry whose path is not before this one.
    fn first_from(&self, path: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.path(middle) < path {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first entry from `start` on whose path does not begin with `prefix`, before `end`.
    pub(crate) fn end_of(&self, prefix: &[u8], start: usize, end: usize) -> usize {
        // Most folders are small, so the end is looked for in steps that double.
        let mut step = 1;
        let mut low = start;
        let mut high = end;
        while low + step < end {
            if self.path(low + step).starts_with(prefix) {
                low += step;
                step *= 2;
            } else {
                high = low + step;
                break;
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.path(middle).starts_with(prefix) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn record(&self, number: usize) -> &[u8] {
        self.entries
            .get(number * ENTRY_SIZE..(number + 1) * ENTRY_SIZE)
            .unwrap_or(&[0; ENTRY_SIZE])
    }
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The permissions of a file of this kind before the user's mask.
pub(crate) fn permissions(mode: EntryMode) -> Mode {
    match mode {
        EntryMode::Executable => Mode::from_raw_mode(0o777),
        _ => Mode::from_raw_mode(0o666),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in crate::place::index) fn sample(paths: &[&str]) -> PlaceIndex {
        let zero = ObjectId::ZERO;
        let origin = Origin {
            base: CommitId(zero),
            base_tree: TreeId(zero),
            tree: TreeId(ObjectId::from_bytes([7; 20])),
        };
        let stat = FileStat {
            changed: Moment {
                seconds: 1_763_000_000,
                nanoseconds: 999_999_999,
            },
            modified: Moment {
                seconds: -5,
                nanoseconds: 1,
            },
            size: 3,
            inode: u64::MAX,
            mode: 0o100_755,
            links: 1,
        };
        let rules = vec![RuleFile {
            path: b"a/.gitignore".to_vec(),
            id: BlobId(ObjectId::from_bytes([9; 20])),
        }];
        let side = Side {
            mode: EntryMode::Symlink,
            id: BlobId(ObjectId::from_bytes([3; 20])),
        };
        PlaceIndex::new(
            origin,
            rules,
            paths.iter().map(|path| Entry {
                path: path.as_bytes(),
                side,
                stat,
            }),
        )
    }

    #[test]
    fn an_index_with_changes_is_the_one_that_would_be_made_anew() {
        let paths = ["a/x", "a/y", "b", "b0", "c"];
        let index = sample(&paths);
        let entry = |number: usize| (index.side(number), index.stat(number));
        let other = |size| {
            let (side, stat) = entry(0);
            (side, FileStat { size, ..stat })
        };
        for changes in [
            &[][..],
            &[("b", None)],
            &[("a/x", None), ("c", None)],
            &[("a/y", Some(9))],
            &[("a", Some(8)), ("a/x", None), ("bb", Some(7)), ("d", Some(6))],
            &[("0", Some(5)), ("nothing", None), ("c", Some(4)), ("z/z", Some(3))],
            &[("a/x", None), ("a/y", None), ("b", None), ("b0", None), ("c", None)],
        ] {
            let mut expected: BTreeMap<&[u8], (Side, FileStat)> = (0..index.len())
                .map(|number| (index.path(number), entry(number)))
                .collect();
            let changes: BTreeMap<&[u8], _> = changes
                .iter()
                .map(|(path, size)| (path.as_bytes(), size.map(other)))
                .collect();
            for (path, now) in &changes {
                match now {
                    Some(now) => expected.insert(path, *now),
                    None => expected.remove(path),
                };
            }
            let anew = expected.iter().map(|(path, (side, stat))| Entry {
                path,
                side: *side,
                stat: *stat,
            });
            let anew = PlaceIndex::new(index.origin, index.rules.clone(), anew);
            let with = index.with(index.origin, &changes);
            assert_eq!(with.encode(None), anew.encode(None), "{changes:?}");
        }
        let none = sample(&[]);
        let one = none.with(none.origin, &BTreeMap::from([(&b"a"[..], Some(entry(0)))]));
        assert_eq!((one.len(), one.path(0)), (1, &b"a"[..]));
    }

    #[test]
    fn what_is_at_above_or_below_a_path_is_found() {
        let index = sample(&["a", "b/1", "b/3/x", "b0", "c"]);
        for path in ["a", "a/b", "a/b/c", "b", "b/1", "b/3", "b/3/x/y", "c"] {
            assert!(index.meets(path.as_bytes()), "{path}");
        }
        for path in ["aa", "b/2", "b/3/y", "b00", "d", "0"] {
            assert!(!index.meets(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn the_end_of_a_folder_is_found_wherever_it_lies() {
        let index = sample(&["a", "b/1", "b/2", "b/3/x", "b/4", "b0", "c"]);
        assert_eq!(index.end_of(b"b/", 1, 7), 5);
        assert_eq!(index.end_of(b"b/3/", 3, 5), 4);
        assert_eq!(index.end_of(b"c", 6, 7), 7);
    }
}
