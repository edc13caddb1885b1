//! The facts that a simulated world shows: observations, reports, commits, and what a run begins from.
#![expect(clippy::unwrap_used, reason = "the texts are constants, and right")]

use ledger_core::{
    Activity, Advice, AdviceEnd, AdviceNext, AgentIdentity, AgentKind, BaseReason, BlobId, BlockerCode, ChangeCounts,
    ChangeKind, ChangeSummary, ChangedTests, CheckComparison, CheckResult, CheckSandbox, CommandOutcome, CommitId,
    CoveredFile, Curation, CurationEnd, DeliveryMode, Digest, Discovery, Event, EvidenceLabel, ExpertCall, ExpertEnd,
    ExpertField, ExpertReview, Finding, Grants, JOURNAL_FORMAT, Judge, JudgedAdvice, JudgedCuration,
    JudgedExpertReview, JudgedPlan, JudgedReview, Kind, ListedPath, MemoryNote, Mode, NamedTests, NoteKind, ObjectId,
    Opened, OutputRecord, Plan, PlanEnd, PlanStatus, PreparedDelivery, PushTarget, Question, ReaderEnd, Recommendation,
    Report, ReportStatus, Review, ReviewEnd, SelfReview, Severity, SourceLock, Strength, TestComparison, TestOrder,
    ThreadId, ToldBy, Transitions, TreeId, TreesApart, Verdict, Violation,
};
use policy::{Inputs, Limits, Policy, StartFacts};

/// The object id that consists of this byte.
pub fn object(n: u8) -> ObjectId {
    ObjectId::from_bytes([n; 20])
}

/// A file of the ledger as an approval names it.
pub fn covered(path: &str) -> CoveredFile {
    CoveredFile {
        path: path.parse().unwrap(),
        blob: BlobId(object(7)),
        sha256: Digest::of(path),
    }
}

/// What a run is decided by, under the policy of an empty file.
pub fn inputs(limits: Limits, baseline: bool) -> Inputs {
    let files = vec![
        covered("ledger/tickets/t/ticket.toml"),
        covered("ledger/tickets/t/prompt.md"),
    ];
    let approval = covered("ledger/tickets/t/approval.toml");
    Inputs {
        policy: Policy::parse(b"").unwrap(),
        gates: Policy::default().gates.of(Kind::Feature),
        grants: Grants::default(),
        acceptance: Vec::new(),
        required: Vec::new(),
        limits,
        start: StartFacts {
            lock: SourceLock {
                repository: "owner/name".to_owned(),
                files: files.clone(),
                approval: approval.clone(),
                approved_by: "Ada".to_owned(),
                policy: Digest::of(b""),
                prompts: Vec::new(),
                steering: Vec::new(),
            },
            discovery: Discovery {
                base: CommitId(object(1)),
                reason: BaseReason::Tip { branch: None },
                branch: None,
                upstream: None,
                repository_kind: Vec::new(),
                since: None,
                check_sandbox: "bubblewrap".to_owned(),
            },
            base_tree: TreeId(object(2)),
            recorded: files.into_iter().chain([approval]).collect(),
            plan: None,
            children: Vec::new(),
        },
        baseline: if baseline { vec!["test".to_owned()] } else { Vec::new() },
        head: Digest::of(b"head"),
        stop: None,
    }
}

/// The first line of a run's journal.
pub fn opened(mode: Mode, review: bool, delivery: DeliveryMode, checks: bool) -> Event {
    Event::Opened(terms(mode, review, delivery, checks))
}

/// The terms of a run with at most one check.
pub fn terms(mode: Mode, review: bool, delivery: DeliveryMode, checks: bool) -> Opened {
    Opened {
        format: JOURNAL_FORMAT,
        foil: "0.1.0".to_owned(),
        ticket: "t".parse().unwrap(),
        run: "r".parse().unwrap(),
        repository: "owner/name".to_owned(),
        mode,
        delivery,
        plan: mode.discipline().plans,
        curate: mode.discipline().curates,
        review,
        experts: if mode.discipline().needs_experts {
            vec![ExpertField::Security]
        } else {
            Vec::new()
        },
        checks: if checks { vec!["test".to_owned()] } else { Vec::new() },
        max_repair_rounds: 3,
        max_rounds: mode.discipline().goes_in_rounds.then_some(5),
        target: (delivery >= DeliveryMode::Push).then(|| PushTarget {
            remote: "origin".to_owned(),
            name: "refs/heads/main".parse().unwrap(),
        }),
        rescued: None,
    }
}

