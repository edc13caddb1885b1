//! Committing exactly some files on the user's branch.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::BTreeMap;

use common::{NOON, World, fingerprint, identity, path, try_git_in};
use counterfoil_git_delivery::{HereError, Operation};

fn approval() -> BTreeMap<ledger_core::RepoPath, Vec<u8>> {
    BTreeMap::from([(path("ledger/tickets/x/approval.toml"), b"by = \"Ada\"\n".to_vec())])
}

#[test]
fn only_the_given_files_are_committed_and_everything_else_stays() {
    let world = World::with(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    world.write("a", "staged");
    world.git(&["add", "a"]);
    world.write("a", "staged and changed");
    world.write("b", "changed");
    world.write("new", "untracked");
    world.write("intent", "later");
    world.git(&["add", "-N", "intent"]);
    world.git(&["rm", "-q", "--cached", "c"]);
    world.git(&["update-index", "--assume-unchanged", "d"]);
    world.write("ledger/tickets/x/approval.toml", "by = \"Ada\"\n");
    let state = |world: &World| {
        (
            fingerprint(&world.repo(), &|path| path.starts_with(".git")),
            world.git(&["ls-files", "--stage", "-v", ":!ledger"]),
            world.git(&["status", "--porcelain=v2", ":!ledger"]),
        )
    };
    let before = state(&world);
    let old = world.commit("HEAD");
    let done = world
        .open()
        .commit_files_on_head(&approval(), "Approve x\n", &identity(), NOON)
        .unwrap();
    assert!(done.index_not_refreshed.is_none());
    assert_eq!(state(&world), before);
    assert_eq!(world.commit("HEAD"), done.commit);
    assert_eq!(world.commit("HEAD~1"), old);
    assert_eq!(world.git(&["status", "--porcelain", "ledger"]), "");
    assert_eq!(
        world.git(&["show", "--name-status", "--format=%an %s", "HEAD"]),
        "Ada Approve x\n\nA\tledger/tickets/x/approval.toml"
    );
    assert!(world.git(&["reflog", "-1"]).contains("commit: Approve x"));
    let again = world
        .open()
        .commit_files_on_head(&approval(), "Approve x\n", &identity(), NOON)
        .unwrap();
    assert_eq!(again.commit, done.commit);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_branch_without_commits_gets_its_first() {
    let world = World::new();
    let done = world
        .open()
        .commit_files_on_head(&approval(), "Approve x\n", &identity(), NOON)
        .unwrap();
    assert_eq!(world.commit("main"), done.commit);
    assert_eq!(world.git(&["ls-files"]), "ledger/tickets/x/approval.toml");
}

#[test]
fn a_linked_work_tree_and_odd_indexes_work_too() {
    let world = World::with(&[("a/x", "1"), ("b/y", "1")]);
    world.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = counterfoil_git_delivery::Repository::discover(&world.path("linked")).unwrap();
    let done = linked
        .commit_files_on_head(&approval(), "Approve\n", &identity(), NOON)
        .unwrap();
    assert_eq!(world.commit("side"), done.commit);
    for odd in [
        &["sparse-checkout", "set", "--sparse-index", "a"][..],
        &["update-index", "--split-index"],
    ] {
        let world = World::with(&[("a/x", "1"), ("b/y", "1")]);
        world.git(odd);
        let done = world
            .open()
            .commit_files_on_head(&approval(), "Approve\n", &identity(), NOON)
            .unwrap();
        assert!(done.index_not_refreshed.is_none());
        assert_eq!(world.git(&["diff", "--cached", "--name-only"]), "");
        assert_eq!(world.git(&["ls-tree", "-r", "--name-only", "HEAD"]).lines().count(), 3);
    }
}

#[test]
fn work_of_the_user_is_never_overwritten() {
    let world = World::with(&[("a", "1\n")]);
    world.write("ledger/tickets/x/approval.toml", "other\n");
    world.git(&["add", "ledger"]);
    let head = world.commit("HEAD");
    let refused = world.open().commit_files_on_head(&approval(), "x\n", &identity(), NOON);
    assert!(
        matches!(refused, Err(HereError::StagedDifferently { .. })),
        "{refused:?}"
    );
    world.git(&["rm", "-q", "-f", "--cached", "ledger/tickets/x/approval.toml"]);
    world.git(&["checkout", "-q", "-b", "side"]);
    world.write("a", "2\n");
    world.commit_all("side");
    world.git(&["checkout", "-q", "main"]);
    world.write("a", "3\n");
    world.git(&["commit", "-q", "-a", "-m", "main"]);
    assert!(!try_git_in(&world.repo(), &["merge", "side"]).status.success());
    let refused = world.open().commit_files_on_head(&approval(), "x\n", &identity(), NOON);
    assert!(
        matches!(
            refused,
            Err(HereError::OperationInProgress {
                operation: Operation::Merge
            })
        ),
        "{refused:?}"
    );
    world.git(&["merge", "--abort"]);
    world.git(&["checkout", "-q", "--detach", &head.to_string()]);
    let refused = world.open().commit_files_on_head(&approval(), "x\n", &identity(), NOON);
    assert!(matches!(refused, Err(HereError::DetachedHead)), "{refused:?}");
}

#[test]
fn a_locked_index_is_told_and_the_commit_stands() {
    let world = World::with(&[("a", "1")]);
    std::fs::write(world.repo().join(".git/index.lock"), "").unwrap();
    let done = world
        .open()
        .commit_files_on_head(&approval(), "Approve\n", &identity(), NOON)
        .unwrap();
    assert!(done.index_not_refreshed.is_some());
    assert_eq!(world.commit("HEAD"), done.commit);
}
