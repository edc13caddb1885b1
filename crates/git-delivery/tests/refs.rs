//! Compare-and-set of refs, anchors, and large numbers of refs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::time::Instant;

use common::World;
use counterfoil_git_delivery::{AnchorError, Expected, RefError};
use ledger_core::{ObjectId, RefName};

fn name(text: &str) -> RefName {
    text.parse().unwrap()
}

#[test]
fn a_ref_moves_only_from_what_was_expected() {
    let world = World::with(&[("a", "1")]);
    let first = world.commit("HEAD").0;
    world.write("a", "2");
    let second = world.commit_all("second").0;
    let repository = world.open();
    let branch = name("refs/heads/foil/x");
    repository
        .update_ref(&branch, first, Expected::Missing, "made")
        .unwrap();
    let again = repository.update_ref(&branch, first, Expected::Missing, "made");
    assert!(matches!(again, Err(RefError::Refused { actual: Some(actual), .. }) if actual == first));
    let stale = repository.update_ref(&branch, first, Expected::Is(second), "moved");
    assert!(matches!(stale, Err(RefError::Refused { actual: Some(actual), .. }) if actual == first));
    repository
        .update_ref(&branch, second, Expected::Is(first), "moved\nhere")
        .unwrap();
    assert_eq!(repository.resolve(&branch).unwrap(), Some(second));
    assert!(world.git(&["reflog", "show", "foil/x"]).contains("moved here"));
    let missing = ObjectId::from_bytes([1; 20]);
    assert!(matches!(
        repository.update_ref(&branch, missing, Expected::Is(second), "x"),
        Err(RefError::MissingObject { .. })
    ));
    repository.delete_ref(&branch, second).unwrap();
    assert_eq!(repository.resolve(&branch).unwrap(), None);
    assert!(matches!(
        repository.update_ref(&branch, first, Expected::Is(second), "x"),
        Err(RefError::Refused { actual: None, .. })
    ));
}

#[test]
fn names_that_exclude_each_other_are_told_from_races() {
    let world = World::with(&[("a", "1")]);
    let commit = world.commit("HEAD").0;
    world.git(&["branch", "foil/x"]);
    world.git(&["pack-refs", "--all"]);
    let repository = world.open();
    for taken in ["refs/heads/foil", "refs/heads/foil/x/y"] {
        let result = repository.update_ref(&name(taken), commit, Expected::Missing, "x");
        let Err(RefError::NameTaken { beside, .. }) = &result else {
            panic!("{taken} {result:?}");
        };
        assert_eq!(beside, "refs/heads/foil/x");
    }
}

#[test]
fn a_lock_of_another_program_is_reported_as_such() {
    let world = World::with(&[("a", "1")]);
    world.git(&["branch", "foil"]);
    std::fs::write(world.repo().join(".git/refs/heads/foil.lock"), "").unwrap();
    let commit = world.commit("HEAD").0;
    world.write("a", "2");
    let next = world.commit_all("second").0;
    let result = world
        .open()
        .update_ref(&name("refs/heads/foil"), next, Expected::Is(commit), "x");
    assert!(matches!(result, Err(RefError::Locked { .. })), "{result:?}");
}

#[test]
fn a_branch_that_any_work_tree_holds_is_not_moved() {
    let world = World::with(&[("a", "1")]);
    let first = world.commit("HEAD").0;
    world.git(&["worktree", "add", "-q", "-b", "linked", "../linked"]);
    world.write("a", "2");
    let second = world.commit_all("second").0;
    let repository = world.open();
    let held = repository.update_ref(&name("refs/heads/main"), first, Expected::Is(second), "x");
    assert!(matches!(held, Err(RefError::CheckedOut { .. })), "{held:?}");
    let held = repository.update_ref(&name("refs/heads/linked"), second, Expected::Is(first), "x");
    assert!(matches!(held, Err(RefError::CheckedOut { .. })), "{held:?}");
    assert_eq!(repository.resolve(&name("refs/heads/linked")).unwrap(), Some(first));
}

#[test]
fn hooks_of_the_repository_do_not_run() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("a", "1")]);
    let hook = world.repo().join(".git/hooks/reference-transaction");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", world.path("pwned").display())).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let commit = world.commit("HEAD").0;
    world
        .open()
        .update_ref(&name("refs/heads/foil"), commit, Expected::Missing, "x")
        .unwrap();
    assert!(!world.path("pwned").exists());
    world.git(&["branch", "canary"]);
    assert!(world.path("pwned").exists(), "the canary itself works");
}

