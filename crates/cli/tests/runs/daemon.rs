//! `foil daemon`

use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use runner::guard::ProcessIdentity;
use serde_json::Value;

use crate::common::{LOOP, World};
use crate::doctor::findings;
use crate::packages::{runs, writer};
use crate::parallel::{assert_states, beside, scope, signal, states, world_of};
use crate::plan_leftovers::kill_with_guards;
use crate::processes::assert_none_below;
use crate::terminal::Terminal;
use crate::world::{eventually, json};

/// A daemon that was started, and is asked to leave with the test.
struct Daemon<'a>(&'a World);

impl<'a> Daemon<'a> {
    fn start(world: &'a World, arguments: &[&str]) -> Self {
        let mut all = vec!["daemon", "start"];
        all.extend(arguments);
        let said = world.foil(&all);
        assert_eq!(said.code, Some(0), "{said}");
        Self(world)
    }

    fn status(&self) -> Value {
        json(&self.0.foil(&["daemon", "status", "--json"]))
    }

    fn process(&self, key: &str) -> Option<ProcessIdentity> {
        let pid = self.status()[key].as_i64()?;
        ProcessIdentity::of(i32::try_from(pid).unwrap()).unwrap()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.0.foil(&["daemon", "stop"]);
    }
}

fn kill(process: &ProcessIdentity) {
    let status = Command::new("kill").args(["-9", &process.pid.to_string()]).status();
    assert!(status.unwrap().success());
}

fn is_done(world: &World, place: usize) -> bool {
    states(world)[place].1 == "done"
}

fn log_of(world: &World) -> String {
    std::fs::read_to_string(world.root().join(".git/counterfoil/daemon/daemon.log")).unwrap()
}

/// When the night of a worker began, as it was told.
fn night_of(worker: &ProcessIdentity) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", worker.pid)).ok()?;
    let (_, night) = line.split_once("--night-began\0")?;
    night.split_once('\0').map(|(began, _)| began.to_owned())
}

/// Writes a file, once it may.
fn when_told(file: &str) -> String {
    format!("touch $MEET/{file}; until test -e $MEET/go; do sleep 0.02; done; echo x >{file}")
}

#[test]
fn what_is_ready_and_what_is_approved_later_is_run_in_the_background() {
    let world = world_of(
        "[schedule]\npoll = \"1s\"\n",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "echo x >elsewhere.txt"),
        ],
    );
    world.ticket("0003-c", &format!("{LOOP}{}", scope("c.txt")));
    world.write("ledger/tickets/0003-c/prompt.md", "Write 0003-c.\n");
    writer(&world, "0003-c", &runs("echo c >c.txt"));
    world.commit_all("A draft");
    let before = world.foil(&["daemon", "status"]);
    assert_eq!(before.code, Some(10), "{before}");
    assert_eq!(before.stdout, "not running: `foil daemon start` starts it\n");
    let daemon = Daemon::start(&world, &["--jobs", "2"]);
    eventually("what was ready is run", || {
        is_done(&world, 0) && states(&world)[1].1 == "blocked"
    });
    let worker = daemon.process("worker").unwrap();
    let said = world.foil(&["approve", "0003-c"]);
    assert_eq!(said.code, Some(0), "{said}");
    eventually("what was approved later is run", || {
        is_done(&world, 2) && log_of(&world).contains("Z done 0003-c")
    });
    assert_eq!(daemon.process("worker"), Some(worker), "a blocked ticket is no crash");
    let status = daemon.status();
    assert_eq!(status["schema"], "counterfoil.daemon.status/1");
    assert_eq!((&status["running"], &status["failures"]), (&true.into(), &0.into()));
    let words = world.foil(&["daemon", "status"]);
    assert!(words.stdout.contains("\nlast of the log\n"), "{words}");
    let second = world.foil(&["daemon", "start"]);
    assert_eq!(second.code, Some(11), "{second}");
    assert!(second.stderr.contains("at work already"), "{second}");
    let said = world.foil(&["daemon", "stop"]);
    assert_eq!(
        (said.code, said.stdout.starts_with("stopped;")),
        (Some(0), true),
        "{said}"
    );
    assert_eq!(world.foil(&["daemon", "status"]).code, Some(10));
    let again = world.foil(&["daemon", "stop"]);
    assert_eq!(again.stdout, "Nothing to do: no daemon of this clone runs.\n");
}

#[test]
fn a_worker_that_is_killed_is_started_again_and_goes_on() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let worker = daemon.process("worker").unwrap();
    let night = night_of(&worker);
    assert!(night.is_some());
    kill(&worker);
    eventually("another one works", || {
        daemon
            .process("worker")
            .is_some_and(|now| now != worker && night_of(&now) == night)
    });
    std::fs::write(meet.join("go"), "").unwrap();
    eventually("it is done", || is_done(&world, 0));
    let status = daemon.status();
    assert_eq!(status["last_end"], "failed");
    assert_eq!(status["last_end_in_words"], "signal 9");
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 1, "the run goes on");
}

