//! `foil codex install`

use std::collections::BTreeMap;

use runner::{CodexFile, CodexFileDone, CodexFilesOptions, CodexFolder, KeptBecause, install_codex_files};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{HEADING, NOTICE, count, styled, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil codex install --dry-run\n  foil codex install\n  foil codex install --hooks\n  foil codex install --user"
)]
pub(super) struct InstallArgs {
    /// Write to your Codex home instead of this repository's folder .codex
    #[arg(long)]
    user: bool,
    /// Also write hooks, by which Codex asks foil before it uses a tool
    #[arg(long)]
    hooks: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    folder: &'static str,
    dry_run: bool,
    files: Vec<CodexFile>,
}

pub(super) fn run(args: &InstallArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let (folder, name) = if args.user {
        (CodexFolder::of_user()?, "user")
    } else {
        let work_dir = context.workspace()?.repository().work_dir().to_owned();
        (CodexFolder::Repository(work_dir), "repository")
    };
    let options = CodexFilesOptions {
        hooks: args.hooks,
        dry_run: args.dry_run,
    };
    let files = install_codex_files(&folder, options)?;
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.codex-install/1",
            folder: name,
            dry_run: args.dry_run,
            files,
        })?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = files
        .iter()
        .map(|file| {
            let because = file.because.map(reason).unwrap_or_default();
            vec![done(file.done).to_owned(), file.path.to_string(), because.to_owned()]
        })
        .collect();
    context.output.answer(&table(&rows, 0))?;
    context.output.story(&story(args, &files))?;
    Ok(Exit::Done)
}

fn story(args: &InstallArgs, files: &[CodexFile]) -> String {
    let mut story = String::from("\n");
    for file in files {
        if let Some(hint) = file.hint {
            story.push_str(&format!("{}: {}: {hint}\n", styled(NOTICE, "mind"), file.path));
        }
    }
    if args.dry_run {
        story.push_str("Nothing was written.\n");
        return story;
    }
    if files
        .iter()
        .any(|file| matches!(file.done, CodexFileDone::Created | CodexFileDone::Renewed))
    {
        story.push_str(&format!("\n{}\n", styled(HEADING, "Next")));
        if !args.user {
            story.push_str("  git add .codex && git commit -m \"Set up Codex\"\n");
        }
        story.push_str("  codex        reads a repository's folder .codex once you trust the project\n");
        if args.hooks {
            story.push_str("  /hooks       in Codex: look at the hooks and trust them; until then they do not run\n");
        }
    }
    story
}

/// The files of a work tree in two lines of `foil codex status`; none outside of a repository.
pub(super) fn summary(files: &[CodexFile]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let is_hooks = |file: &&CodexFile| file.path.file_name() == b"hooks.json";
    let (hooks, roles): (Vec<_>, Vec<_>) = files.iter().partition(is_hooks);
    let state = |files: &[&CodexFile], missing: &str| {
        if files.iter().all(|file| file.done == CodexFileDone::Created) {
            return format!("none; `{missing}` writes them");
        }
        let mut counts = BTreeMap::new();
        for file in files {
            *counts.entry(file.done).or_insert(0_usize) += 1;
        }
        let words: Vec<_> = counts
            .into_iter()
            .map(|(done, number)| {
                let files = count(number, "file", "files");
                match done {
                    CodexFileDone::Created => format!("{files} missing"),
                    CodexFileDone::Renewed => format!("{files} of an older foil"),
                    CodexFileDone::Unchanged => format!("{files} as foil writes them"),
                    CodexFileDone::Kept => format!("{files} of yours"),
                }
            })
            .collect();
        words.join(", ")
    };
    format!(
        "roles    {}\nhooks    {}\n",
        state(&roles, "foil codex install"),
        state(&hooks, "foil codex install --hooks")
    )
}

fn done(done: CodexFileDone) -> &'static str {
    match done {
        CodexFileDone::Created => "created",
        CodexFileDone::Renewed => "renewed",
        CodexFileDone::Unchanged => "unchanged",
        CodexFileDone::Kept => "kept",
    }
}

fn reason(because: KeptBecause) -> &'static str {
    match because {
        KeptBecause::Edited => "edited since foil wrote it",
        KeptBecause::Foreign => "not by foil",
        KeptBecause::NotAFile => "a link, or no plain file",
        KeptBecause::Unreadable => "cannot be read",
    }
}
