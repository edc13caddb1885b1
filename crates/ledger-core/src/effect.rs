//! What a run does to the world, and what it then sees there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::{AgentFailure, TokenCount};
use crate::advice::Advice;
use crate::blocker::{Blocker, BlockerCode};
use crate::change::ChangeSummary;
use crate::changed_tests::{ChangedTests, TreesApart};
use crate::comparison::{ComparedRun, TestComparison};
use crate::curation::Curation;
use crate::digest::Digest;
use crate::drift::SpecDrift;
use crate::evidence::CheckResult;
use crate::expert::{ExpertCall, ExpertReview, ExpertSubject, Judge};
use crate::id::ThreadId;
use crate::object::{CommitId, RefName, TreeId};
use crate::path::RepoPath;
use crate::phase::{PreparedDelivery, PushTarget};
use crate::plan::Plan;
use crate::report::Report;
use crate::review::Review;
use crate::weakening::WeakenedTest;

/// Something that a run does to the world. Recorded before it is done, with all that is needed to recognise it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Make the places at the base.
    PreparePlaces {
        /// The commit that they start from.
        base: CommitId,
    },
    /// Run the checks on a tree.
    RunChecks {
        /// What their results are for.
        purpose: CheckPurpose,
        /// The tree.
        tree: TreeId,
        /// The checks by name, in order.
        checks: Vec<String>,
    },
    /// Let a thread that may only read write down how the ticket is to be done.
    TakePlan {
        /// The label that the answer must carry.
        label: String,
    },
    /// Let a thread that may only read say what is to be done next.
    TakeAdvice {
        /// The tree that it is about.
        tree: TreeId,
        /// The label that the answer must carry.
        label: String,
    },
    /// Run the checks on the base with the tests of the change, on the base, and on the change with the tests of the base, as far as that
    /// was not done.
    CompareTests {
        /// The tree of the change.
        tree: TreeId,
        /// The trees in which tests and the rest of the change stand apart.
        apart: TreesApart,
        /// The checks by name, in order.
        checks: Vec<String>,
    },
    /// Let the worker take a turn in `work/`.
    TakeTurn {
        /// The iteration that it belongs to.
        iteration: u32,
        /// What it is asked.
        purpose: TurnPurpose,
        /// The label that its report must carry.
        label: String,
        /// The conversation to go on with; none: a fresh one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// End the effect that is under way.
    Interrupt {
        /// The sequence number of its intent.
        of: u64,
        /// Why; none where a person or a signal asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Blocker>,
    },
    /// Compute what the turn changed, and keep it as a tree.
    MeasureChanges {
        /// The iteration.
        iteration: u32,
    },
    /// Let another thread judge a tree.
    TakeReview {
        /// The tree.
        tree: TreeId,
        /// The label that the answer must carry.
        label: String,
    },
    /// Let a further thread judge a tree, or a plan, in one field.
    AskExpert {
        /// Who it is asked as.
        judge: Judge,
        /// What it judges.
        subject: ExpertSubject,
        /// The label that the answer must carry.
        label: String,
    },
    /// Let another thread, which may only read, say what is worth knowing of a reviewed tree.
    TakeCuration {
        /// The tree.
        tree: TreeId,
        /// The label that the answer must carry.
        label: String,
    },
    /// Look whether the consent still stands.
    ConfirmConsent,
    /// Compute and write the commits of the delivery. No ref but our own anchors moves.
    PrepareDelivery {
        /// The tree to deliver.
        tree: TreeId,
        /// The journal's head that the commits name: the sum of the line before this intent.
        journal: Digest,
    },
    /// Move a ref, if it still is what it was.
    UpdateRef {
        /// The ref.
        name: RefName,
        /// What it must point at; none: it must not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<CommitId>,
        /// What it shall point at.
        new: CommitId,
    },
    /// Ask the remote what the target of the delivery is.
    AskRemote {
        /// The target.
        target: PushTarget,
    },
    /// Push the commits, if the target still is what it was. Never forced.
    Push {
        /// The target.
        target: PushTarget,
        /// What it must be.
        old: CommitId,
        /// What it shall be.
        new: CommitId,
    },
    /// Bring the change onto what the target is now, where somebody else moved it.
    Rebase {
        /// What the remote said that it is.
        onto: CommitId,
    },
    /// Store journal, receipt and evidence in Git.
    StoreRun {
        /// The ref of the run.
        name: RefName,
        /// The journal's head that is stored: the sum of the line before the intent.
        journal: Digest,
    },
}

/// How an effect may be treated after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectClass {
    /// The world shows whether it was done: look, then do it exactly once.
    Recognisable,
    /// Doing it again does no harm; its cost stays counted.
    Repeatable,
}

