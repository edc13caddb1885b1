//! `foil run`

mod progress;
mod signals;

use ledger_core::{PhaseEvidence, Record, Run, TicketId};
use policy::config::Pick;
use policy::{Candidate, Outcome, SelectionError, select_tickets};
use runner::guard::GuardProgram;
use runner::{
    Moment, ReviewPacket, RunOptions, RunReport, TicketState, Workspace, agent_warning, nearest_id, run_ticket, status,
};
use serde::Serialize;

use self::progress::Progress;
use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, HEADING, NOTICE, plain, styled};
use crate::story::FailureFacts;

/// Run approved tickets to their end
///
/// Codex works on the ticket in a checkout of its own. The runner computes what changed, runs the checks where the worker
/// cannot write, has the result reviewed by another thread, and commits exactly the reviewed tree on a branch. Your work
/// tree, index and branches stay as they are. A run that was interrupted, or stopped for a reason that is gone, goes on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil run                          the only ticket that is ready\n  foil run 0042-validate-email\n  foil run --next                   the first of several\n  foil run --all                    one after the other, until none is ready\n  foil run --dry-run                what would be run\n  foil run --from-rescue 0042-validate-email   a new run with what the last one left"
)]
pub(crate) struct RunArgs {
    /// Tickets to run; without any the only one that is ready
    #[arg(value_name = "TICKET")]
    tickets: Vec<TicketId>,
    /// Of several ready tickets take the first
    #[arg(long, conflicts_with_all = ["tickets", "all"])]
    next: bool,
    /// Run every ready ticket, also those that become ready by it
    #[arg(long, conflicts_with = "tickets")]
    all: bool,
    /// Begin a new run with what the last run of the ticket left, instead of with the base
    #[arg(long, requires = "tickets", conflicts_with_all = ["next", "all"])]
    from_rescue: bool,
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
}

impl Report {
    fn new(runs: Vec<ReportRun>, not_run: Vec<NotRun>) -> Self {
        Self {
            schema: "counterfoil.run/1",
            runs,
            not_run,
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
    let chosen = choose(args, &workspace)?;
    if args.dry_run {
        return dry_run(chosen, context);
    }
    if chosen.is_empty() {
        context
            .output
            .story("Nothing to do: no ticket is ready. `foil status` shows why.\n")?;
        if context.output.is_json() {
            context.output.json(&Report::new(Vec::new(), Vec::new()))?;
        }
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run_all(args, chosen, &workspace, context))
}

fn dry_run(tickets: Vec<TicketId>, context: &Context<'_>) -> Result<Exit, Failure> {
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

/// The tickets to run, in order. Status knows which are ready; the gates say the last word when a run begins.
fn choose(args: &RunArgs, workspace: &Workspace) -> Result<Vec<TicketId>, Failure> {
    let report = status(workspace, Moment::now().at)?;
    let ledger = workspace.ledger()?;
    if let Some(id) = args.tickets.iter().find(|id| ledger.ticket(id).is_none()) {
        let nearest = nearest_id(id.as_str(), ledger.ids());
        return Err(SelectionError::Unknown {
            id: id.clone(),
            nearest,
        }
        .into());
    }
    let candidates: Vec<_> = report
        .tickets
        .iter()
        .map(|ticket| Candidate {
            id: ticket.id.clone(),
            priority: ticket.priority,
            depends_on: ledger
                .ticket(&ticket.id)
                .and_then(|folder| folder.ticket().ok())
                .map(|file| file.depends_on)
                .unwrap_or_default(),
            ready: match &ticket.state {
                TicketState::Ready { .. } | TicketState::Paused(_) => true,
                TicketState::Blocked(blocked) => blocked.resumable && !blocked.waits_for_word,
                _ => false,
            },
        })
        .collect();
    let pick = if args.next {
        Pick::Next
    } else {
        workspace.policy()?.schedule.pick
    };
    if args.all {
        return Ok(policy::ready_in_order(&candidates));
    }
    Ok(select_tickets(&candidates, &args.tickets, pick)?)
}

async fn run_all(
    args: &RunArgs,
    chosen: Vec<TicketId>,
    workspace: &Workspace,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    let stop = signals::watch(context.output)?;
    let options = RunOptions {
        guard: GuardProgram::current()?,
        stop: stop.clone(),
        model: args.model.clone(),
        from_rescue: args.from_rescue,
        allow_temporary: false,
    };
    let mut runs = Vec::new();
    let mut not_run = Vec::new();
    let mut exit = Exit::Done;
    let mut tried: Vec<TicketId> = Vec::new();
    let mut waiting = chosen;
    while !waiting.is_empty() {
        let ticket = waiting.remove(0);
        tried.push(ticket.clone());
        let total = tried.len() + waiting.len();
        let mut progress = Progress::new(context.output, &ticket, tried.len(), total);
        let observe = |run: &Run, record: &Record| progress.show(run, record);
        let ran = run_ticket(workspace, &ticket, &options, observe).await;
        progress.end();
        match ran {
            Ok(report) => {
                exit = exit.and(exit_of(&report));
                tell(&report, context)?;
                runs.push(ReportRun {
                    packet: ReviewPacket::read(workspace, &report.run, &title_of(workspace, &ticket)),
                    taken_up: report.taken_up,
                    ticket,
                });
            }
            // The only ticket that was asked for: its failure is the answer.
            Err(error) if total == 1 && !args.all => return Err(error.into()),
            // One ticket that may not run keeps no other from running; an error of the machine's would meet them all.
            Err(error) => {
                let failure = Failure::Run(error);
                let of_this = Exit::of(&failure);
                exit = exit.and(of_this);
                let error = FailureFacts::of(&failure, of_this);
                let words = error.words(context.work_dir(), context.output);
                let text = format!("{} {ticket}\n{words}", styled(NOTICE, "not run"));
                context.output.error(&text)?;
                not_run.push(NotRun { ticket, error });
                if of_this == Exit::Failed {
                    break;
                }
            }
        }
        if stop.borrow().is_some() {
            break;
        }
        if args.all {
            waiting = choose(args, workspace)?
                .into_iter()
                .filter(|next| !tried.contains(next))
                .collect();
        }
    }
    if context.output.is_json() {
        context.output.json(&Report::new(runs, not_run))?;
    }
    Ok(exit)
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
        Outcome::Paused(ledger_core::PauseCause::Terminate) => Exit::Terminated,
        Outcome::Paused(_) => Exit::Interrupted,
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
