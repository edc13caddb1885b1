//! What a turn changed, and what is forbidden about it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use git_delivery::{ChangeSetError, Finding, MeasureOptions, Repository, WalkError};
use ledger_core::{
    BlobId, BlockerCode, Change, ChangeSet, CommitId, EntryMode, ExpertCall, Observation, Run, TreeId, WeakenedTest,
};
use policy::config::GateLevel;
use policy::{
    ChangeFacts, ExpertRouting, FileFacts, RoutingFacts, ScopeRules, SecretRules, TestRules, WalkFinding, WalkProblem,
    dependency_change, judge_changes, public_api_change,
};

use super::changed_tests::{changed_tests, same_as};
use super::drift::{drift, looks_at_contracts};
use super::weakening::weakened;
use super::whole::{began, whole};
use super::{Engine, Failed, RunPlan, scope_of};
use crate::manifests::Manifests;

/// By what the change sets of one run are judged: its policy and its ticket are frozen.
#[derive(Debug)]
pub(super) struct ChangeRules {
    scope: ScopeRules,
    secrets: SecretRules,
    tests: TestRules,
    routing: ExpertRouting,
}

impl ChangeRules {
    /// Those of this run, compiled when they are asked for first.
    fn of<'a>(plan: &RunPlan, known: &'a OnceLock<Self>) -> Result<&'a Self, Failed> {
        if let Some(rules) = known.get() {
            return Ok(rules);
        }
        let scope = scope_of(plan)?;
        let secrets = match plan.redactor.secret_rules() {
            Some(rules) => rules.clone(),
            None => SecretRules::new(&plan.policy),
        };
        let tests = TestRules::new(&plan.policy, &plan.ticket.file)
            .map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))?;
        let routing =
            ExpertRouting::new(&plan.policy).map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))?;
        Ok(known.get_or_init(|| Self {
            scope,
            secrets,
            tests,
            routing,
        }))
    }
}

impl Engine {
    /// Computes the change set, keeps its tree under an anchor before anything names it, and judges it.
    pub(super) fn measure_changes(&mut self, seq: u64, iteration: u32, run: &Run) {
        let (plan, repository, places, rules) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.repository),
            self.places.clone(),
            Arc::clone(&self.rules),
        );
        let (alone, refused, reviews) = (run.tests_alone(), run.refused().to_vec(), run.opened().review);
        let since = began(run);
        self.blocking(seq, move || {
            let options = MeasureOptions {
                keep: true,
                exempt: super::set_up::exempt(&plan),
                ..MeasureOptions::default()
            };
            let measured = places.with_work(|work| match work {
                // One that is made anew would show what the turn before did.
                Some(work) if std::fs::symlink_metadata(work.folder()).is_err() => Err(Failed::new(
                    BlockerCode::TreeMismatch,
                    "the worker's place is gone, and with it what the turn did",
                )),
                Some(work) => work.measure(&repository, &options).map_err(|error| unmeasured(&error)),
                None => Err(Failed::new(BlockerCode::NeedsPerson, "the worker's place is not open")),
            })?;
            let set = &measured.change_set;
            // A turn that is taken up again is measured again, so the iteration alone is no name.
            repository
                .anchor(&plan.run, &format!("tree-{iteration}-{seq}"), set.tree.0)
                .map_err(|error| Failed::of(&error))?;
            let rules = ChangeRules::of(&plan, &rules)?;
            let facts = facts(&plan, rules, &repository, set, &measured.findings)?;
            let violations = judge_changes(set, &facts, &rules.scope, &plan.policy, &plan.ticket.file);
            let drift = drift(&plan, &repository, set, &facts)?;
            // Of what it brings together a parent's own change shows nothing.
            let whole = match since {
                Some(since) => Some(whole(&repository, since, set.tree)?),
                None => None,
            };
            let reviewed = whole.as_ref().unwrap_or(set);
            let weakened =
                weakened(&plan, &rules.tests, &repository, reviewed, &refused).map_err(|error| Failed::of(&error))?;
            // Nothing comes of what is forbidden, and it may hold what fits into no other tree.
            let (tests, same_as) = if violations.is_empty() {
                let tests = changed_tests(&plan, &rules.tests, &repository, set, alone)?;
                (tests, same_as(&repository, set, &refused)?)
            } else {
                (None, None)
            };
            if let Some(apart) = tests.as_ref().and_then(|tests| tests.apart) {
                for (name, tree) in [("tests", apart.tests_on_base), ("former", apart.former_tests)] {
                    repository
                        .anchor(&plan.run, &format!("{name}-{iteration}-{seq}"), tree.0)
                        .map_err(|error| Failed::of(&error))?;
                }
            }
            let experts = match &whole {
                _ if !reviews || !violations.is_empty() => Vec::new(),
                Some(whole) => {
                    let facts = self::facts(&plan, rules, &repository, whole, &[])?;
                    experts(&plan, rules, &repository, whole, &facts, &weakened)?
                }
                None => experts(&plan, rules, &repository, set, &facts, &weakened)?,
            };
            Ok(Observation::ChangesMeasured {
                change: set.summary(),
                violations,
                weakened,
                tests,
                same_as,
                drift,
                experts,
            })
        });
    }

    /// The patch from the base to a tree, at most `limit` bytes, and whether it was cut.
    pub(super) fn patch(&self, base: CommitId, tree: TreeId, limit: u64) -> Result<(String, bool), Failed> {
        let unreadable = |error: &dyn std::fmt::Display| Failed::new(BlockerCode::ReviewFailed, error);
        let before = self
            .repository
            .commit_tree_id(base)
            .map_err(|error| unreadable(&error))?;
        let patch = self
            .repository
            .patch(before, tree, limit)
            .map_err(|error| unreadable(&error))?;
        Ok((String::from_utf8_lossy(&patch.bytes).into_owned(), patch.truncated))
    }
}

