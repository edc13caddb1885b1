//! Computing the report: the folders in two threads, then what only a few tickets need.

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{Head, ObjectError, RefError, RepositoryError, blob_id};
use jiff::Timestamp;
use ledger_core::{
    Approval, BlobId, Blocker, BlockerCode, Delivered, ObjectId, PackageName, Phase, PhaseEvidence, RepoPath, Run,
    StackedTicket, State, TicketFile, TicketId,
};

use super::health::{Room, StatusHealth};
use super::next_steps::{AfterDelivery, after_no_delivery, keep_record};
use super::rows::{Row, Rows, Said, unlocked};
use super::states::{broken, damaged, is_unkept, stale, unfinished};
use super::{
    DoneStatus, MisfitStatus, PackageStatus, PolicyStatus, RepositoryStatus, RunStatus, STATUS_SCHEMA, StatusReport,
    TicketState, TicketStatus, WaitingStatus,
};
use crate::base::stored_receipt;
use crate::consent::{ConsentState, consent_state};
use crate::daemon::{DaemonFiles, daemon_trouble};
use crate::disk::free_bytes;
use crate::journal_records::replay;
use crate::ledger::{FileProblem, Ledger, TicketFileName, TicketFolder};
use crate::lock::TicketLock;
use crate::packages::{Packages, PackagesError};
use crate::run_history::{Unwritten, known_runs, read_run, unwritten};
use crate::run_ticket::RunError;
use crate::stack::stack_of;
use crate::workspace::{Workspace, WorkspaceError};

/// The report cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Policy, ledger or trust store cannot be used.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The refs cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The commit that is checked out cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The packages cannot be listed.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The folder of runs cannot be read.
    #[error("the runs of this clone cannot be listed: {0}")]
    Runs(std::io::Error),
    /// There is no such ticket.
    #[error("there is no ticket `{id}`")]
    NoSuchTicket {
        /// What was asked for.
        id: TicketId,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
}

/// For how many ready tickets it is looked up whether their approval is committed. It costs reading some trees a ticket,
/// while everything else about a ticket costs none; of later ones `foil run` says precisely what is missing.
pub const MOST_LOOKED_UP: usize = 64;

const RECEIPTS: &str = "refs/counterfoil/receipts/";
const BRANCHES: &str = "refs/heads/";

/// Where everything stands at this moment.
pub fn status(workspace: &Workspace, now: Timestamp) -> Result<StatusReport, StatusError> {
    status_beside(workspace, now, &BTreeSet::new())
}

/// The same where these are known to be delivered, which is not to be seen in the work tree yet.
pub(crate) fn status_beside(
    workspace: &Workspace,
    now: Timestamp,
    delivered: &BTreeSet<TicketId>,
) -> Result<StatusReport, StatusError> {
    let ledger = workspace.ledger()?;
    let world = World {
        delivered: delivered.clone(),
        ..World::look(workspace, &ledger, now)?
    };
    let rows = ledger.map(|folder| world.row(folder));
    let rows = Rows::new(rows, &world.packages, &ledger);
    let tickets: Vec<_> = rows.rows.iter().map(|row| world.ticket(row, &rows)).collect();
    let packages = world
        .packages
        .iter()
        .filter_map(|(name, _)| rows.package(name, &world.packages));
    world.report(&ledger, world.with_uncommitted(&ledger, tickets)?, packages.collect())
}

/// Where one ticket stands at this moment. Of the other tickets only what it depends on is looked at.
pub fn ticket_status(workspace: &Workspace, id: &TicketId, now: Timestamp) -> Result<StatusReport, StatusError> {
    let ledger = workspace.ledger()?;
    let world = World::look(workspace, &ledger, now)?;
    let folder = ledger.ticket(id).ok_or_else(|| StatusError::NoSuchTicket {
        id: id.clone(),
        nearest: nearest_id(id.as_str(), ledger.ids()),
    })?;
    let row = world.row(&folder);
    let wanted: BTreeSet<TicketId> = world.must_be_done_first(&row).into_iter().collect();
    let mut rows: Vec<_> = wanted
        .iter()
        .filter(|wanted| *wanted != id)
        .filter_map(|wanted| ledger.ticket(wanted).map(|folder| world.row(&folder)))
        .collect();
    rows.push(row);
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let rows = Rows::new(rows, &world.packages, &ledger);
    let package = rows
        .find(id)
        .and_then(|row| rows.package(row.package.as_ref()?, &world.packages));
    let ticket = rows
        .find(id)
        .map(|row| world.with_stored_stack(world.ticket(row, &rows)));
    let tickets = ticket.into_iter().collect();
    world.report(
        &ledger,
        world.with_uncommitted(&ledger, tickets)?,
        package.into_iter().collect(),
    )
}

