//! What gates about tests do to a run.

use counterfoil_policy::config::{GateLevel, Gates};
use counterfoil_policy::{Inputs, Limits, Outcome};
use ledger_core::{
    Blocker, BlockerCode, ChangedTests, CheckPurpose, DeliveryMode, Effect, EvidenceIndex, Mode, Observation, Pending,
    ReportStatus, Run, TestOrder, TreeId, TreesApart, TurnEnd,
};

use crate::world::{
    Happening, Twist, World, change, changed_tests, check, comparison, drive, inputs, object, opened, report, start,
};

const BLOCKS: Gates = Gates {
    cleanup_review: GateLevel::Off,
    code_review: GateLevel::Off,
    tdd: GateLevel::Off,
    changed_tests: GateLevel::Block,
    fail_to_pass: GateLevel::Block,
    test_weakening: GateLevel::Off,
    specs: GateLevel::Off,
};

const WARNS: Gates = Gates {
    changed_tests: GateLevel::Warn,
    fail_to_pass: GateLevel::Warn,
    ..BLOCKS
};

const TESTS_FIRST: Gates = Gates {
    tdd: GateLevel::Block,
    ..BLOCKS
};

fn under(gates: Gates) -> Inputs {
    Inputs {
        gates,
        ..inputs(Limits::default(), true)
    }
}

fn run_under(inputs: Inputs, twist: Twist) -> (Run, Outcome) {
    let mut world = World::with(twist);
    let run = Run::open(start(), &opened(Mode::Standard, true, DeliveryMode::Branch, true)).unwrap();
    let (run, outcome, _) = drive(&mut world, run, inputs, 0);
    (run, outcome)
}

fn proof_failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Blocked(Blocker { code, reason, .. }) if *code == BlockerCode::ProofFailed => reason,
        other => panic!("{other:?}"),
    }
}

fn apart() -> TreesApart {
    TreesApart {
        tests_on_base: TreeId(object(60)),
        former_tests: TreeId(object(61)),
    }
}

fn measures(pending: &Pending, tests: ChangedTests) -> Option<Happening> {
    let Effect::MeasureChanges { iteration } = &pending.effect else {
        return None;
    };
    Some(Happening::Shows(Observation::ChangesMeasured {
        // Each turn ends in a tree of its own.
        change: change(100 + u8::try_from(*iteration).unwrap(), 1),
        violations: Vec::new(),
        weakened: Vec::new(),
        tests: Some(tests),
        same_as: None,
        drift: None,
        experts: Vec::new(),
    }))
}

fn compares(pending: &Pending, shows: bool, breaks: bool) -> Option<Happening> {
    let Effect::CompareTests { tree, apart, .. } = &pending.effect else {
        return None;
    };
    Some(Happening::Shows(Observation::TestsCompared {
        comparison: comparison(*tree, *apart, shows, breaks),
        ran: Vec::new(),
        set_up: Vec::new(),
    }))
}

fn of(sources: u64, tests: u64) -> ChangedTests {
    changed_tests(sources, tests, apart(), TestOrder::NotAlone)
}

#[test]
fn source_without_a_new_test_is_sent_back_and_then_stopped() {
    let twist: Twist = |_, pending| measures(pending, of(2, 0));
    let (run, outcome) = run_under(under(BLOCKS), twist);
    assert_eq!((run.totals().iterations, run.totals().tests_refused), (4, 3));
    assert_eq!(
        proof_failed(&outcome),
        "changed_tests, after the worker was sent back 3 times: source is changed, and no test or assertion is new: add a test that \
         fails without the change"
    );
    assert!(run.attempt().unwrap().checked.is_none(), "it was run for nothing");
    let (run, outcome) = run_under(under(WARNS), twist);
    assert_eq!((run.totals().iterations, outcome), (1, Outcome::Done));
}

#[test]
fn a_run_that_may_not_go_back_is_stopped_at_once() {
    let mut few = under(BLOCKS);
    few.limits.max_iterations = 1;
    let (run, outcome) = run_under(few, |_, pending| measures(pending, of(1, 0)));
    assert_eq!(run.totals().iterations, 1);
    assert!(proof_failed(&outcome).starts_with("changed_tests: source is changed"));
}

#[test]
fn a_change_that_touches_no_source_has_nothing_to_show() {
    for tests in [0, 3] {
        let twist: Twist = match tests {
            0 => |_, pending| measures(pending, of(0, 0)),
            _ => |_, pending| measures(pending, of(0, 3)),
        };
        let (run, outcome) = run_under(under(TESTS_FIRST), twist);
        assert_eq!((run.totals().iterations, outcome), (1, Outcome::Done));
        assert!(run.attempt().unwrap().compared.is_none());
    }
}

#[test]
fn tests_that_pass_without_the_change_show_nothing_of_it() {
    let twist: Twist = |_, pending| measures(pending, of(1, 1)).or_else(|| compares(pending, false, false));
    let (run, outcome) = run_under(under(BLOCKS), twist);
    assert_eq!(run.totals().tests_refused, 3);
    assert!(proof_failed(&outcome).contains("no test fails on the base and passes on the change"));
    let (run, outcome) = run_under(under(WARNS), twist);
    assert_eq!((run.totals().iterations, outcome), (1, Outcome::Done));
    assert!(EvidenceIndex::of(&run).unwrap().compared.is_some());
}

