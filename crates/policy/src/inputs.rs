//! What the next step is decided from, beside the run itself.

use jiff::SignedDuration;
use ledger_core::{
    Acceptance, Blocker, CoveredFile, Digest, Discovery, Duration, Grants, PauseCause, SourceLock, TreeId,
};

use crate::config::{Gates, Policy};
use crate::limits::Limits;
use crate::manager::ChildFact;
use crate::spec_trace::RequiredProof;

/// Everything that the next step depends on beside the run and the time. Frozen when the run is taken up, but for
/// `head` and `stop`.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The policy that the run works under.
    pub policy: Policy,
    /// What the policy wants of a ticket of this kind beside its checks.
    pub gates: Gates,
    /// What the ticket grants.
    pub grants: Grants,
    /// The ticket's acceptance items.
    pub acceptance: Vec<Acceptance>,
    /// What has to be proved for each accepted requirement of its specs; empty: it has none.
    pub required: Vec<RequiredProof>,
    /// The limits of policy and ticket together.
    pub limits: Limits,
    /// What was found before the run was opened.
    pub start: StartFacts,
    /// The checks that must pass on the base, by name.
    pub baseline: Vec<String>,
    /// The journal's head before the next line.
    pub head: Digest,
    /// Somebody asked the runner to leave.
    pub stop: Option<PauseCause>,
}

/// What was found before the run was opened; the first four phases are entered with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFacts {
    /// What a person consented to.
    pub lock: SourceLock,
    /// What the repository is like.
    pub discovery: Discovery,
    /// The tree of the base.
    pub base_tree: TreeId,
    /// The ticket's files as they are in the base, the approval among them.
    pub recorded: Vec<CoveredFile>,
    /// Digest of the ticket's plan, where it has one.
    pub plan: Option<Digest>,
    /// How the children of a parent stand.
    pub children: Vec<ChildFact>,
}

/// What should happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Record this event: a decision that needs nothing from the world.
    Record(ledger_core::Event),
    /// Record the intent and start this effect.
    Start(ledger_core::Effect),
    /// Nothing, until something happens or this much time has passed.
    Wait {
        /// When to decide again at the latest; none: only when something happens.
        until: Option<jiff::Timestamp>,
    },
    /// Nothing more.
    Finish(Outcome),
}

/// How the drive of a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The ticket is done.
    Done,
    /// The run stopped for a reason.
    Blocked(Blocker),
    /// A person ended it.
    Canceled,
    /// The runner was asked to leave; the next one goes on.
    Paused(PauseCause),
}

/// Whether a person, or whoever ends processes, waits for the runner to leave. Where only the night is over, nobody does.
pub fn is_hurried(stop: Option<PauseCause>) -> bool {
    matches!(
        stop,
        Some(PauseCause::Stop | PauseCause::Interrupt | PauseCause::Terminate)
    )
}

/// A duration as jiff has it.
pub(crate) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(duration.as_seconds()).unwrap_or(i64::MAX))
}
