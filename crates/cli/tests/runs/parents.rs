//! Mode `parent`: a ticket that owns others, has them run, and has the whole checked and reviewed once more.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::{LOOP, Said, World};
use crate::packages::{runs, writer};
use crate::quick_flow::in_guide;
use crate::world::{WRITES, begin, json as json_of};

const ONE: &str = "0001-one";
const TWO: &str = "0002-two";
const GUIDE: &str = "## A parent and its children";
const PARENT: &str = "0009-goal";

/// A world with an approved parent of two children, the second of which goes on from the first; with these further lines in the policy.
pub(crate) fn family(policy: &str) -> World {
    family_in(World::new(), policy)
}

/// The same in this world, which has no commit yet.
fn family_in(world: World, policy: &str) -> World {
    assert_eq!(world.foil(&["init"]).code, Some(0));
    // The tickets' own checks run in the sandbox.
    std::fs::create_dir_all(world.home()).unwrap();
    let scripts = world.folder().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    let script = |name: &str, text: &str| std::fs::write(scripts.join(name), text).unwrap();
    script(
        "z-reviewer.toml",
        "role = \"reviewer\"\nprompt_contains = \"Independent review\"\n[answer]\nreview = { verdict = \"pass\", summary = \"good\" }\n",
    );
    script(
        "manager.toml",
        "role = \"reviewer\"\nprompt_contains = \"# Ticket 0009-goal\"\n[answer]\nreport = { summary = \"one and two are there\", risks = [\"three is not\"] }\n",
    );
    let agent = format!("[agent]\nkind = \"scripted\"\ncommand = \"{}\"\n", scripts.display());
    let check = "[[check]]\nname = \"any\"\nrun = \"true\"\nsandbox = \"off\"\n";
    world.write("counterfoil.toml", format!("{agent}{check}{policy}"));
    let child = |id: &str, more: &str| world.ticket(id, &format!("{LOOP}parent = \"{PARENT}\"\n{more}"));
    child(ONE, "[[check]]\nname = \"one\"\nrun = \"test -e one.txt\"\n");
    child(TWO, &format!("depends_on = [\"{ONE}\"]\n"));
    world.ticket(PARENT, in_guide(GUIDE, "toml"));
    for (id, word) in [(ONE, "one"), (TWO, "two")] {
        world.write(&format!("ledger/tickets/{id}/prompt.md"), format!("Write {word}.\n"));
    }
    writer(&world, "one", &runs("echo one >one.txt"));
    writer(&world, "two", &runs("cat one.txt >two.txt; echo two >>two.txt"));
    world.commit_all("Set up Counterfoil");
    for args in [&["trust"][..], &["approve", PARENT]] {
        let said = world.foil(args);
        assert_eq!(said.code, Some(0), "{said}");
    }
    world
}

/// The same where everything is pushed to `main` of a bare remote.
fn pushed_family() -> World {
    let world = World::new();
    let remote = world.folder().join("remote.git");
    let remote = remote.to_str().unwrap();
    world.git(&["init", "-q", "--bare", "-b", "main", remote]);
    world.git(&["remote", "add", "origin", remote]);
    let world = family_in(world, "[delivery]\nmode = \"push\"\ntarget = \"main\"\n");
    world.git(&["push", "-q", "origin", "main"]);
    world
}

/// A program of the world, in which `$WORLD` stands for its folder.
fn program(world: &World, path: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = world.folder().join(path);
    let script = script.replace("$WORLD", world.folder().to_str().unwrap());
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What the parent's journal says of its children: child, end, choice.
fn choices(world: &World) -> Vec<(String, String, String)> {
    let runs = world.root().join(".git/counterfoil/runs").join(PARENT);
    let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone())
        .filter(|event| event["kind"] == "child_ended")
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&event["ticket"]),
                text(&event["end"]["as"]),
                text(&event["choice"]),
            )
        })
        .collect()
}

