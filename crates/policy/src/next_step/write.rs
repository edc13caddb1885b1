//! From the recorded ticket to a finished turn.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ledger_core::{
    AgentFailure, AgentFailureClass, Attempt, Blocker, BlockerCode, ChangedTests, CheckPurpose, CheckResult, Effect,
    EndedTurn, Event, IterationCause, MeasuredChange, PauseCause, Phase, PhaseEvidence, Report, ReportStatus, Run,
    TurnEnd, TurnPurpose, Violation,
};

use super::plan::asks_for_grants;
use super::{and_more, blocked, enter, places, questions, rounds, stopped, turn_label, under_way, wait_after};
use crate::config::GateLevel;
use crate::inputs::{Inputs, Step};

pub(super) fn next(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(step) = places(run) {
        return step;
    }
    let Some(attempt) = run.attempt() else {
        return before_the_first(run, inputs, now);
    };
    match &attempt.turn {
        None => take_turn(run, attempt),
        Some(turn) => after_turn(run, attempt, turn, inputs, now),
    }
}

fn before_the_first(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    match run.baseline() {
        None if !inputs.baseline.is_empty() => Step::Start(Effect::RunChecks {
            purpose: CheckPurpose::Baseline,
            tree: inputs.start.base_tree,
            checks: inputs.baseline.clone(),
        }),
        results => results
            .and_then(|results| baseline_failed(run, results))
            .unwrap_or_else(|| {
                if run.opened().max_rounds.is_some() {
                    return rounds::begin(run, inputs, now);
                }
                Step::Record(Event::IterationStarted {
                    n: 1,
                    cause: IterationCause::First,
                })
            }),
    }
}

/// The end of a run whose base does not pass its own checks.
pub(super) fn baseline_failed(run: &Run, results: &[CheckResult]) -> Option<Step> {
    let failed: Vec<_> = failed(results).map(failed_on_the_base).collect();
    (!failed.is_empty()).then(|| {
        let reason = format!("on the base, before any change: {}", failed.join(", "));
        blocked(run, BlockerCode::BaselineFailed, reason)
    })
}

fn failed_on_the_base(result: &CheckResult) -> String {
    let CheckResult {
        name, outcome, tests, ..
    } = result;
    match tests.as_ref().filter(|tests| !tests.tells_all()) {
        // Which of them are new could not be told later.
        Some(tests) => format!("`{name}` ({outcome}, {} failing tests)", tests.failed),
        None => format!("`{name}` ({outcome})"),
    }
}

pub(super) fn failed(results: &[CheckResult]) -> impl Iterator<Item = &CheckResult> {
    results.iter().filter(|result| !result.passed())
}

/// The conversation goes on from turn to turn, unless it no longer fits into the model.
fn take_turn(run: &Run, attempt: &Attempt) -> Step {
    let outgrown = matches!(&attempt.cause, Some(IterationCause::TurnFailed { reason }) if reason == CONTEXT_FULL);
    Step::Start(Effect::TakeTurn {
        iteration: attempt.n,
        purpose: TurnPurpose::Write,
        label: turn_label(run, "turn"),
        thread: run.writer().filter(|_| !outgrown).cloned(),
    })
}

/// How often a conversation may run full that has begun with the prompt, before it is said that the prompt does not fit. Once may be chance: by
/// what the worker read.
const MAX_MISFITS: u32 = 2;

const CONTEXT_FULL: &str = "the conversation no longer fits into the model";

fn after_turn(run: &Run, attempt: &Attempt, turn: &EndedTurn, inputs: &Inputs, now: Timestamp) -> Step {
    if let (Phase::RepositoryTicketRecorded, Some(step)) = (
        run.phase().unwrap_or(Phase::RepositoryTicketRecorded),
        under_way::assigned(run),
    ) {
        return step;
    }
    match &turn.end {
        TurnEnd::InvalidReport { .. } if attempt.report_repairs == 0 => Step::Start(Effect::TakeTurn {
            iteration: attempt.n,
            purpose: TurnPurpose::RepairReport,
            label: turn_label(run, "report"),
            thread: run.writer().cloned(),
        }),
        TurnEnd::Failed { failure } => after_failure(run, failure, turn.at, inputs, now),
        // Somebody interrupted the agent behind our back; the run waits for the next runner.
        TurnEnd::Interrupted => Step::Record(Event::Paused {
            cause: PauseCause::Stop,
        }),
        TurnEnd::InvalidReport { reason } => blocked(run, BlockerCode::ReportInvalid, reason.clone()),
        TurnEnd::Reported { report } => match &attempt.measured {
            Some(measured) => after_report(run, report, measured, inputs, now),
            None => Step::Start(Effect::MeasureChanges { iteration: attempt.n }),
        },
    }
}

