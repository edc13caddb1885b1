//! How a run is taken up that an earlier runner left.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use counterfoil_runner::{Executor, JournalFileError, JournalSink, drive};
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    BaseReason, BlobId, BlockerCode, CommitId, CoveredFile, DeliveryMode, Digest, Discovery, Effect, Event, Head,
    JOURNAL_FORMAT, Mode, ObjectId, Observation, Opened, PauseCause, Pending, Record, ResumeCause, Run, SourceLock,
    TreeId,
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
        grants: ledger_core::Grants::default(),
        acceptance: Vec::new(),
        limits: Limits::default(),
        start: StartFacts {
            lock: SourceLock {
                repository: "owner/name".to_owned(),
                files: vec![file.clone()],
                approval: file.clone(),
                approved_by: "Ada".to_owned(),
                policy: Digest::of(""),
            },
            discovery: Discovery {
                base: CommitId(object),
                reason: BaseReason::Tip { branch: None },
                branch: None,
                upstream: None,
                repository_kind: Vec::new(),
                check_sandbox: "off".to_owned(),
            },
            base_tree: TreeId(object),
            recorded: vec![file],
            plan: None,
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

/// A world at rest: what is started shows one thing, and what is looked at is gone.
struct AtRest {
    now: Timestamp,
    stop: Option<PauseCause>,
    shows: Observation,
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
        Vec::new()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        self.stop
    }
}

/// A run in the middle of its first turn.
fn in_a_turn() -> Run {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let opened = Event::Opened(Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: "t".parse().unwrap(),
        run: "r".parse().unwrap(),
        repository: "owner/name".to_owned(),
        mode: Mode::Standard,
        delivery: DeliveryMode::Branch,
        review: true,
        checks: Vec::new(),
        max_repair_rounds: 3,
        rescued: None,
    });
    let mut run = Run::open(at, &opened).unwrap();
    loop {
        let event = match next_step(&run, &inputs(), at) {
            Step::Record(event) => event,
            Step::Start(effect) => Event::Intended(effect),
            Step::Wait { .. } | Step::Finish(_) => match run.pending() {
                Some(pending) if matches!(pending.effect, Effect::PreparePlaces { .. }) => Event::Observed {
                    of: pending.seq,
                    observation: Observation::PlacesReady { anew: true },
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
        started: Vec::new(),
    };

    let outcome = drive(&mut run, &mut Memory::default(), &mut inputs(), &mut world, |_, _| {}).await;

    assert_eq!(outcome.unwrap(), Outcome::Canceled);
    assert!(run.stored().is_some());
}
