//! Tickets that are held to specs.

use serde_json::Value;

use crate::common::{Said, World};
use crate::seen;
use crate::snapshot::Snapshot;
use crate::world::{TICKET, approved_with, json};

/// The guide, whose example is held to what happens.
const GUIDE: &str = include_str!("../../../../docs/guide.md");

const NAMES: [&str; 4] = ["requirements", "design", "tasks", "delta"];

const YEAR: &str = "fn days(year: u32) -> u32 {\n    365\n}\n";

/// What the worker of the example writes.
pub(crate) const LEAP: &str = "[[step]]\ndo = \"write\"\npath = \"src/year.rs\"\n\
    text = \"fn days(year: u32) -> u32 {\\n    365\\n}\\n\\npub fn is_leap(year: u32) -> bool {\\n    year % 4 == 0\\n}\\n\"\n";
pub(crate) const TEST: &str =
    "[[step]]\ndo = \"write\"\npath = \"tests/year.sh\"\ntext = \"grep -q is_leap src/year.rs\\n\"\n";
const CENTURY: &str = "[[step]]\ndo = \"write\"\npath = \"src/century.rs\"\n\
    text = \"pub fn century(year: u32) -> u32 {\\n    year / 100\\n}\\n\"\n";

/// The blocks of this language in the section of the guide.
pub(crate) fn in_guide(language: &str) -> Vec<String> {
    let (_, section) = GUIDE.split_once("### A ticket with specs").unwrap();
    let (section, _) = section.split_once("\n## Consent").unwrap();
    let fence = format!("```{language}\n");
    let blocks = section.split(&fence).skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0.replace("0007-leap-years", TICKET))
        .collect()
}

pub(crate) fn spec(name: &str) -> String {
    format!("ledger/specs/changes/{TICKET}/{name}.md")
}

fn script(steps: &[&str]) -> String {
    format!(
        "role = \"writer\"\n{}[answer]\nreport = {{ summary = \"told leap years\" }}\n",
        steps.concat()
    )
}

/// The ticket of the guide with its specs, and a worker that takes these steps.
fn world(steps: &[&str], prepare: impl FnOnce(&World)) -> World {
    world_with(&script(steps), &in_guide("toml")[0], prepare)
}

fn world_with(script: &str, contract: &str, prepare: impl FnOnce(&World)) -> World {
    approved_with(script, contract, |world| {
        set_up(world);
        prepare(world);
    })
}

pub(crate) fn set_up(world: &World) {
    for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
        world.write(&spec(name), text);
    }
    // What the policy's check looks at.
    world.write("hello.txt", "hello\n");
    world.write("Cargo.toml", "[package]\nname = \"calendar\"\nversion = \"1.0.0\"\n");
    world.write("src/year.rs", YEAR);
    std::fs::create_dir_all(world.folder().join("home")).unwrap();
}

/// The ticket of the guide with its specs, not approved.
fn draft(prepare: impl FnOnce(&World)) -> World {
    let world = World::initialized();
    set_up(&world);
    world.ticket(TICKET, &in_guide("toml")[0]);
    prepare(&world);
    world
}

fn replace(world: &World, path: &str, from: &str, to: &str) {
    let text = world.read(path);
    assert!(text.contains(from), "{path} has no {from}");
    world.write(path, text.replacen(from, to, 1));
}

