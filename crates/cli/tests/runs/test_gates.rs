//! Gates about tests, in a project whose tests report themselves.

use ledger_core::{Effect, Event, Journal, Run};
use serde_json::Value;

use crate::common::{Said, World};
use crate::world::{TICKET, approved_in, json, run_folder};

/// Runs the functions `test_*` of the files `tests/test_*.py`, and tells of each in a report.
const RUNNER: &str = include_str!("test_gates/run_tests.py");

/// What is wrong, and the test that does not see it.
pub(crate) const BASE: [(&str, &str); 3] = [
    ("src/year.py", "def days(year):\n    return 365\n"),
    (
        "tests/test_year.py",
        "from year import days\n\ndef test_common():\n    assert days(2023) == 365\n",
    ),
    (RUN_TESTS, RUNNER),
];

const RUN_TESTS: &str = "run_tests.py";

pub(crate) const FIXED: (&str, &str) = (
    "src/year.py",
    "def days(year):\n    return 366 if year % 4 == 0 else 365\n",
);

/// A test that fails before and passes after.
pub(crate) const SHOWN: (&str, &str) = (
    "tests/test_leap.py",
    "from year import days\n\ndef test_leap():\n    assert days(2024) == 366\n",
);

/// A test that passes whatever is done.
const NOT_SHOWN: (&str, &str) = (
    "tests/test_leap.py",
    "from year import days\n\ndef test_leap():\n    assert days(2025) == 365\n",
);

pub(crate) const CONTRACT: &str =
    "title = \"Count leap days\"\nkind = \"bugfix\"\nmode = \"standard\"\n[scope]\nallowed = [\"**\"]\n";

/// With a report, and without one.
pub(crate) const BY_REPORT: &str = "report = \"junit:report.xml\"\n";
pub(crate) const BY_STATUS: &str = "";

/// What the worker does in one turn, and what it says of it.
pub(crate) struct Turn<'a> {
    pub(crate) files: &'a [(&'a str, &'a str)],
    pub(crate) gone: &'a [&'a str],
    pub(crate) status: &'static str,
    /// What it must have been told.
    pub(crate) told: &'static str,
}

pub(crate) fn turn<'a>(files: &'a [(&'a str, &'a str)]) -> Turn<'a> {
    Turn {
        files,
        gone: &[],
        status: "done",
        told: "",
    }
}

fn script(number: usize, turn: &Turn<'_>) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut script = format!("role = \"writer\"\nturn = {number}\n");
    if !turn.told.is_empty() {
        script.push_str(&format!("prompt_contains = {}\n", quoted(turn.told)));
    }
    for (path, text) in turn.files {
        script.push_str(&format!(
            "[[step]]\ndo = \"write\"\npath = {}\ntext = {}\n",
            quoted(path),
            quoted(text)
        ));
    }
    for path in turn.gone {
        script.push_str(&format!("[[step]]\ndo = \"delete\"\npath = {}\n", quoted(path)));
    }
    script.push_str(&format!(
        "[answer]\nreport = {{ status = \"{}\", summary = \"did it\" }}\n",
        turn.status
    ));
    script
}