#[test]
fn of_many_writers_each_step_is_won_by_one() {
    let world = World::with(&[("a", "1")]);
    let first = world.commit("HEAD").0;
    let next: Vec<ObjectId> = (0..6).map(|n| world.commit_all(&format!("c{n}")).0).collect();
    let repository = world.open();
    let branch = name("refs/counterfoil/race");
    repository.update_ref(&branch, first, Expected::Missing, "x").unwrap();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = next
            .iter()
            .map(|new| scope.spawn(|| repository.update_ref(&branch, *new, Expected::Is(first), "x").is_ok()))
            .collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().unwrap()))
            .sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn loose_refs_hide_packed_ones_and_all_come_in_order() {
    let world = World::with(&[("a", "1")]);
    let first = world.commit("HEAD").0;
    for branch in ["b", "d", "x/y"] {
        world.git(&["branch", branch]);
    }
    world.git(&["pack-refs", "--all"]);
    world.write("a", "2");
    let second = world.commit_all("second").0;
    for branch in ["a", "c", "d"] {
        world.git(&["branch", "-f", branch]);
    }
    world.git(&["symbolic-ref", "refs/heads/e", "refs/heads/b"]);
    world.git(&["symbolic-ref", "refs/heads/nowhere", "refs/heads/none"]);
    let mut found = Vec::new();
    world
        .open()
        .refs_below("refs/heads/", |name, id| found.push((name.to_owned(), id)))
        .unwrap();
    let expected: Vec<_> = [
        ("a", second),
        ("b", first),
        ("c", second),
        ("d", second),
        ("e", first),
        ("main", second),
        ("x/y", first),
    ]
    .map(|(branch, id)| (format!("refs/heads/{branch}"), id))
    .into();
    assert_eq!(found, expected);
    let mut below = 0;
    world.open().refs_below("refs/nothing/", |_, _| below += 1).unwrap();
    assert_eq!(below, 0);
}

#[test]
fn two_hundred_thousand_packed_refs_are_read_quickly() {
    let world = World::with(&[("a", "1")]);
    let commit = world.commit("HEAD");
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..200_000 {
        packed.push_str(&format!("{commit} refs/heads/b{number:06}\n"));
    }
    std::fs::write(world.repo().join(".git/packed-refs"), packed).unwrap();
    let repository = world.open();
    let start = Instant::now();
    let mut count = 0;
    repository.refs_below("refs/heads/", |_, _| count += 1).unwrap();
    let taken = start.elapsed();
    assert_eq!(count, 200_001);
    println!("200,000 packed refs in {taken:?}");
    let start = Instant::now();
    let mut few = 0;
    repository.refs_below("refs/heads/b1999", |_, _| few += 1).unwrap();
    println!("100 of them in {:?}", start.elapsed());
    assert_eq!(few, 100);
}

#[test]
fn anchors_keep_objects_and_never_move() {
    let world = World::with(&[("a", "1")]);
    let tree = world.tree("HEAD").0;
    let commit = world.commit("HEAD").0;
    let repository = world.open();
    let run = "run-1".parse().unwrap();
    repository.anchor(&run, "tree", tree).unwrap();
    repository.anchor(&run, "tree", tree).unwrap();
    repository.anchor(&run, "deep/commit", commit).unwrap();
    let moved = repository.anchor(&run, "tree", commit);
    assert!(matches!(moved, Err(AnchorError::Taken { actual, .. }) if actual == tree));
    let names: Vec<_> = repository
        .anchors(&run)
        .unwrap()
        .into_iter()
        .map(|anchor| (anchor.name, anchor.object))
        .collect();
    assert_eq!(names, [("deep/commit".to_owned(), commit), ("tree".to_owned(), tree)]);
    assert_eq!(repository.anchored_runs().unwrap(), std::slice::from_ref(&run));
    repository.release_anchor(&run, "tree").unwrap();
    repository.release_anchor(&run, "tree").unwrap();
    assert_eq!(repository.anchors(&run).unwrap().len(), 1);
}

#[test]
fn anchors_are_refs_that_git_reads_packs_and_collects_by() {
    let world = World::with(&[("a", "1")]);
    let tree = world.tree("HEAD").0;
    let repository = world.open();
    let run = "run-1".parse().unwrap();
    repository.anchor(&run, "tree-1", tree).unwrap();
    assert_eq!(
        world.git(&["rev-parse", "refs/counterfoil/keep/run-1/tree-1"]),
        tree.to_string()
    );
    assert!(!world.repo().join(".git/logs/refs/counterfoil").exists());
    // Packing removes the folder of the ref, and the next anchor makes it anew.
    world.git(&["pack-refs", "--all", "--prune"]);
    assert!(!world.repo().join(".git/refs/counterfoil/keep/run-1").exists());
    repository.anchor(&run, "tree-1", tree).unwrap();
    repository.anchor(&run, "tree-2", tree).unwrap();
    assert_eq!(repository.anchors(&run).unwrap().len(), 2);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn of_many_that_anchor_under_one_name_one_wins_and_the_others_are_told() {
    let world = World::with(&[("a", "1")]);
    let objects = [world.tree("HEAD").0, world.commit("HEAD").0];
    let repository = world.open();
    let run = "run-1".parse().unwrap();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (repository, run) = (&repository, &run);
                scope.spawn(move || repository.anchor(run, "one", objects[number % 2]))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|result| {
                assert!(
                    matches!(
                        result,
                        Ok(()) | Err(AnchorError::Taken { .. } | AnchorError::Ref(RefError::Locked { .. }))
                    ),
                    "{result:?}"
                );
                result.is_ok()
            })
            .count()
    });
    assert!(won >= 1);
    assert_eq!(repository.anchors(&run).unwrap().len(), 1);
    assert!(!world.repo().join(".git/refs/counterfoil/keep/run-1/one.lock").exists());
}

#[test]
fn an_anchor_of_what_is_missing_is_refused() {
    let world = World::with(&[("a", "1")]);
    let run = "run-1".parse().unwrap();
    let missing = ledger_core::ObjectId::from_bytes([7; 20]);
    let result = world.open().anchor(&run, "tree", missing);
    assert!(
        matches!(result, Err(AnchorError::Ref(RefError::MissingObject { .. }))),
        "{result:?}"
    );
}
