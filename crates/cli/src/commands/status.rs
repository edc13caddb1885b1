//! `foil status`

#[cfg(feature = "tui")]
mod screen;
mod text;
#[cfg(feature = "tui")]
mod view;
mod watch;

use ledger_core::TicketId;
use runner::{HealthCode, Moment, StatusHealth, StatusReport, Workspace, status, ticket_status};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Show where everything stands, and what to do next
///
/// Computed from the ledger, the journals and Git at this moment; nothing is stored, nothing is changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil status\n  foil status 0042-validate-email\n  foil status --watch\n  foil status --health > /dev/null || echo \"somebody has to look\"\n  foil status --json | jq '.tickets[] | select(.state == \"ready\") | .id'"
)]
pub(crate) struct StatusArgs {
    /// Only this ticket, with everything that is known
    ticket: Option<TicketId>,
    /// Show long lists in full
    #[arg(long)]
    all: bool,
    /// Show it as it changes: the whole screen on a terminal, until `q`; elsewhere again whenever something changed
    #[arg(long)]
    watch: bool,
    /// End with another code than 0 where somebody has to look: 10 a ticket is blocked or its runner is gone, or the daemon fails
    /// again and again or is gone, 11 the policy is not trusted, 3 a ticket cannot be read, 12 a record is damaged, 1 the disk is full
    #[arg(long, conflicts_with = "watch")]
    health: bool,
}

pub(super) fn run(args: &StatusArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    if args.watch {
        return watch::run(args, context);
    }
    let report = look(args, &context.workspace()?)?;
    if context.output.is_json() {
        context.output.json(&report)?;
    } else {
        context.output.answer(&words(args, &report))?;
    }
    Ok(if args.health {
        exit_of(&report.health)
    } else {
        Exit::Done
    })
}

/// What somebody has to look at, as an exit code.
fn exit_of(health: &StatusHealth) -> Exit {
    let codes = health.reasons.iter().map(|reason| match reason.code {
        HealthCode::TicketBlocked | HealthCode::RunnerGone | HealthCode::DaemonFailing | HealthCode::DaemonGone => {
            Exit::Blocked
        }
        HealthCode::PolicyNotTrusted => Exit::Refused,
        HealthCode::NoTicket | HealthCode::TicketBroken => Exit::Invalid,
        HealthCode::RecordBroken => Exit::Unverified,
        HealthCode::DiskLow => Exit::Failed,
    });
    codes.fold(Exit::Done, Exit::and)
}

fn look(args: &StatusArgs, workspace: &Workspace) -> Result<StatusReport, Failure> {
    let now = Moment::now().at;
    Ok(match &args.ticket {
        Some(id) => ticket_status(workspace, id, now)?,
        None => status(workspace, now)?,
    })
}

fn words(args: &StatusArgs, report: &StatusReport) -> String {
    match (&args.ticket, report.tickets.as_slice()) {
        (Some(_), [ticket]) => text::one(report, ticket),
        _ => text::all(report, args.all),
    }
}
