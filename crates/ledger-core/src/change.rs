//! The change set: everything by which a work tree differs from its base.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::fitting;
use crate::object::{BlobId, CommitId, TreeId};
use crate::path::RepoPath;

/// The kind of a tree entry, as Git's modes say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryMode {
    /// `100644`
    File,
    /// `100755`
    Executable,
    /// `120000`
    Symlink,
    /// `160000`: a link to a commit of another repository.
    Submodule,
}

impl EntryMode {
    /// Whether the entry is a file, and no link.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }
}

/// One side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What kind of entry it is.
    pub mode: EntryMode,
    /// The blob; for a submodule the commit's id.
    pub id: BlobId,
}

/// One path that differs between base and tree. A rename is two changes: the old path is gone, the new one is there.
/// Which of them belong together is shown by [`Change::renamed_from`], for people; every rule judges both paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// What the base has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Side>,
    /// What the tree has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Side>,
    /// The path that this content most likely came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<RepoPath>,
}

/// How a path changed, for counts and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Not in the base.
    Added,
    /// Other content.
    Modified,
    /// Same content, other permission.
    ModeChanged,
    /// A file became a link, a submodule, or the reverse.
    TypeChanged,
    /// No longer there.
    Deleted,
    /// There under another name in the base.
    Renamed,
}

impl Change {
    /// How the path changed.
    pub fn kind(&self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) if self.renamed_from.is_some() => ChangeKind::Renamed,
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(before), Some(after)) if before.mode == after.mode => ChangeKind::Modified,
            (Some(before), Some(after)) if before.mode.is_file() && after.mode.is_file() => {
                if before.id == after.id {
                    ChangeKind::ModeChanged
                } else {
                    ChangeKind::Modified
                }
            }
            _ => ChangeKind::TypeChanged,
        }
    }
}

/// Everything by which a tree differs from its base, in the order of the paths' bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// The commit that the run started from.
    pub base: CommitId,
    /// The tree that the work amounts to.
    pub tree: TreeId,
    /// The paths that differ.
    pub changes: Vec<Change>,
}

/// The most paths that a journal line names.
pub const MAX_LISTED_PATHS: usize = 100;

/// What the journal keeps of a change set: the rest is recomputed from Git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeSummary {
    /// The commit that the run started from.
    pub base: CommitId,
    /// The tree that the work amounts to.
    pub tree: TreeId,
    /// How many paths differ in each way.
    pub counts: ChangeCounts,
    /// The first hundred of them, or as many as fit into a journal line.
    pub paths: Vec<ListedPath>,
}

/// How many paths differ in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeCounts {
    /// Not in the base.
    pub added: u64,
    /// Other content or permission.
    pub modified: u64,
    /// A file became a link, a submodule, or the reverse.
    pub type_changed: u64,
    /// No longer there, renamed ones not counted.
    pub deleted: u64,
    /// There under another name in the base.
    pub renamed: u64,
}

impl ChangeCounts {
    /// How many there are in all, saturating: the numbers may come from a forged record. A rename counts once.
    pub fn total(&self) -> u64 {
        [self.modified, self.type_changed, self.deleted, self.renamed]
            .into_iter()
            .fold(self.added, u64::saturating_add)
    }
}

/// A path and how it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedPath {
    /// The path.
    pub path: RepoPath,
    /// How it changed.
    pub kind: ChangeKind,
    /// Its name in the base, for a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RepoPath>,
}

impl ChangeSet {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The counts, and the first hundred paths or as many of them as fit into a journal line.
    pub fn summary(&self) -> ChangeSummary {
        let sources: std::collections::BTreeSet<_> = self
            .changes
            .iter()
            .filter_map(|change| change.renamed_from.as_ref())
            .collect();
        let shown: Vec<_> = self
            .changes
            .iter()
            .filter(|change| !(change.after.is_none() && sources.contains(&change.path)))
            .collect();
        let mut counts = ChangeCounts::default();
        for change in &shown {
            match change.kind() {
                ChangeKind::Added => counts.added += 1,
                ChangeKind::Modified | ChangeKind::ModeChanged => counts.modified += 1,
                ChangeKind::TypeChanged => counts.type_changed += 1,
                ChangeKind::Deleted => counts.deleted += 1,
                ChangeKind::Renamed => counts.renamed += 1,
            }
        }
        let mut paths: Vec<_> = shown
            .into_iter()
            .take(MAX_LISTED_PATHS)
            .map(|change| ListedPath {
                path: change.path.clone(),
                kind: change.kind(),
                from: change.renamed_from.clone(),
            })
            .collect();
        paths.truncate(fitting(&paths));
        ChangeSummary {
            base: self.base,
            tree: self.tree,
            counts,
            paths,
        }
    }
}
