//! While an effect is under way: watch it, warn, interrupt, or wait.

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Blocker, BlockerCode, Duration, Effect, Event, Pending, Phase, PhaseEvidence, Run, TurnPurpose};

use super::enter;
use crate::commands::judge_command;
use crate::inputs::{Inputs, Step, is_hurried, signed};
use crate::limits::comes_near;
use crate::liveness::{self, cause_by_deeds, spent_turn};

pub(super) fn next(run: &Run, pending: &Pending, inputs: &Inputs, now: Timestamp) -> Step {
    if pending.stopped_for().is_some() {
        return Step::Wait { until: None };
    }
    // Also what the agent does while it is being ended because the runner is to leave.
    if let Some(effect) = interruption(run, inputs) {
        return Step::Start(effect);
    }
    if pending.interrupt.is_some() {
        return Step::Wait { until: None };
    }
    if let Some(step) = writer_assigned(run, pending) {
        return step;
    }
    if inputs.stop.is_some() && can_be_interrupted(&pending.effect) {
        return interrupt(pending, None);
    }
    if !is_agent_at_work(pending) {
        return Step::Wait { until: None };
    }
    if let Some(blocker) = spent_budget(run, inputs, now).or_else(|| spent_turn(&pending.live, &inputs.limits)) {
        return interrupt(pending, Some(blocker));
    }
    let deadlines = deadlines(run, pending, inputs);
    if let Some((_, blocker)) = deadlines.iter().find(|(deadline, _)| *deadline <= now) {
        return interrupt(pending, Some(blocker.clone()));
    }
    if let Some(message) = warning(run, pending, inputs, now) {
        return Step::Record(Event::Warned { message });
    }
    Step::Wait {
        until: deadlines.into_iter().map(|(deadline, _)| deadline).min(),
    }
}

/// The interruption that the agent under way calls for by what it was seen doing, if it was not asked for already. [`next_step`]
/// gives it as a step; whoever takes up what a runner that died left records it too, although there is nothing left to
/// interrupt: nothing may come of such a turn.
///
/// [`next_step`]: crate::next_step
pub fn interruption(run: &Run, inputs: &Inputs) -> Option<Effect> {
    let pending = run.pending()?;
    if !is_agent_at_work(pending) || pending.stopped_for().is_some() {
        return None;
    }
    let because = misbehaviour(run, pending, inputs)?;
    Some(Effect::Interrupt {
        of: pending.seq,
        because: Some(because),
    })
}

/// While something is under way after the end of a run.
pub(super) fn at_the_end(pending: &Pending, inputs: &Inputs) -> Step {
    let is_command = matches!(pending.effect, Effect::RunHook { .. } | Effect::Notify { .. });
    if is_command && is_hurried(inputs.stop) && pending.interrupt.is_none() {
        return interrupt(pending, None);
    }
    Step::Wait { until: None }
}

fn is_agent_at_work(pending: &Pending) -> bool {
    matches!(
        pending.effect,
        Effect::TakePlan { .. }
            | Effect::TakeAdvice { .. }
            | Effect::TakeTurn { .. }
            | Effect::TakeReview { .. }
            | Effect::AskExpert { .. }
            | Effect::TakeCuration { .. }
    )
}

fn interrupt(pending: &Pending, because: Option<Blocker>) -> Step {
    Step::Start(Effect::Interrupt {
        of: pending.seq,
        because,
    })
}

fn can_be_interrupted(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::PreparePlaces { .. }
            | Effect::TakePlan { .. }
            | Effect::TakeAdvice { .. }
            | Effect::TakeTurn { .. }
            | Effect::TakeReview { .. }
            | Effect::AskExpert { .. }
            | Effect::TakeCuration { .. }
            | Effect::RunChecks { .. }
            | Effect::CompareTests { .. }
            | Effect::RunHook { .. }
            | Effect::AskRemote { .. }
            | Effect::Push { .. }
            | Effect::Rebase { .. }
    )
}

/// The writer is assigned once it has named its conversation.
fn writer_assigned(run: &Run, pending: &Pending) -> Option<Step> {
    let writes = matches!(
        pending.effect,
        Effect::TakeTurn {
            purpose: TurnPurpose::Write,
            ..
        }
    );
    if !writes || run.phase() != Some(Phase::RepositoryTicketRecorded) {
        return None;
    }
    assigned(run)
}