/// The result of the only check.
pub fn check(passes: bool) -> CheckResult {
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

/// What a worker reports at the end of its turn.
pub fn report(label: &str, status: ReportStatus) -> Report {
    Report {
        turn: label.to_owned(),
        status,
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
        wanted_grants: Vec::new(),
        question: Vec::new(),
        blocked_because: String::new(),
        next_ticket: String::new(),
    }
}

/// The same report with a question.
pub fn asks(report: Report) -> Report {
    let question = Question {
        text: "Which of both?".to_owned(),
        choices: vec!["left".to_owned(), "right".to_owned()],
        default: "left".to_owned(),
    };
    Report {
        question: vec![question],
        ..report
    }
}

/// What a planner answers.
pub fn plan(label: &str, status: PlanStatus) -> Plan {
    Plan {
        turn: label.to_owned(),
        status,
        approach: "as asked".to_owned(),
        steps: Vec::new(),
        files: Vec::new(),
        proof: vec!["the checks".to_owned()],
        stop_conditions: Vec::new(),
        risks: Vec::new(),
        wanted_grants: Vec::new(),
        blocked_because: "no key".to_owned(),
    }
}

/// What a curator answers.
pub fn curation(label: &str) -> Curation {
    Curation {
        turn: label.to_owned(),
        notes: vec![MemoryNote {
            path: "agent/state.md".to_owned(),
            kind: NoteKind::State,
            title: "a".to_owned(),
            text: "b".to_owned(),
            source: "c".to_owned(),
        }],
        handoff: String::new(),
    }
}

/// A change set of one path, or, where nothing was added, of none.
pub fn change(tree: u8, added: u64) -> ChangeSummary {
    ChangeSummary {
        base: CommitId(object(1)),
        tree: TreeId(object(tree)),
        counts: ChangeCounts {
            added,
            ..ChangeCounts::default()
        },
        paths: vec![ListedPath {
            path: "a".parse().unwrap(),
            kind: ChangeKind::Added,
            from: None,
        }],
    }
}

/// What a change does to tests.
pub fn changed_tests(sources: u64, tests: u64, apart: TreesApart, order: TestOrder) -> ChangedTests {
    ChangedTests {
        sources,
        first_source: None,
        tests,
        apart: Some(apart),
        order: Some(order),
    }
}

/// What tests show before and after a change.
pub fn comparison(tree: TreeId, apart: TreesApart, shows: bool, breaks: bool) -> TestComparison {
    let named = |is: bool| NamedTests {
        count: u64::from(is),
        names: if is { vec!["test_it".to_owned()] } else { Vec::new() },
    };
    let check = CheckComparison {
        check: "test".to_owned(),
        changed: Transitions {
            by: ToldBy::Report,
            fail_to_pass: named(shows),
            ..Transitions::default()
        },
        former: Transitions {
            by: ToldBy::Report,
            pass_to_fail: named(breaks),
            ..Transitions::default()
        },
        new: NamedTests::default(),
        gone: NamedTests::default(),
    };
    TestComparison {
        tree,
        apart,
        checks: vec![check],
    }
}

/// A reviewer's verdict, with a finding where it refuses.
pub fn answered(label: &str, passes: bool) -> ReviewEnd {
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
        findings: if passes { Vec::new() } else { vec![finding] },
        weakened_tests: Vec::new(),
        residual_risks: Vec::new(),
        next_action: "go on".to_owned(),
    };
    ReviewEnd::Answered(JudgedReview { review, passes })
}

/// An expert's verdict.
pub fn expert_answer(label: &str, recommendation: Recommendation, passes: bool) -> ExpertEnd {
    let review = ExpertReview {
        turn: label.to_owned(),
        recommendation,
        summary: "looked".to_owned(),
        findings: Vec::new(),
        required_proof: Vec::new(),
        next_action: "go on".to_owned(),
    };
    ExpertEnd::Answered(JudgedExpertReview { review, passes })
}

/// A plan that was answered and judged.
pub fn planned(plan: Plan, violations: Vec<Violation>) -> PlanEnd {
    PlanEnd::Answered(JudgedPlan { plan, violations })
}

/// Notes that were answered and judged.
pub fn curated(label: &str, refused: Vec<Violation>) -> CurationEnd {
    let curation = curation(label);
    CurationEnd::Answered(JudgedCuration { curation, refused })
}

/// An answer that is none, of whoever only reads.
pub fn not_json<A>() -> ReaderEnd<A> {
    let reason = "not JSON".to_owned();
    ReaderEnd::InvalidAnswer { reason }
}

/// Advice that was answered and judged.
pub fn advised(label: &str, next: AdviceNext, violations: Vec<Violation>) -> AdviceEnd {
    let advice = Advice {
        turn: label.to_owned(),
        next,
        what: "the next thing".to_owned(),
        files: vec!["a".to_owned()],
        proof: vec!["the checks".to_owned()],
        why: "it is missing".to_owned(),
    };
    AdviceEnd::Answered(JudgedAdvice { advice, violations })
}

/// That something out of scope was changed.
pub fn outside() -> Vec<Violation> {
    vec![Violation {
        code: BlockerCode::ScopeViolation,
        path: None,
        detail: "outside".to_owned(),
    }]
}

/// That somebody has to judge a change beside the reviewer.
pub fn call(judge: Judge, is_advisory: bool) -> ExpertCall {
    ExpertCall {
        judge,
        trigger: "it is touched".to_owned(),
        path: Some("a".parse().unwrap()),
        is_advisory,
    }
}

/// The commits of a delivery.
pub fn prepared(mode: DeliveryMode, tree: TreeId) -> PreparedDelivery {
    PreparedDelivery {
        mode,
        branch: "refs/heads/foil/t".parse().unwrap(),
        old: None,
        base: CommitId(object(1)),
        tree,
        change: CommitId(object(3)),
        records_tree: TreeId(object(4)),
        records: CommitId(object(5)),
        identity: "Ada <a@example.org>".to_owned(),
        message: Digest::of(b"m"),
    }
}

/// That an agent has named its conversation.
pub fn thread_started(thread: ThreadId) -> Activity {
    Activity::ThreadStarted {
        thread,
        resumed: false,
        agent: AgentIdentity {
            kind: AgentKind::Scripted,
            version: "1".to_owned(),
            model: None,
            sandbox: "none".to_owned(),
        },
    }
}
