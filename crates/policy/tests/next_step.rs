//! Random worlds: whatever effects show, the next step is one that may follow, and the run comes to an end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of a test fail like the test itself"
)]

use counterfoil_policy::{Inputs, Limits, Outcome, Policy, StartFacts, Step, next_step};
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    Activity, AgentFailure, AgentFailureClass, AgentIdentity, AgentKind, BaseReason, BlobId, ChangeCounts, ChangeKind,
    ChangeSummary, CheckResult, CheckSandbox, CommandOutcome, CommitId, Consent, CoveredFile, DeliveryMode, Digest,
    Discovery, Effect, Event, EvidenceLabel, Finding, Grants, JOURNAL_FORMAT, ListedPath, Mode, ObjectId, Observation,
    Opened, OutputRecord, PauseCause, Phase, PreparedDelivery, Report, ReportStatus, ResumeCause, Review, ReviewEnd,
    Run, SelfReview, Severity, SourceLock, State, Strength, ThreadId, TokenCount, TreeId, TurnEnd, Verdict, Violation,
};
use proptest::prelude::*;

fn object(n: u8) -> ObjectId {
    ObjectId::from_bytes([n; 20])
}

fn covered(path: &str) -> CoveredFile {
    CoveredFile {
        path: path.parse().unwrap(),
        blob: BlobId(object(7)),
        sha256: Digest::of(path),
    }
}

fn inputs(limits: Limits, baseline: bool) -> Inputs {
    let files = vec![
        covered("ledger/tickets/t/ticket.toml"),
        covered("ledger/tickets/t/prompt.md"),
    ];
    let approval = covered("ledger/tickets/t/approval.toml");
    Inputs {
        policy: Policy::parse(b"").unwrap(),
        grants: Grants::default(),
        acceptance: Vec::new(),
        limits,
        start: StartFacts {
            lock: SourceLock {
                repository: "owner/name".to_owned(),
                files: files.clone(),
                approval: approval.clone(),
                approved_by: "Ada".to_owned(),
                policy: Digest::of(b""),
            },
            discovery: Discovery {
                base: CommitId(object(1)),
                reason: BaseReason::Tip { branch: None },
                branch: None,
                upstream: None,
                repository_kind: Vec::new(),
                check_sandbox: "bubblewrap".to_owned(),
            },
            base_tree: TreeId(object(2)),
            recorded: files.into_iter().chain([approval]).collect(),
            plan: None,
        },
        baseline: if baseline { vec!["test".to_owned()] } else { Vec::new() },
        head: Digest::of(b"head"),
        stop: None,
    }
}

fn opened(mode: Mode, review: bool, delivery: DeliveryMode, checks: bool) -> Event {
    Event::Opened(Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: "t".parse().unwrap(),
        run: "r".parse().unwrap(),
        repository: "owner/name".to_owned(),
        mode,
        delivery,
        review,
        checks: if checks { vec!["test".to_owned()] } else { Vec::new() },
        max_repair_rounds: 3,
    })
}

/// A world that answers by the bytes that it was made from; when they are used up, everything goes well.
struct World {
    choices: std::vec::IntoIter<u8>,
    now: Timestamp,
}

impl World {
    fn choose(&mut self, below: u8) -> u8 {
        self.choices.next().map_or(0, |byte| byte % below)
    }

    fn pass_time(&mut self) {
        let seconds = [1, 1, 1, 30, 700, 40_000][usize::from(self.choose(6))];
        self.now += SignedDuration::from_secs(seconds);
    }

    fn check(&mut self, passes: bool) -> CheckResult {
        CheckResult {
            name: "test".to_owned(),
            command: "make test".to_owned(),
            outcome: CommandOutcome::Exited {
                code: i32::from(!passes),
            },
            duration_ms: 5,
            output: OutputRecord {
                digest: Digest::of(b""),
                kept_bytes: 0,
                total_bytes: 0,
                tail: String::new(),
            },
            environment: Digest::of(b""),
            tests: None,
            proves: Vec::new(),
            sandbox: CheckSandbox::Bubblewrap,
            label: EvidenceLabel::Local,
            strength: Strength::RunnerRan,
        }
    }

