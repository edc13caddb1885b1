//! A target that moved while the run was under way.

use std::process::Command;

use super::{
    DONE, PUSH, SOMEBODY_PUSHES, WAYS, assert_delivered, blocker, hook, intents, pushing, pushing_with, remote, run,
    somebody_pushes, tip,
};
use crate::common::{World, said};
use crate::specs::{CURRENT, LEAP, REQUIRED, TEST, in_guide, modifying, set_up, spec};
use crate::world::{TICKET, approved_in, json};

#[test]
fn where_the_policy_says_so_a_target_that_moved_stops_the_run_and_its_work_is_not_lost() {
    for way in WAYS {
        let world = way.pushing(SOMEBODY_PUSHES, "when_moved = \"stop\"\n");
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
}

#[test]
fn a_change_goes_on_from_a_target_that_moved_and_is_checked_there_once_more() {
    for way in WAYS {
        let world = way.pushing(SOMEBODY_PUSHES, "");
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

/// A world with a memory file, a curator that notes something in it, and somebody who does this to the file meanwhile.
fn noted_while(theirs: &str) -> World {
    let world = pushing(SOMEBODY_PUSHES);
    world.write("agent/state.md", "# State\n");
    world.commit_all("A memory file");
    world.git(&["push", "-q", "origin", "main"]);
    let note = "{ path = \"agent/state.md\", kind = \"known_issue\", title = \"It is loud\", text = \"Very loud.\", source = \"hello.txt\" }";
    let script = format!("role = \"curator\"\n[answer]\ncuration = {{ handoff = \"Go on.\", notes = [{note}] }}\n");
    std::fs::write(world.folder().join("scripts/curator.toml"), script).unwrap();
    somebody_pushes(&world, "agent/state.md");
    let script = std::fs::read_to_string(world.folder().join("theirs.sh")).unwrap();
    let script = script.replace("echo theirs >agent/state.md", theirs);
    std::fs::write(world.folder().join("theirs.sh"), script).unwrap();
    let said = run(&world);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    world
}

#[test]
fn notes_are_added_to_what_the_memory_file_is_in_the_target_that_moved() {
    let world = noted_while("echo theirs >>agent/state.md");
    let tip = tip(&world);
    let state = world.git(&["show", &format!("{tip}:agent/state.md")]);
    assert!(state.starts_with("# State\ntheirs\n"), "{state}");
    assert!(state.contains("It is loud") && state.contains("Very loud."), "{state}");
}

#[test]
fn a_note_for_a_memory_file_that_is_gone_from_the_target_stays_in_the_records() {
    let world = noted_while("git rm -q agent/state.md");
    let tip = tip(&world);
    let listed = world.git(&["ls-tree", "-r", "--name-only", &tip]);
    assert!(!listed.contains("agent/state.md"), "{listed}");
    let result = world.git(&["show", &format!("{tip}:ledger/tickets/{TICKET}/result.md")]);
    assert!(result.contains("It is loud"), "{result}");
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
fn a_requirement_that_changed_in_the_target_is_not_overwritten() {
    let row = |text: &str| format!("sed -i 's/{text}/Years have 366 days at times/' {CURRENT}");
    for (theirs, overtakes) in [(row("Years have 365 days"), true), (row("Years have months"), false)] {
        let script = format!("role = \"writer\"\n{SOMEBODY_PUSHES}{LEAP}{TEST}{DONE}");
        let world = World::new();
        let script = script.replace("$WORLD", world.folder().to_str().unwrap());
        let world = approved_in(world, &script, &in_guide("toml")[0], |world| {
            set_up(world);
            world.write(CURRENT, REQUIRED);
            world.write(&spec("delta"), modifying(&in_guide("markdown")[3]));
            let path = remote(world);
            world.git(&["init", "-q", "--bare", "-b", "main", path.to_str().unwrap()]);
            world.git(&["remote", "add", "origin", path.to_str().unwrap()]);
            let policy = world.read("counterfoil.toml");
            world.write("counterfoil.toml", format!("{policy}{PUSH}"));
        });
        world.git(&["push", "-q", "origin", "main"]);
        somebody_pushes(&world, "theirs.txt");
        let script = std::fs::read_to_string(world.folder().join("theirs.sh")).unwrap();
        std::fs::write(
            world.folder().join("theirs.sh"),
            script.replace("echo theirs >theirs.txt", &theirs),
        )
        .unwrap();
        let said = run(&world);
        if !overtakes {
            assert_eq!(said.code, Some(0), "{said}");
            continue;
        }
        let (code, reason) = blocker(&said);
        assert_eq!(code, "spec_conflict", "{reason}");
        assert!(
            reason.starts_with(&format!("`REQ-001` in `{CURRENT}` changed in the target")),
            "{reason}"
        );
        let there = world.git(&[
            "--git-dir",
            remote(&world).to_str().unwrap(),
            "show",
            &format!("main:{CURRENT}"),
        ]);
        assert!(there.contains("Years have 366 days at times"), "{there}");
    }
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

/// A commit of somebody else's on top of `main`, which the remote has and no branch of it yet.
fn commit_of_theirs(world: &World) -> String {
    let path = remote(world);
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
    world.git(&[&identity[..], &commit[..]].concat())
}

#[test]
fn a_target_that_moves_in_the_last_moment_is_not_overwritten_and_gets_the_change_on_top() {
    let cases = [("stop", "blocked"), ("rebase", "done")];
    for (way, (when_moved, ends)) in WAYS.into_iter().flat_map(|way| cases.map(|case| (way, case))) {
        let world = way.pushing("", &format!("when_moved = \"{when_moved}\"\n"));
        // Between the question and the push: the hook of the remote moves the branch before the push is looked at.
        let theirs = commit_of_theirs(&world);
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
fn a_target_that_moves_between_the_question_and_the_push_is_not_overwritten() {
    for (when_moved, ends) in [("stop", "blocked"), ("rebase", "done")] {
        let world = pushing_with("", &format!("when_moved = \"{when_moved}\"\n"));
        let theirs = commit_of_theirs(&world);
        // Before the remote says what it has: Git then takes what it hears for what is to be replaced.
        let receives = world.folder().join("receives");
        let moved = world.folder().join("moved");
        let script = format!(
            "#!/bin/sh\ntest -e '{0}' || git --git-dir '{1}' update-ref refs/heads/main {theirs}\ntouch '{0}'\nexec git-receive-pack \"$@\"\n",
            moved.display(),
            remote(&world).display()
        );
        std::fs::write(&receives, script).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&receives, executable).unwrap();
        world.git(&["config", "remote.origin.receivepack", receives.to_str().unwrap()]);
        let said = run(&world);
        assert!(moved.exists(), "{said}");
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], ends, "{said}");
        if ends == "done" {
            assert_delivered(&world, &said, &theirs);
        } else {
            assert_eq!(blocker(&said).0, "upstream_moved");
            assert_eq!(tip(&world), theirs);
        }
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
    let said = said(Command::new("sh").arg(script).arg(world.folder()));
    assert_eq!(said.code, Some(0), "{said}");
    let theirs = tip(&world);
    // What was accepted is not what would be pushed now.
    waits(&world, &theirs);
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    let said = run(&world);
    assert_delivered(&world, &said, &theirs);
}
