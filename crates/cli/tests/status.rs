//! `foil status`: derived from the ledger, journals, locks and Git.
#![expect(clippy::unwrap_used, reason = "a world that cannot be made is a failed test")]

mod common;

use std::path::PathBuf;

use common::{LOOP, Running, World};
use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, CommitId, Delivered, DeliveryMode, Digest, Event, Head, JOURNAL_FORMAT, Mode, Opened,
    PauseCause, Receipt, RefName, SourceLock, TicketId, TreeId,
};
use runner::lock::{LockHolder, TicketLock};

fn journal_path(world: &World, ticket: &str, run: &str) -> PathBuf {
    world
        .root()
        .join(format!(".git/counterfoil/runs/{ticket}/{run}/journal.jsonl"))
}

/// A run that has just these events after its first. It lies in the future, and so after every approval.
fn run(world: &World, ticket: &str, run: &str, events: &[Event]) {
    // Later than any approval that a test gives.
    run_from(world, ticket, run, events, 4_102_444_800);
}

/// The same, from this second on.
fn run_from(world: &World, ticket: &str, run: &str, events: &[Event], start: i64) {
    let opened = Event::Opened(Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: ticket.parse().unwrap(),
        run: run.parse().unwrap(),
        repository: "local".to_owned(),
        mode: Mode::Loop,
        delivery: DeliveryMode::Branch,
        plan: false,
        curate: false,
        review: false,
        experts: Vec::new(),
        checks: Vec::new(),
        max_repair_rounds: 3,
        max_rounds: None,
        target: None,
        rescued: None,
    });
    let mut head = Head::default();
    let mut bytes = Vec::new();
    for (second, event) in std::iter::once(&opened).chain(events).enumerate() {
        let at = Timestamp::from_second(start + 90 * i64::try_from(second).unwrap()).unwrap();
        let (line, next) = head.line(at, event).unwrap();
        bytes.extend(line);
        head = next;
    }
    let path = journal_path(world, ticket, run);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn blocked() -> Event {
    Event::Blocked(Blocker::new(BlockerCode::AgentAuth, "the provider refused the key"))
}

fn receipt(world: &World, ticket: &str, branch: &str, records: &str) {
    let commit: CommitId = records.parse().unwrap();
    let tree: TreeId = world
        .git(&["rev-parse", &format!("{records}^{{tree}}")])
        .parse()
        .unwrap();
    let approval = ledger_core::CoveredFile {
        path: format!("ledger/tickets/{ticket}/approval.toml").parse().unwrap(),
        blob: world.git(&["rev-parse", "HEAD:counterfoil.toml"]).parse().unwrap(),
        sha256: Digest::of("approval"),
    };
    let receipt = Receipt {
        schema: 1,
        foil: "0.1.0".to_owned(),
        ticket: ticket.parse().unwrap(),
        run: "r1".parse().unwrap(),
        source: SourceLock {
            repository: "local".to_owned(),
            files: Vec::new(),
            approval,
            approved_by: "Ada".to_owned(),
            policy: Digest::of(""),
            prompts: Vec::new(),
            steering: Vec::new(),
        },
        base: commit,
        tree,
        evidence: Digest::of("evidence"),
        review: None,
        experts: Vec::new(),
        accepted_by: None,
        delivery: DeliveryMode::Branch,
        delivered: Some(Delivered {
            change: commit,
            records: commit,
            branch: RefName::branch(branch).unwrap(),
            remote: None,
        }),
        delivers: None,
        journal: Digest::of("journal"),
        at: Timestamp::UNIX_EPOCH,
    };
    let stored = world.folder().join("stored");
    std::fs::create_dir_all(&stored).unwrap();
    std::fs::write(stored.join("receipt.json"), receipt.to_bytes()).unwrap();
    let blob = world.git(&["hash-object", "-w", stored.join("receipt.json").to_str().unwrap()]);
    std::fs::write(stored.join("tree"), format!("100644 blob {blob}\treceipt.json\n")).unwrap();
    let tree = common::said(
        world
            .command("git")
            .arg("mktree")
            .stdin(std::fs::File::open(stored.join("tree")).unwrap()),
    );
    let commit = world.git(&["commit-tree", "-m", "stored", tree.stdout.trim()]);
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{ticket}"), &commit]);
}