/// The id that is written most like this name, if any is near.
pub fn nearest_id(name: &str, ids: &[TicketId]) -> Option<TicketId> {
    let name = name.to_ascii_lowercase();
    // A number alone, or the beginning of an id, is what people type.
    let begins: Vec<_> = ids.iter().filter(|id| id.folded().starts_with(&name)).take(2).collect();
    if let [only] = begins.as_slice() {
        return Some((*only).clone());
    }
    ids.iter()
        .map(|id| (strsim::damerau_levenshtein(&name, &id.folded()), id))
        .filter(|(distance, id)| *distance <= 1 + id.as_str().len() / 4)
        .min()
        .map(|(_, id)| id.clone())
}

/// What is looked at once for all tickets.
struct World<'a> {
    workspace: &'a Workspace,
    now: Timestamp,
    repository_id: String,
    head: Head,
    packages: Packages,
    /// Tickets with a receipt, sorted.
    receipts: Vec<(String, ObjectId)>,
    /// The short names of all branches, sorted.
    branches: Vec<(String, ObjectId)>,
    /// Tickets that this clone has runs of.
    with_runs: BTreeSet<String>,
    /// Tickets that are delivered, whatever the work tree says.
    delivered: BTreeSet<TicketId>,
}

impl<'a> World<'a> {
    fn look(workspace: &'a Workspace, ledger: &Ledger<'_>, now: Timestamp) -> Result<Self, StatusError> {
        let repository = workspace.repository();
        let refs = |prefix: &str| -> Result<Vec<(String, ObjectId)>, RefError> {
            let mut found = Vec::new();
            repository.refs_below(prefix, |name, id| {
                found.push((name[prefix.len()..].to_owned(), id));
            })?;
            found.sort();
            Ok(found)
        };
        Ok(Self {
            workspace,
            now,
            repository_id: workspace.repository_id()?,
            head: repository.head()?,
            packages: Packages::in_work_tree(repository.work_dir(), ledger.dir())?,
            receipts: refs(RECEIPTS)?,
            branches: refs(BRANCHES)?,
            with_runs: tickets_with_runs(workspace).map_err(StatusError::Runs)?,
            delivered: BTreeSet::new(),
        })
    }

