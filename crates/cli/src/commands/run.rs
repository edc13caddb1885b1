//! `foil run`

mod progress;
pub(super) mod signals;
mod teller;

use jiff::Timestamp;
use ledger_core::{PauseCause, PhaseEvidence, Run, TicketId};
use policy::config::Pick;
use policy::{Outcome, TicketsAtHand as _};
use runner::guard::GuardProgram;
use runner::{
    LeaveRequests, LeftTicket, Moment, Queue, Retry, ReviewPacket, RunOptions, RunReport, RunTickets, Selection,
    Workspace, agent_warning, deliver_later, run_tickets,
};
use serde::Serialize;
use tokio::runtime::Runtime;

use self::progress::Screen;
use self::signals::Signals;
use self::teller::Teller;
use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, HEADING, NOTICE, count, plain, styled};
use crate::story::FailureFacts;

/// Run approved tickets to their end
///
/// Codex works on the ticket in a checkout of its own. The runner computes what changed, runs the checks where the worker
/// cannot write, has the result reviewed by another thread, and commits exactly the reviewed tree on a branch. Your work
/// tree, index and branches stay as they are. A run that was interrupted, or stopped for a reason that is gone, goes on.
///
/// Ends with 0 only where all that was asked for is done, with `--all` every approved ticket. Else with 10 and a list of what is left, also where
/// `--max-runs` or `foil stop --drain` left it, or another process runs it; with another code where something else went wrong.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil run                          the only ticket that is ready\n  foil run 0042-validate-email\n  foil run --next                   the first of several\n  foil run --all                    all that is ready, until nothing is\n  foil run --all --jobs 4           four at a time, where none is in another's way\n  foil run --continuous             and go on looking, overnight\n  foil run --dry-run                what would be run\n  foil run --from-rescue 0042-validate-email   a new run with what the last one left\n  foil run sign-up                  the tickets of a package, until one is not done"
)]
pub(crate) struct RunArgs {
    /// Tickets or packages to run; without any the only ticket that is ready. Of a package, one ticket after the other, until one
    /// does not end done
    #[arg(value_name = "TICKET")]
    tickets: Vec<TicketId>,
    /// Of several ready tickets take the first
    #[arg(long, conflicts_with_all = ["tickets", "all"])]
    next: bool,
    /// Run every ready ticket, also those that become ready meanwhile
    #[arg(long, conflicts_with = "tickets")]
    all: bool,
    /// Go on looking for ready tickets until it is stopped; implies `--all`
    #[arg(long, conflicts_with_all = ["tickets", "next"])]
    continuous: bool,
    /// Run this many at the same time, where none may write what another may; otherwise as the policy says
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: Option<u32>,
    /// With `--all`: also tickets whose last run ended for good; a new run is told why it did
    #[arg(long, conflicts_with_all = ["tickets", "next"])]
    retry_blocked: bool,
    /// Begin at most this many runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_runs: Option<u32>,
    /// With `--continuous`: end when it was looked this often in vain
    #[arg(long, value_name = "N", requires = "continuous", value_parser = clap::value_parser!(u32).range(1..))]
    max_cycles: Option<u32>,
    /// Begin a new run with what the last run of the ticket left, instead of with the base
    #[arg(long, requires = "tickets", conflicts_with_all = ["next", "all", "continuous"])]
    from_rescue: bool,
    /// For the daemon: end with a code of its own when the night is over
    #[arg(long, hide = true)]
    in_background: bool,
    /// For the daemon: when the night began in which it starts this anew
    #[arg(long, hide = true, value_name = "TIME")]
    night_began: Option<Timestamp>,
    /// Only say what would be run
    #[arg(long)]
    dry_run: bool,
    /// Use this model in place of the policy's
    #[arg(long)]
    model: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    runs: Vec<ReportRun>,
    /// Tickets that could not be run, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_run: Vec<NotRun>,
    /// Tickets of packages that wait, because one before them is not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<TicketId>,
    /// Tickets that somebody else has delivered since this clone was brought up to date.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delivered_elsewhere: Vec<TicketId>,
    /// With `--all`, tickets that are approved and not done; else those that were asked for and not begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<Left>,
    /// What of the night's limits is used up, where that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<String>,
}

