use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ledger_core::{DeliveryMode, Head, JOURNAL_FORMAT, Mode, Opened};

use super::*;

/// A clone's folder of runs, and the ends of the journals in it.
struct Clone {
    folder: tempfile::TempDir,
    heads: BTreeMap<(String, String), Head>,
    seconds: i64,
}

impl Clone {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            heads: BTreeMap::new(),
            seconds: 0,
        }
    }

    fn roots(&self) -> StateRoots {
        StateRoots::new(self.folder.path(), "/nowhere")
    }

    fn journal(&self, ticket: &str, run: &str) -> PathBuf {
        self.roots().journal(&ticket.parse().unwrap(), &run.parse().unwrap())
    }

    /// Writes the next event of a run, a second after the last one of any. The first opens it.
    fn write(&mut self, ticket: &str, run: &str, message: &str) {
        let path = self.journal(ticket, run);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut journal = OpenOptions::new().append(true).create(true).open(path).unwrap();
        let head = self.heads.entry((ticket.to_owned(), run.to_owned())).or_default();
        let events = [
            opened(ticket, run),
            Event::Warned {
                message: message.to_owned(),
            },
        ];
        for event in &events[usize::from(head.next > 0)..] {
            self.seconds += 1;
            let (line, next) = head.line(Timestamp::from_second(self.seconds).unwrap(), event).unwrap();
            journal.write_all(&line).unwrap();
            *head = next;
        }
    }

    fn follow(&self, only: Option<&str>, start: TimelineStart) -> TimelineFollower {
        TimelineFollower::new(&self.roots(), only.map(|only| only.parse().unwrap()), start)
    }
}

fn opened(ticket: &str, run: &str) -> Event {
    Event::Opened(Opened {
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
    })
}

/// The warnings among what is new, with their tickets and runs.
fn told(follower: &mut TimelineFollower) -> Vec<String> {
    let news = follower.look().unwrap();
    assert!(news.problems.is_empty(), "{:?}", news.problems);
    let warnings = news.lines.iter().filter(|line| line.kind == "warned");
    warnings
        .map(|line| format!("{} {} {}", line.ticket, line.run, line.text.replace("warning: ", "")))
        .collect()
}

#[test]
fn runs_of_every_ticket_are_told_once_in_the_order_of_time_also_those_that_begin_later() {
    let mut clone = Clone::new();
    let mut follower = clone.follow(None, TimelineStart::Beginning);
    assert_eq!(told(&mut follower), [""; 0]);
    clone.write("b", "r1", "one");
    clone.write("a", "r1", "two");
    clone.write("b", "r1", "three");
    assert_eq!(told(&mut follower), ["b r1 one", "a r1 two", "b r1 three"]);
    assert_eq!(told(&mut follower), [""; 0]);
    // One run after the other within one look, and a ticket that is new.
    clone.write("b", "r1", "four");
    clone.write("b", "r2", "five");
    clone.write("c", "r1", "six");
    assert_eq!(told(&mut follower), ["b r1 four", "b r2 five", "c r1 six"]);
    clone.write("b", "r2", "seven");
    assert_eq!(told(&mut follower), ["b r2 seven"]);
    assert_eq!(follower.run(&"b".parse().unwrap()).unwrap().opened().run.as_str(), "r2");
    std::fs::remove_dir_all(clone.roots().ticket_runs(&"b".parse().unwrap())).unwrap();
    assert_eq!(told(&mut follower), [""; 0]);
}

#[test]
fn only_one_ticket_is_followed_where_one_is_named_also_before_it_ever_ran() {
    let mut clone = Clone::new();
    let mut follower = clone.follow(Some("a"), TimelineStart::Now);
    assert_eq!(told(&mut follower), [""; 0]);
    clone.write("a", "r1", "one");
    clone.write("b", "r1", "two");
    assert_eq!(told(&mut follower), ["a r1 one"]);
}

#[test]
fn what_was_written_before_is_given_as_far_as_it_is_wanted() {
    let mut clone = Clone::new();
    clone.write("old", "r1", "one");
    clone.write("old", "r2", "two");
    clone.write("new", "r1", "three");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
    for run in ["r1", "r2"] {
        File::options()
            .append(true)
            .open(clone.journal("old", run))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let since = TimelineStart::Since(Timestamp::from_second(1000).unwrap());
    let mut followers = [
        (
            TimelineStart::Beginning,
            vec!["old r1 one", "old r2 two", "new r1 three"],
        ),
        (since, vec!["new r1 three"]),
        (TimelineStart::Latest(1), vec!["new r1 three"]),
        (TimelineStart::Latest(0), vec![]),
        (TimelineStart::Now, vec![]),
    ]
    .map(|(start, expected)| {
        let mut follower = clone.follow(None, start);
        assert_eq!(told(&mut follower), expected, "{start:?}");
        follower
    });
    // From then on all tell the same, also of journals that were passed over.
    clone.write("old", "r2", "four");
    for follower in &mut followers {
        assert_eq!(told(follower), ["old r2 four"]);
    }
}

#[test]
fn reading_a_run_that_was_passed_over_swallows_nothing() {
    let mut clone = Clone::new();
    clone.write("a", "r1", "one");
    let mut follower = clone.follow(None, TimelineStart::Now);
    assert_eq!(told(&mut follower), [""; 0]);
    clone.write("a", "r1", "two");
    assert!(follower.run(&"a".parse().unwrap()).is_some());
    assert_eq!(told(&mut follower), ["a r1 two"]);
    assert!(follower.run(&"b".parse().unwrap()).is_none());
}

#[test]
fn a_damaged_journal_is_told_once_and_hides_neither_its_beginning_nor_other_runs() {
    let mut clone = Clone::new();
    clone.write("a", "r1", "one");
    let mut journal = OpenOptions::new().append(true).open(clone.journal("a", "r1")).unwrap();
    journal.write_all(b"rubbish\n").unwrap();
    clone.write("b", "r1", "two");
    let mut follower = clone.follow(None, TimelineStart::Beginning);
    let news = follower.look().unwrap();
    assert_eq!(news.lines.len(), 4);
    assert!(
        matches!(news.problems.as_slice(), [FollowError::Damaged { .. }]),
        "{:?}",
        news.problems
    );
    journal.write_all(b"more\n").unwrap();
    assert_eq!(told(&mut follower), [""; 0]);
    clone.write("a", "r2", "three");
    assert_eq!(told(&mut follower), ["a r2 three"]);
}

#[test]
fn a_link_in_place_of_a_run_is_not_followed() {
    let mut clone = Clone::new();
    clone.write("a", "r1", "one");
    let folder = clone.roots().run(&"a".parse().unwrap(), &"r1".parse().unwrap());
    let elsewhere = clone.folder.path().join("elsewhere");
    std::fs::rename(&folder, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    let news = clone.follow(None, TimelineStart::Beginning).look().unwrap();
    assert!(news.lines.is_empty());
    assert!(
        matches!(news.problems.as_slice(), [FollowError::Io { .. }]),
        "{:?}",
        news.problems
    );
}
