//! `[repository]`, `[ledger]`, `[memory]`, `[schedule]` and `[disk]`: where things are and what comes next.

use ledger_core::{Duration, RepoPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::byte_size::ByteSize;
use super::pattern::PathPattern;
use super::text::checked_text;

/// `[repository]`: what this repository is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepositoryPolicy {
    /// `owner/name`; absent: taken from the remote. Approvals are for one repository
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RepositoryId>,
}

checked_text! {
    /// A repository's name, such as `owner/name`.
    RepositoryId, what = "a repository id", rule = repository_rule, example = "owner/name"
}

fn repository_rule(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if text.len() <= 200 && text.contains('/') && text.split('/').all(part) {
        Ok(())
    } else {
        Err("write `owner/name` with letters, digits and `._-`".to_owned())
    }
}

/// `[ledger]`: the folder of tickets and records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerPolicy {
    /// The folder, relative to the repository's root
    #[schemars(with = "String")]
    pub dir: LedgerFolder,
    /// Whether a ticket and its approval must be in the base commit
    pub require_committed: bool,
    /// Whether finished runs are pushed. Not acted on by this version: it must be false
    pub push_runs: bool,
}

impl Default for LedgerPolicy {
    fn default() -> Self {
        Self {
            dir: LedgerFolder::default(),
            require_committed: true,
            push_runs: false,
        }
    }
}

/// The ledger's folder: a path in the repository that is UTF-8 and not in `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LedgerFolder(RepoPath);

impl LedgerFolder {
    /// The path.
    pub fn path(&self) -> &RepoPath {
        &self.0
    }
}

impl Default for LedgerFolder {
    #[expect(clippy::expect_used, reason = "the literal is a plain relative path")]
    fn default() -> Self {
        Self("ledger".parse().expect("a plain relative path"))
    }
}

impl<'de> Deserialize<'de> for LedgerFolder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let path: RepoPath = text.parse().map_err(serde::de::Error::custom)?;
        if path.parts().any(|part| part.eq_ignore_ascii_case(b".git")) {
            return Err(serde::de::Error::custom("the ledger cannot lie in `.git`"));
        }
        if text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom(
                "the ledger's folder holds a control character",
            ));
        }
        Ok(Self(path))
    }
}

/// `[memory]`: files for what later tickets should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryPolicy {
    /// Files that a curator may add notes to, in the records' commit. Only where the base has one of them is a curator asked
    pub paths: Vec<PathPattern>,
}

impl Default for MemoryPolicy {
    fn default() -> Self {
        Self {
            paths: ["agent/*.md"].iter().filter_map(|text| text.parse().ok()).collect(),
        }
    }
}

/// `[schedule]`: which ticket runs next, and which at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulePolicy {
    /// What happens when several tickets are ready and none is named
    pub pick: Pick,
    /// How many tickets run at the same time, at most 64. Tickets that may write the same paths or use the same thing of `resources` never do
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// How often `foil run --continuous` looks for ready tickets, at least a second
    pub poll: Duration,
    /// Of tickets with one priority, which run first
    pub focus: Focus,
    /// Paths that only one run may change at a time, such as shared contracts and migrations
    pub serialize: Vec<PathPattern>,
}

impl Default for SchedulePolicy {
    fn default() -> Self {
        Self {
            pick: Pick::Only,
            concurrency: 1,
            poll: Duration::seconds(60),
            focus: Focus::Package,
            serialize: Vec::new(),
        }
    }
}

/// Of tickets with one priority, which run first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Focus {
    /// Those of packages that are under way, so that one is brought to its end before another is begun
    #[default]
    Package,
    /// Those that were approved first
    Age,
}

/// What happens when several tickets are ready and none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// It is refused, with a list
    #[default]
    Only,
    /// The next one is taken: by priority, then by id
    Next,
}

/// `[disk]`: what may be used of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskPolicy {
    /// The most that the places and logs of runs in this clone may take: before a run begins, those of finished runs go that were used longest ago.
    /// Absent: nothing goes by itself
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<ByteSize>,
    /// What must be free where places and where objects lie, else no run starts
    pub min_free: ByteSize,
}

impl Default for DiskPolicy {
    fn default() -> Self {
        Self {
            budget: None,
            min_free: ByteSize::gibibytes(2),
        }
    }
}
