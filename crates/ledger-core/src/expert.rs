//! Experts: further threads that judge a change, or a plan, in one field each, in a small strict form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::ThreadId;
use crate::object::TreeId;
use crate::path::RepoPath;
use crate::report::{InvalidReport, parse_answer, same_turn};
use crate::review::{Finding, Severity, empty_part_of, is_blank};

/// A field that an expert knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpertField {
    /// How parts depend on each other, and what they promise each other
    Architecture,
    /// Whether tests show what they are to show
    Test,
    /// Who may do what, secrets, what comes from strangers
    Security,
    /// What people see and use, whatever their abilities
    UxAccessibility,
    /// Time and memory
    Performance,
    /// How data is stored, and how it gets from one form into another
    DataMigration,
    /// How it is built and shipped, and what users are told
    ReleaseDocs,
}

impl ExpertField {
    /// Every field, in the order in which experts are asked.
    pub const ALL: [Self; 7] = [
        Self::Architecture,
        Self::Test,
        Self::Security,
        Self::UxAccessibility,
        Self::Performance,
        Self::DataMigration,
        Self::ReleaseDocs,
    ];

    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        Judge::from(self).as_str()
    }
}

impl std::fmt::Display for ExpertField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who judges a change beside the independent reviewer: an expert of a field, or a further reviewer that a gate asks for. The order is that
/// in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// See [`ExpertField::Architecture`]
    Architecture,
    /// See [`ExpertField::Test`]
    Test,
    /// See [`ExpertField::Security`]
    Security,
    /// See [`ExpertField::UxAccessibility`]
    UxAccessibility,
    /// See [`ExpertField::Performance`]
    Performance,
    /// See [`ExpertField::DataMigration`]
    DataMigration,
    /// See [`ExpertField::ReleaseDocs`]
    ReleaseDocs,
    /// Whether the code is right, whatever was asked
    CodeReview,
    /// What could be removed
    CleanupReview,
}

impl Judge {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Architecture,
        Self::Test,
        Self::Security,
        Self::UxAccessibility,
        Self::Performance,
        Self::DataMigration,
        Self::ReleaseDocs,
        Self::CodeReview,
        Self::CleanupReview,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Architecture => "architecture",
            Self::Test => "test",
            Self::Security => "security",
            Self::UxAccessibility => "ux_accessibility",
            Self::Performance => "performance",
            Self::DataMigration => "data_migration",
            Self::ReleaseDocs => "release_docs",
            Self::CodeReview => "code_review",
            Self::CleanupReview => "cleanup_review",
        }
    }
}

impl From<ExpertField> for Judge {
    fn from(field: ExpertField) -> Self {
        match field {
            ExpertField::Architecture => Self::Architecture,
            ExpertField::Test => Self::Test,
            ExpertField::Security => Self::Security,
            ExpertField::UxAccessibility => Self::UxAccessibility,
            ExpertField::Performance => Self::Performance,
            ExpertField::DataMigration => Self::DataMigration,
            ExpertField::ReleaseDocs => Self::ReleaseDocs,
        }
    }
}

impl std::fmt::Display for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Somebody who has to judge a change, and what calls for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpertCall {
    /// Who.
    pub judge: Judge,
    /// What calls for it, in plain words.
    pub trigger: String,
    /// The first path that does, where it is about paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
    /// Whether what is found is listed and stops nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_advisory: bool,
}

/// What an expert is given to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum ExpertSubject {
    /// A plan, before the first edit.
    Plan {
        /// Its digest.
        plan: Digest,
    },
    /// A changed tree.
    Tree {
        /// It.
        tree: TreeId,
    },
}

/// What an expert says. Every property is required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Expert's answer")]
pub struct ExpertReview {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// How it should go on
    pub recommendation: Recommendation,
    /// The judgement in a few sentences; never empty
    pub summary: String,
    /// What is wrong, most severe first; empty if nothing
    pub findings: Vec<Finding>,
    /// What would have to be shown, and is not; empty if nothing
    pub required_proof: Vec<String>,
    /// The one thing that should happen next, in one sentence
    pub next_action: String,
}

/// How it should go on, as an expert says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// As it is
    Proceed,
    /// The change must be repaired first; only of a change
    Repair,
    /// The plan must be made anew first; only of a plan
    RevisePlan,
    /// Not at all: a person has to decide
    Stop,
}