#[derive(Debug, Serialize)]
struct Left {
    ticket: TicketId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<LeftTicket> for Left {
    fn from(left: LeftTicket) -> Self {
        Self {
            ticket: left.id,
            state: left.state,
            reason: left.reason,
        }
    }
}

impl Report {
    fn new(runs: Vec<ReportRun>, not_run: Vec<NotRun>, waiting: Vec<TicketId>) -> Self {
        Self {
            schema: "counterfoil.run/1",
            runs,
            not_run,
            waiting,
            delivered_elsewhere: Vec::new(),
            left: Vec::new(),
            spent: None,
        }
    }
}

#[derive(Debug, Serialize)]
struct NotRun {
    ticket: TicketId,
    error: FailureFacts,
}

#[derive(Debug, Serialize)]
struct ReportRun {
    ticket: TicketId,
    taken_up: bool,
    packet: ReviewPacket,
}

#[derive(Debug, Serialize)]
struct DryRun {
    schema: &'static str,
    tickets: Vec<TicketId>,
}

pub(super) fn run(args: &RunArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let selection = select(args, &workspace)?;
    if args.dry_run {
        return dry_run(args, selection, &workspace, context);
    }
    if matches!(&selection, Selection::These(chosen) if chosen.is_empty()) {
        context.output.story(match args.tickets.is_empty() {
            true => "Nothing to do: no ticket is ready. `foil status` shows why.\n",
            false => "Nothing to do: all of it is delivered or canceled.\n",
        })?;
        if context.output.is_json() {
            context.output.json(&Report::new(Vec::new(), Vec::new(), Vec::new()))?;
        }
        return Ok(Exit::Done);
    }
    let runtime = runtime()?;
    run_all(args, selection, &workspace, context, &runtime)
}

pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Listens to signals from now on. To be called in a runtime.
fn listen(workspace: &Workspace, context: &Context<'_>) -> std::io::Result<Signals> {
    let requests = LeaveRequests::for_this_process(workspace.roots().locks())?;
    signals::watch(context.output, requests)
}

/// Delivers what the run of a ticket left, and tells of it like of a run.
pub(super) fn deliver(ticket: &TicketId, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let runtime = runtime()?;
    let delivered = async {
        let signals = listen(&workspace, context)?;
        let options = RunOptions {
            guard: GuardProgram::current()?,
            stop: signals.leaving.stop_of(ticket, signals.stop),
            model: None,
            from_rescue: false,
            allow_temporary: false,
        };
        let screen = Screen::new(context.output, false);
        let delivered = deliver_later(&workspace, ticket, &options, screen.view(ticket, None)).await;
        delivered.map_err(Failure::from)
    };
    let report = runtime.block_on(delivered)?;
    tell(&report, context)?;
    if context.output.is_json() {
        let run = ReportRun {
            ticket: ticket.clone(),
            taken_up: report.taken_up,
            packet: ReviewPacket::read(&workspace, &report.run, &title_of(&workspace, ticket)),
        };
        context.output.json(&Report::new(vec![run], Vec::new(), Vec::new()))?;
    }
    Ok(exit_of(&report))
}

/// What is to be run. Status knows which tickets are ready; the gates say the last word when a run begins.
fn select(args: &RunArgs, workspace: &Workspace) -> Result<Selection, Failure> {
    let retry = if args.retry_blocked {
        Retry::All
    } else {
        Retry::Resumable
    };
    if args.all || args.continuous {
        let poll = workspace.policy()?.schedule.poll.to_std();
        return Ok(Selection::AllReady {
            retry,
            poll: args.continuous.then_some(poll),
            max_cycles: args.max_cycles,
        });
    }
    let queue = Queue::look(workspace, Moment::now().at, retry)?;
    let pick = if args.next {
        Pick::Next
    } else {
        workspace.policy()?.schedule.pick
    };
    let chosen = queue.choose(&args.tickets, pick)?;
    if args.from_rescue && chosen.iter().any(|queued| queued.package.is_some()) {
        return Err(Failure::Usage(
            "`--from-rescue` goes with a ticket: name the one of the package whose work it shall begin with".to_owned(),
        ));
    }
    Ok(Selection::These(chosen))
}

/// The tickets that would run, in order.
fn dry_run(
    args: &RunArgs,
    selection: Selection,
    workspace: &Workspace,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    let queued = match selection {
        Selection::These(queued) => queued,
        Selection::AllReady { retry, .. } => Queue::look(workspace, Moment::now().at, retry)?.ready(),
    };
    let most = args.max_runs.map_or(usize::MAX, |most| most as usize);
    let tickets: Vec<TicketId> = queued.into_iter().map(|queued| queued.id).take(most).collect();
    if context.output.is_json() {
        context.output.json(&DryRun {
            schema: "counterfoil.run.dry/1",
            tickets,
        })?;
    } else {
        for ticket in &tickets {
            context.output.answer(&format!("{ticket}\n"))?;
        }
        if tickets.is_empty() {
            context.output.story("No ticket is ready.\n")?;
        }
    }
    Ok(Exit::Done)
}

fn run_all(
    args: &RunArgs,
    selection: Selection,
    workspace: &Workspace,
    context: &Context<'_>,
    runtime: &Runtime,
) -> Result<Exit, Failure> {
    let only = match &selection {
        Selection::These(tickets) if tickets.len() == 1 => tickets.first().map(|queued| queued.id.clone()),
        Selection::These(_) | Selection::AllReady { .. } => None,
    };
    let signals = {
        let _inside = runtime.enter();
        listen(workspace, context)?
    };
    let stop = signals.stop.clone();
    let slots = args.jobs.unwrap_or(workspace.policy()?.schedule.concurrency);
    let what = RunTickets {
        selection,
        slots: slots as usize,
        max_runs: args.max_runs,
        night_began: args.night_began,
        options: RunOptions {
            guard: GuardProgram::current()?,
            stop: signals.stop,
            model: args.model.clone(),
            from_rescue: args.from_rescue,
            allow_temporary: false,
        },
        drain: signals.drain,
        leaving: signals.leaving,
    };
    let teller = Teller::new(workspace, context, slots > 1 && only.is_none(), only);
    let ran = run_tickets(workspace, what, runtime.handle(), &teller)?;
    let told = teller.finish()?;
    if !told.has_tried && ran.left.is_empty() && ran.spent.is_none() && ran.failed.is_none() {
        context
            .output
            .story("Nothing to do: no ticket is ready. `foil status` shows why.\n")?;
    }
    tell_left(&ran.left, context)?;
    if let Some(words) = &ran.spent {
        let text = format!(
            "{}: {words}; all that ran is paused\n  next: `foil run --all` goes on in the next night, or raise `[limits]` in the policy\n",
            styled(NOTICE, "the night is over")
        );
        context.output.story(&text)?;
    }
    let mut exit = told.exit;
    if args.in_background && ran.spent.is_some() && stop.borrow().is_none() {
        return Ok(Exit::NightOver);
    }
    if args.in_background && told.is_full && stop.borrow().is_none() {
        // Not the end of the night: the daemon tries again, and once there is room it goes on.
        return Ok(Exit::Failed);
    }
    if !ran.left.is_empty() || ran.spent.is_some() {
        exit = exit.and(Exit::Blocked);
    }
    if let Some(error) = ran.failed {
        let failure = Failure::from(error);
        let of_this = Exit::of(&failure);
        let words = FailureFacts::of(&failure, of_this).words(context.work_dir(), context.output);
        context.output.error(&words)?;
        exit = exit.and(of_this);
    }
    if let Some(cause) = *stop.borrow() {
        exit = exit.and(exit_of_pause(cause));
    }
    if context.output.is_json() {
        context.output.json(&Report {
            spent: ran.spent,
            left: ran.left.into_iter().map(Left::from).collect(),
            delivered_elsewhere: told.delivered,
            ..Report::new(told.runs, told.not_run, told.held_back)
        })?;
    }
    Ok(exit)
}

/// Says which tickets are left that are not done.
fn tell_left(left: &[LeftTicket], context: &Context<'_>) -> Result<(), Failure> {
    const MOST: usize = 20;
    if left.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "{}: {}\n",
        styled(NOTICE, "not done"),
        count(left.len(), "ticket", "tickets")
    );
    for ticket in left.iter().take(MOST) {
        let reason = ticket
            .reason
            .as_deref()
            .map(|reason| format!(": {}", plain(reason)))
            .unwrap_or_default();
        text.push_str(&format!("  {} {}{reason}\n", ticket.state, ticket.id));
    }
    if let Some(more) = left.len().checked_sub(MOST).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more\n"));
    }
    text.push_str("  next: `foil status` shows what each needs\n");
    Ok(context.output.story(&text)?)
}

