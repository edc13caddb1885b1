//! Bringing one ticket to its end: lock, admit, open or take up the run, drive it, tidy up.

use git_delivery::Place;
use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, Event, JOURNAL_FORMAT, Mode, Opened, PauseCause, Record, Run, RunId, State, TicketId,
};
use policy::config::{IndependentReview, SandboxUse};
use policy::{Admission, Inputs, Limits, Outcome, TrustFact, check_specs};
use tokio::sync::watch;

use crate::admit::{AdmitError, Candidacy};
use crate::agent::AgentGuard;
use crate::agents::{AgentProblem, prepare_agent};
use crate::drive::{DriveError, drive};
use crate::engine::{Engine, RunFolders, RunPlan};
use crate::guard::{GuardProgram, LeftoverError, end_leftovers};
use crate::journal_file::{JournalFile, JournalFileError, JournalSink, OpenedJournal};
use crate::lock::{LockError, LockHolder, TicketLock};
use crate::redact::Redactor;
use crate::sandbox::{Sandbox, SandboxSearch, SandboxUnavailable};
use crate::workspace::{Workspace, WorkspaceError};

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
    /// The journal holds steps that may not follow each other.
    #[error("the journal of run {run} holds a step that may not follow: {source}")]
    Replay {
        /// The run.
        run: RunId,
        /// Which step.
        source: ledger_core::Refusal,
    },
    /// The drive failed.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs a ticket to its end, and shows `observe` every record as it is written. A run that a dead or paused runner left,
/// or that stopped for a reason that may be gone, is taken up.
pub async fn run_ticket(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &RunOptions,
    observe: impl FnMut(&Run, &Record),
) -> Result<RunReport, RunError> {
    let io = |path: std::path::PathBuf| move |source| RunError::Io { path, source };
    let locks = workspace.roots().locks();
    let holder = LockHolder::current(Timestamp::now()).map_err(io(locks.clone()))?;
    let lock = TicketLock::acquire(&locks, ticket, &holder)?;

    let unfinished = find_unfinished(workspace, ticket)?;
    let earlier = unfinished.as_ref().map(|unfinished| &unfinished.run);
    let mut candidacy = Candidacy::gather(workspace, ticket, earlier)?;
    candidacy.facts.is_temporary &= !options.allow_temporary;
    if let Some(model) = &options.model {
        candidacy.policy.agent.model = Some(model.clone());
    }
    let admission = candidacy.admission();
    // Nothing that a policy names is started before it is known to be trusted, not even to ask for its version.
    if !admission.is_ready() || candidacy.facts.trust != TrustFact::Trusted {
        return Err(refused(ticket, &admission));
    }

    let id = match earlier {
        Some(run) => run.opened().run.clone(),
        None => new_run_id(ticket)?,
    };
    let folders = RunFolders {
        run: workspace.roots().run(ticket, &id),
        places: workspace.roots().places().join(format!("{ticket}-{id}")),
    };
    let records = folders.run.join("guards");
    if earlier.is_some() {
        end_leftovers(&records)?;
    }
    let agent_guard = AgentGuard {
        program: options.guard.clone(),
        records,
    };
    let (agent, codex) = prepare_agent(&candidacy.policy, &workspace.roots().codex_home(), &agent_guard).await?;
    let version = codex
        .as_ref()
        .map_or("scripted".to_owned(), |codex| codex.program.version().to_string());
    candidacy.facts.agent = Some(Ok(version));
    let bundled = codex.and_then(|codex| codex.program.bundled_bwrap());
    let sandbox = probe_sandbox(&candidacy, workspace, &folders, bundled, options).await?;
    candidacy.facts.sandbox = Some(Ok(if sandbox.is_some() { "bubblewrap" } else { "off" }.to_owned()));
    let admission = candidacy.admission();
    if !admission.is_admitted() {
        return Err(refused(ticket, &admission));
    }
    let ready = candidacy.into_ready(workspace, earlier)?;

    let mut start = ready.start;
    start.discovery.check_sandbox = if sandbox.is_some() { "bubblewrap" } else { "off" }.to_owned();
    let taken_up = unfinished.is_some();
    let (mut run, mut journal) = match unfinished {
        Some(unfinished) => {
            // The probe may answer otherwise today; what the run was started with stands.
            if let Some(discovery) = unfinished.run.discovery() {
                start.discovery = discovery.clone();
            }
            (unfinished.run, unfinished.journal)
        }
        None => {
            std::fs::create_dir_all(&folders.run).map_err(io(folders.run.clone()))?;
            open_run(
                &folders,
                opened(&ready.policy, &ready.ticket, &id, &ready.repository, &ready.checks),
            )?
        }
    };
    let limits = limits(&ready.policy.limits).tightened(&ready.ticket.file.limits);
    let mut inputs = Inputs {
        policy: ready.policy.clone(),
        grants: ready.ticket.file.grants.clone(),
        acceptance: ready.ticket.file.acceptance.clone(),
        limits,
        start,
        baseline: baseline(&ready.checks),
        head: journal.head().sum,
        stop: None,
    };
    let plan = RunPlan {
        confinement: crate::engine::confinement(&ready.policy, workspace.roots(), &folders.place("check")),
        redactor: redactor(workspace, &folders),
        ticket: ready.ticket,
        policy: ready.policy,
        run: id,
        checks: ready.checks,
        sandbox,
        guard: options.guard.clone(),
        identity: ready.identity,
        folders: folders.clone(),
    };
    let mut engine = Engine::new(plan, workspace.shared_repository(), agent, options.stop.clone());
    let driven = drive(&mut run, &mut journal, &mut inputs, &mut engine, observe).await;
    engine.close().await;
    let outcome = driven?;
    tidy_up(&run, &inputs, &folders);
    drop(lock);
    Ok(RunReport { outcome, run, taken_up })
}

