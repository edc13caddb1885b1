//! Rounds: one task at a time, by what the checks show.

use ledger_core::{Event, IterationCause, Observation};
use serde_json::{Value, json};

use crate::common::{Said, World};
use crate::world::{CONTRACT, TICKET, approved_with, begin, journaled, json};

const BRANCH: &str = "foil/0001-hello";

/// Two checks, each about one line, which say nothing of the base.
const CHECKS: &str = "[[check]]\nname = \"one\"\nrun = \"grep -q one hello.txt\"\nsandbox = \"off\"\nbaseline = \"off\"\n\
    [[check]]\nname = \"two\"\nrun = \"grep -q two hello.txt\"\nsandbox = \"off\"\nbaseline = \"off\"\n";

/// A turn of the writer that writes this, where it is told this task.
fn writes(turn: u32, told: &str, text: &str) -> String {
    format!(
        "role = \"writer\"\nturn = {turn}\nprompt_contains = \"{told}\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\"\n\
         [answer]\nreport = {{ status = \"in_progress\", summary = \"wrote {turn}\" }}\n"
    )
}

/// An advisor's answer with these fields, at its turn.
fn advice(turn: u32, fields: &str) -> String {
    format!("role = \"advisor\"\nturn = {turn}\n[answer]\nadvice = {{ {fields} }}\n")
}

fn task(what: &str) -> String {
    format!("what = \"{what}\", files = [\"hello.txt\"], proof = [\"the checks\"]")
}

const DONE: &str = "next = \"done\"";

/// A world in which these scripts are followed, the first that fits.
fn world(limits: &str, scripts: &[String]) -> World {
    let contract = format!(
        "{}{limits}",
        CONTRACT.replace("mode = \"standard\"", "mode = \"bounded_rounds\"")
    );
    approved_with(&scripts[0], &contract, |world| {
        for (index, script) in scripts[1..].iter().enumerate() {
            std::fs::write(world.folder().join(format!("scripts/round-{index:02}.toml")), script).unwrap();
        }
        let policy = world.read("counterfoil.toml");
        let (agent, _) = policy.split_once("[[check]]").unwrap();
        world.write("counterfoil.toml", format!("{agent}{CHECKS}"));
    })
}

fn run(world: &World) -> (Said, Value) {
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

fn asked(world: &World) -> usize {
    let is_advice = |event: &&Event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::AdviceEnded { .. },
                ..
            }
        )
    };
    journaled(world).iter().filter(is_advice).count()
}

fn begun(world: &World) -> usize {
    let is_round = |event: &&Event| {
        matches!(
            event,
            Event::IterationStarted {
                cause: IterationCause::Round { .. },
                ..
            }
        )
    };
    journaled(world).iter().filter(is_round).count()
}

fn assert_not_delivered(world: &World) {
    assert_eq!(world.git(&["for-each-ref", &format!("refs/heads/{BRANCH}")]), "");
}

#[test]
fn each_round_is_one_task_and_done_with_passing_checks_is_the_end_of_them() {
    let world = world(
        "",
        &[
            writes(1, "say one", "one\\n"),
            writes(2, "say two", "one\\ntwo\\n"),
            advice(1, &task("say one")),
            advice(2, &task("say two")),
            advice(3, DONE),
        ],
    );
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    let rounds: Vec<_> = packet["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|round| json!([round["n"], round["task"]["what"], round["failed"]]))
        .collect();
    assert_eq!(rounds, [json!([1, "say one", ["two"]]), json!([2, "say two", []])]);
    assert_eq!(world.git(&["show", &format!("{BRANCH}:hello.txt")]), "one\ntwo");
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/result.md")]);
    let (_, rounds) = record.split_once("## Rounds").unwrap();
    crate::seen!(
        "rounds_in_the_record",
        rounds.split_once("## Skipped checks").unwrap().0
    );
    assert!(world.foil(&["review", TICKET]).stdout.contains("## Rounds"));
    assert!(world.foil(&["review", TICKET, "--html"]).stdout.contains("<h2>Rounds"));
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    let told = world.foil(&["events", TICKET]).stdout;
    let lines: Vec<_> = told
        .lines()
        .filter(|line| line.contains("advisor") || line.contains("round "))
        .collect();
    crate::seen!("rounds_in_the_events", lines.join("\n"));
}

#[test]
fn a_round_that_breaks_what_passed_before_it_ends_the_run_and_the_earlier_tree_is_kept() {
    let world = world(
        "",
        &[
            writes(1, "say one", "one\\n"),
            writes(2, "say two", "two\\n"),
            advice(1, &task("say one")),
            advice(2, &task("say two")),
        ],
    );
    let (said, packet) = run(&world);
    assert_eq!(said.code, Some(10), "{said}");
    assert_eq!(packet["blocker"]["code"], "proof_failed", "{said}");
    let tree = packet["rounds"][0]["tree"].as_str().unwrap();
    assert_eq!(
        packet["blocker"]["reason"],
        format!("round 2 broke the check `one`, which passed before it on tree {tree} of round 1, and that is kept")
    );
    assert_eq!(world.git(&["show", &format!("{tree}:hello.txt")]), "one");
    assert_not_delivered(&world);
}

#[test]
fn rounds_end_at_their_limit() {
    let always = format!("role = \"advisor\"\n[answer]\nadvice = {{ {} }}\n", task("say more"));
    let world = world(
        "[limits]\nmax_rounds = 2\n",
        &[
            writes(1, "say more", "one\\n"),
            writes(2, "say more", "one\\ntwo\\n"),
            always,
        ],
    );
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "max_iterations", "{said}");
    assert_eq!(
        packet["blocker"]["reason"],
        "2 rounds were not enough; the advisor would go on with: say more"
    );
    assert_eq!(begun(&world), 2);
    assert_not_delivered(&world);
}

