//! `foil plan`

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{Said, World};
use crate::packages::{runs, writer};
use crate::parallel::{beside, signal, states};
use crate::seen;
use crate::specs;
use crate::world::{TICKET, eventually, json as json_of};

pub(crate) const GOAL: &str = "Greet people\n\nIn two files.";
pub(crate) const PACKAGE: &str = "greet-people";

/// How the prompt begins.
pub(crate) const GOAL_PROMPT: &str = "# Plan a goal";

/// A repository whose planner, reviewer and writers are scripts.
pub(crate) fn world() -> World {
    let world = World::new();
    assert_eq!(world.foil(&["init"]).code, Some(0));
    let scripts = world.folder().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::create_dir_all(world.folder().join("home")).unwrap();
    let reviewer = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"pass\", summary = \"good\" }\n";
    std::fs::write(scripts.join("reviewer.toml"), reviewer).unwrap();
    let check = "[[check]]\nname = \"any\"\nrun = \"true\"\nsandbox = \"off\"\n";
    let policy = format!(
        "[agent]\nkind = \"scripted\"\ncommand = \"{}\"\n[scope]\nforbidden = [\"secret/**\"]\n{check}",
        scripts.display()
    );
    world.write("counterfoil.toml", policy);
    world.write("README", "read me\n");
    world.commit_all("Set up Counterfoil");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    world
}

/// A planned ticket that writes one file.
fn ticket(id: &str, file: &str) -> Value {
    json!({
        "id": id, "title": format!("Write {file}"), "kind": "feature", "mode": "standard", "experts": [], "depends_on": [],
        "problem": "It is not there.", "desired": "It is there.", "goal": "A greeting", "allowed": [file], "forbidden": [],
        "out_of_scope": [], "acceptance": [{ "given": "", "when": "", "then": "the file is there", "requirements": [] }],
        "checks": [{ "name": format!("{file} is there"), "run": format!("test -s {file}"), "proves": ["AC-1"] }],
        "stop_when": [], "prompt": format!("Write {file}.\n\nAs short as can be."),
        "specs": { "requirements": "", "design": "", "tasks": "", "delta": "" }, "no_specs_because": "one text file",
    })
}

/// The planner's answer to a prompt with these words, with these fields beside the usual.
fn answers_to(world: &World, words: &str, fields: &Value) {
    let mut answer = json!({
        "turn": "{turn}", "status": "planned", "title": "Greetings", "approach": "One file after the other.", "tickets": [],
        "assumptions": [], "questions": [], "blocked_because": "",
    });
    answer
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let text = serde_json::to_string(&answer.to_string()).unwrap();
    script(world, words, &format!("[answer]\ntext = {text}\n"));
}

/// The same to the n-th prompt.
fn answers(world: &World, turn: u32, fields: &Value) {
    answers_to(world, &format!("goal/{PACKAGE}/{turn}"), fields);
}

pub(crate) fn script(world: &World, words: &str, end: &str) {
    let head = format!("role = \"planner\"\nprompt_contains = \"{words}\"\n");
    let name = format!("scripts/{}.toml", words.replace(['/', ' '], "-"));
    std::fs::write(world.folder().join(name), format!("{head}{end}")).unwrap();
}

pub(crate) fn two(world: &World) {
    answers(
        world,
        1,
        &json!({ "tickets": [ticket("0001-hello", "hello.txt"), ticket("0002-bye", "bye.txt")],
            "assumptions": ["English will do"], "questions": ["who is greeted?"] }),
    );
}

pub(crate) fn plan(world: &World) -> Said {
    world.foil(&["plan", GOAL])
}

/// Where planners read and where their drafts are checked.
pub(crate) fn places(world: &World) -> Vec<PathBuf> {
    let folder = world.state_home().join("counterfoil/places");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("plan-"))
        .collect()
}

