//! Building and running single tests of the copy.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use super::tree::Tree;
use crate::command::{cargo_at, has_subcommand, line};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// A breakage may make a test wait for ever; one that takes longer than three minutes has failed.
const LIMITS: &str =
    "[profile.default]\nslow-timeout = { period = \"60s\", terminate-after = 3, grace-period = \"5s\" }\n";

/// A test as cargo-nextest names it: `counterfoil::runs refusals::without_codex`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    package: String,
    /// The file below `tests`; none: beside the code.
    target: Option<String>,
    name: String,
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.binary(), self.name)
    }
}

impl FromStr for Test {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (binary, name) = text
            .split_once(' ')
            .filter(|(binary, name)| !binary.contains('/') && !name.is_empty() && !name.contains(' '))
            .ok_or_else(|| format!("`{text}` is not a binary and a test"))?;
        let (package, target) = match binary.split_once("::") {
            Some((package, target)) => (package, Some(target.to_owned())),
            None => (binary, None),
        };
        Ok(Self {
            package: package.to_owned(),
            target,
            name: name.to_owned(),
        })
    }
}

impl Test {
    fn binary(&self) -> String {
        match &self.target {
            Some(target) => format!("{}::{target}", self.package),
            None => self.package.clone(),
        }
    }

    /// What Cargo builds it by. Always of the whole workspace, so that dependencies have the same features for every breakage.
    fn target_option(&self) -> String {
        match &self.target {
            Some(target) => format!("--test={target}"),
            None => "--lib".to_owned(),
        }
    }

    fn filter(&self) -> String {
        format!("(binary_id(={}) & test(={}))", self.binary(), self.name)
    }

    /// Whether a source of its package says its name.
    #[cfg(test)]
    pub(super) fn is_in(&self, metadata: &cargo_metadata::Metadata) -> bool {
        let package = metadata.packages.iter().find(|package| *package.name == *self.package);
        let Some(folder) = package.and_then(|package| package.manifest_path.parent()) else {
            return false;
        };
        let word = self.name.rsplit("::").next().unwrap_or_default();
        let folder = folder.join(if self.target.is_some() { "tests" } else { "src" });
        let mut source = String::new();
        crate::unused::read_sources(folder.as_std_path(), &mut source).unwrap();
        // Some are made by a macro.
        source.contains(&format!("fn {word}(")) || source.contains(&format!("    {word}: "))
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
}

/// The tests of the copy.
pub(super) struct Suite<'a> {
    tree: &'a Tree,
    /// What is built and printed for each breakage is kept here.
    logs: PathBuf,
    limits: PathBuf,
}

impl<'a> Suite<'a> {
    pub(super) fn new(workspace: &Workspace, tree: &'a Tree) -> Result<Self, TaskError> {
        if !has_subcommand(workspace, "nextest") {
            let reason = "it is not installed (`cargo install cargo-nextest --locked`)";
            return Err(TaskError::unreadable("cargo-nextest", reason));
        }
        let logs = tree.beside("logs");
        std::fs::create_dir_all(&logs).map_err(TaskError::file(&logs))?;
        let limits = tree.beside("nextest.toml");
        std::fs::write(&limits, LIMITS).map_err(TaskError::file(&limits))?;
        Ok(Self { tree, logs, limits })
    }

    /// Builds these tests and what they start. What the compiler refuses is no breakage that a test has seen.
    pub(super) fn build(&self, name: &str, tests: &[Test], examples: &[String]) -> Result<(), TaskError> {
        let log = self.logs.join(format!("{name}.build"));
        if !examples.is_empty() {
            let mut command = self.cargo(&["build", "--workspace", "--locked"]);
            command.args(examples.iter().map(|example| format!("--example={example}")));
            logged(command, &log)?;
        }
        let mut command = self.nextest(tests);
        command.arg("--no-run");
        logged(command, &log)
    }

    /// Runs these tests, and tells how each ended that ran.
    pub(super) fn run(&self, name: &str, tests: &[Test]) -> Result<Vec<(Test, Verdict)>, TaskError> {
        let log = self.logs.join(format!("{name}.test"));
        let filters: Vec<_> = tests.iter().map(Test::filter).collect();
        let mut command = self.nextest(tests);
        command
            .args(["--no-fail-fast", "--status-level=pass", "--final-status-level=none"])
            .args(["--failure-output=immediate", "--success-output=never"])
            .arg("--filterset")
            .arg(filters.join(" | "));
        match logged(command, &log) {
            // That tests have failed is what is looked for.
            Ok(()) | Err(TaskError::Ended { .. }) => {}
            Err(error) => return Err(error),
        }
        let said = std::fs::read(&log).map_err(TaskError::file(&log))?;
        let said = String::from_utf8_lossy(&said);
        let verdicts = said.lines().filter_map(verdict);
        Ok(verdicts.filter(|(test, _)| tests.contains(test)).collect())
    }

