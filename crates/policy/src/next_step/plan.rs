//! From the discovered repository to a recorded plan.

use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, Effect, EndedPlan, Event, MAX_FAILED_ANSWERS, NotRequiredCode, PauseCause, Phase,
    PhaseEvidence, Plan, PlanEnd, PlanStatus, Run, wanted_lines,
};

use super::write::stops_at_once;
use super::{FailedAnswer, blocked, enter, experts, not_required, turn_label};
use crate::inputs::{Inputs, Step};

pub(super) fn next(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    if !run.opened().plan {
        return match inputs.start.plan {
            Some(plan) => enter(PhaseEvidence::PlanRecorded { plan }),
            None => not_required(
                Phase::PlanRecorded,
                NotRequiredCode::NoPlan,
                "the mode goes without a plan",
            ),
        };
    }
    match run.plan() {
        None => ask(run),
        Some(ended) => after(run, ended, inputs, now),
    }
}

fn ask(run: &Run) -> Step {
    Step::Start(Effect::TakePlan {
        label: turn_label(run, "plan"),
    })
}

fn after(run: &Run, ended: &EndedPlan, inputs: &Inputs, now: Timestamp) -> Step {
    let tries = run.totals().plans;
    let again = |code, reason: &str| {
        let failed = FailedAnswer { tries, at: ended.at };
        let gave = |tries| format!("{tries} planning turns gave no plan; the last: {reason}");
        failed.ask_again(inputs, now, || ask(run), |tries| blocked(run, code, gave(tries)))
    };
    match &ended.end {
        PlanEnd::Answered { plan, violations } => {
            if let Some(step) = unplannable(run, plan, inputs) {
                return step;
            }
            let Some(first) = violations.first() else {
                return judged(run, plan, inputs, now);
            };
            if tries < MAX_FAILED_ANSWERS {
                // It is told what is forbidden.
                return ask(run);
            }
            let place = first
                .path
                .as_ref()
                .map(|path| format!("`{path}`: "))
                .unwrap_or_default();
            let reason = format!(
                "{tries} plans did not fit the ticket; in the last: {place}{}",
                first.detail
            );
            blocked(run, first.code, reason)
        }
        PlanEnd::InvalidAnswer { reason } => again(BlockerCode::ReportInvalid, reason),
        PlanEnd::Failed { failure } => match stops_at_once(failure.class) {
            Some(code) => blocked(run, code, failure.message.clone()),
            None => again(BlockerCode::AgentUnavailable, &failure.message),
        },
        // Somebody interrupted the agent behind our back; the run waits for the next runner.
        PlanEnd::Interrupted => Step::Record(Event::Paused {
            cause: PauseCause::Stop,
        }),
    }
}

/// A plan that fits the ticket is recorded once the experts let it proceed whom the ticket names.
fn judged(run: &Run, plan: &Plan, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(step) = experts::of_plan(run, inputs, now) {
        return step;
    }
    if !run.plan_is_refused() {
        return enter(PhaseEvidence::PlanRecorded { plan: plan.digest() });
    }
    let tries = run.totals().plans;
    if tries < MAX_FAILED_ANSWERS {
        // It is told what they have found.
        return ask(run);
    }
    let findings = run.plan_findings();
    let first = findings
        .iter()
        .find_map(|(judge, findings)| Some((judge, findings.first()?)));
    let first = first.map_or_else(String::new, |(judge, finding)| {
        format!(
            "; in the last, `{judge}` says of {}: {}",
            finding.place, finding.required_repair
        )
    });
    let blocker = Blocker {
        resumable: false,
        next_step: "read what the experts say with `foil review <ticket>`, change the ticket and approve it again"
            .to_owned(),
        ..Blocker::new(
            BlockerCode::ReviewFailed,
            format!("experts let none of {tries} plans proceed{first}"),
        )
    };
    Step::Record(Event::Blocked(blocker))
}

/// The end of a run whose planner says that the ticket cannot be done as it is.
fn unplannable(run: &Run, plan: &Plan, inputs: &Inputs) -> Option<Step> {
    if let Some(lines) = wanted_lines(&inputs.grants, &plan.wanted_grants) {
        return Some(blocked(run, BlockerCode::GrantMissing, asked_for("planner", &lines)));
    }
    let because = plan.blocked_because.trim();
    (plan.status == PlanStatus::Blocked)
        .then(|| blocked(run, BlockerCode::AgentBlocked, format!("the planner says: {because}")))
}

/// What a person reads who could grant it.
pub(super) fn asked_for(who: &str, lines: &str) -> String {
    let lines: Vec<_> = lines.lines().map(|line| format!("`{line}`")).collect();
    format!(
        "the {who} asks for a grant that the ticket does not give; to give all of it, its `ticket.toml` would say {}",
        lines.join(", ")
    )
}