/// Whom the change calls for beside the reviewer.
fn experts(
    plan: &RunPlan,
    rules: &ChangeRules,
    repository: &Repository,
    set: &ChangeSet,
    facts: &ChangeFacts,
    weakened: &[WeakenedTest],
) -> Result<Vec<ExpertCall>, Failed> {
    let gates = plan.gates();
    let added_lines = match gates.cleanup_review {
        GateLevel::Off => None,
        GateLevel::Warn | GateLevel::Block => Some(added_lines(repository, set)?),
    };
    let facts = RoutingFacts {
        change: facts,
        weakened,
        added_lines,
    };
    Ok(rules.routing.calls(set, facts, &plan.ticket.file, &gates))
}

fn added_lines(repository: &Repository, set: &ChangeSet) -> Result<u64, Failed> {
    let base = repository
        .commit_tree_id(set.base)
        .map_err(|error| Failed::of(&error))?;
    let counts = repository
        .line_counts(base, set.tree)
        .map_err(|error| Failed::of(&error))?;
    let added = counts.iter().filter_map(|count| Some(count.lines?.0));
    Ok(added.fold(0, u64::saturating_add))
}

/// Too much is the worker's doing; everything else is the machine's.
fn unmeasured(error: &ChangeSetError) -> Failed {
    match error {
        ChangeSetError::Walk(WalkError::TooManyBytes { .. } | WalkError::TooManyPaths { .. }) => {
            Failed::new(BlockerCode::ScopeViolation, error)
        }
        _ => Failed::of(error),
    }
}

/// What has to be known of the change to judge it.
fn facts(
    plan: &RunPlan,
    rules: &ChangeRules,
    repository: &Repository,
    set: &ChangeSet,
    findings: &[Finding],
) -> Result<ChangeFacts, Failed> {
    let mut facts = ChangeFacts {
        files: BTreeMap::new(),
        walk: walk_findings(findings),
        ..ChangeFacts::default()
    };
    let is_small = plan.ticket.file.mode.discipline().is_small;
    if is_small || rules.routing.asks_for_contracts() {
        let base = repository
            .commit_tree_id(set.base)
            .map_err(|error| Failed::of(&error))?;
        facts.manifests = Manifests::of(repository, base)
            .above(set.changes.iter().map(|change| &change.path))
            .map_err(|error| Failed::of(&error))?;
    }
    let with_contracts = is_small || looks_at_contracts(plan);
    for change in &set.changes {
        let known = facts_of(repository, change, &rules.secrets, with_contracts).map_err(|error| Failed::of(&error))?;
        facts.files.insert(change.path.clone(), known);
    }
    for finding in findings {
        if let Finding::Filtered { path, filter } = finding {
            facts.files.entry(path.clone()).or_default().filter = Some(filter.clone());
        }
    }
    Ok(facts)
}

fn facts_of(
    repository: &Repository,
    change: &Change,
    secrets: &SecretRules,
    with_contracts: bool,
) -> Result<FileFacts, git_delivery::ObjectError> {
    let content = |side: Option<ledger_core::Side>| -> Result<Option<Vec<u8>>, git_delivery::ObjectError> {
        match side {
            Some(side) if side.mode != EntryMode::Submodule => blob(repository, side.id).map(Some),
            _ => Ok(None),
        }
    };
    let same = change
        .before
        .zip(change.after)
        .is_some_and(|(before, after)| before.id == after.id);
    let after = content(change.after)?;
    let before = if same { after.clone() } else { content(change.before)? };
    let mut facts = FileFacts::default();
    if let Some(after) = &after {
        facts.secrets = Some(secrets.added(&change.path, before.as_deref(), after));
        if change.after.is_some_and(|side| side.mode == EntryMode::Symlink) {
            facts.link_target = Some(after.clone());
        }
    }
    facts.dependencies = dependency_change(&change.path, before.as_deref(), after.as_deref());
    if with_contracts {
        facts.public_api = public_api_change(&change.path, before.as_deref(), after.as_deref());
    }
    Ok(facts)
}

fn blob(repository: &Repository, id: BlobId) -> Result<Vec<u8>, git_delivery::ObjectError> {
    // What is larger was left out of the tree when the place was measured; a base may have anything.
    repository.read_blob(id, u64::MAX)
}

fn walk_findings(findings: &[Finding]) -> Vec<WalkFinding> {
    let limit = MeasureOptions::default().largest_file;
    findings
        .iter()
        .filter_map(|finding| {
            let (path, problem) = match finding {
                Finding::SpecialFile { path } => (path, WalkProblem::NotAFile),
                Finding::NestedRepository { path } => (path, WalkProblem::NestedRepository),
                Finding::ForbiddenName { path } => (path, WalkProblem::ForbiddenName),
                Finding::FilesInSubmodule { path } => (path, WalkProblem::FilesInSubmodule),
                Finding::TooLarge { path, size } => (path, WalkProblem::TooLarge { bytes: *size, limit }),
                Finding::PathTooLong { folder } => (folder, WalkProblem::PathTooLong),
                Finding::Unreadable { path } => (path, WalkProblem::Unreadable),
                Finding::HardLink { path } => (path, WalkProblem::HardLink),
                Finding::Twins { one, other } => (one, WalkProblem::Twin { of: other.clone() }),
                // Judged with the file itself: the policy may allow the filter.
                Finding::Filtered { .. } => return None,
            };
            Some(WalkFinding {
                path: path.clone(),
                problem,
            })
        })
        .collect()
}
