//! Everything of a user's repository that a run must leave as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The work tree, the index, the configuration, the hooks and the refs of a repository, byte by byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Files with mode and bytes, links with their targets, folders with their modes.
    files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    /// Every ref but ours and the branches of deliveries.
    refs: Vec<String>,
}

impl Snapshot {
    /// Of the repository at this folder, where `refs` are all its refs.
    pub(crate) fn of(folder: &Path, refs: &str) -> Self {
        let mut files = BTreeMap::new();
        read_below(folder, folder, &mut files);
        let of_user = |line: &&str| !line.contains("refs/counterfoil/") && !line.contains("refs/heads/foil/");
        Self {
            files,
            refs: refs.lines().filter(of_user).map(str::to_owned).collect(),
        }
    }

    /// Fails with what differs.
    pub(crate) fn assert_same_as(&self, after: &Self) {
        assert_eq!(
            self.differing(after),
            Vec::<String>::new(),
            "files and refs that are not as they were"
        );
    }

    /// The files and the refs that differ, by name.
    pub(crate) fn differing(&self, after: &Self) -> Vec<String> {
        let paths: BTreeSet<_> = self.files.keys().chain(after.files.keys()).collect();
        let files = paths
            .into_iter()
            .filter(|path| self.files.get(*path) != after.files.get(*path))
            .map(|path| path.display().to_string());
        let refs: BTreeSet<_> = self.refs.iter().chain(&after.refs).collect();
        let refs = refs
            .into_iter()
            .filter(|line| self.refs.contains(line) != after.refs.contains(line))
            .map(|line| line.rsplit('\t').next().unwrap_or_default().to_owned());
        files.chain(refs).collect()
    }
}

/// Parts of the Git folder that grow by a delivery and hold nothing of the user's.
const GROWING: [&str; 6] = [
    ".git/objects",
    ".git/refs",
    ".git/packed-refs",
    ".git/counterfoil",
    ".git/logs/refs/counterfoil",
    // The branch of a delivery has a log of its own.
    ".git/logs/refs/heads/foil",
];

fn read_below(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if GROWING.iter().any(|growing| name == Path::new(growing)) {
            continue;
        }
        let metadata = path.symlink_metadata().unwrap();
        let bytes = if metadata.is_dir() {
            read_below(root, &path, files);
            Vec::new()
        } else if metadata.is_symlink() {
            path.read_link().unwrap().into_os_string().into_encoded_bytes()
        } else {
            std::fs::read(&path).unwrap()
        };
        files.insert(name, (metadata.mode(), bytes));
    }
}
