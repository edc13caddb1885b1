//! What the remote answers to a push, and what it has become by then.

use ledger_core::{Event, Observation};

use super::{
    WAYS, Way, assert_delivered, assert_receipt_says, blocker, elsewhere, hook, intents, pushing, refused, remote, run,
    tip,
};
use crate::world::{TICKET, journaled, json};

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
fn a_push_whose_answer_was_lost_is_proved_by_asking_and_not_done_again() {
    let hooks = [
        // The branch has moved, and nothing of that is on its way.
        ("reference-transaction", "test $1 = committed || exit 0; "),
        // It was told, and the end of the answer is missing.
        ("post-update", ""),
    ];
    for (way, (name, when)) in each_way(&hooks) {
        let world = way.pushing("", "");
        let before = tip(&world);
        hook(&world, name, &format!("{when}echo >>$WORLD/pushes; kill -9 $PPID"));
        let (code, reason) = blocker(&run(&world));
        assert_eq!(code, "remote_unreachable", "{way:?}, {name}: {reason}");
        let taken = tip(&world);
        assert_ne!(taken, before, "the remote took it");
        assert_delivered(&world, &run(&world), &before);
        assert_eq!(tip(&world), taken);
        let is_answer = |event: &Event| {
            let Event::Observed { observation, .. } = event else {
                return false;
            };
            matches!(
                observation,
                Observation::Pushed { .. } | Observation::PushRefused { .. }
            )
        };
        assert_eq!(journaled(&world).iter().filter(|event| is_answer(event)).count(), 0);
        let pushes = std::fs::read_to_string(world.folder().join("pushes")).unwrap();
        assert_eq!(
            (pushes.lines().count(), intents(&world, "push")),
            (1, 1),
            "{way:?}, {name}"
        );
    }
}

/// A script that makes `main` a commit with the same files, which goes on from this.
fn put(parent: &str) -> String {
    format!(
        "git update-ref refs/heads/main $(git -c user.name=Bob -c user.email=bob@example.org commit-tree -p {parent} -m Theirs main^{{tree}})"
    )
}

#[test]
fn a_remote_that_says_otherwise_afterwards_gives_no_receipt() {
    let hooks = [
        ("post-receive", ""),
        (
            "reference-transaction",
            "test $1 = committed -a ! -e $WORLD/once || exit 0; touch $WORLD/once; ",
        ),
    ];
    for (way, (name, when)) in each_way(&hooks) {
        for puts_back in [true, false] {
            let world = way.pushing("", "");
            let before = tip(&world);
            let script = match puts_back {
                true => format!("git update-ref refs/heads/main {before}"),
                false => put(&before),
            };
            hook(&world, name, &format!("{when}{script}"));
            let (code, reason) = blocker(&run(&world));
            let (expected, words) = match puts_back {
                true => ("push_rejected", "`origin/main` still is"),
                false => ("upstream_moved", "which does not hold it"),
            };
            assert_eq!(code, expected, "{way:?}, {name}: {reason}");
            assert!(reason.contains(words), "{way:?}, {name}: {reason}");
            let there = tip(&world);
            assert_eq!(there == before, puts_back);
            // What somebody has decided there is not pushed over later either.
            std::fs::remove_file(remote(&world).join("hooks").join(name)).unwrap();
            let again = run(&world).code;
            assert_eq!(again, Some(if puts_back { 10 } else { 11 }), "{way:?}, {name}");
            assert_eq!((tip(&world), intents(&world, "push")), (there, 1), "{way:?}, {name}");
            assert_eq!(world.git(&["for-each-ref", "refs/counterfoil/receipts"]), "");
        }
    }
}

#[test]
fn a_remote_that_goes_on_from_what_was_pushed_holds_it_and_the_receipt_says_what_it_was() {
    for way in WAYS {
        let world = way.pushing("", "");
        hook(&world, "post-receive", &put("main"));
        let said = run(&world);
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
        let theirs = tip(&world);
        let ours = world.git(&["rev-parse", &format!("foil/{TICKET}")]);
        assert_eq!(world.git(&["rev-parse", &format!("{theirs}^")]), ours);
        assert_receipt_says("origin", &world, &theirs);
        let verified = world.foil(&["verify", TICKET]);
        assert_eq!(verified.code, Some(0), "{verified}");
        assert_eq!(refused(&run(&world)), "needs_person");
        assert_eq!(tip(&world), theirs, "delivered once");
    }
}

#[test]
fn a_push_that_goes_elsewhere_than_is_read_from_is_no_delivery() {
    for way in WAYS {
        let world = way.pushing("", "");
        let elsewhere = elsewhere(&world);
        // Git's own server takes a push only where the repository says so.
        let there = elsewhere.to_str().unwrap();
        world.git(&["--git-dir", there, "config", "http.receivepack", "true"]);
        let address = world.git(&["remote", "get-url", "origin"]);
        let address = address.replace("remote.git", "elsewhere.git");
        world.git(&["remote", "set-url", "--push", "origin", &address]);
        let before = tip(&world);
        let (code, reason) = blocker(&run(&world));
        assert_eq!(code, "push_rejected", "{way:?}");
        assert!(reason.contains("another repository"), "{way:?}: {reason}");
        assert_eq!(tip(&world), before);
    }
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
