//! Every code that a run can stop with, and what it takes to get there.

use counterfoil_policy::{Inputs, Limits, Outcome, Policy, RequiredProof};
use jiff::SignedDuration;
use ledger_core::{
    Acceptance, Activity, AdviceEnd, AdviceNext, AgentFailure, AgentFailureClass, BlockerCode, CheckPurpose, CommitId,
    Consent, CurationEnd, DeliveryMode, DeliveryOpened, DriftCode, DriftFinding, Duration, Effect, Event, GrantKind,
    MEMORY_NOT_UPDATED, Mode, NO_MEMORY_UPDATE, Observation, Pending, Phase, PhaseEvidence, Plan, PlanEnd, PlanStatus,
    ReaderEnd, ReportStatus, ResumeCause, ReviewEnd, Run, SpecDrift, TestSummary, ThreadId, TokenCount, TreeId,
    TurnEnd, TurnPurpose, Violation, WantedGrant,
};

use crate::world::{
    Happening, Twist, World, advised, answered, asks, change, check, curated, drive, inputs, not_json, object, opened,
    plan, planned, prepared, report, start,
};

/// What goes wrong, and the code that follows.
struct Row {
    code: BlockerCode,
    set_up: fn(&mut Inputs),
    twist: Twist,
}

fn row(code: BlockerCode, twist: Twist) -> Row {
    Row {
        code,
        set_up: |_| {},
        twist,
    }
}

fn with_limits(code: BlockerCode, set_up: fn(&mut Inputs), twist: Twist) -> Row {
    Row { code, set_up, twist }
}

pub(crate) fn shows(observation: Observation) -> Option<Happening> {
    Some(Happening::Shows(observation))
}

pub(crate) fn spent(total: u64) -> TokenCount {
    TokenCount {
        total,
        ..TokenCount::default()
    }
}

pub(crate) fn thread_of(pending: &Pending) -> Option<ThreadId> {
    pending.live.thread.as_ref().map(|started| started.thread.clone())
}

/// The end of a turn, once the worker has named its conversation.
pub(crate) fn turn(pending: &Pending, end: impl FnOnce(&str) -> TurnEnd) -> Option<Happening> {
    let Effect::TakeTurn { label, .. } = &pending.effect else {
        return None;
    };
    let thread = thread_of(pending)?;
    shows(Observation::TurnEnded {
        end: end(label),
        tokens: spent(1),
        thread: Some(thread),
    })
}

/// The end of a planner's turn, once it has named its conversation.
fn planning(pending: &Pending, end: impl FnOnce(&str) -> PlanEnd) -> Option<Happening> {
    let Effect::TakePlan { label } = &pending.effect else {
        return None;
    };
    shows(Observation::PlanEnded {
        end: end(label),
        tokens: spent(1),
        thread: Some(thread_of(pending)?),
    })
}

fn violation(code: BlockerCode) -> Violation {
    Violation {
        code,
        path: Some("a".parse().unwrap()),
        detail: "it is not allowed".to_owned(),
    }
}

/// The end of such a turn with an error.
fn broken<A>(class: AgentFailureClass) -> ReaderEnd<A> {
    let message = "no".to_owned();
    ReaderEnd::Failed {
        failure: AgentFailure::new(class, message),
    }
}

fn wanted() -> WantedGrant {
    WantedGrant {
        kind: GrantKind::Dependency,
        name: "time".to_owned(),
        reason: "dates".to_owned(),
    }
}

pub(crate) fn failing(pending: &Pending, class: AgentFailureClass) -> Option<Happening> {
    let message = "no".to_owned();
    turn(pending, |_| TurnEnd::Failed {
        failure: AgentFailure::new(class, message),
    })
}

pub(crate) fn reporting(pending: &Pending, status: ReportStatus) -> Option<Happening> {
    turn(pending, |label| TurnEnd::Reported {
        report: report(label, status),
    })
}

/// The end of a review, once the reviewer has named its conversation.
pub(crate) fn review(
    pending: &Pending,
    thread: Option<&str>,
    end: impl FnOnce(&str) -> ReviewEnd,
) -> Option<Happening> {
    let Effect::TakeReview { tree, label } = &pending.effect else {
        return None;
    };
    thread_of(pending)?;
    shows(Observation::ReviewEnded {
        tree: *tree,
        end: end(label),
        tokens: spent(1),
        thread: thread.map(|thread| thread.parse().unwrap()),
    })
}

fn measuring(pending: &Pending, added: u64, codes: impl IntoIterator<Item = BlockerCode>) -> Option<Happening> {
    matches!(pending.effect, Effect::MeasureChanges { .. }).then_some(())?;
    shows(Observation::ChangesMeasured {
        change: change(10, added),
        violations: codes.into_iter().map(violation).collect(),
        weakened: Vec::new(),
        tests: None,
        same_as: None,
        drift: None,
        experts: Vec::new(),
    })
}

/// A change that has parted from its specs.
fn drifting(pending: &Pending, code: DriftCode) -> Option<Happening> {
    matches!(pending.effect, Effect::MeasureChanges { .. }).then_some(())?;
    let finding = DriftFinding {
        code,
        place: "src/mail.rs".to_owned(),
        detail: "it differs".to_owned(),
        blocks: true,
    };
    shows(Observation::ChangesMeasured {
        change: change(10, 1),
        violations: Vec::new(),
        weakened: Vec::new(),
        drift: Some(SpecDrift::new(vec![finding])),
        tests: None,
        same_as: None,
        experts: Vec::new(),
    })
}

pub(crate) fn checking(pending: &Pending, of: CheckPurpose, passes: bool, other: bool) -> Option<Happening> {
    let Effect::RunChecks { purpose, tree, .. } = &pending.effect else {
        return None;
    };
    (*purpose == of).then_some(())?;
    shows(Observation::ChecksRan {
        tree: if other { TreeId(object(99)) } else { *tree },
        results: vec![check(passes)],
        set_up: Vec::new(),
    })
}