fn chosen(words: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = |(child, end, choice): &(&str, &str, &str)| (child.to_string(), end.to_string(), choice.to_string());
    words.iter().map(owned).collect()
}

fn packet_of<'a>(report: &'a Value, ticket: &str) -> &'a Value {
    let runs = report["runs"].as_array().unwrap();
    &runs.iter().find(|run| run["ticket"] == ticket).unwrap()["packet"]
}

fn fails(said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{said}");
}

#[test]
fn a_parent_has_its_children_run_and_brings_them_together() {
    let world = family("");
    assert_eq!(
        world.foil(&["run", "--dry-run"]).stdout,
        format!("{PARENT}\n"),
        "its children are its own to run"
    );
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 0);
    let report = json_of(&said);
    let packet = packet_of(&report, PARENT);
    assert_eq!(packet["outcome"], "done");
    assert_eq!(packet["verdict"], "pass");
    assert_eq!(packet["counts"]["added"], 0, "it changes nothing itself");
    let checks: Vec<_> = packet["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| &check["name"])
        .collect();
    assert_eq!(
        checks,
        ["any", "both", "0001-one: one"],
        "what was checked in a child is checked on the whole"
    );
    assert_eq!(
        packet["since"],
        world.git(&["rev-parse", "HEAD"]),
        "the whole is looked at from before the first child"
    );
    assert_eq!(
        choices(&world),
        chosen(&[(ONE, "delivered", "advance"), (TWO, "delivered", "advance")])
    );
    let branch = format!("foil/{PARENT}");
    assert_eq!(world.git(&["show", &format!("{branch}:two.txt")]), "one\ntwo");
    let record = world.git(&["show", &format!("{branch}:ledger/tickets/{PARENT}/result.md")]);
    assert!(
        record.contains("## Children\n") && record.contains("> - 0001-one is delivered at "),
        "{record}"
    );
    assert!(record.contains("> one and two are there"), "{record}");
    fails(&world.foil(&["verify"]), 0);
    let again = world.foil(&["run", PARENT]);
    assert_eq!(again.code, Some(11), "{again}");
}

/// A family whose reviewer passes only what both children together changed.
fn family_seen_as_a_whole() -> World {
    let world = family("");
    writer(&world, "one", &runs("echo one | tee one.txt >both.txt"));
    writer(&world, "two", &runs("echo two | tee two.txt >>both.txt"));
    // Neither child's own patch has both lines as new ones, and that of the whole has them from before the first child.
    let patch = "+++ b/both.txt\\n@@ -0,0 +1,2 @@\\n+one\\n+two\\n";
    let script = format!(
        "role = \"reviewer\"\nprompt_contains = \"{patch}\"\n[answer]\nreview = {{ verdict = \"pass\", summary = \"seen\" }}\n"
    );
    std::fs::write(world.folder().join("scripts/a-whole.toml"), script).unwrap();
    world
}

fn assert_whole_was_seen(world: &World) {
    fails(&world.foil(&["run", PARENT]), 0);
    let logs = world.foil(&["logs", PARENT, "--lines", "0"]).stdout;
    let review = world.foil(&["review", PARENT, "--json"]);
    assert_eq!(json_of(&review)["packet"]["review"], "seen", "{logs}");
}

#[test]
fn the_reviewer_of_the_whole_sees_what_all_children_changed() {
    assert_whole_was_seen(&family_seen_as_a_whole());
}

#[test]
fn the_whole_is_seen_where_the_children_ran_in_another_clone_and_however_they_were_merged() {
    for squashed in [false, true] {
        let world = family_seen_as_a_whole();
        for child in [ONE, TWO] {
            fails(&world.foil(&["run", child]), 0);
            let branch = format!("foil/{child}");
            match squashed {
                true => {
                    world.git(&["merge", "--squash", &branch]);
                    world.git(&["commit", "-m", "a child"]);
                }
                false => {
                    world.git(&["merge", "--no-ff", "--no-edit", &branch]);
                }
            }
        }
        for name in world
            .git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil"])
            .lines()
        {
            world.git(&["update-ref", "-d", name]);
        }
        std::fs::remove_dir_all(world.root().join(".git/counterfoil")).unwrap();

        assert_whole_was_seen(&world);
    }
}

