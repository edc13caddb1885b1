//! `foil run` where it may not run: each reason with its exit code, its stable code and a next step, and nothing changed.
//!
//! Only the lock's file below `.git/counterfoil/locks` stays after a refusal: were it taken away, two processes could hold
//! locks of two files of one name. It is state of ours and no damage, so it is no part of what is compared.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use runner::lock::{LockHolder, TicketLock};
use serde_json::Value;

use crate::common::{LOOP, World, said};
use crate::seen;
use crate::world::{CONTRACT, OPERATIONS, TICKET, approved, approved_in, json, under_way};

/// A script that reports that the work is done.
const WRITER: &str = "role = \"writer\"\n[answer]\nreport = { summary = \"done\" }\n";

/// What helps a repository in a temporary folder.
const ELSEWHERE: &str = "move or clone the repository to another folder";

/// Asserts that a run is refused like this, in words and as a document, and that nothing changes.
fn assert_refused(world: &World, exit: i32, code: &str, next: &str) {
    assert_refused_where(world, &[], exit, code, next);
}

/// The same with these variables in the environment.
fn assert_refused_where(world: &World, environment: &[(&str, &Path)], exit: i32, code: &str, next: &str) {
    let foil = |args: &[&str]| said(world.foil_command().envs(environment.iter().copied()).args(args));
    let before = world.observed();
    let said = foil(&["run", TICKET]);
    assert_eq!(said.code, Some(exit), "{said}");
    assert!(said.stderr.starts_with(&format!("error[{code}]: ")), "{said}");
    assert!(said.stderr.contains("hint: ") && said.stderr.contains(next), "{said}");
    assert_eq!(said.stdout, "", "{said}");
    let said = foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(exit), "{said}");
    let document = json(&said);
    assert_eq!(document["schema"], "counterfoil.error/1");
    assert_eq!(document["error"]["code"], code);
    assert_eq!(document["error"]["exit"], exit);
    assert!(document["error"]["hint"].as_str().unwrap().contains(next), "{document}");
    assert!(
        !said.stdout.contains("<ticket>") && !said.stderr.contains("<ticket>"),
        "{said}"
    );
    assert_eq!(world.observed(), before);
    let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
    assert!(!runs.exists(), "a run was opened");
    let places = world.state_home().join("counterfoil/places");
    assert_eq!(
        std::fs::read_dir(places).map_or(0, Iterator::count),
        0,
        "a place is left"
    );
}

/// A world with an approved ticket whose policy starts this program as Codex.
fn with_codex(command: &str) -> World {
    let world = World::new();
    assert_eq!(world.foil(&["init"]).code, Some(0));
    world.write(
        "counterfoil.toml",
        format!("[agent]\ncommand = \"{command}\"\n[[check]]\nname = \"a\"\nrun = \"true\"\nsandbox = \"off\"\n"),
    );
    world.ticket(TICKET, LOOP);
    world.commit_all("Set up Counterfoil");
    for args in [&["trust"][..], &["approve", TICKET]] {
        assert_eq!(world.foil(args).code, Some(0));
    }
    world
}

/// A world with a program in Codex' place that answers like this.
fn with_answers(version: &str, login: &str) -> World {
    // The policy has to name the program, which lies in the world.
    let world = with_codex("codex-of-this-test");
    let codex = world.folder().join("codex");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n--version) echo codex-cli {version};;\n'login status') {login};;\nsandbox*) exit 0;;\n*) exit 1;;\nesac\n"
    );
    std::fs::write(&codex, script).unwrap();
    std::fs::set_permissions(&codex, std::fs::Permissions::from_mode(0o755)).unwrap();
    let policy = world.read("counterfoil.toml");
    let policy = policy.replace("codex-of-this-test", &codex.display().to_string());
    world.write("counterfoil.toml", policy);
    world.commit_all("Name Codex");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    world
}

#[test]
fn without_codex() {
    assert_refused(&with_codex("no-such-codex"), 11, "agent_unavailable", "install Codex");
}

#[test]
fn with_an_old_codex() {
    let world = with_answers("0.99.0", "exit 0");
    assert_refused(&world, 11, "agent_unavailable", "install a newer Codex");
}

#[test]
fn with_a_codex_that_is_not_logged_in() {
    let world = with_answers("0.169.0", "echo 'Not logged in' >&2; exit 1");
    assert_refused(&world, 11, "agent_auth", "foil codex login");
}

#[test]
fn after_an_edit_of_what_was_approved() {
    let world = approved(WRITER);
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Something else.\n");
    assert_refused(&world, 11, "ticket_not_committed", &format!("foil approve {TICKET}"));
    world.commit_all("Edit the prompt");
    assert_refused(&world, 11, "approval_stale", &format!("foil approve {TICKET}"));
}

