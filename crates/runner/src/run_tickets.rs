//! Running several tickets: one after the other, or at the same time where none is in another's way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Choice, Record, Run, TicketId};
use policy::{Claim, Held, HeldBecause, Outcome, schedule};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::moment::Moment;
use crate::queue::{LeftTicket, Queue, QueueError, Queued, Retry};
use crate::run_ticket::{Managed, Manager, RunError, RunOptions, RunReport, run_ticket};
use crate::workspace::Workspace;

/// How often it is looked whether a run of another process that is in the way has ended.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(5);

/// What is to be run.
#[derive(Debug, Clone)]
pub enum Selection {
    /// These, in this order where one waits for another.
    These(Vec<Queued>),
    /// Every ready ticket, also those that become ready meanwhile.
    AllReady {
        /// Which of those that stopped count as ready.
        retry: Retry,
        /// How often it is looked for new ones once none is ready, until it is asked to leave; none: then it ends.
        poll: Option<Duration>,
        /// How often it is looked in vain before it ends all the same.
        max_cycles: Option<u32>,
    },
}

/// How several tickets are run.
#[derive(Debug, Clone)]
pub struct RunTickets {
    /// Which.
    pub selection: Selection,
    /// How many at the same time.
    pub slots: usize,
    /// How many at the most, children of parents not counted.
    pub max_runs: Option<u32>,
    /// How each is driven. `from_rescue` is for the tickets themselves, not for their children.
    pub options: RunOptions,
    /// Becomes true when no more tickets are to be begun; those that run are brought to their end.
    pub drain: watch::Receiver<bool>,
}

/// The how-manieth ticket it is that is begun, counted from 1, and of how many as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub n: usize,
    /// Of how many.
    pub of: usize,
}

/// What is shown each record of a run as it is written.
pub type View<'a> = Box<dyn FnMut(&Run, &Record) + 'a>;

/// Is told what happens. Several runs may tell at the same time.
pub trait Witness: Sync {
    /// A part of a ticket's run begins; what it returns is shown each record as it is written, and dropped when the part ends. A child of a parent has
    /// no place of its own.
    fn begins(&self, ticket: &TicketId, place: Option<Place>) -> View<'_>;
    /// A ticket ran, or could not be run.
    fn ended(&self, ticket: &TicketId, ran: Result<RunReport, RunError>);
    /// Whether other tickets can run; not where something is wrong that each of them would meet.
    fn goes_on(&self) -> bool;
    /// These tickets wait for one that does not run here; told once for each reason.
    fn held(&self, held: &[Held]);
    /// These tickets of a package do not run, because one before them did not end done.
    fn held_back(&self, tickets: &[TicketId], because_of: &Queued);
    /// No ticket is ready, and it is waited for one.
    fn idle(&self);
}

/// What is left when no more tickets are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RanTickets {
    /// How many were begun, children of parents not counted.
    pub begun: usize,
    /// Of [`Selection::AllReady`], the tickets that are approved and not done, unless the runner was asked to leave or to run only some.
    pub left: Vec<LeftTicket>,
}

/// Runs tickets until none is left that could run now, or it is asked to leave. A ticket that ends blocked keeps no other from running than those
/// that wait for it, and is not tried again as long as it is approved as it was.
///
/// Must not be called from a task of the runtime.
pub fn run_tickets(
    workspace: &Workspace,
    what: RunTickets,
    runtime: &Handle,
    witness: &impl Witness,
) -> Result<RanTickets, QueueError> {
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut sitting = Sitting {
            workspace,
            witness,
            receiver,
            waiting: match &what.selection {
                Selection::These(tickets) => tickets.clone(),
                Selection::AllReady { .. } => Vec::new(),
            },
            what,
            running: BTreeMap::new(),
            tried: BTreeMap::new(),
            begun: Vec::new(),
            told: BTreeSet::new(),
            cycles: 0,
        };
        loop {
            for queued in sitting.next_to_start()? {
                let worker = TicketWorker {
                    workspace,
                    witness,
                    options: sitting.what.options.clone(),
                    place: Some(sitting.place_of(&queued.id)),
                };
                let (runtime, mut end) = (runtime.clone(), End::of(queued, sender.clone()));
                scope.spawn(move || {
                    let ticket = end.queued.id.clone();
                    let ran = runtime.block_on(worker.bring_to_its_end(&ticket));
                    end.note(&ran);
                    witness.ended(&ticket, ran);
                });
            }
            match runtime.block_on(sitting.wait()) {
                Waited::Nothing => break,
                Waited::End(ended) => sitting.note(ended),
                Waited::Time => {}
            }
        }
        sitting.left()
    })
}

