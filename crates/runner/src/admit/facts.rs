//! Single facts about a ticket, its repository and this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::base::{Base, stored_receipt};
use crate::beneath::{Seen, look_beneath};
use crate::guard::ProcessIdentity;
use git_delivery::{Repository, blob_id};
use jiff::Timestamp;
use ledger_core::{
    Approval, Blocker, BlockerCode, CoveredFile, Digest, Discovery, MAX_DOCUMENT_BYTES, ObservedRef, RefName, RepoPath,
    State, TicketFile, TicketId,
};
use policy::{ApprovalFact, ClaimFact, ConsumedFact, Policy, PolicyScope, QuickFlow, SpecsFact, TrustFact, has_specs};

use crate::ledger::{FileProblem, Ledger, TicketFileName, TicketFolder};
use crate::lock::{LockPurpose, TicketLock};
use crate::manifests::Manifests;
use crate::run_history::{KnownRun, ReadRun, known_runs, read_known};
use crate::specs::{LinkedSpecs, SpecReport, conflicts_with};
use crate::workspace::{PolicyFile, Workspace};

use super::{AdmitError, Tip};

pub(super) fn in_file(folder: &TicketFolder<'_>, name: TicketFileName, problem: FileProblem) -> AdmitError {
    AdmitError::File {
        path: folder.path(name),
        problem,
    }
}

/// The policy of the commit that is checked out.
pub(crate) fn policy_at_head(workspace: &Workspace) -> Result<(Policy, TrustFact), AdmitError> {
    let commit = workspace.repository().head()?.commit();
    policy_at(workspace, commit.map(|commit| Tip { branch: None, commit }).as_ref())
}

/// The policy of the base, and whether this user trusts it. That there is none must be trusted too: the tickets of a
/// repository name commands.
pub(super) fn policy_at(workspace: &Workspace, tip: Option<&Tip>) -> Result<(Policy, TrustFact), AdmitError> {
    let repository = workspace.repository();
    let bytes = match tip {
        Some(tip) => plain_file_at(repository, tip, &PolicyFile::path())?,
        None => workspace.policy_file().bytes.clone(),
    };
    let file = PolicyFile::new(bytes);
    let digest = file.digest();
    let policy = file.policy.map_err(|problem| AdmitError::File {
        path: PolicyFile::path(),
        problem,
    })?;
    let trust = match workspace.trust_store().is_trusted(repository.common_dir(), digest) {
        Ok(true) => TrustFact::Trusted,
        Ok(false) => TrustFact::NotTrusted { digest },
        Err(error) => TrustFact::Unknown {
            reason: error.to_string(),
        },
    };
    Ok((policy, trust))
}

/// The bytes of a file of the base; none where there is nothing. A link in its place is not taken for nothing.
pub(super) fn plain_file_at(
    repository: &Repository,
    tip: &Tip,
    path: &RepoPath,
) -> Result<Option<Vec<u8>>, AdmitError> {
    let tree = repository.commit_tree_id(tip.commit)?;
    match repository.entry_at(tree, path)? {
        Some(side) if !side.mode.is_file() => Err(AdmitError::File {
            path: path.clone(),
            problem: FileProblem::NotAFile,
        }),
        Some(side) => Ok(Some(repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64)?)),
        None => Ok(None),
    }
}

/// What tells the modules of a ticket in quick mode apart; other modes do not ask.
pub(super) fn manifests_for(
    policy: &Policy,
    file: &TicketFile,
    repository: &Repository,
    tip: Option<&Tip>,
) -> Result<BTreeSet<RepoPath>, AdmitError> {
    let (true, Some(tip), Ok(rules)) = (file.mode.discipline().is_small, tip, QuickFlow::new(policy)) else {
        return Ok(BTreeSet::new());
    };
    let tree = repository.commit_tree_id(tip.commit)?;
    Ok(Manifests::of(repository, tree).above(&rules.named_files(file))?)
}

/// The specs that a ticket links, as they are where its folder is; what other open tickets work on, as they are in the work tree.
pub(super) fn specs_of(
    workspace: &Workspace,
    folder: &TicketFolder<'_>,
    here: &Ledger<'_>,
    file: &TicketFile,
    policy: &Policy,
) -> (Option<LinkedSpecs>, SpecsFact) {
    if !has_specs(file) {
        return (None, SpecsFact::None);
    }
    let contract = folder.read(TicketFileName::Ticket).ok().flatten().unwrap_or_default();
    let report = SpecReport::read(folder, file, &contract, &PolicyScope::new(policy));
    if let Some(reason) = report.refusal() {
        return (None, SpecsFact::Unusable { reason });
    }
    let claim = report.specs.as_ref().and_then(|specs| specs.claim(folder.id(), file));
    let Some(claim) = claim else {
        let reason = "the specs of a ticket that is delivered or closed are not read".to_owned();
        return (None, SpecsFact::Unusable { reason });
    };
    let conflicts = conflicts_with(workspace, here, policy, folder.id(), &claim);
    let fact = SpecsFact::Found {
        open: report.open,
        conflicts,
    };
    (report.specs, fact)
}

