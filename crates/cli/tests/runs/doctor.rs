//! `foil doctor`

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::common::{Said, World};
use crate::parallel::states;
use crate::seen;
use crate::world::{CONTRACT, TICKET, WRITER, approved, approved_with, done, json, run_folder, under_way};

/// The findings about something, as its state and what was seen.
pub(crate) fn findings(said: &Said, what: &str) -> Vec<Value> {
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

/// A world whose Codex is a script that answers these three questions by these commands.
fn asking_codex(login: &str, sandbox: &str, protocol: &str) -> World {
    let world = World::initialized();
    let codex = world.folder().join("codex");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n--version) echo codex-cli 0.169.0;;\n'login status') {login};;\nsandbox*) {sandbox};;\n\
         app-server*) {protocol};;\n*) exit 1;;\nesac\n"
    );
    std::fs::write(&codex, script).unwrap();
    std::fs::set_permissions(&codex, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.write(
        "counterfoil.toml",
        format!("[agent]\ncommand = \"{}\"\n", codex.display()),
    );
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    world
}

#[test]
fn what_codex_cannot_do_is_a_problem_with_what_to_do() {
    let no_schemas =
        "for file in ClientRequest ServerNotification ServerRequest; do echo '{}' >\"$5/$file.json\"; done";
    for (answers, what, state, detail, hint) in [
        (
            ["echo 'Logged in'", "true", no_schemas],
            "codex login",
            "ok",
            "Logged in",
            None,
        ),
        (
            ["echo 'Not logged in' >&2; exit 1", "true", no_schemas],
            "codex login",
            "problem",
            "Not logged in",
            Some("foil codex login"),
        ),
        (["true", "true", no_schemas], "codex sandbox", "ok", "it starts", None),
        (
            ["true", "echo 'no user namespaces' >&2; exit 1", no_schemas],
            "codex sandbox",
            "problem",
            "no user namespaces",
            Some("sandbox"),
        ),
        (
            ["true", "true", no_schemas],
            "codex protocol",
            "problem",
            "answer to thread/start: model is not there; and 71 more",
            Some("install codex 0.169.0"),
        ),
        (
            ["true", "true", "echo 'what is that' >&2; exit 2"],
            "codex protocol",
            "warning",
            "what is that",
            Some(""),
        ),
    ] {
        let [login, sandbox, protocol] = answers;
        let world = asking_codex(login, sandbox, protocol);
        let said = world.foil(&["doctor", "--json"]);
        let [finding] = &findings(&said, what)[..] else {
            panic!("{what}: {said}");
        };
        assert_eq!(finding["state"], state, "{said}");
        assert!(finding["detail"].as_str().unwrap().contains(detail), "{finding}");
        match hint {
            None => assert!(finding["hint"].is_null(), "{finding}"),
            Some(hint) => assert!(finding["hint"].as_str().unwrap().contains(hint), "{finding}"),
        }
    }
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

/// The names of the files of a run that begin like this.
fn files(folder: &std::path::Path, begins: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(begins))
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_cut_off_a_torn_journal_is_kept_beside_it() {
    let world = done();
    let folder = run_folder(&world);
    let path = folder.join("journal.jsonl");
    for torn in ["{\"seq\":9", "{\"s"] {
        let mut journal = std::fs::File::options().append(true).open(&path).unwrap();
        journal.write_all(torn.as_bytes()).unwrap();
        assert_eq!(world.foil(&["doctor", "--repair"]).code, Some(0));
    }
    let kept: Vec<_> = files(&folder, "journal-torn-")
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
        .collect();
    assert_eq!(kept, ["{\"seq\":9", "{\"s"]);
}

#[test]
fn a_damaged_journal_is_set_aside_only_when_repair_is_asked_and_nothing_of_it_is_lost() {
    let world = done();
    let folder = run_folder(&world);
    let path = folder.join("journal.jsonl");
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[200] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(findings(&said, "journal")[0]["state"], "problem");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "looking changes nothing");

    let said = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(findings(&said, "journal")[0]["repaired"], true);
    let aside = files(&folder, "journal-damaged-");
    assert_eq!(aside.len(), 1);
    assert_eq!(std::fs::read(folder.join(&aside[0])).unwrap(), bytes);
    assert!(!path.exists(), "no journal is made in its place");

    let later = world.foil(&["doctor", "--repair", "--json"]);
    let finding = &findings(&later, "journal")[0];
    assert_eq!(finding["state"], "warning");
    assert!(finding["detail"].as_str().unwrap().contains(&aside[0]), "{later}");
    // What Git has of the run is what is told of it now.
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    assert!(world.foil(&["status"]).stdout.contains("1 done"));
    assert_eq!(world.foil(&["clean", "--apply", "--older-than", "1s"]).code, Some(0));
    assert_eq!(files(&folder, "journal-damaged-"), aside, "nothing takes it away");
}