    fn nextest(&self, tests: &[Test]) -> Command {
        let mut command = self.cargo(&["nextest", "run", "--workspace", "--locked", "--color=never"]);
        let mut limits = OsString::from("xtask:");
        limits.push(&self.limits);
        command.arg("--tool-config-file").arg(limits);
        let targets: BTreeSet<_> = tests.iter().map(Test::target_option).collect();
        command.args(targets);
        command
    }

    /// Each breakage is a line: what was compiled for the one before is the most of what the next one needs.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo_at(self.tree.root(), arguments);
        command
            .env("CARGO_TARGET_DIR", self.tree.beside("build"))
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "none")
            .env("CARGO_TERM_COLOR", "never")
            // A snapshot that differs is a failure, and nothing to be kept in the copy.
            .env("INSTA_UPDATE", "no");
        command
    }
}

/// Runs a program whose output goes into a file.
fn logged(mut command: Command, log: &Path) -> Result<(), TaskError> {
    let file = File::create(log).map_err(TaskError::file(log))?;
    let other = file.try_clone().map_err(TaskError::file(log))?;
    let shown = line(&command);
    let status = command
        .stdout(file)
        .stderr(other)
        .status()
        .map_err(|source| TaskError::Start {
            command: shown.clone(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    Err(TaskError::Ended {
        command: format!("{shown}` (see `{})", log.display()),
        status,
    })
}

/// `        FAIL [   0.012s] (1/3) counterfoil::runs refusals::without_codex`
fn verdict(line: &str) -> Option<(Test, Verdict)> {
    let (how, rest) = line.trim_start().split_once(" [")?;
    // One that is told to be slow has not ended: `SLOW [> 60.000s]`.
    let (_, rest) = rest.strip_prefix(' ')?.split_once("s] ")?;
    let test = match rest.strip_prefix('(') {
        Some(numbered) => numbered.split_once(") ")?.1,
        None => rest,
    };
    let verdict = match how {
        "PASS" | "LEAK" => Verdict::Passed,
        _ => Verdict::Failed,
    };
    Some((test.parse().ok()?, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_as_nextest_names_it() {
        for text in ["counterfoil-policy changes::tests::a", "counterfoil::runs hostile::b"] {
            let test: Test = text.parse().unwrap();
            assert_eq!(test.to_string(), text);
        }
        let in_file: Test = "counterfoil::runs a::b".parse().unwrap();
        assert_eq!(in_file.target_option(), "--test=runs");
        assert_eq!(in_file.filter(), "(binary_id(=counterfoil::runs) & test(=a::b))");
        let beside_code: Test = "xtask a::b".parse().unwrap();
        assert_eq!(beside_code.target_option(), "--lib");
        for wrong in ["", "a", "a ", "a b c", "counterfoil::bin/foil a"] {
            assert!(wrong.parse::<Test>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn how_tests_ended_is_read_from_what_the_runner_says() {
        let test: Test = "a::b c::d".parse().unwrap();
        for (line, expected) in [
            ("        PASS [   0.012s] (1/3) a::b c::d", Some(Verdict::Passed)),
            ("        LEAK [  12.012s] (11/33) a::b c::d", Some(Verdict::Passed)),
            ("        FAIL [   0.012s] a::b c::d", Some(Verdict::Failed)),
            ("     SIGABRT [   0.012s] (1/3) a::b c::d", Some(Verdict::Failed)),
            ("     TIMEOUT [ 180.012s] (1/3) a::b c::d", Some(Verdict::Failed)),
            ("        SLOW [> 60.000s] (1/3) a::b c::d", None),
            (" TERMINATING [>180.000s] (1/3) a::b c::d", None),
            ("     Summary [   9.000s] 3 tests run: 3 passed, 0 skipped", None),
            ("", None),
        ] {
            let expected = expected.map(|verdict| (test.clone(), verdict));
            assert_eq!(verdict(line), expected, "{line}");
        }
    }
}
