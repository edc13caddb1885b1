//! What people are told of tests before and after a change.

use ledger_core::{NamedTests, Run, TestComparison, TestOrder, ToldBy, Transitions};

/// What tests show before and after the change that the run stands on.
pub(crate) fn comparison_of(run: &Run) -> Option<&TestComparison> {
    run.attempt()?.compared.as_ref()
}

/// Each check in a few lines.
pub(crate) fn lines(comparison: &TestComparison) -> Vec<String> {
    let mut lines = Vec::new();
    for check in &comparison.checks {
        for (whose, from_to, transitions) in [
            ("change", "from the base with them to the change", &check.changed),
            ("base", "from the base to the change with them", &check.former),
        ] {
            let how = match transitions.by {
                ToldBy::Report => "by report",
                ToldBy::ExitStatus => "as a whole, by exit status",
            };
            lines.push(format!(
                "{}: tests of the {whose}, {from_to}, {how}: {}",
                check.check,
                in_words(transitions)
            ));
        }
        if check.new.count + check.gone.count > 0 {
            lines.push(format!(
                "{}: new tests: {}; tests that are gone: {}",
                check.check,
                named(&check.new),
                named(&check.gone)
            ));
        }
    }
    lines
}

fn in_words(transitions: &Transitions) -> String {
    let Transitions {
        by: _,
        fail_to_pass,
        pass_to_pass,
        pass_to_fail,
        fail_to_fail,
        pass_to_none,
    } = transitions;
    let mut words = format!(
        "fail to pass {}, pass to pass {pass_to_pass}, pass to fail {}, fail to fail {fail_to_fail}",
        named(fail_to_pass),
        named(pass_to_fail)
    );
    if pass_to_none.count > 0 {
        words.push_str(&format!(", passed and do not run any more {}", named(pass_to_none)));
    }
    words
}

fn named(tests: &NamedTests) -> String {
    let named = u64::try_from(tests.names.len()).unwrap_or(u64::MAX);
    match (&tests.names[..], tests.count.saturating_sub(named)) {
        ([], _) => tests.count.to_string(),
        (names, 0) => format!("{} ({})", tests.count, names.join(", ")),
        (names, more) => format!("{} ({} and {more} more)", tests.count, names.join(", ")),
    }
}

/// What a reader must see of them before anything else.
pub(crate) fn warnings(run: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(tests) = run.changed_tests().filter(|tests| tests.sources > 0) else {
        return warnings;
    };
    if tests.order == Some(TestOrder::NotAlone) {
        warnings.push("the tests did not come first: the runner saw no tree with tests alone that failed".to_owned());
    }
    if tests.tests == 0 {
        warnings.push("source is changed, and no test or assertion is new".to_owned());
    }
    if let Some(comparison) = comparison_of(run) {
        if !comparison.shows_the_change() {
            warnings.push("no test fails on the base and passes on the change".to_owned());
        }
        match comparison.broken() {
            0 => {}
            1 => warnings.push("1 test of the base passed there and does not pass on the change".to_owned()),
            broken => warnings.push(format!(
                "{broken} tests of the base passed there and do not pass on the change"
            )),
        }
    }
    warnings
}
