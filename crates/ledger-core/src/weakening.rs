//! Hunks of a change that weaken tests, and what a reviewer says of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::RepoPath;
use crate::review::{Finding, Severity};

/// A hunk of a change set that weakens tests, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WeakenedTest {
    /// What a reviewer names it by: `W1`, `W2`, …, counted anew for each tree.
    pub id: String,
    /// The file; in the base, where the hunk is about what is no longer there.
    pub path: RepoPath,
    /// How it weakens.
    pub how: Weakening,
    /// The lines in the base; none: nothing was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<LineRange>,
    /// The lines in the tree; none: nothing is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<LineRange>,
    /// A few words of it, lines of the base with `-` in front, of the tree with `+`.
    pub excerpt: String,
    /// Whether it is seen against a tree of this run that was refused, in place of the base: a repair took away what the change had brought.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_repair: bool,
}

/// Lines of a file, counted from 1, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LineRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// How a hunk weakens tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weakening {
    /// A file with tests is gone.
    TestFileDeleted,
    /// A test is gone, or no longer runs as one.
    TestRemoved,
    /// A test no longer asserts this.
    AssertionRemoved,
    /// A test asserts something else in place of this.
    AssertionChanged,
    /// A tolerance, a limit or a minimum is looser.
    ThresholdLoosened,
    /// A test, or all others, no longer runs.
    Skipped,
    /// What a test compares with was rewritten.
    SnapshotRewritten,
    /// How tests are run was changed.
    ConfigurationChanged,
    /// Nobody can tell from its structure.
    NotJudged,
}

impl std::fmt::Display for Weakening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::TestFileDeleted => "a file with tests was deleted",
            Self::TestRemoved => "a test was removed",
            Self::AssertionRemoved => "an assertion was removed",
            Self::AssertionChanged => "an assertion was changed",
            Self::ThresholdLoosened => "a threshold was loosened",
            Self::Skipped => "a test is skipped",
            Self::SnapshotRewritten => "a snapshot was rewritten",
            Self::ConfigurationChanged => "how tests are run was changed",
            Self::NotJudged => "it cannot be judged by its structure",
        })
    }
}

impl WeakenedTest {
    /// Path and lines, as a person looks for them: in the tree where it is there, in the base otherwise.
    pub fn place(&self) -> String {
        let (lines, base) = match (self.after, self.before) {
            (Some(after), _) => (Some(after), ""),
            (None, Some(before)) if self.of_repair => (Some(before), " of the refused tree"),
            (None, Some(before)) => (Some(before), " of the base"),
            (None, None) => (None, ""),
        };
        match lines {
            Some(LineRange { first, last }) if first == last => format!("{}:{first}{base}", self.path),
            Some(LineRange { first, last }) => format!("{}:{first}-{last}{base}", self.path),
            None => self.path.to_string(),
        }
    }
}

/// A reviewer's word on one listed hunk that weakens tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeakenedTestAnswer {
    /// The id in the list, such as `W1`
    pub id: String,
    /// Whether what was asked for needs this
    pub verdict: WeakeningVerdict,
    /// Why, in one sentence
    pub reason: String,
}

/// Whether weakening a test is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeakeningVerdict {
    /// What was asked for cannot be done without it, and nothing is left untested that was tested
    Justified,
    /// The test has to be restored
    NotJustified,
}

/// What is found wrong where the hunks of this list need a reviewer's explicit pass and these are its answers: one finding for
/// each hunk that no answer justifies with a reason, in the order of the list. A hunk with contradicting answers is not justified.
///
/// ```
/// use counterfoil_ledger_core::{Weakening, WeakenedTest, unjustified};
/// let hunk = WeakenedTest {
///     id: "W1".to_owned(),
///     path: "tests/mail.rs".parse().unwrap(),
///     how: Weakening::TestRemoved,
///     before: None,
///     after: None,
///     excerpt: String::new(),
///     of_repair: false,
/// };
/// assert_eq!(unjustified(&[hunk], &[])[0].place, "tests/mail.rs");
/// ```
pub fn unjustified(hunks: &[WeakenedTest], answers: &[WeakenedTestAnswer]) -> Vec<Finding> {
    let finding = |hunk: &WeakenedTest, said: String| Finding {
        severity: Severity::High,
        place: hunk.place(),
        expected: format!("as in the base, or justified by the reviewer as {}", hunk.id),
        actual: format!("{}; {said}", hunk.how),
        required_repair: "restore what was tested in the base, beside what the ticket asks for".to_owned(),
    };
    let mut findings = Vec::new();
    for hunk in hunks {
        let mut given = answers.iter().filter(|answer| answer.id == hunk.id).peekable();
        if given.peek().is_none() {
            findings.push(finding(hunk, "the reviewer said nothing about it".to_owned()));
            continue;
        }
        let refusal =
            given.find(|answer| answer.verdict != WeakeningVerdict::Justified || answer.reason.trim().is_empty());
        if let Some(answer) = refusal {
            let said = match answer.verdict {
                WeakeningVerdict::Justified => "the reviewer gave no reason".to_owned(),
                WeakeningVerdict::NotJustified => format!("the reviewer says: {}", answer.reason.trim()),
            };
            findings.push(finding(hunk, said));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(id: &str) -> WeakenedTest {
        WeakenedTest {
            id: id.to_owned(),
            path: "tests/mail.rs".parse().unwrap(),
            how: Weakening::AssertionRemoved,
            before: Some(LineRange { first: 4, last: 6 }),
            after: None,
            excerpt: "- assert!(sent());".to_owned(),
            of_repair: false,
        }
    }

    fn answer(id: &str, verdict: WeakeningVerdict, reason: &str) -> WeakenedTestAnswer {
        WeakenedTestAnswer {
            id: id.to_owned(),
            verdict,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn only_an_answer_with_a_reason_justifies_a_weakened_test() {
        use WeakeningVerdict::{Justified, NotJustified};
        let hunks: Vec<_> = ["W1", "W2", "W3", "W4", "W5"].into_iter().map(hunk).collect();
        let answers = [
            answer("W1", Justified, "mail is gone"),
            answer("W2", NotJustified, "it still sends"),
            answer("W3", Justified, " "),
            answer("W4", Justified, "why not"),
            answer("W4", NotJustified, "on second thoughts"),
            answer("W6", Justified, "there is no such hunk"),
        ];
        let found: Vec<_> = unjustified(&hunks, &answers)
            .into_iter()
            .map(|finding| (finding.severity, finding.place, finding.expected, finding.actual))
            .collect();
        let expected = [
            ("W2", "the reviewer says: it still sends"),
            ("W3", "the reviewer gave no reason"),
            ("W4", "the reviewer says: on second thoughts"),
            ("W5", "the reviewer said nothing about it"),
        ]
        .map(|(id, said)| {
            let place = "tests/mail.rs:4-6 of the base".to_owned();
            let wanted = format!("as in the base, or justified by the reviewer as {id}");
            (
                Severity::High,
                place,
                wanted,
                format!("an assertion was removed; {said}"),
            )
        });
        assert_eq!(found, expected);
    }
}
