//! Fuzzing: what reads bytes from outside is given bytes that nobody has thought of.
//!
//! The targets are built without a sanitizer: the workspace forbids unsafe code, the instruments that find new paths are part of the stable compiler, and
//! the targets are twice as fast.

mod output;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;

use crate::command::{capture, cargo, line, succeed};
use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;

use self::output::Outcome;

/// An input that takes longer than this is a hang.
const SECONDS_OF_ONE: u64 = 10;

/// Which targets, and how much of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fuzzing {
    /// Targets, such as `ticket`; without any all
    targets: Vec<String>,
    /// How many seconds each target gets [default: 60]
    #[arg(long, value_name = "N", conflicts_with = "runs")]
    seconds: Option<NonZero<u64>>,
    /// How many executions each target gets instead
    #[arg(long, value_name = "N")]
    runs: Option<NonZero<u64>>,
    /// The seed of what is made up
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
}

/// How much each target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// So many seconds.
    Seconds(NonZero<u64>),
    /// So many executions.
    Runs(NonZero<u64>),
}

/// What came of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Its name.
    pub(crate) target: String,
    /// How often it was called.
    pub(crate) executions: u64,
    /// How often in a second.
    pub(crate) per_second: u64,
    /// How many inputs are kept because each of them reaches something that no other does.
    pub(crate) corpus: u64,
    /// How many edges of the program were reached.
    pub(crate) coverage: u64,
    /// How many of them the corpus at the beginning did not reach.
    pub(crate) new_coverage: u64,
    /// Inputs for which a promise does not hold, each with what was said and how to try it again.
    pub(crate) broken: Vec<String>,
}

/// Fuzzes, prints the figures, and fails where a promise does not hold.
pub(crate) fn run(workspace: &Workspace, fuzzing: &Fuzzing) -> Result<(), TaskError> {
    let effort = match (fuzzing.runs, fuzzing.seconds) {
        (Some(runs), _) => Effort::Runs(runs),
        (None, seconds) => Effort::Seconds(seconds.unwrap_or(NonZero::<u64>::MIN.saturating_add(59))),
    };
    let figures = fuzz(workspace, &fuzzing.targets, effort, fuzzing.seed)?;
    println!("{}", table(&figures));
    nothing_found(
        "what is promised of bytes from outside does not hold",
        figures.into_iter().flat_map(|figures| figures.broken).collect(),
        "mend it, and keep the input in `fuzz/corpus` under a name that says what it is: the tests of the crate `fuzzing` try it from then on",
    )
}

/// Fuzzes these targets, or all, as many at once as there are processors. The new inputs that it finds stay in the target folder.
pub(crate) fn fuzz(
    workspace: &Workspace,
    named: &[String],
    effort: Effort,
    seed: u32,
) -> Result<Vec<Figures>, TaskError> {
    let targets = targets(workspace, named)?;
    let folder = workspace.target_folder().join("fuzz");
    let programs = build(workspace, &folder)?;
    let waiting = Mutex::new(targets.iter().enumerate().collect::<VecDeque<_>>());
    let ended = Mutex::new(Vec::new());
    let at_once = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((number, target)) = next else { break };
                    let figures = one(workspace, &folder, &programs, target, effort, seed);
                    let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    ended.push((number, figures));
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, figures)| figures).collect()
}

/// The figures of all targets as a table.
pub(crate) fn table(figures: &[Figures]) -> String {
    let mut table = "| bytes of | executions | a second | inputs kept | edges | of them new | broken |\n".to_owned();
    table.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for Figures {
        target,
        executions,
        per_second,
        corpus,
        coverage,
        new_coverage,
        broken,
    } in figures
    {
        let broken = broken.len();
        table.push_str(&format!(
            "| {target} | {executions} | {per_second} | {corpus} | {coverage} | {new_coverage} | {broken} |\n"
        ));
    }
    table
}

