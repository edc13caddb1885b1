//! Rounds of one task, with the real Codex as advisor and worker.

use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REVIEW, Terms, World, shell, through_both};

through_both!(each_task_is_done_in_a_turn_of_its_own_until_the_advisor_says_done,);

const TICKET: &str = "0001-say-hello";

/// Words of an advisor's prompt after the first round.
const NEXT: &str = "# What is next for ticket 0001-say-hello";

fn task(what: &str) -> Reply {
    Reply::advice([("what", what.into()), ("files", vec!["hello.txt"].into())])
}

fn each_task_is_done_in_a_turn_of_its_own_until_the_advisor_says_done(back_end: BackEnd) {
    let once = |reply| Rule {
        times: Some(1),
        ..Rule::new(NEXT, reply)
    };
    let script = ModelScript::default()
        .rule(once(task("write the file badly")))
        .rule(once(task("mend the greeting")))
        .rule(Rule::new(NEXT, Reply::advice([("next", "done".into())])))
        .turn(
            "mend the greeting",
            [shell("echo hello > hello.txt"), Reply::done("mended it")],
        )
        .turn(
            "write the file badly",
            [shell("echo hullo > hello.txt"), Reply::done("wrote it")],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")));
    let terms = Terms {
        // It says nothing of the base, on which there is no greeting.
        check: "grep -qx hello hello.txt",
        more: "",
        ..Terms::default()
    };
    let world = World::without_tickets(back_end, terms, script);
    let policy = std::fs::read_to_string(world.repository.join("counterfoil.toml")).unwrap();
    world.write(
        "counterfoil.toml",
        &policy.replace("[[check]]\n", "[[check]]\nbaseline = \"off\"\n"),
    );
    world.git(&["commit", "--quiet", "--all", "-m", "say nothing of the base"]);
    world.foil(&["trust"]).succeeds();
    world.add_ticket(
        "Say hello",
        TICKET,
        "allowed = [\"hello.txt\"]",
        "mode = \"bounded_rounds\"",
    );

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    let rounds: Vec<_> = packet["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|round| {
            (
                round["task"]["what"].as_str().unwrap(),
                round["failed"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(rounds, [("write the file badly", 1), ("mend the greeting", 0)]);
    assert_eq!(world.requests_for(NEXT).len(), 3);
    world.assert_delivered(TICKET, "hello.txt", "hello\n");
}