fn run(world: &World) -> (Said, Value) {
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

/// A world in which the ticket of the guide is done.
pub(crate) fn done_with_specs() -> World {
    let world = world(&[LEAP, TEST], |_| ());
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    world
}

#[test]
fn the_ticket_of_the_guide_is_delivered_and_its_specs_become_current() {
    let world = world(&[LEAP, TEST], |_| ());
    let before = Snapshot::of(&world.root(), &world.git(&["for-each-ref"]));

    let (said, packet) = run(&world);

    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["specs"], "pass", "{said}");
    before.assert_same_as(&Snapshot::of(&world.root(), &world.git(&["for-each-ref"])));
    let branch = format!("foil/{TICKET}");
    // The change is the worker's alone; what becomes of the specs is in the commit of the records.
    let changed = |from: &str, to: &str| world.git(&["diff", "--no-renames", "--name-status", from, to]);
    assert_eq!(
        changed("HEAD", &format!("{branch}^")),
        "M\tsrc/year.rs\nA\ttests/year.sh"
    );
    seen!("specs_closeout", changed(&format!("{branch}^"), &branch));
    let show = |path: &str| world.git(&["show", &format!("{branch}:{path}")]);
    seen!("specs_current", show("ledger/specs/current/calendar/requirements.md"));
    for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
        assert_eq!(
            show(&format!("ledger/specs/archive/{TICKET}/{name}.md")),
            text.trim_end()
        );
    }
    let review = show(&format!("ledger/tickets/{TICKET}/review.md"));
    assert!(review.contains("Held against its specs: **pass**."), "{review}");
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert!(
        verified.stdout.contains("the delta is in the current specs"),
        "{verified}"
    );

    world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &branch]);
    let checked = world.foil(&["check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{checked}");
}

/// The texts of the guide for another ticket, which brings another requirement into the same current specs.
fn of_centuries(text: &str) -> String {
    [
        (TICKET, CENTURIES),
        ("REQ-001", "REQ-002"),
        ("src/year.rs | edit", "src/century.rs | create"),
        ("src/year.rs", "src/century.rs"),
        ("tests/year.sh", "tests/century.sh"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

const CENTURIES: &str = "0002-centuries";

#[test]
fn a_package_goes_on_once_the_specs_of_its_first_ticket_are_archived() {
    for is_merged in [false, true] {
        let world = world(&[LEAP, TEST], |_| ());
        for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
            world.write(&of_centuries(&spec(name)), of_centuries(&text));
        }
        world.ticket(CENTURIES, &of_centuries(&in_guide("toml")[0]));
        let test = TEST.replace("year", "century").replace("is_leap", "century");
        let writer = format!(
            "prompt_contains = \"# Ticket {CENTURIES}\"\n{}",
            script(&[CENTURY, &test])
        );
        std::fs::write(world.folder().join("scripts/a-second.toml"), writer).unwrap();
        world.commit_all("Ask for centuries");
        for args in [
            &["package", "new", "Goal", TICKET, CENTURIES][..],
            &["approve", "goal"],
            &["run", TICKET],
        ] {
            let said = world.foil(args);
            assert_eq!(said.code, Some(0), "{said}");
        }
        if is_merged {
            world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &format!("foil/{TICKET}")]);
            let checked = world.foil(&["check"]);
            assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{checked}");
        }

        let said = world.foil(&["run", "goal"]);

        assert_eq!(said.code, Some(0), "{said}");
        let current = format!("foil/{CENTURIES}:ledger/specs/current/calendar/requirements.md");
        let current = world.git(&["show", &current]);
        assert!(current.contains("REQ-001") && current.contains("REQ-002"), "{current}");
        let verified = world.foil(&["verify"]);
        assert_eq!(verified.code, Some(0), "{verified}");

        // What is archived is held to the lock as well.
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &format!("foil/{CENTURIES}")]);
        let shown = world.foil(&["package", "show", "goal"]);
        assert!(shown.stdout.contains("lock holds"), "{shown}");
        replace(
            &world,
            &format!("ledger/specs/archive/{TICKET}/design.md"),
            "One function",
            "Two functions",
        );
        let shown = world.foil(&["package", "show", "goal"]);
        assert!(!shown.stdout.contains("lock holds"), "{shown}");
    }
}

