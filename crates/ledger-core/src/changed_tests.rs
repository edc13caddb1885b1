//! What a change set does to tests, as far as names and structure of its files tell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::TreeId;
use crate::path::RepoPath;

/// What a change set does to source and to tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedTests {
    /// Changed files of source: what stands in them outside of tests is not what it was.
    pub sources: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_source: Option<RepoPath>,
    /// Changed files with a test or an assertion that the base does not have.
    pub tests: u64,
    /// Tests and the rest of the change apart, where the policy wants to see them run like that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<TreesApart>,
    /// Whether its tests came first, where the policy wants that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<TestOrder>,
}

impl ChangedTests {
    /// Whether tests are all that it changes.
    pub fn is_tests_alone(&self) -> bool {
        self.sources == 0 && self.tests > 0
    }
}

/// The trees in which the tests of a change and the rest of it stand apart. Both are anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreesApart {
    /// The base with the tests of the change.
    pub tests_on_base: TreeId,
    /// The change with the tests of the base, and what says there how they are run.
    pub former_tests: TreeId,
}

/// Whether the runner has seen the tests of a change alone, before the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum TestOrder {
    /// On an earlier tree of the run, in which no source differed from the base, checks failed, and what it did to tests is not all gone.
    Alone {
        /// That tree.
        tree: TreeId,
    },
    /// There was no such tree.
    NotAlone,
}

/// A rule of the policy about tests that a change has to keep beside its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestGate {
    /// Tests come first.
    Tdd,
    /// A change of source changes tests.
    ChangedTests,
    /// A test fails before and passes after.
    FailToPass,
}

impl TestGate {
    /// The name as written in the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tdd => "tdd",
            Self::ChangedTests => "changed_tests",
            Self::FailToPass => "fail_to_pass",
        }
    }
}

impl std::fmt::Display for TestGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
