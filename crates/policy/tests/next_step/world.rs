//! A world that answers by bytes, or by a script, and a runner that drives a run through it.

use std::collections::BTreeSet;

use counterfoil_policy::{Inputs, Outcome, Step, next_step};
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    Activity, AdviceEnd, AdviceNext, AgentFailure, AgentFailureClass, BlockerCode, ChangeSummary, ChangedTests,
    CommitId, Consent, CurationEnd, DriftCode, DriftFinding, Effect, Event, ExpertCall, ExpertEnd, ExpertSubject,
    HookPoint, IterationCause, Judge, Observation, PauseCause, Pending, PhaseEvidence, PlanEnd, PlanStatus,
    PreparedDelivery, ReaderEnd, Recommendation, Report, ReportStatus, ResumeCause, ReviewEnd, Run, SpecDrift, State,
    TestOrder, ThreadId, TokenCount, TreeId, TreesApart, TurnEnd, TurnPurpose,
};
pub(crate) use testkit::sim::{
    advised, answered, asks, call, change, changed_tests, check, comparison, curated, expert_answer, inputs, not_json,
    object, opened, outside, plan, planned, prepared, report, terms, thread_started,
};

/// A world that answers by the bytes that it was made from; when they are used up, everything goes well.
pub(crate) struct World {
    choices: std::vec::IntoIter<u8>,
    now: Timestamp,
    twist: Twist,
    /// Whether the runner is asked to leave.
    leave: fn(&Run) -> bool,
}

/// What happens in place of what would, where something does.
pub(crate) type Twist = fn(&Run, &Pending) -> Option<Happening>;

/// What can happen while an effect is under way.
pub(crate) enum Happening {
    /// It ends like this.
    Shows(Observation),
    /// It ends like this, after so long.
    ShowsAfter(SignedDuration, Observation),
    /// The agent is seen doing this.
    Does(Activity),
    /// Nothing, for so long.
    Passes(SignedDuration),
}

impl World {
    /// A world in which everything goes well.
    pub(crate) fn honest() -> Self {
        Self::of(Vec::new())
    }

    pub(crate) fn of(choices: Vec<u8>) -> Self {
        Self {
            choices: choices.into_iter(),
            now: start(),
            twist: |_, _| None,
            leave: |_| false,
        }
    }

    /// A world in which everything goes well but for this.
    pub(crate) fn with(twist: Twist) -> Self {
        Self {
            twist,
            ..Self::honest()
        }
    }

    /// The same world, in which the runner is asked to leave where this holds.
    pub(crate) fn leaving(self, leave: fn(&Run) -> bool) -> Self {
        Self { leave, ..self }
    }

    /// The same world, once the cause of all trouble is gone.
    pub(crate) fn mended(self) -> Self {
        Self {
            now: self.now,
            ..Self::honest()
        }
    }

    fn choose(&mut self, below: u8) -> u8 {
        self.choices.next().map_or(0, |byte| byte % below)
    }

    fn pass_time(&mut self) {
        let seconds = [1, 1, 1, 30, 700, 40_000][usize::from(self.choose(6))];
        self.now += SignedDuration::from_secs(seconds);
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
        AgentFailure::new(classes[usize::from(self.choose(7))], "no".to_owned())
    }

    fn report(&mut self, label: &str) -> Report {
        let statuses = [
            ReportStatus::Done,
            ReportStatus::Done,
            ReportStatus::InProgress,
            ReportStatus::Blocked,
        ];
        let status = statuses[usize::from(self.choose(4))];
        if status == ReportStatus::Blocked && self.choose(3) != 2 {
            return asks(report(label, status));
        }
        report(label, status)
    }

    /// What a person does about a question of the run that waits, if anything.
    fn answers(&mut self, run: &Run) -> Option<Event> {
        let question = run.waits_for_answer()?.asked.n;
        let by = "Ada".to_owned();
        match self.choose(4) {
            0 => None,
            1 if run.waits_for_answer()?.seen.is_none() => Some(Event::QuestionSeen { question, by }),
            _ => Some(Event::QuestionAnswered {
                question,
                answer: "right".to_owned(),
                by: Some(by),
            }),
        }
    }

    /// What holding the change against its specs shows, where it has some.
    fn drift(&mut self) -> Option<SpecDrift> {
        let (code, blocks) = match self.choose(12) {
            8 => (DriftCode::FileUnnamed, false),
            9 => (DriftCode::UnspecifiedBehaviour, true),
            10 => (DriftCode::NotCurrent, true),
            11 => return Some(SpecDrift::default()),
            _ => return None,
        };
        let findings = vec![DriftFinding {
            code,
            place: "src/mail.rs".to_owned(),
            detail: "it differs".to_owned(),
            blocks,
        }];
        Some(SpecDrift { findings })
    }

