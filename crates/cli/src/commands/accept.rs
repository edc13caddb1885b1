//! `foil accept`

use jiff::Timestamp;
use ledger_core::TicketId;
use runner::{GivenWord, PersonsWord, give_word};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Accept the result of a run that waits for a person's word
///
/// Where the policy says `[delivery] accept = "required"`, a run waits before it delivers anything. What is accepted is the tree
/// that was checked and reviewed, and no other; the next `foil run` delivers it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil review 0042-validate-email\n  foil accept 0042-validate-email && foil run 0042-validate-email"
)]
pub(crate) struct AcceptArgs {
    /// The ticket
    ticket: TicketId,
}

/// A word that was given, as a document.
#[derive(Debug, Serialize)]
pub(super) struct WordReport<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    run: &'a ledger_core::RunId,
    tree: ledger_core::TreeId,
    by: &'a str,
    next_step: String,
}

impl<'a> WordReport<'a> {
    pub(super) fn new(schema: &'static str, ticket: &'a TicketId, given: &'a GivenWord) -> Self {
        Self {
            schema,
            ticket,
            run: &given.run,
            tree: given.tree,
            by: &given.by,
            next_step: format!("foil run {ticket}"),
        }
    }
}

pub(super) fn run(args: &AcceptArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let ticket = &args.ticket;
    let given = give_word(&context.workspace()?, ticket, &PersonsWord::Accepted, Timestamp::now())?;
    if context.output.is_json() {
        context
            .output
            .json(&WordReport::new("counterfoil.accept/1", ticket, &given))?;
    } else {
        let tree = given.tree.short();
        let text = format!("Accepted {ticket} as tree {tree}; `foil run {ticket}` delivers it\n");
        context.output.story(&text)?;
    }
    Ok(Exit::Done)
}
