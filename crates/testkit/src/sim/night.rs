//! A whole night in a simulated world: many tickets, some at the same time, agents that behave in every way they can, limits, full disks, and runners
//! that die anywhere. No time passes, and everything follows from a seed.
//!
//! What is simulated is what the runner cannot know: agents, refs, remote, disk, clock and death. What decides is the real thing: [`policy::Sitting`]
//! says which tickets run, [`runner::drive`] brings each run to its end by [`policy::next_step`], and what a dead runner left is replayed from the bytes
//! of its journals.

mod behaviour;
pub mod case;
mod fuse;
mod hand;
mod inspect;
mod memory_journal;
mod nights;
mod repository;
mod tickets;
mod weather;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{BlockerCode, CommitId, Event, Journal, JournalError, Record, Run, State};
use policy::{Outcome, Sitting, Sought, TicketEnd, WaitFor};
use runner::{DriveError, JournalSink as _, drive};

use self::behaviour::Ending;
use self::fuse::{Death, Fuse};
use self::hand::Hand;
use self::memory_journal::MemoryJournal;
use self::tickets::{AtHand, Standing, Ticket};
use self::weather::Weather;
use self::world::{SharedWorld, TicketWorld, World, lock};

use super::git::{Git, Remote};
use super::object;

pub use self::fuse::{Fault, Operation, Part, Strike};
pub use self::nights::Nights;
pub use self::repository::Defect;
pub use self::world::Tally;

/// What a night is made from. The same night comes from the same two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NightSeed {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many tickets.
    pub tickets: usize,
}

/// A night that went as it must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NightReport {
    /// Tickets that are done.
    pub done: usize,
    /// Tickets that are blocked, each with its true cause.
    pub blocked: usize,
    /// Tickets that wait for one that is not done.
    pub waiting: usize,
    /// How often a runner began.
    pub sittings: usize,
    /// What was counted.
    pub tally: Tally,
    /// How long the night took in its own time.
    pub took: SignedDuration,
    /// How agents, and the people around them, behaved about the tickets that were begun.
    pub seen: BTreeSet<String>,
}

/// Something was seen that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after {steps} steps: {what}")]
pub struct NightBroken {
    /// How many events had been written.
    pub steps: u64,
    /// What.
    pub what: String,
}

/// Spends a night, and gives back what it came to, or the first thing that must never be.
pub fn spend_night(seed: NightSeed) -> Result<NightReport, NightBroken> {
    Night::begin(seed).outcome()
}

/// More sittings than this for the same deaths and full disks are no end.
const MOST_SITTINGS: usize = 60;

/// No ticket needs more decisions than this, whatever befalls it.
const MOST_TURNS_OF_A_TICKET: usize = 400;

/// Somebody looks in the morning, and again, whether all is done.
const NEXT_LOOK: SignedDuration = SignedDuration::from_mins(30);

/// When every night begins.
fn beginning() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56)
}

type Driving = Pin<Box<dyn Future<Output = Driven>>>;

/// A run as a drive left it.
struct Driven {
    run: Run,
    outcome: Result<Outcome, DriveError>,
}

struct Night {
    world: SharedWorld,
    tickets: Vec<Ticket>,
    standings: Vec<Standing>,
    slots: usize,
    sought: Sought,
    inputs: policy::Inputs,
    running: BTreeMap<usize, Running>,
    /// The names of those that run.
    names: BTreeSet<ledger_core::TicketId>,
    /// Until when nothing may be begun, because every other ticket would meet what has stopped one.
    held_until: Timestamp,
    /// The same as the provider has said it, which a runner that is started anew knows too.
    told_until: Timestamp,
    /// Those of which a runner has told that they are done.
    told_done: BTreeSet<usize>,
    /// Those that have ended since the runner began, and are not to be tried again.
    over: BTreeSet<usize>,
    sittings: usize,
    /// How often it was asked what follows.
    turns: usize,
}

/// A run that is driven.
struct Running {
    driving: Driving,
    /// When it has to be polled again.
    wakes: Option<Timestamp>,
}

/// How a sitting came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SittingEnd {
    /// Nothing was left that could run.
    Over,
    /// A run met an error of the machine's, and the others were brought to their ends.
    Failed,
    Died(Death),
}

