//! From `init` to the delivered branch.

use std::path::Path;
use std::time::Duration;

use ledger_core::{Effect, Event};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REVIEW, Terms, WRITE, World, honest_script, shell, through_both};

const LONG: Duration = Duration::from_secs(60);

through_both!(
    what_shell_and_patch_wrote_is_delivered_and_nothing_of_the_users_changes,
    a_ticket_is_stacked_on_the_delivered_one_that_it_depends_on,
    a_change_is_pushed_onto_what_somebody_else_made_of_the_target_meanwhile,
);

fn what_shell_and_patch_wrote_is_delivered_and_nothing_of_the_users_changes(back_end: BackEnd) {
    let patch = "*** Begin Patch\n*** Update File: hello.txt\n@@\n-helo\n+hello\n*** End Patch";
    let script = ModelScript::default()
        .turn(
            WRITE,
            [
                shell("echo helo > hello.txt"),
                Reply::Patch(patch.to_owned()),
                Reply::done("said hello"),
            ],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let world = World::new(back_end, Terms::default(), script);
    // A user who is in the middle of something.
    world.write("README", "a project, half rewritten\n");
    world.write("notes.txt", "staged\n");
    world.git(&["add", "notes.txt"]);
    world.write("untracked/file.txt", "not tracked\n");
    world.git(&["branch", "other"]);
    let hook = world.repository.join(".git/hooks/post-commit");
    std::fs::write(&hook, "#!/bin/sh\ntouch \"$HOME/hook-ran\"\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).unwrap();

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["outcome"], "done", "{packet:#}");
    assert_eq!(packet["verdict"], "pass");
    assert_eq!(packet["iterations"], 1);
    world.assert_delivered("0001-say-hello", "hello.txt", "hello\n");
    assert!(!world.root().join("home/hook-ran").exists(), "a hook of the user's ran");
    assert!(no_places(world.root()), "places of a finished run are gone");
    // A finished ticket is not run again by itself.
    let requests = world.model.requests().len();
    world.foil(&["run"]).succeeds();
    assert_eq!(world.model.requests().len(), requests);
}

fn no_places(root: &Path) -> bool {
    let places = root.join("state/counterfoil/places");
    let mut entries = std::fs::read_dir(places).unwrap().flatten();
    entries.all(|entry| !entry.path().join("work").exists() && !entry.path().join("check").exists())
}

fn a_ticket_is_stacked_on_the_delivered_one_that_it_depends_on(back_end: BackEnd) {
    let script = honest_script_for_two();
    let world = World::without_tickets(back_end, Terms::default(), script);
    world.add_ticket("Say hello", "0001-say-hello", "allowed = [\"hello.txt\"]", "");
    world.add_ticket(
        "Say goodbye",
        "0002-say-goodbye",
        "allowed = [\"goodbye.txt\"]",
        "depends_on = [\"0001-say-hello\"]",
    );

    let answer = world.foil(&["run", "--all", "--json"]).succeeds().json();

    assert_eq!(answer["runs"].as_array().map(Vec::len), Some(2), "{answer:#}");
    world.assert_delivered("0001-say-hello", "hello.txt", "hello\n");
    world.assert_delivered("0002-say-goodbye", "goodbye.txt", "goodbye to hello\n");
    let first = world.git(&["rev-parse", "foil/0001-say-hello"]);
    assert_eq!(answer["runs"][1]["packet"]["base"], first.as_str(), "{answer:#}");
    assert_eq!(world.git(&["rev-parse", "foil/0002-say-goodbye~2"]), first);
}

fn honest_script_for_two() -> ModelScript {
    // The second worker sees what the first one wrote.
    let goodbye = "printf 'goodbye to %s\\n' \"$(cat hello.txt)\" > goodbye.txt";
    let second = ModelScript::default().turn("# Ticket 0002-", [shell(goodbye), Reply::done("said goodbye")]);
    honest_script().rules.into_iter().fold(second, ModelScript::rule)
}

fn a_change_is_pushed_onto_what_somebody_else_made_of_the_target_meanwhile(back_end: BackEnd) {
    let terms = Terms {
        more: "[delivery]\nmode = \"push\"\ntarget = \"main\"\n",
        ..Terms::default()
    };
    let script = ModelScript::default()
        .turn(
            WRITE,
            [shell("echo hello > hello.txt; sleep 1"), Reply::done("said hello")],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let world = World::without_tickets(back_end, terms, script);
    let remote = world.root().join("remote.git");
    let remote = remote.to_str().unwrap();
    world.git(&["init", "--quiet", "--bare", "--initial-branch=main", remote]);
    world.git(&["remote", "add", "origin", remote]);
    // Without a tracking branch, which would say afterwards what the remote has.
    world.git(&["config", "--unset-all", "remote.origin.fetch"]);
    world.add_ticket("Say hello", "0001-say-hello", "allowed = [\"hello.txt\"]", "");
    world.git(&["push", "--quiet", "origin", "main"]);

    let running = world.start_foil(&["run", "--json"]);
    world.wait_for_event("0001-say-hello", "a turn", |event| {
        matches!(event, Event::Intended(Effect::TakeTurn { .. }))
    });
    let other = world.root().join("other");
    let other = other.to_str().unwrap();
    world.git(&["clone", "--quiet", remote, other]);
    world.git(&[
        "-C",
        other,
        "-c",
        "user.name=Bob",
        "-c",
        "user.email=bob@example.org",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "Theirs",
    ]);
    world.git(&["-C", other, "push", "--quiet", "origin", "HEAD:main"]);
    let theirs = world.git(&["-C", other, "rev-parse", "HEAD"]);
    let packet = running.ends_within(LONG).succeeds().packet();

    assert_eq!(
        (&packet["outcome"], &packet["pushed"]),
        (&"done".into(), &"origin/main".into()),
        "{packet:#}"
    );
    let tip = world.git(&["ls-remote", "origin", "refs/heads/main"]);
    let tip = tip.split_whitespace().next().unwrap();
    assert_eq!(world.git(&["rev-parse", &format!("{tip}~2")]), theirs);
    world.assert_delivered("0001-say-hello", "hello.txt", "hello\n");
}
