//! The delivered and unmerged tickets that a run's base rests on, in words.

use ledger_core::{Run, StackedTicket};

/// The tickets that a run's base rests on; none before the base is chosen.
pub(crate) fn stack_of(run: &Run) -> &[StackedTicket] {
    run.discovery().map_or(&[], |discovery| discovery.reason.stacked())
}

/// The tickets with their commits: `0001-a at 1234567890ab and 0002-b at ba0987654321`. Empty where there are none.
pub fn stack_in_words(stack: &[StackedTicket]) -> String {
    let names: Vec<_> = stack
        .iter()
        .map(|stacked| format!("{} at {}", stacked.ticket, stacked.commit.short()))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What that means for whoever merges; none where the base rests on nothing.
pub fn stack_sentence(stack: &[StackedTicket]) -> Option<String> {
    let them = if stack.len() == 1 { "it" } else { "them" };
    (!stack.is_empty()).then(|| {
        format!(
            "the base rests on {}, delivered and not merged when the run began: merging this branch brings {them} too",
            stack_in_words(stack)
        )
    })
}