impl Night {
    fn begin(NightSeed { seed, tickets: count }: NightSeed) -> Self {
        let mut chance = Rng::with_seed(seed);
        let began = beginning();
        let comes_later = chance.bool();
        let tickets: Vec<_> = (0..count)
            .map(|number| Ticket::draw(&mut chance, number, began, comes_later))
            .collect();
        let weather = Weather::draw(&mut chance, began);
        let fuse = Fuse::draw(&mut chance, 60 * count as u64);
        let sought = Sought::AllReady {
            poll: comes_later.then_some(Duration::from_secs(60)),
            // Longer than the longest time in which nobody approves anything.
            max_cycles: Some(24 * 60),
        };
        let slots = chance.usize(1..=8);
        Self::of(tickets, weather, fuse, None, chance, slots, sought)
    }

    fn of(
        tickets: Vec<Ticket>,
        weather: Weather,
        fuse: Fuse,
        defect: Option<Defect>,
        chance: Rng,
        slots: usize,
        sought: Sought,
    ) -> Self {
        let of_tickets: Vec<_> = tickets.iter().map(TicketWorld::new).collect();
        let mut broken = Vec::new();
        let (git, remote, base) = repository::begin(&of_tickets).unwrap_or_else(|refusal| {
            broken.push((0, format!("the repository cannot be made: {refusal:?}")));
            (Git::default(), Remote::default(), CommitId(object(0)))
        });
        let mut inputs = super::inputs(policy::Limits::default(), true);
        inputs.start.discovery.base = base;
        if let Ok(commit) = git.commit(base) {
            inputs.start.base_tree = commit.tree;
        }
        let world = World {
            now: beginning(),
            weather,
            fuse,
            git,
            remote,
            base,
            defect,
            tickets: of_tickets,
            tally: Tally::default(),
            wakes: None,
            met_full_disk: false,
            told_twice: false,
            broken,
            chance,
        };
        Self {
            standings: vec![Standing::Open; tickets.len()],
            slots,
            sought,
            inputs,
            running: BTreeMap::new(),
            names: BTreeSet::new(),
            held_until: beginning(),
            told_until: beginning(),
            told_done: BTreeSet::new(),
            over: BTreeSet::new(),
            sittings: 0,
            turns: 0,
            world: Arc::new(Mutex::new(world)),
            tickets,
        }
    }

    /// What it comes to, or the first thing that must never be.
    fn outcome(&mut self) -> Result<NightReport, NightBroken> {
        let spent = self.spend();
        let world = lock(&self.world);
        match (world.broken.first().cloned(), spent) {
            (Some((steps, what)), _) => Err(NightBroken { steps, what }),
            (None, Ok(report)) => Ok(report),
            (None, Err(what)) => Err(NightBroken {
                steps: world.tally.steps,
                what,
            }),
        }
    }

    /// One runner after the other, until every ticket has come to its end.
    fn spend(&mut self) -> Result<NightReport, String> {
        let began = self.now();
        loop {
            self.sittings += 1;
            if self.sittings > MOST_SITTINGS {
                return Err(format!("no end after {MOST_SITTINGS} runners: {}", self.open()));
            }
            let end = self.sit()?;
            let pause = match end {
                SittingEnd::Died(_) => SignedDuration::from_secs(5),
                SittingEnd::Failed => SignedDuration::from_mins(5),
                SittingEnd::Over => NEXT_LOOK,
            };
            self.pass(pause);
            if let SittingEnd::Died(death) = end {
                self.bury(death)?;
                continue;
            }
            let now = self.now();
            let has_room = lock(&self.world).weather.disk_full_until(now).is_none();
            if end == SittingEnd::Over && has_room && self.all_at_their_end()? {
                break;
            }
        }
        self.keep_the_rest()?;
        self.inspect(began)
    }

    fn now(&self) -> Timestamp {
        lock(&self.world).now
    }

    fn pass(&mut self, time: SignedDuration) {
        lock(&self.world).now += time;
    }

