//! The tickets of a night, as a ledger would tell of them.

use std::collections::BTreeSet;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{Blocker, DeliveryMode, Mode, Opened, PushTarget, RunId, TicketFile, TicketId};
use policy::{Claim, Policy, Queued, TicketsAtHand};

use super::behaviour::Behaviour;
use crate::sim::terms;

/// What does not change about a ticket.
pub(super) struct Ticket {
    pub(super) id: TicketId,
    pub(super) behaviour: Behaviour,
    pub(super) delivery: DeliveryMode,
    /// Those that have to be done before, by number and by name.
    pub(super) waits_for: Vec<usize>,
    waits_for_names: Vec<TicketId>,
    approved_at: Timestamp,
    is_planned: bool,
    is_reviewed: bool,
    /// The folder that it may write; none: all of them.
    folder: Option<u32>,
    uses_staging: bool,
    claim: Claim,
}

/// How a ticket stands that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was never begun.
    Open,
    /// It was begun and left.
    UnderWay,
    Blocked(Blocker),
    Done,
}

impl Ticket {
    pub(super) fn draw(chance: &mut Rng, number: usize, began: Timestamp, comes_later: bool) -> Self {
        let id = name_of(number);
        let behaviour = Behaviour::draw(chance);
        let delivery = match chance.u8(0..20) {
            _ if behaviour.pushes() => DeliveryMode::Push,
            0 if matches!(behaviour, Behaviour::Honest { .. }) => DeliveryMode::None,
            1..5 => DeliveryMode::Push,
            _ => DeliveryMode::Branch,
        };
        let waits = if number > 0 && chance.u8(0..6) == 0 {
            chance.usize(1..=2)
        } else {
            0
        };
        // Far enough apart, or a ticket that blocks would keep nearly all others from running.
        let first = number.saturating_sub(100);
        let waits_for: BTreeSet<usize> = (0..waits).map(|_| chance.usize(first..number)).collect();
        let folder = match chance.u16(0..500) {
            0 => None,
            1..50 => Some(chance.u32(0..4)),
            _ => Some(10 + u32::try_from(number).unwrap_or(u32::MAX - 10)),
        };
        let uses_staging = chance.u8(0..40) == 0;
        let later = if comes_later { chance.i64(0..60 * 60 * 20) } else { 0 };
        Self {
            waits_for_names: waits_for.iter().map(|first| name_of(*first)).collect(),
            waits_for: waits_for.into_iter().collect(),
            approved_at: began + SignedDuration::from_secs(later),
            is_planned: chance.u8(0..4) == 0,
            is_reviewed: behaviour.is_reviewed() || chance.bool(),
            claim: claim(&id, folder, uses_staging),
            id,
            behaviour,
            delivery,
            folder,
            uses_staging,
        }
    }

    /// Whether both must not run at the same time.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let same_folder = self.folder.is_none() || other.folder.is_none() || self.folder == other.folder;
        same_folder || (self.uses_staging && other.uses_staging)
    }

    /// The only ticket of a world, which nothing keeps from being run.
    pub(super) fn alone(behaviour: Behaviour, delivery: DeliveryMode, is_planned: bool, is_reviewed: bool) -> Self {
        let id = name_of(0);
        Self {
            waits_for_names: Vec::new(),
            waits_for: Vec::new(),
            approved_at: Timestamp::MIN,
            is_planned,
            is_reviewed,
            claim: claim(&id, None, false),
            id,
            behaviour,
            delivery,
            folder: None,
            uses_staging: false,
        }
    }

    /// Its only run.
    #[expect(clippy::expect_used, reason = "made of a ticket id")]
    pub(super) fn run(&self) -> RunId {
        format!("run-of-{}", self.id).parse().expect("the id of a run")
    }

    /// The terms that its run is opened with.
    pub(super) fn terms(&self) -> Opened {
        let (mode, is_reviewed) = match self.is_planned {
            true => (Mode::Standard, true),
            false => (Mode::Loop, self.is_reviewed),
        };
        let terms = terms(mode, is_reviewed, self.delivery, true);
        Opened {
            ticket: self.id.clone(),
            run: self.run(),
            target: terms.target.and_then(|target| {
                Some(PushTarget {
                    name: format!("refs/heads/{}", self.id).parse().ok()?,
                    ..target
                })
            }),
            ..terms
        }
    }
}

