//! What runs and plans left that nobody needs any more: places, live run folders whose run is kept in Git, anchors of what
//! branches hold anyway, what planners said, and old conversations. Nothing that can go on, and nothing that is kept nowhere else, is ever removed.

mod apply;
mod budget;
mod conversations;
mod places;
mod plan;
mod plans;
mod size;

use git_delivery::Anchor;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{PackageName, RunId, TicketId};
use serde::Serialize;

pub use apply::{CleanFailure, CleanReport, apply_clean};
pub use budget::{MadeRoom, make_room, used_bytes};
pub use plan::plan_clean;

use crate::run_history::HistoryError;

/// How old the live folder of a run must be, if nothing else is said: its logs are kept nowhere else.
pub const KEEP_LOGS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How old a place without a run must be, if nothing else is said: a run that is just starting makes its place first.
const KEEP_ORPHANS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanOptions {
    /// How many of each ticket's latest runs are left alone.
    pub keep: usize,
    /// Only what is at least so old. Without, places of ended runs go at once and the rest after some days.
    pub older_than: Option<SignedDuration>,
    /// The time that ages are counted from.
    pub now: Timestamp,
}

/// What could go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanPlan {
    /// What could go: of runs, ticket by ticket, oldest run first; then of plans, and of Codex.
    pub items: Vec<CleanItem>,
    /// What looks as if it could go and stays.
    pub kept: Vec<KeptItem>,
}

impl CleanPlan {
    /// The bytes that would become free.
    pub fn bytes(&self) -> u64 {
        self.items.iter().fold(0, |sum, item| sum.saturating_add(item.bytes))
    }
}

/// Something that could go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanItem {
    /// What it is.
    pub kind: CleanKind,
    /// Whose it is.
    #[serde(flatten)]
    pub of: CleanOwner,
    /// The bytes that it takes; for a folder that is too large to look at whole, at least so many.
    pub bytes: u64,
    /// Why nobody needs it.
    pub why: String,
    /// The names of the anchors, where it is about anchors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<String>,
    /// When a runner used it last, as far as is known.
    #[serde(skip)]
    pub(crate) last_used: Timestamp,
    #[serde(skip)]
    pub(crate) held: Vec<Anchor>,
}

/// Whose something is that could go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CleanOwner {
    /// A run's.
    Run {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
    },
    /// That of the plans of a package.
    Plan {
        /// The package.
        package: PackageName,
    },
    /// That of the Codex home that all runs of the user share.
    Codex {
        /// How many conversations it is.
        conversations: usize,
    },
}

impl std::fmt::Display for CleanOwner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run { ticket, run } => write!(formatter, "{ticket}, run {run}"),
            Self::Plan { package } => write!(formatter, "{package}, its plan"),
            Self::Codex { conversations } => write!(formatter, "the Codex home of runs, {conversations} of them"),
        }
    }
}

/// A kind of thing that could go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanKind {
    /// The places of a run that ended.
    Places,
    /// Places of this repository whose run nobody knows.
    PlacesWithoutRun,
    /// The live folder of a run that is kept in Git: its logs go, its journal stays there.
    RunFolder,
    /// Anchors of objects that a branch holds.
    Anchors,
    /// The places of a planner that is gone: it only read there.
    PlanPlaces,
    /// What planners said.
    PlanLogs,
    /// Conversations as Codex keeps them, of all clones of the user.
    Conversations,
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptItem {
    /// The ticket.
    pub ticket: TicketId,
    /// The run, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The bytes that its places take.
    pub bytes: u64,
    /// Why it stays.
    pub why: String,
}

/// It cannot be told what could go.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The runs cannot be listed.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The anchors cannot be listed.
    #[error(transparent)]
    Anchors(#[from] git_delivery::AnchorError),
    /// The folder of places cannot be read.
    #[error("the places cannot be read: {0}")]
    Places(std::io::Error),
}
