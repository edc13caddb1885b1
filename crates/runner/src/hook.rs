//! Answers to the hooks of the Codex that a person works with: before a tool is used, and when a conversation or a sub-agent begins.
//!
//! That is a tripwire for an agent that means well, not a wall: what a script or another program writes is not seen. What a run delivers is measured by the
//! runner, whatever was asked here.

mod active;
mod landing;
mod opening;
mod tool;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::agent::shorten;
use crate::redact::Redactor;
use crate::workspace::Settings;
pub use opening::opening_context;
pub use tool::{HookRefusal, pre_tool_use};

/// The most bytes of a hook's input that are read.
pub const MAX_HOOK_INPUT_BYTES: usize = 16 * 1024 * 1024;

/// The most characters of a reason, which may hold what an agent wrote.
const MAX_REASON: usize = 1000;

/// An event of Codex' that `foil` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// A tool is about to be used.
    PreToolUse,
    /// A conversation begins, or goes on.
    SessionStart,
    /// A sub-agent begins.
    SubagentStart,
}

impl HookEvent {
    /// The name as Codex has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreToolUse => "PreToolUse",
            Self::SessionStart => "SessionStart",
            Self::SubagentStart => "SubagentStart",
        }
    }
}

/// What Codex gets for an answer to this input; none: nothing, which lets it go on. `ticket` is the ticket that the person named.
///
/// Whatever cannot be understood keeps a tool from being used, with the reason; it never keeps a conversation from beginning. A model reads the reason: it
/// names no folder of this machine that is known.
pub fn answer_hook(event: HookEvent, input: &[u8], ticket: Option<&str>, settings: &Settings) -> Option<Value> {
    let told = |reason: &str| folders(input, settings).text(reason);
    match event {
        HookEvent::PreToolUse => {
            let refusal = pre_tool_use(input, ticket, settings).err()?;
            Some(json!({ "hookSpecificOutput": {
                "hookEventName": event.as_str(),
                "permissionDecision": "deny",
                "permissionDecisionReason": format!("foil: {}. {}", shorten(&told(&refusal.to_string()), MAX_REASON), refusal.next_step()),
            }}))
        }
        HookEvent::SessionStart | HookEvent::SubagentStart => match opening_context(event, input, ticket, settings) {
            Ok(None) => None,
            Ok(Some(context)) => Some(json!({ "hookSpecificOutput": {
                "hookEventName": event.as_str(),
                "additionalContext": context,
            }})),
            Err(reason) => {
                Some(json!({ "systemMessage": format!("foil cannot tell of the ledger: {}", told(&reason)) }))
            }
        },
    }
}

/// The folders that a reason may name: it can be about a repository that cannot be opened.
fn folders(input: &[u8], settings: &Settings) -> Redactor {
    #[derive(Deserialize)]
    struct Asking {
        cwd: PathBuf,
    }
    let mut folders = Redactor::default().path(&settings.state_folder, "$STATE");
    if let Some(home) = std::env::home_dir() {
        folders = folders.path(home, "~");
    }
    let asking: Option<Asking> = serde_json::from_slice(input).ok();
    let folder = asking.and_then(|asking| asking.cwd.canonicalize().ok());
    let mut above = folder.iter().flat_map(|folder| folder.ancestors());
    match above.find(|folder| folder.join(".git").exists()) {
        Some(repository) => folders.path(repository, "$REPOSITORY"),
        None => folders,
    }
}
