//! What a parent's run may say of its children, and when its base may be chosen.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[cfg(test)]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

const PARENT: Terms = Terms {
    mode: Mode::Parent,
    ..STANDARD
};

/// A run under these terms that has its source lock.
fn locked(terms: Terms) -> Run {
    let mut run = Run::open(at(0), &Event::Opened(opened(terms))).unwrap();
    run.apply(
        at(1),
        &Event::Entered(PhaseEvidence::SourceLockValidated(source_lock())),
    )
    .unwrap();
    run
}

fn ended(child: &str, end: ChildEnd, choice: Choice) -> Event {
    Event::ChildEnded(ChildEnded {
        ticket: name(child),
        run: None,
        end,
        choice,
        reason: "because".to_owned(),
    })
}

fn delivered() -> ChildEnd {
    ChildEnd::Delivered { commit: Some(id('1')) }
}

fn blocked(resumable: bool) -> ChildEnd {
    ChildEnd::Blocked {
        code: BlockerCode::RemoteUnreachable,
        reason: "no answer".to_owned(),
        resumable,
    }
}

fn discovered() -> Event {
    let whole = Climb::whole(STANDARD).events;
    let found = |(_, event): &(_, Event)| matches!(event, Event::Entered(PhaseEvidence::RepositoryDiscovered(_)));
    whole.into_iter().find(found).unwrap().1
}

fn applied(run: &Run, events: &[Event]) -> Result<Run, Refusal> {
    let mut run = run.clone();
    for event in events {
        run.apply(at(2), event)?;
    }
    Ok(run)
}

#[test]
fn the_base_of_a_parent_is_chosen_when_every_child_is_closed_and_not_before() {
    let run = locked(PARENT);
    let refused = |events: &[Event]| applied(&run, events).unwrap_err().to_string();
    let none = "phase `repository_discovered` may not be entered: a child is neither delivered nor canceled";
    assert_eq!(refused(&[discovered()]), none, "a parent has children");
    let stopped = ended("0002-b", blocked(false), Choice::Advance);
    let one = ended("0001-a", delivered(), Choice::Advance);
    assert_eq!(refused(&[one.clone(), stopped.clone(), discovered()]), none);
    let closed = ended("0002-b", ChildEnd::Canceled, Choice::Advance);
    let run = applied(&run, &[one, stopped, closed, discovered()]).unwrap();
    assert_eq!(run.phase(), Some(Phase::RepositoryDiscovered));
    let ends: Vec<_> = run.children().values().map(|child| child.ended.end.clone()).collect();
    assert_eq!(ends, [delivered(), ChildEnd::Canceled]);
}

#[test]
fn only_the_run_of_a_parent_has_children_and_it_is_none_of_them() {
    let one = ended("0001-a", delivered(), Choice::Advance);
    let no_such = "`child_ended` may not follow: the ticket has no such child";
    assert_eq!(
        applied(&locked(STANDARD), std::slice::from_ref(&one))
            .unwrap_err()
            .to_string(),
        no_such
    );
    let itself = ended("0042-validate-email", delivered(), Choice::Advance);
    assert_eq!(applied(&locked(PARENT), &[itself]).unwrap_err().to_string(), no_such);
    let late = applied(
        &locked(PARENT),
        &[one.clone(), discovered(), ended("0002-b", delivered(), Choice::Advance)],
    );
    assert_eq!(
        late.unwrap_err().to_string(),
        "`child_ended` may not follow: children end before the base is chosen that holds them"
    );
    assert_eq!(
        applied(&locked(PARENT), &[one.clone(), one]).unwrap_err().to_string(),
        "`child_ended` may not follow: the child was closed before"
    );
}

#[test]
fn a_choice_follows_from_the_end_and_a_child_is_retried_once() {
    use Choice::{Advance, Checkpoint, Retry, Stop};
    let run = locked(PARENT);
    let table = [
        (delivered(), [true, false, false, false]),
        (ChildEnd::Canceled, [true, false, false, false]),
        (ChildEnd::Paused, [false, false, true, false]),
        (blocked(true), [true, true, false, true]),
        (blocked(false), [true, false, false, true]),
    ];
    for (end, allowed) in table {
        let may = [Advance, Retry, Checkpoint, Stop]
            .map(|choice| applied(&run, &[ended("0001-a", end.clone(), choice)]).is_ok());
        assert_eq!(may, allowed, "{end:?}");
    }
    let again = ended("0001-a", blocked(true), Retry);
    let once = applied(&run, std::slice::from_ref(&again)).unwrap();
    assert!(applied(&once, std::slice::from_ref(&again)).is_err());
    let stop = Event::Paused {
        cause: PauseCause::Stop,
    };
    let taken_up = Event::Resumed {
        after: ResumeCause::Pause,
    };
    let later = applied(&once, &[stop, taken_up, again]).unwrap();
    assert!(later.children()[&name("0001-a")].retried);
}

#[test]
fn children_end_while_the_parent_waits_for_them_and_in_no_other_pause() {
    let one = ended("0001-a", delivered(), Choice::Advance);
    let pause = |cause| Event::Paused { cause };
    let waits = applied(&locked(PARENT), &[pause(PauseCause::Children), one.clone()]).unwrap();
    assert_eq!(
        *waits.state(),
        State::Paused {
            cause: PauseCause::Children
        }
    );
    assert!(applied(&locked(PARENT), &[pause(PauseCause::Stop), one.clone()]).is_err());
    assert!(applied(&locked(STANDARD), &[pause(PauseCause::Children)]).is_err());
    assert!(applied(&locked(PARENT), &[one, discovered(), pause(PauseCause::Children)]).is_err());
}