/// A command of the agent, as soon as it has named its conversation.
fn command(pending: &Pending, command: &str) -> Option<Happening> {
    thread_of(pending)?;
    pending.live.open_commands.is_empty().then(|| {
        Happening::Does(Activity::CommandStarted {
            item: "i".to_owned(),
            command: command.to_owned(),
        })
    })
}

pub(crate) fn is_write(pending: &Pending) -> bool {
    let purpose = TurnPurpose::Write;
    matches!(&pending.effect, Effect::TakeTurn { purpose: found, .. } if *found == purpose)
}

fn is_review(pending: &Pending) -> bool {
    matches!(pending.effect, Effect::TakeReview { .. })
}

fn is_stopped(pending: &Pending) -> bool {
    pending.interrupt.is_some()
}

/// The agent asks for one approval after the other, until it is interrupted.
fn asks_for_approvals(pending: &Pending) -> Option<Happening> {
    thread_of(pending)?;
    (!is_stopped(pending)).then(|| {
        Happening::Does(Activity::RequestDeclined {
            request: "item/commandExecution/requestApproval".to_owned(),
            about: "rm".to_owned(),
        })
    })
}

/// The agent at work is silent for so long, until it is interrupted.
fn silent(pending: &Pending, minutes: i64) -> Option<Happening> {
    (!is_stopped(pending)).then(|| Happening::Passes(SignedDuration::from_mins(minutes)))
}

fn lost(reason: &str) -> Option<Happening> {
    let reason = reason.to_owned();
    shows(Observation::Lost { reason })
}

fn failed(code: BlockerCode) -> Option<Happening> {
    let reason = "it could not be done".to_owned();
    shows(Observation::Failed { code, reason })
}

fn one_iteration(inputs: &mut Inputs) {
    inputs.limits.max_iterations = 1;
}

fn turns_of_five_minutes(inputs: &mut Inputs) {
    inputs.limits.turn_timeout = Duration::minutes(5);
}

fn commands_of_five_minutes(inputs: &mut Inputs) {
    inputs.limits.command_timeout = Duration::minutes(5);
}

fn stops_when_moved(inputs: &mut Inputs) {
    inputs.policy = Policy::parse(b"[delivery]\nmode = \"push\"\ntarget = \"main\"\nwhen_moved = \"stop\"\n").unwrap();
}

fn few_tokens(inputs: &mut Inputs) {
    inputs.limits.max_tokens = 1_000;
}

fn with_acceptance(inputs: &mut Inputs) {
    inputs.acceptance = vec![Acceptance {
        id: "AC-1".to_owned(),
        given: String::new(),
        when: String::new(),
        then: "it works".to_owned(),
        requirements: Vec::new(),
    }];
}

fn with_a_requirement(inputs: &mut Inputs) {
    inputs.required = vec![RequiredProof {
        requirement: "REQ-001".parse().unwrap(),
        acceptance: vec!["AC-1".to_owned()],
        is_inspected: false,
    }];
}

