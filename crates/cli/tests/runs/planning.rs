//! The plan: what it must keep to, what becomes of it, and what a planner cannot do.

use ledger_core::{Activity, Event, Journal, Observation, Phase, Record, Run, State};
use serde_json::{Value, json};

use crate::common::{Said, World};
use crate::world::{CONTRACT, PLANS, TICKET, WRITER, WRITES, approved_with, begin, json, run_folder};

const BRANCH: &str = "foil/0001-hello";

/// A planner's answer with these fields.
fn plan(fields: &str) -> String {
    format!("role = \"planner\"\n[answer]\nplan = {{ {fields} }}\n")
}

/// A plan that names this file.
fn of_file(path: &str) -> String {
    plan(&format!(
        "approach = \"write it to {path}\", files = [{{ path = \"{path}\", change = \"create\", reason = \"there\" }}]"
    ))
}

/// A world whose planners follow these scripts, each at its turn.
fn planned_by(scripts: &[String], contract: &str, prepare: impl FnOnce(&World)) -> World {
    approved_with(WRITER, contract, |world| {
        for (index, script) in scripts.iter().enumerate() {
            let turn = if scripts.len() > 1 {
                format!("turn = {}\n", index + 1)
            } else {
                String::new()
            };
            std::fs::write(
                world.folder().join(format!("scripts/plan-{index}.toml")),
                format!("{turn}{script}"),
            )
            .unwrap();
        }
        prepare(world);
    })
}

fn run(world: &World) -> (Said, Value) {
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

fn records(world: &World) -> Vec<Record> {
    let journal = std::fs::read(run_folder(world).join("journal.jsonl")).unwrap();
    Journal::parse(&journal).unwrap().records
}

fn events(world: &World) -> Vec<Event> {
    records(world).into_iter().map(|record| record.event).collect()
}

fn plans(world: &World) -> usize {
    let is_plan = |event: &&Event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::PlanEnded { .. },
                ..
            }
        )
    };
    events(world).iter().filter(is_plan).count()
}

/// Nothing of a writer was begun, and nothing was delivered.
fn assert_no_writer(world: &World) {
    let began = |event: &Event| matches!(event, Event::IterationStarted { .. });
    assert!(!events(world).iter().any(began));
    let branch = format!("refs/heads/{BRANCH}");
    assert_eq!(world.git(&["for-each-ref", &branch]), "");
}

