//! Several tickets run by one `foil run`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Barrier, Mutex};

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Activity, Blocker, Event, TicketId};
use policy::{Held, Queued};
use runner::guard::GuardProgram;
use runner::{
    CleanError, Leaving, MadeRoom, Place, Retry, RunError, RunOptions, RunReport, RunTickets, Selection, View, Witness,
    run_tickets,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::common::{LOOP, World, said_by};
use crate::packages::{runs, writer};
use crate::processes::assert_none_below;
use crate::seen;
use crate::world::{Runner, eventually, json, workspace};

/// A world with these approved tickets: their ids, what their contracts say besides, and what their workers run, where `$MEET` is a folder that all of
/// them see.
pub(crate) fn world_of(policy: &str, tickets: &[(&str, &str, &str)]) -> World {
    let world = World::new();
    assert_eq!(world.foil(&["init"]).code, Some(0));
    let scripts = world.folder().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    let meet = world.folder().join("meet");
    std::fs::create_dir(&meet).unwrap();
    let agent = format!("[agent]\nkind = \"scripted\"\ncommand = \"{}\"\n", scripts.display());
    let check = "[review]\nindependent = \"off\"\n[[check]]\nname = \"any\"\nrun = \"true\"\nsandbox = \"off\"\n";
    world.write("counterfoil.toml", format!("{agent}{check}{policy}"));
    for (id, contract, command) in tickets {
        world.ticket(id, &format!("{LOOP}{contract}"));
        world.write(&format!("ledger/tickets/{id}/prompt.md"), format!("Write {id}.\n"));
        writer(
            &world,
            id,
            &runs(&command.replace("$MEET", &meet.display().to_string())),
        );
    }
    world.commit_all("Set up Counterfoil");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    for (id, ..) in tickets {
        let said = world.foil(&["approve", id]);
        assert_eq!(said.code, Some(0), "{said}");
    }
    world
}

/// Writes a file, once another ticket's worker is at work too.
fn meeting(own: &str, other: &str) -> String {
    format!("touch $MEET/{own}; until test -e $MEET/{other}; do sleep 0.02; done; echo {own} >{own}.txt")
}

pub(crate) fn scope(paths: &str) -> String {
    format!("[scope]\nallowed = [\"{paths}\"]\n")
}

pub(crate) fn states(world: &World) -> Vec<(String, String)> {
    let report = json(&world.foil(&["status", "--json"]));
    let state = |ticket: &Value| {
        let text = |key: &str| ticket[key].as_str().unwrap().to_owned();
        (text("id"), text("state"))
    };
    report["tickets"].as_array().unwrap().iter().map(state).collect()
}

pub(crate) fn assert_states(world: &World, expected: &[(&str, &str)]) {
    let states = states(world);
    let states: Vec<_> = states.iter().map(|(id, state)| (id.as_str(), state.as_str())).collect();
    assert_eq!(states, expected);
}

/// A `foil run` that goes on beside the test.
pub(crate) fn beside(world: &World, arguments: &[&str]) -> Runner {
    let mut command = world.foil_command();
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    Runner(command.spawn().unwrap())
}

pub(crate) fn signal(runner: &Runner, signal: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([signal, &runner.0.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// A worker that is at work until the test lets it go on.
const WAITS: &str = "touch $MEET/a; until test -e $MEET/go; do sleep 0.02; done; echo a >a.txt";

#[test]
fn what_does_not_meet_runs_at_the_same_time() {
    let world = world_of(
        "[schedule]\nconcurrency = 2\n",
        &[
            ("0001-a", &scope("a.txt"), &meeting("a", "b")),
            ("0002-b", &scope("b.txt"), &meeting("b", "a")),
            ("0003-c", &scope("c.txt"), "echo c >c.txt"),
        ],
    );
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr.contains(" 0001-a ") && said.stderr.contains(" 0002-b "),
        "{said}"
    );
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done"), ("0003-c", "done")]);
    for id in ["0001-a", "0002-b", "0003-c"] {
        let said = world.foil(&["verify", id]);
        assert_eq!(said.code, Some(0), "{said}");
    }
}

#[test]
fn what_could_meet_runs_one_after_the_other() {
    // Each worker would fail beside another.
    let alone = |file: &str| format!("mkdir $MEET/only && sleep 0.3 && echo x >{file} && rmdir $MEET/only");
    let using = |path: &str| format!("resources = [\"staging\"]\n{}", scope(path));
    let policy = "[schedule]\nserialize = [\"api/**\"]\n";
    for (name, one, two) in [
        ("paths", scope("src/**"), scope("src/b.txt")),
        ("resources", using("src/a.txt"), using("src/b.txt")),
        ("serialized", scope("{api,src}/**"), scope("src/b.txt\", \"api/v1.yaml")),
        ("unknown", String::new(), scope("src/b.txt")),
    ] {
        let world = world_of(
            policy,
            &[
                ("0001-a", &one, &format!("mkdir -p src; {}", alone("src/a.txt"))),
                ("0002-b", &two, &format!("mkdir -p src; {}", alone("src/b.txt"))),
            ],
        );
        let said = world.foil(&["run", "--jobs", "2", "0001-a", "0002-b"]);
        assert_eq!(said.code, Some(0), "{name}: {said}");
        assert_states(&world, &[("0001-a", "done"), ("0002-b", "done")]);
    }
}

#[test]
fn of_two_exclusive_checks_one_waits_for_the_other() {
    let (world, meet) = {
        let world = world_of(
            "",
            &[
                ("0001-a", &scope("a.txt"), &meeting("a", "b")),
                ("0002-b", &scope("b.txt"), &meeting("b", "a")),
            ],
        );
        let meet = world.folder().join("meet");
        (world, meet)
    };
    let policy = world.read("counterfoil.toml");
    let check = format!(
        "[[check]]\nname = \"port\"\nsandbox = \"off\"\nexclusive = true\n\
         run = \"mkdir {meet}/port && sleep 0.4 && rmdir {meet}/port\"\n",
        meet = meet.display()
    );
    world.write("counterfoil.toml", format!("{policy}{check}"));
    world.commit_all("A check that runs alone");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "--all", "--jobs", "2"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done")]);
}

#[test]
fn a_blocked_ticket_keeps_no_other_from_running_and_all_is_not_done() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo x >elsewhere.txt"),
            (
                "0002-b",
                "depends_on = [\"0001-a\"]\n[scope]\nallowed = [\"b.txt\"]\n",
                "echo b >b.txt",
            ),
            ("0003-c", &scope("c.txt"), "echo c >c.txt"),
        ],
    );
    let said = world.foil(&["run", "--all", "--jobs", "3"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert_states(
        &world,
        &[("0001-a", "blocked"), ("0002-b", "waiting"), ("0003-c", "done")],
    );
    let again = world.foil(&["run", "--all"]);
    assert_eq!(again.code, Some(10), "{again}");
    seen!("run_all_left", again);
    let report = json(&world.foil(&["run", "--all", "--json"]));
    let left: Vec<_> = report["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| &left["ticket"])
        .collect();
    assert_eq!(left, ["0001-a", "0002-b"]);
    // The new run fails as the first one did, and is not begun once more.
    let retried = world.foil(&["run", "--all", "--retry-blocked"]);
    assert_eq!(retried.code, Some(10), "{retried}");
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 2);
}

#[test]
fn all_that_run_leave_in_good_order_and_go_on() {
    let never = "touch $MEET/$TICKET; sleep 60";
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), &never.replace("$TICKET", "a")),
            ("0002-b", &scope("b.txt"), &never.replace("$TICKET", "b")),
        ],
    );
    let mut runner = beside(&world, &["run", "--all", "--jobs", "2"]);
    let meet = world.folder().join("meet");
    eventually("both at work", || meet.join("a").exists() && meet.join("b").exists());
    signal(&runner, "-TERM");
    assert_eq!(runner.0.wait().unwrap().code(), Some(143));
    assert_states(&world, &[("0001-a", "paused"), ("0002-b", "paused")]);
    for (id, file) in [("0001-a", "a.txt"), ("0002-b", "b.txt")] {
        writer(&world, id, &runs(&format!("echo x >{file}")));
    }
    let said = world.foil(&["run", "--all", "--jobs", "2"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "done")]);
}

