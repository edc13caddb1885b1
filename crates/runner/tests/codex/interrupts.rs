//! Turns that somebody ends, and processes that die.

use std::time::{Duration, Instant};

use counterfoil_runner::{ThreadChoice, TurnOutcome};
use ledger_core::{Activity, AgentFailureClass, Report};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, World, finish, no_process_with, processes_with, take, through_both, until};

through_both!(
    an_interrupt_ends_a_command_and_leaves_nothing,
    an_interrupt_ends_a_request_that_is_never_answered,
    a_turn_that_is_dropped_leaves_nothing,
    an_agent_that_is_killed_is_a_crash,
    a_conversation_goes_on_after_an_interrupt,
    a_command_left_in_the_background_does_not_outlive_the_turn,
    a_caller_that_takes_no_events_loses_none,
);

/// A number that no other process has in its command line.
fn mark(tag: u32) -> String {
    format!("{}.{tag}", 100_000 + std::process::id())
}

fn sleeping(mark: &str) -> ModelScript {
    ModelScript::default()
        .turn(
            "sleep",
            [
                Reply::Shell(format!("sleep {mark} & sleep {mark}")),
                Reply::done("slept"),
            ],
        )
        .turn("again", [Reply::done("awake")])
}

fn starts_command(activity: &Activity) -> bool {
    matches!(activity, Activity::CommandStarted { .. })
}

/// Waits until the command really runs.
async fn process_with(words: &str) {
    let runs = async {
        while processes_with(words).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), runs)
        .await
        .expect("the command runs");
}

fn tag(back_end: BackEnd, test: u32) -> u32 {
    test * 2 + u32::from(back_end == BackEnd::Exec)
}

async fn an_interrupt_ends_a_command_and_leaves_nothing(back_end: BackEnd) {
    let mark = mark(tag(back_end, 1));
    let world = World::new(back_end, sleeping(&mark)).await;
    let mut agent = world.agent();
    let mut turn = agent.start_turn(world.request("r/1", "sleep"));
    let before = until(&mut turn, starts_command).await;
    process_with(&format!("sleep {mark}")).await;
    let asked = Instant::now();
    turn.interrupt();
    let seen = finish(turn, before).await;
    let took = asked.elapsed();
    assert_eq!(seen.end.outcome, TurnOutcome::Interrupted);
    assert!(took < Duration::from_secs(2), "{took:?}");
    no_process_with(&format!("sleep {mark}"), Duration::from_secs(1)).await;
    if back_end == BackEnd::AppServer {
        assert_eq!(seen.end.tokens.total, 110, "what was spent is known");
    }
    agent.close().await;
}

async fn an_interrupt_ends_a_request_that_is_never_answered(back_end: BackEnd) {
    let script = ModelScript::default().rule(Rule::new("ask", Reply::Silence));
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let turn = agent.start_turn(world.request("r/1", "ask"));
    tokio::time::timeout(Duration::from_secs(20), world.model.wait_for_requests(1))
        .await
        .unwrap();
    let asked = Instant::now();
    turn.interrupt();
    let seen = finish(turn, Vec::new()).await;
    assert_eq!(seen.end.outcome, TurnOutcome::Interrupted);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    agent.close().await;
}

async fn a_turn_that_is_dropped_leaves_nothing(back_end: BackEnd) {
    let mark = mark(tag(back_end, 2));
    let world = World::new(back_end, sleeping(&mark)).await;
    let mut agent = world.agent();
    let mut turn = agent.start_turn(world.request("r/1", "sleep"));
    until(&mut turn, starts_command).await;
    process_with(&format!("sleep {mark}")).await;
    drop(turn);
    no_process_with(&format!("sleep {mark}"), Duration::from_secs(5)).await;
    agent.close().await;
}

/// The agent's own processes: those whose environment names the home of this world.
fn codex_processes(world: &World) -> Vec<rustix::process::Pid> {
    let home = format!("CODEX_HOME={}", world.home.path().display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
        let is_codex = program == world.program.path().canonicalize().unwrap();
        if is_codex
            && environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == home.as_bytes())
        {
            found.extend(rustix::process::Pid::from_raw(pid));
        }
    }
    found
}

async fn an_agent_that_is_killed_is_a_crash(back_end: BackEnd) {
    let script = ModelScript::default()
        .rule(Rule::new("ask", Reply::Silence))
        .turn("again", [Reply::done("awake")]);
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let turn = agent.start_turn(world.request("r/1", "ask"));
    tokio::time::timeout(Duration::from_secs(20), world.model.wait_for_requests(1))
        .await
        .unwrap();
    let processes = codex_processes(&world);
    assert!(!processes.is_empty());
    for pid in processes {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    let seen = finish(turn, Vec::new()).await;
    assert_eq!(seen.class(), AgentFailureClass::Crashed);
    // The next turn has a new process.
    let seen = take(&mut agent, world.request("r/2", "again")).await;
    Report::parse(seen.answer(), "r/2").unwrap();
    agent.close().await;
}

async fn a_conversation_goes_on_after_an_interrupt(back_end: BackEnd) {
    let mark = mark(tag(back_end, 3));
    let world = World::new(back_end, sleeping(&mark)).await;
    let mut agent = world.agent();
    let mut turn = agent.start_turn(world.request("r/1", "sleep"));
    let before = until(&mut turn, starts_command).await;
    turn.interrupt();
    let interrupted = finish(turn, before).await;
    let mut request = world.request("r/2", "again");
    request.thread = ThreadChoice::Resume(interrupted.thread());
    let seen = take(&mut agent, request).await;
    Report::parse(seen.answer(), "r/2").unwrap();
    assert!(seen.resumed());
    assert_eq!(seen.thread(), interrupted.thread());
    agent.close().await;
}

async fn a_command_left_in_the_background_does_not_outlive_the_turn(back_end: BackEnd) {
    let mark = mark(tag(back_end, 4));
    // Codex stops waiting for a command after `yield_time_ms`, and goes on beside it.
    let left = Reply::Call {
        name: "exec_command".to_owned(),
        namespace: None,
        arguments: serde_json::json!({ "cmd": format!("sleep {mark}; echo late > late.txt"), "yield_time_ms": 300 }),
    };
    let script = ModelScript::default().turn("leave it", [left, Reply::done("left")]);
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let seen = take(&mut agent, world.request("r/1", "leave it")).await;
    Report::parse(seen.answer(), "r/1").unwrap();
    no_process_with(&format!("sleep {mark}"), Duration::from_secs(1)).await;
    agent.close().await;
}

async fn a_caller_that_takes_no_events_loses_none(back_end: BackEnd) {
    let commands = (0..40).map(|number| Reply::Shell(format!("echo {number}")));
    let script = ModelScript::default().turn("chatter", commands.chain([Reply::done("said it all")]));
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let turn = agent.start_turn(world.request("r/1", "chatter"));
    // Until the agent is held up, or through: there are more events than may wait.
    let _ = tokio::time::timeout(Duration::from_secs(10), world.model.wait_for_requests(41)).await;
    let seen = finish(turn, Vec::new()).await;
    Report::parse(seen.answer(), "r/1").unwrap();
    assert_eq!(seen.commands().len(), 40);
    agent.close().await;
}
