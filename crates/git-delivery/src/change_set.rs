//! The change set: everything by which a place differs from its base, seen by the runner itself.
//!
//! Nothing that is written in the place has a say in what is seen: not its `.git`, no ignore or attribute file that is new
//! or changed, no index flag, no configuration, no time stamp. Every file of the index of the runner's own is compared,
//! also where a rule would ignore it.

mod renames;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use ledger_core::{BlobId, Change, ChangeSet, EntryMode, RepoPath, Side, TreeId};
use rustix::fs::FileType;

use crate::contents::{Content, read_content};
use crate::objects::{DurableWriter, ObjectError, flush};
use crate::place::checkout::thread_count;
use crate::place::index::{FileStat, PlaceIndex, RuleFile};
use crate::place::walk::{Oddity, Spot, Visitor, Walk, WalkError};
use crate::place::{Place, PlaceError};
use crate::repository::Repository;
use crate::rules::{FilterRules, is_rule_file};
use crate::tree::{Edits, edited_tree, tree_changes};

/// What is looked at, and how much of it.
#[derive(Debug, Clone)]
pub struct MeasureOptions {
    /// Whether the blobs and trees are written to the repository, so that they survive a power cut. Without, only ids are
    /// computed, and renames are found by equal content alone.
    pub keep: bool,
    /// The largest new or changed file that is stored, in bytes. A larger one is a finding and is left out of the tree.
    pub largest_file: u64,
    /// The most bytes of new and changed files in all.
    pub most_bytes: u64,
    /// The most files and folders that are new.
    pub most_new_paths: u64,
    /// Untracked files that were put there on purpose and are never part of a change set.
    pub exempt: BTreeSet<RepoPath>,
}

impl Default for MeasureOptions {
    /// Computes ids only; 64 MiB a file, 1 GiB in all, 100,000 new paths.
    fn default() -> Self {
        Self {
            keep: false,
            largest_file: 64 << 20,
            most_bytes: 1 << 30,
            most_new_paths: 100_000,
            exempt: BTreeSet::new(),
        }
    }
}

/// Something in a place that a tree cannot say, or that means trouble elsewhere. Facts: what follows from them is decided
/// by the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A pipe, a socket or a device. Left out of the tree.
    SpecialFile {
        /// Where it is.
        path: RepoPath,
    },
    /// A folder with a `.git` in it. Its files are in the tree like any others, its `.git` is not.
    NestedRepository {
        /// The folder.
        path: RepoPath,
    },
    /// A name that Git refuses in a tree, on some system. Left out, with all that is below it.
    ForbiddenName {
        /// Where it is.
        path: RepoPath,
    },
    /// Something was put into the empty folder that stands for a submodule. Left out of the tree.
    FilesInSubmodule {
        /// The submodule.
        path: RepoPath,
    },
    /// A file that is larger than is stored. Left out of the tree.
    TooLarge {
        /// Where it is.
        path: RepoPath,
        /// Its size in bytes.
        size: u64,
    },
    /// A path that is too long for any system. Left out of the tree, with all that is below it.
    PathTooLong {
        /// The folder that still has a usable path.
        folder: RepoPath,
    },
    /// A file or folder whose permissions keep the runner out. Left out of the tree.
    Unreadable {
        /// Where it is.
        path: RepoPath,
    },
    /// A new or changed file that has a second name somewhere, in the place or outside of it.
    HardLink {
        /// Where it is.
        path: RepoPath,
    },
    /// Two names in one folder, at least one of them new, that some file systems take for one: they differ only in case
    /// or in the form of their accents.
    Twins {
        /// One of them.
        one: RepoPath,
        /// The other.
        other: RepoPath,
    },
    /// A new or changed file that Git would pass through a filter, by the attributes of the base or of the change.
    Filtered {
        /// Where it is.
        path: RepoPath,
        /// The filter, such as `lfs`.
        filter: String,
    },
}

impl Finding {
    /// Where it is.
    pub fn path(&self) -> &RepoPath {
        match self {
            Self::PathTooLong { folder: path }
            | Self::Twins { one: path, .. }
            | Self::SpecialFile { path }
            | Self::NestedRepository { path }
            | Self::ForbiddenName { path }
            | Self::FilesInSubmodule { path }
            | Self::TooLarge { path, .. }
            | Self::Unreadable { path }
            | Self::HardLink { path }
            | Self::Filtered { path, .. } => path,
        }
    }
}

/// What a place amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What differs from the base, exactly as a diff of base and tree says it.
    pub change_set: ChangeSet,
    /// What the tree does not say, sorted.
    pub findings: Vec<Finding>,
}

