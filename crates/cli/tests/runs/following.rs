//! `foil events --follow` and `foil logs --follow`, of one ticket and of all, while runs begin and end.

use std::process::Stdio;

use crate::common::{LOOP, Running, World};
use crate::world::{Runner, TICKET, WRITER, approved, blocked, done, json_lines, run_folder, under_way};

/// A `foil` that goes on, and its lines.
struct Follower {
    foil: Running,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Follower {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut foil = Running::start(world.foil_command().args(arguments));
        let lines = Box::new(foil.stdout().lines());
        Self { foil, lines }
    }

    /// Reads on until a line has these words. The lines up to then.
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut read = Vec::new();
        while !read.last().is_some_and(|line: &String| line.contains(words)) {
            let line = self.lines.next();
            read.push(line.unwrap_or_else(|| panic!("{words}: it has ended: {read:?}")));
        }
        read
    }

    /// The lines up to the end, and the exit code.
    fn rest(self) -> (Option<i32>, Vec<String>) {
        let rest = self.lines.collect();
        (self.foil.said().code, rest)
    }
}

fn run(world: &World, arguments: &[&str]) -> Runner {
    let mut command = world.foil_command();
    command
        .arg("run")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Runner(command.spawn().unwrap())
}

#[test]
fn events_of_one_ticket_are_followed_to_the_end_without_a_gap() {
    let (world, runner) = under_way();
    let mut follower = Follower::start(&world, &["events", TICKET, "--follow", "--json"]);
    let mut lines = follower.until("\"thread_started\"");
    assert_eq!(world.foil(&["stop", TICKET]).code, Some(0));
    let (code, rest) = follower.rest();
    lines.extend(rest);
    assert_eq!(code, Some(0));
    drop(runner);
    let all = world.foil(&["events", TICKET, "--json"]);
    assert_eq!(lines.join("\n"), all.stdout.trim_end());
    assert!(lines.last().unwrap().contains("\"paused\""), "{lines:?}");
}

#[test]
fn events_of_all_tickets_are_followed_over_runs_that_begin_later() {
    let world = approved(WRITER);
    world.ticket("0002-later", LOOP);
    assert_eq!(world.foil(&["approve", "0002-later"]).code, Some(0));
    let mut follower = Follower::start(&world, &["events", "--all-tickets", "--follow"]);
    for ticket in [TICKET, "0002-later"] {
        run(&world, &[ticket]).0.wait().unwrap();
        let lines = follower.until("the run is stored in");
        assert!(
            lines.iter().all(|line| line.contains(&format!("  {ticket}  "))),
            "{lines:?}"
        );
        assert!(lines.iter().all(|line| crate::world::is_harmless(line)));
    }
    // It never ends by itself.
    assert!(!follower.foil.has_ended());
}

#[test]
fn a_new_run_of_the_ticket_is_followed_as_long_as_a_runner_could_begin_it() {
    let step = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"elsewhere.txt\"\ntext = \"x\\n\"\n";
    let world = approved(&format!("{step}[answer]\nreport = {{ summary = \"out of scope\" }}\n"));
    // A runner that is there for another ticket, and for whatever comes.
    let scripts = world.folder().join("scripts");
    let mut runner = run(&world, &["--all", "--continuous"]);
    crate::world::eventually("it is blocked", || {
        world
            .foil(&["status", TICKET, "--json"])
            .stdout
            .contains("\"state\": \"blocked\"")
    });
    let mut events = Follower::start(&world, &["events", TICKET, "--follow", "--json"]);
    let mut logs = Follower::start(&world, &["logs", TICKET, "--follow", "--json"]);
    events.until("\"blocked\"");
    logs.until("out of scope");
    std::fs::write(scripts.join("writer.toml"), WRITER).unwrap();
    // The runner lets go of the ticket a moment after the run has ended.
    crate::world::eventually("it is run again", || world.foil(&["run", TICKET]).code == Some(0));
    let lines = events.until("\"subject\":\"done\"");
    assert!(
        lines.iter().any(|line| line.contains("\"kind\":\"opened\"")),
        "{lines:?}"
    );
    logs.until("good & <b>bold</b>");
    // Nothing of a ticket that is done is waited for, whoever runs what.
    assert_eq!(events.rest().0, Some(0));
    assert_eq!(logs.rest().0, Some(0));
    assert!(runner.0.try_wait().unwrap().is_none());
}

