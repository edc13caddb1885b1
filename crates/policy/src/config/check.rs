//! `[[check]]`: what proves a change.

use ledger_core::{Duration, RepoPath, Strength};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::checked_text;
use super::workspace::{EnvironmentName, default_timeout};

/// `[[check]]`: a command that must succeed on the tree before it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPolicy {
    /// Its name, unique among the policy's and the ticket's
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// A line for `sh -c`; either this or `argv`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// A program and its arguments; either this or `run`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// How long it may take
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// Names of environment variables that it is handed beside the built-in ones and `[workspace] env`
    #[serde(default)]
    pub env: Vec<EnvironmentName>,
    /// Whether it runs in the sandbox
    #[serde(default)]
    pub sandbox: SandboxUse,
    /// Whether it may use the network
    #[serde(default)]
    pub network: bool,
    /// What it must do on the base, before any change
    #[serde(default)]
    pub baseline: Baseline,
    /// How it is observed
    #[serde(default)]
    pub strength: CheckStrength,
    /// Whether no other such check of this clone may run at the same time, as where it uses a fixed port. The checks of one run always go one after
    /// the other
    #[serde(default)]
    pub exclusive: bool,
    /// Where it writes a test report
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<TestReport>,
}

/// Whether a check runs in the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxUse {
    /// It does; without one the run stops
    #[default]
    Required,
    /// It runs with the user's rights; shown wherever its result is shown
    Off,
}

/// What a check must do on the base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// It must pass
    #[default]
    MustPass,
    /// It may fail; afterwards no test may fail that did not fail before. Needs a report
    NoNewFailures,
    /// It is not run there
    Off,
}

/// How a check is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStrength {
    /// By the runner, with the caches of earlier iterations
    #[default]
    RunnerRan,
    /// By the runner, without any cache
    RunnerRanClean,
}

impl From<CheckStrength> for Strength {
    fn from(strength: CheckStrength) -> Self {
        match strength {
            CheckStrength::RunnerRan => Self::RunnerRan,
            CheckStrength::RunnerRanClean => Self::RunnerRanClean,
        }
    }
}

checked_text! {
    /// Where a check writes its test report, as `junit:<path>` with a path below the place.
    TestReport, what = "a test report", rule = report_rule, example = "junit:target/nextest/ci/junit.xml"
}

impl TestReport {
    /// The JUnit file, relative to the place.
    pub fn path(&self) -> Option<RepoPath> {
        self.as_str().strip_prefix("junit:").and_then(|path| path.parse().ok())
    }
}

fn report_rule(text: &str) -> Result<(), String> {
    let path = text
        .strip_prefix("junit:")
        .ok_or_else(|| "write `junit:` and the path of the file".to_owned())?;
    let path: RepoPath = path
        .parse()
        .map_err(|error: ledger_core::InvalidRepoPath| error.reason.to_owned())?;
    if path.parts().any(|part| part.eq_ignore_ascii_case(b".git")) {
        return Err("it lies in `.git`".to_owned());
    }
    Ok(())
}