    /// One runner, as `run_tickets` is one.
    fn sit(&mut self) -> Result<SittingEnd, String> {
        let mut sitting = Sitting::new(self.sought.clone(), self.slots, None);
        let mut has_failed = false;
        self.held_until = match self.sought {
            Sought::AllReady { .. } => self.told_until.max(self.now()),
            Sought::These(_) => self.now(),
        };
        self.over.clear();
        // What it waits for until it looks again: as long as no ticket ends, nothing else begins.
        let mut waits = None;
        loop {
            self.turns += 1;
            // A night in which nothing is ready asks every minute.
            if self.turns > 3_000 + MOST_TURNS_OF_A_TICKET * self.tickets.len() {
                return Err(format!("no end in sight: {}", self.open()));
            }
            let sleep = match waits {
                Some(sleep) => sleep,
                None => {
                    if has_failed {
                        sitting.begin_no_more();
                    } else if let Some(death) = self.begin_runs(&mut sitting)? {
                        return Ok(SittingEnd::Died(death));
                    }
                    let now = self.now();
                    match sitting.wait(now, has_failed, None) {
                        WaitFor::Nothing if has_failed => return Ok(SittingEnd::Failed),
                        WaitFor::Nothing => return Ok(SittingEnd::Over),
                        WaitFor::Change { time, .. } => *waits.insert(time.map(|time| now + time)),
                    }
                }
            };
            let now = self.now();
            let next = self
                .running
                .iter()
                .filter_map(|(ticket, run)| Some((run.wakes?, *ticket)));
            match (next.min(), sleep) {
                (Some((wakes, ticket)), sleep) if sleep.is_none_or(|sleep| wakes < sleep) => {
                    lock(&self.world).now = now.max(wakes);
                    let driven = self.poll(ticket);
                    if let Some(death) = lock(&self.world).fuse.take_death() {
                        return Ok(SittingEnd::Died(death));
                    }
                    if let Some(driven) = driven {
                        waits = None;
                        has_failed |= self.note(&mut sitting, ticket, driven, has_failed)?;
                    }
                }
                (_, Some(sleep)) => {
                    lock(&self.world).now = sleep;
                    waits = None;
                }
                (_, None) => return Err(format!("the runner waits for nothing: {}", self.open())),
            }
        }
    }

    /// Begins what the sitting says, until the runner dies of it.
    fn begin_runs(&mut self, sitting: &mut Sitting) -> Result<Option<Death>, String> {
        let now = self.now();
        let at_hand = AtHand {
            tickets: &self.tickets,
            standings: &self.standings,
            running: &self.names,
            now,
        };
        let starting = sitting.start(&at_hand, now);
        let numbers = starting.start.iter().map(|queued| at_hand.number(&queued.id));
        for ticket in numbers.collect::<Vec<_>>() {
            self.begin_run(ticket.ok_or("a ticket starts that there is not")?)?;
            if let Some(death) = lock(&self.world).fuse.take_death() {
                return Ok(Some(death));
            }
        }
        Ok(None)
    }

    /// Takes a ticket's run up, or opens it, and drives it up to where it waits.
    fn begin_run(&mut self, ticket: usize) -> Result<(), String> {
        self.may_begin(ticket)?;
        let driving = self.driving(ticket)?;
        self.names.insert(self.tickets[ticket].id.clone());
        let wakes = Some(self.now());
        self.running.insert(ticket, Running { driving, wakes });
        Ok(())
    }

    /// What is not allowed whatever the sitting says.
    fn may_begin(&self, ticket: usize) -> Result<(), String> {
        let this = &self.tickets[ticket];
        if self.now() < self.held_until {
            return Err(format!(
                "ticket {} begins before {}, when what stopped another and would stop each passes",
                this.id, self.held_until
            ));
        }
        if self.over.contains(&ticket) {
            return Err(format!("ticket {} begins again, and nothing has changed", this.id));
        }
        if self.running.len() >= self.slots {
            return Err(format!("ticket {} begins and no slot is free", this.id));
        }
        if let Some(first) = this
            .waits_for
            .iter()
            .find(|first| self.standings[**first] != Standing::Done)
        {
            return Err(format!("ticket {} begins before {}", this.id, self.tickets[*first].id));
        }
        let meets = |other: &&usize| self.tickets[**other].meets(this);
        match self.running.keys().find(meets) {
            Some(other) => Err(format!(
                "ticket {} begins beside {}, which it meets",
                this.id, self.tickets[*other].id
            )),
            None => Ok(()),
        }
    }

