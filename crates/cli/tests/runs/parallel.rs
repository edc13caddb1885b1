//! Several tickets run by one `foil run`.

use std::process::{Command, Stdio};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger_core::{Activity, Blocker, Event, TicketId};
use policy::{Held, Queued};
use runner::guard::GuardProgram;
use runner::{
    CleanError, Leaving, MadeRoom, Place, Retry, RunError, RunOptions, RunReport, RunTickets, Selection, View, Witness,
    run_tickets,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::common::{LOOP, Running, World};
use crate::packages::{runs, writer};
use crate::processes::assert_none_below;
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

pub(crate) fn signal(process: u32, signal: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([signal, &process.to_string()]).status();
    assert!(status.unwrap().success());
}

/// A worker that is at work until the test lets it go on.
pub(crate) const WAITS: &str = "touch $MEET/a; until test -e $MEET/go; do sleep 0.02; done; echo a >a.txt";

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
fn a_check_that_waits_for_long_for_others_says_so() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), "echo a >a.txt")]);
    let policy = world.read("counterfoil.toml");
    let check = "[[check]]\nname = \"port\"\nsandbox = \"off\"\nexclusive = true\nrun = \"true\"\n";
    world.write("counterfoil.toml", format!("{policy}{check}"));
    world.commit_all("A check that runs alone");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let locks = workspace(&world).roots().locks();
    std::fs::create_dir_all(&locks).unwrap();
    let held = std::fs::File::create(locks.join("exclusive-checks")).unwrap();
    held.lock().unwrap();
    let mut runner = beside(&world, &["run", "0001-a"]);
    let told = "the check `port` has waited 60 s for exclusive checks of other runs of this clone";
    let deadline = Instant::now() + Duration::from_secs(180);
    while !world.foil(&["events", "0001-a"]).stdout.contains(told) {
        assert!(Instant::now() < deadline, "{}", world.foil(&["events", "0001-a"]));
        std::thread::sleep(Duration::from_millis(500));
    }
    held.unlock().unwrap();
    assert_eq!(runner.0.wait().unwrap().code(), Some(0));
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
    signal(runner.0.id(), "-TERM");
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
    let second = Running::start(world.foil_command().args(["run", "0002-b"]));
    // Long enough for it to begin, if it did.
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_states(&world, &[("0001-a", "running"), ("0002-b", "ready")]);
    let at_work = json(&world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(at_work["tickets"][0]["liveness"], "working");
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    let said = second.said();
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
        command.args(["run", ticket]);
        start.wait();
        let mut runner = Running::start(&mut command);
        let mut told = runner.stderr().lines();
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
            signal(runner.id(), "-INT");
        }
        for (mut runner, _, _told) in runners {
            assert_eq!(runner.code(), Some(130));
        }
    }
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

    fn delivered(&self, ticket: &TicketId) {
        let words = "delivered already".to_owned();
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
