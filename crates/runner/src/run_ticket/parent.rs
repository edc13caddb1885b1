//! The part of a parent's run in which its children run, and what is chosen after each.

use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, ChildEnd, ChildEnded, Choice, Event, PauseCause, PhaseEvidence, Record, Run, TicketId,
};
use policy::{NextChild, Outcome, TrustFact, after_child, next_child};
use tokio::sync::watch;

use super::opening::{new_run_id, open_run, opened};
use super::{
    Earlier, EarlierRun, RunError, RunOptions, RunReport, Standing, earlier_runs, guards, lock_ticket, over, redactor,
    refused,
};
use crate::admit::Candidacy;
use crate::drive::DriveError;
use crate::engine::{RunFolders, keep_ended, notify_of_end};
use crate::guard::{GuardProgram, end_leftovers};
use crate::journal_file::JournalSink as _;
use crate::lock::TicketLock;
use crate::notify::Notifier;
use crate::target::look_at_target;
use crate::workspace::Workspace;

/// A parent's run that waits for its children. The parent's lock is held as long as it lives; whoever has it runs the children one by one,
/// each as any other ticket, and tells how they ended. What is chosen then is recorded in the parent's journal.
pub struct Manager<'a> {
    workspace: &'a Workspace,
    ticket: TicketId,
    earlier: EarlierRun,
    guard: GuardProgram,
    stop: watch::Receiver<Option<PauseCause>>,
    lock: TicketLock,
}

/// Whether the run of a ticket waits for children.
pub(crate) enum Begun<'a> {
    Managed(Manager<'a>),
    /// It is no parent, or has got past its children.
    Unmanaged(TicketLock),
}

/// What a parent's run waits for.
#[derive(Debug)]
pub enum Managed {
    /// This child is to be run.
    Child(TicketId),
    /// All children are closed: [`super::run_ticket`] brings the parent to its end, once the manager is gone.
    Parent,
    /// It cannot go on.
    Stopped(Box<RunReport>),
}

