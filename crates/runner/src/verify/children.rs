//! Whether the base of a parent holds what its children delivered.

use ledger_core::{ChildEnd, CommitId, RepoPath, Run, TicketId};

use super::{Verified, Verifier};
use crate::base::stored_receipt;

impl Verifier<'_> {
    pub(super) fn children(&mut self, run: &Run) {
        const WHAT: &str = "what the children delivered";
        let Some(base) = run.base() else { return };
        for child in run.children().values() {
            let ChildEnd::Delivered { commit } = &child.ended.end else {
                continue;
            };
            let ticket = &child.ended.ticket;
            match commit.filter(|commit| self.repository.is_ancestor(*commit, base).unwrap_or(false)) {
                Some(commit) => {
                    self.matches(WHAT, format!("`{ticket}` at {}", commit.short()));
                    self.began_within(run, base, ticket);
                }
                // After a squash, or in a history that was written anew, its record stands in its place.
                None if self.has_record(run, base, ticket) => {
                    self.add(WHAT, Verified::Information, format!("`{ticket}`: by its record"));
                    self.began_within(run, base, ticket);
                }
                None => self.differs(WHAT, format!("nothing of `{ticket}` is in the base {}", base.short())),
            }
        }
    }

    /// What the reviewer of the whole saw begins no later than the change of each child whose receipt is here, and of a delivery that the base
    /// holds: after a squash the two begin elsewhere.
    fn began_within(&mut self, run: &Run, base: CommitId, child: &TicketId) {
        const WHAT: &str = "where the whole begins";
        let Ok(Some(receipt)) = stored_receipt(self.repository, child) else {
            return;
        };
        let delivered = receipt.delivered.as_ref().map(|delivered| delivered.records);
        if !delivered.is_some_and(|records| self.repository.is_ancestor(records, base).unwrap_or(false)) {
            return;
        }
        let since = run.discovery().and_then(|discovery| discovery.since);
        let began = receipt.base;
        match since {
            Some(since) if self.repository.is_ancestor(since, began).unwrap_or(false) => {
                self.matches(WHAT, format!("at {}, no later than `{child}`", since.short()));
            }
            Some(since) => {
                let detail = format!("at {}, and `{child}` began at {}", since.short(), began.short());
                self.differs(WHAT, detail);
            }
            None => self.differs(WHAT, format!("nowhere, and `{child}` began at {}", began.short())),
        }
    }

    fn has_record(&self, run: &Run, base: CommitId, ticket: &TicketId) -> bool {
        let (Ok(tree), Some(lock)) = (self.repository.commit_tree_id(base), run.source_lock()) else {
            return false;
        };
        // The ledger is where the ticket's own files were.
        let own = format!("/{}/", run.opened().ticket);
        let folders = lock.files.iter().filter_map(|file| {
            let path = file.path.to_string();
            path.split_once(&own).map(|(folder, _)| folder.to_owned())
        });
        folders.into_iter().any(|folder| {
            let path = format!("{folder}/{ticket}/result.md").parse::<RepoPath>();
            path.is_ok_and(|path| matches!(self.repository.entry_at(tree, &path), Ok(Some(_))))
        })
    }
}