#[test]
fn the_whole_is_seen_where_what_a_child_began_at_was_amended_since() {
    let world = family_seen_as_a_whole();
    fails(&world.foil(&["run", ONE]), 0);
    let began = world.git(&["rev-parse", "HEAD"]);
    world.git(&["commit", "-q", "--amend", "-m", "Amended"]);
    assert_ne!(world.git(&["rev-parse", "HEAD"]), began);
    assert_whole_was_seen(&world);
    fails(&world.foil(&["verify", PARENT]), 0);
}

#[test]
fn a_whole_that_begins_after_a_child_differs_when_it_is_verified() {
    let world = family("");
    fails(&world.foil(&["run", PARENT]), 0);
    let verified = world.foil(&["verify", PARENT]);
    fails(&verified, 0);
    assert!(verified.to_string().contains("where the whole begins"), "{verified}");
    // A child that began before what the reviewer of the whole was shown.
    let name = format!("refs/counterfoil/receipts/{ONE}");
    let receipt = world.git(&["show", &format!("{name}:receipt.json")]);
    let mut receipt: Value = serde_json::from_str(&receipt).unwrap();
    let root = world.git(&["rev-list", "--max-parents=0", "main"]);
    assert_ne!(receipt["base"], json!(root));
    receipt["base"] = json!(root);
    let file = world.folder().join("receipt.json");
    std::fs::write(&file, format!("{receipt}\n")).unwrap();
    let blob = world.git(&["hash-object", "-w", file.to_str().unwrap()]);
    let tree = world.folder().join("tree");
    let forge = "git read-tree $1 && git update-index --cacheinfo 100644,$2,receipt.json && git write-tree >$3";
    let status = world
        .command("sh")
        .env("GIT_INDEX_FILE", world.folder().join("index"))
        .args(["-c", forge, "sh", &name, &blob, tree.to_str().unwrap()])
        .status();
    assert!(status.unwrap().success());
    let tree = std::fs::read_to_string(&tree).unwrap();
    let tree = tree.trim_end();
    let commit = world.git(&["commit-tree", tree, "-m", "forged"]);
    world.git(&["update-ref", &name, &commit]);
    let verified = world.foil(&["verify", PARENT]);
    fails(&verified, 12);
    assert!(verified.to_string().contains("and `0001-one` began at"), "{verified}");
}

#[test]
fn what_nobody_reviewed_in_a_child_calls_for_its_experts_and_gates_on_the_whole() {
    let world = family("[review]\nindependent = \"off\"\n[gates]\ncode_review = \"block\"\n");
    writer(&world, "one", &runs("mkdir db; echo one | tee one.txt >db/tables.sql"));
    let script = |name: &str, text: &str| {
        let path = world.folder().join("scripts").join(name);
        std::fs::write(path, text).unwrap();
    };
    script(
        "a-code.toml",
        "role = \"expert\"\nprompt_contains = \"+++ b/two.txt\"\n[answer]\nexpert = { summary = \"seen\" }\n",
    );
    fails(&world.foil(&["run", PARENT]), 0);
    let packet = |ticket: &str| json_of(&world.foil(&["review", ticket, "--json"]))["packet"].clone();
    assert_eq!(
        packet(ONE)["experts"],
        Value::Null,
        "reviews are off for a ticket of this mode"
    );
    let asked: Vec<_> = packet(PARENT)["experts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|expert| {
            (
                expert["expert"].clone(),
                expert["trigger"].clone(),
                expert["path"].clone(),
            )
        })
        .collect();
    let asked_for = |expert: &str, trigger: &str| (json!(expert), json!(trigger), json!("db/tables.sql"));
    assert_eq!(
        asked,
        [
            asked_for("data_migration", "schema_data: it says how data is stored"),
            asked_for("code_review", "the policy asks for it"),
        ]
    );
}

