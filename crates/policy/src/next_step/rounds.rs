//! Rounds: an advisor names one task, the worker does it, the checks show what came of it.

use jiff::Timestamp;
use ledger_core::{
    Advice, AdviceNext, Blocker, BlockerCode, CheckResult, CheckedTree, Effect, EndedReader, Event, IterationCause,
    JudgedAdvice, MAX_FAILED_ANSWERS, PauseCause, ReaderEnd, Run, TreeId,
};

use super::write::no_progress;
use super::{FailedAnswer, blocked, stopped, turn_label};
use crate::inputs::{Inputs, Step};

/// What comes before the first turn of the worker.
pub(super) fn begin(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    let failing = failing(run.baseline().unwrap_or_default());
    advised(run, inputs.start.base_tree, &failing, inputs, now).unwrap_or_else(|| {
        blocked(
            run,
            BlockerCode::NoChanges,
            "the advisor says that there is nothing to do",
        )
    })
}

/// What comes after the checks of a round; none: the advisor says that all is done, and they pass.
pub(super) fn after_checks(run: &Run, checked: &CheckedTree, inputs: &Inputs, now: Timestamp) -> Option<Step> {
    if let Some(step) = worse(run, checked) {
        return Some(step);
    }
    advised(run, checked.tree, &failing(&checked.results), inputs, now)
}

fn failing(results: &[CheckResult]) -> Vec<&str> {
    let failed = results.iter().filter(|result| !result.passed());
    failed.map(|result| result.name.as_str()).collect()
}

/// The end of a run in which a round broke what had been proved before it. The earlier checkpoint stays where it is.
fn worse(run: &Run, checked: &CheckedTree) -> Option<Step> {
    let round = run.round()?;
    let before = run.checkpoint();
    let passed_before = |name: &str| before.iter().any(|result| result.name == name && result.passed());
    let broken = checked
        .results
        .iter()
        .find(|result| !result.passed() && passed_before(&result.name))?;
    let earlier = run.rounds().iter().rev().find(|earlier| earlier.n < round.n);
    let earlier = earlier.and_then(|earlier| Some((earlier.n, earlier.tree?)));
    let kept = match earlier {
        Some((n, tree)) => format!("tree {tree} of round {n}"),
        None => "the base".to_owned(),
    };
    let reason = format!(
        "round {} broke the check `{}`, which passed before it on {kept}, and that is kept",
        round.n, broken.name
    );
    // Nothing that could overwrite what is in the work tree: Git refuses to apply what does not fit.
    let back = match (earlier, run.base()) {
        (Some((_, tree)), Some(base)) => format!(
            "`git diff {} {} | git apply` puts the change as it was before that round into your work tree; ",
            base.short(),
            tree.short()
        ),
        _ => String::new(),
    };
    let blocker = Blocker {
        next_step: format!(
            "{back}`foil review <ticket>` lists the rounds with their trees; `foil run <ticket>` begins a new run at the base, and \
             `foil run --from-rescue <ticket>` one with the work of the last round"
        ),
        ..Blocker::new(BlockerCode::ProofFailed, reason)
    };
    Some(stopped(run, blocker))
}

/// What follows from advice about this tree, which is asked for where there is none; none: all is done.
fn advised(run: &Run, tree: TreeId, failing: &[&str], inputs: &Inputs, now: Timestamp) -> Option<Step> {
    let ask = || {
        Step::Start(Effect::TakeAdvice {
            tree,
            label: turn_label(run, "advice"),
        })
    };
    let Some(ended) = run.advice().filter(|ended| ended.tree == tree) else {
        return Some(ask());
    };
    let turn = &ended.turn;
    let code = match &turn.end {
        ReaderEnd::Answered(judged) => return answered(run, turn, judged, failing, inputs, ask),
        ReaderEnd::InvalidAnswer { .. } => BlockerCode::ReportInvalid,
        ReaderEnd::Failed { .. } => BlockerCode::AgentUnavailable,
        // Somebody interrupted the agent behind our back; the run waits for the next runner.
        ReaderEnd::Interrupted => {
            let cause = PauseCause::Stop;
            return Some(Step::Record(Event::Paused { cause }));
        }
    };
    let give_up = |tries, reason: &str| {
        let reason = format!("{tries} turns of the advisor gave no advice; the last: {reason}");
        blocked(run, code, reason)
    };
    Some(FailedAnswer::of(turn, run.failed_advice()).ask_again(run, inputs, now, ask, give_up))
}

fn answered(
    run: &Run,
    turn: &EndedReader<JudgedAdvice>,
    JudgedAdvice { advice, violations }: &JudgedAdvice,
    failing: &[&str],
    inputs: &Inputs,
    ask: impl FnOnce() -> Step,
) -> Option<Step> {
    let tries = run.failed_advice();
    // It is told what was wrong.
    let ask_or = |code, reason: String| {
        if tries < MAX_FAILED_ANSWERS {
            ask()
        } else {
            blocked(
                run,
                code,
                format!("{tries} answers of the advisor could not be followed; {reason}"),
            )
        }
    };
    if turn.thread.is_some() && turn.thread.as_ref() == run.writer() {
        let reason = "the advice was given in the writer's conversation";
        return Some(blocked(run, BlockerCode::ReviewFailed, reason));
    }
    if let Some(first) = violations.first() {
        return Some(ask_or(first.code, format!("the last names {first}")));
    }
    match advice.next {
        AdviceNext::Stop => Some(blocked(
            run,
            BlockerCode::AgentBlocked,
            format!("the advisor says: {}", advice.why.trim()),
        )),
        AdviceNext::Done if failing.is_empty() => None,
        AdviceNext::Done => {
            let reason = format!("the last says done, and these checks fail: {}", failing.join(", "));
            Some(ask_or(BlockerCode::ProofFailed, reason))
        }
        AdviceNext::Task => Some(next_round(run, advice, inputs)),
    }
}

fn next_round(run: &Run, advice: &Advice, inputs: &Inputs) -> Step {
    if let Some(step) = no_progress(run, inputs) {
        return step;
    }
    let taken = u32::try_from(run.rounds().len()).unwrap_or(u32::MAX);
    let most = run.opened().max_rounds.unwrap_or(0);
    let iterations = run.totals().iterations;
    if taken >= most || iterations >= inputs.limits.max_iterations {
        let reason = format!(
            "{taken} rounds were not enough; the advisor would go on with: {}",
            advice.what.trim()
        );
        return blocked(run, BlockerCode::MaxIterations, reason);
    }
    match advice.task() {
        Some(task) => Step::Record(Event::IterationStarted {
            n: iterations + 1,
            cause: IterationCause::Round { round: taken + 1, task },
        }),
        None => blocked(run, BlockerCode::ReportInvalid, "the advisor names no task"),
    }
}
