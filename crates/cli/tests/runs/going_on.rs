//! What the next `foil run` makes of a run that an earlier one left.

use std::path::PathBuf;

use ledger_core::{BlockerCode, Effect, Event, Journal, Phase, PhaseEvidence, Record, Run, State};

use crate::common::World;
use crate::world::{TICKET, WRITER, approved, blocked, done, json, run_folder, run_id, under_way};

const BRANCH: &str = "refs/heads/foil/0001-hello";

/// The folders of the ticket's runs, oldest first.
pub(crate) fn run_folders(world: &World) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs").join(TICKET)).unwrap();
    let mut folders: Vec<_> = runs.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

pub(crate) fn records(folder: &std::path::Path) -> Vec<Record> {
    let bytes = std::fs::read(folder.join("journal.jsonl")).unwrap();
    Journal::parse(&bytes).unwrap().records
}

fn state(folder: &std::path::Path) -> State {
    Run::replay(&records(folder)).unwrap().state().clone()
}

fn stored(world: &World) -> usize {
    let refs = world.git(&["for-each-ref", &format!("refs/counterfoil/runs/{TICKET}/")]);
    refs.lines().count()
}

/// Takes a finished run back to the moment after this event was written, as if the runner had been killed there: no ref moved,
/// and what was anchored stays.
pub(crate) fn killed_after(world: &World, is_last: impl Fn(&Event) -> bool) {
    let last = position(world, is_last);
    unkept_from(world, last + 1);
    let receipt = format!("refs/counterfoil/receipts/{TICKET}");
    for name in [&receipt, BRANCH] {
        world.git(&["update-ref", "-d", name]);
    }
}

/// Where this event is in the journal of the ticket's only run.
fn position(world: &World, is_it: impl Fn(&Event) -> bool) -> usize {
    let records = records(&run_folder(world));
    records.iter().position(|record| is_it(&record.event)).unwrap()
}

/// Leaves so many records of the ticket's only run, which is not kept in Git then.
fn unkept_from(world: &World, records: usize) {
    let journal = run_folder(world).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let kept: String = text.split_inclusive('\n').take(records).collect();
    std::fs::write(&journal, kept).unwrap();
    let run = format!("refs/counterfoil/runs/{TICKET}/{}", run_id(world));
    world.git(&["update-ref", "-d", &run]);
}

#[test]
fn a_runner_that_died_while_it_prepared_the_commits_delivers_all_the_same() {
    let world = done();
    killed_after(&world, |event| {
        matches!(event, Event::Intended(Effect::PrepareDelivery { .. }))
    });
    // The commits name the second in which they were made.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_branch_that_another_program_has_locked_is_moved_by_the_next_run() {
    let world = approved(crate::world::WRITER);
    let lock = world.root().join(".git").join(format!("{BRANCH}.lock"));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let document = json(&world.foil(&["run", TICKET, "--json"]));
    let blocker = &document["runs"][0]["packet"]["blocker"];
    assert_eq!(blocker["code"], "needs_person", "{document:#}");
    std::fs::remove_file(&lock).unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(run_folders(&world).len(), 1);
}

#[test]
fn a_ticket_that_was_changed_and_approved_ends_the_run_of_the_old_one_and_begins_anew() {
    let (world, mut runner) = under_way();
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    let work = places(&world, &run_id(&world)).join("work");
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Do it otherwise.\n");
    let not_yet = world.foil(&["run", TICKET]);
    assert_eq!(not_yet.code, Some(11), "{not_yet}");
    assert_eq!(state(&run_folder(&world)), State::Climbing);
    let said = world.foil(&["approve", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    std::fs::write(world.folder().join("scripts/writer.toml"), crate::world::WRITER).unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let folders = run_folders(&world);
    assert_eq!(folders.len(), 2);
    let State::Blocked(blocker) = state(&folders[0]) else {
        panic!("{:?}", state(&folders[0]));
    };
    assert_eq!(blocker.code, BlockerCode::SourceLockMismatch);
    assert_eq!(state(&folders[1]), State::Done);
    assert_eq!(stored(&world), 2);
    assert!(work.exists(), "what the old run left is for `foil clean`");
    assert_eq!(world.foil(&["verify"]).code, Some(0));
}

#[test]
fn a_policy_that_was_changed_committed_and_trusted_begins_a_new_run() {
    let (world, mut runner) = under_way();
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    std::fs::write(world.folder().join("scripts/writer.toml"), crate::world::WRITER).unwrap();
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[limits]\nturn_timeout = \"2h\"\n"));
    let uncommitted = world.foil(&["run", TICKET]);
    assert_eq!(uncommitted.code, Some(11), "{uncommitted}");
    assert!(
        uncommitted.stderr.contains("git commit counterfoil.toml"),
        "{uncommitted}"
    );
    world.commit_all("More time");
    let untrusted = world.foil(&["run", TICKET]);
    assert!(untrusted.stderr.contains("not trusted"), "{untrusted}");
    assert_eq!(state(&run_folder(&world)), State::Climbing);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let states: Vec<_> = run_folders(&world).iter().map(|folder| state(folder)).collect();
    assert!(matches!(states[..], [State::Blocked(_), State::Done]), "{states:?}");
}

