//! `foil stop`

use std::process::Command;

use jiff::Timestamp;
use runner::guard::ProcessIdentity;
use runner::lock::{LockHolder, LockPurpose, TicketLock};

use crate::common::{Running, World};
use crate::seen;
use crate::world::{Runner, TICKET, json, under_way};

#[test]
fn a_run_that_is_asked_leaves_in_good_order_and_can_go_on() {
    let (world, mut runner) = under_way();
    let said = world.foil(&["stop", TICKET]);
    seen!("stop", said);
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    let last = world.foil(&["events", TICKET, "--limit", "1"]);
    assert!(last.stdout.ends_with("paused by `foil stop`\n"), "{last}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    let again = world.foil(&["stop", TICKET]);
    assert_eq!(again.stdout, "0001-hello: nobody is at work on it\n");
}

#[test]
fn every_run_of_the_clone_is_asked_where_none_is_named() {
    let (world, mut runner) = under_way();
    let document = json(&world.foil(&["stop", "--json"]));
    assert_eq!(document["schema"], "counterfoil.stop/1");
    assert_eq!(document["runs"][0]["ticket"], TICKET);
    assert_eq!(document["runs"][0]["outcome"], "left");
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
}

#[test]
fn who_follows_a_run_is_told_when_it_leaves() {
    let (world, mut runner) = under_way();
    let follower = Running::start(world.foil_command().args(["events", TICKET, "--follow"]));
    assert_eq!(world.foil(&["stop", TICKET]).code, Some(0));
    runner.0.wait().unwrap();
    let shown = follower.said().stdout;
    assert!(shown.ends_with("paused by `foil stop`\n"), "{shown}");
    assert_eq!(shown.matches("opened in mode").count(), 1);
}

#[test]
fn nobody_at_work_is_nothing_to_do() {
    let world = World::initialized();
    seen!("stop_nothing", world.foil(&["stop"]));
}

/// A process that a lock's note may name and that holds no lock.
fn bystander() -> Runner {
    Runner(Command::new("sleep").arg("600").spawn().unwrap())
}

fn note(world: &World, process: &ProcessIdentity) {
    let locks = world.root().join(".git/counterfoil/locks");
    std::fs::create_dir_all(&locks).unwrap();
    let holder = LockHolder {
        process: process.clone(),
        since: Timestamp::UNIX_EPOCH,
        purpose: LockPurpose::Run,
    };
    std::fs::write(
        locks.join(format!("{TICKET}.lock")),
        serde_json::to_vec(&holder).unwrap(),
    )
    .unwrap();
}

#[test]
fn a_process_that_does_not_hold_the_lock_is_never_signalled() {
    let world = World::initialized();
    let mut bystander = bystander();
    let process = ProcessIdentity::of(i32::try_from(bystander.0.id()).unwrap())
        .unwrap()
        .unwrap();
    note(&world, &process);
    let said = world.foil(&["stop", TICKET]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("does not hold it"), "{said}");
    assert_eq!(world.foil(&["stop"]).code, Some(0));
    assert!(bystander.0.try_wait().unwrap().is_none(), "it was signalled");
}

#[test]
fn a_pid_that_was_used_again_is_never_signalled() {
    let world = World::initialized();
    let mut bystander = bystander();
    let mut process = ProcessIdentity::of(i32::try_from(bystander.0.id()).unwrap())
        .unwrap()
        .unwrap();
    process.start_time -= 1;
    note(&world, &process);
    let said = world.foil(&["stop", TICKET]);
    assert_eq!(said.stdout, "0001-hello: nobody is at work on it\n");
    process.start_time += 1;
    process.boot_id = "another".to_owned();
    note(&world, &process);
    assert_eq!(world.foil(&["stop", TICKET]).stdout, said.stdout);
    assert!(bystander.0.try_wait().unwrap().is_none(), "it was signalled");
}

#[test]
fn who_cleans_up_is_not_asked_to_leave() {
    let world = World::initialized();
    let locks = world.root().join(".git/counterfoil/locks");
    // This test holds the lock, and would end at the signal.
    let holder = LockHolder::current(Timestamp::now()).unwrap().for_upkeep();
    let lock = TicketLock::acquire(&locks, &TICKET.parse().unwrap(), &holder).unwrap();
    let said = world.foil(&["stop", TICKET]);
    assert_eq!(said.stdout, "0001-hello: nobody is at work on it\n");
    assert_eq!(world.foil(&["stop"]).code, Some(0));
    drop(lock);
}
