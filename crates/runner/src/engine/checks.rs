//! Running the checks of a run on an exact tree.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git_delivery::{Leftovers, Repository};
use ledger_core::{
    BlockerCode, CheckCommand as Command, CheckPurpose, CheckResult, CommandOutcome, CommitId, Event, MAX_LINE_BYTES,
    Observation, RepoPath, Run, Strength, TreeId,
};
use policy::config::{Baseline, GateLevel, SandboxUse};
use policy::{CheckSpec, Policy};
use tokio::sync::{mpsc, watch};

use super::places::{Places, RunnersPlace};
use super::set_up::{Surroundings, named, run_set_up, stopped};
use super::{Engine, Failed, RunPlan, blocked};
use crate::check::{Check, CheckCommand, CheckError};
use crate::junit::TestReport;
use crate::lock::AloneLock;
use crate::sandbox::Confinement;
use crate::state::StateRoots;

/// What checks of this policy may see and change when they run in this place.
pub(crate) fn confinement(policy: &Policy, roots: &StateRoots, place: &Path) -> Confinement {
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/nonexistent"));
    // The objects that the place borrows, so that `git log` and the like work in checks.
    let objects = roots.repository().parent().map(|common| common.join("objects"));
    let mut readable: Vec<_> = objects.into_iter().collect();
    let mut writable = shared_folders(policy, &home);
    // What code under test wrote there would run in the next set-up, with the network.
    if policy.workspace.setup.iter().any(|command| command.network) {
        readable.append(&mut writable);
    }
    Confinement {
        place: place.to_owned(),
        writable,
        readable,
        hidden: checkouts_of(roots)
            .into_iter()
            .chain([roots.repository().to_owned(), roots.user().to_owned()])
            .collect(),
        scratch: None,
        environment: Vec::new(),
        network: false,
        home,
    }
}

/// The folders outside the places that the policy shares with commands.
pub(super) fn shared_folders(policy: &Policy, home: &Path) -> Vec<PathBuf> {
    let folders = policy.workspace.writable.iter();
    folders
        .map(|folder| match folder.as_str().strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(folder.as_str()),
        })
        .collect()
}

