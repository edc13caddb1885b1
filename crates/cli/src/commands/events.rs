//! `foil events`

use std::time::Duration;

use anstyle::Style;
use ledger_core::TicketId;
use runner::lock::TicketLock;
use runner::{JournalFollower, Moment, TimelineFilter, TimelineLine, Workspace, read_run, timeline};

use super::Context;
use super::run_choice::RunChoice;
use super::since::{Since, local_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, plain, styled};

/// Show what happened in a run, one line an event
///
/// The journal as a timeline, from the live run or from where it is kept in Git. What a line quotes of the worker is the
/// worker's word.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil events                        of the ticket that ran last\n  foil events 0042-validate-email --limit 20\n  foil events 0042-validate-email --follow\n  foil events --since 2h --json | jq -r 'select(.kind == \"blocked\").text'"
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
    /// Go on showing what comes, until nobody is at work on the run
    #[arg(short, long)]
    follow: bool,
    /// Show each count of tokens too
    #[arg(long)]
    all: bool,
}

/// How often `--follow` looks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn run(args: &EventsArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let ticket = args.choice.ticket(&workspace)?;
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let read = read_run(repository, roots, &ticket, args.choice.run.as_ref()).map_err(Failure::History)?;
    let filter = TimelineFilter {
        since: args.since.map(|since| since.at(Moment::now().at)),
        limit: None,
    };
    let mut lines = timeline(&read.journal.records, filter);
    // What is not shown does not count.
    lines.retain(|line| args.shows(line, context));
    let skipped = args.limit.map_or(0, |limit| lines.len().saturating_sub(limit));
    for line in &lines[skipped..] {
        show(line, context)?;
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    let shown = read.journal.head.next;
    let Some(mut follower) = JournalFollower::open(roots, &ticket, &read.known.run).map_err(Failure::Follow)? else {
        return Ok(Exit::Done);
    };
    loop {
        let at_work = is_at_work(&workspace, &ticket);
        let mut new = Vec::new();
        let result = follower.read_on(|record| {
            if record.seq >= shown {
                new.push(record.clone());
            }
        });
        let opened = follower.run().map(|run| run.opened().clone());
        for record in &new {
            if let Some(line) = opened.as_ref().map(|opened| TimelineLine::new(opened, record))
                && args.shows(&line, context)
            {
                show(&line, context)?;
            }
        }
        result.map_err(Failure::Follow)?;
        if !at_work {
            context.output.story("Nobody is at work on it.\n")?;
            return Ok(Exit::Done);
        }
        std::thread::sleep(FOLLOW_INTERVAL);
    }
}

/// Whether a runner works on the ticket.
pub(super) fn is_at_work(workspace: &Workspace, ticket: &TicketId) -> bool {
    TicketLock::holder(&workspace.roots().locks(), ticket).is_some()
}

impl EventsArgs {
    fn shows(&self, line: &TimelineLine, context: &Context<'_>) -> bool {
        self.all || context.output.is_json() || !line.is_token_count()
    }
}

fn show(line: &TimelineLine, context: &Context<'_>) -> Result<(), Failure> {
    if context.output.is_json() {
        return context.output.json_line(line);
    }
    let time = styled(DIM, local_time(line.at));
    let text = plain(&line.text);
    context
        .output
        .answer(&format!("{time}  {}\n", styled(style_of(line), text)))
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
