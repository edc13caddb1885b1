//! What a ticket in quick mode says that its run would be refused for.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use git_delivery::Repository;
use ledger_core::{RepoPath, SpecMode, TicketFile};
use policy::config::GateLevel;
use policy::{Crossing, Policy, QuickFlow, QuickTrigger};

use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{TicketFileName, TicketFolder};
use crate::manifests::Manifests;

/// What tickets in quick mode are held to; made when the first one is met, because most ledgers have few.
pub(super) struct QuickRules<'a> {
    policy: &'a Policy,
    repository: &'a Repository,
    rules: OnceLock<Option<QuickFlow>>,
    manifests: OnceLock<Option<Manifests<'a>>>,
}

impl<'a> QuickRules<'a> {
    /// Those of this policy, with the packages of the commit that is checked out.
    pub(super) fn new(policy: &'a Policy, repository: &'a Repository) -> Self {
        Self {
            policy,
            repository,
            rules: OnceLock::new(),
            manifests: OnceLock::new(),
        }
    }

    /// What a standard ticket without specs names that specs are for: something to give a reason for, or to write specs for where the
    /// policy wants them.
    pub(super) fn without_specs(
        &self,
        folder: &TicketFolder<'_>,
        ticket: &TicketFile,
        contract: &[u8],
    ) -> Vec<Finding> {
        let level = self.policy.gates.of(ticket.kind).specs;
        let has_reason = !ticket.specs.reason.trim().is_empty();
        let (severity, hint) = match level {
            GateLevel::Block => (
                FindingSeverity::Unfinished,
                "the policy wants specs for that: `foil new --spec` shows how they begin",
            ),
            GateLevel::Warn if !has_reason => (
                FindingSeverity::Warning,
                "link specs, or say in `[specs] reason` why it needs none",
            ),
            GateLevel::Warn | GateLevel::Off => return Vec::new(),
        };
        let is_asked = ticket.mode.discipline().plans && ticket.specs.mode == SpecMode::None;
        if !is_asked {
            return Vec::new();
        }
        let Some(rules) = self.rules.get_or_init(|| QuickFlow::new(self.policy).ok()) else {
            return Vec::new();
        };
        let path = folder.path(TicketFileName::Ticket);
        let finding = |crossing: &Crossing| {
            let message = format!(
                "specs are for that, and there are none: {}: {}",
                crossing.trigger, crossing.evidence
            );
            let keys = place(crossing, ticket);
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            Finding::at(severity, path.clone(), contract, &keys, message).with_hint(hint)
        };
        rules.ticket_needs_specs(ticket).iter().map(finding).collect()
    }

    /// What is too much for quick mode, as parts of the ticket that are not finished.
    pub(super) fn findings(&self, folder: &TicketFolder<'_>, ticket: &TicketFile, contract: &[u8]) -> Vec<Finding> {
        if !ticket.mode.discipline().is_small {
            return Vec::new();
        }
        // A policy whose patterns cannot be used is told of elsewhere.
        let Some(rules) = self.rules.get_or_init(|| QuickFlow::new(self.policy).ok()) else {
            return Vec::new();
        };
        let path = folder.path(TicketFileName::Ticket);
        let is_empty = ticket.scope.allowed.as_ref().is_some_and(Vec::is_empty);
        rules
            .of_ticket(ticket, &self.manifests_of(&rules.named_files(ticket)))
            .iter()
            // That nothing may be changed yet is told of any ticket.
            .filter(|crossing| !(is_empty && crossing.trigger == QuickTrigger::BroadFileScope))
            .map(|crossing| {
                let message = format!(
                    "more than quick mode allows: {}: {}",
                    crossing.trigger, crossing.evidence
                );
                let keys = place(crossing, ticket);
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                Finding::at(FindingSeverity::Unfinished, path.clone(), contract, &keys, message)
                    .with_hint(hint(crossing.trigger))
            })
            .collect()
    }

    fn manifests_of(&self, files: &BTreeSet<RepoPath>) -> BTreeSet<RepoPath> {
        let manifests = self.manifests.get_or_init(|| {
            let head = self.repository.head().ok()?.commit()?;
            let tree = self.repository.commit_tree_id(head).ok()?;
            Some(Manifests::of(self.repository, tree))
        });
        // Without them modules are told apart by their folders.
        let above = manifests.as_ref().and_then(|manifests| manifests.above(files).ok());
        above.unwrap_or_default()
    }
}

/// The keys that lead to what crosses a line.
fn place(crossing: &Crossing, ticket: &TicketFile) -> Vec<String> {
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    if let Some(path) = &crossing.path {
        let named = |entry: &String| entry.as_bytes() == path.as_bytes();
        let index = ticket.scope.allowed.iter().flatten().position(named);
        return keys(&["scope", "allowed", &index.unwrap_or_default().to_string()]);
    }
    match crossing.trigger {
        QuickTrigger::BroadFileScope | QuickTrigger::MultipleServicesModules => keys(&["scope", "allowed"]),
        QuickTrigger::ProofUnavailable | QuickTrigger::UnclearRequirements => keys(&["mode"]),
        _ => keys(&["grants"]),
    }
}

fn hint(trigger: QuickTrigger) -> &'static str {
    match trigger {
        QuickTrigger::BroadFileScope => "name at most three files, each exactly, or set `mode = \"standard\"`",
        QuickTrigger::ProofUnavailable => "add a `[[check]]` to the ticket or the policy, or set `mode = \"standard\"`",
        QuickTrigger::UnclearRequirements => {
            "write `[scope] goal` or `[[acceptance]]` and make the decision, or set `mode = \"standard\"`"
        }
        _ => "set `mode = \"standard\"`, or leave that out of this ticket",
    }
}
