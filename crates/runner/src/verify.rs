//! Recomputing what a run claims: chain, digests, trees, commits and refs.

mod anchors;
mod children;
mod commits;
mod journal;
mod refs;
mod rescued;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::Path;

use git_delivery::Repository;
use ledger_core::{
    CommitId, CoveredFile, DeliveredRun, Digest, Effect, Event, EvidenceIndex, Head, InvalidReceipt, Observation,
    Receipt, Record, RefName, RepoPath, Run, RunId, Statement, TicketId,
};
use serde::Serialize;

pub(crate) use self::anchors::forgets_a_delivery;
use self::commits::ledger_of;
use self::journal::ReadJournal;
use crate::base::receipt_bytes;
use crate::journal_records::JournalRecords;
use crate::packages::{is_as_pinned, pinned_files};
use crate::run_history::{HistoryError, tickets_with_runs};
use crate::state::StateRoots;
use crate::workspace::PolicyFile;

const RECEIPTS: &str = "refs/counterfoil/receipts/";
const RECEIPT_REF: &str = "receipt ref";

/// The most bytes of a file that is said to be a receipt.
const MAX_RECEIPT_BYTES: u64 = 16 * 1024 * 1024;

/// The most bytes of one stored run that are read.
const MAX_STORED_BYTES: u64 = 512 * 1024 * 1024;

/// What came of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// It is as the run claims.
    Matches,
    /// Worth knowing, and no contradiction: a branch that was merged, moved or deleted since.
    Information,
    /// It is not as the run claims.
    Differs,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The run that it is about; none where it is about the ticket.
    pub run: Option<RunId>,
    /// What was compared.
    pub what: &'static str,
    /// What came of it.
    pub verdict: Verified,
    /// The facts, in words.
    pub detail: String,
}

/// All comparisons of a ticket's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The ticket.
    pub ticket: TicketId,
    /// The comparisons, run by run.
    pub verifications: Vec<Verification>,
}

impl VerifyReport {
    /// Whether nothing differs.
    pub fn holds(&self) -> bool {
        self.verifications
            .iter()
            .all(|verification| verification.verdict != Verified::Differs)
    }
}

/// The tickets of which this clone has a run or a receipt, in the order of their ids.
pub fn tickets_to_verify(repository: &Repository, roots: &StateRoots) -> Result<Vec<TicketId>, HistoryError> {
    let mut tickets: BTreeSet<_> = tickets_with_runs(repository, roots)?.into_iter().collect();
    repository.refs_below(RECEIPTS, |name, _| {
        tickets.extend(
            name.strip_prefix(RECEIPTS)
                .and_then(|name| name.parse::<TicketId>().ok()),
        );
    })?;
    Ok(tickets.into_iter().collect())
}

/// Verifies every run of a ticket that this clone knows, stored in Git or live, and that its receipt is that of one of them. With `only`, that run
/// alone.
pub fn verify_ticket(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    only: Option<&RunId>,
) -> VerifyReport {
    verify(repository, roots, ticket, only, true)
}

/// As [`verify_ticket`] of one run, but asks no remote.
pub(crate) fn verify_without_remotes(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    run: &RunId,
) -> VerifyReport {
    verify(repository, roots, ticket, Some(run), false)
}

