//! Tasks for people who work on Counterfoil itself. Run them as `cargo xtask <task>`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for contributors speaks to their terminal"
)]

mod bench;
mod certify;
mod ci;
mod codex;
mod command;
mod deny;
mod e2e;
mod error;
mod fuzz;
mod hygiene;
mod night;
mod package;
mod purity;
mod reference;
mod release;
mod schemas;
mod sim;
mod test;
mod troubleshooting;
mod unused;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::workspace::Workspace;

/// Tasks for people who work on Counterfoil itself.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that a change must pass, in one go
    Ci,
    /// All tests, doc examples included
    Test,
    /// Write `schemas/*.schema.json`, `docs/reference.md` and `docs/troubleshooting.md` from the Rust types
    Schemas {
        /// Change nothing; fail where a file differs from its type
        #[arg(long)]
        check: bool,
    },
    /// Prove that the pure crates do no I/O, read no clock and use no randomness
    Purity,
    /// Licences, banned crates and sources of all dependencies
    Deny,
    /// Dependencies that are declared and not used
    Unused,
    /// Fetch the pinned Codex into the target folder, and print where it is
    Codex,
    /// The tests that drive the real Codex; further arguments go to cargo-nextest
    E2e {
        /// Such as the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Spend simulated nights of many tickets, each from a seed; one that goes wrong is printed with the command that repeats it
    Night(night::Nights),
    /// Let the runner of one simulated ticket meet every fault at every operation and every two deaths; one that goes wrong is shrunk and printed with the command that repeats it
    Sim(sim::Simulation),
    /// Measure the release program beside plain tools, and print a table of medians and ratios
    Bench {
        /// Groups of rows, such as `status`; without any all. `liveness`, and journals to look at: how often agents would be ended wrongly
        names: Vec<String>,
        /// Smaller worlds and fewer rounds
        #[arg(long)]
        quick: bool,
    },
    /// Let the real program die at every point that it passes, and count what is lost, doubled or left over
    Certify(certify::Certificate),
    /// The tests of the command, and how much of what it shows and keeps they looked at for what must not leave the machine
    Hygiene {
        /// Further arguments go to cargo-nextest, such as the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Give what reads bytes from outside bytes that nobody has thought of
    Fuzz(fuzz::Fuzzing),
    /// Package every published crate and build it from its package
    Package,
    /// Build the program twice to the same bytes, with the bill of what it is made of; and hold the interfaces against the last release
    Release,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Workspace::find().and_then(|workspace| run(&workspace, &arguments.task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(workspace: &Workspace, task: &Task) -> Result<(), TaskError> {
    match task {
        Task::Ci => ci::run(workspace),
        Task::Test => test::run(workspace),
        Task::Schemas { check: false } => schemas::write(workspace),
        Task::Schemas { check: true } => schemas::check(workspace),
        Task::Purity => purity::run(workspace),
        Task::Deny => deny::run(workspace),
        Task::Unused => unused::run(workspace),
        Task::Codex => codex::fetch(workspace).map(|program| println!("{}", program.display())),
        Task::E2e { arguments } => e2e::run(workspace, arguments),
        Task::Night(nights) => night::run(workspace, nights),
        Task::Sim(simulation) => sim::run(workspace, simulation),
        Task::Bench { names, quick } => bench::run(workspace, names, *quick),
        Task::Certify(certificate) => certify::run(workspace, certificate),
        Task::Hygiene { arguments } => hygiene::run(workspace, arguments),
        Task::Fuzz(fuzzing) => fuzz::run(workspace, fuzzing),
        Task::Package => package::run(workspace),
        Task::Release => release::run(workspace),
    }
}
