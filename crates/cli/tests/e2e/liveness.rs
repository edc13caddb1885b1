//! Whether an agent that works is left alone, and one that does not is given up, as the real Codex shows both.
//!
//! A minute of an agent is a second here, and so are the limits: the ten minutes of `idle_timeout` are ten seconds. With
//! `FOIL_TEST_RECORD_TRACES` naming a folder each test takes its real time and nobody is given up; what was seen is written
//! there, for `cargo xtask bench liveness` to judge (CONTRIBUTING has the command).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ledger_core::{Effect, Event, Journal, Record};
use serde_json::json;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::processes::{assert_none_below, await_some, below};
use crate::world::{BackEnd, PATIENCE, REVIEW, Ran, Terms, WRITE, World, shell, through_both};

through_both!(
    edits_and_tests,
    a_silent_command,
    a_command_that_only_computes,
    a_model_that_thinks,
    a_provider_that_is_away_for_a_while,
    looks_for_a_service_again_and_again,
    the_same_command_over_and_over,
    three_commands_in_a_circle,
    a_model_that_never_begins_to_answer,
    a_stream_that_is_open_and_silent,
    a_provider_that_never_comes_back,
    a_process_that_was_stopped,
);

const TICKET: &str = "0001-say-hello";

const SHORT: &str = "[limits]\nidle_timeout = \"10s\"\nrunner_failures = 1\n";

/// Nobody is given up before the turn is over.
const RECORDING: &str =
    "[limits]\nidle_timeout = \"1h\"\nmax_repeats = 0\nturn_timeout = \"30m\"\nrunner_failures = 1\n";

/// How long things take.
struct Scale {
    recording: Option<PathBuf>,
}

impl Scale {
    fn chosen() -> Self {
        Self {
            recording: std::env::var_os("FOIL_TEST_RECORD_TRACES").map(PathBuf::from),
        }
    }

    /// So many minutes of an agent, in milliseconds.
    fn milliseconds(&self, minutes: u64) -> u64 {
        match self.recording {
            Some(_) => minutes * 60_000,
            None => minutes * 1_000,
        }
    }

    fn seconds(&self, minutes: u64) -> u64 {
        self.milliseconds(minutes) / 1_000
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.milliseconds(60)).max(Duration::from_secs(120))
    }

    fn terms(&self) -> Terms {
        Terms {
            more: match self.recording {
                Some(_) => RECORDING,
                None => SHORT,
            },
            retries: 100,
            silence: Duration::from_secs(3_600),
            ..Terms::default()
        }
    }
}

/// A writer that does this, then says hello and reports.
fn does(replies: impl IntoIterator<Item = Reply>) -> ModelScript {
    let ending = [shell("echo hello > hello.txt"), Reply::done("said hello")];
    ModelScript::default()
        .turn(WRITE, replies.into_iter().chain(ending))
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")))
}

/// Runs a writer that works, and fails if it is given up.
fn is_left_alone(back_end: BackEnd, name: &str, script: ModelScript) {
    let scale = Scale::chosen();
    let world = World::new(back_end, scale.terms(), script);

    let ran = world.start_foil(&["run", "--json"]).ends_within(scale.patience());

    let packet = ran.succeeds().packet();
    assert_eq!(packet["iterations"], 1, "{packet:#}");
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
    record(&scale, &world, back_end, "working", name);
}

/// Runs a writer that comes to nothing, and fails unless it is given up for this reason.
fn is_given_up(back_end: BackEnd, name: &str, code: &str, script: ModelScript) {
    let scale = Scale::chosen();
    let world = World::new(back_end, scale.terms(), script);

    let ran = world.start_foil(&["run", "--json"]).ends_within(scale.patience());

    ended_for(&scale, &world, ran, code);
    record(&scale, &world, back_end, "lost", name);
}

/// Fails unless the run was blocked for this reason, or was let go on for the recording, and left nothing.
fn ended_for(scale: &Scale, world: &World, ran: Ran, code: &str) {
    if scale.recording.is_none() {
        let packet = ran.ends_with(10).packet();
        assert_eq!(packet["blocker"]["code"], code, "{packet:#}");
    }
    assert_none_below(world.root(), Duration::from_secs(5));
    world.assert_untouched();
}

/// Writes what was seen of the writer's only turn, a line for each activity and one for the end, where traces are recorded.
fn record(scale: &Scale, world: &World, back_end: BackEnd, kind: &str, name: &str) {
    let Some(folder) = &scale.recording else { return };
    let journal = std::fs::read(&world.journals(TICKET)[0]).unwrap();
    let records = Journal::parse(&journal).unwrap().records;
    let is_begin = |record: &Record| matches!(record.event, Event::Intended(Effect::TakeTurn { .. }));
    let mut turn = records.into_iter().skip_while(|record| !is_begin(record));
    let began = turn.next().expect("a turn").at;
    let mut lines = String::new();
    for record in turn {
        let at_ms = i64::try_from(record.at.duration_since(began).as_millis()).unwrap();
        match record.event {
            Event::Activity(activity) => lines += &format!("{}\n", json!({ "at_ms": at_ms, "activity": activity })),
            Event::Observed { .. } => {
                lines += &format!("{}\n", json!({ "at_ms": at_ms }));
                break;
            }
            _ => {}
        }
    }
    let driven = match back_end {
        BackEnd::AppServer => "app-server",
        BackEnd::Exec => "exec",
    };
    let folder = folder.join(kind);
    std::fs::create_dir_all(&folder).unwrap();
    let lines = lines.replace(world.root().to_str().unwrap(), "/world");
    std::fs::write(folder.join(format!("{name}-{driven}.jsonl")), lines).unwrap();
}

