//! Turns that fail, each with its class.

use counterfoil_runner::TurnOutcome;
use ledger_core::{Activity, AgentFailureClass, Report};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, World, take, through_both};

through_both!(
    refusals_of_the_provider_have_classes,
    broken_streams_have_classes,
    a_request_that_is_made_again_is_reported,
    a_provider_that_cannot_be_reached_is_a_connection_failure,
    a_turn_after_a_failed_one_goes_on,
);

async fn class_of(back_end: BackEnd, reply: Reply) -> AgentFailureClass {
    let script = ModelScript::default().rule(Rule::new("try", reply));
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let seen = take(&mut agent, world.request("r/1", "try")).await;
    agent.close().await;
    seen.class()
}

async fn refusals_of_the_provider_have_classes(back_end: BackEnd) {
    use AgentFailureClass::*;
    let limited = Reply::Status {
        status: 429,
        body: None,
        retry_after: Some(1),
    };
    let cases = [
        (Reply::status(401), Auth),
        (Reply::status(403), Auth),
        (Reply::status(400), BadRequest),
        (Reply::unknown_model("gpt-9"), ModelUnavailable),
        (limited, RateLimited),
        (Reply::usage_limit(), UsageLimit),
        (Reply::status(500), Server),
        (Reply::status(503), Server),
    ];
    for (reply, class) in cases {
        let what = format!("{reply:?}");
        assert_eq!(class_of(back_end, reply).await, class, "{what}");
    }
}

async fn broken_streams_have_classes(back_end: BackEnd) {
    use AgentFailureClass::*;
    let failed = |code: &str| Reply::Failed {
        code: code.to_owned(),
        message: "scripted".to_owned(),
    };
    let incomplete = Reply::Incomplete {
        reason: "max_output_tokens".to_owned(),
    };
    let cases = [
        (Reply::Cut, Connection),
        (Reply::Stall, Connection),
        (failed("context_length_exceeded"), ContextWindow),
        (failed("insufficient_quota"), UsageLimit),
        (failed("server_is_overloaded"), Server),
        (incomplete, Other),
    ];
    for (reply, class) in cases {
        let what = format!("{reply:?}");
        assert_eq!(class_of(back_end, reply).await, class, "{what}");
    }
}

async fn a_request_that_is_made_again_is_reported(back_end: BackEnd) {
    let script = ModelScript::default()
        .rule(Rule {
            times: Some(1),
            ..Rule::new("try", Reply::Cut)
        })
        .rule(Rule::new("try", Reply::done("at last")));
    let world = World::with_retries(back_end, script, 2).await;
    let mut agent = world.agent();
    let seen = take(&mut agent, world.request("r/1", "try")).await;
    Report::parse(seen.answer(), "r/1").unwrap();
    let retrying = |activity: &Activity| matches!(activity, Activity::Retrying { .. });
    assert!(seen.activities.iter().any(retrying), "{:?}", seen.activities);
    agent.close().await;
}

async fn a_provider_that_cannot_be_reached_is_a_connection_failure(back_end: BackEnd) {
    let world = World::new(back_end, ModelScript::default()).await;
    // A port on which nobody listens any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut agent = world.agent();
    let mut request = world.request("r/1", "try");
    let address = format!("http://{closed}/v1").into();
    request
        .config
        .insert("model_providers.mock.base_url".to_owned(), address);
    let seen = take(&mut agent, request).await;
    assert_eq!(seen.class(), AgentFailureClass::Connection, "{:?}", seen.end);
    agent.close().await;
}

async fn a_turn_after_a_failed_one_goes_on(back_end: BackEnd) {
    let script = ModelScript::default()
        .rule(Rule::new("try", Reply::status(500)))
        .rule(Rule::new("again", Reply::done("recovered")));
    let world = World::new(back_end, script).await;
    let mut agent = world.agent();
    let failed = take(&mut agent, world.request("r/1", "try")).await;
    assert_eq!(failed.class(), AgentFailureClass::Server);
    let mut request = world.request("r/2", "again");
    request.thread = counterfoil_runner::ThreadChoice::Resume(failed.thread());
    let seen = take(&mut agent, request).await;
    assert!(
        matches!(seen.end.outcome, TurnOutcome::Completed { .. }),
        "{:?}",
        seen.end
    );
    assert_eq!(seen.thread(), failed.thread());
    agent.close().await;
}
