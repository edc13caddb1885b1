//! What tests show before a change and after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::changed_tests::TreesApart;
use crate::evidence::CheckResult;
use crate::object::TreeId;

/// The most names that a list of tests holds.
pub const MAX_NAMED_TESTS: usize = 20;

/// The tests of a change and those of its base, each on the base and on the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestComparison {
    /// The tree of the change.
    pub tree: TreeId,
    /// The trees in which tests and the rest of the change stand apart.
    pub apart: TreesApart,
    /// What each check shows, in order.
    pub checks: Vec<CheckComparison>,
}

/// What the tests of one check show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckComparison {
    /// The check.
    pub check: String,
    /// The tests of the change: from the base with them to the change.
    pub changed: Transitions,
    /// The tests of the base: from the base to the change with them.
    pub former: Transitions,
    /// Tests that are reported on the change and not on the base.
    pub new: NamedTests,
    /// Tests that are reported on the base and not on the change.
    pub gone: NamedTests,
}

/// How tests end before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transitions {
    /// How they are told apart.
    pub by: ToldBy,
    /// They fail before and pass after.
    pub fail_to_pass: NamedTests,
    /// They pass before and after.
    pub pass_to_pass: u64,
    /// They pass before and fail after.
    pub pass_to_fail: NamedTests,
    /// They fail before and after.
    pub fail_to_fail: u64,
    /// They pass before and do not run after: they are skipped, cannot be built, or are not reported.
    pub pass_to_none: NamedTests,
}

impl Transitions {
    /// Tests that passed and pass no more.
    pub fn broken(&self) -> u64 {
        self.pass_to_fail.count.saturating_add(self.pass_to_none.count)
    }
}

/// By what tests are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// By their names in the reports of both runs.
    Report,
    /// They are not: the check as a whole counts as one test, which passes where the check does.
    #[default]
    ExitStatus,
}

/// How many tests, and the names of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedTests {
    /// How many.
    pub count: u64,
    /// The first of their names, at most twenty; none where tests are not told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl NamedTests {
    /// One more.
    pub fn add(&mut self, name: Option<&str>) {
        self.count = self.count.saturating_add(1);
        if let Some(name) = name.filter(|_| self.names.len() < MAX_NAMED_TESTS) {
            self.names.push(name.to_owned());
        }
    }
}

/// Checks that ran on one of the trees of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// The tree.
    pub tree: TreeId,
    /// Their results, in order.
    pub results: Vec<CheckResult>,
}

impl TestComparison {
    /// Whether a test of the change fails before it and passes after.
    pub fn shows_the_change(&self) -> bool {
        self.checks.iter().any(|check| check.changed.fail_to_pass.count > 0)
    }

    /// How many tests of the base passed there and do not pass on the change.
    pub fn broken(&self) -> u64 {
        self.checks
            .iter()
            .fold(0, |sum, check| sum.saturating_add(check.former.broken()))
    }
}
