//! What a place is given beside its tree: untracked files of the user's, and what the set-up commands make.
//!
//! Set-up commands run on the base, before anything of the worker's is in the place: with the network, if the policy gives it to
//! them, nothing runs that a person has not committed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use git_delivery::{
    ChangeSetError, Finding, MeasureOptions, Place, PlaceError, Repository, UntrackedFile, UntrackedFileError,
    WalkError,
};
use ledger_core::{BlockerCode, CheckResult, CopiedFile, Digest, RepoPath, Strength};
use tokio::sync::watch;

use super::checks::{ROOM_FOR_RESULTS, failed, fitted, keep_output, shared_folders};
use super::{Failed, RunPlan};
use crate::agent::shorten;
use crate::check::{Check, CheckBench, CheckCommand};
use crate::sandbox::{Confinement, Sandbox};

/// The most bytes of all copied files.
const MOST_COPIED_BYTES: u64 = 64 << 20;

/// How often a command that may use the network is tried: a registry that does not answer once ends no run.
const TRIES_WITH_NETWORK: u32 = 2;

/// The most paths that are named where set-up changed tracked content.
pub(super) const NAMED_PATHS: usize = 10;

/// The most characters of a path that is named.
const LONGEST_NAMED: usize = 200;

/// The files that the policy names, as they are in the work tree now.
pub(super) fn read_copies(plan: &RunPlan, repository: &Repository) -> Result<Vec<UntrackedFile>, Failed> {
    let mut left = MOST_COPIED_BYTES;
    plan.policy
        .workspace
        .copy
        .iter()
        .map(|path| {
            let file = repository.read_untracked(path, left).map_err(|error| match error {
                UntrackedFileError::TooLarge { .. } => {
                    let reason = format!(
                        "`[workspace] copy`: with `{path}`, the files have more than the {MOST_COPIED_BYTES} bytes that they may have together"
                    );
                    Failed::new(BlockerCode::NeedsPerson, reason)
                }
                _ => about_copies(&error),
            })?;
            left -= file.content.len() as u64;
            Ok(file)
        })
        .collect()
}

