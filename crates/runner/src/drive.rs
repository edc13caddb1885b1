//! The loop that brings a run to its end: ask what should be done, record it, do it, record what is seen.

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Effect, Event, Observation, Pending, Record, Refusal, ResumeCause, Run, State};
use policy::{Inputs, Outcome, Step, next_step};

use crate::executor::Executor;
use crate::journal_file::{JournalFileError, JournalSink};

/// Why a drive stopped without an outcome. The journal holds everything up to there; the next drive goes on.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalFileError),
    /// A step was refused before it was written: a defect of the engine or the executor, never of the worker.
    #[error("the engine would have taken a step that may not follow: {0}")]
    Refused(#[from] Refusal),
    /// The executor ended without observing what it had started.
    #[error("an effect ended without an observation")]
    Unobserved,
}

/// Drives a run until it finishes, and shows `observe` every record as it is written.
///
/// A run that a dead or paused runner left is taken up: first whatever was under way is looked at, then it goes on.
pub async fn drive<E: Executor, J: JournalSink>(
    run: &mut Run,
    journal: &mut J,
    inputs: &mut Inputs,
    executor: &mut E,
    mut observe: impl FnMut(&Run, &Record),
) -> Result<Outcome, DriveError> {
    let mut driver = Driver {
        run,
        journal,
        observe: &mut observe,
    };
    // Nobody has been at work since the clock was first set.
    executor.set_clock();
    driver.take_up(executor, inputs).await?;
    loop {
        driver.set_clock(executor)?;
        inputs.head = driver.journal.head().sum;
        inputs.stop = executor.stop_requested();
        let step = next_step(driver.run, inputs, executor.now());
        let wake = match step {
            Step::Finish(outcome) => {
                driver.journal.sync()?;
                return Ok(outcome);
            }
            Step::Record(event) => {
                driver.record(executor.now(), &event)?;
                continue;
            }
            Step::Start(effect) => {
                let seq = driver.run.next_seq();
                driver.record(executor.now(), &Event::Intended(effect.clone()))?;
                if must_be_durable(&effect) {
                    driver.journal.sync()?;
                }
                executor.start(seq, &effect, driver.run);
                continue;
            }
            Step::Wait { until } => until,
        };
        if let Some(event) = executor.next_event(wake).await {
            driver.record(executor.now(), &event)?;
        }
    }
}

/// An intent must survive a power cut before its effect begins, if the effect spends tokens, changes what others see, or may never be done again.
/// The others are done again at no cost.
fn must_be_durable(effect: &Effect) -> bool {
    match effect {
        Effect::TakePlan { .. }
        | Effect::AskExpert { .. }
        | Effect::TakeAdvice { .. }
        | Effect::TakeTurn { .. }
        | Effect::TakeReview { .. }
        | Effect::TakeCuration { .. }
        | Effect::PrepareDelivery { .. }
        | Effect::UpdateRef { .. }
        | Effect::Push { .. }
        | Effect::RunHook { .. }
        | Effect::Notify { .. }
        | Effect::StoreRun { .. } => true,
        Effect::PreparePlaces { .. }
        | Effect::Rebase { .. }
        | Effect::RunChecks { .. }
        | Effect::CompareTests { .. }
        | Effect::Interrupt { .. }
        | Effect::MeasureChanges { .. }
        | Effect::AskRemote { .. }
        | Effect::ConfirmConsent => false,
    }
}

/// A run and the journal that it is written to.
pub(crate) struct Driver<'a, J> {
    pub(crate) run: &'a mut Run,
    pub(crate) journal: &'a mut J,
    pub(crate) observe: &'a mut dyn FnMut(&Run, &Record),
}

/// What was opened so short a time ago has lost nothing, whoever opened it.
const JUST_NOW: SignedDuration = SignedDuration::from_mins(1);

