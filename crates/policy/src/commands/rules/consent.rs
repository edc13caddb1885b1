//! What only a person may say.

use super::{Found, is_help, unsafe_action, verbs};
use crate::commands::words::Command;

/// The commands by which a person speaks.
const WORDS: [&str; 7] = [
    "foil approve",
    "foil trust",
    "foil answer",
    "foil accept",
    "foil reject",
    "foil cancel",
    "foil deliver",
];

/// An agent that approves, trusts, accepts, delivers, or answers what it asked itself, speaks in a person's place.
pub(super) fn gives_consent(command: &Command) -> Found {
    word_of_a_person(command).and_then(|_| unsafe_action("speaks in a person's place", command))
}

/// The command by which only a person speaks, if it is one.
pub(crate) fn word_of_a_person(command: &Command) -> Option<&'static str> {
    if command.program() != "foil" || is_help(command) {
        return None;
    }
    let verb = verbs(command, &["-C", "--directory", "--color"], 1).pop()?;
    WORDS.into_iter().find(|word| word.strip_prefix("foil ") == Some(verb))
}
