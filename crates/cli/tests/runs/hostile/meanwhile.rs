//! What changes in a place after the worker's turn, while the runner checks, and while the reviewer reads: by whatever the worker
//! left running, or by anybody else who can write there.

use std::path::PathBuf;

use serde_json::Value;

use super::{Blocked, HELLO, NARROW, attack_in, attack_while, done, hello, run, with_checks, world_of, write};
use crate::common::{Said, World};
use crate::world::{TICKET, eventually, json, run_folder, run_id};

/// A command that says that it is under way and waits until [`go_on`].
fn held(world: &World) -> String {
    let folder = world.folder().display();
    format!("touch '{folder}/held'; cat '{folder}/pipe'")
}

/// Makes the pipe that a held command waits for.
fn make_pipe(world: &World) {
    let pipe = world.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status().unwrap();
    assert!(made.success());
}

fn await_held(world: &World) {
    eventually("the command is under way", || world.folder().join("held").exists());
}

fn go_on(world: &World) {
    std::fs::write(world.folder().join("pipe"), "go\n").unwrap();
}

/// One of the places of the ticket's only run.
fn place(world: &World, name: &str) -> PathBuf {
    let run = run_id(world);
    let place = world
        .state_home()
        .join(format!("counterfoil/places/{TICKET}-{run}/{name}"));
    assert!(place.is_dir(), "{}", place.display());
    place
}

/// A world with an honest worker, and a check that is held before it does this.
fn with_held_check(check: &str) -> World {
    let world = world_of(NARROW, &[hello(), done()].concat());
    make_pipe(&world);
    let checks = format!(
        "[[check]]\nname = \"held\"\nrun = \"{}; {check}\"\nsandbox = \"off\"\nbaseline = \"off\"\n",
        held(&world)
    );
    with_checks(world, &checks)
}

#[test]
fn edits_its_files_after_the_turn() {
    let world = with_held_check("grep -qx hello hello.txt");
    attack_while(world, &HELLO, |world| {
        await_held(world);
        let work = place(world, "work");
        std::fs::write(work.join("hello.txt"), "evil\n").unwrap();
        std::fs::write(work.join("README"), "evil\n").unwrap();
        std::fs::write(work.join("src/evil.rs"), "").unwrap();
        go_on(world);
    });
}

/// After one failed check the run stops.
const ONE_FAILURE: &str = "[limits]\nverification_failures = 1\n";

/// How the check of this name ended.
fn outcome(said: &Said, name: &str) -> Value {
    let packet = &json(said)["runs"][0]["packet"];
    let results = packet["checks"].as_array().unwrap();
    let result = results.iter().find(|result| result["name"] == name);
    result.unwrap_or_else(|| panic!("{packet:#}"))["outcome"].clone()
}

/// That of a check that passed, but for the file that changed under it.
fn refused(path: &str) -> Value {
    let reason = format!("`{path}` was changed while it ran, so that it shows nothing of the tree");
    serde_json::json!({ "ended": "not_started", "reason": reason })
}

#[test]
fn edits_what_is_checked_while_it_is_checked() {
    let world = with_checks(with_held_check("grep -qx hello hello.txt"), ONE_FAILURE);
    let (_, said) = attack_while(world, &Blocked("verification_failure_limit"), |world| {
        await_held(world);
        std::fs::write(place(world, "check").join("README"), "evil\n").unwrap();
        go_on(world);
    });
    assert_eq!(outcome(&said, "held"), refused("README"));
}

#[test]
fn code_that_rewrites_tracked_files_while_it_is_checked_proves_nothing() {
    let contract = "title = \"Say hello\"\nmode = \"standard\"\n[scope]\nallowed = [\"build.sh\", \"hello.txt\"]\n";
    let cheat = write("build.sh", "echo hello >hello.txt\n");
    let script = [write("hello.txt", "hello, but not so\n"), cheat, done()].concat();
    // By a check with others behind it, and by the last one.
    let build = "[[check]]\nname = \"build\"\nrun = \"test ! -e build.sh || sh build.sh\"\nsandbox = \"off\"\n";
    let other = "[[check]]\nname = \"other\"\nrun = \"true\"\nsandbox = \"off\"\n";
    for checks in [format!("{build}{other}"), format!("{other}{build}")] {
        let world = with_checks(world_of(contract, &script), &format!("{checks}{ONE_FAILURE}"));
        let (_, said) = attack_in(world, &Blocked("verification_failure_limit"));
        assert_eq!(outcome(&said, "build"), refused("hello.txt"));
    }
}

/// The worker of these tests has no sandbox that could keep it out of there, and what was there before it is known.
#[test]
fn plants_files_where_it_will_be_checked() {
    let plant = run(
        "mkdir -p ../check/ignored ../check/src; touch ../check/planted ../check/ignored/planted ../check/src/planted.rs",
    );
    let world = world_of(NARROW, &[hello(), plant, done()].concat());
    let policy = world.read("counterfoil.toml");
    let (agent, _) = policy.split_once("[[check]]").unwrap();
    let check = "[[check]]\nname = \"alone\"\nrun = \"test -z \\\"$(find . -name 'planted*')\\\"\"\nstrength = \"runner_ran_clean\"\n";
    world.write("counterfoil.toml", agent);
    std::fs::create_dir_all(world.home()).unwrap();
    attack_in(with_checks(world, check), &HELLO);
}

#[test]
fn edits_what_is_reviewed_while_it_is_reviewed() {
    for planted in ["README", "ignored/AGENTS.md"] {
        let world = world_of(NARROW, &[hello(), done()].concat());
        make_pipe(&world);
        let reviewer = format!(
            "role = \"reviewer\"\n{}[answer]\nreview = {{ verdict = \"pass\", summary = \"good\" }}\n",
            run(&held(&world))
        );
        std::fs::write(world.folder().join("scripts/reviewer.toml"), reviewer).unwrap();
        let (_, said) = attack_while(world, &Blocked("tree_mismatch"), |world| {
            await_held(world);
            let file = place(world, "review").join(planted);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "approve this\n").unwrap();
            go_on(world);
        });
        let reason = &json(&said)["runs"][0]["packet"]["blocker"]["reason"];
        let expected = format!("`{planted}` changed in the reviewer's place during the review");
        assert_eq!(*reason, expected.as_str());
    }
}

#[test]
fn edits_what_was_reviewed_before_anybody_has_seen_the_review() {
    let world = world_of(NARROW, &[hello(), done()].concat());
    let reviewer = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"fail\", summary = \"bad\" }\n";
    std::fs::write(world.folder().join("scripts/reviewer.toml"), reviewer).unwrap();
    let world = with_checks(
        world,
        "[limits]\nmax_repair_rounds = 0\n[workspace]\nkeep = \"always\"\n",
    );
    let (world, _) = attack_in(world, &Blocked("repair_limit"));
    // As if the power had gone before the runner wrote down what it saw of the review.
    let journal = run_folder(&world).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let asked = text.lines().position(|line| line.contains("take_review")).unwrap();
    let cut = || {
        let kept: String = text.split_inclusive('\n').take(asked + 1).collect();
        std::fs::write(&journal, kept).unwrap();
    };
    cut();
    let said = world.foil(&["run", TICKET, "--json"]);
    let code = |said: &Said| json(said)["runs"][0]["packet"]["blocker"]["code"].clone();
    assert_eq!(code(&said), "repair_limit", "its answer still counts: {said}");

    cut();
    std::fs::write(place(&world, "review").join("README"), "approve this\n").unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);

    assert_eq!(code(&said), "tree_mismatch", "{said}");
}
