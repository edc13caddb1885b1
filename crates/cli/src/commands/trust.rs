//! `foil trust`

use jiff::Timestamp;
use ledger_core::{Digest, RepoPath};
use runner::{Moment, PolicyCommand, PolicyCommandKind, policy_commands};
use serde::Serialize;

use super::Context;
use super::since::local_time;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, HEADING, plain, styled};

/// Show what the policy would run, and remember that you agree to exactly these bytes
///
/// Consent is for you, this repository and these bytes: an edit of counterfoil.toml asks again. Nothing of the repository
/// is run before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil trust --show     only look\n  foil trust            look and agree")]
pub(crate) struct TrustArgs {
    /// Only show it
    #[arg(long)]
    show: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    policy: Digest,
    commands: Vec<PolicyCommand>,
    /// Untracked files that the worker, set-up commands and checks are given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<RepoPath>,
    /// Where the address is found that notifications are sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_since: Option<Timestamp>,
}

pub(super) fn run(args: &TrustArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let policy = workspace.policy()?;
    let digest = workspace.policy_file().digest();
    let common_dir = workspace.repository().common_dir();
    let store = workspace.trust_store();
    let before = store
        .trusted_at(common_dir, digest)
        .map_err(runner::WorkspaceError::from)?;
    let since = match (before, args.show) {
        (Some(at), _) => Some(at),
        (None, true) => None,
        (None, false) => {
            let now = Moment::now().whole_seconds();
            store
                .trust(common_dir, digest, now)
                .map_err(runner::WorkspaceError::from)?;
            Some(now)
        }
    };
    let commands = policy_commands(policy);
    let webhook = policy.notify.webhook.as_ref().map(|webhook| match webhook.variable() {
        Some(variable) => format!("the address in the variable {variable}"),
        None => "an address of this machine".to_owned(),
    });
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.trust/1",
            policy: digest,
            commands,
            copies: policy.workspace.copy.clone(),
            webhook: webhook.clone(),
            trusted: since.is_some(),
            trusted_since: since,
        })?;
        return Ok(Exit::Done);
    }
    let file = match workspace.policy_file().bytes {
        Some(_) => "counterfoil.toml",
        None => "no counterfoil.toml: all defaults",
    };
    let mut text = format!("{} {}\n{}\n\n", styled(HEADING, "Policy"), file, styled(DIM, digest));
    text.push_str(&format!("{}\n", styled(HEADING, "It runs")));
    for command in &commands {
        text.push_str(&line(command));
    }
    text.push_str("  and the checks of each ticket that you approve\n");
    let copies = &policy.workspace.copy;
    if !copies.is_empty() {
        text.push_str(&format!(
            "\n{}\n",
            styled(
                HEADING,
                "The worker and these commands are given, of your untracked files"
            )
        ));
        for path in copies {
            text.push_str(&format!("  {}\n", plain(&path.to_string())));
        }
    }
    if let Some(webhook) = &webhook {
        text.push_str(&format!(
            "\n{}\n  {}\n",
            styled(HEADING, "It sends how runs end to"),
            plain(webhook)
        ));
    }
    context.output.answer(&text)?;
    let said = match (before, since) {
        (Some(at), _) => format!("\nYou have trusted it since {}.\n", local_time(at)),
        (None, Some(_)) => "\nYou trust it now.\n".to_owned(),
        (None, None) => "\nYou do not trust it yet. If you agree: `foil trust`.\n".to_owned(),
    };
    context.output.story(&said)?;
    Ok(Exit::Done)
}

fn line(command: &PolicyCommand) -> String {
    let what = match command.what {
        PolicyCommandKind::Agent => "agent",
        PolicyCommandKind::Setup => "set-up",
        PolicyCommandKind::Check => "check",
        PolicyCommandKind::Hook => "hook",
        PolicyCommandKind::Notify => "notification",
    };
    let name = command
        .name
        .as_deref()
        .map(|name| format!(" `{}`", plain(name)))
        .unwrap_or_default();
    let mut line = format!("  {what}{name}: {}", plain(&command.command));
    if command.network {
        line.push_str(&styled(BAD, " with network"));
    }
    if command.unsandboxed {
        line.push_str(&styled(BAD, " without a sandbox"));
    }
    line + "\n"
}
