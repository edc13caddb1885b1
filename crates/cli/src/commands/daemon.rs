//! `foil daemon`

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Subcommand;
use jiff::Timestamp;
use ledger_core::{Duration as Wait, TicketId};
use runner::guard::GuardProgram;
use runner::{
    Ask, DaemonFiles, DaemonOptions, DaemonSignals, DaemonTrouble, Moment, RunningDaemon, StopOutcome, WorkerEnd,
    Workspace, daemon_trouble, forget_gone_daemon, leave_session, run_daemon, running_daemon, running_tickets,
    stop_daemon,
};
use serde::Serialize;

use super::Context;
use super::since::local_time;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain, styled};

/// Run tickets in the background
///
/// The daemon of a clone starts `foil run --continuous`, writes down what it prints, and starts it again when it crashes: after a second, two, four, …
/// at most five minutes. A ticket that ends blocked is no crash. It survives the terminal that it was started in; `foil service` also starts it when
/// you log in. When it is gone, by whatever signal, so is all that it has started.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil daemon start --jobs 4\n  foil daemon status\n  foil daemon stop --drain        what is under way is still brought to its end\n  foil daemon run                 in the foreground, for a supervisor of yours"
)]
pub(crate) struct DaemonArgs {
    #[command(subcommand)]
    verb: DaemonVerb,
}

#[derive(Debug, Subcommand)]
enum DaemonVerb {
    /// Start it
    #[command(
        after_help = "Examples:\n  foil daemon start\n  foil daemon start --jobs 4 --retry-blocked\n  foil daemon start --once"
    )]
    Start(WorkerArgs),
    /// Run it in the foreground
    #[command(after_help = "Examples:\n  foil daemon run --jobs 4")]
    Run {
        #[command(flatten)]
        worker: WorkerArgs,
        /// Leave the session of whoever started it
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Whether it runs, how its worker is, and the end of its log; ends with 10 where none runs, or its worker fails again and
    /// again
    #[command(after_help = "Examples:\n  foil daemon status\n  foil daemon status --json")]
    Status,
    /// Ask it to leave in good order: nothing is lost
    #[command(after_help = "Examples:\n  foil daemon stop\n  foil daemon stop --drain")]
    Stop {
        /// Let what is under way come to its end, and begin nothing else
        #[arg(long)]
        drain: bool,
        /// How long to wait until it has left: 2m by default, with `--drain` not at all
        #[arg(long, value_name = "TIME")]
        wait: Option<Wait>,
    },
}

/// What the worker of a daemon is told.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WorkerArgs {
    /// Run this many tickets at the same time; otherwise as the policy says
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: Option<u32>,
    /// Also tickets whose last run ended for good; a new run is told why it did
    #[arg(long)]
    retry_blocked: bool,
    /// End when nothing is ready any more, instead of looking for new tickets
    #[arg(long)]
    once: bool,
    /// Use this model in place of the policy's
    #[arg(long)]
    model: Option<String>,
}

impl WorkerArgs {
    fn of_the_daemon(&self) -> Vec<OsString> {
        let mut arguments = self.common();
        if self.once {
            arguments.push("--once".into());
        }
        arguments
    }

    fn of_the_worker(&self) -> Vec<OsString> {
        let mut arguments = vec!["run".into(), "--in-background".into()];
        arguments.push(if self.once { "--all" } else { "--continuous" }.into());
        arguments.extend(self.common());
        arguments
    }

    fn common(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if let Some(jobs) = self.jobs {
            arguments.extend(["--jobs".into(), jobs.to_string().into()]);
        }
        if self.retry_blocked {
            arguments.push("--retry-blocked".into());
        }
        if let Some(model) = &self.model {
            arguments.extend(["--model".into(), model.into()]);
        }
        arguments
    }
}