impl Effect {
    /// How it may be treated after a crash.
    pub fn class(&self) -> EffectClass {
        match self {
            Self::UpdateRef { .. } | Self::Push { .. } | Self::StoreRun { .. } => EffectClass::Recognisable,
            _ => EffectClass::Repeatable,
        }
    }

    /// A few words for people.
    pub fn words(&self) -> &'static str {
        match self {
            Self::PreparePlaces { .. } => "preparing places",
            Self::RunChecks {
                purpose: CheckPurpose::Baseline,
                ..
            } => "checking the base",
            Self::RunChecks {
                purpose: CheckPurpose::Proof,
                ..
            } => "running checks",
            Self::TakePlan { .. } => "planning",
            Self::TakeAdvice { .. } => "asking for advice",
            Self::CompareTests { .. } => "comparing tests before and after",
            Self::TakeTurn {
                purpose: TurnPurpose::Write,
                ..
            } => "worker's turn",
            Self::TakeTurn {
                purpose: TurnPurpose::RepairReport,
                ..
            } => "asking for a valid report",
            Self::Interrupt { .. } => "interrupting",
            Self::MeasureChanges { .. } => "computing the change set",
            Self::TakeReview { .. } => "independent review",
            Self::AskExpert { .. } => "asking an expert",
            Self::TakeCuration { .. } => "curating",
            Self::ConfirmConsent => "confirming consent",
            Self::PrepareDelivery { .. } => "preparing commits",
            Self::UpdateRef { .. } => "moving the branch",
            Self::AskRemote { .. } => "asking the remote",
            Self::Push { .. } => "pushing",
            Self::Rebase { .. } => "bringing the change onto the target",
            Self::StoreRun { .. } => "storing the run",
        }
    }
}

/// What the results of checks are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckPurpose {
    /// To know that they pass before any change.
    Baseline,
    /// To prove the change.
    Proof,
}

/// What a turn is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnPurpose {
    /// To do the work.
    Write,
    /// Only to answer again, in the form that was asked for.
    RepairReport,
}

/// An untracked file of the user's that is put into places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopiedFile {
    /// Where it is.
    pub path: RepoPath,
    /// How many bytes it has.
    pub bytes: u64,
    /// Digest of its content.
    pub sha256: Digest,
}

