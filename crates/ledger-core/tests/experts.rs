//! Which experts have to be asked, and what comes of their word.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

const EXPERT: Terms = Terms {
    mode: Mode::Expert,
    ..STANDARD
};

const TREE: fn() -> ExpertSubject = || ExpertSubject::Tree { tree: tree() };

fn plan_subject() -> ExpertSubject {
    ExpertSubject::Plan { plan: plan().digest() }
}

fn refusal(climb: &Climb, event: Event) -> String {
    climb.clone().try_apply(event).unwrap_err().to_string()
}

fn take_review() -> Effect {
    Effect::TakeReview {
        tree: tree(),
        label: "r".to_owned(),
    }
}

fn said_by(judge: Judge, thread: &str, passes: bool) -> Observation {
    let Observation::ExpertEnded {
        subject, end, tokens, ..
    } = expert_ended(judge, TREE(), passes)
    else {
        unreachable!()
    };
    Observation::ExpertEnded {
        judge,
        subject,
        end,
        tokens,
        thread: Some(name(thread)),
    }
}

/// The same run with a change that calls for these.
fn calling(terms: Terms, calls: &[(Judge, bool)]) -> Climb {
    let whole = Climb::whole(terms);
    let mut climb = Climb::open(terms);
    for (_, event) in &whole.events[1..] {
        let mut event = event.clone();
        match &mut event {
            Event::Intended(Effect::TakeReview { .. }) => break,
            Event::Observed {
                observation: Observation::ChangesMeasured { experts, .. },
                ..
            } => {
                *experts = calls
                    .iter()
                    .map(|(judge, is_advisory)| ExpertCall {
                        judge: *judge,
                        trigger: "it is touched".to_owned(),
                        path: None,
                        is_advisory: *is_advisory,
                    })
                    .collect();
            }
            _ => {}
        }
        climb.apply(event);
    }
    climb
}

fn reviewed(terms: Terms, calls: &[(Judge, bool)]) -> Climb {
    let mut climb = calling(terms, calls);
    climb.done(take_review(), review_ended(Verdict::Pass));
    climb
}

/// The phase, with what the run has seen, as this verdict.
fn judged(climb: &Climb, verdict: Verdict) -> Event {
    Event::Entered(PhaseEvidence::IndependentReviewComplete {
        tree: tree(),
        thread: reviewer(),
        verdict,
        findings: climb.run.expert_findings(),
        experts: climb.run.expert_verdicts(),
        carried_from: None,
    })
}

#[test]
fn a_mode_that_needs_experts_is_not_opened_without_nor_with_one_twice() {
    for experts in [
        vec![],
        vec![ExpertField::Security, ExpertField::Security],
        vec![ExpertField::Security, ExpertField::Test],
    ] {
        let event = Event::Opened(Opened {
            experts,
            ..opened(EXPERT)
        });
        let mode = Mode::Expert;
        assert_eq!(Run::open(at(0), &event), Err(Refusal::ExpertsNeeded { mode }));
    }
}

#[test]
fn a_tree_does_not_pass_before_everybody_has_let_it_who_is_called_for() {
    let mut climb = reviewed(STANDARD, &[(Judge::Security, false), (Judge::CodeReview, false)]);
    let missing = "phase `independent_review_complete` may not be entered: an expert was not asked";
    assert_eq!(refusal(&climb, judged(&climb, Verdict::Pass)), missing);
    climb.done(
        ask_expert(Judge::Security, TREE()),
        said_by(Judge::Security, "one", true),
    );
    assert_eq!(refusal(&climb, judged(&climb, Verdict::Pass)), missing);
    climb.done(
        ask_expert(Judge::CodeReview, TREE()),
        said_by(Judge::CodeReview, "other", true),
    );
    let forged = |experts| {
        Event::Entered(PhaseEvidence::IndependentReviewComplete {
            tree: tree(),
            thread: reviewer(),
            verdict: Verdict::Pass,
            findings: Vec::new(),
            experts,
            carried_from: None,
        })
    };
    assert_eq!(
        refusal(&climb, forged(Vec::new())),
        "phase `independent_review_complete` may not be entered: the experts said something else"
    );
    climb.apply(judged(&climb, Verdict::Pass));
}

