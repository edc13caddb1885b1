//! One branch with all tickets of a package: `[delivery] branch` with `{package}` and without `{id}`.

use git_delivery::{RefError, Repository};
use ledger_core::{CommitId, RefName, RepoPath, TicketId};

use crate::base::{DependencyState, dependency_state, stored_receipt};

/// The branch that the tickets of a package share, from the view of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedBranch {
    /// Its short name by the policy's template.
    pub wanted: String,
    /// The ledger's folder.
    pub ledger: RepoPath,
    /// The tickets before this one, in their order.
    pub before: Vec<TicketId>,
}

impl SharedBranch {
    /// The branch and its tip, where it is there and holds every ticket before this one. Nothing before the first ticket: whatever has
    /// the name then is somebody else's.
    pub fn find(&self, repository: &Repository) -> Result<Option<(RefName, CommitId)>, RefError> {
        let Some(last) = self.before.last() else {
            return Ok(None);
        };
        // The first ticket may have found the name taken, and gone on with the next one.
        let of_receipt = stored_receipt(repository, last)
            .ok()
            .flatten()
            .and_then(|receipt| receipt.delivered)
            .map(|delivered| delivered.branch)
            .filter(|branch| self.is_its_name(branch.short()));
        let by_name = RefName::branch(&self.wanted).ok();
        for name in of_receipt.into_iter().chain(by_name) {
            if let Some(tip) = repository.resolve(&name)?.map(CommitId)
                && self.is_held_by(repository, tip)
            {
                return Ok(Some((name, tip)));
            }
        }
        Ok(None)
    }

    fn is_its_name(&self, short: &str) -> bool {
        match short.strip_prefix(&self.wanted) {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix('-')
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
            None => false,
        }
    }

    fn is_held_by(&self, repository: &Repository, tip: CommitId) -> bool {
        let Ok(tree) = repository.commit_tree_id(tip) else {
            return false;
        };
        self.before
            .iter()
            .all(|ticket| dependency_state(repository, tip, tree, &self.ledger, ticket) == DependencyState::InBase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_of_a_package_is_known_by_its_name_and_the_numbers_after_it() {
        let branch = SharedBranch {
            wanted: "foil/sign-up".into(),
            ledger: "ledger".parse().unwrap(),
            before: Vec::new(),
        };
        for its in ["foil/sign-up", "foil/sign-up-2", "foil/sign-up-17"] {
            assert!(branch.is_its_name(its), "{its}");
        }
        for other in [
            "foil/sign",
            "foil/sign-up-",
            "foil/sign-up-form",
            "foil/sign-up2",
            "main",
        ] {
            assert!(!branch.is_its_name(other), "{other}");
        }
    }
}
