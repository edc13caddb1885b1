//! `foil deliver --tag`

use ledger_core::{CommitId, ObjectId, RefName, RunId, TicketId};
use runner::{TagOutcome, deliver_tag};
use serde::Serialize;

use super::DeliverArgs;
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, HEADING, plain, styled};

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    run: &'a RunId,
    outcome: TagOutcome,
    tag: &'a RefName,
    object: ObjectId,
    commit: CommitId,
    remote: &'a str,
}

pub(super) fn run(args: &DeliverArgs, name: &str, context: &Context<'_>) -> Result<Exit, Failure> {
    let tagged = deliver_tag(&context.workspace()?, &args.ticket, name, args.dry_run)?;
    let output = context.output;
    if output.is_json() {
        output.json(&Report {
            schema: "counterfoil.deliver/1",
            ticket: &args.ticket,
            run: &tagged.run,
            outcome: tagged.outcome,
            tag: &tagged.name,
            object: tagged.object,
            commit: tagged.commit,
            remote: &tagged.remote,
        })?;
        return Ok(Exit::Done);
    }
    let (name, remote, commit) = (plain(name), plain(&tagged.remote), tagged.commit.short());
    output.answer(&match tagged.outcome {
        TagOutcome::Tagged => styled(GOOD, format!("{remote} has the tag {name} at {commit}\n")),
        TagOutcome::AlreadyTagged => format!("Nothing to do: {remote} has the tag {name} at {commit}\n"),
        TagOutcome::WouldTag => styled(HEADING, format!("{commit} would be tagged {name} on {remote}\n")),
    })?;
    Ok(Exit::Done)
}
