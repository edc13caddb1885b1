//! A run that climbs the whole ladder, event by event, with everything that a runner would have seen.

use jiff::Timestamp;

use crate::ledger_core::*;

/// The terms of a sample run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) mode: Mode,
    pub(crate) delivery: DeliveryMode,
    pub(crate) review: bool,
    pub(crate) checks: bool,
    pub(crate) curate: bool,
}

pub(crate) const STANDARD: Terms = Terms {
    mode: Mode::Standard,
    delivery: DeliveryMode::Branch,
    review: true,
    checks: true,
    curate: false,
};

pub(crate) const LOOP: Terms = Terms {
    mode: Mode::Loop,
    delivery: DeliveryMode::None,
    review: false,
    checks: false,
    curate: false,
};

/// A run, and the journal that it was written to.
#[derive(Debug, Clone)]
pub(crate) struct Climb {
    pub(crate) run: Run,
    pub(crate) events: Vec<(Timestamp, Event)>,
    pub(crate) journal: Vec<u8>,
    pub(crate) head: Head,
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn id<T: std::str::FromStr<Err = InvalidObjectId>>(digit: char) -> T {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(crate) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn covered(path: &str) -> CoveredFile {
    CoveredFile {
        path: name(path),
        blob: id('b'),
        sha256: Digest::of(path),
    }
}

pub(crate) fn agent() -> AgentIdentity {
    AgentIdentity {
        kind: AgentKind::Codex,
        version: "0.169.0".to_owned(),
        model: Some("gpt-5.5".to_owned()),
        sandbox: "workspace-write".to_owned(),
    }
}

pub(crate) fn opened(terms: Terms) -> Opened {
    Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: name("0042-validate-email"),
        run: name("01J9Z3"),
        repository: "example/shop".to_owned(),
        mode: terms.mode,
        delivery: terms.delivery,
        plan: terms.mode.discipline().plans,
        curate: terms.curate,
        review: terms.review,
        experts: if terms.mode.discipline().needs_experts {
            vec![ExpertField::Security]
        } else {
            Vec::new()
        },
        checks: if terms.checks {
            vec!["auth tests".to_owned()]
        } else {
            Vec::new()
        },
        max_repair_rounds: 3,
        max_rounds: terms.mode.discipline().goes_in_rounds.then_some(5),
        target: (terms.delivery >= DeliveryMode::Push).then(|| PushTarget {
            remote: "origin".to_owned(),
            name: name("refs/heads/main"),
        }),
        rescued: None,
    }
}

pub(crate) fn source_lock() -> SourceLock {
    SourceLock {
        repository: "example/shop".to_owned(),
        files: vec![
            covered("ledger/tickets/0042-validate-email/ticket.toml"),
            covered("ledger/tickets/0042-validate-email/prompt.md"),
        ],
        approval: covered("ledger/tickets/0042-validate-email/approval.toml"),
        approved_by: "Ada <ada@example.org>".to_owned(),
        policy: Digest::of(""),
        prompts: Vec::new(),
        steering: Vec::new(),
    }
}

pub(crate) fn report() -> Report {
    Report {
        turn: "0042-validate-email/01J9Z3/1".to_owned(),
        status: ReportStatus::Done,
        summary: "Sign-up refuses addresses without a domain.".to_owned(),
        commands: vec![ClaimedCommand {
            command: "cargo test -p auth".to_owned(),
            outcome: "12 passed".to_owned(),
        }],
        skipped_checks: Vec::new(),
        deviations: Vec::new(),
        risks: vec!["quoted local parts are not covered".to_owned()],
        memory: Vec::new(),
        self_review: SelfReview {
            checked: vec!["the diff".to_owned()],
            concerns: Vec::new(),
        },
        wanted_grants: Vec::new(),
        question: Vec::new(),
        blocked_because: String::new(),
        next_ticket: String::new(),
    }
}

pub(crate) fn change(tree: TreeId) -> ChangeSummary {
    ChangeSummary {
        base: id('0'),
        tree,
        counts: ChangeCounts {
            added: 1,
            modified: 1,
            ..ChangeCounts::default()
        },
        paths: vec![
            ListedPath {
                path: name("src/auth/mod.rs"),
                kind: ChangeKind::Modified,
                from: None,
            },
            ListedPath {
                path: name("tests/auth.rs"),
                kind: ChangeKind::Added,
                from: None,
            },
        ],
    }
}

pub(crate) fn check(code: i32) -> CheckResult {
    CheckResult {
        name: "auth tests".to_owned(),
        command: "cargo test -p auth".to_owned(),
        outcome: CommandOutcome::Exited { code },
        duration_ms: 1_250,
        output: OutputRecord {
            digest: Digest::of("ok"),
            kept_bytes: 2,
            total_bytes: 2,
            tail: "ok".to_owned(),
        },
        environment: Digest::of("PATH=/usr/bin\n"),
        tests: Some(TestSummary {
            passed: 12,
            ..TestSummary::default()
        }),
        proves: vec!["AC-1".to_owned()],
        sandbox: CheckSandbox::Bubblewrap,
        label: EvidenceLabel::Local,
        strength: Strength::RunnerRan,
    }
}

pub(crate) fn finding() -> Finding {
    Finding {
        severity: Severity::High,
        place: "src/auth/mod.rs:12".to_owned(),
        expected: "an address without a domain is refused".to_owned(),
        actual: "`a@` is accepted".to_owned(),
        required_repair: "refuse an empty domain".to_owned(),
    }
}

pub(crate) fn review(verdict: Verdict) -> Review {
    Review {
        turn: "0042-validate-email/01J9Z3/review-1".to_owned(),
        verdict,
        summary: "It does what was asked.".to_owned(),
        inspected: vec!["the diff".to_owned(), "tests/auth.rs".to_owned()],
        findings: if verdict == Verdict::Pass {
            Vec::new()
        } else {
            vec![finding()]
        },
        weakened_tests: Vec::new(),
        residual_risks: Vec::new(),
        next_action: "Deliver it.".to_owned(),
    }
}

pub(crate) fn tokens() -> TokenCount {
    TokenCount {
        input: 900,
        cached_input: 400,
        output: 100,
        total: 1_000,
    }
}

pub(crate) fn tree() -> TreeId {
    id('7')
}

pub(crate) fn writer() -> ThreadId {
    name("thread-writer")
}

pub(crate) fn reviewer() -> ThreadId {
    name("thread-reviewer")
}

pub(crate) fn delivery(mode: DeliveryMode) -> PreparedDelivery {
    PreparedDelivery {
        mode,
        branch: name("refs/heads/foil/0042-validate-email"),
        old: None,
        base: id('0'),
        tree: tree(),
        change: id('c'),
        records_tree: id('8'),
        records: id('d'),
        identity: "Ada <ada@example.org>".to_owned(),
        message: Digest::of("Validate e-mail addresses on sign-up\n"),
    }
}

pub(crate) fn store() -> Effect {
    Effect::StoreRun {
        name: name("refs/counterfoil/runs/0042-validate-email/01J9Z3"),
        journal: Digest::of("head"),
    }
}

pub(crate) fn turn(iteration: u32, purpose: TurnPurpose) -> Effect {
    Effect::TakeTurn {
        iteration,
        purpose,
        label: format!("0042-validate-email/01J9Z3/{iteration}"),
        thread: None,
    }
}

pub(crate) fn thread_started(thread: ThreadId) -> Event {
    Event::Activity(Activity::ThreadStarted {
        thread,
        resumed: false,
        agent: agent(),
    })
}

pub(crate) fn turn_ended(end: TurnEnd) -> Observation {
    Observation::TurnEnded {
        end,
        tokens: tokens(),
        thread: Some(writer()),
    }
}

pub(crate) fn take_plan() -> Effect {
    Effect::TakePlan {
        label: "0042-validate-email/01J9Z3/plan-1".to_owned(),
    }
}

pub(crate) fn plan() -> Plan {
    Plan {
        turn: "0042-validate-email/01J9Z3/plan-1".to_owned(),
        status: PlanStatus::Planned,
        approach: "use the address crate".to_owned(),
        steps: vec!["refuse an address without a domain".to_owned()],
        files: vec![PlannedFile {
            path: "src/auth/email.rs".to_owned(),
            change: PlannedChange::Edit,
            reason: "the check".to_owned(),
        }],
        proof: vec!["AC-1: auth tests".to_owned()],
        stop_conditions: Vec::new(),
        risks: Vec::new(),
        wanted_grants: Vec::new(),
        blocked_because: String::new(),
    }
}

pub(crate) fn plan_ended(violations: Vec<Violation>) -> Observation {
    Observation::PlanEnded {
        end: PlanEnd::Answered(JudgedPlan {
            plan: plan(),
            violations,
        }),
        tokens: tokens(),
        thread: Some(name("planner")),
    }
}

pub(crate) fn take_curation() -> Effect {
    Effect::TakeCuration {
        tree: tree(),
        label: "0042-validate-email/01J9Z3/curation-1".to_owned(),
    }
}

pub(crate) fn curation() -> Curation {
    Curation {
        turn: "0042-validate-email/01J9Z3/curation-1".to_owned(),
        notes: vec![MemoryNote {
            path: "agent/state.md".to_owned(),
            kind: NoteKind::KnownIssue,
            title: "quoted local parts".to_owned(),
            text: "They are not covered.".to_owned(),
            source: "the report".to_owned(),
        }],
        handoff: "Quoted local parts are next.".to_owned(),
    }
}

pub(crate) fn curation_ended(refused: Vec<Violation>) -> Observation {
    Observation::CurationEnded {
        end: CurationEnd::Answered(JudgedCuration {
            curation: curation(),
            refused,
        }),
        tokens: tokens(),
        thread: Some(name("curator")),
    }
}

pub(crate) fn review_ended(verdict: Verdict) -> Observation {
    Observation::ReviewEnded {
        tree: tree(),
        end: ReviewEnd::Answered(JudgedReview {
            review: review(verdict),
            passes: verdict == Verdict::Pass,
        }),
        tokens: tokens(),
        thread: Some(reviewer()),
    }
}

pub(crate) fn take_advice(tree: TreeId) -> Effect {
    Effect::TakeAdvice {
        tree,
        label: "0042-validate-email/01J9Z3/advice-1".to_owned(),
    }
}

pub(crate) fn advice(next: AdviceNext) -> Advice {
    let is_task = next == AdviceNext::Task;
    Advice {
        turn: "0042-validate-email/01J9Z3/advice-1".to_owned(),
        next,
        what: if is_task { "refuse an empty domain" } else { "" }.to_owned(),
        files: if is_task {
            vec!["src/auth/mod.rs".to_owned()]
        } else {
            Vec::new()
        },
        proof: if is_task {
            vec!["auth tests".to_owned()]
        } else {
            Vec::new()
        },
        why: "It is what is left.".to_owned(),
    }
}

pub(crate) fn round_task() -> RoundTask {
    advice(AdviceNext::Task).task().unwrap()
}

pub(crate) fn advice_ended(tree: TreeId, next: AdviceNext) -> Observation {
    Observation::AdviceEnded {
        tree,
        end: AdviceEnd::Answered(JudgedAdvice {
            advice: advice(next),
            violations: Vec::new(),
        }),
        tokens: tokens(),
        thread: Some(name("advisor")),
    }
}

pub(crate) fn ask_expert(judge: Judge, subject: ExpertSubject) -> Effect {
    Effect::AskExpert {
        judge,
        subject,
        label: format!("0042-validate-email/01J9Z3/{judge}-1"),
    }
}

pub(crate) fn expert_review(passes: bool) -> ExpertReview {
    ExpertReview {
        turn: "0042-validate-email/01J9Z3/security-1".to_owned(),
        recommendation: if passes {
            Recommendation::Proceed
        } else {
            Recommendation::Repair
        },
        summary: "Looked.".to_owned(),
        findings: if passes { Vec::new() } else { vec![finding()] },
        required_proof: Vec::new(),
        next_action: "Go on.".to_owned(),
    }
}

pub(crate) fn expert_ended(judge: Judge, subject: ExpertSubject, passes: bool) -> Observation {
    Observation::ExpertEnded {
        judge,
        subject,
        end: ExpertEnd::Answered(JudgedExpertReview {
            review: expert_review(passes),
            passes,
        }),
        tokens: tokens(),
        thread: Some(name(&format!("thread-{judge}"))),
    }
}

impl Climb {
    pub(crate) fn open(terms: Terms) -> Self {
        let event = Event::Opened(opened(terms));
        let (journal, head) = Head::default().line(at(0), &event).unwrap();
        Self {
            run: Run::open(at(0), &event).unwrap(),
            events: vec![(at(0), event)],
            journal,
            head,
        }
    }