fn verify(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    only: Option<&RunId>,
    asks_remotes: bool,
) -> VerifyReport {
    let mut report = Verifier {
        repository,
        roots,
        asks_remotes,
        found: Vec::new(),
        run: None,
    };
    let mut stored = BTreeMap::new();
    let prefix = format!("refs/counterfoil/runs/{ticket}/");
    let listed = repository.refs_below(&prefix, |name, id| {
        if let Some(Ok(run)) = name.strip_prefix(&prefix).map(str::parse::<RunId>) {
            stored.insert(run, CommitId(id));
        }
    });
    if let Err(error) = listed {
        report.differs("stored runs", error.to_string());
    }
    let live = match roots.runs_of(ticket) {
        Ok(runs) => runs,
        Err(error) => {
            report.differs("live runs", error.to_string());
            Vec::new()
        }
    };
    let mut runs: Vec<_> = stored.keys().cloned().chain(live).collect();
    runs.sort();
    runs.dedup();
    for run in runs.into_iter().filter(|run| only.is_none_or(|only| only == run)) {
        report.run = Some(run.clone());
        let journal = match std::fs::read(roots.journal(ticket, &run)) {
            // A disk that was full, or a runner that died, at its first line.
            Ok(bytes) if !stored.contains_key(&run) && has_no_line(&bytes) => {
                report.never_began(&run, "it has no whole line");
                None
            }
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if !stored.contains_key(&run) {
                    report.never_began(&run, "it is gone");
                }
                None
            }
            Err(error) => {
                report.differs("live journal", format!("it is there and cannot be read: {error}"));
                None
            }
        };
        report.verify_run(ticket, &run, &stored, journal.as_deref());
    }
    if only.is_none() {
        report.run = None;
        report.receipt_of_no_run(ticket, &stored);
    }
    VerifyReport {
        ticket: ticket.clone(),
        verifications: report.found,
    }
}

/// The bytes of the receipt that a name means: a ref below `refs/counterfoil/receipts/`, or a file, from this folder. None
/// where it means neither.
pub fn named_receipt(repository: &Repository, from: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    if let Some(ticket) = name.strip_prefix(RECEIPTS) {
        let ticket = ticket.parse::<TicketId>().map_err(io::Error::other)?;
        let bytes = receipt_bytes(repository, &ticket).map_err(io::Error::other)?;
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no `{name}`"));
        return Ok(Some(bytes.ok_or_else(missing)?));
    }
    let path = from.join(name);
    // A file may be called like a ticket.
    let is_path = name.contains('/') || name.ends_with(".json");
    if !is_path || !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_RECEIPT_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Verifies the run that a receipt is of, and that this is its receipt.
pub fn verify_receipt(
    repository: &Repository,
    roots: &StateRoots,
    bytes: &[u8],
) -> Result<VerifyReport, InvalidReceipt> {
    const WHAT: &str = "this receipt";
    let statement = is_statement(bytes).then(|| Statement::parse(bytes)).transpose()?;
    let receipt = match &statement {
        Some(statement) => statement.predicate.clone(),
        None => Receipt::parse(bytes)?,
    };
    let mut report = verify_ticket(repository, roots, &receipt.ticket, Some(&receipt.run));
    let name = format!("refs/counterfoil/runs/{}/{}", receipt.ticket, receipt.run);
    let stored = name
        .parse::<RefName>()
        .ok()
        .and_then(|name| repository.resolve(&name).ok().flatten())
        .and_then(|commit| repository.read_stored(CommitId(commit), MAX_STORED_BYTES).ok());
    let stored = stored.and_then(|files| files.get(&"receipt.json".parse::<RepoPath>().ok()?).cloned());
    let in_this_form = |stored: Vec<u8>| match statement {
        Some(_) => Receipt::parse(&stored)
            .ok()
            .map(|stored| Statement::of(&stored).to_bytes()),
        None => Some(stored),
    };
    let (verdict, detail) = match stored.and_then(in_this_form) {
        Some(stored) if stored == bytes => (Verified::Matches, "it is the stored one, byte for byte"),
        Some(_) => (Verified::Differs, "it is not the one that is stored of its run"),
        None => (Verified::Differs, "this repository has no receipt of its run"),
    };
    report.verifications.push(Verification {
        run: Some(receipt.run),
        what: WHAT,
        verdict,
        detail: detail.to_owned(),
    });
    Ok(report)
}

/// Whether a document is meant as a statement of in-toto, whatever it states.
fn is_statement(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|document| document.get("_type").is_some())
}

struct Verifier<'a> {
    repository: &'a Repository,
    roots: &'a StateRoots,
    asks_remotes: bool,
    found: Vec<Verification>,
    run: Option<RunId>,
}

/// Whether a journal ends before its first line does.
fn has_no_line(bytes: &[u8]) -> bool {
    JournalRecords::new(bytes)
        .next()
        .is_none_or(|read| read.is_err_and(|error| error.never_began()))
}

