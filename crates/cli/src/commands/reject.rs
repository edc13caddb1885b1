//! `foil reject`

use jiff::Timestamp;
use ledger_core::TicketId;
use runner::{PersonsWord, give_word};

use super::Context;
use super::accept::WordReport;
use crate::exit::Exit;
use crate::failure::Failure;

/// Reject the result of a run that waits for a person's word
///
/// The reason is what the worker is told to repair. The next `foil run` starts the repair round, which counts like one after a
/// review; what comes of it is checked, reviewed, and waits for your word again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil reject 0042-validate-email --because \"an empty address must be refused too\""
)]
pub(crate) struct RejectArgs {
    /// The ticket
    ticket: TicketId,
    /// What is wrong
    #[arg(long, value_name = "REASON")]
    because: String,
}

pub(super) fn run(args: &RejectArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let ticket = &args.ticket;
    let word = PersonsWord::Rejected {
        because: args.because.clone(),
    };
    let given = give_word(&context.workspace()?, ticket, &word, Timestamp::now())?;
    if context.output.is_json() {
        context
            .output
            .json(&WordReport::new("counterfoil.reject/1", ticket, &given))?;
    } else {
        let tree = given.tree.short();
        let text = format!("Rejected {ticket}, tree {tree}; `foil run {ticket}` has it repaired\n");
        context.output.story(&text)?;
    }
    Ok(Exit::Done)
}
