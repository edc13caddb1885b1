//! How a run is taken up that an earlier runner left.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use counterfoil_runner::{ClockReading, Executor, JournalFileError, JournalSink, RunClock, drive};
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    Activity, AgentFailure, AgentFailureClass, BaseReason, BlobId, BlockerCode, CommitId, CoveredFile, DeliveryMode,
    Digest, Discovery, Effect, Event, Head, JOURNAL_FORMAT, Mode, ObjectId, Observation, Opened, PauseCause, Pending,
    Record, ResumeCause, Run, SourceLock, TokenCount, TreeId, TurnEnd,
};
use policy::{Inputs, Limits, Outcome, Policy, StartFacts, Step, next_step};

fn inputs() -> Inputs {
    let object = ObjectId::from_bytes([1; 20]);
    let file = CoveredFile {
        path: "ticket.toml".parse().unwrap(),
        blob: BlobId(object),
        sha256: Digest::of("ticket"),
    };
    Inputs {
        policy: Policy::default(),
        gates: Policy::default().gates.of(ledger_core::Kind::Feature),
        grants: ledger_core::Grants::default(),
        acceptance: Vec::new(),
        required: Vec::new(),
        limits: Limits::default(),
        start: StartFacts {
            lock: SourceLock {
                repository: "owner/name".to_owned(),
                files: vec![file.clone()],
                approval: file.clone(),
                approved_by: "Ada".to_owned(),
                policy: Digest::of(""),
                prompts: Vec::new(),
                steering: Vec::new(),
            },
            discovery: Discovery {
                base: CommitId(object),
                reason: BaseReason::Tip { branch: None },
                branch: None,
                upstream: None,
                repository_kind: Vec::new(),
                since: None,
                check_sandbox: "off".to_owned(),
            },
            base_tree: TreeId(object),
            recorded: vec![file],
            plan: None,
            children: Vec::new(),
        },
        baseline: Vec::new(),
        head: Head::default().sum,
        stop: None,
    }
}

/// A journal in memory.
#[derive(Default)]
struct Memory {
    head: Head,
    records: Vec<Record>,
}

impl JournalSink for Memory {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Record, JournalFileError> {
        let (_, head) = self.head.line(at, event).unwrap();
        let record = Record {
            seq: self.head.next,
            at,
            event: event.clone(),
            sum: head.sum,
        };
        self.head = head;
        self.records.push(record.clone());
        Ok(record)
    }

    fn sync(&mut self) -> Result<(), JournalFileError> {
        Ok(())
    }

    fn head(&self) -> Head {
        self.head
    }
}

/// A world at rest: what is started shows one thing, and so does what is looked at.
struct AtRest {
    now: Timestamp,
    stop: Option<PauseCause>,
    shows: Observation,
    left: Vec<Event>,
    started: Vec<(u64, Effect)>,
}

impl Executor for AtRest {
    fn start(&mut self, seq: u64, effect: &Effect, _run: &Run) {
        self.started.push((seq, effect.clone()));
    }

    async fn next_event(&mut self, _wake: Option<Timestamp>) -> Option<Event> {
        let (of, _) = *self.started.last()?;
        Some(Event::Observed {
            of,
            observation: self.shows.clone(),
        })
    }

    async fn look(&mut self, _pending: &Pending, _run: &Run) -> Vec<Event> {
        self.left.clone()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        self.stop
    }
}

/// A run that is opened and nothing else.
fn only_opened() -> Run {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let opened = Event::Opened(Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: "t".parse().unwrap(),
        run: "r".parse().unwrap(),
        repository: "owner/name".to_owned(),
        mode: Mode::Standard,
        delivery: DeliveryMode::Branch,
        plan: false,
        curate: false,
        review: true,
        experts: Vec::new(),
        checks: Vec::new(),
        max_repair_rounds: 3,
        max_rounds: None,
        target: None,
        rescued: None,
    });
    Run::open(at, &opened).unwrap()
}

/// A run in the middle of its first turn.
fn in_a_turn() -> Run {
    let mut run = only_opened();
    let at = run.last_at();
    loop {
        let event = match next_step(&run, &inputs(), at) {
            Step::Record(event) => event,
            Step::Start(effect) => Event::Intended(effect),
            Step::Wait { .. } | Step::Finish(_) => match run.pending() {
                Some(pending) if matches!(pending.effect, Effect::PreparePlaces { .. }) => Event::Observed {
                    of: pending.seq,
                    observation: Observation::PlacesReady {
                        anew: true,
                        copied: Vec::new(),
                        set_up: Vec::new(),
                    },
                },
                _ => return run,
            },
        };
        run.apply(at, &event).unwrap();
    }
}

