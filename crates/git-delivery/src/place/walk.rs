//! A walk over everything that is in a place, side by side with the index of what the runner put there.
//!
//! One `lstat` a file, several threads, folders in any order. What is ignored is not entered, so a large build folder
//! costs nothing; but a file that the index knows is looked at wherever it lies and whatever any rule says.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use ledger_core::{EntryMode, RepoPath};
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use crate::beneath::{LONGEST_PATH, Root, make_usable, split};
use crate::names::{folded, is_forbidden};
use crate::objects::ObjectError;
use crate::place::index::{FileStat, PlaceIndex, RuleFile};
use crate::repository::Repository;
use crate::rules::IgnoreRules;

/// A thing in a place, reachable without following any link.
pub(crate) struct Spot<'a> {
    pub(crate) folder: BorrowedFd<'a>,
    pub(crate) name: &'a [u8],
    /// From the root of the place.
    pub(crate) path: &'a [u8],
}

/// What a walk tells. Each thread has one of its own.
pub(crate) trait Visitor {
    /// A file of the index whose facts do not prove that it is unchanged. It is a plain file or a link now.
    fn suspect(&mut self, entry: usize, spot: &Spot<'_>, stat: &FileStat) -> Result<(), WalkError>;
    /// A file of the index that is no longer there, or is now something else.
    fn missing(&mut self, entry: usize) -> Result<(), WalkError>;
    /// A plain file or a link that is neither in the index nor ignored.
    fn untracked(&mut self, spot: &Spot<'_>, stat: &FileStat) -> Result<(), WalkError>;
    /// A folder that holds nothing of the index and is not ignored; it is entered next.
    fn untracked_folder(&mut self, path: &[u8]) -> Result<(), WalkError>;
    /// Something that Git cannot store.
    fn oddity(&mut self, spot: &Spot<'_>, oddity: Oddity) -> Result<(), WalkError>;
    /// Two names in one folder that some file systems take for one.
    fn twins(&mut self, folder: &[u8], one: &[u8], other: &[u8]) -> Result<(), WalkError>;
}

/// Why a thing cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// A pipe, a socket or a device.
    Special(FileType),
    /// A name that Git refuses; `.git` itself is what makes a folder a repository.
    ForbiddenName,
    /// The path is longer than any system allows.
    PathTooLong,
    /// A folder that may not be read.
    Unreadable,
    /// Something in the empty folder that stands for a submodule.
    InSubmodule,
}

/// A walk cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is more in the place than is allowed.
    #[error("the place has more than {limit} new files and folders")]
    TooManyPaths {
        /// The most that was allowed.
        limit: u64,
    },
    /// More bytes are new or changed than is allowed.
    #[error("the new and changed files have more than {limit} bytes")]
    TooManyBytes {
        /// The most that was allowed.
        limit: u64,
    },
    /// Something changes while it is looked at.
    #[error("`{path}` changed while it was read")]
    Unstable {
        /// The file.
        path: RepoPath,
    },
    /// The system refuses.
    #[error("`{path}` in the place cannot be read or changed")]
    Io {
        /// The file or folder, `.` for the place itself.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A thread of the walk died.
    #[error("a part of the walk ended unexpectedly")]
    Died,
}

impl WalkError {
    pub(crate) fn io(path: &[u8], source: impl Into<io::Error>) -> Self {
        let path = RepoPath::new(path).map_or_else(|_| ".".to_owned(), |path| path.to_string());
        Self::Io {
            path,
            source: source.into(),
        }
    }
}

/// What a walk looks at and how.
pub(crate) struct Walk<'a> {
    pub(crate) root: &'a Root,
    pub(crate) index: &'a PlaceIndex,
    pub(crate) repository: &'a Repository,
    /// The rules by which untracked files are ignored; none: nothing is ignored.
    pub(crate) rules: Option<&'a [RuleFile]>,
    /// Untracked files that are not looked at.
    pub(crate) exempt: &'a BTreeSet<RepoPath>,
    /// The most untracked files and folders.
    pub(crate) limit: u64,
    /// Whether folders that may not be read are made readable.
    pub(crate) repair: bool,
}

/// A folder that is to be read.
struct Job {
    /// With a slash at its end, except for the root.
    prefix: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether everything untracked below is ignored. Not known for a folder of the index until something untracked
    /// turns up in it.
    ignored: Option<bool>,
}

struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    stopped: AtomicBool,
    untracked: AtomicU64,
}