/// The repository's Git folder, where remotes may have tokens, and every checkout of it, where `.env` and the like lie.
fn checkouts_of(roots: &StateRoots) -> Vec<PathBuf> {
    let Some(common) = roots.repository().parent() else {
        return Vec::new();
    };
    let mut folders = vec![common.to_owned()];
    if common.file_name().is_some_and(|name| name == ".git") {
        folders.extend(common.parent().map(Path::to_owned));
    }
    for linked in std::fs::read_dir(common.join("worktrees"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let git = std::fs::read_to_string(linked.path().join("gitdir")).unwrap_or_default();
        folders.extend(Path::new(git.trim_end()).parent().map(Path::to_owned));
    }
    // A relative one could not be hidden, and one at the root would hide the system.
    folders.retain(|folder| folder.is_absolute() && folder.parent().is_some());
    folders
}

impl Engine {
    pub(super) fn run_checks(
        &mut self,
        seq: u64,
        purpose: CheckPurpose,
        tree: TreeId,
        names: &[String],
        base: CommitId,
        run: &Run,
    ) {
        let place = self.check_place(base, tree);
        let interrupted = self.interrupt.subscribe();
        let names = names.to_vec();
        let baseline = run.baseline().map(<[CheckResult]>::to_vec);
        let endings = self.endings.clone();
        self.waiting(seq, async move {
            let ran = run_all(&place, &names, baseline.as_deref(), &interrupted).await;
            let is_needed_again = place.plan.gates().fail_to_pass > GateLevel::Off;
            // While the worker takes its next turn.
            place.tidy();
            let Some(ran) = ran? else {
                return Ok(Observation::Interrupted);
            };
            if is_needed_again {
                endings.keep(purpose, tree, &ran);
            }
            let mut room = ROOM_FOR_RESULTS;
            Ok(Observation::ChecksRan {
                tree,
                results: fitted_all(ran.results, &mut room),
                set_up: fitted_all(ran.set_up, &mut room),
            })
        });
    }

    pub(super) fn check_place(&self, base: CommitId, tree: TreeId) -> CheckPlace {
        CheckPlace {
            plan: Arc::clone(&self.plan),
            repository: Arc::clone(&self.repository),
            places: self.places.clone(),
            base,
            tree,
            sender: self.sender.clone(),
        }
    }
}

/// What was seen when the place was brought to the tree.
pub(super) struct Prepared {
    /// The tracked files that an earlier check had changed.
    changed: Vec<RepoPath>,
    /// The set-up commands that ran.
    pub(super) set_up: Vec<CheckResult>,
}

/// The check place, and what brings it to the tree.
pub(super) struct CheckPlace {
    pub(super) plan: Arc<RunPlan>,
    repository: Arc<Repository>,
    places: Places,
    base: CommitId,
    pub(super) tree: TreeId,
    sender: mpsc::Sender<Event>,
}

/// How long a check waits for others until it is told: as long as most of them take.
const WAITING: Duration = Duration::from_secs(60);

impl CheckPlace {
    /// Tells of a check that waits for long.
    async fn tell_of_waiting(&self, check: &str) {
        tokio::time::sleep(WAITING).await;
        let message = format!(
            "the check `{check}` has waited {} s for exclusive checks of other runs of this clone; `foil status` shows those",
            WAITING.as_secs()
        );
        // The drive may be gone; then nobody is left to tell.
        let _ = self.sender.send(Event::Warned { message }).await;
    }

    /// Does now what would have to be done before the next checks. Not where a check ran without a sandbox: what it left
    /// running could write in the place later.
    pub(super) fn tidy(self) {
        let is_confined = |check: &CheckSpec| check.sandbox == SandboxUse::Required;
        let Some(first) = self.plan.checks.first() else {
            return;
        };
        if self.plan.checks.iter().all(is_confined) {
            let leftovers = leftovers_before(first);
            tokio::task::spawn_blocking(move || {
                self.places
                    .with_runners(|runners| runners.tidy_check(&self.plan, &self.repository, leftovers));
            });
        }
    }

    /// Brings the place to exactly the tree, whatever an earlier check did to it, with what it is given beside it. None where the run
    /// is being stopped.
    pub(super) async fn prepare(
        &self,
        leftovers: Leftovers,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<Option<Prepared>, Failed> {
        let without_set_up = |changed| Prepared {
            changed,
            set_up: Vec::new(),
        };
        if self.plan.policy.workspace.setup.is_empty() {
            return Ok(Some(without_set_up(self.bring(self.tree, leftovers).await?)));
        }
        let is_set_up = self.places.with_runners(|runners| {
            runners.forget_those_of_another(self.base);
            runners.is_set_up
        });
        if leftovers == Leftovers::KeepIgnored && is_set_up {
            match self.bring(self.tree, leftovers).await {
                Err(failed) if failed.code != BlockerCode::ScopeViolation => {}
                brought => return Ok(Some(without_set_up(brought?))),
            }
        }
        // A place that is set up anew may be made anew.
        self.set_up_is_spent();
        let base_tree = self.repository.commit_tree_id(self.base);
        let base_tree = base_tree.map_err(|error| Failed::of(&error))?;
        let changed = self.bring(base_tree, Leftovers::RemoveAll).await?;
        let place = self.plan.folders.place("check");
        let Some(set_up) = run_set_up(&self.plan, &place, interrupted).await? else {
            return Ok(None);
        };
        let (plan, repository, places) = self.shared();
        blocked(move || places.with_runners(|runners| runners.set_up(&plan, &repository))).await?;
        self.bring(self.tree, Leftovers::KeepIgnored).await?;
        Ok(Some(Prepared { changed, set_up }))
    }

    /// What was set up is made anew before the next check.
    pub(super) fn set_up_is_spent(&self) {
        self.places.with_runners(|runners| runners.is_set_up = false);
    }

    /// The tracked files that are no longer as in the tree.
    async fn changed(&self) -> Result<Vec<RepoPath>, Failed> {
        let (plan, repository, places) = self.shared();
        let strays = move || places.with_runners(|runners| runners.strays_in_check(&plan, &repository));
        Ok(blocked(strays).await?.changed)
    }

    async fn bring(&self, tree: TreeId, leftovers: Leftovers) -> Result<Vec<RepoPath>, Failed> {
        let (plan, repository, places) = self.shared();
        let base = self.base;
        let which = RunnersPlace::Check(leftovers);
        blocked(move || places.with_runners(|runners| runners.bring(&plan, &repository, which, base, tree))).await
    }

    fn shared(&self) -> (Arc<RunPlan>, Arc<Repository>, Places) {
        let (plan, repository) = (Arc::clone(&self.plan), Arc::clone(&self.repository));
        (plan, repository, self.places.clone())
    }
}

/// Checks that ran on one tree, in order.
pub(super) struct Ran {
    pub(super) results: Vec<CheckResult>,
    /// All tests of each, where it told of them.
    pub(super) reports: Vec<Option<TestReport>>,
    /// The set-up commands that ran for them.
    pub(super) set_up: Vec<CheckResult>,
}

/// Runs checks on the tree of the place. None where the run is being stopped.
pub(super) async fn run_all(
    place: &CheckPlace,
    names: &[String],
    baseline: Option<&[CheckResult]>,
    interrupted: &watch::Receiver<bool>,
) -> Result<Option<Ran>, Failed> {
    let plan = &place.plan;
    let unusable = |error: &dyn std::fmt::Display| Failed::new(BlockerCode::NeedsPerson, error);
    let surroundings = Surroundings::of(plan)?;
    let outputs = &surroundings.outputs;
    let (mut results, mut set_up): (Vec<CheckResult>, Vec<CheckResult>) = Default::default();
    let mut reports = Vec::new();
    for name in names {
        let spec = plan.checks.iter().find(|check| check.name == *name);
        let spec = spec.ok_or_else(|| unusable(&format!("there is no check `{name}`")))?;
        let confined = spec.sandbox == SandboxUse::Required;
        let sandbox = plan.sandbox.as_ref().filter(|_| confined);
        let bench = surroundings.bench(plan, &plan.confinement, sandbox);
        if confined && bench.sandbox.is_none() {
            return Err(Failed::new(
                BlockerCode::SandboxUnavailable,
                "the check needs a sandbox and there is none",
            ));
        }
        let Some(prepared) = place.prepare(leftovers_before(spec), interrupted).await? else {
            return Ok(None);
        };
        if let Some(before) = results.last_mut() {
            refuse_changes(before, &prepared.changed);
        }
        set_up.extend(prepared.set_up);
        let output = outputs.join("current");
        let alone = match spec.exclusive {
            true => AloneLock::wait(&plan.locks, stopped(interrupted), place.tell_of_waiting(name)).await,
            false => Ok(None),
        };
        let alone = alone.map_err(|error| Failed::of(&error))?;
        if spec.exclusive && alone.is_none() {
            return Ok(None);
        }
        let ran = bench
            .run(&check(spec), &output, None, stopped(interrupted))
            .await
            .map_err(|error| failed(&error))?;
        drop(alone);
        if ran.was_stopped() {
            return Ok(None);
        }
        keep_output(outputs, &output, &ran.result).map_err(|error| Failed::of(&error))?;
        let missing_report = ran.report_problem.is_some();
        let result = with_known_failures(judged(ran.result, missing_report), spec, baseline);
        if !result.passed() {
            // It may have failed for what it or an earlier check did to what was set up.
            place.set_up_is_spent();
        }
        results.push(result);
        reports.push(ran.tests);
    }
    // Nothing follows the last one that would look. Where a check failed, nothing comes of the others either, and the next turn
    // need not wait.
    if results.iter().all(CheckResult::passed)
        && let Some(last) = results.last_mut()
    {
        refuse_changes(last, &place.changed().await?);
    }
    Ok(Some(Ran {
        results,
        reports,
        set_up,
    }))
}

/// Results in the room that is left, in order.
pub(super) fn fitted_all(results: Vec<CheckResult>, room: &mut usize) -> Vec<CheckResult> {
    results.into_iter().map(|result| fitted(result, room)).collect()
}

/// Tells which failing tests failed on the base as well, where the check may leave them so: on the base itself all, later those
/// of a check that ends as it did there. One that breaks off otherwise than by failing tests has shown nothing of the rest.
fn with_known_failures(mut result: CheckResult, spec: &CheckSpec, baseline: Option<&[CheckResult]>) -> CheckResult {
    let Some(tests) = &mut result.tests else {
        return result;
    };
    if spec.baseline != Baseline::NoNewFailures || !tests.tells_all() {
        return result;
    }
    tests.known = match baseline {
        None => tests.failing.clone(),
        Some(baseline) => baseline
            .iter()
            .find(|before| before.name == result.name && before.outcome == result.outcome)
            .and_then(|before| before.tests.as_ref())
            .map(|before| tests.known_among(&before.failing))
            .unwrap_or_default(),
    };
    result
}

/// A check that passed while tracked files changed under it has shown nothing of the tree.
fn refuse_changes(result: &mut CheckResult, changed: &[RepoPath]) {
    if changed.is_empty() || !result.passed() {
        return;
    }
    let (paths, were) = (
        named(changed.iter(), 3),
        if changed.len() == 1 { "was" } else { "were" },
    );
    let reason = format!("{paths} {were} changed while it ran, so that it shows nothing of the tree");
    result.outcome = CommandOutcome::NotStarted { reason };
    if let Some(tests) = &mut result.tests {
        tests.known.clear();
    }
}

/// What the results of one round may take of the line that holds them in the journal before they are cut.
pub(super) const ROOM_FOR_RESULTS: usize = MAX_LINE_BYTES / 2;

/// A result in the room that is left: the code under test chooses the names of its tests and what it prints, and any number of
/// checks may tell of them. What is cut is in the run's files.
pub(super) fn fitted(mut result: CheckResult, room: &mut usize) -> CheckResult {
    let size = serde_json::to_string(&result).map_or(usize::MAX, |text| text.len());
    match room.checked_sub(size) {
        Some(left) => *room = left,
        None => {
            result.output.tail.clear();
            if let Some(tests) = &mut result.tests {
                tests.failing.clear();
                tests.known.clear();
            }
        }
    }
    result
}

/// What becomes of caches before a check.
fn leftovers_before(check: &CheckSpec) -> Leftovers {
    match check.strength {
        Strength::RunnerRanClean => Leftovers::RemoveAll,
        _ => Leftovers::KeepIgnored,
    }
}

/// A check that should have written a report and did not has shown nothing, whatever its exit status says.
fn judged(mut result: CheckResult, missing_report: bool) -> CheckResult {
    if missing_report && result.outcome.succeeded() {
        let reason = "its test report is missing or cannot be read".to_owned();
        result.outcome = CommandOutcome::NotStarted { reason };
    }
    result
}

pub(super) fn failed(error: &CheckError) -> Failed {
    let code = match error {
        CheckError::Sandbox(_) | CheckError::Confinement(_) => BlockerCode::SandboxUnavailable,
        error => super::code_of(error),
    };
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Failed::new(code, reason)
}

/// Outputs are kept under their digest, which is how the evidence names them.
pub(super) fn keep_output(folder: &Path, output: &Path, result: &CheckResult) -> std::io::Result<()> {
    std::fs::rename(output, folder.join(result.output.digest.hex()))
}

fn check(spec: &CheckSpec) -> Check {
    Check {
        name: spec.name.clone(),
        command: match &spec.command {
            Command::Shell(line) => CheckCommand::Shell(line.clone()),
            Command::Program(words) => CheckCommand::Program(words.clone()),
        },
        timeout: spec.timeout.to_std(),
        variables: spec.env.clone(),
        given: Vec::new(),
        network: spec.network,
        report: spec.report.as_ref().and_then(policy::config::TestReport::path),
        proves: spec.proves.clone(),
        strength: spec.strength,
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::{CheckSandbox, Digest, Event, EvidenceLabel, Head, MAX_FAILING_TESTS, OutputRecord, TestSummary};

    use super::*;

    fn result(name: &str) -> CheckResult {
        CheckResult {
            name: name.to_owned(),
            command: "make test".to_owned(),
            outcome: CommandOutcome::Exited { code: 1 },
            duration_ms: 1,
            output: OutputRecord {
                digest: Digest::of(""),
                kept_bytes: 0,
                total_bytes: 0,
                tail: String::new(),
            },
            environment: Digest::of(""),
            tests: None,
            proves: Vec::new(),
            sandbox: CheckSandbox::Bubblewrap,
            label: EvidenceLabel::Direct,
            strength: Strength::RunnerRan,
        }
    }

    #[test]
    fn any_number_of_checks_that_tell_as_much_as_they_can_fit_into_the_journal() {
        let told = "\u{1}".repeat(300);
        let result = |number: usize| CheckResult {
            output: OutputRecord {
                tail: told.repeat(20),
                ..result("").output
            },
            tests: Some(TestSummary {
                failed: 1,
                failing: vec![told.clone(); MAX_FAILING_TESTS],
                ..TestSummary::default()
            }),
            ..result(&format!("check-{number}"))
        };
        let mut room = ROOM_FOR_RESULTS;
        let results: Vec<_> = (0..1000).map(|number| fitted(result(number), &mut room)).collect();
        assert_eq!(results[0], result(0), "what fits is whole");
        assert!(results.iter().all(|result| !result.passed()));
        let tree = TreeId(ledger_core::ObjectId::ZERO);
        let observation = Observation::ChecksRan {
            tree,
            results,
            set_up: Vec::new(),
        };
        let line = Head::default().line(jiff::Timestamp::UNIX_EPOCH, &Event::Observed { of: 1, observation });
        assert!(line.is_ok(), "{:?}", line.err());
    }

    #[test]
    fn a_check_that_passed_shows_nothing_once_tracked_files_changed_under_it() {
        let passed = |known: &[&str]| CheckResult {
            outcome: CommandOutcome::Exited {
                code: i32::from(!known.is_empty()),
            },
            tests: Some(TestSummary {
                failed: known.len() as u64,
                failing: known.iter().map(ToString::to_string).collect(),
                known: known.iter().map(ToString::to_string).collect(),
                ..TestSummary::default()
            }),
            ..result("test")
        };
        let paths = |paths: &[&str]| -> Vec<RepoPath> { paths.iter().map(|path| path.parse().unwrap()).collect() };
        let refused = |mut result: CheckResult, changed: &[&str]| {
            refuse_changes(&mut result, &paths(changed));
            result
        };
        assert_eq!(refused(passed(&["a"]), &[]), passed(&["a"]));
        let failed = CheckResult {
            outcome: CommandOutcome::Exited { code: 3 },
            ..result("test")
        };
        assert_eq!(refused(failed.clone(), &["x"]), failed, "how it ended tells more");
        for (known, changed, reason) in [
            (
                &[][..],
                &["x"][..],
                "`x` was changed while it ran, so that it shows nothing of the tree",
            ),
            (
                &["a"],
                &["a", "b", "c", "d", "e"],
                "`a`, `b`, `c` and 2 more were changed while it ran, so that it shows nothing of the tree",
            ),
        ] {
            let mut expected = passed(known);
            expected.outcome = CommandOutcome::NotStarted {
                reason: reason.to_owned(),
            };
            expected.tests.as_mut().unwrap().known.clear();
            assert_eq!(refused(passed(known), changed), expected);
        }
    }

    #[test]
    fn checks_do_not_see_the_repository_and_its_checkouts_but_for_its_objects() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let linked = at("repository/.git/worktrees/linked");
        std::fs::create_dir_all(&linked).unwrap();
        std::fs::write(linked.join("gitdir"), format!("{}\n", at("linked/.git").display())).unwrap();
        let roots = StateRoots::new(&at("repository/.git"), at("state"));
        let confinement = confinement(&Policy::default(), &roots, &at("place"));
        for hidden in [
            "repository",
            "repository/.git",
            "linked",
            "repository/.git/counterfoil",
            "state",
        ] {
            assert!(confinement.hidden.contains(&at(hidden)), "{hidden}");
        }
        assert_eq!(confinement.readable, [at("repository/.git/objects")]);
    }
}
