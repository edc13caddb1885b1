//! Which run a verb shows: of a ticket or the one that ran last, the latest or a named one.

use ledger_core::{RunId, TicketId};
use runner::{HistoryError, Workspace, known_runs, tickets_with_runs};

use crate::failure::Failure;

/// The run to show.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunChoice {
    /// The ticket, or one of its runs; without it the ticket that ran last
    #[arg(value_name = "TICKET OR RUN")]
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
    run: Option<RunId>,
}

impl RunChoice {
    /// The ticket, and the run where one is wanted.
    pub(crate) fn choose(&self, workspace: &Workspace) -> Result<(TicketId, Option<RunId>), Failure> {
        match (self.named(), &self.run) {
            (Some(ticket), Some(run)) => Ok((ticket.clone(), Some(run.clone()))),
            (Some(name), None) => Ok(find(name.as_str(), workspace)?.unwrap_or_else(|| (name.clone(), None))),
            (None, Some(run)) => find(run.as_str(), workspace)?.ok_or(Failure::NothingRan),
            (None, None) => Ok((ran_last(workspace)?, None)),
        }
    }

    /// The ticket that was named.
    pub(crate) fn named(&self) -> Option<&TicketId> {
        self.ticket.as_ref().or(self.ticket_option.as_ref())
    }

    /// The title of a ticket as the work tree has it; its id where it has none any more.
    pub(crate) fn title(workspace: &Workspace, ticket: &TicketId) -> String {
        let ledger = workspace.ledger().ok();
        let folder = ledger.as_ref().and_then(|ledger| ledger.ticket(ticket));
        let file = folder.and_then(|folder| folder.ticket().ok());
        file.map_or_else(|| ticket.to_string(), |file| file.title)
    }
}

/// The ticket of which a run began last.
fn ran_last(workspace: &Workspace) -> Result<TicketId, Failure> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let mut last: Option<(RunId, TicketId)> = None;
    for ticket in tickets_with_runs(repository, roots).map_err(Failure::History)? {
        let runs = known_runs(repository, roots, &ticket).map_err(Failure::History)?;
        last = last.max(runs.into_iter().next_back().map(|latest| (latest.run, ticket)));
    }
    last.map(|(_, ticket)| ticket).ok_or(Failure::NothingRan)
}

/// The ticket, or the one run, that has this name. A ticket comes first, whose runs are looked at alone.
pub(crate) fn find(name: &str, workspace: &Workspace) -> Result<Option<(TicketId, Option<RunId>)>, Failure> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    if let Ok(ticket) = name.parse::<TicketId>()
        && !known_runs(repository, roots, &ticket)
            .map_err(Failure::History)?
            .is_empty()
    {
        return Ok(Some((ticket, None)));
    }
    for ticket in tickets_with_runs(repository, roots).map_err(Failure::History)? {
        let runs = known_runs(repository, roots, &ticket).map_err(Failure::History)?;
        if let Some(known) = runs.into_iter().find(|known| known.run.as_str() == name) {
            return Ok(Some((ticket, Some(known.run))));
        }
    }
    Ok(None)
}

/// How a clone gets the records of what ran in another one.
pub(crate) const FROM_ELSEWHERE: &str =
    "what ran elsewhere is fetched with `git fetch <where> 'refs/counterfoil/*:refs/counterfoil/*'`";

/// The nearest ticket that has runs is not what a missing one needs: most often it never ran.
pub(crate) fn hint(error: &HistoryError) -> Option<String> {
    match error {
        HistoryError::NoRun { ticket } => {
            Some(format!("`foil status {ticket}` says where it stands; {FROM_ELSEWHERE}"))
        }
        HistoryError::UnknownRun { ticket, .. } => Some(format!("`foil verify {ticket}` lists its runs")),
        HistoryError::Journal { .. } | HistoryError::Replay { .. } | HistoryError::Foreign { .. } => {
            Some("`foil verify` shows what else is damaged; nothing was changed".to_owned())
        }
        _ => None,
    }
}
