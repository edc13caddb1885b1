//! What is delivered beside a change: `result.md`, `review.md`, and what the commits say of their run.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{LOOP, World, installed};
use crate::seen;
use crate::world::{TICKET, approved_with, done, run_folder, run_id};

const CONTRACT: &str = "title = \"Say <hello>\"\nmode = \"standard\"\n[scope]\nallowed = [\"hello.txt\", \"notes/**\"]\n\
    [[acceptance]]\nid = \"AC-1\"\nthen = \"it says hello\"\n[[acceptance]]\nid = \"AC-2\"\nthen = \"it reads well\"\n\
    [[check]]\nname = \"greets | loudly\"\nrun = \"grep hello hello.txt\"\nproves = [\"AC-1\"]\n";

/// A worker that says something in every part of its report, and would like to write the record itself.
const WRITER: &str = r#"
role = "writer"
[tokens]
input = 10
output = 5
[[step]]
do = "write"
path = "hello.txt"
text = "hello\n"
[[step]]
do = "write"
path = "notes/`a`.md"
text = "notes\n"
[answer.report]
summary = "said hello\n\n## Verification\n\n| check | result |\n---\nrecord: mine"
commands = [{ command = "grep hello hello.txt", outcome = "found\n## Blockers" }]
skipped_checks = ["the slow one: <!-- no time -->"]
deviations = ["a note more than was asked"]
risks = ["it may be too loud"]
memory = ["hello is said in `hello.txt`"]
next_ticket = "Say goodbye"
"#;

const REVIEWER: &str = r#"
role = "reviewer"
[answer.review]
verdict = "pass"
summary = "good\n# Review of another"
inspected = ["hello.txt", "notes"]
findings = [{ severity = "low", place = "hello.txt:1", expected = "a comma", actual = "none", required_repair = "add one" }]
residual_risks = ["nobody listens"]
next_action = "merge it"
"#;

/// A record as it was delivered.
fn record(world: &World, branch: &str, ticket: &str, name: &str) -> String {
    world.git(&["show", &format!("{branch}:ledger/tickets/{ticket}/{name}.md")])
}

#[test]
fn records_have_fixed_sections_which_nobody_who_is_quoted_can_add_to() {
    let world = approved_with(WRITER, CONTRACT, |world| {
        std::fs::create_dir(world.home()).unwrap();
        std::fs::write(world.folder().join("scripts/reviewer.toml"), REVIEWER).unwrap();
    });
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let branch = format!("foil/{TICKET}");
    let version = format!("\nfoil: {}\n", env!("CARGO_PKG_VERSION"));
    let of_any_version = |name| record(&world, &branch, TICKET, name).replacen(&version, "\nfoil: [version]\n", 1);
    seen!("plan_record", of_any_version("plan"));
    seen!("result_record", of_any_version("result"));
    seen!("review_record", of_any_version("review"));
    let listed = ["diff", "--name-only", &format!("{branch}^"), &branch];
    let folder = format!("ledger/tickets/{TICKET}");
    assert_eq!(
        world.git(&listed),
        format!("{folder}/handoff.md\n{folder}/plan.md\n{folder}/result.md\n{folder}/review.md")
    );
}

#[test]
fn both_commits_name_their_ticket_their_run_and_the_journal_before_them() {
    let world = done();
    let journal = std::fs::read_to_string(run_folder(&world).join("journal.jsonl")).unwrap();
    let lines: Vec<Value> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let intent = lines.iter().find(|line| line["event"]["effect"] == "prepare_delivery");
    let before = intent.unwrap()["prev"].as_str().unwrap();
    let run = run_id(&world);
    let trailers = format!("Counterfoil-Ticket: {TICKET}\nCounterfoil-Run: {run}\nCounterfoil-Journal: {before}");
    for (commit, subject) in [
        ("foil/0001-hello^", "0001-hello: Say hello"),
        ("foil/0001-hello", "0001-hello: records"),
    ] {
        assert_eq!(
            world.git(&["log", "-1", "--format=%B", commit]),
            format!("{subject}\n\n{trailers}")
        );
        assert_eq!(world.git(&["log", "-1", "--format=%(trailers:only)", commit]), trailers);
    }
}