#[test]
fn a_test_of_the_base_that_passes_no_more_stops_the_run_by_name() {
    let (_, outcome) = run_under(under(BLOCKS), |_, pending| {
        measures(pending, of(1, 1)).or_else(|| compares(pending, true, true))
    });
    let reason = proof_failed(&outcome);
    assert!(
        reason.contains(
            "1 of the base's tests passed there and does not pass on the change, in check `test`, such as `test_it`"
        ),
        "{reason}"
    );
}

#[test]
fn a_test_that_fails_before_and_passes_after_is_evidence_of_the_delivery() {
    let (run, outcome) = run_under(under(BLOCKS), |_, pending| {
        measures(pending, of(1, 1)).or_else(|| compares(pending, true, false))
    });
    assert_eq!((run.totals().iterations, outcome), (1, Outcome::Done));
    let compared = EvidenceIndex::of(&run).unwrap().compared.unwrap();
    assert_eq!(Some(compared.tree), run.tree());
    assert_eq!(compared.apart, apart());
}

#[test]
fn tests_in_source_files_alone_cannot_be_run_on_the_base() {
    let (run, outcome) = run_under(under(BLOCKS), |_, pending| {
        let on_base = TreesApart {
            tests_on_base: TreeId(object(2)),
            ..apart()
        };
        measures(pending, changed_tests(1, 1, on_base, TestOrder::NotAlone))
    });
    assert!(proof_failed(&outcome).contains("no new test can be run on the base without the source that it stands in"));
    assert!(run.attempt().unwrap().checked.is_none());
}

#[test]
fn nothing_can_be_shown_without_a_check() {
    let mut world = World::with(|_, pending| measures(pending, of(1, 1)));
    let run = Run::open(start(), &opened(Mode::Standard, true, DeliveryMode::Branch, false)).unwrap();
    let (_, outcome, _) = drive(&mut world, run, under(BLOCKS), 0);
    assert!(proof_failed(&outcome).contains("neither policy nor ticket has a check"));
}

#[test]
fn tests_come_first_where_they_stand_alone_and_fail() {
    let mut inputs = under(TESTS_FIRST);
    inputs.limits.verification_failures = 1;
    let (run, outcome) = run_under(inputs, |run, pending| {
        let first = run.totals().iterations == 1;
        match &pending.effect {
            Effect::TakeTurn { label, .. } if first => {
                let thread = pending.live.thread.as_ref()?.thread.clone();
                Some(Happening::Shows(Observation::TurnEnded {
                    end: TurnEnd::Reported {
                        report: report(label, ReportStatus::InProgress),
                    },
                    tokens: ledger_core::TokenCount::default(),
                    thread: Some(thread),
                }))
            }
            Effect::RunChecks {
                tree,
                purpose: CheckPurpose::Proof,
                ..
            } => Some(Happening::Shows(Observation::ChecksRan {
                tree: *tree,
                results: vec![check(!first)],
                set_up: Vec::new(),
            })),
            _ => {
                let order = match run.tests_alone() {
                    Some(tree) => TestOrder::Alone { tree },
                    None => TestOrder::NotAlone,
                };
                measures(pending, changed_tests(u64::from(!first), 1, apart(), order))
                    .or_else(|| compares(pending, true, false))
            }
        }
    });
    assert_eq!((run.totals().iterations, outcome), (2, Outcome::Done));
    assert_eq!(run.tests_alone(), Some(TreeId(object(101))));
}

#[test]
fn source_that_comes_before_its_tests_is_sent_back() {
    let (run, outcome) = run_under(under(TESTS_FIRST), |_, pending| measures(pending, of(1, 1)));
    assert_eq!(run.totals().tests_refused, 3);
    assert!(proof_failed(&outcome).contains("the runner has not seen tests alone fail before"));
}

#[test]
fn a_repair_that_is_no_other_change_ends_the_run() {
    let (run, outcome) = run_under(under(Gates::default()), |run, pending| match &pending.effect {
        Effect::TakeReview { tree, label } => Some(Happening::Shows(Observation::ReviewEnded {
            tree: *tree,
            end: crate::world::answered(label, false),
            tokens: ledger_core::TokenCount::default(),
            thread: Some(pending.live.thread.as_ref()?.thread.clone()),
        })),
        Effect::MeasureChanges { .. } => Some(Happening::Shows(Observation::ChangesMeasured {
            change: change(100 + u8::try_from(run.totals().iterations).unwrap(), 1),
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: None,
            same_as: run.refused().first().map(|refused| refused.tree),
            drift: None,
            experts: Vec::new(),
        })),
        _ => None,
    });
    let Outcome::Blocked(blocker) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(blocker.code, BlockerCode::RepairLimit);
    assert!(
        blocker.reason.contains("no other change than tree 65656565"),
        "{}",
        blocker.reason
    );
    assert_eq!((run.totals().iterations, run.totals().repair_rounds), (2, 1));
}
