//! The branch of a remote that a delivery is pushed to: which one it is, and what it was when it was last looked at.

use std::time::Duration;

use git_delivery::{Patience, RemoteError};
use ledger_core::{BlockerCode, CommitId, DeliveryMode, PushTarget, RefName};
use policy::{Policy, TrustFact};
use tokio::sync::watch;

use crate::admit::AdmitError;
use crate::workspace::Workspace;

/// The longest that a remote is waited for when it is only asked.
pub(crate) const LONGEST_QUESTION: Duration = Duration::from_secs(60);

/// The longest that commits may be on their way.
pub(crate) const LONGEST_TRANSFER: Duration = Duration::from_secs(600);

/// The target of a delivery cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The remote has no such branch.
    #[error("`{target}` does not exist")]
    Missing {
        /// The target.
        target: PushTarget,
    },
    /// The remote cannot be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl TargetError {
    /// The stable code.
    pub fn code(&self) -> BlockerCode {
        match self {
            Self::Missing { .. } => BlockerCode::TargetForbidden,
            Self::Remote(error) => remote_code(error),
        }
    }
}

/// The blocker for a remote that cannot be asked.
pub(crate) fn remote_code(error: &RemoteError) -> BlockerCode {
    match error {
        RemoteError::Unreachable { .. } | RemoteError::Late { .. } => BlockerCode::RemoteUnreachable,
        RemoteError::Unknown { .. } | RemoteError::SeveralAddresses { .. } | RemoteError::Mirror { .. } => {
            BlockerCode::TargetForbidden
        }
        RemoteError::Changed { .. } | RemoteError::Repository(_) | RemoteError::Ref(_) | RemoteError::Git(_) => {
            BlockerCode::NeedsPerson
        }
    }
}

/// Where the policy pushes to; none where it does not.
pub(crate) fn push_target(policy: &Policy) -> Option<PushTarget> {
    let delivery = &policy.delivery;
    let name = RefName::branch(delivery.target.as_ref()?.as_str()).ok()?;
    (delivery.mode >= DeliveryMode::Push).then(|| PushTarget {
        remote: delivery.remote.to_string(),
        name,
    })
}

/// Fetches the target of the policy at HEAD, where that is trusted and pushes, so that a run starts from what the remote has now.
/// Changes nothing but a ref of ours.
pub(crate) async fn look_at_target(
    workspace: &Workspace,
    stop: &watch::Receiver<Option<ledger_core::PauseCause>>,
) -> Result<(), crate::run_ticket::RunError> {
    let (policy, trust) = crate::admit::policy_at_head(workspace)?;
    let Some(target) = push_target(&policy).filter(|_| trust == TrustFact::Trusted) else {
        return Ok(());
    };
    let patience = Patience::of(LONGEST_TRANSFER);
    let (repository, at, waits) = (workspace.shared_repository(), target.clone(), patience.clone());
    let fetching = tokio::task::spawn_blocking(move || repository.fetch_branch(&at.remote, &at.name, &waits));
    let fetched = crate::run_ticket::unless_stopped(stop, fetching).await;
    // Whoever asked the runner to leave does not wait for the remote.
    patience.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    match fetched? {
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Ok(None)) => Err(TargetError::Missing { target }.into()),
        Ok(Err(error)) => Err(TargetError::from(error).into()),
        Err(_) => Err(TargetError::from(RemoteError::Late { remote: target.remote }).into()),
    }
}

/// What the target was when it was last looked at from here; none where it never was.
pub(crate) fn last_seen(workspace: &Workspace, target: &PushTarget) -> Result<Option<CommitId>, AdmitError> {
    let seen = workspace.repository().last_seen(&target.remote, &target.name);
    seen.map_err(|error| AdmitError::Target(error.into()))
}