#[tokio::test]
async fn a_run_is_taken_up_before_what_was_under_way_is_looked_at() {
    let mut run = in_a_turn();
    let turn = run.pending().unwrap().seq;
    let mut journal = Memory::default();
    let mut world = AtRest {
        now: run.last_at() + SignedDuration::from_hours(10),
        stop: Some(PauseCause::Stop),
        shows: Observation::Interrupted,
        left: Vec::new(),
        started: Vec::new(),
    };

    let outcome = drive(&mut run, &mut journal, &mut inputs(), &mut world, |_, _| {}).await;

    assert_eq!(outcome.unwrap(), Outcome::Paused(PauseCause::Stop));
    assert_eq!(run.active(), SignedDuration::ZERO, "nobody was at work in the night");
    let after = ResumeCause::Crash;
    assert_eq!(journal.records[0].event, Event::Resumed { after });
    let lost =
        |event: &Event| matches!(event, Event::Observed { of, observation: Observation::Lost { .. } } if *of == turn);
    assert!(lost(&journal.records[1].event), "{:?}", journal.records);
}

#[tokio::test]
async fn a_run_whose_runner_died_when_it_had_opened_it_has_lost_no_time() {
    for (away, is_taken_up) in [(SignedDuration::ZERO, false), (SignedDuration::from_hours(10), true)] {
        let mut run = only_opened();
        let mut world = AtRest {
            now: run.last_at() + away,
            stop: Some(PauseCause::Stop),
            shows: Observation::Interrupted,
            left: Vec::new(),
            started: Vec::new(),
        };
        let mut journal = Memory::default();

        drive(&mut run, &mut journal, &mut inputs(), &mut world, |_, _| {})
            .await
            .unwrap();

        let after = ResumeCause::Crash;
        assert_eq!(
            journal.records[0].event == Event::Resumed { after },
            is_taken_up,
            "{:?}",
            journal.records
        );
        assert_eq!(run.active(), SignedDuration::ZERO, "nobody was at work");
    }
}

/// A command that the policy refuses, as the agent's log or the journal has it.
fn pushes() -> Event {
    Event::Activity(Activity::CommandStarted {
        item: "1".to_owned(),
        command: "git push origin HEAD".to_owned(),
    })
}

/// Takes up a run whose turn was under way, and answers why nothing may come of it.
async fn stopped_for(mut run: Run, left: Vec<Event>) -> Option<BlockerCode> {
    let mut world = AtRest {
        now: run.last_at(),
        stop: Some(PauseCause::Stop),
        shows: Observation::Interrupted,
        left,
        started: Vec::new(),
    };
    let driven = drive(&mut run, &mut Memory::default(), &mut inputs(), &mut world, |_, _| {}).await;
    assert_eq!(driven.unwrap(), Outcome::Paused(PauseCause::Stop));
    run.attempt().unwrap().stopped_for().map(|blocker| blocker.code)
}

#[tokio::test]
async fn what_a_worker_did_counts_also_where_the_runner_died_before_it_could_stop_it() {
    let of = in_a_turn().pending().unwrap().seq;
    let answered = Event::Observed {
        of,
        observation: Observation::TurnEnded {
            end: TurnEnd::InvalidReport {
                reason: "prose".to_owned(),
            },
            tokens: TokenCount::default(),
            thread: Some("thread".parse().unwrap()),
        },
    };
    let ended = Event::Activity(Activity::CommandEnded {
        item: "1".to_owned(),
        exit_code: Some(0),
        declined: false,
    });
    let unsafe_action = Some(BlockerCode::UnsafeAction);

    let seen_in_the_log = vec![pushes(), ended, answered.clone()];
    assert_eq!(stopped_for(in_a_turn(), seen_in_the_log).await, unsafe_action);
    assert_eq!(stopped_for(in_a_turn(), vec![pushes()]).await, unsafe_action);
    let mut recorded = in_a_turn();
    recorded.apply(recorded.last_at(), &pushes()).unwrap();
    assert_eq!(stopped_for(recorded, vec![answered.clone()]).await, unsafe_action);
    assert_eq!(stopped_for(in_a_turn(), vec![answered]).await, None);
}

