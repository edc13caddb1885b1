//! What the remote answers to a push, and what it has become by then.

use super::{WAYS, Way, assert_delivered, blocker, hook, pushing, remote, run, tip};
use crate::world::TICKET;

#[test]
fn what_the_remote_forbids_is_told_in_its_words_and_pushed_once_it_is_allowed() {
    for (way, name) in each_way(&["pre-receive", "update"]) {
        let world = way.pushing("", "");
        let before = tip(&world);
        hook(&world, name, "echo 'main is frozen until Monday' >&2; exit 1");
        let (code, reason) = blocker(&run(&world));
        assert_eq!(code, "push_rejected", "{way:?}, {name}: {reason}");
        assert!(
            reason.contains("main is frozen until Monday"),
            "{way:?}, {name}: {reason}"
        );
        assert_eq!(tip(&world), before);
        std::fs::remove_file(remote(&world).join("hooks").join(name)).unwrap();
        let commits = world.git(&["rev-parse", &format!("foil/{TICKET}")]);
        assert_delivered(&world, &run(&world), &before);
        assert_eq!(tip(&world), commits, "the same commits, not others");
    }
}

/// Each of these with each way to reach the remote.
fn each_way<T: Copy>(cases: &[T]) -> impl Iterator<Item = (Way, T)> {
    WAYS.into_iter()
        .flat_map(|way| cases.iter().map(move |case| (way, *case)))
}

#[test]
fn a_push_whose_answer_was_lost_is_seen_and_not_done_again() {
    let world = pushing("");
    let before = tip(&world);
    hook(&world, "post-update", "echo >>$WORLD/pushes; kill -9 $PPID");
    let said = run(&world);
    if said.code != Some(0) {
        let (code, reason) = blocker(&said);
        assert_eq!(code, "remote_unreachable", "{reason}");
    }
    assert_ne!(tip(&world), before, "the remote took it");
    std::fs::remove_file(remote(&world).join("hooks/post-update")).unwrap();
    let said = if said.code == Some(0) { said } else { run(&world) };
    assert_delivered(&world, &said, &before);
    assert_eq!(
        std::fs::read_to_string(world.folder().join("pushes"))
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_remote_that_says_otherwise_afterwards_gives_no_receipt() {
    let world = pushing("");
    let before = tip(&world);
    hook(
        &world,
        "post-receive",
        &format!("git update-ref refs/heads/main {before}"),
    );
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "push_rejected", "{reason}");
    assert_eq!(world.git(&["for-each-ref", "refs/counterfoil/receipts"]), "");
    std::fs::remove_file(remote(&world).join("hooks/post-receive")).unwrap();
}

#[test]
fn a_push_that_goes_elsewhere_than_is_read_from_is_no_delivery() {
    let world = pushing("");
    let elsewhere = world.folder().join("elsewhere.git");
    world.git(&[
        "clone",
        "-q",
        "--bare",
        remote(&world).to_str().unwrap(),
        elsewhere.to_str().unwrap(),
    ]);
    world.git(&["remote", "set-url", "--push", "origin", elsewhere.to_str().unwrap()]);
    let before = tip(&world);
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "push_rejected");
    assert!(reason.contains("another repository"), "{reason}");
    assert_eq!(tip(&world), before);
}

#[test]
fn a_remote_that_is_away_for_a_while_is_asked_again_by_the_same_run() {
    let world = pushing("[[step]]\ndo = \"run\"\ncommand = \"mv $WORLD/remote.git $WORLD/away\"\n");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "remote_unreachable");
    assert!(!reason.contains("remote.git"), "{reason}");
    std::fs::rename(world.folder().join("away"), remote(&world)).unwrap();
    let before = tip(&world);
    assert_delivered(&world, &run(&world), &before);
    assert_eq!(
        world.git(&["for-each-ref", "refs/counterfoil/runs"]).lines().count(),
        1,
        "one run"
    );
}
