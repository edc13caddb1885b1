//! Everything that a change must pass.

use std::time::{Duration, Instant};

use crate::command::{cargo, succeed};
use crate::error::TaskError;
use crate::test::Counts;
use crate::workspace::Workspace;
use crate::{certify, deny, e2e, hygiene, night, package, purity, schemas, sim, test, unused};

type Action = fn(&Workspace) -> Result<(), TaskError>;

/// What has to pass beside the tests, cheapest first.
const STEPS: [(&str, Action); 8] = [
    ("format", |workspace| {
        succeed(cargo(workspace, &["fmt", "--all", "--check"]))
    }),
    ("clippy", test::clippy),
    ("schemas", schemas::check),
    ("purity", purity::run),
    ("deny", deny::run),
    ("unused", unused::run),
    ("doc", documentation),
    ("package", package::run),
];

struct Ended {
    name: &'static str,
    took: Duration,
    result: Result<(), TaskError>,
}

/// Runs every step, also after one has failed, and says at the end which failed first. The last line counts the tests.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let mut ended = Vec::new();
    for (name, action) in STEPS {
        ended.push(step(name, || action(workspace)));
    }
    let mut counts = Counts::default();
    ended.push(step("test", || {
        let (all, result) = test::run_counted(workspace);
        counts = all;
        result
    }));
    ended.push(step("night", || night::cut(workspace)));
    ended.push(step("sim", || sim::cut(workspace)));
    ended.push(step("certify", || certify::cut(workspace)));
    ended.push(step("e2e", || {
        let (later, result) = e2e::run_counted(workspace, &["--no-fail-fast".to_owned()])?;
        counts = counts.with_skipped_ones_run(later);
        result
    }));
    ended.push(step("hygiene", || hygiene::complete_with_codex(workspace)));
    println!();
    for Ended { name, took, result } in &ended {
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<10} {word:<7} {:>7.1} s", took.as_secs_f64());
    }
    let first = ended.into_iter().find(|ended| ended.result.is_err());
    if let Some(Ended {
        name,
        result: Err(error),
        ..
    }) = &first
    {
        println!("\nthe first step that failed is `{name}` (`cargo xtask {name}` or see above):\n{error}\n");
    }
    println!("{counts}");
    first.map_or(Ok(()), |ended| ended.result)
}

fn step(name: &'static str, action: impl FnOnce() -> Result<(), TaskError>) -> Ended {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let result = action();
    if let Err(error) = &result {
        eprintln!("{name}: {error}");
    }
    Ended {
        name,
        took: start.elapsed(),
        result,
    }
}

fn documentation(workspace: &Workspace) -> Result<(), TaskError> {
    let mut command = cargo(workspace, &["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    succeed(command)
}
