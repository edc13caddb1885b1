//! All tests, with one closing line that counts them.

use std::process::Command;

use crate::command::{Stream, cargo, has_subcommand, succeed, watch};
use crate::error::TaskError;
use crate::hygiene;
use crate::workspace::Workspace;

/// How many tests ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs all tests and doc examples, and ends with the line that counts them.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let (counts, result) = run_counted(workspace);
    println!("{counts}");
    result
}

/// Runs all tests and doc examples.
pub(crate) fn run_counted(workspace: &Workspace) -> (Counts, Result<(), TaskError>) {
    let mut counts = Counts::default();
    let forgotten = hygiene::forget(workspace);
    let tests = if has_subcommand(workspace, "nextest") {
        let mut command = cargo(workspace, &["nextest", "run", "--workspace", "--no-fail-fast"]);
        hygiene::count_in(workspace, &mut command);
        let (counted, result) = run_nextest(command);
        counts.add(Some(counted));
        result
    } else {
        eprintln!("cargo-nextest is not installed (`cargo install cargo-nextest --locked`); using `cargo test`");
        let mut command = cargo(workspace, &["test", "--workspace", "--all-targets", "--no-fail-fast"]);
        hygiene::count_in(workspace, &mut command);
        watch(command, Stream::Output, |line| counts.add(libtest_summary(line)))
    };
    let examples = watch(
        cargo(workspace, &["test", "--workspace", "--doc", "--no-fail-fast"]),
        Stream::Output,
        |line| counts.add(libtest_summary(line)),
    );
    let looked_at = hygiene::complete(workspace);
    (counts, forgotten.and(tests).and(examples).and(looked_at))
}

/// Runs a command of cargo-nextest and counts its tests.
pub(crate) fn run_nextest(command: Command) -> (Counts, Result<(), TaskError>) {
    let mut counts = Counts::default();
    let result = watch(command, Stream::Errors, |line| counts.add(nextest_summary(line)));
    (counts, result)
}

/// Runs the linter over everything that the tests compile, too.
pub(crate) fn clippy(workspace: &Workspace) -> Result<(), TaskError> {
    succeed(cargo(
        workspace,
        &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
    ))
}

impl Counts {
    /// These and the tests that were skipped at first and run later.
    pub(crate) fn with_skipped_ones_run(self, later: Self) -> Self {
        Self {
            passed: self.passed + later.passed,
            failed: self.failed + later.failed,
            skipped: self.skipped.saturating_sub(later.passed + later.failed),
        }
    }

    /// These, where so many tests passed because they found that they cannot run here. Tests that were not asked for are
    /// none of the skipped ones.
    pub(crate) fn of_which_skipped_themselves(self, number: u64) -> Self {
        Self {
            passed: self.passed.saturating_sub(number),
            skipped: number,
            ..self
        }
    }

    fn add(&mut self, other: Option<Self>) {
        let Some(other) = other else { return };
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn add_part(&mut self, number: u64, how: &str) {
        match how {
            "passed" => self.passed += number,
            "failed" | "timed out" | "exec failed" => self.failed += number,
            "skipped" | "ignored" => self.skipped += number,
            _ => {}
        }
    }
}

/// `Summary [   1.234s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped`
fn nextest_summary(line: &str) -> Option<Counts> {
    let (_, parts) = line.trim().strip_prefix("Summary [")?.split_once(" run: ")?;
    Some(parts_of(parts, ", "))
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn libtest_summary(line: &str) -> Option<Counts> {
    let (_, parts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    Some(parts_of(parts, "; "))
}

fn parts_of(parts: &str, separator: &str) -> Counts {
    let mut counts = Counts::default();
    for part in parts.split(separator) {
        if let Some((number, how)) = part.trim().split_once(' ')
            && let Ok(number) = number.parse()
        {
            counts.add_part(number, how.split(" (").next().unwrap_or(how));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn a_test_that_cannot_run_is_skipped_and_one_that_was_not_asked_for_is_not_counted() {
        let seen = nextest_summary("Summary [1.0s] 12 tests run: 12 passed, 900 skipped");
        assert_eq!(seen.map(|seen| seen.of_which_skipped_themselves(2)), counts(10, 0, 2));
    }

    #[test]
    fn closing_lines_of_both_runners_are_understood() {
        let nextest = |line| nextest_summary(line);
        assert_eq!(
            nextest("     Summary [   1.234s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped\n"),
            counts(11, 1, 3)
        );
        assert_eq!(
            nextest("     Summary [   9.000s] 5/8 tests run: 3 passed, 1 failed, 1 timed out, 0 skipped"),
            counts(3, 2, 0)
        );
        assert_eq!(nextest("        PASS [   0.005s] xtask tests::run: 1 passed"), None);
        assert_eq!(
            libtest_summary(
                "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s"
            ),
            counts(3, 2, 1)
        );
        assert_eq!(libtest_summary("test result"), None);
    }

    #[test]
    fn tests_that_are_run_later_are_no_longer_skipped() {
        let all = nextest_summary("Summary [ 1s] 9 tests run: 9 passed, 3 skipped").unwrap();
        let later = nextest_summary("Summary [ 1s] 2 tests run: 1 passed, 1 failed, 9 skipped").unwrap();
        assert_eq!(Some(all.with_skipped_ones_run(later)), counts(10, 1, 1));
    }
}
