//! How much discipline a change needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::phase::{NotRequiredCode, Phase};

/// How much discipline the change needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Turn and check until it passes; plan and reviews may be skipped where the policy says so
    Loop,
    /// A small change with no contract touched
    Quick,
    /// With a plan, self-review and independent review
    #[default]
    Standard,
    /// With named experts before and after the writer
    Expert,
    /// Proof first, one bounded task at a time
    BoundedRounds,
    /// Read-only: nothing may change
    Research,
    /// Owns other tickets and integrates them
    Parent,
}

/// What a mode asks of a run beside what every run has: a source lock, a base, a turn in a place of its own, a change set that is judged,
/// checks, records and proof of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discipline {
    /// Whether `[scope] allowed` must say what may change.
    pub needs_scope: bool,
    /// Whether a planner writes down how it is to be done, before a writer is assigned.
    pub plans: bool,
    /// Whether the policy may switch self-review and independent review off.
    pub review_may_be_off: bool,
    /// Whether a curator may add to the memory files, before the change is delivered.
    pub curates: bool,
    /// Whether files may change at all. Where none may, the ticket asks for an answer, and there is nothing to check.
    pub may_change: bool,
    /// Whether the ticket must name experts, who then judge the plan before the first edit too.
    pub needs_experts: bool,
    /// Whether the work goes in rounds of one task each, which an advisor names by what the checks show.
    pub goes_in_rounds: bool,
    /// Whether the change must stay within what is computed for small ones.
    pub is_small: bool,
    /// Whether other tickets name it as their `parent`: they run first, and the run brings them together and has the whole checked and
    /// reviewed once more.
    pub owns_tickets: bool,
}

impl Mode {
    /// Every mode, the one with the least discipline first.
    pub const ALL: [Self; 7] = [
        Self::Loop,
        Self::Quick,
        Self::Standard,
        Self::Expert,
        Self::BoundedRounds,
        Self::Research,
        Self::Parent,
    ];

    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Expert => "expert",
            Self::BoundedRounds => "bounded_rounds",
            Self::Research => "research",
            Self::Parent => "parent",
        }
    }

    /// What it asks of a run. This is the table that everything else is decided and told from.
    pub fn discipline(self) -> Discipline {
        let standard = Discipline {
            needs_scope: true,
            plans: true,
            review_may_be_off: false,
            curates: true,
            may_change: true,
            needs_experts: false,
            goes_in_rounds: false,
            is_small: false,
            owns_tickets: false,
        };
        match self {
            Self::Loop => Discipline {
                needs_scope: false,
                plans: false,
                review_may_be_off: true,
                curates: false,
                ..standard
            },
            Self::Quick => Discipline {
                plans: false,
                is_small: true,
                ..standard
            },
            Self::Standard => standard,
            Self::Research => Discipline {
                needs_scope: false,
                plans: false,
                may_change: false,
                ..standard
            },
            Self::Parent => Discipline {
                needs_scope: false,
                plans: false,
                may_change: false,
                owns_tickets: true,
                ..standard
            },
            Self::Expert => Discipline {
                needs_experts: true,
                ..standard
            },
            Self::BoundedRounds => Discipline {
                goes_in_rounds: true,
                ..standard
            },
        }
    }
}

impl Discipline {
    /// Whether there is anything that checks could be run on.
    pub fn is_checked(&self) -> bool {
        self.may_change || self.owns_tickets
    }

    /// Whether the change may be held to specs. What needs them is not small.
    pub fn may_have_specs(&self) -> bool {
        self.may_change && !self.is_small
    }

    /// With which reason a run may go without this phase; none: it never does. What is delivered, and how far, the policy says for every mode
    /// alike.
    pub fn skips(&self, phase: Phase) -> Option<NotRequiredCode> {
        match phase {
            Phase::PlanRecorded if !self.plans => Some(NotRequiredCode::NoPlan),
            // What is to be done in a round is seen by what the checks show.
            Phase::FocusedTestsPassed if !self.goes_in_rounds => Some(NotRequiredCode::NoChecks),
            Phase::SelfReviewComplete | Phase::IndependentReviewComplete if self.review_may_be_off => {
                Some(NotRequiredCode::Mode)
            }
            _ => None,
        }
    }
}