#[test]
fn a_named_ticket_is_left_while_others_go_on() {
    let world = world_of(
        "",
        &[
            ("0001-A", &scope("a.txt"), "touch $MEET/a; sleep 60"),
            (
                "0002-b",
                &scope("b.txt"),
                "touch $MEET/b; until test -e $MEET/go; do sleep 0.02; done; echo b >b.txt",
            ),
        ],
    );
    let mut runner = beside(&world, &["run", "--all", "--jobs", "2"]);
    let meet = world.folder().join("meet");
    eventually("both at work", || meet.join("a").exists() && meet.join("b").exists());
    let said = world.foil(&["stop", "0001-A"]);
    assert_eq!(said.stdout, "0001-A: stopped; `foil run 0001-A` goes on\n", "{said}");
    assert_states(&world, &[("0001-A", "paused"), ("0002-b", "running")]);
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(runner.0.wait().unwrap().code(), Some(130), "not all were done");
    assert_states(&world, &[("0001-A", "paused"), ("0002-b", "done")]);
    writer(&world, "0001-A", &runs("echo x >a.txt"));
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_states(&world, &[("0001-A", "done"), ("0002-b", "done")]);
}

#[test]
fn a_drained_runner_ends_what_it_has_begun() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), WAITS),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let mut runner = beside(&world, &["run", "--all"]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a").exists());
    let said = world.foil(&["stop", "--drain"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("leaves when it has ended its runs"), "{said}");
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(runner.0.wait().unwrap().code(), Some(10), "not all is done");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn as_many_run_as_were_asked_for() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
            ("0003-c", &format!("priority = 5\n{}", scope("c.txt")), "echo c >c.txt"),
        ],
    );
    let dry = world.foil(&["run", "--all", "--max-runs", "2", "--dry-run"]);
    assert_eq!(dry.stdout, "0003-c\n0001-a\n");
    let said = world.foil(&["run", "--all", "--max-runs", "2", "--jobs", "3"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(said.stderr.contains("not done: 1 ticket\n  ready 0002-b\n"), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready"), ("0003-c", "done")]);
    let said = world.foil(&["run", "--all", "--max-runs", "1"]);
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn named_tickets_that_were_not_begun_are_left() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let said = world.foil(&["run", "0001-a", "0002-b", "--max-runs", "1", "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let left = &json(&said)["left"];
    assert_eq!(
        (&left[0]["ticket"], &left[0]["state"]),
        (&"0002-b".into(), &"ready".into())
    );
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn named_tickets_that_depend_on_each_other_keep_no_other_from_running() {
    let world = world_of("", &[("0003-c", &scope("c.txt"), "echo c >c.txt")]);
    for (id, other) in [("0001-a", "0002-b"), ("0002-b", "0001-a")] {
        world.ticket(id, &format!("{LOOP}depends_on = [\"{other}\"]\n"));
    }
    world.commit_all("A circle, which nobody can approve");
    let said = world.foil(&["run", "0001-a", "0002-b", "0003-c"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert_states(&world, &[("0001-a", "draft"), ("0002-b", "draft"), ("0003-c", "done")]);
}

#[test]
fn all_is_not_done_while_another_process_runs_a_ticket_or_one_cannot_be_read() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), WAITS),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
            ("0003-c", &scope("c.txt"), "echo c >c.txt"),
        ],
    );
    world.ticket("0004-draft", "nonsense\n");
    let mut first = beside(&world, &["run", "0001-a"]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a").exists());
    world.write("ledger/tickets/0003-c/ticket.toml", "nonsense\n");
    let said = world.foil(&["run", "--all", "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let left = json(&said)["left"].clone();
    let left: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|left| (&left["ticket"], &left["state"]))
        .collect();
    assert_eq!(
        left,
        [
            (&"0001-a".into(), &"running".into()),
            (&"0003-c".into(), &"broken".into())
        ]
    );
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    assert_states(
        &world,
        &[
            ("0001-a", "done"),
            ("0002-b", "done"),
            ("0003-c", "broken"),
            ("0004-draft", "broken"),
        ],
    );
}

#[test]
fn what_becomes_ready_later_is_run_and_what_stopped_is_not_tried_again() {
    let world = world_of(
        "[schedule]\npoll = \"1s\"\n",
        &[
            ("0001-a", &scope("a.txt"), "echo x >elsewhere.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    world.ticket("0003-c", &format!("{LOOP}{}", scope("c.txt")));
    world.write("ledger/tickets/0003-c/prompt.md", "Write 0003-c.\n");
    writer(&world, "0003-c", &runs("echo c >c.txt"));
    world.commit_all("A draft");
    let mut runner = beside(&world, &["run", "--continuous", "--retry-blocked"]);
    eventually("what was ready is run", || {
        let states = states(&world);
        states[0].1 == "blocked" && states[1].1 == "done"
    });
    let said = world.foil(&["approve", "0003-c"]);
    assert_eq!(said.code, Some(0), "{said}");
    eventually("what was approved later is run", || states(&world)[2].1 == "done");
    signal(&runner, "-INT");
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 1);
    let said = world.foil(&["run", "--continuous", "--max-cycles", "1"]);
    assert_eq!(said.code, Some(10), "{said}");
}

#[test]
fn what_another_process_runs_is_in_the_way_too() {
    let using = |path: &str| format!("resources = [\"staging\"]\n{}", scope(path));
    let world = world_of(
        "",
        &[
            ("0001-a", &using("a.txt"), WAITS),
            ("0002-b", &using("b.txt"), "test -e $MEET/go && echo b >b.txt"),
        ],
    );
    let mut first = beside(&world, &["run", "0001-a"]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a").exists());
    let mut command = world.foil_command();
    let second = command
        .args(["run", "0002-b"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let second = second.spawn().unwrap();
    // Long enough for it to begin, if it did.
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_states(&world, &[("0001-a", "running"), ("0002-b", "ready")]);
    let at_work = json(&world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(at_work["tickets"][0]["liveness"], "working");
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    let said = said_by(second.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr.contains("waiting 0002-b: `0001-a` uses `staging` too"),
        "{said}"
    );
}

#[test]
fn of_two_runners_that_start_at_the_same_moment_one_waits() {
    const ROUNDS: usize = 20;
    const WAITS: &str = "uses `staging` too";
    let using = |path: &str| format!("resources = [\"staging\"]\n{}", scope(path));
    let world = world_of(
        "[limits]\nmax_iterations = 100\n",
        &[
            ("0001-a", &using("a.txt"), "sleep 600"),
            ("0002-b", &using("b.txt"), "sleep 600"),
        ],
    );
    let begin = |ticket: &str, start: &Barrier| {
        let mut command = world.foil_command();
        command
            .args(["run", ticket])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        start.wait();
        let mut runner = Runner(command.spawn().unwrap());
        let mut told = BufReader::new(runner.0.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let line = told.find(|line| line.contains(WAITS) || line.contains("sleep 600"));
        // Kept open: nobody goes on for a reader that is gone.
        (runner, line.unwrap().contains(WAITS), told)
    };
    for round in 0..ROUNDS {
        let start = Barrier::new(2);
        let runners = std::thread::scope(|scope| {
            let runners = ["0001-a", "0002-b"].map(|ticket| scope.spawn(|| begin(ticket, &start)));
            runners.map(|runner| runner.join().unwrap())
        });
        let waiting = runners.iter().filter(|(_, waits, _)| *waits).count();
        assert_eq!(waiting, 1, "round {round}");
        for (runner, ..) in &runners {
            signal(runner, "-INT");
        }
        for (mut runner, _, _told) in runners {
            assert_eq!(runner.0.wait().unwrap().code(), Some(130));
        }
    }
}

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
    let mut command = world.foil_command();
    let runner = command
        .args(["run", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let runner = runner.spawn().unwrap();
    eventually("it is blocked", || states(&world)[0].1 == "blocked");
    let status = json(&world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(status["tickets"][0]["code"], "agent_rate_limited");
    assert_eq!(status["tickets"][0]["retry_at"], lifted.to_string());
    assert!(Timestamp::now() < lifted, "the machine is too slow for this test");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    std::fs::write(world.folder().join("meet/lifted"), "").unwrap();
    let said = said_by(runner.wait_with_output().unwrap());
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
    let world = world_of("", &[("0001-a", &scope("a.txt"), "echo a >a.txt")]);
    let (fails, lifted) = limited(6);
    writer(&world, "0001-a", &fails);
    let said = world.foil(&["run", "0001-a"]);
    assert_eq!(said.code, Some(10), "who asks for one ticket gets an answer: {said}");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    let began = Timestamp::now();
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(began >= lifted || Timestamp::now() >= lifted);
    assert_states(&world, &[("0001-a", "done")]);
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
    let mut command = world.foil_command();
    let runner = command
        .args(["run", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut runner = Runner(runner.spawn().unwrap());
    let told = BufReader::new(runner.0.stderr.take().unwrap()).lines();
    let waits = told
        .map(Result::unwrap)
        .find(|line| line.contains("it goes on at"))
        .unwrap();
    assert!(
        waits.starts_with("waiting 0001-a: ") && waits.contains("(remote_unreachable)"),
        "{waits}"
    );
    signal(&runner, "-TERM");
    assert_eq!(runner.0.wait().unwrap().code(), Some(143));
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
    let mut command = world.foil_command();
    let runner = command
        .args(["run", "--all", "--max-runs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let runner = runner.spawn().unwrap();
    eventually("it is blocked", || states(&world)[0].1 == "blocked");
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    let said = said_by(runner.wait_with_output().unwrap());
    assert_eq!(said.code, Some(10), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn a_runner_that_only_waits_can_be_stopped_too() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), "echo a >a.txt")]);
    let mut command = world.foil_command();
    let runner = command
        .args(["run", "--continuous"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut runner = Runner(runner.spawn().unwrap());
    let mut told = BufReader::new(runner.0.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().starts_with("No ticket is ready; waiting for one.")));
    let stopped = json(&world.foil(&["stop", "--json"]));
    let waiting = stopped["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{stopped}");
    assert_eq!(waiting[0]["outcome"], "left");
    drop(told);
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    let locks = world.root().join(".git/counterfoil/locks");
    let left = std::fs::read_dir(locks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        left.into_iter()
            .all(|name| !name.to_string_lossy().starts_with("runner-"))
    );
}

#[test]
fn a_ticket_that_cannot_be_run_for_an_error_keeps_no_other_from_running() {
    let world = world_of(
        "",
        &[
            ("0001-first", "priority = 5\n", "echo 1 >1.txt"),
            ("0002-second", "", "echo 2 >2.txt"),
        ],
    );
    // Something that is no lock is where its lock belongs.
    let in_the_way = world.root().join(".git/counterfoil/locks/0001-first.lock");
    std::fs::create_dir_all(in_the_way).unwrap();
    let said = world.foil(&["run", "--all", "--jobs", "1", "--json"]);
    assert_eq!(said.code, Some(1), "{said}");
    let report = json(&said);
    assert_eq!(report["not_run"][0]["ticket"], "0001-first", "{said}");
    assert_eq!(report["runs"][0]["ticket"], "0002-second", "{said}");
    assert_eq!(report["runs"][0]["packet"]["outcome"], "done", "{said}");
}

/// A witness with a defect: it panics once the worker of one ticket is at work, which a file shows.
struct Panics {
    ticket: TicketId,
    at_work: std::path::PathBuf,
    ended: Mutex<Vec<(String, String)>>,
}

impl Witness for Panics {
    fn begins(&self, ticket: &TicketId, _: Option<Place>) -> View<'_> {
        let is_it = *ticket == self.ticket;
        Box::new(move |_, record| {
            if is_it && matches!(record.event, Event::Activity(Activity::CommandStarted { .. })) {
                eventually("at work", || self.at_work.exists());
                panic!("a defect of\nours");
            }
        })
    }

    fn ended(&self, ticket: &TicketId, ran: Result<RunReport, RunError>) {
        let words = match ran {
            Ok(report) => format!("{:?}", report.outcome),
            Err(error) => error.to_string(),
        };
        self.ended.lock().unwrap().push((ticket.to_string(), words));
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn held(&self, _: &[Held]) {}
    fn held_back(&self, _: &[TicketId], _: &Queued) {}
    fn postponed(&self, _: &TicketId, _: &Blocker, _: Timestamp) {}
    fn idle(&self) {}
    fn not_notified(&self, _: &str) {}
    fn made_room(&self, _: &Result<MadeRoom, CleanError>) {}
    fn nearly_spent(&self, _: &str) {}
}

#[test]
fn a_run_that_panics_is_a_failure_of_its_ticket_alone_and_leaves_nothing_at_work() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "touch $MEET/a; sleep 60"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let witness = Panics {
        ticket: "0001-a".parse().unwrap(),
        at_work: world.folder().join("meet/a"),
        ended: Mutex::default(),
    };
    let what = RunTickets {
        selection: Selection::AllReady {
            retry: Retry::default(),
            poll: None,
            max_cycles: None,
        },
        slots: 1,
        max_runs: None,
        night_began: None,
        options: RunOptions {
            guard: GuardProgram::at(env!("CARGO_BIN_EXE_foil")).unwrap(),
            stop: watch::Sender::new(None).subscribe(),
            model: None,
            from_rescue: false,
            allow_temporary: false,
        },
        drain: watch::Sender::new(false).subscribe(),
        leaving: Leaving::default(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = run_tickets(&workspace(&world), what, runtime.handle(), &witness).unwrap();
    assert_eq!(ran.begun, 2);
    assert_none_below(world.folder(), std::time::Duration::ZERO);
    let ended = witness.ended.into_inner().unwrap();
    let defect = "foil itself failed here, which is a defect: a defect of ours";
    assert_eq!(
        ended,
        [("0001-a", defect), ("0002-b", "Done")].map(|(ticket, words)| (ticket.to_owned(), words.to_owned()))
    );
    assert_states(&world, &[("0001-a", "paused"), ("0002-b", "done")]);
    writer(&world, "0001-a", &runs("echo a >a.txt"));
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
}
