//! Planning a goal: an agent that may only read proposes a package of draft tickets, which is held against the rules of the ledger before a file is
//! written. Nothing is approved by it.

mod desk;
mod drafts;
mod turn;

use std::path::{Path, PathBuf};

use git_delivery::{RefError, RepositoryError};
use ledger_core::{
    Activity, AgentFailure, Blocker, CheckCommand, CommitId, GoalPlan, GoalPlanStatus, PackageName, PauseCause,
    RepoPath, TicketId, TokenCount,
};
use policy::Policy;
use policy::config::CheckPolicy;
use serde::Serialize;
use tokio::sync::watch;
use toml_edit::DocumentMut;

use crate::agent::{Agent, AgentGuard};
use crate::agents::{AgentProblem, prepare_agent};
use crate::beneath::{WriteError, replace_beneath};
use crate::check_ledger::{CheckLedgerError, check_ledger};
use crate::finding::{Finding, FindingSeverity};
use crate::guard::{GuardProgram, LeftoverError, end_leftovers};
use crate::ledger::FileProblem;
use crate::lock::{LockHolder, NotedLock};
use crate::moment::Moment;
use crate::new::{NewTicketError, next_requirement, next_ticket_number, words_of};
use crate::packages::{NewPackage, PackageError, PackagesError, lock_package, new_package, package_path};
use crate::plan_files::PlanFiles;
use crate::prompt::{GoalTask, Refused, goal_prompt};
use crate::prompt_files::PromptFiles;
use crate::workspace::{Settings, Workspace, WorkspaceError};

use self::desk::{Desk, DeskError};
use self::drafts::{Drafts, Wanted};

/// A goal longer than this is a document: put it into the repository and name it.
pub const MAX_GOAL_BYTES: usize = 32 * 1024;

/// How often an answer that cannot be used is answered with what is wrong with it.
const MOST_TURNS: u32 = 3;

/// What is to be planned.
#[derive(Debug, Clone)]
pub struct GoalRequest {
    /// The goal, in a person's words.
    pub goal: String,
    /// The package of its tickets; none: the first words of the goal.
    pub package: Option<PackageName>,
    /// How processes are started so that they end with this one.
    pub guard: GuardProgram,
    /// Tells the planner to leave. Nothing is written then.
    pub stop: watch::Receiver<Option<PauseCause>>,
    /// A model in place of the policy's.
    pub model: Option<String>,
    /// Whether the drafts are written; else they are only shown.
    pub write: bool,
}

/// What came of planning a goal.
#[derive(Debug)]
pub enum GoalOutcome {
    /// There are drafts.
    Planned(Box<GoalDrafts>),
    /// A person is needed first. Nothing was written.
    Blocked {
        /// What is missing.
        because: String,
        /// What a person has to decide.
        questions: Vec<String>,
        /// What it cost.
        tokens: TokenCount,
    },
}

/// The drafts for a goal.
#[derive(Debug)]
pub struct GoalDrafts {
    /// The package.
    pub package: PackageName,
    /// What the planner answered.
    pub plan: GoalPlan,
    /// The tickets of the package, in their order, also those that a person has edited.
    pub tickets: Vec<TicketId>,
    /// Drafts that were left as they are, because a person has edited them since the last plan.
    pub edited: Vec<TicketId>,
    /// What became, or would become, of each file.
    pub files: Vec<GoalFile>,
    /// What is worth knowing of the drafts.
    pub warnings: Vec<Finding>,
    /// What it cost.
    pub tokens: TokenCount,
}

/// A file that a plan is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoalFile {
    /// The file.
    pub path: RepoPath,
    /// What became of it.
    pub change: GoalFileChange,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalFileChange {
    /// It is new.
    Created,
    /// A draft of an earlier plan was replaced.
    Replaced,
    /// It is as it was.
    Kept,
    /// A draft of an earlier plan is not needed any more.
    Removed,
}

