//! One ticket of several: it is run on a thread of its own, and its end is told whatever becomes of that.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, Choice, PauseCause, Record, Run, TicketId};
use policy::{Outcome, Queued};

use super::night::Night;
use super::{Place, Witness};
use crate::agent::shorten;
use crate::clean::make_room;
use crate::guard::end_leftovers;
use crate::leaving::Leaving;
use crate::lock::{LockHolder, TicketLock};
use crate::run_ticket::{Managed, Manager, RunError, RunOptions, RunReport, guards, run_ticket};
use crate::workspace::Workspace;

/// How many characters of what a panic says are told.
const MOST_WORDS: usize = 500;

/// A ticket that is not run any more.
pub(super) struct Ended {
    pub(super) queued: Queued,
    /// What came of it.
    pub(super) ran: Result<RunReport, RunError>,
    /// What stopped the first of its children that was stopped by what passes.
    pub(super) child_stopped_by: Option<Blocker>,
}

/// What stopped a run, or kept it from beginning and passes.
pub(super) fn stopped_by(ran: &Result<RunReport, RunError>) -> Option<Blocker> {
    match ran {
        Ok(report) => match &report.outcome {
            Outcome::Blocked(blocker) => Some(blocker.clone()),
            Outcome::Done | Outcome::Canceled | Outcome::Paused(_) => None,
        },
        // An agent that cannot be had at all is for a person to install.
        Err(error) => {
            let code = error.code().filter(|code| *code == BlockerCode::RemoteUnreachable)?;
            Some(Blocker::new(code, error.to_string()))
        }
    }
}

/// Runs one ticket, and before a parent its children.
pub(super) struct TicketWorker<'a, W> {
    pub(super) workspace: &'a Workspace,
    pub(super) witness: &'a W,
    pub(super) options: RunOptions,
    /// Which tickets are to be left while others go on.
    pub(super) leaving: &'a Leaving,
    pub(super) place: Option<Place>,
    /// What stopped the first of the children that was stopped by what passes, or waits for an answer.
    pub(super) stopped_by: &'a RefCell<Option<Blocker>>,
    pub(super) night: &'a Night,
}

impl<W: Witness> TicketWorker<'_, W> {
    fn view(&self, ticket: &TicketId) -> impl FnMut(&Run, &Record) + '_ {
        let mut show = self.witness.begins(ticket, self.place);
        move |run, record| {
            self.night.see(run);
            show(run, record);
        }
    }

    /// What `[disk] budget` wants. That there is no room is no reason not to run: the gates say whether there is enough.
    fn make_room(&self) {
        let now = Timestamp::now();
        let Ok(holder) = LockHolder::current(now) else {
            return;
        };
        if let Some(made) = make_room(self.workspace, &holder, now).transpose() {
            self.witness.made_room(&made);
        }
    }

    pub(super) async fn bring_to_its_end(&self, ticket: &TicketId) -> Result<RunReport, RunError> {
        self.leaving.begin(ticket);
        let told = Self {
            options: RunOptions {
                stop: self.leaving.stop_of(ticket, self.options.stop.clone()),
                ..self.options.clone()
            },
            ..*self
        };
        let ran = unless_it_panics(told.run(ticket)).await;
        if let Err(RunError::Panicked { .. }) = &ran {
            self.end_what_is_left(ticket);
        }
        ran
    }

    /// Ends what a run that panicked has started, before anything begins that it would be in the way of.
    fn end_what_is_left(&self, ticket: &TicketId) {
        let roots = self.workspace.roots();
        let lock = LockHolder::current(Timestamp::now())
            .ok()
            .and_then(|holder| TicketLock::acquire(&roots.locks(), ticket, &holder).ok());
        // Whoever holds the lock has seen to it.
        if lock.is_some() {
            for run in roots.runs_of(ticket).unwrap_or_default() {
                // What does not end is seen by the next run of the ticket, which does not begin beside it.
                let _ = end_leftovers(&guards(&roots.run(ticket, &run)));
            }
        }
    }

    async fn run(&self, ticket: &TicketId) -> Result<RunReport, RunError> {
        self.make_room();
        let managed = {
            let show = self.view(ticket);
            Manager::begin(self.workspace, ticket, &self.options, show).await?
        };
        if let Some(manager) = managed
            && let Some(report) = self.children_first(ticket, manager).await?
        {
            return Ok(report);
        }
        let show = self.view(ticket);
        run_ticket(self.workspace, ticket, &self.options, show).await
    }

    /// Runs the children of a parent. None: all of them are closed, and the parent itself is to be run.
    async fn children_first(&self, parent: &TicketId, mut manager: Manager<'_>) -> Result<Option<RunReport>, RunError> {
        // What is left of earlier work is the named ticket's to begin with.
        let of_child = Self {
            options: RunOptions {
                from_rescue: false,
                ..self.options.clone()
            },
            place: None,
            ..*self
        };
        loop {
            let child = match manager.next(self.view(parent)).await? {
                Managed::Parent => return Ok(None),
                Managed::Stopped(report) => return Ok(Some(*report)),
                Managed::Child(child) => child,
            };
            // A child may be a parent itself.
            let ran = Box::pin(of_child.bring_to_its_end(&child)).await;
            let choice = manager.ended(&child, &ran, self.view(parent))?;
            let asked = stopped_by(&ran).filter(|blocker| blocker.code == BlockerCode::AnswerNeeded);
            let passing = stopped_by(&ran).filter(|blocker| blocker.code.passes_by_itself());
            let first = self.stopped_by.take().or(passing).or_else(|| asked.clone());
            self.stopped_by.replace(first);
            let is_left = is_left(&ran);
            // What is tried again, or waits for an answer, has not ended yet.
            match asked.as_ref().and_then(|asked| Some((asked, asked.retry_at?))) {
                Some((asked, until)) => self.witness.postponed(&child, asked, until),
                None if choice != Choice::Retry => self.witness.ended(&child, ran),
                None => {}
            }
            if let Some(cause) = *self.options.stop.borrow() {
                return Err(RunError::Stopped { cause });
            }
            if is_left {
                let cause = PauseCause::Stop;
                return Err(RunError::Stopped { cause });
            }
        }
    }
}

/// What comes of a run, where a panic is a failure of this run alone: others go on. What it left half-changed in memory is gone with it, and what it did
/// is in its journal and its places.
async fn unless_it_panics(run: impl Future<Output = Result<RunReport, RunError>>) -> Result<RunReport, RunError> {
    let mut run = pin!(run);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            let words = words_of(&*panic);
            Poll::Ready(Err(RunError::Panicked { words }))
        })
    })
    .await
}

/// What a panic says.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    shorten(words.unwrap_or("it does not say what"), MOST_WORDS)
}

/// Whether somebody had this ticket left.
fn is_left(ran: &Result<RunReport, RunError>) -> bool {
    match ran {
        Ok(report) => report.outcome == Outcome::Paused(PauseCause::Stop),
        Err(error) => matches!(
            error,
            RunError::Stopped {
                cause: PauseCause::Stop
            }
        ),
    }
}
