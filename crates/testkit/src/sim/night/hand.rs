//! Carries out effects in the simulated world: what it shows comes when its time has come.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::Poll;

use jiff::Timestamp;
use ledger_core::{
    Activity, BlockerCode, Effect, Event, Observation, PauseCause, Pending, Run, ThreadId, TokenCount, TurnEnd,
};
use runner::Executor;

use super::behaviour::Behaviour;
use super::fuse::{Fault, Operation};
use super::world::{AgentTurn, SharedWorld, UnderWay, World, failed, lock};
use crate::sim::thread_started;

/// The hand of one run.
pub(super) struct Hand {
    pub(super) world: SharedWorld,
    pub(super) ticket: usize,
    under_way: Option<UnderWay>,
    /// What happens next, and when.
    coming: VecDeque<(Timestamp, Coming)>,
    /// What is told once more.
    echo: Option<Event>,
}

enum Coming {
    /// Something is seen.
    Shows(Event),
    /// The effect is done; it shows a little later.
    IsDone,
    /// The agent was told to end, and has ended.
    IsInterrupted,
}

impl Hand {
    pub(super) fn new(world: SharedWorld, ticket: usize) -> Self {
        Self {
            world,
            ticket,
            under_way: None,
            coming: VecDeque::new(),
            echo: None,
        }
    }

    /// The next event, where its time has come; else the world is told when to ask again.
    fn poll(&mut self, wake: Option<Timestamp>) -> Poll<Option<Event>> {
        let mut world = lock(&self.world);
        world.wakes = None;
        loop {
            if world.fuse.is_dead() {
                return Poll::Pending;
            }
            let is_told = !self
                .coming
                .iter()
                .any(|(_, coming)| matches!(coming, Coming::Shows(Event::Observed { .. })));
            if let Some(echo) = self.echo.take_if(|_| is_told) {
                world.told_twice = true;
                return Poll::Ready(Some(echo));
            }
            let next = self.coming.front().map(|(at, _)| *at);
            if next.is_none_or(|at| world.now < at) {
                if wake.is_some_and(|wake| wake <= world.now) {
                    return Poll::Ready(None);
                }
                world.wakes = [next, wake].into_iter().flatten().min();
                return Poll::Pending;
            }
            let (Some((_, coming)), Some(under_way)) = (self.coming.pop_front(), &self.under_way) else {
                return Poll::Pending;
            };
            let observation = match coming {
                Coming::Shows(event) => return Poll::Ready(Some(event)),
                Coming::IsInterrupted => interrupted(&mut world, self.ticket, under_way),
                Coming::IsDone => match end(&mut world, self.ticket, under_way) {
                    Some((observation, fault)) => {
                        let event = |observation| Event::Observed {
                            of: under_way.seq,
                            observation,
                        };
                        self.echo = (fault == Some(Fault::Twice)).then(|| event(observation.clone()));
                        observation
                    }
                    None => return Poll::Pending,
                },
            };
            let event = Event::Observed {
                of: under_way.seq,
                observation,
            };
            let at = world.now + world.seconds(0..3);
            self.coming.push_back((at, Coming::Shows(event)));
        }
    }
}

/// Carries out an effect, and what goes wrong with it. None: nobody is there to see it.
fn end(world: &mut World, ticket: usize, under_way: &UnderWay) -> Option<(Observation, Option<Fault>)> {
    let is_remote = matches!(under_way.effect, Effect::AskRemote { .. } | Effect::Push { .. });
    let operation = if is_remote {
        Operation::Remote
    } else {
        Operation::Effect
    };
    let fault = world.fuse.burn(operation);
    if let Some(Fault::Kill(done) | Fault::PowerCut(done, _)) = fault {
        // The runner dies before it is done, or before it is seen.
        if done.is_done(&mut world.chance) {
            world.perform(ticket, under_way);
        }
        return None;
    }
    let answer = match fault {
        Some(Fault::Full(_)) if under_way.needs_room() => {
            world.tally.full_disks += 1;
            world.met_full_disk = true;
            failed(BlockerCode::DiskFull, "no space")
        }
        Some(Fault::Lost | Fault::Mute) if is_remote => {
            world.tally.silences += 1;
            if fault == Some(Fault::Lost) {
                world.perform(ticket, under_way);
            }
            failed(BlockerCode::RemoteUnreachable, "no answer")
        }
        _ => world.perform(ticket, under_way),
    };
    if world.fuse.is_dead() {
        return None;
    }
    Some((answer, fault))
}

impl Executor for Hand {
    fn start(&mut self, seq: u64, effect: &Effect, run: &Run) {
        let mut world = lock(&self.world);
        if world.fuse.is_dead() {
            return;
        }
        if let Effect::Interrupt { .. } = effect {
            let at = world.now + world.seconds(0..5);
            self.coming.clear();
            self.coming.push_back((at, Coming::IsInterrupted));
            return;
        }
        let under_way = UnderWay::new(seq, effect, run);
        self.coming = match under_way.label() {
            Some(label) => begin_turn(&mut world, self.ticket, &under_way, label),
            None => {
                let most = match effect {
                    Effect::RunChecks { .. } => 300,
                    Effect::PreparePlaces { .. } => 60,
                    _ => 3,
                };
                let at = world.now + world.seconds(0..most);
                VecDeque::from([(at, Coming::IsDone)])
            }
        };
        self.under_way = Some(under_way);
    }

