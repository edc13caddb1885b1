//! `foil run`

mod progress;
mod signals;

use ledger_core::{PhaseEvidence, Record, Run, TicketId};
use policy::Outcome;
use policy::config::Pick;
use runner::guard::GuardProgram;
use runner::{
    Managed, Manager, Moment, Queue, Queued, ReviewPacket, RunError, RunOptions, RunReport, Workspace, agent_warning,
    deliver_later, run_ticket,
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
    after_help = "Examples:\n  foil run                          the only ticket that is ready\n  foil run 0042-validate-email\n  foil run --next                   the first of several\n  foil run --all                    one after the other, until none is ready\n  foil run --dry-run                what would be run\n  foil run --from-rescue 0042-validate-email   a new run with what the last one left\n  foil run sign-up                  the tickets of a package, until one is not done"
)]
pub(crate) struct RunArgs {
    /// Tickets or packages to run; without any the only ticket that is ready. Of a package, one ticket after the other, until one
    /// does not end done
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
    /// Tickets of packages that wait, because one before them is not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<TicketId>,
}

impl Report {
    fn new(runs: Vec<ReportRun>, not_run: Vec<NotRun>, waiting: Vec<TicketId>) -> Self {
        Self {
            schema: "counterfoil.run/1",
            runs,
            not_run,
            waiting,
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
        return dry_run(chosen.into_iter().map(|queued| queued.id).collect(), context);
    }
    if chosen.is_empty() {
        context.output.story(match args.tickets.is_empty() {
            true => "Nothing to do: no ticket is ready. `foil status` shows why.\n",
            false => "Nothing to do: all of it is delivered or canceled.\n",
        })?;
        if context.output.is_json() {
            context.output.json(&Report::new(Vec::new(), Vec::new(), Vec::new()))?;
        }
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run_all(args, chosen, &workspace, context))
}

/// Delivers what the run of a ticket left, and tells of it like of a run.
pub(super) fn deliver(ticket: &TicketId, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let delivered = async {
        let options = RunOptions {
            guard: GuardProgram::current()?,
            stop: signals::watch(context.output)?,
            model: None,
            from_rescue: false,
            allow_temporary: false,
        };
        let mut progress = Progress::new(context.output, ticket, 1, 1);
        let observe = |run: &Run, record: &Record| progress.show(run, record);
        let delivered = deliver_later(&workspace, ticket, &options, observe).await;
        progress.end();
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
fn choose(args: &RunArgs, workspace: &Workspace) -> Result<Vec<Queued>, Failure> {
    let queue = Queue::look(workspace, Moment::now().at)?;
    if args.all {
        return Ok(queue.ready());
    }
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
    Ok(chosen)
}

async fn run_all(
    args: &RunArgs,
    chosen: Vec<Queued>,
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
    let mut sitting = Sitting {
        workspace,
        context,
        options,
        runs: Vec::new(),
        not_run: Vec::new(),
        exit: Exit::Done,
        tried: Vec::new(),
        fatal: false,
    };
    let mut waiting = chosen;
    let mut held_back = Vec::new();
    while !waiting.is_empty() {
        let queued = waiting.remove(0);
        let total = sitting.tried.len() + 1 + waiting.len();
        let ran = sitting.bring_to_its_end(&queued.id, total).await?;
        let is_done = matches!(&ran, Ok(report) if report.outcome == Outcome::Done);
        // The only ticket that was asked for: its failure is the answer.
        match ran {
            Err(error) if total == 1 && !args.all => return Err(error.into()),
            ran => sitting.note(&queued.id, ran)?,
        }
        if sitting.fatal || stop.borrow().is_some() {
            break;
        }
        if !is_done {
            let held = queued.hold_back(&mut waiting);
            tell_held_back(&held, &queued, context)?;
            held_back.extend(held);
        }
        if args.all {
            waiting = choose(args, workspace)?
                .into_iter()
                .filter(|next| !sitting.tried.contains(&next.id))
                .collect();
        }
    }
    if context.output.is_json() {
        let report = Report::new(sitting.runs, sitting.not_run, held_back);
        context.output.json(&report)?;
    }
    Ok(sitting.exit)
}

/// One `foil run`.
struct Sitting<'a> {
    workspace: &'a Workspace,
    context: &'a Context<'a>,
    options: RunOptions,
    runs: Vec<ReportRun>,
    not_run: Vec<NotRun>,
    exit: Exit,
    tried: Vec<TicketId>,
    /// Whether an error of the machine's was met, which would meet every other ticket too.
    fatal: bool,
}

impl Sitting<'_> {
    /// Runs a ticket, and before a parent its children.
    async fn bring_to_its_end(
        &mut self,
        ticket: &TicketId,
        total: usize,
    ) -> Result<Result<RunReport, RunError>, Failure> {
        self.tried.push(ticket.clone());
        let mut progress = Progress::new(self.context.output, ticket, self.tried.len(), total);
        let show = |run: &Run, record: &Record| progress.show(run, record);
        let managed = Manager::begin(self.workspace, ticket, &self.options, show).await;
        progress.end();
        match managed {
            Ok(Some(manager)) => {
                if let Some(ended) = self.children_first(manager, &mut progress).await? {
                    return Ok(ended);
                }
                progress = Progress::new(self.context.output, ticket, self.tried.len(), total);
            }
            Ok(None) => progress = Progress::new(self.context.output, ticket, self.tried.len(), total),
            Err(error) => return Ok(Err(error)),
        }
        let show = |run: &Run, record: &Record| progress.show(run, record);
        let ran = run_ticket(self.workspace, ticket, &self.options, show).await;
        progress.end();
        Ok(ran)
    }

    /// Runs the children of a parent. None: all of them are closed, and the parent itself is to be run.
    async fn children_first(
        &mut self,
        mut manager: Manager<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Result<RunReport, RunError>>, Failure> {
        loop {
            let child = match manager.next(|run, record| progress.show(run, record)) {
                Ok(Managed::Parent) => return Ok(None),
                Ok(Managed::Stopped(report)) => return Ok(Some(Ok(*report))),
                Ok(Managed::Child(child)) => child,
                Err(error) => return Ok(Some(Err(error))),
            };
            // What is left of earlier work is the named ticket's to begin with.
            let from_rescue = std::mem::take(&mut self.options.from_rescue);
            // A child may be a parent itself.
            let ran = Box::pin(self.bring_to_its_end(&child, self.tried.len() + 1)).await;
            self.options.from_rescue = from_rescue;
            let ran = ran?;
            if let Err(error) = manager.ended(&child, &ran, |run, record| progress.show(run, record)) {
                return Ok(Some(Err(error)));
            }
            self.note(&child, ran)?;
            if let Some(cause) = *self.options.stop.borrow() {
                return Ok(Some(Err(RunError::Stopped { cause })));
            }
        }
    }

    /// Tells what came of a ticket. One that may not run keeps no other from running.
    fn note(&mut self, ticket: &TicketId, ran: Result<RunReport, RunError>) -> Result<(), Failure> {
        match ran {
            Ok(report) => {
                self.exit = self.exit.and(exit_of(&report));
                tell(&report, self.context)?;
                self.runs.push(ReportRun {
                    packet: ReviewPacket::read(self.workspace, &report.run, &title_of(self.workspace, ticket)),
                    taken_up: report.taken_up,
                    ticket: ticket.clone(),
                });
            }
            Err(error) => {
                let failure = Failure::Run(error);
                let of_this = Exit::of(&failure);
                self.exit = self.exit.and(of_this);
                let error = FailureFacts::of(&failure, of_this);
                let words = error.words(self.context.work_dir(), self.context.output);
                let text = format!("{} {ticket}\n{words}", styled(NOTICE, "not run"));
                self.context.output.error(&text)?;
                self.fatal |= of_this == Exit::Failed;
                let ticket = ticket.clone();
                self.not_run.push(NotRun { ticket, error });
            }
        }
        Ok(())
    }
}

/// Says which tickets of a package do not run, because one before them is not done.
fn tell_held_back(held: &[TicketId], queued: &Queued, context: &Context<'_>) -> Result<(), Failure> {
    if let (Some(package), [_, ..]) = (&queued.package, held) {
        let held: Vec<_> = held.iter().map(ToString::to_string).collect();
        let text = format!(
            "{} {}: they come after {} in the package `{package}`\n",
            styled(NOTICE, "waiting"),
            held.join(", "),
            queued.id
        );
        context.output.story(&text)?;
    }
    Ok(())
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
