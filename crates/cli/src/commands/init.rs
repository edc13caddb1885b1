//! `foil init`

use runner::{InitDone, InitOptions, Initialized, Moment, init};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{HEADING, plain, styled, table};

/// Set up a repository: policy, ledger folder, protocols, templates and schemas
///
/// Writes only what is not there yet, and adds a section to AGENTS.md. The project's test command is found by its build
/// files. Nothing is committed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil init\n  foil init --repository owner/name --model gpt-5-codex")]
pub(crate) struct InitArgs {
    /// The model to name in the policy
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The repository's name, else taken from its remote
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Also make agent/memory.md, for what later tickets should know
    #[arg(long)]
    memory: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    files: Vec<ReportFile>,
    checks: Vec<runner::DetectedCheck>,
    trusted: bool,
}

#[derive(Debug, Serialize)]
struct ReportFile {
    path: ledger_core::RepoPath,
    done: InitDone,
}

pub(super) fn run(args: &InitArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let options = InitOptions {
        model: args.model.clone(),
        repository: args.repository.clone(),
        memory: args.memory,
    };
    let done = init(&workspace, &options, Moment::now())?;
    if context.output.is_json() {
        context.output.json(&report(done))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = done
        .files
        .iter()
        .map(|file| {
            let word = match file.done {
                InitDone::Created => "created",
                InitDone::Kept => "kept",
                InitDone::Extended => "extended",
            };
            vec![word.to_owned(), file.path.to_string()]
        })
        .collect();
    context.output.answer(&table(&rows, 0))?;
    let mut story = String::from("\n");
    for check in &done.checks {
        story.push_str(&format!(
            "check `{}`: {} ({})\n",
            plain(&check.name),
            plain(&check.run),
            check.because
        ));
    }
    if done.trusted {
        story.push_str("You trust the policy as it was written. After an edit: `foil trust`.\n");
    } else {
        story.push_str("The policy was there already. Read what it would run and agree to it with `foil trust`.\n");
    }
    if done.files.iter().any(|file| file.done != InitDone::Kept) {
        story.push_str(&format!("\n{}\n", styled(HEADING, "Next")));
        story.push_str("  git add counterfoil.toml ledger AGENTS.md && git commit -m \"Set up Counterfoil\"\n");
        story.push_str("  foil new \"<title>\"\n");
    }
    context.output.story(&story)?;
    Ok(Exit::Done)
}

fn report(done: Initialized) -> Report {
    Report {
        schema: "counterfoil.init/1",
        files: done
            .files
            .into_iter()
            .map(|file| ReportFile {
                path: file.path,
                done: file.done,
            })
            .collect(),
        checks: done.checks,
        trusted: done.trusted,
    }
}
