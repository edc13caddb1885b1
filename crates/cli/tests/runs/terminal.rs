//! The command in a terminal.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::common::World;
use crate::world::{WRITER, approved};

/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(30);

/// A command in a terminal of so many columns, and what appears there.
pub(crate) struct Terminal {
    child: Child,
    chunks: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    pub(crate) fn of(world: &World, columns: u32, arguments: &str, environment: &[(&str, &str)]) -> Self {
        let line = format!(
            "stty cols {columns} rows 40 && exec {} {arguments}",
            env!("CARGO_BIN_EXE_foil")
        );
        // From util-linux: a terminal of its own for a command, and its exit code.
        let mut command = world.command("script");
        command
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, chunks) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            chunks,
            seen: String::new(),
        }
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
            let left = deadline.saturating_duration_since(Instant::now());
            let chunk = self.chunks.recv_timeout(left);
            let chunk = chunk.unwrap_or_else(|error| panic!("{words:?}: {error}: {}", self.seen.escape_debug()));
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    /// Everything that appeared, and the exit code.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + LONGEST;
        while let Ok(chunk) = self.chunks.recv() {
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.seen.escape_debug()
            );
        }
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
