//! `[limits]`: where a run ends if nothing else ends it.

use ledger_core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::share::Share;

/// `[limits]`: where a run ends if nothing else ends it. A ticket may only tighten them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsPolicy {
    /// The most turns of a run
    #[schemars(range(min = 1, max = 1000))]
    pub max_iterations: u32,
    /// The most repair rounds after a review
    #[schemars(range(min = 0, max = 3))]
    pub max_repair_rounds: u32,
    /// Iterations in a row that end in a tree that had occurred before, or in what the run began with
    #[schemars(range(min = 1, max = 1000))]
    pub no_progress: u32,
    /// Turns in a row that fail for reasons outside the ticket
    #[schemars(range(min = 1, max = 1000))]
    pub runner_failures: u32,
    /// Trees in a row on which checks fail; 0: no limit
    #[schemars(range(min = 0, max = 1000))]
    pub verification_failures: u32,
    /// How long a turn may take
    pub turn_timeout: Duration,
    /// How long a turn may go without a sign of life: events of the agent, processor time, input and output, an open command; twice as long where a connection is
    /// open. Also how long its provider may not answer
    pub idle_timeout: Duration,
    /// How long a command of the worker may take
    pub command_timeout: Duration,
    /// How long a person has to answer a question of the worker's; then the default that the worker has named holds, and the run goes on
    pub answer_within: Duration,
    /// How often in a row the worker may do the same one to four actions without editing a file in between; 0: no limit
    #[schemars(range(min = 0, max = 10000))]
    pub max_repeats: u32,
    /// The most tokens of a run. A change that has passed its review is delivered all the same, without what is only useful, such as notes to memory
    #[schemars(range(min = 1))]
    pub max_tokens: u64,
    /// The most tokens of one turn
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_tokens: Option<u64>,
    /// How long a run may take. The time that the machine sleeps does not count, here and for turns, nor does it matter when its clock is set
    pub max_wall: Duration,
    /// The part of a limit at which a warning is given
    pub soft: Share,
    /// Runs of one ticket that may end in a blocker
    #[schemars(range(min = 1, max = 1000))]
    pub ticket_failures: u32,
    /// The most tokens that all runs of one `foil run` spend together with those of the 24 hours before it; then they are paused
    #[serde(skip_serializing_if = "Option::is_none")]
    pub night_tokens: Option<u64>,
    /// How long one `foil run` works at most, all workers of a daemon's night together; then its runs are paused
    #[serde(skip_serializing_if = "Option::is_none")]
    pub night_wall: Option<Duration>,
}

impl Default for LimitsPolicy {
    fn default() -> Self {
        Self {
            max_iterations: 30,
            max_repair_rounds: 3,
            no_progress: 5,
            runner_failures: 3,
            verification_failures: 0,
            turn_timeout: Duration::minutes(30),
            idle_timeout: Duration::minutes(10),
            command_timeout: Duration::minutes(30),
            answer_within: Duration::minutes(8 * 60),
            max_repeats: 25,
            max_tokens: 5_000_000,
            turn_tokens: None,
            max_wall: Duration::minutes(8 * 60),
            soft: Share::thousandths(800),
            ticket_failures: 5,
            night_tokens: None,
            night_wall: None,
        }
    }
}