fn edits_and_tests(back_end: BackEnd) {
    let rounds = (0..40).flat_map(|round| {
        [
            shell(&format!("echo {round} > hello.txt")),
            shell("grep -qx hello hello.txt"),
        ]
    });
    is_left_alone(back_end, "edits-and-tests", does(rounds));
}

/// A command, and looks of the model's at it until it ends, as the model's own tools have it.
fn long_command(scale: &Scale, command: &str) -> Vec<Reply> {
    let begun = Reply::Call {
        name: "exec_command".to_owned(),
        namespace: None,
        arguments: json!({ "cmd": command, "yield_time_ms": scale.milliseconds(1) / 4 }),
    };
    // Codex lets one look wait for five minutes at the most.
    let looks = if scale.recording.is_some() { 3 } else { 1 };
    std::iter::once(begun)
        .chain((0..looks).map(|_| Reply::Look(300_000)))
        .collect()
}

fn a_silent_command(back_end: BackEnd) {
    let scale = Scale::chosen();
    let command = format!("sleep {}", scale.seconds(13));
    is_left_alone(back_end, "silent-command", does(long_command(&scale, &command)));
}

fn a_command_that_only_computes(back_end: BackEnd) {
    let scale = Scale::chosen();
    let command = format!("nice timeout {} sh -c 'while :; do :; done'", scale.seconds(13));
    is_left_alone(back_end, "computing-command", does(long_command(&scale, &command)));
}

/// A rule for one step of the writer.
fn at(step: usize, reply: Reply) -> Rule {
    Rule {
        step: Some(step),
        ..Rule::new(WRITE, reply)
    }
}

fn a_model_that_thinks(back_end: BackEnd) {
    let thinks = Rule {
        thinks_ms: Scale::chosen().milliseconds(13),
        ..at(0, shell("cat README"))
    };
    let script = ModelScript::default().rule(thinks);
    let script = does([shell("cat README")])
        .rules
        .into_iter()
        .fold(script, ModelScript::rule);
    is_left_alone(back_end, "thinking-model", script);
}

fn a_provider_that_is_away_for_a_while(back_end: BackEnd) {
    // Each further attempt of Codex' comes after twice the time, from a fifth of a second on.
    let attempts = match Scale::chosen().recording {
        Some(_) => 11,
        None => 5,
    };
    let away = Rule {
        times: Some(attempts),
        ..Rule::new(WRITE, Reply::Cut)
    };
    let script = does([])
        .rules
        .into_iter()
        .fold(ModelScript::default().rule(away), ModelScript::rule);
    is_left_alone(back_end, "provider-away", script);
}

fn looks_for_a_service_again_and_again(back_end: BackEnd) {
    let pause = match Scale::chosen().recording {
        Some(_) => "10",
        None => "0.2",
    };
    let looks = (0..20).map(|_| shell(&format!("sleep {pause}; test -e service-is-up")));
    is_left_alone(back_end, "looks-for-a-service", does(looks));
}

fn the_same_command_over_and_over(back_end: BackEnd) {
    let same = (0..60).map(|_| shell("cat README"));
    is_given_up(back_end, "same-command", "livelock", does(same));
}

fn three_commands_in_a_circle(back_end: BackEnd) {
    let circle = (0..40).flat_map(|_| ["git status", "git diff", "ls"].map(shell));
    is_given_up(back_end, "three-commands", "livelock", does(circle));
}

fn a_model_that_never_begins_to_answer(back_end: BackEnd) {
    let script = does([shell("cat README"), Reply::Silence]);
    is_given_up(back_end, "no-answer", "stalled", script);
}

fn a_stream_that_is_open_and_silent(back_end: BackEnd) {
    let script = does([shell("cat README"), Reply::Stall]);
    is_given_up(back_end, "silent-stream", "stalled", script);
}

fn a_provider_that_never_comes_back(back_end: BackEnd) {
    let script = ModelScript::default().rule(Rule::new(WRITE, Reply::Cut));
    is_given_up(back_end, "provider-gone", "agent_unavailable", script);
}

fn a_process_that_was_stopped(back_end: BackEnd) {
    let scale = Scale::chosen();
    let world = World::new(back_end, scale.terms(), does([shell("cat README"), Reply::Silence]));
    let running = world.start_foil(&["run", "--json"]);
    await_some("two requests", PATIENCE, || {
        (world.model.requests().len() == 2).then_some(())
    });
    let pids = below(world.root())
        .into_iter()
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
    let is_codex =
        |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "codex\n");
    let codex: Vec<_> = pids.filter(is_codex).collect();
    assert!(!codex.is_empty());
    let stopped = Command::new("kill").args(["-s", "STOP"]).args(&codex).status().unwrap();
    assert!(stopped.success());

    let ran = running.ends_within(scale.patience());

    ended_for(&scale, &world, ran, "stalled");
    record(&scale, &world, back_end, "lost", "stopped-process");
}
