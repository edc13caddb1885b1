//! Mode `research`: an answer, and no change.

use serde_json::json;

use crate::common::World;
use crate::world::{TICKET, approved_with, json};

const BRANCH: &str = "foil/0001-hello";

const QUESTION: &str =
    "title = \"Who says hello?\"\nmode = \"research\"\n[scope]\ngoal = \"it is known who says hello\"\n";

const ANSWER: &str = "role = \"reviewer\"\nprompt_contains = \"# Ticket 0001-hello\"\n[answer]\n\
    report = { summary = \"Nobody: `README` is all there is.\" }\n";

/// A world whose worker, which may only read, takes these steps before it answers.
fn asked(steps: &str) -> World {
    let answer = ANSWER.replacen("[answer]", &format!("{steps}[answer]"), 1);
    approved_with(
        "role = \"writer\"\n[end]\nfail = { class = \"other\", message = \"it may write\" }\n",
        QUESTION,
        |world| {
            std::fs::write(world.folder().join("scripts/a-researcher.toml"), answer).unwrap();
            let reviewer = world.folder().join("scripts/reviewer.toml");
            let script = std::fs::read_to_string(&reviewer).unwrap();
            let told = "prompt_contains = \"The ticket asks for an answer and for no change\"\n";
            std::fs::write(reviewer, format!("{told}{script}")).unwrap();
        },
    )
}

#[test]
fn an_answer_is_reviewed_and_delivered_with_the_records_and_nothing_else_changes() {
    let world = asked("");
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["verdict"], "pass");
    assert_eq!(packet["checks"], json!([]));
    assert_eq!(packet["warnings"], json!([]));
    assert_eq!(packet["counts"]["added"], 0);
    assert_eq!(
        world.git(&["diff", "--name-only", "HEAD", BRANCH]),
        format!("ledger/tickets/{TICKET}/result.md\nledger/tickets/{TICKET}/review.md")
    );
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains("> Nobody: `README` is all there is."), "{record}");
    assert!(
        record.contains("Nothing changed, so there was nothing to check."),
        "{record}"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_researcher_that_changes_a_file_ends_the_run_and_nothing_is_delivered() {
    for (path, code) in [
        ("hello.txt", "scope_violation"),
        ("counterfoil.toml", "protected_path_changed"),
    ] {
        let world = asked(&format!("[[step]]\ndo = \"write\"\npath = \"{path}\"\ntext = \"x\"\n"));
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(said.code, Some(10), "{said}");
        assert_eq!(json(&said)["runs"][0]["packet"]["blocker"]["code"], code, "{said}");
        assert_eq!(world.git(&["for-each-ref", &format!("refs/heads/{BRANCH}")]), "");
    }
}

#[test]
fn a_ticket_that_asks_for_an_answer_cannot_name_what_changes() {
    for (more, key) in [
        ("allowed = [\"hello.txt\"]\n", "scope.allowed"),
        ("[[check]]\nname = \"tests\"\nrun = \"true\"\n", "check"),
        ("[grants]\ndependencies = [\"time\"]\n", "grants.dependencies"),
        ("[grants]\nprotected = [\"AGENTS.md\"]\n", "grants.protected"),
        ("[grants]\nmigrations = true\n", "grants.migrations"),
    ] {
        let contract = format!("{QUESTION}{more}");
        let error = ledger_core::TicketFile::parse(contract.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string().split(", so ").nth(1).unwrap(),
            format!("`{key}` means nothing in it"),
            "{error}"
        );
        assert_eq!(
            error.hint.as_deref(),
            Some("leave it out, or choose a mode in which files may change")
        );
    }
}