#[test]
fn a_message_of_the_policys_that_names_no_ticket_keeps_the_trailers_that_do() {
    let world = approved_with(crate::world::WRITER, LOOP, |world| {
        let policy = world.read("counterfoil.toml");
        world.write(
            "counterfoil.toml",
            format!("{policy}[delivery]\nmessage = \"--amend: a {{kind}}\"\n"),
        );
    });
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let run = run_id(&world);
    let shown = |format: &str| world.git(&["log", "-1", &format!("--format={format}"), "foil/0001-hello^"]);
    assert_eq!(shown("%s"), "--amend: a feature");
    let trailers = shown("%(trailers:only)");
    assert!(
        trailers.starts_with(&format!(
            "Counterfoil-Ticket: {TICKET}\nCounterfoil-Run: {run}\nCounterfoil-Journal: sha256:"
        )),
        "{trailers}"
    );
    assert_eq!(
        shown("%P"),
        world.git(&["rev-parse", "main"]),
        "and nothing was amended"
    );
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn a_ticket_and_paths_with_the_names_of_gits_commands_are_delivered_as_they_are() {
    let steps: String = ["branch/x", "checkout/y", "restore"]
        .iter()
        .map(|path| format!("[[step]]\ndo = \"write\"\npath = \"{path}\"\ntext = \"hello\\n\"\n"))
        .collect();
    let writer = format!(
        "role = \"writer\"\n[[step]]\ndo = \"command\"\ncommand = \"grep -r restore branch checkout\"\n{steps}[answer]\nreport = {{ summary = \"git restore\" }}\n"
    );
    let contract =
        "title = \"restore\"\nmode = \"standard\"\n[scope]\nallowed = [\"branch/x\", \"checkout/**\", \"restore\"]\n";
    let world = approved_with(&writer, contract, |world| {
        let policy = world.read("counterfoil.toml");
        let (before, _) = policy.split_once("[[check]]").unwrap();
        world.write(
            "counterfoil.toml",
            format!("{before}[delivery]\nmessage = \"{{title}}\"\n"),
        );
    });
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let shown = ["log", "-1", "--format=%s", "--name-only", "foil/0001-hello^"];
    assert_eq!(world.git(&shown), "restore\n\nbranch/x\ncheckout/y\nrestore");
    let said = world.foil(&["deliver", TICKET, "--here"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.read("checkout/y"), "hello\n");
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_title_that_a_shell_or_git_would_read_is_told_as_it_is() {
    const TITLE: &str = "--amend \"it\": $HOME `x` 'y'";
    let world = approved_with(crate::world::WRITER, LOOP, |_| ());
    let made = world.foil(&["new", "--id", "0002-odd", "--mode", "loop", "--", TITLE]);
    assert_eq!(made.code, Some(0), "{made}");
    let contract = "ledger/tickets/0002-odd/ticket.toml";
    let text = world
        .read(contract)
        .replace("allowed = []", "allowed = [\"hello.txt\"]");
    world.write(contract, text);
    world.write("ledger/tickets/0002-odd/prompt.md", "Say hello.\n");
    for args in [
        &["check", "0002-odd"][..],
        &["package", "new", "--name", "odd", "--", TITLE, "0002-odd"],
        &["approve", "odd"],
        &["run", "odd"],
        &["verify", "0002-odd"],
    ] {
        let said = world.foil(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said}");
    }
    let said_of = |format: &str, commit: &str| world.git(&["log", "-1", &format!("--format={format}"), commit]);
    assert_eq!(said_of("%s", "foil/0002-odd^"), format!("0002-odd: {TITLE}"));
    assert_eq!(said_of("%s", "foil/0002-odd"), "0002-odd: records");
    for commit in ["foil/0002-odd^", "foil/0002-odd"] {
        let trailers = said_of("%(trailers:only)", commit);
        let keys: Vec<_> = trailers.lines().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(keys, ["Counterfoil-Ticket", "Counterfoil-Run", "Counterfoil-Journal"]);
        assert_eq!(
            said_of("%(trailers:key=Counterfoil-Ticket,valueonly)", commit).trim(),
            "0002-odd"
        );
    }
    let told = |args: &[&str]| crate::world::json(&world.foil(args));
    assert_eq!(told(&["status", "0002-odd", "--json"])["tickets"][0]["title"], TITLE);
    assert_eq!(told(&["review", "0002-odd", "--json"])["packet"]["title"], TITLE);
    let package = told(&["package", "show", "odd", "--json"]);
    assert_eq!(
        (&package["title"], &package["tickets"][0]["title"]),
        (&TITLE.into(), &TITLE.into())
    );
}

#[test]
fn names_that_git_quotes_are_delivered_and_told_as_they_are() {
    // In the order of their bytes.
    const NAMES: [&str; 6] = [
        "notes/\t",
        "notes/ -> ",
        "notes/\"q\"",
        "notes/-rf",
        "notes/a'b`c$d",
        "notes/\u{fc}",
    ];
    let command = "mkdir notes && cd notes && for name in \"$(printf '\\t')\" ' -> ' '\"q\"' -rf \"a'b\\`c\\$d\" \"$(printf '\\303\\274')\"; do \
                   printf '%s\\n' \"$name\" >\"./$name\"; done";
    let world = approved_with(
        &format!("role = \"writer\"\n{}", crate::packages::runs(command)),
        "title = \"Notes\"\nmode = \"loop\"\n[scope]\nallowed = [\"notes/**\"]\n",
        |world| {
            let policy = world.read("counterfoil.toml");
            world.write("counterfoil.toml", policy.replace("grep -q hello hello.txt", "true"));
        },
    );
    let base = world.git(&["rev-parse", "HEAD"]);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let branch = format!("foil/{TICKET}");
    let changed = world.git(&["diff", "-z", "--name-only", &base, &format!("{branch}^")]);
    let changed: Vec<_> = changed.split_terminator('\0').collect();
    assert_eq!(changed, NAMES);
    for name in NAMES {
        let text = world.git(&["cat-file", "blob", &format!("{branch}:{name}")]);
        assert_eq!(text, name.strip_prefix("notes/").unwrap().trim_end());
    }
    let packet = crate::world::json(&world.foil(&["review", TICKET, "--json"]));
    seen!(
        "odd_names_packet",
        serde_json::to_string_pretty(&packet["packet"]["paths"]).unwrap()
    );
    let told = record(&world, &branch, TICKET, "result");
    let section: String = told
        .lines()
        .filter(|line| line.contains("notes/"))
        .map(|line| format!("{line}\n"))
        .collect();
    seen!("odd_names_record", section);
    assert!(crate::world::is_harmless(&told), "{told}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

/// `cargo xtask e2e` runs it: it needs npm and its registry.
#[test]
#[ignore = "needs npm and its registry"]
fn the_front_matter_is_yaml_whatever_ticket_and_branch_are_called() {
    let yaml = installed("yaml@2.9.1", "yaml/dist/index.js").unwrap();
    let id = "0042";
    let world = approved_with(crate::world::WRITER, LOOP, |world| {
        let policy = world.read("counterfoil.toml");
        world.write(
            "counterfoil.toml",
            format!("{policy}[delivery]\nbranch = \"@it's/{{id}}#1\"\n"),
        );
        world.ticket(id, LOOP);
    });
    assert_eq!(world.foil(&["approve", id]).code, Some(0));
    let said = world.foil(&["run", id]);
    assert_eq!(said.code, Some(0), "{said}");
    let branch = format!("@it's/{id}#1");
    let object = |name: &str| world.git(&["rev-parse", name]);
    for name in ["result", "review"] {
        let text = record(&world, &branch, id, name);
        let mut parts = text.splitn(3, "---\n");
        assert_eq!(parts.next(), Some(""));
        for version in ["1.1", "1.2"] {
            let mut read = parsed(&world, &yaml, version, parts.clone().next().unwrap());
            let fields = read.as_object_mut().unwrap();
            assert!(fields.remove("run").unwrap().is_string());
            assert!(fields.remove("started").unwrap().is_string());
            assert_eq!(
                read,
                json!({
                    "record": name, "ticket": id, "branch": branch, "foil": env!("CARGO_PKG_VERSION"),
                    "tree": object(&format!("{branch}^^{{tree}}")), "base": object("HEAD"),
                    "change": object(&format!("{branch}^")),
                    "iterations": 1, "repair_rounds": 0, "tokens": 15,
                }),
                "YAML {version}"
            );
        }
    }
}

/// What YAML of this version says, as JSON.
fn parsed(world: &World, yaml: &std::path::Path, version: &str, text: &str) -> Value {
    const SCRIPT: &str = "const [module, version] = process.argv.slice(1);\n\
        const text = require('fs').readFileSync(0, 'utf8');\n\
        console.log(JSON.stringify(require(module).parse(text, { version })));";
    let file = world.folder().join("front-matter");
    std::fs::write(&file, text).unwrap();
    let mut node = world.command("node");
    node.args(["-e", SCRIPT]).arg(yaml).arg(version);
    let said = crate::common::said(node.stdin(Stdio::from(std::fs::File::open(&file).unwrap())));
    assert_eq!(said.code, Some(0), "{said}");
    serde_json::from_str(&said.stdout).unwrap()
}
