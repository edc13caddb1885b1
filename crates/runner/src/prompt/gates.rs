//! What worker and reviewer are told of gates about tests.

use std::fmt::Write as _;

use ledger_core::TestComparison;
use policy::config::{GateLevel, Gates};

use super::{material, one_line};
use crate::compared::lines;

/// What the worker's tests have to show, where the policy wants anything of them.
pub(crate) fn what_tests_must_show(text: &mut String, gates: &Gates) {
    let mut told = String::new();
    if gates.tdd > GateLevel::Off {
        told.push_str(
            "- Write the tests first. Once they say what is asked for and nothing else is changed, end the turn and report `in_progress`: the \
             runner runs the checks, which must fail. Do the rest in the turns after that.\n",
        );
    }
    if gates.changed_tests > GateLevel::Off {
        told.push_str("- A change of source brings a test or an assertion that was not there before.\n");
    }
    if gates.fail_to_pass > GateLevel::Off {
        told.push_str(
            "- The runner runs your tests on the base as well: one at least must fail there and pass on your result. Put it into a file of tests, \
             or in Rust into the tests of a file that was there. The tests of the base must pass on your result as they were.\n",
        );
    }
    if !told.is_empty() {
        let _ = writeln!(text, "## What tests have to show\n\n{told}");
    }
}

/// Why the worker is sent back.
pub(crate) fn tests_refused(text: &mut String, turn: u32, reason: &str) {
    let _ = writeln!(
        text,
        "## What tests do not show\n\nThis is turn {turn}. Your last result is still in your checkout, and is refused for this. Names in it are those of tests and files:\n"
    );
    material(text, "what is missing", &one_line(reason));
}

/// What the reviewer may build on.
pub(crate) fn tests_compared(text: &mut String, comparison: Option<&TestComparison>) {
    let Some(comparison) = comparison else { return };
    let _ = writeln!(
        text,
        "## Tests before and after\n\nThe runner ran the tests of the change on the base, and those of the base on the change. What they are called and \
         report is up to the code under test: look whether those that fail before and pass after fail for what was asked, or only for being run there.\n"
    );
    let mut shown = String::new();
    for line in lines(comparison) {
        let _ = writeln!(shown, "{}", one_line(&line));
    }
    material(text, "tests before and after", &shown);
}
