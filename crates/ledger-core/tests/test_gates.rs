//! What a run may say of tests: only what it has seen.

#[cfg(test)]
#[expect(dead_code, reason = "the tests of whole runs use the rest of it")]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

fn other() -> TreeId {
    id('6')
}

fn apart() -> TreesApart {
    TreesApart {
        tests_on_base: id('1'),
        former_tests: id('2'),
    }
}

fn tests(order: TestOrder) -> ChangedTests {
    ChangedTests {
        sources: u64::from(order != TestOrder::NotAlone),
        first_source: None,
        tests: 1,
        apart: Some(apart()),
        order: Some(order),
    }
}

fn measured(tests: ChangedTests, same_as: Option<TreeId>) -> Observation {
    Observation::ChangesMeasured {
        change: change(tree()),
        violations: Vec::new(),
        weakened: Vec::new(),
        tests: Some(tests),
        same_as,
        drift: None,
        experts: Vec::new(),
    }
}

/// Up to where the change of a first turn is to be measured.
fn to_measure() -> (Climb, u64) {
    let mut climb = Climb::to_iteration(STANDARD);
    climb.apply(Event::IterationStarted {
        n: 1,
        cause: IterationCause::First,
    });
    let seq = climb.intend(turn(1, TurnPurpose::Write));
    climb.apply(thread_started(writer()));
    climb.enter(PhaseEvidence::WriterAssigned {
        iteration: 1,
        agent: agent(),
        thread: writer(),
    });
    climb.observe(seq, turn_ended(TurnEnd::Reported { report: report() }));
    let seq = climb.intend(Effect::MeasureChanges { iteration: 1 });
    (climb, seq)
}

/// Up to where its checks ended like this.
fn to_checked(code: i32) -> Climb {
    let (mut climb, seq) = to_measure();
    climb.observe(seq, measured(tests(TestOrder::NotAlone), None));
    climb.enter(PhaseEvidence::ImplementationComplete {
        iteration: 1,
        change: change(tree()),
        report: report(),
        tokens: climb.run.totals().tokens,
    });
    climb.done(
        Effect::RunChecks {
            purpose: CheckPurpose::Proof,
            tree: tree(),
            checks: opened(STANDARD).checks,
        },
        Observation::ChecksRan {
            tree: tree(),
            results: vec![check(code)],
            set_up: Vec::new(),
        },
    );
    climb
}

fn compare(tree: TreeId, apart: TreesApart) -> Effect {
    Effect::CompareTests {
        tree,
        apart,
        checks: opened(STANDARD).checks,
    }
}

fn compared(tree: TreeId) -> TestComparison {
    TestComparison {
        tree,
        apart: apart(),
        checks: Vec::new(),
    }
}

fn may(climb: &Climb, event: &Event) -> bool {
    climb.run.applied(at(1_000_000), event).is_ok()
}

#[test]
fn tests_are_compared_only_on_the_trees_of_a_change_that_passed_its_checks() {
    let intended = |climb: &Climb, effect| may(climb, &Event::Intended(effect));
    let passed = to_checked(0);
    assert!(intended(&passed, compare(tree(), apart())));
    assert!(!intended(&passed, compare(other(), apart())));
    let swapped = TreesApart {
        tests_on_base: apart().former_tests,
        former_tests: apart().tests_on_base,
    };
    assert!(!intended(&passed, compare(tree(), swapped)));
    assert!(!intended(&to_checked(1), compare(tree(), apart())));
}

#[test]
fn what_tests_showed_is_neither_invented_nor_left_out() {
    let entered = |climb: &Climb, compared| {
        may(
            climb,
            &Event::Entered(PhaseEvidence::FocusedTestsPassed {
                tree: tree(),
                checks: vec![check(0)],
                acceptance: Vec::new(),
                compared,
            }),
        )
    };
    let mut climb = to_checked(0);
    assert!(entered(&climb, None));
    assert!(!entered(&climb, Some(compared(tree()))));
    let seq = climb.intend(compare(tree(), apart()));
    let seen = |tree| Event::Observed {
        of: seq,
        observation: Observation::TestsCompared {
            comparison: compared(tree),
            ran: Vec::new(),
            set_up: Vec::new(),
        },
    };
    assert!(!may(&climb, &seen(other())));
    climb.apply(seen(tree()));
    assert!(!entered(&climb, None));
    assert!(entered(&climb, Some(compared(tree()))));
}

#[test]
fn an_earlier_tree_is_named_only_where_it_was_like_that() {
    let (climb, of) = to_measure();
    let seen = |observation| Event::Observed { of, observation };
    assert!(may(&climb, &seen(measured(tests(TestOrder::NotAlone), None))));
    let alone = TestOrder::Alone { tree: other() };
    assert!(!may(&climb, &seen(measured(tests(alone), None))));
    assert!(!may(&climb, &seen(measured(tests(TestOrder::NotAlone), Some(other())))));
}

#[test]
fn tests_that_stood_alone_and_failed_are_remembered_and_no_failed_verification() {
    let failed = to_checked(1);
    assert_eq!(failed.run.tests_alone(), Some(tree()));
    assert_eq!(failed.run.totals().verification_failures, 0);
    assert_eq!(to_checked(0).run.tests_alone(), None);
}
