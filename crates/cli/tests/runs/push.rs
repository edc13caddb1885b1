//! Deliveries to a branch of a real remote: over a file path, and over HTTP by Git's own server.

mod answers;
mod http;
mod interrupts;
mod moved;
mod refusals;
mod tags;
mod ways;

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Said, World};
use crate::snapshot::Snapshot;
use crate::world::{CONTRACT, TICKET, approved_with, json, run_folder};

const HELLO: &str = "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n";
const DONE: &str = "[answer]\nreport = { summary = \"said hello\" }\n";
const PUSH: &str = "[delivery]\nmode = \"push\"\ntarget = \"main\"\n";

fn remote(world: &World) -> PathBuf {
    world.folder().join("remote.git")
}

/// A world whose policy pushes to `main` of a bare remote, and a worker that takes these steps and then says hello.
fn pushing(steps: &str) -> World {
    pushing_with(steps, "")
}

/// The same with more in `[delivery]`.
fn pushing_with(steps: &str, more: &str) -> World {
    pushing_to("origin", steps, more)
}

/// The same with another name for the remote.
fn pushing_to(name: &str, steps: &str, more: &str) -> World {
    let world = approved_with("", CONTRACT, |world| {
        let steps = steps.replace("$WORLD", world.folder().to_str().unwrap());
        let script = format!("role = \"writer\"\n{steps}{HELLO}{DONE}");
        std::fs::write(world.folder().join("scripts/writer.toml"), script).unwrap();
        let path = remote(world);
        world.git(&["init", "-q", "--bare", "-b", "main", path.to_str().unwrap()]);
        world.git(&["remote", "add", name, path.to_str().unwrap()]);
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}{PUSH}{more}"));
    });
    world.git(&["push", "-q", name, "main"]);
    world
}

/// How the remote is reached.
#[derive(Debug, Clone, Copy)]
enum Way {
    File,
    Http,
}

const WAYS: [Way; 2] = [Way::File, Way::Http];

impl Way {
    /// What [`pushing_with`] gives, with a remote that is reached so.
    fn pushing(self, steps: &str, more: &str) -> World {
        self.reaching("origin", pushing_with(steps, more))
    }

    /// This world with its remote of this name reached so.
    fn reaching(self, name: &str, world: World) -> World {
        if matches!(self, Self::Http) {
            let path = remote(&world);
            world.git(&[
                "--git-dir",
                path.to_str().unwrap(),
                "config",
                "http.receivepack",
                "true",
            ]);
            let server = http::serve(world.folder().to_owned());
            let address = format!("http://ada:s3cret@127.0.0.1:{}/remote.git", server.port);
            world.git(&["remote", "set-url", name, &address]);
        }
        world
    }
}

