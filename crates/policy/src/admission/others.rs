//! The gates about other tickets: those that a ticket depends on, and those before it in its package.

use ledger_core::{BlockerCode, DeliveryMode, TicketFile, TicketId};

use super::gates::{listed, no_but, unknown, yes};
use super::{AdmissionFacts, DependencyState, Gate, PackageFact, PackageState};
use crate::config::Policy;

/// What a worker delivered and nobody merged is no person's: a set-up command that has the network does not run on it.
fn sets_up_with_network(policy: &Policy) -> bool {
    policy.workspace.setup.iter().any(|command| command.network)
}

/// Whether a run may start from what was delivered and is not merged.
pub fn may_stack(policy: &Policy) -> bool {
    policy.delivery.stack && policy.delivery.mode != DeliveryMode::Push && !sets_up_with_network(policy)
}

pub(super) fn dependencies(ticket: &TicketFile, policy: &Policy, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "dependencies";
    let leave_out = |what: &str| format!("{what} `depends_on`, and approve the ticket again");
    // Its children have a gate of their own.
    for id in ticket.depends_on.iter().filter(|id| !is_child(facts, id)) {
        let fact = facts.dependencies.iter().find(|fact| fact.id == *id);
        let awaited = Awaited {
            gate: NAME,
            id,
            state: fact.map_or(DependencyState::Unknown, |fact| fact.state),
            if_canceled: leave_out("take it out of the ticket's"),
            if_missing: leave_out("mend the ticket's"),
        };
        if let Some(gate) = awaited.refusal(policy, facts) {
            return gate;
        }
    }
    match ticket.depends_on.len() {
        0 => yes(NAME, "it depends on no other ticket"),
        _ => yes(NAME, format!("delivered: {}", listed(ticket.depends_on.iter()))),
    }
}

/// A ticket of a package runs when the lock holds and everything before it is delivered.
pub(super) fn package(policy: &Policy, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "package";
    let Some(PackageFact {
        name,
        state,
        before,
        after,
        delivered_after,
    }) = &facts.package
    else {
        return yes(NAME, "it belongs to no package");
    };
    let again = format!("`foil package lock {name}`, then `foil approve {name}`");
    let broken = |detail: String, next_step: &str| no_but(NAME, BlockerCode::SourceLockMismatch, detail, next_step);
    let locked = match state {
        PackageState::Locked { files } => *files,
        PackageState::Unknown { reason } => return unknown(NAME, reason.clone()),
        PackageState::Missing => {
            let detail = format!("the base has no package `{name}`");
            return broken(
                detail,
                "write it with `foil package new`, or leave `package` out of the ticket",
            );
        }
        PackageState::Invalid { reason } => {
            let next_step = format!("`foil check` shows where; mend it, {again}");
            return broken(format!("the package `{name}` cannot be used: {reason}"), &next_step);
        }
        PackageState::NotListed => {
            let detail = format!("the package `{name}` does not list this ticket");
            let next_step = format!("put it in its place there, or leave `package` out of the ticket; {again}");
            return broken(detail, &next_step);
        }
        PackageState::NotLocked => {
            return broken(format!("the package `{name}` has no lock"), &again);
        }
        PackageState::Differs { difference } => {
            let detail = format!("the lock of the package `{name}` does not hold: {difference}");
            return broken(
                detail,
                &format!(
                    "look at what changed with `git status` and `git diff`, and take back or remove what was not meant; if it is right, {again}"
                ),
            );
        }
    };
    if *after > 0 && policy.delivery.mode == DeliveryMode::None {
        // It would be done for good, and the next one could never start.
        let detail = format!(
            "under `[delivery] mode = \"none\"` nothing is delivered that the next ticket of the package `{name}` could start from"
        );
        let next_step = "set `[delivery] mode = \"branch\"` and trust the policy";
        return no_but(NAME, BlockerCode::NeedsPerson, detail, next_step);
    }
    let leave_out = format!("take it out of the package `{name}`; {again}");
    for fact in before.iter().filter(|fact| !is_child(facts, &fact.id)) {
        let awaited = Awaited {
            gate: NAME,
            id: &fact.id,
            state: fact.state,
            if_canceled: leave_out.clone(),
            if_missing: leave_out.clone(),
        };
        if let Some(gate) = awaited.refusal(policy, facts) {
            return gate;
        }
    }
    if let Some(after) = delivered_after.first() {
        let detail = format!("`{after}`, which comes after it in the package `{name}`, is delivered already");
        let next_step = format!("put this ticket after it; {again}");
        return no_but(NAME, BlockerCode::NeedsPerson, detail, &next_step);
    }
    let files = if locked == 1 {
        "1 file is"
    } else {
        &format!("{locked} files are")
    };
    match before.len() {
        0 => yes(NAME, format!("the first of `{name}`, whose {files} as locked")),
        _ => {
            let before = listed(before.iter().map(|fact| &fact.id));
            yes(
                NAME,
                format!("its turn in `{name}`, whose {files} as locked; delivered before it: {before}"),
            )
        }
    }
}

