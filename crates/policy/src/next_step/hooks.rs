//! When a hook is due. What ran already is known from the journal, also where its end was not seen: then it is not run again.

use ledger_core::{BlockerCode, Effect, Event, HookEnd, HookPoint, Phase, RanHook, Run, State, TurnPurpose};

use super::{blocked, places};
use crate::config::HookFailure;
use crate::inputs::{Inputs, Step, is_hurried};

/// The step, or the hook that comes before it.
pub(super) fn before(run: &Run, inputs: &Inputs, step: Step) -> Step {
    let Some(hook) = hook_before(run, &step) else {
        return step;
    };
    if inputs.policy.hooks.command(hook).is_none() || run.delivers().is_some() {
        return step;
    }
    let blocks = inputs.policy.hooks.failure == HookFailure::Block;
    match run.hook_of_iteration(hook) {
        None => start(run, inputs, hook),
        Some(ran) if !blocks || ran.end.succeeded() => step,
        Some(ran) if ran.is_seen && ran.end == HookEnd::Unknown => step,
        Some(ran) if ran.is_seen => start(run, inputs, hook),
        // Why the run stops anyhow is graver.
        Some(_) if matches!(step, Step::Record(Event::Blocked(_))) => step,
        Some(ran) => blocked(run, BlockerCode::HookFailed, words(ran)),
    }
}

fn hook_before(run: &Run, step: &Step) -> Option<HookPoint> {
    let writes = matches!(
        step,
        Step::Start(Effect::TakeTurn {
            purpose: TurnPurpose::Write,
            ..
        })
    );
    if writes {
        return Some(HookPoint::PreIteration);
    }
    let has_turn = run.attempt().is_some_and(|attempt| attempt.turn.is_some());
    let is_over = match step {
        Step::Record(Event::IterationStarted { .. } | Event::RepairStarted { .. }) => true,
        Step::Record(Event::Entered(evidence)) => evidence.phase() == Phase::FocusedTestsPassed,
        Step::Record(Event::NotRequired { phase, .. }) => *phase == Phase::FocusedTestsPassed,
        // Where the run can go on, so does the iteration.
        Step::Record(Event::Blocked(blocker)) => !blocker.resumable && run.phase() < Some(Phase::GitDeliveryStarted),
        _ => false,
    };
    (has_turn && is_over).then_some(HookPoint::PostIteration)
}

fn start(run: &Run, inputs: &Inputs, hook: HookPoint) -> Step {
    places(run).unwrap_or_else(|| Step::Start(effect(run, inputs, hook)))
}

fn effect(run: &Run, inputs: &Inputs, hook: HookPoint) -> Effect {
    Effect::RunHook {
        hook,
        iteration: run.totals().iterations,
        tree: run.kept_tree().unwrap_or(inputs.start.base_tree),
    }
}

fn words(ran: &RanHook) -> String {
    let RanHook {
        hook, iteration, end, ..
    } = ran;
    let printed = match end {
        HookEnd::Ended(result) => result.output.tail.trim(),
        HookEnd::NotRun { .. } | HookEnd::Unknown => "",
    };
    let printed = match printed.lines().last() {
        Some(last) => format!("; it printed last: {last}"),
        None => String::new(),
    };
    format!("the hook `{hook}` of iteration {iteration}: {end}{printed}")
}

/// The hook of an end, which comes once it is recorded and can change nothing about it. Whoever has asked the runner to leave does not wait for it.
pub(super) fn after_end(run: &Run, inputs: &Inputs) -> Option<Step> {
    let hook = match run.state() {
        State::Done => HookPoint::OnCompleted,
        State::Blocked(_) => HookPoint::OnBlocked,
        State::Climbing | State::Paused { .. } | State::Canceled { .. } => return None,
    };
    inputs.policy.hooks.command(hook)?;
    run.base()?;
    let is_due = run.delivers().is_none() && run.hook_of_end(hook).is_none() && !is_hurried(inputs.stop);
    is_due.then(|| Step::Start(effect(run, inputs, hook)))
}
