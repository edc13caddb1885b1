//! The index of a place's `.git`, in the words of Git's `gitformat-index(5)`, versions 2 and 3.
//!
//! The library writes one too, of entries that it is handed one after the other, and field by field. That takes three times as long, and in a large repository
//! would be a third of what lies between a turn and its checks.

use ledger_core::EntryMode;
use sha1::{Digest as _, Sha1};

use super::index::{Entry, FileStat, PlaceIndex};

/// What an entry takes with a path of usual length.
const USUAL_ENTRY_BYTES: usize = 128;

/// The longest path whose length an entry says.
const LONGEST_NAME: usize = 0xfff;
/// A flag of the first two bytes: two more follow.
const EXTENDED: u16 = 0x4000;
/// A flag of those.
const SKIP_WORKTREE: u16 = 0x4000;

/// An index with the facts of every file, so that `git status` in the place need not read them all.
pub(super) fn git_index(index: &PlaceIndex) -> Vec<u8> {
    let is_extended = index.iter().any(|entry| is_left_out(&entry));
    let version: u32 = if is_extended { 3 } else { 2 };
    let mut bytes = Vec::with_capacity(index.len() * USUAL_ENTRY_BYTES);
    bytes.extend_from_slice(b"DIRC");
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&(index.len() as u32).to_be_bytes());
    // Whose the files are. Where one has another group than the runner, Git reads it once more, which is slow but right.
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    for entry in index.iter() {
        add(&mut bytes, &entry, (user, group));
    }
    // With it nobody looks for collisions; it only shows damage.
    let sum = Sha1::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn is_left_out(entry: &Entry<'_>) -> bool {
    entry.stat == FileStat::LEFT_OUT
}

fn add(bytes: &mut Vec<u8>, entry: &Entry<'_>, (user, group): (u32, u32)) {
    let begin = bytes.len();
    let stat = &entry.stat;
    let mode: u32 = match entry.side.mode {
        EntryMode::File => 0o100_644,
        EntryMode::Executable => 0o100_755,
        EntryMode::Symlink => 0o120_000,
        EntryMode::Submodule => 0o160_000,
    };
    // Git keeps the low 32 bits of each and does not compare the device.
    let facts = [
        stat.changed.seconds as u32,
        stat.changed.nanoseconds,
        stat.modified.seconds as u32,
        stat.modified.nanoseconds,
        0,
        stat.inode as u32,
        mode,
        user,
        group,
        stat.size as u32,
    ];
    bytes.extend_from_slice(facts.map(u32::to_be_bytes).as_flattened());
    bytes.extend_from_slice(entry.side.id.0.as_bytes());
    let length = entry.path.len().min(LONGEST_NAME) as u16;
    if is_left_out(entry) {
        // As in a sparse checkout: that it is not there is no change for Git either.
        bytes.extend_from_slice(&(length | EXTENDED).to_be_bytes());
        bytes.extend_from_slice(&SKIP_WORKTREE.to_be_bytes());
    } else {
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    bytes.extend_from_slice(entry.path);
    // One to eight zeros, so that the next begins at a multiple of eight.
    let size = bytes.len() - begin;
    bytes.resize(begin + (size / 8 + 1) * 8, 0);
}

#[cfg(test)]
mod tests {
    use ledger_core::{BlobId, CommitId, ObjectId, Side, TreeId};

    use super::*;
    use crate::objects::theirs;
    use crate::place::index::{Moment, Origin};

    #[test]
    fn it_is_byte_for_byte_what_the_library_writes() {
        use gix::index::entry::stat::Time;
        use gix::index::entry::{Flags, Mode};
        let long = "d/".repeat(2_100) + "f";
        for (paths, left_out) in [
            (vec![], None),
            (vec!["a"], None),
            (
                vec!["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"],
                None,
            ),
            (vec!["a", "ab", "b/c", "b/cd", "c"], Some("b/c")),
            (vec![long.as_str()], None),
        ] {
            let modes = [
                EntryMode::File,
                EntryMode::Executable,
                EntryMode::Symlink,
                EntryMode::Submodule,
            ];
            let theirs_of = [Mode::FILE, Mode::FILE_EXECUTABLE, Mode::SYMLINK, Mode::COMMIT];
            let moment = |seconds: i64| Moment {
                seconds,
                nanoseconds: 999_999_999,
            };
            let mut state = gix::index::State::new(gix::hash::Kind::Sha1);
            let mut entries = Vec::new();
            for (n, path) in paths.iter().enumerate() {
                let number = n as u64;
                let is_left_out = left_out == Some(*path);
                let stat = FileStat {
                    changed: moment(1 << 33 | 7),
                    modified: moment(number as i64),
                    size: u64::MAX - number,
                    inode: 1 << 40 | number,
                    mode: 0o100_644,
                    links: 1,
                };
                let stat = if is_left_out { FileStat::LEFT_OUT } else { stat };
                let id = ObjectId::from_bytes([n as u8; 20]);
                let mode = modes[n % 4];
                entries.push(Entry {
                    path: path.as_bytes(),
                    side: Side { mode, id: BlobId(id) },
                    stat,
                });
                let time = |moment: Moment| Time {
                    secs: moment.seconds as u32,
                    nsecs: moment.nanoseconds,
                };
                let facts = gix::index::entry::Stat {
                    mtime: time(stat.modified),
                    ctime: time(stat.changed),
                    dev: 0,
                    ino: stat.inode as u32,
                    uid: rustix::process::geteuid().as_raw(),
                    gid: rustix::process::getegid().as_raw(),
                    size: stat.size as u32,
                };
                let flags = if is_left_out {
                    Flags::SKIP_WORKTREE | Flags::EXTENDED
                } else {
                    Flags::empty()
                };
                state.dangerously_push_entry(facts, theirs(id), flags, theirs_of[n % 4], path.as_bytes().into());
            }
            let none = ObjectId::ZERO;
            let origin = Origin {
                base: CommitId(none),
                base_tree: TreeId(none),
                tree: TreeId(none),
            };
            let ours = git_index(&PlaceIndex::new(origin, Vec::new(), entries));
            let mut written = Vec::new();
            state
                .write_to(&mut written, gix::index::write::Options::default())
                .unwrap();
            written.extend_from_slice(&Sha1::digest(&written));
            assert_eq!(ours, written, "{paths:?}");
        }
    }
}
