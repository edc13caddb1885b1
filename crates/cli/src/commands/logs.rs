//! `foil logs`

mod bundle;

use std::path::PathBuf;
use std::time::Duration;

use anstyle::Style;
use clap::ValueEnum;
use runner::redact::Redactor;
use runner::{LastLines, LogKind, LogLine, LogOptions, Moment, RunLogs};

use super::Context;
use super::events::goes_on;
use super::run_choice::RunChoice;
use super::since::{Since, local_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, HEADING, plain, styled};

/// Show what the worker, the reviewer and the checks printed
///
/// Read from the run's live folder, and from Git what is kept there. Secrets, paths of this machine and control
/// characters are taken out; nothing of it is to be believed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil logs                          of the ticket that ran last\n  foil logs 0042-validate-email --source checks\n  foil logs 0042-validate-email --follow\n  foil logs 0042-validate-email --raw --all | less\n  foil logs 0042-validate-email --bundle evidence.tar"
)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    choice: RunChoice,
    /// Only the last lines, this many
    #[arg(
        short = 'n',
        long,
        value_name = "COUNT",
        default_value_t = 200,
        conflicts_with = "all"
    )]
    lines: usize,
    /// Every line
    #[arg(long)]
    all: bool,
    /// Only those since then: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Whose output
    #[arg(long, value_name = "SOURCE", default_value = "all")]
    source: Source,
    /// The agent's protocol line by line instead of what it means
    #[arg(long)]
    raw: bool,
    /// Go on showing what comes, also of a new run, until nobody is at work on the ticket
    #[arg(short, long)]
    follow: bool,
    /// Everything that is known of the run as one new file, a tar archive without secrets, values of the environment and paths
    /// of this machine; `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lines", "all", "since", "source", "raw", "follow"])]
    bundle: Option<PathBuf>,
}

/// Whose output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// Worker, reviewer and checks
    All,
    /// Worker and reviewer
    Agent,
    /// Checks
    Checks,
}

/// How often `--follow` looks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn run(args: &LogsArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let (ticket, run) = args.choice.choose(&workspace)?;
    if let Some(file) = &args.bundle {
        return bundle::run(&workspace, &ticket, run.as_ref(), file, context);
    }
    let options = LogOptions {
        agent: args.source != Source::Checks,
        checks: args.source != Source::Agent,
        raw: args.raw,
        redactor: redactor().workspace(&workspace),
    };
    let since = args.since.map(|since| since.at(Moment::now().at));
    let wanted = |line: &LogLine| since.is_none_or(|since| line.at >= since);
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let mut logs = RunLogs::open(repository, roots, &ticket, run.as_ref(), options.clone()).map_err(Failure::Logs)?;
    if args.source != Source::Checks && !logs.has_transcript() {
        let note = "The run is kept in Git only: what the worker printed is gone, outputs of checks are there.\n";
        context.output.story(note)?;
    }
    let mut last = LastLines::new(args.lines);
    let mut failed = None;
    logs.read_on(|line| match (wanted(&line), args.all) {
        (false, _) => {}
        (true, false) => last.push(line),
        (true, true) if failed.is_none() => failed = show(&line, context).err(),
        (true, true) => {}
    })
    .map_err(Failure::Logs)?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    for line in last.into_lines() {
        show(&line, context)?;
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    loop {
        // Looked at first: what was written before the runner left is still shown.
        let goes_on = goes_on(&workspace, &ticket, logs.run());
        let mut lines = Vec::new();
        logs.read_on(|line| lines.push(line)).map_err(Failure::Logs)?;
        for line in lines.iter().filter(|line| wanted(line)) {
            show(line, context)?;
        }
        let later = match run {
            None => logs.later_run().map_err(Failure::Logs)?,
            Some(_) => None,
        };
        if let Some(later) = later {
            logs = RunLogs::open(repository, roots, &ticket, Some(&later), options.clone()).map_err(Failure::Logs)?;
            continue;
        }
        if !goes_on {
            context.output.story("Nobody is at work on it.\n")?;
            return Ok(Exit::Done);
        }
        std::thread::sleep(FOLLOW_INTERVAL);
    }
}

/// Secrets of this environment are not shown, and the home is `~`.
fn redactor() -> Redactor {
    let environment = environment();
    with_home(Redactor::default().secrets_of(entries(&environment)))
}

fn with_home(redactor: Redactor) -> Redactor {
    match std::env::home_dir() {
        Some(home) => redactor.path(home, "~"),
        None => redactor,
    }
}

/// What is text of the environment.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn entries(environment: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn show(line: &LogLine, context: &Context<'_>) -> Result<(), Failure> {
    if context.output.is_json() {
        return context.output.json_line(line);
    }
    let text = plain(&line.text);
    // The label of a turn begins with the run, which is known.
    let name = plain(line.name.rsplit('/').next().unwrap_or(&line.name));
    // Only marks begin at the margin: nothing that was printed can be taken for one.
    let shown = match line.kind {
        LogKind::Mark => styled(HEADING, format!("{} {name}: {text}", local_time(line.at))),
        kind => format!("  {}", styled(style_of(kind), text)),
    };
    context.output.answer(&format!("{shown}\n"))
}

fn style_of(kind: LogKind) -> Style {
    match kind {
        LogKind::Mark | LogKind::Command => HEADING,
        LogKind::Problem => BAD,
        LogKind::Thought | LogKind::Protocol => DIM,
        LogKind::Output | LogKind::Said => Style::new(),
    }
}