fn rows() -> Vec<Row> {
    use BlockerCode as Code;
    use CheckPurpose::{Baseline, Proof};
    vec![
        // What the planner says.
        row(Code::ScopeViolation, |_, p| {
            planning(p, |label| {
                planned(plan(label, PlanStatus::Planned), vec![violation(Code::ScopeViolation)])
            })
        }),
        row(Code::AgentBlocked, |_, p| {
            planning(p, |label| planned(plan(label, PlanStatus::Blocked), Vec::new()))
        }),
        row(Code::GrantMissing, |_, p| {
            planning(p, |label| {
                let wanted_grants = vec![wanted()];
                let blocked = plan(label, PlanStatus::Blocked);
                planned(
                    Plan {
                        wanted_grants,
                        ..blocked
                    },
                    Vec::new(),
                )
            })
        }),
        row(Code::ReportInvalid, |_, p| planning(p, |_| not_json())),
        row(Code::AgentAuth, |_, p| planning(p, |_| broken(AgentFailureClass::Auth))),
        row(Code::AgentUnavailable, |_, p| {
            planning(p, |_| broken(AgentFailureClass::Server))
        }),
        row(Code::UnsafeAction, |_, p| {
            matches!(p.effect, Effect::TakePlan { .. }).then(|| command(p, "git push origin main"))?
        }),
        // What the base, the change set and the checks show.
        row(Code::BaselineFailed, |_, p| checking(p, Baseline, false, false)),
        row(Code::NoChanges, |_, p| measuring(p, 0, None)),
        row(Code::ScopeViolation, |_, p| measuring(p, 1, Some(Code::ScopeViolation))),
        row(Code::SecretFound, |_, p| measuring(p, 1, Some(Code::SecretFound))),
        row(Code::GrantMissing, |_, p| measuring(p, 1, Some(Code::GrantMissing))),
        row(Code::QuickFlowEscalation, |_, p| {
            measuring(p, 1, Some(Code::QuickFlowEscalation))
        }),
        // What a standard ticket could allow is no reason of its own beside an escalation; what it could not, is.
        row(Code::QuickFlowEscalation, |_, p| {
            measuring(
                p,
                1,
                [Code::ScopeViolation, Code::GrantMissing, Code::QuickFlowEscalation],
            )
        }),
        row(Code::SecretFound, |_, p| {
            measuring(
                p,
                1,
                [Code::QuickFlowEscalation, Code::ScopeViolation, Code::SecretFound],
            )
        }),
        // As often as there are repair rounds, or at once where a person has to mend it.
        row(Code::SpecDrift, |_, p| drifting(p, DriftCode::UnspecifiedBehaviour)),
        row(Code::SpecDrift, |_, p| drifting(p, DriftCode::NotCurrent)),
        with_limits(Code::SpecDrift, one_iteration, |_, p| {
            drifting(p, DriftCode::FileUnchanged)
        }),
        with_limits(Code::SpecDrift, with_a_requirement, |_, _| None),
        row(Code::ForbiddenPath, |_, p| {
            measuring(p, 1, [Code::QuickFlowEscalation, Code::ForbiddenPath])
        }),
        row(Code::TreeMismatch, |_, p| checking(p, Proof, true, true)),
        with_limits(
            Code::VerificationFailureLimit,
            |inputs| inputs.limits.verification_failures = 2,
            |_, p| checking(p, Proof, false, false),
        ),
        with_limits(Code::ProofFailed, with_acceptance, |_, p| {
            let Effect::RunChecks { tree, .. } = &p.effect else {
                return None;
            };
            let mut without_tests = check(true);
            without_tests.proves = vec!["AC-1".to_owned()];
            without_tests.tests = Some(TestSummary::default());
            shows(Observation::ChecksRan {
                tree: *tree,
                results: vec![without_tests],
                set_up: Vec::new(),
            })
        }),
        row(Code::DiskFull, |_, p| {
            matches!(p.effect, Effect::PreparePlaces { .. }).then(|| failed(Code::DiskFull))?
        }),
        // What the worker says.
        row(Code::AgentBlocked, |_, p| reporting(p, ReportStatus::Blocked)),
        row(Code::NoProgressLimit, |_, p| reporting(p, ReportStatus::InProgress)),
        with_limits(Code::MaxIterations, one_iteration, |_, p| {
            reporting(p, ReportStatus::InProgress)
        }),
        row(Code::ReportInvalid, |_, p| {
            let reason = "not JSON".to_owned();
            turn(p, |_| TurnEnd::InvalidReport { reason })
        }),
        row(Code::AgentUnavailable, |_, p| {
            let Effect::TakeTurn { label, .. } = &p.effect else {
                return None;
            };
            shows(Observation::TurnEnded {
                end: TurnEnd::Reported {
                    report: report(label, ReportStatus::Done),
                },
                tokens: spent(1),
                thread: None,
            })
        }),
        // How turns fail.
        row(Code::AgentAuth, |_, p| failing(p, AgentFailureClass::Auth)),
        row(Code::AgentRateLimited, |_, p| failing(p, AgentFailureClass::UsageLimit)),
        row(Code::AgentModelUnavailable, |_, p| {
            failing(p, AgentFailureClass::ModelUnavailable)
        }),
        row(Code::AgentUnavailable, |_, p| {
            failing(p, AgentFailureClass::Unavailable)
        }),
        row(Code::SandboxUnavailable, |_, p| failing(p, AgentFailureClass::Sandbox)),
        row(Code::AgentUnavailable, |_, p| failing(p, AgentFailureClass::Server)),
        row(Code::AgentUnavailable, |_, p| failing(p, AgentFailureClass::Connection)),
        row(Code::RunnerFailureLimit, |_, p| failing(p, AgentFailureClass::Protocol)),
        row(Code::AgentRefused, |_, p| failing(p, AgentFailureClass::Refused)),
        row(Code::AgentRefused, |_, p| failing(p, AgentFailureClass::BadRequest)),
        row(Code::AgentRefused, |_, p| {
            planning(p, |_| broken(AgentFailureClass::Refused))
        }),
        row(Code::ContextOverBudget, |_, p| {
            failing(p, AgentFailureClass::ContextWindow)
        }),
        row(Code::RunnerFailureLimit, |_, p| {
            is_write(p).then(|| lost("the agent ended without a word"))?
        }),
        with_limits(Code::MaxIterations, one_iteration, |_, p| {
            failing(p, AgentFailureClass::Server)
        }),
        // Limits of time and tokens, whatever the agent does when it is interrupted.
        with_limits(Code::TurnTimeout, turns_of_five_minutes, |_, p| {
            is_write(p).then(|| silent(p, 6))?
        }),
        with_limits(Code::TurnTimeout, turns_of_five_minutes, |_, p| {
            is_write(p).then(|| silent(p, 6).or_else(|| reporting(p, ReportStatus::Done)))?
        }),
        with_limits(Code::TurnTimeout, turns_of_five_minutes, |_, p| {
            is_review(p).then(|| silent(p, 6))?
        }),
        with_limits(Code::TurnTimeout, commands_of_five_minutes, |_, p| {
            let has_begun = is_write(p) && p.live.thread.is_some();
            has_begun.then(|| command(p, "make").or_else(|| silent(p, 6)))?
        }),
        row(Code::Stalled, |_, p| is_write(p).then(|| silent(p, 11))?),
        row(Code::Stalled, |_, p| {
            is_review(p)
                .then(|| silent(p, 11).or_else(|| review(p, Some("reviewer"), |label| answered(label, true))))?
        }),
        row(Code::NeedsPerson, |_, p| is_write(p).then(|| asks_for_approvals(p))?),
        row(Code::NeedsPerson, |_, p| {
            is_review(p)
                .then(|| asks_for_approvals(p).or_else(|| review(p, Some("reviewer"), |label| answered(label, true))))?
        }),
        with_limits(Code::BudgetExhausted, few_tokens, |_, p| {
            let spends = is_write(p) && !is_stopped(p) && p.live.thread.is_some();
            spends.then(|| Happening::Does(Activity::Tokens { spent: spent(1_000) }))
        }),
        with_limits(Code::BudgetExhausted, few_tokens, |_, p| {
            let Effect::TakeTurn { label, .. } = &p.effect else {
                return None;
            };
            shows(Observation::TurnEnded {
                end: TurnEnd::Reported {
                    report: report(label, ReportStatus::Done),
                },
                tokens: spent(1_000),
                thread: Some(thread_of(p)?),
            })
        }),
        with_limits(
            Code::BudgetExhausted,
            |inputs| inputs.limits.max_wall = Duration::minutes(7),
            |_, p| is_write(p).then(|| silent(p, 8))?,
        ),
        // What the agent may not do, whatever it does when it is interrupted.
        row(Code::UnsafeAction, |_, p| {
            is_write(p).then(|| command(p, "git push origin main"))?
        }),
        row(Code::UnsafeAction, |_, p| {
            is_write(p).then(|| command(p, "git push origin main").or_else(|| reporting(p, ReportStatus::Done)))?
        }),
        row(Code::UnsafeAction, |_, p| {
            let also = || failing(p, AgentFailureClass::Auth);
            is_write(p).then(|| command(p, "git push origin main").or_else(also))?
        }),
        row(Code::UnsafeAction, |_, p| {
            let also = || is_stopped(p).then(|| lost("the runner was gone"))?;
            is_write(p).then(|| command(p, "git push origin main").or_else(also))?
        }),
        row(Code::UnsafeAction, |_, p| {
            let also = || is_stopped(p).then(|| failed(Code::AgentUnavailable))?;
            is_write(p).then(|| command(p, "git push origin main").or_else(also))?
        }),
        row(Code::UnsafeAction, |_, p| {
            is_review(p).then(|| command(p, "git push origin main"))?
        }),
        row(Code::UnsafeAction, |_, p| {
            let also = || review(p, Some("reviewer"), |label| answered(label, true));
            is_review(p).then(|| command(p, "git push origin main").or_else(also))?
        }),
        row(Code::GrantMissing, |_, p| {
            is_write(p).then(|| command(p, "npm install left-pad"))?
        }),
        row(Code::Livelock, |_, p| {
            let more = is_write(p) && !is_stopped(p) && p.live.thread.is_some();
            more.then(|| {
                Happening::Does(Activity::CommandStarted {
                    item: p.live.commands.to_string(),
                    command: "make".to_owned(),
                })
            })
        }),
        // What reviews show.
        row(Code::ReviewFailed, |_, p| review(p, Some("reviewer"), |_| not_json())),
        row(Code::ReviewFailed, |_, p| {
            review(p, Some("reviewer"), |_| ReviewEnd::Interrupted)
        }),
        row(Code::ReviewFailed, |_, p| {
            is_review(p).then(|| lost("the agent ended without a word"))?
        }),
        row(Code::ReviewFailed, |_, p| {
            review(p, None, |label| answered(label, true))
        }),
        row(Code::ReviewFailed, |_, p| {
            review(p, Some("writer"), |label| answered(label, true))
        }),
        row(Code::TreeMismatch, |_, p| {
            let Effect::TakeReview { label, .. } = &p.effect else {
                return None;
            };
            thread_of(p)?;
            shows(Observation::ReviewEnded {
                tree: TreeId(object(99)),
                end: answered(label, true),
                tokens: spent(1),
                thread: Some("reviewer".parse().unwrap()),
            })
        }),
        row(Code::AgentAuth, |_, p| {
            review(p, Some("reviewer"), |_| broken(AgentFailureClass::Auth))
        }),
        row(Code::RepairLimit, |_, p| {
            review(p, Some("reviewer"), |label| answered(label, false))
        }),
        // What stands in the way of a delivery.
        row(Code::ApprovalStale, |_, p| {
            matches!(p.effect, Effect::ConfirmConsent).then(|| {
                Happening::Shows(Observation::ConsentSeen {
                    consent: Consent::Changed {
                        path: "ledger/tickets/t/prompt.md".parse().unwrap(),
                    },
                })
            })
        }),
        row(Code::TreeMismatch, |run, p| {
            matches!(p.effect, Effect::PrepareDelivery { .. }).then(|| {
                Happening::Shows(Observation::DeliveryPrepared {
                    delivery: prepared(run.opened().delivery, TreeId(object(98))),
                })
            })
        }),
        row(Code::BranchNameTaken, |_, p| {
            matches!(p.effect, Effect::UpdateRef { .. }).then(|| {
                Happening::Shows(Observation::RefSeen {
                    value: Some(CommitId(object(97))),
                    contains_new: false,
                })
            })
        }),
        row(Code::BranchNameTaken, |_, p| {
            matches!(p.effect, Effect::UpdateRef { .. }).then(|| failed(Code::BranchNameTaken))?
        }),
        with_limits(Code::AcceptanceNeeded, wants_a_word, |_, _| None),
        row(Code::AnswerNeeded, |_, p| asking(p)),
        with_limits(Code::MaxIterations, one_iteration, |_, p| asking(p)),
    ]
}

