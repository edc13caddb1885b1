//! One simulated ticket, and every fault at every operation.

use std::num::NonZero;
use std::process::Command;

use clap::Args;

use crate::command::{cargo, succeed};
use crate::error::TaskError;
use crate::workspace::Workspace;

const FIRST_SEED: u64 = 1;

/// How much is tried.
#[derive(Debug, Clone, Args)]
pub(crate) struct Simulation {
    /// How many tickets, each from a seed of its own, and each in every way of delivery
    #[arg(long, value_name = "N", default_value = "1")]
    seeds: NonZero<u64>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = FIRST_SEED)]
    seed: u64,
    /// Only every so manieth first death, with every so manieth second one; 0 for no pairs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pairs: u64,
    /// One case again, as it was printed
    #[arg(long, value_name = "CASE", conflicts_with_all = ["seeds", "seed", "pairs"])]
    replay: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, simulation: &Simulation) -> Result<(), TaskError> {
    if let Some(case) = &simulation.replay {
        let mut command = program(workspace, "night");
        command.args(["replay", case]);
        return succeed(command);
    }
    let numbers = [simulation.seed, simulation.seeds.get(), 1, simulation.pairs];
    search(workspace, "night", numbers)
}

/// What a change has to pass: always the same part of it, with the tests' own build.
pub(crate) fn cut(workspace: &Workspace) -> Result<(), TaskError> {
    search(workspace, "dev", [FIRST_SEED, 1, 4, 17])
}

/// First seed, seeds, and every so manieth single fault, and death of a pair.
fn search(workspace: &Workspace, profile: &str, numbers: [u64; 4]) -> Result<(), TaskError> {
    succeed(command(workspace, profile, numbers))
}

/// What searches them: first seed, seeds, and every so manieth single fault, and death of a pair.
pub(crate) fn command(workspace: &Workspace, profile: &str, numbers: [u64; 4]) -> Command {
    let mut command = program(workspace, profile);
    command.arg("search").args(numbers.map(|number| number.to_string()));
    command
}

fn program(workspace: &Workspace, profile: &str) -> Command {
    let program = ["--package", "testkit", "--features", "night", "--example", "sim"];
    let mut command = cargo(workspace, &["run", "--profile", profile]);
    command.args(program).arg("--");
    command
}