/// How long a daemon may take to begin.
const BEGINS: Duration = Duration::from_secs(30);
/// How often it is looked whether it has begun or left.
const POLL: Duration = Duration::from_millis(20);
/// How long is waited for it to leave, by default.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many lines of its log are shown.
const SHOWN_LINES: usize = 5;

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    running: bool,
    /// Whether its workers fail again and again.
    failing: bool,
    /// Whether one was at work, and is gone without a word.
    gone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<i32>,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_end: Option<WorkerEnd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_end_in_words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_start: Option<Timestamp>,
    /// The tickets that runners of this clone work on, the daemon's and others.
    tickets: Vec<TicketId>,
}

pub(super) fn run(args: &DaemonArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let files = DaemonFiles::of(workspace.roots());
    match &args.verb {
        DaemonVerb::Start(worker) => start(worker, &workspace, &files, context),
        DaemonVerb::Run { worker, detached } => work(worker, *detached, &workspace, &files, context),
        DaemonVerb::Status => status(&workspace, &files, context),
        DaemonVerb::Stop { drain, wait } => stop(*drain, *wait, &files, context),
    }
}

/// The arguments with which the daemon of this workspace is run in the foreground.
pub(super) fn daemon_command(worker: &WorkerArgs, workspace: &Workspace) -> Result<(PathBuf, Vec<OsString>), Failure> {
    let program = std::env::current_exe()?;
    let mut arguments: Vec<OsString> = vec!["-C".into(), workspace.repository().work_dir().into()];
    arguments.extend(["daemon", "run"].map(OsString::from));
    arguments.extend(worker.of_the_daemon());
    Ok((program, arguments))
}

fn start(
    worker: &WorkerArgs,
    workspace: &Workspace,
    files: &DaemonFiles,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    // What keeps every run from beginning is said here, not in a log.
    workspace.policy()?;
    let (program, arguments) = daemon_command(worker, workspace)?;
    std::fs::create_dir_all(files.folder())?;
    // Of its own: another may be started at the same moment.
    let words = files.folder().join(format!("start-{}.log", std::process::id()));
    let mut child = Command::new(program)
        .args(arguments)
        .args(["--detached", "--quiet", "--color", "never"])
        .current_dir(workspace.repository().work_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&words)?)
        .spawn()?;
    let deadline = Instant::now() + BEGINS;
    loop {
        let is_it = |daemon: &RunningDaemon| u32::try_from(daemon.holder.process.pid) == Ok(child.id());
        if running_daemon(files).as_ref().is_some_and(is_it) {
            break;
        }
        if let Some(ended) = child.try_wait()? {
            // With nothing to do, `--once` may be over by now.
            if ended.success() {
                break;
            }
            context.output.error(&std::fs::read_to_string(&words)?)?;
            std::fs::remove_file(&words)?;
            let is_refused = ended.code() == Some(i32::from(Exit::Refused.code()));
            return Ok(if is_refused { Exit::Refused } else { Exit::Failed });
        }
        if Instant::now() >= deadline {
            return Err(Failure::DaemonNotBegun { pid: child.id() });
        }
        std::thread::sleep(POLL);
    }
    std::fs::rename(&words, files.folder().join("start.log"))?;
    if context.output.is_json() {
        return answer(workspace, files, context, "counterfoil.daemon.start/1");
    }
    let pid = child.id();
    context.output.answer(&format!(
        "{} in the background, process {pid}\n  log:   {}\n  next:  `foil daemon status`, `foil status --watch`; `foil daemon stop` ends it\n",
        styled(GOOD, "running"),
        files.log().display(),
    ))?;
    Ok(Exit::Done)
}