#[test]
fn a_repository_that_was_not_set_up_says_how_to_begin() {
    let world = World::new();
    snapshot!("status_nothing", world.foil(&["status"]));
    snapshot!("status_nothing_json", world.foil(&["status", "--json"]));
}

#[test]
fn every_state_is_told_apart() {
    let world = World::initialized();
    for id in [
        "0001-draft",
        "0002-ready",
        "0003-waits",
        "0004-stale",
        "0006-paused",
        "0007-crashed",
        "0008-blocked",
    ] {
        let more = match id {
            "0003-waits" => "depends_on = [\"0001-draft\"]\n",
            "0002-ready" => "priority = 5\n",
            _ => "",
        };
        world.ticket(id, &format!("{LOOP}{more}"));
        if id != "0001-draft" {
            assert_eq!(world.foil(&["approve", id]).code, Some(0));
        }
    }
    world.write("ledger/tickets/0004-stale/prompt.md", "Other.\n");
    world.write("ledger/tickets/0005-broken/ticket.toml", "title = \"x\"\nkid = 1\n");
    run(
        &world,
        "0006-paused",
        "r1",
        &[Event::Paused {
            cause: PauseCause::Interrupt,
        }],
    );
    run(
        &world,
        "0007-crashed",
        "r1",
        &[Event::Warned {
            message: "late".to_owned(),
        }],
    );
    run(
        &world,
        "0008-blocked",
        "r1",
        &[Event::Paused {
            cause: PauseCause::Stop,
        }],
    );
    run(&world, "0008-blocked", "r2", &[blocked()]);
    world.ticket("0009-canceled", LOOP);
    world.foil(&["cancel", "0009-canceled"]);
    world.ticket("0010-done", LOOP);
    world.write("ledger/tickets/0010-done/result.md", "done\n");
    let before = world.observed();
    snapshot!("status_states", world.foil(&["status"]));
    snapshot!("status_states_json", world.foil(&["status", "--json"]));
    snapshot!("status_one", world.foil(&["status", "0008-blocked"]));
    assert_eq!(world.observed(), before);
}

#[test]
fn a_new_approval_makes_a_blocked_run_history() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.foil(&["approve", "0001-a"]);
    run_from(&world, "0001-a", "r1", &[blocked()], 0);
    // The run ended before this approval was given.
    assert!(
        world
            .foil(&["status", "--json"])
            .stdout
            .contains("\"state\": \"ready\"")
    );
    world.git(&["rm", "-q", "--cached", "ledger/tickets/0001-a/approval.toml"]);
    std::fs::remove_file(world.root().join("ledger/tickets/0001-a/approval.toml")).unwrap();
    assert!(
        world
            .foil(&["status", "--json"])
            .stdout
            .contains("\"state\": \"blocked\"")
    );
}

#[test]
fn a_run_is_running_while_its_lock_is_held() {
    let world = World::initialized();
    let ticket: TicketId = "0001-a".parse().unwrap();
    world.ticket("0001-a", LOOP);
    world.foil(&["approve", "0001-a"]);
    run(&world, "0001-a", "r1", &[]);
    let state = || world.foil(&["status", "--json"]).stdout;
    assert!(state().contains("\"state\": \"paused\"") && state().contains("\"cause\": \"crash\""));
    let holder = LockHolder::current(Timestamp::UNIX_EPOCH).unwrap();
    let lock = TicketLock::acquire(&world.root().join(".git/counterfoil/locks"), &ticket, &holder).unwrap();
    assert!(state().contains("\"state\": \"running\""), "{}", state());
    drop(lock);
    assert!(state().contains("\"state\": \"paused\""));
}

