//! Runners that are killed without a word, and the ones that take up what they left.

use std::time::Duration;

use ledger_core::{CheckPurpose, Effect, Event, Observation};
use testkit::model_server::{ModelScript, Reply};

use crate::processes::assert_none_below;
use crate::unconfined::Codex;
use crate::world::{BackEnd, Terms, WRITE, World, honest_script, shell, through_both};

through_both!(
    a_runner_killed_in_the_middle_of_a_command_is_taken_up_and_delivers_once,
    a_turn_that_had_ended_when_the_runner_was_killed_is_not_taken_again,
    a_turn_whose_end_was_never_recorded_is_read_from_the_agents_log,
    a_command_that_was_never_recorded_is_read_from_the_agents_log_and_stops_the_run,
);

const TICKET: &str = "0001-say-hello";

fn a_runner_killed_in_the_middle_of_a_command_is_taken_up_and_delivers_once(back_end: BackEnd) {
    let script = ModelScript::default().turn(WRITE, [shell("echo hel > hello.txt; sleep 600")]);
    let world = World::new(back_end, Terms::default(), script);
    let running = world.start_foil(&["run"]);
    world.wait_for_event(TICKET, "a command of the worker", is_command);
    running.kill();
    assert_none_below(world.root(), Duration::from_secs(10));
    world.model.set_script(honest_script());

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["outcome"], "done", "{packet:#}");
    let lost = world.events(TICKET).into_iter().filter(|event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::Lost { .. },
                ..
            }
        )
    });
    assert_eq!(lost.count(), 1, "the broken turn is recorded as lost");
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

/// Slow once the worker has written, so that the runner can be killed before the result is there.
const SLOW_CHECK: Terms = Terms {
    check: "test ! -e hello.txt || { sleep 2; grep -qx hello hello.txt; }",
    more: "",
    retries: 0,
    silence: Duration::from_secs(60),
    clean: false,
    codex: Codex::AsItIs,
};

/// A world whose runner was killed after the worker's turn and before the first check of its result had ended.
fn killed_before_the_first_check_ended(back_end: BackEnd) -> World {
    let world = World::new(back_end, SLOW_CHECK, honest_script());
    let running = world.start_foil(&["run"]);
    world.wait_for_event(TICKET, "the end of the turn", is_end_of_turn);
    running.kill();
    let events = world.events(TICKET);
    let after_turn = events.iter().skip_while(|event| !is_end_of_turn(event));
    let checked = after_turn.filter(|event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::ChecksRan { .. },
                ..
            }
        )
    });
    assert_eq!(checked.count(), 0, "killed too late: {events:#?}");
    world
}

fn a_turn_that_had_ended_when_the_runner_was_killed_is_not_taken_again(back_end: BackEnd) {
    let world = killed_before_the_first_check_ended(back_end);

    world.foil(&["run"]).succeeds();

    assert_one_turn_and_one_delivery(&world);
}

fn a_turn_whose_end_was_never_recorded_is_read_from_the_agents_log(back_end: BackEnd) {
    let world = killed_before_the_first_check_ended(back_end);
    assert_none_below(world.root(), Duration::from_secs(10));
    // As if the power had gone before the runner wrote down what it saw of the turn. The agent's own log is there.
    cut_before_what_was_seen_of_the_turn(&world);

    world.foil(&["run"]).succeeds();

    assert_one_turn_and_one_delivery(&world);
}

fn a_command_that_was_never_recorded_is_read_from_the_agents_log_and_stops_the_run(back_end: BackEnd) {
    let script = ModelScript::default().turn(WRITE, [shell("git push origin HEAD"), Reply::done("pushed")]);
    let world = World::new(back_end, Terms::default(), script);
    world.foil(&["run"]).ends_with(10);
    // As if the power had gone before the runner wrote down what it saw of the turn.
    cut_before_what_was_seen_of_the_turn(&world);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_eq!(packet["blocker"]["code"], "unsafe_action", "{packet:#}");
    assert_eq!(world.journals(TICKET).len(), 1, "it is the same run");
}

/// Leaves of the journal what stood there when the first turn began.
fn cut_before_what_was_seen_of_the_turn(world: &World) {
    let journal = world.journals(TICKET).remove(0);
    let text = std::fs::read_to_string(&journal).unwrap();
    let intent = world
        .events(TICKET)
        .iter()
        .position(|event| matches!(event, Event::Intended(Effect::TakeTurn { .. })));
    let kept: String = text.split_inclusive('\n').take(intent.unwrap() + 1).collect();
    std::fs::write(&journal, kept).unwrap();
}

fn assert_one_turn_and_one_delivery(world: &World) {
    let requests = world.requests_for(WRITE);
    let steps: Vec<_> = requests.iter().map(|request| request.step).collect();
    assert_eq!(steps, [0, 1], "one command and one report: no second turn");
    let proofs = world.events(TICKET).into_iter().filter(|event| {
        let purpose = CheckPurpose::Proof;
        matches!(event, Event::Intended(Effect::RunChecks { purpose: found, .. }) if *found == purpose)
    });
    assert!(proofs.count() >= 1);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn is_end_of_turn(event: &Event) -> bool {
    matches!(
        event,
        Event::Observed {
            observation: Observation::TurnEnded { .. },
            ..
        }
    )
}

pub(crate) fn is_command(event: &Event) -> bool {
    matches!(event, Event::Activity(ledger_core::Activity::CommandStarted { .. }))
}
