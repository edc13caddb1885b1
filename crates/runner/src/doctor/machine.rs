//! What the machine has: Git, the repository, the sandbox for checks, room on the disk.

use std::path::{Path, PathBuf};

use git_delivery::{MINIMUM_GIT_VERSION, installed_git};
use policy::Policy;
use policy::config::{ByteSize, DiskPolicy, SandboxUse};

use super::{DoctorFinding, DoctorOptions};
use crate::clean::used_bytes;
use crate::disk::free_bytes;
use crate::sandbox::{Sandbox, SandboxSearch};
use crate::workspace::Workspace;

/// The `git` program.
pub(super) fn git() -> DoctorFinding {
    match installed_git() {
        Ok(version) => DoctorFinding::ok("git", format!("version {version}")),
        Err(error) => {
            let hint = format!("install git {MINIMUM_GIT_VERSION} or newer");
            DoctorFinding::problem("git", error).hint(hint)
        }
    }
}

/// The repository and who commits in it.
pub(super) fn repository(workspace: &Workspace) -> Vec<DoctorFinding> {
    let repository = workspace.repository();
    let mut kinds = Vec::new();
    if repository.is_shallow() {
        kinds.push("shallow");
    }
    if repository.git_dir() != repository.common_dir() {
        kinds.push("linked work tree");
    }
    let kind = match kinds.as_slice() {
        [] => "of a kind that is worked with exactly".to_owned(),
        kinds => format!("worked with exactly: {}", kinds.join(", ")),
    };
    let mut findings = vec![match repository.head() {
        Ok(head) if head.commit().is_some() => DoctorFinding::ok("repository", kind),
        Ok(_) => DoctorFinding::warning("repository", "it has no commit yet, so no run has a base")
            .hint("commit something first"),
        Err(error) => DoctorFinding::problem("repository", error),
    }];
    let temporary = [PathBuf::from("/tmp"), PathBuf::from("/var/tmp"), std::env::temp_dir()];
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let work_dir = real(repository.work_dir());
    if temporary.iter().any(|folder| work_dir.starts_with(real(folder))) {
        let detail = "it lies in a temporary folder, where a worker's sandbox may write: no run starts";
        findings.push(DoctorFinding::problem("place", detail).hint("move the clone elsewhere"));
    }
    findings.push(match repository.identity() {
        Ok(identity) => {
            let author = identity.author;
            DoctorFinding::ok(
                "identity",
                crate::agent::shorten(&format!("{} <{}>", author.name, author.email), 200),
            )
        }
        Err(error) => {
            let hint = "`git config user.name …` and `git config user.email …`";
            DoctorFinding::problem("identity", error).hint(hint)
        }
    });
    findings
}

/// Whether checks can be confined, tried exactly as they would be.
pub(super) async fn check_sandbox(
    policy: &Policy,
    workspace: &Workspace,
    bundled: Option<PathBuf>,
    options: &DoctorOptions,
) -> DoctorFinding {
    const WHAT: &str = "check sandbox";
    let off: Vec<_> = policy
        .check
        .iter()
        .filter(|check| check.sandbox == SandboxUse::Off)
        .map(|check| crate::agent::shorten(&check.name, 100))
        .collect();
    let places = workspace.roots().places();
    let place =
        std::fs::create_dir_all(&places).and_then(|()| tempfile::Builder::new().prefix("doctor-").tempdir_in(&places));
    let place = match place {
        Ok(place) => place,
        Err(error) => return DoctorFinding::problem(WHAT, format!("no place can be made: {error}")),
    };
    let confinement = crate::engine::confinement(policy, workspace.roots(), place.path());
    let probed = Sandbox::probe(&SandboxSearch::new(bundled), &options.guard, &confinement).await;
    // As the gate of a run has it: what nothing needs keeps nothing from running.
    let needed = !policy.workspace.setup.is_empty() || off.len() < policy.check.len();
    match probed {
        Err(error) if needed => DoctorFinding::problem(WHAT, &error).hint(error.hint),
        Err(error) => {
            let detail = format!("{error}; nothing that the policy runs needs one, a ticket's own check would");
            DoctorFinding::warning(WHAT, detail).hint(error.hint)
        }
        Ok(_) if !off.is_empty() => {
            let detail = format!("it works, but the policy switches it off for {}", off.join(", "));
            DoctorFinding::warning(WHAT, detail).hint("such a check runs with your rights")
        }
        Ok(_) => DoctorFinding::ok(WHAT, "bubblewrap confines checks"),
    }
}

/// Room where places are and where objects are.
pub(super) fn disk(workspace: &Workspace, policy: &DiskPolicy) -> DoctorFinding {
    let least = policy.min_free.as_bytes();
    let budget = policy.budget.map(ByteSize::as_bytes);
    const WHAT: &str = "disk";
    let free = free_bytes(&[workspace.roots().user(), workspace.repository().common_dir()]);
    let mebibytes = |bytes: u64| bytes >> 20;
    match free {
        None => DoctorFinding::warning(WHAT, "the system does not say how much is free"),
        Some(free) if free < least => {
            let detail = format!(
                "{} MiB free, and {} MiB must stay free",
                mebibytes(free),
                mebibytes(least)
            );
            DoctorFinding::problem(WHAT, detail).hint("`foil clean` shows what could go")
        }
        Some(free) => match over_budget(workspace, budget) {
            Some(used) => {
                let detail = format!(
                    "{} MiB free; places and logs of this clone take {} MiB, and `[disk] budget` is {} MiB",
                    mebibytes(free),
                    mebibytes(used),
                    mebibytes(budget.unwrap_or_default())
                );
                let hint = "the next run removes what nobody needs any more; `foil clean` shows it, and what stays";
                DoctorFinding::warning(WHAT, detail).hint(hint)
            }
            None => DoctorFinding::ok(WHAT, format!("{} MiB free", mebibytes(free))),
        },
    }
}

/// What places and logs take, where that is more than they may.
fn over_budget(workspace: &Workspace, budget: Option<u64>) -> Option<u64> {
    let budget = budget?;
    used_bytes(workspace).ok().filter(|used| *used > budget)
}