    fn failure(&mut self) -> AgentFailure {
        let classes = [
            AgentFailureClass::Server,
            AgentFailureClass::Connection,
            AgentFailureClass::ContextWindow,
            AgentFailureClass::Crashed,
            AgentFailureClass::Auth,
            AgentFailureClass::RateLimited,
            AgentFailureClass::ModelUnavailable,
        ];
        AgentFailure {
            class: classes[usize::from(self.choose(7))],
            message: "no".to_owned(),
        }
    }

    fn report(&mut self, label: &str) -> Report {
        let status = [
            ReportStatus::Done,
            ReportStatus::Done,
            ReportStatus::InProgress,
            ReportStatus::Blocked,
        ];
        Report {
            turn: label.to_owned(),
            status: status[usize::from(self.choose(4))],
            summary: "did it".to_owned(),
            commands: Vec::new(),
            skipped_checks: Vec::new(),
            deviations: Vec::new(),
            risks: Vec::new(),
            memory: Vec::new(),
            self_review: SelfReview {
                checked: Vec::new(),
                concerns: Vec::new(),
            },
            blocked_because: String::new(),
            next_ticket: String::new(),
        }
    }

    fn change(&mut self) -> ChangeSummary {
        let empty = self.choose(8) == 7;
        ChangeSummary {
            base: CommitId(object(1)),
            tree: TreeId(object(10 + self.choose(4))),
            counts: ChangeCounts {
                added: u64::from(!empty),
                ..ChangeCounts::default()
            },
            paths: vec![ListedPath {
                path: "a".parse().unwrap(),
                kind: ChangeKind::Added,
                from: None,
            }],
        }
    }

    /// What comes of an effect that is not a turn or a review.
    fn outcome(&mut self, effect: &Effect, run: &Run) -> Observation {
        match self.choose(24) {
            23 => {
                return Observation::Failed {
                    code: ledger_core::BlockerCode::DiskFull,
                    reason: "no space".to_owned(),
                };
            }
            22 => {
                return Observation::Lost {
                    reason: "gone".to_owned(),
                };
            }
            _ => {}
        }
        match effect {
            Effect::PreparePlaces { .. } => Observation::PlacesReady { anew: true },
            Effect::RunChecks { tree, .. } => {
                let passes = self.choose(3) != 2;
                let tree = if self.choose(16) == 15 {
                    TreeId(object(99))
                } else {
                    *tree
                };
                Observation::ChecksRan {
                    tree,
                    results: vec![self.check(passes)],
                }
            }
            Effect::MeasureChanges { .. } => {
                let violations = if self.choose(8) == 7 {
                    let code = ledger_core::BlockerCode::ScopeViolation;
                    vec![Violation {
                        code,
                        path: None,
                        detail: "outside".to_owned(),
                    }]
                } else {
                    Vec::new()
                };
                Observation::ChangesMeasured {
                    change: self.change(),
                    violations,
                }
            }
            Effect::ConfirmConsent => Observation::ConsentSeen {
                consent: match self.choose(10) {
                    8 => Consent::Changed {
                        path: "t".parse().unwrap(),
                    },
                    9 => Consent::Canceled {
                        by: "Ada".to_owned(),
                        reason: String::new(),
                    },
                    _ => Consent::Current,
                },
            },
            Effect::PrepareDelivery { tree, .. } => {
                let tree = if self.choose(16) == 15 {
                    TreeId(object(98))
                } else {
                    *tree
                };
                Observation::DeliveryPrepared {
                    delivery: PreparedDelivery {
                        mode: run.opened().delivery,
                        branch: "refs/heads/foil/t".parse().unwrap(),
                        old: None,
                        base: CommitId(object(1)),
                        tree,
                        change: CommitId(object(3)),
                        records_tree: TreeId(object(4)),
                        records: CommitId(object(5)),
                        identity: "Ada <a@example.org>".to_owned(),
                        message: Digest::of(b"m"),
                    },
                }
            }
            Effect::UpdateRef { new, .. } => {
                let value = if self.choose(8) == 7 { None } else { Some(*new) };
                Observation::RefSeen {
                    value,
                    contains_new: false,
                }
            }
            Effect::StoreRun { .. } => Observation::RunStored {
                commit: CommitId(object(6)),
            },
            Effect::TakeTurn { .. } | Effect::TakeReview { .. } | Effect::Interrupt { .. } => unreachable!(),
        }
    }

    fn thread(&mut self, name: &str) -> ThreadId {
        // Sometimes a reviewer pretends to be the writer.
        if self.choose(16) == 15 {
            "writer".parse().unwrap()
        } else {
            name.parse().unwrap()
        }
    }