#[test]
fn what_cannot_be_followed_is_asked_for_again_and_ends_the_run_in_the_end() {
    let outside = "what = \"x\", files = [\"elsewhere.txt\"], proof = [\"y\"]";
    for (fields, code, times) in [
        (outside, "scope_violation", 3),
        (
            "what = \"x\", files = [\"counterfoil.toml\"], proof = [\"y\"]",
            "protected_path_changed",
            3,
        ),
        ("next = \"stop\", why = \"no key\"", "agent_blocked", 1),
    ] {
        let always = format!("role = \"advisor\"\n[answer]\nadvice = {{ {fields} }}\n");
        let world = world("", &[writes(1, "", "one\\n"), always]);
        let (said, packet) = run(&world);
        assert_eq!(packet["blocker"]["code"], code, "{said}");
        assert_eq!((asked(&world), begun(&world)), (times, 0));
    }
    let world = world(
        "",
        &[
            writes(1, "say both", "one\\ntwo\\n"),
            advice(1, outside),
            advice(2, &task("say both")),
            advice(3, DONE),
        ],
    );
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
}

#[test]
fn done_beside_a_failing_check_is_asked_about_again() {
    let world = world(
        "",
        &[
            writes(1, "say one", "one\\n"),
            writes(2, "say two", "one\\ntwo\\n"),
            advice(1, &task("say one")),
            advice(2, DONE),
            advice(3, &task("say two")),
            advice(4, DONE),
        ],
    );
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!((asked(&world), begun(&world)), (4, 2));
}

#[test]
fn an_advisor_that_writes_or_does_what_is_denied_ends_the_run() {
    for (steps, code) in [
        (
            "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"mine\"\n",
            "tree_mismatch",
        ),
        (
            "[[step]]\ndo = \"command\"\ncommand = \"terraform apply\"\n",
            "unsafe_action",
        ),
    ] {
        let script = format!(
            "role = \"advisor\"\n{steps}[answer]\nadvice = {{ {} }}\n",
            task("say one")
        );
        let world = world("", &[writes(1, "", "one\\n"), script]);
        let (said, packet) = run(&world);
        assert_eq!(packet["blocker"]["code"], code, "{said}");
        assert_eq!(begun(&world), 0);
    }
}

#[test]
fn a_runner_killed_in_a_round_goes_on_with_the_same_task() {
    let world = world(
        "",
        &[
            "role = \"writer\"\n[end]\nnever = true\n".to_owned(),
            advice(1, &task("say both")),
            advice(2, DONE),
        ],
    );
    begin(&world, TICKET, TICKET, crate::world::WRITES).killed();
    let writer = writes(1, "say both", "one\\ntwo\\n").replace("turn = 1\n", "");
    std::fs::write(world.folder().join("scripts/writer.toml"), writer).unwrap();
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!((asked(&world), begun(&world)), (2, 1));
}

#[test]
fn rounds_need_a_check_and_a_limit_that_means_something() {
    let world = world("", &[writes(1, "", "one\\n")]);
    let policy = world.read("counterfoil.toml");
    let (agent, _) = policy.split_once("[[check]]").unwrap();
    world.write("counterfoil.toml", agent);
    world.commit_all("Without checks");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["explain", TICKET]);
    assert!(
        said.stdout
            .contains("contract: the mode goes by what checks show, and neither policy nor ticket has one"),
        "{said}"
    );
    world.ticket(
        "0002-other",
        "title = \"a\"\n[scope]\nallowed = [\"a\"]\n[limits]\nmax_rounds = 3\n",
    );
    let said = world.foil(&["check", "0002-other"]);
    assert!(
        said.stderr
            .contains("a ticket in mode `standard` does not go in rounds"),
        "{said}"
    );
}