    fn change(&mut self) -> ChangeSummary {
        let empty = self.choose(8) == 7;
        change(10 + self.choose(4), u64::from(!empty))
    }

    /// What comes of an effect that is not a turn or a review.
    fn outcome(&mut self, effect: &Effect, run: &Run) -> Observation {
        match self.choose(24) {
            23 => {
                return Observation::Failed {
                    code: BlockerCode::DiskFull,
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
            Effect::PreparePlaces { .. } => Observation::PlacesReady {
                anew: true,
                copied: Vec::new(),
                set_up: Vec::new(),
            },
            Effect::RunChecks { tree, .. } => {
                let passes = self.choose(3) != 2;
                let tree = if self.choose(16) == 15 {
                    TreeId(object(99))
                } else {
                    *tree
                };
                Observation::ChecksRan {
                    tree,
                    results: vec![check(passes)],
                    set_up: Vec::new(),
                }
            }
            Effect::CompareTests { tree, apart, .. } => Observation::TestsCompared {
                comparison: comparison(*tree, *apart, self.choose(3) != 2, self.choose(6) == 5),
                ran: Vec::new(),
                set_up: Vec::new(),
            },
            Effect::MeasureChanges { .. } => {
                let violations = if self.choose(8) == 7 { outside() } else { Vec::new() };
                // What was brought onto another base is measured as it is there, but for a place that somebody wrote in.
                let carried = run.kept_tree().filter(|tree| !run.totals().trees.contains(tree));
                let change = match carried.filter(|_| run.rebased_base_tree().is_some()) {
                    Some(tree) if self.choose(12) != 11 => ChangeSummary {
                        base: run.base().unwrap(),
                        tree,
                        ..change(0, 1)
                    },
                    _ => self.change(),
                };
                let refused = run.refused().last().map(|refused| refused.tree);
                Observation::ChangesMeasured {
                    tests: Some(self.changed_tests(run)),
                    same_as: refused.filter(|_| self.choose(16) == 15),
                    change,
                    violations,
                    weakened: Vec::new(),
                    drift: self.drift(),
                    experts: self.calls(),
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
                        base: run.base().unwrap(),
                        old: run.placed().map(|(_, commit)| commit),
                        ..prepared(run.opened().delivery, tree)
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
            Effect::AskRemote { .. } => {
                let holds = run.pushed().is_some();
                let honest = if holds {
                    prepared(run.opened().delivery, TreeId(object(10))).records
                } else {
                    run.base().unwrap()
                };
                match self.choose(12) {
                    9 => Observation::RemoteSeen {
                        value: Some(CommitId(object(50))),
                        contains_new: holds,
                    },
                    10 => Observation::RemoteSeen {
                        value: Some(CommitId(object(51))),
                        contains_new: false,
                    },
                    11 => Observation::RemoteSeen {
                        value: None,
                        contains_new: false,
                    },
                    _ => Observation::RemoteSeen {
                        value: Some(honest),
                        contains_new: holds,
                    },
                }
            }
            Effect::Rebase { onto } => match self.choose(6) {
                4 => Observation::Failed {
                    code: BlockerCode::UpstreamMoved,
                    reason: "both changed a".to_owned(),
                },
                n => Observation::Rebased {
                    onto: *onto,
                    base_tree: TreeId(object(70 + n)),
                    tree: TreeId(object(30 + n + 4 * u8::try_from(run.totals().rebases).unwrap())),
                    same_change: n != 3,
                },
            },
            Effect::Push { old, new, .. } => match self.choose(8) {
                5 => Observation::Interrupted,
                6 => Observation::PushRefused {
                    moved: true,
                    reason: "stale info".to_owned(),
                },
                7 => Observation::PushRefused {
                    moved: false,
                    reason: "protected branch".to_owned(),
                },
                _ => Observation::Pushed { old: *old, new: *new },
            },
            Effect::RunHook { .. } => match self.choose(6) {
                4 => Observation::Interrupted,
                n => Observation::HookEnded {
                    result: check(n != 3),
                    set_up: Vec::new(),
                },
            },
            Effect::Notify { .. } => Observation::Notified {
                problem: (self.choose(3) == 2).then(|| "nobody is there".to_owned()),
            },
            Effect::StoreRun { .. } => Observation::RunStored {
                commit: CommitId(object(6)),
            },
            Effect::TakePlan { .. }
            | Effect::TakeTurn { .. }
            | Effect::TakeReview { .. }
            | Effect::AskExpert { .. }
            | Effect::TakeCuration { .. }
            | Effect::TakeAdvice { .. }
            | Effect::Interrupt { .. } => unreachable!(),
        }
    }

    fn calls(&mut self) -> Vec<ExpertCall> {
        match self.choose(6) {
            3 => vec![call(Judge::Security, false)],
            4 => vec![call(Judge::Test, false), call(Judge::CleanupReview, true)],
            5 => vec![call(Judge::DataMigration, false)],
            _ => Vec::new(),
        }
    }

    fn changed_tests(&mut self, run: &Run) -> ChangedTests {
        let order = match run.tests_alone() {
            Some(tree) if self.choose(6) != 5 => TestOrder::Alone { tree },
            _ => TestOrder::NotAlone,
        };
        let apart = TreesApart {
            tests_on_base: TreeId(object(60 + self.choose(2))),
            former_tests: TreeId(object(62)),
        };
        changed_tests(
            u64::from(self.choose(4) != 3),
            u64::from(self.choose(6) != 5),
            apart,
            order,
        )
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
        if self.choose(24) == 23 {
            let reason = "the agent ended without a word".to_owned();
            let observation = Observation::Lost { reason };
            return Event::Observed { of: seq, observation };
        }
        let interrupted = run.pending().is_some_and(|pending| pending.interrupt.is_some());
        let started = run.pending().is_some_and(|pending| pending.live.thread.is_some());
        let name = match effect {
            Effect::TakePlan { .. } => "planner".to_owned(),
            Effect::TakeReview { .. } | Effect::TakeCuration { .. } => "reviewer".to_owned(),
            Effect::TakeAdvice { .. } => "advisor".to_owned(),
            Effect::AskExpert { judge, .. } => format!("expert-{judge}"),
            _ => "writer".to_owned(),
        };
        let spent = TokenCount {
            total: 1 + u64::from(self.choose(200)) * 100,
            ..TokenCount::default()
        };
        if !interrupted && !started && self.choose(8) != 7 {
            return Event::Activity(thread_started(self.thread(&name)));
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
            Effect::AskExpert { judge, subject, label } => Observation::ExpertEnded {
                judge: *judge,
                subject: *subject,
                end: self.expert_end(label, subject, interrupted),
                tokens: spent,
                thread,
            },
            Effect::TakeAdvice { tree, label } => Observation::AdviceEnded {
                tree: *tree,
                end: self.advice_end(label, run, interrupted),
                tokens: spent,
                thread,
            },
            Effect::TakePlan { label } => Observation::PlanEnded {
                end: self.plan_end(label, interrupted),
                tokens: spent,
                thread,
            },
            Effect::TakeCuration { label, .. } => Observation::CurationEnded {
                end: self.curation_end(label, interrupted),
                tokens: spent,
                thread,
            },
            Effect::TakeTurn { label, .. } => {
                // An agent may be quicker than an interruption, and some are interrupted by others.
                let end = match self.choose(8) {
                    0..=3 if interrupted => TurnEnd::Interrupted,
                    7 if self.choose(4) == 3 => TurnEnd::Interrupted,
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

    /// The turn of somebody who only reads ends in an error.
    fn failed<A>(&mut self) -> ReaderEnd<A> {
        let failure = self.failure();
        ReaderEnd::Failed { failure }
    }

    fn plan_end(&mut self, label: &str, interrupted: bool) -> PlanEnd {
        let of = |status| plan(label, status);
        match self.choose(16) {
            0..=3 if interrupted => PlanEnd::Interrupted,
            15 => PlanEnd::Interrupted,
            0..=10 => planned(of(PlanStatus::Planned), Vec::new()),
            11 => planned(of(PlanStatus::Blocked), Vec::new()),
            12 => planned(of(PlanStatus::Planned), outside()),
            13 => not_json(),
            _ => self.failed(),
        }
    }

    fn advice_end(&mut self, label: &str, run: &Run, interrupted: bool) -> AdviceEnd {
        let first = run.rounds().is_empty();
        let next = if first { AdviceNext::Task } else { AdviceNext::Done };
        match self.choose(12) {
            0..=2 if interrupted => AdviceEnd::Interrupted,
            0..=3 => advised(label, next, Vec::new()),
            4 | 5 => advised(label, AdviceNext::Task, Vec::new()),
            6 => advised(label, AdviceNext::Done, Vec::new()),
            7 => advised(label, AdviceNext::Stop, Vec::new()),
            8 => not_json(),
            9 => AdviceEnd::Interrupted,
            10 => advised(label, AdviceNext::Task, outside()),
            _ => self.failed(),
        }
    }

    fn expert_end(&mut self, label: &str, subject: &ExpertSubject, interrupted: bool) -> ExpertEnd {
        let again = match subject {
            ExpertSubject::Plan { .. } => Recommendation::RevisePlan,
            ExpertSubject::Tree { .. } => Recommendation::Repair,
        };
        match self.choose(10) {
            0..=2 if interrupted => ExpertEnd::Interrupted,
            0..=4 => expert_answer(label, Recommendation::Proceed, true),
            5 => expert_answer(label, again, false),
            6 if self.choose(4) == 3 => expert_answer(label, Recommendation::Stop, false),
            // It says proceed beside a finding that blocks.
            6 => expert_answer(label, Recommendation::Proceed, false),
            7 => not_json(),
            8 => ExpertEnd::Interrupted,
            _ => self.failed(),
        }
    }

    fn curation_end(&mut self, label: &str, interrupted: bool) -> CurationEnd {
        match self.choose(8) {
            0..=2 if interrupted => CurationEnd::Interrupted,
            7 if self.choose(4) == 3 => CurationEnd::Interrupted,
            0..=3 => curated(label, Vec::new()),
            4 | 5 => curated(label, outside()),
            6 => not_json(),
            _ => self.failed(),
        }
    }

    fn review_end(&mut self, label: &str, interrupted: bool) -> ReviewEnd {
        let passes = match self.choose(8) {
            0..=2 if interrupted => return ReviewEnd::Interrupted,
            7 if self.choose(4) == 3 => return ReviewEnd::Interrupted,
            0..=3 => true,
            4 | 5 => false,
            6 => return not_json(),
            _ => return self.failed(),
        };
        let mut end = answered(label, passes);
        if let ReviewEnd::Answered(judged) = &mut end
            && !judged.passes
            && self.choose(4) == 3
        {
            judged.review.findings.clear();
        }
        end
    }
}

/// What must hold of every run in every world, watched while it is driven.
#[derive(Default)]
struct Watch {
    /// What the policy interrupted an agent for, where the same run can never go on.
    stopped_for_good: Option<BlockerCode>,
    /// The last event at which the worker began to write, and the last one that measured what it wrote.
    wrote: u64,
    measured: u64,
    /// The hooks of iterations of which nobody saw the end.
    unseen_hooks: BTreeSet<(HookPoint, u32)>,
}

impl Watch {
    fn see(&mut self, run: &Run, now: Timestamp, event: &Event) {
        match event {
            Event::Intended(Effect::Interrupt {
                because: Some(blocker), ..
            }) if !blocker.resumable && !is_dispensable(run, blocker.code) => {
                self.stopped_for_good = Some(blocker.code);
            }
            Event::Intended(Effect::RunHook { hook, iteration, .. }) if hook.is_of_iteration() => {
                assert!(
                    !self.unseen_hooks.contains(&(*hook, *iteration)),
                    "what may have been done is done again"
                );
            }
            Event::Intended(Effect::RunHook { hook, .. }) => assert!(run.hook_of_end(*hook).is_none()),
            Event::Intended(Effect::Notify { by, .. }) => assert!(run.notification_of_end(*by).is_none()),
            Event::Observed {
                observation: Observation::Lost { .. },
                ..
            } => {
                if let Some(Effect::RunHook { hook, iteration, .. }) = run.pending().map(|pending| &pending.effect) {
                    self.unseen_hooks.insert((*hook, *iteration));
                }
            }
            Event::Intended(Effect::TakeTurn {
                purpose: TurnPurpose::Write,
                ..
            }) => self.wrote = run.next_seq(),
            Event::Observed {
                observation: Observation::ChangesMeasured { .. },
                ..
            } => self.measured = run.next_seq(),
            Event::IterationStarted { cause, .. } => {
                let answered = run.question_of_turn().map(|question| question.answer.is_some());
                let goes_on = matches!(cause, IterationCause::Answered { .. });
                assert_eq!(answered, goes_on.then_some(true), "a question is passed over");
            }
            Event::QuestionAnswered { by: None, .. } => {
                let open = run.question_of_turn().expect("it was asked");
                assert!(open.asked.expires_at <= now, "a person had time left");
            }
            Event::Entered(PhaseEvidence::ImplementationComplete { .. }) => {
                assert!(self.measured > self.wrote, "a tree from before the turn is judged");
                assert_eq!(self.stopped_for_good, None, "what was stopped goes on");
            }
            Event::Entered(PhaseEvidence::GitDeliveryStarted { .. } | PhaseEvidence::Done { .. }) => {
                assert_eq!(self.stopped_for_good, None, "what was stopped is delivered");
            }
            Event::Blocked(blocker) if blocker.code != BlockerCode::DiskFull => {
                assert!(
                    !run.has_unmeasured_work(),
                    "{blocker:?} leaves work that is kept nowhere"
                );
                if let Some(code) = self.stopped_for_good {
                    assert_eq!(blocker.code, code);
                }
            }
            _ => {}
        }
    }
}

/// Whether nothing stops because nothing is left for what is under way.
fn is_dispensable(run: &Run, because: BlockerCode) -> bool {
    let dispensable = match run.pending().map(|pending| &pending.effect) {
        Some(Effect::TakeCuration { .. }) => true,
        Some(Effect::AskExpert { judge, .. }) => {
            let calls = run.expert_calls();
            calls.iter().any(|call| call.judge == *judge && call.is_advisory)
        }
        _ => false,
    };
    dispensable && because == BlockerCode::BudgetExhausted
}

/// Drives a run through a world as the runner would, takes it up at most so many times, and gives back the run, how it
/// ended, and how many steps it took.
pub(crate) fn drive(world: &mut World, mut run: Run, mut inputs: Inputs, resumes: u32) -> (Run, Outcome, u32) {
    let mut steps = 0;
    let mut resumed = 0;
    let mut crashed = 0;
    let mut watch = Watch::default();
    let mut apply = |run: &mut Run, now: Timestamp, event: &Event| {
        watch.see(run, now, event);
        run.apply(now, event)
            .unwrap_or_else(|refusal| panic!("{refusal}: {event:?}"));
    };
    loop {
        steps += 1;
        assert!(steps < 20_000, "no end in sight at {:?} {:?}", run.phase(), run.state());
        let leaves = world.choose(40) == 39 || (world.leave)(&run);
        inputs.stop = leaves.then_some(PauseCause::Interrupt);
        let step = next_step(&run, &inputs, world.now);
        assert_eq!(
            step,
            next_step(&run, &inputs, world.now),
            "the same inputs gave another step"
        );
        let until = match step {
            Step::Finish(outcome) => {
                if resumed < resumes
                    && let Some(answer) = world.answers(&run)
                {
                    world.pass_time();
                    apply(&mut run, world.now, &answer);
                }
                let again = match run.state() {
                    State::Paused { .. } => Some(ResumeCause::Pause),
                    State::Blocked(blocker) if blocker.resumable => Some(ResumeCause::Blocker),
                    _ => run.stored().is_none().then_some(ResumeCause::Unstored),
                };
                match again {
                    Some(after) if resumed < resumes => {
                        resumed += 1;
                        world.pass_time();
                        apply(&mut run, world.now, &Event::Resumed { after });
                        continue;
                    }
                    _ => return (run, outcome, steps),
                }
            }
            Step::Record(event) => {
                apply(&mut run, world.now, &event);
                continue;
            }
            Step::Start(effect) => {
                apply(&mut run, world.now, &Event::Intended(effect));
                continue;
            }
            Step::Wait { until } => until,
        };
        world.pass_time();
        let Some(pending) = run.pending().cloned() else {
            world.now = world.now.max(until.expect("it waits for nothing"));
            continue;
        };
        if *run.state() == State::Climbing && crashed < 5 && world.choose(32) == 31 {
            // The runner is killed, and the next one comes much later. Then it looks at what was under way.
            crashed += 1;
            world.now += SignedDuration::from_hours(100);
            let after = ResumeCause::Crash;
            let active = run.active();
            apply(&mut run, world.now, &Event::Resumed { after });
            assert_eq!(run.active(), active, "nobody was at work");
        }
        let observed = |observation| Event::Observed {
            of: pending.seq,
            observation,
        };
        let event = match ((world.twist)(&run, &pending), &pending.effect) {
            (Some(Happening::Passes(time)), _) => {
                world.now += time;
                continue;
            }
            (Some(Happening::Does(activity)), _) => Event::Activity(activity),
            (Some(Happening::Shows(observation)), _) => observed(observation),
            (Some(Happening::ShowsAfter(time, observation)), _) => {
                world.now += time;
                observed(observation)
            }
            (
                None,
                effect @ (Effect::TakePlan { .. }
                | Effect::TakeAdvice { .. }
                | Effect::TakeTurn { .. }
                | Effect::TakeReview { .. }
                | Effect::AskExpert { .. }
                | Effect::TakeCuration { .. }),
            ) => world.agent_event(pending.seq, effect, &run),
            (None, _) if pending.interrupt.is_some() => observed(Observation::Interrupted),
            (None, effect) => observed(world.outcome(effect, &run)),
        };
        apply(&mut run, world.now, &event);
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}
