//! Deliveries to a branch of a real remote: over a file path, and over HTTP by Git's own server.

mod http;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Said, World};
use crate::snapshot::Snapshot;
use crate::world::{CONTRACT, Runner, TICKET, approved_with, eventually, json, run_folder};

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
    let world = approved_with("", CONTRACT, |world| {
        let steps = steps.replace("$WORLD", world.folder().to_str().unwrap());
        let script = format!("role = \"writer\"\n{steps}{HELLO}{DONE}");
        std::fs::write(world.folder().join("scripts/writer.toml"), script).unwrap();
        let path = remote(world);
        world.git(&["init", "-q", "--bare", "-b", "main", path.to_str().unwrap()]);
        world.git(&["remote", "add", "origin", path.to_str().unwrap()]);
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}{PUSH}{more}"));
    });
    world.git(&["push", "-q", "origin", "main"]);
    world
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
    let text = |key: &str| blocker[key].as_str().unwrap().to_owned();
    (text("code"), text("reason"))
}

fn refused(said: &Said) -> String {
    assert_eq!(said.code, Some(11), "{said}");
    json(said)["error"]["code"].as_str().unwrap().to_owned()
}

/// The run is done, and the remote has exactly the change and its records on top of `before`.
fn assert_delivered(world: &World, said: &Said, before: &str) {
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
    let receipt = world.git(&["show", &format!("refs/counterfoil/receipts/{TICKET}:receipt.json")]);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        receipt["delivered"]["remote"],
        serde_json::json!({ "remote": "origin", "name": "refs/heads/main", "commit": now })
    );
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    let again = run(world);
    assert_eq!(refused(&again), "needs_person", "{again}");
    assert_eq!(tip(world), now, "delivered once");
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

#[test]
fn where_the_policy_says_so_a_target_that_moved_stops_the_run_and_its_work_is_not_lost() {
    let world = pushing_with(SOMEBODY_PUSHES, "when_moved = \"stop\"\n");
    somebody_pushes(&world, "theirs.txt");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "upstream_moved", "{reason}");
    let theirs = tip(&world);
    assert_eq!(
        world.git(&["rev-parse", "main"]),
        world.git(&["--git-dir", remote(&world).to_str().unwrap(), "rev-parse", "main~1"])
    );
    std::fs::write(
        world.folder().join("scripts/writer.toml"),
        format!("role = \"writer\"\n{DONE}"),
    )
    .unwrap();
    let said = world.foil(&["run", TICKET, "--from-rescue", "--json"]);
    assert_delivered(&world, &said, &theirs);
}

/// What the journal says of a kind of effect.
fn intents(world: &World, effect: &str) -> usize {
    let journal = std::fs::read_to_string(run_folder(world).join("journal.jsonl")).unwrap();
    journal
        .matches(&format!("\"kind\":\"intended\",\"effect\":\"{effect}\""))
        .count()
}

#[test]
fn a_change_goes_on_from_a_target_that_moved_and_is_checked_there_once_more() {
    let world = pushing(SOMEBODY_PUSHES);
    somebody_pushes(&world, "src/theirs.txt");
    let said = run(&world);
    let theirs = world.git(&["rev-parse", &format!("{}~2", tip(&world))]);
    assert_ne!(theirs, world.git(&["rev-parse", "main"]), "it is on top of theirs");
    assert_delivered(&world, &said, &theirs);
    assert_eq!(
        (intents(&world, "run_checks"), intents(&world, "take_review")),
        (2, 1),
        "checks run again, and the review is carried"
    );
    let events = world.foil(&["events", TICKET]).stdout;
    assert!(events.contains("is the same change on"), "{events}");
    let review = world.git(&["show", &format!("{}:ledger/tickets/{TICKET}/review.md", tip(&world))]);
    assert!(review.contains("brought onto another base"), "{review}");
}

