//! One ticket of several: it is run on a thread of its own, and its end is told whatever becomes of that.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
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
use crate::run_ticket::{
    Begun, Managed, Manager, RunError, RunOptions, RunReport, guards, lock_ticket, run_locked_ticket,
};
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

/// Whether a run was refused only because the ticket is delivered.
pub(super) fn is_delivered(ran: &Result<RunReport, RunError>) -> bool {
    matches!(ran, Err(RunError::Refused { is_delivered: true, .. }))
}

/// What came of the children of a parent.
enum Children {
    /// The parent itself is to be run.
    AllClosed(TicketLock),
    Stopped(RunReport),
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

    /// Runs a ticket that is locked.
    pub(super) async fn bring_to_its_end(&self, ticket: &TicketId, lock: TicketLock) -> Result<RunReport, RunError> {
        let told = Self {
            options: RunOptions {
                stop: self.leaving.stop_of(ticket, self.options.stop.clone()),
                ..self.options.clone()
            },
            ..*self
        };
        let ran = unless_it_panics(Box::pin(told.run(ticket, lock))).await;
        if let Err(RunError::Panicked { .. }) = &ran {
            self.end_what_is_left(ticket);
        }
        ran
    }

    /// Ends what a run that panicked has started, before anything begins that it would be in the way of.
    fn end_what_is_left(&self, ticket: &TicketId) {
        let roots = self.workspace.roots();
        // Whoever else has locked it has seen to it.
        if let Ok(_lock) = lock_ticket(self.workspace, ticket) {
            for run in roots.runs_of(ticket).unwrap_or_default() {
                // What does not end is seen by the next run of the ticket, which does not begin beside it.
                let _ = end_leftovers(&guards(&roots.run(ticket, &run)));
            }
        }
    }

    async fn run(&self, ticket: &TicketId, lock: TicketLock) -> Result<RunReport, RunError> {
        self.make_room();
        let begun = {
            let show = self.view(ticket);
            Box::pin(Manager::begin_locked(self.workspace, ticket, &self.options, lock, show)).await?
        };
        let lock = match begun {
            Begun::Unmanaged(lock) => lock,
            Begun::Managed(manager) => match self.children_first(ticket, manager).await? {
                Children::AllClosed(lock) => lock,
                Children::Stopped(report) => return Ok(report),
            },
        };
        let show = self.view(ticket);
        // Threads have small stacks, and a child runs within its parent.
        Box::pin(run_locked_ticket(self.workspace, ticket, &self.options, lock, show)).await
    }

    /// Runs the children of a parent.
    async fn children_first(&self, parent: &TicketId, mut manager: Manager<'_>) -> Result<Children, RunError> {
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
                Managed::Parent => return Ok(Children::AllClosed(manager.into_lock())),
                Managed::Stopped(report) => return Ok(Children::Stopped(*report)),
                Managed::Child(child) => child,
            };
            // A child may be a parent itself.
            self.leaving.begin(&child);
            let ran = match lock_ticket(self.workspace, &child) {
                Ok(lock) => Box::pin(of_child.bring_to_its_end(&child, lock)).await,
                Err(error) => Err(error),
            };
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
async fn unless_it_panics(
    mut run: Pin<Box<impl Future<Output = Result<RunReport, RunError>>>>,
) -> Result<RunReport, RunError> {
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
