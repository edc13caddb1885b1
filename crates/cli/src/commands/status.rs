//! `foil status`

mod text;

use std::time::Duration;

use ledger_core::TicketId;
use runner::{Moment, StatusReport, Workspace, status, ticket_status};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Show where everything stands, and what to do next
///
/// Computed from the ledger, the journals and Git at this moment; nothing is stored, nothing is changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil status\n  foil status 0042-validate-email\n  foil status --watch\n  foil status --json | jq '.tickets[] | select(.state == \"ready\") | .id'"
)]
pub(crate) struct StatusArgs {
    /// Only this ticket, with everything that is known
    ticket: Option<TicketId>,
    /// Show long lists in full
    #[arg(long)]
    all: bool,
    /// Show it again whenever it changes, until interrupted
    #[arg(long)]
    watch: bool,
}

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// What makes a terminal empty: cursor to the top, and everything below it gone.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) fn run(args: &StatusArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    if !args.watch {
        let report = look(args, &context.workspace()?)?;
        if context.output.is_json() {
            context.output.json(&report)?;
        } else {
            context.output.answer(&words(args, &report))?;
        }
        return Ok(Exit::Done);
    }
    let mut shown = String::new();
    loop {
        // The policy or the branch may be another by now.
        let report = look(args, &context.workspace()?)?;
        let now = if context.output.is_json() {
            serde_json::to_string(&report).map_err(Failure::Json)?
        } else {
            words(args, &report)
        };
        if now != shown {
            if context.output.is_json() {
                context.output.json_line(&report)?;
            } else if context.output.is_live() {
                context.output.document(CLEAR.as_bytes())?;
                context.output.answer(&now)?;
            } else {
                context.output.answer(&now)?;
            }
            shown = now;
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
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