pub(super) fn approval_of(folder: Option<&TicketFolder<'_>>, path: &RepoPath) -> (ApprovalFact, Option<CoveredFile>) {
    let bytes = match folder.map(|folder| folder.read(TicketFileName::Approval)) {
        None | Some(Ok(None)) => return (ApprovalFact::Missing, None),
        Some(Ok(Some(bytes))) => bytes,
        Some(Err(problem)) => {
            return (
                ApprovalFact::Invalid {
                    reason: format!("`{path}`: {problem}"),
                },
                None,
            );
        }
    };
    match (Approval::parse(&bytes), blob_id(&bytes)) {
        (Ok(approval), Ok(blob)) => {
            let file = CoveredFile {
                path: path.clone(),
                blob,
                sha256: Digest::of(&bytes),
            };
            (ApprovalFact::Found(approval), Some(file))
        }
        (Err(error), _) => (
            ApprovalFact::Invalid {
                reason: error.to_string(),
            },
            None,
        ),
        (_, Err(error)) => (
            ApprovalFact::Invalid {
                reason: error.to_string(),
            },
            None,
        ),
    }
}

/// Whether the work tree has something at a path that is not a plain file with this digest. That nothing is there says nothing: another
/// branch may be checked out when a run is taken up. What cannot be read is not known to be the same, unless there is no such file to be the
/// same as: whoever asks for one tells of that.
pub(super) fn differs_in(work_dir: &Path, path: &RepoPath, digest: Option<Digest>) -> bool {
    match look_beneath(work_dir, path) {
        Ok(Seen::Nothing) => false,
        Ok(Seen::File(bytes)) => Some(Digest::of(bytes)) != digest,
        Ok(Seen::Other) | Err(_) => digest.is_some(),
    }
}

/// Who else runs the ticket now.
pub(super) fn claimed_by(workspace: &Workspace, id: &TicketId) -> Option<ClaimFact> {
    let roots = workspace.roots();
    let holder = TicketLock::holder(&roots.locks(), id)?;
    let is_ours = ProcessIdentity::current().is_ok_and(|current| current == holder.process);
    (holder.purpose == LockPurpose::Run && !is_ours).then(|| ClaimFact {
        process: holder.process.pid,
        run: roots.runs_of(id).unwrap_or_default().pop(),
    })
}

pub(super) fn consumed(
    workspace: &Workspace,
    folder: &TicketFolder<'_>,
    id: &TicketId,
) -> Result<Option<ConsumedFact>, AdmitError> {
    if let Some(receipt) = stored_receipt(workspace.repository(), id)? {
        return Ok(Some(ConsumedFact::Run { run: receipt.run }));
    }
    let path = folder.path(TicketFileName::Result);
    Ok(folder
        .has(TicketFileName::Result)
        .then_some(ConsumedFact::Result { path }))
}

pub(super) fn canceled(
    folder: &TicketFolder<'_>,
    here: Option<&TicketFolder<'_>>,
) -> Option<ledger_core::Cancellation> {
    let unreadable = || ledger_core::Cancellation {
        schema: 1,
        by: "unknown".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        reason: "`canceled.toml` cannot be read".to_owned(),
    };
    // Whatever the file says, that it is there cancels the ticket.
    [Some(folder), here]
        .into_iter()
        .flatten()
        .find_map(|folder| match folder.cancellation() {
            Ok(cancellation) => cancellation,
            Err(_) => Some(unreadable()),
        })
}

/// Runs of the ticket under this approval that ended in a blocker which cannot be resumed.
pub(super) fn failed_runs(workspace: &Workspace, id: &TicketId, approval: Option<&CoveredFile>) -> u32 {
    let roots = workspace.roots();
    let failed = |known: KnownRun| {
        let Ok(Some(ReadRun { run, .. })) = read_known(workspace.repository(), roots, id, known) else {
            return false;
        };
        let same = run.source_lock().map(|lock| &lock.approval) == approval;
        // That its sources or its target changed is no failure of the ticket's.
        let outside = |code| matches!(code, BlockerCode::SourceLockMismatch | BlockerCode::UpstreamMoved);
        let failed = |blocker: &Blocker| !blocker.resumable && !outside(blocker.code);
        same && matches!(run.state(), State::Blocked(blocker) if failed(blocker))
    };
    let runs = known_runs(workspace.repository(), roots, id).unwrap_or_default();
    let count = runs.into_iter().map(failed).filter(|failed| *failed).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn upstream(workspace: &Workspace, branch: Option<&RefName>) -> Result<Option<ObservedRef>, AdmitError> {
    let Some(branch) = branch else { return Ok(None) };
    let upstream = workspace.repository().upstream_of(branch)?;
    Ok(upstream.and_then(|upstream| {
        Some(ObservedRef {
            name: upstream.tracking,
            commit: upstream.commit?,
        })
    }))
}

pub(super) fn discovery(
    workspace: &Workspace,
    base: Base,
    branch: Option<RefName>,
    upstream: Option<ObservedRef>,
) -> Discovery {
    let repository = workspace.repository();
    let kinds = [
        (repository.is_shallow(), "shallow"),
        (repository.git_dir() != repository.common_dir(), "linked work tree"),
    ];
    Discovery {
        base: base.commit,
        reason: base.reason,
        branch,
        upstream,
        repository_kind: kinds
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, kind)| kind.to_owned())
            .collect(),
        since: None,
        check_sandbox: String::new(),
    }
}

/// Whether a path lies below a temporary folder, where a worker's sandbox may write.
pub(super) fn is_temporary(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let variable = std::env::var_os("TMPDIR").map(PathBuf::from);
    [Some("/tmp".into()), Some("/var/tmp".into()), variable]
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute() && folder.parent().is_some())
        .any(|folder| path.starts_with(folder.canonicalize().unwrap_or(folder)))
}