fn refused(ticket: &TicketId, admission: &Admission) -> RunError {
    let unclear = || Blocker::new(BlockerCode::NeedsPerson, "it is not clear whether it may");
    RunError::Refused {
        ticket: ticket.clone(),
        blocker: admission.blocker().unwrap_or_else(unclear),
    }
}

/// A run that can go on, with its journal.
struct Unfinished {
    run: Run,
    journal: JournalFile,
}

/// The ticket's latest run, if it can go on. A journal in which nothing but torn bytes stands is of a run that never was.
fn find_unfinished(workspace: &Workspace, ticket: &TicketId) -> Result<Option<Unfinished>, RunError> {
    let roots = workspace.roots();
    let runs = roots.runs_of(ticket).map_err(|source| RunError::Io {
        path: roots.ticket_runs(ticket),
        source,
    })?;
    for id in runs.into_iter().rev() {
        let path = roots.journal(ticket, &id);
        let OpenedJournal { file, records, .. } = match JournalFile::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.never_began() => continue,
            Err(error) => return Err(error.into()),
        };
        let run = Run::replay(&records).map_err(|source| RunError::Replay { run: id, source })?;
        let goes_on = match run.state() {
            State::Climbing | State::Paused { .. } => true,
            State::Blocked(blocker) => blocker.resumable || run.stored().is_none(),
            State::Canceled { .. } | State::Done => run.stored().is_none(),
        };
        return Ok(goes_on.then_some(Unfinished { run, journal: file }));
    }
    Ok(None)
}

/// Sortable by time, unique on this machine and elsewhere.
fn new_run_id(ticket: &TicketId) -> Result<RunId, RunError> {
    uuid::Uuid::now_v7()
        .to_string()
        .parse()
        .map_err(|error: ledger_core::InvalidName| RunError::Refused {
            ticket: ticket.clone(),
            blocker: Blocker::new(BlockerCode::NeedsPerson, error.to_string()),
        })
}

fn open_run(folders: &RunFolders, opened: Opened) -> Result<(Run, JournalFile), RunError> {
    let at = Timestamp::now();
    let event = Event::Opened(opened);
    let run = Run::open(at, &event).map_err(DriveError::from)?;
    let mut journal = JournalFile::create(&folders.run.join("journal.jsonl"))?;
    journal.append(at, &event)?;
    Ok((run, journal))
}

