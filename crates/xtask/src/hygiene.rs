//! How much of what `foil` shows and keeps was looked at for what must not leave the machine.
//!
//! The tests look themselves, and fail where they find something; they write down how much they looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use crate::command::cargo;
use crate::error::{TaskError, nothing_found};
use crate::test::run_nextest;
use crate::workspace::Workspace;

/// The variable that tells tests where to write down how much they looked at.
const COUNTED_IN: &str = "FOIL_TEST_HYGIENE";

/// Surfaces of which the tests must have looked at something: a scanner that no longer finds the journals finds no leak in
/// them either.
const SURFACES: [&str; 12] = [
    "terminal",
    "answer",
    "log",
    "commit",
    "delivered record",
    "stored run",
    "run folder",
    "agent log",
    "bundle",
    "notification",
    "state",
    "content",
];

/// The same of the tests that need Codex.
const SURFACES_WITH_CODEX: [&str; 1] = ["prompt"];

const HINT: &str = "tests have to look at what they show and keep: see `testkit::hygiene` and docs/decisions/0060";

/// How much of a surface was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    /// Streams, files, objects or messages.
    things: u64,
    bytes: u64,
    /// How long it took to look, in microseconds of all processes together.
    microseconds: u64,
}

/// What tests looked at, by surface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Figures(BTreeMap<String, Seen>);

/// `cargo xtask hygiene`: runs the tests of the command, or those of a filter, and prints how much they looked at. An error
/// where they found something, or left a surface out.
pub(crate) fn run(workspace: &Workspace, filter: &[String]) -> Result<(), TaskError> {
    forget(workspace)?;
    let mut command = cargo(workspace, &["nextest", "run", "--workspace", "--no-fail-fast"]);
    match filter {
        [] => command.args(["--filterset", "package(counterfoil)"]),
        _ => command.args(filter),
    };
    count_in(workspace, &mut command);
    let (_, tests) = run_nextest(command);
    let figures = figures(workspace)?;
    println!("{}", figures.table());
    tests?;
    // A part of the tests does not come to every surface.
    match filter {
        [] => figures.hold(&SURFACES),
        _ => figures.hold(&[]),
    }
}

/// Prints how much all tests looked at. An error where they left a surface out.
pub(crate) fn complete(workspace: &Workspace) -> Result<(), TaskError> {
    let figures = figures(workspace)?;
    println!("{}", figures.table());
    figures.hold(&SURFACES)
}

/// The same after those with the real Codex.
pub(crate) fn complete_with_codex(workspace: &Workspace) -> Result<(), TaskError> {
    complete(workspace)?;
    figures(workspace)?.hold(&SURFACES_WITH_CODEX)
}

/// Lets the tests that a command runs write down how much they look at.
pub(crate) fn count_in(workspace: &Workspace, command: &mut Command) {
    command.env(COUNTED_IN, list(workspace));
}

/// Begins to count anew.
pub(crate) fn forget(workspace: &Workspace) -> Result<(), TaskError> {
    let list = list(workspace);
    match std::fs::remove_file(&list) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(TaskError::file(&list)(error)),
        _ => Ok(()),
    }
}

/// What was looked at since it was forgotten.
fn figures(workspace: &Workspace) -> Result<Figures, TaskError> {
    let list = list(workspace);
    match std::fs::read_to_string(&list) {
        Ok(text) => Figures::of(&text).map_err(|line| TaskError::unreadable(list.display().to_string(), line)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Figures::default()),
        Err(error) => Err(TaskError::file(&list)(error)),
    }
}

fn list(workspace: &Workspace) -> PathBuf {
    workspace.target_folder().join("hygiene.tsv")
}

impl Figures {
    /// The sums of what tests wrote down, or the first line that is none of theirs.
    fn of(written: &str) -> Result<Self, String> {
        let mut sums: BTreeMap<String, Seen> = BTreeMap::new();
        for line in written.lines() {
            let (surface, seen) = parsed(line).ok_or_else(|| format!("no line of a test: {line}"))?;
            let sum = sums.entry(surface.to_owned()).or_default();
            sum.things += seen.things;
            sum.bytes += seen.bytes;
            sum.microseconds += seen.microseconds;
        }
        Ok(Self(sums))
    }