/// What lies in the ledger but schemas, templates and protocols, with its bytes.
fn ledger(world: &World) -> Vec<(String, String)> {
    let listed = world.git(&[
        "ls-files",
        "--others",
        "--cached",
        "ledger/tickets",
        "ledger/packages",
        "ledger/specs",
    ]);
    let mut files: Vec<_> = listed
        .lines()
        .filter(|path| world.root().join(path).exists())
        .map(|path| (path.to_owned(), world.read(path)))
        .collect();
    files.sort();
    files
}

#[test]
fn a_goal_becomes_drafts_and_once_they_are_approved_one_branch() {
    let world = world();
    two(&world);
    let said = plan(&world);
    assert_eq!(said.code, Some(0), "{said}");
    seen!("plan_words", said);
    seen!("plan_contract", world.read("ledger/tickets/0001-hello/ticket.toml"));
    assert_eq!(
        world.read("ledger/tickets/0002-bye/prompt.md"),
        "Write bye.txt.\n\nAs short as can be.\n"
    );
    let package = world.read(&format!("ledger/packages/{PACKAGE}.toml"));
    assert!(
        package.contains("one_branch = true\n") && package.contains("[[lock]]"),
        "{package}"
    );
    assert_eq!(
        states(&world),
        [("0001-hello", "draft"), ("0002-bye", "draft")].map(|(id, state)| (id.into(), state.into()))
    );
    assert_eq!(world.foil(&["check"]).code, Some(0));
    assert_eq!(
        world.git(&["log", "--format=%s"]),
        "Set up Counterfoil",
        "nothing is committed"
    );
    assert_eq!(places(&world), [] as [PathBuf; 0]);

    script(&world, "# Plan for ticket", "[answer]\nplan = {}\n");
    writer(&world, "hello.txt", &runs("echo hello >hello.txt"));
    writer(&world, "bye.txt", &runs("cat hello.txt; echo bye >bye.txt"));
    let said = world.foil(&["approve", PACKAGE]);
    assert_eq!(said.code, Some(0), "{said}");
    let said = world.foil(&["run", PACKAGE]);
    assert_eq!(said.code, Some(0), "{said}");
    let branch = format!("foil/{PACKAGE}");
    assert_eq!(
        world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/foil"]),
        branch
    );
    assert_eq!(world.git(&["show", &format!("{branch}:hello.txt")]), "hello");
    assert_eq!(world.git(&["show", &format!("{branch}:bye.txt")]), "bye");
    assert_eq!(world.foil(&["verify"]).code, Some(0));
    let packet = json_of(&world.foil(&["review", "0002-bye", "--json"]));
    let checks = packet["packet"]["checks"].to_string();
    assert!(
        checks.contains("hello.txt is there"),
        "the checks of all run on the whole: {checks}"
    );

    let again = plan(&world);
    assert_eq!(again.code, Some(11), "{again}");
    assert!(again.stderr.contains("only drafts are planned anew"), "{again}");
}

#[test]
fn an_answer_that_breaks_a_rule_is_sent_back_with_the_reasons() {
    let world = world();
    let mut wrong = ticket("0001-hello", "hello.txt");
    wrong["depends_on"] = json!(["0099-nobody"]);
    answers(&world, 1, &json!({ "tickets": [wrong] }));
    let mut unproved = ticket("0001-hello", "hello.txt");
    unproved["checks"][0]["proves"] = json!(["AC-7"]);
    answers_to(&world, "0099-nobody", &json!({ "tickets": [unproved] }));
    answers_to(
        &world,
        "which is no acceptance item",
        &json!({ "tickets": [ticket("0001-hello", "hello.txt")] }),
    );
    let said = plan(&world);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(states(&world), [("0001-hello".into(), "draft".into())]);
}