/// A turn that ends with a question.
fn asking(pending: &Pending) -> Option<Happening> {
    turn(pending, |label| TurnEnd::Reported {
        report: asks(report(label, ReportStatus::Blocked)),
    })
}

fn wants_a_word(inputs: &mut Inputs) {
    inputs.policy = Policy::parse(b"[delivery]\naccept = \"required\"\n").unwrap();
}

pub(crate) fn run(delivery: DeliveryMode) -> Run {
    Run::open(start(), &opened(Mode::Standard, true, delivery, true)).unwrap()
}

/// The end of a curator's turn, once it has named its conversation.
pub(crate) fn curating(
    pending: &Pending,
    thread: Option<&str>,
    end: impl FnOnce(&str) -> CurationEnd,
) -> Option<Happening> {
    let Effect::TakeCuration { label, .. } = &pending.effect else {
        return None;
    };
    thread_of(pending)?;
    shows(Observation::CurationEnded {
        end: end(label),
        tokens: spent(1),
        thread: thread.map(|thread| thread.parse().unwrap()),
    })
}

pub(crate) fn is_curation(pending: &Pending) -> bool {
    matches!(pending.effect, Effect::TakeCuration { .. })
}

fn curation_failing(pending: &Pending, class: AgentFailureClass) -> Option<Happening> {
    curating(pending, Some("curator"), |_| broken(class))
}

