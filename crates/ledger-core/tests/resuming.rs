//! What a run keeps of an effect that was cut off, and what it drops when it is taken up again.

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use jiff::SignedDuration;
use ledger_core::*;
use support::*;

const RESUMED: Event = Event::Resumed {
    after: ResumeCause::Blocker,
};

/// A worker that has named its conversation, and the number of its turn's intent.
fn at_work() -> (Climb, u64) {
    let mut climb = Climb::to_iteration(STANDARD);
    climb.apply(Event::IterationStarted {
        n: 1,
        cause: IterationCause::First,
    });
    let seq = climb.intend(turn(1, TurnPurpose::Write));
    climb.apply(thread_started(writer()));
    (climb, seq)
}

/// A reviewer at work, and the number of the review's intent.
fn under_review() -> (Climb, u64) {
    let mut climb = Climb::to_review(STANDARD);
    let seq = climb.intend(Effect::TakeReview {
        tree: tree(),
        label: "r".to_owned(),
    });
    (climb, seq)
}

fn interrupt(climb: &mut Climb, of: u64, code: BlockerCode) {
    let because = Some(Blocker::new(code, "it has to stop"));
    climb.apply(Event::Intended(Effect::Interrupt { of, because }));
}

fn measure(climb: &mut Climb, tree: TreeId) {
    climb.done(
        Effect::MeasureChanges { iteration: 1 },
        Observation::ChangesMeasured {
            change: change(tree),
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: None,
            same_as: None,
            drift: None,
            experts: Vec::new(),
        },
    );
}

fn assigned() -> PhaseEvidence {
    PhaseEvidence::WriterAssigned {
        iteration: 1,
        agent: agent(),
        thread: writer(),
    }
}

fn implemented(climb: &Climb, tree: TreeId) -> Event {
    Event::Entered(PhaseEvidence::ImplementationComplete {
        iteration: 1,
        change: change(tree),
        report: report(),
        tokens: climb.run.totals().tokens,
    })
}

fn reported() -> Observation {
    turn_ended(TurnEnd::Reported { report: report() })
}

fn lost() -> Observation {
    Observation::Lost {
        reason: "the runner was gone".to_owned(),
    }
}

fn interrupted() -> Observation {
    turn_ended(TurnEnd::Interrupted)
}

fn stopped_for(climb: &Climb) -> Option<BlockerCode> {
    let blocker = climb.run.attempt().and_then(Attempt::stopped_for);
    blocker.map(|blocker| blocker.code)
}

#[test]
fn a_turn_that_is_taken_again_is_measured_again() {
    let (mut climb, seq) = at_work();
    interrupt(&mut climb, seq, BlockerCode::TurnTimeout);
    climb.observe(seq, interrupted());
    let half_done = id('6');
    measure(&mut climb, half_done);
    climb.apply(Event::Blocked(Blocker::new(BlockerCode::TurnTimeout, "30 minutes")));
    climb.apply(RESUMED);
    climb.done(
        Effect::PreparePlaces { base: id('0') },
        Observation::PlacesReady {
            anew: false,
            copied: Vec::new(),
            set_up: Vec::new(),
        },
    );

    climb.enter(assigned());
    let seq = climb.intend(turn(1, TurnPurpose::Write));
    climb.apply(thread_started(writer()));
    climb.observe(seq, reported());

    assert!(climb.run.has_unmeasured_work());
    let stale = implemented(&climb, half_done);
    climb.try_apply(stale).unwrap_err();
    measure(&mut climb, tree());
    let fresh = implemented(&climb, tree());
    climb.apply(fresh);
    assert_eq!(climb.run.totals().repeated_trees, 0);
}

