//! The hand-offs of earlier tickets that a ticket goes on from: as they are in its base, and of its family also as they were delivered elsewhere
//! or as a run that stopped leaves them.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{ObjectError, Repository, blob_id};
use ledger_core::{BlobId, CommitId, Event, Record, RepoPath, StackedTicket, TicketFile, TicketId, TreeId};
use policy::{ContextFacts, ContextSize, SteeringFacts};

use crate::base::stored_receipt;
use crate::ledger::{Ledger, TicketFolder, join};
use crate::prompt::{HandOff, HandOffs};
use crate::records::{setback, setbacks, stopped_handoff};
use crate::run_history::read_run;
use crate::state::StateRoots;

/// The most hand-offs that are given.
const MAX_HAND_OFFS: usize = 8;

/// The most bytes of one that are given.
const MAX_BYTES: usize = 8 * 1024;

/// The tickets that this one goes on from, the nearest first: what it depends on, the one before it in its package, its prior work, and its
/// family, which are the other children of its parent or its own children. Each once, with whether it is of the family.
fn related(
    id: &TicketId,
    ticket: &TicketFile,
    before: Option<&TicketId>,
    committed: Option<&Ledger<'_>>,
) -> Vec<(TicketId, bool)> {
    let own = ticket.mode.discipline().owns_tickets.then_some(id);
    let parents = [own, ticket.parent.as_ref()];
    let family: BTreeSet<TicketId> = match committed {
        Some(ledger) => parents
            .iter()
            .flatten()
            .flat_map(|parent| children(parent, ledger))
            .collect(),
        None => BTreeSet::new(),
    };
    let named = ticket.depends_on.iter().chain(before).chain(&ticket.context.prior_work);
    let mut seen = BTreeSet::from([id.clone()]);
    let all = named.chain(&family).filter(|other| seen.insert((*other).clone()));
    all.map(|other| (other.clone(), family.contains(other))).collect()
}

fn children(parent: &TicketId, ledger: &Ledger<'_>) -> Vec<TicketId> {
    let child = |folder: &TicketFolder<'_>| {
        let file = folder.ticket().ok()?;
        (file.parent.as_ref() == Some(parent)).then(|| folder.id().clone())
    };
    ledger.map(child).into_iter().flatten().collect()
}

/// Where hand-offs are looked for.
pub(crate) struct HandOffSearch<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) roots: &'a StateRoots,
    /// The commit that the run would start from.
    pub(crate) tip: CommitId,
    /// Delivered tickets that the base will hold beside it.
    pub(crate) stacked: &'a [StackedTicket],
    /// The ledger of that commit.
    pub(crate) committed: Option<&'a Ledger<'a>>,
    /// The ledger's folder.
    pub(crate) dir: &'a RepoPath,
}

