//! The ladder that a run climbs, and the evidence with which each of its phases is entered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::{AgentIdentity, TokenCount};
use crate::approval::CoveredFile;
use crate::change::ChangeSummary;
use crate::comparison::TestComparison;
use crate::digest::Digest;
use crate::evidence::{AcceptanceProof, CheckResult};
use crate::expert::ExpertVerdict;
use crate::id::{ThreadId, TicketId};
use crate::object::{CommitId, RefName, TreeId};
use crate::path::RepoPath;
use crate::report::{Report, SelfReview};
use crate::review::{Finding, Verdict};

/// Where a run stands. The order is the ladder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Ticket, prompt, policy and approval are what a person consented to.
    SourceLockValidated,
    /// The base is chosen, and the repository is of a kind that is worked with exactly.
    RepositoryDiscovered,
    /// The plan is written down.
    PlanRecorded,
    /// The ticket's files are in the base.
    RepositoryTicketRecorded,
    /// An agent has taken the turn.
    WriterAssigned,
    /// The turn is over and its change set is tree T.
    ImplementationComplete,
    /// The checks pass on T.
    FocusedTestsPassed,
    /// The worker has reviewed its own change.
    SelfReviewComplete,
    /// Another thread has judged T.
    IndependentReviewComplete,
    /// Nothing is left to repair.
    RepairLoopCompleteOrNotNeeded,
    /// What later tickets should know is written down.
    ContextCurated,
    /// The commits are computed.
    GitDeliveryStarted,
    /// The paths of the commit are exactly those of T.
    ExplicitPathsStaged,
    /// The branch points at the commits.
    Committed,
    /// The remote has them.
    Pushed,
    /// The remote was asked and says the same.
    HeadEqualsUpstreamProved,
    /// A pull request proposes them.
    Proposed,
    /// The receipt is written.
    Done,
}

impl Phase {
    /// All phases, lowest first.
    pub const ALL: [Self; 18] = [
        Self::SourceLockValidated,
        Self::RepositoryDiscovered,
        Self::PlanRecorded,
        Self::RepositoryTicketRecorded,
        Self::WriterAssigned,
        Self::ImplementationComplete,
        Self::FocusedTestsPassed,
        Self::SelfReviewComplete,
        Self::IndependentReviewComplete,
        Self::RepairLoopCompleteOrNotNeeded,
        Self::ContextCurated,
        Self::GitDeliveryStarted,
        Self::ExplicitPathsStaged,
        Self::Committed,
        Self::Pushed,
        Self::HeadEqualsUpstreamProved,
        Self::Proposed,
        Self::Done,
    ];