impl<'a> Manager<'a> {
    /// Takes up the run of a parent, or opens it. None where the ticket is no parent, or its run has got past its children or is not to go
    /// on: then it is for [`super::run_ticket`] to say what comes of it.
    pub async fn begin(
        workspace: &'a Workspace,
        ticket: &TicketId,
        options: &RunOptions,
        observe: impl FnMut(&Run, &Record),
    ) -> Result<Option<Manager<'a>>, RunError> {
        let lock = lock_ticket(workspace, ticket)?;
        match Self::begin_locked(workspace, ticket, options, lock, observe).await? {
            Begun::Managed(manager) => Ok(Some(manager)),
            Begun::Unmanaged(_) => Ok(None),
        }
    }

    /// The same of a ticket that is locked.
    pub(crate) async fn begin_locked(
        workspace: &'a Workspace,
        ticket: &TicketId,
        options: &RunOptions,
        lock: TicketLock,
        mut observe: impl FnMut(&Run, &Record),
    ) -> Result<Begun<'a>, RunError> {
        let candidacy = Candidacy::gather(workspace, ticket, None)?;
        if !candidacy.ticket.file.mode.discipline().owns_tickets {
            return Ok(Begun::Unmanaged(lock));
        }
        let (roots, repository) = (workspace.roots(), workspace.repository());
        let Earlier { unfinished, .. } = earlier_runs(workspace, ticket)?;
        if let Some(EarlierRun { run, .. }) = &unfinished {
            end_leftovers(&guards(&roots.run(ticket, &run.opened().run)))?;
        }
        let goes_on = |earlier: &EarlierRun| over(&earlier.run).is_none() && earlier.run.discovery().is_none();
        if unfinished.as_ref().is_some_and(|earlier| !goes_on(earlier)) {
            return Ok(Begun::Unmanaged(lock));
        }
        look_at_target(workspace, &options.stop).await?;
        let Standing { mut candidacy, how } =
            Standing::of(workspace, ticket, unfinished.as_ref().map(|earlier| &earlier.run))?;
        candidacy.facts.is_temporary &= !options.allow_temporary;
        let admission = candidacy.admission();
        if !admission.is_ready_but_for_children() || candidacy.facts.trust != TrustFact::Trusted {
            return Err(refused(ticket, &candidacy.facts, &admission));
        }
        let now = Timestamp::now();
        let mut earlier = match unfinished {
            Some(_) if how == super::How::Replaces => return Ok(Begun::Unmanaged(lock)),
            Some(earlier) => earlier,
            None => {
                let id = new_run_id(ticket)?;
                let folders = RunFolders {
                    run: roots.run(ticket, &id),
                    places: roots.places_of(ticket, &id),
                };
                open_run(repository, &folders, opened(&candidacy, repository, &id)?, &mut observe)?
            }
        };
        let is_new = earlier.run.next_seq() == 1;
        let mut driver = earlier.driver(&mut observe);
        if !is_new {
            driver.resume(now)?;
        }
        if driver.run.source_lock().is_none() {
            let lock = candidacy
                .source_lock()
                .ok_or_else(|| refused(ticket, &candidacy.facts, &admission))?;
            driver.record(now, &Event::Entered(PhaseEvidence::SourceLockValidated(lock)))?;
        }
        let cause = PauseCause::Children;
        driver.record(now, &Event::Paused { cause })?;
        driver.journal.sync().map_err(DriveError::from)?;
        Ok(Begun::Managed(Self {
            workspace,
            ticket: ticket.clone(),
            earlier,
            guard: options.guard.clone(),
            stop: options.stop.clone(),
            lock,
        }))
    }

    /// The lock of the parent, which is now to be run itself.
    pub(crate) fn into_lock(self) -> TicketLock {
        self.lock
    }

    /// What the run waits for now. Children that were closed without it are written down.
    pub async fn next(&mut self, mut observe: impl FnMut(&Run, &Record)) -> Result<Managed, RunError> {
        loop {
            let candidacy = Candidacy::gather(self.workspace, &self.ticket, Some(&self.earlier.run))?;
            let stuck = match next_child(&self.earlier.run, candidacy.children()) {
                Ok(NextChild::Run(child)) => return Ok(Managed::Child(child)),
                Ok(NextChild::AllClosed) => return Ok(Managed::Parent),
                Ok(NextChild::Note(ended)) => {
                    let mut driver = self.earlier.driver(&mut observe);
                    driver.record(Timestamp::now(), &Event::ChildEnded(ended))?;
                    driver.journal.sync().map_err(DriveError::from)?;
                    continue;
                }
                Ok(NextChild::Stuck { child, reason }) => format!("`{child}` is not delivered: {reason}"),
                Err(circle) => circle.to_string(),
            };
            return self.stop(stuck, &candidacy, &mut observe).await;
        }
    }

    /// Records how a child ended, and what is done now.
    pub fn ended(
        &mut self,
        child: &TicketId,
        ran: &Result<RunReport, RunError>,
        mut observe: impl FnMut(&Run, &Record),
    ) -> Result<Choice, RunError> {
        let candidacy = Candidacy::gather(self.workspace, &self.ticket, Some(&self.earlier.run))?;
        let end = end_of(ran);
        let (choice, reason) = after_child(&self.earlier.run, candidacy.children(), child, &end);
        let ended = ChildEnded {
            ticket: child.clone(),
            run: ran.as_ref().ok().map(|report| report.run.opened().run.clone()),
            end,
            choice,
            reason,
        };
        let mut driver = self.earlier.driver(&mut observe);
        driver.record(Timestamp::now(), &Event::ChildEnded(ended))?;
        driver.journal.sync().map_err(DriveError::from)?;
        Ok(choice)
    }

    async fn stop(
        &mut self,
        reason: String,
        candidacy: &Candidacy,
        observe: &mut dyn FnMut(&Run, &Record),
    ) -> Result<Managed, RunError> {
        let blocker = Blocker {
            // The next run of the parent looks at its children again.
            resumable: true,
            next_step: "`foil status` shows how its children stand; `foil run <ticket>` goes on".to_owned(),
            ..Blocker::new(BlockerCode::DependencyNotDone, reason)
        };
        let (roots, id) = (self.workspace.roots(), &self.earlier.run.opened().run);
        let folders = RunFolders {
            run: roots.run(&self.ticket, id),
            places: roots.places().join(format!("{}-{id}", self.ticket)),
        };
        let redactor = redactor(self.workspace, &folders, &candidacy.policy);
        let records = guards(&folders.run);
        let notifier = Notifier {
            policy: &candidacy.policy.notify,
            guard: &self.guard,
            records: Some(&records),
            temporary: roots.user(),
            redactor: &redactor,
        };
        let mut driver = self.earlier.driver(observe);
        driver.record(Timestamp::now(), &Event::Blocked(blocker.clone()))?;
        if candidacy.facts.trust == TrustFact::Trusted {
            notify_of_end(&mut driver, &notifier, &candidacy.ticket.file.title, &self.stop).await?;
        }
        keep_ended(&mut driver, self.workspace.repository(), &folders.run)?;
        Ok(Managed::Stopped(Box::new(RunReport {
            outcome: Outcome::Blocked(blocker),
            run: self.earlier.run.clone(),
            taken_up: false,
        })))
    }
}

/// How a child ended, as its parent's journal has it.
fn end_of(ran: &Result<RunReport, RunError>) -> ChildEnd {
    let blocked = |code, reason: String, resumable| ChildEnd::Blocked {
        code,
        reason,
        resumable,
    };
    match ran {
        Ok(report) => match &report.outcome {
            Outcome::Done => ChildEnd::Delivered {
                commit: report
                    .run
                    .receipt()
                    .and_then(|receipt| receipt.delivered.as_ref())
                    .map(|delivered| delivered.records),
            },
            Outcome::Canceled => ChildEnd::Canceled,
            Outcome::Blocked(blocker) => blocked(blocker.code, blocker.reason.clone(), blocker.resumable),
            Outcome::Paused(_) => ChildEnd::Paused,
        },
        Err(RunError::Stopped { .. }) => ChildEnd::Paused,
        Err(error) => {
            let code = error.code().unwrap_or(BlockerCode::NeedsPerson);
            blocked(code, error.to_string(), code.resumable())
        }
    }
}