fn after_failure(run: &Run, failure: &AgentFailure, at: Timestamp, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(blocker) = stops_at_once(failure) {
        return stopped(run, blocker);
    }
    let misfits = run.totals().misfits;
    if misfits >= MAX_MISFITS {
        let reason = format!(
            "the prompt does not fit into the model: {misfits} conversations in a row that began with it ran full; the last: {}",
            failure.message
        );
        return blocked(run, BlockerCode::ContextOverBudget, reason);
    }
    let failures = run.totals().runner_failures;
    if failures >= inputs.limits.runner_failures {
        let reason = format!("{failures} turns in a row failed; the last one: {}", failure.message);
        // Whose fault it is says whether it passes by itself.
        let code = match failure.class {
            AgentFailureClass::Server | AgentFailureClass::Connection => BlockerCode::AgentUnavailable,
            _ => BlockerCode::RunnerFailureLimit,
        };
        return blocked(run, code, reason);
    }
    if failures > 0
        && let Some(wait) = wait_after(at, failures, now)
    {
        return wait;
    }
    let reason = match failure.class {
        AgentFailureClass::ContextWindow => CONTEXT_FULL.to_owned(),
        _ => failure.message.clone(),
    };
    another_iteration(run, inputs, IterationCause::TurnFailed { reason })
}

/// Failures that another turn does not mend.
pub(super) fn stops_at_once(failure: &AgentFailure) -> Option<Blocker> {
    let code = match failure.class {
        AgentFailureClass::Auth => BlockerCode::AgentAuth,
        AgentFailureClass::RateLimited | AgentFailureClass::UsageLimit => BlockerCode::AgentRateLimited,
        AgentFailureClass::ModelUnavailable => BlockerCode::AgentModelUnavailable,
        AgentFailureClass::Sandbox => BlockerCode::SandboxUnavailable,
        AgentFailureClass::Unavailable => BlockerCode::AgentUnavailable,
        AgentFailureClass::Refused | AgentFailureClass::BadRequest => BlockerCode::AgentRefused,
        AgentFailureClass::ContextWindow
        | AgentFailureClass::Server
        | AgentFailureClass::Connection
        | AgentFailureClass::Crashed
        | AgentFailureClass::Protocol
        | AgentFailureClass::Other => return None,
    };
    Some(Blocker {
        retry_at: failure.resets_at,
        ..Blocker::new(code, failure.message.clone())
    })
}

fn after_report(run: &Run, report: &Report, measured: &MeasuredChange, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(step) = after_violations(run, &measured.violations) {
        return step;
    }
    if report.status == ReportStatus::Blocked {
        if let Some(step) = asks_for_grants(run, inputs, "worker", &report.wanted_grants) {
            return step;
        }
        if let Some(question) = report.asks() {
            return questions::next(run, question, inputs, now);
        }
        let reason = if report.blocked_because.is_empty() {
            &report.summary
        } else {
            &report.blocked_because
        };
        return blocked(run, BlockerCode::AgentBlocked, format!("the worker says: {reason}"));
    }
    // Whether there is more to do is the advisor's to say, where there is one.
    let has_advisor = run.round().is_some();
    if report.status == ReportStatus::InProgress && !has_advisor && !stand_alone(run, inputs) {
        return another_iteration(run, inputs, IterationCause::MoreToDo);
    }
    if run.opened().mode.discipline().may_change && measured.change.counts.total() == 0 {
        return blocked(
            run,
            BlockerCode::NoChanges,
            "the worker says that the ticket is done, and no file differs",
        );
    }
    if let Some(refused) = measured.same_as {
        let reason = format!(
            "what the worker gives as the repair is no other change than tree {}, which was refused: they differ in layout at most",
            refused.short()
        );
        return blocked(run, BlockerCode::RepairLimit, reason);
    }
    let Some(attempt) = run.attempt().filter(|attempt| attempt.thread.is_some()) else {
        return blocked(
            run,
            BlockerCode::AgentUnavailable,
            "the agent reported without having named its conversation",
        );
    };
    enter(PhaseEvidence::ImplementationComplete {
        iteration: attempt.n,
        change: measured.change.clone(),
        report: report.clone(),
        tokens: run.totals().tokens,
    })
}

