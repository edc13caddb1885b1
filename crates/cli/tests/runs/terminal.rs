//! The command in a terminal.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Instant;

use runner::guard::ProcessIdentity;

use crate::common::{LONGEST, Running, Stream, World};
use crate::world::{WRITER, approved, eventually};

/// A command in a terminal of so many columns, and what appears there.
pub(crate) struct Terminal {
    command: Running,
    screen: Stream,
    seen: String,
}

impl Terminal {
    pub(crate) fn of(world: &World, columns: u32, arguments: &str, environment: &[(&str, &str)]) -> Self {
        let line = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_foil"));
        Self::of_line(world, columns, &line, environment)
    }

    /// What a shell makes of this line, in which keys can be pressed.
    pub(crate) fn of_line(world: &World, columns: u32, line: &str, environment: &[(&str, &str)]) -> Self {
        let line = format!("stty cols {columns} rows 40 && {line}");
        // From util-linux: a terminal of its own for a command, and its exit code.
        let mut command = world.command("script");
        command
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped());
        let mut command = Running::start(&mut command);
        let screen = command.screen();
        Self {
            command,
            screen,
            seen: String::new(),
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let keyboard = self.command.stdin();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits until these words stand on the screen, one after the other.
    pub(crate) fn shows(&mut self, words: &[&str]) {
        let deadline = Instant::now() + LONGEST;
        let stand = |seen: &str| {
            let mut rest = Some(seen);
            for word in words {
                rest = rest.and_then(|rest| rest.split_once(word)).map(|(_, rest)| rest);
            }
            rest.is_some()
        };
        while !stand(&self.seen) {
            let goes_on = self.read() && Instant::now() < deadline;
            assert!(goes_on, "{words:?}: {}", self.seen.escape_debug());
        }
    }

    /// Everything that appeared, and the exit code.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + LONGEST;
        while self.read() {
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.seen.escape_debug()
            );
        }
        (self.command.code(), self.seen)
    }

    /// Sees what has appeared since. Whether more can appear.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let count = self.screen.read(&mut buffer);
        let count = count.unwrap_or_else(|error| panic!("{error}: {}", self.seen.escape_debug()));
        self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        count > 0
    }
}

/// The escape sequences that colour, and all others.
fn escapes(world: &World, arguments: &str, environment: &[(&str, &str)]) -> (usize, usize) {
    let (code, seen) = Terminal::of(world, 80, arguments, environment).end();
    assert!(code.is_some() && !seen.is_empty(), "{arguments}");
    let sequences = seen.split("\x1b[").skip(1);
    let mut ends = sequences.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    let (colours, others): (Vec<_>, Vec<_>) = ends.by_ref().partition(|rest| rest.starts_with('m'));
    assert_eq!(colours.len() + others.len(), seen.matches('\x1b').count(), "{seen:?}");
    (colours.len(), others.len())
}

#[test]
fn a_terminal_gets_no_colours_where_somebody_wants_none() {
    let world = approved(WRITER);
    world.ticket("0002-broken", "titel = 1\n");
    for arguments in ["status", "check", "doctor", "explain 0001-hello", "run 0009-none"] {
        let (colours, others) = escapes(&world, arguments, &[]);
        assert!(colours > 0 && others == 0, "{arguments}");
        for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            assert_eq!(
                escapes(&world, arguments, &[environment]),
                (0, 0),
                "{arguments} {environment:?}"
            );
        }
        assert_eq!(
            escapes(&world, &format!("{arguments} --color never"), &[]),
            (0, 0),
            "{arguments}"
        );
    }
    // The live lines of a run have to be taken away again.
    let (colours, _) = escapes(&world, "run 0001-hello", &[("NO_COLOR", "1")]);
    assert_eq!(colours, 0);
}

/// `foil status --watch` in a terminal, between two looks at how that terminal is set. Its process is noted.
fn watching(world: &World) -> Terminal {
    let line = format!(
        "stty -a > ../before; sh -c 'echo $$ > ../pid; exec {} status --watch'; code=$?; stty -a > ../after; exit $code",
        env!("CARGO_BIN_EXE_foil")
    );
    let mut terminal = Terminal::of_line(world, 80, &line, &[]);
    terminal.shows(&[ENTER, "0001-hello", "select"]);
    terminal
}