    fn agent_event(&mut self, seq: u64, effect: &Effect, run: &Run) -> Event {
        let interrupted = run.pending().is_some_and(|pending| pending.interrupt.is_some());
        let started = run.pending().is_some_and(|pending| pending.live.thread.is_some());
        let reviews = matches!(effect, Effect::TakeReview { .. });
        let spent = TokenCount {
            total: 1 + u64::from(self.choose(200)) * 100,
            ..TokenCount::default()
        };
        if !interrupted && !started && self.choose(8) != 7 {
            let name = if reviews { "reviewer" } else { "writer" };
            return Event::Activity(Activity::ThreadStarted {
                thread: self.thread(name),
                resumed: false,
                agent: AgentIdentity {
                    kind: AgentKind::Scripted,
                    version: "1".to_owned(),
                    model: None,
                    sandbox: "none".to_owned(),
                },
            });
        }
        if !interrupted && self.choose(3) == 2 {
            let command = ["make", "git push origin main"][usize::from(self.choose(12) == 11)];
            return Event::Activity(match self.choose(4) {
                0 => Activity::Tokens { spent },
                1 => Activity::CommandStarted {
                    item: "i".to_owned(),
                    command: command.to_owned(),
                },
                2 => Activity::CommandEnded {
                    item: "i".to_owned(),
                    exit_code: Some(0),
                    declined: false,
                },
                _ => Activity::Retrying {
                    reason: "503".to_owned(),
                },
            });
        }
        let thread = run
            .pending()
            .and_then(|pending| pending.live.thread.clone())
            .map(|started| started.thread);
        let observation = match effect {
            Effect::TakeReview { tree, label } => Observation::ReviewEnded {
                tree: *tree,
                end: self.review_end(label, interrupted),
                tokens: spent,
                thread,
            },
            Effect::TakeTurn { label, .. } => {
                let end = match self.choose(8) {
                    _ if interrupted => TurnEnd::Interrupted,
                    0..=4 => TurnEnd::Reported {
                        report: self.report(label),
                    },
                    5 => TurnEnd::InvalidReport {
                        reason: "not JSON".to_owned(),
                    },
                    _ => TurnEnd::Failed {
                        failure: self.failure(),
                    },
                };
                Observation::TurnEnded {
                    end,
                    tokens: spent,
                    thread,
                }
            }
            _ => unreachable!(),
        };
        Event::Observed { of: seq, observation }
    }

    fn review_end(&mut self, label: &str, interrupted: bool) -> ReviewEnd {
        let passes = match self.choose(8) {
            _ if interrupted => return ReviewEnd::Interrupted,
            0..=3 => true,
            4 | 5 => false,
            6 => {
                return ReviewEnd::InvalidAnswer {
                    reason: "not JSON".to_owned(),
                };
            }
            _ => {
                return ReviewEnd::Failed {
                    failure: self.failure(),
                };
            }
        };
        let finding = Finding {
            severity: Severity::High,
            place: "a".to_owned(),
            expected: "x".to_owned(),
            actual: "y".to_owned(),
            required_repair: "z".to_owned(),
        };
        let review = Review {
            turn: label.to_owned(),
            verdict: if passes { Verdict::Pass } else { Verdict::Fail },
            summary: "looked".to_owned(),
            inspected: Vec::new(),
            findings: if passes || self.choose(4) == 3 {
                Vec::new()
            } else {
                vec![finding]
            },
            residual_risks: Vec::new(),
            next_action: "go on".to_owned(),
        };
        ReviewEnd::Answered { review, passes }
    }
}

