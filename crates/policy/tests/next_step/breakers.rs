//! What ends a run that would go on for ever: after exactly as many times as the policy says, and never a run that is done.

use std::cell::Cell;

use counterfoil_policy::{Inputs, Limits, Outcome};
use jiff::SignedDuration;
use ledger_core::{
    Activity, AgentFailureClass, Blocker, BlockerCode, CheckPurpose, DeliveryMode, Effect, Event, ExpertCall, Judge,
    MEMORY_NOT_UPDATED, Mode, Observation, Opened, Pending, Phase, PhaseEvidence, ReportStatus, Run, TurnEnd, Verdict,
};

use crate::blockers::{
    checking, curating, failing, is_curation, is_write, reporting, review, run, shows, spent, thread_of, turn,
};
use crate::world::{Happening, Twist, World, answered, call, change, curated, drive, inputs, report, start, terms};

thread_local! {
    /// How often the trouble comes, before everything goes well.
    static TIMES: Cell<u32> = const { Cell::new(0) };
}

fn is_in_trouble(before: u32) -> bool {
    before < TIMES.get()
}

/// The change set of the turn that has ended.
fn measures(pending: &Pending, tree: u8, added: u64) -> Option<Happening> {
    measures_for(pending, tree, added, Vec::new())
}

/// The same, with whom it calls for.
fn measures_for(pending: &Pending, tree: u8, added: u64, experts: Vec<ExpertCall>) -> Option<Happening> {
    matches!(pending.effect, Effect::MeasureChanges { .. }).then_some(())?;
    shows(Observation::ChangesMeasured {
        change: change(tree, added),
        violations: Vec::new(),
        weakened: Vec::new(),
        tests: None,
        same_as: None,
        drift: None,
        experts,
    })
}

/// Another tree after each turn.
fn measures_another(run: &Run, pending: &Pending) -> Option<Happening> {
    measures(pending, 10 + u8::try_from(run.totals().trees.len()).unwrap(), 1)
}

/// What one breaker counts.
struct Breaker {
    code: BlockerCode,
    /// What the policy says where it says nothing.
    usual: u32,
    set: fn(&mut Inputs, u32),
    /// What is seen once for each time that counts.
    trouble: Twist,
    counted: fn(&Run) -> u32,
}

fn breakers() -> Vec<Breaker> {
    let usual = Limits::default();
    vec![
        Breaker {
            code: BlockerCode::MaxIterations,
            usual: usual.max_iterations,
            set: |inputs, n| inputs.limits.max_iterations = n,
            trouble: |run, p| {
                let ended = run.totals().iterations.saturating_sub(1);
                let goes_on = is_in_trouble(ended).then(|| reporting(p, ReportStatus::InProgress));
                goes_on.flatten().or_else(|| measures_another(run, p))
            },
            counted: |run| run.totals().iterations,
        },
        Breaker {
            code: BlockerCode::NoProgressLimit,
            usual: usual.no_progress,
            set: |inputs, n| inputs.limits.no_progress = n,
            trouble: |run, p| {
                let idle = is_in_trouble(run.totals().iterations.saturating_sub(1));
                idle.then(|| reporting(p, ReportStatus::InProgress).or_else(|| measures(p, 9, 0)))?
            },
            counted: |run| run.totals().iterations,
        },
        Breaker {
            code: BlockerCode::RunnerFailureLimit,
            usual: usual.runner_failures,
            set: |inputs, n| inputs.limits.runner_failures = n,
            trouble: |run, p| {
                is_in_trouble(run.totals().runner_failures).then(|| failing(p, AgentFailureClass::Protocol))?
            },
            counted: |run| run.totals().iterations,
        },
        Breaker {
            code: BlockerCode::VerificationFailureLimit,
            usual: 7,
            set: |inputs, n| inputs.limits.verification_failures = n,
            trouble: |run, p| {
                let fails = is_in_trouble(run.totals().verification_failures);
                let checks = fails.then(|| checking(p, CheckPurpose::Proof, false, false));
                checks.flatten().or_else(|| measures_another(run, p))
            },
            counted: |run| run.totals().verification_failures,
        },
    ]
}