/// Puts a link in the place of what is there. Its target has the very bytes.
fn linked(world: &World, path: &str) {
    let place = world.root().join(path);
    let away = world.root().join("elsewhere").join(path.replace('/', "-"));
    std::fs::create_dir_all(away.parent().unwrap()).unwrap();
    std::fs::rename(&place, &away).unwrap();
    std::os::unix::fs::symlink(&away, &place).unwrap();
}

#[test]
fn where_the_base_has_a_link_in_place_of_what_is_asked() {
    let folder = format!("ledger/tickets/{TICKET}");
    let with_spec = format!(
        "{}[specs]\ndesign = \"docs/form.md\"\n",
        CONTRACT.replace("standard", "loop")
    );
    let mut all = String::new();
    for path in [
        "counterfoil.toml",
        "docs/form.md",
        &format!("{folder}/ticket.toml"),
        &format!("{folder}/prompt.md"),
        &format!("{folder}/approval.toml"),
        &folder,
        "ledger/tickets",
        "ledger",
    ] {
        let world = approved_in(World::new(), WRITER, &with_spec, |world| {
            world.write("docs/form.md", "One column.\n");
        });
        linked(&world, path);
        world.commit_all("Put a link in its place");
        let before = world.observed();
        let in_work_tree = world.foil(&["run", TICKET]);
        // The link is in the base alone: the work tree has what was approved.
        std::fs::remove_file(world.root().join(path)).unwrap();
        let away = world.root().join("elsewhere").join(path.replace('/', "-"));
        std::fs::rename(&away, world.root().join(path)).unwrap();
        let in_base = world.foil(&["run", TICKET]);
        std::fs::rename(world.root().join(path), &away).unwrap();
        std::os::unix::fs::symlink(&away, world.root().join(path)).unwrap();
        assert_eq!(world.observed(), before, "{path}");
        for said in [in_work_tree, in_base] {
            assert!(matches!(said.code, Some(3 | 11)), "{path}: {said}");
            // Of an approval that is a file in the work tree it is enough to say that this one is not committed.
            let words = match path.ends_with("approval.toml") && said.stderr.contains("[ticket_not_committed]") {
                true => "not committed as in the work tree",
                false => "symbolic link",
            };
            let is_told = said.stderr.contains(path) && said.stderr.contains(words);
            assert!(is_told, "{path}: {said}");
            all.push_str(&format!("{path}: {said}\n"));
        }
        let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
        assert!(!runs.exists(), "{path}: a run was opened");
    }
    crate::seen!("refusals_committed_links", all);
}

#[test]
fn without_an_approval() {
    let world = approved(WRITER);
    world.git(&["rm", "-q", &format!("ledger/tickets/{TICKET}/approval.toml")]);
    world.git(&["commit", "-q", "-m", "Take the approval back"]);
    assert_refused(&world, 11, "not_approved", &format!("foil approve {TICKET}"));
}

#[test]
fn with_a_policy_that_nobody_trusts() {
    let world = approved(WRITER);
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}\n# edited\n"));
    world.commit_all("Edit the policy");
    assert_refused(&world, 11, "policy_not_trusted", "foil trust");
}

#[test]
fn in_the_middle_of_an_operation() {
    // While a commit is looked for, nothing of the user's is half done.
    for (operation, begin) in OPERATIONS.into_iter().filter(|(operation, _)| *operation != "bisect") {
        let world = approved(WRITER);
        begin(&world);
        assert_refused(&world, 11, "needs_person", "finish the operation");
        assert!(world.foil(&["run", TICKET]).stderr.contains(operation), "{operation}");
    }
}

#[test]
fn on_a_branch_without_a_commit() {
    let world = approved(WRITER);
    world.git(&["switch", "-q", "--orphan", "empty"]);
    world.ticket(TICKET, LOOP);
    assert_refused(&world, 11, "ticket_not_committed", "foil approve");
}

#[test]
fn while_another_process_has_the_ticket() {
    let world = approved(WRITER);
    let holder = LockHolder::current(jiff::Timestamp::UNIX_EPOCH).unwrap();
    let locks = world.root().join(".git/counterfoil/locks");
    let lock = TicketLock::acquire(&locks, &TICKET.parse().unwrap(), &holder).unwrap();
    assert_refused(&world, 11, "claimed_elsewhere", &format!("foil status {TICKET}"));
    drop(lock);
    let (world, _runner) = under_way();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.starts_with("error[claimed_elsewhere]: "), "{said}");
}

#[test]
fn in_a_bare_repository() {
    let world = approved(WRITER);
    world.git(&["clone", "-q", "--bare", ".", "../bare"]);
    let said = said(world.foil_command().args(["-C", "../bare", "run", "--json"]));
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.starts_with("error[repository_unsupported]: "), "{said}");
    assert_eq!(json(&said)["error"]["code"], "repository_unsupported");
}