/// One call of [`run_tickets`].
struct Sitting<'a, W> {
    workspace: &'a Workspace,
    witness: &'a W,
    receiver: mpsc::UnboundedReceiver<Ended>,
    what: RunTickets,
    /// Those that were asked for and not begun, or the ready ones as they were last seen.
    waiting: Vec<Queued>,
    running: BTreeMap<TicketId, Claim>,
    /// Those that ran, with the approval that they ran by.
    tried: BTreeMap<TicketId, Option<Timestamp>>,
    /// They, in the order in which they were begun.
    begun: Vec<TicketId>,
    /// What was said of tickets that wait.
    told: BTreeSet<(TicketId, String)>,
    /// How often it was looked in vain.
    cycles: u32,
}

/// A ticket that is not run any more.
struct Ended {
    queued: Queued,
    is_done: bool,
}

/// What came of waiting.
enum Waited {
    End(Ended),
    Time,
    /// Nothing runs, and nothing will.
    Nothing,
}

impl<W: Witness> Sitting<'_, W> {
    fn is_asked_to_end(&self) -> bool {
        let is_full = self.what.max_runs.is_some_and(|most| self.begun.len() >= most as usize);
        let is_told = *self.what.drain.borrow() || self.what.options.stop.borrow().is_some();
        is_full || is_told || !self.witness.goes_on()
    }

    fn place_of(&self, ticket: &TicketId) -> Place {
        let n = self.begun.iter().position(|begun| begun == ticket).unwrap_or_default() + 1;
        Place {
            n,
            of: self.begun.len() + self.waiting.len(),
        }
    }

    /// The tickets that start now.
    fn next_to_start(&mut self) -> Result<Vec<Queued>, QueueError> {
        if self.is_asked_to_end() {
            self.waiting.clear();
            return Ok(Vec::new());
        }
        let retry = match &self.what.selection {
            Selection::AllReady { retry, .. } => *retry,
            Selection::These(_) => Retry::default(),
        };
        let queue = Queue::look(self.workspace, Moment::now().at, retry)?;
        if matches!(self.what.selection, Selection::AllReady { .. }) {
            let mut ready = queue.ready();
            ready.retain(|queued| {
                let tried = self.tried.get(&queued.id);
                !self.running.contains_key(&queued.id) && tried != Some(&queue.approved_at(&queued.id))
            });
            self.waiting = ready;
        }
        let mut claims = Vec::new();
        for (place, queued) in self.waiting.iter().enumerate() {
            let before = self.waiting[..place]
                .iter()
                .map(|before| (&before.id, before.package.as_ref()));
            let waits = queue.waits_for(&queued.id);
            let mut unfinished = before.chain(self.running.keys().map(|id| (id, None)));
            let comes_later = unfinished
                .any(|(id, package)| waits.contains(id) || (package.is_some() && package == queued.package.as_ref()));
            if !comes_later {
                claims.push(queue.claim(&queued.id));
            }
        }
        // What others run here is in the way too; of a ticket itself, its lock says so.
        let elsewhere: Vec<_> = queue
            .running()
            .filter(|id| !self.running.contains_key(*id) && !self.waiting.iter().any(|queued| queued.id == **id))
            .map(|id| queue.claim(id))
            .collect();
        let beside: Vec<_> = self.running.values().chain(&elsewhere).cloned().collect();
        let most = self
            .what
            .max_runs
            .map_or(usize::MAX, |most| most as usize)
            .saturating_sub(self.begun.len());
        let mut decided = schedule(&claims, &beside, self.what.slots + elsewhere.len());
        decided.start.truncate(most);
        self.tell_held(decided.held, &elsewhere);
        let (start, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|queued| decided.start.contains(&queued.id));
        self.waiting = waiting;
        for queued in &start {
            let claim = claims.iter().find(|claim| claim.ticket == queued.id).cloned();
            let claim = claim.unwrap_or_else(|| Claim::of_unknown(queued.id.clone()));
            self.running.insert(queued.id.clone(), claim);
            self.tried.insert(queued.id.clone(), queue.approved_at(&queued.id));
            self.begun.push(queued.id.clone());
            self.cycles = 0;
        }
        Ok(start)
    }

    /// Of what runs here, everybody sees that it runs.
    fn tell_held(&mut self, held: Vec<Held>, elsewhere: &[Claim]) {
        let is_elsewhere = |held: &Held| match &held.because {
            HeldBecause::NoSlot => false,
            HeldBecause::SamePaths(other)
            | HeldBecause::Serialized(other)
            | HeldBecause::SameResource { with: other, .. } => elsewhere.iter().any(|claim| claim.ticket == *other),
        };
        let mut news = held;
        news.retain(|held| is_elsewhere(held) && self.told.insert((held.ticket.clone(), held.because.to_string())));
        if !news.is_empty() {
            self.witness.held(&news);
        }
    }

    /// Waits until something may have changed.
    async fn wait(&mut self) -> Waited {
        let asked_to_end = self.is_asked_to_end();
        if self.running.is_empty() {
            if asked_to_end {
                return Waited::Nothing;
            }
            if self.waiting.is_empty() {
                let Selection::AllReady {
                    poll: Some(poll),
                    max_cycles,
                    ..
                } = self.what.selection
                else {
                    return Waited::Nothing;
                };
                self.cycles += 1;
                if max_cycles.is_some_and(|most| self.cycles >= most) {
                    return Waited::Nothing;
                }
                self.witness.idle();
                return self.sleep(poll).await;
            }
            return self.sleep(LOOK_AT_OTHERS).await;
        }
        match self.receiver.recv().await {
            Some(ended) => Waited::End(ended),
            None => Waited::Nothing,
        }
    }

    async fn sleep(&self, time: Duration) -> Waited {
        let (mut stop, mut drain) = (self.what.options.stop.clone(), self.what.drain.clone());
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            Ok(_) = stop.wait_for(Option::is_some) => {}
            Ok(_) = drain.wait_for(|drains| *drains) => {}
        }
        Waited::Time
    }

    fn note(&mut self, ended: Ended) {
        self.running.remove(&ended.queued.id);
        if !ended.is_done && !self.is_asked_to_end() {
            let held = ended.queued.hold_back(&mut self.waiting);
            if !held.is_empty() {
                self.witness.held_back(&held, &ended.queued);
            }
        }
    }

    fn left(&self) -> Result<RanTickets, QueueError> {
        let mut ran = RanTickets {
            begun: self.begun.len(),
            left: Vec::new(),
        };
        if matches!(self.what.selection, Selection::AllReady { .. }) && !self.is_asked_to_end() {
            ran.left = Queue::look(self.workspace, Moment::now().at, Retry::default())?.left();
        }
        Ok(ran)
    }
}