fn driven(breaker: &Breaker, limit: u32, times: u32) -> (Run, Outcome) {
    TIMES.set(times);
    let mut inputs = inputs(Limits::default(), false);
    (breaker.set)(&mut inputs, limit);
    let mut world = World::with(breaker.trouble);
    let (run, outcome, _) = drive(&mut world, run(DeliveryMode::Branch), inputs, 0);
    (run, outcome)
}

#[test]
fn each_breaker_ends_a_run_after_exactly_as_many_times_as_it_says_and_not_one_earlier() {
    for breaker in breakers() {
        for n in [1, 2, breaker.usual] {
            let (run, outcome) = driven(&breaker, n, n);
            let Outcome::Blocked(blocker) = outcome else {
                panic!("{} at {n}: {outcome:?}", breaker.code);
            };
            assert_eq!(blocker.code, breaker.code, "at {n}: {}", blocker.reason);
            assert_eq!((breaker.counted)(&run), n, "{}", breaker.code);

            let (_, outcome) = driven(&breaker, n, n - 1);
            assert_eq!(outcome, Outcome::Done, "{} at {n}, one less", breaker.code);
        }
    }
}

#[test]
fn checks_may_fail_as_often_as_there_are_iterations_where_no_limit_says_less() {
    assert_eq!(Limits::default().verification_failures, 0);
    let [.., verification] = &breakers()[..] else { return };
    let (_, outcome) = driven(verification, 0, 29);
    assert_eq!(outcome, Outcome::Done);
}

/// A run whose change is refused so often, with so many repair rounds.
fn refused(rounds: u32, times: u32) -> (Run, Outcome) {
    TIMES.set(times);
    let mut world = World::with(|run, p| {
        let refuses = is_in_trouble(run.totals().repair_rounds);
        refuses.then(|| review(p, Some("reviewer"), |label| answered(label, false)))?
    });
    let opened = terms(Mode::Standard, true, DeliveryMode::Branch, true);
    let opened = Event::Opened(Opened {
        max_repair_rounds: rounds,
        ..opened
    });
    let run = Run::open(start(), &opened).unwrap();
    let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), false), 0);
    (run, outcome)
}

#[test]
fn a_change_is_repaired_as_often_as_there_are_rounds_and_judged_after_the_last() {
    assert_eq!(Limits::default().max_repair_rounds, 3);
    for rounds in 0..=3 {
        let (run, outcome) = refused(rounds, rounds + 1);
        let Outcome::Blocked(blocker) = outcome else {
            panic!("{rounds}: {outcome:?}");
        };
        assert_eq!(blocker.code, BlockerCode::RepairLimit);
        assert_eq!(run.totals().repair_rounds, rounds);
        let (run, outcome) = refused(rounds, rounds);
        assert_eq!((outcome, run.totals().repair_rounds), (Outcome::Done, rounds));
    }
}

/// The answer of a first turn that is no report.
fn no_report(p: &Pending) -> Option<Happening> {
    let reason = "not JSON".to_owned();
    turn(p, |_| TurnEnd::InvalidReport { reason })
}

