//! What only a person may say.

use super::{Found, is_help, unsafe_action, verbs};
use crate::commands::words::Command;

/// A worker that approves, trusts, accepts, delivers, or answers what it asked itself, speaks in a person's place.
pub(super) fn gives_consent(command: &Command) -> Found {
    if command.program() != "foil" || is_help(command) {
        return None;
    }
    match verbs(command, &["-C", "--directory", "--color"], 1).as_slice() {
        ["approve" | "trust" | "accept" | "reject" | "cancel" | "deliver" | "answer"] => {
            unsafe_action("speaks in a person's place", command)
        }
        _ => None,
    }
}