/// The names of the targets: those that were asked for, or all.
fn targets(workspace: &Workspace, named: &[String]) -> Result<Vec<String>, TaskError> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        bin: Vec<Bin>,
    }
    #[derive(serde::Deserialize)]
    struct Bin {
        name: String,
    }
    let manifest = "fuzz/Cargo.toml";
    let text = workspace.read(manifest)?;
    let manifest: Manifest = toml::from_str(&text).map_err(|error| TaskError::unreadable(manifest, error))?;
    let known: Vec<_> = manifest.bin.into_iter().map(|bin| bin.name).collect();
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        let reason = format!("there is no such target; there are {}", known.join(", "));
        return Err(TaskError::unreadable(format!("`{unknown}`"), reason));
    }
    Ok(if named.is_empty() { known } else { named.to_vec() })
}

/// `cargo-fuzz`, which is installed where there is none.
fn program(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    let tools = workspace.path("target/tools");
    let ours = tools.join("bin/cargo-fuzz");
    for program in [Path::new("cargo-fuzz"), &ours] {
        let mut command = Command::new(program);
        command.args(["fuzz", "--version"]).stdin(Stdio::null());
        if capture(command).is_ok_and(|output| output.status.success()) {
            return Ok(program.to_owned());
        }
    }
    let mut install = cargo(workspace, &["install", "cargo-fuzz", "--locked", "--root"]);
    install.arg(&tools);
    succeed(install)?;
    Ok(ours)
}

/// Builds the targets, and gives the folder that has their programs.
fn build(workspace: &Workspace, folder: &Path) -> Result<PathBuf, TaskError> {
    let triple = host(workspace)?;
    let mut command = Command::new(program(workspace)?);
    command
        .args([
            "fuzz",
            "build",
            "--sanitizer",
            "none",
            "--codegen-units",
            "16",
            "--target",
            &triple,
        ])
        .arg("--target-dir")
        .arg(folder)
        .arg("--fuzz-dir")
        .arg(workspace.path("fuzz"))
        .current_dir(workspace.root())
        .stdin(Stdio::null());
    succeed(command)?;
    Ok(folder.join(triple).join("release"))
}

fn host(workspace: &Workspace) -> Result<String, TaskError> {
    let command = cargo(workspace, &["--version", "--verbose"]);
    let name = line(&command);
    let output = capture(command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| TaskError::unreadable(format!("`{name}`"), "it names no host"))
}

/// Fuzzes one target.
fn one(
    workspace: &Workspace,
    folder: &Path,
    programs: &Path,
    target: &str,
    effort: Effort,
    seed: u32,
) -> Result<Figures, TaskError> {
    let kept = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    for folder in [&kept, &artifacts] {
        fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
    }
    let log = folder.join(format!("{target}.log"));
    let file = File::create(&log).map_err(TaskError::file(&log))?;
    let program = programs.join(target);
    let mut command = Command::new(&program);
    command
        .arg(&kept)
        .arg(workspace.path("fuzz/corpus").join(target))
        .arg(match effort {
            Effort::Seconds(seconds) => format!("-max_total_time={seconds}"),
            Effort::Runs(runs) => format!("-runs={runs}"),
        })
        .arg(format!("-seed={seed}"))
        .arg(format!("-timeout={SECONDS_OF_ONE}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-report_slow_units=5"])
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    let status = command.status().map_err(|source| TaskError::Start {
        command: line(&command),
        source,
    })?;
    let said = fs::read(&log).map_err(TaskError::file(&log))?;
    let outcome = Outcome::of(&String::from_utf8_lossy(&said));
    let broken = match (status.success(), outcome.input) {
        (true, _) => Vec::new(),
        (false, None) => vec![format!("{target}: it ended with {status}; see {}", log.display())],
        (false, Some(input)) => vec![format!(
            "{target}: {}\n    input: {input}\n    again: {} {input}",
            outcome.complaint.as_deref().unwrap_or("it was ended"),
            program.display(),
        )],
    };
    Ok(Figures {
        target: target.to_owned(),
        executions: outcome.executions,
        per_second: outcome.per_second,
        corpus: outcome.corpus,
        coverage: outcome.coverage,
        new_coverage: outcome.coverage.saturating_sub(outcome.coverage_at_first),
        broken,
    })
}