#[test]
fn no_curator_holds_up_what_is_reviewed_and_every_reason_is_told() {
    use BlockerCode as Code;
    type Twists = [(&'static str, u64, fn(&mut Inputs), Twist); 9];
    let twists: Twists = [
        (
            "3 turns gave no answer that can be used; the last: `a`: it is not allowed",
            3,
            |_| {},
            |_, p| {
                curating(p, Some("curator"), |label| {
                    curated(label, vec![violation(Code::SecretFound)])
                })
            },
        ),
        (
            "3 turns gave no answer that can be used; the last: not JSON",
            3,
            |_| {},
            |_, p| curating(p, Some("curator"), |_| not_json()),
        ),
        (
            "3 turns gave no answer that can be used; the last: it was answered in the writer's conversation, or in none",
            3,
            |_| {},
            |_, p| curating(p, Some("writer"), |label| curated(label, Vec::new())),
        ),
        (
            "3 turns gave no answer that can be used; the last: it was answered in the writer's conversation, or in none",
            3,
            |_| {},
            |_, p| curating(p, None, |label| curated(label, Vec::new())),
        ),
        (
            "3 turns gave no answer that can be used; the last: it was interrupted",
            3,
            |_| {},
            |_, p| curating(p, Some("curator"), |_| CurationEnd::Interrupted),
        ),
        (
            "3 turns gave no answer that can be used; the last: no",
            3,
            |_| {},
            |_, p| curation_failing(p, AgentFailureClass::Server),
        ),
        ("no", 1, |_| {}, |_, p| curation_failing(p, AgentFailureClass::Auth)),
        ("the turn took 5m", 0, turns_of_five_minutes, |_, p| {
            is_curation(p).then(|| silent(p, 6))?
        }),
        (
            "no sign of life for 10m",
            0,
            |_| {},
            |_, p| is_curation(p).then(|| silent(p, 11))?,
        ),
    ];
    for (reason, turns, set_up, twist) in twists {
        let mut inputs = inputs(Limits::default(), false);
        set_up(&mut inputs);
        let (run, outcome, _) = drive(&mut World::with(twist), run(DeliveryMode::Branch), inputs, 0);
        assert_eq!(outcome, Outcome::Done, "{reason}");
        let notes = vec![format!("{MEMORY_NOT_UPDATED}{reason}")];
        let expected = PhaseEvidence::ContextCurated { notes, curation: None };
        assert_eq!(run.evidence(Phase::ContextCurated), Some(&expected));
        assert_eq!(run.curation(), None);
        assert!(run.totals().tokens.total >= 2 + turns, "{reason}");
    }
}

#[test]
fn a_curator_that_does_what_is_denied_ends_the_run() {
    let mut world = World::with(|_, p| is_curation(p).then(|| command(p, "git push origin main"))?);
    let (_, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    let Outcome::Blocked(blocker) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(blocker.code, BlockerCode::UnsafeAction);
}

#[test]
fn notes_that_are_refused_once_are_asked_for_again() {
    let mut world = World::with(|run, p| {
        let refused = run.attempt().is_some_and(|attempt| attempt.failed_curations == 0);
        curating(p, Some("curator"), |label| {
            let forbidden = refused.then(|| violation(BlockerCode::ScopeViolation));
            curated(label, forbidden.into_iter().collect())
        })
    });
    let (run, outcome, _) = drive(&mut world, run(DeliveryMode::Push), inputs(Limits::default(), false), 0);
    assert_eq!(outcome, Outcome::Done);
    let taken = run.curation().unwrap();
    let expected = PhaseEvidence::ContextCurated {
        notes: taken.lines(),
        curation: Some(taken.digest()),
    };
    assert_eq!(run.evidence(Phase::ContextCurated), Some(&expected));
}

#[test]
fn a_loop_ticket_goes_without_a_curator() {
    let mut world = World::with(|_, p| {
        assert!(!is_curation(p), "nobody asked for notes");
        None
    });
    let opened = opened(Mode::Loop, false, DeliveryMode::Branch, true);
    let run = Run::open(start(), &opened).unwrap();
    let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), false), 0);
    assert_eq!(outcome, Outcome::Done);
    let expected = PhaseEvidence::ContextCurated {
        notes: vec![NO_MEMORY_UPDATE.to_owned()],
        curation: None,
    };
    assert_eq!(run.evidence(Phase::ContextCurated), Some(&expected));
}

/// What stands in the way of a push.
fn push_rows() -> Vec<Row> {
    use BlockerCode as Code;
    vec![
        row(Code::RemoteUnreachable, |_, p| {
            matches!(p.effect, Effect::AskRemote { .. }).then(|| failed(Code::RemoteUnreachable))?
        }),
        row(Code::RemoteUnreachable, |_, p| {
            matches!(p.effect, Effect::Push { .. }).then(|| failed(Code::RemoteUnreachable))?
        }),
        with_limits(Code::UpstreamMoved, stops_when_moved, |_, p| remote(p, Some(97), false)),
        row(Code::UpstreamMoved, |_, p| remote(p, None, false)),
        // A target that never stands still.
        row(Code::UpstreamMoved, |run, p| {
            let next = 60 + u8::try_from(run.totals().rebases).unwrap();
            remote(p, Some(next), false)
        }),
        row(Code::UpstreamMoved, |run, p| match &p.effect {
            Effect::Rebase { .. } => failed(Code::UpstreamMoved),
            _ => (run.totals().rebases == 0).then(|| remote(p, Some(97), false))?,
        }),
        // It says so without end, and did not move.
        row(Code::PushRejected, |_, p| {
            matches!(p.effect, Effect::Push { .. }).then(|| {
                let reason = "cannot lock ref".to_owned();
                Happening::Shows(Observation::PushRefused { moved: true, reason })
            })
        }),
        row(Code::BaselineFailed, |run, p| match &p.effect {
            Effect::AskRemote { .. } => (run.totals().rebases == 0).then(|| remote(p, Some(97), false))?,
            _ => (run.totals().rebases > 0).then(|| checking(p, CheckPurpose::Baseline, false, false))?,
        }),
        row(Code::PushRejected, |_, p| {
            matches!(p.effect, Effect::Push { .. }).then(|| {
                let reason = "protected branch".to_owned();
                Happening::Shows(Observation::PushRefused { moved: false, reason })
            })
        }),
        // The remote says that it took the push, and does not have it.
        row(Code::PushRejected, |_, p| remote(p, Some(1), false)),
        row(Code::UpstreamMoved, |run, p| {
            (run.pushed().is_some()).then(|| remote(p, Some(97), false))?
        }),
        row(Code::ApprovalStale, |run, p| {
            let before_push = run.phase() == Some(Phase::Committed);
            (before_push && matches!(p.effect, Effect::ConfirmConsent)).then(|| {
                Happening::Shows(Observation::ConsentSeen {
                    consent: Consent::Changed {
                        path: "ledger/tickets/t/prompt.md".parse().unwrap(),
                    },
                })
            })
        }),
    ]
}

