//! `foil check`

use ledger_core::TicketId;
use runner::{FindingSeverity, LedgerCheck, check_ledger};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, count, styled};
use crate::story::findings_text;

mod schema;

/// Validate policy, tickets, packages and approvals
///
/// Changes nothing. Ends with 3 if there is an error; drafts that are not finished and other warnings do not count.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil check\n  foil check 0042-validate-email\n  foil check --schema --json")]
pub(crate) struct CheckArgs {
    /// Only these tickets with their packages, and the policy
    #[arg(value_name = "TICKET")]
    tickets: Vec<TicketId>,
    /// Also hold every file against its JSON Schema, as editors do
    #[arg(long)]
    schema: bool,
}

pub(super) fn run(args: &CheckArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let mut check = check_ledger(&workspace, &args.tickets)?;
    if args.schema {
        check.findings.extend(schema::findings(&workspace, &args.tickets)?);
    }
    let exit = match check.count(FindingSeverity::Error) {
        0 => Exit::Done,
        _ => Exit::Invalid,
    };
    if context.output.is_json() {
        context.output.json(&check)?;
        return Ok(exit);
    }
    let work_dir = workspace.repository().work_dir();
    context
        .output
        .error(&findings_text(&check.findings, Some(work_dir), context.output))?;
    context.output.answer(&summary(&check))?;
    Ok(exit)
}

fn summary(check: &LedgerCheck) -> String {
    let mut seen = vec![count(check.tickets, "ticket", "tickets")];
    if check.packages > 0 {
        seen.push(count(check.packages, "package", "packages"));
    }
    let found: Vec<_> = [
        (FindingSeverity::Error, "error", "errors"),
        (FindingSeverity::Unfinished, "unfinished part", "unfinished parts"),
        (FindingSeverity::Warning, "warning", "warnings"),
    ]
    .into_iter()
    .map(|(severity, one, many)| (check.count(severity), one, many))
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| count(number, one, many))
    .collect();
    let found = if found.is_empty() {
        styled(GOOD, "nothing wrong")
    } else {
        found.join(", ")
    };
    format!("{}: {found}\n", seen.join(", "))
}
