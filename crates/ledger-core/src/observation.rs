//! What is seen after an effect.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::{AgentFailure, TokenCount};
use crate::blocker::BlockerCode;
use crate::change::ChangeSummary;
use crate::changed_tests::ChangedTests;
use crate::comparison::{ComparedRun, TestComparison};
use crate::digest::Digest;
use crate::drift::SpecDrift;
use crate::evidence::CheckResult;
use crate::expert::{ExpertCall, ExpertSubject, Judge};
use crate::id::ThreadId;
use crate::object::{CommitId, TreeId};
use crate::path::RepoPath;
use crate::phase::PreparedDelivery;
use crate::reader_end::{AdviceEnd, CurationEnd, ExpertEnd, PlanEnd, ReviewEnd};
use crate::report::Report;
use crate::weakening::WeakenedTest;

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
    /// The command of a hook ended, by itself or by our hand.
    HookEnded {
        /// How. It is evidence of nothing: what it ran on may be what the worker wrote.
        result: CheckResult,
        /// The set-up commands that ran in `check/` for it, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_up: Vec<CheckResult>,
    },
    /// A notification was handed over, or could not be.
    Notified {
        /// Why not, in words; none: whoever was to get it took it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
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

impl Observation {
    /// What the turn spent that ended, where one did.
    pub(crate) fn spent(&self) -> Option<TokenCount> {
        match self {
            Self::PlanEnded { tokens, .. }
            | Self::AdviceEnded { tokens, .. }
            | Self::TurnEnded { tokens, .. }
            | Self::ReviewEnded { tokens, .. }
            | Self::ExpertEnded { tokens, .. }
            | Self::CurationEnded { tokens, .. } => Some(*tokens),
            _ => None,
        }
    }
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

impl TurnEnd {
    /// The end of a turn that was cut off: by this failure, or else by our interruption.
    pub(crate) fn cut_off(failure: Option<AgentFailure>) -> Self {
        failure.map_or(Self::Interrupted, |failure| Self::Failed { failure })
    }
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

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "`{path}`: ")?;
        }
        f.write_str(&self.detail)
    }
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
