//! What people are told of a change that is held to specs.

use ledger_core::{DriftFinding, Run, SpecDrift};

/// What was found when the tree that the run stands on was held against its specs; none where it was held to none.
pub(crate) fn of(run: &Run) -> Option<&SpecDrift> {
    run.attempt()?.measured.as_ref()?.drift.as_ref()
}

/// The findings one by one.
pub(crate) fn found(run: &Run) -> &[DriftFinding] {
    of(run).map_or(&[], |drift| &drift.findings)
}

/// The most that are shown one by one where they must not hide the rest.
const SHOWN: usize = 10;

/// Each of them in one line, for a place where there is little room.
pub(crate) fn warnings(run: &Run) -> Vec<String> {
    let findings = found(run);
    let mut warnings: Vec<_> = findings
        .iter()
        .take(SHOWN)
        .map(|finding| format!("change and specs differ: {finding}"))
        .collect();
    if let more @ 1.. = findings.len().saturating_sub(SHOWN) {
        warnings.push(format!(
            "and {more} more places where change and specs differ: `foil events` shows when they were found"
        ));
    }
    warnings
}