#[test]
fn checks_that_fail_on_what_the_target_is_now_go_to_the_worker() {
    let world = pushing(SOMEBODY_PUSHES);
    somebody_pushes(&world, "word.txt");
    // It fails as long as their file is there and the worker has not answered it.
    let policy = world.read("counterfoil.toml");
    let check = "[[check]]\nname = \"fits\"\nrun = \"test ! -e word.txt || grep -q theirs hello.txt\"\nsandbox = \"off\"\nbaseline = \"off\"\n";
    world.write("counterfoil.toml", format!("{check}{policy}"));
    world.git(&["commit", "-qam", "Check that it fits"]);
    world.git(&["push", "-q", "origin", "main"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let second =
        "role = \"writer\"\nturn = 2\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello theirs\\n\"\n";
    std::fs::write(world.folder().join("scripts/a-second.toml"), format!("{second}{DONE}")).unwrap();
    let said = run(&world);
    let theirs = world.git(&["rev-parse", &format!("{}~2", tip(&world))]);
    assert_delivered(&world, &said, &theirs);
    assert_eq!(
        world.git(&["show", &format!("{}:hello.txt", tip(&world))]),
        "hello theirs"
    );
    assert_eq!(
        intents(&world, "take_review"),
        2,
        "what the worker changed since is reviewed"
    );
}

#[test]
fn where_both_changed_the_same_file_nothing_is_merged() {
    let world = pushing(SOMEBODY_PUSHES);
    somebody_pushes(&world, "hello.txt");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "upstream_moved");
    assert!(reason.contains("both changed `hello.txt`"), "{reason}");
    let theirs = tip(&world);
    assert_eq!(
        world.git(&["--git-dir", remote(&world).to_str().unwrap(), "show", "main:hello.txt"]),
        "theirs"
    );
    assert_eq!(tip(&world), theirs);
}

#[test]
fn where_both_changed_other_lines_of_a_file_the_merged_change_is_checked_and_reviewed_anew() {
    let world = pushing("");
    world.write("hello.txt", "hello\n1\n2\n3\n4\n5\n6\n");
    world.commit_all("Six lines");
    world.git(&["push", "-q", "origin", "main"]);
    let somebody = SOMEBODY_PUSHES.replace("$WORLD", world.folder().to_str().unwrap());
    let worker = "[[step]]\ndo = \"run\"\ncommand = \"sed -i 's/^1$/one/' hello.txt\"\n";
    let script = format!("role = \"writer\"\n{somebody}{worker}{DONE}");
    std::fs::write(world.folder().join("scripts/writer.toml"), script).unwrap();
    somebody_pushes(&world, "hello.txt");
    let script = std::fs::read_to_string(world.folder().join("theirs.sh")).unwrap();
    let script = script.replace("echo theirs >hello.txt", "sed -i 's/^6$/six/' hello.txt");
    std::fs::write(world.folder().join("theirs.sh"), script).unwrap();
    let said = run(&world);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    assert_eq!(
        world.git(&["show", &format!("{}:hello.txt", tip(&world))]),
        "hello\none\n2\n3\n4\n5\nsix"
    );
    assert_eq!(intents(&world, "take_review"), 2, "nobody had seen the merged file");
    assert_eq!(intents(&world, "take_turn"), 1, "the worker did nothing more");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn what_the_run_was_started_from_is_not_exchanged_under_it() {
    for file in [
        "counterfoil.toml",
        "ledger/tickets/0001-hello/prompt.md",
        "ledger/tickets/0001-hello/canceled.toml",
    ] {
        let world = pushing(SOMEBODY_PUSHES);
        somebody_pushes(&world, file);
        let (code, reason) = blocker(&run(&world));
        assert_eq!(code, "upstream_moved", "{file}");
        assert!(reason.contains(&format!("`{file}` changed in the target")), "{reason}");
    }
}

#[test]
fn what_steers_the_run_is_not_exchanged_under_it() {
    let world = pushing(SOMEBODY_PUSHES);
    let pack = "+++\ntitle = \"Tone\"\n[inclusion]\nmode = \"always\"\n+++\nBe kind.\n";
    world.write("ledger/steering/tone.md", pack);
    world.commit_all("Steer");
    world.git(&["push", "-q", "origin", "main"]);
    somebody_pushes(&world, "ledger/steering/tone.md");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "upstream_moved");
    assert!(
        reason.contains("`ledger/steering/tone.md` changed in the target"),
        "{reason}"
    );
}

#[test]
fn a_target_that_was_written_anew_is_not_followed() {
    let rewrite = "[[step]]\ndo = \"run\"\ncommand = \"sh $WORLD/theirs.sh $WORLD\"\n";
    let world = pushing(rewrite);
    let script = "set -e\ngit clone -q $1/remote.git $1/other\ncd $1/other\ngit -c user.name=Bob -c user.email=b@example.org commit -q --amend -m Rewritten\n\
                  git push -q --force origin HEAD:main\n";
    std::fs::write(world.folder().join("theirs.sh"), script).unwrap();
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "upstream_moved");
    assert!(reason.contains("was written anew"), "{reason}");
}