#[test]
fn in_a_temporary_folder() {
    for place in ["/tmp", "/var/tmp"] {
        let repository = testkit::repo::TestRepository::new(place);
        let world = approved_in(World { repository }, WRITER, CONTRACT, |_| ());
        assert_refused(&world, 11, "repository_unsupported", ELSEWHERE);
        // Only what works is refused: what is there can be looked at.
        assert_eq!(world.foil(&["status"]).code, Some(0));
    }
}

#[test]
fn below_the_folder_that_tmpdir_names() {
    let world = approved(WRITER);
    let linked = world.folder().join("linked");
    std::os::unix::fs::symlink(world.folder(), &linked).unwrap();
    for folder in [world.folder(), &world.root(), &linked] {
        assert_refused_where(&world, &[("TMPDIR", folder)], 11, "repository_unsupported", ELSEWHERE);
    }
    let would_run = |folder: &Path| {
        let explained = said(
            world
                .foil_command()
                .env("TMPDIR", folder)
                .args(["explain", TICKET, "--json"]),
        );
        json(&explained)["would_run"].as_bool().unwrap()
    };
    assert!(!would_run(world.folder()));
    // Everything lies below the root, and a path that is not absolute names no folder.
    assert!(would_run(Path::new("/")) && would_run(Path::new("..")) && would_run(&world.home()));
}

#[test]
fn a_ticket_that_is_not_there_is_a_usage_error_with_the_nearest_name() {
    let world = approved(WRITER);
    let said = world.foil(&["run", "0001-hallo"]);
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.stderr.contains("did you mean `0001-hello`?"), "{said}");
}

#[test]
fn a_broken_neighbour_keeps_no_other_from_running() {
    let world = approved(
        "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n[answer]\nreport = { summary = \"done\" }\n",
    );
    world.write("ledger/tickets/0000-broken/ticket.toml", "titel = 1\n");
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn of_several_tickets_every_end_is_reported() {
    let world = approved(
        "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n[answer]\nreport = { summary = \"done\" }\n",
    );
    world.ticket("0002-draft", LOOP);
    world.write("ledger/tickets/0003-broken/ticket.toml", "titel = 1\n");
    world.commit_all("Drafts");
    let said = world.foil(&["run", "0002-draft", "0003-broken", TICKET, "--json"]);
    // Invalid input ranks above a refusal, and both above what was done.
    assert_eq!(said.code, Some(3), "{said}");
    let document = json(&said);
    assert_eq!(document["schema"], "counterfoil.run/1");
    assert_eq!(document["runs"][0]["ticket"], TICKET);
    assert_eq!(document["runs"][0]["packet"]["outcome"], "done");
    let not_run = |index: usize, key: &str| -> Value { document["not_run"][index]["error"][key].clone() };
    assert_eq!(document["not_run"][0]["ticket"], "0002-draft");
    assert_eq!((not_run(0, "exit"), not_run(1, "exit")), (11.into(), 3.into()));
    assert_eq!(not_run(0, "code"), "not_approved");
}

#[test]
fn a_damaged_journal_fails_verification_and_is_shown() {
    let world = approved(WRITER);
    let run = "01976f3c-0000-7000-8000-000000000000";
    let folder = world.root().join(".git/counterfoil/runs").join(TICKET).join(run);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("journal.jsonl"), "{\"seq\":0}\nrubbish\n").unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    let status = json(&world.foil(&["status", "--json"]));
    assert_eq!(status["tickets"][0]["state"], "broken");
    assert!(
        status["tickets"][0]["hint"]
            .as_str()
            .unwrap()
            .contains(&format!("foil verify {TICKET}"))
    );
    let shown = world.foil(&["status", TICKET]);
    assert!(shown.stdout.contains("the journal of run"), "{shown}");
}

#[test]
fn a_code_is_explained_and_one_that_is_misspelt_is_named_with_those_that_are_near() {
    let world = crate::common::World::new();
    let explain = |code: &str, more: &[&str]| world.foil(&[&["explain", "--code", code], more].concat());
    seen!("explain_code", explain("scope_violation", &[]));
    seen!("explain_code_json", explain("disk_full", &["--json"]));
    let misspelt = explain("scope_violatoin", &[]);
    assert_eq!(misspelt.code, Some(2), "{misspelt}");
    assert!(misspelt.stderr.contains("'scope_violation'"), "{misspelt}");
    assert_eq!(explain("other", &[]).code, Some(2), "it is no code of a record");
    assert_eq!(world.foil(&["explain"]).code, Some(2));
    assert_eq!(world.foil(&["explain", "0001-a", "--code", "disk_full"]).code, Some(2));
}
