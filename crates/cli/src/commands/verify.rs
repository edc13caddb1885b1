//! `foil verify`

use ledger_core::{RunId, TicketId};
use runner::{HistoryError, Verified, VerifyReport, named_receipt, tickets_to_verify, verify_receipt, verify_ticket};
use serde::Serialize;

use super::Context;
use super::run_choice::{self, FROM_ELSEWHERE};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain, styled, table};

/// Compute again what runs claim: chains, digests, trees, commits, refs
///
/// Reads only. What became of a branch since (merged, moved, deleted) is information; what does not match is an error and ends
/// with 12.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil verify                        every run that this clone knows\n  foil verify 0042-validate-email\n  foil verify 0042-validate-email --json | jq '.tickets[].verifications[] | select(.verdict == \"differs\")'"
)]
pub(crate) struct VerifyArgs {
    /// A ticket, a run, or a receipt: its file, or its ref below refs/counterfoil/receipts/; without it all
    #[arg(value_name = "TICKET, RUN OR RECEIPT")]
    what: Option<String>,
    /// Show also what matches
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    holds: bool,
    tickets: &'a [VerifyReport],
}

pub(super) fn run(args: &VerifyArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let receipt = match &args.what {
        Some(what) => named_receipt(repository, context.directory(), what)?,
        None => None,
    };
    let reports = match receipt {
        Some(bytes) => {
            let report = verify_receipt(repository, roots, &bytes);
            vec![report.map_err(|error| Failure::Usage(error.to_string()))?]
        }
        None => choose(args.what.as_deref(), &workspace)?
            .iter()
            .map(|(ticket, run)| verify_ticket(repository, roots, ticket, run.as_ref()))
            .collect(),
    };
    let holds = reports.iter().all(VerifyReport::holds);
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.verify/1",
            holds,
            tickets: &reports,
        })?;
    } else {
        let in_full = args.all || args.what.is_some();
        for report in &reports {
            context.output.answer(&words(report, in_full))?;
        }
        context.output.answer(&summary(&reports))?;
    }
    Ok(if holds { Exit::Done } else { Exit::Unverified })
}

type Chosen = Vec<(TicketId, Option<RunId>)>;

/// The tickets, or the one run, that are meant.
fn choose(what: Option<&str>, workspace: &runner::Workspace) -> Result<Chosen, Failure> {
    let tickets = tickets_to_verify(workspace.repository(), workspace.roots()).map_err(Failure::History)?;
    let Some(what) = what else {
        return Ok(tickets.into_iter().map(|ticket| (ticket, None)).collect());
    };
    if let Some(found) = run_choice::find(what, workspace)? {
        return Ok(vec![found]);
    }
    match what.parse::<TicketId>() {
        Ok(ticket) if tickets.contains(&ticket) => Ok(vec![(ticket, None)]),
        Ok(ticket) => Err(Failure::History(HistoryError::NoRun { ticket })),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn words(report: &VerifyReport, in_full: bool) -> String {
    let mut text = String::new();
    let mut run = None;
    for verification in &report.verifications {
        if !in_full && verification.verdict != Verified::Differs {
            continue;
        }
        if text.is_empty() || run != verification.run {
            run.clone_from(&verification.run);
            let name = run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
            text.push_str(&format!("{}{}\n", styled(HEADING, &report.ticket), styled(DIM, name)));
        }
        let (style, verdict) = match verification.verdict {
            Verified::Matches => (GOOD, "matches"),
            Verified::Information => (NOTICE, "note"),
            Verified::Differs => (BAD, "DIFFERS"),
        };
        // The style is no part of the cell: columns are counted in characters.
        let row = vec![verification.what.to_owned(), plain(&verification.detail)];
        let row = table(&[row], 0);
        text.push_str(&format!("  {} {row}", styled(style, format!("{verdict:<8}"))));
    }
    text
}

fn summary(reports: &[VerifyReport]) -> String {
    let all = || reports.iter().flat_map(|report| &report.verifications);
    let number = |verdict| all().filter(|verification| verification.verdict == verdict).count();
    if reports.is_empty() {
        return format!("Nothing to verify: nothing ran in this clone; {FROM_ELSEWHERE}.\n");
    }
    let differs = number(Verified::Differs);
    let (matches, notes) = (number(Verified::Matches), number(Verified::Information));
    let verdict = match differs {
        0 => styled(GOOD, "everything matches"),
        differs => styled(
            BAD,
            format!(
                "{differs} of {} differ",
                count(all().count(), "comparison", "comparisons")
            ),
        ),
    };
    format!("{verdict}: {matches} match, {notes} for information, {differs} differ\n")
}
