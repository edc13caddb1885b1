//! `foil deliver`

mod here;
mod tag;

use ledger_core::TicketId;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Deliver what a run left, bring it into your own work tree, or tag it
///
/// Without an option a run that was delivered nowhere, because the policy said `mode = "none"`, is delivered to a branch: exactly the tree that
/// was checked and reviewed, by a run of its own whose receipt names the earlier one. A delivery that was cut off goes on.
///
/// `--here` fast-forwards the branch that is checked out and writes only the paths that differ. Your other changes, staged or
/// not, stay exactly as they are. Where one of them is at a path that would be written, nothing is done. Never merges. `--tag`
/// makes an annotated tag of what was pushed, on the remote and here, and asks the remote; a tag that exists is never moved.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("what").args(["here", "tag"])),
    after_help = "Examples:\n  foil deliver 0042-validate-email                    to a branch, where its run delivered nowhere\n  foil deliver 0042-validate-email --here --dry-run   what would be written\n  foil deliver 0042-validate-email --here\n  foil deliver 0042-validate-email --tag v1.2.0"
)]
pub(crate) struct DeliverArgs {
    /// The ticket
    ticket: TicketId,
    /// Into the work tree and onto the branch where you are
    #[arg(long)]
    here: bool,
    /// As an annotated tag of this name, once it was pushed
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Look at everything and change nothing
    #[arg(long, requires = "what")]
    dry_run: bool,
}

pub(super) fn run(args: &DeliverArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    match &args.tag {
        Some(name) => tag::run(args, name, context),
        None if args.here => here::run(args, context),
        None => super::run::deliver(&args.ticket, context),
    }
}