    fn row(&self, folder: &TicketFolder<'_>) -> Row {
        let id = folder.id().clone();
        let contract = match folder.read(TicketFileName::Ticket) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(FileProblem::Missing),
            Err(problem) => Err(problem),
        };
        let parsed = contract.and_then(|bytes| Ok((TicketFile::parse(&bytes)?, bytes)));
        let has_receipt = named(&self.receipts, id.as_str()).is_some();
        let said = if folder.has(TicketFileName::Result) || self.delivered.contains(&id) {
            Said::Done
        } else if has_receipt {
            // The receipt alone says so: then it has to be this ticket's.
            match stored_receipt(self.workspace.repository(), &id) {
                Ok(_) => Said::Done,
                Err(error) => Said::BadReceipt(error.to_string().into()),
            }
        } else if folder.has(TicketFileName::Canceled) {
            Said::Canceled
        } else {
            match &parsed {
                Err(problem) => Said::Broken(Box::new((folder.path(TicketFileName::Ticket), problem.clone()))),
                Ok((ticket, bytes)) => match consent_state(folder, bytes, ticket, &self.repository_id) {
                    ConsentState::Unreadable(problem) => {
                        Said::Broken(Box::new((folder.path(TicketFileName::Approval), problem)))
                    }
                    consent => Said::Consent(Box::new(consent)),
                },
            }
        };
        match parsed {
            Ok((ticket, _)) => Row {
                id,
                title: Some(ticket.title.into_boxed_str()),
                kind: Some(ticket.kind),
                mode: Some(ticket.mode),
                priority: ticket.priority,
                depends_on: ticket.depends_on,
                package: ticket.package,
                said,
            },
            Err(_) => Row {
                id,
                title: None,
                kind: None,
                mode: None,
                priority: 0,
                depends_on: Vec::new(),
                package: None,
                said,
            },
        }
    }

    fn ticket(&self, row: &Row, rows: &Rows) -> TicketStatus {
        TicketStatus {
            id: row.id.clone(),
            title: row.title.clone(),
            kind: row.kind,
            mode: row.mode,
            priority: row.priority,
            state: self.state(row, rows),
        }
    }

    /// The tickets, each ready one with a word where its approval is not committed as it is.
    fn with_uncommitted(
        &self,
        ledger: &Ledger<'_>,
        mut tickets: Vec<TicketStatus>,
    ) -> Result<Vec<TicketStatus>, StatusError> {
        let repository = self.workspace.repository();
        let tree = match self.head.commit() {
            Some(commit) => Some(repository.commit_tree_id(commit)?),
            None => None,
        };
        let ready = tickets.iter_mut().filter_map(|ticket| match &mut ticket.state {
            TicketState::Ready {
                uncommitted, next_step, ..
            } => Some((&ticket.id, uncommitted, next_step)),
            _ => None,
        });
        for (id, uncommitted, next_step) in ready.take(MOST_LOOKED_UP) {
            let Some(folder) = ledger.ticket(id) else { continue };
            let mut paths = Vec::new();
            for (path, blob) in approved_files(&folder) {
                let committed = match tree {
                    Some(tree) => repository.entry_at(tree, &path)?,
                    None => None,
                };
                if committed.is_none_or(|side| !side.mode.is_file() || side.id != blob) {
                    paths.push(path);
                }
            }
            if !paths.is_empty() {
                *uncommitted = true;
                let step = format!(
                    "`foil approve {id}` commits it; or commit it yourself: {}",
                    commit_words(&paths)
                );
                *next_step = Some(step.into());
            }
        }
        Ok(tickets)
    }

    fn state(&self, row: &Row, rows: &Rows) -> TicketState {
        let run = if self.with_runs.contains(row.id.as_str()) {
            self.last_run(&row.id)
        } else {
            Ok(None)
        };
        let (run, damage) = match run {
            Ok(run) => (run, None),
            Err(damage) => (None, Some(damage)),
        };
        if let Some(run) = &run
            && !run.state().is_ended()
            && TicketLock::holder(&self.workspace.roots().locks(), &row.id).is_some()
        {
            return TicketState::Running(Box::new(RunStatus::under_way(self.workspace, run, self.now)));
        }
        let consent = match &row.said {
            Said::Done => return TicketState::Done(Box::new(self.done_as_recorded(row, run.as_ref()))),
            Said::BadReceipt(reason) => {
                return TicketState::Broken(Box::new(damaged(
                    reason.to_string(),
                    format!(
                        "`git show {RECEIPTS}{}` shows what that ref names; nothing was changed",
                        row.id
                    ),
                )));
            }
            Said::Canceled => return TicketState::Canceled,
            Said::Broken(problem) => return TicketState::Broken(Box::new(broken(&problem.0, &problem.1))),
            Said::Consent(consent) => consent,
        };
        if let Some(reason) = damage {
            let hint = format!("`foil verify {}` says what is damaged; nothing was changed", row.id);
            return TicketState::Broken(Box::new(damaged(reason, hint)));
        }
        // The ref of its receipt only saves reading this.
        if run.as_ref().is_some_and(|run| *run.state() == State::Done) {
            return TicketState::Done(Box::new(self.done_as_recorded(row, run.as_ref())));
        }
        if let Some(state) = run.as_ref().and_then(|run| unfinished(&row.id, run, consent)) {
            return state;
        }
        match consent.as_ref() {
            ConsentState::NotApproved | ConsentState::Unreadable(_) => TicketState::Draft,
            ConsentState::Stale { path, how } => {
                let blocker = Blocker::new(BlockerCode::ApprovalStale, format!("`{path}`: {how}"));
                stale(&row.id, &blocker)
            }
            ConsentState::WrongRepository { approved } => {
                let reason = format!("it was approved for `{approved}`, and this is `{}`", self.repository_id);
                stale(&row.id, &Blocker::new(BlockerCode::WrongRepository, reason))
            }
            ConsentState::Approved { by, .. } => unlocked(row, rows)
                .or_else(|| self.waiting(row, rows))
                .unwrap_or_else(|| TicketState::Ready {
                    approved_by: by.as_str().into(),
                    uncommitted: false,
                    next_step: None,
                }),
        }
    }

    /// What the ticket names and all of its package.
    fn must_be_done_first(&self, row: &Row) -> Vec<TicketId> {
        let mut first = row.depends_on.clone();
        if let Some(package) = row.package.as_ref().and_then(|name| self.packages.get(name)) {
            first.extend(package.tickets.iter().cloned());
        }
        first
    }

    fn waiting(&self, row: &Row, rows: &Rows) -> Option<TicketState> {
        let open: Vec<_> = row.depends_on.iter().filter(|id| !rows.is_done(id)).cloned().collect();
        let tickets = if open.is_empty() {
            let package = row.package.as_ref()?;
            let first = rows.first_open.get(package).filter(|first| **first != row.id)?;
            if !self.packages.contains(package, &row.id) {
                return None;
            }
            vec![first.clone()]
        } else {
            open
        };
        let code = BlockerCode::DependencyNotDone;
        let first = tickets.first()?;
        let reason = match rows.find(first) {
            None => format!("`{first}` does not exist"),
            Some(row) if matches!(row.said, Said::Canceled) => format!("`{first}` is canceled"),
            Some(_) if tickets.len() == 1 => format!("`{first}` is not delivered"),
            Some(_) => format!("`{first}` and {} more are not delivered", tickets.len() - 1),
        };
        Some(TicketState::Waiting(Box::new(WaitingStatus { code, tickets, reason })))
    }

    /// The last run of a ticket that lies in this clone, or why it cannot be read. A run without one whole line in its
    /// journal never began.
    fn last_run(&self, id: &TicketId) -> Result<Option<Run>, String> {
        let roots = self.workspace.roots();
        let unlisted = |error| format!("its runs cannot be listed: {error}");
        for run in roots.runs_of(id).map_err(unlisted)?.into_iter().rev() {
            match replay(&roots.journal(id, &run)) {
                Ok(run) => return Ok(Some(run)),
                Err(error) if error.never_began() => {
                    let repository = self.workspace.repository();
                    let known = known_runs(repository, roots, id).map_err(|error| error.to_string())?;
                    let is_stored = known.iter().any(|known| known.run == run && known.stored.is_some());
                    let is_lost = unwritten(repository, roots, id, &run).map_or(true, |what| what == Unwritten::Lost);
                    if !is_stored && is_lost {
                        return Err(RunError::JournalLost { run }.to_string());
                    }
                }
                Err(error) => return Err(format!("the journal of run {run}: {error}")),
            }
        }
        Ok(None)
    }

    fn done_as_recorded(&self, row: &Row, run: Option<&Run>) -> DoneStatus {
        let mut done = self.done(row, run);
        done.unkept = run.is_some_and(|run| is_unkept(run, self.workspace.repository()));
        if done.unkept {
            done.next_steps.insert(0, keep_record(&row.id));
        }
        done
    }

    fn done(&self, row: &Row, run: Option<&Run>) -> DoneStatus {
        let unknown = run.map(crate::once_only::unknown).unwrap_or_default();
        let template = self.workspace.policy().ok().map(|policy| &policy.delivery.branch);
        let package = row.package.as_ref().map(PackageName::as_str);
        let branch = template.and_then(|template| {
            // Whether the package has one branch is not read for this alone.
            let shared = package.map(|_| template.shared().fill(row.id.as_str(), package));
            let mut expected = shared.into_iter().chain([template.fill(row.id.as_str(), package)]);
            expected.find(|name| self.branch(name).is_some())
        });
        let delivered = match run.and_then(delivered_by_run) {
            Some(delivered) => Some(delivered),
            // Reading a receipt costs three objects: only for what has something left to do.
            None if branch.is_some() => self.delivered_by_receipt(&row.id),
            None => None,
        };
        if let Some(receipt) = run.and_then(Run::receipt)
            && receipt.delivered.is_none()
        {
            return DoneStatus {
                unknown,
                next_steps: after_no_delivery(&row.id, receipt),
                ..DoneStatus::default()
            };
        }
        let Some(Delivered {
            branch,
            records: commit,
            remote,
            ..
        }) = delivered
        else {
            return DoneStatus {
                branch,
                unknown,
                ..DoneStatus::default()
            };
        };
        let repository = self.workspace.repository();
        let head = self.head.commit();
        let merged = head.and_then(|head| repository.is_ancestor(commit, head).ok());
        let steps = AfterDelivery {
            id: &row.id,
            branch: branch.short(),
            branch_exists: self.branch(branch.short()).is_some(),
            merged: merged == Some(true),
            remote: remote.as_ref(),
            straight_on: head.is_some_and(|head| repository.is_ancestor(head, commit).unwrap_or(false)),
        };
        let next_steps = steps.list();
        DoneStatus {
            branch: Some(branch.short().to_owned()),
            commit: Some(commit),
            pushed: remote.as_ref().map(ToString::to_string),
            merged,
            stacked: run.map(|run| self.unmerged_below(run)).unwrap_or_default(),
            unknown,
            next_steps,
            ..DoneStatus::default()
        }
    }

    /// The tickets that a run's base rests on and that are not in what is checked out.
    fn unmerged_below(&self, run: &Run) -> Vec<StackedTicket> {
        let is_merged = |stacked: &StackedTicket| {
            let repository = self.workspace.repository();
            let head = self.head.commit();
            head.is_some_and(|head| repository.is_ancestor(stacked.commit, head).unwrap_or(false))
        };
        let stack = stack_of(run).iter();
        stack.filter(|stacked| !is_merged(stacked)).cloned().collect()
    }

    /// The same of a delivered ticket whose run is only stored: reading that costs too much to do for every ticket.
    fn with_stored_stack(&self, mut ticket: TicketStatus) -> TicketStatus {
        if let TicketState::Done(done) = &mut ticket.state
            && done.merged == Some(false)
            && !self.with_runs.contains(ticket.id.as_str())
        {
            let (repository, roots) = (self.workspace.repository(), self.workspace.roots());
            let read = read_run(repository, roots, &ticket.id, None).ok();
            done.stacked = read.map(|read| self.unmerged_below(&read.run)).unwrap_or_default();
        }
        ticket
    }

    fn branch(&self, short: &str) -> Option<ObjectId> {
        named(&self.branches, short)
    }

    fn delivered_by_receipt(&self, id: &TicketId) -> Option<Delivered> {
        stored_receipt(self.workspace.repository(), id).ok()??.delivered
    }

    fn report(
        &self,
        ledger: &Ledger<'_>,
        tickets: Vec<TicketStatus>,
        packages: Vec<PackageStatus>,
    ) -> Result<StatusReport, StatusError> {
        let mut counts = BTreeMap::new();
        for ticket in &tickets {
            *counts.entry(ticket.state.name()).or_insert(0) += 1;
        }
        let policy = PolicyStatus {
            digest: self.workspace.policy_file().digest(),
            trusted: self.workspace.is_policy_trusted()?,
        };
        let misfits: Vec<_> = ledger
            .misfits()
            .iter()
            .map(|misfit| MisfitStatus {
                path: misfit.path.clone(),
                reason: misfit.reason.to_string(),
            })
            .collect();
        let room = Room {
            free: free_bytes(&[self.workspace.roots().user(), self.workspace.repository().common_dir()]),
            least: self.workspace.policy()?.disk.min_free.as_bytes(),
        };
        let daemon = daemon_trouble(&DaemonFiles::of(self.workspace.roots()), self.now);
        Ok(StatusReport {
            schema: STATUS_SCHEMA,
            repository: RepositoryStatus {
                id: self.repository_id.clone(),
                branch: match &self.head {
                    Head::Branch { name, .. } | Head::Unborn { name } => Some(name.short().to_owned()),
                    Head::Detached { .. } => None,
                },
                commit: self.head.commit(),
            },
            health: StatusHealth::of(&policy, room, daemon.as_ref(), &misfits, &tickets),
            policy,
            ledger: ledger.dir().clone(),
            counts,
            tickets,
            packages,
            misfits,
        })
    }
}