fn remote(pending: &Pending, value: Option<u8>, contains_new: bool) -> Option<Happening> {
    matches!(pending.effect, Effect::AskRemote { .. }).then(|| {
        Happening::Shows(Observation::RemoteSeen {
            value: value.map(|value| CommitId(object(value))),
            contains_new,
        })
    })
}

#[test]
fn a_change_whose_target_moved_is_checked_again_there_and_its_review_is_carried() {
    let mut world = World::with(|run, pending| {
        // In the first run before the branch is made, in the second by the push itself.
        let (late, pushes) = (run.opened().run.as_str() == "late", run.totals().pushes);
        if late && pushes == 1 && matches!(pending.effect, Effect::Push { .. }) {
            let reason = "stale info".to_owned();
            return shows(Observation::PushRefused { moved: true, reason });
        }
        let moves = run.totals().rebases == 0 && (!late || pushes == 1);
        moves.then(|| remote(pending, Some(97), false))?
    });
    for late in [false, true] {
        let Event::Opened(mut terms) = opened(Mode::Standard, true, DeliveryMode::Push, true) else {
            unreachable!()
        };
        if late {
            terms.run = "late".parse().unwrap();
        }
        let run = Run::open(start(), &Event::Opened(terms)).unwrap();
        let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), true), 0);
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(
            (run.base(), run.tree()),
            (Some(CommitId(object(97))), Some(TreeId(object(30))))
        );
        let checked = run.attempt().and_then(|attempt| attempt.checked.as_ref());
        assert_eq!(
            checked.map(|checked| Some(checked.tree)),
            Some(run.tree()),
            "it is checked again"
        );
        let Some(PhaseEvidence::IndependentReviewComplete { tree, carried_from, .. }) =
            run.evidence(Phase::IndependentReviewComplete)
        else {
            panic!("there is a review");
        };
        assert_eq!((Some(*tree), *carried_from), (run.tree(), Some(TreeId(object(10)))));
        let receipt = run.receipt().unwrap();
        assert_eq!((receipt.base, Some(receipt.tree)), (CommitId(object(97)), run.tree()));
        assert_eq!(
            run.placed().is_some(),
            late,
            "the branch that was made already is moved"
        );
    }
}

#[test]
fn nothing_is_pushed_before_the_remote_was_seen_at_the_base_and_the_consent_confirmed() {
    let mut world = World::honest().leaving(|run| run.phase() == Some(Phase::Committed));
    let (run, outcome, _) = drive(&mut world, run(DeliveryMode::Push), inputs(Limits::default(), false), 0);
    assert!(matches!(outcome, Outcome::Paused(_)));
    let at = run.last_at();
    let resumed = Event::Resumed {
        after: ResumeCause::Pause,
    };
    let run = run.applied(at, &resumed).unwrap();
    let delivery = run.prepared().unwrap().clone();
    let target = run.opened().target.clone().unwrap();
    let push = |old, new| {
        Event::Intended(Effect::Push {
            target: target.clone(),
            old,
            new,
        })
    };
    let seen = |run: &Run, value, contains_new| {
        let of = run.next_seq();
        let asked = run
            .applied(at, &Event::Intended(Effect::AskRemote { target: target.clone() }))
            .unwrap();
        let observation = Observation::RemoteSeen { value, contains_new };
        asked.applied(at, &Event::Observed { of, observation }).unwrap()
    };
    let confirmed = |run: &Run| {
        let of = run.next_seq();
        let asked = run.applied(at, &Event::Intended(Effect::ConfirmConsent)).unwrap();
        let observation = Observation::ConsentSeen {
            consent: Consent::Current,
        };
        asked.applied(at, &Event::Observed { of, observation }).unwrap()
    };
    let (base, records) = (delivery.base, delivery.records);
    run.applied(at, &push(base, records)).unwrap_err();
    confirmed(&run).applied(at, &push(base, records)).unwrap_err();
    let there = seen(&run, Some(base), false);
    there.applied(at, &push(base, records)).unwrap_err();
    let moved = seen(&confirmed(&run), Some(CommitId(object(97))), false);
    moved.applied(at, &push(base, records)).unwrap_err();
    let ready = confirmed(&there);
    ready.applied(at, &push(base, delivery.change)).unwrap_err();
    ready.applied(at, &push(records, records)).unwrap_err();
    ready.applied(at, &push(base, records)).unwrap();
    // And no phase is entered on the worker's or the runner's word alone.
    let entered = |new| {
        Event::Entered(PhaseEvidence::Pushed {
            remote: target.remote.clone(),
            name: target.name.clone(),
            old: Some(base),
            new,
        })
    };
    ready.applied(at, &entered(records)).unwrap_err();
    let held = seen(&run, Some(CommitId(object(98))), true);
    held.applied(at, &entered(delivery.change)).unwrap_err();
    let pushed = held.applied(at, &entered(records)).unwrap();
    let proved = |commit| {
        Event::Entered(PhaseEvidence::HeadEqualsUpstreamProved {
            remote: target.remote.clone(),
            name: target.name.clone(),
            commit,
        })
    };
    pushed.applied(at, &proved(records)).unwrap_err();
    seen(&pushed, Some(base), false).applied(at, &proved(base)).unwrap_err();
    seen(&pushed, Some(records), true)
        .applied(at, &proved(records))
        .unwrap();
}