#[test]
fn tests_that_a_child_weakened_are_told_and_judged_on_the_whole() {
    let world = World::new();
    world.write("test_it.py", "def test_it():\n    assert True\n");
    let world = family_in(world, "[review]\nindependent = \"off\"\nexperts = [\"test\"]\n");
    writer(
        &world,
        "one",
        &runs("echo one >one.txt; printf 'def test_it():\\n    pass\\n' >test_it.py"),
    );
    let script = "role = \"expert\"\n[answer]\nexpert = { summary = \"no loss\" }\n";
    std::fs::write(world.folder().join("scripts/expert.toml"), script).unwrap();
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 0);
    let report = json_of(&said);
    let packet = packet_of(&report, PARENT);
    assert_eq!(packet["experts"][0]["expert"], "test", "{packet}");
    assert!(packet["warnings"].to_string().contains("test_it.py:2"), "{packet}");
}

#[test]
fn what_is_worth_knowing_of_the_whole_is_noted_by_the_parent() {
    let world = World::new();
    world.write("agent/state.md", "# State\n");
    let world = family_in(world, "");
    let script = |name: &str, text: &str| {
        let path = world.folder().join("scripts").join(name);
        std::fs::write(path, text).unwrap();
    };
    script(
        "z-curator.toml",
        "role = \"curator\"\n[answer]\ncuration = { notes = [] }\n",
    );
    script(
        "a-curator.toml",
        "role = \"curator\"\nprompt_contains = \"one.txt\\ntwo.txt\\n\"\n[answer]\ncuration = { notes = [{ path = \"agent/state.md\", kind = \"state\", title = \"Both are there\", text = \"One and two.\", source = \"two.txt\" }] }\n",
    );
    fails(&world.foil(&["run", PARENT]), 0);
    let noted = world.git(&["show", &format!("foil/{PARENT}:agent/state.md")]);
    assert!(noted.contains("Both are there"), "{noted}");
    fails(&world.foil(&["verify", PARENT]), 0);
}

#[test]
fn a_child_that_stops_keeps_the_parent_back_and_the_next_run_goes_on() {
    let world = family("");
    writer(
        &world,
        "two",
        "[answer]\nreport = { status = \"blocked\", summary = \"no\", blocked_because = \"three is missing\" }\n",
    );
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 10);
    let report = json_of(&said);
    let blocker = &packet_of(&report, PARENT)["blocker"];
    assert_eq!(blocker["code"], "dependency_not_done");
    assert_eq!(blocker["resumable"], true);
    assert!(
        blocker["reason"].as_str().unwrap().contains("three is missing"),
        "{blocker}"
    );
    assert_eq!(
        choices(&world),
        chosen(&[(ONE, "delivered", "advance"), (TWO, "blocked", "stop")])
    );
    assert_eq!(world.git(&["branch", "--list", &format!("foil/{PARENT}")]), "");

    writer(&world, "two", &runs("echo two >two.txt"));
    fails(&world.foil(&["run", PARENT]), 0);
    assert_eq!(
        choices(&world),
        chosen(&[
            (ONE, "delivered", "advance"),
            (TWO, "blocked", "stop"),
            (TWO, "delivered", "advance")
        ])
    );
    fails(&world.foil(&["verify"]), 0);
}

#[test]
fn what_stopped_a_child_is_told_to_the_next() {
    let world = family("");
    let blocked =
        "[answer]\nreport = { status = \"blocked\", summary = \"no\", blocked_because = \"the key is lost\" }\n";
    writer(&world, "one", blocked);
    let told = format!(
        "role = \"writer\"\nprompt_contains = \"the key is lost\"\n{}",
        runs("echo told >three.txt")
    );
    std::fs::write(world.folder().join("scripts/a-three.toml"), told).unwrap();
    world.ticket("0003-three", &format!("{LOOP}parent = \"{PARENT}\"\n"));
    world.commit_all("A third child");
    fails(&world.foil(&["approve", PARENT]), 0);
    fails(&world.foil(&["run", PARENT]), 10);
    assert_eq!(
        choices(&world),
        chosen(&[(ONE, "blocked", "advance"), ("0003-three", "delivered", "advance")])
    );
    assert_eq!(world.git(&["show", "foil/0003-three:three.txt"]), "told");
}

