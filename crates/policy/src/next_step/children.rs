//! From the source lock to the base, which for a parent holds its children.

use ledger_core::{BlockerCode, Event, PhaseEvidence, Run};

use super::{blocked, enter};
use crate::inputs::{Inputs, Step};
use crate::manager::{NextChild, next_child};

pub(super) fn next(run: &Run, inputs: &Inputs) -> Step {
    let discovered = || enter(PhaseEvidence::RepositoryDiscovered(inputs.start.discovery.clone()));
    if !run.opened().mode.discipline().owns_tickets {
        return discovered();
    }
    let open = |reason| blocked(run, BlockerCode::DependencyNotDone, reason);
    match next_child(run, &inputs.start.children) {
        Ok(NextChild::Note(ended)) => Step::Record(Event::ChildEnded(ended)),
        Ok(NextChild::AllClosed) if run.children().is_empty() => open("the ticket has no children".to_owned()),
        Ok(NextChild::AllClosed) => discovered(),
        // Whoever runs a parent has its children run before.
        Ok(NextChild::Run(child) | NextChild::Stuck { child, .. }) => open(format!("`{child}` is not delivered")),
        Err(error) => open(error.to_string()),
    }
}
