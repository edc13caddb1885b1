//! Evidence: what the runner saw, bound to a tree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::TestComparison;
use crate::digest::Digest;
use crate::object::TreeId;
use crate::phase::{Phase, PhaseEvidence};
use crate::run::Run;

/// What kind of boundary was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceLabel {
    /// The thing itself, where its users meet it.
    Direct,
    /// Something that stands for it.
    Proxy,
    /// On this machine only.
    Local,
    /// It could not be observed.
    Blocked,
}

/// Who observed it. Later ones are stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// The worker says so.
    WorkerClaimed,
    /// The worker's command was seen in its event stream.
    WorkerRan,
    /// The runner ran it, in a place that the worker cannot write, with the caches of earlier iterations.
    RunnerRan,
    /// The same without any cache.
    RunnerRanClean,
    /// It ran again on another machine.
    RerunElsewhere,
}

/// How sure a judgement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess.
    Low,
    /// Likely.
    Medium,
    /// Sure.
    High,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum CommandOutcome {
    /// By itself.
    Exited {
        /// Its exit status.
        code: i32,
    },
    /// By a signal that was not ours.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// Its time was over; the runner ended it.
    TimedOut,
    /// It printed more than it may; the runner ended it.
    OutputLimit,
    /// The run was stopped; the runner ended it.
    Stopped,
    /// It could not be started, or what it did shows nothing.
    NotStarted {
        /// Why.
        reason: String,
    },
}

impl CommandOutcome {
    /// Whether the command ended by itself with status 0.
    pub fn succeeded(&self) -> bool {
        *self == Self::Exited { code: 0 }
    }
}

impl std::fmt::Display for CommandOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exit status {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("ended at its time limit"),
            Self::OutputLimit => f.write_str("ended at its output limit"),
            Self::Stopped => f.write_str("stopped with the run"),
            Self::NotStarted { reason } => write!(f, "no result: {reason}"),
        }
    }
}

/// The recorded output of a command, standard output and error in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputRecord {
    /// Digest of the bytes that were kept.
    pub digest: Digest,
    /// How many bytes were kept.
    pub kept_bytes: u64,
    /// How many bytes there were.
    pub total_bytes: u64,
    /// The end of the output for people and for the next turn: text, redacted, at most 4 KiB.
    pub tail: String,
}

/// The most names of failing tests that a result lists.
pub const MAX_FAILING_TESTS: usize = 100;

/// What a test report says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestSummary {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed or had an error.
    pub failed: u64,
    /// Tests that were skipped.
    pub skipped: u64,
    /// The first hundred names of failing tests.
    pub failing: Vec<String>,
    /// Those of them that failed on the base as well, before any change, where the check's `baseline` is `no_new_failures`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
}

impl TestSummary {
    /// Whether every failing test is listed by name, so that it can be told which are new.
    pub fn tells_all(&self) -> bool {
        usize::try_from(self.failed).is_ok_and(|failed| failed == self.failing.len())
    }

    /// The failing tests that are among these, which failed before.
    pub fn known_among(&self, before: &[String]) -> Vec<String> {
        divided(&self.failing, before).0
    }

    /// The failing tests that are listed and not known.
    pub fn new_failures(&self) -> Vec<String> {
        divided(&self.failing, &self.known).1
    }
}

/// The names that are among those, and the others. One that occurs twice counts twice.
pub(crate) fn divided(names: &[String], those: &[String]) -> (Vec<String>, Vec<String>) {
    let mut left = those.to_vec();
    names
        .iter()
        .cloned()
        .partition(|name| match left.iter().position(|other| other == name) {
            Some(place) => {
                left.swap_remove(place);
                true
            }
            None => false,
        })
}

/// Whether a check ran in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckSandbox {
    /// In namespaces of its own by bubblewrap.
    Bubblewrap,
    /// With the runner's rights, because the policy says so.
    Off,
}

/// One check on one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// The command as the policy or ticket has it.
    pub command: String,
    /// How it ended.
    pub outcome: CommandOutcome,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What it printed.
    pub output: OutputRecord,
    /// Digest of the environment variables that it was given, sorted, one `NAME=value` a line.
    pub environment: Digest,
    /// What its test report says, where it writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestSummary>,
    /// The acceptance items that it proves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<String>,
    /// Whether it ran in the sandbox.
    pub sandbox: CheckSandbox,
    /// What kind of boundary was observed.
    pub label: EvidenceLabel,
    /// Who observed it.
    pub strength: Strength,
}

impl CheckResult {
    /// Whether the check passed: its command succeeded, and no test that it reported failed; or it ended by itself, and just
    /// those tests failed that failed before.
    pub fn passed(&self) -> bool {
        match &self.tests {
            Some(tests) if tests.failed > 0 => {
                let only_known = tests.tells_all() && tests.new_failures().is_empty();
                only_known && matches!(self.outcome, CommandOutcome::Exited { .. })
            }
            _ => self.outcome.succeeded(),
        }
    }

    /// How its command ended, with what failed before as well.
    pub fn ending(&self) -> String {
        match self.tests.as_ref().map_or(0, |tests| tests.known.len()) {
            0 => self.outcome.to_string(),
            1 => format!("{}; 1 test fails as on the base", self.outcome),
            known => format!("{}; {known} tests fail as on the base", self.outcome),
        }
    }
}

/// Where each acceptance item is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptanceProof {
    /// The acceptance item.
    pub id: String,
    /// The checks that prove it; empty where none does and only the reviewer judged it.
    pub checks: Vec<String>,
    /// The strongest observation that proves it.
    pub strength: Strength,
    /// How sure that is.
    pub confidence: Confidence,
}

/// All that was observed of the delivered tree, as stored beside the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Evidence index")]
pub struct EvidenceIndex {
    /// The tree that it is bound to.
    pub tree: TreeId,
    /// The checks on it.
    pub checks: Vec<CheckResult>,
    /// Where each acceptance item is proved.
    pub acceptance: Vec<AcceptanceProof>,
    /// What tests show before and after the change, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<TestComparison>,
}

impl EvidenceIndex {
    /// The evidence that a run's delivery rests on; none before there is a tree.
    pub fn of(run: &Run) -> Option<Self> {
        let tree = run.tree()?;
        let (checks, acceptance, compared) = match run.evidence(Phase::FocusedTestsPassed) {
            Some(PhaseEvidence::FocusedTestsPassed {
                checks,
                acceptance,
                compared,
                ..
            }) => (checks.clone(), acceptance.clone(), compared.clone()),
            _ => (Vec::new(), Vec::new(), None),
        };
        Some(Self {
            tree,
            checks,
            acceptance,
            compared,
        })
    }

    /// The bytes that are stored, and that the receipt has the digest of.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::receipt::json_bytes(self)
    }
}