struct QueueState {
    waiting: Vec<Job>,
    busy: usize,
}

impl Walk<'_> {
    /// Walks with one thread for each visitor and gives the visitors back.
    pub(crate) fn run<V: Visitor + Send>(&self, visitors: Vec<V>) -> Result<Vec<V>, WalkError> {
        let queue = Queue {
            state: Mutex::new(QueueState {
                waiting: vec![Job {
                    prefix: Vec::new(),
                    start: 0,
                    end: self.index.len(),
                    ignored: Some(false),
                }],
                busy: 0,
            }),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            untracked: AtomicU64::new(0),
        };
        if let [_] = visitors.as_slice() {
            return visitors
                .into_iter()
                .map(|mut visitor| self.work(&queue, &mut visitor).map(|()| visitor))
                .collect();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = visitors
                .into_iter()
                .map(|mut visitor| {
                    let queue = &queue;
                    scope.spawn(move || {
                        let result = self.work(queue, &mut visitor);
                        if result.is_err() {
                            queue.stop();
                        }
                        result.map(|()| visitor)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(Err(WalkError::Died)))
                .collect()
        })
    }

    fn work<V: Visitor>(&self, queue: &Queue, visitor: &mut V) -> Result<(), WalkError> {
        let local = self.repository.local();
        let mut walker = Walker {
            walk: self,
            queue,
            local: &local,
            rules: None,
        };
        while let Some(mut job) = queue.next() {
            let result = walker.read_folder(&mut job, visitor);
            queue.done();
            result?;
        }
        Ok(())
    }
}

impl Queue {
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(job) = state.waiting.pop() {
                state.busy += 1;
                return Some(job);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, jobs: &mut Vec<Job>) {
        if !jobs.is_empty() {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.append(jobs);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn done(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy -= 1;
        if state.busy == 0 && state.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.notify_all();
    }
}

/// What the index has directly in a folder.
#[derive(Clone, Copy)]
struct Known<'a> {
    name: &'a [u8],
    kind: KnownKind,
}

#[derive(Clone, Copy)]
enum KnownKind {
    File(usize),
    Folder(usize, usize),
}

struct Walker<'a> {
    walk: &'a Walk<'a>,
    queue: &'a Queue,
    local: &'a gix::Repository,
    rules: Option<IgnoreRules<'a>>,
}

impl<'a> Walker<'a> {
    fn read_folder<V: Visitor>(&mut self, job: &mut Job, visitor: &mut V) -> Result<(), WalkError> {
        let index = self.walk.index;
        let prefix = job.prefix.clone();
        let known = known_in(index, &prefix, job.start, job.end);
        let Some(folder) = self.open(job, visitor)? else {
            return absent(index, job.start..job.end, visitor);
        };
        let io_error = |error: Errno| WalkError::io(prefix.strip_suffix(b"/").unwrap_or_default(), error);
        let mut seen = vec![false; known.len()];
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut has_news = false;
        let mut jobs = Vec::new();
        let mut path = prefix.clone();
        for entry in Dir::read_from(&folder).map_err(io_error)? {
            let entry = entry.map_err(io_error)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (prefix.is_empty() && name == b".git") {
                continue;
            }
            let position = known.binary_search_by(|known| known.name.cmp(name)).ok();
            path.truncate(prefix.len());
            path.extend_from_slice(name);
            let spot = Spot {
                folder: folder.as_fd(),
                name,
                path: &path,
            };
            let mut kind = entry.file_type();
            let mut stat = None;
            let is_file_of_index = position.is_some_and(|at| matches!(known[at].kind, KnownKind::File(_)));
            if kind == FileType::Unknown || is_file_of_index {
                match rustix::fs::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => {
                        kind = FileType::from_raw_mode(found.st_mode);
                        stat = Some(FileStat::new(&found));
                    }
                    // It went away just now.
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(WalkError::io(&path, error)),
                }
            }
            if let Some(at) = position {
                seen[at] = true;
                names.push(name.to_owned());
                match (known[at].kind, kind) {
                    (KnownKind::Folder(start, end), FileType::Directory) => {
                        jobs.push(Job {
                            prefix: with_slash(&path),
                            start,
                            end,
                            ignored: None,
                        });
                        continue;
                    }
                    (KnownKind::Folder(start, end), _) => {
                        (start..end).try_for_each(|entry| visitor.missing(entry))?;
                    }
                    (KnownKind::File(entry), kind) => {
                        if self.look_at_file(entry, &spot, kind, stat.as_ref(), visitor)? {
                            continue;
                        }
                    }
                }
                // The name is known, but what has it is new.
            }
            if self.is_new(job, &spot, kind, stat, visitor, &mut jobs)? {
                has_news = true;
                if position.is_none() {
                    names.push(name.to_owned());
                }
            }
        }
        for (known, seen) in known.iter().zip(seen) {
            if !seen {
                match known.kind {
                    KnownKind::File(entry) => absent(index, entry..entry + 1, visitor)?,
                    KnownKind::Folder(start, end) => absent(index, start..end, visitor)?,
                }
            }
        }
        self.queue.add(&mut jobs);
        if has_news {
            report_twins(&prefix, &names, visitor)?;
        }
        Ok(())
    }

    fn open<V: Visitor>(&self, job: &Job, visitor: &mut V) -> Result<Option<std::os::fd::OwnedFd>, WalkError> {
        let path = job.prefix.strip_suffix(b"/").unwrap_or_default();
        let root = self.walk.root;
        let error = match root.folder(path) {
            Ok(folder) => return Ok(Some(folder)),
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            // It went away just now, or became something else.
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_empty() => Ok(None),
            Some(Errno::ACCESS) if !path.is_empty() => {
                let (parent, name) = split(path);
                let parent = root.folder(parent).map_err(|error| WalkError::io(path, error))?;
                if self.walk.repair {
                    make_usable(parent.as_fd(), name).map_err(|error| WalkError::io(path, error))?;
                    let folder = root.folder(path).map_err(|error| WalkError::io(path, error))?;
                    return Ok(Some(folder));
                }
                let spot = Spot {
                    folder: parent.as_fd(),
                    name,
                    path,
                };
                visitor.oddity(&spot, Oddity::Unreadable)?;
                Ok(None)
            }
            _ => Err(WalkError::io(path, error)),
        }
    }

    /// Looks at what has the name of a file of the index. Says whether that is all there is to say about it.
    fn look_at_file<V: Visitor>(
        &self,
        entry: usize,
        spot: &Spot<'_>,
        kind: FileType,
        stat: Option<&FileStat>,
        visitor: &mut V,
    ) -> Result<bool, WalkError> {
        let index = self.walk.index;
        let is_submodule = index.side(entry).mode == EntryMode::Submodule;
        match (kind, stat) {
            (FileType::Directory, _) if is_submodule => {
                if !is_empty_folder(spot).map_err(|error| WalkError::io(spot.path, error))? {
                    visitor.oddity(spot, Oddity::InSubmodule)?;
                }
                Ok(true)
            }
            (FileType::RegularFile | FileType::Symlink, Some(stat)) if !is_submodule => {
                if !index.is_unchanged(entry, stat) {
                    visitor.suspect(entry, spot, stat)?;
                }
                Ok(true)
            }
            _ => {
                visitor.missing(entry)?;
                Ok(false)
            }
        }
    }

    /// Looks at what the index does not know. Says whether it is something new, that is, not ignored.
    fn is_new<V: Visitor>(
        &mut self,
        job: &mut Job,
        spot: &Spot<'_>,
        kind: FileType,
        stat: Option<FileStat>,
        visitor: &mut V,
        jobs: &mut Vec<Job>,
    ) -> Result<bool, WalkError> {
        let is_folder = kind == FileType::Directory;
        if is_forbidden(spot.name, kind == FileType::Symlink) {
            if !self.is_inside_ignored(job)? {
                self.count_untracked()?;
                visitor.oddity(spot, Oddity::ForbiddenName)?;
            }
            return Ok(false);
        }
        if self.is_inside_ignored(job)? || self.is_ignored(spot.path, is_folder)? || self.is_exempt(spot.path) {
            return Ok(false);
        }
        self.count_untracked()?;
        if spot.path.len() > LONGEST_PATH {
            visitor.oddity(spot, Oddity::PathTooLong)?;
            return Ok(true);
        }
        match kind {
            FileType::Directory => {
                visitor.untracked_folder(spot.path)?;
                jobs.push(Job {
                    prefix: with_slash(spot.path),
                    start: 0,
                    end: 0,
                    ignored: Some(false),
                });
            }
            FileType::RegularFile | FileType::Symlink => {
                let stat = match stat {
                    Some(stat) => stat,
                    None => match rustix::fs::statat(spot.folder, spot.name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(found) => FileStat::new(&found),
                        Err(Errno::NOENT) => return Ok(false),
                        Err(error) => return Err(WalkError::io(spot.path, error)),
                    },
                };
                visitor.untracked(spot, &stat)?;
            }
            special => visitor.oddity(spot, Oddity::Special(special))?,
        }
        Ok(true)
    }

    fn count_untracked(&self) -> Result<(), WalkError> {
        if self.queue.untracked.fetch_add(1, Ordering::Relaxed) >= self.walk.limit {
            return Err(WalkError::TooManyPaths { limit: self.walk.limit });
        }
        Ok(())
    }

    fn is_inside_ignored(&mut self, job: &mut Job) -> Result<bool, WalkError> {
        if let Some(ignored) = job.ignored {
            return Ok(ignored);
        }
        let ignored = self.is_ignored(job.prefix.strip_suffix(b"/").unwrap_or_default(), true)?;
        job.ignored = Some(ignored);
        Ok(ignored)
    }

    fn is_ignored(&mut self, path: &[u8], is_folder: bool) -> Result<bool, WalkError> {
        let Some(files) = self.walk.rules else {
            return Ok(false);
        };
        let rules = match &mut self.rules {
            Some(rules) => rules,
            none => none.insert(IgnoreRules::new(self.local, files)?),
        };
        Ok(rules.is_ignored(path, is_folder)?)
    }

    fn is_exempt(&self, path: &[u8]) -> bool {
        !self.walk.exempt.is_empty() && RepoPath::new(path).is_ok_and(|path| self.walk.exempt.contains(&path))
    }
}