impl<J: JournalSink> Driver<'_, J> {
    /// Refused before it is written; written before it counts.
    pub(crate) fn record(&mut self, at: Timestamp, event: &Event) -> Result<(), DriveError> {
        let next = self.run.applied(at, event)?;
        let record = self.journal.append(at, event)?;
        *self.run = next;
        (self.observe)(self.run, &record);
        Ok(())
    }

    /// Brings the time of the run and of the machine together between two effects. What they were apart counts for nothing.
    fn set_clock<E: Executor>(&mut self, executor: &mut E) -> Result<(), DriveError> {
        let is_between = self.run.pending().is_none() && *self.run.state() == State::Climbing;
        if !is_between || !executor.set_clock() {
            return Ok(());
        }
        let after = ResumeCause::Clock;
        self.record(executor.now(), &Event::Resumed { after })
    }

    /// Takes the run up, and looks at what an earlier runner left under way. In this order: the time in which no runner
    /// was there is over before anything is recorded of it.
    async fn take_up<E: Executor>(&mut self, executor: &mut E, inputs: &Inputs) -> Result<(), DriveError> {
        // One that is opened and nothing else may have been left so, too.
        let fresh = self.run.next_seq() == 1 && executor.now().duration_since(self.run.last_at()) < JUST_NOW;
        if fresh {
            return Ok(());
        }
        let left_under_way = self.run.pending().cloned();
        self.resume(executor.now())?;
        if let Some(pending) = &left_under_way {
            self.judge(executor.now(), inputs)?;
            let seen = executor.look(pending, self.run).await;
            let (activities, end): (Vec<_>, Vec<_>) =
                seen.into_iter().partition(|event| matches!(event, Event::Activity(_)));
            for activity in activities {
                self.record(executor.now(), &activity)?;
                self.judge(executor.now(), inputs)?;
            }
            self.see(executor.now(), pending, end)?;
            if matches!(self.run.state(), State::Blocked(_)) {
                // What came at its end is over as well, and it may go on.
                self.resume(executor.now())?;
            }
        }
        Ok(())
    }

    /// Records that the agent under way has to be stopped for what it was seen doing, where the dead runner did not get so far.
    fn judge(&mut self, at: Timestamp, inputs: &Inputs) -> Result<(), DriveError> {
        match policy::interruption(self.run, inputs) {
            Some(effect) => self.record(at, &Event::Intended(effect)),
            None => Ok(()),
        }
    }

    /// Records what is seen of an effect that a dead runner left under way: that it is lost, where nothing is.
    pub(crate) fn see(&mut self, at: Timestamp, pending: &Pending, seen: Vec<Event>) -> Result<(), DriveError> {
        let is_its_end = |event: &Event| matches!(event, Event::Observed { of, .. } if *of == pending.seq);
        let observed = seen.iter().any(is_its_end);
        for event in seen {
            self.record(at, &event)?;
        }
        if observed {
            return Ok(());
        }
        let observation = Observation::Lost {
            reason: "the runner was gone".to_owned(),
        };
        self.record(
            at,
            &Event::Observed {
                of: pending.seq,
                observation,
            },
        )
    }

    /// Records that the run is taken up, where there is something left to do. Before anything else is: the time until then
    /// is not the run's.
    pub(crate) fn resume(&mut self, at: Timestamp) -> Result<(), DriveError> {
        let idle = self.run.pending().is_none();
        let after = match self.run.state() {
            State::Climbing => Some(ResumeCause::Crash),
            State::Paused { .. } => Some(ResumeCause::Pause),
            State::Blocked(blocker) if blocker.resumable => idle.then_some(ResumeCause::Blocker),
            State::Blocked(_) | State::Canceled { .. } | State::Done => {
                let unstored = self.run.stored().is_none() && self.run.failure().is_some();
                (idle && unstored).then_some(ResumeCause::Unstored)
            }
        };
        match after {
            Some(after) => self.record(at, &Event::Resumed { after }),
            None => Ok(()),
        }
    }
}
