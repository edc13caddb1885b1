//! Hooks and notifications: each at most once, in its time.

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

fn hook(hook: HookPoint, iteration: u32, tree: char) -> Effect {
    Effect::RunHook {
        hook,
        iteration,
        tree: id(tree),
    }
}

fn ended(code: i32) -> Observation {
    Observation::HookEnded {
        result: check(code),
        set_up: Vec::new(),
    }
}

fn lost() -> Observation {
    Observation::Lost {
        reason: "the runner was gone".to_owned(),
    }
}

fn failed() -> Observation {
    Observation::Failed {
        code: BlockerCode::DiskFull,
        reason: "no room".to_owned(),
    }
}

fn first_iteration() -> Climb {
    let mut climb = Climb::to_iteration(STANDARD);
    climb.apply(Event::IterationStarted {
        n: 1,
        cause: IterationCause::First,
    });
    climb
}

fn refusal(climb: &mut Climb, effect: Effect) -> String {
    let refused = climb.try_apply(Event::Intended(effect)).err();
    refused.map_or("it may follow".to_owned(), |refusal| refusal.to_string())
}

fn blocked(climb: &mut Climb) {
    climb.apply(Event::Blocked(Blocker::new(BlockerCode::HookFailed, "it failed")));
}

fn resumed(climb: &mut Climb, after: ResumeCause) {
    climb.apply(Event::Resumed { after });
    climb.done(
        Effect::PreparePlaces { base: id('0') },
        Observation::PlacesReady {
            anew: false,
            copied: Vec::new(),
            set_up: Vec::new(),
        },
    );
}

const PRE: HookPoint = HookPoint::PreIteration;
const AGAIN: &str = "`run_hook` may not follow: it was run, and is not run again";

#[test]
fn a_hook_runs_once_an_iteration_however_it_ends() {
    for observation in [ended(0), ended(1), failed(), lost()] {
        let mut climb = first_iteration();
        climb.done(hook(PRE, 1, '0'), observation);
        assert_eq!(climb.run.failure(), None, "it is no failure of the run's");
        assert_eq!(refusal(&mut climb, hook(PRE, 1, '0')), AGAIN);
        climb.apply(Event::Paused {
            cause: PauseCause::Stop,
        });
        resumed(&mut climb, ResumeCause::Pause);
        assert_eq!(refusal(&mut climb, hook(PRE, 1, '0')), AGAIN);
    }
}

#[test]
fn what_was_not_begun_is_not_counted() {
    let mut climb = first_iteration();
    climb.done(hook(PRE, 1, '0'), Observation::Interrupted);
    assert_eq!(climb.run.hooks(), []);
    climb.done(hook(PRE, 1, '0'), ended(0));
    assert_eq!(climb.run.hooks().len(), 1);
}

#[test]
fn a_hook_that_failed_runs_again_once_somebody_has_seen_that_and_one_whose_end_nobody_saw_never() {
    for (observation, may_run) in [(ended(1), true), (failed(), true), (ended(0), false), (lost(), false)] {
        let mut climb = first_iteration();
        climb.done(hook(PRE, 1, '0'), observation);
        blocked(&mut climb);
        resumed(&mut climb, ResumeCause::Blocker);
        let again = climb.try_apply(Event::Intended(hook(PRE, 1, '0')));
        assert_eq!(again.is_ok(), may_run, "{again:?}");
        let seen: Vec<_> = climb.run.hooks().iter().map(|ran| ran.is_seen).collect();
        assert_eq!(seen, [true]);
    }
}

#[test]
fn a_hook_that_was_stopped_with_the_runner_may_run_again_with_the_next() {
    let mut climb = first_iteration();
    let stopped = CheckResult {
        outcome: CommandOutcome::Stopped,
        ..check(0)
    };
    climb.done(
        hook(PRE, 1, '0'),
        Observation::HookEnded {
            result: stopped,
            set_up: Vec::new(),
        },
    );
    climb.apply(Event::Paused {
        cause: PauseCause::Stop,
    });
    resumed(&mut climb, ResumeCause::Pause);
    climb.done(hook(PRE, 1, '0'), ended(0));
}

