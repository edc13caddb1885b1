//! Tickets that depend on tickets which are delivered and not merged yet.

use serde_json::{Value, json};

use crate::common::{LOOP, Said, World};
use crate::seen;
use crate::world::{TICKET, approved_with, json as json_of};

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
fn deliver(world: &World, ticket: &str, command: &str) -> Said {
    std::fs::write(world.folder().join("scripts/writer.toml"), writer(command)).unwrap();
    let said = world.foil(&["run", ticket]);
    assert_eq!(said.code, Some(0), "{said}");
    said
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

/// What a person is told of what merging `foil/0003-both` brings.
fn mind(hello: &str, bye: &str) -> String {
    let (hello, bye) = (&hello[..12], &bye[..12]);
    format!(
        "the base rests on {TICKET} at {hello} and {BYE} at {bye}, delivered and not merged when the run began: \
         merging this branch brings them too"
    )
}

#[test]
fn what_a_delivered_ticket_rests_on_is_told_wherever_it_is_shown() {
    let world = delivered_beside_each_other("bye.txt");
    let (hello, bye) = (tip(&world, TICKET), tip(&world, BYE));
    let stacked = json!([{"ticket": TICKET, "commit": hello}, {"ticket": BYE, "commit": bye}]);
    let ran = deliver(&world, BOTH, "cat hello.txt bye.txt >both.txt");
    let mind = mind(&hello, &bye);

    assert!(ran.stdout.contains(&format!("  mind: {mind}\n")), "{ran}");
    let record = world.git(&["show", &format!("foil/{BOTH}:ledger/tickets/{BOTH}/result.md")]);
    assert!(record.ends_with(&format!("\n\nMind: {mind}.")), "{record}");
    let packet = world.foil(&["review", BOTH]);
    assert!(packet.stdout.contains(&format!("\n**Mind:** {mind}\n")), "{packet}");
    let page = world.foil(&["review", BOTH, "--html"]);
    let paragraph = format!("<p class=\"mind\"><strong>Mind:</strong> {mind}</p>\n");
    assert!(page.stdout.contains(&paragraph), "{page}");
    let document = json_of(&world.foil(&["review", BOTH, "--json"]));
    assert_eq!(document["packet"]["stacked"], stacked, "{document:#}");
    seen!("stacked_status", world.foil(&["status", BOTH]));
    assert_eq!(
        json_of(&world.foil(&["status", "--json"]))["tickets"][2]["stacked"],
        stacked
    );
    let base = &world.git(&["rev-parse", &format!("foil/{BOTH}~2")])[..12];
    let told = format!(
        "base is {base} on unmerged {TICKET} at {} and {BYE} at {}, checks run without a sandbox",
        &hello[..12],
        &bye[..12]
    );
    let events = world.foil(&["events", BOTH]);
    assert!(events.stdout.contains(&told), "{events}");
}

#[test]
fn status_names_what_a_delivered_ticket_rests_on_until_it_is_merged() {
    let world = delivered_beside_each_other("bye.txt");
    deliver(&world, BOTH, "cat hello.txt bye.txt >both.txt");
    let stacked = || json_of(&world.foil(&["status", BOTH, "--json"]))["tickets"][0]["stacked"].clone();
    world.git(&["merge", "-q", "--no-edit", &format!("foil/{TICKET}")]);
    let only_bye = json!([{"ticket": BYE, "commit": tip(&world, BYE)}]);
    assert_eq!(stacked(), only_bye);
    // What is left of the run then is what Git stores.
    std::fs::remove_dir_all(world.root().join(".git/counterfoil/runs").join(BOTH)).unwrap();
    assert_eq!(stacked(), only_bye);
    let shown = world.foil(&["status", BOTH]);
    let words = format!(
        "rests on {BYE} at {}, not merged: merging this branch brings it too\n",
        &tip(&world, BYE)[..12]
    );
    assert!(shown.stdout.contains(&words), "{shown}");
    world.git(&["merge", "-q", "--no-edit", &format!("foil/{BOTH}")]);
    assert_eq!(stacked(), Value::Null);
}

#[test]
fn a_blocked_run_names_the_one_ticket_that_its_base_rests_on() {
    let world = delivered_beside_each_other("bye.txt");
    world.ticket("0004-after", &format!("{LOOP}depends_on = [\"{TICKET}\"]\n"));
    assert_eq!(world.foil(&["approve", "0004-after"]).code, Some(0));
    std::fs::write(world.folder().join("scripts/writer.toml"), writer("true")).unwrap();
    let said = world.foil(&["run", "0004-after"]);
    assert_eq!(said.code, Some(10), "{said}");
    let hello = tip(&world, TICKET);
    let document = json_of(&world.foil(&["status", "0004-after", "--json"]));
    assert_eq!(
        document["tickets"][0]["run"]["stacked"],
        json!([{"ticket": TICKET, "commit": hello}]),
        "{document:#}"
    );
    let shown = world.foil(&["status", "0004-after"]);
    let words = format!(
        "the base rests on {TICKET} at {}, delivered and not merged when the run began: merging this branch brings it too\n",
        &hello[..12]
    );
    assert!(shown.stdout.contains(&words), "{shown}");
}

#[test]
fn a_stacked_run_that_goes_on_keeps_the_packs_that_were_chosen_before_its_base_was_made() {
    let world = delivered_beside_each_other("bye.txt");
    let pack = |pattern: &str| {
        format!("+++\ntitle = \"x\"\n[inclusion]\nmode = \"auto\"\nfile_match = [\"{pattern}\"]\n+++\nText.\n")
    };
    world.write("ledger/steering/of-the-merge.md", pack("hello.txt"));
    world.write("ledger/steering/of-both.md", pack("counterfoil.toml"));
    world.commit_all("Steer");
    let script = world.folder().join("scripts/writer.toml");
    let limited = "role = \"writer\"\n[end]\nfail = { class = \"rate_limited\", message = \"wait\" }\n";
    std::fs::write(script, limited).unwrap();
    let said = world.foil(&["run", BOTH]);
    assert_eq!(said.code, Some(10), "{said}");
    deliver(&world, BOTH, "printf 'both\\n' >both.txt");
    let review = json_of(&world.foil(&["review", BOTH, "--json"]));
    let steering = json!(["ledger/steering/of-both.md"]);
    assert!(
        review.to_string().contains(&format!("\"steering\":{steering}")),
        "{review:#}"
    );
    assert_eq!(world.foil(&["verify", BOTH]).code, Some(0));
}
