//! What a run should do next. Pure and total: every state that a run can reach has an answer.

mod children;
mod curate;
mod deliver;
mod experts;
mod gates;
mod hooks;
mod judge;
mod notifications;
mod plan;
mod questions;
mod rounds;
mod under_way;

pub use notifications::next_notification;
pub use questions::unanswered;
pub use under_way::interruption;
mod write;

use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, Effect, EndedReader, Event, MAX_FAILED_ANSWERS, NotRequiredCode, Phase, PhaseEvidence,
    ReaderEnd, Run, State,
};

use self::write::stops_at_once;
use crate::inputs::{Inputs, Outcome, Step, signed};
use crate::pauses::spread;

/// The next step of a run.
///
/// The same run, inputs and time give the same step. The caller records what it is told to record, starts what it is
/// told to start, waits for the next event, and asks again.
pub fn next_step(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    match run.state() {
        State::Climbing => climb(run, inputs, now),
        State::Paused { cause } => Step::Finish(Outcome::Paused(*cause)),
        State::Blocked(blocker) => ended(run, inputs, Outcome::Blocked(blocker.clone())),
        State::Canceled { .. } => ended(run, inputs, Outcome::Canceled),
        State::Done => ended(run, inputs, Outcome::Done),
    }
}

/// After every end come its hook and its notifications, so that what is kept says what came of them. Then it is kept in Git, once. Where that cannot be done now, the next runner that takes the run up does it: the
/// journal is still there to do it from.
fn ended(run: &Run, inputs: &Inputs, outcome: Outcome) -> Step {
    if let Some(pending) = run.pending() {
        return under_way::at_the_end(pending, inputs);
    }
    if run.stored().is_some() || run.failure().is_some() {
        return Step::Finish(outcome);
    }
    let due = hooks::after_end(run, inputs).or_else(|| notifications::after_end(run, &inputs.policy.notify));
    if let Some(step) = due {
        return step;
    }
    let opened = run.opened();
    match format!("refs/counterfoil/runs/{}/{}", opened.ticket, opened.run).parse() {
        Ok(name) => Step::Start(Effect::StoreRun {
            name,
            journal: inputs.head,
        }),
        Err(_) => Step::Finish(outcome),
    }
}

fn climb(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(pending) = run.pending() {
        return under_way::next(run, pending, inputs, now);
    }
    if let Some(cause) = inputs.stop {
        return Step::Record(Event::Paused { cause });
    }
    if let Some(failure) = run.failure() {
        // What could not be done may be what would keep the worker's work: it is not tried again before somebody looks.
        return Step::Record(Event::Blocked(Blocker::new(failure.code, failure.reason.clone())));
    }
    let step = ascend(run, inputs, now);
    hooks::before(run, inputs, step)
}

/// The next step of a run that nothing holds up, as if there were no hooks.
fn ascend(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    // Whatever the end was: the agent may have been quicker than the interruption.
    if let Some(blocker) = run.stopped_for() {
        return stopped(run, blocker.clone());
    }
    // What has been delivered is finished, whatever it costs; and what is done, or is only to be delivered, has cost what it has.
    let delivered = run.moved().is_some() || run.phase() >= Some(Phase::Committed) || run.delivers().is_some();
    if !delivered
        && let Some(spent) = under_way::spent_budget(run, inputs, now)
        && !judge::is_passed(run, inputs, now)
    {
        return stopped(run, spent);
    }
    match run.phase() {
        None => enter(PhaseEvidence::SourceLockValidated(inputs.start.lock.clone())),
        Some(Phase::SourceLockValidated) => children::next(run, inputs),
        Some(Phase::RepositoryDiscovered) => plan::next(run, inputs, now),
        Some(Phase::PlanRecorded) => enter(PhaseEvidence::RepositoryTicketRecorded {
            commit: inputs.start.discovery.base,
            files: inputs.start.recorded.clone(),
        }),
        Some(Phase::RepositoryTicketRecorded | Phase::WriterAssigned) => write::next(run, inputs, now),
        Some(
            Phase::ImplementationComplete
            | Phase::FocusedTestsPassed
            | Phase::SelfReviewComplete
            | Phase::IndependentReviewComplete,
        ) => judge::next(run, inputs, now),
        Some(Phase::RepairLoopCompleteOrNotNeeded | Phase::ContextCurated)
            if run.attempt().is_some_and(|attempt| attempt.rejection.is_some()) =>
        {
            judge::next(run, inputs, now)
        }
        Some(Phase::RepairLoopCompleteOrNotNeeded) => curate::next(run, inputs, now),
        Some(_) => deliver::next(run, inputs),
    }
}

