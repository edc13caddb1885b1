//! Running several tickets: one after the other, or at the same time where none is in another's way.

mod night;
mod worker;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger_core::{Blocker, PauseCause, Record, Run, TicketId};
use policy::{Held, Outcome, Queued, Sitting, Sought, TicketEnd, WaitFor};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::clean::{CleanError, MadeRoom};
use crate::leaving::Leaving;
use crate::lock::{LockHolder, RunnerNote, ScheduleLock, TicketLock};
use crate::moment::Moment;
use crate::queue::{LeftTicket, Queue, QueueError, Retry};
use crate::run_clock::ClockReading;
use crate::run_ticket::{RunError, RunOptions, RunReport, lock_ticket};
use crate::workspace::Workspace;

use self::night::{Night, notify_of_night};
use self::worker::{Ended, TicketWorker, is_delivered, stopped_by};

/// How long another runner of the clone may take to choose its tickets: to look at all of them once and to lock those that start.
const LONGEST_CHOICE: Duration = Duration::from_secs(30);

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
    /// When the night began whose `[limits] night_wall` counts; none: it begins now.
    pub night_began: Option<Timestamp>,
    /// How each is driven. `from_rescue` is for the tickets themselves, not for their children.
    pub options: RunOptions,
    /// Becomes true when no more tickets are to be begun; those that run are brought to their end.
    pub drain: watch::Receiver<bool>,
    /// Single ones that are to be left while the others go on. They are not begun again as long as they are approved as they were.
    pub leaving: Leaving,
}

/// Which of the tickets that are begun this is, counted from 1, and of how many as far as that is known.
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
    /// A ticket was not run, because its result is in the base: somebody else has delivered it since this clone was brought up to date.
    fn delivered(&self, ticket: &TicketId);
    /// Whether other tickets can run; not where something is wrong that each of them would meet.
    fn goes_on(&self) -> bool;
    /// These tickets wait for one that does not run here; told once for each reason.
    fn held(&self, held: &[Held]);
    /// These tickets of a package do not run, because one before them did not end done.
    fn held_back(&self, tickets: &[TicketId], because_of: &Queued);
    /// A ticket's run was stopped by what passes by itself, or waits for an answer: it goes on then, or later, and with the answer as soon as that is there.
    fn postponed(&self, ticket: &TicketId, stopped_by: &Blocker, until: Timestamp);
    /// No ticket is ready, and it is waited for one.
    fn idle(&self);
    /// That the night is over could not be told outside; why, in words.
    fn not_notified(&self, problem: &str);
    /// Room was made on the disk before a ticket is begun, as `[disk] budget` wants it, or could not be.
    fn made_room(&self, made: &Result<MadeRoom, CleanError>);
    /// What a night may cost comes near its end, in words.
    fn nearly_spent(&self, words: &str);
}

/// What is left when no more tickets are run.
#[derive(Debug, Default)]
pub struct RanTickets {
    /// How many were begun, children of parents not counted.
    pub begun: usize,
    /// Of [`Selection::AllReady`], the tickets that are approved and not done, whoever runs them; else those that were asked for and not begun. None where
    /// the runner was asked to leave.
    pub left: Vec<LeftTicket>,
    /// What of `[limits] night_tokens` and `night_wall` is used up, in words; then all runs were paused.
    pub spent: Option<String>,
    /// Why no more tickets could be found; those that ran were brought to their end.
    pub failed: Option<QueueError>,
}