/// What a name stands for in a sorted list.
fn named(sorted: &[(String, ObjectId)], name: &str) -> Option<ObjectId> {
    let index = sorted.binary_search_by(|(found, _)| found.as_str().cmp(name)).ok()?;
    Some(sorted[index].1)
}

fn tickets_with_runs(workspace: &Workspace) -> std::io::Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(workspace.roots().runs()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other?,
    };
    let mut tickets = BTreeSet::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            tickets.insert(name);
        }
    }
    Ok(tickets)
}

/// The approval and what it covers, each with the blob that a commit must have for a run to begin.
fn approved_files(folder: &TicketFolder<'_>) -> Vec<(RepoPath, BlobId)> {
    let Ok(Some(bytes)) = folder.read(TicketFileName::Approval) else {
        return Vec::new();
    };
    let (Ok(approval), Ok(blob)) = (Approval::parse(&bytes), blob_id(&bytes)) else {
        return Vec::new();
    };
    let covered = approval.file.into_iter().map(|file| (file.path, file.blob));
    covered.chain([(folder.path(TicketFileName::Approval), blob)]).collect()
}

/// How a person commits these files.
fn commit_words(paths: &[RepoPath]) -> String {
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    format!("`git add {} && git commit`", paths.join(" "))
}

fn delivered_by_run(run: &Run) -> Option<Delivered> {
    if let Some(receipt) = run.receipt() {
        return receipt.delivered.clone();
    }
    match run.evidence(Phase::Committed)? {
        PhaseEvidence::Committed {
            change,
            records,
            branch,
            ..
        } => Some(Delivered {
            change: *change,
            records: *records,
            branch: branch.clone(),
            remote: None,
        }),
        _ => None,
    }
}