fn enter(evidence: PhaseEvidence) -> Step {
    Step::Record(Event::Entered(evidence))
}

fn not_required(phase: Phase, code: NotRequiredCode, reason: &str) -> Step {
    Step::Record(Event::NotRequired {
        phase,
        code,
        reason: reason.to_owned(),
    })
}

fn blocked(run: &Run, code: BlockerCode, reason: impl Into<String>) -> Step {
    stopped(run, Blocker::new(code, reason))
}

/// The run stops, once what the worker did is kept as a tree.
fn stopped(run: &Run, blocker: Blocker) -> Step {
    keep_work(run).unwrap_or(Step::Record(Event::Blocked(blocker)))
}

fn keep_work(run: &Run) -> Option<Step> {
    let attempt = run.attempt().filter(|_| run.has_unmeasured_work())?;
    places(run).or(Some(Step::Start(Effect::MeasureChanges { iteration: attempt.n })))
}

/// The places are made when they are first needed, and looked at again whenever a runner takes the run up.
fn places(run: &Run) -> Option<Step> {
    let base = run.base()?;
    (!run.places_ready()).then_some(Step::Start(Effect::PreparePlaces { base }))
}

/// The label that ties an answer to its turn. A report of another turn never fits.
fn turn_label(run: &Run, what: &str) -> String {
    format!("{}/{what}-{}", run.opened().run, run.next_seq())
}

/// An agent that only reads gave no answer that can be used.
struct FailedAnswer<'a> {
    /// How often that was so.
    tries: u32,
    /// When the last one ended.
    at: Timestamp,
    /// What is known of the last one.
    reason: &'a str,
    /// What the run stops with at once, where asking again does not mend it.
    stops: Option<Blocker>,
}

impl<'a> FailedAnswer<'a> {
    fn of<A>(ended: &'a EndedReader<A>, tries: u32) -> Self {
        let (reason, stops) = match &ended.end {
            ReaderEnd::InvalidAnswer { reason } => (reason.as_str(), None),
            ReaderEnd::Failed { failure } => (failure.message.as_str(), stops_at_once(failure)),
            // What is wrong with an answer, whoever has read it says.
            ReaderEnd::Answered(_) | ReaderEnd::Interrupted => ("it was interrupted", None),
        };
        Self {
            tries,
            at: ended.at,
            reason,
            stops,
        }
    }

    /// Asks again after a while, until it was asked often enough.
    fn ask_again(
        self,
        run: &Run,
        inputs: &Inputs,
        now: Timestamp,
        ask: impl FnOnce() -> Step,
        give_up: impl FnOnce(u32, &str) -> Step,
    ) -> Step {
        let Self { tries, reason, .. } = self;
        if let Some(blocker) = self.stops {
            return stopped(run, blocker);
        }
        if tries >= MAX_FAILED_ANSWERS.min(inputs.limits.runner_failures.max(1)) {
            return give_up(tries, reason);
        }
        wait_after(self.at, tries, now).unwrap_or_else(ask)
    }
}

/// How many there are beside the one that is told.
fn and_more(more: impl TryInto<usize>) -> String {
    match more.try_into().unwrap_or(usize::MAX) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

/// The pause after so many failures in a row, as long as it lasts. What failed at a time that is still to come failed before the clock was
/// set back, which nobody has to wait for.
fn wait_after(failed_at: Timestamp, failures: u32, now: Timestamp) -> Option<Step> {
    let until = back_off(failed_at, failures);
    (failed_at <= now && now < until).then_some(Step::Wait { until: Some(until) })
}

/// Longer after each failure in a row: 1 s, 2 s, 4 s, … at most a minute, and up to a quarter more.
fn back_off(since: Timestamp, failures: u32) -> Timestamp {
    let seconds = 1_u64 << failures.saturating_sub(1).min(6);
    let pause = signed(ledger_core::Duration::seconds(seconds.min(60)));
    since.checked_add(spread(pause, since)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn nobody_waits_for_a_failure_that_is_still_to_come_because_the_clock_was_set_back() {
        let failed_at: Timestamp = "2026-01-01T08:00:00Z".parse().unwrap();
        let waits = |passed: SignedDuration| wait_after(failed_at, 1, failed_at.checked_add(passed).unwrap()).is_some();
        assert!(waits(SignedDuration::ZERO) && waits(SignedDuration::from_millis(999)));
        assert!(!waits(SignedDuration::from_secs(2)));
        assert!(!waits(SignedDuration::from_hours(8)) && !waits(SignedDuration::from_hours(-8)));
    }
}
