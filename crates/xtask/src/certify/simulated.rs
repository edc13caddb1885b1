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

/// Another ticket, another worker and other delays: of their pairs only every so manieth first death with every so manieth second one.
const SECOND_SEED: (u64, u64) = (2, 5);

/// Lets one ticket meet every fault, and every so manieth pair of deaths; and another every fault, and fewer pairs.
pub(super) fn deaths(workspace: &Workspace, pairs: NonZero<u64>) -> Result<(String, Vec<String>), TaskError> {
    let (second, fewer) = SECOND_SEED;
    let mut figures = Vec::new();
    let mut broken = Vec::new();
    for (seed, every) in [(1, pairs.get()), (second, pairs.get().saturating_mul(fewer))] {
        let (said, found) = summed_up(sim::command(workspace, "night", [seed, 1, 1, every]))?;
        if found.is_empty() {
            let pairs = match every {
                1 => "every pair".to_owned(),
                _ => format!("one of {} pairs", every.saturating_mul(every)),
            };
            figures.push(format!(
                "- seed {seed}, {pairs}: {}",
                said.trim().trim_start_matches("in all: ")
            ));
        }
        broken.extend(found);
    }
    Ok((figures.join("\n"), broken))
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
