//! Bringing a place in which anything may have happened to exactly one tree.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;

use ledger_core::{EntryMode, RepoPath, Side, TreeId};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::beneath::{Root, make_writable, remove, split};
use crate::contents::{Content, read_content};
use crate::place::checkout::{Wanted, thread_count, write_files};
use crate::place::index::{FileStat, Origin, PlaceIndex};
use crate::place::walk::{Oddity, Spot, Visitor, Walk, WalkError};
use crate::place::{Brought, Leftovers, PlaceError, Strays};
use crate::repository::Repository;
use crate::tree::tree_changes;

/// The largest file that is compared by reading it at once.
const READ_AT_ONCE: u64 = 32 << 20;

/// What is wrong in a place.
struct Dirt<'a> {
    index: &'a PlaceIndex,
    /// Files of the index that must be written anew.
    damaged: Vec<usize>,
    /// Those of them that Git would call changed, and not only what a checkout would make otherwise.
    changed: Vec<usize>,
    /// Files of the index that are as they were, but about which the system says something new.
    touched: Vec<(usize, FileStat)>,
    /// What is not in the index and has to go.
    leftovers: Vec<Vec<u8>>,
    /// Folders that hold nothing of the index. They go if nothing ignored is in them.
    folders: Vec<Vec<u8>>,
}

impl Visitor for Dirt<'_> {
    fn suspect(&mut self, entry: usize, spot: &Spot<'_>, stat: &FileStat) -> Result<(), WalkError> {
        let known_size = Some(self.index.stat(entry).size);
        let side = match read_content(spot, stat, READ_AT_ONCE, known_size) {
            Ok(Content::Read { side, .. } | Content::Large { side }) => Some(side),
            // What changes while it is read is not what it was.
            Ok(Content::Unreadable | Content::Gone) | Err(WalkError::Unstable { .. }) => None,
            Err(error) => return Err(error),
        };
        // Odd permissions are not what a checkout makes.
        let is_same = side == Some(self.index.side(entry));
        if !is_same {
            self.changed.push(entry);
        }
        if is_same && stat.mode == self.index.stat(entry).mode {
            self.touched.push((entry, *stat));
        } else {
            self.damaged.push(entry);
        }
        Ok(())
    }

    fn missing(&mut self, entry: usize) -> Result<(), WalkError> {
        self.damaged.push(entry);
        // To Git an empty folder that is gone is no change of the submodule that it stood for.
        if self.index.side(entry).mode != EntryMode::Submodule {
            self.changed.push(entry);
        }
        Ok(())
    }

    fn untracked(&mut self, spot: &Spot<'_>, _: &FileStat) -> Result<(), WalkError> {
        self.leftovers.push(spot.path.to_owned());
        Ok(())
    }

    fn untracked_folder(&mut self, path: &[u8]) -> Result<(), WalkError> {
        self.folders.push(path.to_owned());
        Ok(())
    }

    fn oddity(&mut self, spot: &Spot<'_>, oddity: Oddity) -> Result<(), WalkError> {
        match oddity {
            Oddity::InSubmodule => {
                let found = (0..self.index.len()).find(|entry| self.index.path(*entry) == spot.path);
                self.damaged.extend(found);
                self.leftovers.push(spot.path.to_owned());
            }
            // Folders that may not be read are repaired by the walk itself.
            Oddity::Unreadable => {}
            Oddity::Special(_) | Oddity::ForbiddenName | Oddity::PathTooLong => {
                self.leftovers.push(spot.path.to_owned());
            }
        }
        Ok(())
    }

    fn twins(&mut self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), WalkError> {
        Ok(())
    }
}

/// Does it, and gives the new index of the place, which is not yet saved.
pub(crate) fn bring_to(
    repository: &Repository,
    root: &Root,
    index: &PlaceIndex,
    tree: TreeId,
    leftovers: Leftovers,
    exempt: &BTreeSet<RepoPath>,
) -> Result<(PlaceIndex, Brought), PlaceError> {
    let dirt = find_dirt(repository, root, index, leftovers, exempt)?;
    apply(repository, root, index, tree, &dirt)
}

/// The same for a place that is exactly as its index says.
pub(crate) fn advance_to(
    repository: &Repository,
    root: &Root,
    index: &PlaceIndex,
    tree: TreeId,
) -> Result<(PlaceIndex, Brought), PlaceError> {
    apply(repository, root, index, tree, &[])
}

/// How the place differs from what its index says.
pub(crate) fn strays(
    repository: &Repository,
    root: &Root,
    index: &PlaceIndex,
    leftovers: Leftovers,
    exempt: &BTreeSet<RepoPath>,
) -> Result<Strays, PlaceError> {
    let dirt = find_dirt(repository, root, index, leftovers, exempt)?;
    let leftovers = dirt.iter().flat_map(|dirt| &dirt.leftovers);
    // Every path of the walk was put together of names that a folder can hold.
    let mut added: Vec<_> = leftovers
        .filter_map(|path| RepoPath::new(path.as_slice()).ok())
        .collect();
    added.sort();
    Ok(Strays {
        changed: changed_files(index, &dirt),
        added,
    })
}