/// Runs tickets until none is left that could run now, or it is asked to leave. A ticket that ends blocked keeps no other from running than those
/// that wait for it, and is not tried again as long as it is approved as it was.
///
/// With [`Selection::AllReady`] a limit of the provider, or a provider or remote that does not answer, is waited for: until the time that the provider said, else
/// for longer after each time in a row. A question of a worker's is waited for too, until a person answers or its time is over. The run goes on where it was
/// stopped; waiting costs it nothing.
///
/// Must not be called from a task of the runtime.
pub fn run_tickets(
    workspace: &Workspace,
    what: RunTickets,
    runtime: &Handle,
    witness: &impl Witness,
) -> Result<RanTickets, QueueError> {
    let night = Night::begin(
        workspace,
        &workspace.policy()?.limits,
        (what.night_began, ClockReading::now()),
        watch::Sender::new(None),
    );
    // Without it `foil stop` does not find this runner while it waits; everything else works.
    let note = LockHolder::current(Moment::now().at)
        .and_then(|holder| RunnerNote::write(&workspace.roots().locks(), &holder))
        .ok();
    let (guard, stop) = (what.options.guard.clone(), what.options.stop.clone());
    let ran = std::thread::scope(|scope| {
        let night = &night;
        night.follow(runtime, what.options.stop.clone());
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut host = Host {
            workspace,
            witness,
            receiver,
            sitting: Sitting::new(what.selection.sought(), what.slots, what.max_runs),
            what,
            night,
            failed: None,
            has_paused: false,
        };
        loop {
            for Locked { queued, lock } in host.next_to_start() {
                let options = RunOptions {
                    stop: night.stop(),
                    ..host.what.options.clone()
                };
                let place = Some(host.place_of(&queued.id));
                let leaving = host.what.leaving.clone();
                let (runtime, told) = (runtime.clone(), sender.clone());
                let ticket = queued.clone();
                let begun = std::thread::Builder::new().spawn_scoped(scope, move || {
                    let stopped_by = RefCell::new(None);
                    let worker = TicketWorker {
                        workspace,
                        witness,
                        options,
                        leaving: &leaving,
                        place,
                        stopped_by: &stopped_by,
                        night,
                    };
                    let ran = runtime.block_on(worker.bring_to_its_end(&queued.id, lock));
                    // Where nobody listens, everything is over.
                    let _ = told.send(Ended {
                        queued,
                        ran,
                        child_stopped_by: stopped_by.take(),
                    });
                });
                if let Err(source) = begun {
                    let _ = sender.send(Ended {
                        queued: ticket,
                        ran: Err(RunError::NoThread(source)),
                        child_stopped_by: None,
                    });
                }
            }
            match runtime.block_on(host.wait()) {
                Waited::Nothing => break,
                Waited::End(ended) => host.note(ended),
                Waited::Time => {}
            }
        }
        host.left()
    });
    if let Some(words) = &ran.spent {
        for problem in runtime.block_on(notify_of_night(workspace, &guard, words, &stop)) {
            witness.not_notified(&problem);
        }
    }
    drop(note);
    Ok(ran)
}

impl Selection {
    fn sought(&self) -> Sought {
        match self {
            Self::These(tickets) => Sought::These(tickets.clone()),
            Self::AllReady { poll, max_cycles, .. } => Sought::AllReady {
                poll: *poll,
                max_cycles: *max_cycles,
            },
        }
    }
}

/// One call of [`run_tickets`]: asks the sitting what follows, does it, and tells it what has ended.
struct Host<'a, W> {
    workspace: &'a Workspace,
    witness: &'a W,
    receiver: mpsc::UnboundedReceiver<Ended>,
    what: RunTickets,
    sitting: Sitting,
    night: &'a Night,
    /// Why it cannot be told any more what is ready: what runs is brought to its end.
    failed: Option<QueueError>,
    /// Whether a run was paused because the night is over.
    has_paused: bool,
}

/// A ticket that starts.
struct Locked {
    queued: Queued,
    lock: TicketLock,
}

/// What came of waiting.
enum Waited {
    End(Ended),
    Time,
    /// Nothing runs, and nothing will.
    Nothing,
}

