//! `foil new`

use std::process::Command;

use clap::ValueEnum;
use ledger_core::{Kind, Mode, PackageName, RepoPath, TicketId};
use runner::{Draft, NewTicket, Workspace};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Make a draft ticket from a template
///
/// Writes ticket.toml and prompt.md into a new folder below the ledger's tickets. A draft runs only after `foil approve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil new \"Validate e-mail addresses on sign-up\"\n  foil new \"Fix the time zone of reminders\" --mode quick --kind bugfix --edit\n  foil new \"Limit sign-ups per address\" --spec\n  foil new \"Try it\" --stdout"
)]
pub(crate) struct NewArgs {
    /// What the change is, in one line
    title: String,
    /// The id, else the next free number and the title's words
    #[arg(long, value_name = "ID")]
    id: Option<TicketId>,
    /// How much discipline the change needs
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeArg>,
    /// What kind of change it is
    #[arg(long, value_name = "KIND")]
    kind: Option<KindArg>,
    /// The ticket that it is a part of
    #[arg(long, value_name = "TICKET")]
    parent: Option<TicketId>,
    /// The package that it belongs to
    #[arg(long, value_name = "PACKAGE")]
    package: Option<PackageName>,
    /// With requirements, design, tasks and delta, which begin as skeletons below the ledger's specs/changes
    #[arg(long)]
    spec: bool,
    /// Open the draft in $VISUAL or $EDITOR
    #[arg(long, conflicts_with_all = ["stdout", "json"])]
    edit: bool,
    /// Only print the contract, write nothing
    #[arg(long, conflicts_with = "json")]
    stdout: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ModeArg {
    Loop,
    Quick,
    Standard,
    Expert,
    BoundedRounds,
    Research,
    Parent,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Loop => Self::Loop,
            ModeArg::Quick => Self::Quick,
            ModeArg::Standard => Self::Standard,
            ModeArg::Expert => Self::Expert,
            ModeArg::BoundedRounds => Self::BoundedRounds,
            ModeArg::Research => Self::Research,
            ModeArg::Parent => Self::Parent,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Feature,
    Bugfix,
    Refactor,
    Test,
    Documentation,
    Diagnosis,
    Cleanup,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Feature => Self::Feature,
            KindArg::Bugfix => Self::Bugfix,
            KindArg::Refactor => Self::Refactor,
            KindArg::Test => Self::Test,
            KindArg::Documentation => Self::Documentation,
            KindArg::Diagnosis => Self::Diagnosis,
            KindArg::Cleanup => Self::Cleanup,
        }
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    files: Vec<&'a RepoPath>,
}

pub(super) fn run(args: &NewArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let draft = Draft::new(
        &workspace,
        &NewTicket {
            title: args.title.clone(),
            id: args.id.clone(),
            mode: args.mode.map(Mode::from),
            kind: args.kind.map(Kind::from),
            parent: args.parent.clone(),
            package: args.package.clone(),
            spec: args.spec,
        },
    )?;
    if args.stdout {
        for (path, text) in &draft.files {
            if path.file_name() == b"ticket.toml" {
                context.output.document(text.as_bytes())?;
            }
        }
        return Ok(Exit::Done);
    }
    let draft = draft.write(&workspace)?;
    if args.edit {
        edit(&workspace, &draft)?;
    }
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.new/1",
            ticket: &draft.id,
            files: draft.files.keys().collect(),
        })?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{}\n", draft.id);
    context.output.answer(&text)?;
    text.clear();
    for path in draft.files.keys() {
        text.push_str(&format!("  {path}\n"));
    }
    text.push_str(&format!(
        "Say in them what shall change and where, then `foil check {0}` and `foil approve {0}`.\n",
        draft.id
    ));
    context.output.story(&text)?;
    Ok(Exit::Done)
}

/// Opens both files in the user's editor, which may be a command line such as `code --wait`.
fn edit(workspace: &Workspace, draft: &Draft) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|editor| !editor.trim().is_empty())
        .ok_or_else(|| Failure::Editor {
            editor: "$EDITOR".to_owned(),
            reason: "neither VISUAL nor EDITOR is set".to_owned(),
        })?;
    let failed = |reason: String| Failure::Editor {
        editor: editor.clone(),
        reason,
    };
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg("sh")
        .args(draft.files.keys().filter_map(|path| path.to_str()))
        .current_dir(workspace.repository().work_dir())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string()))
    }
}
