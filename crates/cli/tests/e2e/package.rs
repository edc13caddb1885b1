//! A whole package: a parent with a quick ticket and one with specs among its children, to the upstream of a bare remote.

use std::process::Command;
use std::time::Duration;

use ledger_core::{Effect, Event};
use serde_json::json;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, REVIEW, Running, Terms, World, shell, through_both};

through_both!(a_package_with_a_parent_is_pushed_through_two_deaths_and_verified_from_a_fresh_clone);

const GUIDE: &str = include_str!("../../../../docs/guide.md");
const LONG: Duration = Duration::from_secs(240);

const CALENDAR: &str = "0001-calendar";
const QUICK: &str = "0002-quick";
const SPECS: &str = "0003-leap-years";
const GREETING: &str = "0004-greeting";
const PARENT: &str = "0005-goal";
const ALL: [&str; 5] = [CALENDAR, QUICK, SPECS, GREETING, PARENT];

/// The blocks of this language in the guide's section about specs, for the ticket of this package.
fn in_guide(language: &str) -> Vec<String> {
    let (_, section) = GUIDE.split_once("### A ticket with specs").unwrap();
    let (section, _) = section.split_once("\n## Consent").unwrap();
    let blocks = section
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let block = |text: &String| text.split_once("```").unwrap().0.replace("0007-leap-years", SPECS);
    blocks.iter().map(block).collect()
}

fn script() -> ModelScript {
    let write = |ticket: &str, command: &str| (format!("# Ticket {ticket}"), command.to_owned());
    let turns = [
        write(CALENDAR, "mkdir -p docs && echo '# Calendar' > docs/calendar.md"),
        write(QUICK, "sed -i 's/365/365 + u32::from(year % 4 == 0)/' src/year.rs"),
        write(
            SPECS,
            "printf 'pub fn is_leap(year: u32) -> bool {\\n    year %% 4 == 0\\n}\\n' >> src/year.rs; mkdir -p tests; echo 'grep -q is_leap src/year.rs' > tests/year.sh",
        ),
        write(GREETING, "cat docs/calendar.md > hello.txt; echo hello > hello.txt"),
    ];
    let script = turns
        .into_iter()
        .fold(ModelScript::default(), |script, (words, command)| {
            script.turn(&words, [shell(&command), Reply::done("written")])
        });
    script
        .turn(&format!("# Ticket {PARENT}"), [Reply::done("the calendar is whole")])
        .rule(Rule::new(REVIEW, Reply::pass("it is as it was asked")))
}

/// The world with the package, approved and pushed.
fn packaged(back_end: BackEnd) -> World {
    let terms = Terms {
        more: "[delivery]\nmode = \"push\"\ntarget = \"main\"\n",
        ..Terms::default()
    };
    let world = World::without_tickets(back_end, terms, script());
    world.write("Cargo.toml", "[package]\nname = \"calendar\"\nversion = \"1.0.0\"\n");
    world.write("src/year.rs", "fn days(year: u32) -> u32 {\n    365\n}\n");
    let child = |title: &str, more: &str| format!("title = \"{title}\"\nparent = \"{PARENT}\"\n{more}");
    let specs = in_guide("toml")[0].replacen("title", &format!("parent = \"{PARENT}\"\ntitle"), 1);
    for (id, contract) in [
        (CALENDAR, child("Describe it", "[scope]\nallowed = [\"docs/**\"]\n")),
        (
            QUICK,
            child(
                "Count leap days",
                "mode = \"quick\"\nkind = \"bugfix\"\n[scope]\ngoal = \"a leap year has 366 days\"\nallowed = [\"src/year.rs\"]\n",
            ),
        ),
        (SPECS, specs),
        (GREETING, child("Greet", "mode = \"loop\"\n")),
        (PARENT, "title = \"A calendar\"\nmode = \"parent\"\n".to_owned()),
    ] {
        world.write(&format!("ledger/tickets/{id}/ticket.toml"), &contract);
        world.write(&format!("ledger/tickets/{id}/prompt.md"), &format!("Do {id}.\n"));
    }
    for (name, text) in ["requirements", "design", "tasks", "delta"]
        .iter()
        .zip(in_guide("markdown"))
    {
        world.write(&format!("ledger/specs/changes/{SPECS}/{name}.md"), &text);
    }
    let remote = world.root().join("remote.git");
    let remote = remote.to_str().unwrap();
    world.git(&["init", "--quiet", "--bare", "--initial-branch=main", remote]);
    world.git(&["remote", "add", "origin", remote]);
    world.git(&["add", "--all"]);
    world.git(&["commit", "--quiet", "-m", "Plan a calendar"]);
    let mut package = vec!["package", "new", "A calendar", "--name", "calendar"];
    package.extend(ALL);
    world.foil(&package).succeeds();
    world.foil(&["approve", "calendar"]).succeeds();
    world.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
    world
}

