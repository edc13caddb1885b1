//! A journal that is followed while it grows.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use counterfoil_runner::{FollowError, JournalFollower, StateRoots};
use jiff::Timestamp;
use ledger_core::{DeliveryMode, Event, Head, JOURNAL_FORMAT, JournalError, Mode, Opened, PauseCause, RunId, TicketId};

struct World {
    roots: StateRoots,
    ticket: TicketId,
    run: RunId,
    head: Head,
}

impl World {
    fn new(name: &str) -> Self {
        let world = Self {
            roots: StateRoots::new(&common::folder(name), "/nowhere"),
            ticket: "0001-a".parse().unwrap(),
            run: "r1".parse().unwrap(),
            head: Head::default(),
        };
        fs::create_dir_all(world.roots.run(&world.ticket, &world.run)).unwrap();
        world
    }

    fn follow(&self) -> JournalFollower {
        JournalFollower::open(&self.roots, &self.ticket, &self.run)
            .unwrap()
            .unwrap()
    }

    fn path(&self) -> PathBuf {
        self.roots.journal(&self.ticket, &self.run)
    }

    fn line(&mut self, event: &Event) -> Vec<u8> {
        let (line, head) = self.head.line(Timestamp::UNIX_EPOCH, event).unwrap();
        self.head = head;
        line
    }

    fn append(&self, bytes: &[u8]) {
        let mut file = File::options().append(true).create(true).open(self.path()).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn opened(&mut self, ticket: &str) -> Vec<u8> {
        self.line(&Event::Opened(Opened {
            format: JOURNAL_FORMAT,
            foil: "0.1.0".to_owned(),
            ticket: ticket.parse().unwrap(),
            run: "r1".parse().unwrap(),
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
        }))
    }
}

fn warned(message: &str) -> Event {
    Event::Warned {
        message: message.to_owned(),
    }
}

fn read(follower: &mut JournalFollower) -> Result<Vec<u64>, FollowError> {
    let mut numbers = Vec::new();
    follower.read_on(|record| numbers.push(record.seq))?;
    Ok(numbers)
}

#[test]
fn each_event_is_given_once_when_its_line_is_whole() {
    let mut world = World::new("follow");
    let mut follower = world.follow();
    assert!(read(&mut follower).unwrap().is_empty());
    let first = world.opened("0001-a");
    world.append(&first);
    assert_eq!(read(&mut follower).unwrap(), [0]);
    let (second, third) = (
        world.line(&warned("a")),
        world.line(&Event::Paused {
            cause: PauseCause::Stop,
        }),
    );
    world.append(&second[..20]);
    assert!(read(&mut follower).unwrap().is_empty());
    world.append(&second[20..]);
    world.append(&third);
    assert_eq!(read(&mut follower).unwrap(), [1, 2]);
    assert!(read(&mut follower).unwrap().is_empty());
    assert_eq!(follower.run().unwrap().next_seq(), 3);
}

#[test]
fn a_torn_tail_that_the_next_runner_cuts_off_is_forgotten() {
    let mut world = World::new("follow-torn");
    let mut follower = world.follow();
    let first = world.opened("0001-a");
    world.append(&first);
    let next = world.line(&warned("a"));
    world.append(&next[..30]);
    assert_eq!(read(&mut follower).unwrap(), [0]);
    File::options()
        .write(true)
        .open(world.path())
        .unwrap()
        .set_len(first.len() as u64)
        .unwrap();
    world.append(&next);
    assert_eq!(read(&mut follower).unwrap(), [1]);
}

#[test]
fn a_line_that_does_not_belong_ends_following_after_what_came_before() {
    for (name, forge) in [
        ("sum", (|line: &mut Vec<u8>| line[60] ^= 1) as fn(&mut Vec<u8>)),
        ("garbage", |line| *line = b"{}\n".to_vec()),
        ("empty", |line| *line = b"\n".to_vec()),
    ] {
        let mut world = World::new(&format!("follow-{name}"));
        let first = world.opened("0001-a");
        world.append(&first);
        let mut forged = world.line(&warned("a"));
        forge(&mut forged);
        world.append(&forged);
        let mut follower = world.follow();
        let mut seen = 0;
        let error = follower.read_on(|_| seen += 1).unwrap_err();
        assert!(
            matches!(
                error,
                FollowError::Damaged {
                    source: JournalError::Sum { line: 2 },
                    ..
                }
            ),
            "{name}: {error}"
        );
        assert_eq!(seen, 1);
    }
}

#[test]
fn a_line_of_another_chain_is_refused() {
    let mut world = World::new("follow-chain");
    let first = world.opened("0001-a");
    world.append(&first);
    // As long a journal, with another beginning.
    world.head = Head::default();
    let _ = world.opened("0002-b");
    let stranger = world.line(&warned("a"));
    world.append(&stranger);
    let error = read(&mut world.follow()).unwrap_err();
    assert!(matches!(
        error,
        FollowError::Damaged {
            source: JournalError::Chain { line: 2, .. },
            ..
        }
    ));
}

#[test]
fn the_journal_of_another_run_is_refused() {
    let mut world = World::new("follow-foreign");
    let first = world.opened("0002-b");
    world.append(&first);
    assert!(matches!(
        read(&mut world.follow()).unwrap_err(),
        FollowError::Foreign { .. }
    ));
}

#[test]
fn a_journal_that_is_a_pipe_or_a_link_is_not_opened() {
    let world = World::new("follow-link");
    fs::write(world.path().with_file_name("other"), b"").unwrap();
    std::os::unix::fs::symlink("other", world.path()).unwrap();
    assert!(matches!(read(&mut world.follow()).unwrap_err(), FollowError::Io { .. }));
    fs::remove_file(world.path()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(world.path()).status().unwrap();
    assert!(made.success());
    assert!(matches!(read(&mut world.follow()).unwrap_err(), FollowError::Io { .. }));
}