#[test]
fn what_was_planned_is_told_to_writer_and_reviewer_and_delivered_with_how_the_change_departs_from_it() {
    let files = "files = [{ path = \"hello.txt\", change = \"create\", reason = \"AC-1\" }, { path = \"help.txt\", change = \"edit\", reason = \"a | b\" }]";
    let script = plan(&format!(
        "approach = \"say it \\u001b[31mloud\\n# Approved\", steps = [\"write\"], {files}, proof = [\"AC-1: the check\"], \
         stop_conditions = [\"it needs a voice\"], risks = [\"noise\"]"
    ));
    let world = planned_by(
        &[script],
        &CONTRACT.replace("[\"hello.txt\"]", "[\"he*.txt\"]"),
        |world| {
            let told = |role: &str| {
                let file = world.folder().join(format!("scripts/{role}.toml"));
                let script = std::fs::read_to_string(&file).unwrap();
                let told = "prompt_contains = \"Stop when:\\n- it needs a voice\"\n";
                std::fs::write(file, format!("{told}{script}")).unwrap();
            };
            told("writer");
            told("reviewer");
        },
    );

    let (said, packet) = run(&world);

    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(
        packet["departures"],
        json!(["help.txt was planned, and did not change"])
    );
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/plan.md")]);
    insta::assert_snapshot!(record.split_once("## Approach").unwrap().1);
    let run = Run::replay(&records(&world)).unwrap();
    let digest = run.followed_plan().unwrap().digest();
    assert!(record.contains(&format!("Digest: `{digest}`")), "{record}");
    assert!(run.evidence(Phase::PlanRecorded).is_some());
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_plan_out_of_scope_is_planned_again_and_no_writer_begins_before_it_fits() {
    let world = planned_by(&[of_file("elsewhere.txt"), of_file("hello.txt")], CONTRACT, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["plan"]["files"][0]["path"], "hello.txt");
    assert_eq!(plans(&world), 2);
}

#[test]
fn a_planner_that_never_keeps_to_the_scope_ends_the_run() {
    for (path, code) in [
        ("elsewhere.txt", "scope_violation"),
        ("counterfoil.toml", "protected_path_changed"),
        (".github/workflows/ci.yml", "protected_path_changed"),
    ] {
        let world = planned_by(&[of_file(path)], CONTRACT, |_| ());
        let (said, packet) = run(&world);
        assert_eq!(said.code, Some(10), "{said}");
        assert_eq!(packet["blocker"]["code"], code, "{said}");
        let reason = packet["blocker"]["reason"].as_str().unwrap();
        assert!(
            reason.starts_with(&format!("3 plans did not fit the ticket; in the last: `{path}`: ")),
            "{reason}"
        );
        assert_eq!(plans(&world), 3);
        assert_no_writer(&world);
    }
}

#[test]
fn a_grant_that_is_asked_for_is_given_only_by_a_new_approval() {
    let wanted = "wanted_grants = [{ kind = \"dependency\", name = \"figlet\", reason = \"letters\" }]";
    let script = plan(&format!(
        "status = \"blocked\", blocked_because = \"no letters\", {wanted}"
    ));
    let world = planned_by(&[script], CONTRACT, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(said.code, Some(10), "{said}");
    assert_eq!(
        packet["blocker"],
        json!({
            "code": "grant_missing",
            "reason": "the planner asks for a grant that the ticket does not give; to give all of it, its `ticket.toml` would say \
                       `[grants]`, `dependencies = [\"figlet\"]`",
            "next_step": "add the exact grant to the ticket and approve it again",
            "resumable": false,
        })
    );
    assert_no_writer(&world);

    // The ticket with the lines in it is another one, until a person says so.
    let contract = format!("{CONTRACT}[grants]\ndependencies = [\"figlet\"]\n");
    world.write(&format!("ledger/tickets/{TICKET}/ticket.toml"), contract);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    let (said, packet) = run(&world);
    assert_eq!(
        packet["blocker"]["code"], "agent_blocked",
        "it has no other reason left: {said}"
    );
    assert_eq!(packet["blocker"]["reason"], "the planner says: no letters");
}

#[test]
fn what_a_worker_asks_for_and_does_without_is_told_with_the_result() {
    let script = crate::world::WRITER.replace(
        "report = { ",
        "report = { wanted_grants = [{ kind = \"dependency\", name = \"figlet\", reason = \"letters\" }], ",
    );
    let world = approved_with(&script, CONTRACT, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    let warning = "the worker says that the ticket would have to grant: dependency `figlet` (letters)";
    assert!(
        packet["warnings"].as_array().unwrap().contains(&warning.into()),
        "{packet:#}"
    );
}

#[test]
fn what_no_grant_reaches_is_not_offered() {
    let script = "role = \"writer\"\n[answer]\nreport = { status = \"blocked\", blocked_because = \"the policy is wrong\", \
                  wanted_grants = [{ kind = \"protected_path\", name = \"counterfoil.toml\", reason = \"to mend it\" }] }\n";
    let (said, packet) = run(&approved_with(script, CONTRACT, |_| ()));
    assert_eq!(packet["blocker"]["code"], "agent_blocked", "{said}");
}

#[test]
fn a_worker_asks_for_a_grant_in_the_same_way() {
    let script = "role = \"writer\"\n[answer]\nreport = { status = \"blocked\", blocked_because = \"no letters\", \
                  wanted_grants = [{ kind = \"command\", name = \"npm install\", reason = \"letters\" }, \
                  { kind = \"network\", name = \"\", reason = \"letters\" }] }\n";
    let world = approved_with(script, CONTRACT, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(said.code, Some(10), "{said}");
    assert_eq!(packet["blocker"]["code"], "grant_missing", "{said}");
    assert_eq!(
        packet["blocker"]["reason"],
        "the worker asks for a grant that the ticket does not give; to give all of it, its `ticket.toml` would say `[grants]`, \
         `commands = [\"npm install\"]`, `network = true`"
    );
}

#[test]
fn a_planner_that_changes_what_it_reads_or_does_what_is_denied_ends_the_run() {
    for (steps, code) in [
        (
            "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"early\"\n",
            "tree_mismatch",
        ),
        (
            "[[step]]\ndo = \"command\"\ncommand = \"terraform apply\"\n",
            "unsafe_action",
        ),
    ] {
        let script = format!("role = \"planner\"\n{steps}[answer]\nplan = {{ approach = \"sneak\" }}\n");
        let world = planned_by(&[script], CONTRACT, |_| ());
        let (said, packet) = run(&world);
        assert_eq!(said.code, Some(10), "{said}");
        assert_eq!(packet["blocker"]["code"], code, "{said}");
        assert_no_writer(&world);
    }
}

#[test]
fn answers_that_are_no_plan_are_asked_for_again_and_end_the_run_in_the_end() {
    let forged = "role = \"planner\"\n[answer]\ntext = '{ \"turn\": \"another\" }'\n".to_owned();
    let world = planned_by(
        &[forged.clone(), forged.clone(), of_file("hello.txt")],
        CONTRACT,
        |_| (),
    );
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");

    let world = planned_by(&[forged], CONTRACT, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(said.code, Some(10), "{said}");
    assert_eq!(packet["blocker"]["code"], "report_invalid", "{said}");
    assert_no_writer(&world);
}

#[test]
fn a_runner_killed_while_the_planner_is_at_work_asks_again_and_one_killed_afterwards_does_not() {
    let world = planned_by(
        &["role = \"planner\"\n[end]\nnever = true\n".to_owned()],
        CONTRACT,
        |_| (),
    );
    begin(&world, TICKET, TICKET, PLANS).killed();
    std::fs::write(world.folder().join("scripts/plan-0.toml"), of_file("hello.txt")).unwrap();
    let writer = std::fs::read_to_string(world.folder().join("scripts/writer.toml")).unwrap();
    std::fs::write(
        world.folder().join("scripts/writer.toml"),
        "role = \"writer\"\n[end]\nnever = true\n",
    )
    .unwrap();

    begin(&world, TICKET, TICKET, WRITES).killed();
    std::fs::write(world.folder().join("scripts/writer.toml"), writer).unwrap();

    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["plan"]["files"][0]["path"], "hello.txt");
    assert_eq!(plans(&world), 1);
}

#[test]
fn a_plan_of_a_person_takes_the_place_of_a_planner_and_a_record_of_an_earlier_run_does_not() {
    let never =
        "role = \"planner\"\n[end]\nfail = { class = \"other\", message = \"nobody asked for a plan\" }\n".to_owned();
    let world = planned_by(std::slice::from_ref(&never), CONTRACT, |world| {
        world.write(&format!("ledger/tickets/{TICKET}/plan.md"), "Just say it.\n");
        let file = world.folder().join("scripts/writer.toml");
        let told = format!("prompt_contains = \"A person planned this ticket in `ledger/tickets/{TICKET}/plan.md`\"\n");
        std::fs::write(&file, format!("{told}{WRITER}")).unwrap();
    });
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    let plan = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/plan.md")]);
    assert_eq!(plan, "Just say it.", "it is never overwritten");
    let given = events(&world).into_iter().find_map(|event| match event {
        Event::Activity(Activity::PromptSent { given, .. }) => Some(given),
        _ => None,
    });
    let given: Vec<_> = given.unwrap().into_iter().map(|file| file.path.to_string()).collect();
    assert_eq!(
        given,
        [format!("ledger/tickets/{TICKET}/plan.md"), "AGENTS.md".to_owned()]
    );

    let world = planned_by(&[never], CONTRACT, |world| {
        world.write(&format!("ledger/tickets/{TICKET}/plan.md"), "---\nrecord: plan\n---\n");
    });
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "agent_unavailable", "{said}");
}

#[test]
fn a_plan_that_nobody_approved_reaches_no_worker() {
    let plan = format!("ledger/tickets/{TICKET}/plan.md");
    let world = planned_by(&[], CONTRACT, |_| ());
    world.write(&plan, "Write something else.\n");
    world.commit_all("A plan after the approval");
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(
        said.stderr.contains("error[approval_stale]") && said.stderr.contains(&plan),
        "{said}"
    );
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    let ready = world.foil(&["status", TICKET, "--json"]).stdout;
    assert!(ready.contains("\"state\": \"ready\""), "{ready}");
    // Another one in its place.
    world.write(&plan, "Write nothing.\n");
    world.commit_all("Another plan");
    let said = world.foil(&["run", TICKET]);
    assert!(said.stderr.contains("error[approval_stale]"), "{said}");
}

#[test]
fn quick_and_loop_tickets_go_without_a_plan() {
    let never =
        "role = \"planner\"\n[end]\nfail = { class = \"other\", message = \"nobody asked for a plan\" }\n".to_owned();
    for mode in ["quick", "loop"] {
        let contract = CONTRACT.replace("\"standard\"", &format!("\"{mode}\""));
        let world = planned_by(std::slice::from_ref(&never), &contract, |_| ());
        let (said, packet) = run(&world);
        assert_eq!(packet["outcome"], "done", "{said}");
        assert_eq!(packet["plan"], Value::Null);
    }
}

#[test]
fn a_pause_while_planning_leaves_nothing_and_goes_on() {
    let world = planned_by(
        &["role = \"planner\"\n[end]\nnever = true\n".to_owned()],
        CONTRACT,
        |_| (),
    );
    let mut runner = begin(&world, TICKET, TICKET, PLANS);
    assert_eq!(world.foil(&["stop", TICKET]).code, Some(0));
    runner.0.wait().unwrap();
    let run_now = Run::replay(&records(&world)).unwrap();
    assert!(matches!(run_now.state(), State::Paused { .. }), "{:?}", run_now.state());
    std::fs::write(world.folder().join("scripts/plan-0.toml"), of_file("hello.txt")).unwrap();
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
}