impl<W: Witness> Host<'_, W> {
    fn is_asked_to_end(&self) -> bool {
        let is_told = *self.what.drain.borrow() || self.what.options.stop.borrow().is_some();
        is_told || self.failed.is_some() || self.night.over(Instant::now()).is_some() || !self.witness.goes_on()
    }

    fn place_of(&self, ticket: &TicketId) -> Place {
        let (n, of) = self.sitting.place_of(ticket);
        Place { n, of }
    }

    /// The tickets that start now. From the look at what runs until all of them are locked no other runner of the clone chooses.
    fn next_to_start(&mut self) -> Vec<Locked> {
        if self.is_asked_to_end() {
            self.sitting.begin_no_more();
            return Vec::new();
        }
        let locks = self.workspace.roots().locks();
        let chooses = ScheduleLock::wait(&locks, LONGEST_CHOICE, || !self.is_asked_to_end());
        let _chooses = match chooses {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                self.sitting.begin_no_more();
                return Vec::new();
            }
            Err(error) => {
                self.cannot_look(error.into());
                return Vec::new();
            }
        };
        let started = self.choose();
        started.into_iter().filter_map(|queued| self.lock(queued)).collect()
    }

    fn choose(&mut self) -> Vec<Queued> {
        let retry = match &self.what.selection {
            Selection::AllReady { retry, .. } => *retry,
            Selection::These(_) => Retry::default(),
        };
        let now = Moment::now().at;
        let queue = match Queue::look_beside(self.workspace, now, retry, self.sitting.delivered()) {
            Ok(queue) => queue,
            Err(error) => {
                self.cannot_look(error);
                return Vec::new();
            }
        };
        let starting = self.sitting.start(&queue, now);
        if !starting.held.is_empty() {
            self.witness.held(&starting.held);
        }
        for (ticket, blocker, until) in &starting.postponed {
            self.witness.postponed(ticket, blocker, *until);
        }
        starting.start
    }

    fn cannot_look(&mut self, error: QueueError) {
        if self.sitting.cannot_look() {
            self.failed = Some(error);
        }
    }

    /// None where it cannot be: that is its end.
    fn lock(&mut self, queued: Queued) -> Option<Locked> {
        // Whoever sees the lock may ask for its end.
        self.what.leaving.begin(&queued.id);
        match lock_ticket(self.workspace, &queued.id) {
            Ok(lock) => Some(Locked { queued, lock }),
            Err(error) => {
                self.note(Ended {
                    queued,
                    ran: Err(error),
                    child_stopped_by: None,
                });
                None
            }
        }
    }

    /// Waits until something may have changed.
    async fn wait(&mut self) -> Waited {
        if self.night.over(Instant::now()).is_some() {
            self.night.pause();
        }
        let now = ClockReading::now();
        while let Some(words) = self.night.warning(now.steady) {
            self.witness.nearly_spent(&words);
        }
        let ends = self.is_asked_to_end();
        let sleep = match self.sitting.wait(now.machine, ends, self.night.next_look(now)) {
            WaitFor::Nothing => return Waited::Nothing,
            WaitFor::Change { time, is_idle } => {
                if is_idle {
                    self.witness.idle();
                }
                time
            }
        };
        let (mut stop, mut drain) = (self.what.options.stop.clone(), self.what.drain.clone());
        tokio::select! {
            Some(ended) = self.receiver.recv(), if self.sitting.runs() > 0 => Waited::End(ended),
            () = tokio::time::sleep(sleep.unwrap_or_default()), if sleep.is_some() => Waited::Time,
            Ok(_) = stop.wait_for(Option::is_some), if !ends => Waited::Time,
            Ok(_) = drain.wait_for(|drains| *drains), if !ends => Waited::Time,
            else => Waited::Nothing,
        }
    }

    /// Whether a ticket that is delivered already is no failure. Whoever names the ticket itself wants it run, and is told.
    fn is_passed_over(&self, queued: &Queued) -> bool {
        queued.package.is_some() || matches!(self.what.selection, Selection::AllReady { .. })
    }

    fn note(&mut self, ended: Ended) {
        let Ended {
            queued,
            ran,
            child_stopped_by,
        } = ended;
        let was_delivered = self.is_passed_over(&queued) && is_delivered(&ran);
        let end = TicketEnd {
            is_done: was_delivered || matches!(&ran, Ok(report) if report.outcome == Outcome::Done),
            was_delivered,
            stopped_by: child_stopped_by.or_else(|| stopped_by(&ran)),
            waits_for_word: matches!(&ran, Ok(report) if report.run.waits_for_word().is_some()),
        };
        self.has_paused |= is_paused_for_the_night(&ran);
        let is_asked_to_end = self.is_asked_to_end();
        let again = self.sitting.ended(&queued.id, &end, Moment::now().at, !is_asked_to_end);
        if was_delivered {
            self.witness.delivered(&queued.id);
            return;
        }
        if end.waits_for_answer(!is_asked_to_end) && matches!(self.what.selection, Selection::AllReady { .. }) {
            // What it waits for is told when it is looked at next.
            return;
        }
        if let (Some(until), Some(stopped_by)) = (again, &end.stopped_by) {
            self.witness.postponed(&queued.id, stopped_by, until);
            return;
        }
        self.witness.ended(&queued.id, ran);
        if !end.is_done && !self.is_asked_to_end() {
            let held = self.sitting.hold_back(&queued);
            if !held.is_empty() {
                self.witness.held_back(&held, &queued);
            }
        }
    }

    fn left(&mut self) -> RanTickets {
        let over = self.night.over(Instant::now());
        let mut ran = RanTickets {
            begun: self.sitting.begun(),
            left: Vec::new(),
            spent: None,
            failed: self.failed.take(),
        };
        if ran.failed.is_none() && self.what.options.stop.borrow().is_none() {
            match self.left_tickets() {
                Ok(left) => ran.left = left,
                Err(error) => ran.failed = Some(error),
            }
        }
        ran.spent = over.filter(|_| self.has_paused || !ran.left.is_empty());
        ran
    }
}

impl<W> Host<'_, W> {
    fn left_tickets(&self) -> Result<Vec<LeftTicket>, QueueError> {
        let not_begun = self.sitting.not_begun();
        let seeks_all = matches!(self.what.selection, Selection::AllReady { .. });
        if !seeks_all && not_begun.is_empty() {
            return Ok(Vec::new());
        }
        let delivered = self.sitting.delivered();
        let queue = Queue::look_beside(self.workspace, Moment::now().at, Retry::default(), delivered)?;
        Ok(match seeks_all {
            true => queue.left(),
            false => queue.left_of(&not_begun),
        })
    }
}

fn is_paused_for_the_night(ran: &Result<RunReport, RunError>) -> bool {
    match ran {
        Ok(report) => report.outcome == Outcome::Paused(PauseCause::Budget),
        Err(RunError::Stopped { cause }) => *cause == PauseCause::Budget,
        Err(_) => false,
    }
}