/// A place cannot be measured. Nothing is known then, so nothing may be concluded.
#[derive(Debug, thiserror::Error)]
pub enum ChangeSetError {
    /// The place cannot be walked.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The place cannot be opened.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// What one thread of the walk has seen.
struct Seen<'a> {
    place: &'a Place,
    options: &'a MeasureOptions,
    /// Opened by the thread itself, because it cannot be shared.
    local: gix::Repository,
    bytes: &'a AtomicU64,
    edits: Edits,
    findings: Vec<Finding>,
    written: BTreeSet<gix::ObjectId>,
}

impl Place {
    /// Measures the place against its base. Nobody may work in it meanwhile.
    pub fn measure(&self, repository: &Repository, options: &MeasureOptions) -> Result<Measured, ChangeSetError> {
        let index = self.index();
        let root = self.root()?;
        let bytes = AtomicU64::new(0);
        let walk = Walk {
            root: &root,
            index,
            repository,
            rules: Some(&index.rules),
            exempt: &options.exempt,
            limit: options.most_new_paths,
            repair: false,
        };
        let visitors = (0..thread_count(index.len()))
            .map(|_| Seen {
                place: self,
                options,
                local: repository.local(),
                bytes: &bytes,
                edits: Edits::new(),
                findings: Vec::new(),
                written: BTreeSet::new(),
            })
            .collect();
        let mut edits = Edits::new();
        let mut findings = Vec::new();
        let mut written = BTreeSet::new();
        for mut seen in walk.run(visitors)? {
            // A name that was a file and is now a folder is reported by one thread as gone and by another as what is in it.
            edits.append(&mut seen.edits);
            findings.append(&mut seen.findings);
            written.append(&mut seen.written);
        }
        let local = repository.local();
        let writer = options.keep.then(|| DurableWriter::new(&local));
        let tree = if edits.is_empty() {
            index.origin.tree
        } else {
            edited_tree(&local, index.origin.tree, &edits, writer.as_ref())?
        };
        if let Some(writer) = writer {
            written.append(&mut writer.into_ids());
            if !written.is_empty() {
                flush(local.objects.store_ref().path(), &written)?;
            }
        }
        // What is noted of the place spares looking at files. What its base holds, the repository says.
        let base = repository.commit_tree_id(index.origin.base)?;
        let mut changes = match options.keep {
            true => tree_changes(&local, base, tree)?,
            false => changes_from_base(&local, base, index, &edits)?,
        };
        find_filters(&local, index, &edits, &changes, options.keep, &mut findings)?;
        renames::find(&local, &mut changes, options.keep)?;
        findings.sort();
        findings.dedup();
        Ok(Measured {
            change_set: ChangeSet {
                base: index.origin.base,
                tree,
                changes,
            },
            findings,
        })
    }
}

impl Seen<'_> {
    fn finding(&mut self, path: &[u8], finding: impl FnOnce(RepoPath) -> Finding) {
        if let Ok(path) = RepoPath::new(path) {
            self.findings.push(finding(path));
        }
    }

    fn edit(&mut self, path: &[u8], side: Option<Side>) -> Result<(), WalkError> {
        let path = RepoPath::new(path).map_err(|_| WalkError::Died)?;
        self.edits.insert(path, side);
        Ok(())
    }

    /// Reads a file that may have changed. `known` is what the index has, and how large that was.
    fn read(&mut self, spot: &Spot<'_>, stat: &FileStat, known: Option<(Side, u64)>) -> Result<(), WalkError> {
        let before = known.map(|(side, _)| side);
        let known_size = known.map(|(_, size)| size);
        let after = match read_content(spot, stat, self.options.largest_file, known_size)? {
            Content::Read { side, bytes } => {
                if before == Some(side) {
                    return Ok(());
                }
                let total = self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if total + bytes.len() as u64 > self.options.most_bytes {
                    return Err(WalkError::TooManyBytes {
                        limit: self.options.most_bytes,
                    });
                }
                let is_new = before.is_none_or(|before| before.id != side.id);
                if self.options.keep && is_new {
                    let writer = DurableWriter::new(&self.local);
                    writer.write_known(gix::objs::Kind::Blob, &bytes, side.id.0)?;
                    self.written.append(&mut writer.into_ids());
                }
                Some(side)
            }
            Content::Large { side } => match before {
                Some(before) if before.id == side.id => {
                    if before == side {
                        return Ok(());
                    }
                    Some(side)
                }
                _ => {
                    let size = stat.size;
                    self.finding(spot.path, |path| Finding::TooLarge { path, size });
                    None
                }
            },
            Content::Unreadable => {
                self.finding(spot.path, |path| Finding::Unreadable { path });
                None
            }
            Content::Gone => None,
        };
        if after.is_some() && stat.links > 1 && stat.entry_mode() != Some(EntryMode::Symlink) {
            self.finding(spot.path, |path| Finding::HardLink { path });
        }
        if after.is_some() || before.is_some() {
            self.edit(spot.path, after)?;
        }
        Ok(())
    }
}

