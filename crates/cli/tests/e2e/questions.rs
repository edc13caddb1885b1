//! A question of the real Codex', answered by a person.

use serde_json::json;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REVIEW, Terms, WRITE, World, shell, through_both};

through_both!(a_question_is_answered_and_the_same_conversation_goes_on,);

const TICKET: &str = "0001-say-hello";

/// Words of the prompt that has the answer, for the worker and for the reviewer.
const ANSWERED: &str = "~~~~ a person's answer\nhello\n~~~~";

fn asks() -> Reply {
    let question = json!([{ "text": "Which greeting?", "choices": ["hullo", "hello"], "default": "hullo" }]);
    let fields = [
        ("status", json!("blocked")),
        ("summary", json!("wrote a first one")),
        ("question", question),
    ];
    Reply::Report(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

fn a_question_is_answered_and_the_same_conversation_goes_on(back_end: BackEnd) {
    let script = ModelScript::default()
        .turn(
            "## Answers to your questions",
            [shell("echo hello > hello.txt"), Reply::done("as answered")],
        )
        .turn(WRITE, [shell("echo hullo > hello.txt"), asks()])
        .rule(Rule::new(REVIEW, Reply::pass("it says what was answered")));
    let world = World::new(back_end, Terms::default(), script);

    let stopped = world.foil(&["run", "--json"]);
    assert_eq!(stopped.status.code(), Some(10), "{stopped:?}");
    assert_eq!(stopped.packet()["blocker"]["code"], "answer_needed");
    world.foil(&["answer", TICKET, "--choice", "2"]).succeeds();
    let packet = world.foil(&["run", TICKET, "--json"]).succeeds().packet();

    assert_eq!(
        (&packet["iterations"], &packet["questions"][0]["answer"]["text"]),
        (&2.into(), &"hello".into())
    );
    assert!(!world.requests_for(ANSWERED).is_empty(), "the worker is told");
    let told = world.requests_for(REVIEW);
    assert!(
        told.iter().all(|request| request.prompt.contains(ANSWERED)),
        "the reviewer is told"
    );
    let resumed = world.requests_for("## Answers to your questions");
    assert!(
        resumed
            .iter()
            .any(|request| request.body.to_string().contains("wrote a first one")),
        "the conversation goes on"
    );
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}