/// Is the daemon.
fn work(
    worker: &WorkerArgs,
    detached: bool,
    workspace: &Workspace,
    files: &DaemonFiles,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    if detached {
        // The terminal's end is none of this process's any more.
        leave_session()?;
    }
    let directory = workspace.repository().work_dir().to_owned();
    let mut arguments: Vec<OsString> = vec!["-C".into(), directory.clone().into()];
    arguments.extend(worker.of_the_worker());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = runtime.block_on(async {
        let options = DaemonOptions {
            guard: GuardProgram::current()?,
            // Its file, not what runs now: a worker that is started tomorrow is of the version that is installed then.
            program: std::env::current_exe()?,
            arguments,
            directory,
            meaning: if worker.once { once } else { continuous },
            signals: DaemonSignals::of_this_process()?,
        };
        let show = |bytes: &[u8]| {
            // Whether anybody reads it changes nothing.
            let _ = context.output.story(&String::from_utf8_lossy(bytes));
        };
        run_daemon(files, options, show).await.map_err(Failure::from)
    })?;
    Ok(match end {
        WorkerEnd::Failed => Exit::Failed,
        WorkerEnd::Finished | WorkerEnd::Left | WorkerEnd::NightOver => Exit::Done,
    })
}

/// What an exit code of `foil run --in-background --continuous` means.
fn continuous(code: i32) -> WorkerEnd {
    let is = |exit: Exit| code == i32::from(exit.code());
    if is(Exit::Done) || is(Exit::Blocked) {
        // It was told to begin no more; some of what it ran may be blocked.
        WorkerEnd::Finished
    } else if is(Exit::Interrupted) || is(Exit::Terminated) {
        WorkerEnd::Left
    } else if is(Exit::NightOver) {
        WorkerEnd::NightOver
    } else {
        WorkerEnd::Failed
    }
}

/// The same with `--all`: the night ends it for good.
fn once(code: i32) -> WorkerEnd {
    match continuous(code) {
        WorkerEnd::NightOver => WorkerEnd::Finished,
        end => end,
    }
}

fn status(workspace: &Workspace, files: &DaemonFiles, context: &Context<'_>) -> Result<Exit, Failure> {
    if context.output.is_json() {
        return answer(workspace, files, context, "counterfoil.daemon.status/1");
    }
    let Some(daemon) = running_daemon(files) else {
        let text = match daemon_trouble(files, Moment::now().at) {
            Some(_) => format!(
                "{}: it was at work, and is gone without a word\n  next: `foil daemon start` goes on; `foil daemon stop` forgets it\n",
                styled(BAD, "not running")
            ),
            None => format!("{}: `foil daemon start` starts it\n", styled(NOTICE, "not running")),
        };
        context.output.answer(&text)?;
        return Ok(Exit::Blocked);
    };
    context.output.answer(&words(&daemon, workspace, files)?)?;
    Ok(if daemon.state.is_failing(Moment::now().at) {
        Exit::Blocked
    } else {
        Exit::Done
    })
}

fn words(daemon: &RunningDaemon, workspace: &Workspace, files: &DaemonFiles) -> Result<String, Failure> {
    let (holder, state) = (&daemon.holder, &daemon.state);
    let since = local_time(holder.since);
    let mut text = format!(
        "{} since {since}, process {}\n",
        styled(GOOD, "running"),
        holder.process.pid
    );
    let failures = count(state.failures as usize, "failure", "failures");
    if state.is_failing(Moment::now().at) {
        let failing = styled(BAD, "failing");
        text.push_str(&format!("  {failing}: {failures} in a row; its log says why\n"));
    }
    match (&state.worker, state.next_start) {
        (Some(worker), _) => text.push_str(&format!("  worker:  process {}\n", worker.pid)),
        (None, Some(at)) => {
            let (style, why) = match state.last_end {
                Some(WorkerEnd::NightOver) => (NOTICE, "the night is over".to_owned()),
                _ => (BAD, format!("the last one failed, {failures} in a row")),
            };
            text.push_str(&format!(
                "  worker:  {}; the next starts at {}\n",
                styled(style, why),
                local_time(at)
            ));
        }
        (None, None) => text.push_str("  worker:  begins or ends now\n"),
    }
    if let Some(end) = &state.last_end_in_words {
        text.push_str(&format!("  before:  ended with {}\n", plain(end)));
    }
    let tickets = running(workspace)?;
    let tickets: Vec<_> = tickets.iter().map(TicketId::as_str).collect();
    if !tickets.is_empty() {
        text.push_str(&format!("  at work: {}\n", tickets.join(", ")));
    }
    text.push_str(&format!("  log:     {}\n", files.log().display()));
    let lines = files.last_lines(SHOWN_LINES);
    if !lines.is_empty() {
        text.push_str(&format!("\n{}\n", styled(HEADING, "last of the log")));
    }
    for line in lines {
        text.push_str(&format!("  {}\n", styled(DIM, plain(&line))));
    }
    Ok(text)
}

