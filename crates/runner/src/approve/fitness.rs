//! Whether a ticket is fit to be approved: by what `foil check` says of it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ledger_core::{ReplacedRequirement, TicketFile, TicketId};
use policy::{Policy, SpecConflict, spec_conflicts};

use crate::check_ledger::{Relations, TicketRules};
use crate::finding::Finding;
use crate::ledger::{FileProblem, Ledger, TicketFolder};
use crate::packages::Packages;
use crate::specs::{conflict_findings, open_claims, replaced_in};
use crate::workspace::{Workspace, WorkspaceError};

/// What tickets are held to. What takes the whole ledger is computed once, however many tickets a package has.
pub(super) struct Fitness<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) repository_id: &'a str,
    ledger: &'a Ledger<'a>,
    packages: &'a Packages,
    policy: &'a Policy,
    rules: TicketRules<'a>,
    relations: OnceLock<Relations>,
    conflicts: OnceLock<BTreeMap<TicketId, Vec<SpecConflict>>>,
}

impl<'a> Fitness<'a> {
    pub(super) fn new(
        workspace: &'a Workspace,
        ledger: &'a Ledger<'a>,
        packages: &'a Packages,
        repository_id: &'a str,
    ) -> Result<Self, WorkspaceError> {
        let policy = workspace.policy()?;
        Ok(Self {
            workspace,
            repository_id,
            ledger,
            packages,
            policy,
            rules: TicketRules::new(policy, workspace.repository(), repository_id),
            relations: OnceLock::new(),
            conflicts: OnceLock::new(),
        })
    }

    /// What all tickets of the ledger say of each other.
    pub(super) fn relations(&self) -> &Relations {
        self.relations.get_or_init(|| Relations::of(self.ledger, self.packages))
    }

    /// What the ticket's delta replaces, as far as no ticket before it, of those that it names or of its package, changes that first.
    pub(super) fn replaced_by(&self, folder: &TicketFolder<'_>, ticket: &TicketFile) -> Vec<ReplacedRequirement> {
        let package = ticket.package.as_ref().and_then(|name| self.packages.get(name));
        let of_package = package.into_iter().flat_map(|package| &package.tickets);
        let before = of_package.take_while(|id| *id != folder.id()).chain(&ticket.depends_on);
        let before: Vec<_> = before.filter_map(|id| self.ledger.ticket(id)).collect();
        replaced_in(folder, ticket, self.policy, &before)
    }

    /// Everything that is wrong with a ticket, on its own and beside the others.
    pub(super) fn findings(
        &self,
        folder: &TicketFolder<'_>,
        contract: &[u8],
        read: &Result<TicketFile, FileProblem>,
    ) -> Vec<Finding> {
        let (mut findings, claim) = self.rules.findings(folder, contract, read);
        findings.extend(self.relations().findings(self.ledger, self.packages, folder.id()));
        if claim.is_some() {
            let conflicts = self
                .conflicts
                .get_or_init(|| spec_conflicts(&open_claims(self.workspace, self.ledger, self.policy)));
            if let Some(conflicts) = conflicts.get(folder.id()) {
                findings.extend(conflict_findings(folder, contract, conflicts));
            }
        }
        findings
    }
}
