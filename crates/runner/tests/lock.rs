//! One run a ticket, whatever the number of processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::process::Command;

use common::folder;
use counterfoil_runner::lock::{LockError, LockHolder, TicketLock};
use ledger_core::TicketId;

fn holder() -> LockHolder {
    LockHolder::current("2026-01-02T03:04:05Z".parse().unwrap()).unwrap()
}

fn ticket(name: &str) -> TicketId {
    name.parse().unwrap()
}

#[test]
fn a_held_ticket_names_its_holder_and_is_free_again_afterwards() {
    let folder = folder("lock").join("locks");
    let first = TicketLock::acquire(&folder, &ticket("0042-A"), &holder()).unwrap();
    let Err(LockError::Held { holder: Some(seen), .. }) = TicketLock::acquire(&folder, &ticket("0042-a"), &holder())
    else {
        panic!("it was locked twice");
    };
    assert_eq!(seen, holder());
    assert_eq!(TicketLock::holder(&folder, &ticket("0042-A")), Some(holder()));
    let other = TicketLock::acquire(&folder, &ticket("0043"), &holder()).unwrap();
    drop(first);
    assert_eq!(TicketLock::holder(&folder, &ticket("0042-A")), None);
    assert!(folder.join("0042-a.lock").exists());
    drop(TicketLock::acquire(&folder, &ticket("0042-A"), &holder()).unwrap());
    drop(other);
}

#[test]
fn another_process_that_holds_it_is_respected() {
    let folder = folder("flock");
    let path = folder.join("t.lock");
    fs::write(&path, "no note").unwrap();
    // The same kind of lock, taken by the system's own tool, which says so once it holds it.
    let mut other = Command::new("flock")
        .arg(&path)
        .args(["sh", "-c", "echo held; cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "held\n");
    let result = TicketLock::acquire(&folder, &ticket("t"), &holder());
    assert!(
        matches!(result, Err(LockError::Held { holder: None, .. })),
        "{result:?}"
    );
    drop(other.stdin.take());
    other.wait().unwrap();
    TicketLock::acquire(&folder, &ticket("t"), &holder()).unwrap();
}

#[test]
fn of_many_that_want_it_at_once_one_gets_it() {
    let folder = folder("contention");
    let barrier = std::sync::Barrier::new(16);
    let got = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    TicketLock::acquire(&folder, &ticket("t"), &holder()).ok()
                })
            })
            .collect();
        let locks: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        locks.iter().flatten().count()
    });
    assert_eq!(got, 1);
}

#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let folder = folder("link");
    fs::write(folder.join("victim"), "keep").unwrap();
    std::os::unix::fs::symlink(folder.join("victim"), folder.join("t.lock")).unwrap();
    assert!(TicketLock::acquire(&folder, &ticket("t"), &holder()).is_err());
    assert_eq!(fs::read(folder.join("victim")).unwrap(), b"keep");
}
