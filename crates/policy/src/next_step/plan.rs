//! From the discovered repository to a recorded plan.

use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, Effect, EndedPlan, Event, JudgedPlan, MAX_FAILED_ANSWERS, NotRequiredCode, PauseCause, Phase,
    PhaseEvidence, Plan, PlanStatus, ReaderEnd, Run, WantedGrant, wanted_lines,
};

use super::{FailedAnswer, blocked, enter, experts, not_required, turn_label};
use crate::inputs::{Inputs, Step};
use crate::wishes::grantable;

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
    let code = match &ended.end {
        ReaderEnd::Answered(judged) => return answered(run, judged, inputs, now),
        ReaderEnd::InvalidAnswer { .. } => BlockerCode::ReportInvalid,
        ReaderEnd::Failed { .. } => BlockerCode::AgentUnavailable,
        // Somebody interrupted the agent behind our back; the run waits for the next runner.
        ReaderEnd::Interrupted => {
            let cause = PauseCause::Stop;
            return Step::Record(Event::Paused { cause });
        }
    };
    let give_up = |tries, reason: &str| {
        let reason = format!("{tries} planning turns gave no plan; the last: {reason}");
        blocked(run, code, reason)
    };
    FailedAnswer::of(ended, tries).ask_again(run, inputs, now, || ask(run), give_up)
}

fn answered(run: &Run, JudgedPlan { plan, violations }: &JudgedPlan, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(step) = unplannable(run, plan, inputs) {
        return step;
    }
    let Some(first) = violations.first() else {
        return judged(run, plan, inputs, now);
    };
    let tries = run.totals().plans;
    if tries < MAX_FAILED_ANSWERS {
        // It is told what is forbidden.
        return ask(run);
    }
    let reason = format!("{tries} plans did not fit the ticket; in the last: {first}");
    blocked(run, first.code, reason)
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
    if let Some(step) = asks_for_grants(run, inputs, "planner", &plan.wanted_grants) {
        return Some(step);
    }
    let because = plan.blocked_because.trim();
    (plan.status == PlanStatus::Blocked)
        .then(|| blocked(run, BlockerCode::AgentBlocked, format!("the planner says: {because}")))
}

/// The end of a run in which an agent asks for what a person could grant. No ticket in quick mode grants anything: there the work is kept for a
/// standard one.
pub(super) fn asks_for_grants(run: &Run, inputs: &Inputs, who: &str, wanted: &[WantedGrant]) -> Option<Step> {
    let mode = run.opened().mode;
    let lines = wanted_lines(&inputs.grants, &grantable(&inputs.policy, mode, wanted))?;
    let lines: Vec<_> = lines.lines().map(|line| format!("`{line}`")).collect();
    let lines = lines.join(", ");
    Some(match mode.discipline().is_small {
        true => {
            let reason = format!(
                "the {who} asks for a grant, and no ticket in quick mode gives any; a standard one that gives all of it would say {lines}"
            );
            blocked(run, BlockerCode::QuickFlowEscalation, reason)
        }
        false => {
            let reason = format!(
                "the {who} asks for a grant that the ticket does not give; to give all of it, its `ticket.toml` would say {lines}"
            );
            blocked(run, BlockerCode::GrantMissing, reason)
        }
    })
}