#[tokio::test]
async fn a_run_that_is_over_and_could_not_be_stored_is_stored() {
    let mut run = in_a_turn();
    let at = run.last_at();
    let turn = run.pending().unwrap().seq;
    let canceled = Event::Canceled {
        by: "Ada".to_owned(),
        reason: String::new(),
    };
    let reason = "gone".to_owned();
    let observation = Observation::Lost { reason };
    run.apply(at, &Event::Observed { of: turn, observation }).unwrap();
    run.apply(at, &canceled).unwrap();
    let Step::Start(store) = next_step(&run, &inputs(), at) else {
        panic!("an end is kept");
    };
    let of = run.next_seq();
    run.apply(at, &Event::Intended(store)).unwrap();
    let observation = Observation::Failed {
        code: BlockerCode::DiskFull,
        reason: "no space".to_owned(),
    };
    run.apply(at, &Event::Observed { of, observation }).unwrap();
    let mut world = AtRest {
        now: at,
        stop: None,
        shows: Observation::RunStored {
            commit: CommitId(ObjectId::from_bytes([6; 20])),
        },
        left: Vec::new(),
        started: Vec::new(),
    };

    let outcome = drive(&mut run, &mut Memory::default(), &mut inputs(), &mut world, |_, _| {}).await;

    assert_eq!(outcome.unwrap(), Outcome::Canceled);
    assert!(run.stored().is_some());
}

/// A machine whose clock is set a minute after a turn began. Then the worker is silent for a while before it fails, and the runner is asked to leave.
struct SetClock {
    now: ClockReading,
    clock: RunClock,
    jump: Option<SignedDuration>,
    silence: Duration,
    started: Vec<(u64, Effect)>,
    stop: bool,
}

impl SetClock {
    fn pass(&mut self, time: Duration) {
        self.now.steady += time;
        self.now.machine += time;
    }
}

impl Executor for SetClock {
    fn start(&mut self, seq: u64, effect: &Effect, _run: &Run) {
        self.started.push((seq, effect.clone()));
    }

    async fn next_event(&mut self, wake: Option<Timestamp>) -> Option<Event> {
        let (seq, effect) = self.started.last()?.clone();
        let (of, observation) = match effect {
            Effect::PreparePlaces { .. } => {
                let (copied, set_up) = (Vec::new(), Vec::new());
                (
                    seq,
                    Observation::PlacesReady {
                        anew: true,
                        copied,
                        set_up,
                    },
                )
            }
            Effect::Interrupt { of, .. } => (of, Observation::Interrupted),
            _ => {
                if let Some(jump) = self.jump.take() {
                    self.pass(Duration::from_secs(60));
                    self.now.machine += jump;
                    let text = "I go on.".to_owned();
                    return Some(Event::Activity(Activity::Message { text }));
                }
                let left = wake.map_or(Duration::MAX, |wake| {
                    wake.duration_since(self.now()).try_into().unwrap()
                });
                let silence = self.silence.min(left);
                self.pass(silence);
                self.silence -= silence;
                if silence == left {
                    return None;
                }
                let failure = AgentFailure::new(AgentFailureClass::Server, "503".to_owned());
                let (tokens, thread) = (TokenCount::default(), None);
                let end = TurnEnd::Failed { failure };
                (seq, Observation::TurnEnded { end, tokens, thread })
            }
        };
        self.stop = !matches!(observation, Observation::PlacesReady { .. });
        Some(Event::Observed { of, observation })
    }

    async fn look(&mut self, _pending: &Pending, _run: &Run) -> Vec<Event> {
        Vec::new()
    }

    fn now(&self) -> Timestamp {
        self.clock.at(self.now.steady)
    }

    fn set_clock(&mut self) -> bool {
        self.clock.set_by(self.now)
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        self.stop.then_some(PauseCause::Stop)
    }
}

/// The run after a turn in which the clock was set by this much, and the code that the turn was interrupted with.
async fn after_clock_was_set(jump: SignedDuration, silence: Duration) -> (Run, SetClock, Option<BlockerCode>) {
    let mut run = in_a_turn();
    let now = ClockReading {
        machine: run.last_at(),
        steady: Instant::now(),
    };
    let mut world = SetClock {
        now,
        clock: RunClock::new(now),
        jump: Some(jump),
        silence,
        started: Vec::new(),
        stop: false,
    };
    let driven = drive(&mut run, &mut Memory::default(), &mut inputs(), &mut world, |_, _| {}).await;
    assert_eq!(driven.unwrap(), Outcome::Paused(PauseCause::Stop));
    let interrupted = world.started.iter().find_map(|(_, effect)| match effect {
        Effect::Interrupt { because, .. } => because.as_ref().map(|blocker| blocker.code),
        _ => None,
    });
    (run, world, interrupted)
}

