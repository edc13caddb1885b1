//! `foil stop`

use std::time::Duration;

use ledger_core::{Duration as Wait, TicketId};
use runner::{Ask, StopOutcome, StoppedRunners, stop_all, stop_ticket};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, NOTICE, styled};

/// Ask a run to stop in good order
///
/// The runner ends the turn or check that is under way, notes where the run stands and leaves. Nothing is lost: the next
/// `foil run` goes on. A ticket that is named is left alone, while others that the same `foil run` works on go on; without one every run of
/// this clone is asked. Nothing is ever killed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil stop\n  foil stop 0042-validate-email\n  foil stop 0042-validate-email --wait 5m\n  foil stop --drain              what is under way is still brought to its end"
)]
pub(crate) struct StopArgs {
    /// The ticket
    ticket: Option<TicketId>,
    /// Let what is under way come to its end, and begin nothing else
    #[arg(long)]
    drain: bool,
    /// How long to wait until it has left: 2m by default, with `--drain` not at all
    #[arg(long, value_name = "TIME")]
    wait: Option<Wait>,
    /// Only ask
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// How long is waited by default.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    runs: Vec<Stopped>,
    /// Runners that worked on no ticket, and waited for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<StopOutcome>,
}

#[derive(Debug, Serialize)]
struct Stopped {
    ticket: TicketId,
    #[serde(flatten)]
    outcome: StopOutcome,
}

pub(super) fn run(args: &StopArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let locks = workspace.roots().locks();
    let ask = if args.drain { Ask::BeginNoMore } else { Ask::Leave };
    let waits = !args.no_wait && (!args.drain || args.wait.is_some());
    let patience = match args.wait {
        Some(wait) => wait.to_std(),
        None if waits => PATIENCE,
        None => Duration::ZERO,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        match &args.ticket {
            Some(ticket) => stop_ticket(&locks, ticket, ask, patience)
                .await
                .map(|outcome| StoppedRunners {
                    tickets: vec![(ticket.clone(), outcome)],
                    waiting: Vec::new(),
                }),
            None => stop_all(&locks, ask, patience).await,
        }
    });
    let StoppedRunners { tickets, waiting } = stopped.map_err(Failure::Stop)?;
    let runs: Vec<_> = tickets
        .into_iter()
        .map(|(ticket, outcome)| Stopped { ticket, outcome })
        .collect();
    let mut outcomes = runs.iter().map(|run| run.outcome).chain(waiting.iter().copied());
    let late = waits && outcomes.any(|outcome| matches!(outcome, StopOutcome::StillThere { .. }));
    let exit = if late { Exit::Failed } else { Exit::Done };
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.stop/1",
            runs,
            waiting,
        })?;
        return Ok(exit);
    }
    if runs.is_empty() && waiting.is_empty() {
        context
            .output
            .story("Nothing to do: nobody is at work in this clone.\n")?;
    }
    for run in &runs {
        let ticket = &run.ticket;
        context.output.answer(&match run.outcome {
            StopOutcome::NotRunning => format!("{ticket}: nobody is at work on it\n"),
            StopOutcome::Left { .. } => format!("{ticket}: {}; `foil run {ticket}` goes on\n", styled(GOOD, "stopped")),
            StopOutcome::StillThere { pid } => format!(
                "{ticket}: {}, process {pid} leaves when it has ended {}\n",
                styled(NOTICE, "asked"),
                if args.drain { "its runs" } else { "what is under way" }
            ),
        })?;
    }
    for outcome in &waiting {
        if let StopOutcome::Left { pid, .. } | StopOutcome::StillThere { pid } = outcome {
            let what = match outcome {
                StopOutcome::Left { .. } => styled(GOOD, "stopped"),
                _ => styled(NOTICE, "asked"),
            };
            context
                .output
                .answer(&format!("process {pid}, which waited for a ticket: {what}\n"))?;
        }
    }
    Ok(exit)
}
