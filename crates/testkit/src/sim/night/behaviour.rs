//! How the agent, and the people around it, behave about one ticket, and how the ticket has to end for it.

use fastrand::Rng;
use ledger_core::{AgentFailureClass, BlockerCode};

/// What is peculiar about one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Done after so many turns, all but the last of them reported as in progress.
    Honest { turns: u64 },
    /// So many turns fail like this before one works.
    Fails { class: AgentFailureClass, times: u32 },
    /// The checks fail on the first so many trees.
    ChecksFail { times: u32 },
    /// The reviewer refuses the first so many trees.
    Refused { times: u32 },
    /// The target is moved once by somebody else: while the worker is at work, or right before the push.
    TargetMoves { late: bool },
    /// It writes out of scope.
    OutOfScope,
    /// It writes a secret.
    Secret,
    /// It starts a command that nobody granted.
    Unsafe,
    /// It says that it cannot go on.
    SaysBlocked,
    /// It falls silent.
    Silent,
    /// It starts a command that never ends.
    Stuck,
    /// It starts commands without end.
    Flood,
    /// It does the same over and over.
    Repeats,
    /// It says that it goes on, and the tree stands still.
    SameTree,
    /// It says that it goes on, for ever.
    NeverDone,
    /// It spends more than a run may.
    Glutton,
    /// It says that it is done, and nothing differs.
    NoChange,
    /// It never gives a report.
    NoReport,
    /// The reviewer never gives a verdict.
    NoVerdict,
    /// It crashes in each turn.
    Crashes,
    /// It is not logged in.
    LoggedOut,
    /// Its model is not there.
    NoModel,
    /// Its provider refuses what it is asked.
    RefusedByProvider,
    /// What it is told fits into no conversation.
    Oversized,
    /// The base does not pass its own checks.
    BrokenBase,
    /// Somebody else has the delivery branch.
    BranchTaken,
    /// The ticket is edited while the run is under way.
    Edited,
    /// The remote does not take the push.
    PushRefused,
}

/// How a ticket has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Blocked(BlockerCode),
    /// It was never begun, because it waits for one that is not done.
    Waits,
}

/// Each kind of behaviour that a night is drawn from. Written down once more, so that one which is drawn no longer is missed.
pub(super) const KINDS: [&str; 35] = [
    "Honest",
    "Fails with Server",
    "Fails with Connection",
    "Fails with ContextWindow",
    "Fails with Crashed",
    "Fails with Protocol",
    "ChecksFail",
    "ChecksFail for ever",
    "Refused",
    "Refused for ever",
    "TargetMoves",
    "TargetMoves late",
    "OutOfScope",
    "Secret",
    "Unsafe",
    "SaysBlocked",
    "Silent",
    "Stuck",
    "Flood",
    "Repeats",
    "SameTree",
    "NeverDone",
    "Glutton",
    "NoChange",
    "NoReport",
    "NoVerdict",
    "Crashes",
    "LoggedOut",
    "NoModel",
    "RefusedByProvider",
    "Oversized",
    "BrokenBase",
    "BranchTaken",
    "Edited",
    "PushRefused",
];

