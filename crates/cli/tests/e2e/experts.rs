//! Experts, as the real Codex answers for them.

use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REPAIR, REVIEW, Terms, WRITE, World, shell, through_both};

through_both!(what_an_expert_refuses_is_repaired_and_judged_anew_by_it,);

const TICKET: &str = "0001-say-hello";

/// How the prompts of the experts begin that the ticket names.
const SECURITY: &str = "# Expert: security";
const TEST: &str = "# Expert: test";

fn what_an_expert_refuses_is_repaired_and_judged_anew_by_it(back_end: BackEnd) {
    let finding = serde_json::json!([{
        "severity": "high", "place": "hello.txt:1", "expected": "no name of the machine", "actual": "it says one",
        "required_repair": "leave the name out",
    }]);
    let refused = Reply::expert([
        ("recommendation", "repair".into()),
        ("summary", "It names the machine.".into()),
        ("findings", finding),
    ]);
    let script = ModelScript::default()
        .turn(REPAIR, [shell("echo hello > hello.txt"), Reply::done("left it out")])
        .turn(
            WRITE,
            [shell("echo hello machine > hello.txt"), Reply::done("said hello")],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")))
        .rule(Rule {
            times: Some(1),
            ..Rule::new(SECURITY, refused)
        })
        .rule(Rule::new(
            SECURITY,
            Reply::expert([("summary", "Nothing of mine.".into())]),
        ));
    let terms = Terms {
        check: "true",
        ..Terms::default()
    };
    let world = World::without_tickets(back_end, terms, script);
    world.add_ticket(
        "Say hello",
        TICKET,
        "allowed = [\"hello.txt\"]",
        "experts = [\"security\", \"test\"]",
    );

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_eq!(
        (&packet["iterations"], &packet["repair_rounds"]),
        (&2.into(), &1.into()),
        "{packet:#}"
    );
    let said: Vec<_> = packet["experts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|expert| (expert["expert"].as_str().unwrap(), expert["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("test", "pass"), ("security", "pass")]);
    let asked = world.requests_for(SECURITY);
    assert_eq!(asked.len(), 2, "once about each tree");
    assert!(asked[1].prompt.contains("leave the name out"), "{}", asked[1].prompt);
    assert_eq!(
        world.requests_for(TEST).len(),
        0,
        "what is answered by itself is not seen"
    );
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}