impl Recommendation {
    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proceed => "proceed",
            Self::Repair => "repair",
            Self::RevisePlan => "revise_plan",
            Self::Stop => "stop",
        }
    }
}

/// The most findings, and the most things to prove, that an expert may name. What needs more is to be stopped.
pub const MAX_EXPERT_FINDINGS: usize = 50;

impl ExpertReview {
    /// Reads the answer to an expert's turn with this label about this subject. Refuses anything else, however close, and an answer that
    /// says nothing, or wants something else than going on and names neither a finding nor a next action.
    pub fn parse(text: &str, turn: &str, subject: &ExpertSubject) -> Result<Self, InvalidReport> {
        let review: Self = parse_answer(text)?;
        same_turn(&review.turn, turn)?;
        match review.shortcoming(subject) {
            None => Ok(review),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self, subject: &ExpertSubject) -> Option<String> {
        let (findings, proofs) = (self.findings.len(), self.required_proof.len());
        if findings.max(proofs) > MAX_EXPERT_FINDINGS {
            return Some(format!(
                "it names {findings} findings and {proofs} proofs, and may name {MAX_EXPERT_FINDINGS} of each"
            ));
        }
        let stray = match subject {
            ExpertSubject::Plan { .. } => Recommendation::Repair,
            ExpertSubject::Tree { .. } => Recommendation::RevisePlan,
        };
        if self.recommendation == stray {
            return Some(format!("`{}` is no recommendation about this", stray.as_str()));
        }
        if self.recommendation != Recommendation::Proceed && self.findings.is_empty() && is_blank(&self.next_action) {
            return Some("it names neither a finding nor a next action".to_owned());
        }
        if is_blank(&self.summary) {
            return Some("`summary` is empty".to_owned());
        }
        empty_part_of(&self.findings)
    }

    /// Whether what was judged passes when findings of `block_on` and above stop it: whoever says proceed beside such a finding, or beside a
    /// proof that is required and not shown, has not let it pass.
    pub fn passes(&self, block_on: Severity) -> bool {
        self.recommendation == Recommendation::Proceed
            && self.findings.iter().all(|finding| finding.severity < block_on)
            && self.missing_proof().next().is_none()
    }

    /// What would have to be shown, and is not.
    fn missing_proof(&self) -> impl Iterator<Item = &str> {
        let proofs = self.required_proof.iter().map(|proof| proof.trim());
        proofs.filter(|proof| !proof.is_empty())
    }

    /// What has to be done so that it can pass: what was found, what is not shown, and where nothing was named the next action.
    pub fn to_repair(&self) -> Vec<Finding> {
        let mut findings = self.findings.clone();
        let proof: Vec<_> = self.missing_proof().collect();
        if !proof.is_empty() {
            findings.push(Finding {
                severity: Severity::Medium,
                place: "what is shown".to_owned(),
                expected: proof.join("; "),
                actual: "it is not shown".to_owned(),
                required_repair: "show it, as by a test".to_owned(),
            });
        }
        if findings.is_empty() {
            findings.push(Finding {
                severity: Severity::High,
                place: "the change as a whole".to_owned(),
                expected: "a change that the expert lets pass".to_owned(),
                actual: self.summary.clone(),
                required_repair: self.next_action.clone(),
            });
        }
        findings
    }
}

/// What somebody said of the tree that a run stands on, beside the independent reviewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpertVerdict {
    /// Who.
    pub judge: Judge,
    /// The conversation; never the writer's, the reviewer's or another expert's.
    pub thread: ThreadId,
    /// How it should go on.
    pub recommendation: Recommendation,
    /// Whether the change passed under the policy.
    pub passes: bool,
    /// Whether that stops nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_advisory: bool,
    /// The tree that was seen, where the same change was brought onto another base since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<TreeId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: ExpertSubject = ExpertSubject::Tree {
        tree: TreeId(crate::object::ObjectId::from_bytes([7; 20])),
    };

    fn answer() -> serde_json::Value {
        serde_json::json!({
            "turn": "run/expert-2", "recommendation": "proceed", "summary": "It is fine.", "findings": [], "required_proof": [], "next_action": "",
        })
    }

    fn parsed(subject: &ExpertSubject, change: impl FnOnce(&mut serde_json::Value)) -> Result<ExpertReview, String> {
        let mut value = answer();
        change(&mut value);
        ExpertReview::parse(&value.to_string(), "run/expert-2", subject).map_err(|error| error.to_string())
    }

    fn finding(severity: &str) -> serde_json::Value {
        serde_json::json!({ "severity": severity, "place": "a.rs:1", "expected": "b", "actual": "c", "required_repair": "d" })
    }

    #[test]
    fn an_answer_that_judges_nothing_or_finds_nothing_in_particular_is_none() {
        let refused = |change: &dyn Fn(&mut serde_json::Value)| parsed(&TREE, change).unwrap_err();
        let reason = refused(&|value| value["summary"] = " ".into());
        assert!(reason.ends_with("`summary` is empty"), "{reason}");
        for part in ["place", "expected", "actual", "required_repair"] {
            let reason = refused(&|value| {
                value["findings"] = serde_json::json!([finding("low"), finding("info")]);
                value["findings"][1][part] = "".into();
            });
            assert!(reason.ends_with(&format!("`findings[1].{part}` is empty")), "{reason}");
        }
    }

    #[test]
    fn an_answer_is_of_its_turn_and_of_its_subject_and_says_something() {
        let plan = ExpertSubject::Plan {
            plan: Digest::of("plan"),
        };
        let refused = |change: fn(&mut serde_json::Value)| parsed(&TREE, change).unwrap_err();
        insta::assert_snapshot!(
            [
                refused(|answer| answer["turn"] = "run/expert-1".into()),
                refused(|answer| answer["field"] = "performance".into()),
                refused(|answer| answer["recommendation"] = "approve".into()),
                refused(|answer| answer["recommendation"] = "repair".into()),
                refused(|answer| {
                    answer["recommendation"] = "revise_plan".into();
                    answer["next_action"] = "plan again".into();
                }),
                refused(|answer| answer["findings"] = std::iter::repeat_n(finding("low"), 51).collect()),
                refused(|answer| answer["summary"] = "x".repeat(70_000).into()),
                parsed(&plan, |answer| answer["recommendation"] = "repair".into()).unwrap_err(),
            ]
            .join("\n")
        );
        assert!(
            parsed(&plan, |answer| {
                answer["recommendation"] = "revise_plan".into();
                answer["next_action"] = "plan again".into();
            })
            .is_ok()
        );
    }

    #[test]
    fn a_blocking_finding_or_a_proof_that_is_asked_for_beside_a_proceed_does_not_pass() {
        let with = |severity: &str| {
            parsed(&TREE, |answer| {
                answer["findings"] = [finding(severity)].into_iter().collect()
            })
            .unwrap()
        };
        assert!(with("medium").passes(Severity::High));
        assert!(!with("high").passes(Severity::High));
        let with_proof = |proof: &str| {
            let answer = parsed(&TREE, |answer| answer["required_proof"] = [proof].into_iter().collect());
            answer.unwrap().passes(Severity::High)
        };
        assert!(with_proof(" "));
        assert!(!with_proof("a test"));
    }

    #[test]
    fn what_is_not_shown_and_what_is_to_be_done_next_are_repaired_like_findings() {
        let repair = |change: fn(&mut serde_json::Value)| {
            let review = parsed(&TREE, |answer| {
                answer["recommendation"] = "repair".into();
                answer["next_action"] = "escape it".into();
                change(answer);
            });
            review.unwrap().to_repair()
        };
        let named = |findings: Vec<Finding>| -> Vec<_> {
            findings.into_iter().map(|finding| finding.required_repair).collect()
        };
        assert_eq!(named(repair(|_| {})), ["escape it"]);
        assert_eq!(
            named(repair(|answer| {
                answer["findings"] = [finding("low")].into_iter().collect();
                answer["required_proof"] = ["a test with `<`", " "].into_iter().collect();
            })),
            ["d", "show it, as by a test"]
        );
    }

    #[test]
    fn every_field_is_a_judge_of_the_same_name() {
        for field in ExpertField::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.as_str());
            assert_eq!(serde_json::to_value(Judge::from(field)).unwrap(), field.as_str());
        }
        for judge in Judge::ALL {
            assert_eq!(serde_json::to_value(judge).unwrap(), judge.as_str());
        }
    }
}
