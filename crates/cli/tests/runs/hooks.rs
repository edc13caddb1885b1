//! Commands of the policy around a run.

use std::time::Duration;

use ledger_core::{CheckResult, CommandOutcome, Effect, Event, HookPoint, Observation};

use crate::common::{Said, World};
use crate::processes::assert_none_below;
use crate::seen;
use crate::snapshot::Snapshot;
use crate::world::{CONTRACT, TICKET, WRITER, approved_with, begin, eventually, journaled, json, run_folder};

/// A world whose policy has these hooks, and a worker that says hello.
fn hooked(hooks: &str) -> World {
    hooked_with(WRITER, CONTRACT, hooks)
}

fn hooked_with(writer: &str, contract: &str, hooks: &str) -> World {
    approved_with(writer, contract, |world| {
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}[hooks]\n{hooks}"));
        world.write(".gitignore", "ignored/\n");
        std::fs::create_dir_all(world.folder().join("home")).unwrap();
    })
}

/// What the hooks of the only run gave, in order.
fn ran(world: &World) -> Vec<CheckResult> {
    let results = journaled(world).into_iter().filter_map(|event| match event {
        Event::Observed {
            observation: Observation::HookEnded { result, .. },
            ..
        } => Some(result),
        _ => None,
    });
    results.collect()
}

/// How often a hook was begun.
fn begun(world: &World, wanted: HookPoint) -> usize {
    let is_it = |event: &Event| matches!(event, Event::Intended(Effect::RunHook { hook, .. }) if *hook == wanted);
    journaled(world).iter().filter(|event| is_it(event)).count()
}

fn outcome(said: &Said) -> String {
    json(said)["runs"][0]["packet"]["outcome"].as_str().unwrap().to_owned()
}

fn warnings(said: &Said) -> Vec<String> {
    let warnings = json(said)["runs"][0]["packet"]["warnings"].clone();
    let warnings = warnings.as_array().unwrap().iter();
    warnings
        .map(|warning| warning.as_str().unwrap().to_owned())
        .filter(|warning| warning.contains("hook"))
        .collect()
}

const TELL: &str = "env | grep ^FOIL_ | sort; pwd; test \\\"$PWD\\\" = \\\"$FOIL_PLACE\\\" || exit 9; git rev-parse --is-inside-work-tree";

#[test]
fn each_hook_of_a_run_that_is_done_is_told_about_it() {
    let hooks: String = ["pre_iteration", "post_iteration", "on_completed", "on_blocked"]
        .map(|hook| format!("{hook} = \"{TELL}\"\n"))
        .concat();
    let title = "Say $(touch pwned) '`hello`'; \\u0009\\\"twice\\\"";
    let world = hooked_with(WRITER, &CONTRACT.replace("Say hello", title), &hooks);
    let before = Snapshot::of(&world.root(), &world.git(&["for-each-ref"]));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    before.assert_same_as(&Snapshot::of(&world.root(), &world.git(&["for-each-ref"])));
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    let told: Vec<_> = ran(&world)
        .iter()
        .map(|result| format!("== {}: {}\n{}", result.name, result.outcome, result.output.tail))
        .collect();
    let place = told.concat().replace(world.root().to_str().unwrap(), "[root]");
    seen!("hooks_of_a_run_that_is_done", place);
    seen!("events_with_hooks", hook_lines(&world));
}