    /// A run that has climbed to the top, and is stored.
    pub(crate) fn whole(terms: Terms) -> Self {
        let mut climb = Self::to_review(terms);
        if terms.review {
            climb.done(
                Effect::TakeReview {
                    tree: tree(),
                    label: "0042-validate-email/01J9Z3/review-1".to_owned(),
                },
                review_ended(Verdict::Pass),
            );
            let subject = ExpertSubject::Tree { tree: tree() };
            for field in opened(terms).experts {
                climb.done(
                    ask_expert(field.into(), subject),
                    expert_ended(field.into(), subject, true),
                );
            }
        }
        climb.finish(terms);
        climb
    }

    /// Up to and with the worker's own review.
    pub(crate) fn to_review(terms: Terms) -> Self {
        let mut climb = Self::to_iteration(terms);
        climb.iterate(terms, 1);
        climb
    }

    /// Up to the beginning of the first iteration.
    pub(crate) fn to_iteration(terms: Terms) -> Self {
        let mut climb = Self::open(terms);
        climb.enter(PhaseEvidence::SourceLockValidated(source_lock()));
        climb.enter(PhaseEvidence::RepositoryDiscovered(Discovery {
            base: id('0'),
            reason: BaseReason::Tip {
                branch: Some(name("refs/heads/main")),
            },
            branch: None,
            upstream: None,
            repository_kind: Vec::new(),
            since: None,
            check_sandbox: "bubblewrap".to_owned(),
        }));
        if opened(terms).plan {
            climb.done(take_plan(), plan_ended(Vec::new()));
            let subject = ExpertSubject::Plan { plan: plan().digest() };
            for field in opened(terms).experts {
                climb.done(
                    ask_expert(field.into(), subject),
                    expert_ended(field.into(), subject, true),
                );
            }
            climb.enter(PhaseEvidence::PlanRecorded { plan: plan().digest() });
        } else {
            climb.skip(Phase::PlanRecorded, NotRequiredCode::NoPlan);
        }
        let lock = source_lock();
        climb.enter(PhaseEvidence::RepositoryTicketRecorded {
            commit: id('0'),
            files: lock.files.into_iter().chain([lock.approval]).collect(),
        });
        climb.done(
            Effect::PreparePlaces { base: id('0') },
            Observation::PlacesReady {
                anew: true,
                copied: Vec::new(),
                set_up: Vec::new(),
            },
        );
        if terms.checks {
            climb.done(
                Effect::RunChecks {
                    purpose: CheckPurpose::Baseline,
                    tree: id('1'),
                    checks: opened(terms).checks,
                },
                Observation::ChecksRan {
                    tree: id('1'),
                    results: vec![check(0)],
                    set_up: Vec::new(),
                },
            );
        }
        climb
    }

