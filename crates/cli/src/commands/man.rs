//! `foil man`

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::Context;
use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print a manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil man | man -l -\n  foil man status | man -l -\n  foil man --out ~/.local/share/man/man1"
)]
pub(crate) struct ManArgs {
    /// The verb; without one the page of foil itself
    verb: Option<String>,
    /// Write the pages of foil and of every verb into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let mut command = Args::command();
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(command, folder)?;
        return Ok(Exit::Done);
    }
    command.build();
    let page = match &args.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => return Err(Failure::Usage(format!("there is no verb `{verb}`"))),
        },
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    context.output.document(&roff)?;
    Ok(Exit::Done)
}
