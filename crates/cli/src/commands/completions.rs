//! `foil completions`

use clap::CommandFactory as _;

use super::Context;
use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil completions bash > ~/.local/share/bash-completion/completions/foil\n  foil completions fish > ~/.config/fish/completions/foil.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &CompletionsArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "foil", &mut script);
    context.output.document(&script)?;
    Ok(Exit::Done)
}
