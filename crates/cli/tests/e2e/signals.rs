//! Signals in the middle of a turn.

use std::time::Duration;

use ledger_core::{Event, PauseCause};
use testkit::model_server::ModelScript;

use crate::crashes::is_command;
use crate::processes::assert_none_below;
use crate::world::{BackEnd, Terms, WRITE, World, honest_script, shell, through_both};

through_both!(
    an_interrupted_run_leaves_at_once_and_goes_on_later,
    a_terminated_run_leaves_at_once_and_goes_on_later,
);

fn an_interrupted_run_leaves_at_once_and_goes_on_later(back_end: BackEnd) {
    assert_leaves_and_goes_on(back_end, "INT", 130, PauseCause::Interrupt);
}

fn a_terminated_run_leaves_at_once_and_goes_on_later(back_end: BackEnd) {
    assert_leaves_and_goes_on(back_end, "TERM", 143, PauseCause::Terminate);
}

const TICKET: &str = "0001-say-hello";

fn assert_leaves_and_goes_on(back_end: BackEnd, signal: &str, code: i32, cause: PauseCause) {
    let script = ModelScript::default().turn(WRITE, [shell("echo hel > hello.txt; sleep 600")]);
    let world = World::new(back_end, Terms::default(), script);
    let running = world.start_foil(&["run"]);
    world.wait_for_event(TICKET, "a command of the worker", is_command);

    running.signal(signal);

    running.ends_within(Duration::from_secs(2)).ends_with(code);
    assert_none_below(world.root(), Duration::from_millis(500));
    let paused = |event: &Event| matches!(event, Event::Paused { cause: found } if *found == cause);
    assert!(world.events(TICKET).iter().any(paused), "the journal tells why");
    world.model.set_script(honest_script());
    world.foil(&["run"]).succeeds();
    assert_eq!(world.journals(TICKET).len(), 1, "it is the same run");
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}