/// What a terminal is told to show another screen, and to show the first one again.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// Ends a view and says with which code, once it is sure that the terminal is as it was.
fn given_back(world: &World, terminal: Terminal) -> Option<i32> {
    let (code, seen) = terminal.end();
    let file = |name: &str| std::fs::read_to_string(world.folder().join(name)).unwrap();
    assert!(file("before").contains(" echo "), "{}", file("before"));
    assert_eq!(file("after"), file("before"));
    let (_, rest) = seen.rsplit_once(LEAVE).unwrap();
    assert!(rest.contains(SHOW_CURSOR) && !rest.contains(ENTER), "{seen:?}");
    code
}

#[test]
fn the_view_gives_the_terminal_back_whatever_ends_it() {
    let world = approved(WRITER);
    for (keys, code) in [("q", 0), ("\x1b", 0), ("\x03", 130)] {
        let mut terminal = watching(&world);
        terminal.press(keys);
        assert_eq!(given_back(&world, terminal), Some(code), "{keys:?}");
    }
    for (signal, code) in [("TERM", 143), ("HUP", 143), ("INT", 130)] {
        let terminal = watching(&world);
        let pid = std::fs::read_to_string(world.folder().join("pid")).unwrap();
        let said = crate::common::said(world.command("kill").args(["-s", signal, pid.trim()]));
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(given_back(&world, terminal), Some(code), "{signal}");
    }
}

#[test]
fn a_view_whose_terminal_is_gone_ends() {
    let world = approved(WRITER);
    // In a session of its own it is told nothing by a signal.
    let line = format!(
        "setsid --wait sh -c 'echo $$ > ../pid; exec {} status --watch'",
        env!("CARGO_BIN_EXE_foil")
    );
    let mut terminal = Terminal::of_line(&world, 80, &line, &[]);
    terminal.shows(&[ENTER, "0001-hello", "select"]);
    let pid = std::fs::read_to_string(world.folder().join("pid")).unwrap();
    let process = ProcessIdentity::of(pid.trim().parse().unwrap()).unwrap();
    let process = process.expect("it runs");
    drop(terminal);
    eventually("it has ended", || !process.is_alive());
}

#[test]
fn the_view_shows_a_ticket_that_comes_while_somebody_looks_and_changes_nothing() {
    let world = approved(WRITER);
    let before = world.observed();
    let mut terminal = watching(&world);
    // Neither a selection nor any other key has an effect on the repository.
    terminal.press("jkG?xd\n ");
    terminal.shows(&["another", "terminal."]);
    assert_eq!(world.observed(), before);
    terminal.press("?");
    world.ticket("0002-comes", crate::common::LOOP);
    terminal.shows(&["0002-comes"]);
    terminal.press("q");
    assert_eq!(given_back(&world, terminal), Some(0));
}

#[test]
fn a_view_without_colours_has_none_and_one_of_a_terminal_that_cannot_draw_is_lines() {
    let world = approved(WRITER);
    let watch = format!("exec {} status --watch", env!("CARGO_BIN_EXE_foil"));
    for (arguments, environment) in [("", ("NO_COLOR", "1")), (" --color never", ("LANG", "C"))] {
        let mut terminal = Terminal::of_line(&world, 80, &format!("{watch}{arguments}"), &[environment]);
        terminal.shows(&[ENTER, "select"]);
        terminal.press("q");
        let (code, seen) = terminal.end();
        assert_eq!(code, Some(0));
        let settings = seen.split("\x1b[").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
            rest[end..].starts_with('m').then_some(&rest[..end])
        });
        // What only takes back what others may have set.
        let kept: Vec<_> = settings.filter(|setting| !["", "0"].contains(setting)).collect();
        assert!(kept.is_empty(), "{kept:?}: {seen:?}");
    }
    let mut terminal = Terminal::of_line(&world, 80, &watch, &[("TERM", "dumb")]);
    terminal.shows(&["1 ready"]);
    assert!(!terminal.seen.contains('\x1b'), "{:?}", terminal.seen);
}
