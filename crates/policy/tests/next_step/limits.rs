//! What is watched while an agent is at work: signs of life, commands that do not end, limits that come near.

use counterfoil_policy::{Inputs, Limits, Step, next_step};
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    Activity, AgentIdentity, AgentKind, Blocker, BlockerCode, DeliveryMode, Duration, Effect, Event, Mode, Observation,
    Run, TokenCount,
};

use crate::world::{inputs, opened, start};

/// A run whose worker has begun its first turn, and what is asked about it.
struct AtWork {
    run: Run,
    inputs: Inputs,
}

impl AtWork {
    fn with(limits: Limits) -> Self {
        let run = Run::open(start(), &opened(Mode::Quick, true, DeliveryMode::Branch, true)).unwrap();
        let mut world = Self {
            run,
            inputs: inputs(limits, false),
        };
        while !world.is_at_work() {
            let event = match world.step(0) {
                Step::Record(event) => event,
                Step::Start(effect) => Event::Intended(effect),
                Step::Wait { .. } => Event::Observed {
                    of: world.run.pending().unwrap().seq,
                    observation: Observation::PlacesReady {
                        anew: true,
                        copied: Vec::new(),
                        set_up: Vec::new(),
                    },
                },
                Step::Finish(outcome) => panic!("{outcome:?}"),
            };
            world.apply(0, &event);
        }
        let begun = Activity::ThreadStarted {
            thread: "writer".parse().unwrap(),
            resumed: false,
            agent: AgentIdentity {
                kind: AgentKind::Scripted,
                version: "1".to_owned(),
                model: None,
                sandbox: "none".to_owned(),
            },
        };
        world.sees(0, begun);
        let Step::Record(assigned) = world.step(0) else {
            panic!("the writer is not assigned");
        };
        world.apply(0, &assigned);
        world
    }

    fn is_at_work(&self) -> bool {
        let pending = self.run.pending();
        pending.is_some_and(|pending| matches!(pending.effect, Effect::TakeTurn { .. }))
    }

    fn apply(&mut self, minutes: i64, event: &Event) {
        self.run.apply(after(minutes), event).unwrap();
    }

    fn sees(&mut self, minutes: i64, activity: Activity) {
        self.apply(minutes, &Event::Activity(activity));
    }

    /// What is to be done so many minutes after the start.
    fn step(&self, minutes: i64) -> Step {
        next_step(&self.run, &self.inputs, after(minutes))
    }

    fn interruption(&self, code: BlockerCode, reason: &str) -> Step {
        Step::Start(Effect::Interrupt {
            of: self.run.pending().unwrap().seq,
            because: Some(Blocker::new(code, reason)),
        })
    }
}

fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn waits_until(minutes: i64) -> Step {
    Step::Wait {
        until: Some(after(minutes)),
    }
}

fn message() -> Activity {
    let text = "I go on".to_owned();
    Activity::Message { text }
}

fn spent(total: u64) -> Activity {
    let spent = TokenCount {
        total,
        ..TokenCount::default()
    };
    Activity::Tokens { spent }
}

fn limits() -> Limits {
    Limits {
        turn_timeout: Duration::minutes(120),
        idle_timeout: Duration::minutes(10),
        command_timeout: Duration::minutes(30),
        max_wall: Duration::minutes(1000),
        max_tokens: 1000,
        soft_percent: 80,
        ..Limits::default()
    }
}

#[test]
fn an_agent_that_gives_no_sign_of_life_is_interrupted() {
    let mut world = AtWork::with(limits());
    assert_eq!(world.step(9), waits_until(10));
    world.sees(9, message());
    assert_eq!(world.step(18), waits_until(19));
    let stalled = world.interruption(BlockerCode::Stalled, "no sign of life for 10m");
    assert_eq!(world.step(19), stalled);
}

#[test]
fn a_command_under_way_is_a_sign_of_life_until_it_takes_too_long() {
    let mut world = AtWork::with(limits());
    let command = |item: &str| Activity::CommandStarted {
        item: item.to_owned(),
        command: format!("make {item}"),
    };
    world.sees(1, command("a"));
    world.sees(5, command("b"));
    assert_eq!(world.step(30), waits_until(31));
    let timeout = world.interruption(BlockerCode::TurnTimeout, "the command `make a` took 30m");
    assert_eq!(world.step(31), timeout);
    let ended = |item: &str| Activity::CommandEnded {
        item: item.to_owned(),
        exit_code: Some(0),
        declined: false,
    };
    world.sees(30, ended("a"));
    assert_eq!(world.step(34), waits_until(35), "the other one goes on");
    world.sees(34, ended("b"));
    assert_eq!(world.step(43), waits_until(44), "silence counts again");
    let stalled = world.interruption(BlockerCode::Stalled, "no sign of life for 10m");
    assert_eq!(world.step(44), stalled);
}