/// The step that enters `writer_assigned`, where an agent has answered in this iteration.
pub(super) fn assigned(run: &Run) -> Option<Step> {
    let attempt = run.attempt()?;
    let started = attempt.thread.as_ref()?;
    Some(enter(PhaseEvidence::WriterAssigned {
        iteration: attempt.n,
        agent: started.agent.clone(),
        thread: started.thread.clone(),
    }))
}

fn misbehaviour(run: &Run, pending: &Pending, inputs: &Inputs) -> Option<Blocker> {
    if let Some(blocker) = cause_by_deeds(&pending.live, &inputs.limits) {
        return Some(blocker);
    }
    pending.live.open_commands.values().find_map(|command| {
        let violation = judge_command(&command.command, &inputs.policy, &inputs.grants)?;
        let is_small = run.opened().mode.discipline().is_small;
        Some(match violation.code {
            // Its hint would be to grant it, and no ticket in quick mode can.
            BlockerCode::GrantMissing if is_small => {
                let reason = format!(
                    "the worker begins a command that needs a grant, and no ticket in quick mode gives any: it {}",
                    violation.detail
                );
                Blocker::new(BlockerCode::QuickFlowEscalation, reason)
            }
            code => Blocker::new(code, violation.detail),
        })
    })
}

/// Tokens and time of the whole run.
pub(super) fn spent_budget(run: &Run, inputs: &Inputs, now: Timestamp) -> Option<Blocker> {
    let limits = &inputs.limits;
    let tokens = run.tokens().total;
    if tokens >= limits.max_tokens {
        let reason = format!("the run has spent {tokens} tokens of at most {}", limits.max_tokens);
        return Some(Blocker::new(BlockerCode::BudgetExhausted, reason));
    }
    if active(run, now) >= signed(limits.max_wall) {
        let reason = format!("the run has been worked on for {}", limits.max_wall);
        return Some(Blocker::new(BlockerCode::BudgetExhausted, reason));
    }
    None
}

fn active(run: &Run, now: Timestamp) -> SignedDuration {
    run.active()
        .saturating_add(now.duration_since(run.last_at()).max(SignedDuration::ZERO))
}

/// What ends the turn, and when, if nothing happens.
fn deadlines(run: &Run, pending: &Pending, inputs: &Inputs) -> Vec<(Timestamp, Blocker)> {
    let limits = &inputs.limits;
    let mut deadlines = liveness::deadlines(&pending.live, pending.since, limits);
    let left = signed(limits.max_wall).saturating_sub(run.active());
    let wall = run.last_at().checked_add(left).unwrap_or(Timestamp::MAX);
    let reason = format!("the run has been worked on for {}", limits.max_wall);
    deadlines.push((wall, Blocker::new(BlockerCode::BudgetExhausted, reason)));
    deadlines
}

/// A limit that comes near, said once.
fn warning(run: &Run, pending: &Pending, inputs: &Inputs, now: Timestamp) -> Option<String> {
    let limits = &inputs.limits;
    let percent = limits.soft_percent;
    let near = |spent, limit| comes_near(spent, limit, percent);
    let is_late = |spent: SignedDuration, limit: Duration| {
        let seconds = u64::try_from(spent.as_secs()).unwrap_or(0);
        near(seconds, limit.as_seconds())
    };
    let turn_tokens = limits.turn_tokens.unwrap_or(u64::MAX);
    let warnings = [
        (
            near(pending.live.spent.total, turn_tokens),
            format!("{percent} % of the {turn_tokens} tokens of a turn are spent"),
        ),
        (
            near(run.tokens().total, limits.max_tokens),
            format!("{percent} % of {} tokens are spent", limits.max_tokens),
        ),
        (
            is_late(now.duration_since(pending.since), limits.turn_timeout),
            format!("{percent} % of the {} of a turn are over", limits.turn_timeout),
        ),
        (
            is_late(active(run, now), limits.max_wall),
            format!("{percent} % of {} are over", limits.max_wall),
        ),
    ];
    warnings
        .into_iter()
        .find(|(near, message)| *near && !run.totals().warnings.contains(message))
        .map(|(_, m)| m)
}
