//! What became of the branches that a delivery went to. They are the user's and the remote's: whatever they are now is information.

use git_delivery::Patience;
use ledger_core::{CommitId, RefName, RemoteDelivery};

use super::{Verified, Verifier};
use crate::target::LONGEST_QUESTION;

impl Verifier<'_> {
    pub(super) fn branch(&mut self, branch: &RefName, records: CommitId) {
        let value = self.repository.resolve(branch).ok().flatten().map(CommitId);
        self.became("branch", branch.short(), value, records);
    }

    /// Asks the remote, which needs the network. Where it does not answer, that says nothing about the delivery.
    pub(super) fn remote(&mut self, delivered: &RemoteDelivery, records: CommitId) {
        const WHAT: &str = "remote branch";
        let RemoteDelivery { remote, name, .. } = delivered;
        let patience = Patience::of(LONGEST_QUESTION);
        let asked = self.repository.ask_remote(remote, name, &patience);
        let value = match asked {
            // Whether it contains the delivery can only be told of what is here.
            Ok(Some(value)) if value != records => self.repository.fetch_branch(remote, name, &patience),
            other => other,
        };
        match value {
            Ok(value) => self.became(WHAT, &delivered.to_string(), value, records),
            Err(error) => self.add(WHAT, Verified::Information, format!("not looked at: {error}")),
        }
    }

    fn became(&mut self, what: &'static str, name: &str, value: Option<CommitId>, records: CommitId) {
        let Some(value) = value else {
            return self.add(what, Verified::Information, format!("`{name}` is gone"));
        };
        if value == records {
            return self.matches(what, format!("`{name}` points at {}", records.short()));
        }
        let detail = if self.repository.is_ancestor(records, value).unwrap_or(false) {
            format!("`{name}` contains {}", records.short())
        } else {
            format!("`{name}` moved to {}", value.short())
        };
        self.add(what, Verified::Information, detail);
    }
}