impl Verifier<'_> {
    fn add(&mut self, what: &'static str, verdict: Verified, detail: String) {
        self.found.push(Verification {
            run: self.run.clone(),
            what,
            verdict,
            detail,
        });
    }

    fn matches(&mut self, what: &'static str, detail: impl Into<String>) {
        self.add(what, Verified::Matches, detail.into());
    }

    fn differs(&mut self, what: &'static str, detail: impl Into<String>) {
        self.add(what, Verified::Differs, detail.into());
    }

    fn is(&mut self, what: &'static str, holds: bool, detail: impl Into<String>) -> bool {
        self.add(
            what,
            if holds { Verified::Matches } else { Verified::Differs },
            detail.into(),
        );
        holds
    }

    fn verify_run(&mut self, ticket: &TicketId, run: &RunId, stored: &BTreeMap<RunId, CommitId>, live: Option<&[u8]>) {
        let live = live.and_then(|bytes| Some((bytes, self.journal("live journal", bytes, ticket, run)?)));
        if let Some((_, live)) = &live {
            self.stored_as_told(&live.records, &live.run, stored.get(run).copied());
            self.anchors(run, &live.records);
            self.rescued(&live.run);
            self.children(&live.run);
        }
        let Some(&commit) = stored.get(run) else { return };
        let files = match self.repository.read_stored(commit, MAX_STORED_BYTES) {
            Ok(files) => files,
            Err(error) => return self.differs("stored run", error.to_string()),
        };
        let file = |name: &str| {
            name.parse::<RepoPath>()
                .ok()
                .and_then(|path| files.get(&path))
                .map(Vec::as_slice)
        };
        let Some(bytes) = file("journal.jsonl") else {
            return self.differs("stored journal", "there is none");
        };
        let bytes_of_journal = bytes;
        let Some(journal) = self.journal("stored journal", bytes, ticket, run) else {
            return;
        };
        let replayed = &journal.run;
        match &live {
            Some((live_bytes, _)) => {
                let begins = live_bytes.starts_with(bytes);
                self.is(
                    "live journal begins with the stored one",
                    begins,
                    format!("{} bytes", bytes.len()),
                );
            }
            None => {
                self.anchors(run, &journal.records);
                self.rescued(replayed);
                self.children(replayed);
            }
        }
        let head = journal.summary.head.sum;
        let named = self.trailer(commit, "Counterfoil-Journal");
        self.is(
            "stored commit names the journal's head",
            named == Some(head.to_string()),
            format!("{head}"),
        );
        match (replayed.receipt(), file("receipt.json")) {
            (None, None) => self.add(
                "receipt",
                Verified::Information,
                "the run ended without a delivery".to_owned(),
            ),
            (None, Some(_)) => self.differs("receipt", "the journal does not come to a receipt"),
            (Some(receipt), bytes) => {
                match bytes {
                    Some(bytes) => {
                        let same = receipt.to_bytes() == bytes;
                        self.is("receipt", same, "computed again from the journal");
                    }
                    None => self.differs("receipt", "the run is done, and what is stored of it has none"),
                }
                match file("statement.json") {
                    Some(bytes) => {
                        let same = Statement::of(receipt).to_bytes() == bytes;
                        self.is("statement", same, "the receipt in the form of in-toto");
                    }
                    None => self.add(
                        "statement",
                        Verified::Information,
                        "what is stored has none, as of runs of earlier versions; the receipt holds without it"
                            .to_owned(),
                    ),
                }
                self.evidence(replayed, file("evidence.json"), &files);
                self.receipt_ref(ticket, run, stored);
                self.sources(receipt);
                self.commits(journal.before_delivery, receipt, replayed);
                if let Some(cited) = replayed.delivers() {
                    self.delivers(cited, stored, bytes_of_journal);
                }
            }
        }
    }

    /// Whether a run that delivers goes on from what is stored of the run that it names, byte for byte.
    fn delivers(&mut self, cited: &DeliveredRun, stored: &BTreeMap<RunId, CommitId>, journal: &[u8]) {
        let file = |name: &str| {
            let commit = *stored.get(&cited.run)?;
            let path = name.parse::<RepoPath>().ok()?;
            let read = self.repository.read_file_at(commit, &path, MAX_STORED_BYTES);
            read.ok().flatten()
        };
        let begins = file("journal.jsonl").is_some_and(|earlier| journal.starts_with(&earlier));
        let same = file("receipt.json").is_some_and(|receipt| Digest::of(receipt) == cited.receipt);
        let detail = format!("goes on from run {} and its receipt", cited.run);
        self.is("run that is delivered", begins && same, detail);
    }

    /// A run that has no journal anywhere: it never began, unless it has kept something.
    fn never_began(&mut self, run: &RunId, journal: &str) {
        const WHAT: &str = "live journal";
        match self.repository.anchors(run) {
            Ok(anchors) if anchors.is_empty() => {}
            Ok(anchors) => {
                let names: Vec<_> = anchors.iter().map(|anchor| format!("`{}`", anchor.name)).collect();
                let detail = format!("{journal}, and the run has kept {}", names.join(", "));
                self.differs(WHAT, detail);
            }
            Err(error) => self.differs(WHAT, error.to_string()),
        }
    }

    /// Whether the run is stored as its live journal says.
    fn stored_as_told(&mut self, records: &[Record], run: &Run, stored: Option<CommitId>) {
        const WHAT: &str = "stored run";
        let told = records.iter().rev().find_map(|record| match &record.event {
            Event::Observed {
                observation: Observation::RunStored { commit },
                ..
            } => Some(*commit),
            _ => None,
        });
        match (told, stored) {
            (Some(told), Some(stored)) if told == stored => self.matches(WHAT, format!("in {}, as told", told.short())),
            (Some(told), None) => {
                self.differs(WHAT, format!("it was stored in {}, and its ref is gone", told.short()));
            }
            (_, Some(stored)) => {
                // A runner that died between moving the ref and telling of it.
                let being_stored = run
                    .pending()
                    .is_some_and(|pending| matches!(pending.effect, Effect::StoreRun { .. }));
                let goes_on = told.is_none_or(|told| self.repository.is_ancestor(told, stored).unwrap_or(false));
                if being_stored && goes_on {
                    let detail = format!("in {}, and the journal does not tell it yet", stored.short());
                    self.add(WHAT, Verified::Information, detail);
                } else {
                    let told = told.map_or("not at all".to_owned(), |told| format!("in {}", told.short()));
                    self.differs(WHAT, format!("in {}, and told {told}", stored.short()));
                }
            }
            (None, None) if run.state().is_ended() => self.add(
                WHAT,
                Verified::Information,
                "the run ended and is not stored in Git yet".to_owned(),
            ),
            (None, None) => {}
        }
    }

    /// Checks a journal's chain, its steps and whose it is.
    fn journal(&mut self, what: &'static str, bytes: &[u8], ticket: &TicketId, run: &RunId) -> Option<ReadJournal> {
        let journal = match ReadJournal::of(bytes) {
            Ok(journal) => journal,
            Err(error) => {
                self.differs(what, error.to_string());
                return None;
            }
        };
        if let Some(torn) = journal.summary.torn {
            let detail = format!("the last append was cut off at byte {}", torn.offset);
            self.add(what, Verified::Information, detail);
        }
        let opened = journal.run.opened();
        if opened.ticket != *ticket || opened.run != *run {
            self.differs(what, format!("it is the journal of {} {}", opened.ticket, opened.run));
            return None;
        }
        let Head { next, sum } = journal.summary.head;
        self.matches(what, format!("{next} lines, head {sum}"));
        Some(journal)
    }

    fn evidence(&mut self, run: &Run, stored: Option<&[u8]>, files: &BTreeMap<RepoPath, Vec<u8>>) {
        let Some(index) = EvidenceIndex::of(run) else { return };
        self.is(
            "evidence index",
            stored == Some(&index.to_bytes()[..]),
            "computed again from the journal",
        );
        for check in &index.checks {
            let path = format!("outputs/{}", check.output.digest.hex());
            let output = path.parse::<RepoPath>().ok().and_then(|path| files.get(&path));
            match output {
                Some(bytes) => {
                    let same = Digest::of(bytes) == check.output.digest;
                    self.is("check output", same, format!("`{}`", check.name));
                }
                None => self.add(
                    "check output",
                    Verified::Information,
                    format!("`{}`: not stored", check.name),
                ),
            }
        }
    }

    fn receipt_points_at(&self, ticket: &TicketId) -> Option<CommitId> {
        let name = format!("{RECEIPTS}{ticket}").parse::<RefName>().ok()?;
        self.repository.resolve(&name).ok().flatten().map(CommitId)
    }

    /// A receipt whose run is not here proves nothing, and no run that is here tells of it.
    fn receipt_of_no_run(&mut self, ticket: &TicketId, stored: &BTreeMap<RunId, CommitId>) {
        let Some(points) = self.receipt_points_at(ticket) else {
            return;
        };
        let is_told = self.found.iter().any(|found| found.what == RECEIPT_REF);
        if !is_told && !stored.values().any(|commit| *commit == points) {
            let detail = format!(
                "{RECEIPTS}{ticket} points at {}, and no run that is stored here is that",
                points.short()
            );
            self.differs(RECEIPT_REF, detail);
        }
    }

    /// The receipt of a ticket is that of its latest finished run: of this one, or of one after it.
    fn receipt_ref(&mut self, ticket: &TicketId, run: &RunId, stored: &BTreeMap<RunId, CommitId>) {
        let name = format!("{RECEIPTS}{ticket}");
        let points = self.receipt_points_at(ticket);
        let fits = stored.range(run.clone()..).any(|(_, commit)| points == Some(*commit));
        let detail = match points {
            Some(points) if !fits => format!("{name} points at {}, which stores no such run", points.short()),
            Some(_) => name,
            None => format!("{name} is gone"),
        };
        self.is(RECEIPT_REF, fits, detail);
    }

    /// What a person consented to is what lies in the base.
    fn sources(&mut self, receipt: &Receipt) {
        let mut wrong = Vec::new();
        let lock = &receipt.source;
        let files = || {
            lock.files
                .iter()
                .chain([&lock.approval])
                .chain(&lock.prompts)
                .chain(&lock.steering)
        };
        // What the package of the ticket pins has to be there as well.
        let pinned = match pinned_files(self.repository, lock, &receipt.ticket, None) {
            Ok(pinned) => pinned,
            Err(error) => return self.differs("source lock", error.to_string()),
        };
        let is_pinned = |file: &CoveredFile| {
            let (ledger, tree) = (ledger_of(lock)?, self.repository.commit_tree_id(receipt.base).ok()?);
            is_as_pinned(self.repository, tree, &ledger, file).ok()
        };
        let others = || pinned.iter().filter(|file| !lock.files.contains(file));
        wrong.extend(
            others()
                .filter(|file| is_pinned(file) != Some(true))
                .map(|file| file.path.to_string()),
        );
        for file in files() {
            let bytes = self
                .repository
                .read_file_at(receipt.base, &file.path, MAX_STORED_BYTES)
                .ok()
                .flatten();
            if bytes.is_none_or(|bytes| Digest::of(bytes) != file.sha256) {
                wrong.push(file.path.to_string());
            }
        }
        let policy = PolicyFile::path();
        let bytes = self.repository.read_file_at(receipt.base, &policy, MAX_STORED_BYTES);
        if bytes.map(|bytes| Digest::of(bytes.unwrap_or_default())).ok() != Some(lock.policy) {
            wrong.push(policy.to_string());
        }
        let count = files().chain(others()).count();
        if wrong.is_empty() {
            self.matches("source lock", format!("{count} files in base {}", receipt.base.short()));
        } else {
            self.differs("source lock", format!("not what was approved: {}", wrong.join(", ")));
        }
    }
}
