//! Measuring how long programs take.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{capture, line};
use crate::error::TaskError;

/// How long something took, each time.
#[derive(Debug, Clone)]
pub(super) struct Samples(Vec<Duration>);

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        let mut sorted: Vec<_> = durations.into_iter().collect();
        sorted.sort();
        Self(sorted)
    }
}

impl Samples {
    /// The one in the middle; zero where there is none.
    pub(super) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds =
            |duration: Option<&Duration>| duration.map_or(0.0, |duration| duration.as_secs_f64() * 1000.0);
        write!(
            f,
            "{:.1} ms ({:.1}–{:.1}, n = {})",
            milliseconds(Some(&self.median())),
            milliseconds(self.0.first()),
            milliseconds(self.0.last()),
            self.0.len()
        )
    }
}

/// Runs each of the commands once unmeasured, so that the files are in memory for all, and then `rounds` times in turn.
pub(super) fn in_turn<const N: usize>(
    rounds: usize,
    commands: [&dyn Fn() -> Command; N],
) -> Result<[Samples; N], TaskError> {
    let mut durations: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for (command, durations) in commands.iter().zip(&mut durations) {
            let elapsed = elapsed(command())?;
            if round > 0 {
                durations.push(elapsed);
            }
        }
    }
    Ok(durations.map(|durations| durations.into_iter().collect()))
}

/// From the start of the process to its end. What it prints goes nowhere.
fn elapsed(mut command: Command) -> Result<Duration, TaskError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().map_err(|source| TaskError::Start {
        command: line(&command),
        source,
    })?;
    let elapsed = started.elapsed();
    if status.success() {
        return Ok(elapsed);
    }
    Err(TaskError::Ended {
        command: line(&command),
        status,
    })
}

/// What one command took.
pub(super) struct Spent {
    /// From its start to its end.
    pub(super) time: Duration,
    /// The most memory that its process held, or one that it waited for.
    pub(super) memory: Option<u64>,
    /// Whether it ended with success.
    pub(super) succeeded: bool,
    /// What it wrote to its standard error.
    pub(super) errors: String,
}

/// Runs a command as `/usr/bin/time` sees it. What it prints goes nowhere.
pub(super) fn spent(measured: &Command) -> Result<Spent, TaskError> {
    let mut command = Command::new("/usr/bin/time");
    command
        .args(["-f", "%M"])
        .arg(measured.get_program())
        .args(measured.get_args());
    if let Some(folder) = measured.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in measured.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output().map_err(|source| TaskError::Start {
        command: line(&command),
        source,
    })?;
    let time = started.elapsed();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let kibibytes = errors.lines().last().and_then(|last| last.trim().parse::<u64>().ok());
    Ok(Spent {
        time,
        memory: kibibytes.map(|kibibytes| kibibytes * 1024),
        succeeded: output.status.success(),
        errors,
    })
}

/// The most memory that a command's process held; none where there is no `/usr/bin/time` or the command cannot be run.
pub(super) fn peak_memory(measured: &Command) -> Option<u64> {
    spent(measured).ok()?.memory
}

/// What a measuring program printed: lines `ours` and `theirs` with nanoseconds.
pub(super) fn ours_and_theirs(command: Command) -> Result<(Samples, Samples), TaskError> {
    let said = line(&command);
    let output = capture(command)?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(TaskError::unreadable(said, reason));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let all = |whose: &str| -> Samples {
        let numbers = text
            .lines()
            .filter_map(|line| line.strip_prefix(whose)?.strip_prefix(' '));
        numbers
            .filter_map(|number| number.parse().ok())
            .map(Duration::from_nanos)
            .collect()
    };
    Ok((all("ours"), all("theirs")))
}