#[test]
fn what_cannot_be_used_leaves_everything_as_it_was() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut ticket = ticket("0001-hello", "hello.txt");
        change(&mut ticket);
        json!({ "tickets": [ticket] })
    };
    let hostile = [
        (
            "an id out of the ledger",
            with(&|ticket| ticket["id"] = "../../x".into()),
            "is not a ticket id",
        ),
        (
            "another ticket's id",
            with(&|ticket| ticket["id"] = "0500-TAKEN".into()),
            "is another ticket's id",
        ),
        (
            "a grant",
            with(&|ticket| ticket["grants"] = json!({ "network": true })),
            "unknown field `grants`",
        ),
        (
            "a path out of the repository",
            with(&|ticket| ticket["allowed"] = json!(["../x"])),
            "../x",
        ),
        (
            "a title of two lines",
            with(&|ticket| ticket["title"] = "a\nb".into()),
            "the title must be one line",
        ),
        ("no tickets", json!({}), "`tickets` is empty"),
        ("no plan at all", json!({ "tickets": 7 }), "invalid type"),
    ];
    for (name, answer, words) in hostile {
        let world = world();
        world.ticket("0500-taken", crate::common::LOOP);
        let before = ledger(&world);
        (1..=3).for_each(|turn| answers(&world, turn, &answer));
        let said = plan(&world);
        assert_eq!(said.code, Some(10), "{name}: {said}");
        assert!(said.stderr.contains(words), "{name}: {said}");
        assert_eq!(ledger(&world), before, "{name}");
        assert!(
            !world
                .root()
                .join("ledger/packages")
                .join(format!("{PACKAGE}.toml"))
                .exists()
        );
    }
}

#[test]
fn nothing_that_a_planner_says_moves_the_terminal() {
    let world = world();
    let mut sly = ticket("0001-hello", "hello.txt");
    sly["title"] = "Write \u{1b}[2Jhello.txt\u{202e}".into();
    sly["checks"][0]["name"] = "\u{1b}]0;title\u{7}".into();
    answers(
        &world,
        1,
        &json!({ "tickets": [sly], "title": "\u{1b}[31m", "questions": ["\u{1b}[8m?"] }),
    );
    let said = plan(&world);
    assert!(
        !said.stdout.contains('\u{1b}') && !said.stderr.contains('\u{1b}'),
        "{said}"
    );
}

#[test]
fn a_goal_that_needs_a_person_is_not_planned() {
    let world = world();
    let because =
        json!({ "status": "blocked", "blocked_because": "nobody says whom", "questions": ["whom to greet?"] });
    answers(&world, 1, &because);
    let before = ledger(&world);
    let said = plan(&world);
    assert_eq!(said.code, Some(10), "{said}");
    seen!("plan_blocked", said);
    let report = json_of(&world.foil(&["plan", GOAL, "--json"]));
    assert_eq!(
        (&report["schema"], &report["blocked_because"]),
        (&"counterfoil.plan/1".into(), &"nobody says whom".into())
    );
    assert_eq!(ledger(&world), before);
}