/// What went wrong with the copied files.
pub(super) fn about_copies(error: &(dyn std::error::Error + 'static)) -> Failed {
    let failed = Failed::of(error);
    Failed::new(failed.code, format!("`[workspace] copy`: {}", failed.reason))
}

/// What is recorded of them.
pub(super) fn told(copies: &[UntrackedFile]) -> Vec<CopiedFile> {
    copies
        .iter()
        .map(|file| CopiedFile {
            path: file.path.clone(),
            bytes: file.content.len() as u64,
            sha256: Digest::of(&file.content),
        })
        .collect()
}

/// Puts them into a place.
pub(super) fn put_copies(place: &Place, copies: &[UntrackedFile]) -> Result<(), PlaceError> {
    copies.iter().try_for_each(|file| place.put(file))
}

/// Their paths, which no change set and no cleaning is about.
pub(super) fn exempt(plan: &RunPlan) -> BTreeSet<RepoPath> {
    plan.policy.workspace.copy.iter().cloned().collect()
}

/// Runs the set-up commands in a place. None where the run is being stopped.
pub(super) async fn run_set_up(
    plan: &RunPlan,
    place: &Path,
    interrupted: &watch::Receiver<bool>,
) -> Result<Option<Vec<CheckResult>>, Failed> {
    let commands = &plan.policy.workspace.setup;
    if commands.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let Some(sandbox) = &plan.sandbox else {
        let reason = "set-up commands need a sandbox and there is none";
        return Err(Failed::new(BlockerCode::SandboxUnavailable, reason));
    };
    let confinement = for_set_up(plan, place);
    let surroundings = Surroundings::of(plan)?;
    let bench = surroundings.bench(plan, &confinement, Some(sandbox));
    let output = surroundings.outputs.join("current");
    let mut results = Vec::new();
    let mut room = ROOM_FOR_RESULTS;
    for (index, command) in commands.iter().enumerate() {
        let check = Check {
            name: format!("set-up {}", index + 1),
            command: CheckCommand::Shell(command.run.clone()),
            timeout: command.timeout.to_std(),
            variables: plan
                .policy
                .workspace
                .env
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
            given: Vec::new(),
            network: command.network,
            report: None,
            proves: Vec::new(),
            strength: Strength::RunnerRan,
        };
        let mut tries = if command.network { TRIES_WITH_NETWORK } else { 1 };
        let ran = loop {
            let ran = bench.run(&check, &output, None, stopped(interrupted)).await;
            let ran = ran.map_err(|error| {
                let failed = failed(&error);
                Failed::new(
                    failed.code,
                    format!("the set-up command `{}`: {}", command.run, failed.reason),
                )
            })?;
            tries -= 1;
            if ran.was_stopped() {
                return Ok(None);
            }
            if ran.result.outcome.succeeded() {
                break ran;
            }
            if tries == 0 {
                let CheckResult { outcome, output, .. } = &ran.result;
                let whose = if place.ends_with("work") { "worker's" } else { "check" };
                let said = match output.tail.trim_end() {
                    "" => "it printed nothing",
                    tail => tail,
                };
                let reason = format!(
                    "the set-up command `{}` failed in the {whose} place ({outcome}): {said}",
                    command.run
                );
                return Err(Failed::new(BlockerCode::NeedsPerson, reason));
            }
        };
        keep_output(&surroundings.outputs, &output, &ran.result).map_err(|error| Failed::of(&error))?;
        results.push(fitted(ran.result, &mut room));
    }
    Ok(Some(results))
}

/// As for checks, but that the shared folders are always writable.
fn for_set_up(plan: &RunPlan, place: &Path) -> Confinement {
    let mut confinement = Confinement {
        place: place.to_owned(),
        ..plan.confinement.clone()
    };
    let shared = shared_folders(&plan.policy, &confinement.home);
    confinement.readable.retain(|folder| !shared.contains(folder));
    confinement.writable = shared;
    confinement
}

/// Refuses a place, at the base, in which the set-up commands changed what is tracked, or left what is neither tracked nor
/// ignored.
pub(super) fn unchanged(plan: &RunPlan, repository: &Repository, place: &Place) -> Result<(), Failed> {
    if plan.policy.workspace.setup.is_empty() {
        return Ok(());
    }
    let options = MeasureOptions {
        exempt: exempt(plan),
        ..MeasureOptions::default()
    };
    let measured = place.measure(repository, &options).map_err(|error| match error {
        ChangeSetError::Walk(WalkError::TooManyBytes { .. } | WalkError::TooManyPaths { .. }) => {
            let reason = format!("after the set-up commands: {error}");
            Failed::new(BlockerCode::SetupChangedTree, reason)
        }
        _ => Failed::of(&error),
    })?;
    let changes = &measured.change_set.changes;
    if changes.is_empty() && measured.findings.is_empty() {
        return Ok(());
    }
    let changed = changes.iter().map(|change| &change.path);
    let paths = named(changed.chain(measured.findings.iter().map(Finding::path)), NAMED_PATHS);
    let reason = format!("the set-up commands changed {paths}");
    Err(Failed::new(BlockerCode::SetupChangedTree, reason))
}

/// The first paths in words, and how many more there are.
pub(super) fn named<'a>(paths: impl Iterator<Item = &'a RepoPath>, most: usize) -> String {
    let mut paths: Vec<String> = paths
        .map(|path| format!("`{}`", shorten(&path.to_string(), LONGEST_NAMED)))
        .collect();
    let more = paths.len().saturating_sub(most);
    paths.truncate(most);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", paths.join(", "))
}

/// Ready when the effect under way is to end.
pub(super) async fn stopped(interrupted: &watch::Receiver<bool>) {
    // An error means that the engine is gone, and with it whoever wants the result.
    let _ = interrupted.clone().wait_for(|interrupt| *interrupt).await;
}

/// What the commands of a run have around them, beside their place.
pub(super) struct Surroundings {
    environment: Vec<(OsString, OsString)>,
    records: PathBuf,
    temporary: PathBuf,
    /// Where outputs are kept.
    pub(super) outputs: PathBuf,
}

impl Surroundings {
    pub(super) fn of(plan: &RunPlan) -> Result<Self, Failed> {
        let surroundings = Self {
            environment: std::env::vars_os().collect(),
            records: plan.folders.run.join("guards"),
            temporary: plan.folders.places.join("temporary"),
            outputs: plan.folders.run.join("checks"),
        };
        for folder in [&surroundings.outputs, &surroundings.temporary] {
            std::fs::create_dir_all(folder).map_err(|error| Failed::of(&error))?;
        }
        Ok(surroundings)
    }

    pub(super) fn bench<'a>(
        &'a self,
        plan: &'a RunPlan,
        confinement: &'a Confinement,
        sandbox: Option<&'a Sandbox>,
    ) -> CheckBench<'a> {
        CheckBench {
            guard: &plan.guard,
            sandbox,
            confinement,
            environment: &self.environment,
            redactor: &plan.redactor,
            records: &self.records,
            temporary: &self.temporary,
        }
    }
}
