//! Tags for what was pushed.

use super::{WAYS, Way, assert_delivered, hook, refused, remote, run, tip};
use crate::world::{TICKET, json};

#[test]
fn what_was_pushed_is_tagged_on_the_remote_and_here_and_a_tag_never_moves() {
    WAYS.into_iter().for_each(what_was_pushed_is_tagged);
}

fn what_was_pushed_is_tagged(way: Way) {
    let world = way.pushing("", "");
    let before = tip(&world);
    let said = run(&world);
    assert_delivered(&world, &said, &before);
    let delivered = tip(&world);
    let here = world.foil(&["deliver", TICKET, "--here"]);
    assert_eq!(here.code, Some(0), "{here}");
    assert_eq!(world.git(&["rev-parse", "main"]), delivered);
    let tag = |name: &str, more: &[&str]| {
        let args: Vec<_> = ["deliver", TICKET, "--tag", name, "--json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        world.foil(&args)
    };
    let there = |name: &str| {
        let path = remote(&world);
        let output = world.try_git(&["--git-dir", path.to_str().unwrap(), "rev-parse", "-q", "--verify", name]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let before = world.observed();
    assert_eq!(json(&tag("v1.0", &["--dry-run"]))["outcome"], "would_tag");
    assert_eq!((world.observed(), there("refs/tags/v1.0")), (before, String::new()));

    let said = tag("v1.0", &[]);
    assert_eq!(
        (said.code, &json(&said)["outcome"]),
        (Some(0), &"tagged".into()),
        "{said}"
    );
    assert_eq!(there("refs/tags/v1.0^{commit}"), delivered);
    assert_eq!(there("refs/tags/v1.0"), world.git(&["rev-parse", "refs/tags/v1.0"]));
    assert_eq!(json(&said)["object"], there("refs/tags/v1.0"));
    let text = world.git(&["cat-file", "tag", "v1.0"]);
    let receipt = world.git(&["rev-parse", &format!("refs/counterfoil/receipts/{TICKET}:receipt.json")]);
    let receipt = world.try_git(&["cat-file", "blob", &receipt]).stdout;
    assert!(
        text.contains(&format!("Counterfoil-Receipt: {}", ledger_core::Digest::of(receipt))),
        "{text}"
    );
    world.git(&["fsck", "--strict"]);
    // A second time, and after a process that ended between the remote and this clone.
    assert_eq!(json(&tag("v1.0", &[]))["outcome"], "already_tagged");
    world.git(&["tag", "-d", "v1.0"]);
    assert_eq!(json(&tag("v1.0", &[]))["outcome"], "already_tagged");
    assert_eq!(world.git(&["rev-parse", "v1.0"]), there("refs/tags/v1.0"));

    let told = format!("origin has the tag v1.0 at {}\n", &delivered[..12]);
    let guide = include_str!("../../../../../docs/guide.md");
    let (_, example) = guide
        .split_once(&format!("$ foil deliver {TICKET} --tag v1.0\n"))
        .unwrap();
    let but_for_id = "origin has the tag v1.0 at ".len();
    assert_eq!(example[..but_for_id], told[..but_for_id], "the guide says it so");
    let said = world.foil(&["deliver", TICKET, "--tag", "v1.0"]);
    assert_eq!(said.stdout, format!("Nothing to do: {told}"));

    // Tags of others stay what they are.
    world.git(&["tag", "ours", "HEAD"]);
    assert_eq!(refused(&tag("ours", &[])), "needs_person");
    assert_eq!(there("refs/tags/ours"), "");
    world.git(&["push", "-q", "origin", "HEAD:refs/tags/theirs"]);
    let theirs = there("refs/tags/theirs");
    assert_eq!(refused(&tag("theirs", &[])), "needs_person");
    assert_eq!(there("refs/tags/theirs"), theirs);
    for name in ["-d", "a b", "a..b", "refs/tags/x", "x.lock", ""] {
        let said = world.foil(&["deliver", TICKET, &format!("--tag={name}")]);
        assert_eq!(said.code, Some(2), "{name:?}: {said}");
    }
    // Beside a ref whose name is a folder of the other one the remote gets none either.
    for (beside, name) in [("v3/x", "v3"), ("v4", "v4/x")] {
        world.git(&["tag", beside, "HEAD"]);
        let said = tag(name, &[]);
        assert_eq!(refused(&said), "needs_person");
        assert!(said.stdout.contains(&format!("beside `refs/tags/{beside}`")), "{said}");
        assert_eq!(there(&format!("refs/tags/{name}")), "");
    }
    // What the remote's own rules refuse leaves no tag here.
    hook(&world, "pre-receive", "echo no tags today >&2; exit 1");
    let said = tag("v2.0", &[]);
    assert_eq!(refused(&said), "push_rejected");
    assert!(said.stderr.contains("no tags today"), "{said}");
    assert!(!world.try_git(&["rev-parse", "-q", "--verify", "v2.0"]).status.success());
    std::fs::remove_file(remote(&world).join("hooks/pre-receive")).unwrap();
    // What somebody has taken back is not brought back by a tag.
    let path = remote(&world);
    world.git(&[
        "--git-dir",
        path.to_str().unwrap(),
        "update-ref",
        "refs/heads/main",
        "refs/heads/main~2",
    ]);
    assert_eq!(refused(&tag("v2.0", &[])), "upstream_moved");
    assert_eq!(there("refs/tags/v2.0"), "");
}

#[test]
fn a_tag_whose_answer_was_lost_is_found_there_by_the_next() {
    for way in WAYS {
        let world = way.pushing("", "");
        let said = run(&world);
        assert_eq!(said.code, Some(0), "{said}");
        let tag = || world.foil(&["deliver", TICKET, "--tag", "v1.0", "--json"]);
        // The remote takes it, and whoever should say so is gone.
        hook(&world, "post-update", "kill -9 $PPID");
        let said = tag();
        assert_ne!(said.code, Some(2), "{way:?}: {said}");
        std::fs::remove_file(remote(&world).join("hooks/post-update")).unwrap();
        let path = remote(&world);
        let path = path.to_str().unwrap();
        let there = world.git(&["--git-dir", path, "rev-parse", "refs/tags/v1.0"]);
        assert_eq!(json(&tag())["outcome"], "already_tagged", "{way:?}");
        assert_eq!(world.git(&["rev-parse", "refs/tags/v1.0"]), there);
    }
}