/// Whether the worker has written tests and nothing else, which the policy wants to see fail before it goes on.
fn stand_alone(run: &Run, inputs: &Inputs) -> bool {
    let wanted = inputs.gates.tdd != GateLevel::Off && run.tests_alone().is_none() && !run.opened().checks.is_empty();
    wanted && run.changed_tests().is_some_and(ChangedTests::is_tests_alone)
}

/// Stops where anything is forbidden about the change, with the first violation. Where quick mode has become too small for it,
/// that is the reason, unless something is forbidden that a standard ticket could not allow either.
fn after_violations(run: &Run, violations: &[Violation]) -> Option<Step> {
    let first = violations.first()?;
    let escalates = |violation: &&Violation| violation.code == BlockerCode::QuickFlowEscalation;
    let is_graver = |violation: &&Violation| {
        !matches!(
            violation.code,
            BlockerCode::QuickFlowEscalation | BlockerCode::ScopeViolation | BlockerCode::GrantMissing
        )
    };
    let leading = if violations.iter().any(|violation| escalates(&violation)) {
        match violations.iter().find(is_graver) {
            Some(graver) => graver,
            None => {
                let reason = escalation(violations.iter().filter(escalates));
                return Some(blocked(run, BlockerCode::QuickFlowEscalation, reason));
            }
        }
    } else {
        first
    };
    let more = and_more(violations.len().saturating_sub(1));
    Some(blocked(run, leading.code, format!("{leading}{more}")))
}

/// Every line that was crossed, each with the first place where it was.
fn escalation<'a>(violations: impl Iterator<Item = &'a Violation>) -> String {
    let mut triggers: BTreeMap<&str, String> = BTreeMap::new();
    let (mut more, mut rest) = (0, String::new());
    for violation in violations {
        // What counts the violations that are not listed names no line.
        let Some((trigger, _)) = violation.detail.split_once(": ") else {
            rest = format!("; {}", violation.detail);
            continue;
        };
        if triggers.contains_key(trigger) {
            more += 1;
            continue;
        }
        let place = match &violation.path {
            // A path may be long; in the violation itself it is whole.
            Some(path) => format!("`{}`: ", path.to_string().chars().take(120).collect::<String>()),
            None => String::new(),
        };
        triggers.insert(trigger, format!("{place}{}", violation.detail));
    }
    let listed = triggers.into_values().collect::<Vec<_>>().join("; ");
    let more = and_more(more);
    format!("the change is more than quick mode allows: {listed}{more}{rest}")
}

/// The end of a run that comes no nearer to its own. Asked where another turn would follow: what is done is done, whichever tree it is.
pub(super) fn no_progress(run: &Run, inputs: &Inputs) -> Option<Step> {
    let repeated = run.totals().repeated_trees;
    let may_change = run.opened().mode.discipline().may_change;
    (may_change && repeated >= inputs.limits.no_progress).then(|| {
        let reason = format!("{repeated} iterations in a row ended in trees that had occurred before");
        blocked(run, BlockerCode::NoProgressLimit, reason)
    })
}

/// Another iteration, unless there were enough.
pub(super) fn another_iteration(run: &Run, inputs: &Inputs, cause: IterationCause) -> Step {
    // A turn that failed, or that asks, had not its say.
    let had_its_say = !matches!(
        cause,
        IterationCause::TurnFailed { .. } | IterationCause::Answered { .. }
    );
    if had_its_say && let Some(step) = no_progress(run, inputs) {
        return step;
    }
    let taken = run.totals().iterations;
    if taken >= inputs.limits.max_iterations {
        return blocked(
            run,
            BlockerCode::MaxIterations,
            format!("{taken} iterations were not enough"),
        );
    }
    Step::Record(Event::IterationStarted { n: taken + 1, cause })
}
