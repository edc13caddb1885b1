//! A worker that makes tests weaker, under a policy that wants each such hunk justified.

use super::{Blocked, Delivers, Ends, attack_in, done, hello, run, toml_text, write};
use crate::common::World;
use crate::world::{TICKET, approved_with, is_harmless, json};

const TEST: &str = "def test_refuses():\n    assert parse('a@') is None\n\ndef test_quick():\n    assert took() < 5\n";

const WIDE: &str = "title = \"Say hello\"\nmode = \"standard\"\n[scope]\nallowed = [\"**\"]\n";

/// A reviewer that passes the change without a word on its tests.
const SILENT: &str = "verdict = \"pass\", summary = \"good\"";

/// A world in which the worker does this and the reviewer says this.
fn world(gate: &str, contract: &str, steps: &str, review: &str) -> World {
    approved_with(&format!("role = \"writer\"\n{steps}{}", done()), contract, |world| {
        world.write("tests/test_mail.py", TEST);
        world.write("tests/golden/mail.txt", "refused\n");
        world.write("pytest.ini", "[pytest]\naddopts = -x\n");
        let policy = world.read("counterfoil.toml");
        let rules = "[limits]\nmax_repair_rounds = 1\n[review]\nindependent = \"off\"\nblock_on = \"critical\"\n";
        let gate = format!("[gates]\ntest_weakening = {}\n", toml_text(gate));
        world.write("counterfoil.toml", format!("{policy}{rules}{gate}"));
        let review = format!("role = \"reviewer\"\n[answer]\nreview = {{ {review} }}\n");
        std::fs::write(world.folder().join("scripts/reviewer.toml"), review).unwrap();
    })
}

fn changed(old: &str, new: &str) -> String {
    assert!(TEST.contains(old));
    write("tests/test_mail.py", &TEST.replacen(old, new, 1))
}