#[test]
fn a_run_whose_branch_has_moved_is_finished_though_the_ticket_changed_since() {
    let world = done();
    let branch = world.git(&["rev-parse", BRANCH]);
    killed_after(&world, |event| {
        matches!(event, Event::Intended(Effect::UpdateRef { .. }))
    });
    world.git(&["update-ref", BRANCH, &branch]);
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Something else.\n");
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(run_folders(&world).len(), 1);
    assert_eq!(stored(&world), 1);
}

#[test]
fn a_canceled_run_is_kept_in_git_though_the_ticket_is_closed() {
    let (world, mut runner) = under_way();
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    let folder = run_folder(&world);
    let mut opened = runner::JournalFile::open(&folder.join("journal.jsonl")).unwrap();
    let pending = Run::replay(&opened.records).unwrap().pending().unwrap().seq;
    let lost = Event::Observed {
        of: pending,
        observation: ledger_core::Observation::Lost {
            reason: "gone".to_owned(),
        },
    };
    let canceled = Event::Canceled {
        by: "A User".to_owned(),
        reason: "not needed".to_owned(),
    };
    for event in [lost, canceled] {
        runner::JournalSink::append(&mut opened.file, jiff::Timestamp::now(), &event).unwrap();
    }
    drop(opened);
    assert_eq!(world.foil(&["cancel", TICKET, "--because", "not needed"]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    assert_eq!(stored(&world), 1);
}

#[test]
fn what_a_dead_runner_left_is_ended_also_where_the_run_may_not_go_on() {
    let (world, mut runner) = under_way();
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    // As a guard that died with its runner would leave it.
    let guards = run_folder(&world).join("guards");
    std::fs::create_dir_all(&guards).unwrap();
    std::fs::write(guards.join("guard-x.json"), "no record").unwrap();
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Changed.\n");
    let said = world.foil(&["run", TICKET]);
    assert!(
        said.stderr.contains("the record of a guard"),
        "it was looked at first: {said}"
    );
}

fn places(world: &World, run: &str) -> PathBuf {
    world.state_home().join(format!("counterfoil/places/{TICKET}-{run}"))
}

#[test]
fn the_places_of_a_run_go_when_it_is_done_and_only_then() {
    let world = done();
    assert!(!places(&world, &run_id(&world)).exists());
    let step = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"elsewhere.txt\"\ntext = \"worth keeping\\n\"\n";
    let world = approved(&format!("{step}[answer]\nreport = {{ summary = \"out of scope\" }}\n"));
    assert_eq!(world.foil(&["run", TICKET]).code, Some(10));
    let work = places(&world, &run_id(&world)).join("work/elsewhere.txt");
    assert!(work.exists(), "a blocked run may hold work that nothing else holds");
}

#[test]
fn the_base_of_a_run_outlives_the_branch_that_it_was_taken_from() {
    let world = blocked();
    let base = world.git(&["rev-parse", "HEAD"]);
    world.git(&["commit", "--quiet", "--amend", "--message", "Otherwise"]);
    world.git(&["reflog", "expire", "--expire=now", "--all"]);
    world.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(world.git(&["cat-file", "-t", &base]), "commit");
}

#[test]
fn a_cancellation_on_the_branch_where_a_stacked_run_was_started_stops_it() {
    let world = done();
    // Depends on what is delivered and not merged.
    let slow = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello again\\n\"\n\
                [[step]]\ndo = \"wait\"\nmilliseconds = 5000\n[answer]\nreport = { summary = \"said it again\" }\n";
    std::fs::write(world.folder().join("scripts/writer.toml"), slow).unwrap();
    let contract = "title = \"Again\"\nmode = \"standard\"\ndepends_on = [\"0001-hello\"]\n[scope]\ngoal = \"hello\"\n\
                    allowed = [\"hello.txt\"]\n[[acceptance]]\nid = \"AC-1\"\ngiven = \"a\"\nwhen = \"b\"\nthen = \"c\"\n";
    world.ticket("0002-again", contract);
    let said = world.foil(&["approve", "0002-again"]);
    assert_eq!(said.code, Some(0), "{said}");
    let mut running = crate::world::begin(&world, "0002-again", "0002-again", crate::world::WRITES);
    let branch = world.git(&["symbolic-ref", "HEAD"]);
    let folder = "ledger/tickets/0002-again";
    assert_eq!(world.foil(&["cancel", "0002-again", "--because", "no"]).code, Some(0));
    // Another branch is checked out, on which nothing of it is to be seen.
    world.git(&["checkout", "--quiet", "--detach", "HEAD^"]);
    assert!(!world.root().join(folder).join("canceled.toml").exists(), "{branch}");
    assert_eq!(running.0.wait().unwrap().code(), Some(10));
    assert_eq!(world.git(&["branch", "--list", "foil/0002-again"]), "");
}

#[test]
fn whatever_lies_in_place_of_a_cancellation_stops_a_run_before_it_delivers() {
    let path = format!("ledger/tickets/{TICKET}/canceled.toml");
    for what in [
        "ln -s nowhere \"$P\"",
        "ln -s /etc/hostname \"$P\"",
        "mkfifo \"$P\"",
        "mkdir \"$P\"",
        "head -c 4194304 /dev/zero >\"$P\"",
        // On the branch, and not in the work tree.
        "ln -s nowhere \"$P\" && git -C \"$R\" add -A && git -C \"$R\" commit -q -m Cancel && rm \"$P\"",
        "mkdir \"$P\" && touch \"$P/x\" && git -C \"$R\" add -A && git -C \"$R\" commit -q -m Cancel && rm -r \"$P\"",
    ] {
        let world = approved(crate::world::WRITER);
        let root = world.root();
        let command = format!("R='{}'; P='{}'; {what}", root.display(), root.join(&path).display());
        std::fs::write(
            world.folder().join("scripts/writer.toml"),
            format!(
                "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n{}",
                crate::packages::runs(&command)
            ),
        )
        .unwrap();
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(said.code, Some(10), "{what}: {said}");
        let run = json(&said)["runs"][0].clone();
        assert_eq!(run["packet"]["outcome"], "canceled", "{what}: {run:#}");
        assert_eq!(world.git(&["branch", "--list", "foil/*"]), "", "{what}");
    }
}

#[test]
fn a_link_that_reads_like_what_was_approved_stops_a_run_before_it_delivers() {
    let prompt = format!("ledger/tickets/{TICKET}/prompt.md");
    for committed in [false, true] {
        let world = approved(crate::world::WRITER);
        let root = world.root();
        // In the work tree its target has the approved bytes; on the branch its own blob is the approved one.
        let command = match committed {
            false => format!(
                "cd '{}' && mv {prompt} other.md && ln -s ../../../other.md {prompt}",
                root.display()
            ),
            true => format!(
                "cd '{}' && git update-index --cacheinfo 120000,$(git rev-parse HEAD:{prompt}),{prompt} && git commit -q -m Link",
                root.display()
            ),
        };
        std::fs::write(
            world.folder().join("scripts/writer.toml"),
            format!(
                "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n{}",
                crate::packages::runs(&command)
            ),
        )
        .unwrap();
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(said.code, Some(10), "{said}");
        let blocker = json(&said)["runs"][0]["packet"]["blocker"].clone();
        assert_eq!(blocker["code"], "approval_stale", "{said}");
        assert_eq!(
            blocker["reason"],
            format!("`{prompt}` changed while the run was under way")
        );
        assert_eq!(world.git(&["branch", "--list", "foil/*"]), "");
    }
}

#[test]
fn a_run_whose_objects_are_gone_does_not_go_on_and_a_new_approval_begins_anew() {
    let world = done();
    killed_after(
        &world,
        |event| matches!(event, Event::Entered(evidence) if evidence.phase() == Phase::FocusedTestsPassed),
    );
    let tree = Run::replay(&records(&run_folder(&world))).unwrap().tree().unwrap();
    for name in world
        .git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep"])
        .lines()
    {
        world.git(&["update-ref", "-d", name]);
    }
    world.git(&["-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now"]);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    let short = tree.to_string();
    assert!(
        said.stderr.contains(&short) && said.stderr.contains("approve it again"),
        "{said}"
    );
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Say hello, once more.\n");
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(run_folders(&world).len(), 2);
}

#[test]
fn failed_runs_are_counted_also_where_only_git_has_them() {
    let world = blocked();
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[limits]\nticket_failures = 2\n"));
    world.commit_all("At most two failures");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    std::fs::remove_dir_all(world.root().join(".git/counterfoil")).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert_eq!(json(&said)["error"]["code"], "ticket_failure_limit", "{said}");
}

#[test]
fn a_journal_that_was_taken_back_to_before_the_delivery_delivers_nothing_again() {
    let world = done();
    let folder = run_folder(&world);
    let before = records(&folder)
        .iter()
        .position(|record| matches!(record.event, Event::Intended(Effect::PrepareDelivery { .. })))
        .unwrap();
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let taken_back: String = text.split_inclusive('\n').take(before).collect();
    std::fs::write(folder.join("journal.jsonl"), taken_back).unwrap();
    for name in [
        "refs/counterfoil/receipts/0001-hello".to_owned(),
        format!("refs/counterfoil/runs/{TICKET}/{}", run_id(&world)),
    ] {
        world.git(&["update-ref", "-d", &name]);
    }
    let branches = world.git(&["branch", "--list"]);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stderr.contains("`foil verify`"), "{said}");
    assert_eq!(world.git(&["branch", "--list"]), branches);
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(12));
}