impl HandOffSearch<'_> {
    /// The hand-offs for this ticket, as far as its context budget leaves room after what it names itself: nobody who approved it could know
    /// how long they would be. `before` is the ticket before it in its package.
    pub(crate) fn of(
        &self,
        id: &TicketId,
        ticket: &TicketFile,
        before: Option<&TicketId>,
        (packs, context): (&SteeringFacts, &ContextFacts),
    ) -> Result<HandOffs, ObjectError> {
        let mut found = HandOffs::default();
        let texts = packs.packs.iter().map(|(_, pack)| pack.text.as_str());
        let mut size = ContextSize::of(ticket, texts, context.files.len());
        for (other, is_family) in related(id, ticket, before, self.committed) {
            let hand_off = match self.latest(&other)? {
                None if is_family => self.elsewhere(&other)?,
                found => found,
            };
            let Some(hand_off) = hand_off else { continue };
            let grown = size.with_file(&hand_off.text);
            if found.given.len() < MAX_HAND_OFFS && grown.over(ticket).is_none() {
                size = grown;
                found.given.push(hand_off);
            } else {
                found.left_out.push(hand_off.path);
            }
        }
        found.left_out.truncate(MAX_HAND_OFFS);
        Ok(found)
    }

    /// The last hand-off of a ticket that the base will hold.
    fn latest(&self, ticket: &TicketId) -> Result<Option<HandOff>, ObjectError> {
        let stacked = self.stacked.iter().find(|stacked| stacked.ticket == *ticket);
        self.latest_at(ticket, stacked.map_or(self.tip, |stacked| stacked.commit))
    }

    /// That of a ticket which the base does not hold: delivered to a branch of its own, or stopped. What cannot be read tells nothing.
    fn elsewhere(&self, ticket: &TicketId) -> Result<Option<HandOff>, ObjectError> {
        let receipt = stored_receipt(self.repository, ticket).ok().flatten();
        let hand_off = match receipt.and_then(|receipt| receipt.delivered) {
            Some(delivered) if self.repository.has_object(delivered.records.0) => {
                self.latest_at(ticket, delivered.records)?
            }
            Some(_) => None,
            None => self.of_stopped(ticket)?,
        };
        Ok(hand_off.map(|hand_off| HandOff {
            is_in_base: false,
            ..hand_off
        }))
    }

    fn of_stopped(&self, ticket: &TicketId) -> Result<Option<HandOff>, ObjectError> {
        let read = read_run(self.repository, self.roots, ticket, None).ok();
        let text = read.and_then(|read| {
            let folder = self.roots.run(ticket, &read.known.run);
            let records = &read.journal.records;
            let is_end = |record: &Record| matches!(record.event, Event::Blocked(_));
            let end = records.iter().rposition(is_end).unwrap_or(records.len());
            let of_run = records[..end].iter().filter_map(|record| setback(&record.event));
            stopped_handoff(&read.run, &setbacks(&folder, of_run))
        });
        let path = join(self.dir, &format!("tickets/{ticket}/handoff.md"));
        let (Some(text), Some(path)) = (text, path) else {
            return Ok(None);
        };
        let blob = blob_id(text.as_bytes())?;
        Ok(Some(HandOff::of(ticket, path, blob, &text)))
    }

    /// The last hand-off of a ticket in a commit: `handoff.md`, or the one with the highest number.
    fn latest_at(&self, ticket: &TicketId, commit: CommitId) -> Result<Option<HandOff>, ObjectError> {
        let tree = self.repository.commit_tree_id(commit)?;
        let Some(folder) = join(self.dir, &format!("tickets/{ticket}")) else {
            return Ok(None);
        };
        // Not every number has one: records share theirs, and a person may have removed some.
        let listed = self.repository.list_tree(tree, Some(&folder))?.into_iter();
        let numbered = listed.filter_map(|entry| Some((number_of(&folder, &entry.path)?, entry.path)));
        for path in numbered.collect::<BTreeMap<_, _>>().into_values().rev() {
            if let Some(found) = self.hand_off(ticket, tree, path)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn hand_off(&self, ticket: &TicketId, tree: TreeId, path: RepoPath) -> Result<Option<HandOff>, ObjectError> {
        let Some(text) = crate::memory::text_at(self.repository, tree, &path)? else {
            return Ok(None);
        };
        let Some(side) = self.repository.entry_at(tree, &path)? else {
            return Ok(None);
        };
        Ok(Some(HandOff::of(ticket, path, side.id, &text)))
    }
}

impl HandOff {
    fn of(ticket: &TicketId, path: RepoPath, blob: BlobId, text: &str) -> Self {
        let end = (0..=text.len().min(MAX_BYTES))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        let told = text[..end.unwrap_or(0)].to_owned();
        Self {
            ticket: ticket.clone(),
            is_cut: told.len() < text.len(),
            text: told,
            path,
            blob,
            is_in_base: true,
        }
    }
}

/// The number of the hand-off that lies at this path of a ticket's folder; none where it is something else.
fn number_of(folder: &RepoPath, path: &RepoPath) -> Option<u32> {
    let name = path
        .as_bytes()
        .strip_prefix(folder.as_bytes())?
        .strip_prefix(b"/handoff")?;
    let name = std::str::from_utf8(name.strip_suffix(b".md")?).ok()?;
    if name.is_empty() {
        return Some(1);
    }
    let number = name.strip_prefix('-')?.parse().ok()?;
    (number > 1 && name == format!("-{number}")).then_some(number)
}

impl HandOffs {
    /// Those that this tree holds as they were read, because what a run is stacked on may be a merge; and those that are in no base.
    pub(crate) fn in_tree(mut self, repository: &Repository, tree: TreeId) -> Result<Self, ObjectError> {
        let mut given = Vec::new();
        for hand_off in std::mem::take(&mut self.given) {
            let side = repository.entry_at(tree, &hand_off.path)?;
            if !hand_off.is_in_base || side.is_some_and(|side| side.id == hand_off.blob) {
                given.push(hand_off);
            }
        }
        self.given = given;
        Ok(self)
    }
}