/// Drives a run through a world as the runner would, and gives back the run, how it ended, and how many steps it took.
fn drive(world: &mut World, mut run: Run, mut inputs: Inputs) -> (Run, Outcome, u32) {
    let mut steps = 0;
    let mut resumed = 0;
    loop {
        steps += 1;
        assert!(steps < 20_000, "no end in sight at {:?} {:?}", run.phase(), run.state());
        inputs.stop = (world.choose(40) == 39).then_some(PauseCause::Interrupt);
        let step = next_step(&run, &inputs, world.now);
        assert_eq!(
            step,
            next_step(&run, &inputs, world.now),
            "the same inputs gave another step"
        );
        let until = match step {
            Step::Finish(outcome) => {
                let again = match run.state() {
                    State::Paused { .. } => Some(ResumeCause::Pause),
                    State::Blocked(blocker) if blocker.resumable => Some(ResumeCause::Blocker),
                    _ => None,
                };
                match again {
                    Some(after) if resumed < 5 => {
                        resumed += 1;
                        world.pass_time();
                        run.apply(world.now, &Event::Resumed { after }).unwrap();
                        continue;
                    }
                    _ => return (run, outcome, steps),
                }
            }
            Step::Record(event) => {
                run.apply(world.now, &event)
                    .unwrap_or_else(|refusal| panic!("{refusal}: {event:?}"));
                continue;
            }
            Step::Start(effect) => {
                run.apply(world.now, &Event::Intended(effect.clone()))
                    .unwrap_or_else(|refusal| panic!("{refusal}: {effect:?}"));
                continue;
            }
            Step::Wait { until } => until,
        };
        world.pass_time();
        let Some(pending) = run.pending().cloned() else {
            world.now = world.now.max(until.expect("it waits for nothing"));
            continue;
        };
        let event = match &pending.effect {
            effect @ (Effect::TakeTurn { .. } | Effect::TakeReview { .. }) => {
                world.agent_event(pending.seq, effect, &run)
            }
            effect => Event::Observed {
                of: pending.seq,
                observation: if pending.interrupt.is_some() {
                    Observation::Interrupted
                } else {
                    world.outcome(effect, &run)
                },
            },
        };
        run.apply(world.now, &event)
            .unwrap_or_else(|refusal| panic!("{refusal}: {event:?}"));
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

#[test]
fn when_all_goes_well_every_phase_is_entered_and_the_receipt_names_the_reviewed_tree() {
    for (mode, review, delivery, checks, baseline) in [
        (Mode::Standard, true, DeliveryMode::Branch, true, true),
        (Mode::Standard, true, DeliveryMode::None, false, false),
        (Mode::Loop, false, DeliveryMode::Branch, true, false),
        (Mode::Loop, true, DeliveryMode::Branch, false, false),
    ] {
        let mut world = World {
            choices: Vec::new().into_iter(),
            now: start(),
        };
        let run = Run::open(start(), &opened(mode, review, delivery, checks)).unwrap();
        let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), baseline));
        assert_eq!((outcome, run.phase()), (Outcome::Done, Some(Phase::Done)));
        let receipt = run.receipt().expect("a run that is done has a receipt");
        assert_eq!(Some(receipt.tree), run.tree());
        assert_eq!(receipt.delivered.is_some(), delivery == DeliveryMode::Branch);
        assert_eq!(receipt.review.is_some(), review);
        assert!(run.stored().is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_world_is_survived_and_every_run_ends(
        choices in proptest::collection::vec(any::<u8>(), 0..400),
        shape in 0_u8..32,
        max_iterations in 1_u32..6,
        max_tokens in prop_oneof![Just(5_000_000_u64), 1_000_u64..50_000],
    ) {
        let review = shape & 1 == 0;
        let mode = if review && shape & 2 == 0 { Mode::Standard } else { Mode::Loop };
        let delivery = if shape & 4 == 0 { DeliveryMode::Branch } else { DeliveryMode::None };
        let limits = Limits { max_iterations, max_tokens, ..Limits::default() };
        let run = Run::open(start(), &opened(mode, review, delivery, shape & 8 == 0)).unwrap();
        let mut world = World { choices: choices.into_iter(), now: start() };
        let (run, outcome, steps) = drive(&mut world, run, inputs(limits, shape & 16 == 0));
        prop_assert!(run.totals().iterations <= max_iterations);
        prop_assert!(run.totals().repair_rounds <= 3);
        prop_assert!(steps < 1_500, "{steps} steps");
        if outcome == Outcome::Done {
            let receipt = run.receipt().expect("a run that is done has a receipt");
            prop_assert_eq!(Some(receipt.tree), run.tree());
            prop_assert_eq!(run.violations().len(), 0);
            if let Some(checked) = run.attempt().and_then(|attempt| attempt.checked.as_ref()) {
                prop_assert_eq!(checked.tree, receipt.tree);
            }
            if let Some(ended) = run.attempt().and_then(|attempt| attempt.review.as_ref()) {
                prop_assert_eq!(ended.tree, receipt.tree);
            }
        }
    }
}
