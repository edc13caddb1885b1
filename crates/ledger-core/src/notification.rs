//! What somebody is told who does not look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocker::{Blocker, BlockerCode};
use crate::id::{RunId, TicketId};
use crate::object::{CommitId, TreeId};
use crate::question::AskedQuestion;

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationEvent {
    /// A run is done
    Done,
    /// A run stopped, and goes on or begins anew only once somebody has done something about the cause
    Blocked,
    /// A run waits for what only a person can say: whether a result is accepted, an answer, or a decision
    NeedsPerson,
    /// A run stopped for what passes by itself: a limit of the provider, or a provider or remote that does not answer
    Limit,
    /// What all runs of a night may spend is spent: nothing more is run
    NightOver,
}

impl NotificationEvent {
    /// Its name in policies, records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Blocked => "blocked",
            Self::NeedsPerson => "needs_person",
            Self::Limit => "limit",
            Self::NightOver => "night_over",
        }
    }

    /// The event that a run stopped by this is.
    pub fn of_blocker(blocker: &Blocker) -> Self {
        match blocker.code {
            BlockerCode::AcceptanceNeeded | BlockerCode::AnswerNeeded | BlockerCode::NeedsPerson => Self::NeedsPerson,
            code if code.passes_by_itself() => Self::Limit,
            _ => Self::Blocked,
        }
    }
}

impl std::fmt::Display for NotificationEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a notification is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationChannel {
    /// By a POST to an address.
    Webhook,
    /// By a command of the policy.
    Command,
}

impl NotificationChannel {
    /// Both, in the order in which they are used.
    pub const ALL: [Self; 2] = [Self::Webhook, Self::Command];

    /// Its name in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
        }
    }
}

impl std::fmt::Display for NotificationChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A message to somebody outside: what an address gets as the body of a POST, and a command on its standard input.
///
/// It holds no secret and no path of the machine. Titles and reasons are the words of people and agents, and nothing but words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Notification")]
pub struct Notification {
    /// All of it in one sentence, as Slack and those that follow it show it: `&`, `<` and `>` are escaped, so that no title can mention anybody or
    /// hide an address
    pub text: String,
    /// Always `counterfoil.notification/1`
    pub schema: String,
    /// What it is about
    pub event: NotificationEvent,
    /// The repository, such as `owner/name`
    pub repository: String,
    /// The ticket, where it is about one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    /// Its title
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The run, where it is about one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How many iterations the run has begun
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Why the run stopped
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocker: Option<NotifiedBlocker>,
    /// The question that the run waits for an answer to
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<AskedQuestion>,
    /// The branch that holds the delivery
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit of the delivery
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The last tree of the worker's that is kept
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
}

impl Notification {
    /// The name of its format.
    pub const SCHEMA: &'static str = "counterfoil.notification/1";
}

/// Why a run stopped, as it is told outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifiedBlocker {
    /// The stable code
    pub code: BlockerCode,
    /// The reason in words, shortened
    pub reason: String,
    /// What to do next
    pub next_step: String,
}