/// A goal could not be planned. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum GoalError {
    /// The workspace cannot be used.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// There is no goal, or a document instead of one.
    #[error("a goal is a text of 1 to {MAX_GOAL_BYTES} bytes")]
    Goal,
    /// The goal has no word that a package could be named after.
    #[error("the goal has no letter or digit that a package could be named after")]
    NoName,
    /// There is nothing to read.
    #[error("there is no commit yet that could be read")]
    NoCommit,
    /// The user has not agreed to what the policy starts.
    #[error("the policy has not been trusted as it is now")]
    NotTrusted,
    /// There is such a package, and no plan made it.
    #[error("there is a package `{package}` that was not made by a plan")]
    Taken {
        /// The package.
        package: PackageName,
    },
    /// A ticket of the package is more than a draft.
    #[error("`{ticket}` of the package `{package}` is {how}, and only drafts are planned anew")]
    Begun {
        /// The package.
        package: PackageName,
        /// The ticket.
        ticket: TicketId,
        /// `approved`, `begun`, `delivered` or `canceled`.
        how: &'static str,
    },
    /// Somebody plans the same package at this moment.
    #[error("the package `{package}` is being planned by another process")]
    Held {
        /// The package.
        package: PackageName,
    },
    /// The package cannot be read.
    #[error("`{path}`: {problem}")]
    Package {
        /// Its file.
        path: RepoPath,
        /// Why.
        problem: FileProblem,
    },
    /// A draft was changed while it was planned.
    #[error("`{path}` was changed while the goal was planned")]
    Moved {
        /// The file.
        path: RepoPath,
    },
    /// A file of a new draft is there already.
    #[error("`{path}` is there already")]
    Exists {
        /// The file.
        path: RepoPath,
    },
    /// The agent cannot be had.
    #[error(transparent)]
    Agent(#[from] AgentProblem),
    /// The agent's turn failed.
    #[error("the planner failed: {}", .failure.message)]
    Failed {
        /// How.
        failure: Box<AgentFailure>,
    },
    /// The turn took too long, or would have: the planner was ended as the worker of a run is.
    #[error("the planner was ended: {}", .because.reason)]
    Ended {
        /// Why.
        because: Box<Blocker>,
    },
    /// It cost too much.
    #[error("the planner spent {spent} tokens, more than the {limit} of `[limits] max_tokens`")]
    Tokens {
        /// What was spent.
        spent: u64,
        /// What may be.
        limit: u64,
    },
    /// No answer could be used.
    #[error("the planner's answers could not be used: {}", .reasons.join("; "))]
    Refused {
        /// What was wrong with the last.
        reasons: Vec<String>,
    },
    /// Files changed where the planner only reads.
    #[error("files changed where the planner only reads, so its answer was not used")]
    Touched,
    /// Somebody asked to leave.
    #[error("asked to leave before the goal was planned")]
    Stopped {
        /// Why.
        cause: PauseCause,
    },
    /// What an earlier planner left could not be ended.
    #[error(transparent)]
    Leftovers(#[from] LeftoverError),
    /// The places of the planner cannot be made.
    #[error("the planner's place cannot be made: {reason}")]
    Desk {
        /// Why.
        reason: String,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Check(#[from] CheckLedgerError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// Ids that are taken cannot be told.
    #[error(transparent)]
    New(#[from] NewTicketError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Refs cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A prompt file cannot be read.
    #[error("the prompts of the policy cannot be read: {reason}")]
    Prompts {
        /// Why.
        reason: String,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The state of the plan cannot be kept.
    #[error("{}: {source}", path.display())]
    State {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<DeskError> for GoalError {
    fn from(error: DeskError) -> Self {
        Self::Desk {
            reason: error.to_string(),
        }
    }
}

/// Has a goal planned, and writes the drafts into the work tree. An earlier plan's drafts are replaced as far as nobody has edited or approved them.
///
/// `show` is told what the planner does.
pub async fn plan_goal(
    workspace: &Workspace,
    request: &GoalRequest,
    mut show: impl FnMut(&Activity),
) -> Result<GoalOutcome, GoalError> {
    let goal = request.goal.trim();
    if goal.is_empty() || goal.len() > MAX_GOAL_BYTES {
        return Err(GoalError::Goal);
    }
    let policy = workspace.policy()?;
    if !workspace.is_policy_trusted()? {
        return Err(GoalError::NotTrusted);
    }
    let base = workspace.repository().head()?.commit().ok_or(GoalError::NoCommit)?;
    let package = match &request.package {
        Some(package) => package.clone(),
        None => named_after(goal).ok_or(GoalError::NoName)?,
    };
    let files = PlanFiles::of(workspace.roots(), &package);
    let state = files.folder().to_owned();
    let holder = LockHolder::current(Moment::now().at).map_err(failed_at(&state))?;
    let lock = NotedLock::acquire(&files.lock(), &holder).map_err(failed_at(&state))?;
    let Some(_lock) = lock else {
        return Err(GoalError::Held { package });
    };
    let guards = files.guards();
    {
        let guards = guards.clone();
        let ended = tokio::task::spawn_blocking(move || end_leftovers(&guards)).await;
        ended.map_err(|error| failed_at(&state)(std::io::Error::other(error)))??;
    }
    let drafts = Drafts::of(workspace, &package)?;
    put_log_aside(&files)?;
    let agent_guard = AgentGuard {
        program: request.guard.clone(),
        records: guards,
    };
    let (agent, _) = prepare_agent(policy, &workspace.roots().codex_home(), &agent_guard).await?;
    let mut planner = Planner {
        workspace,
        policy,
        request,
        goal,
        package: &package,
        drafts: &drafts,
        files: &files,
        tokens: TokenCount::default(),
        agent,
    };
    let planned = planner.plan(base, &mut show).await;
    let tokens = planner.tokens;
    planner.agent.close().await;
    match planned? {
        Planned::Blocked { because, questions } => Ok(GoalOutcome::Blocked {
            because,
            questions,
            tokens,
        }),
        Planned::Drafts { plan, wanted, warnings } => {
            let files = match request.write {
                true => drafts.write(workspace, &wanted)?,
                false => drafts.would_write(workspace, &wanted),
            };
            Ok(GoalOutcome::Planned(Box::new(GoalDrafts {
                package,
                plan,
                tickets: wanted.order,
                edited: drafts.edited.iter().cloned().collect(),
                files,
                warnings,
                tokens,
            })))
        }
    }
}

/// The first words of a goal as the name of a package.
fn named_after(goal: &str) -> Option<PackageName> {
    const WORDS: usize = 5;
    let line = goal.lines().next().unwrap_or_default();
    let words: Vec<_> = line.split_whitespace().take(WORDS).collect();
    words_of(&words.join(" ")).parse().ok()
}

fn failed_at(path: &Path) -> impl Fn(std::io::Error) -> GoalError {
    let path = path.to_owned();
    move |source| GoalError::State {
        path: path.clone(),
        source,
    }
}

/// Begins the log anew and keeps that of the plan before, so that it does not grow for ever.
fn put_log_aside(files: &PlanFiles) -> Result<(), GoalError> {
    let log = files.log();
    match std::fs::rename(&log, files.earlier_log()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed_at(&log)(error)),
        _ => Ok(()),
    }
}

/// One goal on its way to drafts.
struct Planner<'a> {
    workspace: &'a Workspace,
    policy: &'a Policy,
    request: &'a GoalRequest,
    goal: &'a str,
    package: &'a PackageName,
    drafts: &'a Drafts,
    files: &'a PlanFiles,
    tokens: TokenCount,
    agent: Box<dyn Agent>,
}

enum Planned {
    Drafts {
        plan: GoalPlan,
        wanted: Wanted,
        warnings: Vec<Finding>,
    },
    Blocked {
        because: String,
        questions: Vec<String>,
    },
}

/// What an answer that can be used says, or why it cannot be.
type Judged = Result<(Wanted, Vec<Finding>), Vec<String>>;

impl Planner<'_> {
    async fn plan(&mut self, base: CommitId, show: &mut impl FnMut(&Activity)) -> Result<Planned, GoalError> {
        let (workspace, policy) = (self.workspace, self.policy);
        let repository = workspace.repository();
        let ledger = policy.ledger.dir.path();
        let refs = repository.snapshot_refs()?;
        let mut desk = Desk::make(workspace, self.files.place().to_owned(), base, &refs, ledger)?;
        let instructions = PromptFiles::at(repository, base, policy).map_err(|error| GoalError::Prompts {
            reason: error.to_string(),
        })?;
        let checks: Vec<_> = policy.check.iter().map(named_check).collect();
        let forbidden: Vec<String> = policy.scope.forbidden.iter().map(ToString::to_string).collect();
        let open = self.drafts.open();
        let edited: Vec<_> = self.drafts.edited.iter().cloned().collect();
        let numbers = (
            next_ticket_number(workspace)?,
            next_requirement(repository.work_dir(), &ledger_core::SpecFolder::of(ledger)),
        );
        let mut refused: Option<Refused> = None;
        for turn in 1..=MOST_TURNS {
            let label = format!("goal/{}/{turn}", self.package);
            let prompt = goal_prompt(&GoalTask {
                goal: self.goal,
                label: &label,
                package: self.package,
                ledger,
                next_number: numbers.0,
                next_requirement: numbers.1,
                checks: &checks,
                forbidden: &forbidden,
                drafts: &open,
                edited: &edited,
                instructions: instructions.told.planner.as_deref(),
                refused: refused.as_ref(),
            });
            let answer = self.turn(&label, prompt, desk.reading(), show).await?;
            if desk.is_touched(repository, ledger)? {
                return Err(GoalError::Touched);
            }
            let reasons = match GoalPlan::parse(&answer, &label) {
                Err(invalid) => vec![invalid.to_string()],
                Ok(plan) if plan.status == GoalPlanStatus::Blocked => {
                    return Ok(Planned::Blocked {
                        because: plan.blocked_because,
                        questions: plan.questions,
                    });
                }
                Ok(plan) => match self.judge(&plan, &desk)? {
                    Ok((wanted, warnings)) => return Ok(Planned::Drafts { plan, wanted, warnings }),
                    Err(reasons) => reasons,
                },
            };
            refused = Some(Refused { reasons, answer });
        }
        let reasons = refused.map(|refused| refused.reasons).unwrap_or_default();
        Err(GoalError::Refused { reasons })
    }

    /// Holds the drafts of a plan against the rules, where the user's files are not touched.
    fn judge(&self, plan: &GoalPlan, desk: &Desk) -> Result<Judged, GoalError> {
        let settings = Settings {
            state_folder: self.workspace.roots().user().to_owned(),
        };
        let ledger = self.policy.ledger.dir.path();
        let mut wanted = match self.drafts.wanted(plan, self.package, ledger) {
            Ok(wanted) => wanted,
            Err(reasons) => return Ok(Err(reasons)),
        };
        let taken = self.taken(&wanted)?;
        if !taken.is_empty() {
            return Ok(Err(taken));
        }
        desk.lay_out(self.workspace, ledger, &wanted)?;
        let there = desk.workspace(&settings)?;
        let root = there.repository().work_dir();
        let Some(path) = package_path(ledger, self.package) else {
            return Err(GoalError::NoName);
        };
        let made = if self.drafts.has_package {
            self.relisted(root, &path, &wanted)?;
            lock_package(&there, self.package)
        } else {
            new_package(
                &there,
                &NewPackage {
                    title: plan.title.chars().take(200).collect(),
                    name: Some(self.package.clone()),
                    goal: self.goal.to_owned(),
                    tickets: wanted.order.clone(),
                    one_branch: true,
                },
            )
        };
        match made {
            Ok(_) => {}
            Err(PackageError::NotFit { findings, .. }) => return Ok(Err(findings.iter().map(reason).collect())),
            Err(error @ (PackageError::Title | PackageError::NameOfTicket { .. } | PackageError::Taken { .. })) => {
                return Ok(Err(vec![error.to_string()]));
            }
            Err(error) => {
                return Err(GoalError::Desk {
                    reason: error.to_string(),
                });
            }
        }
        let text = crate::beneath::read_beneath(root, &path).map_err(|problem| GoalError::Package {
            path: path.clone(),
            problem,
        })?;
        wanted.files.insert(path, String::from_utf8_lossy(&text).into_owned());
        let check = check_ledger(&there, &wanted.order)?;
        let (errors, warnings): (Vec<_>, Vec<_>) = check
            .findings
            .into_iter()
            .partition(|finding| finding.severity >= FindingSeverity::Unfinished);
        Ok(match errors.is_empty() {
            true => Ok((wanted, warnings)),
            false => Err(errors.iter().map(reason).collect()),
        })
    }

    /// Ids that a plan may not give, because other tickets have them.
    fn taken(&self, wanted: &Wanted) -> Result<Vec<String>, GoalError> {
        let ledger = self.workspace.ledger()?;
        let is_own = |id: &TicketId| self.drafts.tickets.contains(id);
        let is_taken = |id: &&TicketId| {
            let others = ledger.ids().iter().filter(|other| !is_own(other));
            !is_own(id) && others.into_iter().any(|other| other.folded() == id.folded())
        };
        let taken = wanted.order.iter().filter(is_taken);
        Ok(taken
            .map(|id| format!("`{id}` is another ticket's id: take a free number"))
            .collect())
    }

    /// Writes the list of tickets into the package that is there; what else it says stays.
    fn relisted(&self, root: &Path, path: &RepoPath, wanted: &Wanted) -> Result<(), GoalError> {
        let unusable = |problem: FileProblem| GoalError::Package {
            path: path.clone(),
            problem,
        };
        let bytes = crate::beneath::read_beneath(root, path).map_err(unusable)?;
        let text = ledger_core::document_text(&bytes).map_err(|error| unusable(error.into()))?;
        let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            unusable(FileProblem::Unreadable {
                reason: error.message().to_owned(),
            })
        })?;
        let tickets: toml_edit::Array = wanted.order.iter().map(TicketId::as_str).collect();
        document["tickets"] = toml_edit::value(tickets);
        Ok(replace_beneath(root, path, document.to_string().as_bytes())?)
    }
}

/// A check of the policy, as planners are told it.
fn named_check(check: &CheckPolicy) -> String {
    let command = CheckCommand::new(check.run.as_deref(), check.argv.as_deref());
    let command = command.map(|command| command.to_string()).unwrap_or_default();
    format!("`{}`: `{command}`", check.name)
}

/// A finding in one line, for the planner.
fn reason(finding: &Finding) -> String {
    let hint = finding
        .hint
        .as_deref()
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default();
    match finding.line {
        Some(line) => format!("{} line {line}: {}{hint}", finding.path, finding.message),
        None => format!("{}: {}{hint}", finding.path, finding.message),
    }
}