/// Starts the package, and ends its runner once a turn for this ticket is under way.
fn killed_in(world: &World, ticket: &str) {
    let running: Running = world.start_foil(&["run", "calendar"]);
    world.wait_for_event(ticket, "a turn", |event| {
        matches!(event, Event::Intended(Effect::TakeTurn { .. }))
    });
    running.kill();
}

fn a_package_with_a_parent_is_pushed_through_two_deaths_and_verified_from_a_fresh_clone(back_end: BackEnd) {
    let world = packaged(back_end);

    killed_in(&world, QUICK);
    killed_in(&world, PARENT);
    let last = world
        .start_foil(&["run", "calendar", "--json"])
        .ends_within(LONG)
        .succeeds();
    let runs = last.json()["runs"].clone();
    assert_eq!(
        runs.as_array().map(Vec::len),
        Some(1),
        "only the parent was left: {runs:#}"
    );
    let packet = &runs[0]["packet"];
    assert_eq!(
        (&packet["outcome"], &packet["verdict"]),
        (&json!("done"), &json!("pass")),
        "{packet:#}"
    );

    // Every ticket had one run, and the parent's has what was chosen after each child.
    for ticket in ALL {
        assert_eq!(world.journals(ticket).len(), 1, "{ticket}");
    }
    let chosen: Vec<_> = world
        .events(PARENT)
        .into_iter()
        .filter_map(|event| match event {
            Event::ChildEnded(ended) => Some((ended.ticket.to_string(), ended.choice.as_str())),
            _ => None,
        })
        .collect();
    let advance = |id: &str| (id.to_owned(), "advance");
    assert_eq!(chosen, ALL[..4].iter().map(|id| advance(id)).collect::<Vec<_>>());

    // The remote has all of it, each ticket as a change and its records, and nothing else.
    world.git(&["fetch", "--quiet", "origin"]);
    let subjects = world.git(&[
        "log",
        "--format=%(trailers:key=Counterfoil-Ticket,valueonly,separator=)",
        "main..origin/main",
    ]);
    let tickets: Vec<_> = subjects.lines().filter(|line| !line.is_empty()).collect();
    let twice: Vec<_> = ALL.iter().rev().flat_map(|id| [*id, *id]).collect();
    assert_eq!(tickets, twice);
    let year = world.git(&["show", "origin/main:src/year.rs"]);
    assert!(
        year.contains("u32::from(year % 4 == 0)") && year.contains("pub fn is_leap"),
        "{year}"
    );
    let current = world.git(&["ls-tree", "-r", "--name-only", "origin/main", "ledger/specs"]);
    assert!(
        current.contains("ledger/specs/current/"),
        "the specs are closed out: {current}"
    );

    verified_elsewhere(&world);
}

/// A clone at another place, with nothing but what is in Git, verifies every receipt.
fn verified_elsewhere(world: &World) {
    let clone = world.root().join("elsewhere/clone");
    let clone_text = clone.to_str().unwrap();
    let remote = world.root().join("remote.git");
    world.git(&["clone", "--quiet", remote.to_str().unwrap(), clone_text]);
    let from = world.repository.to_str().unwrap();
    world.git(&[
        "-C",
        clone_text,
        "fetch",
        "--quiet",
        from,
        "refs/counterfoil/*:refs/counterfoil/*",
    ]);
    for ticket in ALL {
        let mut foil = Command::new(env!("CARGO_BIN_EXE_foil"));
        foil.args(["-C", clone_text, "verify", ticket, "--json"]);
        let said = world.start(foil).ends_within(LONG).succeeds().json();
        assert_eq!(said["holds"], json!(true), "{ticket}: {said:#}");
        let [verified] = &said["tickets"].as_array().unwrap()[..] else {
            panic!("{ticket}: {said:#}");
        };
        assert_eq!(verified["ticket"], ticket);
        let verifications = verified["verifications"].as_array().unwrap();
        let of = |what: &str| -> Vec<_> {
            let of_it = verifications.iter().filter(|verification| verification["what"] == what);
            of_it.map(|it| it["verdict"].as_str().unwrap()).collect()
        };
        for what in [
            "stored journal",
            "stored commit names the journal's head",
            "receipt",
            "statement",
            "evidence index",
            "receipt ref",
            "source lock",
            "tree of the change commit",
            "records commit",
        ] {
            assert_eq!(of(what), ["matches"], "{ticket}, {what}: {said:#}");
        }
    }
}
