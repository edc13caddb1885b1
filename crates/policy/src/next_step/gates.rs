//! What gates about tests want of a change beside its checks.

use ledger_core::{
    BlockerCode, ChangedTests, Effect, Event, IterationCause, NamedTests, Run, TestComparison, TestGate, TestOrder,
    TreeId,
};

use super::{and_more, blocked};
use crate::config::GateLevel;
use crate::inputs::{Inputs, Step};

/// The most characters of a test's name that a reason holds.
const LONGEST_NAME: usize = 120;

/// The most names that a reason holds.
const NAMED: usize = 3;

/// What is refused before any check runs, from what the change set is alone. A change that touches no source has nothing to show.
pub(super) fn before_checks(run: &Run, inputs: &Inputs) -> Option<Step> {
    let tests = run.changed_tests().filter(|tests| tests.sources > 0)?;
    let gates = &inputs.gates;
    // Nothing that the worker could do would change that.
    if gates.fail_to_pass == GateLevel::Block && run.opened().checks.is_empty() {
        let reason = "fail_to_pass: neither policy nor ticket has a check that could run tests";
        return Some(blocked(run, BlockerCode::ProofFailed, reason));
    }
    let is_alone = matches!(tests.order, Some(TestOrder::Alone { .. }));
    if gates.tdd == GateLevel::Block && !is_alone {
        let reason = format!(
            "{} is changed, and the runner has not seen tests alone fail before: take back everything but tests, end the turn, and \
             do the rest once they were seen to fail",
            first_source(tests)
        );
        return Some(refused(run, inputs, TestGate::Tdd, &reason));
    }
    let gate = if gates.changed_tests == GateLevel::Block {
        TestGate::ChangedTests
    } else if gates.fail_to_pass == GateLevel::Block {
        TestGate::FailToPass
    } else {
        return None;
    };
    if tests.tests == 0 {
        let reason = format!(
            "{} is changed, and no test or assertion is new: add a test that fails without the change",
            first_source(tests)
        );
        return Some(refused(run, inputs, gate, &reason));
    }
    let is_in_source = tests
        .apart
        .is_some_and(|apart| Some(apart.tests_on_base) == base_tree(run, inputs));
    if gates.fail_to_pass == GateLevel::Block && is_in_source {
        let reason = "no new test can be run on the base without the source that it stands in: put one that fails without the change into \
                      a file of tests";
        return Some(refused(run, inputs, TestGate::FailToPass, reason));
    }
    None
}

/// What is run, or refused, after the checks have passed on the tree.
pub(super) fn after_checks(run: &Run, inputs: &Inputs, tree: TreeId) -> Option<Step> {
    if inputs.gates.fail_to_pass == GateLevel::Off {
        return None;
    }
    let tests = run.changed_tests().filter(|tests| tests.sources > 0)?;
    let compared = run.attempt().and_then(|attempt| attempt.compared.as_ref());
    let Some(comparison) = compared.filter(|comparison| comparison.tree == tree) else {
        return Some(Step::Start(Effect::CompareTests {
            tree,
            apart: tests.apart?,
            checks: run.opened().checks.clone(),
        }));
    };
    let reason = unshown(comparison).filter(|_| inputs.gates.fail_to_pass == GateLevel::Block)?;
    Some(refused(run, inputs, TestGate::FailToPass, &reason))
}

/// What the tests of a change do not show; none where they show it.
fn unshown(comparison: &TestComparison) -> Option<String> {
    let broken = comparison.broken();
    if broken > 0 {
        let first = comparison.checks.iter().find(|check| check.former.broken() > 0)?;
        let former = &first.former;
        let names = named(&[&former.pass_to_fail, &former.pass_to_none]);
        return Some(format!(
            "{broken} of the base's tests passed there and {} on the change, in check `{}`{names}: mend what broke; where the ticket asks \
             for what they forbid, report `blocked` and say so",
            if broken == 1 { "does not pass" } else { "do not pass" },
            first.check
        ));
    }
    (!comparison.shows_the_change()).then(|| {
        "no test fails on the base and passes on the change: the tests pass without it as well, so they do not show what it does".to_owned()
    })
}

fn named(lists: &[&NamedTests]) -> String {
    let names: Vec<_> = lists
        .iter()
        .flat_map(|list| &list.names)
        .take(NAMED)
        .map(|name| format!("`{}`", name.chars().take(LONGEST_NAME).collect::<String>()))
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", such as {}", names.join(", "))
    }
}

fn first_source(tests: &ChangedTests) -> String {
    let more = and_more(tests.sources.saturating_sub(1));
    match &tests.first_source {
        Some(path) => format!(
            "`{}`{more}",
            path.to_string().chars().take(LONGEST_NAME).collect::<String>()
        ),
        None => "source".to_owned(),
    }
}

fn base_tree(run: &Run, inputs: &Inputs) -> Option<TreeId> {
    run.rebased_base_tree().or(Some(inputs.start.base_tree))
}

/// The worker goes back, as often as a reviewer may send it back; then the run stops.
fn refused(run: &Run, inputs: &Inputs, gate: TestGate, reason: &str) -> Step {
    let totals = run.totals();
    let most = run.opened().max_repair_rounds;
    if totals.tests_refused >= most || totals.iterations >= inputs.limits.max_iterations {
        let times = match totals.tests_refused {
            0 => String::new(),
            1 => ", after the worker was sent back once".to_owned(),
            times => format!(", after the worker was sent back {times} times"),
        };
        return blocked(run, BlockerCode::ProofFailed, format!("{gate}{times}: {reason}"));
    }
    Step::Record(Event::IterationStarted {
        n: totals.iterations + 1,
        cause: IterationCause::TestsRefused {
            gate,
            reason: reason.to_owned(),
        },
    })
}