#[test]
fn a_target_that_moves_in_the_last_moment_is_not_overwritten_and_gets_the_change_on_top() {
    for (when_moved, ends) in [("stop", "blocked"), ("rebase", "done")] {
        let world = pushing_with("", &format!("when_moved = \"{when_moved}\"\n"));
        // Between the question and the push: the hook of the remote moves the branch before the push is looked at.
        let path = remote(&world);
        let path = path.to_str().unwrap();
        let tree = world.git(&["--git-dir", path, "rev-parse", "main^{tree}"]);
        let identity = [
            "-c",
            "user.name=Bob",
            "-c",
            "user.email=bob@example.org",
            "--git-dir",
            path,
        ];
        let commit = ["commit-tree", "-p", "main", "-m", "Theirs", &tree];
        let theirs = world.git(&[&identity[..], &commit[..]].concat());
        let moves = format!(
            "test -e $WORLD/moved && exit 0; touch $WORLD/moved; unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main {theirs}"
        );
        hook(&world, "pre-receive", &moves);
        let said = run(&world);
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], ends, "{said}");
        if ends == "done" {
            assert_delivered(&world, &said, &theirs);
            assert_eq!(
                world.git(&["rev-parse", &format!("foil/{TICKET}")]),
                tip(&world),
                "its own branch is moved, not doubled"
            );
            assert_eq!(world.git(&["branch", "--list", "foil/*"]).lines().count(), 1);
        } else {
            assert_eq!(blocker(&said).0, "upstream_moved");
            assert_eq!(tip(&world), theirs);
        }
    }
}

