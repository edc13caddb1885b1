//! The executor with real processes, places and Git.

mod advising;
mod changed_tests;
mod checks;
mod compare;
mod consent;
mod curation;
mod delivery;
mod drift;
mod ended;
mod experts;
mod given;
mod hooks;
mod look;
mod measure;
mod notifying;
mod places;
mod planning;
mod reading;
mod rebase;
mod remote;
mod set_up;
mod storage;
mod turns;
mod watching;
mod weakening;
mod whole;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use git_delivery::{Identity, Repository, crash_point};
use jiff::Timestamp;
use ledger_core::{
    BlockerCode, CommitId, Effect, Event, Observation, PauseCause, Pending, Run, RunId, Ticket, TicketId,
};
use policy::config::Gates;
use policy::{CheckSpec, Policy, ScopeRules};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::agent::Agent;
use crate::disk::is_full;
use crate::executor::Executor;
use crate::guard::GuardProgram;
use crate::packages::SharedBranch;
use crate::prompt::{HandOffs, Instructions};
use crate::redact::Redactor;
use crate::run_clock::{ClockReading, RunClock};
use crate::sandbox::{Confinement, Sandbox};
use crate::specs::LinkedSpecs;

pub(crate) use checks::confinement;
pub(crate) use delivery::MOST_BRANCH_NAMES;
pub(crate) use ended::{end_for_changed_sources, has_delivered, keep_ended, store_ended};
pub(crate) use notifying::notify_of_end;
pub use places::RunFolders;
pub(crate) use places::unfinished;
pub(crate) use watching::SilenceWatch;

/// What a run is made of, frozen when it is taken up.
#[derive(Debug)]
pub struct RunPlan {
    /// The ticket, as it is in the base.
    pub ticket: Ticket,
    /// The policy, as it is in the base.
    pub policy: Policy,
    /// The run.
    pub run: RunId,
    /// The checks to run, in order.
    pub checks: Vec<CheckSpec>,
    /// The specs that the change is held to, where it has some.
    pub specs: Option<LinkedSpecs>,
    /// The branch that the tickets of its package share, where they share one.
    pub goal: Option<SharedBranch>,
    /// What the repository tells worker and reviewer.
    pub instructions: Instructions,
    /// What earlier tickets hand off to this one.
    pub hand_offs: HandOffs,
    /// The tickets that this one brings together.
    pub children: Vec<TicketId>,
    /// The sandbox for checks; none where the policy switches it off.
    pub sandbox: Option<Sandbox>,
    /// What checks may see and change.
    pub confinement: Confinement,
    /// How processes are started so that they end with the runner.
    pub guard: GuardProgram,
    /// Who commits.
    pub identity: Identity,
    /// Where the run keeps its files.
    pub folders: RunFolders,
    /// The locks of the clone.
    pub locks: PathBuf,
    /// What is taken out of texts before they are recorded.
    pub redactor: Redactor,
}

impl RunPlan {
    /// What the policy wants of this ticket beside its checks.
    pub fn gates(&self) -> Gates {
        self.policy.gates.of_ticket(&self.ticket.file)
    }
}

/// Events that wait to be recorded before whatever causes them is held up: a worker may say more than can be written.
const WAITING_EVENTS: usize = 64;

/// The executor of one run.
pub struct Engine {
    plan: Arc<RunPlan>,
    repository: Arc<Repository>,
    places: places::Places,
    /// By what change sets are judged. Compiling the patterns takes longer than judging, so it is done once.
    rules: Arc<OnceLock<measure::ChangeRules>>,
    /// How checks and their tests ended, where that is needed again.
    endings: compare::KnownEndings,
    agent: Box<dyn Agent>,
    events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
    stop: watch::Receiver<Option<PauseCause>>,
    /// Ends the effect under way when it is sent `true`.
    interrupt: watch::Sender<bool>,
    under_way: UnderWay,
    clock: RunClock,
}

/// The work of the last effect. It goes no further once its engine is gone: a drive that failed leaves nothing at work.
#[derive(Debug, Default)]
struct UnderWay(Mutex<Option<AbortHandle>>);

