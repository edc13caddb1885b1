//! What is refused before anything begins.

use super::{WAYS, assert_delivered, pushing, refused, remote, run, tip};
use crate::common::World;
use crate::world::{TICKET, json};

#[test]
fn what_cannot_be_pushed_to_is_refused_before_anything_begins() {
    type Spoil = fn(&World);
    let cases: [(Spoil, &str); 7] = [
        (
            |world| world.git(&["config", "remote.origin.mirror", "true"]).clear(),
            "target_forbidden",
        ),
        (
            |world| world.git(&["remote", "remove", "origin"]).clear(),
            "target_forbidden",
        ),
        (
            |world| {
                let address = world.git(&["remote", "get-url", "origin"]);
                for _ in 0..2 {
                    world.git(&["remote", "set-url", "--push", "--add", "origin", &address]);
                }
            },
            "target_forbidden",
        ),
        (
            |world| {
                world.git(&[
                    "--git-dir",
                    remote(world).to_str().unwrap(),
                    "update-ref",
                    "-d",
                    "refs/heads/main",
                ]);
            },
            "target_forbidden",
        ),
        (
            |world| std::fs::rename(remote(world), world.folder().join("away")).unwrap(),
            "remote_unreachable",
        ),
        (
            |world| {
                world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Say it louder.\n");
                assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
            },
            "unpushed_commits",
        ),
        (
            |world| {
                let before = world.git(&["rev-parse", "HEAD"]);
                world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Say it louder.\n");
                assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
                world.git(&["push", "-q", "origin", "main"]);
                world.git(&["reset", "-q", "--hard", &before]);
            },
            "ticket_not_committed",
        ),
    ];
    let cases = cases.into_iter().enumerate();
    for ((n, (spoil, code)), way) in cases.flat_map(|case| WAYS.map(|way| (case, way))) {
        let world = way.pushing("", "");
        spoil(&world);
        let said = run(&world);
        assert_eq!(refused(&said), code, "case {n}, {way:?}: {said}");
        assert!(json(&said)["error"]["hint"].is_string(), "case {n}: {said}");
        assert!(!said.to_string().contains("remote.git"), "case {n}: {said}");
        assert!(
            !world.root().join(".git/counterfoil/runs").join(TICKET).exists(),
            "case {n}"
        );
    }
}

#[test]
fn options_for_a_persons_pushes_are_not_sent() {
    for way in WAYS {
        let world = way.pushing("", "");
        // The server takes none.
        world.git(&["config", "push.pushOption", "ci.skip"]);
        let before = tip(&world);
        let said = run(&world);
        assert_delivered(&world, &said, &before);
    }
}

#[test]
fn a_policy_that_is_not_trusted_asks_no_remote() {
    let world = pushing("");
    std::fs::remove_dir_all(world.state_home().join("counterfoil/trust")).unwrap();
    assert_eq!(refused(&run(&world)), "policy_not_trusted");
    assert_eq!(world.git(&["for-each-ref", "refs/counterfoil/targets"]), "");
}
