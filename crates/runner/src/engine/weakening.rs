//! Which hunks of a change set weaken tests: the files that have to do with tests are read here and judged by the policy.

use git_delivery::{ObjectError, Repository};
use ledger_core::{Change, ChangeSet, EntryMode, RefusedChange, Side, WeakenedTest};
use policy::config::GateLevel;
use policy::{
    MAX_TEST_BYTES, MAX_TEST_FILE_BYTES, TestChange, TestContent, TestRules, weakened_tests, with_those_of_repairs,
};

use super::RunPlan;

/// The hunks that weaken tests, where the policy wants them found: against the base, and against what was refused of this run, for a
/// repair makes no test weaker that its own change had brought.
pub(super) fn weakened(
    plan: &RunPlan,
    rules: &TestRules,
    repository: &Repository,
    set: &ChangeSet,
    refused: &[RefusedChange],
) -> Result<Vec<WeakenedTest>, ObjectError> {
    if plan.gates().test_weakening == GateLevel::Off {
        return Ok(Vec::new());
    }
    let mut of_repairs = Vec::new();
    // What was refused on another base differs by what others did since.
    for earlier in refused.iter().filter(|earlier| earlier.base == set.base) {
        let changes = repository.tree_changes(earlier.tree, set.tree)?;
        of_repairs.extend(weakened_by(rules, repository, &changes)?);
    }
    let hunks = weakened_by(rules, repository, &set.changes)?;
    Ok(with_those_of_repairs(hunks, of_repairs))
}

fn weakened_by(rules: &TestRules, repository: &Repository, all: &[Change]) -> Result<Vec<WeakenedTest>, ObjectError> {
    let mut left = MAX_TEST_BYTES;
    let mut changes = Vec::new();
    for change in all
        .iter()
        .filter(|change| rules.concerns(&change.path) && has_other_content(change))
    {
        changes.push(TestChange {
            path: change.path.clone(),
            before: content(repository, change.before, &mut left)?,
            after: content(repository, change.after, &mut left)?,
        });
    }
    Ok(weakened_tests(rules, &changes))
}

fn is_file(side: Side) -> bool {
    matches!(side.mode, EntryMode::File | EntryMode::Executable)
}

/// A file that only may be run now, or no more, tests what it tested.
pub(super) fn has_other_content(change: &Change) -> bool {
    let file = |side: Option<Side>| side.filter(|side| is_file(*side)).map(|side| side.id);
    file(change.before) != file(change.after)
}

pub(super) fn content(
    repository: &Repository,
    side: Option<Side>,
    left: &mut u64,
) -> Result<Option<TestContent>, ObjectError> {
    let Some(side) = side.filter(|side| is_file(*side)) else {
        return Ok(None);
    };
    let size = repository.blob_size(side.id)?;
    let Some(rest) = left.checked_sub(size).filter(|_| size <= MAX_TEST_FILE_BYTES) else {
        return Ok(Some(TestContent::TooLarge));
    };
    *left = rest;
    repository
        .read_blob(side.id, size)
        .map(|bytes| Some(TestContent::Read(bytes)))
}
