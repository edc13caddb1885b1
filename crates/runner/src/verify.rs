//! Recomputing what a run claims: chain, digests, trees, commits and refs.

mod children;
mod refs;
mod rescued;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::Path;

use git_delivery::{Anchor, AnchorError, Repository};
use ledger_core::{
    CommitId, CoveredFile, DeliveredRun, Digest, Effect, Event, EvidenceIndex, Head, InvalidReceipt, Journal,
    JournalError, MAX_DOCUMENT_BYTES, Observation, Receipt, Record, RefName, ReplacedRequirement, RepoPath, Run, RunId,
    SourceLock, Statement, TicketFile, TicketId, TreeId,
};
use policy::MemoryPaths;
use serde::Serialize;

use crate::base::receipt_bytes;
use crate::closeout::Closeout;
use crate::memory::with_notes;
use crate::packages::{is_as_pinned, pinned_files};
use crate::run_history::{HistoryError, tickets_with_runs};
use crate::specs::{LinkedSpecs, approval_of, overtaken_in};
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
            Ok(bytes) if !stored.contains_key(&run) && Journal::parse(&bytes) == Err(JournalError::Empty) => {
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
        let live = live.and_then(|bytes| {
            self.journal("live journal", bytes, ticket, run)
                .map(|(records, run)| (bytes, records, run))
        });
        if let Some((_, records, live)) = &live {
            self.stored_as_told(records, live, stored.get(run).copied());
            self.anchors(run, records);
            self.rescued(live);
            self.children(live);
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
        let Some((records, replayed)) = self.journal("stored journal", bytes, ticket, run) else {
            return;
        };
        match &live {
            Some((live_bytes, ..)) => {
                let begins = live_bytes.starts_with(bytes);
                self.is(
                    "live journal begins with the stored one",
                    begins,
                    format!("{} bytes", bytes.len()),
                );
            }
            None => {
                self.anchors(run, &records);
                self.rescued(&replayed);
                self.children(&replayed);
            }
        }
        let head = records.last().map_or(Head::default().sum, |record| record.sum);
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
                self.evidence(&replayed, file("evidence.json"), &files);
                self.receipt_ref(ticket, run, stored);
                self.sources(receipt);
                self.commits(&records, receipt, &replayed);
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

    /// Whether what a run keeps is what its journal names. Anchors never move, so that they outlive a journal that was
    /// written anew.
    fn anchors(&mut self, run: &RunId, records: &[Record]) {
        const WHAT: &str = "what the run keeps";
        let anchors = match self.repository.anchors(run) {
            Ok(anchors) => anchors,
            Err(error) => return self.differs(WHAT, error.to_string()),
        };
        let unnamed: Vec<_> = anchors
            .iter()
            .filter(|anchor| !is_named(anchor, records))
            .map(|anchor| format!("`{}`", anchor.name))
            .collect();
        if !unnamed.is_empty() {
            let detail = format!(
                "the journal does not name what these anchors hold: {}",
                unnamed.join(", ")
            );
            self.differs(WHAT, detail);
        } else if !anchors.is_empty() {
            self.matches(WHAT, format!("{} anchors", anchors.len()));
        }
    }

    /// Checks a journal's chain, its steps and whose it is.
    fn journal(
        &mut self,
        what: &'static str,
        bytes: &[u8],
        ticket: &TicketId,
        run: &RunId,
    ) -> Option<(Vec<Record>, Run)> {
        let journal = match Journal::parse(bytes) {
            Ok(journal) => journal,
            Err(error) => {
                self.differs(what, error.to_string());
                return None;
            }
        };
        if let Some(torn) = journal.torn {
            let detail = format!("the last append was cut off at byte {}", torn.offset);
            self.add(what, Verified::Information, detail);
        }
        match Run::replay(&journal.records) {
            Err(refusal) => {
                self.differs(what, refusal.to_string());
                None
            }
            Ok(replayed) if replayed.opened().ticket != *ticket || replayed.opened().run != *run => {
                let opened = replayed.opened();
                self.differs(what, format!("it is the journal of {} {}", opened.ticket, opened.run));
                None
            }
            Ok(replayed) => {
                self.matches(
                    what,
                    format!("{} lines, head {}", journal.records.len(), journal.head.sum),
                );
                Some((journal.records, replayed))
            }
        }
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

    fn commits(&mut self, records: &[Record], receipt: &Receipt, run: &Run) {
        let Some(delivered) = &receipt.delivered else {
            return self.add(
                "delivery",
                Verified::Information,
                "delivery mode `none`: nothing was delivered".to_owned(),
            );
        };
        let tree = self.repository.commit_tree_id(delivered.change);
        let Ok(tree) = tree else {
            return self.differs(
                "change commit",
                format!("{} is not in this repository", delivered.change),
            );
        };
        self.is(
            "tree of the change commit",
            tree == receipt.tree,
            format!("{tree} = what was checked and reviewed"),
        );
        let parents = self.repository.commit_parents(delivered.change).unwrap_or_default();
        self.is(
            "parent of the change commit",
            parents == [receipt.base],
            format!("base {}", receipt.base.short()),
        );
        let parents = self.repository.commit_parents(delivered.records).unwrap_or_default();
        self.is(
            "parent of the records commit",
            parents == [delivered.change],
            delivered.change.short(),
        );
        let lock = &receipt.source;
        let closeout = self.closeout(lock, tree).unwrap_or_else(|reason| {
            self.differs("specs", reason);
            None
        });
        let memory = self.memory(run, receipt).unwrap_or_else(|reason| {
            self.differs("memory files", reason);
            BTreeMap::new()
        });
        let only = self
            .repository
            .commit_tree_id(delivered.records)
            .ok()
            .and_then(|records_tree| {
                self.repository
                    .tree_differs_only_in(tree, records_tree, |path| {
                        is_record(lock, path)
                            || memory.contains_key(path)
                            || closeout.as_ref().is_some_and(|closeout| closeout.has(path))
                    })
                    .ok()
            });
        self.is(
            "records commit",
            only == Some(true),
            "changes only the ticket's records",
        );
        if !memory.is_empty() {
            let holds = self.holds_files(delivered.records, &memory);
            let count = memory.len();
            self.is(
                "memory files",
                holds,
                format!("the notes of the curator at the end of {count}"),
            );
        }
        if let Some(closeout) = &closeout {
            let holds = self.is_closed_out(closeout, delivered.records);
            self.is(
                "specs",
                holds,
                "the delta is in the current specs, and the specs are in the archive",
            );
        }
        let named = head_before_delivery(records).map(|sum| sum.to_string());
        for (what, commit) in [
            ("change commit names the journal", delivered.change),
            ("records commit names the journal", delivered.records),
        ] {
            let trailer = self.trailer(commit, "Counterfoil-Journal");
            self.is(
                what,
                trailer.is_some() && trailer == named,
                trailer.unwrap_or_else(|| "no trailer".to_owned()),
            );
        }
        self.branch(&delivered.branch, delivered.records);
        if let (Some(remote), true) = (&delivered.remote, self.asks_remotes) {
            self.remote(remote, delivered.records);
        }
    }

    /// What has to become of the specs of the ticket, computed again from the tree; none where it has none, and the reason where that cannot
    /// be told.
    fn closeout(&self, lock: &SourceLock, tree: TreeId) -> Result<Option<Closeout>, String> {
        let Some(ticket) = self.contract(lock, tree) else {
            return Err("the contract of the ticket cannot be read in the tree".to_owned());
        };
        if !policy::has_specs(&ticket) {
            return Ok(None);
        }
        let specs = ledger_of(lock).and_then(|ledger| LinkedSpecs::in_tree(self.repository, tree, &ticket, &ledger));
        let specs = specs.ok_or("the specs of the ticket cannot be read in the tree")?;
        if let Some(overtaken) = self.overtaken(lock, tree)? {
            let (requirement, path) = (&overtaken.requirement, &overtaken.path);
            return Err(format!(
                "`{requirement}` says something else in `{path}` of the tree than when its replacement was approved"
            ));
        }
        let closeout = Closeout::of(self.repository, tree, &specs);
        closeout.map(Some).map_err(|error| error.to_string())
    }

    /// The first requirement that the approval lets the delta replace, and that is another in the tree.
    fn overtaken(&self, lock: &SourceLock, tree: TreeId) -> Result<Option<ReplacedRequirement>, String> {
        let approval = approval_of(self.repository, lock)?;
        let overtaken = overtaken_in(self.repository, tree, &approval.replaces).map_err(|error| error.to_string())?;
        Ok(overtaken.into_iter().next())
    }

    /// What the notes of the run have to make of its memory files, computed again from the tree; the reason where that cannot be told.
    fn memory(&self, run: &Run, receipt: &Receipt) -> Result<BTreeMap<RepoPath, Vec<u8>>, String> {
        let Some(curation) = run.curation().filter(|curation| !curation.notes.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let policy = self
            .repository
            .read_file_at(receipt.base, &PolicyFile::path(), MAX_DOCUMENT_BYTES as u64)
            .map_err(|error| error.to_string())?;
        let policy = PolicyFile::new(policy).policy.map_err(|problem| problem.to_string())?;
        let paths = MemoryPaths::new(&policy).map_err(|error| error.to_string())?;
        let noted = with_notes(self.repository, receipt.tree, curation, &receipt.ticket, &receipt.run);
        let noted = noted.map_err(|error| error.to_string())?;
        match noted.keys().find_map(|path| Some((path, paths.refusal(path)?))) {
            Some((path, (_, reason))) => Err(format!("`{path}`: {reason}")),
            None => Ok(noted),
        }
    }

    /// Whether a commit holds these files, byte for byte.
    fn holds_files(&self, commit: CommitId, files: &BTreeMap<RepoPath, Vec<u8>>) -> bool {
        files.iter().all(|(path, bytes)| {
            let found = self.repository.read_file_at(commit, path, MAX_STORED_BYTES);
            found.ok().flatten().as_ref() == Some(bytes)
        })
    }

    fn contract(&self, lock: &SourceLock, tree: TreeId) -> Option<TicketFile> {
        let (folder, _) = lock.approval.path.to_str()?.rsplit_once('/')?;
        let contract = format!("{folder}/ticket.toml").parse().ok()?;
        let side = self.repository.entry_at(tree, &contract).ok()??;
        let bytes = self.repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64).ok()?;
        TicketFile::parse(&bytes).ok()
    }

    fn is_closed_out(&self, closeout: &Closeout, records: CommitId) -> bool {
        let read = |path: &RepoPath| {
            self.repository
                .read_file_at(records, path, MAX_DOCUMENT_BYTES as u64)
                .ok()
        };
        let is_there = |(path, bytes): (&RepoPath, &Vec<u8>)| read(path).flatten().as_ref() == Some(bytes);
        closeout.written.iter().all(is_there) && closeout.removed.iter().all(|path| read(path) == Some(None))
    }

    fn trailer(&self, commit: CommitId, key: &str) -> Option<String> {
        let message = self.repository.commit_message(commit).ok()?;
        message
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    }
}

/// The folder of the ledger that a run was started from.
fn ledger_of(lock: &SourceLock) -> Option<RepoPath> {
    let (folder, _) = lock.approval.path.to_str()?.rsplit_once('/')?;
    let (ledger, _) = folder.rsplit_once('/')?.0.rsplit_once('/')?;
    ledger.parse().ok()
}

/// Whether a path is one of the records that a run may add to its ticket's folder, and nothing that a person approved.
fn is_record(lock: &SourceLock, path: &RepoPath) -> bool {
    if lock.files.iter().chain([&lock.approval]).any(|file| file.path == *path) {
        return false;
    }
    let folder_of = |path: &RepoPath| Some(path.to_str()?.rsplit_once('/')?.0.to_owned());
    let name = path
        .to_str()
        .and_then(|path| path.rsplit_once('/'))
        .map(|(_, name)| name);
    let stem = name.and_then(|name| name.strip_suffix(".md")).unwrap_or_default();
    // `result.md`, and `result-2.md` of a later run.
    let kind = match stem.rsplit_once('-') {
        Some((kind, number)) if number.parse::<u32>().is_ok() => kind,
        _ => stem,
    };
    folder_of(path).is_some_and(|folder| folder_of(&lock.approval.path) == Some(folder))
        && ["result", "review", "plan", "handoff"].contains(&kind)
}

/// Whether the run keeps commits of a delivery that its journal knows nothing of: it is not as its runner left it, for their intent
/// is brought to the disk before they are made. What it says is no ground to deliver from.
pub(crate) fn forgets_a_delivery(
    repository: &Repository,
    run: &RunId,
    records: &[Record],
) -> Result<bool, AnchorError> {
    let of_delivery = |anchor: &Anchor| matches!(anchor.name.split('-').next(), Some("change" | "records"));
    let anchors = repository.anchors(run)?;
    Ok(anchors
        .iter()
        .any(|anchor| of_delivery(anchor) && !is_named(anchor, records)))
}

/// Whether a journal names what an anchor holds, where its name says by which effect that was made. An effect whose end
/// nobody saw may have left anything.
fn is_named(anchor: &Anchor, records: &[Record]) -> bool {
    if anchor.name == "rescued" {
        return records.iter().any(|record| match &record.event {
            Event::Opened(opened) => opened
                .rescued
                .as_ref()
                .is_some_and(|rescued| rescued.tree.0 == anchor.object),
            _ => false,
        });
    }
    let mut parts = anchor.name.split('-');
    let (kind, number) = (parts.next(), parts.next().and_then(|number| number.parse::<u64>().ok()));
    let Some(number) = number else { return true };
    // Each effect that can have made the anchor, with what was seen of it: whether it named the object, if it named any.
    let of = |seq: u64| {
        let observed = records.iter().find_map(|record| match &record.event {
            Event::Observed { of, observation } if *of == seq => Some(observation),
            _ => None,
        });
        match observed {
            Some(Observation::DeliveryPrepared { delivery }) => match kind {
                Some("change") => Some(delivery.change.0 == anchor.object),
                _ => Some(delivery.records.0 == anchor.object),
            },
            Some(Observation::Rebased { tree, .. }) => Some(tree.0 == anchor.object),
            Some(Observation::ChangesMeasured { change, tests, .. }) => {
                let apart = tests.as_ref().and_then(|tests| tests.apart);
                let named = match kind {
                    Some("tests") => apart.map(|apart| apart.tests_on_base),
                    Some("former") => apart.map(|apart| apart.former_tests),
                    _ => Some(change.tree),
                };
                Some(named.is_some_and(|tree| tree.0 == anchor.object))
            }
            _ => None,
        }
    };
    let mut makers = records.iter().filter_map(|record| match &record.event {
        Event::Intended(Effect::PrepareDelivery { .. }) if matches!(kind, Some("change" | "records")) => {
            (record.seq == number).then(|| of(record.seq))
        }
        Event::Intended(Effect::MeasureChanges { iteration }) if matches!(kind, Some("tree" | "tests" | "former")) => {
            (u64::from(*iteration) == number).then(|| of(record.seq))
        }
        Event::Intended(Effect::Rebase { .. }) if kind == Some("rebased") => {
            (record.seq == number).then(|| of(record.seq))
        }
        _ => None,
    });
    !matches!(
        kind,
        Some("change" | "records" | "tree" | "tests" | "former" | "rebased")
    ) || makers.any(|named| named != Some(false))
}

/// The sum of the line before the intent to prepare the delivery that counted.
fn head_before_delivery(records: &[Record]) -> Option<Digest> {
    records.iter().rev().find_map(|record| match &record.event {
        Event::Intended(Effect::PrepareDelivery { journal, .. }) => {
            let before = record
                .seq
                .checked_sub(1)
                .and_then(|seq| records.get(usize::try_from(seq).ok()?));
            before.map(|before| before.sum).filter(|sum| sum == journal)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use ledger_core::CoveredFile;

    use super::*;

    #[test]
    fn records_are_named_as_such_and_are_never_what_was_approved() {
        let covered = |path: &str| CoveredFile {
            path: path.parse().unwrap(),
            blob: "a".repeat(40).parse().unwrap(),
            sha256: Digest::of(path),
        };
        let lock = SourceLock {
            repository: "owner/name".to_owned(),
            files: vec![covered("l/tickets/t/ticket.toml"), covered("l/tickets/t/plan.md")],
            approval: covered("l/tickets/t/approval.toml"),
            approved_by: "A User".to_owned(),
            policy: Digest::of(b""),
            prompts: Vec::new(),
            steering: Vec::new(),
        };
        for (path, expected) in [
            ("l/tickets/t/result.md", true),
            ("l/tickets/t/review-2.md", true),
            ("l/tickets/t/handoff.md", true),
            ("l/tickets/t/plan.md", false),
            ("l/tickets/t/ticket.toml", false),
            ("l/tickets/t/approval.toml", false),
            ("l/tickets/t/prompt.md", false),
            ("l/tickets/t/result-x.md", false),
            ("l/tickets/t/more/result.md", false),
            ("l/tickets/other/result.md", false),
            ("result.md", false),
        ] {
            assert_eq!(is_record(&lock, &path.parse().unwrap()), expected, "{path}");
        }
    }
}
