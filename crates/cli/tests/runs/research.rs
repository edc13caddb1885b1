//! Mode `research`: an answer, and no change.

use serde_json::json;

use crate::common::World;
use crate::quick_flow::in_guide;
use crate::world::{TICKET, approved_with, json};

const BRANCH: &str = "foil/0001-hello";

/// The ticket of the guide.
fn question() -> &'static str {
    in_guide("### A question", "toml")
}

const ANSWER: &str = "role = \"reviewer\"\nprompt_contains = \"# Ticket 0001-hello\"\n[answer]\n\
    report = { summary = \"Nobody: `README` is all there is.\" }\n";

/// A world whose worker, which may only read, takes these steps before it answers.
fn asked(steps: &str) -> World {
    asked_under(steps, "")
}

/// The same with more in the policy.
fn asked_under(steps: &str, policy: &str) -> World {
    let answer = ANSWER.replacen("[answer]", &format!("{steps}[answer]"), 1);
    approved_with(
        "role = \"writer\"\n[end]\nfail = { class = \"other\", message = \"it may write\" }\n",
        question(),
        |world| {
            std::fs::write(world.folder().join("scripts/a-researcher.toml"), answer).unwrap();
            let reviewer = world.folder().join("scripts/reviewer.toml");
            let script = std::fs::read_to_string(&reviewer).unwrap();
            let told = "prompt_contains = \"The ticket asks for an answer and for no change\"\n";
            std::fs::write(reviewer, format!("{told}{script}")).unwrap();
            let before = world.read("counterfoil.toml");
            world.write("counterfoil.toml", format!("{before}{policy}"));
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
        format!(
            "ledger/tickets/{TICKET}/handoff.md\nledger/tickets/{TICKET}/result.md\nledger/tickets/{TICKET}/review.md"
        )
    );
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains("> Nobody: `README` is all there is."), "{record}");
    assert!(record.contains("## Files changed\n\nNone.\n\n"), "{record}");
    assert!(
        record.contains("Nothing changed, so there was nothing to check."),
        "{record}"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn the_answer_of_the_guide_stands_in_the_record_as_the_guide_shows_it() {
    let shown = in_guide("### A question", "markdown").trim_end();
    let answer: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    let world = asked("");
    let script = world.folder().join("scripts/a-researcher.toml");
    let text = std::fs::read_to_string(&script).unwrap();
    let (before, _) = text.split_once("report = ").unwrap();
    let summary = serde_json::to_string(&answer.join("\n")).unwrap();
    std::fs::write(&script, format!("{before}report = {{ summary = {summary} }}\n")).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains(&format!("\n{shown}\n")), "{record}");
}

#[test]
fn an_answer_that_the_reviewer_refuses_is_given_anew_and_judged_again() {
    let finding = "findings = [{ severity = \"high\", place = \"README\", expected = \"who\", actual = \"nobody\", required_repair = \"look again\" }]";
    // The researcher's turns count as readers' too.
    let world = asked_under("", "[delivery]\naccept = \"required\"\n");
    let script = format!(
        "role = \"reviewer\"\nturn = 2\nprompt_contains = \"# Independent review\"\n[answer]\nreview = {{ verdict = \"fail\", {finding} }}\n"
    );
    std::fs::write(world.folder().join("scripts/a-first-review.toml"), script).unwrap();
    let code = |said: &crate::common::Said| json(said)["runs"][0]["packet"]["blocker"]["code"].clone();
    let run = || world.foil(&["run", TICKET, "--json"]);

    let said = run();
    assert_eq!(code(&said), "acceptance_needed", "{said}");
    assert_eq!(world.foil(&["reject", TICKET, "--because", "say where"]).code, Some(0));
    let said = run();
    assert_eq!(code(&said), "acceptance_needed", "{said}");
    assert_eq!(json(&said)["runs"][0]["packet"]["repair_rounds"], 2);
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    let said = run();
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
}

#[test]
fn gates_about_tests_want_nothing_of_an_answer() {
    let world = asked_under(
        "",
        "[gates]\ntdd = \"block\"\nchanged_tests = \"block\"\nfail_to_pass = \"block\"\n",
    );
    let wrong = "prompt_contains = \"Write the tests first\"\nrole = \"any\"\n[end]\nfail = { class = \"other\", message = \"told to write\" }\n";
    std::fs::write(world.folder().join("scripts/a-a-wrong.toml"), wrong).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    let explained = asked("").foil(&["explain", TICKET]).stdout;
    assert!(explained.contains("there is no check"), "{explained}");
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
        ("[grants]\nnetwork = true\n", "grants.network"),
        (
            "[specs]\nmode = \"full\"\nrequirements = \"r\"\ndesign = \"d\"\ntasks = \"t\"\n",
            "specs.mode",
        ),
    ] {
        let contract = format!("{}{more}", question());
        let error = ledger_core::TicketFile::parse(contract.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string().split(", so ").nth(1).unwrap(),
            format!("`{key}` means nothing in it"),
            "{error}"
        );
        let hint = match key {
            "specs.mode" => "set `mode = \"standard\"` for the ticket, or `mode = \"none\"` in `[specs]`",
            _ => "leave it out, or choose a mode in which files may change",
        };
        assert_eq!(error.hint.as_deref(), Some(hint));
    }
}