#[test]
fn what_a_worker_is_told_of_its_memory_it_hands_on_to_nobody() {
    let command = format!("{}; env | grep ^MALLOC_ >>a.txt; true", when_told("a.txt"));
    let world = world_of("", &[("0001-a", &scope("a.txt"), &command)]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let worker = daemon.process("worker").unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", worker.pid)).unwrap();
    let told = environment.split(|byte| *byte == 0);
    assert_eq!(told.filter(|variable| variable.starts_with(b"MALLOC_")).count(), 3);
    std::fs::write(meet.join("go"), "").unwrap();
    eventually("it is done", || is_done(&world, 0));
    let written = world.git(&["show", "foil/0001-a:a.txt"]);
    assert!(!written.contains("MALLOC_"), "{written}");
}

#[test]
fn nothing_is_left_of_a_daemon_that_is_killed_and_the_next_goes_on() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let [own, worker] = ["pid", "worker"].map(|key| daemon.process(key).unwrap());
    kill(&own);
    eventually("its worker is gone too", || !worker.is_alive());
    let said = world.foil(&["daemon", "status"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(
        said.stdout.contains("it was at work, and is gone without a word"),
        "{said}"
    );
    let health = &json(&world.foil(&["status", "--json"]))["health"];
    assert_eq!(
        (&health["state"], &health["reasons"][0]["code"]),
        (&"error".into(), &"daemon_gone".into())
    );
    std::fs::write(meet.join("go"), "").unwrap();
    let next = Daemon::start(&world, &[]);
    eventually("it is done", || is_done(&world, 0));
    assert_eq!(json(&world.foil(&["status", "--json"]))["health"]["state"], "ok");
    kill(&next.process("pid").unwrap());
    eventually("it is gone", || world.foil(&["status", "--health"]).code == Some(10));
    let said = world.foil(&["daemon", "stop"]);
    assert!(said.stdout.starts_with("Forgotten:"), "{said}");
    assert_eq!(world.foil(&["status", "--health"]).code, Some(0));
}

#[test]
fn a_daemon_that_is_terminated_leaves_in_good_order_with_all_that_it_started() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let mut runner = beside(&world, &["daemon", "run"]);
    let daemon = Daemon(&world);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let worker = daemon.process("worker").unwrap();
    signal(runner.0.id(), "-TERM");
    assert_eq!(runner.0.wait().unwrap().code(), Some(0));
    assert!(!worker.is_alive());
    assert_none_below(world.folder(), Duration::ZERO);
    assert_states(&world, &[("0001-a", "paused")]);
}

#[test]
fn a_daemon_that_is_stopped_while_its_worker_starts_starts_no_other() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    for round in 0..3 {
        let said = world.foil(&["daemon", "start"]);
        assert_eq!(said.code, Some(0), "{round}: {said}");
        let said = world.foil(&["daemon", "stop"]);
        assert_eq!(said.code, Some(0), "{round}: {said}");
        assert!(said.stdout.starts_with("stopped;"), "{round}: {said}");
        let log = log_of(&world);
        assert!(!log.contains("the next starts at"), "{round}: {log}");
        assert_none_below(world.folder(), Duration::ZERO);
    }
}

#[test]
fn a_drained_daemon_whose_worker_is_killed_begins_nothing_more() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let (own, worker) = (daemon.process("pid").unwrap(), daemon.process("worker").unwrap());
    let said = world.foil(&["daemon", "stop", "--drain"]);
    assert_eq!(said.code, Some(0), "{said}");
    kill(&worker);
    eventually("it ends", || !own.is_alive());
    assert!(!log_of(&world).contains("the next starts at"), "{}", log_of(&world));
    assert_states(&world, &[("0001-a", "paused")]);
}

#[test]
fn a_drained_daemon_ends_what_it_has_begun() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), &when_told("a.txt")),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let own = daemon.process("pid").unwrap();
    let said = world.foil(&["daemon", "stop", "--drain"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("leaves when it has ended its runs"), "{said}");
    std::fs::write(meet.join("go"), "").unwrap();
    eventually("it has left", || !own.is_alive());
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn a_ticket_is_left_without_its_daemon_and_all_with_it() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), &when_told("a.txt")),
            ("0002-b", &scope("b.txt"), &when_told("b.txt")),
        ],
    );
    let daemon = Daemon::start(&world, &["--jobs", "2"]);
    let meet = world.folder().join("meet");
    eventually("both at work", || {
        meet.join("a.txt").exists() && meet.join("b.txt").exists()
    });
    let own = daemon.process("pid").unwrap();
    assert_eq!(world.foil(&["stop", "0001-a"]).code, Some(0));
    assert_states(&world, &[("0001-a", "paused"), ("0002-b", "running")]);
    assert!(own.is_alive());
    assert_eq!(world.foil(&["stop"]).code, Some(0));
    eventually("the daemon has left", || !own.is_alive());
    assert_states(&world, &[("0001-a", "paused"), ("0002-b", "paused")]);
}

