//! Which child of a parent ticket runs next, and what is done after one.

use ledger_core::{BlockerCode, Child, ChildEnd, ChildEnded, Choice, CommitId, Run, TicketId};

use crate::waves::{Waiting, WavesError, waves};

/// A child of a parent ticket, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildFact {
    /// The child.
    pub id: TicketId,
    /// How it stands.
    pub state: ChildState,
    /// The tickets that have to be delivered before it.
    pub after: Vec<TicketId>,
}

/// How a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// Nobody has brought it to its end.
    Open,
    /// It is delivered.
    Delivered {
        /// Its last commit; none where it is known from its record alone.
        commit: Option<CommitId>,
    },
    /// A person closed it.
    Canceled,
}

/// What a parent's run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextChild {
    /// This child was closed without the run: it has to be written down.
    Note(ChildEnded),
    /// This child runs next.
    Run(TicketId),
    /// All are closed: the parent itself goes on.
    AllClosed,
    /// None of those that are open can run now.
    Stuck {
        /// The first of them.
        child: TicketId,
        /// Why, in words.
        reason: String,
    },
}

/// What a parent's run waits for. Children come in waves, so that each comes after those that it depends on; one that stopped since a runner
/// took the run up is left, and those that do not depend on it go on.
pub fn next_child(run: &Run, children: &[ChildFact]) -> Result<NextChild, WavesError> {
    for child in children {
        let noted = run.children().get(&child.id);
        if noted.is_some_and(|noted| noted.ended.end.is_closed()) {
            continue;
        }
        let (end, reason) = match child.state {
            ChildState::Open => continue,
            ChildState::Delivered { commit } => (ChildEnd::Delivered { commit }, "it is delivered"),
            ChildState::Canceled => (ChildEnd::Canceled, "a person closed it"),
        };
        return Ok(NextChild::Note(ChildEnded {
            ticket: child.id.clone(),
            run: None,
            end,
            choice: Choice::Advance,
            reason: reason.to_owned(),
        }));
    }
    let mut stuck = None;
    for id in waves(&waiting(children))?.into_iter().flatten() {
        let Some(child) = children.iter().find(|child| child.id == id) else {
            continue;
        };
        if child.state != ChildState::Open {
            continue;
        }
        match held(run, children, child) {
            None => return Ok(NextChild::Run(id)),
            Some(reason) => stuck = stuck.or(Some(NextChild::Stuck { child: id, reason })),
        }
    }
    Ok(stuck.unwrap_or(NextChild::AllClosed))
}

/// What is to be done after this child ended so, in a run that has not noted it yet.
pub fn after_child(run: &Run, children: &[ChildFact], ticket: &TicketId, end: &ChildEnd) -> (Choice, String) {
    let retried = run.children().get(ticket).is_some_and(|child| child.retried);
    match end {
        ChildEnd::Delivered { .. } => (Choice::Advance, "it is delivered".to_owned()),
        ChildEnd::Canceled => (Choice::Advance, "a person closed it".to_owned()),
        ChildEnd::Paused => (Choice::Checkpoint, "the runner was asked to leave".to_owned()),
        ChildEnd::Blocked { code, resumable, .. } if *resumable && !retried && may_have_passed(*code) => {
            (Choice::Retry, format!("`{code}` may have been of the moment"))
        }
        ChildEnd::Blocked { code, .. } => match independent(run, children, ticket) {
            Some(next) => (
                Choice::Advance,
                format!("it stopped with `{code}`, and `{next}` does not depend on it"),
            ),
            None => (
                Choice::Stop,
                format!("it stopped with `{code}`, and nothing is left that does not depend on it"),
            ),
        },
    }
}

/// Causes that may be gone at once, without anybody doing anything.
fn may_have_passed(code: BlockerCode) -> bool {
    matches!(
        code,
        BlockerCode::AgentUnavailable
            | BlockerCode::RemoteUnreachable
            | BlockerCode::ReviewFailed
            | BlockerCode::RunnerFailureLimit
            | BlockerCode::Stalled
    )
}

