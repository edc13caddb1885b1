//! The commands that come next when a run is over. Only a person merges.

use ledger_core::{Receipt, RemoteDelivery, TicketId};

use super::NextStep;

/// What comes after a run that delivers nothing: its tree is kept, and only a person makes a branch of it.
pub(super) fn after_no_delivery(id: &TicketId, receipt: &Receipt) -> Vec<NextStep> {
    let (base, tree) = (receipt.base, receipt.tree);
    let step = |purpose, command| NextStep { purpose, command };
    vec![
        step("review it", format!("foil review {id}")),
        step("see the change", format!("git diff {base} {tree}")),
        step(
            "make a branch of it",
            format!("git branch foil/{id} $(git commit-tree {tree} -p {base} -m {id})"),
        ),
        clean_up(),
    ]
}

/// What comes first where a runner died between the delivery and the record of it.
pub(super) fn keep_record(id: &TicketId) -> NextStep {
    NextStep {
        purpose: "keep its record in Git",
        command: format!("foil run {id}"),
    }
}

fn clean_up() -> NextStep {
    NextStep {
        purpose: "remove what the run left",
        command: "foil clean --apply".to_owned(),
    }
}

/// What the commands after a delivery depend on.
pub(super) struct AfterDelivery<'a> {
    pub(super) id: &'a TicketId,
    pub(super) branch: &'a str,
    pub(super) branch_exists: bool,
    pub(super) merged: bool,
    /// The branch of a remote that has it already.
    pub(super) remote: Option<&'a RemoteDelivery>,
    /// Whether what is checked out is a part of the branch.
    pub(super) straight_on: bool,
}

impl AfterDelivery<'_> {
    /// Only a person merges: these are the commands for it.
    pub(super) fn list(&self) -> Vec<NextStep> {
        let Self { id, branch, .. } = self;
        let step = |purpose: &'static str, command: String| NextStep { purpose, command };
        let clean = clean_up();
        let take = |RemoteDelivery { remote, name, .. }: &RemoteDelivery| {
            step("bring it here", format!("git pull --ff-only {remote} {}", name.short()))
        };
        match (self.branch_exists, self.merged) {
            (false, true) => Vec::new(),
            (false, false) => self.remote.map(take).into_iter().collect(),
            (true, true) => vec![step("remove the branch", format!("git branch -d {branch}")), clean],
            (true, false) if self.remote.is_some() => {
                let mut steps = vec![
                    step("review it", format!("foil review {id}")),
                    step("see the change", format!("git diff HEAD...{branch}")),
                ];
                steps.extend(self.remote.map(take));
                steps.push(clean);
                steps
            }
            (true, false) => {
                let take = match self.straight_on {
                    true => format!("foil deliver {id} --here"),
                    false => format!("git merge {branch}"),
                };
                vec![
                    step("review it", format!("foil review {id}")),
                    step("see the change", format!("git diff HEAD...{branch}")),
                    step("take it", take),
                    clean,
                ]
            }
        }
    }
}