/// A world in which the worker takes these turns; after the last one it has nothing more to do.
pub(crate) fn project(gates: &str, check: &str, contract: &str, turns: &[Turn<'_>]) -> World {
    project_tested_by(RUN_TESTS, gates, check, contract, turns)
}

/// The same where the program that runs the tests lies there.
fn project_tested_by(runner: &str, gates: &str, check: &str, contract: &str, turns: &[Turn<'_>]) -> World {
    let last = Turn {
        files: &[],
        gone: &[],
        status: "done",
        told: "",
    };
    approved_in(World::new(), &script(1, &turns[0]), contract, |world| {
        for (path, text) in BASE {
            world.write(if path == RUN_TESTS { runner } else { path }, text);
        }
        world.write("hello.txt", "hello\n");
        let policy = world.read("counterfoil.toml");
        let (agent, _) = policy.split_once("[[check]]").unwrap();
        let check = format!("[[check]]\nname = \"tests\"\nrun = \"python3 {runner}\"\nsandbox = \"off\"\n{check}");
        world.write("counterfoil.toml", format!("{agent}{check}[gates]\n{gates}\n"));
        for (number, turn) in (2..).zip(turns[1..].iter().chain(std::iter::repeat_n(&last, 4))) {
            let path = world.folder().join(format!("scripts/writer_{number}.toml"));
            std::fs::write(path, script(number, turn)).unwrap();
        }
    })
}

fn run(world: &World) -> (Said, Value) {
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

fn records(world: &World) -> Vec<ledger_core::Record> {
    let bytes = std::fs::read(run_folder(world).join("journal.jsonl")).unwrap();
    Journal::parse(&bytes).unwrap().records
}

fn assert_done(world: &World, iterations: u64) -> Value {
    let (said, packet) = run(world);
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["iterations"], iterations, "{said}");
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    packet
}

pub(crate) fn assert_unproved(world: &World) -> String {
    let (said, packet) = run(world);
    assert_eq!(packet["blocker"]["code"], "proof_failed", "{said}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    packet["blocker"]["reason"].as_str().unwrap().to_owned()
}

const FAIL_TO_PASS: &str = "fail_to_pass = { bugfix = \"block\" }";

#[test]
fn a_test_that_fails_before_and_passes_after_is_found_by_its_name_and_told() {
    let world = project(FAIL_TO_PASS, BY_REPORT, CONTRACT, &[turn(&[FIXED, SHOWN])]);
    let packet = assert_done(&world, 1);
    let check = &packet["compared"]["checks"][0];
    let none = serde_json::json!({ "count": 0 });
    assert_eq!(
        check["changed"],
        serde_json::json!({
            "by": "report",
            "fail_to_pass": { "count": 1, "names": ["test_leap.test_leap"] },
            "pass_to_pass": 1, "pass_to_fail": none, "fail_to_fail": 0, "pass_to_none": none,
        })
    );
    assert_eq!(check["former"]["pass_to_pass"], 1, "{check}");
    assert_eq!(check["new"]["names"], serde_json::json!(["test_leap.test_leap"]));

    let told = "fail to pass 1 (test_leap.test_leap), pass to pass 1";
    let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/review.md")]);
    assert!(record.contains(told), "{record}");
    for how in [&["review", TICKET, "--markdown"][..], &["review", TICKET, "--html"]] {
        let shown = world.foil(how).stdout;
        assert!(shown.contains(told), "{shown}");
    }
    let events = world.foil(&["events", TICKET]).stdout;
    assert!(
        events.contains("1 test of the change failed on the base and passed on it; 0 tests of the base passed there and did not on it"),
        "{events}"
    );
    // What ran on the base is there to be read, and is what the base would be with the tests.
    assert!(world.foil(&["logs", TICKET]).stdout.contains("AssertionError"));
    let tree = packet["compared"]["apart"]["tests_on_base"].as_str().unwrap();
    assert_eq!(
        world.git(&[
            "diff",
            "--name-only",
            &format!("{}^{{tree}}", packet["base"].as_str().unwrap()),
            tree
        ]),
        "tests/test_leap.py"
    );
}

#[test]
fn a_worker_whose_tests_show_nothing_is_told_and_may_mend_it() {
    let better = Turn {
        told: "no test fails on the base and passes on the change",
        ..turn(&[SHOWN])
    };
    let world = project(FAIL_TO_PASS, BY_REPORT, CONTRACT, &[turn(&[FIXED, NOT_SHOWN]), better]);
    assert_done(&world, 2);
    let seen = records(&world);
    let runs = seen.iter().filter_map(|record| match &record.event {
        Event::Observed {
            observation: ledger_core::Observation::TestsCompared { ran, .. },
            ..
        } => Some(ran.len()),
        _ => None,
    });
    // The base with the tests, and the change with those of the base; the base itself and the change were checked before.
    assert_eq!(runs.collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_worker_whose_tests_never_show_anything_is_stopped() {
    let world = project(FAIL_TO_PASS, BY_REPORT, CONTRACT, &[turn(&[FIXED, NOT_SHOWN])]);
    let reason = assert_unproved(&world);
    assert!(
        reason.starts_with("fail_to_pass, after the worker was sent back 3 times: no test fails"),
        "{reason}"
    );
    let world = project(FAIL_TO_PASS, BY_STATUS, CONTRACT, &[turn(&[FIXED, NOT_SHOWN])]);
    assert_unproved(&world);
}

#[test]
fn without_a_report_a_check_counts_as_a_whole() {
    let world = project(FAIL_TO_PASS, BY_STATUS, CONTRACT, &[turn(&[FIXED, SHOWN])]);
    let packet = assert_done(&world, 1);
    let changed = &packet["compared"]["checks"][0]["changed"];
    assert_eq!(changed["by"], "exit_status");
    assert_eq!(changed["fail_to_pass"], serde_json::json!({ "count": 1 }));
}

#[test]
fn a_test_that_cannot_even_be_loaded_on_the_base_fails_there() {
    let files = [
        (
            "src/year.py",
            "def days(year):\n    return 365\n\ndef is_leap(year):\n    return year % 4 == 0\n",
        ),
        (
            "tests/test_leap.py",
            "from year import is_leap\n\ndef test_leap():\n    assert is_leap(2024)\n",
        ),
    ];
    let world = project(FAIL_TO_PASS, BY_REPORT, CONTRACT, &[turn(&files)]);
    let packet = assert_done(&world, 1);
    let changed = &packet["compared"]["checks"][0]["changed"];
    assert_eq!(
        changed["fail_to_pass"]["names"],
        serde_json::json!(["test_leap.test_leap"])
    );
}

#[test]
fn a_worker_that_makes_the_program_of_a_check_pass_over_a_broken_test_is_found_out() {
    let runner = "tools/quality.py";
    let looks_away = RUNNER.replace("startswith(\"test_\")", "startswith(\"test_l\")");
    assert_ne!(looks_away, RUNNER);
    // The test of the base fails with it.
    let broken = ("src/year.py", "def days(year):\n    return 366\n");
    let files = [broken, SHOWN, (runner, &*looks_away)];
    let turns = [turn(&files)];
    let world = project_tested_by(runner, FAIL_TO_PASS, BY_REPORT, CONTRACT, &turns);
    let reason = assert_unproved(&world);
    assert!(
        reason.contains("1 of the base's tests passed there and does not pass"),
        "{reason}"
    );
    // Without that gate the reviewer is asked for its word.
    let gates = "test_weakening = \"block\"";
    let world = project_tested_by(runner, gates, BY_REPORT, CONTRACT, &turns);
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "repair_limit", "{said}");
    let finding = packet["findings"][0]["place"].as_str().unwrap();
    assert!(finding.starts_with("tools/quality.py:"), "{said}");
}

#[test]
fn a_gate_is_for_the_kinds_of_ticket_that_the_policy_names() {
    let contract = CONTRACT.replace("bugfix", "feature");
    let world = project(FAIL_TO_PASS, BY_REPORT, &contract, &[turn(&[FIXED])]);
    let packet = assert_done(&world, 1);
    assert_eq!(packet.get("compared"), None, "{packet}");
}

#[test]
fn a_gate_that_warns_stops_nothing_and_is_told_at_the_top() {
    let gates = "fail_to_pass = \"warn\"\nchanged_tests = \"warn\"";
    let world = project(gates, BY_REPORT, CONTRACT, &[turn(&[FIXED])]);
    let warnings = assert_done(&world, 1)["warnings"].to_string();
    for warning in [
        "source is changed, and no test or assertion is new",
        "no test fails on the base and passes on the change",
    ] {
        assert!(warnings.contains(warning), "{warnings}");
    }
}

#[test]
fn a_change_of_source_needs_a_new_test_and_one_of_documentation_does_not() {
    let gates = "changed_tests = \"block\"";
    let with_test = Turn {
        told: "`src/year.py` is changed, and no test or assertion is new",
        ..turn(&[SHOWN])
    };
    assert_done(&project(gates, BY_REPORT, CONTRACT, &[turn(&[FIXED]), with_test]), 2);
    let docs = [("docs/year.md", "A year has days.\n")];
    assert_done(&project(gates, BY_REPORT, CONTRACT, &[turn(&docs)]), 1);
}

#[test]
fn tests_that_come_first_are_run_alone_and_then_with_the_rest() {
    let first = Turn {
        status: "in_progress",
        told: "Write the tests first",
        ..turn(&[SHOWN])
    };
    let world = project("tdd = \"block\"", BY_REPORT, CONTRACT, &[first, turn(&[FIXED])]);
    assert_done(&world, 2);
    let run = Run::replay(&records(&world)).unwrap();
    assert_eq!(run.tests_alone(), run.totals().trees.first().copied());
}

#[test]
fn source_that_comes_first_is_taken_back_or_not_delivered() {
    let reason = assert_unproved(&project(
        "tdd = \"block\"",
        BY_REPORT,
        CONTRACT,
        &[turn(&[FIXED, SHOWN])],
    ));
    assert!(
        reason.contains("`src/year.py` is changed, and the runner has not seen tests alone fail before"),
        "{reason}"
    );
    let alone = Turn {
        status: "in_progress",
        told: "take back everything but tests",
        ..turn(&[BASE[0]])
    };
    let turns = [turn(&[FIXED, SHOWN]), alone, turn(&[FIXED])];
    assert_done(&project("tdd = \"block\"", BY_REPORT, CONTRACT, &turns), 3);
    let warned = assert_done(
        &project("tdd = \"warn\"", BY_REPORT, CONTRACT, &[turn(&[FIXED, SHOWN])]),
        1,
    );
    assert!(
        warned["warnings"].to_string().contains("the tests did not come first"),
        "{warned}"
    );
}

#[test]
fn a_comparison_whose_runner_died_is_made_again() {
    let world = project(FAIL_TO_PASS, BY_REPORT, CONTRACT, &[turn(&[FIXED, SHOWN])]);
    assert_done(&world, 1);
    let last = records(&world)
        .iter()
        .position(|record| matches!(record.event, Event::Intended(Effect::CompareTests { .. })))
        .unwrap();
    let journal = run_folder(&world).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let kept: String = text.split_inclusive('\n').take(last + 1).collect();
    std::fs::write(&journal, kept).unwrap();
    for name in world
        .git(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/heads/foil",
            "refs/counterfoil/runs",
            "refs/counterfoil/receipts",
        ])
        .lines()
    {
        world.git(&["update-ref", "-d", name]);
    }
    for name in world
        .git(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/counterfoil/keep/*/change-*",
            "refs/counterfoil/keep/*/records-*",
        ])
        .lines()
    {
        world.git(&["update-ref", "-d", name]);
    }
    let packet = assert_done(&world, 1);
    assert_eq!(packet["compared"]["checks"][0]["changed"]["fail_to_pass"]["count"], 1);
}

#[test]
fn a_repair_that_changes_layout_alone_is_none() {
    let respaced = (
        "src/year.py",
        "def days(year):\n\n    return 366  if year % 4 == 0 else 365\n",
    );
    let world = project("", BY_REPORT, CONTRACT, &[turn(&[FIXED]), turn(&[respaced])]);
    let refuses = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"fail\", summary = \"centuries\" }\n";
    std::fs::write(world.folder().join("scripts/reviewer.toml"), refuses).unwrap();
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "repair_limit", "{said}");
    assert_eq!(
        (&packet["repair_rounds"], &packet["iterations"]),
        (&1.into(), &2.into())
    );
    assert!(
        packet["blocker"]["reason"]
            .as_str()
            .unwrap()
            .contains("no other change than tree"),
        "{said}"
    );
    let events = world.foil(&["events", TICKET]).stdout;
    assert_eq!(
        events.matches("fails the review").count(),
        1,
        "it is not reviewed twice: {events}"
    );
}

/// The reviewer refuses the change, and passes the first prompt that has these words, without a word on any test.
fn refused_once(world: &World, told: &str) {
    let review = |name: &str, condition: &str, answer: &str| {
        let text = format!("role = \"reviewer\"\n{condition}\n[answer]\nreview = {{ {answer} }}\n");
        std::fs::write(world.folder().join("scripts").join(name), text).unwrap();
    };
    review("reviewer.toml", "", "verdict = \"fail\", summary = \"centuries\"");
    let condition = format!("prompt_contains = \"{told}\"");
    review("a_second.toml", &condition, "verdict = \"pass\", summary = \"good\"");
}

#[test]
fn a_repair_that_weakens_a_test_needs_the_reviewers_word_where_the_policy_only_warns() {
    let weaker = (
        "tests/test_year.py",
        "from year import days\n\ndef test_common():\n    assert days(2023) in (365, 366)\n",
    );
    let world = project("", BY_REPORT, CONTRACT, &[turn(&[FIXED]), turn(&[weaker])]);
    // It would pass the repair, and says nothing of the test.
    refused_once(&world, "For each of them `weakened_tests` must hold one answer");
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "repair_limit", "{said}");
    let finding = &packet["findings"][0];
    assert_eq!(finding["place"], "tests/test_year.py:4", "{said}");
    assert_eq!(
        finding["actual"], "an assertion was changed; the reviewer said nothing about it",
        "{said}"
    );
}

