//! Doors to what reads bytes from outside and has no public function of its own, for the fuzz targets alone. Not part of the API.

use std::collections::BTreeMap;

use gix::objs::Write as _;
use ledger_core::{BlobId, CommitId, EntryMode, InvalidObjectId, ObjectId, RefName, RepoPath, Side, TreeId};

use crate::diff::LineCount;
use crate::fast_forward;
use crate::objects::{ObjectError, TreeEntry, list, ours, side_at};
use crate::place::index::stored::checksum;
use crate::place::index::{Entry, FileStat, Origin, PlaceIndex};
use crate::repository::Repository;
use crate::tree::EMPTY_TREE;

/// What `diff-tree --numstat -z` answers.
pub fn line_counts(answer: &[u8]) -> Option<Vec<LineCount>> {
    crate::diff::line_counts_in(answer)
}

/// The paths that `ls-files -v --stage -z` answers, each with the ids of its entries.
pub fn user_index(answer: &[u8]) -> Option<BTreeMap<RepoPath, Vec<ObjectId>>> {
    fast_forward::user_index(answer)
}

/// The paths that `status --porcelain=v2 -z` answers, each with all that is told before it.
pub fn own_changes(answer: &[u8]) -> Option<BTreeMap<RepoPath, Vec<u8>>> {
    fast_forward::own_changes(answer)
}

/// The paths that `ls-files --stage -z` answers, each with how many entries it has.
pub fn staged(answer: &[u8]) -> Option<BTreeMap<RepoPath, usize>> {
    let staged = crate::here::staged_in(answer)?;
    Some(
        staged
            .into_iter()
            .map(|(path, entries)| (path, entries.len()))
            .collect(),
    )
}

/// The paths that `merge-tree --name-only -z` answers.
pub fn conflicts(answer: &[u8]) -> Option<Vec<RepoPath>> {
    crate::merge::conflicts_in(answer)
}

/// What a branch is by what `ls-remote` answers.
pub fn branch_at_remote(answer: &[u8], branch: &RefName) -> Result<Option<CommitId>, InvalidObjectId> {
    crate::remote::branch_in(answer, branch)
}

/// What a remote says, without addresses.
pub fn without_addresses(text: &str, addresses: &[String]) -> String {
    crate::remote::without_addresses(text, addresses)
}

/// The files that the last of these trees has, with what is found by the path of each. Twenty `*` stand for the id of the tree before.
pub fn tree(repository: &Repository, trees: &[&[u8]]) -> Result<Vec<(TreeEntry, Option<Side>)>, ObjectError> {
    // Nothing of it reaches the disk.
    let local = repository.local().with_object_memory();
    let mut root = EMPTY_TREE;
    for tree in trees {
        let before = root.0.as_bytes();
        let mut bytes = tree.to_vec();
        while let Some(at) = bytes.windows(20).position(|window| window == [b'*'; 20]) {
            bytes[at..at + 20].copy_from_slice(before);
        }
        let id = local.objects.write_buf(gix::objs::Kind::Tree, &bytes);
        let id = id.map_err(|error| ObjectError::Damaged {
            id: root.0,
            reason: error.to_string(),
        })?;
        root = TreeId(ours(id)?);
    }
    let files = list(&local, root, None)?;
    files
        .into_iter()
        .map(|file| Ok((side_at(&local, root, &file.path)?, file)))
        .map(|both| both.map(|(found, file)| (file, found)))
        .collect()
}

/// The paths of a place's index of these bytes, and the index in bytes again.
pub fn place_index(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let index = PlaceIndex::decode(bytes)?;
    let paths: Vec<_> = index.iter().map(|entry| entry.path.to_owned()).collect();
    for path in &paths {
        // Whatever it answers: it has to answer.
        let _ = (index.meets(path), index.end_of(path, 0, index.len()));
    }
    Some((paths, index.encode(index.tick)))
}

/// These bytes with the sum that a place's index has at its end.
pub fn sealed(content: &[u8]) -> Vec<u8> {
    [content, &checksum(content).to_le_bytes()].concat()
}

/// The bytes of a place's index that holds these paths, which are sorted and each there once.
pub fn place_index_of(sorted: &[&[u8]]) -> Vec<u8> {
    let origin = Origin {
        base: CommitId(ObjectId::ZERO),
        base_tree: EMPTY_TREE,
        tree: EMPTY_TREE,
    };
    let entry = |path| Entry {
        path,
        side: Side {
            mode: EntryMode::File,
            id: BlobId(ObjectId::ZERO),
        },
        stat: FileStat::LEFT_OUT,
    };
    PlaceIndex::new(origin, Vec::new(), sorted.iter().map(|path| entry(*path))).encode(None)
}