#[test]
fn events_of_all_tickets_are_those_of_every_run_also_where_only_git_has_them() {
    let world = blocked();
    world.ticket("0002-other", LOOP);
    assert_eq!(world.foil(&["approve", "0002-other"]).code, Some(0));
    run(&world, &["0002-other"]).0.wait().unwrap();
    let all = || json_lines(&world.foil(&["events", "--all-tickets", "--json"]));
    let of = |ticket: &str| json_lines(&world.foil(&["events", ticket, "--json"]));
    let both = [of(TICKET), of("0002-other")].concat();
    assert_eq!(all(), both);
    let last = json_lines(&world.foil(&["events", "--all-tickets", "--json", "--limit", "3"]));
    assert_eq!(last, both[both.len() - 3..]);
    let since = both[both.len() - 5]["at"].as_str().unwrap();
    let late = json_lines(&world.foil(&["events", "--all-tickets", "--json", "--since", since]));
    assert_eq!(
        late,
        both.iter()
            .filter(|line| line["at"].as_str() >= Some(since))
            .cloned()
            .collect::<Vec<_>>()
    );
    assert_eq!(world.foil(&["events", "--all-tickets", "--limit", "0"]).stdout, "");
    std::fs::remove_dir_all(run_folder(&world)).unwrap();
    let stored = all();
    // That it is stored is only known where it was live.
    let is_stored = |line: &&serde_json::Value| line["ticket"] != TICKET || line["subject"] != "store_run";
    let known = both
        .iter()
        .filter(is_stored)
        .filter(|line| line["ticket"] != TICKET || line["subject"] != "run_stored");
    assert_eq!(stored, known.cloned().collect::<Vec<_>>());
    assert_eq!(world.foil(&["events", TICKET, "--all-tickets"]).code, Some(2));
}

#[test]
fn a_damaged_journal_is_told_beside_the_events_of_all_others() {
    let world = done();
    let broken = world.root().join(".git/counterfoil/runs/0002-other/r1");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("journal.jsonl"), "rubbish\n").unwrap();
    let said = world.foil(&["events", "--all-tickets"]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stdout.contains("done") && said.stderr.contains("run r1"), "{said}");
}

#[test]
fn a_run_is_found_by_its_own_name() {
    let world = done();
    let run = crate::world::run_id(&world);
    for verb in ["events", "logs", "review"] {
        assert_eq!(world.foil(&[verb, &run]).stdout, world.foil(&[verb, TICKET]).stdout);
        assert_eq!(
            world.foil(&[verb, "--run", &run]).stdout,
            world.foil(&[verb, TICKET]).stdout
        );
    }
}

#[test]
fn the_commands_of_the_guide_answer() {
    let guide = include_str!("../../../../docs/guide.md");
    let (_, section) = guide.split_once("## Seeing what happens").unwrap();
    let (_, block) = section.split_once("```console\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let world = done();
    let mut tried = 0;
    for line in block.lines() {
        let command = line.strip_prefix("$ foil ").unwrap().split('#').next().unwrap();
        let arguments: Vec<_> = command
            .split_whitespace()
            .map(|word| word.replace("0042-validate-email", TICKET))
            .collect();
        if arguments.iter().any(|argument| argument == "--watch") {
            // It is for a terminal, where others try it.
            continue;
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let said = world.foil(&arguments);
        assert!(said.code == Some(0) && !said.stdout.is_empty(), "{line}: {said}");
        tried += 1;
    }
    assert_eq!(tried, 5);
}
