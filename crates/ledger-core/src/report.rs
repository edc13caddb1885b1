//! The worker's report: a claim, in a small strict form that Structured Outputs accept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::question::Question;
use crate::wanted_grant::WantedGrant;

/// What the worker says of its own turn. Every property is required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Worker's report")]
pub struct Report {
    /// The turn label given in the prompt, copied exactly, so that an old report is never taken for a new one
    pub turn: String,
    /// Whether the ticket is done, needs another turn, or cannot go on without a person
    pub status: ReportStatus,
    /// What was changed and why, in a few sentences
    pub summary: String,
    /// Commands that were run to verify the work, each with what it showed
    pub commands: Vec<ClaimedCommand>,
    /// Checks that were not run, each with the reason
    pub skipped_checks: Vec<String>,
    /// Where the work departs from what was asked, each with the reason
    pub deviations: Vec<String>,
    /// Known issues and risks that a reviewer should look at
    pub risks: Vec<String>,
    /// Facts worth remembering for later tickets; empty if none
    pub memory: Vec<String>,
    /// What the worker found when it reviewed its own change
    pub self_review: SelfReview,
    /// What the ticket would have to grant so that it can be done, beside what it grants; empty if nothing. Only a person can grant it
    // Reports that were recorded before it could be asked for have no such property.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted_grants: Vec<WantedGrant>,
    /// If status is blocked for want of a decision that only a person can make: the one question; else empty. The run waits for the answer, or
    /// for its default, and goes on with it
    // The same holds for these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub question: Vec<Question>,
    /// If status is blocked: what is missing and who could give it; else empty
    pub blocked_because: String,
    /// A ticket that should follow, in one line; else empty
    pub next_ticket: String,
}

/// How the worker judges its own progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Everything that was asked is done
    Done,
    /// More can be done in another turn
    InProgress,
    /// Nothing more can be done without a person
    Blocked,
}

/// A command that the worker says it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimedCommand {
    /// The command line
    pub command: String,
    /// What it showed, in one line
    pub outcome: String,
}

/// The worker's review of its own change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfReview {
    /// What was looked at
    pub checked: Vec<String>,
    /// What is still in doubt; empty if nothing
    pub concerns: Vec<String>,
}

/// The most bytes that a report may have. A longer one is invalid.
pub const MAX_REPORT_BYTES: usize = 64 * 1024;

/// Why a text is not a report of this turn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    /// Longer than an answer may be.
    #[error("the answer has {bytes} bytes, more than the {most} that are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is read: [`MAX_REPORT_BYTES`], of an answer to a goal [`crate::MAX_GOAL_PLAN_BYTES`].
        most: usize,
    },
    /// Not JSON, or not of the schema.
    #[error("the answer is not the JSON object that the schema asks for: {reason}")]
    Shape {
        /// Where and why.
        reason: String,
    },
    /// A report, but not of this turn.
    #[error("the answer is for turn `{found}`, not for `{expected}`")]
    OtherTurn {
        /// The label that the prompt gave.
        expected: String,
        /// The label that the answer has, shortened.
        found: String,
    },
}

impl Report {
    /// Reads a report of the turn with this label. Refuses anything else, however close, and a question that cannot be put to a person.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let report: Self = parse_answer(text)?;
        same_turn(&report.turn, turn)?;
        match report.shortcoming() {
            None => Ok(report),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        let first = self.question.first()?;
        if self.status != ReportStatus::Blocked {
            return Some("`question` is empty unless `status` is `blocked`".to_owned());
        }
        if self.question.len() > 1 {
            return Some("`question` holds one question at most".to_owned());
        }
        let reason = first.shortcoming()?;
        Some(format!("`question`: {reason}"))
    }

    /// What it asks a person.
    pub fn asks(&self) -> Option<&Question> {
        self.question.first().filter(|_| self.status == ReportStatus::Blocked)
    }
}

/// Reads an agent's final answer as strict JSON of bounded length.
pub(crate) fn parse_answer<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, InvalidReport> {
    parse_answer_up_to(text, MAX_REPORT_BYTES)
}

/// The same with another bound.
pub(crate) fn parse_answer_up_to<T: serde::de::DeserializeOwned>(text: &str, most: usize) -> Result<T, InvalidReport> {
    if text.len() > most {
        return Err(InvalidReport::TooLong {
            bytes: text.len(),
            most,
        });
    }
    serde_json::from_str(text.trim()).map_err(|error| InvalidReport::Shape {
        reason: error.to_string(),
    })
}

/// Refuses an answer that carries another turn's label.
pub(crate) fn same_turn(found: &str, expected: &str) -> Result<(), InvalidReport> {
    if found == expected {
        return Ok(());
    }
    Err(InvalidReport::OtherTurn {
        expected: expected.to_owned(),
        found: found.chars().take(80).flat_map(char::escape_default).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({
            "turn": "r/turn-1",
            "status": "done",
            "summary": "It works.",
            "commands": [{ "command": "make", "outcome": "it passes" }],
            "skipped_checks": ["none"],
            "deviations": ["none"],
            "risks": ["none"],
            "memory": ["none"],
            "self_review": { "checked": ["all of it"], "concerns": [] },
            "wanted_grants": [{ "kind": "dependency", "name": "time", "reason": "dates" }],
            "question": [{ "text": "Which?", "choices": ["a", "b"], "default": "a" }],
            "blocked_because": "",
            "next_ticket": "",
        })
    }

    /// Why this is no report.
    fn refused(report: &Value) -> String {
        match Report::parse(&report.to_string(), "r/turn-1") {
            Err(InvalidReport::Shape { reason }) => reason,
            other => panic!("{report}: {other:?}"),
        }
    }

    #[test]
    fn a_property_that_is_null_or_of_another_type_is_refused_with_a_reason_whichever_it_is() {
        let whole = whole();
        let read: Report = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(read).unwrap(),
            whole,
            "the table has every property"
        );
        for name in whole.as_object().unwrap().keys() {
            for wrong in [
                json!(null),
                json!(7),
                json!(true),
                json!({}),
                json!([7]),
                json!([null]),
                json!([[]]),
            ] {
                let mut report = whole.clone();
                report[name] = wrong.clone();
                assert!(!refused(&report).is_empty(), "{name} is {wrong}");
            }
            let mut report = whole.clone();
            report[name] = match &whole[name] {
                Value::Array(_) => json!("none"),
                _ => json!(["none"]),
            };
            assert!(!refused(&report).is_empty(), "{name}");
        }
    }

    #[test]
    fn an_answer_that_is_no_object_is_refused_with_a_reason() {
        for answer in [json!(null), json!([]), json!("done"), json!(1), json!({})] {
            assert!(!refused(&answer).is_empty(), "{answer}");
        }
    }
}