#[test]
fn once_is_over_when_nothing_is_ready() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), "echo a >a.txt")]);
    let said = world.foil(&["daemon", "run", "--once"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("done 0001-a"), "{said}");
    assert_states(&world, &[("0001-a", "done")]);
    let log = log_of(&world);
    assert!(
        log.contains("Z done 0001-a") && log.contains("Z foil daemon: started"),
        "{log}"
    );
}

#[test]
fn a_policy_that_cannot_be_used_is_told_and_once_it_is_mended_all_goes_on() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[nonsense]\n"));
    kill(&daemon.process("worker").unwrap());
    eventually("it fails again and again", || {
        daemon.status()["failures"].as_u64() >= Some(3)
    });
    let said = world.foil(&["daemon", "status"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(said.stdout.contains("failing: 3 failures in a row"), "{said}");
    assert!(said.stdout.contains("nonsense"), "the log says why: {said}");
    assert_eq!(daemon.status()["failing"], true);
    let refused = world.foil(&["daemon", "start"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    world.write("counterfoil.toml", policy);
    let health = world.foil(&["status", "--health"]);
    assert_eq!(health.code, Some(10), "{health}");
    assert!(health.stdout.contains("the daemon's worker has failed"), "{health}");
    std::fs::write(meet.join("go"), "").unwrap();
    eventually("it is done", || is_done(&world, 0));
}

#[test]
fn of_two_that_are_started_at_the_same_moment_one_works_and_the_other_says_so() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon(&world);
    let start = Barrier::new(2);
    let said = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| {
            scope.spawn(|| {
                start.wait();
                world.foil(&["daemon", "start"])
            })
        });
        both.map(|one| one.join().unwrap())
    });
    let mut codes = said.each_ref().map(|said| said.code);
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(11)], "{} {}", said[0], said[1]);
    let refused = said.iter().find(|said| said.code == Some(11)).unwrap();
    assert!(refused.stderr.contains("at work already"), "{refused}");
    let won = said.iter().find(|said| said.code == Some(0)).unwrap();
    let pid = daemon.process("pid").unwrap().pid;
    assert!(won.stdout.contains(&format!("process {pid}\n")), "{won}");
}

#[test]
fn a_daemon_whose_terminal_hangs_up_lives_on_and_finishes_its_ticket() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let foil = env!("CARGO_BIN_EXE_foil");
    // A shell that somebody works in, and that does not leave by itself.
    let line = format!("sh -c 'echo $$ >../shell; {foil} daemon start && echo at the prompt; sleep 600'");
    let mut terminal = Terminal::of_line(&world, 80, &line, &[]);
    let daemon = Daemon(&world);
    terminal.shows(&["at the prompt"]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let before = ["pid", "worker"].map(|key| daemon.process(key).unwrap());
    let shell = std::fs::read_to_string(world.folder().join("shell")).unwrap();
    let shell = ProcessIdentity::of(shell.trim().parse().unwrap()).unwrap();
    let shell = shell.expect("it waits");
    drop(terminal);
    eventually("the shell is hung up on", || !shell.is_alive());
    std::fs::write(meet.join("go"), "").unwrap();
    eventually("it is done", || is_done(&world, 0));
    let after = ["pid", "worker"].map(|key| daemon.process(key).unwrap());
    assert_eq!(after, before, "nobody was asked to leave");
    assert_eq!(daemon.status()["failures"], 0);
}

#[test]
fn what_a_killed_daemon_left_is_named_and_ended() {
    let world = world_of("", &[("0001-a", &scope("a.txt"), &when_told("a.txt"))]);
    let daemon = Daemon::start(&world, &[]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a.txt").exists());
    let of_daemon = |arguments: &[&str]| {
        let mut found = findings(&world.foil(arguments), "processes");
        found.retain(|finding| finding["detail"].as_str().unwrap().starts_with("the daemon: "));
        found
    };
    assert_eq!(of_daemon(&["doctor", "--repair", "--json"]), [] as [Value; 0]);
    let [own, worker] = ["pid", "worker"].map(|key| daemon.process(key).unwrap());
    assert!(worker.is_alive(), "repairing leaves alone what is at work");
    kill_with_guards(&world.root().join(".git/counterfoil/daemon/guards"), || kill(&own));
    eventually("its worker is gone too", || !worker.is_alive());
    let named = &of_daemon(&["doctor", "--json"])[0];
    assert_eq!(named["state"], "warning");
    assert_eq!(
        named["hint"],
        "`foil doctor --repair` ends them, as the next daemon does"
    );
    assert_eq!(of_daemon(&["doctor", "--repair", "--json"])[0]["repaired"], true);
    assert_eq!(of_daemon(&["doctor", "--json"]), [] as [Value; 0]);
}