#[test]
fn a_command_that_was_given_a_time_has_a_minute_more_and_then_ends_the_turn() {
    let mut world = AtWork::with(limits());
    world.sees(
        1,
        Activity::CommandStarted {
            item: "a".to_owned(),
            command: "timeout -k 60 600 make".to_owned(),
        },
    );
    assert_eq!(world.step(12), waits_until(13));
    let timeout = world.interruption(
        BlockerCode::TurnTimeout,
        "the command `timeout -k 60 600 make` took 12m",
    );
    assert_eq!(world.step(13), timeout);
}

#[test]
fn a_turn_that_takes_too_long_is_interrupted_whatever_it_does() {
    let mut world = AtWork::with(Limits {
        turn_timeout: Duration::minutes(12),
        ..limits()
    });
    world.sees(9, message());
    assert_eq!(world.step(9), waits_until(12));
    let warned = Event::Warned {
        message: "80 % of the 12m of a turn are over".to_owned(),
    };
    assert_eq!(world.step(10), Step::Record(warned.clone()));
    world.apply(10, &warned);
    assert_eq!(world.step(11), waits_until(12), "said once");
    let timeout = world.interruption(BlockerCode::TurnTimeout, "the turn took 12m");
    assert_eq!(world.step(12), timeout);
}

#[test]
fn a_provider_that_does_not_answer_is_left_for_later() {
    let mut world = AtWork::with(limits());
    let retrying = || {
        let reason = "503".to_owned();
        Activity::Retrying { reason }
    };
    world.sees(1, retrying());
    assert_eq!(world.step(1), waits_until(11));
    world.sees(9, retrying());
    assert_eq!(world.step(10), waits_until(11), "since the first");
    let down = world.interruption(BlockerCode::AgentUnavailable, "the provider has not answered for 10m");
    assert_eq!(world.step(11), down);
    world.sees(10, message());
    assert_eq!(world.step(11), waits_until(20), "silence counts again");
}

#[test]
fn an_agent_that_asks_ten_times_for_what_nobody_gives_is_interrupted() {
    let mut world = AtWork::with(limits());
    let ask = || Activity::RequestDeclined {
        request: "item/commandExecution/requestApproval".to_owned(),
        about: "rm".to_owned(),
    };
    for _ in 0..9 {
        world.sees(1, ask());
    }
    assert_eq!(world.step(1), waits_until(11));
    world.sees(1, ask());
    let asks = world.interruption(
        BlockerCode::NeedsPerson,
        "the agent asked 10 times for approvals or answers, which nobody gives in a run",
    );
    assert_eq!(world.step(1), asks);
}

#[test]
fn that_tokens_come_near_their_limit_is_said_once() {
    let mut world = AtWork::with(limits());
    world.sees(1, spent(799));
    assert_eq!(world.step(1), waits_until(11));
    world.sees(1, spent(800));
    let warned = Event::Warned {
        message: "80 % of 1000 tokens are spent".to_owned(),
    };
    assert_eq!(world.step(1), Step::Record(warned.clone()));
    world.apply(1, &warned);
    world.sees(2, spent(999));
    assert_eq!(world.step(2), waits_until(12));
    world.sees(3, spent(1000));
    let exhausted = world.interruption(
        BlockerCode::BudgetExhausted,
        "the run has spent 1000 tokens of at most 1000",
    );
    assert_eq!(world.step(3), exhausted);
}

#[test]
fn a_turn_that_spends_what_a_turn_may_is_interrupted() {
    let mut world = AtWork::with(Limits {
        turn_tokens: Some(100),
        ..limits()
    });
    world.sees(1, spent(79));
    assert_eq!(world.step(1), waits_until(11));
    world.sees(1, spent(80));
    let warned = Event::Warned {
        message: "80 % of the 100 tokens of a turn are spent".to_owned(),
    };
    assert_eq!(world.step(1), Step::Record(warned.clone()));
    world.apply(1, &warned);
    world.sees(2, spent(99));
    assert_eq!(world.step(2), waits_until(12));
    world.sees(3, spent(100));
    let exhausted = world.interruption(
        BlockerCode::BudgetExhausted,
        "the turn has spent 100 tokens of at most 100",
    );
    assert_eq!(world.step(3), exhausted);
}

#[test]
fn that_time_comes_near_its_limit_is_said_once() {
    let mut world = AtWork::with(Limits {
        max_wall: Duration::minutes(50),
        ..limits()
    });
    world.sees(39, message());
    assert_eq!(world.step(39), waits_until(49));
    let warned = Event::Warned {
        message: "80 % of 50m are over".to_owned(),
    };
    assert_eq!(world.step(40), Step::Record(warned.clone()));
    world.apply(40, &warned);
    world.sees(45, message());
    assert_eq!(world.step(45), waits_until(50));
    let exhausted = world.interruption(BlockerCode::BudgetExhausted, "the run has been worked on for 50m");
    assert_eq!(world.step(50), exhausted);
}
