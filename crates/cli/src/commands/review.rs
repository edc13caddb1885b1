//! `foil review`

mod html;
mod prompt;

use std::io::Write as _;
use std::path::PathBuf;

use runner::{ReviewPacket, read_run};
use serde::Serialize;

use super::Context;
use super::run_choice::RunChoice;
use crate::exit::Exit;
use crate::failure::Failure;

/// Show the review packet of a run: what a person needs to judge it
///
/// A hand-off, not an approval: the change, the checks that the runner ran, the reviewer's verdict, what the worker claims, and the
/// exact commands to go on. Markdown unless something else is asked for.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil review 0042-validate-email\n  foil review 0042-validate-email --html --write review.html\n  foil review 0042-validate-email --prompt | codex exec -\n  foil review 0042-validate-email --json | jq .packet.verdict"
)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    choice: RunChoice,
    /// As Markdown
    #[arg(long, conflicts_with_all = ["html", "prompt"])]
    markdown: bool,
    /// As one HTML page that loads nothing and runs nothing
    #[arg(long, conflicts_with = "prompt")]
    html: bool,
    /// As a prompt for an agent of your own that reviews the change
    #[arg(long)]
    prompt: bool,
    /// Write it to a new file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    packet: &'a ReviewPacket,
}

pub(super) fn run(args: &ReviewArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let (ticket, run) = args.choice.choose(&workspace)?;
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let read = read_run(repository, roots, &ticket, run.as_ref()).map_err(Failure::History)?;
    let packet = ReviewPacket::read(&workspace, &read.run, &RunChoice::title(&workspace, &ticket));
    let text = match (context.output.is_json(), args.html, args.prompt) {
        (true, false, false) => {
            let report = Report {
                schema: "counterfoil.review/1",
                packet: &packet,
            };
            let mut text = serde_json::to_string_pretty(&report).map_err(Failure::Json)?;
            text.push('\n');
            text
        }
        (true, _, _) => {
            let message = "`--json` is a form of its own: leave `--html` and `--prompt` out";
            return Err(Failure::Usage(message.to_owned()));
        }
        (false, true, _) => html::page(&packet),
        (false, false, true) => prompt::text(&packet),
        (false, false, false) => packet.markdown(),
    };
    let Some(path) = &args.write else {
        context.output.document(text.as_bytes())?;
        return Ok(Exit::Done);
    };
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| Failure::NotWritten {
        path: path.clone(),
        source,
    })?;
    context.output.story(&format!("Wrote {}\n", path.display()))?;
    Ok(Exit::Done)
}