#[test]
fn a_delivered_run_that_cannot_be_kept_says_so_and_is_kept_by_the_next() {
    let world = approved(crate::world::WRITER);
    let in_the_way = world.root().join(".git/refs/counterfoil/runs");
    std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    std::fs::write(&in_the_way, "no folder\n").unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stdout.contains("mind: the run is not kept in Git yet: "), "{said}");
    std::fs::remove_file(&in_the_way).unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!((stored(&world), world.foil(&["verify", TICKET]).code), (1, Some(0)));
}

/// A runner that dies between the receipt and the end leaves a ticket that counts as done: nobody would name it again.
#[test]
fn what_a_dead_runner_delivered_and_did_not_keep_is_kept_by_the_next_run_of_all() {
    for (last, more) in [("receipt", 0), ("end", 1), ("intent to keep it", 2)] {
        let world = done();
        let end = position(&world, |event| {
            matches!(event, Event::Entered(PhaseEvidence::Done { .. }))
        });
        unkept_from(&world, end + more);
        let branch = world.git(&["rev-parse", BRANCH]);

        let ticket = &json(&world.foil(&["status", "--json"]))["tickets"][0];
        assert_eq!(ticket["state"], "done", "{last}");
        assert_eq!(ticket["unkept"], true, "{last}");
        assert_eq!(
            ticket["next_steps"][0]["command"],
            format!("foil run {TICKET}"),
            "{last}"
        );
        let said = world.foil(&["run", "--all"]);
        assert_eq!(said.code, Some(0), "{last}: {said}");
        assert_eq!(stored(&world), 1, "{last}");
        assert_eq!(
            world.git(&["rev-parse", BRANCH]),
            branch,
            "{last}: nothing is delivered twice"
        );
        assert_eq!(world.foil(&["verify", TICKET]).code, Some(0), "{last}");
        let ticket = &json(&world.foil(&["status", "--json"]))["tickets"][0];
        assert_eq!(ticket.get("unkept"), None, "{last}");
    }
}

