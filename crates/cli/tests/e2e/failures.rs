//! Models that refuse, break off or never answer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Activity, Event};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::processes::assert_none_below;
use crate::world::{BackEnd, Terms, WRITE, World, honest_script, shell, through_both};

through_both!(
    refusals_and_a_cut_stream_that_codex_outlasts_cost_no_turn,
    turns_that_fail_by_the_provider_are_taken_again,
    a_refused_login_blocks_at_once_and_the_run_goes_on_once_it_is_accepted,
    an_exhausted_subscription_blocks_at_once,
    the_end_of_a_limit_is_read_from_what_codex_says,
    an_unknown_model_blocks_at_once,
    a_request_that_is_refused_blocks_at_once,
    a_prompt_that_fits_into_no_conversation_blocks_after_two,
    a_model_that_never_answers_ends_in_a_timeout_without_a_process_left,
);

const TICKET: &str = "0001-say-hello";

/// The script, answering the first requests of the writer with these instead.
fn after(replies: impl IntoIterator<Item = Reply>, script: ModelScript) -> ModelScript {
    let first = replies.into_iter().fold(ModelScript::default(), |before, reply| {
        before.rule(Rule {
            times: Some(1),
            ..Rule::new(WRITE, reply)
        })
    });
    script.rules.into_iter().fold(first, ModelScript::rule)
}

fn refusals_and_a_cut_stream_that_codex_outlasts_cost_no_turn(back_end: BackEnd) {
    // Codex gives a limited request another try only where it is told when to come back.
    let limited = Reply::Status {
        status: 429,
        body: None,
        retry_after: Some(1),
    };
    let refusals = [limited, Reply::status(503), Reply::Cut];
    let terms = Terms {
        retries: 4,
        ..Terms::default()
    };
    let world = World::new(back_end, terms, after(refusals, honest_script()));

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["iterations"], 1, "{packet:#}");
    assert_eq!(
        world.requests_for(WRITE).len(),
        5,
        "three that fail, a command, a report"
    );
    let told = world
        .events(TICKET)
        .into_iter()
        .any(|event| matches!(event, Event::Activity(Activity::Retrying { .. })));
    assert!(told, "the journal tells of requests that are made again");
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn turns_that_fail_by_the_provider_are_taken_again(back_end: BackEnd) {
    let world = World::new(
        back_end,
        Terms::default(),
        after([Reply::status(500), Reply::Cut], honest_script()),
    );

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["iterations"], 3, "{packet:#}");
    assert_eq!(world.requests_for(WRITE).len(), 4);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

/// Fails unless the only answer of the model blocks the run at once.
fn assert_blocks_at_once(back_end: BackEnd, reply: Reply, code: &str) -> World {
    let script = ModelScript::default().rule(Rule::new(WRITE, reply));
    let world = World::new(back_end, Terms::default(), script);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_eq!(packet["blocker"]["code"], code, "{packet:#}");
    assert_eq!(packet["iterations"], 1);
    assert_eq!(world.model.requests().len(), 1, "no further turn");
    assert_none_below(world.root(), Duration::from_secs(5));
    assert_eq!(world.git(&["branch", "--list", "foil/*"]), "");
    world
}

fn a_refused_login_blocks_at_once_and_the_run_goes_on_once_it_is_accepted(back_end: BackEnd) {
    let world = assert_blocks_at_once(back_end, Reply::status(401), "agent_auth");
    world.model.set_script(honest_script());

    world.foil(&["run", TICKET]).succeeds();

    // One journal: it is the same run.
    assert_eq!(world.journals(TICKET).len(), 1);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn an_exhausted_subscription_blocks_at_once(back_end: BackEnd) {
    assert_blocks_at_once(back_end, Reply::usage_limit(), "agent_rate_limited");
}

/// Codex says it in words alone.
fn the_end_of_a_limit_is_read_from_what_codex_says(back_end: BackEnd) {
    for wait in [Duration::from_secs(40 * 60), Duration::from_secs(50 * 3600)] {
        let end = Timestamp::now() + wait;
        let script = ModelScript::default().rule(Rule::new(WRITE, Reply::usage_limit_until(end.as_second())));
        let world = World::new(back_end, Terms::default(), script);

        let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

        let blocker = &packet["blocker"];
        assert_eq!(blocker["code"], "agent_rate_limited", "{packet:#}");
        let retry: Timestamp = blocker["retry_at"].as_str().expect("a time").parse().unwrap();
        let late = retry.duration_since(end);
        assert!(!late.is_negative() && late <= SignedDuration::from_mins(1), "{blocker}");
    }
}

fn a_request_that_is_refused_blocks_at_once(back_end: BackEnd) {
    assert_blocks_at_once(back_end, Reply::status(400), "agent_refused");
}

fn a_prompt_that_fits_into_no_conversation_blocks_after_two(back_end: BackEnd) {
    let full = Reply::Failed {
        code: "context_length_exceeded".to_owned(),
        message: "too long".to_owned(),
    };
    let script = ModelScript::default().rule(Rule::new(WRITE, full));
    let world = World::new(back_end, Terms::default(), script);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_eq!(packet["blocker"]["code"], "context_over_budget", "{packet:#}");
    assert_eq!(packet["iterations"], 2, "{packet:#}");
}

/// Through the app-server alone: `codex exec` says what was spent once a turn has ended.
#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn a_budget_is_overshot_by_one_request_at_the_most() {
    // Each answer claims 110 tokens, so that the third spends more than there are.
    let commands = (0..40).map(|round| shell(&format!("echo {round} >> hello.txt; sleep 0.2")));
    let script = ModelScript::default().turn(WRITE, commands);
    let terms = Terms {
        more: "[limits]\nmax_tokens = 250\n",
        ..Terms::default()
    };
    let world = World::new(BackEnd::AppServer, terms, script);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_eq!(packet["blocker"]["code"], "budget_exhausted", "{packet:#}");
    let requests = world.requests_for(WRITE).len();
    assert!((3..=4).contains(&requests), "{requests} requests: {packet:#}");
    let spent = packet["tokens"]["total"].as_u64().unwrap();
    assert!((330..=440).contains(&spent), "{packet:#}");
    assert_none_below(world.root(), Duration::from_secs(5));
}

fn an_unknown_model_blocks_at_once(back_end: BackEnd) {
    assert_blocks_at_once(back_end, Reply::unknown_model("gpt-5.5"), "agent_model_unavailable");
}

fn a_model_that_never_answers_ends_in_a_timeout_without_a_process_left(back_end: BackEnd) {
    // The worker has left something running before the model falls silent.
    let script = ModelScript::default().turn(
        WRITE,
        [
            shell("setsid sleep 600 >/dev/null 2>&1 & echo hello > hello.txt"),
            Reply::Silence,
        ],
    );
    let terms = Terms {
        more: "[limits]\nturn_timeout = \"6s\"\n",
        ..Terms::default()
    };
    let world = World::new(back_end, terms, script);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_eq!(packet["blocker"]["code"], "turn_timeout", "{packet:#}");
    assert_eq!(world.model.requests().len(), 2, "no further turn");
    assert_none_below(world.root(), Duration::from_secs(5));
}
