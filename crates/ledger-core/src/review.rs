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
    /// The judgement in a few sentences; never empty
    pub summary: String,
    /// What was looked at; never empty if verdict is pass
    pub inspected: Vec<String>,
    /// What is wrong, most severe first; empty if nothing, and never if verdict is fail
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

/// One thing that is wrong. Nothing of it is empty.
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
    /// Reads the answer to the review turn with this label. Refuses anything else, however close, and an answer that does not say what was
    /// judged, what was looked at before it passed, or what has to change.
    // Journals are read without this: what was taken for an answer when it was recorded stays one.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let review: Self = parse_answer(text)?;
        same_turn(&review.turn, turn)?;
        match review.shortcoming() {
            None => Ok(review),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        if is_blank(&self.summary) {
            return Some("`summary` is empty".to_owned());
        }
        if self.verdict == Verdict::Pass && self.inspected.iter().all(|inspected| is_blank(inspected)) {
            return Some("`inspected` is empty, although `verdict` is `pass`".to_owned());
        }
        if self.verdict == Verdict::Fail && self.findings.is_empty() {
            return Some("`findings` is empty, although `verdict` is `fail`".to_owned());
        }
        empty_part_of(&self.findings)
    }

    /// Whether the change passes when findings of `block_on` and above stop it: a reviewer that says pass beside
    /// such a finding has not passed it.
    pub fn passes(&self, block_on: Severity) -> bool {
        self.verdict == Verdict::Pass && self.findings.iter().all(|finding| finding.severity < block_on)
    }
}

/// The first part of a finding that says nothing.
pub(crate) fn empty_part_of(findings: &[Finding]) -> Option<String> {
    findings.iter().enumerate().find_map(|(index, finding)| {
        let parts = [
            ("place", &finding.place),
            ("expected", &finding.expected),
            ("actual", &finding.actual),
            ("required_repair", &finding.required_repair),
        ];
        let (name, _) = parts.into_iter().find(|(_, part)| is_blank(part))?;
        Some(format!("`findings[{index}].{name}` is empty"))
    })
}

pub(crate) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(change: impl FnOnce(&mut Value)) -> Result<Review, String> {
        let mut value = json!({
            "turn": "run/review-2", "verdict": "pass", "summary": "It is fine.", "inspected": ["the diff"],
            "findings": [{ "severity": "low", "place": "a.rs:1", "expected": "b", "actual": "c", "required_repair": "d" }],
            "weakened_tests": [], "residual_risks": [], "next_action": "",
        });
        change(&mut value);
        Review::parse(&value.to_string(), "run/review-2").map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_that_says_nothing_is_none() {
        assert!(parsed(|_| ()).is_ok());
        assert!(parsed(|review| review["findings"] = json!([])).is_ok());
        let fails = |review: &mut Value| (review["verdict"], review["inspected"]) = (json!("fail"), json!([]));
        assert!(parsed(fails).is_ok());
        let reason = |change: &dyn Fn(&mut Value)| {
            let refused = parsed(change).unwrap_err();
            let (_, reason) = refused.split_once("asks for: ").unwrap();
            reason.to_owned()
        };
        assert_eq!(reason(&|review| review["summary"] = json!(" \n")), "`summary` is empty");
        for nothing in [json!([]), json!(["", " "])] {
            let reason = reason(&|review| review["inspected"] = nothing.clone());
            assert_eq!(reason, "`inspected` is empty, although `verdict` is `pass`");
        }
        let reason_of_fail = reason(&|review| {
            fails(review);
            review["findings"] = json!([]);
        });
        assert_eq!(reason_of_fail, "`findings` is empty, although `verdict` is `fail`");
        for part in ["place", "expected", "actual", "required_repair"] {
            let reason = reason(&|review| review["findings"][0][part] = json!("\t"));
            assert_eq!(reason, format!("`findings[0].{part}` is empty"));
        }
    }
}
