//! What a change set does to tests: its files are read here, judged by the policy, and put into trees of their own.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{Repository, TreeError};
use ledger_core::{ChangeSet, ChangedTests, RefusedChange, RepoPath, Side, TestOrder, TreeId, TreesApart};
use policy::config::GateLevel;
use policy::{MAX_TEST_BYTES, TestChange, TestRules, inline_tests};

use super::weakening::{content, has_other_content};
use super::{Failed, RunPlan};

/// What the change does to tests, where the policy asks for that. `alone` is the tree of the run that had tests alone.
pub(super) fn changed_tests(
    plan: &RunPlan,
    rules: &TestRules,
    repository: &Repository,
    set: &ChangeSet,
    alone: Option<TreeId>,
) -> Result<Option<ChangedTests>, Failed> {
    let gates = plan.gates();
    if !gates.ask_for_tests() {
        return Ok(None);
    }
    let mut left = MAX_TEST_BYTES;
    let changed = set.changes.iter().filter(|change| has_other_content(change));
    // Large sources must not use up what is read of tests.
    let (tests, others): (Vec<_>, Vec<_>) = changed.partition(|change| rules.is_test_file(&change.path));
    let mut changes = Vec::new();
    for change in tests.into_iter().chain(others) {
        let mut read = |side| content(repository, side, &mut left).map_err(|error| Failed::of(&error));
        changes.push(TestChange {
            path: change.path.clone(),
            before: read(change.before)?,
            after: read(change.after)?,
        });
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    let mut found = policy::changed_tests(rules, &changes);
    if gates.fail_to_pass > GateLevel::Off {
        found.apart = Some(trees_apart(rules, repository, set, &changes)?);
    }
    if gates.tdd > GateLevel::Off {
        found.order = Some(order(rules, repository, set, alone)?);
    }
    Ok(Some(found))
}

/// Tests and the rest of the change apart. How tests are run is the base's in both trees.
fn trees_apart(
    rules: &TestRules,
    repository: &Repository,
    set: &ChangeSet,
    changes: &[TestChange],
) -> Result<TreesApart, Failed> {
    let base = repository
        .commit_tree_id(set.base)
        .map_err(|error| Failed::of(&error))?;
    let (mut of_change, mut of_base) = (Entries::new(), Entries::new());
    for change in &set.changes {
        let is_test = rules.is_test_file(&change.path);
        if is_test {
            of_change.insert(change.path.clone(), change.after);
        }
        if is_test || rules.says_how_tests_are_run(&change.path) {
            of_base.insert(change.path.clone(), change.before);
        }
    }
    let (mut inline_of_change, mut inline_of_base) = (Files::new(), Files::new());
    for change in changes {
        if let Some(apart) = inline_tests(rules, change) {
            inline_of_change.insert(change.path.clone(), apart.tests_on_base);
            inline_of_base.insert(change.path.clone(), apart.former_tests);
        }
    }
    let with = |mut tree: TreeId, entries: &Entries, files: &Files| {
        if !entries.is_empty() {
            tree = repository.with_entries(tree, entries)?;
        }
        if !files.is_empty() {
            tree = repository.overlay(tree, files, &BTreeSet::new())?;
        }
        Ok(tree)
    };
    let failed = |error: TreeError| Failed::of(&error);
    Ok(TreesApart {
        tests_on_base: with(base, &of_change, &inline_of_change).map_err(failed)?,
        former_tests: with(set.tree, &of_base, &inline_of_base).map_err(failed)?,
    })
}

type Entries = BTreeMap<RepoPath, Option<Side>>;
type Files = BTreeMap<RepoPath, Vec<u8>>;

/// Whether what the earlier tree did to tests is still a part of the change.
fn order(
    rules: &TestRules,
    repository: &Repository,
    set: &ChangeSet,
    alone: Option<TreeId>,
) -> Result<TestOrder, Failed> {
    let Some(tree) = alone else {
        return Ok(TestOrder::NotAlone);
    };
    let base = repository
        .commit_tree_id(set.base)
        .map_err(|error| Failed::of(&error))?;
    let changes = repository
        .tree_changes(base, tree)
        .map_err(|error| Failed::of(&error))?;
    let is_kept = |path: &RepoPath| rules.may_hold_tests(path) && set.changes.iter().any(|change| change.path == *path);
    Ok(if changes.iter().any(|change| is_kept(&change.path)) {
        TestOrder::Alone { tree }
    } else {
        TestOrder::NotAlone
    })
}

/// Patches are compared up to this size.
const LARGEST_PATCH: u64 = 16 << 20;

/// The refused change of the run that this one is the same as.
pub(super) fn same_as(
    repository: &Repository,
    set: &ChangeSet,
    refused: &[RefusedChange],
) -> Result<Option<TreeId>, Failed> {
    // An answer without a change is judged by its words.
    if set.changes.is_empty() {
        return Ok(None);
    }
    for change in refused {
        if change.tree == set.tree {
            return Ok(Some(change.tree));
        }
        let base = |commit| repository.commit_tree_id(commit).map_err(|error| Failed::of(&error));
        let (one, other) = ((base(change.base)?, change.tree), (base(set.base)?, set.tree));
        let is_same = repository.is_same_change(one, other, LARGEST_PATCH);
        if is_same.map_err(|error| Failed::of(&error))? {
            return Ok(Some(change.tree));
        }
    }
    Ok(None)
}
