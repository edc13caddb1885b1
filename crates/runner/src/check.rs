//! One check on one tree: a command of the policy or a ticket, run in the check place and observed. Set-up commands and hooks run the same way.
//!
//! # Environment
//! A check gets exactly these variables:
//! - `PATH` of the runner without relative folders, `LANG` (`C.UTF-8` where the runner has none), `TZ`, `USER` and `LOGNAME` where the runner has them;
//! - `HOME`: the path of the user's home, where the sandbox shows an empty folder with the toolchains in it;
//! - `TMPDIR`: `/tmp`, which is a folder of this check's own;
//! - `CI=true`, `TERM=dumb`, `SHELL=/bin/sh`, `GIT_TERMINAL_PROMPT=0`, `GIT_OPTIONAL_LOCKS=0` (the place's `.git` is read-only);
//! - `CARGO_NET_OFFLINE=true` without network, so that Cargo says what is missing instead of trying to download it;
//! - where the runner has them, the variables that say where toolchains are: `CARGO_HOME`, `RUSTUP_HOME`, `RUSTUP_TOOLCHAIN`, `PYENV_ROOT`, `NVM_DIR`,
//!   `VOLTA_HOME`, `GOPATH`, `GOROOT`, `JAVA_HOME`, …;
//! - where the runner has them, those that the policy names;
//! - those that the runner gives to hooks, whose names begin with `FOIL_`.
//!
//! Without the sandbox `HOME` and `TMPDIR` are the user's own. Every guarded process also has `COUNTERFOIL_GUARD_ID`, a random word, which is not
//! part of the digest of the environment.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger_core::{CheckResult, CheckSandbox, CommandOutcome, Digest, EvidenceLabel, OutputRecord, RepoPath, Strength};
use tokio::sync::watch;

use crate::guard::{GuardProgram, GuardedCommand};
use crate::junit::{ReportError, TestReport};
use crate::process::{ProcessError, ProcessLimits, Supervision};
use crate::redact::{Redactor, end_of};
use crate::sandbox::{Confinement, ConfinementError, Sandbox, SandboxUnavailable, toolchain_variables};

/// How much of the end of the output goes into the result, in bytes.
const TAIL_BYTES: usize = 4096;

/// Runs inside: says that the sandbox is set up, so that a sandbox that fails is never taken for a check that fails, and becomes the command. What
/// was said cannot be taken back, and the command does not have the way by which it was.
const STARTED: &str = "printf . >&0; exec \"$@\" </dev/null";

/// What a check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckCommand {
    /// A line for `sh -c`.
    Shell(String),
    /// A program and its arguments.
    Program(Vec<String>),
}