fn changed_files(index: &PlaceIndex, dirt: &[Dirt<'_>]) -> Vec<RepoPath> {
    let mut changed: Vec<_> = dirt
        .iter()
        .flat_map(|dirt| &dirt.changed)
        .filter_map(|entry| RepoPath::new(index.path(*entry)).ok())
        .collect();
    changed.sort();
    changed
}

fn apply(
    repository: &Repository,
    root: &Root,
    index: &PlaceIndex,
    tree: TreeId,
    dirt: &[Dirt<'_>],
) -> Result<(PlaceIndex, Brought), PlaceError> {
    let mut changes: BTreeMap<Vec<u8>, Option<Side>> = BTreeMap::new();
    for change in tree_changes(&repository.local(), index.origin.tree, tree)? {
        changes.insert(change.path.as_bytes().to_owned(), change.after);
    }
    for number in dirt.iter().flat_map(|dirt| dirt.damaged.iter().copied()) {
        let path = index.path(number).to_owned();
        changes.entry(path).or_insert_with(|| Some(index.side(number)));
    }
    let mut gone = Vec::new();
    let mut wanted = Vec::new();
    for (path, side) in changes {
        match side {
            Some(side) => wanted.push(Wanted { path, side }),
            None => gone.push(path),
        }
    }

    let mut brought = Brought {
        written: wanted.len() as u64,
        removed: gone.len() as u64,
        changed: changed_files(index, dirt),
    };
    for path in dirt.iter().flat_map(|dirt| &dirt.leftovers) {
        remove_path(root, path)?;
        brought.removed += 1;
    }
    for path in gone.iter().chain(wanted.iter().map(|wanted| &wanted.path)) {
        remove_file(root, path)?;
    }
    let mut folders: Vec<&[u8]> = dirt
        .iter()
        .flat_map(|dirt| dirt.folders.iter().map(Vec::as_slice))
        .collect();
    folders.sort();
    for folder in folders.into_iter().rev() {
        remove_empty_folder(root, folder)?;
    }
    for path in &gone {
        remove_empty_parents(root, path)?;
    }
    let stats = write_files(repository, root, &wanted)?;

    // What is only touched may be written anew as well.
    let touched = dirt.iter().flat_map(|dirt| &dirt.touched);
    let touched = touched.map(|(number, stat)| (index.path(*number), Some((index.side(*number), *stat))));
    let mut changes: BTreeMap<&[u8], _> = touched.collect();
    changes.extend(gone.iter().map(|path| (path.as_slice(), None)));
    let written = wanted.iter().zip(stats);
    changes.extend(written.map(|(wanted, stat)| (wanted.path.as_slice(), Some((wanted.side, stat)))));
    let origin = Origin { tree, ..index.origin };
    Ok((index.with(origin, &changes), brought))
}

fn find_dirt<'a>(
    repository: &Repository,
    root: &Root,
    index: &'a PlaceIndex,
    leftovers: Leftovers,
    exempt: &BTreeSet<RepoPath>,
) -> Result<Vec<Dirt<'a>>, PlaceError> {
    let rules = match leftovers {
        Leftovers::KeepIgnored => Some(index.rules.as_slice()),
        Leftovers::RemoveAll => None,
    };
    let walk = Walk {
        root,
        index,
        repository,
        rules,
        exempt,
        limit: u64::MAX,
        repair: true,
    };
    let visitors = (0..thread_count(index.len()))
        .map(|_| Dirt {
            index,
            damaged: Vec::new(),
            changed: Vec::new(),
            touched: Vec::new(),
            leftovers: Vec::new(),
            folders: Vec::new(),
        })
        .collect();
    Ok(walk.run(visitors)?)
}

/// Opens the folder of a path so that its entries can be changed. Nothing if it is no longer there.
fn folder_of(root: &Root, path: &[u8]) -> Result<Option<std::os::fd::OwnedFd>, PlaceError> {
    let (folder, _) = split(path);
    match root.folder(folder) {
        Ok(folder) => {
            make_writable(folder.as_fd()).map_err(|error| PlaceError::io(path, error))?;
            Ok(Some(folder))
        }
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            _ => Err(PlaceError::io(path, error)),
        },
    }
}

fn remove_path(root: &Root, path: &[u8]) -> Result<(), PlaceError> {
    if let Some(folder) = folder_of(root, path)? {
        remove(folder.as_fd(), split(path).1).map_err(|error| PlaceError::io(path, error))?;
    }
    Ok(())
}

/// Removes a file or link. A folder that has taken its name may hold ignored files; it is removed only if a file has to
/// be written there.
fn remove_file(root: &Root, path: &[u8]) -> Result<(), PlaceError> {
    if let Some(folder) = folder_of(root, path)? {
        match rustix::fs::unlinkat(&folder, split(path).1, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(PlaceError::io(path, error)),
        }
        // An empty folder that stood for a submodule.
        let _ = rustix::fs::unlinkat(&folder, split(path).1, AtFlags::REMOVEDIR);
    }
    Ok(())
}

/// Removes a folder unless something is in it. Says whether it is gone.
fn remove_empty_folder(root: &Root, path: &[u8]) -> Result<bool, PlaceError> {
    let Some(folder) = folder_of(root, path)? else {
        return Ok(true);
    };
    match rustix::fs::unlinkat(&folder, split(path).1, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(PlaceError::io(path, error)),
    }
}

fn remove_empty_parents(root: &Root, path: &[u8]) -> Result<(), PlaceError> {
    let mut folder = split(path).0;
    while !folder.is_empty() && remove_empty_folder(root, folder)? {
        folder = split(folder).0;
    }
    Ok(())
}
