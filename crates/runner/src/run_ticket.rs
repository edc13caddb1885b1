//! Bringing one ticket to its end: lock, admit, open or take up the run, drive it, tidy up.

mod answer;
mod delivering;
mod earlier;
mod opening;
mod parent;
mod word;

use std::path::{Path, PathBuf};

use git_delivery::{AnchorError, Place, RepositoryError};
use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, PauseCause, Record, Run, RunId, State, TicketId};
use policy::config::SandboxUse;
use policy::{Admission, AdmissionFacts, ConsumedFact, Inputs, Limits, Outcome, Policy, TrustFact, required_proofs};
use tokio::sync::watch;

use crate::admit::{AdmitError, Candidacy, Ready};
use crate::agent::{Agent, AgentGuard};
use crate::agents::{AgentProblem, prepare_agent};
use crate::disk::is_full;
use crate::drive::{DriveError, drive};
use crate::engine::{Engine, RunFolders, RunPlan, end_for_changed_sources, has_delivered, store_ended};
use crate::guard::{GuardProgram, LeftoverError, end_leftovers};
use crate::journal_file::{JournalFileError, JournalSink};
use crate::lock::{LockError, LockHolder, TicketLock};
use crate::redact::Redactor;
use crate::rescue::{RescueError, left_work};
use crate::sandbox::{Sandbox, SandboxSearch, SandboxUnavailable};
use crate::target::{TargetError, look_at_target};
use crate::workspace::{Workspace, WorkspaceError};

pub use self::answer::{AnswerError, GivenAnswer, OpenQuestion, PersonsAnswer, give_answer, see_question};
pub(crate) use self::delivering::{DeliveryStart, begin_or_go_on};
pub(crate) use self::earlier::over;
use self::earlier::{Earlier, EarlierRun, earlier_runs, still_waits};
pub(crate) use self::parent::Begun;
pub use self::parent::{Managed, Manager};
pub use self::word::{GivenWord, PersonsWord, WordError, give_word};

use self::opening::{new_run_id, open_run, opened};

/// How a run is driven.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How processes are started so that they end with the runner. Its program must call
    /// [`crate::guard::main_if_guard`] first of all.
    pub guard: GuardProgram,
    /// Tells the run to stop in good order.
    pub stop: watch::Receiver<Option<PauseCause>>,
    /// A model in place of the policy's.
    pub model: Option<String>,
    /// Whether a new run begins with what the latest one before it left.
    pub from_rescue: bool,
    /// Whether the repository may lie in a temporary folder, where a worker's sandbox may write. Only for demonstrations.
    pub allow_temporary: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct RunReport {
    /// How it ended.
    pub outcome: Outcome,
    /// The run as it ended.
    pub run: Run,
    /// Whether an earlier runner had begun it.
    pub taken_up: bool,
}