#[test]
fn drafts_are_planned_anew_but_for_what_a_person_has_edited() {
    let world = world();
    answers(
        &world,
        1,
        &json!({ "tickets": [ticket("0001-hello", "hello.txt"), ticket("0002-bye", "bye.txt"), ticket("0003-more", "more.txt")] }),
    );
    assert_eq!(plan(&world).code, Some(0));
    let edited = world.read("ledger/tickets/0001-hello/prompt.md") + "And politely.\n";
    world.write("ledger/tickets/0001-hello/prompt.md", &edited);
    let title = world
        .read(&format!("ledger/packages/{PACKAGE}.toml"))
        .replace("title = \"Greetings\"", "title = \"Mine\" # as I say");
    world.write(&format!("ledger/packages/{PACKAGE}.toml"), title);
    let mut second = ticket("0002-bye", "bye.txt");
    second["title"] = "Say goodbye".into();
    let mut first = ticket("0001-hello", "hello.txt");
    first["title"] = "Something else".into();
    let again = json!({ "tickets": [second, first, ticket("0004-new", "new.txt")] });
    std::fs::remove_file(world.folder().join(format!("scripts/goal-{PACKAGE}-1.toml"))).unwrap();
    answers_to(&world, "Drafts that a person has edited", &again);
    let dry = world.foil(&["plan", GOAL, "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry}");
    assert!(world.root().join("ledger/tickets/0003-more").exists());
    let said = plan(&world);
    assert_eq!(said.code, Some(0), "{said}");
    seen!("plan_again", said);
    assert_eq!(world.read("ledger/tickets/0001-hello/prompt.md"), edited);
    assert!(
        world
            .read("ledger/tickets/0001-hello/ticket.toml")
            .contains("title = \"Write hello.txt\"")
    );
    assert!(
        world
            .read("ledger/tickets/0002-bye/ticket.toml")
            .contains("title = \"Say goodbye\"")
    );
    assert!(!world.root().join("ledger/tickets/0003-more").exists());
    let package = world.read(&format!("ledger/packages/{PACKAGE}.toml"));
    assert!(package.contains("title = \"Mine\" # as I say"), "{package}");
    assert!(
        package.contains("[\"0002-bye\", \"0001-hello\", \"0004-new\"]"),
        "{package}"
    );
    assert_eq!(world.foil(&["check"]).code, Some(0));
}

#[test]
fn what_a_plan_may_not_do_is_refused_before_anything_is_asked() {
    let world = world();
    two(&world);
    for (arguments, code, words) in [
        (&["plan", " "][..], 2, "a goal is a text"),
        (&["plan", "…"], 2, "no letter or digit"),
        (&["plan"], 2, "required"),
        (&["plan", "--from", "nowhere.md"], 2, "cannot be read"),
    ] {
        let said = world.foil(arguments);
        assert_eq!(said.code, Some(code), "{said}");
        assert!(said.stderr.contains(words), "{said}");
    }
    world.ticket("0001-mine", crate::common::LOOP);
    world.foil(&["package", "new", "Mine", "0001-mine"]);
    let said = world.foil(&["plan", GOAL, "--package", "mine"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("was not made by a plan"), "{said}");
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[limits]\nmax_iterations = 3\n"));
    let said = plan(&world);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("foil trust"), "{said}");
    let log = world
        .root()
        .join(format!(".git/counterfoil/plans/{PACKAGE}/agent.jsonl"));
    assert!(!log.exists(), "nobody was asked");
}

#[test]
fn a_planner_that_is_interrupted_leaves_nothing() {
    let world = world();
    script(
        &world,
        GOAL_PROMPT,
        "[[step]]\ndo = \"run\"\ncommand = \"sleep 60\"\n[end]\nnever = true\n",
    );
    let before = ledger(&world);
    let mut planner = beside(&world, &["plan", GOAL]);
    let log = world
        .root()
        .join(format!(".git/counterfoil/plans/{PACKAGE}/agent.jsonl"));
    eventually("it is asked", || log.exists());
    assert_eq!(places(&world).len(), 1);
    signal(planner.0.id(), "-INT");
    assert_eq!(planner.0.wait().unwrap().code(), Some(130));
    assert_eq!(ledger(&world), before);
    assert_eq!(places(&world), [] as [PathBuf; 0]);
}

#[test]
fn a_planner_that_breaks_a_limit_is_ended_and_nothing_of_it_is_used() {
    let plans = "[answer]\ntext = \"never read\"\n";
    let long = "[[step]]\ndo = \"run\"\ncommand = \"sleep 60\"\n[end]\nnever = true\n".to_owned();
    let command = |line: &str| format!("[[step]]\ndo = \"command\"\ncommand = \"{line}\"\n");
    let writes = |path: &str| {
        format!("[[step]]\ndo = \"run\"\ncommand = \"mkdir -p $(dirname {path}); echo x >{path}\"\n{plans}")
    };
    for (limits, script_of, words) in [
        ("turn_timeout = \"1s\"", long, "ended: the turn took 1s"),
        (
            "idle_timeout = \"1s\"",
            "[end]\nnever = true\n".to_owned(),
            "ended: no sign of life for 1s",
        ),
        (
            "max_repeats = 3",
            command("cat README").repeat(9) + plans,
            "ended: the worker did `cat README (exit code 0)` 3 times in a row, and changed no file",
        ),
        (
            "",
            command("git push") + "[end]\nnever = true\n",
            "ended: it pushes: `git push`",
        ),
        (
            "turn_tokens = 100",
            format!("[tokens]\ninput = 90\noutput = 11\n{plans}"),
            "ended: the turn has spent 101 tokens of at most 100",
        ),
        (
            "max_tokens = 100",
            format!("[tokens]\ninput = 90\noutput = 11\n{plans}"),
            "spent 101 tokens, more than the 100",
        ),
        ("", writes("README"), "files changed where the planner only reads"),
        (
            "",
            writes("ledger-of-mine/x"),
            "files changed where the planner only reads",
        ),
    ] {
        let world = world();
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}[limits]\n{limits}\n"));
        world.commit_all("Limits");
        assert_eq!(world.foil(&["trust"]).code, Some(0));
        script(&world, GOAL_PROMPT, &script_of);
        let before = ledger(&world);
        let said = plan(&world);
        assert_eq!(said.code, Some(10), "{limits}: {said}");
        assert!(said.stderr.contains(words), "{limits}: {said}");
        assert_eq!((ledger(&world), places(&world)), (before, Vec::new()), "{limits}");
    }
}

