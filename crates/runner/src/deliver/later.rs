//! `foil deliver`: bringing to a branch what a run has delivered nowhere, by a run of its own.

use ledger_core::{DeliveryMode, DeliveryOpened, Digest, Event, Record, Run, TicketId};

use super::{DeliverError, verified_receipt};
use crate::admit::policy_at_head;
use crate::run_history::{HistoryError, JOURNAL, stored_file};
use crate::run_ticket::{DeliveryStart, RunError, RunOptions, RunReport, begin_or_go_on};
use crate::workspace::Workspace;

/// Delivers what the latest run of a ticket that is done has checked and reviewed, and goes on with such a delivery that was cut off. The
/// consent to ticket and policy is looked at as before every delivery; no agent, no place and no check has a part in it. `observe` sees every
/// record as it is written.
pub async fn deliver_later(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &RunOptions,
    observe: impl FnMut(&Run, &Record),
) -> Result<RunReport, DeliverError> {
    begin_or_go_on(workspace, ticket, options, || start(workspace, ticket), observe).await
}

/// What a new delivery begins with.
fn start(workspace: &Workspace, ticket: &TicketId) -> Result<DeliveryStart, DeliverError> {
    let receipt = verified_receipt(workspace, ticket)?;
    if let Some(delivered) = &receipt.delivered {
        return Err(DeliverError::Already {
            ticket: ticket.clone(),
            branch: delivered.branch.clone(),
        });
    }
    let failed = |error: RunError| DeliverError::Run(Box::new(error));
    let (policy, _) = policy_at_head(workspace).map_err(|error| failed(error.into()))?;
    let mode = policy.delivery.mode;
    if mode > DeliveryMode::Branch {
        return Err(DeliverError::OnlyBranches { mode });
    }
    let name = format!("refs/counterfoil/runs/{ticket}/{}", receipt.run);
    let stored = match name.parse() {
        Ok(name) => workspace.repository().resolve(&name)?,
        Err(_) => None,
    };
    let gone = || HistoryError::NoJournal {
        run: receipt.run.clone(),
    };
    let commit = ledger_core::CommitId(stored.ok_or_else(gone)?);
    let repository = workspace.repository();
    let journal = stored_file(repository, commit, JOURNAL).map_err(HistoryError::from)?;
    let journal = journal.ok_or_else(gone)?;
    let output = |digest: Digest| {
        stored_file(repository, commit, &format!("outputs/{}", digest.hex()))
            .ok()
            .flatten()
    };
    let parsed = ledger_core::Journal::parse(&journal).map_err(|source| HistoryError::Journal {
        run: receipt.run.clone(),
        source,
    })?;
    let run = Run::replay(&parsed.records).map_err(|source| HistoryError::Replay {
        run: receipt.run.clone(),
        source,
    })?;
    let checks = ledger_core::EvidenceIndex::of(&run)
        .map(|index| index.checks)
        .unwrap_or_default();
    let outputs = checks.iter().map(|check| check.output.digest);
    Ok(DeliveryStart {
        outputs: outputs.filter_map(|digest| Some((digest, output(digest)?))).collect(),
        head: parsed.head,
        journal,
        run,
        event: |run, receipt| {
            Event::DeliveryOpened(DeliveryOpened {
                run,
                foil: env!("CARGO_PKG_VERSION").to_owned(),
                delivery: DeliveryMode::Branch,
                receipt,
            })
        },
        receipt: receipt.digest(),
    })
}
