//! The state of one ticket, where its run, its approval or its files decide it alone.

use git_delivery::Repository;
use ledger_core::{Blocker, PauseCause, RepoPath, Run, State, TicketId};

use super::{BlockedStatus, BrokenStatus, PausedStatus, RunStatus, StaleStatus, TicketState};
use crate::capsule::BlockerCapsule;
use crate::consent::ConsentState;
use crate::engine::has_delivered;
use crate::ledger::FileProblem;
use crate::questions::QuestionReport;
use crate::rescue::{has_left_work, rescue_command};
use crate::run_ticket::over;

/// What the last run says of a ticket that is not delivered. None where it says nothing any more: a new approval makes a
/// run that ended history.
pub(super) fn unfinished(id: &TicketId, run: &Run, consent: &ConsentState) -> Option<TicketState> {
    let again = format!("foil run {id}");
    match run.state() {
        State::Blocked(blocker) => (!is_history(run, consent)).then(|| {
            TicketState::Blocked(Box::new(BlockedStatus {
                code: blocker.code,
                reason: blocker.reason.clone(),
                next_step: blocker.next_step_for(id),
                resumable: blocker.resumable,
                retry_at: blocker.retry_at,
                failed: BlockerCapsule::of(run, None).map_or_else(Vec::new, |capsule| capsule.failed),
                waits_for_word: run.waits_for_word().is_some(),
                question: QuestionReport::open(run),
                rescue: has_left_work(run).then(|| rescue_command(id)),
                unkept: over(run).is_some() && run.stored().is_none(),
                run: RunStatus::of(run, None),
            }))
        }),
        State::Climbing => Some(paused("crash", again, run)),
        State::Paused { cause } => Some(paused(
            match cause {
                PauseCause::Stop => "stop",
                PauseCause::Interrupt => "interrupt",
                PauseCause::Terminate => "terminate",
                PauseCause::Person => "person",
                PauseCause::Children => "children",
                PauseCause::Budget => "budget",
            },
            again,
            run,
        )),
        State::Canceled { .. } | State::Done => None,
    }
}

fn paused(cause: &'static str, next_step: String, run: &Run) -> TicketState {
    TicketState::Paused(Box::new(PausedStatus {
        cause,
        next_step,
        run: RunStatus::of(run, None),
    }))
}

/// Whether nothing is left of a run but to say that it has ended, and to keep it in Git.
pub(super) fn is_unkept(run: &Run, repository: &Repository) -> bool {
    run.stored().is_none() && (over(run).is_some() || has_delivered(run, repository))
}

fn is_history(run: &Run, consent: &ConsentState) -> bool {
    let ConsentState::Approved { at, approval, .. } = consent else {
        return false;
    };
    match run.source_lock() {
        Some(lock) => lock.approval.sha256 != *approval,
        None => *at > run.last_at(),
    }
}

pub(super) fn stale(id: &TicketId, blocker: &Blocker) -> TicketState {
    TicketState::Stale(Box::new(StaleStatus {
        code: blocker.code,
        reason: blocker.reason.clone(),
        next_step: blocker.next_step_for(id),
    }))
}

/// What is recorded of a ticket cannot be used.
pub(super) fn damaged(reason: String, hint: String) -> BrokenStatus {
    BrokenStatus {
        path: None,
        line: None,
        column: None,
        reason,
        hint: Some(hint),
    }
}

pub(super) fn broken(path: &RepoPath, problem: &FileProblem) -> BrokenStatus {
    match problem {
        FileProblem::Document(error) => BrokenStatus {
            path: Some(path.clone()),
            line: Some(error.line),
            column: Some(error.column),
            reason: error.message.clone(),
            hint: error.hint.clone(),
        },
        other => BrokenStatus {
            path: Some(path.clone()),
            line: None,
            column: None,
            reason: other.to_string(),
            hint: None,
        },
    }
}