#[test]
fn who_brings_the_whole_together_is_told_what_each_child_left() {
    let world = family("");
    let one = runs("echo one >one.txt").replace(
        "summary = \"done\"",
        "summary = \"done\", skipped_checks = [\"the slow one\"]",
    );
    writer(&world, "one", &one);
    let read = "cat ledger/tickets/0001-one/result.md ledger/tickets/0002-two/review.md || exit 1";
    let told = format!(
        "role = \"reviewer\"\nprompt_contains = \"## Skipped checks\\n\\n> - the slow one\"\n{}",
        runs(read).replace("done", "the slow one was left out")
    );
    std::fs::write(world.folder().join("scripts/a-manager.toml"), told).unwrap();
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 0);
    let report = json_of(&said);
    let summary = &packet_of(&report, PARENT)["report"]["summary"];
    assert_eq!(summary, "the slow one was left out", "{said}");
    let log = world.foil(&["logs", PARENT, "--lines", "0"]).stdout;
    assert!(!log.contains("No such file"), "{log}");
}

#[test]
fn a_parent_whose_runner_was_killed_in_a_child_goes_on_where_it_was() {
    let world = family("");
    writer(&world, "two", "[end]\nnever = true\n");
    begin(&world, PARENT, TWO, WRITES).killed();
    writer(&world, "two", &runs("echo two >two.txt"));
    fails(&world.foil(&["run", PARENT]), 0);
    assert_eq!(
        choices(&world),
        chosen(&[(ONE, "delivered", "advance"), (TWO, "delivered", "advance")])
    );
    fails(&world.foil(&["verify"]), 0);
}

#[test]
fn a_parent_whose_runner_is_asked_to_leave_in_a_child_goes_on_with_that_child() {
    for (asks, code) in [(None, 143), (Some(PARENT), 130), (Some(TWO), 130)] {
        let world = family("");
        writer(&world, "two", "[end]\nnever = true\n");
        let mut runner = begin(&world, PARENT, TWO, WRITES);
        match asks {
            Some(ticket) => fails(&world.foil(&["stop", ticket]), 0),
            None => {
                let pid = runner.0.id().to_string();
                assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
            }
        }
        assert_eq!(runner.0.wait().unwrap().code(), Some(code), "{asks:?}");
        let so_far = [(ONE, "delivered", "advance"), (TWO, "paused", "checkpoint")];
        assert_eq!(choices(&world), chosen(&so_far), "{asks:?}");
        writer(&world, "two", &runs("echo two >two.txt"));
        fails(&world.foil(&["run", PARENT]), 0);
        let then = [&so_far[..], &[(TWO, "delivered", "advance")]].concat();
        assert_eq!(choices(&world), chosen(&then), "{asks:?}");
        for ticket in [ONE, TWO, PARENT] {
            let runs = world.root().join(".git/counterfoil/runs").join(ticket);
            assert_eq!(std::fs::read_dir(runs).unwrap().count(), 1, "the same run: {ticket}");
        }
        fails(&world.foil(&["verify"]), 0);
    }
}