#[test]
fn a_journal_that_is_damaged_is_shown_and_hides_no_ticket() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.ticket("0002-b", LOOP);
    world.foil(&["approve", "0001-a", "0002-b"]);
    run(&world, "0001-a", "r1", &[blocked()]);
    std::fs::write(journal_path(&world, "0001-a", "r1"), b"{\"seq\":0}\nrubbish\n").unwrap();
    run(&world, "0002-b", "r1", &[]);
    std::fs::write(journal_path(&world, "0002-b", "r1"), b"").unwrap();
    snapshot!("status_damaged", world.foil(&["status"]));
    snapshot!("status_damaged_json", world.foil(&["status", "0001-a", "--json"]));
}

#[test]
fn an_approval_that_is_not_committed_is_told_with_the_command_that_commits_it() {
    let world = World::initialized();
    for id in ["0001-a", "0002-b", "0003-c"] {
        world.ticket(id, LOOP);
    }
    world.foil(&["approve", "0001-a", "--no-commit"]);
    world.foil(&["approve", "0002-b"]);
    world.foil(&["approve", "0003-c", "--no-commit"]);
    world.git(&[
        "add",
        "ledger/tickets/0003-c/ticket.toml",
        "ledger/tickets/0003-c/prompt.md",
    ]);
    world.git(&["commit", "-q", "-m", "without the approval"]);
    snapshot!("status_uncommitted", world.foil(&["status"]));
    snapshot!("status_uncommitted_one", world.foil(&["status", "0003-c"]));
    snapshot!("status_uncommitted_json", world.foil(&["status", "0001-a", "--json"]));
    assert_eq!(world.foil(&["approve", "0001-a", "0003-c"]).code, Some(0));
    let after = world.foil(&["status", "--json"]);
    assert!(!after.stdout.contains("uncommitted"), "{after}");
}

#[test]
fn watching_shows_the_first_frame_at_once() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    let expected = world.foil(&["status"]).stdout;
    let mut watch = Running::start(world.foil_command().args(["status", "--watch"]));
    let mut frame = vec![0; expected.len()];
    std::io::Read::read_exact(&mut watch.stdout(), &mut frame).unwrap();
    assert_eq!(String::from_utf8(frame).unwrap(), expected);
}

#[test]
fn what_is_delivered_names_the_commands_to_review_merge_and_clean() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.foil(&["approve", "0001-a"]);
    world.git(&["switch", "-q", "-c", "foil/0001-a"]);
    world.write("new", "x\n");
    let records = world.commit_all("change");
    world.git(&["switch", "-q", "main"]);
    receipt(&world, "0001-a", "foil/0001-a", &records);
    snapshot!("status_delivered", world.foil(&["status"]));
    world.git(&["merge", "-q", "--ff-only", "foil/0001-a"]);
    snapshot!("status_merged", world.foil(&["status", "0001-a"]));
    world.git(&["branch", "-q", "-d", "foil/0001-a"]);
    snapshot!("status_merged_and_gone", world.foil(&["status"]));
}

#[test]
fn a_package_is_delivered_in_its_order() {
    let world = World::initialized();
    for id in ["0001-a", "0002-b", "0003-c"] {
        world.ticket(id, LOOP);
    }
    world.foil(&["package", "new", "P", "0003-c", "0001-a", "0002-b"]);
    world.foil(&["approve", "p"]);
    snapshot!("status_package", world.foil(&["status"]));
    world.write("ledger/tickets/0003-c/result.md", "done\n");
    snapshot!("status_package_later", world.foil(&["status", "0001-a"]));
    snapshot!("status_package_last", world.foil(&["status", "0002-b"]));
    // What was agreed on for another ticket of the package counts for each.
    world.write("ledger/tickets/0002-b/prompt.md", "Do something else.\n");
    snapshot!("status_package_differs", world.foil(&["status"]));
    let said = world.foil(&["status", "0001-a", "--json"]);
    assert!(said.stdout.contains("\"code\": \"source_lock_mismatch\""), "{said}");
    // What is delivered as a whole is only counted.
    for id in ["0001-a", "0002-b"] {
        world.write(&format!("ledger/tickets/{id}/result.md"), "done\n");
    }
    let short = world.foil(&["status"]).stdout;
    assert!(
        short.contains("\npackages\n  1 delivered: --all shows them\n"),
        "{short}"
    );
    let all = world.foil(&["status", "--all"]).stdout;
    assert!(all.contains("\npackages\n  p  P  3 of 3 delivered\n"), "{all}");
}