#[test]
fn what_no_requirement_asks_for_ends_the_run_as_the_guide_says() {
    let contract = in_guide("toml")[0].replace("\"src/year.rs\"", "\"src/**\"");
    let world = world_with(&script(&[LEAP, TEST, CENTURY]), &contract, |world| {
        replace(
            world,
            "counterfoil.toml",
            "[agent]",
            "[limits]\nno_progress = 99\n[agent]",
        );
    });
    let (said, packet) = run(&world);
    let blocker = &packet["blocker"];
    let (code, reason) = (blocker["code"].as_str().unwrap(), blocker["reason"].as_str().unwrap());
    assert_eq!(format!("{code}: {reason}"), in_guide("text")[0].trim_end(), "{said}");
    assert_eq!(
        (said.code, &packet["specs"], &packet["iterations"]),
        (Some(10), &"fail".into(), &4.into())
    );
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
    seen!("specs_drift_events", world.foil(&["events", TICKET]).stdout);

    // As the hint says: the specs are mended, approved, and the work goes on.
    let row = "| src/year.rs | edit | REQ-001 | TASK-001 |\n";
    replace(
        &world,
        &spec("design"),
        row,
        &format!("{row}| src/century.rs | create | REQ-001 | TASK-001 |\n"),
    );
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    std::fs::write(world.folder().join("scripts/writer.toml"), script(&[])).unwrap();
    let said = world.foil(&["run", TICKET, "--from-rescue", "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    assert_eq!(
        (&packet["outcome"], &packet["specs"]),
        (&"done".into(), &"pass".into()),
        "{said}"
    );
}

#[test]
fn a_worker_that_is_told_what_differs_mends_it() {
    let contract = in_guide("toml")[0].replace("\"src/year.rs\"", "\"src/**\"");
    let first = script(&[LEAP, TEST, CENTURY]).replace("role = \"writer\"\n", "role = \"writer\"\nturn = 1\n");
    let world = world_with(&first, &contract, |world| {
        let told = "Your last result passed its checks, and it is not what the specs below say";
        let remove = "[[step]]\ndo = \"delete\"\npath = \"src/century.rs\"\n";
        let second = script(&[remove]).replace(
            "role = \"writer\"\n",
            &format!("role = \"writer\"\nturn = 2\nprompt_contains = \"{told}\"\n"),
        );
        std::fs::write(world.folder().join("scripts/writer-2.toml"), second).unwrap();
    });
    let (said, packet) = run(&world);
    assert_eq!(
        (&packet["outcome"], &packet["iterations"]),
        (&"done".into(), &2.into()),
        "{said}"
    );
    assert_eq!(packet["specs"], "pass");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn worker_and_reviewer_are_given_the_specs_by_digest() {
    let world = world(&[LEAP, TEST], |world| {
        let digest = ledger_core::Digest::of(world.read(&spec("design")));
        for (role, file) in [("writer", "writer"), ("reviewer", "reviewer")] {
            let path = world.folder().join(format!("scripts/{file}.toml"));
            let text = std::fs::read_to_string(&path).unwrap();
            let told = format!("- `{}` ({digest})", spec("design"));
            let role = format!("role = \"{role}\"\n");
            std::fs::write(
                &path,
                text.replace(&role, &format!("{role}prompt_contains = \"{told}\"\n")),
            )
            .unwrap();
        }
    });
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
}

#[test]
fn a_plain_file_that_no_spec_names_is_a_risk_that_people_see() {
    let contract = in_guide("toml")[0].replace("\"src/year.rs\"", "\"src/**\"");
    let helper = "[[step]]\ndo = \"write\"\npath = \"src/help.rs\"\ntext = \"fn help() {}\\n\"\n";
    let world = world_with(&script(&[LEAP, TEST, helper]), &contract, |_| ());
    let (said, packet) = run(&world);
    assert_eq!(
        (&packet["outcome"], &packet["specs"]),
        (&"done".into(), &"pass_with_risk".into()),
        "{said}"
    );
    let warning = "change and specs differ: src/help.rs (file_unnamed): neither the design nor a task names it";
    assert!(
        packet["warnings"].as_array().unwrap().contains(&warning.into()),
        "{packet:#}"
    );
    let review = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/review.md")]);
    assert!(
        review.contains("Held against its specs: **pass_with_risk**."),
        "{review}"
    );
}

#[test]
fn a_worker_cannot_change_specs() {
    for path in [
        spec("requirements"),
        "ledger/specs/current/calendar/requirements.md".to_owned(),
        format!("ledger/specs/archive/{TICKET}/delta.md"),
    ] {
        let step = format!("[[step]]\ndo = \"write\"\npath = \"{path}\"\ntext = \"mine\\n\"\n");
        let contract = in_guide("toml")[0].replace("\"src/year.rs\"", "\"src/**\", \"ledger/**\"");
        let world = world_with(&script(&[LEAP, TEST, &step]), &contract, |_| ());
        let (said, packet) = run(&world);
        assert_eq!(packet["blocker"]["code"], "protected_path_changed", "{said}");
    }
}

#[test]
fn nobody_begins_while_something_is_not_decided() {
    for (name, from, to, told) in [
        ("design", "DEC-001 | accepted", "DEC-001 | proposed", "`DEC-001`"),
        ("tasks", "Status: accepted", "Status: proposed", "`tasks.md`"),
        ("requirements", "Ada | no", "Ada | yes", "`Are years before 1 allowed?`"),
        (
            "requirements",
            "| `leap years` |\n",
            "| `leap years` |\n| REQ-002 | proposed | Months too | always | `leap years` |\n",
            "`REQ-002`",
        ),
        (
            "tasks",
            "| REQ-001 | leap years |\n\n",
            "| REQ-001 | leap years |\n| TASK-002 | unknown | none | scoped_worker | src/** | REQ-001 | leap years |\n\n",
            "`TASK-002`",
        ),
    ] {
        let world = world(&[LEAP, TEST], |world| replace(world, &spec(name), from, to));
        let said = world.foil(&["run", TICKET]);
        assert_eq!(said.code, Some(11), "{said}");
        assert!(said.stderr.contains("error[unresolved_decision]"), "{said}");
        assert!(said.stderr.contains(told), "{said}");
        assert!(!world.root().join(".git/counterfoil/runs").exists());
    }
}

#[test]
fn an_edited_spec_makes_the_approval_stale() {
    let world = world(&[LEAP, TEST], |_| ());
    replace(&world, &spec("design"), "One function", "Two functions");
    world.commit_all("Another design");
    let said = world.foil(&["run", TICKET]);
    assert!(said.stderr.contains("error[approval_stale]"), "{said}");
    assert!(said.stderr.contains(&spec("design")), "{said}");
}

#[test]
fn what_does_not_hold_together_is_told_with_its_place() {
    let world = draft(|world| {
        let contract = format!("ledger/tickets/{TICKET}/ticket.toml");
        replace(world, &contract, "proves = [\"AC-1\"]\n", "");
        replace(world, &contract, "\"tests/year.sh\"", "\"tests/other.sh\"");
        replace(
            world,
            &spec("tasks"),
            "| REQ-001 | leap years |",
            "| none | leap years |",
        );
        replace(
            world,
            &spec("delta"),
            "current/calendar/requirements.md",
            "current/requirements.md",
        );
    });
    let said = world.foil(&["check"]);
    assert_eq!(said.code, Some(3), "{said}");
    seen!("specs_check", said);
    let said = world.foil(&["approve", TICKET]);
    assert_ne!(said.code, Some(0), "{said}");
}

#[test]
fn linked_files_lie_together_below_the_changes_of_the_ledger() {
    let world = draft(|world| {
        let contract = format!("ledger/tickets/{TICKET}/ticket.toml");
        replace(world, &contract, &spec("design"), "docs/design.md");
        replace(world, &contract, &spec("tasks"), "ledger/specs/changes/other/tasks.md");
        std::fs::remove_file(world.root().join(spec("delta"))).unwrap();
    });
    seen!("specs_check_places", world.foil(&["check"]));
}

#[test]
fn a_delta_has_to_fit_what_is_current() {
    let current = "ledger/specs/current/calendar/requirements.md";
    let table = "# calendar\n\n## Requirements\n\n| Requirement ID | Status | Requirement | Acceptance criteria | Proof target |\n\
        | --- | --- | --- | --- | --- |\n| REQ-001 | accepted | Years have 365 days | always | none |\n";
    let world = draft(|world| world.write(current, table));
    seen!("specs_check_current", world.foil(&["check"]));
}

#[test]
fn an_id_that_another_current_file_has_is_not_given_again() {
    let elsewhere = "ledger/specs/current/other/requirements.md";
    let table = |status: &str| {
        format!(
            "# other\n\n## Requirements\n\n| Requirement ID | Status | Requirement | Acceptance criteria | Proof target |\n\
             | --- | --- | --- | --- | --- |\n| REQ-001 | {status} | Years have 365 days | always | none |\n"
        )
    };
    let taken = "`ledger/specs/current/other/requirements.md` has `REQ-001` already";
    for status in ["accepted", "superseded"] {
        let world = draft(|world| world.write(elsewhere, table(status)));
        let said = world.foil(&["check"]);
        assert!(said.stdout.contains(taken) || said.stderr.contains(taken), "{said}");
        let said = world.foil(&["approve", TICKET]);
        assert_ne!(said.code, Some(0), "{said}");
        assert!(said.stderr.contains(taken), "{said}");
    }
    // It may come into the base after the approval.
    let world = world(&[LEAP, TEST], |_| ());
    world.write(elsewhere, table("accepted"));
    world.commit_all("Require it elsewhere");
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains(taken), "{said}");
}

#[test]
fn two_open_tickets_on_the_same_requirement_are_both_refused_until_they_are_ordered() {
    let world = world(&[LEAP, TEST], |_| ());
    let other = "0002-other";
    let contract = in_guide("toml")[0].replace(TICKET, other);
    world.ticket(other, &contract);
    for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
        world.write(&spec(name).replace(TICKET, other), text);
    }
    seen!("specs_conflict_check", world.foil(&["check"]));
    let said = world.foil(&["approve", other]);
    assert_ne!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("both work on `REQ-001`"), "{said}");
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("error[spec_conflict]"), "{said}");
    assert!(said.stderr.contains(other), "{said}");

    // One after the other is no conflict.
    world.ticket(other, &format!("depends_on = [\"{TICKET}\"]\n{contract}"));
    let said = world.foil(&["check"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    assert_eq!(run(&world).1["outcome"], "done");
}

#[test]
fn a_mistake_in_the_specs_of_another_ticket_does_not_hide_what_it_works_on() {
    let world = world(&[LEAP, TEST], |_| ());
    let other = "0002-other";
    world.ticket(other, &in_guide("toml")[0].replace(TICKET, other));
    for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
        world.write(&spec(name).replace(TICKET, other), text);
    }
    let design = spec("design").replace(TICKET, other);
    replace(
        &world,
        &design,
        "| src/year.rs | edit | REQ-001 |",
        "| src/year.rs | edit |",
    );
    // Each of them is told, whichever is looked at.
    let on = "both work on `REQ-001`";
    for args in [
        &["check"][..],
        &["check", TICKET],
        &["check", other],
        &["approve", other],
    ] {
        let said = world.foil(args);
        assert!(said.stderr.contains(on), "{args:?}: {said}");
    }
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("error[spec_conflict]"), "{said}");
}