#[test]
fn nothing_comes_of_a_turn_that_was_stopped_whatever_its_end() {
    let failed = |message: &str| {
        turn_ended(TurnEnd::Failed {
            failure: AgentFailure::new(AgentFailureClass::Server, message.to_owned()),
        })
    };
    let not_done = Observation::Failed {
        code: BlockerCode::AgentUnavailable,
        reason: "gone".to_owned(),
    };
    for end in [interrupted(), reported(), failed("503"), lost(), not_done] {
        for crash in [false, true] {
            let (mut climb, seq) = at_work();
            interrupt(&mut climb, seq, BlockerCode::UnsafeAction);
            if crash {
                let after = ResumeCause::Crash;
                climb.apply(Event::Resumed { after });
            }
            climb.observe(seq, end.clone());
            if crash {
                climb.done(
                    Effect::PreparePlaces { base: id('0') },
                    Observation::PlacesReady {
                        anew: false,
                        copied: Vec::new(),
                        set_up: Vec::new(),
                    },
                );
            }
            assert_eq!(stopped_for(&climb), Some(BlockerCode::UnsafeAction), "{end:?}");
            assert_eq!(climb.run.failure(), None);
            climb.enter(assigned());
            measure(&mut climb, tree());
            for next in [
                implemented(&climb, tree()),
                Event::Intended(turn(1, TurnPurpose::Write)),
                Event::IterationStarted {
                    n: 2,
                    cause: IterationCause::MoreToDo,
                },
            ] {
                climb.try_apply(next).unwrap_err();
            }
            // Being blocked for something else does not make it go away.
            climb.apply(Event::Blocked(Blocker::new(BlockerCode::DiskFull, "full")));
            climb.apply(RESUMED);
            assert_eq!(stopped_for(&climb), Some(BlockerCode::UnsafeAction), "{end:?}");
        }
    }
}

#[test]
fn nothing_comes_of_a_review_that_was_stopped_whatever_its_end() {
    for end in [review_ended(Verdict::Pass), lost()] {
        let (mut climb, seq) = under_review();
        interrupt(&mut climb, seq, BlockerCode::UnsafeAction);
        climb.observe(seq, end.clone());
        assert_eq!(stopped_for(&climb), Some(BlockerCode::UnsafeAction), "{end:?}");
        climb
            .try_apply(Event::Entered(judged_by(Verdict::Pass, Vec::new())))
            .unwrap_err();
        let again = Effect::TakeReview {
            tree: tree(),
            label: "r".to_owned(),
        };
        climb.try_apply(Event::Intended(again)).unwrap_err();
    }
}

#[test]
fn a_reason_that_may_be_gone_is_not_held_against_the_next_turn() {
    let (mut climb, seq) = at_work();
    interrupt(&mut climb, seq, BlockerCode::Stalled);
    climb.observe(seq, reported());
    climb.apply(Event::Paused {
        cause: PauseCause::Stop,
    });
    climb.apply(Event::Resumed {
        after: ResumeCause::Pause,
    });
    assert_eq!(
        stopped_for(&climb),
        Some(BlockerCode::Stalled),
        "it was never told to anybody"
    );
    climb.apply(Event::Blocked(Blocker::new(BlockerCode::Stalled, "silent")));
    climb.apply(RESUMED);
    assert_eq!(stopped_for(&climb), None);
    assert_eq!(climb.run.attempt().and_then(|attempt| attempt.turn.as_ref()), None);
}

#[test]
fn time_in_which_no_runner_was_there_does_not_count() {
    let night = SignedDuration::from_hours(10);
    let after = ResumeCause::Crash;
    // In the middle of a turn.
    let (climb, seq) = at_work();
    let active = climb.run.active();
    let morning = climb.run.last_at() + night;
    let mut run = climb.run.applied(morning, &Event::Resumed { after }).unwrap();
    let observation = lost();
    run.apply(morning, &Event::Observed { of: seq, observation }).unwrap();
    assert_eq!(run.active(), active);
    let later = morning + SignedDuration::from_secs(5);
    let measured = Event::Intended(Effect::PreparePlaces { base: id('0') });
    run.apply(later, &measured).unwrap();
    assert_eq!(run.active(), active + SignedDuration::from_secs(5));

    // While a run was stored that can go on.
    let mut climb = Climb::to_review(STANDARD);
    climb.apply(Event::Blocked(Blocker::new(BlockerCode::AgentAuth, "not logged in")));
    let active = climb.run.active();
    let seq = climb.intend(store());
    let morning = climb.run.last_at() + night;
    let observation = lost();
    let mut run = climb
        .run
        .applied(morning, &Event::Observed { of: seq, observation })
        .unwrap();
    run.apply(morning, &RESUMED).unwrap();
    assert_eq!(run.active(), active);
}

