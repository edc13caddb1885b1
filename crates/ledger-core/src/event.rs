//! The events that a journal holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::Activity;
use crate::advice::RoundTask;
use crate::blocker::Blocker;
use crate::changed_tests::TestGate;
use crate::digest::Digest;
use crate::drift::DriftFinding;
use crate::effect::Effect;
use crate::expert::ExpertField;
use crate::id::{RunId, TicketId};
use crate::mode::Mode;
use crate::object::TreeId;
use crate::observation::Observation;
use crate::parent::ChildEnded;
use crate::phase::{DeliveryMode, NotRequiredCode, Phase, PhaseEvidence, PushTarget};
use crate::question::AskedQuestion;
use crate::review::Finding;

/// The format of journals that this version writes. It rises only when older readers would misunderstand.
pub const JOURNAL_FORMAT: u32 = 1;

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(title = "Event")]
pub enum Event {
    /// The run begins. Always the first line and only there.
    Opened(Opened),
    /// What the run was, and that is done, is delivered by a run of its own, whose journal begins with that one's.
    DeliveryOpened(DeliveryOpened),
    /// A phase is entered with its evidence.
    Entered(PhaseEvidence),
    /// A phase does not apply.
    NotRequired {
        /// The phase.
        phase: Phase,
        /// The kind of reason.
        code: NotRequiredCode,
        /// The reason in words.
        reason: String,
    },
    /// A child of the ticket has ended, and what the parent's run does then. Only before its base is chosen, which holds the children.
    ChildEnded(ChildEnded),
    /// The run goes back for another turn of the worker.
    IterationStarted {
        /// Counted from 1 in the run.
        n: u32,
        /// Why.
        cause: IterationCause,
    },
    /// The run goes back to repair what a reviewer or a person found.
    RepairStarted {
        /// Counted from 1 in the run.
        round: u32,
        /// The iteration that it begins.
        n: u32,
        /// What has to be repaired.
        findings: Vec<Finding>,
    },
    /// An effect is about to be started.
    Intended(Effect),
    /// The agent was seen doing something.
    Activity(Activity),
    /// An effect is over.
    Observed {
        /// The sequence number of its intent.
        of: u64,
        /// What was seen.
        observation: Observation,
    },
    /// The runner leaves in good order; the run can go on later.
    Paused {
        /// Why.
        cause: PauseCause,
    },
    /// The runner takes the run up again.
    Resumed {
        /// The process that left it, where one is known to have died.
        after: ResumeCause,
    },
    /// A limit comes near.
    Warned {
        /// Which, in words.
        message: String,
    },
    /// A person accepts the result before its delivery. The run waits for the next runner then.
    Accepted {
        /// Who.
        by: String,
        /// The tree that is accepted. Another one is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<TreeId>,
    },
    /// A person rejects the result; the findings start a repair round, once a runner takes the run up.
    Rejected {
        /// Who.
        by: String,
        /// What has to be repaired.
        findings: Vec<Finding>,
    },
    /// The worker's question is put to a person. The run stops then, until it is answered or its default holds.
    QuestionAsked(AskedQuestion),
    /// A person has looked at the question that is open, for the first time.
    QuestionSeen {
        /// Its number.
        question: u32,
        /// Who.
        by: String,
    },
    /// The question that is open has an answer. Where a person gives it, the run waits for the next runner then.
    QuestionAnswered {
        /// Its number.
        question: u32,
        /// The answer.
        answer: String,
        /// Who gave it; none: nobody did in time, and it is the default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The run stops.
    Blocked(Blocker),
    /// A person ended the run.
    Canceled {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Event {
    /// Its kind, as the journal names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::DeliveryOpened(_) => "delivery_opened",
            Self::Entered(_) => "entered",
            Self::NotRequired { .. } => "not_required",
            Self::ChildEnded(_) => "child_ended",
            Self::IterationStarted { .. } => "iteration_started",
            Self::RepairStarted { .. } => "repair_started",
            Self::Intended(_) => "intended",
            Self::Activity(_) => "activity",
            Self::Observed { .. } => "observed",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Warned { .. } => "warned",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::QuestionAsked(_) => "question_asked",
            Self::QuestionSeen { .. } => "question_seen",
            Self::QuestionAnswered { .. } => "question_answered",
            Self::Blocked(_) => "blocked",
            Self::Canceled { .. } => "canceled",
        }
    }

    /// The names of all kinds that this version knows.
    pub const KINDS: [&'static str; 20] = [
        "opened",
        "delivery_opened",
        "entered",
        "not_required",
        "child_ended",
        "iteration_started",
        "repair_started",
        "intended",
        "activity",
        "observed",
        "paused",
        "resumed",
        "warned",
        "accepted",
        "rejected",
        "question_asked",
        "question_seen",
        "question_answered",
        "blocked",
        "canceled",
    ];
}

/// What a run is, and the terms that it runs under, frozen when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// The journal's format.
    pub format: u32,
    /// The version of foil that opened it.
    pub foil: String,
    /// The ticket.
    pub ticket: TicketId,
    /// The run.
    pub run: RunId,
    /// The repository.
    pub repository: String,
    /// The ticket's mode.
    pub mode: Mode,
    /// How the result is delivered.
    pub delivery: DeliveryMode,
    /// The branch of a remote that it is pushed to, where the delivery goes that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PushTarget>,
    /// Whether a planning turn is part of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plan: bool,
    /// Whether a curator's turn is part of the run: its base has memory files, which it may add to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub curate: bool,
    /// Whether an independent review is part of the run. Only loop mode may go without.
    pub review: bool,
    /// The fields whose experts the ticket names, in their order. Where it needs some, they judge the plan too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<ExpertField>,
    /// The names of the checks, in order.
    pub checks: Vec<String>,
    /// The most repair rounds.
    pub max_repair_rounds: u32,
    /// The most rounds of one task each, in a run that goes in rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<u32>,
    /// The work that it begins with; none: it begins with the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescued: Option<Rescued>,
}

