//! Trees of Git as somebody else may have made them.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use git_delivery::Repository;
use ledger_core::EntryMode;

/// An empty repository, which stays empty.
static REPOSITORY: LazyLock<(tempfile::TempDir, Repository)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is room for a repository");
    let made = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("git is there").success());
    let repository = Repository::discover(folder.path()).expect("it is a repository");
    (folder, repository)
});

/// Trees with two bytes `fe` between them, from the innermost on. Twenty `*` stand for the id of the tree before.
pub fn tree(data: &[u8]) {
    let mut trees = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(2).position(|pair| pair == [0xfe, 0xfe]) {
        trees.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    trees.push(rest);
    trees.truncate(8);
    let Ok(files) = git_delivery::fuzzing::tree(&REPOSITORY.1, &trees) else {
        return;
    };
    assert!(
        files.windows(2).all(|pair| pair[0].0.path < pair[1].0.path),
        "each path is there once, in their order"
    );
    for (file, found) in &files {
        assert_eq!(*found, Some(file.side), "{} is found where it is listed", file.path);
        assert!(file.side.mode != EntryMode::Submodule || !file.path.as_bytes().is_empty());
    }
}
