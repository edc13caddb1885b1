//! Asking the remote for the target of the delivery, and pushing to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use git_delivery::{Patience, PushEnd, RemoteError, Repository};
use ledger_core::{CommitId, Observation, PushTarget, Run};

use super::set_up::stopped;
use super::{Engine, Failed, blocked};
use crate::target::{LONGEST_QUESTION, LONGEST_TRANSFER, remote_code};

impl Engine {
    pub(super) fn ask_remote(&mut self, seq: u64, target: &PushTarget, run: &Run) {
        let (repository, target) = (Arc::clone(&self.repository), target.clone());
        let known = Known::of(run);
        self.with_patience(seq, Patience::of(LONGEST_QUESTION), move |patience| {
            see_remote(&repository, &target, &known, patience)
        });
    }

    pub(super) fn push(&mut self, seq: u64, target: &PushTarget, old: CommitId, new: CommitId) {
        let (repository, target) = (Arc::clone(&self.repository), target.clone());
        self.with_patience(seq, Patience::of(LONGEST_TRANSFER), move |patience| {
            let end = repository.push_commit(&target.remote, &target.name, old, new, patience);
            Ok(match end.map_err(|error| failed(&error))? {
                PushEnd::Taken => Observation::Pushed { old, new },
                PushEnd::Moved { reason } => Observation::PushRefused { moved: true, reason },
                PushEnd::Rejected { reason } => Observation::PushRefused { moved: false, reason },
            })
        });
    }

    /// Does something that waits for a remote, until the run is to leave. What became of a push that was cut off is asked for later.
    pub(super) fn with_patience(
        &mut self,
        seq: u64,
        patience: Patience,
        work: impl FnOnce(&Patience) -> Result<Observation, Failed> + Send + 'static,
    ) {
        let interrupted = self.interrupt.subscribe();
        self.waiting(seq, async move {
            let waits = patience.clone();
            tokio::select! {
                seen = blocked(move || work(&waits)) => seen,
                () = stopped(&interrupted) => {
                    patience.stop.store(true, Ordering::Relaxed);
                    Ok(Observation::Interrupted)
                }
            }
        });
    }
}

/// What a run knows that a remote may hold.
pub(super) struct Known {
    base: Option<CommitId>,
    records: Option<CommitId>,
}

impl Known {
    pub(super) fn of(run: &Run) -> Self {
        Self {
            base: run.base(),
            records: run.prepared().map(|delivery| delivery.records),
        }
    }
}

/// What the target is, and whether that contains the delivery.
pub(super) fn see_remote(
    repository: &Repository,
    target: &PushTarget,
    known: &Known,
    patience: &Patience,
) -> Result<Observation, Failed> {
    let (remote, name) = (&target.remote, &target.name);
    let mut value = repository
        .ask_remote(remote, name, patience)
        .map_err(|error| failed(&error))?;
    let holds = |value: CommitId, records| -> Result<bool, Failed> {
        Ok(value == records
            || repository
                .is_ancestor(records, value)
                .map_err(|error| Failed::of(&error))?)
    };
    let contains_new = match (value, known.records) {
        (Some(value), Some(records)) if value == records => true,
        (Some(seen), Some(records)) if Some(seen) != known.base => {
            // Somebody may have gone on from it already, and again since it was asked.
            let transfer = Patience {
                limit: LONGEST_TRANSFER,
                ..patience.clone()
            };
            value = repository
                .fetch_branch(remote, name, &transfer)
                .map_err(|error| failed(&error))?;
            match value {
                Some(value) => holds(value, records)?,
                None => false,
            }
        }
        _ => false,
    };
    Ok(Observation::RemoteSeen { value, contains_new })
}

fn failed(error: &RemoteError) -> Failed {
    Failed::new(remote_code(error), Failed::of(error).reason)
}
