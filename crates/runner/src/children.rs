//! The children of a parent ticket, in words.

use ledger_core::{ChildEnd, ChildEnded, Run};

/// How each child of a parent's run ended, and what was chosen then, in one line each. Empty for any other ticket.
pub fn children_in_words(run: &Run) -> Vec<String> {
    run.children().values().map(|child| in_words(&child.ended)).collect()
}

fn in_words(ended: &ChildEnded) -> String {
    let end = end_in_words(&ended.end);
    match ended.end.is_closed() {
        true => format!("{} {end}", ended.ticket),
        false => format!("{} {end}; {}: {}", ended.ticket, ended.choice.as_str(), ended.reason),
    }
}

/// How a child ended.
pub(crate) fn end_in_words(end: &ChildEnd) -> String {
    match end {
        ChildEnd::Delivered { commit: Some(commit) } => format!("is delivered at {}", commit.short()),
        ChildEnd::Delivered { commit: None } => "is delivered".to_owned(),
        ChildEnd::Canceled => "is canceled".to_owned(),
        ChildEnd::Blocked { code, reason, .. } => format!("stopped, {code}: {reason}"),
        ChildEnd::Paused => "was left".to_owned(),
    }
}