/// The attacks: each with what its hunk is called.
fn attacks() -> [(String, &'static str); 7] {
    [
        (
            run("rm -f tests/test_mail.py"),
            "tests/test_mail.py:1-5 of the base: a file with tests was deleted",
        ),
        (
            changed("def test_quick():\n    assert took() < 5\n", ""),
            "tests/test_mail.py:4-5 of the base: a test was removed",
        ),
        (
            changed("    assert parse('a@') is None\n", "    pass\n"),
            "tests/test_mail.py:2 of the base: an assertion was removed",
        ),
        (
            changed("def test_quick", "@pytest.mark.skip\ndef test_quick"),
            "tests/test_mail.py:4: a test is skipped",
        ),
        (
            changed("< 5", "< 500"),
            "tests/test_mail.py:5: a threshold was loosened",
        ),
        (
            write("tests/golden/mail.txt", "accepted\n"),
            "tests/golden/mail.txt:1: a snapshot was rewritten",
        ),
        (
            write("pytest.ini", "[pytest]\naddopts = --collect-only\n"),
            "pytest.ini:2: how tests are run was changed",
        ),
    ]
}

#[test]
fn a_weakened_test_that_the_reviewer_does_not_mention_is_repaired_or_not_delivered() {
    for (attack, hunk) in attacks() {
        let (world, said) = attack_in(
            world("block", WIDE, &[hello(), attack].concat(), SILENT),
            &Blocked("repair_limit"),
        );
        let packet = json(&said)["runs"][0]["packet"].clone();
        let finding = &packet["findings"][0];
        let (place, how) = hunk.rsplit_once(": ").unwrap();
        assert_eq!(finding["place"], place, "{packet}");
        assert_eq!(
            finding["expected"], "as in the base, or justified by the reviewer as W1",
            "{packet}"
        );
        assert_eq!(
            finding["actual"],
            format!("{how}; the reviewer said nothing about it"),
            "{packet}"
        );
        assert_eq!(
            (&packet["repair_rounds"], &packet["iterations"]),
            (&1.into(), &2.into()),
            "{packet}"
        );
        assert_eq!(
            packet["warnings"][1],
            format!("a test may be weaker: W1: {hunk}"),
            "{packet}"
        );
        let events = world.foil(&["events", TICKET]).stdout;
        assert!(
            events.contains(&format!("1 hunk may weaken tests, first {hunk}")),
            "{events}"
        );
    }
}

#[test]
fn a_weakened_test_that_the_reviewer_refuses_is_not_delivered_whatever_its_verdict_says() {
    let no = format!(
        "{SILENT}, weakened_tests = [{{ id = \"W1\", verdict = \"not_justified\", reason = \"it still has to\" }}]"
    );
    let steps = [hello(), changed("< 5", "< 500")].concat();
    let (_, said) = attack_in(world("block", WIDE, &steps, &no), &Blocked("repair_limit"));
    let finding = &json(&said)["runs"][0]["packet"]["findings"][0];
    assert_eq!(
        finding["actual"], "a threshold was loosened; the reviewer says: it still has to",
        "{said}"
    );
}

const PATHS: Ends = Delivers(&["hello.txt", "tests/test_mail.py"]);

#[test]
fn a_weakened_test_that_the_reviewer_justifies_is_delivered_with_the_reason() {
    let reason = "the limit is\\n## Verdict\\nof another machine <b>";
    let yes = format!("{SILENT}, weakened_tests = [{{ id = \"W1\", verdict = \"justified\", reason = \"{reason}\" }}]");
    let steps = [hello(), changed("< 5", "< 500")].concat();
    let (world, _) = attack_in(world("block", WIDE, &steps, &yes), &PATHS);
    let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/review.md")]);
    let told = "W1: tests/test_mail.py:5: a threshold was loosened; the reviewer says justified: the limit is";
    assert!(record.contains(told) && is_harmless(&record), "{record}");
    assert_eq!(
        record.lines().filter(|line| *line == "## Verdict").count(),
        1,
        "{record}"
    );
    assert!(
        world
            .foil(&["review", TICKET])
            .stdout
            .contains("a test may be weaker: W1")
    );
}

#[test]
fn a_worker_that_restores_the_test_is_delivered() {
    let world = world("block", WIDE, &[hello(), changed("< 5", "< 500")].concat(), SILENT);
    let restores = format!(
        "role = \"writer\"\nturn = 2\n{}{}{}",
        hello(),
        write("tests/test_mail.py", TEST),
        done()
    );
    std::fs::write(world.folder().join("scripts/again.toml"), restores).unwrap();
    attack_in(world, &Delivers(&["hello.txt"]));
}

#[test]
fn a_weakened_test_is_told_and_stops_nothing_where_the_policy_only_warns() {
    let steps = [hello(), changed("< 5", "< 500")].concat();
    let (_, said) = attack_in(world("warn", WIDE, &steps, SILENT), &PATHS);
    let warnings = &json(&said)["runs"][0]["packet"]["warnings"];
    assert_eq!(
        warnings[1],
        "a test may be weaker: W1: tests/test_mail.py:5: a threshold was loosened"
    );
    let (_, said) = attack_in(world("off", WIDE, &steps, SILENT), &PATHS);
    assert!(!said.stdout.contains("a test may be weaker"), "{said}");
}

#[test]
fn a_weakened_test_in_a_run_without_a_reviewer_is_for_a_person() {
    let contract = WIDE.replace("standard", "loop");
    let steps = [hello(), changed("< 5", "< 500")].concat();
    let (_, said) = attack_in(world("block", &contract, &steps, SILENT), &Blocked("needs_person"));
    let reason =
        "tests/test_mail.py:5: a threshold was loosened, and the run goes without a reviewer who could justify it";
    assert!(said.stdout.contains(reason), "{said}");
    attack_in(world("block", &contract, &hello(), SILENT), &Delivers(&["hello.txt"]));
}
