//! `delta.md`: what becomes of the current specs.

use std::ops::Range;

use super::reader::Reader;
use super::{DeltaItemId, RequirementId, SpecKind, SpecProblem};
use crate::id::TicketId;
use crate::path::RepoPath;
use crate::ticket::DecisionStatus;

/// What a change does to the current specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Its name, such as `DELTA-sign-up`.
    pub id: String,
    /// Whether the whole delta is decided.
    pub status: DecisionStatus,
    /// What is added, modified and removed, in the order of the file.
    pub items: Vec<DeltaItem>,
    /// What is handled otherwise than by a change of the current specs.
    pub exceptions: Vec<DeltaException>,
}

/// One requirement that is added to the current ones, modified in them or removed from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaItem {
    /// Its name.
    pub id: DeltaItemId,
    /// What happens.
    pub change: DeltaChange,
    /// Whether it is decided.
    pub status: DecisionStatus,
    /// The requirement.
    pub requirement: RequirementId,
    /// The file of the current specs that has it, or gets it.
    pub current: RepoPath,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// What happens to a current requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaChange {
    /// It is new.
    Added,
    /// It says something else.
    Modified,
    /// It is no longer required.
    Removed,
}

/// An item that does not change the current specs with this ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaException {
    /// The item.
    pub item: DeltaItemId,
    /// What happens in place of it.
    pub handling: DeltaHandling,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// What happens to an item in place of a change of the current specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaHandling {
    /// A later ticket does it.
    Deferred {
        /// Who sees to it.
        owner: String,
        /// The ticket.
        follow_up: TicketId,
    },
    /// Another item or decision took its place.
    Superseded {
        /// Which, in words.
        by: String,
    },
}

impl Delta {
    pub(super) fn read(bytes: &[u8]) -> (Option<Self>, Vec<SpecProblem>) {
        let mut reader = match Reader::new(SpecKind::Delta, bytes) {
            Ok(reader) => reader,
            Err(problem) => return (None, vec![problem]),
        };
        let id = reader.set_id("Delta ID", "DELTA-");
        let status = reader.set_status();
        let mut items = Vec::new();
        for (name, change, prefix, words) in [
            ("ADDED", DeltaChange::Added, "ADD-", &["New behaviour"][..]),
            (
                "MODIFIED",
                DeltaChange::Modified,
                "MOD-",
                &["Existing behaviour", "New behaviour"],
            ),
            (
                "REMOVED",
                DeltaChange::Removed,
                "REM-",
                &["Removed behaviour", "Replacement or removal reason"],
            ),
        ] {
            section(&mut reader, (name, change, prefix), words, &mut items);
        }
        let exceptions = exceptions(&mut reader, &items);
        let delta = Self {
            id,
            status,
            items,
            exceptions,
        };
        (Some(delta), reader.finish())
    }

    /// How an item is handled otherwise, where it is.
    pub fn exception(&self, item: &DeltaItemId) -> Option<&DeltaHandling> {
        let found = self.exceptions.iter().find(|exception| exception.item == *item);
        found.map(|exception| &exception.handling)
    }

    /// The items that change the current specs when the ticket is delivered.
    pub fn applied(&self) -> impl Iterator<Item = &DeltaItem> {
        self.items
            .iter()
            .filter(|item| item.status == DecisionStatus::Accepted && self.exception(&item.id).is_none())
    }
}

fn section(
    reader: &mut Reader<'_>,
    (name, change, prefix): (&str, DeltaChange, &str),
    words: &[&str],
    items: &mut Vec<DeltaItem>,
) {
    let mut columns = vec!["Delta Item ID", "Status", "Requirement ID"];
    columns.extend(words);
    let place = columns.len();
    columns.extend(["Required current-spec update", "Proof"]);
    for record in reader.table(name, &columns) {
        let taken: Vec<_> = items.iter().map(|item| item.id.clone()).collect();
        let (Some(id), Some(requirement)) = (
            reader.own_id::<DeltaItemId>(&record, 0, &taken),
            reader.id::<RequirementId>(&record, 2),
        ) else {
            continue;
        };
        if !id.as_str().starts_with(prefix) {
            let message = format!("`{id}` stands in `{name}`, whose items begin with `{prefix}`");
            reader.error(
                &record.at,
                message,
                "move the row, or give it the prefix of its section",
            );
            continue;
        }
        if let Some(other) = items.iter().find(|item| item.requirement == requirement) {
            let message = format!("`{requirement}` is in `{}` already", other.id);
            reader.error(&record.at, message, "one delta changes a requirement once");
            continue;
        }
        for (index, word) in words.iter().enumerate() {
            reader.words(&record, 3 + index, &format!("the {} of `{id}`", word.to_lowercase()));
        }
        reader.words(&record, place + 1, &format!("what proves `{id}`"));
        let cell = record.cells.get(place).cloned().unwrap_or_default();
        if cell.text.is_empty() {
            let message = format!("the file of the current specs for `{id}` is not written yet");
            reader.unfinished(
                &cell.at,
                message,
                "name it, such as `ledger/specs/current/sign-up/requirements.md`",
            );
            continue;
        }
        let hint = "name one file, such as `ledger/specs/current/sign-up/requirements.md`";
        if let Some(current) = reader.path(&cell, hint) {
            items.push(DeltaItem {
                status: reader.status(&record, 1),
                id,
                change,
                requirement,
                current,
                at: record.at,
            });
        }
    }
}

fn exceptions(reader: &mut Reader<'_>, items: &[DeltaItem]) -> Vec<DeltaException> {
    let (mut exceptions, mut taken) = (Vec::new(), Vec::new());
    let columns = ["Delta Item ID", "Owner", "Follow-up ticket", "Superseded by"];
    for record in reader.table("Closeout", &columns) {
        let Some(item) = reader.own_id::<DeltaItemId>(&record, 0, &taken) else {
            continue;
        };
        taken.push(item.clone());
        if !items.iter().any(|known| known.id == item) {
            reader.error(
                &record.at,
                format!("no section has `{item}`"),
                "name an item of this delta",
            );
            continue;
        }
        let (owner, by) = (reader.optional(&record, 1), reader.optional(&record, 3));
        let follow_up: Vec<TicketId> = reader.ids(&record, 2);
        let handling = match (follow_up.into_iter().next(), by.is_empty()) {
            (Some(follow_up), true) if !owner.is_empty() => DeltaHandling::Deferred { owner, follow_up },
            (None, false) => DeltaHandling::Superseded { by },
            _ => {
                let message = format!("`{item}` needs an owner and a follow-up ticket, or what it is superseded by");
                reader.error(&record.at, message, "fill in either, and leave the other cells empty");
                continue;
            }
        };
        exceptions.push(DeltaException {
            item,
            handling,
            at: record.at,
        });
    }
    exceptions
}