#[test]
fn a_new_ticket_with_specs_begins_with_skeletons_that_can_be_checked() {
    let world = World::initialized();
    world.write("ledger/specs/archive/old/requirements.md", "REQ-041 was here\n");
    let said = world.foil(&["new", "Tell leap years", "--spec"]);
    assert_eq!(said.code, Some(0), "{said}");
    let checked = world.foil(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    seen!("specs_new", format!("{said}{checked}"));
    let requirements = "ledger/specs/changes/0001-tell-leap-years/requirements.md";
    assert!(world.read(requirements).contains("| REQ-042 | proposed |"));
    seen!(
        "specs_new_ticket",
        world.read("ledger/tickets/0001-tell-leap-years/ticket.toml")
    );

    // The next one takes the next number.
    assert_eq!(world.foil(&["new", "Tell months", "--spec"]).code, Some(0));
    let requirements = "ledger/specs/changes/0002-tell-months/requirements.md";
    assert!(world.read(requirements).contains("| REQ-043 | proposed |"));
}

#[test]
fn a_spec_that_is_there_is_never_overwritten() {
    let world = World::initialized();
    let mine = "ledger/specs/changes/0009-mine/tasks.md";
    world.write(mine, "mine\n");
    let said = world.foil(&["new", "Tell leap years", "--spec", "--id", "0009-mine"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains(mine), "{said}");
    assert_eq!(world.read(mine), "mine\n");
    assert!(!world.root().join("ledger/tickets/0009-mine").exists());
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), format!("?? {mine}"));
}