/// A run that ends blocked in this world.
fn blocked_run(twist: Twist) -> (Run, Blocker) {
    let (run, outcome, _) = drive(
        &mut World::with(twist),
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    match outcome {
        Outcome::Blocked(blocker) => (run, blocker),
        other => panic!("{other:?}"),
    }
}

#[test]
fn failures_between_answers_that_are_no_reports_are_failures_in_a_row() {
    let (run, blocker) = blocked_run(|_, p| match is_write(p) {
        true => no_report(p),
        false => failing(p, AgentFailureClass::Protocol),
    });
    assert_eq!(blocker.code, BlockerCode::RunnerFailureLimit);
    assert_eq!(run.totals().runner_failures, Limits::default().runner_failures);
}

#[test]
fn to_and_fro_between_two_trees_is_no_progress() {
    let mut inputs = inputs(Limits::default(), false);
    inputs.limits.no_progress = 2;
    let mut world = World::with(|run, p| {
        let tree = [10, 11][run.totals().trees.len() % 2];
        reporting(p, ReportStatus::InProgress).or_else(|| measures(p, tree, 1))
    });
    let (run, outcome, _) = drive(&mut world, run(DeliveryMode::Branch), inputs, 0);
    let Outcome::Blocked(blocker) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(blocker.code, BlockerCode::NoProgressLimit);
    assert_eq!(run.totals().trees.len(), 4, "A, B, and both once more");
}

#[test]
fn what_is_done_is_done_also_where_its_tree_has_occurred_before() {
    for (passes, expected) in [(true, None), (false, Some(BlockerCode::NoProgressLimit))] {
        let mut inputs = inputs(Limits::default(), false);
        inputs.limits.no_progress = 1;
        TIMES.set(u32::from(!passes));
        let mut world = World::with(|run, p| {
            let status = match run.totals().iterations {
                1 => ReportStatus::InProgress,
                _ => ReportStatus::Done,
            };
            let fails = is_in_trouble(0).then(|| checking(p, CheckPurpose::Proof, false, false));
            reporting(p, status).or(fails.flatten())
        });
        let (run, outcome, _) = drive(&mut world, run(DeliveryMode::Branch), inputs, 0);
        let code = match outcome {
            Outcome::Blocked(blocker) => Some(blocker.code),
            _ => None,
        };
        assert_eq!((code, run.totals().iterations), (expected, 2));
    }
}

/// How a run ends that may spend a thousand tokens and eight hours.
fn within_budget(twist: Twist) -> (Run, Outcome) {
    let mut inputs = inputs(Limits::default(), false);
    inputs.limits.max_tokens = 1_000;
    let (run, outcome, _) = drive(&mut World::with(twist), run(DeliveryMode::Push), inputs, 0);
    (run, outcome)
}

/// The end of the review, which spends all that there is.
fn costly_review(pending: &Pending, passes: bool) -> Option<Observation> {
    let Effect::TakeReview { tree, label } = &pending.effect else {
        return None;
    };
    Some(Observation::ReviewEnded {
        tree: *tree,
        end: answered(label, passes),
        tokens: spent(1_000),
        thread: Some(thread_of(pending)?),
    })
}

fn notes(run: &Run) -> &[String] {
    match run.evidence(Phase::ContextCurated) {
        Some(PhaseEvidence::ContextCurated { notes, .. }) => notes,
        other => panic!("{other:?}"),
    }
}

const ALL_SPENT: &str = "the run has spent 1002 tokens of at most 1000";

#[test]
fn a_change_that_has_passed_its_review_is_delivered_over_any_budget_without_notes() {
    let (run, outcome) = within_budget(|_, p| costly_review(p, true).map(Happening::Shows));
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(notes(&run), [format!("{MEMORY_NOT_UPDATED}{ALL_SPENT}")]);

    let (run, outcome) = within_budget(|_, p| {
        let shown = costly_review(p, true)?;
        Some(Happening::ShowsAfter(SignedDuration::from_hours(9), shown))
    });
    assert_eq!(outcome, Outcome::Done);
    assert!(run.active() > SignedDuration::from_hours(9));
}

#[test]
fn a_curator_is_ended_by_a_budget_and_the_change_is_delivered() {
    let (run, outcome) = within_budget(|_, p| {
        is_curation(p).then_some(())?;
        thread_of(p)?;
        match p.interrupt {
            None => Some(Happening::Does(Activity::Tokens { spent: spent(1_000) })),
            Some(_) => curating(p, Some("curator"), |label| curated(label, Vec::new())),
        }
    });
    assert_eq!(outcome, Outcome::Done);
    assert!(notes(&run)[0].starts_with(MEMORY_NOT_UPDATED), "{:?}", notes(&run));
}

#[test]
fn an_expert_whose_word_stops_nothing_is_not_asked_with_what_is_not_left() {
    let twist: Twist = |_, p| {
        let is_advisory = is_in_trouble(0);
        let reviewed = costly_review(p, true).map(Happening::Shows);
        reviewed.or_else(|| measures_for(p, 10, 1, vec![call(Judge::CleanupReview, is_advisory)]))
    };
    TIMES.set(1);
    assert_eq!(within_budget(twist).1, Outcome::Done);
    TIMES.set(0);
    let (_, outcome) = within_budget(twist);
    assert!(matches!(outcome, Outcome::Blocked(blocker) if blocker.code == BlockerCode::BudgetExhausted));
}

#[test]
fn a_budget_ends_what_has_not_passed() {
    let twists: [Twist; 2] = [
        |_, p| costly_review(p, false).map(Happening::Shows),
        |_, p| {
            let Effect::TakeTurn { label, .. } = &p.effect else {
                return None;
            };
            shows(Observation::TurnEnded {
                end: TurnEnd::Reported {
                    report: report(label, ReportStatus::Done),
                },
                tokens: spent(1_000),
                thread: Some(thread_of(p)?),
            })
        },
    ];
    for twist in twists {
        let (run, outcome) = within_budget(twist);
        let Outcome::Blocked(blocker) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(blocker.code, BlockerCode::BudgetExhausted);
        let passed = matches!(
            run.evidence(Phase::IndependentReviewComplete),
            Some(PhaseEvidence::IndependentReviewComplete {
                verdict: Verdict::Pass,
                ..
            })
        );
        assert!(!passed);
    }
}

#[test]
fn a_refusal_stops_at_once_with_the_words_of_the_provider() {
    let twists: [Twist; 2] = [
        |_, p| failing(p, AgentFailureClass::Refused),
        |_, p| failing(p, AgentFailureClass::BadRequest),
    ];
    for twist in twists {
        let mut world = World::with(twist);
        let (run, outcome, _) = drive(
            &mut world,
            run(DeliveryMode::Branch),
            inputs(Limits::default(), false),
            0,
        );
        let Outcome::Blocked(blocker) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((blocker.code, &blocker.reason[..]), (BlockerCode::AgentRefused, "no"));
        assert_eq!(run.totals().iterations, 1);
    }
}

/// How a run ends whose conversations run full in its first so many turns.
fn running_full(times: u32) -> (Run, Outcome) {
    TIMES.set(times);
    let mut world = World::with(|run, p| {
        let is_full = is_in_trouble(run.totals().iterations.saturating_sub(1));
        is_full.then(|| failing(p, AgentFailureClass::ContextWindow))?
    });
    let (run, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    (run, outcome)
}

#[test]
fn a_prompt_that_fits_into_no_conversation_is_told_after_two() {
    let (run, outcome) = running_full(1);
    assert_eq!((outcome, run.totals().iterations), (Outcome::Done, 2));
    let (run, outcome) = running_full(2);
    let Outcome::Blocked(blocker) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (blocker.code, run.totals().iterations),
        (BlockerCode::ContextOverBudget, 2)
    );
    assert_eq!(
        blocker.reason,
        "the prompt does not fit into the model: 2 conversations in a row that began with it ran full; the last: no"
    );
}

#[test]
fn a_conversation_that_is_full_when_its_report_is_asked_for_again_is_one_of_them() {
    let (run, blocker) = blocked_run(|_, p| match is_write(p) {
        true => no_report(p),
        false => failing(p, AgentFailureClass::ContextWindow),
    });
    assert_eq!(
        (blocker.code, run.totals().iterations),
        (BlockerCode::ContextOverBudget, 2)
    );
}

#[test]
fn a_long_conversation_that_runs_full_is_followed_by_a_new_one_as_often_as_that_happens() {
    // Two turns of each conversation: the first goes well, the second runs full.
    let mut world = World::with(|run, p| {
        let iteration = run.totals().iterations;
        let ended = match (iteration > 20, iteration % 2) {
            (true, _) => None,
            (_, 1) => reporting(p, ReportStatus::InProgress),
            _ => failing(p, AgentFailureClass::ContextWindow),
        };
        ended.or_else(|| measures_another(run, p))
    });
    let (_, outcome, _) = drive(
        &mut world,
        run(DeliveryMode::Branch),
        inputs(Limits::default(), false),
        0,
    );
    assert_eq!(outcome, Outcome::Done);
}