/// The name of the gate about children.
pub(super) const CHILDREN: &str = "children";

/// A parent runs when each of its children is delivered, or closed by a person.
pub(super) fn children(ticket: &TicketFile, policy: &Policy, facts: &AdmissionFacts) -> Option<Gate> {
    if !ticket.mode.discipline().owns_tickets {
        return None;
    }
    let Some(children) = &facts.children else {
        return Some(unknown(CHILDREN, "its children are not known"));
    };
    let needs_person = |detail: &str, next_step| no_but(CHILDREN, BlockerCode::NeedsPerson, detail, next_step);
    if policy.delivery.mode == DeliveryMode::None {
        let detail =
            "under `[delivery] mode = \"none\"` no child is delivered that could be brought together with the others";
        let next_step = "set `[delivery] mode = \"branch\"` and trust the policy";
        return Some(needs_person(detail, next_step));
    }
    let (canceled, wanted): (Vec<_>, Vec<_>) = children
        .iter()
        .partition(|child| child.state == DependencyState::Canceled);
    if wanted.is_empty() {
        return Some(match canceled.len() {
            0 => needs_person(
                "no ticket names it as its parent",
                "write the children with `foil new --parent <ticket>`, or choose another mode",
            ),
            _ => needs_person(
                "all its children are canceled",
                "`foil cancel <ticket>` closes it as well",
            ),
        });
    }
    let run_them = "`foil run <ticket>` runs its children first";
    for child in &wanted {
        let awaited = Awaited {
            gate: CHILDREN,
            id: &child.id,
            state: child.state,
            if_canceled: String::new(),
            if_missing: "commit the child as well".to_owned(),
        };
        match awaited.refusal(policy, facts) {
            Some(_) if child.state == DependencyState::NotDelivered => {
                let detail = format!("`{}` is not delivered", child.id);
                return Some(no_but(CHILDREN, BlockerCode::DependencyNotDone, detail, run_them));
            }
            Some(gate) => return Some(gate),
            None => {}
        }
    }
    Some(yes(
        CHILDREN,
        format!("delivered: {}", listed(wanted.iter().map(|child| &child.id))),
    ))
}

fn is_child(facts: &AdmissionFacts, id: &TicketId) -> bool {
    let mut children = facts.children.iter().flatten();
    children.any(|child| child.id == *id)
}

/// A ticket that must be delivered first.
struct Awaited<'a> {
    gate: &'static str,
    id: &'a TicketId,
    state: DependencyState,
    /// What to do where a person closed it.
    if_canceled: String,
    /// What to do where there is none.
    if_missing: String,
}

impl Awaited<'_> {
    /// Why its being awaited refuses the run; none where it is delivered to where the run can start from.
    fn refusal(&self, policy: &Policy, facts: &AdmissionFacts) -> Option<Gate> {
        let id = self.id;
        let not_done = |detail: String, next_step: &str| {
            Some(no_but(self.gate, BlockerCode::DependencyNotDone, detail, next_step))
        };
        match self.state {
            DependencyState::InBase => None,
            DependencyState::Delivered if facts.target.is_some() => not_done(
                format!("`{id}` is delivered, and not in the branch that is pushed to"),
                "bring it there first",
            ),
            DependencyState::Delivered if policy.delivery.stack && !sets_up_with_network(policy) => None,
            DependencyState::Delivered if policy.delivery.stack => not_done(
                format!("`{id}` is delivered and not merged, and set-up with the network runs what is merged alone"),
                "look at its branch, and merge it",
            ),
            DependencyState::Delivered => not_done(
                format!("`{id}` is delivered and not merged into the base"),
                "merge its branch, or set `[delivery] stack = true`",
            ),
            DependencyState::NotDelivered => not_done(
                format!("`{id}` is not delivered"),
                &format!("run it first: `foil run {id}`"),
            ),
            DependencyState::Canceled => {
                not_done(format!("`{id}` was closed without being delivered"), &self.if_canceled)
            }
            DependencyState::Missing => not_done(format!("there is no ticket `{id}`"), &self.if_missing),
            DependencyState::Unknown => Some(unknown(self.gate, format!("how `{id}` stands is not known"))),
        }
    }
}