impl Behaviour {
    /// What it is among [`KINDS`].
    pub(super) fn kind(self) -> String {
        match self {
            Self::Honest { .. } => "Honest".to_owned(),
            Self::Fails { class, .. } => format!("Fails with {class:?}"),
            Self::ChecksFail { times: u32::MAX } => "ChecksFail for ever".to_owned(),
            Self::ChecksFail { .. } => "ChecksFail".to_owned(),
            Self::Refused { times: u32::MAX } => "Refused for ever".to_owned(),
            Self::Refused { .. } => "Refused".to_owned(),
            Self::TargetMoves { late: false } => "TargetMoves".to_owned(),
            Self::TargetMoves { late: true } => "TargetMoves late".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Draws one: two of three tickets come to be done.
    pub(super) fn draw(chance: &mut Rng) -> Self {
        use AgentFailureClass::{Connection, ContextWindow, Crashed, Protocol, Server};
        let classes = [Server, Connection, ContextWindow, Crashed, Protocol];
        match chance.u8(0..100) {
            0..40 => Self::Honest {
                turns: chance.u64(1..4),
            },
            40..50 => match classes[chance.usize(0..classes.len())] {
                // Whether the provider is there again nobody knows but by asking.
                class @ (Server | Connection) => Self::Fails {
                    class,
                    times: chance.u32(1..8),
                },
                ContextWindow => Self::Fails {
                    class: ContextWindow,
                    times: 1,
                },
                class => Self::Fails {
                    class,
                    times: chance.u32(1..3),
                },
            },
            50..56 => Self::ChecksFail {
                times: chance.u32(1..3),
            },
            56..62 => Self::Refused {
                times: chance.u32(1..4),
            },
            62..66 => Self::TargetMoves { late: chance.bool() },
            66..68 => Self::ChecksFail { times: u32::MAX },
            68..70 => Self::Refused { times: u32::MAX },
            other => {
                let rest = [
                    Self::OutOfScope,
                    Self::Secret,
                    Self::Unsafe,
                    Self::SaysBlocked,
                    Self::Silent,
                    Self::Stuck,
                    Self::Flood,
                    Self::Repeats,
                    Self::SameTree,
                    Self::NeverDone,
                    Self::Glutton,
                    Self::NoChange,
                    Self::NoReport,
                    Self::NoVerdict,
                    Self::Crashes,
                    Self::LoggedOut,
                    Self::NoModel,
                    Self::RefusedByProvider,
                    Self::Oversized,
                    Self::BrokenBase,
                    Self::BranchTaken,
                    Self::Edited,
                    Self::PushRefused,
                ];
                rest[usize::from(other) % rest.len()]
            }
        }
    }

    /// How a ticket of this behaviour ends, where all that it waits for is done.
    pub(super) fn ending(self) -> Ending {
        Ending::Blocked(match self {
            Self::Honest { .. } | Self::Fails { .. } | Self::TargetMoves { .. } => return Ending::Done,
            Self::ChecksFail { times: u32::MAX } => BlockerCode::MaxIterations,
            Self::Refused { times: u32::MAX } => BlockerCode::RepairLimit,
            Self::ChecksFail { .. } | Self::Refused { .. } => return Ending::Done,
            Self::OutOfScope => BlockerCode::ScopeViolation,
            Self::Secret => BlockerCode::SecretFound,
            Self::Unsafe => BlockerCode::UnsafeAction,
            Self::SaysBlocked => BlockerCode::AgentBlocked,
            Self::Silent => BlockerCode::Stalled,
            Self::Stuck => BlockerCode::TurnTimeout,
            Self::Flood | Self::Repeats => BlockerCode::Livelock,
            Self::SameTree => BlockerCode::NoProgressLimit,
            Self::NeverDone => BlockerCode::MaxIterations,
            Self::Glutton => BlockerCode::BudgetExhausted,
            Self::NoChange => BlockerCode::NoChanges,
            Self::NoReport => BlockerCode::ReportInvalid,
            Self::NoVerdict => BlockerCode::ReviewFailed,
            Self::Crashes => BlockerCode::RunnerFailureLimit,
            Self::LoggedOut => BlockerCode::AgentAuth,
            Self::NoModel => BlockerCode::AgentModelUnavailable,
            Self::RefusedByProvider => BlockerCode::AgentRefused,
            Self::Oversized => BlockerCode::ContextOverBudget,
            Self::BrokenBase => BlockerCode::BaselineFailed,
            Self::BranchTaken => BlockerCode::BranchNameTaken,
            Self::Edited => BlockerCode::ApprovalStale,
            Self::PushRefused => BlockerCode::PushRejected,
        })
    }

    /// Whether it shows only where the delivery is pushed.
    pub(super) fn pushes(self) -> bool {
        matches!(self, Self::TargetMoves { .. } | Self::PushRefused)
    }

    /// Whether it shows only where there is a reviewer.
    pub(super) fn is_reviewed(self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NoVerdict)
    }

    /// The most iterations that such a ticket allows.
    pub(super) fn max_iterations(self) -> u32 {
        match self {
            Self::NeverDone | Self::ChecksFail { times: u32::MAX } => 4,
            _ => 30,
        }
    }
}