#[test]
fn a_child_whose_remote_is_away_for_a_moment_is_retried_once() {
    let (first, second) = ((ONE, "delivered", "advance"), (TWO, "delivered", "advance"));
    // How often it is away, and what is chosen by the first run and by the next.
    let retried = [first, (TWO, "blocked", "retry")];
    let cases = [
        (1, [&retried[..], &[second]].concat(), vec![]),
        (2, [&retried[..], &[(TWO, "blocked", "stop")]].concat(), vec![second]),
    ];
    for (times, now, later) in cases {
        for at_its_start in [true, false] {
            let world = pushed_family();
            // What happens so often, once the first child is delivered.
            let away = |what: &str| {
                format!(
                    "git --git-dir=$WORLD/repo/.git rev-parse -q --verify refs/counterfoil/receipts/{ONE} >/dev/null && \
                     echo >>$WORLD/asked && test $(wc -l <$WORLD/asked) -le {times} && {what}"
                )
            };
            if at_its_start {
                // The target is fetched before a run begins.
                let script = format!("{}\nexec git-upload-pack \"$@\"", away("exit 1"));
                let path = program(&world, "upload-pack", &script);
                world.git(&["config", "remote.origin.uploadpack", &path]);
            } else {
                let script = format!("{}\nexit 0", away("kill -9 $PPID"));
                program(&world, "remote.git/hooks/pre-receive", &script);
            }
            let said = world.foil(&["run", PARENT, "--json"]);
            let stopped = if at_its_start { 11 } else { 10 };
            fails(&said, if later.is_empty() { 0 } else { stopped });
            assert_eq!(choices(&world), chosen(&now), "{said}");
            let events = world.foil(&["events", PARENT]).stdout;
            let retries = events.matches("choice: retry, because `remote_unreachable` may have been of the moment");
            assert_eq!(retries.count(), 1, "{events}");
            fails(&world.foil(&["run", PARENT]), if later.is_empty() { 11 } else { 0 });
            assert_eq!(choices(&world), chosen(&[now.clone(), later.clone()].concat()));
            fails(&world.foil(&["verify"]), 0);
        }
    }
}

#[test]
fn a_child_that_ran_by_itself_or_was_canceled_is_noted() {
    let world = family("");
    fails(&world.foil(&["run", ONE]), 0);
    fails(&world.foil(&["cancel", TWO, "--because", "not wanted"]), 0);
    // What both together were to prove cannot be proved by one.
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 10);
    let report = json_of(&said);
    let blocker = &packet_of(&report, PARENT)["blocker"];
    assert_eq!(blocker["code"], "proof_failed");
    assert_eq!(blocker["reason"], "on the children together these checks fail: both");
    assert_eq!(
        choices(&world),
        chosen(&[(ONE, "delivered", "advance"), (TWO, "canceled", "advance")])
    );
}

#[test]
fn a_reviewer_that_refuses_the_whole_stops_the_parent_and_nobody_mends_it_there() {
    let world = family("");
    let finding = "findings = [{ severity = \"high\", place = \"two.txt\", expected = \"two\", actual = \"one two\", required_repair = \"a further child\" }]";
    let script = format!(
        "role = \"reviewer\"\nprompt_contains = \"Each child was reviewed by itself\"\n[answer]\nreview = {{ verdict = \"fail\", {finding} }}\n"
    );
    std::fs::write(world.folder().join("scripts/a-whole.toml"), script).unwrap();
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 10);
    let report = json_of(&said);
    let packet = packet_of(&report, PARENT);
    assert_eq!(packet["blocker"]["code"], "repair_limit");
    assert_eq!(
        packet["blocker"]["reason"],
        "the reviewer refuses the children together; first: two.txt: one two"
    );
    assert_eq!(packet["iterations"], 1);
}

#[test]
fn a_thread_that_writes_in_the_place_of_a_parent_ends_its_run() {
    let world = family("");
    let script = "role = \"reviewer\"\nprompt_contains = \"# Ticket 0009-goal\"\n[[step]]\ndo = \"run\"\ncommand = \"echo three >three.txt\"\n[answer]\nreport = { summary = \"there\" }\n";
    std::fs::write(world.folder().join("scripts/a-manager.toml"), script).unwrap();
    let said = world.foil(&["run", PARENT, "--json"]);
    fails(&said, 10);
    assert_eq!(packet_of(&json_of(&said), PARENT)["blocker"]["code"], "scope_violation");
}

