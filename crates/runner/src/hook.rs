//! Answers to the hooks of the Codex that a person works with: before a tool is used, and when a conversation or a sub-agent begins.
//!
//! That is a tripwire for an agent that means well, not a wall: what a script or another program writes is not seen. What a run delivers is measured by the
//! runner, whatever was asked here.

mod active;
mod landing;
mod opening;
mod tool;

use serde_json::{Value, json};

use crate::agent::shorten;
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
/// Whatever cannot be understood keeps a tool from being used, with the reason; it never keeps a conversation from beginning.
pub fn answer_hook(event: HookEvent, input: &[u8], ticket: Option<&str>, settings: &Settings) -> Option<Value> {
    match event {
        HookEvent::PreToolUse => {
            let refusal = pre_tool_use(input, ticket, settings).err()?;
            Some(json!({ "hookSpecificOutput": {
                "hookEventName": event.as_str(),
                "permissionDecision": "deny",
                "permissionDecisionReason": format!("foil: {}. {}", shorten(&refusal.to_string(), MAX_REASON), refusal.next_step()),
            }}))
        }
        HookEvent::SessionStart | HookEvent::SubagentStart => match opening_context(event, input, ticket, settings) {
            Ok(None) => None,
            Ok(Some(context)) => Some(json!({ "hookSpecificOutput": {
                "hookEventName": event.as_str(),
                "additionalContext": context,
            }})),
            Err(reason) => Some(json!({ "systemMessage": format!("foil cannot tell of the ledger: {reason}") })),
        },
    }
}
