//! Runners that wait: for the end of a limit, for a remote, for the next night.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::common::Running;
use crate::packages::{runs, writer};
use crate::parallel::{assert_states, scope, signal, states, world_of};
use crate::world::{eventually, json};

/// A worker that meets a limit of its provider, which is lifted so many seconds from now.
fn limited(seconds: i64) -> (String, Timestamp) {
    let lifted = Timestamp::now() + SignedDuration::from_secs(seconds);
    let fails = format!(
        "[end]\nfail = {{ class = \"usage_limit\", message = \"no more for now\", resets_at = \"{lifted}\" }}\n"
    );
    (fails, lifted)
}

#[test]
fn a_limit_of_the_provider_is_waited_for_and_costs_nothing() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "test -e $MEET/lifted && echo b >b.txt"),
        ],
    );
    let (fails, lifted) = limited(10);
    writer(&world, "0001-a", &fails);
    let runner = Running::start(world.foil_command().args(["run", "--all"]));
    eventually("it is blocked", || states(&world)[0].1 == "blocked");
    let status = json(&world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(status["tickets"][0]["code"], "agent_rate_limited");
    assert_eq!(status["tickets"][0]["retry_at"], lifted.to_string());
    let told = world.foil(&["status", "0001-a"]).stdout;
    assert!(told.contains("`foil run --all` goes on with it at "), "{told}");
    assert!(Timestamp::now() < lifted, "the machine is too slow for this test");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    std::fs::write(world.folder().join("meet/lifted"), "").unwrap();
    let said = runner.said();
    assert!(Timestamp::now() >= lifted);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr
            .contains("waiting 0001-a: no more for now (agent_rate_limited); it goes on at "),
        "{said}"
    );
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done")]);
    let packet = json(&world.foil(&["review", "0001-a", "--json"]));
    assert_eq!(packet["packet"]["iterations"], 1);
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 1, "the run goes on");
}

#[test]
fn another_runner_waits_for_the_limit_too() {
    let (fails, lifted) = limited(8);
    // It would meet the same before.
    let later = format!("test $(date +%s) -ge {} && echo b >b.txt", lifted.as_second());
    let world = world_of(
        "",
        &[("0001-a", &scope("a.txt"), ""), ("0002-b", &scope("b.txt"), &later)],
    );
    writer(&world, "0001-a", &fails);
    let said = world.foil(&["run", "0001-a"]);
    assert_eq!(said.code, Some(10), "who asks for one ticket gets an answer: {said}");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    let began = Timestamp::now();
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(began < lifted, "the machine is too slow for this test");
    assert!(Timestamp::now() >= lifted);
    let told = said
        .stderr
        .matches("waiting 0001-a: no more for now (agent_rate_limited); it goes on at ")
        .count();
    assert_eq!(told, 1, "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done")]);
}

#[test]
fn a_night_costs_no_more_than_it_may() {
    let world = world_of(
        "[limits]\nnight_tokens = 100\nsoft = 0.5\n",
        &[
            ("0001-a", &scope("a.txt"), ""),
            ("0002-b", &scope("b.txt"), ""),
            ("0003-c", &scope("c.txt"), ""),
        ],
    );
    for (id, file) in [("0001-a", "a"), ("0002-b", "b"), ("0003-c", "c")] {
        let spends = format!(
            "[tokens]\ninput = 50\noutput = 10\n{}",
            runs(&format!("echo x >{file}.txt"))
        );
        writer(&world, id, &spends);
    }
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(
        said.stderr.contains("mind: 60 of the 100 tokens of a night are spent"),
        "{said}"
    );
    assert!(
        said.stderr.contains("the night is over: 120 of the 100 tokens"),
        "{said}"
    );
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "paused"), ("0003-c", "ready")]);
    // A runner that is started anew begins no new night.
    let again = json(&world.foil(&["run", "--all", "--json"]));
    assert_eq!(again["runs"], Value::Array(Vec::new()));
    assert_eq!(again["spent"], "120 of the 100 tokens of a night are spent");
    // Nor does one whose finished runs only Git has any more.
    let live = world.root().join(".git/counterfoil/runs/0001-a");
    eventually("it is old enough to go", || {
        let cleaned = world.foil(&["clean", "--apply", "--older-than", "1s", "--keep", "0"]);
        assert_eq!(cleaned.code, Some(0), "{cleaned}");
        !live.exists()
    });
    let again = json(&world.foil(&["run", "--all", "--json"]));
    assert_eq!(again["spent"], "120 of the 100 tokens of a night are spent");
    let policy = world
        .read("counterfoil.toml")
        .replace("night_tokens = 100", "night_tokens = 1000");
    world.write("counterfoil.toml", policy);
    world.commit_all("A longer night");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done"), ("0003-c", "done")]);
}

#[test]
fn a_night_takes_no_longer_than_it_may() {
    let world = world_of(
        "[limits]\nnight_wall = \"2s\"\nsoft = 0.5\n",
        &[("0001-a", &scope("a.txt"), ""), ("0002-b", &scope("b.txt"), "")],
    );
    for id in ["0001-a", "0002-b"] {
        writer(&world, id, "[end]\nnever = true\n");
    }
    let said = world.foil(&["run", "--all", "--jobs", "2"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(said.stderr.contains("mind: the night has taken 1 of its 2 s"), "{said}");
    assert!(
        said.stderr.contains("the night is over: the night has taken its 2 s"),
        "{said}"
    );
    assert_states(&world, &[("0001-a", "paused"), ("0002-b", "paused")]);
    let status = json(&world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(status["tickets"][0]["cause"], "budget");
}

#[test]
fn a_remote_that_does_not_answer_when_a_run_begins_is_waited_for() {
    let world = world_of(
        "[repository]\nid = \"a/b\"\n[delivery]\nmode = \"push\"\ntarget = \"trunk\"\n",
        &[("0001-a", &scope("a.txt"), "echo a >a.txt")],
    );
    world.git(&["remote", "add", "origin", "../nowhere.git"]);
    let mut runner = Running::start(world.foil_command().args(["run", "--all"]));
    let mut told = runner.stderr().lines();
    let waits = told.find(|line| line.contains("it goes on at")).unwrap();
    assert!(
        waits.starts_with("waiting 0001-a: ") && waits.contains("(remote_unreachable)"),
        "{waits}"
    );
    signal(runner.id(), "-TERM");
    assert_eq!(runner.code(), Some(143));
}

#[test]
fn what_may_be_begun_is_still_tried_again() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), ""),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let (fails, _) = limited(8);
    writer(&world, "0001-a", &fails);
    let runner = Running::start(world.foil_command().args(["run", "--all", "--max-runs", "1"]));
    eventually("it is blocked", || states(&world)[0].1 == "blocked");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    let said = runner.said();
    assert_eq!(said.code, Some(10), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn a_runner_that_only_waits_can_be_stopped_too() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), "echo a >a.txt")]);
    let mut runner = Running::start(world.foil_command().args(["run", "--continuous"]));
    let mut told = runner.stderr().lines();
    assert!(told.any(|line| line.starts_with("No ticket is ready; waiting for one.")));
    let stopped = json(&world.foil(&["stop", "--json"]));
    let waiting = stopped["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{stopped}");
    assert_eq!(waiting[0]["outcome"], "left");
    drop(told);
    assert_eq!(runner.code(), Some(130));
    let locks = world.root().join(".git/counterfoil/locks");
    let left = std::fs::read_dir(locks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        left.into_iter()
            .all(|name| !name.to_string_lossy().starts_with("runner-"))
    );
}