#[test]
fn nobody_is_asked_whom_nothing_calls_for_nor_before_nor_after_its_time_nor_twice() {
    let mut climb = reviewed(STANDARD, &[(Judge::Security, false)]);
    let ask = |judge, subject| Event::Intended(ask_expert(judge, subject));
    let mut refusals = vec![
        refusal(&climb, ask(Judge::Test, TREE())),
        refusal(&climb, ask(Judge::Security, ExpertSubject::Tree { tree: id('9') })),
        refusal(&climb, ask(Judge::Security, plan_subject())),
    ];
    climb.done(
        ask_expert(Judge::Security, TREE()),
        said_by(Judge::Security, "one", true),
    );
    refusals.push(refusal(&climb, ask(Judge::Security, TREE())));
    let early = Climb::to_iteration(STANDARD);
    refusals.push(refusal(&early, ask(Judge::Security, TREE())));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_word_in_somebody_elses_conversation_is_none() {
    for thread in ["thread-writer", "thread-reviewer", "planner", "one"] {
        let mut climb = reviewed(STANDARD, &[(Judge::Security, false), (Judge::DataMigration, false)]);
        climb.done(
            ask_expert(Judge::Security, TREE()),
            said_by(Judge::Security, "one", true),
        );
        climb.done(
            ask_expert(Judge::DataMigration, TREE()),
            said_by(Judge::DataMigration, thread, true),
        );
        assert_eq!(
            refusal(&climb, judged(&climb, Verdict::Pass)),
            "phase `independent_review_complete` may not be entered: an expert is somebody else too",
            "{thread}"
        );
        // When a runner takes the run up, it asks again.
        climb.apply(Event::Resumed {
            after: ResumeCause::Crash,
        });
        assert_eq!(climb.run.expert(Judge::DataMigration, &TREE()), None);
    }
}

#[test]
fn what_an_expert_refused_is_repaired_and_it_is_asked_about_every_later_tree() {
    let mut climb = reviewed(STANDARD, &[(Judge::Security, false), (Judge::CleanupReview, true)]);
    climb.done(
        ask_expert(Judge::Security, TREE()),
        said_by(Judge::Security, "one", false),
    );
    climb.done(
        ask_expert(Judge::CleanupReview, TREE()),
        said_by(Judge::CleanupReview, "other", false),
    );
    assert_eq!(
        refusal(&climb, judged(&climb, Verdict::Pass)),
        "phase `independent_review_complete` may not be entered: the review said something else"
    );
    // What stops nothing is no reason to repair.
    assert_eq!(climb.run.expert_findings(), [finding()]);
    climb.apply(judged(&climb, Verdict::Fail));
    climb.apply(Event::RepairStarted {
        round: 1,
        n: 2,
        findings: vec![finding()],
    });
    // The repaired change calls for nobody by itself.
    climb.work(STANDARD, 2);
    let calls = climb.run.expert_calls();
    assert_eq!(
        calls
            .iter()
            .map(|call| (call.judge, call.trigger.as_str()))
            .collect::<Vec<_>>(),
        [(Judge::Security, "it refused an earlier tree of this run")]
    );
    climb.done(take_review(), review_ended(Verdict::Pass));
    refusal(&climb, judged(&climb, Verdict::Pass));
    climb.done(
        ask_expert(Judge::Security, TREE()),
        said_by(Judge::Security, "again", true),
    );
    climb.apply(judged(&climb, Verdict::Pass));
}

#[test]
fn a_plan_is_recorded_once_every_named_expert_lets_exactly_it_proceed() {
    let recorded = || Event::Entered(PhaseEvidence::PlanRecorded { plan: plan().digest() });
    let mut climb = Climb::open(EXPERT);
    for (_, event) in &Climb::whole(EXPERT).events[1..3] {
        climb.apply(event.clone());
    }
    climb.done(take_plan(), plan_ended(Vec::new()));
    let missing = "phase `plan_recorded` may not be entered: an expert does not let it proceed";
    assert_eq!(refusal(&climb, recorded()), missing);
    refusal(&climb, Event::Intended(take_plan()));
    let other = ExpertSubject::Plan {
        plan: Digest::of("another"),
    };
    assert_eq!(
        refusal(&climb, Event::Intended(ask_expert(Judge::Security, other))),
        "`ask_expert` may not follow: it is not the plan that was made"
    );
    climb.done(
        ask_expert(Judge::Security, plan_subject()),
        expert_ended(Judge::Security, plan_subject(), false),
    );
    assert_eq!(refusal(&climb, recorded()), missing);
    assert!(climb.run.plan_is_refused());
    climb.done(take_plan(), plan_ended(Vec::new()));
    assert!(!climb.run.plan_is_refused(), "a new plan is judged anew");
    climb.done(
        ask_expert(Judge::Security, plan_subject()),
        expert_ended(Judge::Security, plan_subject(), true),
    );
    climb.apply(recorded());
}

#[test]
fn a_run_without_reviews_asks_nobody() {
    let mut climb = Climb::open(LOOP);
    for (_, event) in &Climb::whole(LOOP).events[1..] {
        climb.apply(event.clone());
    }
    assert_eq!(climb.run.expert_calls(), []);
    assert_eq!(climb.run.receipt().unwrap().experts, []);
}