/// Tells of the end of a ticket when it is dropped: also where its thread panics, because nobody may wait for it then.
struct End {
    queued: Queued,
    is_done: bool,
    sender: mpsc::UnboundedSender<Ended>,
}

impl End {
    fn of(queued: Queued, sender: mpsc::UnboundedSender<Ended>) -> Self {
        Self {
            queued,
            is_done: false,
            sender,
        }
    }

    fn note(&mut self, ran: &Result<RunReport, RunError>) {
        self.is_done = matches!(ran, Ok(report) if report.outcome == Outcome::Done);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Where nobody listens, everything is over.
        let _ = self.sender.send(Ended {
            queued: self.queued.clone(),
            is_done: self.is_done,
        });
    }
}

/// Runs one ticket, and before a parent its children.
struct TicketWorker<'a, W> {
    workspace: &'a Workspace,
    witness: &'a W,
    options: RunOptions,
    place: Option<Place>,
}

impl<W: Witness> TicketWorker<'_, W> {
    async fn bring_to_its_end(&self, ticket: &TicketId) -> Result<RunReport, RunError> {
        let managed = {
            let show = self.witness.begins(ticket, self.place);
            Manager::begin(self.workspace, ticket, &self.options, show).await?
        };
        if let Some(manager) = managed
            && let Some(report) = self.children_first(ticket, manager).await?
        {
            return Ok(report);
        }
        let show = self.witness.begins(ticket, self.place);
        run_ticket(self.workspace, ticket, &self.options, show).await
    }

    /// Runs the children of a parent. None: all of them are closed, and the parent itself is to be run.
    async fn children_first(&self, parent: &TicketId, mut manager: Manager<'_>) -> Result<Option<RunReport>, RunError> {
        // What is left of earlier work is the named ticket's to begin with.
        let of_child = Self {
            options: RunOptions {
                from_rescue: false,
                ..self.options.clone()
            },
            place: None,
            ..*self
        };
        loop {
            let child = match manager.next(self.witness.begins(parent, self.place))? {
                Managed::Parent => return Ok(None),
                Managed::Stopped(report) => return Ok(Some(*report)),
                Managed::Child(child) => child,
            };
            // A child may be a parent itself.
            let ran = Box::pin(of_child.bring_to_its_end(&child)).await;
            let choice = manager.ended(&child, &ran, self.witness.begins(parent, self.place))?;
            // What is tried again has not ended yet.
            if choice != Choice::Retry {
                self.witness.ended(&child, ran);
            }
            if let Some(cause) = *self.options.stop.borrow() {
                return Err(RunError::Stopped { cause });
            }
        }
    }
}
