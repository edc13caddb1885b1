//! `foil stop`

use std::time::Duration;

use ledger_core::{Duration as Wait, TicketId};
use runner::{StopOutcome, running_tickets, stop_ticket};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, NOTICE, styled};

/// Ask a run to stop in good order
///
/// The runner ends the turn or check that is under way, notes where the run stands and leaves. Nothing is lost: the next
/// `foil run` goes on. Without a ticket every run of this clone is asked. Nothing is ever killed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil stop\n  foil stop 0042-validate-email\n  foil stop 0042-validate-email --wait 5m"
)]
pub(crate) struct StopArgs {
    /// The ticket
    ticket: Option<TicketId>,
    /// How long to wait until it has left
    #[arg(long, value_name = "TIME", default_value = "2m")]
    wait: Wait,
    /// Only ask
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    runs: Vec<Stopped>,
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
    let tickets = match &args.ticket {
        Some(ticket) => vec![ticket.clone()],
        None => running_tickets(&locks)
            .map_err(Failure::Stop)?
            .into_iter()
            .map(|running| running.ticket)
            .collect(),
    };
    let patience = if args.no_wait {
        Duration::ZERO
    } else {
        args.wait.to_std()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for ticket in tickets {
        let outcome = runtime
            .block_on(stop_ticket(&locks, &ticket, patience))
            .map_err(Failure::Stop)?;
        runs.push(Stopped { ticket, outcome });
    }
    let late = !args.no_wait
        && runs
            .iter()
            .any(|run| matches!(run.outcome, StopOutcome::StillThere { .. }));
    let exit = if late { Exit::Failed } else { Exit::Done };
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.stop/1",
            runs,
        })?;
        return Ok(exit);
    }
    if runs.is_empty() {
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
                "{ticket}: {}, process {pid} leaves when it has ended what is under way\n",
                styled(NOTICE, "asked")
            ),
        })?;
    }
    Ok(exit)
}
