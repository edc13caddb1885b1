//! A goal that becomes tickets, and one branch.

use serde_json::{Value, json};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REVIEW, Terms, World, shell, through_both};

through_both!(a_goal_is_planned_approved_and_delivered_on_one_branch);

const GOAL_PROMPT: &str = "# Plan a goal";

fn ticket(id: &str, file: &str) -> Value {
    json!({
        "id": id, "title": format!("Write {file}"), "kind": "feature", "mode": "standard", "experts": [], "depends_on": [],
        "problem": "", "desired": "", "goal": "A greeting", "allowed": [file], "forbidden": [], "out_of_scope": [],
        "acceptance": [{ "given": "", "when": "", "then": "the file is there", "requirements": [] }],
        "checks": [{ "name": format!("{file} is there"), "run": format!("test -s {file}"), "proves": ["AC-1"] }],
        "stop_when": [], "prompt": format!("Write {file}."),
        "specs": { "requirements": "", "design": "", "tasks": "", "delta": "" }, "no_specs_because": "a text file",
    })
}

fn answer(tickets: &[Value]) -> Reply {
    let answer = json!({
        "turn": "{turn}", "status": "planned", "title": "Greetings", "approach": "One after the other.", "tickets": tickets,
        "assumptions": [], "questions": [], "blocked_because": "",
    });
    Reply::Message(answer.to_string())
}

fn a_goal_is_planned_approved_and_delivered_on_one_branch(back_end: BackEnd) {
    // The planner tries to write, and its first answer waits for a ticket that nobody knows.
    let mut unknown = ticket("0001-hello", "hello.txt");
    unknown["depends_on"] = json!(["0099-nobody"]);
    let both = [ticket("0001-hello", "hello.txt"), ticket("0002-bye", "bye.txt")];
    let script = ModelScript::default()
        .rule(Rule {
            step: Some(0),
            ..Rule::new("0099-nobody", answer(&both))
        })
        .turn(GOAL_PROMPT, [shell("ls; echo sly > README"), answer(&[unknown])])
        .turn(
            "# Ticket 0001-hello",
            [shell("echo hello > hello.txt"), Reply::done("written")],
        )
        .turn(
            "# Ticket 0002-bye",
            [shell("cat hello.txt && echo bye > bye.txt"), Reply::done("written")],
        )
        .rule(Rule::new(REVIEW, Reply::pass("as asked")));
    let world = World::without_tickets(back_end, Terms::default(), script);

    let plan = world.foil(&["plan", "Greet people", "--json"]).succeeds().json();

    assert_eq!(plan["package"], "greet-people", "{plan:#}");
    assert_eq!(plan["tickets"].as_array().map(Vec::len), Some(2), "{plan:#}");
    assert!(plan["tokens"]["total"].as_u64() > Some(0), "{plan:#}");
    assert_eq!(world.git(&["status", "--porcelain", "README"]), "");
    world.foil(&["check"]).succeeds();
    world.foil(&["approve", "greet-people"]).succeeds();
    world.foil(&["run", "greet-people"]).succeeds();
    let branches = world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/foil"]);
    assert_eq!(branches, "foil/greet-people");
    assert_eq!(world.git(&["rev-list", "--count", "main..foil/greet-people"]), "4");
    assert_eq!(world.git(&["show", "foil/greet-people:bye.txt"]), "bye");
    world.foil(&["verify"]).succeeds();
}