#[test]
fn a_base_without_what_a_child_delivered_is_found() {
    let world = family("");
    fails(&world.foil(&["run", PARENT]), 0);
    let said = world.foil(&["verify", PARENT, "--json"]);
    let told = said.stdout.matches("what the children delivered").count();
    assert_eq!((said.code, told), (Some(0), 2), "{said}");
    // A journal that names a commit of a child which is not in the base, and whose record is not there either.
    let runs = world.root().join(".git/counterfoil/runs").join(PARENT);
    let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let path = run.join("journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    let other = world.git(&["rev-parse", &format!("foil/{PARENT}")]);
    let parsed = ledger_core::Journal::parse(journal.as_bytes()).unwrap();
    let mut head = ledger_core::Head::default();
    let mut forged = Vec::new();
    for record in parsed.records {
        let mut event = record.event;
        if let ledger_core::Event::ChildEnded(ended) = &mut event {
            ended.ticket = format!("{}-else", ended.ticket).parse().unwrap();
            let commit = Some(other.parse().unwrap());
            ended.end = ledger_core::ChildEnd::Delivered { commit };
        }
        let (line, next) = head.line(record.at, &event).unwrap();
        forged.extend(line);
        head = next;
    }
    std::fs::write(&path, forged).unwrap();
    let said = world.foil(&["verify", PARENT]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(
        said.stdout.contains("nothing of `0001-one-else` is in the base"),
        "{said}"
    );
}

#[test]
fn a_parent_is_drafted_with_its_children() {
    let world = World::initialized();
    fails(
        &world.foil(&["new", "Sign-up", "--mode", "parent", "--id", "0001-sign-up"]),
        0,
    );
    fails(
        &world.foil(&[
            "new",
            "Mail",
            "--parent",
            "0001-sign-up",
            "--mode",
            "loop",
            "--id",
            "0002-mail",
        ]),
        0,
    );
    let contract = world.read("ledger/tickets/0001-sign-up/ticket.toml");
    world.write(
        "ledger/tickets/0001-sign-up/ticket.toml",
        contract.replace("goal = \"\"", "goal = \"sign-up sends mail\""),
    );
    let said = world.foil(&["check", "0001-sign-up", "--json"]);
    let findings = json_of(&said)["findings"].clone();
    let errors = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "error");
    assert_eq!(errors.count(), 0, "{said}");
}

#[test]
fn a_parent_that_names_itself_is_not_taken_for_done() {
    let world = family("");
    world.ticket(
        "0010-self",
        "title = \"Self\"\nmode = \"parent\"\nparent = \"0010-self\"\n",
    );
    let said = world.foil(&["run", "0010-self"]);
    fails(&said, 11);
    assert!(said.stderr.contains("0010-self"), "{said}");
}

#[test]
fn what_is_wrong_about_a_family_is_told_before_anything_runs() {
    let world = family("");
    world.ticket("0010-alone", "title = \"Alone\"\nmode = \"parent\"\n");
    world.ticket("0011-loop", &format!("{LOOP}parent = \"0001-one\"\n"));
    world.ticket(
        "0012-circle",
        "title = \"Circle\"\nmode = \"parent\"\ndepends_on = [\"0013-child\"]\n",
    );
    world.ticket(
        "0013-child",
        &format!("{LOOP}parent = \"0012-circle\"\ndepends_on = [\"0012-circle\"]\n"),
    );
    let said = world.foil(&["check", "--json"]);
    fails(&said, 3);
    let document = json_of(&said);
    let findings: Vec<_> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| json!([finding["path"], finding["severity"], finding["message"]]))
        .collect();
    let circle = "it depends on itself through the tickets in `depends_on`";
    assert_eq!(
        Value::from(findings),
        json!([
            [
                "ledger/tickets/0010-alone/ticket.toml",
                "warning",
                "no ticket names it as its parent, so there is nothing to bring together"
            ],
            [
                "ledger/tickets/0011-loop/ticket.toml",
                "warning",
                "`parent` names `0001-one`, which is not in mode `parent`: nobody brings its children together"
            ],
            ["ledger/tickets/0012-circle/ticket.toml", "error", circle],
            ["ledger/tickets/0013-child/ticket.toml", "error", circle],
        ])
    );
    world.commit_all("More");
    fails(&world.foil(&["approve", "0010-alone"]), 0);
    let said = world.foil(&["run", "0010-alone"]);
    fails(&said, 11);
    assert!(said.stderr.contains("no ticket names it as its parent"), "{said}");
    assert!(
        !world.root().join(".git/counterfoil/runs/0010-alone").exists(),
        "no run was begun"
    );
}