    /// The phase above this one.
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceLockValidated => "source_lock_validated",
            Self::RepositoryDiscovered => "repository_discovered",
            Self::PlanRecorded => "plan_recorded",
            Self::RepositoryTicketRecorded => "repository_ticket_recorded",
            Self::WriterAssigned => "writer_assigned",
            Self::ImplementationComplete => "implementation_complete",
            Self::FocusedTestsPassed => "focused_tests_passed",
            Self::SelfReviewComplete => "self_review_complete",
            Self::IndependentReviewComplete => "independent_review_complete",
            Self::RepairLoopCompleteOrNotNeeded => "repair_loop_complete_or_not_needed",
            Self::ContextCurated => "context_curated",
            Self::GitDeliveryStarted => "git_delivery_started",
            Self::ExplicitPathsStaged => "explicit_paths_staged",
            Self::Committed => "committed",
            Self::Pushed => "pushed",
            Self::HeadEqualsUpstreamProved => "head_equals_upstream_proved",
            Self::Proposed => "proposed",
            Self::Done => "done",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a phase does not apply to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotRequiredCode {
    /// The ticket's mode goes without it.
    Mode,
    /// The delivery mode goes without it.
    DeliveryMode,
    /// Neither policy nor ticket has a check; the work is only claimed.
    NoChecks,
    /// The ticket has no plan.
    NoPlan,
}

/// A phase with the evidence that it is entered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum PhaseEvidence {
    /// See [`Phase::SourceLockValidated`].
    SourceLockValidated(SourceLock),
    /// See [`Phase::RepositoryDiscovered`].
    RepositoryDiscovered(Discovery),
    /// See [`Phase::PlanRecorded`].
    PlanRecorded {
        /// Digest of the plan.
        plan: Digest,
    },
    /// See [`Phase::RepositoryTicketRecorded`].
    RepositoryTicketRecorded {
        /// The commit in which the files are.
        commit: CommitId,
        /// The files.
        files: Vec<CoveredFile>,
    },
    /// See [`Phase::WriterAssigned`].
    WriterAssigned {
        /// The iteration that the writer takes.
        iteration: u32,
        /// Who writes.
        agent: AgentIdentity,
        /// The writer's conversation.
        thread: ThreadId,
    },
    /// See [`Phase::ImplementationComplete`].
    ImplementationComplete {
        /// The iteration.
        iteration: u32,
        /// How the tree differs from the base.
        change: ChangeSummary,
        /// The worker's report: a claim.
        report: Report,
        /// What the run has spent up to here.
        tokens: TokenCount,
    },
    /// See [`Phase::FocusedTestsPassed`].
    FocusedTestsPassed {
        /// The tree that was checked.
        tree: TreeId,
        /// The checks.
        checks: Vec<CheckResult>,
        /// Which acceptance items they prove.
        acceptance: Vec<AcceptanceProof>,
        /// What tests show before and after the change, where that was looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compared: Option<TestComparison>,
    },
    /// See [`Phase::SelfReviewComplete`].
    SelfReviewComplete {
        /// The worker's own review: a claim.
        self_review: SelfReview,
    },
    /// See [`Phase::IndependentReviewComplete`].
    IndependentReviewComplete {
        /// The tree that was judged.
        tree: TreeId,
        /// The reviewer's conversation; never the writer's.
        thread: ThreadId,
        /// Whether the change passed under the policy.
        verdict: Verdict,
        /// What is wrong, also what experts have found where they let the change not pass.
        findings: Vec<Finding>,
        /// What others said of the tree whom the ticket or the change called for, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        experts: Vec<ExpertVerdict>,
        /// The tree that the reviewer saw, where the same change was brought onto another base since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carried_from: Option<TreeId>,
    },
    /// See [`Phase::RepairLoopCompleteOrNotNeeded`].
    RepairLoopCompleteOrNotNeeded {
        /// Repair rounds that were used.
        rounds: u32,
    },
    /// See [`Phase::ContextCurated`].
    ContextCurated {
        /// Notes for the records, a line each; or the one line that none is needed, or why none was taken.
        notes: Vec<String>,
        /// Digest of the curator's answer that they are from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        curation: Option<Digest>,
    },
    /// See [`Phase::GitDeliveryStarted`].
    GitDeliveryStarted(PreparedDelivery),
    /// See [`Phase::ExplicitPathsStaged`].
    ExplicitPathsStaged {
        /// The tree of the change commit.
        tree: TreeId,
        /// How many paths it changes.
        total: u64,
        /// The first hundred of them.
        paths: Vec<RepoPath>,
    },
    /// See [`Phase::Committed`].
    Committed {
        /// The commit of the change.
        change: CommitId,
        /// The commit of the records on top of it.
        records: CommitId,
        /// The branch.
        branch: RefName,
        /// What it pointed at before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<CommitId>,
        /// What it points at now.
        new: CommitId,
    },
    /// See [`Phase::Pushed`].
    Pushed {
        /// The remote's name.
        remote: String,
        /// The ref on the remote.
        name: RefName,
        /// What the remote said it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<CommitId>,
        /// What the remote says it is.
        new: CommitId,
    },
    /// See [`Phase::HeadEqualsUpstreamProved`]. Other tools' records call it `head_equals_origin_main_proved`.
    #[serde(alias = "head_equals_origin_main_proved")]
    HeadEqualsUpstreamProved {
        /// The remote's name.
        remote: String,
        /// The ref on the remote.
        name: RefName,
        /// What the remote answered when it was asked.
        commit: CommitId,
    },
    /// See [`Phase::Proposed`].
    Proposed {
        /// The pull request's number.
        number: u64,
        /// Its head.
        head: CommitId,
        /// Its base branch.
        base: String,
        /// Whether it is a draft.
        draft: bool,
    },
    /// See [`Phase::Done`].
    Done {
        /// Digest of the receipt's bytes.
        receipt: Digest,
        /// The journal's head that the receipt names: the sum of the line before this one.
        journal: Digest,
    },
}

impl PhaseEvidence {
    /// The phase that this is the evidence of.
    pub fn phase(&self) -> Phase {
        match self {
            Self::SourceLockValidated(_) => Phase::SourceLockValidated,
            Self::RepositoryDiscovered(_) => Phase::RepositoryDiscovered,
            Self::PlanRecorded { .. } => Phase::PlanRecorded,
            Self::RepositoryTicketRecorded { .. } => Phase::RepositoryTicketRecorded,
            Self::WriterAssigned { .. } => Phase::WriterAssigned,
            Self::ImplementationComplete { .. } => Phase::ImplementationComplete,
            Self::FocusedTestsPassed { .. } => Phase::FocusedTestsPassed,
            Self::SelfReviewComplete { .. } => Phase::SelfReviewComplete,
            Self::IndependentReviewComplete { .. } => Phase::IndependentReviewComplete,
            Self::RepairLoopCompleteOrNotNeeded { .. } => Phase::RepairLoopCompleteOrNotNeeded,
            Self::ContextCurated { .. } => Phase::ContextCurated,
            Self::GitDeliveryStarted(_) => Phase::GitDeliveryStarted,
            Self::ExplicitPathsStaged { .. } => Phase::ExplicitPathsStaged,
            Self::Committed { .. } => Phase::Committed,
            Self::Pushed { .. } => Phase::Pushed,
            Self::HeadEqualsUpstreamProved { .. } => Phase::HeadEqualsUpstreamProved,
            Self::Proposed { .. } => Phase::Proposed,
            Self::Done { .. } => Phase::Done,
        }
    }
}