#[test]
fn each_hook_has_its_time_and_its_tree() {
    let mut climb = first_iteration();
    let out_of_time = "`run_hook` may not follow: it is not the time for this hook";
    for point in [HookPoint::PostIteration, HookPoint::OnCompleted, HookPoint::OnBlocked] {
        assert_eq!(refusal(&mut climb, hook(point, 1, '0')), out_of_time, "{point}");
    }
    assert_eq!(
        refusal(&mut climb, hook(PRE, 2, '0')),
        "`run_hook` may not follow: it is not the iteration under way"
    );
    let mut climb = Climb::to_review(STANDARD);
    let late = Effect::RunHook {
        hook: PRE,
        iteration: 1,
        tree: tree(),
    };
    assert_eq!(refusal(&mut climb, late), out_of_time);
    assert_eq!(
        refusal(&mut climb, hook(HookPoint::PostIteration, 1, 'f')),
        "`run_hook` may not follow: it is not the tree that is kept of the worker's"
    );
    let effect = Effect::RunHook {
        hook: HookPoint::PostIteration,
        iteration: 1,
        tree: tree(),
    };
    climb.done(effect.clone(), ended(0));
    assert_eq!(refusal(&mut climb, effect), AGAIN);
}

/// A run that is done and not stored yet.
fn done(terms: Terms) -> Climb {
    let whole = Climb::whole(terms).events;
    let mut climb = Climb::open(terms);
    let before_stored = whole
        .into_iter()
        .skip(1)
        .take_while(|(_, event)| *event != Event::Intended(store()));
    for (_, event) in before_stored {
        climb.apply(event);
    }
    assert_eq!(*climb.run.state(), State::Done);
    climb
}

fn on_completed() -> Effect {
    Effect::RunHook {
        hook: HookPoint::OnCompleted,
        iteration: 1,
        tree: tree(),
    }
}

fn notify(about: NotificationEvent) -> Effect {
    let by = NotificationChannel::Webhook;
    Effect::Notify { about, by }
}

#[test]
fn what_comes_at_an_end_changes_nothing_about_it_and_is_not_done_twice() {
    for (terms, observation) in [
        (STANDARD, ended(1)),
        (STANDARD, failed()),
        (LOOP, lost()),
        (LOOP, Observation::Interrupted),
    ] {
        let mut climb = done(terms);
        let seq = climb.intend(on_completed());
        climb.apply(Event::Intended(Effect::Interrupt { of: seq, because: None }));
        climb.observe(seq, observation);
        assert_eq!((climb.run.state(), climb.run.failure()), (&State::Done, None));
        assert_eq!(refusal(&mut climb, on_completed()), AGAIN);
        climb.done(notify(NotificationEvent::Done), failed());
        assert_eq!(
            refusal(&mut climb, notify(NotificationEvent::Done)),
            "`notify` may not follow: it was sent, and is not sent again"
        );
        climb.done(store(), Observation::RunStored { commit: id('e') });
        assert!(climb.run.stored().is_some());
        assert!(refusal(&mut climb, on_completed()).contains("the run is stored"));
    }
}

#[test]
fn a_notification_says_how_the_run_stands() {
    let wrong = "`notify` may not follow: it is not how the run stands";
    let mut climb = first_iteration();
    assert_eq!(refusal(&mut climb, notify(NotificationEvent::Blocked)), wrong);
    for (code, about) in [
        (BlockerCode::ScopeViolation, NotificationEvent::Blocked),
        (BlockerCode::AcceptanceNeeded, NotificationEvent::NeedsPerson),
        (BlockerCode::AnswerNeeded, NotificationEvent::NeedsPerson),
        (BlockerCode::NeedsPerson, NotificationEvent::NeedsPerson),
        (BlockerCode::AgentRateLimited, NotificationEvent::Limit),
        (BlockerCode::RemoteUnreachable, NotificationEvent::Limit),
    ] {
        let mut climb = first_iteration();
        climb.apply(Event::Blocked(Blocker::new(code, "x")));
        assert_eq!(refusal(&mut climb, notify(NotificationEvent::Done)), wrong);
        climb.done(notify(about), Observation::Notified { problem: None });
    }
    let mut climb = first_iteration();
    climb.apply(Event::Canceled {
        by: "Ada".to_owned(),
        reason: "x".to_owned(),
    });
    assert_eq!(refusal(&mut climb, notify(NotificationEvent::Blocked)), wrong);
}

#[test]
fn a_run_that_ends_again_tells_of_it_again() {
    let mut climb = first_iteration();
    for _ in 0..2 {
        blocked(&mut climb);
        climb.done(hook(HookPoint::OnBlocked, 1, '0'), ended(0));
        climb.done(
            notify(NotificationEvent::Blocked),
            Observation::Notified { problem: None },
        );
        resumed(&mut climb, ResumeCause::Blocker);
    }
    assert_eq!((climb.run.hooks().len(), climb.run.notifications().len()), (2, 2));
}

#[test]
fn they_are_done_at_most_once() {
    for effect in [on_completed(), notify(NotificationEvent::Done)] {
        assert_eq!(effect.class(), EffectClass::AtMostOnce);
    }
}