#[test]
fn the_events_of_a_parent_say_what_was_chosen_as_the_guide_shows_it() {
    let world = family("");
    let contract = world.read(&format!("ledger/tickets/{TWO}/ticket.toml"));
    let scoped = format!("{contract}[scope]\nallowed = [\"two.txt\"]\n");
    world.write(&format!("ledger/tickets/{TWO}/ticket.toml"), scoped);
    writer(&world, "two", &runs("echo three >three.txt"));
    world.commit_all("Scope two");
    fails(&world.foil(&["approve", TWO]), 0);
    fails(&world.foil(&["run", PARENT]), 10);
    let events = world.foil(&["events", PARENT]).stdout;
    let lines: Vec<_> = events.lines().filter_map(|line| line.split_once("child ")).collect();
    let told = |text: &str| match text.split_once(" is delivered at ") {
        Some((child, rest)) => format!("{child} is delivered at …{}", &rest[12..]),
        None => text.to_owned(),
    };
    let shown: Vec<_> = in_guide(GUIDE, "text").lines().map(told).collect();
    let said: Vec<_> = lines.iter().map(|(_, rest)| told(&format!("child {rest}"))).collect();
    assert_eq!(said, shown);
}

#[test]
fn a_parent_that_its_children_stop_tells_of_it_and_of_each_child() {
    let world = family("[notify]\ncommand = \"cat >>~/told\"\n[hooks]\non_blocked = \"true\"\n");
    writer(
        &world,
        "two",
        "[answer]\nreport = { status = \"blocked\", summary = \"no\", blocked_because = \"three is missing\" }\n",
    );
    fails(&world.foil(&["run", PARENT]), 10);
    let told = std::fs::read_to_string(world.home().join("told")).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words = |key: &str| told.iter().map(|told| told[key].clone()).collect::<Vec<_>>();
    assert_eq!(words("ticket"), [ONE, TWO, PARENT]);
    assert_eq!(words("event"), ["done", "blocked", "blocked"]);
    assert_eq!(told[2]["blocker"]["code"], "dependency_not_done");
    let hooks = |ticket: &str| {
        world
            .foil(&["events", ticket])
            .stdout
            .matches("running the hook")
            .count()
    };
    assert_eq!((hooks(TWO), hooks(PARENT)), (1, 0));
    assert!(
        world
            .foil(&["events", PARENT])
            .stdout
            .contains("the notification was handed over")
    );
    assert_eq!(world.foil(&["verify", PARENT]).code, Some(0));
}

#[test]
fn a_parent_has_hooks_around_its_own_turn() {
    let world = family(
        "[hooks]\npre_iteration = \"test -e two.txt\"\npost_iteration = \"true\"\non_completed = \"true\"\nfailure = \"block\"\n",
    );
    writer(&world, "one", &runs("echo one | tee one.txt >two.txt"));
    std::fs::write(world.root().join("two.txt"), "two\n").unwrap();
    world.commit_all("Two is there");
    fails(&world.foil(&["run", PARENT]), 0);
    let events = world.foil(&["events", PARENT]).stdout;
    assert_eq!(events.matches("ended: exit status 0").count(), 3, "{events}");
}