/// The words with which [`Phase::ContextCurated`] is entered when there is nothing to remember.
pub const NO_MEMORY_UPDATE: &str = "agent memory checked: no update needed";

/// How the one line begins with which [`Phase::ContextCurated`] is entered when no answer of the curator could be used. The reason follows.
pub const MEMORY_NOT_UPDATED: &str = "agent memory not updated: ";

/// What a run was started from: everything that a person consented to, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLock {
    /// The repository that the approval is for.
    pub repository: String,
    /// Ticket, prompt, linked specs and whatever else the approval covers.
    pub files: Vec<CoveredFile>,
    /// The approval itself.
    pub approval: CoveredFile,
    /// Who gave it.
    pub approved_by: String,
    /// Digest of the policy's bytes; of no bytes where there is no policy file.
    pub policy: Digest,
    /// The prompt files that the policy names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<CoveredFile>,
    /// The steering packs that were chosen, in the order in which they are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<CoveredFile>,
}

/// What was found when the run looked at the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Discovery {
    /// The commit that the run starts from.
    pub base: CommitId,
    /// Why that one.
    pub reason: BaseReason,
    /// The branch where the run was started, where a person would change their mind; none where HEAD was detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<RefName>,
    /// The upstream branch and its commit as last seen, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<ObservedRef>,
    /// For a parent: the commit before the first change of its children, from where the whole is looked at; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<CommitId>,
    /// What is special about the repository, such as `linked work tree` or `shallow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repository_kind: Vec<String>,
    /// The sandbox that checks run in, as probed; `off` where the policy says so.
    pub check_sandbox: String,
}

impl Discovery {
    /// The branch where the run was started, also in records that name it only as the reason of their base.
    pub fn started_on(&self) -> Option<&RefName> {
        match (&self.branch, &self.reason) {
            (Some(branch), _) => Some(branch),
            (None, BaseReason::Tip { branch }) => branch.as_ref(),
            (None, BaseReason::Target { .. } | BaseReason::Stacked { .. } | BaseReason::Merged { .. }) => None,
        }
    }
}

/// A ref and what it pointed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedRef {
    /// The ref.
    pub name: RefName,
    /// What it pointed at.
    pub commit: CommitId,
}

/// Why a run starts from its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BaseReason {
    /// It was the tip of the branch, or the detached commit, where the run was started.
    Tip {
        /// The branch; none where HEAD was detached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<RefName>,
    },
    /// It was the branch of the remote that the delivery is pushed to, as the remote had it when the run was started.
    Target {
        /// That branch.
        target: PushTarget,
    },
    /// It is the delivered commit of a ticket that this one depends on and that is not merged yet.
    Stacked {
        /// That ticket.
        on: StackedTicket,
    },
    /// It is a merge of several such commits, in order.
    Merged {
        /// Those tickets.
        of: Vec<StackedTicket>,
    },
}

impl BaseReason {
    /// The delivered tickets that the base holds beside what it was taken from. Whoever merges what was made on it merges
    /// them too.
    pub fn stacked(&self) -> &[StackedTicket] {
        match self {
            Self::Tip { .. } | Self::Target { .. } => &[],
            Self::Stacked { on } => std::slice::from_ref(on),
            Self::Merged { of } => of,
        }
    }
}

/// A delivered ticket that a base contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackedTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// Its delivered commit.
    pub commit: CommitId,
}

/// Where a reviewed tree is brought to, the nearest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// Nowhere: the tree is kept and proved
    None,
    /// To a branch in this repository
    #[default]
    Branch,
    /// To a branch of the remote
    Push,
    /// To a draft pull request
    DraftPr,
}

impl DeliveryMode {
    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Branch => "branch",
            Self::Push => "push",
            Self::DraftPr => "draft_pr",
        }
    }
}

/// The branch of a remote that a delivery is pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushTarget {
    /// The remote's name. Never its address, which may hold credentials.
    pub remote: String,
    /// The ref on the remote.
    pub name: RefName,
}

impl std::fmt::Display for PushTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.remote, self.name.short())
    }
}

/// The commits of a delivery, computed and written before the branch moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreparedDelivery {
    /// How it is delivered.
    pub mode: DeliveryMode,
    /// The branch that will point at `records`.
    pub branch: RefName,
    /// What the branch points at before; none: it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<CommitId>,
    /// The parent of `change`: the run's base.
    pub base: CommitId,
    /// The tree of `change`.
    pub tree: TreeId,
    /// The commit of the change.
    pub change: CommitId,
    /// The tree of `records`.
    pub records_tree: TreeId,
    /// The commit of the records on top of `change`.
    pub records: CommitId,
    /// Author and committer, as `Name <address>`.
    pub identity: String,
    /// Digest of the message of `change`.
    pub message: Digest,
}