#[expect(clippy::expect_used, reason = "four digits are a ticket id")]
fn name_of(number: usize) -> TicketId {
    format!("{number:04}").parse().expect("four digits or more are a name")
}

fn claim(id: &TicketId, folder: Option<u32>, uses_staging: bool) -> Claim {
    let allowed = folder.map_or("**".to_owned(), |folder| format!("folder-{folder}/**"));
    let resources = if uses_staging { "[\"staging\"]" } else { "[]" };
    let text = format!("title = \"a\"\nresources = {resources}\n[scope]\nallowed = [\"{allowed}\"]\n");
    match TicketFile::parse(text.as_bytes()) {
        Ok(file) => Claim::of(id.clone(), &file, &Policy::default()),
        Err(_) => Claim::of_unknown(id.clone()),
    }
}

/// The tickets as they stand at a moment.
pub(super) struct AtHand<'a> {
    pub(super) tickets: &'a [Ticket],
    pub(super) standings: &'a [Standing],
    pub(super) running: &'a BTreeSet<TicketId>,
    pub(super) now: Timestamp,
}

impl AtHand<'_> {
    pub(super) fn number(&self, id: &TicketId) -> Option<usize> {
        let number = id.as_str().parse().ok()?;
        (number < self.tickets.len()).then_some(number)
    }

    fn ticket(&self, id: &TicketId) -> Option<&Ticket> {
        self.tickets.get(self.number(id)?)
    }

    /// As `status` and the queue say it: what was begun and left goes on, and what blocked it may be gone where it is resumable.
    fn is_ready(&self, number: usize) -> bool {
        match &self.standings[number] {
            Standing::Done => false,
            Standing::UnderWay => true,
            Standing::Blocked(blocker) => blocker.resumable,
            Standing::Open => {
                let ticket = &self.tickets[number];
                let is_done = |first: &usize| self.standings[*first] == Standing::Done;
                ticket.approved_at <= self.now && ticket.waits_for.iter().all(is_done)
            }
        }
    }
}

impl TicketsAtHand for AtHand<'_> {
    fn ready(&self) -> Vec<Queued> {
        let ready = (0..self.tickets.len()).filter(|number| self.is_ready(*number));
        let queued = ready.map(|number| Queued {
            id: self.tickets[number].id.clone(),
            package: None,
        });
        queued.collect()
    }

    fn approved_at(&self, id: &TicketId) -> Option<Timestamp> {
        Some(self.ticket(id)?.approved_at)
    }

    fn not_before(&self, id: &TicketId) -> Option<Timestamp> {
        match &self.standings[self.number(id)?] {
            Standing::Blocked(blocker) => blocker.retry_at,
            _ => None,
        }
    }

    fn held_until(&self) -> Option<Timestamp> {
        let blockers = self.standings.iter().filter_map(|standing| match standing {
            Standing::Blocked(blocker) if blocker.code.meets_every_ticket() => blocker.retry_at,
            _ => None,
        });
        blockers.filter(|at| self.now < *at).max()
    }

    fn waits_for(&self, id: &TicketId) -> &[TicketId] {
        self.ticket(id).map_or(&[], |ticket| &ticket.waits_for_names)
    }

    fn running(&self) -> &BTreeSet<TicketId> {
        self.running
    }

    fn claim(&self, id: &TicketId) -> Claim {
        let ticket = self.ticket(id);
        ticket.map_or_else(|| Claim::of_unknown(id.clone()), |ticket| ticket.claim.clone())
    }
}
