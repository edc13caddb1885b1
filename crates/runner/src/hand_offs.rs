//! The hand-offs of earlier tickets that a ticket goes on from, as they are in its base.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{ObjectError, Repository};
use ledger_core::{CommitId, RepoPath, StackedTicket, TicketFile, TicketId, TreeId};
use policy::{ContextFacts, ContextSize, SteeringFacts};

use crate::ledger::{Ledger, join};
use crate::prompt::{HandOff, HandOffs};

/// The most hand-offs that are given.
const MAX_HAND_OFFS: usize = 8;

/// The most bytes of one that are given.
const MAX_BYTES: usize = 8 * 1024;

/// The tickets that this one goes on from, the nearest first: what it depends on, the one before it in its package, its prior work, and the
/// elder children of its parent. Each once.
fn related(
    id: &TicketId,
    ticket: &TicketFile,
    before: Option<&TicketId>,
    committed: Option<&Ledger<'_>>,
) -> Vec<TicketId> {
    let siblings = match (&ticket.parent, committed) {
        (Some(parent), Some(ledger)) => elder_children(id, parent, ledger),
        _ => Vec::new(),
    };
    let named = ticket.depends_on.iter().chain(before).chain(&ticket.context.prior_work);
    let mut seen = BTreeSet::from([id.clone()]);
    let all = named.cloned().chain(siblings);
    all.filter(|other| seen.insert(other.clone())).collect()
}

fn elder_children(id: &TicketId, parent: &TicketId, ledger: &Ledger<'_>) -> Vec<TicketId> {
    let is_child = |other: &&TicketId| {
        let file = ledger.ticket(other).and_then(|folder| folder.ticket().ok());
        file.is_some_and(|file| file.parent.as_ref() == Some(parent))
    };
    let elder = ledger.ids().iter().filter(|other| *other < id);
    elder.filter(is_child).cloned().collect()
}

/// Where hand-offs are looked for.
pub(crate) struct HandOffSearch<'a> {
    pub(crate) repository: &'a Repository,
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
        let mut size = ContextSize::of(ticket, &packs.packs, &context.files);
        for other in related(id, ticket, before, self.committed) {
            let Some(hand_off) = self.latest(&other)? else { continue };
            let lines = hand_off.text.lines().filter(|line| !line.trim().is_empty()).count();
            let grown = ContextSize {
                files: size.files.saturating_add(1),
                lines: size.lines.saturating_add(lines),
            };
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

    /// The last hand-off of a ticket: `handoff.md`, or the one with the highest number.
    fn latest(&self, ticket: &TicketId) -> Result<Option<HandOff>, ObjectError> {
        let stacked = self.stacked.iter().find(|stacked| stacked.ticket == *ticket);
        let commit = stacked.map_or(self.tip, |stacked| stacked.commit);
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
        let end = (0..=text.len().min(MAX_BYTES))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        let told = text[..end.unwrap_or(0)].to_owned();
        Ok(Some(HandOff {
            ticket: ticket.clone(),
            is_cut: told.len() < text.len(),
            text: told,
            path,
            blob: side.id,
        }))
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
    /// Those that this tree holds as they were read: what a run is stacked on may be a merge.
    pub(crate) fn in_tree(mut self, repository: &Repository, tree: TreeId) -> Result<Self, ObjectError> {
        let mut given = Vec::new();
        for hand_off in std::mem::take(&mut self.given) {
            let side = repository.entry_at(tree, &hand_off.path)?;
            if side.is_some_and(|side| side.id == hand_off.blob) {
                given.push(hand_off);
            }
        }
        self.given = given;
        Ok(self)
    }
}
