//! `foil codex`

use clap::Subcommand;
use git_delivery::RepositoryError;
use ledger_core::{AgentKind, BlockerCode};
use policy::Policy;
use runner::{
    AgentProblem, CodexFile, CodexFileDone, CodexFilesOptions, CodexFolder, CodexStatus, PreparedCodex, StateRoots,
    WorkspaceError, codex_login, codex_status, install_codex_files,
};
use serde::Serialize;

use super::{Context, codex_install};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, NOTICE, plain, styled};

/// Set up Codex: the one of runs, and your own
///
/// Runs use a Codex home of their own, apart from yours, so that your hooks, MCP servers and rules never act in a run. By default
/// it uses your own Codex login.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil codex status\n  foil codex login\n  foil codex login -- --help\n  foil codex install --dry-run\n  \
                        foil codex install --hooks"
)]
pub(crate) struct CodexArgs {
    #[command(subcommand)]
    verb: CodexVerb,
}

#[derive(Debug, Subcommand)]
enum CodexVerb {
    /// Log in with a login that only runs use; yours stays as it is
    #[command(after_help = "Examples:\n  foil codex login\n  foil codex login -- --device-auth")]
    Login {
        /// Further arguments for `codex login`
        #[arg(last = true, value_name = "ARGUMENT")]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Show version, login and sandbox, and which of our files your Codex has
    #[command(after_help = "Examples:\n  foil codex status\n  foil codex status --json")]
    Status,
    /// Write the roles of a ticket for the Codex that you use yourself; what is yours is left as it is
    Install(codex_install::InstallArgs),
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    #[serde(flatten)]
    status: &'a CodexStatus,
    /// The files of this work tree that `foil codex install --hooks` would write, and how they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileState>,
}

#[derive(Debug, Serialize)]
struct FileState {
    path: ledger_core::RepoPath,
    state: &'static str,
}

pub(super) fn run(args: &CodexArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    if let CodexVerb::Install(args) = &args.verb {
        return codex_install::run(args, context);
    }
    let mut files = Vec::new();
    let (policy, trusted, codex_home) = match context.workspace() {
        Ok(workspace) => {
            let (policy, trusted) = workspace.policy_to_look_at_agent()?;
            let folder = CodexFolder::Repository(workspace.repository().work_dir().to_owned());
            let look = CodexFilesOptions {
                hooks: true,
                dry_run: true,
            };
            files = install_codex_files(&folder, look)?;
            (policy.clone(), trusted, workspace.roots().codex_home())
        }
        // The home is the user's and no repository's.
        Err(Failure::Workspace(WorkspaceError::Repository(RepositoryError::NotARepository { .. }))) => {
            let roots = StateRoots::from_environment(context.directory())?;
            (Policy::default(), true, roots.codex_home())
        }
        Err(failure) => return Err(failure),
    };
    if !matches!(policy.agent.kind, AgentKind::Codex | AgentKind::CodexExec) {
        return Err(Failure::Agent(AgentProblem {
            code: BlockerCode::AgentUnavailable,
            reason: "the policy's agent is not Codex".to_owned(),
            hint: "set `[agent] kind` to `codex`".to_owned(),
        }));
    }
    if !trusted {
        let text =
            "you have not trusted this policy, so what it names as its agent is not started: this is `codex` in PATH";
        context.output.story(&format!("{}: {text}\n", styled(NOTICE, "mind")))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let codex = runtime
        .block_on(PreparedCodex::find(&policy, &codex_home))
        .map_err(Failure::Agent)?;
    let CodexVerb::Login { arguments } = &args.verb else {
        let status = runtime.block_on(codex_status(&codex));
        return show(&status, files, context);
    };
    let done = runtime.block_on(codex_login(&codex, &codex_home, arguments))?;
    if !done {
        context
            .output
            .error(&format!("{}: codex did not log in\n", styled(BAD, "error")))?;
        return Ok(Exit::Failed);
    }
    context.output.story("Runs use this login now.\n")?;
    Ok(Exit::Done)
}

fn show(status: &CodexStatus, files: Vec<CodexFile>, context: &Context<'_>) -> Result<Exit, Failure> {
    let exit = if status.works() { Exit::Done } else { Exit::Refused };
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.codex/1",
            status,
            files: files
                .into_iter()
                .map(|file| FileState {
                    path: file.path,
                    state: match file.done {
                        CodexFileDone::Created => "missing",
                        CodexFileDone::Renewed => "outdated",
                        CodexFileDone::Unchanged => "installed",
                        CodexFileDone::Kept => "yours",
                    },
                })
                .collect(),
        })?;
        return Ok(exit);
    }
    let mut text = format!("version  {}\n", status.version);
    if let Some(warning) = &status.warning {
        text.push_str(&format!("         {}\n", styled(NOTICE, plain(warning))));
    }
    for (what, state) in [("login", &status.login), ("sandbox", &status.sandbox)] {
        let sign = if state.works {
            styled(GOOD, "ok")
        } else {
            styled(BAD, "no")
        };
        text.push_str(&format!("{what:<8} {sign}: {}\n", plain(&state.detail)));
        if let Some(hint) = &state.hint {
            text.push_str(&format!("         {}\n", plain(hint)));
        }
    }
    text.push_str(&codex_install::summary(&files));
    context.output.answer(&text)?;
    Ok(exit)
}
