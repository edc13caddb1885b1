//! `foil hook`

use std::io::Read as _;

use clap::ValueEnum;
use runner::{HookEvent, MAX_HOOK_INPUT_BYTES, Settings, answer_hook};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Answer a hook of Codex', which asks on standard input
///
/// `foil codex install --hooks` sets it up. With a ticket, Codex may write only within its scope and run only what it allows. The ticket is
/// the one that is named, by `--ticket` or in FOIL_TICKET, else the one whose delivery branch is checked out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil hook pre-tool-use\n  FOIL_TICKET=0042-validate-email codex")]
pub(crate) struct HookArgs {
    /// What Codex asks about
    event: Event,
    /// The ticket that is worked on
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Event {
    /// Whether a tool may be used
    PreToolUse,
    /// What a conversation is told when it begins
    SessionStart,
    /// What a sub-agent is told when it begins
    SubagentStart,
}

pub(super) fn run(args: &HookArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let mut input = Vec::new();
    let limit = u64::try_from(MAX_HOOK_INPUT_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    std::io::stdin().lock().take(limit).read_to_end(&mut input)?;
    let named = match &args.ticket {
        Some(ticket) => Some(ticket.clone()),
        None => std::env::var_os("FOIL_TICKET").map(|ticket| ticket.to_string_lossy().into_owned()),
    };
    let event = match args.event {
        Event::PreToolUse => HookEvent::PreToolUse,
        Event::SessionStart => HookEvent::SessionStart,
        Event::SubagentStart => HookEvent::SubagentStart,
    };
    let named = named.as_deref().filter(|ticket| !ticket.is_empty());
    if let Some(answer) = answer_hook(event, &input, named, &Settings::from_environment()?) {
        context.output.json_line(&answer)?;
    }
    Ok(Exit::Done)
}
