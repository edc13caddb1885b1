//! Quick mode: what is too much for it, and how its work goes on.

use serde_json::{Value, json};

use crate::common::{Said, World};
use crate::world::{TICKET, approved_with, json, run_folder};

const BRANCH: &str = "foil/0001-hello";

const QUICK: &str = "title = \"Say hello\"\nmode = \"quick\"\n[scope]\ngoal = \"hello is said\"\n\
    allowed = [\"hello.txt\", \"src/lib.rs\"]\n";

fn write(path: &str, text: &str) -> String {
    format!("[[step]]\ndo = \"write\"\npath = \"{path}\"\ntext = \"{text}\"\n")
}

fn script(steps: &[String]) -> String {
    format!(
        "role = \"writer\"\n{}[answer]\nreport = {{ summary = \"said hello\" }}\n",
        steps.concat()
    )
}

/// A world with a small crate, and with a worker that says hello and takes these steps.
fn world(contract: &str, steps: &[String]) -> World {
    let hello = [write("hello.txt", "hello\\n")];
    approved_with(&script(&[&hello, steps].concat()), contract, |world| {
        world.write("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"1.0.0\"\n");
        world.write("src/lib.rs", "fn hello() -> u8 {\n    1\n}\n");
    })
}

fn run(world: &World, args: &[&str]) -> (Said, Value) {
    let said = world.foil(&[&["run", TICKET, "--json"], args].concat());
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

/// The violations that were recorded, as trigger or code and path.
fn violations(world: &World) -> Vec<(String, Option<String>)> {
    let journal = std::fs::read_to_string(run_folder(world).join("journal.jsonl")).unwrap();
    let records = ledger_core::Journal::parse(journal.as_bytes()).unwrap().records;
    let measured = records.iter().find_map(|record| match &record.event {
        ledger_core::Event::Observed {
            observation: ledger_core::Observation::ChangesMeasured { violations, .. },
            ..
        } => Some(violations),
        _ => None,
    });
    let name = |violation: &ledger_core::Violation| match violation.code {
        ledger_core::BlockerCode::QuickFlowEscalation => violation.detail.split(':').next().unwrap().to_owned(),
        code => code.to_string(),
    };
    measured
        .unwrap()
        .iter()
        .map(|violation| (name(violation), violation.path.as_ref().map(ToString::to_string)))
        .collect()
}

#[test]
fn a_change_within_what_a_quick_ticket_names_is_delivered() {
    let world = world(QUICK, &[write("src/lib.rs", "fn hello() -> u8 {\\n    2\\n}\\n")]);
    let (said, packet) = run(&world, &[]);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn the_packages_of_the_base_tell_modules_apart_before_and_after_the_turn() {
    // By their folders alone they would be two.
    let contract = QUICK.replace("\"src/lib.rs\"", "\"lexer/a.rs\", \"parser/b.rs\"");
    let steps = [
        write("lexer/a.rs", "fn a() {}\\n"),
        write("parser/b.rs", "fn b() {}\\n"),
    ];
    let (said, packet) = run(&world(&contract, &steps), &[]);
    assert_eq!(packet["outcome"], "done", "{said}");
}

#[test]
fn what_became_too_much_for_quick_mode_goes_on_as_a_standard_ticket() {
    let public = "pub fn hello() -> u8 {\\n    1\\n}\\n";
    let world = world(QUICK, &[write("src/lib.rs", public)]);

    let (said, packet) = run(&world, &[]);

    assert_eq!(said.code, Some(10), "{said}");
    let blocker = json!({
        "code": "quick_flow_escalation",
        "reason": "the change is more than quick mode allows: `src/lib.rs`: public_api_shared_contract: it adds `pub fn hello() -> u8`",
        "next_step": "set the ticket's `mode` to `standard` and `foil approve 0001-hello`; then `foil run --from-rescue 0001-hello` \
                      goes on with the work, which is kept",
        "resumable": false,
    });
    assert_eq!(packet["blocker"], blocker);
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
    let kept = world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep/**/tree-*"]);
    assert_eq!(
        world.git(&["show", &format!("{kept}:src/lib.rs")]),
        public.replace("\\n", "\n").trim_end()
    );

    // As the hint says.
    let contract = format!("ledger/tickets/{TICKET}/ticket.toml");
    world.write(&contract, world.read(&contract).replace("quick", "standard"));
    let said = world.foil(&["approve", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    // The worker of the new run has nothing more to do.
    std::fs::write(world.folder().join("scripts/writer.toml"), script(&[])).unwrap();
    let (said, packet) = run(&world, &["--from-rescue"]);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(
        world.git(&["diff", "--name-only", "HEAD", &format!("{BRANCH}^")]),
        "hello.txt\nsrc/lib.rs"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

/// The guide, whose words are held to what happens.
const GUIDE: &str = include_str!("../../../../docs/guide.md");

/// The text of the first code block of this language after a heading of the guide.
pub(crate) fn in_guide(heading: &str, language: &str) -> &'static str {
    let (_, section) = GUIDE.split_once(heading).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_quick_ticket_of_the_guide_ends_as_the_guide_says() {
    let worked = |function: &str| {
        let body = format!("{function} {{\\n    365 + u32::from(year % 4 == 0)\\n}}\\n");
        let script = script(&[write("src/year.rs", &body), write("tests/year.rs", "// 366\\n")]);
        let contract = in_guide("### A quick ticket", "toml");
        let world = approved_with(&script, contract, |world| {
            // What the policy's check looks at.
            world.write("hello.txt", "hello\n");
            world.write("Cargo.toml", "[package]\nname = \"calendar\"\nversion = \"1.0.0\"\n");
            world.write("src/year.rs", "fn days(year: u32) -> u32 {\n    365\n}\n");
        });
        run(&world, &[])
    };
    let (said, packet) = worked("fn days(year: u32) -> u32");
    assert_eq!(packet["outcome"], "done", "{said}");
    let (said, packet) = worked("pub fn days(year: u32) -> u32");
    let blocker = &packet["blocker"];
    let (code, reason) = (blocker["code"].as_str().unwrap(), blocker["reason"].as_str().unwrap());
    let told = in_guide("### A quick ticket", "text").trim_end();
    assert_eq!(format!("{code}: {reason}"), told, "{said}");
}

#[test]
fn a_ticket_that_stays_quick_escalates_again_with_the_same_work() {
    let world = world(QUICK, &[write("src/lib.rs", "pub fn hello() {}\\n")]);
    assert_eq!(run(&world, &[]).1["blocker"]["code"], "quick_flow_escalation");
    std::fs::write(world.folder().join("scripts/writer.toml"), script(&[])).unwrap();
    let (said, packet) = run(&world, &["--from-rescue"]);
    assert_eq!(packet["blocker"]["code"], "quick_flow_escalation", "{said}");
}

#[test]
fn every_line_that_was_crossed_is_told_and_recorded() {
    let world = world(
        QUICK,
        &[
            write("package.json", "{\\\"dependencies\\\": {\\\"left\\\": \\\"1.0.0\\\"}}"),
            write("src/session.css", "a {}\\n"),
            write("src/lib.rs", "pub fn hello() {}\\n"),
        ],
    );
    let (said, packet) = run(&world, &[]);
    let reason = "the change is more than quick mode allows: broad_file_scope: 4 files, and quick mode has at most 3; \
                  `package.json`: dependencies: it adds, replaces or removes `left`; \
                  `src/lib.rs`: public_api_shared_contract: it adds `pub fn hello()`; \
                  `src/session.css`: security_auth_privacy: `session` stands in its path; \
                  `src/session.css`: visual_flow_ambiguity: people see it, and no check shows how it looks";
    assert_eq!(packet["blocker"]["code"], "quick_flow_escalation", "{said}");
    assert_eq!(packet["blocker"]["reason"], reason);
    let at = |name: &str, path: &str| (name.to_owned(), Some(path.to_owned()));
    assert_eq!(
        violations(&world),
        [
            ("broad_file_scope".to_owned(), None),
            at("scope_violation", "package.json"),
            at("grant_missing", "package.json"),
            at("dependencies", "package.json"),
            at("public_api_shared_contract", "src/lib.rs"),
            at("scope_violation", "src/session.css"),
            at("security_auth_privacy", "src/session.css"),
            at("visual_flow_ambiguity", "src/session.css"),
        ]
    );
}

#[test]
fn a_change_of_hundreds_of_files_is_told_in_a_few_words() {
    let many = "[[step]]\ndo = \"run\"\ncommand = \"for i in $(seq 200); do echo x >f$i.txt; done\"\n".to_owned();
    let world = world(QUICK, &[many]);
    let (said, packet) = run(&world, &[]);
    let reason = "the change is more than quick mode allows: broad_file_scope: 201 files, and quick mode has at most 3; and 101 more";
    assert_eq!(packet["blocker"]["reason"], reason, "{said}");
}

#[test]
fn the_other_end_of_a_rename_counts_too() {
    let rename = "[[step]]\ndo = \"rename\"\npath = \"src/lib.rs\"\nto = \"src/login.rs\"\n".to_owned();
    let world = world(&QUICK.replace("src/lib.rs", "src/lib.rs\", \"src/other.rs"), &[rename]);
    let (said, packet) = run(&world, &[]);
    assert_eq!(packet["blocker"]["code"], "quick_flow_escalation", "{said}");
    let found = violations(&world);
    let expected = ("security_auth_privacy".to_owned(), Some("src/login.rs".to_owned()));
    assert!(found.contains(&expected), "{found:?}");
}

#[test]
fn a_path_out_of_scope_is_that_and_nothing_else_while_the_change_is_small() {
    let world = world(QUICK, &[write("other.txt", "x\\n")]);
    let (said, packet) = run(&world, &[]);
    assert_eq!(packet["blocker"]["code"], "scope_violation", "{said}");
}

#[test]
fn what_a_quick_ticket_could_not_grant_is_left_for_a_standard_one() {
    let asks = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"src/lib.rs\"\ntext = \"fn hello() {}\\n\"\n[answer]\n\
                report = { status = \"blocked\", blocked_because = \"no letters\", \
                wanted_grants = [{ kind = \"dependency\", name = \"figlet\", reason = \"letters\" }] }\n";
    let installs =
        "role = \"writer\"\n[[step]]\ndo = \"command\"\ncommand = \"cargo add figlet\"\n[end]\nnever = true\n";
    for (writer, reason) in [
        (
            asks,
            "the worker asks for a grant, and no ticket in quick mode gives any",
        ),
        (
            installs,
            "the worker begins a command that needs a grant, and no ticket in quick mode gives any",
        ),
    ] {
        let world = world(QUICK, &[]);
        std::fs::write(world.folder().join("scripts/writer.toml"), writer).unwrap();
        let (said, packet) = run(&world, &[]);
        assert_eq!(packet["blocker"]["code"], "quick_flow_escalation", "{said}");
        assert!(
            packet["blocker"]["reason"].as_str().unwrap().starts_with(reason),
            "{said}"
        );
    }
}

#[test]
fn a_quick_ticket_without_a_check_is_not_run() {
    let world = world(QUICK, &[]);
    let policy = world.read("counterfoil.toml");
    let (agent, _) = policy.split_once("[[check]]").unwrap();
    world.write("counterfoil.toml", agent);
    world.commit_all("Without checks");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(!world.root().join(".git/counterfoil/runs").exists());
    let explained = json(&world.foil(&["explain", TICKET, "--json"]));
    let gates = explained["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["name"] == "quick_flow").unwrap();
    let reason =
        "more than quick mode allows: proof_unavailable (neither policy nor ticket has a check that shows anything)";
    assert_eq!(gate["blocker"]["code"], "quick_flow_escalation", "{gate:#}");
    assert_eq!(gate["detail"], reason, "{gate:#}");
}

#[test]
fn a_ticket_that_says_that_it_needs_no_specs_is_held_to_it_in_the_packet() {
    let touches = [write("src/lib.rs", "pub fn hello() {}\\n")];
    let keeps = [write("src/lib.rs", "fn hello() {}\\n")];
    let claims = "[specs]\nreason = \"one module, no public contract\"\n";
    let warning = "the ticket says that it needs no specs (\"one module, no public contract\"), and the change touches \
                   public_api_shared_contract in `src/lib.rs`";
    for (more, steps, expected) in [
        (claims, &touches, vec![warning]),
        (claims, &keeps, vec![]),
        ("", &touches, vec![]),
    ] {
        let contract = format!("{}{more}", QUICK.replace("quick", "standard"));
        let (said, packet) = run(&world(&contract, steps), &[]);
        assert_eq!(packet["outcome"], "done", "{said}");
        let warnings = packet["warnings"].as_array().unwrap();
        let warnings: Vec<_> = warnings
            .iter()
            .filter_map(Value::as_str)
            .filter(|warning| warning.contains("specs"))
            .collect();
        assert_eq!(warnings, expected);
    }
}