impl CheckCommand {
    /// The command as one line for people.
    pub fn line(&self) -> String {
        match self {
            Self::Shell(line) => line.clone(),
            Self::Program(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A check, whether from the policy or a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub command: CheckCommand,
    /// How long it may take.
    pub timeout: Duration,
    /// Names of variables that it is handed from the runner's environment.
    pub variables: Vec<String>,
    /// Variables that it is given, with their values.
    pub given: Vec<(String, String)>,
    /// Whether it may use the network.
    pub network: bool,
    /// The JUnit report that it writes.
    pub report: Option<RepoPath>,
    /// The acceptance items that it proves.
    pub proves: Vec<String>,
    /// How it is observed. What that asks of the place is the caller's.
    pub strength: Strength,
}

/// What all checks of a run have in common.
#[derive(Debug)]
pub struct CheckBench<'a> {
    /// What guards them.
    pub guard: &'a GuardProgram,
    /// What confines them; `None` only where the policy says "off".
    pub sandbox: Option<&'a Sandbox>,
    /// What they see. `scratch`, `environment` and `network` are filled in for each check.
    pub confinement: &'a Confinement,
    /// The runner's own environment, of which a check gets the part that is documented here.
    pub environment: &'a [(OsString, OsString)],
    /// Takes machine paths and known secrets out of what is kept as text.
    pub redactor: &'a Redactor,
    /// Where guards write who they are.
    pub records: &'a Path,
    /// A folder of the runner's for temporary files, on a disk with room for them.
    pub temporary: &'a Path,
}

/// A check could not be observed. Its own failures are results, not errors.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The sandbox does not work in this confinement.
    #[error(transparent)]
    Sandbox(#[from] SandboxUnavailable),
    /// What the policy asks the sandbox to open or hide contradicts itself.
    #[error("the sandbox cannot be set up for the check")]
    Confinement(#[from] ConfinementError),
    /// The command could not be supervised.
    #[error("the check could not be run")]
    Process(#[from] ProcessError),
    /// There is something at the path of the report that is not a report and cannot be removed.
    #[error("the check's test report cannot be prepared")]
    Report(#[source] ReportError),
    /// A program without words.
    #[error("the check has no command")]
    NoCommand,
    /// The runner's own files.
    #[error("the files of the check cannot be used")]
    Io(#[from] io::Error),
}

/// What was observed of a check.
#[derive(Debug)]
pub struct CheckRun {
    /// The evidence.
    pub result: CheckResult,
    /// All tests of its report, where it has one.
    pub tests: Option<TestReport>,
    /// Why the report that it should have written cannot be used.
    pub report_problem: Option<ReportError>,
    /// How many processes it left behind that had to be ended.
    pub left_behind: u32,
}

impl CheckRun {
    /// Whether the check was ended because the run is being stopped: then it says nothing about the tree.
    pub fn was_stopped(&self) -> bool {
        self.result.outcome == CommandOutcome::Stopped
    }
}

impl CheckBench<'_> {
    /// Runs a check until it ends, its time is over, it prints too much, or `stop` is ready. Its output goes to the file `output`, of
    /// which the folder must exist; `printed` is told its size.
    ///
    /// A report at the check's report path is removed before, so that what is read afterwards was written by this check. If the report is a
    /// tracked file, the place must be brought back to its tree by the caller.
    pub async fn run(
        &self,
        check: &Check,
        output: &Path,
        printed: Option<watch::Sender<u64>>,
        stop: impl Future<Output = ()>,
    ) -> Result<CheckRun, CheckError> {
        let place = &self.confinement.place;
        if let Some(report) = &check.report {
            TestReport::remove(place, report).map_err(CheckError::Report)?;
        }
        let scratch = Scratch::create(self.temporary)?;
        let environment = self.environment_of(check);
        let mut stop = std::pin::pin!(stop);
        let mut attempt = 1;
        let end = loop {
            let command = self.command(check, &environment, scratch.path())?;
            let supervision = Supervision {
                guard: self.guard,
                limits: ProcessLimits::with_time(check.timeout),
                output,
                input: None,
                printed: printed.clone(),
            };
            let end = supervision.run(command.record_in(self.records), stop.as_mut()).await?;
            let failed = matches!(
                end.outcome,
                CommandOutcome::Exited { .. } | CommandOutcome::Signaled { .. }
            );
            if self.sandbox.is_none() || !failed || end.has_signaled {
                break end;
            }
            // What was to be covered may have gone since it was looked for: a service's socket, a folder of a toolchain.
            if attempt == crate::sandbox::ATTEMPTS {
                return Err(SandboxUnavailable::from_output(&std::fs::read(output)?, &end.outcome).into());
            }
            attempt += 1;
        };

        let report = check.report.as_ref().map(|report| TestReport::read(place, report));
        let (tests, report_problem) = match report {
            Some(Ok(tests)) => (Some(tests), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let redactor = self.redactor_of(check);
        let kept = KeptText::redacted(output.to_owned(), redactor.clone()).await?;
        let mut tail = kept.tail;
        if let Some(problem) = &report_problem {
            tail = with_last_line(tail, &problem.to_string());
        }
        let mut result = CheckResult {
            name: check.name.clone(),
            command: check.command.line(),
            outcome: end.outcome,
            duration_ms: u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
            output: OutputRecord {
                digest: kept.digest,
                kept_bytes: kept.bytes,
                total_bytes: end.total_bytes,
                tail,
            },
            environment: digest_of(&environment),
            tests: tests.as_ref().map(TestReport::summary),
            proves: check.proves.clone(),
            sandbox: match self.sandbox {
                Some(_) => CheckSandbox::Bubblewrap,
                None => CheckSandbox::Off,
            },
            label: EvidenceLabel::Local,
            strength: check.strength,
        };
        redactor.redact_result(&mut result);
        Ok(CheckRun {
            result,
            tests,
            report_problem,
            left_behind: end.left_behind,
        })
    }

    fn command(
        &self,
        check: &Check,
        environment: &[(OsString, OsString)],
        scratch: &Path,
    ) -> Result<GuardedCommand, CheckError> {
        let (program, arguments) = match &check.command {
            CheckCommand::Shell(line) => ("/bin/sh", vec!["-c".into(), line.into()]),
            CheckCommand::Program(words) => {
                let (program, arguments) = words.split_first().ok_or(CheckError::NoCommand)?;
                (program.as_str(), arguments.iter().map(OsString::from).collect())
            }
        };
        let program = OsStr::new(program);
        let Some(sandbox) = self.sandbox else {
            return Ok(GuardedCommand::new(program)
                .args(arguments)
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .current_dir(&self.confinement.place));
        };
        let confinement = Confinement {
            scratch: Some(scratch.to_owned()),
            environment: self.environment.to_vec(),
            network: check.network,
            ..self.confinement.clone()
        };
        let mut wrapped = ["-c", STARTED, "sh"].map(OsString::from).to_vec();
        wrapped.push(program.to_owned());
        wrapped.extend(arguments);
        let command = sandbox.command(&confinement, OsStr::new("/bin/sh"), &wrapped, environment)?;
        Ok(command.signal_at_stdin())
    }

    /// The whole environment of a check, sorted by name.
    fn environment_of(&self, check: &Check) -> Vec<(OsString, OsString)> {
        let own = |name: &str| {
            let (_, value) = self.environment.iter().find(|(known, _)| known == name)?;
            Some(value.clone())
        };
        let confined = self.sandbox.is_some();
        let mut environment = std::collections::BTreeMap::<OsString, OsString>::new();
        let mut set = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                environment.insert(name.into(), value);
            }
        };
        for name in ["TZ", "USER", "LOGNAME"].into_iter().chain(toolchain_variables()) {
            set(name, own(name));
        }
        set("PATH", Some(absolute_folders(own("PATH").as_deref())));
        set("LANG", own("LANG").or_else(|| Some("C.UTF-8".into())));
        let (home, temporary) = if confined {
            (Some(self.confinement.home_inside().into()), Some("/tmp".into()))
        } else {
            (Some(self.confinement.home.clone().into()), own("TMPDIR"))
        };
        set("HOME", home);
        set("TMPDIR", temporary);
        for (name, value) in [
            ("CI", "true"),
            ("TERM", "dumb"),
            ("SHELL", "/bin/sh"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
        ] {
            set(name, Some(value.into()));
        }
        if confined && !check.network {
            set("CARGO_NET_OFFLINE", Some("true".into()));
        }
        for name in &check.variables {
            set(name, own(name));
        }
        for (name, value) in &check.given {
            set(name, Some(value.into()));
        }
        environment.into_iter().collect()
    }

    /// What must not be kept of what this check prints: also every value that the policy hands to it, whatever its name.
    fn redactor_of(&self, check: &Check) -> Redactor {
        let handed: Vec<_> = self
            .environment
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, _)| check.variables.iter().any(|variable| variable == name))
            .collect();
        self.redactor
            .clone()
            .secrets_of(handed.iter().copied())
            .values(handed.iter().map(|(_, value)| *value))
    }
}

/// The output of a check as it is kept for good.
struct KeptText {
    digest: Digest,
    bytes: u64,
    tail: String,
}

impl KeptText {
    /// Replaces the file by what may be kept of it. It is bounded, and so is the time that this takes.
    async fn redacted(file: PathBuf, redactor: Redactor) -> io::Result<Self> {
        let work = move || {
            let printed = std::fs::read(&file)?;
            let text = redactor.text(&String::from_utf8_lossy(&printed));
            std::fs::write(&file, &text)?;
            std::fs::File::open(&file)?.sync_data()?;
            Ok(Self {
                digest: Digest::of(&text),
                bytes: text.len() as u64,
                tail: end_of(&text, TAIL_BYTES).to_owned(),
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

/// A text with one more line at its end, still within the bound.
fn with_last_line(text: String, line: &str) -> String {
    let line = format!("[{line}]\n");
    let room = TAIL_BYTES.saturating_sub(line.len() + 1);
    let text = end_of(&text, room);
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{gap}{line}")
}

/// One `NAME=value` a line, in order.
fn digest_of(environment: &[(OsString, OsString)]) -> Digest {
    let mut bytes = Vec::new();
    for (name, value) in environment {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'=');
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    Digest::of(bytes)
}

/// A search path without folders that depend on where one is: they would be the worker's.
fn absolute_folders(path: Option<&OsStr>) -> OsString {
    let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    // What came out of a search path can go into one.
    std::env::join_paths(folders).unwrap_or_default()
}

/// A folder for one check's temporary files, removed afterwards whatever the check did to it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn create(parent: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(parent)?;
        let folder = tempfile::Builder::new().prefix("check-").tempdir_in(parent)?;
        Ok(Self(folder.keep()))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What still stays is found by `foil clean`.
        let _ = git_delivery::remove_tree(&self.0);
    }
}
