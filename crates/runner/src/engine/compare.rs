//! Running tests before and after a change: those of the change on the base, those of the base on the change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ledger_core::{
    CheckComparison, CheckPurpose, CheckResult, CommandOutcome, ComparedRun, NamedTests, Observation, Run,
    TestComparison, ToldBy, Transitions, TreeId, TreesApart, fitting,
};
use tokio::sync::watch;

use super::checks::{CheckPlace, ROOM_FOR_RESULTS, Ran, fitted_all, run_all};
use super::{Engine, Failed, base_of};
use crate::junit::{TestReport, TestStatus};

/// How the checks ended on the base and on the last change, as long as this runner is there. After a crash they run again.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownEndings(Arc<Mutex<Slots>>);

#[derive(Debug, Default)]
struct Slots {
    base: Option<(TreeId, Endings)>,
    change: Option<(TreeId, Endings)>,
}

/// How checks ended on one tree, by name.
type Endings = BTreeMap<String, Arc<Ending>>;

impl KnownEndings {
    /// Keeps what was just seen on a tree.
    pub(super) fn keep(&self, purpose: CheckPurpose, tree: TreeId, ran: &Ran) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match purpose {
            CheckPurpose::Baseline => &mut slots.base,
            CheckPurpose::Proof => &mut slots.change,
        };
        match slot {
            Some((known, endings)) if *known == tree => endings.extend(endings_of(ran)),
            slot => *slot = Some((tree, endings_of(ran))),
        }
    }

    fn of(&self, tree: TreeId) -> Endings {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = [&slots.base, &slots.change].into_iter().flatten();
        known
            .filter(|(known, _)| *known == tree)
            .flat_map(|(_, endings)| endings.clone())
            .collect()
    }
}

fn endings_of(ran: &Ran) -> Endings {
    let both = ran.results.iter().zip(&ran.reports);
    both.map(|(result, report)| (result.name.clone(), Arc::new(Ending::of(result, report.as_ref()))))
        .collect()
}

/// How a check ended, and its tests.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    whole: End,
    /// By name; none where the check told of none.
    tests: Option<BTreeMap<String, End>>,
}

/// How a test ended, or a check as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It shows nothing: it was skipped, or did not run.
    Nothing,
    Passed,
    Failed,
}

impl Ending {
    fn of(result: &CheckResult, report: Option<&TestReport>) -> Self {
        let whole = match &result.outcome {
            _ if result.passed() => End::Passed,
            CommandOutcome::NotStarted { .. } | CommandOutcome::Stopped => End::Nothing,
            // One that ends with status 0 and tells of failing tests among them.
            _ => End::Failed,
        };
        let tests = report.map(|report| {
            let mut tests = BTreeMap::new();
            for test in &report.tests {
                let end = match test.status {
                    TestStatus::Passed => End::Passed,
                    TestStatus::Failed => End::Failed,
                    TestStatus::Skipped => End::Nothing,
                };
                // Of those that share a name one that fails counts for all.
                let known = tests.entry(test.name.clone()).or_insert(end);
                *known = end.max(*known);
            }
            tests
        });
        Self { whole, tests }
    }
}

impl Engine {
    /// Runs the checks on each tree of the comparison where that was not done.
    pub(super) fn compare_tests(&mut self, seq: u64, tree: TreeId, apart: TreesApart, names: &[String], run: &Run) {
        let base = match base_of(run) {
            Ok(base) => base,
            Err(failed) => return self.blocking(seq, || Err(failed)),
        };
        let mut comparing = Comparing {
            place: self.check_place(base, tree),
            names: names.to_vec(),
            baseline: run.baseline().map(<[CheckResult]>::to_vec),
            interrupted: self.interrupt.subscribe(),
            known: self.endings.clone(),
            on: BTreeMap::new(),
            ran: Vec::new(),
            set_up: Vec::new(),
        };
        let repository = Arc::clone(&self.repository);
        self.waiting(seq, async move {
            let base_tree = repository.commit_tree_id(base).map_err(|error| Failed::of(&error))?;
            let observation = comparing.compare(base_tree, tree, apart).await;
            comparing.place.tidy();
            observation
        });
    }
}

struct Comparing {
    place: CheckPlace,
    names: Vec<String>,
    baseline: Option<Vec<CheckResult>>,
    interrupted: watch::Receiver<bool>,
    known: KnownEndings,
    /// What is known of each tree by now.
    on: BTreeMap<TreeId, Endings>,
    ran: Vec<ComparedRun>,
    set_up: Vec<CheckResult>,
}

impl Comparing {
    async fn compare(&mut self, base: TreeId, tree: TreeId, apart: TreesApart) -> Result<Observation, Failed> {
        for (on, purpose) in [
            (apart.tests_on_base, None),
            (base, Some(CheckPurpose::Baseline)),
            (apart.former_tests, None),
            (tree, Some(CheckPurpose::Proof)),
        ] {
            if !self.look(on, purpose).await? {
                return Ok(Observation::Interrupted);
            }
        }
        let mut checks: Vec<_> = self
            .names
            .iter()
            .filter_map(|name| {
                let ending = |tree: TreeId| self.on.get(&tree)?.get(name);
                Some(comparison(
                    name,
                    ending(apart.tests_on_base)?,
                    ending(base)?,
                    ending(apart.former_tests)?,
                    ending(tree)?,
                ))
            })
            .collect();
        bound(&mut checks);
        let mut room = ROOM_FOR_RESULTS;
        let ran = std::mem::take(&mut self.ran).into_iter();
        Ok(Observation::TestsCompared {
            comparison: TestComparison { tree, apart, checks },
            ran: ran
                .map(|run| ComparedRun {
                    results: fitted_all(run.results, &mut room),
                    ..run
                })
                .collect(),
            set_up: fitted_all(std::mem::take(&mut self.set_up), &mut room),
        })
    }

