//! What a new spec begins with: every section and table, with what is still to be written as comments.

use super::{RequirementId, SpecFolder, SpecKind};
use crate::id::TicketId;
use crate::path::RepoPath;

/// The text of a new spec for the change of this name. `number` is that of the first requirement, which no other has.
pub fn spec_skeleton(kind: SpecKind, name: &TicketId, title: &str, ledger: &RepoPath, number: u32) -> String {
    let template = match kind {
        SpecKind::Requirements => include_str!("skeleton/requirements.md"),
        SpecKind::Design => include_str!("skeleton/design.md"),
        SpecKind::Tasks => include_str!("skeleton/tasks.md"),
        SpecKind::Delta => include_str!("skeleton/delta.md"),
    };
    // What a title holds is not filled in itself.
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (key, after) = after.split_once("}}").unwrap_or((after, ""));
        match key {
            "name" => text.push_str(name.as_str()),
            "title" => text.push_str(title),
            "requirement" => text.push_str(RequirementId::numbered(number).as_str()),
            "specs" => text.push_str(&SpecFolder::of(ledger).path().to_string()),
            _ => {}
        }
        rest = after;
    }
    text.push_str(rest);
    text
}