#[test]
fn each_trouble_stops_the_run_with_its_code_and_keeps_the_work() {
    let to_branch = rows().into_iter().map(|row| (DeliveryMode::Branch, row));
    let to_remote = rows()
        .into_iter()
        .chain(push_rows())
        .map(|row| (DeliveryMode::Push, row));
    for (n, (delivery, row)) in to_branch.chain(to_remote).enumerate() {
        let mut inputs = inputs(Limits::default(), true);
        (row.set_up)(&mut inputs);
        let mut world = World::with(row.twist);

        let (mut run, outcome, _) = drive(&mut world, run(delivery), inputs.clone(), 0);

        let Outcome::Blocked(blocker) = outcome else {
            panic!("row {n}, {}: {outcome:?}", row.code);
        };
        assert_eq!(
            (blocker.code, blocker.resumable),
            (row.code, row.code.resumable()),
            "row {n}: {}",
            blocker.reason
        );
        assert!(run.stored().is_some(), "row {n}");
        let worked = run.totals().iterations > 0;
        assert!(!run.has_unmeasured_work(), "row {n}, {}", row.code);
        assert_eq!(!run.totals().trees.is_empty(), worked, "row {n}, {}", row.code);

        let resumed = Event::Resumed {
            after: ResumeCause::Blocker,
        };
        if !blocker.resumable {
            run.apply(run.last_at(), &resumed).unwrap_err();
            continue;
        }
        // Whoever mends the cause gets the change delivered by the same run.
        inputs.limits = Limits::default();
        let resumed = match row.code {
            BlockerCode::AcceptanceNeeded => {
                let by = "Ada".to_owned();
                let tree = run.tree();
                run.apply(run.last_at(), &Event::Accepted { by, tree }).unwrap();
                Event::Resumed {
                    after: ResumeCause::Pause,
                }
            }
            BlockerCode::AnswerNeeded => {
                let (question, answer) = (1, "right".to_owned());
                let by = Some("Ada".to_owned());
                run.apply(run.last_at(), &Event::QuestionAnswered { question, answer, by })
                    .unwrap();
                Event::Resumed {
                    after: ResumeCause::Pause,
                }
            }
            _ => resumed,
        };
        run.apply(run.last_at(), &resumed).unwrap();
        let (run, outcome, _) = drive(&mut world.mended(), run, inputs, 0);
        assert_eq!(outcome, Outcome::Done, "row {n}, {}: {outcome:?}", row.code);
        assert_eq!(run.receipt().map(|receipt| Some(receipt.tree)), Some(run.tree()));
    }
}

#[test]
fn a_ticket_that_nobody_wants_any_more_is_not_done_in_any_delivery_mode() {
    for delivery in [DeliveryMode::None, DeliveryMode::Branch, DeliveryMode::Push] {
        let mut world = World::with(|_, pending| {
            matches!(pending.effect, Effect::ConfirmConsent).then(|| {
                Happening::Shows(Observation::ConsentSeen {
                    consent: Consent::Canceled {
                        by: "Ada".to_owned(),
                        reason: "no longer wanted".to_owned(),
                    },
                })
            })
        });
        let (run, outcome, _) = drive(&mut world, run(delivery), inputs(Limits::default(), false), 0);
        assert_eq!((outcome, run.phase()), (Outcome::Canceled, Some(Phase::ContextCurated)));
    }
}

