//! Tickets that depend on tickets which are delivered and not merged yet.

use serde_json::{Value, json};

use crate::common::{LOOP, World};
use crate::seen;
use crate::world::{TICKET, approved_with};

/// The second ticket, which depends on nothing.
const BYE: &str = "0002-bye";
/// The ticket that depends on both.
const BOTH: &str = "0003-both";

/// A world in which [`TICKET`] has delivered `hello.txt` and [`BYE`] this file, both from the same commit, and [`BOTH`] is
/// approved.
fn delivered_beside_each_other(file: &str) -> World {
    let world = approved_with(&writer("printf 'hello\\n' >hello.txt"), LOOP, |world| {
        let policy = world.read("counterfoil.toml");
        let (agent, _) = policy.split_once("[[check]]").unwrap();
        let check = "[[check]]\nname = \"any\"\nrun = \"true\"\nsandbox = \"off\"\n";
        world.write("counterfoil.toml", format!("{agent}{check}"));
        world.ticket(BYE, LOOP);
        world.ticket(BOTH, &format!("{LOOP}depends_on = [\"{TICKET}\", \"{BYE}\"]\n"));
    });
    for ticket in [BYE, BOTH] {
        assert_eq!(world.foil(&["approve", ticket]).code, Some(0));
    }
    deliver(&world, TICKET, "printf 'hello\\n' >hello.txt");
    deliver(&world, BYE, &format!("printf 'bye\\n' >{file}"));
    world
}

/// A worker that runs this command.
fn writer(command: &str) -> String {
    let command = serde_json::to_string(command).unwrap();
    let step = format!("[[step]]\ndo = \"run\"\ncommand = {command}\n");
    format!("role = \"writer\"\n{step}[answer]\nreport = {{ summary = \"done\" }}\n")
}

/// Runs a ticket with a worker that runs this command.
fn deliver(world: &World, ticket: &str, command: &str) {
    std::fs::write(world.folder().join("scripts/writer.toml"), writer(command)).unwrap();
    let said = world.foil(&["run", ticket]);
    assert_eq!(said.code, Some(0), "{said}");
}

/// Why the run of [`BOTH`] started from its base, as its journal says.
fn base_reason(world: &World) -> Value {
    let runs = world.root().join(".git/counterfoil/runs").join(BOTH);
    let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let mut lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .find_map(|line| line.pointer("/event/reason").cloned())
        .unwrap_or_else(|| panic!("{journal}"))
}

#[test]
fn the_base_of_a_ticket_with_several_delivered_dependencies_is_their_merge() {
    let world = delivered_beside_each_other("bye.txt");
    let (hello, bye) = (tip(&world, TICKET), tip(&world, BYE));
    deliver(&world, BOTH, "cat hello.txt bye.txt >both.txt");
    assert_eq!(
        base_reason(&world),
        json!({"kind": "merged", "of": [
            {"ticket": TICKET, "commit": hello},
            {"ticket": BYE, "commit": bye},
        ]})
    );
    let base = format!("foil/{BOTH}~2");
    // No time, so that the same tickets always give the same base.
    assert_eq!(
        world.git(&["log", "-1", "--format=%P%n%an <%ae>%n%at %ct%n%s", &base]),
        format!("{hello} {bye}\nCounterfoil <counterfoil@localhost>\n0 0\nBase with {TICKET}, {BYE}")
    );
    assert_eq!(world.git(&["show", &format!("foil/{BOTH}:both.txt")]), "hello\nbye");
    assert_eq!(
        world.git(&["diff", "--name-only", &base, &format!("foil/{BOTH}~1")]),
        "both.txt"
    );
    let verified = world.foil(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn dependencies_that_do_not_merge_refuse_the_run_until_a_person_has_merged_them() {
    let world = delivered_beside_each_other("hello.txt");
    let before = world.observed();
    seen!("merge_conflict", world.foil(&["run", BOTH]));
    seen!("merge_conflict_json", world.foil(&["run", BOTH, "--json"]));
    assert_eq!(world.observed(), before);
    assert!(!world.root().join(".git/counterfoil/runs").join(BOTH).exists());

    world.git(&["merge", "-q", "--no-edit", &format!("foil/{TICKET}")]);
    world.git(&["merge", "-q", "--no-edit", "-X", "theirs", &format!("foil/{BYE}")]);
    deliver(&world, BOTH, "cp hello.txt both.txt");
    assert_eq!(world.git(&["show", &format!("foil/{BOTH}:both.txt")]), "bye");
    assert_eq!(base_reason(&world)["kind"], "tip");
}

/// The delivered commit of a ticket.
fn tip(world: &World, ticket: &str) -> String {
    world.git(&["rev-parse", &format!("foil/{ticket}")])
}