#[test]
fn what_the_remote_forbids_is_told_in_its_words_and_pushed_once_it_is_allowed() {
    let world = pushing("");
    let before = tip(&world);
    hook(&world, "pre-receive", "echo 'main is frozen until Monday' >&2; exit 1");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "push_rejected");
    assert!(reason.contains("main is frozen until Monday"), "{reason}");
    assert_eq!(tip(&world), before);
    std::fs::remove_file(remote(&world).join("hooks/pre-receive")).unwrap();
    let commits = world.git(&["rev-parse", &format!("foil/{TICKET}")]);
    assert_delivered(&world, &run(&world), &before);
    assert_eq!(tip(&world), commits, "the same commits, not others");
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
fn what_cannot_be_pushed_to_is_refused_before_anything_begins() {
    type Spoil = fn(&World);
    let cases: [(Spoil, &str); 6] = [
        (
            |world| world.git(&["remote", "remove", "origin"]).clear(),
            "target_forbidden",
        ),
        (
            |world| {
                for _ in 0..2 {
                    world.git(&[
                        "remote",
                        "set-url",
                        "--push",
                        "--add",
                        "origin",
                        remote(world).to_str().unwrap(),
                    ]);
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
    for (n, (spoil, code)) in cases.into_iter().enumerate() {
        let world = pushing("");
        spoil(&world);
        let said = run(&world);
        assert_eq!(refused(&said), code, "case {n}: {said}");
        assert!(json(&said)["error"]["hint"].is_string(), "case {n}: {said}");
        assert!(!said.to_string().contains("remote.git"), "case {n}: {said}");
        assert!(
            !world.root().join(".git/counterfoil/runs").join(TICKET).exists(),
            "case {n}"
        );
    }
}

#[test]
fn a_policy_that_is_not_trusted_asks_no_remote() {
    let world = pushing("");
    std::fs::remove_dir_all(world.state_home().join("counterfoil/trust")).unwrap();
    assert_eq!(refused(&run(&world)), "policy_not_trusted");
    assert_eq!(world.git(&["for-each-ref", "refs/counterfoil/targets"]), "");
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

/// A runner whose push hangs in the remote until `go` is there.
fn pushing_for_long(world: &World) -> Runner {
    hook(
        world,
        "pre-receive",
        "touch $WORLD/begun; while ! test -e $WORLD/go; do sleep 0.05; done",
    );
    let mut command: Command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let runner = Runner(command.spawn().unwrap());
    eventually("the push begins", || world.folder().join("begun").exists());
    runner
}

#[test]
fn a_runner_killed_in_the_middle_of_a_push_is_taken_up_and_delivers_once() {
    for is_taken in [true, false] {
        let world = pushing("");
        let before = tip(&world);
        let mut runner = pushing_for_long(&world);
        runner.0.kill().unwrap();
        runner.0.wait().unwrap();
        if is_taken {
            // The push of the dead runner goes on by itself.
            std::fs::write(world.folder().join("go"), "").unwrap();
            eventually("the push ends", || tip(&world) != before);
        } else {
            end_git_below(world.folder());
            std::fs::write(world.folder().join("go"), "").unwrap();
        }
        assert_delivered(&world, &run(&world), &before);
    }
}

/// Ends what a push left behind, as a machine that goes down would.
fn end_git_below(folder: &Path) {
    let folder = folder.to_str().unwrap();
    eventually("the push is gone", || {
        let mut any = false;
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if command.contains(folder) && (command.contains("git") || command.contains("hooks")) {
                any = true;
                let pid = process.file_name();
                let _ = Command::new("kill")
                    .args(["-9", pid.to_str().unwrap()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        !any
    });
}

#[test]
fn an_interrupted_push_leaves_at_once_and_goes_on_later() {
    let world = pushing("");
    let before = tip(&world);
    let mut runner = pushing_for_long(&world);
    let begun = Instant::now();
    let pid = runner.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    std::fs::write(world.folder().join("go"), "").unwrap();
    assert_delivered(&world, &run(&world), &before);
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
    let world = pushing("");
    let before = tip(&world);
    world.git(&[
        "--git-dir",
        remote(&world).to_str().unwrap(),
        "config",
        "http.receivepack",
        "true",
    ]);
    let server = http::serve(world.folder().to_owned());
    let address = format!("http://ada:s3cret@127.0.0.1:{}/remote.git", server.port);
    world.git(&["remote", "set-url", "origin", &address]);
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

#[test]
fn checks_set_up_and_head_are_those_of_the_new_base() {
    let world = pushing(SOMEBODY_PUSHES);
    std::fs::create_dir_all(world.home()).unwrap();
    let policy = world.read("counterfoil.toml");
    // Set-up copies what the base has, and the check wants what it copied to be that of its own `HEAD`.
    world.write(".gitignore", "ignored/\n");
    world.write("version.txt", "1\n");
    let setup = "[workspace]\nsetup = [{ run = \"mkdir -p ignored; cp version.txt ignored/version\" }]\n";
    let check = "[[check]]\nname = \"installed\"\nrun = \"git show HEAD:version.txt | cmp - ignored/version && cmp version.txt ignored/version\"\n";
    world.write("counterfoil.toml", format!("{check}sandbox = \"off\"\n{policy}{setup}"));
    world.commit_all("Set up");
    world.git(&["push", "-q", "origin", "main"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    somebody_pushes(&world, "version.txt");
    let said = run(&world);
    let theirs = world.git(&["rev-parse", &format!("{}~2", tip(&world))]);
    assert_delivered(&world, &said, &theirs);
    assert_eq!(intents(&world, "take_turn"), 1, "nothing of it goes to the worker");
}

#[test]
fn what_is_hidden_by_case_or_filters_of_the_new_base_is_found() {
    for (file, code) in [("Hello.txt", "upstream_moved"), (".gitattributes", "filtered_path")] {
        let world = pushing(SOMEBODY_PUSHES);
        somebody_pushes(&world, file);
        if code == "filtered_path" {
            let script = world.folder().join("theirs.sh");
            let text = std::fs::read_to_string(&script).unwrap();
            std::fs::write(&script, text.replace("echo theirs", "echo '*.txt filter=lfs'")).unwrap();
        }
        let (found, reason) = blocker(&run(&world));
        assert_eq!(found, code, "{reason}");
        assert_eq!(
            world.git(&[
                "--git-dir",
                remote(&world).to_str().unwrap(),
                "ls-tree",
                "main",
                "hello.txt"
            ]),
            ""
        );
    }
}

#[test]
fn a_base_that_fails_its_own_checks_after_the_move_is_nobodys_work() {
    let world = pushing(SOMEBODY_PUSHES);
    let policy = world.read("counterfoil.toml");
    let check = "[[check]]\nname = \"whole\"\nrun = \"test ! -e broken\"\nsandbox = \"off\"\n";
    world.write("counterfoil.toml", format!("{check}{policy}"));
    world.commit_all("Check that it is whole");
    world.git(&["push", "-q", "origin", "main"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    somebody_pushes(&world, "broken");
    let (code, reason) = blocker(&run(&world));
    assert_eq!(code, "baseline_failed", "{reason}");
    assert_eq!(intents(&world, "take_turn"), 1);
}

#[test]
fn a_branch_that_somebody_touched_before_the_target_moved_does_not_stand_in_the_way() {
    let world = pushing("");
    hook(&world, "pre-receive", "exit 1");
    assert_eq!(blocker(&run(&world)).0, "push_rejected");
    std::fs::remove_file(remote(&world).join("hooks/pre-receive")).unwrap();
    world.git(&["branch", "-m", &format!("foil/{TICKET}"), "kept-by-me"]);
    let kept = world.git(&["rev-parse", "kept-by-me"]);
    std::fs::write(world.folder().join("theirs.sh"), "").unwrap();
    somebody_pushes(&world, "theirs.txt");
    let pushed = Command::new("sh")
        .arg(world.folder().join("theirs.sh"))
        .arg(world.folder())
        .status()
        .unwrap();
    assert!(pushed.success());
    let theirs = tip(&world);
    assert_delivered(&world, &run(&world), &theirs);
    assert_eq!(world.git(&["rev-parse", "kept-by-me"]), kept);
}

#[test]
fn an_answer_goes_along_with_a_target_that_moved_and_is_judged_there_anew() {
    let world = pushing("");
    somebody_pushes(&world, "src/theirs.txt");
    let contract = "title = \"Who says hello?\"\nmode = \"research\"\n[scope]\ngoal = \"it is known\"\n";
    world.write(&format!("ledger/tickets/{TICKET}/ticket.toml"), contract);
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    world.git(&["push", "-q", "origin", "main"]);
    let steps = SOMEBODY_PUSHES.replace("$WORLD", world.folder().to_str().unwrap());
    let script = format!("role = \"reviewer\"\nprompt_contains = \"# Ticket \"\n{steps}{DONE}");
    std::fs::write(world.folder().join("scripts/a-researcher.toml"), script).unwrap();
    let said = run(&world);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    assert_eq!(intents(&world, "take_review"), 2);
    let theirs = world.git(&["rev-parse", &format!("{}~2", tip(&world))]);
    assert_ne!(theirs, world.git(&["rev-parse", "main"]), "it is on top of theirs");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_change_that_somebody_else_made_too_is_not_delivered_twice() {
    let world = pushing(SOMEBODY_PUSHES);
    somebody_pushes(&world, "hello.txt");
    let script = world.folder().join("theirs.sh");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, text.replace("echo theirs", "echo hello")).unwrap();
    let (code, reason) = blocker(&run(&world));
    assert_eq!(
        (code.as_str(), reason.as_str()),
        ("upstream_moved", "the target has the same change already")
    );
}

#[test]
fn a_target_that_moves_after_a_person_has_accepted_makes_the_run_wait_again() {
    let world = pushing_with("", "accept = \"required\"\n");
    let waits = |world: &World, tip_is: &str| {
        assert_eq!(blocker(&run(world)).0, "acceptance_needed");
        assert_eq!(tip(world), tip_is, "nothing is pushed");
        assert_eq!(world.git(&["branch", "--list", "foil/*"]), "");
    };
    waits(&world, &tip(&world));
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    somebody_pushes(&world, "theirs.txt");
    let script = world.folder().join("theirs.sh");
    let output = Command::new("sh").arg(script).arg(world.folder()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let theirs = tip(&world);
    // What was accepted is not what would be pushed now.
    waits(&world, &theirs);
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    let said = run(&world);
    assert_delivered(&world, &said, &theirs);
}

#[test]
fn what_was_pushed_is_tagged_on_the_remote_and_here_and_a_tag_never_moves() {
    let world = pushing("");
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
    let guide = include_str!("../../../../docs/guide.md");
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