#[test]
fn a_journal_that_looked_before_it_was_taken_up_reads_as_ever() {
    let (mut climb, seq) = at_work();
    climb.observe(seq, lost());
    let after = ResumeCause::Crash;
    climb.apply(Event::Resumed { after });
    let journal = Journal::parse(&climb.journal).unwrap();
    let run = Run::replay(&journal.records).unwrap();
    assert_eq!(run.attempt().and_then(|attempt| attempt.turn.as_ref()), None);
}

#[test]
fn a_run_that_is_over_is_taken_up_only_to_be_stored() {
    let canceled = Event::Canceled {
        by: "Ada".to_owned(),
        reason: String::new(),
    };
    let blocked = Event::Blocked(Blocker::new(BlockerCode::ScopeViolation, "src/secret.rs"));
    for (terms, end) in [(STANDARD, canceled), (LOOP, blocked)] {
        let mut climb = Climb::to_review(terms);
        climb.apply(end);
        let state = climb.run.state().clone();
        let after = ResumeCause::Unstored;
        climb.try_apply(Event::Resumed { after }).unwrap_err();
        climb.done(
            store(),
            Observation::Failed {
                code: BlockerCode::NeedsPerson,
                reason: "the ref is locked".to_owned(),
            },
        );
        climb.apply(Event::Resumed { after });
        assert_eq!((climb.run.state(), climb.run.failure()), (&state, None));
        climb.done(store(), Observation::RunStored { commit: id('e') });
        climb.try_apply(Event::Resumed { after }).unwrap_err();
    }
}

#[test]
fn a_branch_that_was_in_the_way_is_looked_at_again_and_one_that_moved_is_not() {
    let whole = Climb::whole(STANDARD);
    let seen = |event: &Event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::RefSeen { .. },
                ..
            }
        )
    };
    let at = whole.events.iter().position(|(_, event)| seen(event)).unwrap();
    for (value, holds) in [(id('9'), false), (id('d'), true)] {
        let mut climb = Climb::open(STANDARD);
        whole.events[1..at]
            .iter()
            .for_each(|(_, event)| climb.apply(event.clone()));
        let of = climb.run.pending().unwrap().seq;
        let observation = Observation::RefSeen {
            value: Some(value),
            contains_new: false,
        };
        climb.observe(of, observation);
        assert_eq!(climb.run.branch_holds_delivery(), holds);
        climb.apply(Event::Blocked(Blocker::new(BlockerCode::BranchNameTaken, "taken")));
        climb.apply(RESUMED);
        assert_eq!(climb.run.moved().is_some(), holds);
    }
}

#[test]
fn a_review_that_cannot_count_is_asked_for_again() {
    for (thread, kept) in [(None, false), (Some(writer()), false), (Some(reviewer()), true)] {
        let (mut climb, seq) = under_review();
        let Observation::ReviewEnded { tree, end, tokens, .. } = review_ended(Verdict::Pass) else {
            continue;
        };
        climb.observe(
            seq,
            Observation::ReviewEnded {
                tree,
                end,
                tokens,
                thread,
            },
        );
        climb.apply(Event::Blocked(Blocker::new(BlockerCode::ReviewFailed, "no verdict")));
        climb.apply(RESUMED);
        let review = climb.run.attempt().and_then(|attempt| attempt.review.as_ref());
        assert_eq!(review.is_some(), kept);
    }
}