impl UnderWay {
    fn set(&self, work: AbortHandle) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let work = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = work {
            work.abort();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An executor for this plan. `stop` tells that somebody asked the runner to leave.
    pub fn new(
        plan: RunPlan,
        repository: Arc<Repository>,
        agent: Box<dyn Agent>,
        stop: watch::Receiver<Option<PauseCause>>,
    ) -> Self {
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        Self {
            plan: Arc::new(plan),
            repository,
            places: places::Places::default(),
            rules: Arc::default(),
            endings: compare::KnownEndings::default(),
            agent,
            events,
            sender,
            stop,
            interrupt: watch::channel(false).0,
            under_way: UnderWay::default(),
            clock: RunClock::new(ClockReading::now()),
        }
    }

    /// Ends whatever the agent keeps running, and leaves the places.
    pub async fn close(self) {
        self.places.close();
        self.agent.close().await;
    }

    /// Does something that blocks, on a thread of its own, and reports what it shows.
    fn blocking(&self, seq: u64, work: impl FnOnce() -> Result<Observation, Failed> + Send + 'static) {
        self.report(seq, tokio::task::spawn_blocking(work));
    }

    /// Does something that waits, and reports what it shows.
    fn waiting(&self, seq: u64, work: impl Future<Output = Result<Observation, Failed>> + Send + 'static) {
        self.report(seq, tokio::spawn(work));
    }

    fn report(&self, seq: u64, work: JoinHandle<Result<Observation, Failed>>) {
        self.under_way.set(work.abort_handle());
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let observation = observe(work).await;
            crash_point("an effect has ended and is not recorded");
            // The drive may be gone; then nobody is left to tell.
            let _ = sender.send(Event::Observed { of: seq, observation }).await;
        });
    }
}

/// Does something that blocks in the middle of something that waits.
async fn blocked<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failed> + Send + 'static) -> Result<T, Failed> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(broken()))
}

/// What some work shows. A panic in it is a failure like any other: without an observation the run would wait for ever. Whatever
/// it left half-changed in memory is a place, whose truth is on disk, or is gone with it.
async fn observe(work: JoinHandle<Result<Observation, Failed>>) -> Observation {
    let done = work.await.unwrap_or_else(|_| Err(broken()));
    done.unwrap_or_else(Failed::observation)
}

fn broken() -> Failed {
    Failed::new(
        BlockerCode::NeedsPerson,
        "foil itself failed here, which is a defect; `foil run` tries again",
    )
}

/// An effect that could not be done.
#[derive(Debug)]
struct Failed {
    code: BlockerCode,
    reason: String,
}

impl Failed {
    fn new(code: BlockerCode, reason: impl std::fmt::Display) -> Self {
        Self {
            code,
            reason: reason.to_string(),
        }
    }

    /// With the code that fits the cause, and the causes in words, where the machine or another program stood in the way: the
    /// same run goes on once that is gone.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let words = cause.to_string();
            // Transparent errors say the same as their cause.
            if !reason.contains(&words) {
                reason = format!("{reason}: {words}");
            }
            source = cause.source();
        }
        Self::new(code_of(error), reason)
    }

    fn observation(self) -> Observation {
        Observation::Failed {
            code: self.code,
            reason: self.reason,
        }
    }
}

