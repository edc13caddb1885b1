//! One file a verb.

pub(crate) mod accept;
pub(crate) mod answer;
pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod codex;
mod codex_install;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod deliver;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
mod explain_code;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod package;
pub(crate) mod plan;
pub(crate) mod reject;
pub(crate) mod review;
pub(crate) mod run;
pub(crate) mod run_choice;
pub(crate) mod schema;
pub(crate) mod service;
mod since;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod trust;
pub(crate) mod verify;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use runner::{Settings, Workspace};

use crate::args::{Command, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// How it speaks.
    pub(crate) output: &'a Output,
    directory: PathBuf,
    work_dir: OnceLock<PathBuf>,
}

impl<'a> Context<'a> {
    /// The context of a command that was started with these settings.
    pub(crate) fn new(global: &Global, output: &'a Output) -> Self {
        Self {
            output,
            directory: global.directory.clone().unwrap_or_else(|| PathBuf::from(".")),
            work_dir: OnceLock::new(),
        }
    }

    /// The folder that the command works in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The work tree's root, once a workspace was opened.
    pub(crate) fn work_dir(&self) -> Option<&Path> {
        self.work_dir.get().map(PathBuf::as_path)
    }

    /// The repository around the folder in which the command was started. Opened only by verbs that need one.
    pub(crate) fn workspace(&self) -> Result<Workspace, Failure> {
        // Without `..` and links, which searching upwards does not go well with.
        let from = self.directory.canonicalize()?;
        let workspace = Workspace::open(&from, &Settings::from_environment()?)?;
        self.work_dir
            .get_or_init(|| workspace.repository().work_dir().to_owned());
        Ok(workspace)
    }
}

/// Carries out a verb.
pub(crate) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    if !context.directory.is_dir() {
        let folder = context.directory.display();
        return Err(Failure::Usage(format!(
            "there is no folder `{folder}`, which `-C` names"
        )));
    }
    let answers_in_text = matches!(command, Command::Completions(_) | Command::Demo(_) | Command::Man(_));
    if context.output.is_json() && answers_in_text {
        return Err(Failure::Usage(
            "this verb answers in text only: leave `--json` out".to_owned(),
        ));
    }
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Trust(args) => trust::run(args, context),
        Command::New(args) => new::run(args, context),
        Command::Plan(args) => plan::run(args, context),
        Command::Package(args) => package::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Approve(args) => approve::run(args, context),
        Command::Cancel(args) => cancel::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Run(args) => run::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Events(args) => events::run(args, context),
        Command::Logs(args) => logs::run(args, context),
        Command::Review(args) => review::run(args, context),
        Command::Accept(args) => accept::run(args, context),
        Command::Reject(args) => reject::run(args, context),
        Command::Answer(args) => answer::run(args, context),
        Command::Deliver(args) => deliver::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Stop(args) => stop::run(args, context),
        Command::Daemon(args) => daemon::run(args, context),
        Command::Service(args) => service::run(args, context),
        Command::Clean(args) => clean::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Codex(args) => codex::run(args, context),
        Command::Hook(args) => hook::run(args, context),
        Command::Schema(args) => schema::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Man(args) => man::run(args, context),
    }
}