fn running(workspace: &Workspace) -> Result<Vec<TicketId>, Failure> {
    let running = running_tickets(&workspace.roots().locks()).map_err(Failure::Stop)?;
    Ok(running.into_iter().map(|running| running.ticket).collect())
}

fn answer(
    workspace: &Workspace,
    files: &DaemonFiles,
    context: &Context<'_>,
    schema: &'static str,
) -> Result<Exit, Failure> {
    let daemon = running_daemon(files);
    let trouble = daemon_trouble(files, Moment::now().at);
    let exit = if daemon.is_some() && trouble.is_none() {
        Exit::Done
    } else {
        Exit::Blocked
    };
    let holder = daemon.as_ref().map(|daemon| daemon.holder.clone());
    let state = daemon.map(|daemon| daemon.state).unwrap_or_default();
    context.output.json(&Report {
        schema,
        running: holder.is_some(),
        failing: matches!(trouble, Some(DaemonTrouble::Failing { .. })),
        gone: matches!(trouble, Some(DaemonTrouble::Gone)),
        pid: holder.as_ref().map(|holder| holder.process.pid),
        since: holder.as_ref().map(|holder| holder.since),
        worker: state.worker.map(|worker| worker.pid),
        failures: state.failures,
        last_end: state.last_end,
        last_end_in_words: state.last_end_in_words,
        next_start: state.next_start,
        tickets: running(workspace)?,
    })?;
    Ok(exit)
}

fn stop(drain: bool, wait: Option<Wait>, files: &DaemonFiles, context: &Context<'_>) -> Result<Exit, Failure> {
    #[derive(Debug, Serialize)]
    struct Stopped {
        schema: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<i32>,
        /// Whether it is still there.
        running: bool,
        /// Whether one was forgotten that was gone without a word.
        forgotten: bool,
    }
    let ask = if drain { Ask::BeginNoMore } else { Ask::Leave };
    let patience = wait
        .map(Wait::to_std)
        .unwrap_or(if drain { Duration::ZERO } else { PATIENCE });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(stop_daemon(files, ask, patience))?;
    let is_there = matches!(outcome, Some(StopOutcome::StillThere { .. }));
    let pid = match outcome {
        Some(StopOutcome::StillThere { pid } | StopOutcome::Left { pid, .. }) => Some(pid),
        Some(StopOutcome::NotRunning) | None => None,
    };
    let forgotten = pid.is_none() && forget_gone_daemon(files)?;
    if context.output.is_json() {
        context.output.json(&Stopped {
            schema: "counterfoil.daemon.stop/1",
            pid,
            running: is_there,
            forgotten,
        })?;
    } else {
        context.output.answer(&match pid {
            None if forgotten => "Forgotten: the daemon of this clone was gone without a word.\n".to_owned(),
            None => "Nothing to do: no daemon of this clone runs.\n".to_owned(),
            Some(pid) if is_there => format!(
                "{}: process {pid} leaves when it has ended {}\n",
                styled(NOTICE, "asked"),
                if drain { "its runs" } else { "what is under way" }
            ),
            Some(_) => format!(
                "{}; `foil run` or `foil daemon start` goes on\n",
                styled(GOOD, "stopped")
            ),
        })?;
    }
    let is_late = is_there && !(drain && wait.is_none());
    Ok(if is_late { Exit::Failed } else { Exit::Done })
}
