//! What only a person may say.

use super::{Found, unsafe_action};
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
    if command.program() != "foil" {
        return None;
    }
    let (verb, rest) = verb(command.arguments())?;
    let word = WORDS
        .into_iter()
        .find(|word| word.strip_prefix("foil ") == Some(verb))?;
    let asks_for_help = rest
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "-h" || word == "--help");
    (!asks_for_help).then_some(word)
}

/// The verb of `foil`, and what follows it: behind its own options, of which some take the next word as their value, also at the end of a cluster such as `-qC`.
fn verb(mut arguments: &[String]) -> Option<(&str, &[String])> {
    while let [word, rest @ ..] = arguments {
        let takes_next = match word.strip_prefix("--") {
            Some(name) => matches!(name, "directory" | "color"),
            // What stands behind the `C` of a cluster is its value.
            None => match word.strip_prefix('-') {
                Some(cluster) => cluster.find('C').is_some_and(|at| at + 1 == cluster.len()),
                None => return Some((word, rest)),
            },
        };
        arguments = match rest {
            [_, behind @ ..] if takes_next => behind,
            _ => rest,
        };
    }
    None
}