#[test]
fn a_policy_can_stop_what_needs_specs_and_has_none() {
    let public = "[[step]]\ndo = \"write\"\npath = \"src/year.rs\"\ntext = \"pub fn days(year: u32) -> u32 {\\n    365\\n}\\n\"\n";
    let contract = "title = \"Offer days\"\n[scope]\nallowed = [\"src/year.rs\"]\n[specs]\nreason = \"one line\"\n";
    let world = world_with(&script(&[public]), contract, |world| {
        replace(
            world,
            "counterfoil.toml",
            "[agent]",
            "[limits]\nmax_repair_rounds = 0\n[gates]\nspecs = \"block\"\n[agent]",
        );
    });
    let (said, packet) = run(&world);
    let reason = "src/year.rs (unspecified_behaviour): public_api_shared_contract: it adds `pub fn days(year: u32) -> u32`; \
                  it removes `fn days(year: u32) -> u32`, and the ticket has no specs";
    assert_eq!(packet["blocker"]["code"], "spec_drift", "{said}");
    assert_eq!(
        packet["blocker"]["reason"].as_str().unwrap().split(": it adds").next(),
        reason.split(": it adds").next()
    );
    assert!(
        packet["blocker"]["reason"]
            .as_str()
            .unwrap()
            .ends_with("and the ticket has no specs")
    );
}

