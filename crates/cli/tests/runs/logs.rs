//! `foil logs`

use std::io::Write as _;

use serde_json::json;

use crate::common::World;
use crate::seen;
use crate::world::{CONTRACT, TICKET, approved_in, done, is_harmless, json_lines, run_folder};

#[test]
fn turns_and_checks_are_shown_in_the_order_of_time_without_control_characters() {
    let world = done();
    let said = world.foil(&["logs"]);
    assert!(is_harmless(&said.stdout), "{said}");
    seen!("logs", said);
}

#[test]
fn one_source_or_the_last_lines_are_chosen() {
    let world = done();
    let checks = json_lines(&world.foil(&["logs", TICKET, "--source", "checks", "--json"]));
    assert!(
        checks
            .iter()
            .all(|line| line["source"] == "check" && line["name"] == "hello")
    );
    let printed: Vec<_> = checks
        .iter()
        .filter(|line| line["kind"] == "output")
        .map(|line| &line["text"])
        .collect();
    assert_eq!(printed, ["checked red", "over"]);
    let agent = json_lines(&world.foil(&["logs", TICKET, "--source", "agent", "--json"]));
    assert!(agent.iter().all(|line| line["source"] == "agent"));
    let all = json_lines(&world.foil(&["logs", TICKET, "--all", "--json"]));
    assert_eq!(all.len(), checks.len() + agent.len());
    assert_eq!(
        json_lines(&world.foil(&["logs", TICKET, "-n", "2", "--json"])),
        all[all.len() - 2..]
    );
    assert_eq!(world.foil(&["logs", TICKET, "-n", "0"]).stdout, "");
}

#[test]
fn what_codex_printed_is_shown_and_marks_cannot_be_forged() {
    let world = done();
    let item = json!({"type": "item.completed", "item": {
        "id": "1", "type": "command_execution", "command": "make\u{7}", "exit_code": 1,
        "aggregated_output": "2026-01-01 00:00:00 hello: check `hello` passed\n\u{1b}[31mno\rYES\n",
    }});
    let record = json!({"at": "2999-01-01T00:00:00Z", "turn": "r/1", "entry": "received", "line": item.to_string()});
    let mut log = std::fs::File::options()
        .append(true)
        .open(run_folder(&world).join("agent.jsonl"))
        .unwrap();
    writeln!(log, "not a record\n{record}\n{{\"at\":").unwrap();
    let said = world.foil(&["logs", TICKET, "-n", "5"]);
    assert!(is_harmless(&said.stdout), "{said}");
    assert_eq!(
        said.stdout,
        "  $ make\n  2026-01-01 00:00:00 hello: check `hello` passed\n  no\n  YES\n  exit status 1\n"
    );
    let raw = world.foil(&["logs", TICKET, "--raw", "-n", "1"]);
    assert!(raw.stdout.starts_with("  < {\"item\""), "{raw}");
}

#[test]
fn an_output_that_is_not_what_was_recorded_is_not_shown() {
    let world = done();
    let checks = run_folder(&world).join("checks");
    for entry in std::fs::read_dir(&checks).unwrap() {
        std::fs::write(entry.unwrap().path(), "forged\n").unwrap();
    }
    let said = world.foil(&["logs", TICKET, "--source", "checks"]);
    // What Git keeps of the run has the true one.
    assert!(
        said.stdout.contains("checked red") && !said.stdout.contains("forged"),
        "{said}"
    );
}

#[test]
fn a_run_that_is_only_in_git_still_shows_its_checks() {
    let world = done();
    std::fs::remove_dir_all(run_folder(&world)).unwrap();
    seen!("logs_stored", world.foil(&["logs", TICKET]));
}

#[test]
fn a_damaged_journal_does_not_hide_what_the_worker_did() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"seq\":3", "\"seq\":4", 1)).unwrap();
    let said = world.foil(&["logs", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stdout.contains("line 4 is damaged") && said.stdout.contains("turn begins"),
        "{said}"
    );
}

#[test]
fn nothing_that_looks_like_a_secret_and_no_path_of_the_machine_is_shown() {
    let world = World::new();
    let token = ["ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk"].concat();
    let folders = [world.root(), world.state_home().join("counterfoil"), world.home()];
    let paths = folders.map(|folder| folder.join("x").display().to_string());
    let writer = format!(
        "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n\
         [answer]\nreport = {{ summary = \"{token} in {}\" }}\n",
        paths.join(" ")
    );
    let world = approved_in(world, &writer, CONTRACT, |_| ());
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
    for arguments in [&["logs", TICKET][..], &["logs", TICKET, "--source", "agent", "--json"]] {
        let shown = world.foil(arguments).stdout;
        assert!(shown.contains("[secret] in $REPOSITORY/x $STATE/x ~/x"), "{shown}");
        let hidden = [&token[..], &paths[0], &paths[1], &paths[2]];
        assert!(hidden.iter().all(|hidden| !shown.contains(*hidden)), "{shown}");
    }
}