#[test]
fn a_repair_that_takes_away_a_test_of_its_own_change_needs_the_reviewers_word() {
    let shortened = (SHOWN.0, "# It is shown elsewhere.\n");
    let world = project("", BY_REPORT, CONTRACT, &[turn(&[FIXED, SHOWN]), turn(&[shortened])]);
    // Against the base nothing is weaker: the test was never in it.
    refused_once(&world, "of the refused tree: a test was removed");
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "repair_limit", "{said}");
    let finding = &packet["findings"][0];
    assert_eq!(
        finding["actual"], "a test was removed; the reviewer said nothing about it",
        "{said}"
    );
}

#[test]
fn a_stopped_run_tells_in_short_what_is_needed_to_decide() {
    let contract = CONTRACT.replace("allowed", "goal = \"leap years have a day more\"\nallowed");
    let broken = [("src/year.py", "def days(year):\n    return 364\n")];
    let turns = [turn(&[FIXED]), turn(&broken)];
    let world = project("", BY_REPORT, &contract, &turns);
    let policy = world.read("counterfoil.toml");
    world.write(
        "counterfoil.toml",
        format!("{policy}[limits]\nverification_failures = 1\n"),
    );
    world.commit_all("Stop at the first failure");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let refuses = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"fail\", summary = \"centuries\" }\n";
    std::fs::write(world.folder().join("scripts/reviewer.toml"), refuses).unwrap();
    let (said, packet) = run(&world);
    assert_eq!(packet["blocker"]["code"], "verification_failure_limit", "{said}");
    crate::seen!("capsule", serde_json::to_string_pretty(&packet["capsule"]).unwrap());
    crate::seen!("capsule_in_the_packet", {
        let packet = world.foil(&["review", TICKET]).stdout;
        let (capsule, _) = packet.split_once("## Change").unwrap();
        capsule.to_owned()
    });
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(
        status.contains("did not hold: tests (python3 run_tests.py): exit status 1; failing: test_year.test_common"),
        "{status}"
    );
}