fn waiting(children: &[ChildFact]) -> Vec<Waiting> {
    let waiting = |child: &ChildFact| Waiting {
        id: child.id.clone(),
        depends_on: child.after.clone(),
    };
    children.iter().map(waiting).collect()
}

/// Why an open child does not run now.
fn held(run: &Run, children: &[ChildFact], child: &ChildFact) -> Option<String> {
    let stopped = |child: &&Child| child.is_recent && child.ended.choice != Choice::Retry;
    if let Some(Child { ended, .. }) = run.children().get(&child.id).filter(stopped) {
        return Some(match &ended.end {
            ChildEnd::Blocked { code, reason, .. } => format!("{code}: {reason}"),
            _ => ended.reason.clone(),
        });
    }
    let first = child.after.iter().find(|id| {
        let sibling = children.iter().find(|sibling| sibling.id == **id);
        sibling.is_some_and(|sibling| sibling.state == ChildState::Open)
    });
    first.map(|first| format!("it comes after `{first}`"))
}

/// The next child that can run although this one did not end well.
fn independent(run: &Run, children: &[ChildFact], stopped: &TicketId) -> Option<TicketId> {
    let is_free = |child: &&ChildFact| {
        child.id != *stopped && child.state == ChildState::Open && held(run, children, child).is_none()
    };
    let order = waves(&waiting(children)).ok()?;
    let free = |id: &TicketId| children.iter().find(|child| child.id == *id).filter(is_free).is_some();
    order.into_iter().flatten().find(free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger_core::{Blocker, Event, JOURNAL_FORMAT, Mode, Opened, PauseCause, ResumeCause};

    fn run() -> Run {
        let opened = Opened {
            format: JOURNAL_FORMAT,
            foil: "0.1.0".to_owned(),
            ticket: "0009-goal".parse().unwrap(),
            run: "01J9Z3".parse().unwrap(),
            repository: "example/shop".to_owned(),
            mode: Mode::Parent,
            delivery: ledger_core::DeliveryMode::Branch,
            target: None,
            plan: false,
            review: true,
            experts: Vec::new(),
            curate: false,
            max_rounds: None,
            checks: Vec::new(),
            max_repair_rounds: 3,
            rescued: None,
        };
        let mut run = Run::open(jiff::Timestamp::UNIX_EPOCH, &Event::Opened(opened)).unwrap();
        let covered = ledger_core::CoveredFile {
            path: "ledger/tickets/0009-goal/ticket.toml".parse().unwrap(),
            blob: "1".repeat(40).parse().unwrap(),
            sha256: ledger_core::Digest::of(""),
        };
        let lock = ledger_core::SourceLock {
            repository: "example/shop".to_owned(),
            files: vec![covered.clone()],
            approval: covered,
            approved_by: "Ada".to_owned(),
            policy: ledger_core::Digest::of(""),
            prompts: Vec::new(),
            steering: Vec::new(),
        };
        apply(
            &mut run,
            &Event::Entered(ledger_core::PhaseEvidence::SourceLockValidated(lock)),
        );
        run
    }

    fn apply(run: &mut Run, event: &Event) {
        run.apply(jiff::Timestamp::UNIX_EPOCH, event).unwrap();
    }

    /// Children as `id<dependency`, delivered with a `+`, canceled with a `-`.
    fn children(words: &[&str]) -> Vec<ChildFact> {
        let child = |word: &&str| {
            let (state, rest) = match word.split_at(1) {
                ("+", rest) => (ChildState::Delivered { commit: None }, rest),
                ("-", rest) => (ChildState::Canceled, rest),
                _ => (ChildState::Open, *word),
            };
            let (id, after) = rest.split_once('<').unwrap_or((rest, ""));
            let after = after.split(' ').filter(|id| !id.is_empty());
            ChildFact {
                id: id.parse().unwrap(),
                state,
                after: after.map(|id| id.parse().unwrap()).collect(),
            }
        };
        words.iter().map(child).collect()
    }

    fn next(run: &Run, words: &[&str]) -> String {
        match next_child(run, &children(words)) {
            Ok(NextChild::Note(ended)) => format!("note {}", ended.ticket),
            Ok(NextChild::Run(id)) => format!("run {id}"),
            Ok(NextChild::AllClosed) => "all".to_owned(),
            Ok(NextChild::Stuck { child, reason }) => format!("stuck {child}: {reason}"),
            Err(error) => error.to_string(),
        }
    }

    /// What is chosen after this child was stopped, and the run with that.
    fn after(run: &Run, words: &[&str], id: &str, code: BlockerCode) -> (Run, String) {
        let Blocker {
            code,
            reason,
            resumable,
            ..
        } = Blocker::new(code, "so");
        let end = ChildEnd::Blocked {
            code,
            reason,
            resumable,
        };
        let ticket: TicketId = id.parse().unwrap();
        let (choice, reason) = after_child(run, &children(words), &ticket, &end);
        let told = format!("{}: {reason}", choice.as_str());
        let mut run = run.clone();
        apply(
            &mut run,
            &Event::ChildEnded(ChildEnded {
                ticket,
                run: None,
                end,
                choice,
                reason,
            }),
        );
        (run, told)
    }

    #[test]
    fn children_run_in_waves_and_what_is_closed_is_noted_first() {
        let run = run();
        assert_eq!(next(&run, &["a<c", "b<a", "c"]), "run c");
        assert_eq!(next(&run, &["a<c", "b<a", "+c"]), "note c");
        assert_eq!(next(&run, &["-a"]), "note a");
        assert_eq!(
            next(&run, &["a<b", "b<a"]),
            "these tickets wait for each other: `a`, `b`"
        );
        assert_eq!(
            next(&run, &["a<elsewhere"]),
            "run a",
            "its own gates look at what is no child"
        );
        let mut noted = run.clone();
        let Ok(NextChild::Note(ended)) = next_child(&run, &children(&["+c"])) else {
            panic!("it is delivered")
        };
        apply(&mut noted, &Event::ChildEnded(ended));
        assert_eq!(next(&noted, &["a<c", "b<a", "+c"]), "run a");
        assert_eq!(next(&noted, &["+c"]), "all");
    }

    #[test]
    fn a_child_that_stopped_keeps_only_those_back_that_depend_on_it() {
        let words = ["a", "b<a", "c"];
        let (stopped, told) = after(&run(), &words, "a", BlockerCode::ScopeViolation);
        assert_eq!(
            told,
            "advance: it stopped with `scope_violation`, and `c` does not depend on it"
        );
        assert_eq!(next(&stopped, &words), "run c");
        let (both, told) = after(&stopped, &words, "c", BlockerCode::MaxIterations);
        assert_eq!(
            told,
            "stop: it stopped with `max_iterations`, and nothing is left that does not depend on it"
        );
        assert_eq!(next(&both, &words), "stuck a: scope_violation: so");
    }

    #[test]
    fn what_may_have_passed_is_retried_once_and_again_when_the_run_is_taken_up() {
        let words = ["a"];
        let (once, told) = after(&run(), &words, "a", BlockerCode::RemoteUnreachable);
        assert_eq!(told, "retry: `remote_unreachable` may have been of the moment");
        assert_eq!(next(&once, &words), "run a");
        let (mut twice, told) = after(&once, &words, "a", BlockerCode::RemoteUnreachable);
        assert!(told.starts_with("stop: "), "{told}");
        apply(
            &mut twice,
            &Event::Paused {
                cause: PauseCause::Stop,
            },
        );
        let after_pause = ResumeCause::Pause;
        apply(&mut twice, &Event::Resumed { after: after_pause });
        assert_eq!(next(&twice, &words), "run a");
        let (_, told) = after(&twice, &words, "a", BlockerCode::RemoteUnreachable);
        assert!(told.starts_with("retry: "), "{told}");
        let (_, told) = after(&run(), &words, "a", BlockerCode::AcceptanceNeeded);
        assert!(
            told.starts_with("stop: "),
            "a person's word does not come by itself: {told}"
        );
    }
}
