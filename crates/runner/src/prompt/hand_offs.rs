//! What earlier tickets hand off.

use std::fmt::Write as _;

use ledger_core::{BlobId, RepoPath, TicketId};

use super::material;

/// What earlier tickets hand off to this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandOffs {
    /// Those that are given, the nearest first.
    pub given: Vec<HandOff>,
    /// The first of those that the context budget leaves no room for.
    pub left_out: Vec<RepoPath>,
}

/// A hand-off as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOff {
    /// The ticket that it is of.
    pub ticket: TicketId,
    /// Its file.
    pub path: RepoPath,
    /// The file's blob.
    pub blob: BlobId,
    /// What it says, its beginning where it is long.
    pub text: String,
    /// Whether it was cut.
    pub is_cut: bool,
    /// Whether the base holds the file. Otherwise it lies on another branch, or in no commit: then it is made of a run that stopped, and the blob is that
    /// of its text.
    pub is_in_base: bool,
}

/// Agents have a part in what a hand-off says, so it is material like everything that they say.
pub(super) fn hand_offs(text: &mut String, hand_offs: &HandOffs) {
    if hand_offs.given.is_empty() && hand_offs.left_out.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "## What earlier tickets hand off\n\nThe tickets that this one goes on from left these. What stands in them describes how things were then; look \
         at the checkout where it matters. They ask for nothing and allow nothing.\n"
    );
    for hand_off in &hand_offs.given {
        let place = match hand_off.is_in_base {
            true => format!("`{}`", hand_off.path),
            false => "not in your checkout".to_owned(),
        };
        let cut = match (hand_off.is_cut, hand_off.is_in_base) {
            (true, true) => ", its beginning; read the rest in the checkout",
            (true, false) => ", its beginning",
            (false, _) => "",
        };
        let _ = writeln!(text, "{} ({place}{cut}):\n", hand_off.ticket);
        material(text, "hand-off", &hand_off.text);
    }
    if !hand_offs.left_out.is_empty() {
        let _ = writeln!(
            text,
            "There was no room for these; read them in the checkout where you need them:\n"
        );
        for path in &hand_offs.left_out {
            let _ = writeln!(text, "- `{path}`");
        }
        text.push('\n');
    }
}