#[test]
fn a_blocked_run_that_was_not_kept_is_kept_and_tried_again_only_where_that_is_asked_for() {
    let world = blocked();
    let end = position(&world, |event| matches!(event, Event::Blocked(_)));
    unkept_from(&world, end + 1);
    assert_eq!(world.foil(&["run", "--all"]).code, Some(10));
    assert_eq!((stored(&world), run_folders(&world).len()), (1, 1));

    unkept_from(&world, end + 1);
    assert_eq!(world.foil(&["run", "--all", "--retry-blocked"]).code, Some(10));
    assert_eq!((stored(&world), run_folders(&world).len()), (2, 2));
}

#[test]
fn a_lock_that_a_dead_runner_left_beside_what_a_run_keeps_goes() {
    let world = crate::word::waiting_for_a_word();
    let run = crate::world::run_folder(&world);
    let kept = world
        .root()
        .join(".git/refs/counterfoil/keep")
        .join(run.file_name().unwrap());
    let lock = kept.join("tree-9-99.lock");
    std::fs::write(&lock, "").unwrap();
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    assert!(!lock.exists());
}

#[test]
fn what_is_left_of_a_run_that_never_began_goes_and_nothing_else() {
    let world = approved(WRITER);
    let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
    let unbegun = runs.join("01a21f46-493f-77de-aa53-2a0a3439945a");
    let set_aside = runs.join("01a21f46-493f-77de-aa53-2a0a3439945b");
    for (folder, file) in [
        (&unbegun, "journal.jsonl"),
        (&set_aside, "journal-damaged-20260101T000000Z.jsonl"),
    ] {
        std::fs::create_dir_all(folder.join("checks")).unwrap();
        std::fs::write(folder.join(file), "{\"seq\":").unwrap();
    }
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(!unbegun.exists());
    assert!(set_aside.join("journal-damaged-20260101T000000Z.jsonl").exists());
}
