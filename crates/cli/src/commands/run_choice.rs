//! Which run a verb shows: of a ticket or the one that ran last, the latest or a named one.

use ledger_core::{RunId, TicketId};
use runner::{HistoryError, Workspace, known_runs, tickets_with_runs};

use crate::failure::Failure;

/// The run to show.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunChoice {
    /// The ticket; without it the one that ran last
    #[arg(value_name = "TICKET")]
    ticket: Option<TicketId>,
    /// The same as naming the ticket
    #[arg(
        long = "ticket",
        value_name = "TICKET",
        id = "ticket_option",
        conflicts_with = "ticket"
    )]
    ticket_option: Option<TicketId>,
    /// A run of it; without it the latest
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<RunId>,
}

impl RunChoice {
    /// The ticket whose run is wanted.
    pub(crate) fn ticket(&self, workspace: &Workspace) -> Result<TicketId, Failure> {
        if let Some(ticket) = self.ticket.as_ref().or(self.ticket_option.as_ref()) {
            return Ok(ticket.clone());
        }
        let (repository, roots) = (workspace.repository(), workspace.roots());
        let mut last: Option<(RunId, TicketId)> = None;
        for ticket in tickets_with_runs(repository, roots).map_err(Failure::History)? {
            let runs = known_runs(repository, roots, &ticket).map_err(Failure::History)?;
            let Some(latest) = runs.into_iter().next_back() else {
                continue;
            };
            let wanted = self.run.as_ref().is_none_or(|run| *run == latest.run);
            if wanted && last.as_ref().is_none_or(|(run, _)| *run < latest.run) {
                last = Some((latest.run, ticket));
            }
        }
        last.map(|(_, ticket)| ticket).ok_or(Failure::NothingRan)
    }

    /// The title of a ticket as the work tree has it; its id where it has none any more.
    pub(crate) fn title(workspace: &Workspace, ticket: &TicketId) -> String {
        let ledger = workspace.ledger().ok();
        let folder = ledger.as_ref().and_then(|ledger| ledger.ticket(ticket));
        let file = folder.and_then(|folder| folder.ticket().ok());
        file.map_or_else(|| ticket.to_string(), |file| file.title)
    }
}

/// The nearest ticket that has runs is not what a missing one needs: most often it never ran.
pub(crate) fn hint(error: &HistoryError) -> Option<String> {
    match error {
        HistoryError::NoRun { ticket } => Some(format!("`foil status {ticket}` says where it stands")),
        HistoryError::UnknownRun { ticket, .. } => Some(format!("`foil verify {ticket}` lists its runs")),
        HistoryError::Journal { .. } | HistoryError::Replay { .. } | HistoryError::Foreign { .. } => {
            Some("`foil verify` shows what else is damaged; nothing was changed".to_owned())
        }
        _ => None,
    }
}