const EIGHT_HOURS: SignedDuration = SignedDuration::from_hours(8);

#[tokio::test]
async fn a_clock_that_is_set_ends_no_turn_and_takes_nothing_of_the_time_of_a_run() {
    for jump in [EIGHT_HOURS, -EIGHT_HOURS] {
        let (run, world, interrupted) = after_clock_was_set(jump, Duration::from_secs(300)).await;
        assert_eq!(interrupted, None, "{jump}");
        assert_eq!(run.active(), SignedDuration::from_mins(6), "{jump}");
        assert_eq!(
            run.last_at(),
            world.now.machine,
            "the journal has the machine's time again"
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_set_lets_no_turn_go_unwatched() {
    for jump in [EIGHT_HOURS, -EIGHT_HOURS] {
        let (run, world, interrupted) = after_clock_was_set(jump, Duration::from_secs(60 * 60)).await;
        assert_eq!(interrupted, Some(BlockerCode::Stalled), "{jump}");
        assert_eq!(run.active(), SignedDuration::from_mins(11), "{jump}");
        assert_eq!(run.last_at(), world.now.machine);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_between_two_runners_takes_no_limit_away() {
    let mut run = in_a_turn();
    let later = run.last_at() + EIGHT_HOURS;
    let message = |text: &str| Event::Activity(Activity::Message { text: text.to_owned() });
    run.apply(later, &message("I work.")).unwrap();
    let (active, back) = (run.active(), later - EIGHT_HOURS);
    let after = ResumeCause::Crash;
    run.apply(back, &Event::Resumed { after }).unwrap();
    run.apply(back + SignedDuration::from_mins(5), &message("I still work."))
        .unwrap();
    assert_eq!(run.active(), active + SignedDuration::from_mins(5));
}

/// A journal of which it is known how many lines would survive a power cut.
struct Flushed {
    memory: Memory,
    lines: Arc<AtomicU64>,
}

impl JournalSink for Flushed {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Record, JournalFileError> {
        self.memory.append(at, event)
    }

    fn sync(&mut self) -> Result<(), JournalFileError> {
        self.lines.store(self.memory.head.next, Ordering::Relaxed);
        Ok(())
    }

    fn head(&self) -> Head {
        self.memory.head
    }
}

/// A world at rest that notes whether the intent of what begins would survive a power cut.
struct Careful {
    rests: AtRest,
    lines: Arc<AtomicU64>,
    survives: Vec<bool>,
}

impl Executor for Careful {
    fn start(&mut self, seq: u64, effect: &Effect, run: &Run) {
        self.survives.push(self.lines.load(Ordering::Relaxed) > seq);
        self.rests.start(seq, effect, run);
    }

    async fn next_event(&mut self, wake: Option<Timestamp>) -> Option<Event> {
        self.rests.next_event(wake).await
    }

    async fn look(&mut self, pending: &Pending, run: &Run) -> Vec<Event> {
        self.rests.look(pending, run).await
    }

    fn now(&self) -> Timestamp {
        self.rests.now()
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        self.rests.stop_requested()
    }
}

#[tokio::test]
async fn what_spends_tokens_begins_once_its_intent_would_survive_a_power_cut() {
    let mut run = only_opened();
    let opened = run.opened().clone();
    let lines = Arc::new(AtomicU64::new(0));
    let mut journal = Flushed {
        memory: Memory::default(),
        lines: Arc::clone(&lines),
    };
    journal.append(run.last_at(), &Event::Opened(opened)).unwrap();
    let mut executor = Careful {
        rests: AtRest {
            now: run.last_at(),
            stop: None,
            shows: Observation::PlacesReady {
                anew: true,
                copied: Vec::new(),
                set_up: Vec::new(),
            },
            left: Vec::new(),
            started: Vec::new(),
        },
        lines,
        survives: Vec::new(),
    };
    let ended = drive(&mut run, &mut journal, &mut inputs(), &mut executor, |_, _| ()).await;
    assert!(ended.is_err(), "places that are ready are no end of a turn");
    let started = executor.rests.started.iter().zip(executor.survives);
    let seen: Vec<_> = started
        .map(|((_, effect), survives)| match effect {
            Effect::PreparePlaces { .. } => ("places", survives),
            Effect::TakeTurn { .. } => ("turn", survives),
            _ => ("another", survives),
        })
        .collect();
    // Places are made again at no cost.
    assert_eq!(seen, [("places", false), ("turn", true)]);
}
