//! How the turn of a thread that may only read ended: a planner's, an advisor's, a reviewer's, an expert's, a curator's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::AgentFailure;
use crate::advice::Advice;
use crate::curation::Curation;
use crate::expert::ExpertReview;
use crate::observation::Violation;
use crate::plan::Plan;
use crate::review::Review;

/// How the turn of a thread that may only read ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
#[schemars(bound = "A: JudgedAnswer", rename = "{A}End", description = format!("How {} ended.", A::TURN))]
pub enum ReaderEnd<A> {
    /// With a valid answer.
    Answered(A),
    /// With an answer that is none of this turn.
    #[schemars(description = format!("With an answer that is {} of this turn.", A::NONE))]
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

impl<A> ReaderEnd<A> {
    /// The answer, where it is one of this turn.
    pub fn answer(&self) -> Option<&A> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// Why the answer is none of this turn, where that is how it ended.
    pub fn refused_for(&self) -> Option<&str> {
        match self {
            Self::InvalidAnswer { reason } => Some(reason),
            _ => None,
        }
    }

    /// The end of a turn that was cut off: by this failure, or else by our interruption.
    pub(crate) fn cut_off(failure: Option<AgentFailure>) -> Self {
        failure.map_or(Self::Interrupted, |failure| Self::Failed { failure })
    }
}

/// What a thread that may only read answers, with what was found of it. In the schema it has no name of its own: it is a part of its end,
/// which is named after it and says these words.
pub trait JudgedAnswer: JsonSchema {
    /// The turn that it is the answer of.
    const TURN: &'static str;
    /// What an answer is that is not of that turn.
    const NONE: &'static str = "none";
}

/// How a planner's turn ended.
pub type PlanEnd = ReaderEnd<JudgedPlan>;

/// How an advisor's turn ended.
pub type AdviceEnd = ReaderEnd<JudgedAdvice>;

/// How a review ended.
pub type ReviewEnd = ReaderEnd<JudgedReview>;

/// How an expert's turn ended.
pub type ExpertEnd = ReaderEnd<JudgedExpertReview>;

/// How a curator's turn ended.
pub type CurationEnd = ReaderEnd<JudgedCuration>;

/// A planner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, rename = "Plan")]
pub struct JudgedPlan {
    /// The plan.
    pub plan: Plan,
    /// What the policy and the ticket forbid about it; empty: nothing.
    pub violations: Vec<Violation>,
}

impl JudgedAnswer for JudgedPlan {
    const TURN: &'static str = "a planner's turn";
    const NONE: &'static str = "no plan";
}

/// An advisor's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, rename = "Advice")]
pub struct JudgedAdvice {
    /// The advice.
    pub advice: Advice,
    /// What the policy and the ticket forbid about its files; empty: nothing.
    pub violations: Vec<Violation>,
}

impl JudgedAnswer for JudgedAdvice {
    const TURN: &'static str = "an advisor's turn";
}

/// A reviewer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, rename = "Review")]
pub struct JudgedReview {
    /// The judgement.
    pub review: Review,
    /// Whether the change passes under the policy's `block_on`.
    pub passes: bool,
}

impl JudgedAnswer for JudgedReview {
    const TURN: &'static str = "a review";
    const NONE: &'static str = "no review";
}

/// An expert's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, rename = "Expert")]
pub struct JudgedExpertReview {
    /// The judgement.
    pub review: ExpertReview,
    /// Whether what was judged passes under the policy's `block_on`.
    pub passes: bool,
}

impl JudgedAnswer for JudgedExpertReview {
    const TURN: &'static str = "an expert's turn";
}

/// A curator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, rename = "Curation")]
pub struct JudgedCuration {
    /// The answer.
    pub curation: Curation,
    /// What the policy forbids about its notes; empty: nothing.
    pub refused: Vec<Violation>,
}

impl JudgedAnswer for JudgedCuration {
    const TURN: &'static str = "a curator's turn";
}