/// A run that only delivers what an earlier one has checked and reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryOpened {
    /// This run.
    pub run: RunId,
    /// The version of foil that opened it.
    pub foil: String,
    /// How the result is delivered.
    pub delivery: DeliveryMode,
    /// Digest of the receipt of the run that is delivered.
    pub receipt: Digest,
}

/// What an earlier run of the ticket left, and a new one begins with. It is the worker's, and is measured against the base and
/// judged like everything that the worker does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rescued {
    /// The earlier run.
    pub run: RunId,
    /// The tree that it left, as its journal names it.
    pub left: TreeId,
    /// The tree that the new run begins with: the same, or what it is on a base that other files changed in meanwhile.
    pub tree: TreeId,
}

/// Why another turn is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum IterationCause {
    /// It is the first.
    First,
    /// The worker says that there is more to do.
    MoreToDo,
    /// The advisor has named one task.
    Round {
        /// Counted from 1 in the run.
        round: u32,
        /// The task.
        task: RoundTask,
    },
    /// Checks failed on the tree of the last turn.
    ChecksFailed {
        /// Their names.
        checks: Vec<String>,
    },
    /// A gate about tests refuses the change of the last turn.
    TestsRefused {
        /// Which.
        gate: TestGate,
        /// Why, and what would be enough.
        reason: String,
    },
    /// The change has parted from its specs.
    SpecDrift {
        /// Where.
        findings: Vec<DriftFinding>,
    },
    /// The question that the last turn ended with has an answer.
    Answered {
        /// Its number.
        question: u32,
    },
    /// The last turn ended without a usable result.
    TurnFailed {
        /// How.
        reason: String,
    },
}

/// Why the runner left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// `foil stop`.
    Stop,
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// None left: a person has accepted or rejected the result, or answered a question. No event says this, because the person's does.
    Person,
    /// None left: the children of the ticket run first.
    Children,
    /// What all runs may spend together is spent.
    Budget,
}

/// What a run is taken up after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResumeCause {
    /// The last runner left in good order.
    Pause,
    /// The last runner was gone without a word.
    Crash,
    /// The run was blocked, and the cause may be gone.
    Blocker,
    /// The run is over, but could not be stored. It stays over.
    Unstored,
    /// The machine's clock was set, or the machine slept, while its runner was there. The time since the event before is not the
    /// run's, and nothing else changes.
    Clock,
}
