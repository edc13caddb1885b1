//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;

/// Lets Codex work unattended on approved tickets, checks and reviews the result, and keeps the proof
#[derive(Debug, Parser)]
#[command(
    name = "foil",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done or nothing to do, 1 an error of ours or the machine's, 2 wrong usage, 3 invalid policy or \
                  ticket, 10 blocked, 11 not allowed now, 12 verification failed, 130/143 interrupted."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb understands.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Work as if started in this folder
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        global = true,
        help_heading = "Everywhere"
    )]
    pub(crate) directory: Option<PathBuf>,
    /// Answer with one JSON document
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Only the answer and errors, no story
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// When to use colours; NO_COLOR counts too
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        help_heading = "Everywhere"
    )]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::InitArgs),
    Trust(commands::trust::TrustArgs),
    New(commands::new::NewArgs),
    Plan(commands::plan::PlanArgs),
    Package(commands::package::PackageArgs),
    Check(commands::check::CheckArgs),
    Approve(commands::approve::ApproveArgs),
    Cancel(commands::cancel::CancelArgs),
    Explain(commands::explain::ExplainArgs),
    Run(commands::run::RunArgs),
    Status(commands::status::StatusArgs),
    Events(commands::events::EventsArgs),
    Logs(commands::logs::LogsArgs),
    Review(commands::review::ReviewArgs),
    Accept(commands::accept::AcceptArgs),
    Reject(commands::reject::RejectArgs),
    Answer(commands::answer::AnswerArgs),
    Deliver(commands::deliver::DeliverArgs),
    Verify(commands::verify::VerifyArgs),
    Stop(commands::stop::StopArgs),
    Daemon(commands::daemon::DaemonArgs),
    Service(commands::service::ServiceArgs),
    Clean(commands::clean::CleanArgs),
    Doctor(commands::doctor::DoctorArgs),
    Codex(commands::codex::CodexArgs),
    Hook(commands::hook::HookArgs),
    Schema(commands::schema::SchemaArgs),
    Completions(commands::completions::CompletionsArgs),
    Demo(commands::demo::DemoArgs),
    Man(commands::man::ManArgs),
}
