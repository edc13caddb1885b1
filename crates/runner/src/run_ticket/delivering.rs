//! Runs that only deliver.

use std::pin::Pin;

use jiff::Timestamp;
use ledger_core::{
    AgentFailure, AgentFailureClass, AgentKind, Digest, Event, Head, Record, Run, RunId, TicketId, TokenCount,
};
use policy::TrustFact;

use super::opening::new_run_id;
use super::{
    Driven, Earlier, EarlierRun, RunError, RunOptions, RunReport, drive_ready, earlier_runs, lock_ticket, over, refused,
};
use crate::admit::{AdmitError, Candidacy};
use crate::agent::{Agent, Turn, TurnEnd, TurnRequest};
use crate::deliver::DeliverError;
use crate::drive::DriveError;
use crate::engine::{RunFolders, has_delivered, store_ended};
use crate::journal_file::{JournalFile, OpenedJournal};
use crate::workspace::Workspace;

/// What a run that delivers begins with.
pub(crate) struct DeliveryStart {
    /// The run that is delivered.
    pub(crate) run: Run,
    /// The bytes of its journal, as they are stored, and their end.
    pub(crate) journal: Vec<u8>,
    pub(crate) head: Head,
    /// What its checks put out, as far as that is stored.
    pub(crate) outputs: Vec<(Digest, Vec<u8>)>,
    /// Its receipt.
    pub(crate) receipt: Digest,
    /// The event that follows its journal.
    pub(crate) event: fn(RunId, Digest) -> Event,
}

impl From<RunError> for DeliverError {
    fn from(error: RunError) -> Self {
        Self::Run(Box::new(error))
    }
}

/// Goes on with the delivery of a ticket that was cut off, else begins one.
pub(crate) async fn begin_or_go_on(
    workspace: &Workspace,
    ticket: &TicketId,
    options: &RunOptions,
    start: impl FnOnce() -> Result<DeliveryStart, DeliverError>,
    mut observe: impl FnMut(&Run, &Record),
) -> Result<RunReport, DeliverError> {
    let (roots, repository) = (workspace.roots(), workspace.repository());
    let lock = lock_ticket(workspace, ticket)?;
    let Earlier { unstored, unfinished } = earlier_runs(workspace, ticket)?;
    let (ended, cut_off) = match unfinished {
        Some(earlier) if over(&earlier.run).is_some() => (Some(earlier), None),
        other => (None, other),
    };
    for mut over in unstored.into_iter().chain(ended) {
        let folder = roots.run(ticket, &over.run.opened().run);
        store_ended(&mut over.driver(&mut observe), repository, &folder).map_err(RunError::from)?;
    }
    if let Some(EarlierRun { run, .. }) = cut_off.as_ref().filter(|earlier| earlier.run.delivers().is_none()) {
        return Err(DeliverError::NotOver {
            ticket: ticket.clone(),
            run: run.opened().run.clone(),
        });
    }
    let taken_up = cut_off.is_some();
    let (earlier, begins) = match cut_off {
        Some(earlier) => (Some(earlier), None),
        None => (None, Some(start()?)),
    };
    let known = earlier.as_ref().map(|earlier| &earlier.run);
    let Some(known) = known.or(begins.as_ref().map(|begins| &begins.run)) else {
        return Err(DeliverError::NotDone { ticket: ticket.clone() });
    };
    let gone = known
        .named_objects()
        .into_iter()
        .find(|object| !repository.has_object(*object));
    if let Some(object) = gone {
        let run = known.opened().run.clone();
        return Err(RunError::from(AdmitError::ObjectGone { run, object }).into());
    }
    let mut candidacy = Candidacy::gather(workspace, ticket, Some(known)).map_err(RunError::from)?;
    candidacy.facts.is_temporary &= !options.allow_temporary;
    // Neither has a part in it.
    candidacy.facts.agent = Some(Ok("none".to_owned()));
    candidacy.facts.sandbox = Some(Ok("off".to_owned()));
    let admission = candidacy.admission();
    let concludes = taken_up && has_delivered(known, repository);
    if candidacy.facts.trust != TrustFact::Trusted || !concludes && !admission.is_admitted() {
        return Err(refused(ticket, &candidacy.facts, &admission).into());
    }
    let mut ready = candidacy.into_ready(workspace, Some(known)).map_err(RunError::from)?;
    if let Some(discovery) = known.discovery() {
        ready.start.discovery = discovery.clone();
    }
    let id = match &earlier {
        Some(earlier) => earlier.run.opened().run.clone(),
        None => new_run_id(ticket)?,
    };
    let folders = RunFolders {
        run: roots.run(ticket, &id),
        places: roots.places_of(ticket, &id),
    };
    let earlier = match (earlier, begins) {
        (Some(earlier), _) => earlier,
        (None, Some(begins)) => begin(workspace, &id, &folders, begins, &mut observe)?,
        (None, None) => return Err(DeliverError::NotDone { ticket: ticket.clone() }),
    };
    let driven = drive_ready(
        workspace,
        ready,
        earlier,
        (Box::new(Nobody), None),
        options,
        folders,
        observe,
    )
    .await;
    drop(lock);
    let Driven { run, outcome } = driven?;
    Ok(RunReport { outcome, run, taken_up })
}

/// Writes the journal of the delivered run with the event that opens its delivery. What it rests on is kept before that names it.
fn begin(
    workspace: &Workspace,
    id: &RunId,
    folders: &RunFolders,
    start: DeliveryStart,
    observe: &mut dyn FnMut(&Run, &Record),
) -> Result<EarlierRun, RunError> {
    let DeliveryStart {
        mut run,
        mut journal,
        head,
        outputs,
        receipt,
        event,
    } = start;
    // By its folder whoever comes after a runner that dies here knows that there was to be a run.
    std::fs::create_dir_all(&folders.run).map_err(|source| RunError::Io {
        path: folders.run.clone(),
        source,
    })?;
    if let Some(tree) = run.tree() {
        workspace.repository().anchor(id, "delivers", tree.0)?;
    }
    let checks = folders.run.join("checks");
    let io = |source| RunError::Io {
        path: checks.clone(),
        source,
    };
    std::fs::create_dir_all(&checks).map_err(io)?;
    for (digest, bytes) in outputs {
        std::fs::write(checks.join(digest.hex()), bytes).map_err(io)?;
    }
    let (at, event) = (Timestamp::now(), event(id.clone(), receipt));
    run.apply(at, &event).map_err(DriveError::from)?;
    let (line, _) = head
        .line(at, &event)
        .map_err(crate::journal_file::JournalFileError::from)?;
    journal.extend(line);
    let path = folders.run.join("journal.jsonl");
    let OpenedJournal { file, records, .. } = JournalFile::create_with(&path, &journal)?;
    if let Some(record) = records.last() {
        observe(&run, record);
    }
    Ok(EarlierRun { run, journal: file })
}

/// Nobody takes a turn in a run that only delivers.
struct Nobody;

impl Agent for Nobody {
    fn kind(&self) -> AgentKind {
        AgentKind::External
    }

    fn start_turn(&mut self, _: TurnRequest) -> Turn {
        let (turn, sink) = Turn::channel();
        let failure = AgentFailure::new(
            AgentFailureClass::Unavailable,
            "a run that only delivers has no agent".to_owned(),
        );
        tokio::spawn(sink.ended(TurnEnd::failed(failure, TokenCount::default(), None)));
        turn
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}
