//! `foil doctor`

use std::io::Write as _;

use serde_json::Value;

use crate::common::{Said, World};
use crate::seen;
use crate::world::{CONTRACT, TICKET, WRITER, approved, approved_with, done, json, run_folder, under_way};

/// The findings about something, as its state and what was seen.
fn findings(said: &Said, what: &str) -> Vec<Value> {
    let document = json(said);
    assert_eq!(document["schema"], "counterfoil.doctor/1");
    let findings = document["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|finding| finding["what"] == what)
        .cloned()
        .collect()
}

#[test]
fn what_a_run_needs_is_looked_at_piece_by_piece() {
    let world = done();
    let said = world.foil(&["doctor", "--json"]);
    let document = json(&said);
    let looked_at: Vec<_> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        looked_at,
        [
            "git",
            "repository",
            "identity",
            "policy",
            "trust",
            "agent",
            "check sandbox",
            "disk",
            "schemas",
            "journals"
        ]
    );
    let mut shown = document.clone();
    for finding in shown["findings"].as_array_mut().unwrap() {
        // What the machine is like.
        if ["git", "check sandbox", "disk"].contains(&finding["what"].as_str().unwrap()) {
            let what = finding["what"].clone();
            *finding = serde_json::json!({"what": what, "of the machine": true});
        }
    }
    seen!("doctor_json", format!("{shown:#}"));
    for (what, state) in [
        ("git", "ok"),
        ("identity", "ok"),
        ("policy", "ok"),
        ("trust", "ok"),
        ("schemas", "ok"),
        ("journals", "ok"),
    ] {
        assert_eq!(findings(&said, what)[0]["state"], state, "{said}");
    }
}

#[test]
fn a_folder_without_a_repository_is_a_problem_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    let said = crate::common::said(
        world
            .foil_command()
            .current_dir(folder.path())
            .args(["doctor", "--json"]),
    );
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(findings(&said, "repository")[0]["state"], "problem");
    assert!(findings(&said, "repository")[0]["hint"].is_string());
}

#[test]
fn what_is_not_as_it_should_be_is_named() {
    let world = approved("role = \"any\"\n");
    world.write("ledger/schemas/ticket.schema.json", "{}\n");
    world.write("counterfoil.toml", "[limits]\nmax_iterations = 7\n");
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(findings(&said, "trust")[0]["state"], "warning");
    assert_eq!(
        findings(&said, "schemas")[0]["detail"],
        "not those of this version: ticket"
    );
    world.write("counterfoil.toml", "[agent]\ncommand = \"no-such-codex\"\n");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(findings(&said, "codex")[0]["state"], "problem");
    world.write("counterfoil.toml", "[limits\n");
    assert_eq!(
        findings(&world.foil(&["doctor", "--json"]), "policy")[0]["state"],
        "problem"
    );
}

#[test]
fn a_torn_journal_is_cut_only_when_repair_is_asked() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let whole = std::fs::read(&path).unwrap();
    std::fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"seq\":9")
        .unwrap();
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(findings(&said, "journal")[0]["state"], "warning");
    assert_eq!(std::fs::read(&path).unwrap().len(), whole.len() + 8);
    let repaired = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(findings(&repaired, "journal")[0]["repaired"], true);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(
        findings(&world.foil(&["doctor", "--json"]), "journal"),
        [] as [Value; 0]
    );
}

#[test]
fn a_damaged_journal_is_a_problem_that_repair_leaves_alone() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let said = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(said.code, Some(1));
    assert_eq!(findings(&said, "journal")[0]["state"], "problem");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_a_killed_runner_left_is_named_and_ended() {
    let (world, mut runner) = under_way();
    assert_eq!(
        findings(&world.foil(&["doctor", "--repair", "--json"]), "run"),
        [] as [Value; 0]
    );
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(
        findings(&said, "run")[0]["detail"]
            .as_str()
            .unwrap()
            .rsplit(": ")
            .next(),
        Some("its runner was gone without a word")
    );
    assert_eq!(findings(&said, "locks")[0]["state"], "ok");
    let repaired = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(findings(&repaired, "locks")[0]["repaired"], true);
    assert_eq!(findings(&world.foil(&["doctor", "--json"]), "locks"), [] as [Value; 0]);
}

#[test]
fn people_read_a_line_a_finding() {
    let world = done();
    let said = world.foil(&["doctor"]);
    let lines: Vec<_> = said
        .stdout
        .lines()
        .filter(|line| line.contains("policy:") || line.contains("journals:") || line.contains("agent:"))
        .collect();
    seen!("doctor_lines", lines.join("\n"));
}

#[test]
fn a_run_that_delivered_an_earlier_one_is_whole() {
    let world = approved_with(WRITER, CONTRACT, |world| {
        let agent = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{agent}[delivery]\nmode = \"none\"\n"));
    });
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
    let delivered = world.foil(&["deliver", TICKET]);
    assert_eq!(delivered.code, Some(0), "{delivered}");
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(findings(&said, "journals")[0]["detail"], "2, and all are whole");
}
