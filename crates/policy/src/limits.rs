//! The limits of a run: the policy's, tightened by the ticket's.

use ledger_core::{Duration, TicketLimits};

/// What a run may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most iterations.
    pub max_iterations: u32,
    /// The most repair rounds.
    pub max_repair_rounds: u32,
    /// Iterations in a row whose tree had occurred before.
    pub no_progress: u32,
    /// Turns in a row that fail for reasons outside the ticket.
    pub runner_failures: u32,
    /// Trees in a row on which checks fail; 0: no such limit.
    pub verification_failures: u32,
    /// How long a turn may take.
    pub turn_timeout: Duration,
    /// How long the agent may give no sign of life.
    pub idle_timeout: Duration,
    /// How long one command of the agent may take.
    pub command_timeout: Duration,
    /// How long a person has to answer a question of the worker's.
    pub answer_within: Duration,
    /// How often in a row the same actions may be done without an edited file in between; 0: no such limit.
    pub max_repeats: u32,
    /// The most tokens.
    pub max_tokens: u64,
    /// The most tokens of one turn; none: no such limit.
    pub turn_tokens: Option<u64>,
    /// How long a runner may be at work on the run.
    pub max_wall: Duration,
    /// At which part of tokens and time a warning is given, in percent.
    pub soft_percent: u8,
}

/// Whether so much of a limit is spent that somebody is warned, from `percent` of it on.
pub fn comes_near(spent: u64, limit: u64, percent: u8) -> bool {
    u128::from(spent) * 100 >= u128::from(limit) * u128::from(percent)
}

impl Default for Limits {
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
            soft_percent: 80,
        }
    }
}

impl Limits {
    /// These limits, each as tight as the tighter of the two says: a ticket never loosens one.
    pub fn tightened(mut self, ticket: &TicketLimits) -> Self {
        self.max_iterations = self.max_iterations.min(ticket.max_iterations.unwrap_or(u32::MAX));
        self.max_tokens = self.max_tokens.min(ticket.max_tokens.unwrap_or(u64::MAX));
        self.max_wall = ticket.max_wall.map_or(self.max_wall, |limit| limit.min(self.max_wall));
        self.turn_timeout = ticket
            .turn_timeout
            .map_or(self.turn_timeout, |limit| limit.min(self.turn_timeout));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_tightens_and_never_loosens() {
        let wide = TicketLimits {
            max_iterations: Some(99),
            max_tokens: Some(u64::MAX),
            ..TicketLimits::default()
        };
        assert_eq!(Limits::default().tightened(&wide), Limits::default());
        let tight = TicketLimits {
            max_iterations: Some(2),
            max_tokens: Some(10),
            max_wall: Some(Duration::minutes(1)),
            turn_timeout: Some(Duration::seconds(5)),
            max_rounds: None,
        };
        let limits = Limits::default().tightened(&tight);
        assert_eq!((limits.max_iterations, limits.max_tokens), (2, 10));
        assert_eq!(
            (limits.max_wall, limits.turn_timeout),
            (Duration::minutes(1), Duration::seconds(5))
        );
    }
}
