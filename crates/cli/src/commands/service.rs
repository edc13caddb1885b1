//! `foil service`

use clap::Subcommand;
use runner::{DaemonFiles, Service, ServiceCommand, ServiceFolders, ServiceManager, StateError, running_daemon};
use serde::Serialize;

use super::Context;
use super::daemon::{WorkerArgs, daemon_command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, NOTICE, plain, styled};

/// Have the daemon of this clone started whenever you log in
///
/// Writes a user unit for systemd, or an agent for launchd on macOS, and starts it. It finds programs where this shell finds them now; no
/// other variable of the environment goes into the file but XDG_STATE_HOME, XDG_CONFIG_HOME, CODEX_HOME, LANG and TZ.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil service install --jobs 4\n  foil service install --print     only show the file\n  foil service status\n  foil service uninstall\n\nFor a machine that nobody is logged in to: `loginctl enable-linger` starts your services with it."
)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    verb: ServiceVerb,
}

#[derive(Debug, Subcommand)]
enum ServiceVerb {
    /// Write the file of the service and start it; again: with other options
    #[command(after_help = "Examples:\n  foil service install\n  foil service install --jobs 4 --print")]
    Install {
        #[command(flatten)]
        worker: WorkerArgs,
        /// Only print the file
        #[arg(long)]
        print: bool,
    },
    /// Whether it is installed, and what the service manager says of it
    #[command(after_help = "Examples:\n  foil service status --json")]
    Status,
    /// Stop it and take its file away
    #[command(after_help = "Examples:\n  foil service uninstall")]
    Uninstall,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    name: String,
    installed: bool,
    /// What the service manager says, where it is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Whether a daemon of this clone runs, whoever started it.
    running: bool,
}

pub(super) fn run(args: &ServiceArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let repository = workspace.repository();
    let folders = ServiceFolders::from_environment().ok_or(Failure::State(StateError::NoHome))?;
    let manager = ServiceManager::of_this_system();
    let service = Service::new(manager, repository.common_dir(), repository.work_dir(), &folders);
    match &args.verb {
        ServiceVerb::Install { worker, print } => {
            workspace.policy()?;
            let (program, arguments) = daemon_command(worker, &workspace)?;
            let command = ServiceCommand {
                program,
                arguments,
                directory: repository.work_dir().to_owned(),
            };
            let text = service.text(&command, |name| std::env::var_os(name))?;
            if *print {
                context.output.document(text.as_bytes())?;
                return Ok(Exit::Done);
            }
            service.install(&text)?;
            if !context.output.is_json() {
                context.output.answer(&format!(
                    "{} {}\n  file:  {}\n  next:  `foil daemon status`; `foil service uninstall` takes it away\n",
                    styled(GOOD, "installed"),
                    service.name(),
                    service.file().display()
                ))?;
            }
        }
        ServiceVerb::Status => {}
        ServiceVerb::Uninstall => {
            let was_there = service.uninstall()?;
            if !context.output.is_json() {
                context.output.answer(&match was_there {
                    true => format!("{} {}\n", styled(GOOD, "removed"), service.name()),
                    false => "Nothing to do: no service of this clone is installed.\n".to_owned(),
                })?;
            }
        }
    }
    if !context.output.is_json() && !matches!(args.verb, ServiceVerb::Status) {
        return Ok(Exit::Done);
    }
    let is_installed = service.is_installed();
    let state = is_installed.then(|| service.state()).transpose()?;
    let is_running = running_daemon(&DaemonFiles::of(workspace.roots())).is_some();
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.service/1",
            name: service.name().to_owned(),
            installed: is_installed,
            state,
            running: is_running,
        })?;
    } else {
        context.output.answer(&match &state {
            None => format!(
                "{}: `foil service install` installs it\n",
                styled(NOTICE, "not installed")
            ),
            Some(state) => format!("{} {}: {}\n", styled(GOOD, "installed"), service.name(), plain(state)),
        })?;
        context.output.answer(match is_running {
            true => "the daemon runs\n",
            false => "the daemon does not run\n",
        })?;
    }
    Ok(match args.verb {
        ServiceVerb::Status if !is_installed => Exit::Blocked,
        _ => Exit::Done,
    })
}