fn title_of(workspace: &Workspace, ticket: &TicketId) -> String {
    let ledger = workspace.ledger().ok();
    let folder = ledger.as_ref().and_then(|ledger| ledger.ticket(ticket));
    folder
        .and_then(|folder| folder.ticket().ok())
        .map(|file| file.title)
        .unwrap_or_default()
}

fn exit_of(report: &RunReport) -> Exit {
    match &report.outcome {
        // Delivered, and without the proof that others need.
        Outcome::Done if report.run.stored().is_none() => Exit::Failed,
        Outcome::Done => Exit::Done,
        Outcome::Blocked(_) | Outcome::Canceled => Exit::Blocked,
        Outcome::Paused(cause) => exit_of_pause(*cause),
    }
}

fn exit_of_pause(cause: PauseCause) -> Exit {
    match cause {
        PauseCause::Terminate => Exit::Terminated,
        PauseCause::Budget => Exit::Blocked,
        _ => Exit::Interrupted,
    }
}

/// What a person should know about the version of the agent that took the turns, if anything.
fn untested_agent(run: &Run) -> Option<String> {
    let evidence = run.evidence(ledger_core::Phase::WriterAssigned)?;
    let PhaseEvidence::WriterAssigned { agent, .. } = evidence else {
        return None;
    };
    agent_warning(agent)
}