    /// An error where nothing at all was looked at, or nothing of one of these surfaces.
    fn hold(&self, surfaces: &[&str]) -> Result<(), TaskError> {
        let missing = surfaces.iter().filter(|surface| !self.0.contains_key(**surface));
        let missing: Vec<_> = missing.map(|surface| (*surface).to_owned()).collect();
        if self.0.is_empty() {
            return nothing_found(
                "nothing was looked at for what must not leave the machine",
                vec!["no test has a world".to_owned()],
                HINT,
            );
        }
        nothing_found(
            "nothing was looked at for what must not leave the machine of",
            missing,
            HINT,
        )
    }

    fn total(&self) -> Seen {
        let mut total = Seen::default();
        for seen in self.0.values() {
            total.things += seen.things;
            total.bytes += seen.bytes;
            total.microseconds += seen.microseconds;
        }
        total
    }

    /// A row for each surface, and one for all.
    fn table(&self) -> String {
        let mut table = "| surface | looked at | KiB | seconds |\n| --- | --- | --- | --- |\n".to_owned();
        let total = ("all".to_owned(), self.total());
        for (surface, seen) in self.0.iter().chain([(&total.0, &total.1)]) {
            let Seen {
                things,
                bytes,
                microseconds,
            } = seen;
            let (kib, seconds) = (bytes / 1024, microseconds / 1_000_000);
            let _ = writeln!(table, "| {surface} | {things} | {kib} | {seconds} |");
        }
        table
    }
}

fn parsed(line: &str) -> Option<(&str, Seen)> {
    let mut parts = line.split('\t');
    let surface = parts.next().filter(|name| !name.is_empty())?;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let seen = Seen {
        things: number()?,
        bytes: number()?,
        microseconds: number()?,
    };
    parts.next().is_none().then_some((surface, seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_looked_at_is_summed_and_a_line_of_nobodys_is_named() {
        let figures = Figures::of("terminal\t1\t2000\t3\nstored run\t2\t5\t1\nterminal\t1\t48\t1\n").unwrap();
        assert_eq!(
            figures.table(),
            "| surface | looked at | KiB | seconds |\n| --- | --- | --- | --- |\n\
             | stored run | 2 | 0 | 0 |\n| terminal | 2 | 2 | 0 |\n| all | 4 | 2 | 0 |\n"
        );
        for line in [
            "terminal\t1\t1",
            "terminal\t1\t1\tx",
            "terminal\t1\t1\t1\t1",
            "\t1\t1\t1",
            "x",
        ] {
            let refused = Figures::of(&format!("terminal\t1\t1\t1\n{line}\n"));
            assert_eq!(refused, Err(format!("no line of a test: {line}")));
        }
    }

    #[test]
    fn a_surface_that_nobody_looked_at_is_missing() {
        let told = |written: &str| {
            Figures::of(written)
                .unwrap()
                .hold(&SURFACES)
                .map_err(|error| error.to_string())
        };
        let every: String = SURFACES.iter().map(|name| format!("{name}\t1\t1\t1\n")).collect();
        assert_eq!(told(&every), Ok(()));
        let refused = told(&every.replace("stored run\t1\t1\t1\n", "")).unwrap_err();
        assert!(refused.contains("machine of:\n  stored run\n"), "{refused}");
        assert!(told("").unwrap_err().contains("no test has a world"));
        assert!(Figures::default().hold(&[]).is_err());
        assert!(
            Figures::of("prompt\t1\t1\t1\n")
                .unwrap()
                .hold(&SURFACES_WITH_CODEX)
                .is_ok()
        );
        assert!(Figures::of(&every).unwrap().hold(&SURFACES_WITH_CODEX).is_err());
    }
}
