//! What a run does to the world.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocker::Blocker;
use crate::changed_tests::TreesApart;
use crate::digest::Digest;
use crate::expert::{ExpertSubject, Judge};
use crate::hook::HookPoint;
use crate::id::ThreadId;
use crate::notification::{NotificationChannel, NotificationEvent};
use crate::object::{CommitId, RefName, TreeId};
use crate::phase::PushTarget;

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
    /// Run a hook of the policy in `check/`.
    RunHook {
        /// When it is run.
        hook: HookPoint,
        /// The iteration that it belongs to; at the end of the run, how many were begun.
        iteration: u32,
        /// The tree that it finds in its place.
        tree: TreeId,
    },
    /// Tell somebody outside how the run ended.
    Notify {
        /// What it is about.
        about: NotificationEvent,
        /// How it is handed over.
        by: NotificationChannel,
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
    /// The world does not show whether it was done, and doing it twice may do harm: it is never done again.
    AtMostOnce,
}

impl Effect {
    /// How it may be treated after a crash.
    pub fn class(&self) -> EffectClass {
        match self {
            Self::UpdateRef { .. } | Self::Push { .. } | Self::StoreRun { .. } => EffectClass::Recognisable,
            Self::RunHook { .. } | Self::Notify { .. } => EffectClass::AtMostOnce,
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
            Self::RunHook { .. } => "running a hook",
            Self::Notify { .. } => "notifying",
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
