//! Nothing of the user's is touched: after each operation the repository and its work tree are what they were, but for
//! what is ours.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{NOON, World, ada, fingerprint, identity, path, write_below};
use counterfoil_git_delivery::{CommitDraft, Expected, Leftovers, MeasureOptions, Place};

/// Objects are only ever added, and our refs and their logs are ours.
fn users(world: &World) -> Vec<String> {
    fingerprint(&world.repo(), &|path: &Path| {
        [
            ".git/objects",
            ".git/refs/counterfoil",
            ".git/refs/heads/foil",
            ".git/logs",
        ]
        .iter()
        .any(|ours| path.starts_with(ours))
    })
}

#[test]
fn no_operation_touches_what_is_the_users() {
    let world = World::with(&[("a", "1\n"), ("dir/b", "1\n"), (".gitignore", "*.log\n")]);
    world.write("dir/b", "changed\n");
    world.git(&["stash"]);
    world.write("a", "staged\n");
    world.git(&["add", "a"]);
    world.write("a", "unstaged\n");
    world.write("untracked", "x\n");
    world.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    world.git(&["config", "core.hooksPath", ".hooks"]);
    write_below(&world.repo().join(".git"), "hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    let before = users(&world);
    let objects_before = world.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
    let unchanged = |what: &str| assert_eq!(users(&world), before, "{what}");

    let repository = world.open();
    repository.identity().unwrap();
    repository.remotes().unwrap();
    let refs = repository.snapshot_refs().unwrap();
    unchanged("reading");
    let base = world.commit("HEAD");
    let work = Place::create(&repository, &world.path("work"), base, &refs).unwrap();
    let mut check = Place::create(&repository, &world.path("check"), base, &refs).unwrap();
    unchanged("making places");
    write_below(work.folder(), "a", "by the worker\n");
    write_below(work.folder(), "new/file", "by the worker\n");
    let options = MeasureOptions {
        keep: true,
        ..MeasureOptions::default()
    };
    let tree = work.measure(&repository, &options).unwrap().change_set.tree;
    unchanged("measuring");
    let run = "run-1".parse().unwrap();
    repository.anchor(&run, "tree", tree.0).unwrap();
    unchanged("anchoring");
    check
        .bring_to(&repository, tree, &refs, Leftovers::KeepIgnored, &Default::default())
        .unwrap();
    unchanged("bringing a place to a tree");
    let draft = CommitDraft {
        tree,
        parents: vec![base],
        author: ada(),
        committer: ada(),
        time: NOON,
        message: "work\n".to_owned(),
    };
    let commit = draft.write(&repository).unwrap();
    let branch = "refs/heads/foil/x".parse().unwrap();
    repository
        .update_ref(&branch, commit.0, Expected::Missing, "deliver")
        .unwrap();
    unchanged("delivering to a branch of its own");
    let before_tree = repository.commit_tree_id(base).unwrap();
    repository.patch(before_tree, tree, 1 << 20).unwrap();
    repository.line_counts(before_tree, tree).unwrap();
    repository.merge_trees(commit, world.commit("side")).unwrap();
    unchanged("comparing and merging");
    let files = BTreeMap::from([(path("journal.jsonl"), b"{}\n".to_vec())]);
    repository.store_files(&files, "run\n", &[], NOON).unwrap();
    repository.release_anchor(&run, "tree").unwrap();
    unchanged("storing and letting go");
    Place::remove(work.folder()).unwrap();
    Place::remove(check.folder()).unwrap();
    unchanged("removing places");
    let objects = world.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
    assert!(
        objects_before.lines().all(|object| objects.contains(object)),
        "no object goes away"
    );

    // The one operation that moves the user's branch leaves the work tree as it is.
    let work_tree = || fingerprint(&world.repo(), &|path: &Path| path.starts_with(".git"));
    let before = work_tree();
    repository
        .commit_files_on_head(&files, "approve\n", &identity(), NOON)
        .unwrap();
    assert_eq!(work_tree(), before);
    assert_eq!(world.git(&["diff", "--cached", "--name-only"]), "a");
}