/// The blocker for an error that says nothing about the ticket: `disk_full` where that is at the bottom of it.
fn code_of(error: &(dyn std::error::Error + 'static)) -> BlockerCode {
    match is_full(error) {
        true => BlockerCode::DiskFull,
        false => BlockerCode::NeedsPerson,
    }
}

impl Executor for Engine {
    fn start(&mut self, seq: u64, effect: &Effect, run: &Run) {
        if let Effect::Interrupt { .. } = effect {
            self.interrupt.send_replace(true);
            return;
        }
        self.interrupt = watch::channel(false).0;
        crash_point("an effect is recorded and has not begun");
        match effect {
            Effect::PreparePlaces { base } => self.prepare_places(seq, *base, run),
            Effect::RunChecks { purpose, tree, checks } => match base_of(run) {
                Ok(base) => self.run_checks(seq, *purpose, *tree, checks, base, run),
                Err(failed) => self.blocking(seq, || Err(failed)),
            },
            Effect::TakePlan { label } => self.take_plan(seq, label, run),
            Effect::TakeAdvice { tree, label } => self.take_advice(seq, *tree, label, run),
            Effect::CompareTests { tree, apart, checks } => self.compare_tests(seq, *tree, *apart, checks, run),
            Effect::TakeTurn {
                label, purpose, thread, ..
            } => self.take_turn(seq, label, *purpose, thread.as_ref(), run),
            Effect::MeasureChanges { iteration } => self.measure_changes(seq, *iteration, run),
            Effect::TakeReview { tree, label } => self.take_review(seq, *tree, label, run),
            Effect::AskExpert { judge, subject, label } => self.ask_expert(seq, *judge, *subject, label, run),
            Effect::TakeCuration { tree, label } => self.take_curation(seq, *tree, label, run),
            Effect::ConfirmConsent => self.confirm_consent(seq, run),
            Effect::PrepareDelivery { tree, journal } => self.prepare_delivery(seq, *tree, *journal, run),
            Effect::UpdateRef { name, old, new } => self.update_ref(seq, name, *old, *new),
            Effect::AskRemote { target } => self.ask_remote(seq, target, run),
            Effect::Push { target, old, new } => self.push(seq, target, *old, *new),
            Effect::Rebase { onto } => self.rebase(seq, *onto, run),
            Effect::RunHook { hook, tree, .. } => self.run_hook(seq, *hook, *tree, run),
            Effect::Notify { about, by } => self.notify(seq, *about, *by, run),
            Effect::StoreRun { name, journal } => self.store_run(seq, name, *journal, run),
            Effect::Interrupt { .. } => {}
        }
    }

    // Nothing leaves the engine by another way than these two.
    async fn next_event(&mut self, wake: Option<Timestamp>) -> Option<Event> {
        let event = self.receive(wake).await?;
        Some(self.plan.redactor.event(event))
    }

    async fn look(&mut self, pending: &Pending, run: &Run) -> Vec<Event> {
        let push = match &pending.effect {
            Effect::Push { target, old, .. } => Some(self.look_at_push(pending, target, *old, run)),
            _ => None,
        };
        let events = match push {
            Some(looking) => looking.await,
            None => self.look_at(pending, run),
        };
        events
            .into_iter()
            .map(|event| self.plan.redactor.event(event))
            .collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.at(Instant::now())
    }

    fn set_clock(&mut self) -> bool {
        self.clock.set_by(ClockReading::now())
    }

    fn stop_requested(&self) -> Option<PauseCause> {
        *self.stop.borrow()
    }
}

impl Engine {
    /// The next event, unless it is time to wake up or to stop.
    async fn receive(&mut self, wake: Option<Timestamp>) -> Option<Event> {
        let now = self.now();
        let pause = wake.map(|at| {
            let left = at.duration_since(now);
            std::time::Duration::try_from(left).unwrap_or_default()
        });
        let already_told = self.stop.borrow_and_update().is_some();
        let stop = &mut self.stop;
        tokio::select! {
            biased;
            event = self.events.recv() => event,
            changed = stop.changed(), if !already_told => {
                if changed.is_err() {
                    // Nobody can ask any more; wait for the effect alone.
                    return self.events.recv().await;
                }
                None
            }
            () = async { tokio::time::sleep(pause.unwrap_or_default()).await }, if pause.is_some() => None,
        }
    }
}

/// The base of the run.
fn base_of(run: &Run) -> Result<CommitId, Failed> {
    let missing = || Failed::new(BlockerCode::TreeMismatch, "the run has no base");
    run.base().ok_or_else(missing)
}

/// What the ticket and the policy allow.
fn scope_of(plan: &RunPlan) -> Result<ScopeRules, Failed> {
    ScopeRules::new(&plan.policy, &plan.ticket.file).map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))
}

/// The folder of the ticket's files in the repository.
fn ticket_folder(plan: &RunPlan) -> String {
    format!("{}/tickets/{}", plan.policy.ledger.dir.path(), plan.ticket.id)
}

/// The log of all turns of the run.
fn agent_log(plan: &RunPlan) -> PathBuf {
    plan.folders.run.join("agent.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_an_effect_is_its_failure() {
        let blocking = tokio::task::spawn_blocking(|| panic!("a defect"));
        let waiting = tokio::spawn(async { panic!("a defect") });
        for work in [blocking, waiting] {
            let seen = observe(work).await;
            assert!(
                matches!(
                    seen,
                    Observation::Failed {
                        code: BlockerCode::NeedsPerson,
                        ..
                    }
                ),
                "{seen:?}"
            );
        }
    }
}