#[test]
fn a_standard_ticket_says_why_it_has_no_specs_for_what_specs_are_for() {
    let contract = "title = \"Log in\"\n[scope]\nallowed = [\"src/login.rs\"]\n";
    let world = World::initialized();
    world.ticket(TICKET, contract);
    let checked = world.foil(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let told = "warning: specs are for that, and there are none: security_auth_privacy: `login` stands in its path";
    assert!(checked.stderr.contains(told), "{checked}");
    assert!(checked.stderr.contains("ticket.toml:3:12"), "{checked}");
    world.ticket(TICKET, &format!("{contract}[specs]\nreason = \"one message\"\n"));
    assert_eq!(world.foil(&["check"]).stderr, "");
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}\n[gates]\nspecs = \"block\"\n"));
    let checked = world.foil(&["check"]);
    assert!(checked.stderr.contains("unfinished: specs are for that"), "{checked}");
    let said = world.foil(&["approve", TICKET]);
    assert_ne!(said.code, Some(0), "{said}");
}

/// The delta of the guide, which modifies what it adds there.
pub(crate) fn modifying(delta: &str) -> String {
    let (head, rest) = delta.split_once("## ADDED").unwrap();
    let (table, rest) = rest.split_once("## MODIFIED\n\nNone.").unwrap();
    let table = table
        .replace("| New behaviour", "| Existing behaviour | New behaviour")
        .replace("| --- |\n", "| --- | --- |\n")
        .replace(
            "| ADD-001 | accepted | REQ-001 | a public function |",
            "| MOD-001 | accepted | REQ-001 | others could ask | everybody can |",
        );
    format!("{head}## ADDED\n\nNone.\n\n## MODIFIED{table}{rest}")
}

/// What is required now, in a world of tickets that modify it.
pub(crate) const CURRENT: &str = "ledger/specs/current/calendar/requirements.md";
pub(crate) const REQUIRED: &str = "# calendar\n\n## Requirements\n\n\
    | Requirement ID | Status | Requirement | Acceptance criteria | Proof target |\n| --- | --- | --- | --- | --- |\n\
    | REQ-001 | accepted | Years have 365 days | always | none |\n| REQ-009 | accepted | Years have months | always | none |\n";