impl Visitor for Seen<'_> {
    fn suspect(&mut self, entry: usize, spot: &Spot<'_>, stat: &FileStat) -> Result<(), WalkError> {
        let index = self.place.index();
        self.read(spot, stat, Some((index.side(entry), index.stat(entry).size)))
    }

    fn missing(&mut self, entry: usize) -> Result<(), WalkError> {
        let place = self.place;
        self.edit(place.index().path(entry), None)
    }

    fn untracked(&mut self, spot: &Spot<'_>, stat: &FileStat) -> Result<(), WalkError> {
        self.read(spot, stat, None)
    }

    fn untracked_folder(&mut self, _: &[u8]) -> Result<(), WalkError> {
        Ok(())
    }

    fn oddity(&mut self, spot: &Spot<'_>, oddity: Oddity) -> Result<(), WalkError> {
        match oddity {
            Oddity::Special(FileType::Directory | FileType::RegularFile | FileType::Symlink) => {}
            Oddity::Special(_) => self.finding(spot.path, |path| Finding::SpecialFile { path }),
            Oddity::ForbiddenName if spot.name == b".git" => {
                let (folder, _) = crate::beneath::split(spot.path);
                self.finding(folder, |path| Finding::NestedRepository { path });
            }
            Oddity::ForbiddenName => self.finding(spot.path, |path| Finding::ForbiddenName { path }),
            Oddity::PathTooLong => {
                let (folder, _) = crate::beneath::split(spot.path);
                self.finding(folder, |folder| Finding::PathTooLong { folder });
            }
            Oddity::Unreadable => self.finding(spot.path, |path| Finding::Unreadable { path }),
            Oddity::InSubmodule => self.finding(spot.path, |path| Finding::FilesInSubmodule { path }),
        }
        Ok(())
    }

    fn twins(&mut self, folder: &[u8], one: &[u8], other: &[u8]) -> Result<(), WalkError> {
        let path = |name: &[u8]| RepoPath::new([folder, name].concat());
        if let (Ok(one), Ok(other)) = (path(one), path(other)) {
            self.findings.push(Finding::Twins { one, other });
        }
        Ok(())
    }
}

/// The changes against the base, where the index itself may already differ from it.
fn changes_from_base(
    local: &gix::Repository,
    base: TreeId,
    index: &PlaceIndex,
    edits: &Edits,
) -> Result<Vec<Change>, ObjectError> {
    let mut sides: BTreeMap<RepoPath, (Option<Side>, Option<Side>)> = BTreeMap::new();
    for change in tree_changes(local, base, index.origin.tree)? {
        sides.insert(change.path, (change.before, change.after));
    }
    for (path, after) in edits {
        match sides.get_mut(path) {
            Some((_, known)) => *known = *after,
            None => {
                sides.insert(path.clone(), (side_in_index(index, path), *after));
            }
        }
    }
    Ok(sides
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(path, (before, after))| Change {
            path,
            before,
            after,
            renamed_from: None,
        })
        .collect())
}

fn side_in_index(index: &PlaceIndex, path: &RepoPath) -> Option<Side> {
    let mut low = 0;
    let mut high = index.len();
    while low < high {
        let middle = low + (high - low) / 2;
        match index.path(middle).cmp(path.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(index.side(middle)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// Asks the attributes of the base, and those of the change where they are stored, which changed paths have a filter.
fn find_filters(
    local: &gix::Repository,
    index: &PlaceIndex,
    edits: &Edits,
    changes: &[Change],
    is_kept: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), ObjectError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut rule_sets = vec![index.rules.clone()];
    let is_attributes = |path: &RepoPath| path.file_name() == crate::rules::ATTRIBUTES_FILE;
    if is_kept && changes.iter().any(|change| is_attributes(&change.path)) {
        let mut rules: BTreeMap<Vec<u8>, BlobId> = index
            .iter()
            .filter(|entry| is_rule_file(entry.path, entry.side.mode))
            .map(|entry| (entry.path.to_owned(), entry.side.id))
            .collect();
        for (path, side) in edits {
            match side.filter(|side| is_rule_file(path.as_bytes(), side.mode)) {
                Some(side) => rules.insert(path.as_bytes().to_owned(), side.id),
                None => rules.remove(path.as_bytes()),
            };
        }
        rule_sets.push(rules.into_iter().map(|(path, id)| RuleFile { path, id }).collect());
    }
    for rules in rule_sets {
        let mut filters = FilterRules::new(local, &rules)?;
        for change in changes {
            let sides = [change.before, change.after];
            let is_file = sides
                .iter()
                .flatten()
                .any(|side| matches!(side.mode, EntryMode::File | EntryMode::Executable));
            if is_file && let Some(filter) = filters.filter_of(change.path.as_bytes())? {
                findings.push(Finding::Filtered {
                    path: change.path.clone(),
                    filter,
                });
            }
        }
    }
    Ok(())
}