#[test]
fn a_journal_that_lost_all_its_lines_is_damage_and_no_run_begins_beside_it() {
    type Harm = fn(&std::path::Path);
    let harms: [Harm; 4] = [
        |path| std::fs::write(path, "").unwrap(),
        |path| std::fs::remove_file(path).unwrap(),
        |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..200]).unwrap();
        },
        |path| std::fs::write(path, "[]").unwrap(),
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let (world, runner) = under_way();
        runner.killed();
        let folder = run_folder(&world);
        harm(&folder.join("journal.jsonl"));
        assert_eq!(states(&world)[0].1, "broken", "{number}");
        let said = world.foil(&["doctor", "--json"]);
        assert_eq!(said.code, Some(1), "{number}: {said}");
        assert_eq!(findings(&said, "journal")[0]["state"], "problem", "{number}");
        let said = world.foil(&["run", TICKET]);
        assert_eq!(said.code, Some(12), "{number}: {said}");
        assert!(said.stderr.contains("foil doctor --repair"), "{number}: {said}");
        assert_eq!(folder.parent().unwrap().read_dir().unwrap().count(), 1, "{number}");

        let said = world.foil(&["doctor", "--repair", "--json"]);
        assert_eq!(said.code, Some(0), "{number}: {said}");
        assert_eq!(files(&folder, "journal-damaged-").len(), 1, "{number}");
        assert_eq!(states(&world)[0].1, "ready", "{number}");
    }
}

#[test]
fn a_journal_of_a_newer_foil_is_no_damage() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    let (line, _) = first.split_once(",\"sum\"").unwrap();
    let line = line.replacen("\"format\":1", "\"format\":9", 1);
    let sum = ledger_core::Digest::of(&line);
    std::fs::write(&path, format!("{line},\"sum\":\"{sum}\"}}\n")).unwrap();
    let said = world.foil(&["doctor", "--repair", "--json"]);
    let finding = &findings(&said, "journal")[0];
    assert!(
        finding["detail"].as_str().unwrap().contains("needs a newer foil"),
        "{said}"
    );
    assert!(path.exists());
}

/// A world whose run has its work done and no reviewer, who is not logged in, and what logs in.
fn stopped_before_its_review() -> (World, impl FnOnce()) {
    let world = approved(WRITER);
    let reviewer = world.folder().join("scripts/reviewer.toml");
    let honest = std::fs::read_to_string(&reviewer).unwrap();
    let logged_out = "role = \"reviewer\"\n[end]\nfail = { class = \"auth\", message = \"no login\" }\n";
    std::fs::write(&reviewer, logged_out).unwrap();
    assert_eq!(world.foil(&["run", TICKET]).code, Some(10));
    (world, move || std::fs::write(reviewer, honest).unwrap())
}