/// The blocks of this language in the part of the guide that is about this.
fn in_guide(language: &str) -> Vec<&'static str> {
    let guide = include_str!("../../../../docs/guide.md");
    let (_, section) = guide.split_once("### What tests show\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let mark = format!("```{language}\n");
    let blocks = section.split(&mark).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

#[test]
fn the_bug_fix_of_the_guide_ends_as_the_guide_says() {
    let (policy, test) = (in_guide("toml")[0], in_guide("python")[0]);
    let [shown, refused] = in_guide("text")[..] else {
        panic!("the guide tells two ends")
    };
    let world = |test: &str| {
        let world = project("", BY_REPORT, CONTRACT, &[turn(&[FIXED, (SHOWN.0, test)])]);
        std::fs::create_dir_all(world.folder().join("home")).unwrap();
        let written = world.read("counterfoil.toml");
        let (agent, _) = written.split_once("[[check]]").unwrap();
        world.write("counterfoil.toml", format!("{agent}{policy}"));
        world.commit_all("As the guide says");
        assert_eq!(world.foil(&["trust"]).code, Some(0));
        world
    };
    let good = world(test);
    assert_done(&good, 1);
    let packet = good.foil(&["review", TICKET]).stdout;
    assert!(packet.contains(shown.trim_end()), "{packet}");
    let worse = test.replace("2024) == 366", "2025) == 365");
    assert_ne!(worse, test);
    let reason = assert_unproved(&world(&worse));
    assert_eq!(format!("proof_failed: {reason}"), refused.trim_end());
}

#[test]
fn tests_in_a_source_file_of_rust_are_put_to_what_the_base_has() {
    let year = |days: &str, test: &str| {
        format!(
            "pub fn days(year: u32) -> u32 {{\n    {days}\n}}\n\n#[cfg(test)]\nmod tests {{\n    use super::days;\n\n    #[test]\n    fn common() {{\n        \
             assert_eq!(days(2023), 365);\n    }}\n{test}}}\n"
        )
    };
    let mended = "365 + u32::from(year % 4 == 0)";
    let test = "\n    #[test]\n    fn leap() {\n        assert_eq!(days(2024), 366);\n    }\n";
    let world = |after: &str| {
        let world = project(FAIL_TO_PASS, BY_STATUS, CONTRACT, &[turn(&[("src/year.rs", after)])]);
        world.write("src/year.rs", year("let _ = year; 365", ""));
        let policy = world.read("counterfoil.toml");
        // Not by rustup, which looks into the home.
        let printed = std::process::Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .unwrap();
        let rustc = format!("{}/bin/rustc", String::from_utf8(printed.stdout).unwrap().trim());
        let check = format!("{rustc} --test src/year.rs -o tests-of-year && ./tests-of-year");
        world.write("counterfoil.toml", policy.replace("python3 run_tests.py", &check));
        world.commit_all("In Rust");
        assert_eq!(world.foil(&["trust"]).code, Some(0));
        world
    };
    let packet = assert_done(&world(&year(mended, test)), 1);
    let check = &packet["compared"]["checks"][0];
    assert_eq!(
        (
            &check["changed"]["fail_to_pass"]["count"],
            &check["former"]["pass_to_pass"]
        ),
        (&1.into(), &1.into()),
        "{check}"
    );
    let broken = year("let _ = year; 366", test).replace("assert_eq!(days(2023), 365)", "assert_eq!(days(2023), 366)");
    let reason = assert_unproved(&world(&broken));
    assert!(reason.contains("1 of the base's tests passed there"), "{reason}");
}
