//! Turns after the first: checks that fail, reports that are none, reviewers who refuse.

use ledger_core::{Effect, Event, TurnPurpose};
use serde_json::json;
use testkit::hygiene::Plant;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{
    BackEnd, CHECKS_FAILED, CURATION, REPAIR, REPORT_AGAIN, REVIEW, Terms, WRITE, World, honest_script, shell,
    through_both,
};

through_both!(
    the_model_that_is_named_takes_the_place_of_the_policys,
    the_end_of_a_failing_check_reaches_the_next_turn_of_the_same_conversation,
    a_report_out_of_form_is_asked_for_once_more_in_the_same_conversation,
    what_the_reviewer_refuses_is_repaired_and_reviewed_anew,
    a_curator_of_its_own_notes_what_is_worth_knowing,
    what_a_worker_says_of_the_machine_is_shown_nowhere,
);

const TICKET: &str = "0001-say-hello";

fn the_model_that_is_named_takes_the_place_of_the_policys(back_end: BackEnd) {
    let world = World::new(back_end, Terms::default(), honest_script());

    world.foil(&["run", "--model", "gpt-5.4"]).succeeds();

    let models: Vec<_> = world
        .model
        .requests()
        .into_iter()
        .map(|request| request.body["model"].clone())
        .collect();
    assert!(
        !models.is_empty() && models.iter().all(|model| model == "gpt-5.4"),
        "{models:?}"
    );
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn the_end_of_a_failing_check_reaches_the_next_turn_of_the_same_conversation(back_end: BackEnd) {
    let script = ModelScript::default()
        .turn(CHECKS_FAILED, [shell("echo hello > hello.txt"), Reply::done("mended")])
        .turn(WRITE, [shell("echo hullo > hello.txt"), Reply::done("said hello")])
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let terms = Terms {
        check: "test ! -e hello.txt || grep -qx hello hello.txt || { echo \"greeting is wrong: <$(cat hello.txt)>\"; exit 3; }",
        ..Terms::default()
    };
    let world = World::new(back_end, terms, script);

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["iterations"], 2, "{packet:#}");
    let second = world.requests_for(CHECKS_FAILED);
    assert_eq!(second.len(), 2, "one command and one report");
    assert!(
        second[0].body.to_string().contains("greeting is wrong: <hullo>"),
        "{}",
        second[0].prompt
    );
    assert_same_conversation(&[&world.requests_for(WRITE)[0], &second[0]]);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn a_report_out_of_form_is_asked_for_once_more_in_the_same_conversation(back_end: BackEnd) {
    let script = ModelScript::default()
        .turn(REPORT_AGAIN, [Reply::done("said hello")])
        .turn(
            WRITE,
            [
                shell("echo hello > hello.txt"),
                Reply::Message("I am done, I think.".to_owned()),
            ],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let world = World::new(back_end, Terms::default(), script);

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(packet["iterations"], 1, "{packet:#}");
    let again = world.requests_for(REPORT_AGAIN);
    assert_eq!(again.len(), 1);
    assert_same_conversation(&[&world.requests_for(WRITE)[0], &again[0]]);
    let repairs = world.events(TICKET).into_iter().filter(|event| {
        let purpose = TurnPurpose::RepairReport;
        matches!(event, Event::Intended(Effect::TakeTurn { purpose: found, .. }) if *found == purpose)
    });
    assert_eq!(repairs.count(), 1);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}

fn what_the_reviewer_refuses_is_repaired_and_reviewed_anew(back_end: BackEnd) {
    let refusal = json!({
        "verdict": "fail",
        "summary": "it greets nobody",
        "findings": [{
            "place": "hello.txt:2", "severity": "high", "expected": "a second line that greets the world",
            "actual": "one line only", "required_repair": "add the line `world`",
        }],
    });
    let refusal = Reply::Review(refusal.as_object().unwrap().clone());
    let script = ModelScript::default()
        .turn(
            REPAIR,
            [shell("echo world >> hello.txt"), Reply::done("greeted the world")],
        )
        .turn(WRITE, [shell("echo hello > hello.txt"), Reply::done("said hello")])
        .rule(Rule {
            times: Some(1),
            ..Rule::new(REVIEW, refusal)
        })
        .rule(Rule::new(REVIEW, Reply::pass("it greets the world")));
    let world = World::new(back_end, Terms::default(), script);

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(
        (&packet["repair_rounds"], &packet["verdict"]),
        (&json!(1), &json!("pass"))
    );
    let repair = world.requests_for(REPAIR);
    assert!(
        repair[0].prompt.contains("add the line `world`"),
        "{}",
        repair[0].prompt
    );
    let reviews = world.requests_for(REVIEW);
    assert_eq!(reviews.len(), 2);
    // The writer goes on in its conversation; each reviewer is somebody else.
    let first = &world.requests_for(WRITE)[0];
    assert_same_conversation(&[first, &repair[0]]);
    let threads: std::collections::BTreeSet<_> = [first, &reviews[0], &reviews[1]]
        .iter()
        .map(|request| request.header("thread-id").unwrap())
        .collect();
    assert_eq!(threads.len(), 3);
    world.assert_delivered(TICKET, "hello.txt", "hello\nworld\n");
}

fn a_curator_of_its_own_notes_what_is_worth_knowing(back_end: BackEnd) {
    let note = json!({ "path": "agent/state.md", "kind": "state", "title": "A greeting", "text": "It is in hello.txt.", "source": "hello.txt" });
    let noted = json!({ "notes": [note], "handoff": "Greet the world next." });
    let noted = Reply::Curation(noted.as_object().unwrap().clone());
    let script = ModelScript::default()
        .turn(
            CURATION,
            [shell("cat agent/state.md; echo mine > agent/state.md || true"), noted],
        )
        .turn(WRITE, [shell("echo hello > hello.txt"), Reply::done("said hello")])
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let world = World::new(back_end, Terms::default(), script);
    world.write("agent/state.md", "# State\n");
    world.git(&["add", "agent"]);
    world.git(&["commit", "--quiet", "-m", "remember"]);

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(
        packet["notes"],
        json!(["agent/state.md: state: A greeting"]),
        "{packet:#}"
    );
    let curation = world.requests_for(CURATION);
    assert_eq!(curation.len(), 2, "one command and one answer");
    assert!(curation[1].last_tool_output().unwrap().contains("# State"));
    let threads = [
        &curation[0],
        &world.requests_for(WRITE)[0],
        &world.requests_for(REVIEW)[0],
    ];
    let threads: std::collections::BTreeSet<_> = threads.map(|request| request.header("thread-id").unwrap()).into();
    assert_eq!(threads.len(), 3);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
    let memory = world.git(&["show", "foil/0001-say-hello:agent/state.md"]);
    assert!(
        memory.starts_with("# State\n\n## state: A greeting\n\n> It is in hello.txt.\n\nSource: hello.txt."),
        "{memory}"
    );
}

fn assert_same_conversation(requests: &[&testkit::model_server::RecordedRequest]) {
    let threads: Vec<_> = requests.iter().map(|request| request.header("thread-id")).collect();
    assert!(threads[0].is_some());
    assert!(threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
}

fn what_a_worker_says_of_the_machine_is_shown_nowhere(back_end: BackEnd) {
    let credential = Plant::Credential.value().unwrap();
    let script = ModelScript::default()
        .turn(
            WRITE,
            [
                shell(&format!(
                    "echo hello > hello.txt; pwd; env | grep PLANTED; echo {credential} in $PWD and $HOME/x"
                )),
                Reply::done(&format!("said hello to {credential}")),
            ],
        )
        .rule(Rule::new(REVIEW, Reply::pass(&format!("it says {credential}"))));
    let world = World::new(back_end, Terms::default(), script);

    // Whatever it prints, sends and keeps is looked at by the world itself.
    world.foil(&["run"]).succeeds();
    for words in [
        &["events", TICKET][..],
        &["events", TICKET, "--json"],
        &["logs", TICKET],
        &["logs", TICKET, "--raw", "--all"],
        &["logs", TICKET, "--bundle", "-"],
        &["review", TICKET],
        &["review", TICKET, "--json"],
    ] {
        let told = world.foil(words).succeeds().stdout;
        assert!(told.contains("[secret]"), "{words:?}: {told}");
    }
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}
