//! What an earlier run of a ticket left, for a new one to begin with.

use git_delivery::{AnchorError, Merge, ObjectError, Repository};
use ledger_core::{BlockerCode, CommitId, RepoPath, Rescued, Run, RunId, State, TicketId, TreeId};

use crate::run_history::{HistoryError, known_runs, read_known};
use crate::state::StateRoots;

/// The work of an earlier run, which is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftWork {
    /// The run.
    pub run: RunId,
    /// The commit that it started from.
    pub base: CommitId,
    /// The last tree that was kept of it.
    pub tree: TreeId,
    /// Whether the run is over, so that it does not go on with it itself.
    pub is_over: bool,
}

/// A run cannot begin with what an earlier one left. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// There is nothing to begin with.
    #[error("no earlier run of `{ticket}` in this clone left work")]
    NothingLeft {
        /// The ticket.
        ticket: TicketId,
    },
    /// The earlier run is not over.
    #[error("run {run} of `{ticket}` is not over: it goes on with all that it has")]
    NotOver {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
    },
    /// The run does not keep what its journal names.
    #[error("run {run} of `{ticket}` does not keep tree {}, which its journal names as what it left", tree.short())]
    NotKept {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
        /// The tree that its journal names.
        tree: TreeId,
    },
    /// The base changed in the same files.
    #[error(
        "what run {run} of `{ticket}` left does not fit its base as it is now, which changed in {}",
        listed(paths)
    )]
    BaseChanged {
        /// The ticket.
        ticket: TicketId,
        /// The run.
        run: RunId,
        /// The paths that both changed.
        paths: Vec<RepoPath>,
    },
    /// The earlier runs cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What they keep cannot be read, or kept for the new run.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// A tree cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// The first paths of a list, in words.
pub(crate) fn listed(paths: &[RepoPath]) -> String {
    let shown: Vec<_> = paths.iter().take(5).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl RescueError {
    /// The stable code, where a person has to decide how to go on.
    pub fn code(&self) -> Option<BlockerCode> {
        match self {
            Self::NothingLeft { .. } | Self::NotOver { .. } | Self::NotKept { .. } | Self::BaseChanged { .. } => {
                Some(BlockerCode::NeedsPerson)
            }
            Self::History(_) | Self::Anchor(_) | Self::Object(_) => None,
        }
    }
}

/// The work of the latest run of a ticket that left any. It is what that run's journal names, and the run must still keep it:
/// an anchor that was moved is no proof of anything.
pub fn left_work(repository: &Repository, roots: &StateRoots, ticket: &TicketId) -> Result<LeftWork, RescueError> {
    for known in known_runs(repository, roots, ticket)?.into_iter().rev() {
        let Some(read) = read_known(repository, roots, ticket, known)? else {
            continue;
        };
        let Some((base, tree)) = work_of(&read.run) else {
            continue;
        };
        if repository.commit_tree_id(base)? == tree {
            continue;
        }
        let run = read.known.run;
        if !repository.anchors(&run)?.iter().any(|anchor| anchor.object == tree.0) {
            let ticket = ticket.clone();
            return Err(RescueError::NotKept { ticket, run, tree });
        }
        return Ok(LeftWork {
            is_over: is_over(&read.run),
            run,
            base,
            tree,
        });
    }
    Err(RescueError::NothingLeft { ticket: ticket.clone() })
}

/// Whether a run is over and left work that a new run can begin with, as far as the run itself tells.
pub fn has_left_work(run: &Run) -> bool {
    let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
    is_over(run) && work_of(run).is_some() && measured.is_none_or(|measured| measured.change.counts.total() > 0)
}

/// The command that begins a new run with what the last one left.
pub fn rescue_command(ticket: &TicketId) -> String {
    format!("foil run --from-rescue {ticket}")
}

fn is_over(run: &Run) -> bool {
    match run.state() {
        State::Blocked(blocker) => !blocker.resumable,
        State::Canceled { .. } | State::Done => true,
        State::Climbing | State::Paused { .. } => false,
    }
}

/// The base and the last kept tree of a run whose work is not delivered.
fn work_of(run: &Run) -> Option<(CommitId, TreeId)> {
    let base = run.base()?;
    Some((base, run.kept_tree()?)).filter(|_| *run.state() != State::Done)
}

impl LeftWork {
    /// What a new run from this base begins with. Where the base moved, the work is carried to it, if no file that it changed
    /// was changed there: the old tree itself would undo what others did since.
    pub(crate) fn onto(
        self,
        repository: &Repository,
        ticket: &TicketId,
        base: CommitId,
    ) -> Result<Rescued, RescueError> {
        let before = repository.commit_tree_id(self.base)?;
        let now = repository.commit_tree_id(base)?;
        let Self { run, tree: left, .. } = self;
        match repository.carry(before, left, now)? {
            Merge::Clean { tree } => Ok(Rescued { run, left, tree }),
            Merge::Conflict { paths } => Err(RescueError::BaseChanged {
                ticket: ticket.clone(),
                run,
                paths,
            }),
        }
    }
}
