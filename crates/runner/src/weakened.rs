//! What people are told of hunks that weaken tests.

use ledger_core::{Run, WeakenedTest, WeakeningVerdict};

use crate::records::review_of;

/// The hunks that weaken tests of the tree that the run stands on.
pub(crate) fn found(run: &Run) -> &[WeakenedTest] {
    let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
    measured.map_or(&[], |measured| &measured.weakened)
}

/// Each of them in one line, with what the reviewer says of it.
pub(crate) fn lines(run: &Run) -> Vec<String> {
    let answers = review_of(run).map_or(&[][..], |review| &review.weakened_tests);
    let line = |hunk: &WeakenedTest| {
        let mut line = format!("{}: {}: {}", hunk.id, hunk.place(), hunk.how);
        for answer in answers.iter().filter(|answer| answer.id == hunk.id) {
            let verdict = match answer.verdict {
                WeakeningVerdict::Justified => "justified",
                WeakeningVerdict::NotJustified => "not justified",
            };
            line.push_str(&format!("; the reviewer says {verdict}: {}", answer.reason));
        }
        line
    };
    found(run).iter().map(line).collect()
}

/// The most that are shown one by one where they must not hide the rest.
const SHOWN: usize = 10;

/// The same for a place where there is little room.
pub(crate) fn warnings(run: &Run) -> Vec<String> {
    let mut lines = lines(run);
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    let mut warnings: Vec<_> = lines
        .into_iter()
        .map(|line| format!("a test may be weaker: {line}"))
        .collect();
    if more > 0 {
        warnings.push(format!(
            "and {more} more hunks that weaken tests: `foil events` shows when they were found"
        ));
    }
    warnings
}