    fn next_event(&mut self, wake: Option<Timestamp>) -> impl Future<Output = Option<Event>> + Send {
        poll_fn(move |_| self.poll(wake))
    }

    async fn look(&mut self, pending: &Pending, run: &Run) -> Vec<Event> {
        let mut world = lock(&self.world);
        if world.fuse.is_dead() {
            return Vec::new();
        }
        let fault = world.fuse.burn(Operation::Look);
        if world.fuse.is_dead() {
            return Vec::new();
        }
        let seen = match (&pending.effect, fault) {
            (Effect::Push { .. }, Some(Fault::Mute)) => {
                world.tally.silences += 1;
                Some(failed(BlockerCode::RemoteUnreachable, "no answer"))
            }
            (effect, _) => world.look(self.ticket, effect, run),
        };
        let Some(observation) = seen else {
            return Vec::new();
        };
        let named = match (&pending.live.thread, &observation) {
            (
                None,
                Observation::TurnEnded {
                    thread: Some(thread), ..
                },
            ) => Some(thread_started(thread.clone())),
            _ => None,
        };
        let end = Event::Observed {
            of: pending.seq,
            observation,
        };
        named.map(Event::Activity).into_iter().chain([end]).collect()
    }

    fn now(&self) -> Timestamp {
        lock(&self.world).now
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        None
    }
}

/// An agent begins; what it will do is clear from now on, unless it is interrupted.
fn begin_turn(world: &mut World, ticket: usize, under_way: &UnderWay, label: &str) -> VecDeque<(Timestamp, Coming)> {
    let writes = matches!(under_way.effect, Effect::TakeTurn { .. });
    let limit = world.weather.provider(world.now);
    let is_limited = limit.is_some();
    let of = &mut world.tickets[ticket];
    let name = if writes { "writer" } else { "reader" };
    let thread: Option<ThreadId> = format!("{name}-{}", of.id).parse().ok();
    let behaviour = Some(of.behaviour).filter(|_| writes);
    let turn = AgentTurn {
        seq: under_way.seq,
        thread: thread.clone(),
        limit,
        ..AgentTurn::default()
    };
    if of.turns.insert(label.to_owned(), turn).is_some() {
        let id = &of.id;
        let what = format!("ticket {id}: two turns were given the label {label}");
        world.broken.push((world.tally.steps, what));
    }
    let mut at = world.now;
    let mut coming = VecDeque::new();
    let mut then = |world: &mut World, most: i64, what: Coming| {
        at += world.seconds(0..most);
        coming.push_back((at, what));
    };
    if let Some(thread) = thread {
        then(world, 20, Coming::Shows(Event::Activity(thread_started(thread))));
    }
    if is_limited {
        then(world, 30, Coming::IsDone);
        return coming;
    }
    let spend = |world: &mut World, tokens: u64| {
        let turn = world.tickets[ticket].turns.get_mut(label);
        let spent = turn.map_or(0, |turn| {
            turn.spent += tokens;
            turn.spent
        });
        Coming::Shows(Event::Activity(Activity::Tokens {
            spent: TokenCount {
                total: spent,
                ..TokenCount::default()
            },
        }))
    };
    let runs = |item: u32, command: &str| {
        Coming::Shows(Event::Activity(Activity::CommandStarted {
            item: format!("command-{item}"),
            command: command.to_owned(),
        }))
    };
    let ended = |item: u32| {
        Coming::Shows(Event::Activity(Activity::CommandEnded {
            item: format!("command-{item}"),
            exit_code: Some(0),
            declined: false,
        }))
    };
    match behaviour {
        Some(Behaviour::Silent) => return coming,
        Some(Behaviour::Stuck) => {
            then(world, 20, runs(0, "make wait"));
            return coming;
        }
        Some(Behaviour::Unsafe) => then(world, 20, runs(0, "git push origin main")),
        Some(Behaviour::Flood) => {
            for item in 0..70 {
                then(world, 2, runs(item, "make again"));
            }
        }
        Some(Behaviour::Repeats) => {
            for item in 0..30 {
                then(world, 20, runs(item, "make again"));
                then(world, 20, ended(item));
            }
        }
        Some(Behaviour::Glutton) => {
            let spends = spend(world, 6_000_000);
            then(world, 60, spends);
        }
        _ => {}
    }
    for item in 0..world.chance.u32(0..3) {
        then(world, 120, runs(item, "make test"));
        then(world, 120, ended(item));
        let tokens = world.chance.u64(100..10_000);
        let spends = spend(world, tokens);
        then(world, 5, spends);
    }
    then(world, 300, Coming::IsDone);
    coming
}

/// What is seen of an effect that was told to end.
fn interrupted(world: &mut World, ticket: usize, under_way: &UnderWay) -> Observation {
    world.tally.bad_turns += 1;
    let turn = under_way
        .label()
        .and_then(|label| world.tickets[ticket].turns.get(label));
    match turn {
        Some(turn) if matches!(under_way.effect, Effect::TakeTurn { .. }) => Observation::TurnEnded {
            end: TurnEnd::Interrupted,
            tokens: TokenCount {
                total: turn.spent,
                ..TokenCount::default()
            },
            thread: turn.thread.clone(),
        },
        _ => Observation::Interrupted,
    }
}
