//! A reviewer's answer: a judgement of the actual diff, in a small strict form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{InvalidReport, parse_answer, same_turn};
use crate::weakening::WeakenedTestAnswer;

/// What an independent reviewer says of a tree. Every property is required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Reviewer's answer")]
pub struct Review {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// Whether the change may be delivered
    pub verdict: Verdict,
    /// The judgement in a few sentences
    pub summary: String,
    /// What was looked at
    pub inspected: Vec<String>,
    /// What is wrong, most severe first; empty if nothing
    pub findings: Vec<Finding>,
    /// For each hunk that the prompt lists as weakening tests, whether it is right; empty if it lists none
    // Answers that were recorded before there was such a list have no such property; an answer without it says nothing of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weakened_tests: Vec<WeakenedTestAnswer>,
    /// What could still go wrong after delivery; empty if nothing is known
    pub residual_risks: Vec<String>,
    /// What should happen next, in one sentence
    pub next_action: String,
}

/// A reviewer's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The change does what was asked and may be delivered
    Pass,
    /// The change must be repaired first
    Fail,
}

/// How much a finding matters. The order is from least to most severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing
    Info,
    /// A blemish
    Low,
    /// Should be mended
    Medium,
    /// Wrong behaviour, a missing requirement or a missing test
    High,
    /// Loss of data, a hole in security, or the wrong thing built
    Critical,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How much it matters
    pub severity: Severity,
    /// Path and line, or the part of the change that it is about
    pub place: String,
    /// What should be so
    pub expected: String,
    /// What is so
    pub actual: String,
    /// What has to change
    pub required_repair: String,
}

impl Review {
    /// Reads the answer to the review turn with this label. Refuses anything else, however close.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let review: Self = parse_answer(text)?;
        same_turn(&review.turn, turn)?;
        Ok(review)
    }

    /// Whether the change passes when findings of `block_on` and above stop it: a reviewer that says pass beside
    /// such a finding has not passed it.
    pub fn passes(&self, block_on: Severity) -> bool {
        self.verdict == Verdict::Pass && self.findings.iter().all(|finding| finding.severity < block_on)
    }
}