/// Why a ticket was not run. Nothing was changed, unless the journal says so.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A gate says no.
    #[error("`{ticket}` may not run now: {}", .blocker.reason)]
    Refused {
        /// The ticket.
        ticket: TicketId,
        /// The first gate that says no.
        blocker: Blocker,
        /// Whether that is the only one, and it says that the ticket's result is in the base: it is delivered.
        is_delivered: bool,
    },
    /// The agent cannot be had.
    #[error(transparent)]
    Agent(#[from] AgentProblem),
    /// Checks cannot be confined, and the policy does not switch the sandbox off.
    #[error(transparent)]
    Sandbox(#[from] SandboxUnavailable),
    /// Another process works on the ticket.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// What is needed to decide cannot be read.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// The workspace cannot be used.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// What a dead runner left could not be ended.
    #[error(transparent)]
    Leftovers(#[from] LeftoverError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalFileError),
    /// The journal of a run that had begun is gone or empty.
    #[error("the journal of run {run} is gone or has no whole line, and the run had begun")]
    JournalLost {
        /// The run.
        run: RunId,
    },
    /// The journal holds steps that may not follow each other.
    #[error("the journal of run {run} holds a step that may not follow: {source}")]
    Replay {
        /// The run.
        run: RunId,
        /// Which step.
        source: ledger_core::Refusal,
    },
    /// The journal knows nothing of a delivery that the run has prepared.
    #[error(
        "the journal of run {run} is not as it was left: the run keeps commits of a delivery that it does not name"
    )]
    Rewound {
        /// The run.
        run: RunId,
    },
    /// The branch that the delivery is pushed to cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The run cannot begin with what an earlier one left.
    #[error(transparent)]
    Rescue(#[from] RescueError),
    /// What the run starts from cannot be kept.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// Somebody asked the runner to leave before the run began or went on. Nothing was changed.
    #[error("asked to leave before the run began")]
    Stopped {
        /// Why.
        cause: PauseCause,
    },
    /// The drive failed.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// The runner itself failed in this run, see [`crate::run_tickets`].
    #[error("foil itself failed here, which is a defect: {words}")]
    Panicked {
        /// What it said.
        words: String,
    },
    /// The system gave no thread for the run, see [`crate::run_tickets`]. Nothing was changed.
    #[error("the system refuses one more thread: {0}")]
    NoThread(std::io::Error),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl RunError {
    /// The stable code of what keeps the ticket from running, where it is a blocker by nature.
    pub fn code(&self) -> Option<BlockerCode> {
        match self {
            Self::Refused { blocker, .. } | Self::Admit(AdmitError::Base(blocker)) => Some(blocker.code),
            Self::Agent(problem) => Some(problem.code),
            Self::Sandbox(_) => Some(BlockerCode::SandboxUnavailable),
            Self::Locked(LockError::Held { .. }) => Some(BlockerCode::ClaimedElsewhere),
            Self::Rescue(error) => error.code(),
            Self::Target(error) | Self::Admit(AdmitError::Target(error)) => Some(error.code()),
            Self::Admit(AdmitError::SourceLock) => Some(BlockerCode::SourceLockMismatch),
            Self::Admit(AdmitError::Identity(_)) => Some(BlockerCode::NeedsPerson),
            Self::Admit(AdmitError::Repository(error)) | Self::Workspace(WorkspaceError::Repository(error)) => {
                repository_code(error)
            }
            error => is_full(error).then_some(BlockerCode::DiskFull),
        }
    }
}

/// The stable code of what keeps a repository from being worked in, where it is a blocker by nature.
pub fn repository_code(error: &RepositoryError) -> Option<BlockerCode> {
    matches!(error, RepositoryError::Unsupported { .. }).then_some(BlockerCode::RepositoryUnsupported)
}

/// Runs a ticket to its end, and shows `observe` every record as it is written. A run that a dead or paused runner left,
/// or that stopped for a reason that may be gone, is taken up; one whose ticket or policy changed meanwhile, and is approved
/// as it is now, is ended, and a new one begins. One that waits for an answer is left alone until there is one or its time is over.
pub async fn run_ticket(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &RunOptions,
    observe: impl FnMut(&Run, &Record),
) -> Result<RunReport, RunError> {
    let lock = lock_ticket(workspace, ticket)?;
    run_locked_ticket(workspace, ticket, options, lock, observe).await
}

/// Locks a ticket, to run it.
pub(crate) fn lock_ticket(workspace: &Workspace, ticket: &TicketId) -> Result<TicketLock, RunError> {
    let locks = workspace.roots().locks();
    let holder = LockHolder::current(Timestamp::now()).map_err(|source| RunError::Io {
        path: locks.clone(),
        source,
    })?;
    Ok(TicketLock::acquire(&locks, ticket, &holder)?)
}

/// The same of a ticket that is locked.
pub(crate) async fn run_locked_ticket(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &RunOptions,
    lock: TicketLock,
    mut observe: impl FnMut(&Run, &Record),
) -> Result<RunReport, RunError> {
    let (roots, repository) = (workspace.roots(), workspace.repository());
    let Earlier {
        mut unstored,
        unfinished,
    } = earlier_runs(workspace, ticket)?;
    for over in &mut unstored {
        let folder = roots.run(ticket, &over.run.opened().run);
        store_ended(&mut over.driver(&mut observe), repository, &folder)?;
        tidy_up(&over.run, keeps_places(workspace), &places_of(workspace, &over.run));
    }
    if let Some(EarlierRun { run, .. }) = &unfinished {
        // Whatever the gates will say: what a dead runner left is not left any longer.
        end_leftovers(&guards(&roots.run(ticket, &run.opened().run)))?;
    }
    let unfinished = match unfinished.map(|earlier| (over(&earlier.run), earlier)) {
        Some((Some(outcome), mut ended)) => {
            let folder = roots.run(ticket, &ended.run.opened().run);
            store_ended(&mut ended.driver(&mut observe), repository, &folder)?;
            tidy_up(&ended.run, keeps_places(workspace), &places_of(workspace, &ended.run));
            return Ok(RunReport {
                outcome,
                run: ended.run,
                taken_up: true,
            });
        }
        Some((None, goes_on)) => Some(goes_on),
        None => None,
    };

    if unfinished
        .as_ref()
        .is_none_or(|earlier| earlier.run.discovery().is_none())
    {
        look_at_target(workspace, &options.stop).await?;
    }
    let standing = Standing::of(workspace, ticket, unfinished.as_ref().map(|earlier| &earlier.run))?;
    let Standing { mut candidacy, how } = standing;
    candidacy.facts.is_temporary &= !options.allow_temporary;
    if let Some(model) = &options.model {
        candidacy.policy.agent.model = Some(model.clone());
    }
    let (mut unfinished, mut replaced) = match how {
        How::Replaces => (None, unfinished),
        How::Begins | How::GoesOn | How::Concludes => (unfinished, None),
    };
    if let (true, Some(EarlierRun { run, .. })) = (options.from_rescue, &unfinished) {
        let (ticket, run) = (ticket.clone(), run.opened().run.clone());
        return Err(RescueError::NotOver { ticket, run }.into());
    }
    // What is on its branch is delivered, whatever became of the consent since.
    let gates_count = how != How::Concludes;
    let admission = candidacy.admission();
    // Nothing that a policy names is started before it is known to be trusted, not even to ask for its version.
    if gates_count && !admission.is_ready() || candidacy.facts.trust != TrustFact::Trusted {
        return Err(refused(ticket, &candidacy.facts, &admission));
    }
    if let Some(waiting) = unfinished.take_if(|earlier| how == How::GoesOn && still_waits(&earlier.run)) {
        let outcome = match waiting.run.state() {
            State::Blocked(blocker) => Outcome::Blocked(blocker.clone()),
            _ => Outcome::Paused(PauseCause::Person),
        };
        return Ok(RunReport {
            outcome,
            run: waiting.run,
            taken_up: false,
        });
    }

    let earlier = unfinished.as_ref().map(|unfinished| &unfinished.run);
    let id = match earlier {
        Some(run) => run.opened().run.clone(),
        None => new_run_id(ticket)?,
    };
    let folders = RunFolders {
        run: roots.run(ticket, &id),
        places: roots.places_of(ticket, &id),
    };
    let agent_guard = AgentGuard {
        program: options.guard.clone(),
        records: guards(&folders.run),
    };
    let codex_home = roots.codex_home();
    let agent = prepare_agent(&candidacy.policy, &codex_home, &agent_guard);
    let (agent, codex) = unless_stopped(&options.stop, agent).await??;
    let version = codex
        .as_ref()
        .map_or("scripted".to_owned(), |codex| codex.program.version().to_string());
    candidacy.facts.agent = Some(Ok(version));
    let bundled = codex.and_then(|codex| codex.program.bundled_bwrap());
    let sandbox = probe_sandbox(&candidacy, workspace, &folders, bundled, options).await?;
    candidacy.facts.sandbox = Some(Ok(if sandbox.is_some() { "bubblewrap" } else { "off" }.to_owned()));
    let admission = candidacy.admission();
    if gates_count && !admission.is_admitted() {
        return Err(refused(ticket, &candidacy.facts, &admission));
    }
    let mut terms = opened(&candidacy, repository, &id)?;
    let mut ready = candidacy.into_ready(workspace, earlier)?;
    // The base may hold more than the commit that it was chosen from.
    terms.curate = ready.ticket.file.mode.discipline().curates && ready.has_memory;
    let base = ready.start.discovery.base;
    terms.rescued = match options.from_rescue {
        true => Some(left_work(repository, roots, ticket)?.onto(repository, ticket, base)?),
        false => None,
    };

    if let Some(old) = &mut replaced {
        let folder = roots.run(ticket, &old.run.opened().run);
        let mut driver = old.driver(&mut observe);
        end_for_changed_sources(&mut driver, repository)?;
        store_ended(&mut driver, repository, &folder)?;
    }
    let taken_up = unfinished.is_some();
    let sandbox_name = if sandbox.is_some() { "bubblewrap" } else { "off" };
    ready.start.discovery.check_sandbox = sandbox_name.to_owned();
    let earlier = match unfinished {
        Some(unfinished) => {
            // The probe may answer otherwise today; what the run was started with stands.
            if let Some(discovery) = unfinished.run.discovery() {
                ready.start.discovery = discovery.clone();
            }
            unfinished
        }
        None => open_run(repository, &folders, terms, &mut observe)?,
    };
    let driven = drive_ready(workspace, ready, earlier, (agent, sandbox), options, folders, observe).await;
    drop(lock);
    let Driven { run, outcome } = driven?;
    Ok(RunReport { outcome, run, taken_up })
}

/// A run as a drive left it.
struct Driven {
    run: Run,
    outcome: Outcome,
}

/// Drives a run whose gates were passed, and tidies up after it.
async fn drive_ready(
    workspace: &Workspace,
    ready: Ready,
    earlier: EarlierRun,
    (agent, sandbox): (Box<dyn Agent>, Option<Sandbox>),
    options: &RunOptions,
    folders: RunFolders,
    observe: impl FnMut(&Run, &Record),
) -> Result<Driven, RunError> {
    let (roots, repository) = (workspace.roots(), workspace.repository());
    let EarlierRun { mut run, mut journal } = earlier;
    let id = run.opened().run.clone();
    let start = ready.start;
    let base = start.discovery.base;
    // No branch need hold it: it may be a merge of ours, and tips are amended.
    repository.anchor(&id, &format!("base-{}", base.short()), base.0)?;
    let limits = limits(&ready.policy.limits).tightened(&ready.ticket.file.limits);
    let mut inputs = Inputs {
        policy: ready.policy.clone(),
        gates: ready.policy.gates.of_ticket(&ready.ticket.file),
        grants: ready.ticket.file.grants.clone(),
        acceptance: ready.ticket.file.acceptance.clone(),
        required: match &ready.specs {
            Some(specs) => required_proofs(&ready.ticket.file, &specs.set),
            None => Vec::new(),
        },
        limits,
        start,
        baseline: match ready.ticket.file.mode.discipline().may_change {
            true => baseline(&ready.checks),
            // What is checked is the base itself.
            false => Vec::new(),
        },
        head: journal.head().sum,
        stop: None,
    };
    let children = inputs.start.children.iter().map(|child| child.id.clone());
    let plan = RunPlan {
        children: children.collect(),
        confinement: crate::engine::confinement(&ready.policy, roots, &folders.place("check")),
        redactor: redactor(workspace, &folders, &ready.policy),
        ticket: ready.ticket,
        policy: ready.policy,
        run: id,
        checks: ready.checks,
        specs: ready.specs,
        goal: ready.goal,
        instructions: ready.instructions,
        hand_offs: ready.hand_offs,
        sandbox,
        guard: options.guard.clone(),
        identity: ready.identity,
        folders: folders.clone(),
        locks: roots.locks(),
    };
    let mut engine = Engine::new(plan, workspace.shared_repository(), agent, options.stop.clone());
    let driven = drive(&mut run, &mut journal, &mut inputs, &mut engine, observe).await;
    engine.close().await;
    let outcome = driven?;
    let keep = inputs.policy.workspace.keep == policy::config::KeepPlaces::Always;
    tidy_up(&run, keep, &folders.places);
    Ok(Driven { run, outcome })
}

/// How a ticket stands with an earlier run of it, and what is known of it for that.
struct Standing {
    candidacy: Candidacy,
    how: How,
}

/// What is to be done about a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A first run, or one after runs that are over.
    Begins,
    /// The earlier run goes on from its own base.
    GoesOn,
    /// The earlier run has delivered, and only has to say so.
    Concludes,
    /// What the earlier run was started from changed: a new one takes its place, if the gates let it.
    Replaces,
}

impl Standing {
    fn of(workspace: &Workspace, ticket: &TicketId, earlier: Option<&Run>) -> Result<Self, AdmitError> {
        let how = match earlier {
            None => How::Begins,
            Some(run) if has_delivered(run, workspace.repository()) => How::Concludes,
            Some(_) => How::GoesOn,
        };
        if how == How::GoesOn
            && let Some(lock) = earlier.and_then(Run::source_lock)
        {
            match Candidacy::gather(workspace, ticket, None) {
                Ok(candidacy) if candidacy.is_of_other_sources(lock) => {
                    let how = How::Replaces;
                    return Ok(Self { candidacy, how });
                }
                // Another branch may be checked out, which does not have the ticket.
                Ok(_) | Err(AdmitError::NoSuchTicket { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(run) = earlier {
            let repository = workspace.repository();
            let gone = run
                .named_objects()
                .into_iter()
                .find(|object| !repository.has_object(*object));
            if let Some(object) = gone {
                let run = run.opened().run.clone();
                return Err(AdmitError::ObjectGone { run, object });
            }
        }
        let candidacy = Candidacy::gather(workspace, ticket, earlier)?;
        Ok(Self { candidacy, how })
    }
}

/// Where a run notes its guards.
pub(crate) fn guards(run_folder: &std::path::Path) -> std::path::PathBuf {
    run_folder.join("guards")
}

/// What the work comes to, unless somebody asks the runner to leave first.
pub(crate) async fn unless_stopped<T>(
    stop: &watch::Receiver<Option<PauseCause>>,
    work: impl Future<Output = T>,
) -> Result<T, RunError> {
    let mut stop = stop.clone();
    let told = async {
        match stop.wait_for(Option::is_some).await {
            Ok(cause) => *cause,
            Err(_) => None,
        }
    };
    tokio::select! {
        biased;
        // Where nobody can ask any more, only the work is waited for.
        Some(cause) = told => Err(RunError::Stopped { cause }),
        done = work => Ok(done),
    }
}

fn refused(ticket: &TicketId, facts: &AdmissionFacts, admission: &Admission) -> RunError {
    let unclear = || Blocker::new(BlockerCode::NeedsPerson, "it is not clear whether it may");
    RunError::Refused {
        ticket: ticket.clone(),
        blocker: admission.blocker().unwrap_or_else(unclear),
        is_delivered: matches!(facts.consumed, Some(ConsumedFact::Result { .. })) && admission.refuses_what_is_done(),
    }
}

pub(crate) fn limits(policy: &policy::config::LimitsPolicy) -> Limits {
    Limits {
        max_iterations: policy.max_iterations,
        max_repair_rounds: policy.max_repair_rounds,
        no_progress: policy.no_progress,
        runner_failures: policy.runner_failures,
        verification_failures: policy.verification_failures,
        turn_timeout: policy.turn_timeout,
        idle_timeout: policy.idle_timeout,
        max_repeats: policy.max_repeats,
        command_timeout: policy.command_timeout,
        answer_within: policy.answer_within,
        max_tokens: policy.max_tokens,
        turn_tokens: policy.turn_tokens,
        max_wall: policy.max_wall,
        soft_percent: policy.soft.percent(),
    }
}

fn baseline(checks: &[policy::CheckSpec]) -> Vec<String> {
    checks
        .iter()
        .filter(|check| check.baseline != policy::config::Baseline::Off)
        .map(|check| check.name.clone())
        .collect()
}

/// The sandbox for checks, probed exactly as they will run; none where no check needs one.
async fn probe_sandbox(
    candidacy: &Candidacy,
    workspace: &Workspace,
    folders: &RunFolders,
    bundled: Option<std::path::PathBuf>,
    options: &RunOptions,
) -> Result<Option<Sandbox>, RunError> {
    let checks = candidacy.checks().map_err(AdmitError::from)?;
    let needed = checks.iter().any(|check| check.sandbox == SandboxUse::Required);
    let policy = &candidacy.policy;
    if !needed && policy.workspace.setup.is_empty() && policy.hooks.commands().next().is_none() {
        return Ok(None);
    }
    let place = folders.place("probe");
    std::fs::create_dir_all(&place).map_err(|source| RunError::Io {
        path: place.clone(),
        source,
    })?;
    let confinement = crate::engine::confinement(&candidacy.policy, workspace.roots(), &place);
    let search = SandboxSearch::new(bundled);
    let probe = Sandbox::probe(&search, &options.guard, &confinement);
    let probed = unless_stopped(&options.stop, probe).await;
    // A refused run leaves nothing behind; one that is not refused makes its folders again.
    let _ = std::fs::remove_dir_all(&place);
    let _ = std::fs::remove_dir(&folders.places);
    Ok(Some(probed??))
}

fn redactor(workspace: &Workspace, folders: &RunFolders, policy: &Policy) -> Redactor {
    let mut redactor = Redactor::default()
        .path(folders.place("work"), "$PLACE")
        .path(folders.place("check"), "$PLACE")
        .path(folders.place("review"), "$PLACE")
        .path(workspace.roots().user(), "$STATE")
        .path(workspace.repository().work_dir(), "$REPOSITORY");
    if let Some(home) = std::env::home_dir() {
        redactor = redactor.path(home, "~");
    }
    // A value that is not UTF-8 would not be found in a text either.
    let environment: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let redactor = redactor.secrets_of(environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let webhook = policy
        .notify
        .webhook
        .as_ref()
        .and_then(policy::config::Webhook::variable);
    let address = webhook.and_then(|variable| std::env::var(variable).ok());
    let redactor = match address {
        Some(address) => redactor.secret(&address),
        None => redactor,
    };
    redactor.patterns_of(policy)
}

/// The places of a run that is done and kept in Git go, unless the policy keeps them. Those of any other may hold work that
/// nothing else holds: `foil clean` keeps that first.
fn tidy_up(run: &Run, keep: bool, places: &Path) {
    if *run.state() == State::Done && run.stored().is_some() && !keep {
        // What cannot be removed now is shown by `foil clean`.
        let _ = Place::remove(places);
    }
}

/// Whether the places of a run stay that a dead runner ended: also where nobody can tell what the policy wants.
fn keeps_places(workspace: &Workspace) -> bool {
    let keep = workspace.policy().map(|policy| policy.workspace.keep);
    keep.map_or(true, |keep| keep == policy::config::KeepPlaces::Always)
}

/// The folder of a run's places.
fn places_of(workspace: &Workspace, run: &Run) -> PathBuf {
    let opened = run.opened();
    workspace.roots().places_of(&opened.ticket, &opened.run)
}
