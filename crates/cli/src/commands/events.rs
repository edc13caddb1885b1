//! `foil events`

use std::time::Duration;

use anstyle::Style;
use jiff::Timestamp;
use ledger_core::{Run, State, TicketId};
use runner::lock::{TicketLock, runners};
use runner::{
    HistoryError, Moment, TimelineFilter, TimelineFollower, TimelineLine, TimelineNews, TimelineStart, Workspace,
    read_run, stored_timeline, timeline,
};

use super::Context;
use super::run_choice::RunChoice;
use super::since::{Since, local_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, plain, styled};
use crate::story::FailureFacts;

/// Show what happened in a run, one line an event
///
/// The journal as a timeline, from the live run or from where it is kept in Git. What a line quotes of the worker is the
/// worker's word.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil events                        of the ticket that ran last\n  foil events 0042-validate-email --limit 20\n  foil events 0042-validate-email --follow\n  foil events --all-tickets --since 8h --follow\n  foil events --since 2h --json | jq -r 'select(.kind == \"blocked\").text'"
)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    choice: RunChoice,
    /// Only the last ones, this many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Only those since then: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Go on showing what comes, also of a new run, until nobody is at work on the ticket; of all tickets until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Of every ticket that ran in this clone
    #[arg(long, conflicts_with_all = ["ticket", "ticket_option", "run"])]
    all_tickets: bool,
    /// Show each count of tokens too
    #[arg(long)]
    all: bool,
}

/// How often `--follow` looks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn run(args: &EventsArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    if args.all_tickets {
        return everywhere(args, &workspace, context);
    }
    let (ticket, wanted) = args.choice.choose(&workspace)?;
    let (repository, roots) = (workspace.repository(), workspace.roots());
    // Before the history is read: what is written meanwhile is told by both, and shown once.
    let mut follower = TimelineFollower::new(roots, Some(ticket.clone()), TimelineStart::Now);
    look(&mut follower)?;
    let read = read_run(repository, roots, &ticket, wanted.as_ref()).map_err(Failure::History)?;
    let filter = TimelineFilter {
        since: args.since(),
        limit: None,
    };
    args.show_last(timeline(&read.journal.records, filter), context)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    let (shown, run) = (read.journal.head.next, &read.known.run);
    loop {
        // Looked at first: what was written before the runner left is still shown.
        let goes_on = goes_on(&workspace, &ticket, follower.run(&ticket));
        let news = look(&mut follower)?;
        let is_new = |line: &&TimelineLine| match line.run == *run {
            true => line.seq >= shown,
            false => wanted.is_none() && line.run > *run,
        };
        for line in news.lines.iter().filter(is_new) {
            if args.shows(line, context) {
                show(line, false, context)?;
            }
        }
        if let Some(problem) = news.problems.into_iter().next() {
            return Err(Failure::Follow(problem));
        }
        if !goes_on {
            context.output.story("Nobody is at work on it.\n")?;
            return Ok(Exit::Done);
        }
        std::thread::sleep(FOLLOW_INTERVAL);
    }
}

/// The events of all tickets, also of those that run later.
fn everywhere(args: &EventsArgs, workspace: &Workspace, context: &Context<'_>) -> Result<Exit, Failure> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let since = args.since();
    let start = match (since, args.limit) {
        (_, Some(0)) => TimelineStart::Now,
        (Some(since), _) => TimelineStart::Since(since),
        (None, _) => TimelineStart::Beginning,
    };
    let mut follower = TimelineFollower::new(roots, None, start);
    let mut news = look(&mut follower)?;
    let (mut lines, problems) = match start {
        TimelineStart::Now => (Vec::new(), Vec::new()),
        _ => stored_timeline(repository, roots).map_err(Failure::History)?,
    };
    lines.append(&mut news.lines);
    lines.sort_by_key(|line| line.at);
    lines.retain(|line| since.is_none_or(|since| line.at >= since));
    args.show_last(lines, context)?;
    let mut exit = Exit::Done;
    for problem in problems {
        exit = exit.and(tell(&Failure::History(problem), context)?);
    }
    loop {
        for problem in news.problems {
            exit = exit.and(tell(&Failure::Follow(problem), context)?);
        }
        if !args.follow {
            return Ok(exit);
        }
        std::thread::sleep(FOLLOW_INTERVAL);
        news = look(&mut follower)?;
        for line in news.lines.iter().filter(|line| args.shows(line, context)) {
            show(line, true, context)?;
        }
    }
}

fn look(follower: &mut TimelineFollower) -> Result<TimelineNews, Failure> {
    follower.look().map_err(|source| {
        let what = "runs".to_owned();
        Failure::History(HistoryError::Io { what, source })
    })
}

/// Tells what keeps one run of several from being shown.
fn tell(failure: &Failure, context: &Context<'_>) -> Result<Exit, Failure> {
    let exit = Exit::of(failure);
    let words = FailureFacts::of(failure, exit).words(context.work_dir(), context.output);
    context.output.error(&words)?;
    Ok(exit)
}

/// Whether there may be more to see of a ticket: somebody works on it, or a runner is there that could take up its run.
pub(super) fn goes_on(workspace: &Workspace, ticket: &TicketId, run: Option<&Run>) -> bool {
    let is_over = run.is_none_or(|run| matches!(run.state(), State::Done | State::Canceled { .. }));
    let is_awaited = || !is_over && runners(&workspace.roots().locks()).is_ok_and(|runners| !runners.is_empty());
    is_at_work(workspace, ticket) || is_awaited()
}

/// Whether a runner works on the ticket.
fn is_at_work(workspace: &Workspace, ticket: &TicketId) -> bool {
    TicketLock::holder(&workspace.roots().locks(), ticket).is_some()
}

impl EventsArgs {
    fn since(&self) -> Option<Timestamp> {
        self.since.map(|since| since.at(Moment::now().at))
    }

    /// Shows the last ones of those that are to be shown: what is not shown does not count.
    fn show_last(&self, mut lines: Vec<TimelineLine>, context: &Context<'_>) -> Result<(), Failure> {
        lines.retain(|line| self.shows(line, context));
        let skipped = self.limit.map_or(0, |limit| lines.len().saturating_sub(limit));
        for line in &lines[skipped..] {
            show(line, self.all_tickets, context)?;
        }
        Ok(())
    }

    fn shows(&self, line: &TimelineLine, context: &Context<'_>) -> bool {
        self.all || context.output.is_json() || !line.is_token_count()
    }
}

/// Shows a line, with its ticket where there are several.
fn show(line: &TimelineLine, of_several: bool, context: &Context<'_>) -> Result<(), Failure> {
    if context.output.is_json() {
        return context.output.json_line(line);
    }
    let time = styled(DIM, local_time(line.at));
    let whose = match of_several {
        true => format!("{}  ", line.ticket),
        false => String::new(),
    };
    let text = styled(style_of(line), plain(&line.text));
    context.output.answer(&format!("{time}  {whose}{text}\n"))
}

fn style_of(line: &TimelineLine) -> Style {
    match (line.kind, line.subject.as_deref()) {
        ("entered", Some("done")) | ("accepted", _) => GOOD,
        ("entered" | "opened" | "iteration_started" | "repair_started", _) => HEADING,
        ("blocked" | "canceled" | "rejected", _) | ("observed", Some("failed")) => BAD,
        ("paused" | "warned", _) | ("observed", Some("lost" | "interrupted")) => NOTICE,
        ("activity" | "intended", _) => DIM,
        _ => Style::new(),
    }
}
