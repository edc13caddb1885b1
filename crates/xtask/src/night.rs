//! Simulated nights, or the real one in small.

use std::num::NonZero;
use std::process::Command;

use clap::Args;

use crate::command::{cargo, succeed};
use crate::e2e;
use crate::error::TaskError;
use crate::workspace::Workspace;

const SEEDS: u64 = 20;
const TICKETS: u64 = 1000;
const FIRST_SEED: u64 = 1;

/// Which nights.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Nights {
    /// How many, each from a seed of its own [default: 20, or 1 where a seed is named]
    #[arg(long, value_name = "N")]
    seeds: Option<NonZero<u64>>,
    /// How many tickets each of them has [default: 1000]
    #[arg(long, value_name = "N")]
    tickets: Option<NonZero<u64>>,
    /// The seed of the first [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// The test of twenty tickets with the real Codex and a runner that is really killed instead; `NIGHT_SEED` chooses when
    #[arg(long, conflicts_with_all = ["seeds", "tickets", "seed"])]
    real: bool,
}

pub(crate) fn run(workspace: &Workspace, nights: &Nights) -> Result<(), TaskError> {
    if nights.real {
        return e2e::run(workspace, &["-E".to_owned(), "test(/^night::/)".to_owned()]);
    }
    let seeds = match nights.seed {
        Some(_) => 1,
        None => SEEDS,
    };
    let numbers = [
        nights.seed.unwrap_or(FIRST_SEED),
        nights.seeds.map_or(seeds, NonZero::get),
        nights.tickets.map_or(TICKETS, NonZero::get),
    ];
    spend(workspace, "night", numbers)
}

/// What a change has to pass: always the same seeds, few enough to be waited for as the tests were built.
pub(crate) fn cut(workspace: &Workspace) -> Result<(), TaskError> {
    spend(workspace, "dev", [FIRST_SEED, SEEDS, 200])
}

/// First seed, seeds and tickets.
fn spend(workspace: &Workspace, profile: &str, numbers: [u64; 3]) -> Result<(), TaskError> {
    succeed(command(workspace, profile, numbers))
}

/// What spends them: first seed, seeds and tickets.
pub(crate) fn command(workspace: &Workspace, profile: &str, numbers: [u64; 3]) -> Command {
    let program = ["--package", "testkit", "--features", "night", "--example", "night"];
    let mut command = cargo(workspace, &["run", "--profile", profile]);
    command
        .args(program)
        .arg("--")
        .args(numbers.map(|number| number.to_string()));
    command
}
