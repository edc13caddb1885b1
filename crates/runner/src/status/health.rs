//! Whether somebody has to look: what a program that watches a repository asks for.

use ledger_core::{BlockerCode, TicketId};
use serde::Serialize;

use crate::daemon::DaemonTrouble;

use super::{MisfitStatus, PolicyStatus, TicketState, TicketStatus};

/// Whether runs work, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusHealth {
    /// The worst that is among the reasons.
    pub state: HealthState,
    /// Everything that somebody has to look at, the repository's first, then in the order of the tickets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<HealthReason>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Nobody has to look.
    Ok,
    /// Other tickets run, and somebody has to look at these.
    Degraded,
    /// Nothing runs, or something that is recorded is damaged.
    Error,
}

/// What somebody has to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReason {
    /// What it is.
    pub code: HealthCode,
    /// The ticket, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    /// Why the ticket's run stopped, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocker: Option<BlockerCode>,
    /// What was seen, in words.
    pub reason: String,
    /// What to do next, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

/// What a reason is about. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCode {
    /// Nothing runs before the user trusts the policy.
    PolicyNotTrusted,
    /// Less is free than the policy wants.
    DiskLow,
    /// The daemon's workers fail again and again.
    DaemonFailing,
    /// The daemon was at work, and is gone without a word.
    DaemonGone,
    /// A folder among the tickets is none.
    NoTicket,
    /// A file of a ticket cannot be read.
    TicketBroken,
    /// A journal or a receipt is damaged.
    RecordBroken,
    /// A run stopped for a reason.
    TicketBlocked,
    /// A runner was gone without a word, and nobody has taken up its run.
    RunnerGone,
}

impl HealthCode {
    /// How bad it is.
    pub fn state(self) -> HealthState {
        match self {
            Self::PolicyNotTrusted | Self::DiskLow | Self::DaemonFailing | Self::DaemonGone | Self::RecordBroken => {
                HealthState::Error
            }
            Self::NoTicket | Self::TicketBroken | Self::TicketBlocked | Self::RunnerGone => HealthState::Degraded,
        }
    }
}

/// How much is free, and how much has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// None where the system does not say.
    pub(super) free: Option<u64>,
    pub(super) least: u64,
}

impl StatusHealth {
    pub(super) fn of(
        policy: &PolicyStatus,
        room: Room,
        daemon: Option<&DaemonTrouble>,
        misfits: &[MisfitStatus],
        tickets: &[TicketStatus],
    ) -> Self {
        let mut reasons = Vec::new();
        if !policy.trusted {
            reasons.push(HealthReason {
                next_step: Some("foil trust".to_owned()),
                ..HealthReason::new(HealthCode::PolicyNotTrusted, "the policy is not trusted")
            });
        }
        if let Some(free) = room.free.filter(|free| *free < room.least) {
            let reason = format!("{} MiB free, and {} MiB must stay free", free >> 20, room.least >> 20);
            reasons.push(HealthReason {
                next_step: Some("foil clean".to_owned()),
                ..HealthReason::new(HealthCode::DiskLow, reason)
            });
        }
        reasons.extend(daemon.map(HealthReason::of_daemon));
        reasons.extend(misfits.iter().map(|misfit| {
            let reason = format!("`{}`: {}", misfit.path, misfit.reason);
            HealthReason::new(HealthCode::NoTicket, reason)
        }));
        reasons.extend(tickets.iter().filter_map(HealthReason::of));
        let state = reasons.iter().map(|reason| reason.code.state()).max();
        Self {
            state: state.unwrap_or(HealthState::Ok),
            reasons,
        }
    }
}

impl HealthReason {
    fn new(code: HealthCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            ticket: None,
            blocker: None,
            reason: reason.into(),
            next_step: None,
        }
    }

    fn of_daemon(trouble: &DaemonTrouble) -> Self {
        match trouble {
            DaemonTrouble::Failing { failures, last_end } => {
                let end = last_end.as_ref().map(|end| format!(", the last with {end}"));
                let reason = format!(
                    "the daemon's worker has failed {failures} times in a row{}",
                    end.unwrap_or_default()
                );
                Self {
                    next_step: Some("foil daemon status".to_owned()),
                    ..Self::new(HealthCode::DaemonFailing, reason)
                }
            }
            DaemonTrouble::Gone => Self {
                next_step: Some("foil daemon start".to_owned()),
                ..Self::new(
                    HealthCode::DaemonGone,
                    "the daemon was at work, and is gone without a word",
                )
            },
        }
    }

    fn of(ticket: &TicketStatus) -> Option<Self> {
        let reason = match &ticket.state {
            TicketState::Blocked(blocked) => Self {
                blocker: Some(blocked.code),
                next_step: Some(blocked.next_step.clone()),
                ..Self::new(HealthCode::TicketBlocked, blocked.reason.clone())
            },
            TicketState::Paused(paused) if paused.cause == "crash" => Self {
                next_step: Some(paused.next_step.clone()),
                ..Self::new(HealthCode::RunnerGone, "its runner was gone without a word")
            },
            TicketState::Broken(broken) => {
                let (code, reason) = match &broken.path {
                    Some(path) => (HealthCode::TicketBroken, format!("`{path}`: {}", broken.reason)),
                    None => (HealthCode::RecordBroken, broken.reason.clone()),
                };
                Self {
                    next_step: broken.hint.clone(),
                    ..Self::new(code, reason)
                }
            }
            _ => return None,
        };
        Some(Self {
            ticket: Some(ticket.id.clone()),
            ..reason
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(trusted: bool, free: Option<u64>) -> StatusHealth {
        let digest = ledger_core::Digest::of("policy");
        let room = Room { free, least: 2 << 30 };
        StatusHealth::of(&PolicyStatus { digest, trusted }, room, None, &[], &[])
    }

    #[test]
    fn a_full_disk_is_an_error_and_one_that_is_not_known_is_none() {
        assert_eq!(health(true, None).state, HealthState::Ok);
        assert_eq!(health(true, Some(2 << 30)).reasons, []);
        let low = health(true, Some(1 << 30));
        assert_eq!(
            (low.state, low.reasons[0].code),
            (HealthState::Error, HealthCode::DiskLow)
        );
        assert_eq!(low.reasons[0].reason, "1024 MiB free, and 2048 MiB must stay free");
    }

    #[test]
    fn a_daemon_that_fails_again_and_again_or_is_gone_is_an_error() {
        let digest = ledger_core::Digest::of("policy");
        let room = Room { free: None, least: 0 };
        let policy = PolicyStatus { digest, trusted: true };
        let of = |trouble: DaemonTrouble| StatusHealth::of(&policy, room, Some(&trouble), &[], &[]);
        let failing = of(DaemonTrouble::Failing {
            failures: 3,
            last_end: Some("exit code 1".to_owned()),
        });
        assert_eq!(failing.state, HealthState::Error);
        assert_eq!(
            failing.reasons[0].reason,
            "the daemon's worker has failed 3 times in a row, the last with exit code 1"
        );
        let gone = of(DaemonTrouble::Gone);
        assert_eq!(
            (gone.state, gone.reasons[0].code),
            (HealthState::Error, HealthCode::DaemonGone)
        );
    }

    #[test]
    fn the_worst_reason_counts() {
        let both = health(false, Some(0));
        let codes: Vec<_> = both.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, [HealthCode::PolicyNotTrusted, HealthCode::DiskLow]);
        assert_eq!(both.state, HealthState::Error);
    }
}
