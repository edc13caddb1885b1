//! What the simulated world adds: more of it than can be had for real.

use std::num::NonZero;

use crate::command::Stream;
use crate::error::TaskError;
use crate::workspace::Workspace;
use crate::{command, night, sim};

/// How many tickets each night has.
pub(super) const TICKETS: u64 = 100;

/// Spends so many nights. Gives what they came to, and what does not hold.
pub(super) fn nights(workspace: &Workspace, seeds: NonZero<u64>) -> Result<(String, Vec<String>), TaskError> {
    summed_up(night::command(workspace, "night", [1, seeds.get(), TICKETS]))
}

/// Lets one ticket meet every fault, and every so manieth pair of deaths.
pub(super) fn deaths(workspace: &Workspace, pairs: NonZero<u64>) -> Result<(String, Vec<String>), TaskError> {
    summed_up(sim::command(workspace, "night", [1, 1, 1, pairs.get()]))
}

/// What a simulation says beside its line for each seed.
fn summed_up(simulation: std::process::Command) -> Result<(String, Vec<String>), TaskError> {
    let mut said = String::new();
    let ended = command::watch(simulation, Stream::Output, |line| {
        if !line.starts_with("seed ") {
            said.push_str(line);
        }
    });
    match ended {
        Ok(()) => Ok((said, Vec::new())),
        // It has said which seed it was, and how to try it again.
        Err(TaskError::Ended { .. }) if !said.trim().is_empty() => Ok((String::new(), vec![said])),
        Err(error) => Err(error),
    }
}
