//! Running several tickets: one after the other, or at the same time where none is in another's way.

mod night;
mod retries;
mod worker;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, PauseCause, Record, Run, TicketId};
use policy::{Claim, Held, HeldBecause, Outcome, schedule};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::clean::{CleanError, MadeRoom};
use crate::leaving::Leaving;
use crate::lock::{LockHolder, RunnerNote};
use crate::moment::Moment;
use crate::queue::{LeftTicket, Queue, QueueError, Queued, Retry};
use crate::run_ticket::{RunError, RunOptions, RunReport};
use crate::workspace::Workspace;

use self::night::{Night, notify_of_night};
use self::retries::Retries;
use self::worker::{End, Ended, TicketWorker, stopped_by};

/// How often it is looked whether a run of another process that is in the way has ended.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(5);

/// How often it is looked whether a person has answered a question that a ticket waits for.
const LOOK_FOR_ANSWERS: Duration = Duration::from_secs(5);

/// The longest sleep in one piece: a clock may be set, and a machine sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often in a row it may be impossible to tell what is ready, where it is looked for new tickets: somebody may be editing the policy.
const MOST_FAILURES: u32 = 10;

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
    /// Of [`Selection::AllReady`], the tickets that are approved and not done, unless the runner was asked to leave or to run only some.
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
        Moment::now().at,
        watch::Sender::new(None),
    );
    // Without it `foil stop` does not find this runner while it waits; everything else works.
    let note = LockHolder::current(Moment::now().at)
        .and_then(|holder| RunnerNote::write(&workspace.roots().locks(), &holder))
        .ok();
    let guard = what.options.guard.clone();
    let ran = std::thread::scope(|scope| {
        let night = &night;
        night.follow(runtime, what.options.stop.clone());
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
            retries: Retries::default(),
            next_ready: None,
            night,
            failures: 0,
            failed: None,
            has_panicked: false,
            has_paused: false,
            waits_for_others: false,
            waits_for_answers: false,
        };
        loop {
            for queued in sitting.next_or_none() {
                let options = RunOptions {
                    stop: night.stop(),
                    ..sitting.what.options.clone()
                };
                let place = Some(sitting.place_of(&queued.id));
                let leaving = sitting.what.leaving.clone();
                let (runtime, mut end) = (runtime.clone(), End::of(queued, sender.clone()));
                scope.spawn(move || {
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
                    let ran = runtime.block_on(worker.bring_to_its_end(&end.ended.queued.id));
                    end.note(ran, stopped_by.into_inner());
                });
            }
            match runtime.block_on(sitting.wait()) {
                Waited::Nothing => break,
                Waited::End(ended) => sitting.note(ended),
                Waited::Time => {}
            }
        }
        sitting.left()
    });
    if let Some(words) = &ran.spent {
        for problem in runtime.block_on(notify_of_night(workspace, &guard, words)) {
            witness.not_notified(&problem);
        }
    }
    drop(note);
    Ok(ran)
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
    retries: Retries,
    /// When the first of those becomes ready that an earlier runner left to wait.
    next_ready: Option<Timestamp>,
    night: &'a Night,
    /// How often in a row it could not be told what is ready.
    failures: u32,
    /// Why it cannot be told any more: what runs is brought to its end.
    failed: Option<QueueError>,
    /// Whether the thread of a run has panicked.
    has_panicked: bool,
    /// Whether a run was paused because the night is over.
    has_paused: bool,
    /// Whether a ticket waits for one that another process runs.
    waits_for_others: bool,
    /// Whether one waits for a person's answer.
    waits_for_answers: bool,
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
        let is_told = *self.what.drain.borrow() || self.what.options.stop.borrow().is_some();
        is_told
            || self.failed.is_some()
            || self.has_panicked
            || self.night.over(Moment::now().at).is_some()
            || !self.witness.goes_on()
    }

    /// How many more may be begun; one that is tried again was begun before.
    fn room(&self) -> usize {
        let most = self.what.max_runs.map_or(usize::MAX, |most| most as usize);
        most.saturating_sub(self.begun.len())
    }

    fn place_of(&self, ticket: &TicketId) -> Place {
        let n = self.begun.iter().position(|begun| begun == ticket).unwrap_or_default() + 1;
        Place {
            n,
            of: self.begun.len() + self.waiting.len(),
        }
    }

    fn next_or_none(&mut self) -> Vec<Queued> {
        match self.next_to_start() {
            Ok(start) => {
                self.failures = 0;
                start
            }
            Err(error) => {
                self.failures += 1;
                let polls = matches!(self.what.selection, Selection::AllReady { poll: Some(_), .. });
                if !polls || self.failures >= MOST_FAILURES {
                    self.failed = Some(error);
                }
                self.waiting.clear();
                Vec::new()
            }
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
        let now = Moment::now().at;
        let queue = Queue::look(self.workspace, now, retry)?;
        if matches!(self.what.selection, Selection::AllReady { .. }) {
            let mut ready = queue.ready();
            ready.retain(|queued| {
                let tried = self.tried.get(&queued.id);
                let is_tried = tried == Some(&queue.approved_at(&queued.id)) || self.retries.waits(&queued.id, now);
                // What another process works on is its own.
                !queue.running().contains(&queued.id) && !self.running.contains_key(&queued.id) && !is_tried
            });
            self.tell_asked(&queue, &ready);
            let not_before = |queued: &Queued| queue.not_before(&queued.id).filter(|at| now < *at);
            self.next_ready = ready.iter().filter_map(not_before).min();
            ready.retain(|queued| not_before(queued).is_none());
            self.waiting = ready;
        }
        if self.room() == 0 {
            self.waiting.retain(|queued| self.begun.contains(&queued.id));
        }
        if self.retries.holds(now) {
            return Ok(Vec::new());
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
            .iter()
            .filter(|id| !self.running.contains_key(*id) && !self.waiting.iter().any(|queued| queued.id == **id))
            .map(|id| queue.claim(id))
            .collect();
        let beside: Vec<_> = self.running.values().chain(&elsewhere).cloned().collect();
        let mut room = self.room();
        let mut decided = schedule(&claims, &beside, self.what.slots + elsewhere.len());
        decided.start.retain(|ticket| {
            let is_new = !self.begun.contains(ticket);
            let may_start = !is_new || room > 0;
            room = room.saturating_sub(usize::from(is_new && may_start));
            may_start
        });
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
            // One that is tried again was begun before.
            if !self.begun.contains(&queued.id) {
                self.begun.push(queued.id.clone());
            }
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
        let mut news: Vec<_> = held.into_iter().filter(is_elsewhere).collect();
        self.waits_for_others = !news.is_empty();
        news.retain(|held| self.told.insert((held.ticket.clone(), held.because.to_string())));
        if !news.is_empty() {
            self.witness.held(&news);
        }
    }

    /// Of tickets that wait for an answer, each is told once for each question.
    fn tell_asked(&mut self, queue: &Queue<'_>, ready: &[Queued]) {
        self.waits_for_answers = false;
        for Queued { id, .. } in ready {
            let Some(blocker) = queue.waits_for_answer(id) else {
                continue;
            };
            self.waits_for_answers = true;
            if let Some(until) = blocker.retry_at
                && self.told.insert((id.clone(), format!("asked until {until}")))
            {
                self.witness.postponed(id, &blocker, until);
            }
        }
    }

    /// Waits until something may have changed.
    async fn wait(&mut self) -> Waited {
        if self.night.over(Moment::now().at).is_some() {
            self.night.pause();
        }
        if let Some(words) = self.night.warning() {
            self.witness.nearly_spent(&words);
        }
        let ends = self.is_asked_to_end();
        if ends && self.running.is_empty() {
            return Waited::Nothing;
        }
        let mut sleep = if ends { None } else { self.time_to_next_look() };
        if self.running.is_empty() && self.waiting.is_empty() && sleep.is_none() {
            sleep = match self.what.selection {
                Selection::AllReady {
                    poll: Some(poll),
                    max_cycles,
                    ..
                } if self.room() > 0 => {
                    self.cycles += 1;
                    if max_cycles.is_some_and(|most| self.cycles >= most) {
                        return Waited::Nothing;
                    }
                    self.witness.idle();
                    Some(poll)
                }
                _ => return Waited::Nothing,
            };
        }
        let (mut stop, mut drain) = (self.what.options.stop.clone(), self.what.drain.clone());
        tokio::select! {
            Some(ended) = self.receiver.recv(), if !self.running.is_empty() => Waited::End(ended),
            () = tokio::time::sleep(sleep.unwrap_or_default()), if sleep.is_some() => Waited::Time,
            Ok(_) = stop.wait_for(Option::is_some), if !ends => Waited::Time,
            Ok(_) = drain.wait_for(|drains| *drains), if !ends => Waited::Time,
            else => Waited::Nothing,
        }
    }

    /// When it is to be looked again although no run ended.
    fn time_to_next_look(&self) -> Option<Duration> {
        let now = Moment::now().at;
        let next = [self.retries.next(now), self.next_ready].into_iter().flatten().min();
        let until = |at: Timestamp| at.duration_since(now).try_into().unwrap_or_default();
        let next = next.map(|at| LONGEST_SLEEP.min(until(at)));
        let has_nothing_else = self.running.is_empty() && !self.waiting.is_empty() && next.is_none();
        let others = (self.waits_for_others || has_nothing_else).then_some(LOOK_AT_OTHERS);
        let poll = match self.what.selection {
            Selection::AllReady { poll, .. } => {
                let has_room = !self.running.is_empty() && self.running.len() < self.what.slots;
                poll.filter(|_| has_room || next.is_some())
            }
            Selection::These(_) => None,
        };
        let answers = self.waits_for_answers.then_some(LOOK_FOR_ANSWERS);
        let end_of_night = self.night.ends_at().filter(|_| !self.running.is_empty());
        let end_of_night = end_of_night.map(|at| LONGEST_SLEEP.min(until(at)));
        [next, others, answers, poll, end_of_night].into_iter().flatten().min()
    }

    fn note(&mut self, ended: Ended) {
        let Ended {
            queued,
            ran,
            child_stopped_by,
        } = ended;
        self.running.remove(&queued.id);
        let Some(ran) = ran else {
            // The scope hands on the panic of its thread, once the others have ended.
            self.has_panicked = true;
            return;
        };
        let is_done = matches!(&ran, Ok(report) if report.outcome == Outcome::Done);
        self.has_paused |= is_paused_for_the_night(&ran);
        let goes_on = matches!(self.what.selection, Selection::AllReady { .. }) && !self.is_asked_to_end();
        let stopped_by = child_stopped_by.or_else(|| stopped_by(&ran));
        let stopped_by = stopped_by.filter(|_| goes_on && !is_done);
        if stopped_by
            .as_ref()
            .is_some_and(|stopped_by| stopped_by.code == BlockerCode::AnswerNeeded)
        {
            // What it waits for is told when it is looked at next.
            self.tried.remove(&queued.id);
            return;
        }
        if let Some(stopped_by) = stopped_by
            && let Some(until) = self.retries.after(&queued.id, &stopped_by, Moment::now().at)
        {
            self.tried.remove(&queued.id);
            self.witness.postponed(&queued.id, &stopped_by, until);
            return;
        }
        if is_done {
            self.retries.reset();
        }
        if matches!(&ran, Ok(report) if report.run.waits_for_word().is_some()) {
            // It goes on by the same approval, once a person has said it.
            self.tried.remove(&queued.id);
        }
        self.witness.ended(&queued.id, ran);
        if !is_done && !self.is_asked_to_end() {
            let held = queued.hold_back(&mut self.waiting);
            if !held.is_empty() {
                self.witness.held_back(&held, &queued);
            }
        }
    }

    fn left(&mut self) -> RanTickets {
        let over = self.night.over(Moment::now().at);
        let mut ran = RanTickets {
            begun: self.begun.len(),
            left: Vec::new(),
            spent: None,
            failed: self.failed.take(),
        };
        let is_told = *self.what.drain.borrow() || self.what.options.stop.borrow().is_some();
        let may_look = matches!(self.what.selection, Selection::AllReady { .. }) && ran.failed.is_none() && !is_told;
        if may_look && self.room() > 0 {
            match Queue::look(self.workspace, Moment::now().at, Retry::default()) {
                Ok(queue) => ran.left = queue.left(),
                Err(error) => ran.failed = Some(error),
            }
        }
        ran.spent = over.filter(|_| self.has_paused || !ran.left.is_empty());
        ran
    }
}

fn is_paused_for_the_night(ran: &Result<RunReport, RunError>) -> bool {
    match ran {
        Ok(report) => report.outcome == Outcome::Paused(PauseCause::Budget),
        Err(RunError::Stopped { cause }) => *cause == PauseCause::Budget,
        Err(_) => false,
    }
}