#[test]
fn an_agent_that_does_what_it_may_not_while_the_runner_leaves_stops_the_run() {
    let mut world = World::with(|_, pending| {
        (is_write(pending) && is_stopped(pending)).then(|| command(pending, "git push origin main"))?
    })
    .leaving(|run| run.pending().is_some_and(|p| is_write(p) && p.live.thread.is_some()));
    let (_, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    let Outcome::Blocked(blocker) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(blocker.code, BlockerCode::UnsafeAction);
}

#[test]
fn a_report_repair_that_was_interrupted_does_not_use_up_the_one_repair() {
    let mut world = World::with(|_, pending| {
        let reason = "not JSON".to_owned();
        is_write(pending).then(|| turn(pending, |_| TurnEnd::InvalidReport { reason }))?
    })
    .leaving(|run| {
        let repairs = |pending: &Pending| matches!(pending.effect, Effect::TakeTurn { .. }) && !is_write(pending);
        let first = run.totals().tokens == spent(1);
        first && run.pending().is_some_and(repairs)
    });
    let (run, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(
        run.totals().tokens,
        spent(5),
        "a turn, two repairs, a review and a curation"
    );
    assert_eq!(run.totals().iterations, 1);
}

#[test]
fn a_run_whose_end_could_not_be_stored_is_stored_when_it_is_taken_up() {
    let twist: Twist =
        |_, pending| matches!(pending.effect, Effect::StoreRun { .. }).then(|| failed(BlockerCode::NeedsPerson))?;
    let mut world = World::with(twist);
    let (mut run, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    assert_eq!((outcome, run.stored()), (Outcome::Done, None));
    let after = ResumeCause::Unstored;
    // Days later, and over its budget.
    let later = run.last_at() + SignedDuration::from_hours(100);
    run.apply(later, &Event::Resumed { after }).unwrap();
    let (run, outcome, _) = drive(&mut world.mended(), run, inputs(Limits::default(), false), 0);
    assert_eq!(outcome, Outcome::Done);
    assert!(run.stored().is_some());
}

#[test]
fn what_is_delivered_already_is_finished_over_any_budget() {
    let mut world = World::with(|_, pending| {
        let Effect::UpdateRef { new, .. } = &pending.effect else {
            return None;
        };
        let seen = Observation::RefSeen {
            value: Some(*new),
            contains_new: true,
        };
        Some(Happening::ShowsAfter(SignedDuration::from_hours(100), seen))
    });
    let (_, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    assert_eq!(outcome, Outcome::Done);
}

#[test]
fn what_was_delivered_nowhere_is_delivered_later_by_nobody_else_and_over_any_budget() {
    let nowhere = run(DeliveryMode::None);
    let (mut run, outcome, _) = drive(
        &mut World::with(|_, _| None),
        nowhere,
        inputs(Limits::default(), false),
        0,
    );
    assert_eq!(outcome, Outcome::Done);
    let earlier = run.receipt().unwrap().clone();
    let opened = Event::DeliveryOpened(DeliveryOpened {
        run: "r2".parse().unwrap(),
        foil: "0.1.0".to_owned(),
        delivery: DeliveryMode::Branch,
        receipt: earlier.digest(),
    });
    run.apply(run.last_at(), &opened).unwrap();
    let mut world = World::with(|_, pending| {
        let delivers = matches!(
            pending.effect,
            Effect::ConfirmConsent
                | Effect::PrepareDelivery { .. }
                | Effect::UpdateRef { .. }
                | Effect::StoreRun { .. }
        );
        assert!(delivers, "{:?}", pending.effect);
        None
    });
    let mut inputs = inputs(Limits::default(), false);
    inputs.limits.max_tokens = 1;
    let (run, outcome, _) = drive(&mut world, run, inputs, 0);
    assert_eq!(outcome, Outcome::Done);
    let receipt = run.receipt().unwrap();
    assert_eq!((receipt.tree, earlier.delivered), (earlier.tree, None));
    assert!(receipt.delivered.is_some());
    assert_eq!(
        receipt.delivers.as_ref().map(|delivers| &delivers.run),
        Some(&earlier.run)
    );
}
/// A run in rounds in a world with this twist, and how it ended.
fn in_rounds(twist: Twist) -> (Run, Outcome) {
    let run = Run::open(start(), &opened(Mode::BoundedRounds, true, DeliveryMode::Branch, true)).unwrap();
    let mut world = World::with(twist);
    let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), true), 0);
    (run, outcome)
}

/// The end of an advisor's turn, once it has named its conversation.
fn advising(pending: &Pending, end: impl FnOnce(&str) -> AdviceEnd) -> Option<Happening> {
    let Effect::TakeAdvice { tree, label } = &pending.effect else {
        return None;
    };
    shows(Observation::AdviceEnded {
        tree: *tree,
        end: end(label),
        tokens: spent(1),
        thread: Some(thread_of(pending)?),
    })
}

#[test]
fn rounds_end_with_the_code_of_what_ended_them() {
    use BlockerCode as Code;
    let rows: [(Code, &str, Twist); 7] = [
        (Code::MaxIterations, "5 rounds were not enough", |_, p| {
            advising(p, |label| advised(label, AdviceNext::Task, Vec::new()))
        }),
        (Code::AgentBlocked, "the advisor says: it is missing", |_, p| {
            advising(p, |label| advised(label, AdviceNext::Stop, Vec::new()))
        }),
        (
            Code::NoChanges,
            "the advisor says that there is nothing to do",
            |_, p| advising(p, |label| advised(label, AdviceNext::Done, Vec::new())),
        ),
        (Code::ReportInvalid, "3 turns of the advisor gave no advice", |_, p| {
            advising(p, |_| not_json())
        }),
        (
            Code::ScopeViolation,
            "3 answers of the advisor could not be followed",
            |_, p| {
                advising(p, |label| {
                    advised(label, AdviceNext::Task, vec![violation(Code::ScopeViolation)])
                })
            },
        ),
        // What passed on the base fails after the first round.
        (Code::ProofFailed, "round 1 broke the check `test`", |_, p| {
            checking(p, CheckPurpose::Proof, false, false)
        }),
        (Code::UnsafeAction, "pushes", |_, p| {
            matches!(p.effect, Effect::TakeAdvice { .. }).then(|| command(p, "git push origin main"))?
        }),
    ];
    for (code, reason, twist) in rows {
        let (run, outcome) = in_rounds(twist);
        let Outcome::Blocked(blocker) = outcome else {
            panic!("{code}: {outcome:?}");
        };
        assert_eq!(blocker.code, code, "{}", blocker.reason);
        assert!(blocker.reason.starts_with(reason), "{}", blocker.reason);
        assert!(run.rounds().len() <= 5);
    }
}

#[test]
fn a_done_beside_a_failing_check_is_asked_about_again_and_a_later_round_may_mend_it() {
    let run = Run::open(start(), &opened(Mode::BoundedRounds, true, DeliveryMode::Branch, true)).unwrap();
    // Nothing is known of the base, so that a failing check is no worse than before.
    let mut world = World::with(|run, p| {
        let rounds = run.rounds().len();
        match &p.effect {
            Effect::RunChecks { .. } if rounds == 1 => checking(p, CheckPurpose::Proof, false, false),
            Effect::TakeAdvice { .. } if rounds == 1 && run.failed_advice() == 1 => {
                advising(p, |label| advised(label, AdviceNext::Task, Vec::new()))
            }
            _ => None,
        }
    });
    let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), false), 0);
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(run.rounds().len(), 2);
}
