//! What holds for every verb: help, colours, closed pipes, documents for machines.

mod common;

use common::{LOOP, Running, World, said};

const VERBS: [&str; 30] = [
    "init",
    "trust",
    "new",
    "plan",
    "package",
    "check",
    "approve",
    "cancel",
    "explain",
    "run",
    "status",
    "events",
    "logs",
    "review",
    "accept",
    "reject",
    "answer",
    "deliver",
    "verify",
    "stop",
    "daemon",
    "service",
    "clean",
    "doctor",
    "codex",
    "hook",
    "schema",
    "completions",
    "demo",
    "man",
];

#[test]
fn every_verb_has_help_with_examples() {
    let world = World::new();
    let main = world.foil(&["--help"]);
    let mut all = format!("$ foil --help\n{main}\n");
    for verb in VERBS {
        assert!(main.stdout.contains(&format!("\n  {verb} ")), "{verb}: {main}");
        let help = world.foil(&[verb, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Examples:\n  foil "), "{help}");
        all.push_str(&format!("$ foil {verb} --help\n{help}\n"));
    }
    assert_eq!(listed(&main.stdout).len(), VERBS.len(), "{main}");
    snapshot!("help_of_every_verb", all);
}

/// The verbs that a help text lists.
fn listed(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = lines.take_while(|line| !line.is_empty());
    verbs
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty())
        .collect()
}

#[test]
fn every_verb_of_a_verb_has_examples_too() {
    let world = World::new();
    let mut found = 0;
    for verb in VERBS {
        let help = world.foil(&[verb, "--help"]).stdout;
        for below in listed(&help) {
            let help = world.foil(&[verb, below, "--help"]);
            let example = format!("Examples:\n  foil {verb} {below}");
            assert!(help.stdout.contains(&example), "{help}");
            found += 1;
        }
    }
    assert!(found >= 10, "{found}");
}

const GUIDE: &str = include_str!("../../../docs/guide.md");

/// What our own pages tell people to type: the lines of code blocks that begin with `foil` or `$ foil`, and `foil …` in the text.
fn told_to_type() -> Vec<&'static str> {
    let pages = [
        include_str!("../../../README.md"),
        GUIDE,
        include_str!("../../../docs/troubleshooting.md"),
        include_str!("../../../docs/reference.md"),
        include_str!("../../runner/src/codex_files/skill.md"),
    ];
    let mut found = Vec::new();
    for page in pages {
        let mut is_code = false;
        for line in page.lines() {
            if line.starts_with("```") {
                is_code = !is_code;
            } else if is_code {
                let typed = line.strip_prefix("$ ").unwrap_or(line);
                // What stands behind the command is a comment.
                found.extend(
                    typed
                        .starts_with("foil ")
                        .then(|| typed.split(" #").next().unwrap_or(typed)),
                );
            } else {
                found.extend(
                    line.split('`')
                        .skip(1)
                        .step_by(2)
                        .filter(|words| words.starts_with("foil ")),
                );
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn what_the_pages_tell_people_to_type_can_be_typed() {
    let world = World::new();
    let told = told_to_type();
    assert!(told.len() > 100, "{}", told.len());
    let mut wrong = String::new();
    for line in told {
        let names = line
            .replace("<ticket>", "0001-hello")
            .replace("<code>", "scope_violation")
            .replace("<name>", "ticket");
        let words = shell_words(names.strip_prefix("foil ").unwrap_or_default());
        // With `--help`, everything that is typed is looked at, and nothing is missing or done.
        let mut arguments: Vec<_> = words.iter().map(String::as_str).collect();
        arguments.insert(
            arguments
                .iter()
                .position(|word| *word == "--")
                .unwrap_or(arguments.len()),
            "--help",
        );
        let said = world.foil(&arguments);
        if said.code != Some(0) {
            wrong.push_str(&format!("{line}\n{said}\n"));
        }
    }
    assert_eq!(wrong, "");
}

/// The words of a command line in which at most double quotes stand.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.trim().chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().into_iter().for_each(|word| word.push(other)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_block_of_toml_in_the_guide_is_a_policy_or_a_ticket() {
    let mut read = 0;
    for (index, block) in GUIDE.split("```").enumerate().filter(|(index, _)| index % 2 == 1) {
        let Some(toml) = block.strip_prefix("toml\n") else {
            continue;
        };
        let ticket = match toml.starts_with("title = ") {
            true => toml.to_owned(),
            false => format!("title = \"Of the guide\"\nmode = \"loop\"\n{toml}"),
        };
        let as_ticket = ledger_core::TicketFile::parse(ticket.as_bytes()).map(drop);
        let as_policy = policy::Policy::parse(toml.as_bytes()).map(drop);
        assert!(
            as_ticket.is_ok() || as_policy.is_ok(),
            "block {index}: {toml}\nas a ticket: {as_ticket:?}\nas a policy: {as_policy:?}"
        );
        read += 1;
    }
    assert!(read > 15, "{read}");
}

#[test]
fn a_verb_that_answers_in_text_refuses_to_answer_in_json() {
    let world = World::new();
    for args in [
        &["man", "--json"][..],
        &["completions", "bash", "--json"],
        &["demo", "--json"],
    ] {
        let said = world.foil(args);
        assert_eq!((said.code, said.stderr.is_empty()), (Some(2), false), "{said}");
        assert!(
            said.stdout.starts_with('{') && said.stdout.contains("counterfoil.error/1"),
            "{said}"
        );
    }
}

#[test]
fn a_wrong_word_is_a_document_where_one_was_asked_for() {
    let world = World::new();
    let error = |args: &[&str]| {
        let said = world.foil(args);
        assert_eq!(said.code, Some(2), "{said}");
        let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["schema"], "counterfoil.error/1");
        document["error"].to_string()
    };
    let all = [
        &["status", "--wach", "--json"][..],
        &["--json", "statsu"],
        &["new", "--json"],
        &["--json"],
    ]
    .map(|args| format!("{args:?}\n{}\n", error(args)));
    snapshot!("wrong_words_json", all.concat());
    assert_eq!(world.foil(&["new", "--", "--json", "x"]).stdout, "");
    assert_eq!(world.foil(&["--version", "--json"]).code, Some(0));
}

#[test]
fn a_wrong_word_is_an_error_with_a_suggestion() {
    let world = World::new();
    let mut all = String::new();
    for args in [
        &["statsu"][..],
        &["status", "--wach"],
        &[],
        &["new"],
        &["approve"],
        &["status", "a b"],
    ] {
        let said = world.foil(args);
        assert_eq!(said.code, Some(2), "{said}");
        all.push_str(&format!("$ foil {args:?}\n{said}\n"));
    }
    snapshot!(all);
}

#[test]
fn the_version_is_told_anywhere() {
    let world = World::new();
    snapshot!(said(world.foil_command().current_dir("/").arg("--version")));
}

#[test]
fn a_closed_pipe_is_silence() {
    let world = World::initialized();
    for number in 0..2000 {
        world.ticket(
            &format!("{number:04}-with-a-long-name-that-fills-the-pipe-quickly"),
            LOOP,
        );
    }
    for args in [&["status", "--all"][..], &["status", "--json"], &["schema", "journal"]] {
        let mut foil = Running::start(world.foil_command().args(args));
        foil.close_stdout();
        let said = foil.said();
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let world = World::initialized();
    world.ticket("0001-a", "titel = 1\n");
    let has_color = |args: &[&str]| {
        let said = said(world.foil_command().env("TERM", "xterm-256color").args(args));
        (said.stdout.contains('\x1b'), said.stderr.contains('\x1b'))
    };
    assert_eq!(has_color(&["check"]), (false, false));
    assert_eq!(has_color(&["status", "--color", "always"]), (true, false));
    assert!(has_color(&["check", "--color", "always"]).1);
    assert_eq!(has_color(&["status", "--color", "never"]), (false, false));
}

#[test]
fn a_failure_is_a_document_too() {
    let world = World::initialized();
    snapshot!("failure_json", world.foil(&["cancel", "0001-a", "--json"]));
    let document: serde_json::Value =
        serde_json::from_str(&world.foil(&["cancel", "0001-a", "--json"]).stdout).unwrap();
    assert_eq!(document["schema"], "counterfoil.error/1");
    assert_eq!(document["error"]["exit"], 2);
}

#[test]
fn quiet_leaves_the_answer_and_errors() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    let said = world.foil(&["approve", "0001-a", "--quiet"]);
    assert_eq!(said.stderr, "", "{said}");
    assert!(
        world
            .foil(&["approve", "nothing", "--quiet"])
            .stderr
            .starts_with("error: ")
    );
}

#[test]
fn schemas_are_listed_and_printed() {
    let world = World::new();
    snapshot!("schema_names", world.foil(&["schema"]));
    snapshot!("schema_names_json", world.foil(&["schema", "--json"]));
    snapshot!("schema_unknown", world.foil(&["schema", "tickets"]));
    for name in world.foil(&["schema"]).stdout.lines() {
        let said = world.foil(&["schema", name]);
        let schema: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}

#[test]
fn completions_and_manual_pages_are_made_for_every_verb() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.foil(&["completions", shell]);
        assert_eq!(script.code, Some(0));
        assert!(VERBS.iter().all(|verb| script.stdout.contains(verb)), "{shell}");
    }
    for verb in VERBS {
        let page = world.foil(&["man", verb]);
        assert!(
            page.stdout.starts_with(".ie \\n(.g .ds Aq") && page.stdout.contains("Examples"),
            "{page}"
        );
    }
    assert_eq!(world.foil(&["man", "nothing"]).code, Some(2));
    let folder = world.folder().join("man");
    assert_eq!(world.foil(&["man", "--out", folder.to_str().unwrap()]).code, Some(0));
    assert!(folder.join("foil.1").is_file() && folder.join("foil-status.1").is_file());
}

#[test]
fn no_path_of_the_machine_is_written_into_the_repository() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.foil(&["approve", "0001-a"]);
    world.ticket("0002-b", LOOP);
    world.foil(&["cancel", "0002-b"]);
    let here = world.folder().to_str().unwrap().to_owned();
    let found = world.try_git(&["grep", "-F", "-l", &here]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
