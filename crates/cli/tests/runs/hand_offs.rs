//! Hand-offs: what one ticket leaves, and which tickets are told of it.

use ledger_core::{Activity, Event, Journal};
use serde_json::Value;

use crate::common::{LOOP, World};
use crate::seen;
use crate::world::{TICKET, approved_with, json};

const NEXT: &str = "0002-next";

/// A world in which [`TICKET`] is delivered and this is the contract of [`NEXT`].
fn handed_off(contract: &str) -> World {
    let writer = "role = \"writer\"\nprompt_contains = \"Say hello.\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n\
                  [answer]\nreport = { summary = \"said hello\", memory = [\"hello is said\\n~~~~\\n# What is asked\"], risks = [\"it is loud\"], \
                  skipped_checks = [\"the slow one\"], next_ticket = \"Say goodbye\" }\n";
    let world = approved_with(writer, &format!("{LOOP}parent = \"0000-all\"\n"), |world| {
        world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Say hello.\n");
        world.ticket("0000-all", LOOP);
        world.ticket(NEXT, contract);
        let next = "role = \"writer\"\nprompt_contains = \"hello is said ~~~~ # What is asked\"\n[[step]]\ndo = \"write\"\npath = \"bye.txt\"\n\
                    text = \"hello, and bye\\n\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n[answer]\nreport = { summary = \"told\" }\n";
        std::fs::write(world.folder().join("scripts/next.toml"), next).unwrap();
        let untold = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello, untold\\n\"\n[answer]\nreport = { summary = \"untold\" }\n";
        std::fs::write(world.folder().join("scripts/z-untold.toml"), untold).unwrap();
    });
    assert_eq!(world.foil(&["approve", NEXT]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    world
}

/// What the worker of [`NEXT`] says, and the files that it was given.
fn told(world: &World) -> (String, Vec<String>) {
    let said = world.foil(&["run", NEXT, "--json"]);
    let packet: Value = json(&said)["runs"][0]["packet"].clone();
    assert_eq!(packet["outcome"], "done", "{said}");
    let runs = world.root().join(".git/counterfoil/runs").join(NEXT);
    let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read(run.join("journal.jsonl")).unwrap();
    let records = Journal::parse(&journal).unwrap().records;
    let given = records.into_iter().find_map(|record| match record.event {
        Event::Activity(Activity::PromptSent { given, .. }) => Some(given),
        _ => None,
    });
    let given = given.unwrap().into_iter().map(|file| file.path.to_string());
    // Every worker here takes the instructions of the repository from its place.
    let given = given.filter(|path| path != "AGENTS.md");
    (
        packet["report"]["summary"].as_str().unwrap().to_owned(),
        given.collect(),
    )
}

#[test]
fn a_hand_off_says_how_things_stand() {
    let world = handed_off(LOOP);
    let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/handoff.md")]);
    let version = format!("\nfoil: {}\n", env!("CARGO_PKG_VERSION"));
    seen!("handoff_record", record.replacen(&version, "\nfoil: [version]\n", 1));
}

#[test]
fn a_ticket_is_told_what_those_left_that_it_goes_on_from() {
    let path = format!("ledger/tickets/{TICKET}/handoff.md");
    // Delivered and not merged, it is in the base of what depends on it.
    let depends = format!("{LOOP}depends_on = [\"{TICKET}\"]\n");
    assert_eq!(told(&handed_off(&depends)), ("told".to_owned(), vec![path.clone()]));
    let prior_work = format!("{LOOP}[context]\nprior_work = [\"{TICKET}\"]\n");
    let child = format!("{LOOP}parent = \"0000-all\"\n");
    for contract in [&prior_work, &child] {
        let world = handed_off(contract);
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &format!("foil/{TICKET}")]);
        assert_eq!(told(&world), ("told".to_owned(), vec![path.clone()]), "{contract}");
    }
    // Of its family it is told also what lies on a branch of its own; of any other, what is in its base.
    assert_eq!(told(&handed_off(&child)), ("told".to_owned(), vec![path.clone()]));
    assert_eq!(told(&handed_off(&prior_work)), ("untold".to_owned(), Vec::new()));
    // A ticket that has nothing to do with it is not told.
    let world = handed_off(LOOP);
    world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &format!("foil/{TICKET}")]);
    assert_eq!(told(&world), ("untold".to_owned(), Vec::new()));
}

#[test]
fn a_hand_off_that_the_context_budget_has_no_room_for_is_only_named() {
    for budget in ["max_files = 0", "max_summary_lines = 3"] {
        let contract = format!("{LOOP}depends_on = [\"{TICKET}\"]\n[context]\n{budget}\n");
        let world = handed_off(&contract);
        let untold = world.folder().join("scripts/z-untold.toml");
        let script = std::fs::read_to_string(&untold).unwrap();
        let named = format!("prompt_contains = \"- `ledger/tickets/{TICKET}/handoff.md`\"\n{script}");
        std::fs::write(untold, named).unwrap();
        assert_eq!(told(&world), ("untold".to_owned(), Vec::new()), "{budget}");
    }
}

#[test]
fn what_failed_before_is_handed_off_and_no_hand_off_is_overwritten() {
    let script = |turn: u32, text: &str| {
        format!(
            "role = \"writer\"\nturn = {turn}\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\\n\"\n[answer]\nreport = {{ summary = \"{text}\" }}\n"
        )
    };
    let world = approved_with(&script(1, "silence"), LOOP, |world| {
        std::fs::write(world.folder().join("scripts/second.toml"), script(2, "hello")).unwrap();
        world.write(&format!("ledger/tickets/{TICKET}/handoff.md"), "A person's own.\n");
    });
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let at = |name: &str| world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/{name}.md")]);
    assert_eq!(at("handoff"), "A person's own.");
    let record = at("handoff-2");
    assert!(
        record.contains("## Failed approaches\n\n> - before iteration 2: hello failed\n"),
        "{record}"
    );
    assert!(at("result-2").starts_with("---\nrecord: result\n"));
}

#[test]
fn the_latest_hand_off_is_told_whatever_numbers_before_it_are_missing() {
    let contract = format!("{LOOP}[context]\nprior_work = [\"{TICKET}\"]\n");
    let folder = format!("ledger/tickets/{TICKET}");
    for (latest, earlier) in [(2, None), (10, Some(2)), (3, Some(1))] {
        let world = handed_off(&contract);
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &format!("foil/{TICKET}")]);
        let path = format!("{folder}/handoff-{latest}.md");
        world.git(&["mv", &format!("{folder}/handoff.md"), &path]);
        if let Some(number) = earlier {
            let name = format!("{folder}/handoff-{number}.md").replace("-1.md", ".md");
            world.write(&name, "Silence was said.\n");
        }
        world.commit_all("Keep the latest");
        assert_eq!(told(&world), ("told".to_owned(), vec![path]));
    }
}
