//! Where everything stands, derived from the ledger folder, the journals and Git; never stored.

mod derive;
mod health;
mod next_steps;
mod rows;
mod run_status;
mod states;

use std::collections::BTreeMap;

use jiff::Timestamp;
use ledger_core::{BlockerCode, CommitId, Digest, Kind, Mode, PackageName, RepoPath, StackedTicket, TicketId};
use serde::Serialize;

use crate::capsule::FailedProof;
use crate::questions::QuestionReport;

pub(crate) use derive::status_beside;
pub use derive::{MOST_LOOKED_UP, StatusError, nearest_id, status, ticket_status};
pub use health::{HealthCode, HealthReason, HealthState, StatusHealth};
pub use run_status::RunStatus;

/// The name of the report's format.
pub const STATUS_SCHEMA: &str = "counterfoil.status/1";

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusReport {
    /// [`STATUS_SCHEMA`].
    pub schema: &'static str,
    /// The repository.
    pub repository: RepositoryStatus,
    /// The policy of the work tree.
    pub policy: PolicyStatus,
    /// Whether somebody has to look.
    pub health: StatusHealth,
    /// The ledger's folder.
    pub ledger: RepoPath,
    /// How many tickets stand where; states without any are left out.
    pub counts: BTreeMap<&'static str, u64>,
    /// Each ticket, in the order of the ids.
    pub tickets: Vec<TicketStatus>,
    /// Each package that can be read, in the order of the names; of one ticket, its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageStatus>,
    /// Folders among the tickets that are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub misfits: Vec<MisfitStatus>,
}

/// The repository and where its work tree stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryStatus {
    /// The name that approvals are for.
    pub id: String,
    /// The branch that is checked out; none where HEAD is detached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that is checked out; none where there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
}

/// The policy of the work tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// The digest by which it is trusted.
    pub digest: Digest,
    /// Whether this user trusts it.
    pub trusted: bool,
}

/// How far a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageStatus {
    /// Its name.
    pub name: PackageName,
    /// What its tickets amount to.
    pub title: String,
    /// How many tickets it has.
    pub tickets: usize,
    /// How many of them are delivered.
    pub delivered: usize,
    /// The first that is not; none where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<TicketId>,
    /// Why none of its tickets runs, where its lock does not hold. Looked up as long as an approved ticket waits for its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

/// A folder among the tickets that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MisfitStatus {
    /// Its path.
    pub path: RepoPath,
    /// Why it is no ticket.
    pub reason: String,
}

/// Where a ticket stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TicketStatus {
    /// The ticket.
    pub id: TicketId,
    /// Its title; none where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Box<str>>,
    /// What kind of change it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How much discipline it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Higher runs first.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TicketState,
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

/// Where a ticket stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TicketState {
    /// Nobody approved it.
    Draft,
    /// It was approved, and the approval does not count for what it is now.
    Stale(Box<StaleStatus>),
    /// Approved, and something must happen first.
    Waiting(Box<WaitingStatus>),
    /// Approved, and nothing stands in the way that the ledger could show.
    Ready {
        /// Who approved it.
        approved_by: Box<str>,
        /// Whether the approval or a file that it covers is not in the commit that is checked out, so that a run would be
        /// refused. Looked up for the first [`MOST_LOOKED_UP`] ready tickets only.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        uncommitted: bool,
        /// What to do next, where something must be done before it can run.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_step: Option<Box<str>>,
    },
    /// A runner is at work on it.
    Running(Box<RunStatus>),
    /// A run was left and can go on.
    Paused(Box<PausedStatus>),
    /// Its last run stopped for a reason.
    Blocked(Box<BlockedStatus>),
    /// It is delivered.
    Done(Box<DoneStatus>),
    /// A person closed it.
    Canceled,
    /// It cannot be read.
    Broken(Box<BrokenStatus>),
}

impl TicketState {
    /// All names, in the order in which people want to hear of them.
    pub const NAMES: [&'static str; 10] = [
        "running", "blocked", "paused", "broken", "stale", "ready", "waiting", "draft", "done", "canceled",
    ];

    /// The name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Stale(_) => "stale",
            Self::Waiting(_) => "waiting",
            Self::Ready { .. } => "ready",
            Self::Running(_) => "running",
            Self::Paused(_) => "paused",
            Self::Blocked(_) => "blocked",
            Self::Done(_) => "done",
            Self::Canceled => "canceled",
            Self::Broken(_) => "broken",
        }
    }
}

/// Why an approval does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleStatus {
    /// The code with which a run would be refused.
    pub code: BlockerCode,
    /// What differs.
    pub reason: String,
    /// What to do next.
    pub next_step: String,
}

/// What a ticket waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingStatus {
    /// The code with which a run would be refused.
    pub code: BlockerCode,
    /// The tickets that must be delivered first.
    pub tickets: Vec<TicketId>,
    /// What it waits for, in words.
    pub reason: String,
}

/// A run that was left and can go on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PausedStatus {
    /// Why it was left: `stop`, `interrupt`, `terminate`, or `crash` where the runner was gone without a word.
    pub cause: &'static str,
    /// What to do next.
    pub next_step: String,
    /// The run.
    pub run: RunStatus,
}

/// A run that stopped for a reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockedStatus {
    /// The stable code.
    pub code: BlockerCode,
    /// The reason in plain words.
    pub reason: String,
    /// What to do next.
    pub next_step: String,
    /// Whether the same run may go on once the cause is gone.
    pub resumable: bool,
    /// Before this moment the cause is not gone, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What did not hold at last: checks, findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedProof>,
    /// Whether a person has to accept or reject its result first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_word: bool,
    /// The question that it waits for an answer to, where it has asked one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionReport>,
    /// The command that begins a new run with what this one left, where it left work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<String>,
    /// Whether its run is over and not kept in Git, because its runner died before: `foil run` keeps it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unkept: bool,
    /// The run.
    pub run: RunStatus,
}

/// A delivered ticket.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DoneStatus {
    /// The delivery branch, where it still exists or the run is still known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The delivered commit, where the run is still known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The branch of a remote that it was pushed to, such as `origin/main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Whether the delivered commit is in what is checked out; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<bool>,
    /// The delivered tickets that its base rests on and that are not in what is checked out. Of a run that this clone only
    /// has stored, they are looked up by [`ticket_status`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacked: Vec<StackedTicket>,
    /// Hooks and notifications of which nobody knows how they ended, in words; they are not done again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Whether its run is over and not kept in Git, because its runner died before: `foil run` keeps it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unkept: bool,
    /// The exact commands that come next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<NextStep>,
}

/// A command that comes next, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// What it is for.
    pub purpose: &'static str,
    /// The command line.
    pub command: String,
}

/// A ticket that cannot be read, or whose last run cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenStatus {
    /// The file of the repository; none where a journal is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
    /// The line, counted from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, counted from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