    fn driving(&self, ticket: usize) -> Result<Driving, String> {
        let this = &self.tickets[ticket];
        let mut inputs = self.inputs.clone();
        inputs.limits.max_iterations = this.behaviour.max_iterations();
        let world = Arc::clone(&self.world);
        let (mut run, head) = match self.read(ticket)? {
            Some((run, head)) => (run, head),
            None => {
                lock(&world).tickets[ticket].journal = memory_journal::StoredBytes::default();
                let now = lock(&world).now;
                {
                    // Whoever opens a run keeps what it begins with first.
                    let mut world = lock(&world);
                    let (run, base) = (this.run(), world.base);
                    let kept = world.git.anchor(&run, &format!("base-{}", base.short()), base.0);
                    kept.map_err(|refusal| format!("ticket {}: {refusal:?}", this.id))?;
                }
                let event = Event::Opened(this.terms());
                let run = Run::open(now, &event).map_err(|refusal| format!("ticket {}: {refusal}", this.id))?;
                let mut journal = MemoryJournal::new(Arc::clone(&world), ticket, ledger_core::Head::default());
                if let Err(error) = journal.append(now, &event) {
                    let outcome = Err(error.into());
                    return Ok(Box::pin(std::future::ready(Driven { run, outcome })));
                }
                (run, journal.head())
            }
        };
        let mut journal = MemoryJournal::new(Arc::clone(&world), ticket, head);
        let mut hand = Hand::new(Arc::clone(&world), ticket);
        Ok(Box::pin(async move {
            let watch = |run: &Run, record: &Record| lock(&world).watch(ticket, run, &record.event);
            let outcome = drive(&mut run, &mut journal, &mut inputs, &mut hand, watch).await;
            Driven { run, outcome }
        }))
    }

    /// The run of a ticket by its journal, where it has one; what of that is torn is cut off. As `run_ticket` reads it.
    fn read(&self, ticket: usize) -> Result<Option<(Run, ledger_core::Head)>, String> {
        let mut world = lock(&self.world);
        let stored = &mut world.tickets[ticket].journal;
        let named = |error: &dyn std::fmt::Display| format!("ticket {}: its journal: {error}", self.tickets[ticket].id);
        let journal = match Journal::parse(&stored.bytes) {
            Err(JournalError::Empty) => return Ok(None),
            other => other.map_err(|error| named(&error))?,
        };
        if let Some(torn) = journal.torn {
            stored.bytes.truncate(torn.offset);
            stored.synced = stored.synced.min(torn.offset);
        } else if journal.unterminated {
            stored.bytes.push(b'\n');
        }
        let run = Run::replay(&journal.records).map_err(|refusal| named(&refusal))?;
        Ok(Some((run, journal.head)))
    }