/// What a branch of the remote is; nothing where it does not exist.
fn tip(world: &World) -> String {
    let path = remote(world);
    let output = world.try_git(&[
        "--git-dir",
        path.to_str().unwrap(),
        "rev-parse",
        "-q",
        "--verify",
        "refs/heads/main",
    ]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Another repository that has what the remote has.
fn elsewhere(world: &World) -> std::path::PathBuf {
    let elsewhere = world.folder().join("elsewhere.git");
    let (from, to) = (remote(world), elsewhere.to_str().unwrap());
    world.git(&["clone", "-q", "--bare", from.to_str().unwrap(), to]);
    elsewhere
}

/// Somebody else commits to the remote while the worker takes its turn.
const SOMEBODY_PUSHES: &str = "[[step]]\ndo = \"run\"\ncommand = \"sh $WORLD/theirs.sh $WORLD\"\n";

/// What that comes to, for a file of theirs.
fn somebody_pushes(world: &World, file: &str) {
    let script = format!(
        "set -e\ngit clone -q $1/remote.git $1/other\ncd $1/other\nmkdir -p $(dirname {file})\necho theirs >{file}\ngit add .\n\
         git -c user.name=Bob -c user.email=bob@example.org commit -qm Theirs\ngit push -q origin HEAD:main\n"
    );
    std::fs::write(world.folder().join("theirs.sh"), script).unwrap();
}

fn hook(world: &World, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = remote(world).join("hooks").join(name);
    let script = script.replace("$WORLD", world.folder().to_str().unwrap());
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(world: &World) -> Said {
    world.foil(&["run", TICKET, "--json"])
}

fn blocker(said: &Said) -> (String, String) {
    assert_eq!(said.code, Some(10), "{said}");
    let blocker = json(said)["runs"][0]["packet"]["blocker"].clone();
    let told = blocker.to_string();
    assert!(!told.contains("remote.git") && !told.contains("127.0.0.1"), "{told}");
    let text = |key: &str| blocker[key].as_str().unwrap().to_owned();
    (text("code"), text("reason"))
}

fn refused(said: &Said) -> String {
    assert_eq!(said.code, Some(11), "{said}");
    json(said)["error"]["code"].as_str().unwrap().to_owned()
}

/// The run is done, and the remote has exactly the change and its records on top of `before`.
fn assert_delivered(world: &World, said: &Said, before: &str) {
    assert_delivered_to("origin", world, said, before);
}

/// The same with another name for the remote.
fn assert_delivered_to(name: &str, world: &World, said: &Said, before: &str) {
    assert_eq!(said.code, Some(0), "{said}");
    let packet = json(said)["runs"][0]["packet"].clone();
    assert_eq!(packet["outcome"], "done", "{said}");
    let now = tip(world);
    assert_eq!(world.git(&["rev-parse", &format!("{now}~2")]), before);
    assert_eq!(
        world.git(&["rev-parse", &format!("{now}~1")]),
        packet["change"].as_str().unwrap()
    );
    let changed = world.git(&["diff", "--name-only", before, &now]);
    assert_eq!(
        changed.lines().collect::<Vec<_>>(),
        [
            "hello.txt",
            "ledger/tickets/0001-hello/handoff.md",
            "ledger/tickets/0001-hello/plan.md",
            "ledger/tickets/0001-hello/result.md",
            "ledger/tickets/0001-hello/review.md"
        ]
    );
    assert_receipt_says(name, world, &now);
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    let again = run(world);
    assert_eq!(refused(&again), "needs_person", "{again}");
    assert_eq!(tip(world), now, "delivered once");
}

/// The receipt says that the remote had this commit when it was asked.
fn assert_receipt_says(name: &str, world: &World, commit: &str) {
    let receipt = world.git(&["show", &format!("refs/counterfoil/receipts/{TICKET}:receipt.json")]);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        receipt["delivered"]["remote"],
        serde_json::json!({ "remote": name, "name": "refs/heads/main", "commit": commit })
    );
}

#[test]
fn a_reviewed_change_is_pushed_and_the_remote_is_asked_what_it_has() {
    let world = pushing("");
    let fired = world.folder().join("fired");
    let own_hook = world.root().join(".git/hooks/pre-push");
    std::fs::create_dir_all(own_hook.parent().unwrap()).unwrap();
    std::fs::write(&own_hook, format!("#!/bin/sh\ntouch '{}'\n", fired.display())).unwrap();
    world.git(&["tag", "-a", "v1", "-m", "not to be pushed along"]);
    world.git(&["config", "push.followTags", "true"]);
    let refs = ["for-each-ref", "refs/heads", "refs/tags", "refs/stash"];
    let log_of_tracking = world.root().join(".git/logs/refs/remotes");
    std::fs::remove_dir_all(&log_of_tracking).unwrap();
    let (before, snapshot) = (tip(&world), Snapshot::of(&world.root(), &world.git(&refs)));
    let said = run(&world);
    // As after any push, the tracking branch says what the remote has.
    assert_eq!(world.git(&["rev-parse", "origin/main"]), tip(&world));
    assert_delivered(&world, &said, &before);
    std::fs::remove_dir_all(&log_of_tracking).unwrap();
    snapshot.assert_same_as(&Snapshot::of(&world.root(), &world.git(&refs)));
    assert!(!fired.exists(), "no hook of the user's runs");
    let tags = world.git(&["ls-remote", "--tags", "origin"]);
    assert_eq!(tags, "", "nothing is pushed along");
    let journal = std::fs::read_to_string(run_folder(&world).join("journal.jsonl")).unwrap();
    assert!(
        !journal.contains("remote.git"),
        "the address of the remote is told nowhere"
    );
    let told = world.foil(&["events", TICKET]).stdout;
    for line in [
        "asking for `origin/main`",
        "the remote took it",
        "which holds the delivery",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(!status.contains("git merge"), "it is where it was to go: {status}");
}

/// What the journal says of a kind of effect.
fn intents(world: &World, effect: &str) -> usize {
    let journal = std::fs::read_to_string(run_folder(world).join("journal.jsonl")).unwrap();
    journal
        .matches(&format!("\"kind\":\"intended\",\"effect\":\"{effect}\""))
        .count()
}

#[test]
fn a_relative_address_is_the_one_that_git_means() {
    let world = pushing("");
    let relative = format!("../{}", remote(&world).file_name().unwrap().to_str().unwrap());
    // Where the address would lead from the Git folder.
    let other = world.root().join("remote.git");
    world.git(&["clone", "-q", "--bare", &relative, other.to_str().unwrap()]);
    world.git(&["remote", "set-url", "origin", &relative]);
    let below = world.root().join("below");
    std::fs::create_dir(&below).unwrap();
    let others_tip = || world.git(&["--git-dir", other.to_str().unwrap(), "rev-parse", "main"]);
    let before = others_tip();
    assert_eq!(tip(&world), before);
    let said = crate::common::said(world.foil_command().current_dir(&below).args(["run", TICKET]));
    assert_eq!(said.code, Some(0), "{said}");
    assert_ne!(tip(&world), before);
    assert_eq!(others_tip(), before);
    let answer = world.git(&["ls-remote", "origin", "refs/heads/main"]);
    assert!(answer.starts_with(&tip(&world)), "{answer}");
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn a_change_of_mind_between_branch_and_push_stops_the_push() {
    let world = pushing("");
    let before = tip(&world);
    hook(&world, "pre-receive", "exit 1");
    assert_eq!(blocker(&run(&world)).0, "push_rejected");
    std::fs::remove_file(remote(&world).join("hooks/pre-receive")).unwrap();
    assert_eq!(world.foil(&["cancel", TICKET]).code, Some(0));
    let said = run(&world);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "canceled", "{said}");
    assert_eq!(tip(&world), before);
}

#[test]
fn over_http_no_credential_of_the_address_is_told() {
    let world = Way::Http.pushing("", "");
    let before = tip(&world);
    let said = run(&world);
    assert_delivered(&world, &said, &before);
    let mut told = said.to_string();
    for verb in ["events", "logs", "review", "status", "verify"] {
        told.push_str(&world.foil(&[verb, TICKET, "--json"]).to_string());
    }
    told.push_str(&std::fs::read_to_string(run_folder(&world).join("journal.jsonl")).unwrap());
    assert!(!told.contains("s3cret") && !told.contains("127.0.0.1"), "{told}");
}

#[test]
fn only_the_remote_that_the_policy_names_is_touched() {
    WAYS.into_iter().for_each(only_the_named_remote_is_touched);
}

fn only_the_named_remote_is_touched(way: Way) {
    let world = way.reaching("upstream", pushing_to("upstream", "", "remote = \"upstream\"\n"));
    let before = tip(&world);
    // One that Git itself would choose, and which is behind.
    let origin = world.folder().join("origin.git");
    let origin = origin.to_str().unwrap();
    world.git(&["init", "-q", "--bare", "-b", "main", origin]);
    world.git(&["remote", "add", "origin", origin]);
    world.git(&["push", "-q", "--set-upstream", "origin", "main"]);
    world.git(&["push", "-q", "origin", "main~1:refs/heads/main", "--force"]);
    world.git(&["push", "-q", "origin", "main:refs/heads/side", "main:refs/tags/v0"]);
    world.git(&["config", "remote.pushDefault", "origin"]);
    let refs = || {
        let there = world.git(&["--git-dir", origin, "for-each-ref"]);
        (there, world.git(&["for-each-ref", "refs/remotes/origin"]))
    };
    let untouched = refs();
    assert_delivered_to("upstream", &world, &run(&world), &before);
    let tagged = world.foil(&["deliver", TICKET, "--tag", "v1"]);
    assert_eq!(tagged.code, Some(0), "{tagged}");
    assert!(tagged.stdout.starts_with("upstream has the tag v1 at "), "{tagged}");
    assert_eq!(
        world
            .git(&["ls-remote", "--tags", "--refs", "upstream"])
            .lines()
            .count(),
        1
    );
    assert_eq!(refs(), untouched);
}

#[test]
fn a_target_of_another_name_than_main_is_the_base_and_the_only_branch_that_moves() {
    for way in WAYS {
        let world = way.pushing("", "");
        let path = remote(&world);
        let path = path.to_str().unwrap();
        let policy = world.read("counterfoil.toml");
        world.write(
            "counterfoil.toml",
            policy.replace("target = \"main\"", "target = \"release/1.x\""),
        );
        world.write("older.txt", "only there\n");
        world.commit_all("Deliver to a branch of its own");
        assert_eq!(world.foil(&["trust"]).code, Some(0));
        world.git(&["push", "-q", "origin", "main:refs/heads/release/1.x"]);
        let at = |branch: &str| world.git(&["--git-dir", path, "rev-parse", &format!("refs/heads/{branch}")]);
        let (main, before) = (at("main"), at("release/1.x"));
        assert_ne!(main, before);
        let said = run(&world);
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{way:?}: {said}");
        let ours = world.git(&["rev-parse", &format!("foil/{TICKET}")]);
        assert_eq!(at("release/1.x"), ours, "{way:?}");
        assert_eq!(world.git(&["rev-parse", &format!("{ours}~2")]), before);
        assert_eq!(at("main"), main);
        let refs = world.git(&["--git-dir", path, "for-each-ref", "--format=%(refname)"]);
        assert_eq!(refs, "refs/heads/main\nrefs/heads/release/1.x");
        let verified = world.foil(&["verify", TICKET]);
        assert_eq!(verified.code, Some(0), "{verified}");
        assert!(verified.stdout.contains("`origin/release/1.x` points at"), "{verified}");
    }
}

#[test]
fn what_the_remote_has_become_since_is_information() {
    let world = pushing("");
    let before = tip(&world);
    assert_delivered(&world, &run(&world), &before);
    let about_remote = |world: &World| {
        let said = world.foil(&["verify", TICKET]);
        assert_eq!(said.code, Some(0), "{said}");
        let line = said.stdout.lines().find(|line| line.contains("remote branch")).unwrap();
        line.trim().to_owned()
    };
    let delivered = tip(&world);
    let short = &delivered[..12];
    assert!(about_remote(&world).ends_with(&format!("`origin/main` points at {short}")));
    somebody_pushes(&world, "more.txt");
    let script = world.folder().join("theirs.sh");
    let pushed = Command::new("sh").arg(script).arg(world.folder()).status().unwrap();
    assert!(pushed.success());
    assert!(about_remote(&world).ends_with(&format!("`origin/main` contains {short}")));
    let path = remote(&world);
    world.git(&[
        "--git-dir",
        path.to_str().unwrap(),
        "update-ref",
        "refs/heads/main",
        &before,
    ]);
    assert!(about_remote(&world).ends_with(&format!("`origin/main` moved to {}", &before[..12])));
    world.git(&[
        "--git-dir",
        path.to_str().unwrap(),
        "update-ref",
        "-d",
        "refs/heads/main",
    ]);
    assert!(about_remote(&world).ends_with("`origin/main` is gone"));
    std::fs::remove_dir_all(&path).unwrap();
    assert!(about_remote(&world).contains("not looked at"));
}

#[test]
fn a_ticket_waits_for_one_that_is_only_on_a_branch_here() {
    let world = pushing("");
    world.ticket(
        "0002-next",
        "title = \"Next\"\nmode = \"loop\"\ndepends_on = [\"0001-hello\"]\n",
    );
    hook(&world, "pre-receive", "test -e $WORLD/go");
    assert_eq!(world.foil(&["approve", "0002-next"]).code, Some(0));
    std::fs::write(world.folder().join("go"), "").unwrap();
    world.git(&["push", "-q", "origin", "main"]);
    std::fs::remove_file(world.folder().join("go")).unwrap();
    assert_eq!(blocker(&run(&world)).0, "push_rejected");
    let said = world.foil(&["run", "0002-next", "--json"]);
    assert_eq!(refused(&said), "dependency_not_done", "{said}");
    std::fs::write(world.folder().join("go"), "").unwrap();
    assert_eq!(run(&world).code, Some(0));
    let said = world.foil(&["explain", "0002-next", "--json"]);
    assert!(!said.stdout.contains("dependency_not_done"), "{said}");
}

#[test]
fn a_fresh_clone_on_another_path_verifies_the_receipt() {
    let world = pushing("");
    let before = tip(&world);
    assert_delivered(&world, &run(&world), &before);
    let clone = world.folder().join("elsewhere/clone");
    world.git(&["clone", "-q", remote(&world).to_str().unwrap(), clone.to_str().unwrap()]);
    let clone_text = clone.to_str().unwrap();
    let verify = || {
        let mut command = world.foil_command();
        command
            .current_dir(&clone)
            .env("XDG_STATE_HOME", world.folder().join("other-state"));
        crate::common::said(command.args(["verify", TICKET]))
    };
    let without = verify();
    assert_eq!(without.code, Some(2), "nothing of the run is there yet: {without}");
    let refs = "refs/counterfoil/*:refs/counterfoil/*";
    world.git(&["-C", clone_text, "fetch", "-q", world.root().to_str().unwrap(), refs]);
    let said = verify();
    assert_eq!(said.code, Some(0), "{said}");
    for line in ["computed again from the journal", "`origin/main` points at"] {
        assert!(said.stdout.contains(line), "{line}: {said}");
    }
}