#[test]
fn a_place_that_is_gone_is_named_and_the_next_run_makes_it_anew_from_what_is_kept() {
    let (world, log_in) = stopped_before_its_review();
    assert_eq!(findings(&world.foil(&["doctor", "--json"]), "place"), [] as [Value; 0]);
    let places = world.state_home().join("counterfoil/places");
    std::fs::remove_dir_all(&places).unwrap();

    let said = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let finding = &findings(&said, "place")[0];
    assert_eq!(finding["state"], "warning");
    let hint = format!("`foil run {TICKET}` makes it anew with what is in that tree, and goes on");
    assert_eq!(finding["hint"], hint.as_str());

    log_in();
    let run = world.foil(&["run", TICKET]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(world.git(&["show", &format!("foil/{TICKET}:hello.txt")]), "hello");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn what_stands_in_the_place_of_a_place_is_set_aside_and_nobody_works_in_it() {
    type Swap = fn(&World, &std::path::Path);
    let swaps: [Swap; 3] = [
        |world, work| std::os::unix::fs::symlink(world.root(), work).unwrap(),
        |world, work| {
            world.git(&["clone", "-q", ".", work.to_str().unwrap()]);
        },
        |_, work| {
            std::fs::create_dir(work).unwrap();
            std::fs::write(work.join("README"), "not ours\n").unwrap();
        },
    ];
    let users = |world: &World| {
        ["status --porcelain=v2 -uall", "rev-parse HEAD"].map(|line| world.git(&line.split(' ').collect::<Vec<_>>()))
    };
    for (number, swap) in swaps.into_iter().enumerate() {
        let (world, log_in) = stopped_before_its_review();
        let places = std::fs::read_dir(world.state_home().join("counterfoil/places")).unwrap();
        let work = places.map(|entry| entry.unwrap().path().join("work")).next().unwrap();
        std::fs::remove_dir_all(&work).unwrap();
        swap(&world, &work);
        let before = users(&world);
        let said = world.foil(&["doctor", "--json"]);
        let finding = &findings(&said, "place")[0];
        assert!(
            finding["detail"].as_str().unwrap().contains("set aside"),
            "{number}: {said}"
        );
        log_in();

        let run = world.foil(&["run", TICKET]);

        assert_eq!(run.code, Some(0), "{number}: {run}");
        assert_eq!(world.git(&["show", &format!("foil/{TICKET}:hello.txt")]), "hello");
        assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
        assert_eq!(users(&world), before, "{number}");
    }
}

#[test]
fn a_place_that_was_removed_or_emptied_by_itself_is_made_anew() {
    for everything_but in [None, Some(".git")] {
        let (world, log_in) = stopped_before_its_review();
        let places = std::fs::read_dir(world.state_home().join("counterfoil/places")).unwrap();
        let work = places.map(|entry| entry.unwrap().path().join("work")).next().unwrap();
        for entry in std::fs::read_dir(&work).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                _ if path.file_name().unwrap().to_str() == everything_but => {}
                true => std::fs::remove_dir_all(path).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
        if everything_but.is_none() {
            std::fs::remove_dir(&work).unwrap();
        }
        log_in();

        let run = world.foil(&["run", TICKET]);

        assert_eq!(run.code, Some(0), "{everything_but:?}: {run}");
        assert_eq!(world.git(&["show", &format!("foil/{TICKET}:hello.txt")]), "hello");
        assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    }
}

#[test]
fn schemas_of_an_older_foil_are_written_anew_and_edited_ones_are_left() {
    let world = done();
    let path = "ledger/schemas/ticket.schema.json";
    let current = world.read(path);
    // As another version would have written it: other words, and the seal that goes with them.
    let other = current.replace("\"title\": \"", "\"title\": \"Older: ");
    let at = other.find("(sha256:").unwrap() + 1;
    let digest = &other[at..at + 71];
    let unsealed = other.replacen(digest, "{digest}", 1);
    let older = unsealed.replacen("{digest}", &ledger_core::Digest::of(&unsealed).to_string(), 1);
    let edited = world.read("ledger/schemas/policy.schema.json") + " ";
    world.write(path, &older);
    world.write("ledger/schemas/policy.schema.json", &edited);
    let details = |said: &Said| -> Vec<Value> {
        findings(said, "schemas")
            .iter()
            .map(|finding| finding["detail"].clone())
            .collect()
    };
    let expected = ["of an older foil: ticket", "not those of this version: policy"];
    assert_eq!(details(&world.foil(&["doctor", "--json"])), expected);
    assert_eq!(world.read(path), older);
    assert_eq!(details(&world.foil(&["doctor", "--repair", "--json"])), expected);
    assert_eq!(world.read(path), current);
    assert_eq!(world.read("ledger/schemas/policy.schema.json"), edited);
    assert_eq!(
        details(&world.foil(&["doctor", "--json"])),
        ["not those of this version: policy"]
    );
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
        Some("its runner was gone without a word, in the middle of worker's turn")
    );
    assert!(
        findings(&said, "run")[0]["hint"]
            .as_str()
            .unwrap()
            .contains("goes on where it was left"),
        "{said}"
    );
    assert_eq!(
        findings(&said, "runners")[0]["detail"],
        "a runner left a note and is gone"
    );
    assert_eq!(findings(&said, "locks")[0]["state"], "ok");
    let repaired = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(findings(&repaired, "locks")[0]["repaired"], true);
    assert_eq!(findings(&repaired, "runners")[0]["repaired"], true);
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

#[test]
fn old_locks_of_refs_are_told_and_those_of_our_own_are_removed() {
    let world = done();
    let git = world.root().join(".git");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(120);
    let names = [
        format!("refs/counterfoil/receipts/{TICKET}.lock"),
        format!("refs/heads/foil/{TICKET}.lock"),
        "packed-refs.lock".to_owned(),
    ];
    for name in names.iter().map(String::as_str).chain(["refs/heads/new.lock"]) {
        std::fs::create_dir_all(git.join(name).parent().unwrap()).unwrap();
        let file = std::fs::File::create(git.join(name)).unwrap();
        // One that is new may be at work.
        if name != "refs/heads/new.lock" {
            file.set_modified(old).unwrap();
        }
    }
    let told = |said: &Said| -> Vec<_> {
        let of = findings(said, "ref locks").into_iter().map(|finding| {
            assert_eq!(finding["state"], "problem");
            let name = finding["detail"]
                .as_str()
                .unwrap()
                .split('`')
                .nth(1)
                .unwrap()
                .to_owned();
            let is_repaired = finding["repaired"] == true;
            assert_ne!(
                is_repaired,
                finding["hint"].as_str().is_some_and(|hint| hint.contains(&name))
            );
            (name, is_repaired)
        });
        of.collect()
    };
    let [receipt, branch, packed] = &names;
    let expected = |repaired| {
        [
            (packed.clone(), false),
            (receipt.clone(), repaired),
            (branch.clone(), false),
        ]
    };
    assert_eq!(told(&world.foil(&["doctor", "--json"])), expected(false));
    assert!(git.join(receipt).exists());
    assert_eq!(told(&world.foil(&["doctor", "--repair", "--json"])), expected(true));
    assert!(!git.join(receipt).exists() && git.join(branch).exists() && git.join(packed).exists());
}

#[test]
fn a_branch_that_is_locked_stops_its_delivery_which_says_who_tells_why() {
    let world = approved(WRITER);
    let lock = world.root().join(format!(".git/refs/heads/foil/{TICKET}.lock"));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(
        said.stdout.contains("foil doctor") || said.stderr.contains("foil doctor"),
        "{said}"
    );
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
}