/// What was seen after an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum Observation {
    /// The places are there.
    PlacesReady {
        /// Whether `work/` was made anew, rather than found as an earlier runner of this run left it.
        anew: bool,
        /// The untracked files that are put beside the tree, as they were read.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        copied: Vec<CopiedFile>,
        /// The set-up commands that ran in `work/`, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_up: Vec<CheckResult>,
    },
    /// The checks ended.
    ChecksRan {
        /// The tree.
        tree: TreeId,
        /// Their results, in order.
        results: Vec<CheckResult>,
        /// The set-up commands that ran in `check/` for them, in order; none where what earlier ones made was still there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_up: Vec<CheckResult>,
    },
    /// The planner's turn ended.
    PlanEnded {
        /// How.
        end: PlanEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The planner's conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// The advisor's turn ended.
    AdviceEnded {
        /// The tree that it was about.
        tree: TreeId,
        /// How.
        end: AdviceEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The advisor's conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// Tests were run before and after the change.
    TestsCompared {
        /// What they show.
        comparison: TestComparison,
        /// The checks that ran for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ran: Vec<ComparedRun>,
        /// The set-up commands that ran in `check/` for them, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_up: Vec<CheckResult>,
    },
    /// The worker's turn ended.
    TurnEnded {
        /// How.
        end: TurnEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// The change set is computed, and its tree is anchored.
    ChangesMeasured {
        /// How the tree differs from the base.
        change: ChangeSummary,
        /// What the policy forbids about it; empty: nothing.
        violations: Vec<Violation>,
        /// The hunks of it that weaken tests, where the policy wants them found.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weakened: Vec<WeakenedTest>,
        /// What it does to tests, where the policy asks for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tests: Option<ChangedTests>,
        /// The refused tree of this run that it is no other change than, but for layout and place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        same_as: Option<TreeId>,
        /// Where it parts from its specs, before anything is said of proofs; none: the ticket has no specs that it is held to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drift: Option<SpecDrift>,
        /// Who has to judge it beside the reviewer, by what it touches and how large it is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        experts: Vec<ExpertCall>,
    },
    /// The review ended.
    ReviewEnded {
        /// The tree that was judged.
        tree: TreeId,
        /// How.
        end: ReviewEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The reviewer's conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// An expert's turn ended.
    ExpertEnded {
        /// As who it was asked.
        judge: Judge,
        /// What was judged.
        subject: ExpertSubject,
        /// How.
        end: ExpertEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The expert's conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// The curator's turn ended.
    CurationEnded {
        /// How.
        end: CurationEnd,
        /// What it spent.
        tokens: TokenCount,
        /// The curator's conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<ThreadId>,
    },
    /// The consent was looked at.
    ConsentSeen {
        /// What was found.
        consent: Consent,
    },
    /// The commits are computed, written and anchored.
    DeliveryPrepared {
        /// They.
        delivery: PreparedDelivery,
    },
    /// The ref was looked at after the update.
    RefSeen {
        /// What it points at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<CommitId>,
        /// Whether what it points at contains the new commit.
        contains_new: bool,
    },
    /// The remote was asked.
    RemoteSeen {
        /// What the target is; none: it does not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<CommitId>,
        /// Whether what it is contains the commits of the delivery.
        contains_new: bool,
    },
    /// The remote took the push, as it reported.
    Pushed {
        /// What the target was.
        old: CommitId,
        /// What it is.
        new: CommitId,
    },
    /// The remote did not take the push.
    PushRefused {
        /// Whether because the target was no longer what it had been; otherwise a rule of the remote's forbids it.
        moved: bool,
        /// The remote's words.
        reason: String,
    },
    /// The change is brought onto what the target is now, file by file as it was, and its tree is anchored. It is measured and judged
    /// like a turn's after this.
    Rebased {
        /// The new base.
        onto: CommitId,
        /// Its tree.
        base_tree: TreeId,
        /// The tree of the change on it.
        tree: TreeId,
        /// Whether it is the very same change: where somebody else made a part of it, that part is gone from it.
        same_change: bool,
    },
    /// The run is stored.
    RunStored {
        /// The commit that holds it.
        commit: CommitId,
    },
    /// The effect could not be done.
    Failed {
        /// The code that the run stops with unless the policy tries again.
        code: BlockerCode,
        /// What happened.
        reason: String,
    },
    /// Nobody saw how the effect ended: the runner was gone. What it cost stays counted.
    Lost {
        /// What is known.
        reason: String,
    },
    /// The effect was interrupted before its end.
    Interrupted,
}

/// How a planner's turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum PlanEnd {
    /// With a valid answer.
    Answered {
        /// The plan.
        plan: Plan,
        /// What the policy and the ticket forbid about it; empty: nothing.
        violations: Vec<Violation>,
    },
    /// With an answer that is no plan of this turn.
    InvalidAnswer {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// How an advisor's turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum AdviceEnd {
    /// With a valid answer.
    Answered {
        /// The advice.
        advice: Advice,
        /// What the policy and the ticket forbid about its files; empty: nothing.
        violations: Vec<Violation>,
    },
    /// With an answer that is none of this turn.
    InvalidAnswer {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// How a worker's turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum TurnEnd {
    /// With a valid report.
    Reported {
        /// The worker's claim.
        report: Report,
    },
    /// With an answer that is no report of this turn.
    InvalidReport {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// How a review ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum ReviewEnd {
    /// With a valid answer.
    Answered {
        /// The judgement.
        review: Review,
        /// Whether the change passes under the policy's `block_on`.
        passes: bool,
    },
    /// With an answer that is no review of this turn.
    InvalidAnswer {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// How an expert's turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum ExpertEnd {
    /// With a valid answer.
    Answered {
        /// The judgement.
        review: ExpertReview,
        /// Whether what was judged passes under the policy's `block_on`.
        passes: bool,
    },
    /// With an answer that is none of this turn.
    InvalidAnswer {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// How a curator's turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum CurationEnd {
    /// With a valid answer.
    Answered {
        /// The answer.
        curation: Curation,
        /// What the policy forbids about its notes; empty: nothing.
        refused: Vec<Violation>,
    },
    /// With an answer that is none of this turn.
    InvalidAnswer {
        /// Why not.
        reason: String,
    },
    /// By our interruption.
    Interrupted,
    /// With an error of the agent or its provider.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
}

/// Something about a change set that the policy or the ticket forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// The code that the run stops with.
    pub code: BlockerCode,
    /// The path that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
    /// What is forbidden about it. Never holds the secret itself.
    pub detail: String,
}

/// Whether the consent that a run was started with still stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Consent {
    /// The ticket and its approval are what they were.
    Current,
    /// A covered file is not what it was.
    Changed {
        /// That file.
        path: RepoPath,
    },
    /// A person canceled the ticket.
    Canceled {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}