#[test]
fn long_lists_are_short_unless_all_is_asked_for() {
    let world = World::initialized();
    for number in 1..=30 {
        world.ticket(&format!("{number:04}-x"), LOOP);
    }
    let short = world.foil(&["status"]).stdout;
    assert!(
        short.contains("10 more: --all shows them") && !short.contains("0010-x"),
        "{short}"
    );
    let all = world.foil(&["status", "--all"]).stdout;
    assert!(all.contains("0001-x") && !all.contains("more:"), "{all}");
}

#[test]
fn titles_cannot_forge_lines_or_move_the_cursor() {
    let world = World::initialized();
    world.ticket("0001-a", "title = \"x\\u001b[2J\\u202e\"\nmode = \"loop\"\n");
    let said = world.foil(&["status"]);
    assert!(said.stdout.contains("x\\x1b[2J\\u{202e}"), "{said}");
}

#[test]
fn health_says_who_has_to_look_and_only_ends_with_another_code_where_it_is_asked_for() {
    let world = World::initialized();
    let health = |code: i32| {
        let said = world.foil(&["status", "--health", "--json"]);
        assert_eq!(said.code, Some(code), "{said}");
        assert_eq!(world.foil(&["status"]).code, Some(0));
        serde_json::from_str::<serde_json::Value>(&said.stdout).unwrap()["health"].clone()
    };
    assert_eq!(health(0), serde_json::json!({"state": "ok"}));
    for id in ["0001-a", "0002-b", "0003-c", "0004-d"] {
        world.ticket(id, LOOP);
        world.foil(&["approve", id]);
    }
    // What waits for a person to approve or to run it is no failure.
    world.write("ledger/tickets/0004-d/prompt.md", "Other.\n");
    assert_eq!(health(0)["state"], "ok");
    run(&world, "0001-a", "r1", &[blocked()]);
    run(&world, "0002-b", "r1", &[]);
    let degraded = health(10);
    assert_eq!(degraded["state"], "degraded");
    snapshot!("status_health", serde_json::to_string_pretty(&degraded).unwrap());
    // Of one ticket only its own reasons count, beside the repository's.
    assert_eq!(world.foil(&["status", "0003-c", "--health"]).code, Some(0));
    assert_eq!(world.foil(&["status", "0002-b", "--health"]).code, Some(10));
    // The gravest one names the code.
    world.write("counterfoil.toml", format!("{}\n", world.read("counterfoil.toml")));
    health(11);
    world.write("ledger/tickets/0003-c/ticket.toml", "titel = 1\n");
    world.write("ledger/tickets/not a ticket/ticket.toml", LOOP);
    health(3);
    std::fs::write(journal_path(&world, "0001-a", "r1"), b"{\"seq\":0}\nrubbish\n").unwrap();
    let all = health(12);
    assert_eq!(all["state"], "error");
    snapshot!("status_health_error", serde_json::to_string_pretty(&all).unwrap());
    // Where nothing can be said, the error is the answer.
    world.write("counterfoil.toml", "limits = 3\n");
    for arguments in [&["status"][..], &["status", "--health"]] {
        assert_eq!(world.foil(arguments).code, Some(3));
    }
}

#[test]
fn watching_in_lines_tells_each_change_once() {
    let world = World::initialized();
    let mut watch = Running::start(world.foil_command().args(["status", "--watch", "--json"]));
    let mut lines = watch.stdout().lines();
    let mut tickets = || {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        line["tickets"].as_array().unwrap().len()
    };
    assert_eq!(tickets(), 0);
    world.ticket("0001-a", LOOP);
    // A look may come between the two files of the ticket.
    while tickets() == 0 {}
    world.write("ledger/tickets/0002-b/ticket.toml", LOOP);
    while tickets() < 2 {}
    let said = world.foil(&["status", "--watch", "--health"]);
    assert_eq!(said.code, Some(2), "{said}");
}