#[test]
fn a_report_repair_that_was_cut_off_is_not_counted() {
    let repairs = |climb: &Climb| climb.run.attempt().map(|attempt| attempt.report_repairs);
    let (mut climb, seq) = at_work();
    let reason = "not JSON".to_owned();
    let invalid = turn_ended(TurnEnd::InvalidReport { reason });
    climb.observe(seq, invalid.clone());

    let seq = climb.intend(turn(1, TurnPurpose::RepairReport));
    climb.apply(Event::Intended(Effect::Interrupt { of: seq, because: None }));
    climb.observe(seq, interrupted());
    assert_eq!(repairs(&climb), Some(0));

    let seq = climb.intend(turn(1, TurnPurpose::RepairReport));
    climb.apply(Event::Resumed {
        after: ResumeCause::Crash,
    });
    climb.observe(seq, lost());
    assert_eq!(repairs(&climb), Some(0));
    climb.done(
        Effect::PreparePlaces { base: id('0') },
        Observation::PlacesReady {
            anew: false,
            copied: Vec::new(),
            set_up: Vec::new(),
        },
    );

    climb.done(turn(1, TurnPurpose::RepairReport), invalid);
    assert_eq!(repairs(&climb), Some(1));
}

#[test]
fn an_agent_that_ends_without_a_word_has_failed_where_the_runner_lives() {
    let (mut climb, seq) = at_work();
    climb.observe(seq, lost());
    assert_eq!(climb.run.totals().runner_failures, 1);
    let (mut climb, seq) = under_review();
    climb.observe(seq, lost());
    assert_eq!(climb.run.attempt().map(|attempt| attempt.failed_reviews), Some(1));
}

#[test]
fn an_interruption_to_leave_gives_way_to_one_for_a_reason() {
    let (mut climb, of) = at_work();
    let leave = Event::Intended(Effect::Interrupt { of, because: None });
    climb.apply(leave.clone());
    climb.try_apply(leave).unwrap_err();
    interrupt(&mut climb, of, BlockerCode::UnsafeAction);
    let because = Some(Blocker::new(BlockerCode::Livelock, "again"));
    climb
        .try_apply(Event::Intended(Effect::Interrupt { of, because }))
        .unwrap_err();
}

#[test]
fn nothing_comes_of_a_plan_whose_planner_or_expert_was_stopped_whatever_pauses_between() {
    let expert = Terms {
        mode: Mode::Expert,
        ..STANDARD
    };
    let subject = ExpertSubject::Plan { plan: plan().digest() };
    for (of_expert, effect, ended) in [
        (false, take_plan(), plan_ended(Vec::new())),
        (
            true,
            ask_expert(Judge::Security, subject),
            expert_ended(Judge::Security, subject, true),
        ),
    ] {
        let mut climb = Climb::open(expert);
        for (_, event) in &Climb::whole(expert).events[1..3] {
            climb.apply(event.clone());
        }
        if of_expert {
            climb.done(take_plan(), plan_ended(Vec::new()));
        }
        let seq = climb.intend(effect);
        interrupt(&mut climb, seq, BlockerCode::UnsafeAction);
        climb.observe(seq, ended);
        climb.apply(Event::Paused {
            cause: PauseCause::Stop,
        });
        climb.apply(Event::Resumed {
            after: ResumeCause::Pause,
        });
        assert_eq!(
            climb.run.stopped_for().map(|blocker| blocker.code),
            Some(BlockerCode::UnsafeAction)
        );
        climb.try_apply(Event::Intended(take_plan())).unwrap_err();
        climb
            .try_apply(Event::Intended(ask_expert(Judge::Security, subject)))
            .unwrap_err();
        climb
            .try_apply(Event::Entered(PhaseEvidence::PlanRecorded { plan: plan().digest() }))
            .unwrap_err();
    }
}