/// The lines of the timeline that are about hooks.
fn hook_lines(world: &World) -> String {
    let events = world.foil(&["events", TICKET]).stdout;
    let lines = events.lines().filter(|line| line.contains("hook"));
    let words = lines.map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_hook_of_a_blocked_run_is_told_why_and_what_is_kept() {
    let writer = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"elsewhere.txt\"\ntext = \"x\\n\"\n[answer]\nreport = { summary = \"x\" }\n";
    let hooks = format!(
        "on_blocked = \"{TELL}; cat elsewhere.txt\"\npost_iteration = \"echo $FOIL_OUTCOME\"\non_completed = \"true\"\n"
    );
    let world = hooked_with(writer, CONTRACT, &hooks);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    let told: Vec<_> = ran(&world)
        .iter()
        .map(|result| format!("== {}: {}\n{}", result.name, result.outcome, result.output.tail))
        .collect();
    seen!("hooks_of_a_run_that_is_blocked", told.concat());
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn what_a_hook_or_a_check_prints_may_be_no_text() {
    let bytes = "printf 'not \\\\377\\\\376 text\\\\n'";
    let world = approved_with(WRITER, CONTRACT, |world| {
        let policy = world.read("counterfoil.toml");
        let more = format!("[[check]]\nname = \"bytes\"\nrun = \"{bytes}\"\n[hooks]\npre_iteration = \"{bytes}\"\n");
        world.write("counterfoil.toml", policy + &more);
        std::fs::create_dir_all(world.folder().join("home")).unwrap();
    });
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let logs = world.foil(&["logs", TICKET]).stdout;
    // Of the hook, of the check on the base, and of the same on the change.
    assert_eq!(logs.matches("not \u{fffd}\u{fffd} text").count(), 3, "{logs}");
}

#[test]
fn a_hook_that_fails_is_recorded_and_changes_nothing() {
    let world =
        hooked("pre_iteration = \"echo oh no; exit 3\"\npost_iteration = \"exit 4\"\non_completed = \"exit 5\"\n");
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    assert_eq!(
        warnings(&said),
        [
            "the hook `pre_iteration` of iteration 1: exit status 3",
            "the hook `post_iteration` of iteration 1: exit status 4",
            "the hook `on_completed`: exit status 5",
        ]
    );
    let packet = world.foil(&["review", TICKET]).stdout;
    assert!(packet.contains("of iteration 1: exit status 3"), "{packet}");
    assert!(world.foil(&["logs", TICKET]).stdout.contains("oh no"));
}

#[test]
fn a_hook_that_must_succeed_stops_the_run_and_runs_again_once_somebody_goes_on() {
    let fails_once =
        "test -e ignored/$FOIL_EVENT || { mkdir -p ignored; touch ignored/$FOIL_EVENT; echo not yet; false; }";
    for hook in ["pre_iteration", "post_iteration"] {
        let world = hooked(&format!("{hook} = \"{fails_once}\"\nfailure = \"block\"\n"));
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(said.code, Some(10), "{said}");
        let blocker = &json(&said)["runs"][0]["packet"]["blocker"];
        assert_eq!(blocker["code"], "hook_failed");
        assert_eq!(
            blocker["reason"],
            format!("the hook `{hook}` of iteration 1: exit status 1; it printed last: not yet")
        );
        let turns = |world: &World| {
            let is_turn = |event: &&Event| matches!(event, Event::Intended(Effect::TakeTurn { .. }));
            journaled(world).iter().filter(is_turn).count()
        };
        assert_eq!(turns(&world), usize::from(hook == "post_iteration"));
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(outcome(&said), "done", "{said}");
        assert_eq!(turns(&world), 1, "the turn is not taken again");
        let outcomes: Vec<_> = ran(&world).into_iter().map(|result| result.outcome).collect();
        assert_eq!(
            outcomes,
            [CommandOutcome::Exited { code: 1 }, CommandOutcome::Exited { code: 0 }]
        );
        assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    }
}

#[test]
fn a_hook_at_the_end_cannot_undo_it() {
    let world = hooked("on_completed = \"exit 1\"\nfailure = \"block\"\n");
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!((said.code, outcome(&said)), (Some(0), "done".to_owned()), "{said}");
    assert_eq!(warnings(&said), ["the hook `on_completed`: exit status 1"]);
}

#[test]
fn the_time_limit_ends_everything_that_a_hook_has_started() {
    let world = hooked(
        "pre_iteration = \"trap '' TERM; sleep 1000 & setsid sleep 1001 & (setsid sleep 1002 &) ; echo begun; sleep 1003\"\ntimeout = \"1s\"\n",
    );
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let [result] = &ran(&world)[..] else { panic!("one hook") };
    assert_eq!(result.outcome, CommandOutcome::TimedOut);
    assert_eq!(result.output.tail, "begun\n", "what it printed is kept");
    assert_none_below(world.folder(), Duration::from_secs(10));
}

#[test]
fn what_a_hook_does_in_its_place_is_in_no_change_and_before_no_check() {
    let spoils = "echo evil >hello.txt; rm -f .gitignore; echo new >new.txt; mkdir -p sub; echo x >sub/y; ln -sf /etc/passwd link";
    let hooks = format!(
        "pre_iteration = \"{spoils}\"\npost_iteration = \"test ! -e new.txt && grep -qx hello hello.txt && {{ {spoils}; }}\"\non_completed = \"test ! -e new.txt && grep -qx hello hello.txt\"\n"
    );
    let world = hooked(&hooks);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    assert_eq!(warnings(&said), Vec::<String>::new());
    let branch = format!("foil/{TICKET}^");
    assert_eq!(world.git(&["diff", "--name-only", "HEAD", &branch]).trim(), "hello.txt");
    assert_eq!(world.git(&["show", &format!("{branch}:hello.txt")]).trim(), "hello");
}

#[test]
fn what_the_worker_wrote_gets_nowhere_by_a_hook_that_runs_it() {
    let attack = "cat $HOME/.ssh/id; echo x >$HOME/pwned; echo x >../../../../pwned; (exec 3<>/dev/tcp/127.0.0.1/$PORT) && echo connected; env";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let writer = format!(
        "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = '''{}\n# hello\n'''\n[answer]\nreport = {{ summary = \"x\" }}\n",
        attack.replace("$PORT", &port)
    );
    let world = hooked_with(&writer, CONTRACT, "post_iteration = \"bash ./hello.txt; true\"\n");
    world.write("../home/.ssh/id", "my private key\n");
    let before = Snapshot::of(&world.root(), &world.git(&["for-each-ref"]));
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .env("FOIL_WEBHOOK", "https://example.com/a-secret-address")
        .env("MY_TOKEN", "hunter2-hunter2");
    let said = crate::common::said(&mut command);
    assert_eq!(said.code, Some(0), "{said}");
    before.assert_same_as(&Snapshot::of(&world.root(), &world.git(&["for-each-ref"])));
    let journal = std::fs::read_to_string(run_folder(&world).join("journal.jsonl")).unwrap();
    let [result] = &ran(&world)[..] else { panic!("one hook") };
    assert!(result.output.tail.contains("FOIL_EVENT=post_iteration"), "{result:?}");
    for secret in ["private key", "connected", "hunter2", "a-secret-address"] {
        assert!(
            !result.output.tail.contains(secret) && !journal.contains(secret),
            "{secret}"
        );
    }
    assert!(!world.folder().join("home/pwned").exists());
}

#[test]
fn a_secret_that_a_hook_prints_is_kept_nowhere() {
    let world = hooked("pre_iteration = \"printf 'hunter2-%s\\\\nAKIA%s\\\\n' hunter2 ABCDEFGHIJKLMNOP; pwd\"\n");
    let mut command = world.foil_command();
    command.args(["run", TICKET]).env("MY_TOKEN", "hunter2-hunter2");
    let said = crate::common::said(&mut command);
    assert_eq!(said.code, Some(0), "{said}");
    let [result] = &ran(&world)[..] else { panic!("one hook") };
    assert_eq!(result.output.tail, "[secret]\n[secret]\n$PLACE\n");
    for folder in [run_folder(&world), run_folder(&world).join("checks")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap_or_default();
            assert!(
                !String::from_utf8_lossy(&text).contains("hunter2-hunter2"),
                "{}",
                path.display()
            );
        }
    }
}

const ENDLESS: &str = "echo begun; sleep 1000";

/// Waits until the hook that never ends is at work.
fn eventually_endless(world: &World) {
    eventually("it runs", || {
        let processes = crate::processes::below(world.folder());
        processes.iter().any(|line| line.contains("sleep 1000"))
    });
}

#[test]
fn a_hook_whose_runner_is_killed_is_not_run_again_and_its_end_is_unknown() {
    let world = hooked(&format!("pre_iteration = \"{ENDLESS}\"\n"));
    begin(&world, TICKET, TICKET, "running the hook `pre_iteration`").killed();
    assert_none_below(world.folder(), Duration::from_secs(10));
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    let unknown = "the hook `pre_iteration` of iteration 1: unknown: the runner was gone, and nobody saw how it ended";
    assert_eq!(warnings(&said), [unknown]);
    assert_eq!(begun(&world, HookPoint::PreIteration), 1);
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(
        status.contains("the hook `pre_iteration` of iteration 1: how it ended is unknown"),
        "{status}"
    );
    assert!(
        world
            .foil(&["events", TICKET])
            .stdout
            .contains("nobody saw how it ended")
    );
    assert!(world.foil(&["review", TICKET]).stdout.contains("unknown"));
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_hook_that_must_succeed_and_whose_end_is_unknown_stops_the_run_once() {
    let world = hooked(&format!("pre_iteration = \"{ENDLESS}\"\nfailure = \"block\"\n"));
    begin(&world, TICKET, TICKET, "running the hook `pre_iteration`").killed();
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let blocker = &json(&said)["runs"][0]["packet"]["blocker"];
    assert_eq!(blocker["code"], "hook_failed");
    assert!(blocker["reason"].as_str().unwrap().contains("unknown"), "{blocker}");
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    assert_eq!(begun(&world, HookPoint::PreIteration), 1, "never again");
}

#[test]
fn the_hook_of_an_end_whose_runner_is_killed_is_not_run_again_and_the_end_stands() {
    let world = hooked(&format!("on_completed = \"{ENDLESS}\"\n"));
    begin(&world, TICKET, TICKET, "running the hook `on_completed`").killed();
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(status.contains("the hook `on_completed` was begun"), "{status}");
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!((said.code, outcome(&said)), (Some(0), "done".to_owned()), "{said}");
    assert_eq!(begun(&world, HookPoint::OnCompleted), 1);
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(
        status.contains("the hook `on_completed`: how it ended is unknown"),
        "{status}"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn the_hook_of_a_blocker_whose_runner_is_killed_does_not_keep_the_run_from_going_on() {
    let world = hooked(&format!(
        "pre_iteration = \"test -e ignored/seen || {{ mkdir -p ignored; touch ignored/seen; false; }}\"\nfailure = \"block\"\non_blocked = \"{ENDLESS}\"\n"
    ));
    let runner = begin(&world, TICKET, TICKET, "running the hook `on_blocked`");
    // Killed before that, while the place is brought to its tree, it would leave none with `ignored/seen`.
    eventually_endless(&world);
    runner.killed();
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    assert_eq!(begun(&world, HookPoint::OnBlocked), 1);
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn whoever_stops_a_run_does_not_wait_for_its_hook() {
    let world = hooked(&format!(
        "pre_iteration = \"test -e ignored/seen || {{ mkdir -p ignored; touch ignored/seen; {ENDLESS}; }}\"\n"
    ));
    let mut runner = begin(&world, TICKET, TICKET, "running the hook `pre_iteration`");
    eventually_endless(&world);
    let said = world.foil(&["stop", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    runner.0.wait().unwrap();
    assert_none_below(world.folder(), Duration::from_secs(10));
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(outcome(&said), "done", "{said}");
    let outcomes: Vec<_> = ran(&world).into_iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [CommandOutcome::Stopped], "it is not run again");
}

#[test]
fn whoever_ends_the_runner_does_not_wait_for_the_hook_of_an_end() {
    let world = hooked(&format!("on_completed = \"{ENDLESS}\"\n"));
    let mut runner = begin(&world, TICKET, TICKET, "running the hook `on_completed`");
    eventually("it runs", || {
        let running = crate::processes::below(world.folder());
        running.iter().any(|line| line.contains("sleep 1000"))
    });
    let pid = runner.0.id().to_string();
    assert!(world.command("kill").args(["-TERM", &pid]).status().unwrap().success());
    runner.0.wait().unwrap();
    assert_none_below(world.folder(), Duration::from_secs(10));
    let outcomes: Vec<_> = ran(&world).into_iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [CommandOutcome::Stopped]);
    let is_stored = |event: &Event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::RunStored { .. },
                ..
            }
        )
    };
    assert!(
        journaled(&world).iter().any(is_stored),
        "it is done and kept all the same"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn each_iteration_has_its_hooks() {
    let world =
        hooked("pre_iteration = \"echo $FOIL_ITERATION\"\npost_iteration = \"echo $FOIL_ITERATION $FOIL_OUTCOME\"\n");
    let scripts = world.folder().join("scripts");
    let wrong = WRITER.replace("hello\\n", "goodbye\\n");
    std::fs::write(scripts.join("a-writer.toml"), format!("turn = 1\n{wrong}")).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    let told: Vec<_> = ran(&world)
        .into_iter()
        .map(|result| format!("{} {}", result.name, result.output.tail.trim()))
        .collect();
    assert_eq!(outcome(&said), "done", "{told:?} {said}");
    assert_eq!(
        told,
        [
            "pre_iteration 1",
            "post_iteration 1 failed",
            "pre_iteration 2",
            "post_iteration 2 passed"
        ]
    );
}

#[test]
fn what_a_policy_would_run_lists_its_hooks() {
    let world = hooked("on_completed = \"make pages\"\npre_iteration = \"./quota\"\nnetwork = true\n");
    let said = world.foil(&["trust", "--show"]).stdout;
    assert!(
        said.contains("hook `pre_iteration`: ./quota with network\n  hook `on_completed`: make pages with network\n"),
        "{said}"
    );
}

const GUIDE: &str = include_str!("../../../../docs/guide.md");

/// What the guide says about hooks and notifications.
pub(crate) fn section() -> &'static str {
    let section = GUIDE.split("\n## Hooks and notifications\n").nth(1).unwrap();
    section.split("\n## ").next().unwrap()
}

/// The example of the guide.
pub(crate) fn example() -> &'static str {
    section()
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap()
}

#[test]
fn the_guide_has_every_variable_that_hooks_are_given() {
    let elsewhere = WRITER.replace("hello.txt", "elsewhere.txt");
    let mut given: Vec<String> = Vec::new();
    for writer in [WRITER, &elsewhere] {
        let hooks = ["post_iteration", "on_completed", "on_blocked"].map(|hook| format!("{hook} = \"{TELL}\"\n"));
        let world = hooked_with(writer, CONTRACT, &hooks.concat());
        world.foil(&["run", TICKET]);
        let printed: String = ran(&world).into_iter().map(|result| result.output.tail).collect();
        let names = printed.lines().filter_map(|line| line.split_once('='));
        given.extend(names.map(|(name, _)| name.to_owned()));
    }
    given.sort();
    given.dedup();
    let rows = section().lines().filter(|line| line.starts_with("| `FOIL_"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(", "));
    let mut told: Vec<String> = names.map(|name| name.trim().trim_matches('`').to_owned()).collect();
    told.sort();
    assert_eq!(given, told);
}