#[test]
fn the_log_of_a_plan_begins_anew_and_that_of_the_one_before_is_kept() {
    let world = world();
    two(&world);
    let log = |name: &str| {
        let folder = world.root().join(".git/counterfoil/plans").join(PACKAGE);
        std::fs::read_to_string(folder.join(name)).unwrap_or_default()
    };
    assert_eq!(plan(&world).code, Some(0));
    let first = log("agent.jsonl");
    assert_eq!(plan(&world).code, Some(0));
    assert_eq!(log("agent.jsonl.1"), first);
    let second = log("agent.jsonl");
    let began = |log: &str| log.matches("\"entry\":\"began\"").count();
    assert_eq!((began(&first), began(&second)), (1, 1), "{second}");
    assert_eq!(plan(&world).code, Some(0));
    assert_eq!(log("agent.jsonl.1"), second);
}

#[test]
fn a_planned_ticket_may_have_specs() {
    let world = world();
    specs::set_up(&world);
    for name in ["requirements", "design", "tasks", "delta"] {
        std::fs::remove_file(world.root().join(format!("ledger/specs/changes/{TICKET}/{name}.md"))).unwrap();
    }
    world.commit_all("A calendar");
    let texts = specs::in_guide("markdown");
    let contract = ledger_core::TicketFile::parse(specs::in_guide("toml")[0].as_bytes()).unwrap();
    let mut planned = ticket(TICKET, "src/year.rs");
    planned["allowed"] = json!(contract.scope.allowed);
    planned["acceptance"] = contract
        .acceptance
        .iter()
        .map(|item| json!({ "given": item.given, "when": item.when, "then": item.then, "requirements": item.requirements }))
        .collect();
    planned["checks"] = contract
        .check
        .iter()
        .map(|check| json!({ "name": check.name, "run": check.run, "proves": check.proves }))
        .collect();
    planned["specs"] = json!({ "requirements": texts[0], "design": texts[1], "tasks": texts[2], "delta": texts[3] });
    planned["no_specs_because"] = "".into();
    answers(&world, 1, &json!({ "tickets": [planned] }));
    let said = plan(&world);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        world.read(&format!("ledger/specs/changes/{TICKET}/requirements.md")),
        texts[0]
    );
    let said = world.foil(&["check"]);
    assert_eq!(said.code, Some(0), "{said}");
    let said = world.foil(&["approve", PACKAGE]);
    assert_eq!(said.code, Some(0), "{said}");
}