    /// An iteration that ends with tree T checked and reviewed by its writer.
    pub(crate) fn iterate(&mut self, terms: Terms, n: u32) {
        let cause = if opened(terms).max_rounds.is_some() {
            self.done(take_advice(id('1')), advice_ended(id('1'), AdviceNext::Task));
            IterationCause::Round {
                round: 1,
                task: round_task(),
            }
        } else {
            IterationCause::First
        };
        self.apply(Event::IterationStarted { n, cause });
        self.work(terms, n);
    }

    /// The same after an iteration or a repair round was started.
    pub(crate) fn work(&mut self, terms: Terms, n: u32) {
        let turn_seq = self.intend(turn(n, TurnPurpose::Write));
        self.apply(Event::Activity(Activity::PromptSent {
            digest: Digest::of("prompt"),
            bytes: 6,
            given: Vec::new(),
            size: None,
        }));
        self.apply(thread_started(writer()));
        self.enter(PhaseEvidence::WriterAssigned {
            iteration: n,
            agent: agent(),
            thread: writer(),
        });
        self.apply(Event::Activity(Activity::Tokens { spent: tokens() }));
        self.observe(turn_seq, turn_ended(TurnEnd::Reported { report: report() }));
        self.done(
            Effect::MeasureChanges { iteration: n },
            Observation::ChangesMeasured {
                change: change(tree()),
                violations: Vec::new(),
                weakened: Vec::new(),
                tests: None,
                same_as: None,
                drift: None,
                experts: Vec::new(),
            },
        );
        self.enter(PhaseEvidence::ImplementationComplete {
            iteration: n,
            change: change(tree()),
            report: report(),
            tokens: self.run.totals().tokens,
        });
        if terms.checks {
            self.done(
                Effect::RunChecks {
                    purpose: CheckPurpose::Proof,
                    tree: tree(),
                    checks: opened(terms).checks,
                },
                Observation::ChecksRan {
                    tree: tree(),
                    results: vec![check(0)],
                    set_up: Vec::new(),
                },
            );
            if self.run.round().is_some() {
                self.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Done));
            }
            self.enter(PhaseEvidence::FocusedTestsPassed {
                tree: tree(),
                checks: vec![check(0)],
                acceptance: vec![AcceptanceProof {
                    id: "AC-1".to_owned(),
                    checks: vec!["auth tests".to_owned()],
                    strength: Strength::RunnerRan,
                    confidence: Confidence::High,
                }],
                compared: None,
            });
        } else {
            self.skip(Phase::FocusedTestsPassed, NotRequiredCode::NoChecks);
        }
        if terms.review {
            self.enter(PhaseEvidence::SelfReviewComplete {
                self_review: report().self_review,
            });
        } else {
            self.skip(Phase::SelfReviewComplete, NotRequiredCode::Mode);
        }
    }

    /// From an answered review to the end.
    pub(crate) fn finish(&mut self, terms: Terms) {
        if terms.review {
            let experts = self.run.expert_verdicts();
            self.enter(judged_by(Verdict::Pass, experts));
        } else {
            self.skip(Phase::IndependentReviewComplete, NotRequiredCode::Mode);
        }
        let rounds = self.run.totals().repair_rounds;
        self.enter(PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds });
        let curation = terms.curate.then(curation);
        if terms.curate {
            self.done(take_curation(), curation_ended(Vec::new()));
        }
        self.enter(PhaseEvidence::ContextCurated {
            notes: match &curation {
                Some(curation) => curation.lines(),
                None => vec![NO_MEMORY_UPDATE.to_owned()],
            },
            curation: curation.map(|curation| curation.digest()),
        });
        self.deliver(terms);
        for phase in [Phase::Pushed, Phase::HeadEqualsUpstreamProved, Phase::Proposed] {
            self.skip(phase, NotRequiredCode::DeliveryMode);
        }
        let receipt = Receipt::of(&self.run, self.head.sum).unwrap();
        self.enter(PhaseEvidence::Done {
            receipt: receipt.digest(),
            journal: self.head.sum,
        });
        self.done(store(), Observation::RunStored { commit: id('e') });
    }

    fn deliver(&mut self, terms: Terms) {
        if terms.delivery == DeliveryMode::None {
            for phase in [Phase::GitDeliveryStarted, Phase::ExplicitPathsStaged, Phase::Committed] {
                self.skip(phase, NotRequiredCode::DeliveryMode);
            }
            return;
        }
        let consent = || Observation::ConsentSeen {
            consent: Consent::Current,
        };
        let prepared = delivery(terms.delivery);
        self.done(Effect::ConfirmConsent, consent());
        self.done(
            Effect::PrepareDelivery {
                tree: tree(),
                journal: Digest::of("head"),
            },
            Observation::DeliveryPrepared {
                delivery: prepared.clone(),
            },
        );
        self.enter(PhaseEvidence::GitDeliveryStarted(prepared.clone()));
        self.enter(PhaseEvidence::ExplicitPathsStaged {
            tree: tree(),
            total: 2,
            paths: vec![name("src/auth/mod.rs"), name("tests/auth.rs")],
        });
        self.done(Effect::ConfirmConsent, consent());
        self.done(
            Effect::UpdateRef {
                name: prepared.branch.clone(),
                old: None,
                new: prepared.records,
            },
            Observation::RefSeen {
                value: Some(prepared.records),
                contains_new: true,
            },
        );
        self.enter(committed());
    }

    /// Applies an event and writes it down.
    pub(crate) fn apply(&mut self, event: Event) {
        self.try_apply(event).unwrap();
    }

    pub(crate) fn try_apply(&mut self, event: Event) -> Result<(), Refusal> {
        let now = at(i64::try_from(self.events.len()).unwrap());
        self.run = self.run.applied(now, &event)?;
        let (line, head) = self.head.line(now, &event).unwrap();
        self.journal.extend(line);
        self.head = head;
        self.events.push((now, event));
        Ok(())
    }

    pub(crate) fn enter(&mut self, evidence: PhaseEvidence) {
        self.apply(Event::Entered(evidence));
    }

    pub(crate) fn skip(&mut self, phase: Phase, code: NotRequiredCode) {
        self.apply(Event::NotRequired {
            phase,
            code,
            reason: "it does not apply".to_owned(),
        });
    }

    /// The sequence number of the intent.
    pub(crate) fn intend(&mut self, effect: Effect) -> u64 {
        let seq = self.run.next_seq();
        self.apply(Event::Intended(effect));
        seq
    }

    pub(crate) fn observe(&mut self, of: u64, observation: Observation) {
        self.apply(Event::Observed { of, observation });
    }

    /// An effect with what was seen after it.
    pub(crate) fn done(&mut self, effect: Effect, observation: Observation) {
        let seq = self.intend(effect);
        self.observe(seq, observation);
    }
}

/// A review, with what experts said beside it.
pub(crate) fn judged_by(verdict: Verdict, experts: Vec<ExpertVerdict>) -> PhaseEvidence {
    PhaseEvidence::IndependentReviewComplete {
        tree: tree(),
        thread: reviewer(),
        verdict,
        findings: review(verdict).findings,
        experts,
        carried_from: None,
    }
}

pub(crate) fn committed() -> PhaseEvidence {
    let prepared = delivery(DeliveryMode::Branch);
    PhaseEvidence::Committed {
        change: prepared.change,
        records: prepared.records,
        branch: prepared.branch,
        old: prepared.old,
        new: prepared.records,
    }
}