fn opened(
    policy: &policy::Policy,
    ticket: &ledger_core::Ticket,
    run: &RunId,
    repository: &str,
    checks: &[policy::CheckSpec],
) -> Opened {
    let off = policy.review.independent == IndependentReview::Off;
    Opened {
        format: JOURNAL_FORMAT,
        foil: env!("CARGO_PKG_VERSION").to_owned(),
        ticket: ticket.id.clone(),
        run: run.clone(),
        repository: repository.to_owned(),
        mode: ticket.file.mode,
        delivery: policy.delivery.mode,
        review: !(off && ticket.file.mode == Mode::Loop),
        checks: checks.iter().map(|check| check.name.clone()).collect(),
        max_repair_rounds: policy.limits.max_repair_rounds,
    }
}

fn limits(policy: &policy::config::LimitsPolicy) -> Limits {
    Limits {
        max_iterations: policy.max_iterations,
        max_repair_rounds: policy.max_repair_rounds,
        no_progress: policy.no_progress,
        runner_failures: policy.runner_failures,
        verification_failures: policy.verification_failures,
        turn_timeout: policy.turn_timeout,
        idle_timeout: policy.idle_timeout,
        command_timeout: policy.command_timeout,
        max_tokens: policy.max_tokens,
        max_wall: policy.max_wall,
        soft_percent: u8::try_from(policy.soft.of(100)).unwrap_or(100),
    }
}

fn baseline(checks: &[policy::CheckSpec]) -> Vec<String> {
    checks
        .iter()
        .filter(|check| check.baseline == policy::config::Baseline::MustPass)
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
    let checks = check_specs(&candidacy.policy, &candidacy.ticket.file).map_err(AdmitError::from)?;
    if !checks.iter().any(|check| check.sandbox == SandboxUse::Required) {
        return Ok(None);
    }
    let place = folders.place("probe");
    std::fs::create_dir_all(&place).map_err(|source| RunError::Io {
        path: place.clone(),
        source,
    })?;
    let confinement = crate::engine::confinement(&candidacy.policy, workspace.roots(), &place);
    let probed = Sandbox::probe(&SandboxSearch::new(bundled), &options.guard, &confinement).await;
    // A refused run leaves nothing behind; one that is not refused makes its folders again.
    let _ = std::fs::remove_dir_all(&place);
    let _ = std::fs::remove_dir(&folders.places);
    Ok(Some(probed?))
}

fn redactor(workspace: &Workspace, folders: &RunFolders) -> Redactor {
    let mut redactor = Redactor::default()
        .path(folders.place("work"), "$PLACE")
        .path(folders.place("check"), "$PLACE")
        .path(folders.place("review"), "$PLACE")
        .path(workspace.roots().user(), "$STATE")
        .path(workspace.repository().work_dir(), "$REPOSITORY");
    if let Some(home) = std::env::home_dir() {
        redactor = redactor.path(home, "~");
    }
    let environment: Vec<_> = std::env::vars().collect();
    redactor.secrets_of(environment.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Places of an ended run go, unless the policy keeps them; what is worth keeping is in Git.
fn tidy_up(run: &Run, inputs: &Inputs, folders: &RunFolders) {
    let ended = match run.state() {
        State::Done | State::Canceled { .. } => true,
        State::Blocked(blocker) => !blocker.resumable,
        State::Climbing | State::Paused { .. } => false,
    };
    let keep = inputs.policy.workspace.keep == policy::config::KeepPlaces::Always;
    if !ended || keep || run.stored().is_none() {
        return;
    }
    for name in ["work", "check", "review"] {
        // A place that cannot be removed now is shown by `foil clean`.
        let _ = Place::remove(&folders.place(name));
        let _ = std::fs::remove_file(folders.places.join(format!("{name}.place")));
    }
    let _ = std::fs::remove_dir_all(folders.places.join("outputs"));
    let _ = std::fs::remove_dir(&folders.places);
}