#[test]
fn a_requirement_that_changed_since_its_replacement_was_approved_is_not_overwritten() {
    let world = world(&[LEAP, TEST], |world| {
        world.write(CURRENT, REQUIRED);
        replace(
            world,
            &spec("delta"),
            &in_guide("markdown")[3],
            &modifying(&in_guide("markdown")[3]),
        );
    });
    let approval = world.read(&format!("ledger/tickets/{TICKET}/approval.toml"));
    assert!(
        approval.contains("[[replaces]]\nrequirement = \"REQ-001\"\n"),
        "{approval}"
    );
    let said = world.foil(&["approve", TICKET]);
    assert!(said.stdout.contains("already"), "{said}");

    // Another row of the same file is nobody's concern.
    replace(&world, CURRENT, "Years have months", "Years have twelve months");
    world.commit_all("Count the months");
    assert_eq!(world.foil(&["check"]).stderr, "");
    replace(&world, CURRENT, "Years have 365 days", "Years have 366 days at times");
    world.commit_all("Somebody changes what is required");

    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    seen!("specs_replaced_changed", format!("{said}{}", world.foil(&["check"])));
    assert!(!world.root().join(".git/counterfoil/runs").exists());

    // Whoever approves it again has seen it.
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    let (said, packet) = run(&world);
    assert_eq!(packet["outcome"], "done", "{said}");
    let current = world.git(&["show", &format!("foil/{TICKET}:{CURRENT}")]);
    assert!(
        current.contains("Others can ask") && current.contains("twelve months"),
        "{current}"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_delta_that_modifies_what_is_not_current_is_not_approved() {
    let world = draft(|world| {
        replace(
            world,
            &spec("delta"),
            &in_guide("markdown")[3],
            &modifying(&in_guide("markdown")[3]),
        );
        world.write(CURRENT, REQUIRED.replace("REQ-001", "REQ-002"));
    });
    let said = world.foil(&["approve", TICKET]);
    assert_ne!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("it has no `REQ-001`"), "{said}");
}

#[test]
fn a_ticket_that_follows_another_modifies_what_that_one_added() {
    let world = done_with_specs();
    let second = "0002-second";
    let contract = in_guide("toml")[0].replace(TICKET, second);
    world.ticket(second, &format!("depends_on = [\"{TICKET}\"]\n{contract}"));
    for (name, text) in NAMES.iter().zip(in_guide("markdown")) {
        let text = text
            .replace("Others can ask", "Everybody can ask")
            .replace("| create |", "| edit |");
        world.write(&spec(name).replace(TICKET, second), text);
    }
    let delta = spec("delta").replace(TICKET, second);
    world.write(&delta, modifying(&world.read(&delta)));

    // What it modifies is on a branch as yet: that is told, and stops nothing.
    let said = world.foil(&["approve", second]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr
            .contains("it has to fit once what the ticket depends on is delivered"),
        "{said}"
    );
    let steps = [
        LEAP.replace("year % 4 == 0", "year.is_multiple_of(4)"),
        TEST.replace("grep -q", "grep -qw"),
    ];
    let steps: Vec<_> = steps.iter().map(String::as_str).collect();
    std::fs::write(world.folder().join("scripts/writer.toml"), script(&steps)).unwrap();
    let said = world.foil(&["run", second, "--json"]);
    let packet = &json(&said)["runs"][0]["packet"];
    assert_eq!(
        (&packet["outcome"], &packet["specs"]),
        (&"done".into(), &"pass".into()),
        "{said}"
    );
    let current = world.git(&[
        "show",
        &format!("foil/{second}:ledger/specs/current/calendar/requirements.md"),
    ]);
    assert!(
        current.contains("| REQ-001 | accepted | Everybody can ask"),
        "{current}"
    );
    assert!(!current.contains("Others can ask"), "{current}");
    assert_eq!(world.foil(&["verify", second]).code, Some(0));
}
