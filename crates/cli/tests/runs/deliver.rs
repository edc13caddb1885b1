//! `foil deliver --here`: a finished run's commit in the user's own work tree.

use std::process::Stdio;

use serde_json::Value;

use crate::common::{Running, Said, World};
use crate::seen;
use crate::world::{TICKET, WRITER, approved, approved_with, blocked, done, eventually, json};

fn deliver(world: &World, more: &[&str]) -> Said {
    let args: Vec<_> = ["deliver", TICKET, "--here"].iter().chain(more).copied().collect();
    world.foil(&args)
}

fn refused(world: &World) -> Value {
    let before = world.observed();
    let said = deliver(world, &["--json"]);
    assert_eq!(world.observed(), before, "{said}");
    assert_eq!(said.code, Some(11), "{said}");
    json(&said)["error"].clone()
}

/// The guide, whose words are held to what happens.
const GUIDE: &str = include_str!("../../../../docs/guide.md");

#[test]
fn the_delivery_of_the_guide_goes_as_the_guide_says() {
    let world = done();
    let (_, section) = GUIDE.split_once("### Into your own work tree").unwrap();
    let (_, block) = section.split_once("```console\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let before = world.observed();
    world.write("notes.txt", "mine\n");
    let mut happened = String::new();
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ foil "));
    for (number, command) in commands.enumerate() {
        let args: Vec<_> = command.split(' ').collect();
        let said = world.foil(&args);
        assert_eq!(said.code, Some(0), "{said}");
        happened.push_str(&format!("$ foil {command}\n{}{}", said.stdout, said.stderr));
        if number == 0 {
            std::fs::remove_file(world.root().join("notes.txt")).unwrap();
            assert_eq!(world.observed(), before, "a dry run changes nothing");
            world.write("notes.txt", "mine\n");
        }
    }
    let without_ids = |text: &str| -> String {
        let words = text.split_inclusive([' ', '\n', ',']);
        let is_id = |word: &str| word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        let shown = |word: &str| match is_id(word.trim_end_matches([' ', '\n', ','])) {
            true => format!("[id]{}", &word[12..]),
            false => word.to_owned(),
        };
        words.map(shown).collect()
    };
    assert_eq!(without_ids(&happened), without_ids(block));
    assert_eq!(world.git(&["status", "--porcelain"]), "?? notes.txt");
    assert_eq!(
        world.git(&["rev-parse", "main"]),
        world.git(&["rev-parse", &format!("foil/{TICKET}")])
    );
    assert!(
        world
            .git(&["reflog", "-1", "main"])
            .contains(&format!("foil: deliver {TICKET} here"))
    );
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn a_delivery_is_told_as_a_document() {
    let world = done();
    world.write("mine.txt", "mine\n");
    seen!("deliver_dry_json", deliver(&world, &["--dry-run", "--json"]));
    seen!("deliver_json", deliver(&world, &["--json"]));
    seen!("deliver_again_json", deliver(&world, &["--json"]));
}

#[test]
fn what_stays_is_told_once_as_long_as_it_is_the_same() {
    let world = done();
    let back = |world: &World| world.git(&["reset", "-q", "--keep", "HEAD~2"]);
    world.write("one.txt", "mine\n");
    let told = |world: &World| deliver(world, &[]).stderr;
    assert_eq!(told(&world), "1 change of yours stays as before: one.txt\n");
    back(&world);
    assert_eq!(told(&world), "");
    back(&world);
    world.write("one.txt", "mine, and another\n");
    world.write("two.txt", "mine\n");
    assert_eq!(told(&world), "2 changes of yours stay as before: one.txt, two.txt\n");
}

/// A PATH with a `git` that does this first whenever it is asked for the status.
fn with_git(world: &World, before_status: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let tools = world.folder().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let program = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\ncase \" $* \" in *\" status \"*) {before_status} ;; esac\nexec git \"$@\"\n"
    );
    std::fs::write(tools.join("git"), program).unwrap();
    std::fs::set_permissions(tools.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", tools.display(), std::env::var("PATH").unwrap())
}

#[test]
fn of_two_that_deliver_here_at_the_same_time_one_does_and_the_other_says_so() {
    let world = done();
    let (begun, go) = (world.folder().join("begun"), world.folder().join("go"));
    let wait = format!(
        ": >{}; while ! test -e {}; do sleep 0.05; done",
        begun.display(),
        go.display()
    );
    let path = with_git(&world, &wait);
    let mut command = world.foil_command();
    command.env("PATH", path).args(["deliver", TICKET, "--here", "--json"]);
    let first = Running::start(&mut command);
    eventually("the first has begun", || begun.exists());
    let main = world.git(&["rev-parse", "main"]);
    let second = deliver(&world, &["--json"]);
    assert_eq!(world.git(&["rev-parse", "main"]), main, "{second}");
    std::fs::write(&go, "").unwrap();
    let first = first.said();
    assert_eq!(
        (first.code, &json(&first)["outcome"]),
        (Some(0), &"delivered".into()),
        "{first}"
    );
    seen!("deliver_here_twice", second);
    assert_eq!(json(&deliver(&world, &["--json"]))["outcome"], "already_there");
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_change_that_is_made_meanwhile_is_told() {
    let world = done();
    world.write("notes.txt", "mine\n");
    world.write("other.txt", "mine\n");
    // Whoever types at the same time does so before it is looked for the second time.
    let seen = world.folder().join("seen");
    let notes = world.root().join("notes.txt");
    let path = with_git(
        &world,
        &format!(
            "if [ -e {seen} ]; then echo more >>{notes}; fi; : >{seen}",
            seen = seen.display(),
            notes = notes.display(),
        ),
    );
    let mut command = world.foil_command();
    let said = crate::common::said(command.env("PATH", path).args(["deliver", TICKET, "--here", "--json"]));
    assert_eq!(said.code, Some(0), "{said}");
    let told = &json(&said)["changed_meanwhile"];
    assert_eq!(*told, serde_json::json!(["notes.txt"]), "{said}");
    assert_eq!(world.read("notes.txt"), "mine\nmore\n", "and it stays");
}

#[test]
fn a_change_that_stays_is_told_again_whatever_became_of_it() {
    type Change = (&'static str, fn(&World));
    let changes: [Change; 9] = [
        ("one.txt", |world| world.write("one.txt", "mine")),
        ("one.txt", |world| mode(world, "one.txt", 0o755)),
        ("one.txt", |world| {
            // The bytes stay what they were, and so does the mode of the file.
            std::fs::remove_file(world.root().join("one.txt")).unwrap();
            std::os::unix::fs::symlink("mine", world.root().join("one.txt")).unwrap();
        }),
        ("one.txt", |world| world.git(&["add", "-N", "one.txt"]).clear()),
        ("one.txt", |world| world.git(&["add", "one.txt"]).clear()),
        ("one.txt", |world| {
            std::fs::remove_file(world.root().join("one.txt")).unwrap()
        }),
        ("kept.txt", |world| mode(world, "kept.txt", 0o755)),
        ("kept.txt", |world| world.git(&["add", "kept.txt"]).clear()),
        ("kept.txt", |world| {
            std::fs::remove_file(world.root().join("kept.txt")).unwrap()
        }),
    ];
    let world = approved_with(WRITER, crate::world::CONTRACT, |world| {
        world.write("kept.txt", "kept\n")
    });
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
    let delivered = || {
        let said = deliver(&world, &[]);
        assert_eq!(said.code, Some(0), "{said}");
        // Index and work tree stay as they are but for what was delivered.
        world.git(&["reset", "-q", "--soft", "HEAD~2"]);
        world.git(&["restore", "-q", "--staged", "--worktree", "--", "hello.txt", "ledger"]);
        said.stderr
    };
    assert_eq!(delivered(), "");
    for (number, (path, change)) in changes.into_iter().enumerate() {
        change(&world);
        let told = delivered();
        assert!(
            told.ends_with(&format!(" as before: {path}\n")),
            "change {number}: {told}"
        );
        assert_eq!(delivered(), "", "change {number}, a second time");
    }
}

fn mode(world: &World, path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(world.root().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_in_the_way_is_named_and_nothing_is_touched() {
    let world = done();
    world.write("hello.txt", "mine\n");
    let error = refused(&world);
    assert_eq!(error["code"], "baseline_overlap");
    assert_eq!(error["message"], "changes of yours are in the way: `hello.txt`");
    assert_eq!(
        error["hint"],
        "commit or set aside your change to these paths first; nothing was changed"
    );
    std::fs::remove_file(world.root().join("hello.txt")).unwrap();
    world.write("more.txt", "mine\n");
    world.commit_all("More");
    let error = refused(&world);
    assert_eq!(error["code"], "not_fast_forward");
    world.git(&["checkout", "-q", "--detach"]);
    let error = refused(&world);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&"needs_person".into(), &"no branch is checked out".into())
    );
}

#[test]
fn in_the_middle_of_an_operation_nothing_is_delivered_here() {
    for (operation, begin) in crate::world::OPERATIONS {
        let world = done();
        begin(&world);
        let error = refused(&world);
        assert_eq!(error["code"], "needs_person", "{operation}: {error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(operation), "{operation}: {message}");
    }
}

#[test]
fn only_a_run_that_is_done_and_verifies_is_delivered() {
    let world = approved(WRITER);
    let said = deliver(&world, &[]);
    assert_eq!(said.code, Some(2), "it never ran: {said}");
    let world = done();
    let said = world.foil(&["deliver", TICKET, "--tag", "v1", "--json"]);
    assert_eq!(
        (said.code, &json(&said)["error"]["code"]),
        (Some(11), &"needs_person".into()),
        "not pushed: {said}"
    );
    let error = refused(&blocked());
    assert_eq!(error["message"], format!("no run of `{TICKET}` is done"));

    let world = approved_with(WRITER, crate::world::CONTRACT, |world| {
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}[delivery]\nmode = \"none\"\n"));
    });
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
    assert!(
        refused(&world)["message"]
            .as_str()
            .unwrap()
            .contains("delivery mode `none`")
    );

    // Somebody has put another commit in the place of the run's.
    let world = done();
    let receipt = format!("refs/counterfoil/receipts/{TICKET}");
    world.git(&["update-ref", &receipt, "HEAD"]);
    let before = world.observed();
    let said = deliver(&world, &[]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stderr.contains("error[tree_mismatch]"), "{said}");
    assert_eq!(world.observed(), before);
}

#[test]
fn a_delivery_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let step = "role = \"writer\"\n[[step]]\ndo = \"run\"\ncommand = \"mkdir many && for i in $(seq 400); do echo $i >many/$i; done; \
                rm old.txt; echo hello >hello.txt\"\n";
    let contract = "title = \"Much\"\nmode = \"loop\"\n";
    let world = approved_with(
        &format!("{step}[answer]\nreport = {{ summary = \"much\" }}\n"),
        contract,
        |world| {
            world.write("old.txt", "old\n");
            world.write("mine.txt", "1\n");
        },
    );
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    world.write("mine.txt", "mine\n");
    world.git(&["add", "mine.txt"]);
    world.write("mine.txt", "mine, once more\n");
    let lock = world.root().join(".git/index.lock");
    let many = world.root().join("many");
    let written = || std::fs::read_dir(&many).map_or(0, Iterator::count);
    let mut interrupted = 0;
    for files in [0, 1, 50, 200, 399, 400] {
        let mut child = world
            .foil_command()
            .args(["deliver", TICKET, "--here"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("the delivery gets so far", || {
            lock.exists() && written() >= files || child.try_wait().unwrap().is_some()
        });
        interrupted += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in std::fs::read_dir(&many).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.starts_with('.') {
                let content = std::fs::read_to_string(&path).unwrap();
                assert_eq!(content.trim(), name, "each file is whole");
            }
        }
    }
    assert!(interrupted > 1, "{interrupted}");
    let said = deliver(&world, &["--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["status", "--porcelain"]), "MM mine.txt");
    assert_eq!(world.read("mine.txt"), "mine, once more\n");
    assert_eq!(world.git(&["show", ":mine.txt"]), "mine");
    assert_eq!(written(), 400);
    assert!(!lock.exists());

    // A signal that only asks finds it done, not torn.
    world.git(&["reset", "-q", "--keep", "HEAD~2"]);
    let mut child = world
        .foil_command()
        .args(["deliver", TICKET, "--here"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the delivery begins", || {
        lock.exists() || child.try_wait().unwrap().is_some()
    });
    let mut kill = std::process::Command::new("kill");
    assert!(
        kill.args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(world.git(&["status", "--porcelain"]), " M mine.txt");
    assert!(!lock.exists());
}

#[test]
fn what_a_delivery_noted_and_nobody_can_read_is_told_and_not_passed_over() {
    let world = done();
    let room = world.root().join(".git/counterfoil/here");
    std::fs::create_dir_all(&room).unwrap();
    let before = world.git(&["rev-parse", "HEAD"]);
    for note in ["", "{", "\0\0\0\0", "{\"schema\": 2}"] {
        std::fs::write(room.join("begun.json"), note).unwrap();
        let error = refused(&world);
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("a delivery into this work tree was begun, and what it noted cannot be read"),
            "{error}"
        );
        assert!(error["hint"].as_str().unwrap().contains("remove that file"), "{error}");
        assert_eq!(world.git(&["rev-parse", "HEAD"]), before);
    }
    std::fs::remove_file(room.join("begun.json")).unwrap();
    assert_eq!(deliver(&world, &[]).code, Some(0));
}

#[test]
fn another_delivery_waits_until_the_one_that_was_cut_off_is_finished() {
    let world = done();
    let begun = serde_json::json!({
        "schema": 1, "ticket": "0009-other", "run": crate::world::run_id(&world), "branch": "refs/heads/main",
        "from": world.git(&["rev-parse", "HEAD"]), "to": world.git(&["rev-parse", "HEAD"]),
    });
    let room = world.root().join(".git/counterfoil/here");
    std::fs::create_dir_all(&room).unwrap();
    std::fs::write(room.join("begun.json"), begun.to_string()).unwrap();
    let error = refused(&world);
    assert_eq!(
        error["message"],
        "a delivery of `0009-other` into this work tree was cut off"
    );
    // One of another branch is over.
    world.git(&["checkout", "-q", "-b", "side"]);
    assert_eq!(deliver(&world, &[]).code, Some(0));
}