/// Files of the index of whose names nothing is left. Those that were never written are where they should be: nowhere.
fn absent<V: Visitor>(index: &PlaceIndex, entries: std::ops::Range<usize>, visitor: &mut V) -> Result<(), WalkError> {
    entries
        .filter(|entry| !index.is_left_out(*entry))
        .try_for_each(|entry| visitor.missing(entry))
}

fn with_slash(path: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(path.len() + 1);
    prefix.extend_from_slice(path);
    prefix.push(b'/');
    prefix
}

/// The files and folders of the index directly in a folder, sorted by name.
fn known_in<'a>(index: &'a PlaceIndex, prefix: &[u8], start: usize, end: usize) -> Vec<Known<'a>> {
    let mut known = Vec::new();
    let mut at = start;
    while at < end {
        let path = index.path(at);
        let rest = path.get(prefix.len()..).unwrap_or_default();
        match rest.iter().position(|byte| *byte == b'/') {
            None => {
                known.push(Known {
                    name: rest,
                    kind: KnownKind::File(at),
                });
                at += 1;
            }
            Some(slash) => {
                let next = index.end_of(&path[..=prefix.len() + slash], at, end);
                known.push(Known {
                    name: &rest[..slash],
                    kind: KnownKind::Folder(at, next),
                });
                at = next;
            }
        }
    }
    known.sort_by(|a, b| a.name.cmp(b.name));
    known
}

fn is_empty_folder(spot: &Spot<'_>) -> io::Result<bool> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat(spot.folder, spot.name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => return Ok(false),
        other => other?,
    };
    for entry in Dir::read_from(&folder)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn report_twins<V: Visitor>(prefix: &[u8], names: &[Vec<u8>], visitor: &mut V) -> Result<(), WalkError> {
    let mut folded: Vec<_> = names.iter().map(|name| (self::folded(name), name)).collect();
    folded.sort();
    for pair in folded.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one == other
            && first != second
        {
            visitor.twins(prefix, first, second)?;
        }
    }
    Ok(())
}
