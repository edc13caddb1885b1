//! `foil cancel`

use ledger_core::{CommitId, RepoPath, TicketId};
use runner::{Committing, Moment, cancel};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{NOTICE, styled};

/// Close a ticket without running it
///
/// Writes canceled.toml and commits exactly that. A run that is under way stops before its next effect. The ticket stays
/// closed until the file is removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil cancel 0042-validate-email --because \"done by hand in 3f2a1c\"")]
pub(crate) struct CancelArgs {
    /// The ticket
    ticket: TicketId,
    /// Why
    #[arg(long, value_name = "REASON", default_value = "")]
    because: String,
    /// Only write the file; commit it yourself
    #[arg(long)]
    no_commit: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    path: &'a RepoPath,
    already: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
}

pub(super) fn run(args: &CancelArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let committing = if args.no_commit {
        Committing::No
    } else {
        Committing::Yes
    };
    let done = cancel(&workspace, &args.ticket, &args.because, Moment::now(), committing)?;
    let output = context.output;
    if let Some(error) = &done.index_not_refreshed {
        output.error(&format!("{}: {error}\n", styled(NOTICE, "the index was not refreshed")))?;
    }
    if output.is_json() {
        output.json(&Report {
            schema: "counterfoil.cancel/1",
            ticket: &args.ticket,
            path: &done.path,
            already: done.already,
            commit: done.commit,
        })?;
        return Ok(Exit::Done);
    }
    output.story(&match (done.already, done.commit) {
        (true, _) => format!("Nothing to do: {} is canceled already.\n", args.ticket),
        (false, Some(commit)) => format!("Canceled {}, in commit {}\n", args.ticket, commit.short()),
        (false, None) => format!("Canceled {}, not committed: {}\n", args.ticket, done.path),
    })?;
    Ok(Exit::Done)
}