    fn poll(&mut self, ticket: usize) -> Option<Driven> {
        let running = self.running.get_mut(&ticket)?;
        let polled = running.driving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Pending => {
                running.wakes = lock(&self.world).wakes;
                None
            }
            Poll::Ready(driven) => Some(driven),
        }
    }

    /// A run has ended. Whether that is an error of the machine's, after which no other is begun.
    fn note(
        &mut self,
        sitting: &mut Sitting,
        ticket: usize,
        Driven { run, outcome }: Driven,
        has_failed: bool,
    ) -> Result<bool, String> {
        let this = &self.tickets[ticket];
        self.running.remove(&ticket);
        self.names.remove(&this.id);
        // The journal may hold a line of which the drive was told that it could not be written.
        let read = self.read(ticket)?.map(|(run, _)| run);
        self.standings[ticket] = Standing::of(read.as_ref());
        let (end, failed) = match &outcome {
            Ok(outcome) => {
                if read.as_ref() != Some(&run) {
                    return Err(format!(
                        "ticket {}: its journal does not say how its run stands",
                        this.id
                    ));
                }
                if *outcome == Outcome::Done {
                    self.told_done.insert(ticket);
                }
                let end = TicketEnd {
                    was_delivered: false,
                    is_done: *outcome == Outcome::Done,
                    stopped_by: match outcome {
                        Outcome::Blocked(blocker) => Some(blocker.clone()),
                        _ => None,
                    },
                    waits_for_word: false,
                };
                (end, false)
            }
            Err(DriveError::Journal(_)) => (TicketEnd::default(), true),
            // What is told again is refused, and the next drive goes on from what is recorded.
            Err(DriveError::Refused(_)) if std::mem::take(&mut lock(&self.world).told_twice) => {
                (TicketEnd::default(), true)
            }
            Err(error) => return Err(format!("ticket {}: {error}", this.id)),
        };
        let now = self.now();
        let again = sitting.ended(&this.id, &end, now, !(has_failed || failed));
        if let (Some(until), Some(stopped_by)) = (again, &end.stopped_by) {
            if until <= now || stopped_by.retry_at.is_some_and(|at| until < at) {
                return Err(format!(
                    "ticket {} is tried again at {until}, before it can work",
                    this.id
                ));
            }
            if matches!(
                stopped_by.code,
                BlockerCode::AgentRateLimited | BlockerCode::AgentUnavailable
            ) {
                self.held_until = self.held_until.max(until);
                self.told_until = self.told_until.max(stopped_by.retry_at.unwrap_or(now));
            }
        } else {
            self.over.insert(ticket);
        }
        Ok(failed)
    }

    /// The runner is gone, with everything that it had in memory. What it left to read is read.
    fn bury(&mut self, death: Death) -> Result<(), String> {
        let mut left: BTreeSet<usize> = std::mem::take(&mut self.running).into_keys().collect();
        self.names.clear();
        {
            let mut world = lock(&self.world);
            match death {
                Death::Killed => world.tally.kills += 1,
                Death::PowerCut(rest) => {
                    world.tally.power_cuts += 1;
                    left.extend(world.lose_power(rest));
                }
            }
            // Between two runners everything may be collected that no ref keeps, or be left as a dead one wrote it.
            if world.chance.bool() {
                world.git.collect_garbage();
            }
        }
        for ticket in left {
            let read = self.read(ticket)?.map(|(run, _)| run);
            let standing = Standing::of(read.as_ref());
            if self.told_done.contains(&ticket) && standing != Standing::Done {
                return Err(format!(
                    "ticket {} was done and is not any more",
                    self.tickets[ticket].id
                ));
            }
            self.standings[ticket] = standing;
        }
        Ok(())
    }

    /// Whether nothing is left that another runner would bring further.
    fn all_at_their_end(&self) -> Result<bool, String> {
        let is_open = |ticket: &usize| match &self.standings[*ticket] {
            Standing::Done => false,
            Standing::Blocked(blocker) => blocker.code == BlockerCode::DiskFull,
            Standing::Open | Standing::UnderWay => self.ending_of(*ticket) != Ending::Waits,
        };
        let open: Vec<_> = (0..self.tickets.len()).filter(is_open).collect();
        let mut world = lock(&self.world);
        let has_excuse = std::mem::take(&mut world.met_full_disk);
        match open.first() {
            None => Ok(true),
            Some(_) if has_excuse => Ok(false),
            Some(first) => Err(format!(
                "nothing runs any more, and ticket {} ({:?}) is {:?}",
                self.tickets[*first].id, self.tickets[*first].behaviour, self.standings[*first]
            )),
        }
    }

    /// Ends that could not be stored, or whose runner died before: what `foil run <ticket>` does with each.
    fn keep_the_rest(&mut self) -> Result<(), String> {
        for ticket in 0..self.tickets.len() {
            let mut tries = 0;
            while let Some((run, _)) = self.read(ticket)?
                && run.stored().is_none()
            {
                tries += 1;
                if tries > MOST_SITTINGS {
                    return Err(format!("ticket {}: its run cannot be stored", self.tickets[ticket].id));
                }
                let driving = self.driving(ticket)?;
                let wakes = Some(self.now());
                self.running.insert(ticket, Running { driving, wakes });
                let death = loop {
                    let driven = self.poll(ticket);
                    if let Some(death) = lock(&self.world).fuse.take_death() {
                        break Some(death);
                    }
                    if driven.is_some() {
                        break None;
                    }
                    let wakes = self.running.get(&ticket).and_then(|running| running.wakes);
                    let now = self.now();
                    lock(&self.world).now = now.max(wakes.ok_or("a run that is over waits for nothing")?);
                };
                self.running.clear();
                self.pass(NEXT_LOOK);
                if let Some(death) = death {
                    self.bury(death)?;
                }
                // What was done and not yet brought to the disk may have been lost, and done again.
                let read = self.read(ticket)?.map(|(run, _)| run);
                self.standings[ticket] = Standing::of(read.as_ref());
            }
        }
        Ok(())
    }

    /// What has not come to its end, in words.
    fn open(&self) -> String {
        let open = self.standings.iter().zip(&self.tickets);
        let mut open = open.filter(|(standing, _)| matches!(standing, Standing::Open | Standing::UnderWay));
        match open.next() {
            None => "every ticket stands".to_owned(),
            Some((standing, ticket)) => format!("ticket {} ({:?}) is {standing:?}", ticket.id, ticket.behaviour),
        }
    }
}

/// How a run stands that is not on its way.
impl Standing {
    fn of(run: Option<&Run>) -> Self {
        match run.map(Run::state) {
            None => Self::Open,
            Some(State::Climbing | State::Paused { .. } | State::Canceled { .. }) => Self::UnderWay,
            Some(State::Blocked(blocker)) => Self::Blocked(blocker.clone()),
            Some(State::Done) => Self::Done,
        }
    }
}
