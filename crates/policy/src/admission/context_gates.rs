//! The gates about what a worker is told and given to read.

use std::fmt::Display;

use ledger_core::{BlockerCode, TicketFile};

use super::gates::{no, no_but, yes};
use super::{AdmissionFacts, Gate};
use crate::config::Policy;
use crate::context_budget::ContextSize;
use crate::scope::PolicyScope;
use crate::steering::steering_conflicts;

/// None where nothing steers.
pub(super) fn steering(ticket: &TicketFile, policy: &Policy, facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "steering";
    let steering = &facts.steering;
    if let Some(first) = steering.unusable.first() {
        let detail = with_more(first, steering.unusable.len());
        let next_step = "mend it and commit that; `foil check` shows what is wrong with it";
        return Some(no_but(NAME, BlockerCode::SteeringConflict, detail, next_step));
    }
    let conflicts = steering_conflicts(ticket, &PolicyScope::new(policy), &steering.packs);
    if let Some(first) = conflicts.first() {
        return Some(no(
            NAME,
            BlockerCode::SteeringConflict,
            with_more(first, conflicts.len()),
        ));
    }
    let packs = steering.packs.iter();
    let packs: Vec<_> = packs
        .map(|(name, pack)| format!("`{name}` ({})", pack.head.inclusion.mode))
        .collect();
    (!packs.is_empty()).then(|| yes(NAME, packs.join(", ")))
}

/// None where nothing is limited and nothing is wrong.
pub(super) fn context(ticket: &TicketFile, facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "context";
    if let Some((path, secret)) = facts.context.secrets.first() {
        let place = match secret.line {
            0 => format!("`{path}`"),
            line => format!("line {line} of `{path}`"),
        };
        let first = format!(
            "{place}, which the worker is given to read, looks like a secret: {}",
            secret.rule
        );
        let next_step = format!(
            "take it out of what the ticket gives to read; if it is none, add `{}` to `[scope.secrets] exceptions`",
            secret.fingerprint
        );
        let detail = with_more(first, facts.context.secrets.len());
        return Some(no_but(NAME, BlockerCode::SecretFound, detail, &next_step));
    }
    if let Some((path, bytes)) = facts.context.too_large.first() {
        let detail = format!("`{path}`, which the worker is told to read, has {bytes} bytes");
        return Some(no(NAME, BlockerCode::ContextOverBudget, detail));
    }
    let packs = facts.steering.packs.iter().map(|(_, pack)| pack.text.as_str());
    let size = ContextSize::of(ticket, packs, facts.context.files.len());
    if let Some(over) = size.over(ticket) {
        return Some(no(NAME, BlockerCode::ContextOverBudget, over.to_string()));
    }
    let within: Vec<_> = size
        .limits(ticket)
        .iter()
        .filter(|limit| limit.is_set)
        .map(|limit| format!("{} of {} {}", limit.has, limit.most, limit.what))
        .collect();
    (!within.is_empty()).then(|| yes(NAME, within.join(", ")))
}

/// None where everything is there that the worker has to read.
pub(super) fn required(facts: &AdmissionFacts) -> Option<Gate> {
    let first = facts.context.missing.first()?;
    let first = format!("the base has no file `{first}`, which `[context] required` names");
    Some(no_but(
        "required",
        BlockerCode::NeedsPerson,
        with_more(first, facts.context.missing.len()),
        "name a file that is committed there, or take it out, and approve the ticket again",
    ))
}

fn with_more(first: impl Display, all: usize) -> String {
    match all {
        0 | 1 => first.to_string(),
        _ => format!("{first}; and {} more", all - 1),
    }
}