    /// Sees to it that every check has ended on a tree; false where the run is being stopped.
    async fn look(&mut self, tree: TreeId, purpose: Option<CheckPurpose>) -> Result<bool, Failed> {
        let mut endings = self.known.of(tree);
        endings.extend(self.on.remove(&tree).unwrap_or_default());
        let missing: Vec<_> = self
            .names
            .iter()
            .filter(|name| !endings.contains_key(*name))
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.place.tree = tree;
            next_second().await;
            let ran = run_all(&self.place, &missing, self.baseline.as_deref(), &self.interrupted).await?;
            let Some(ran) = ran else { return Ok(false) };
            endings.extend(endings_of(&ran));
            if let Some(purpose) = purpose {
                self.known.keep(purpose, tree, &ran);
            }
            self.set_up.extend(ran.set_up);
            self.ran.push(ComparedRun {
                tree,
                results: ran.results,
            });
        }
        self.on.insert(tree, endings);
        Ok(true)
    }
}

/// Waits until a second begins. Caches that checks keep may know a file by its size and the second in which it was written, as Python's
/// do: what is written on one tree must not be taken for what was there on the one before.
async fn next_second() {
    let now = jiff::Timestamp::now().subsec_nanosecond();
    let left = 1_000_000_000_u64.saturating_sub(u64::from(now.unsigned_abs()));
    tokio::time::sleep(std::time::Duration::from_nanos(left)).await;
}

fn comparison(
    name: &str,
    tests_on_base: &Ending,
    base: &Ending,
    former_tests: &Ending,
    change: &Ending,
) -> CheckComparison {
    let names = |ending: &Ending, other: &Ending| {
        let mut named = NamedTests::default();
        if let (Some(tests), Some(others)) = (&ending.tests, &other.tests) {
            for name in tests.keys().filter(|name| !others.contains_key(*name)) {
                named.add(Some(name));
            }
        }
        named
    };
    CheckComparison {
        check: name.to_owned(),
        changed: of_the_change(tests_on_base, change),
        former: of_the_base(base, former_tests),
        new: names(change, base),
        gone: names(base, change),
    }
}

/// The tests of the change. One that the base with these tests does not report could not run there, if the check failed for it.
fn of_the_change(before: &Ending, after: &Ending) -> Transitions {
    let (Some(tests_before), Some(tests_after)) = (&before.tests, &after.tests) else {
        return as_a_whole(before.whole, after.whole);
    };
    let absent = match before.whole {
        End::Failed => End::Failed,
        End::Passed | End::Nothing => End::Nothing,
    };
    let mut transitions = by_report();
    for (name, after) in tests_after {
        let before = tests_before.get(name).copied().unwrap_or(absent);
        count(&mut transitions, Some(name), before, *after);
    }
    transitions
}

/// The tests of the base. One that is not reported any more does not pass any more, whatever the reason.
fn of_the_base(before: &Ending, after: &Ending) -> Transitions {
    let Some(tests_before) = &before.tests else {
        return as_a_whole(before.whole, after.whole);
    };
    let mut transitions = by_report();
    for (name, before) in tests_before {
        let after = after.tests.as_ref().and_then(|tests| tests.get(name));
        count(
            &mut transitions,
            Some(name),
            *before,
            after.copied().unwrap_or(End::Nothing),
        );
    }
    transitions
}

fn by_report() -> Transitions {
    Transitions {
        by: ToldBy::Report,
        ..Transitions::default()
    }
}

fn as_a_whole(before: End, after: End) -> Transitions {
    let mut transitions = Transitions::default();
    count(&mut transitions, None, before, after);
    transitions
}

fn count(transitions: &mut Transitions, name: Option<&str>, before: End, after: End) {
    match (before, after) {
        (End::Failed, End::Passed) => transitions.fail_to_pass.add(name),
        (End::Failed, End::Failed) => transitions.fail_to_fail += 1,
        (End::Passed, End::Passed) => transitions.pass_to_pass += 1,
        (End::Passed, End::Failed) => transitions.pass_to_fail.add(name),
        (End::Passed, End::Nothing) => transitions.pass_to_none.add(name),
        (End::Failed, End::Nothing) | (End::Nothing, _) => {}
    }
}

/// Leaves out the names that do not fit into a journal line; the numbers stay.
fn bound(checks: &mut [CheckComparison]) {
    let fits = fitting(checks);
    for check in checks.iter_mut().skip(fits) {
        for transitions in [&mut check.changed, &mut check.former] {
            transitions.fail_to_pass.names.clear();
            transitions.pass_to_fail.names.clear();
            transitions.pass_to_none.names.clear();
        }
        check.new.names.clear();
        check.gone.names.clear();
    }
}