/// The end of one run, in words.
fn tell(report: &RunReport, context: &Context<'_>) -> Result<(), Failure> {
    let packet = ReviewPacket::of(&report.run, "");
    let ticket = &report.run.opened().ticket;
    let mut text = match &report.outcome {
        Outcome::Done => {
            let branch = packet
                .branch
                .as_deref()
                .map(|branch| format!(" on branch `{branch}`"))
                .unwrap_or_default();
            format!("{} {ticket}{branch}\n", styled(GOOD, "done"))
        }
        Outcome::Blocked(blocker) => format!(
            "{} {ticket}: {} ({})\n  next: {}\n",
            styled(BAD, "blocked"),
            plain(&blocker.reason),
            blocker.code,
            plain(&blocker.next_step_for(ticket))
        ),
        Outcome::Canceled => format!("{} {ticket}\n", styled(NOTICE, "canceled")),
        Outcome::Paused(_) => format!("{} {ticket}: nothing is lost\n", styled(NOTICE, "stopped")),
    };
    if let Some(warning) = untested_agent(&report.run) {
        text.push_str(&format!("  {}: {}\n", styled(NOTICE, "mind"), plain(&warning)));
    }
    for warning in packet.stack_in_words().iter().chain(&packet.warnings) {
        text.push_str(&format!("  {}: {}\n", styled(NOTICE, "mind"), plain(warning)));
    }
    for next in &packet.commands {
        text.push_str(&format!("  {}: {}\n", next.purpose, styled(HEADING, &next.command)));
    }
    if context.output.is_json() {
        context.output.story(&text)?;
    } else {
        context.output.answer(&text)?;
    }
    Ok(())
}
