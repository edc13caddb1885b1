//! Recomputing what a run claims: chain, digests, trees, commits and refs.

use std::collections::BTreeMap;

use git_delivery::Repository;
use ledger_core::{
    CommitId, Digest, EvidenceIndex, Head, Journal, Receipt, Record, RefName, RepoPath, Run, RunId, State, TicketId,
};
use serde::Serialize;

use crate::state::StateRoots;

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

/// Verifies every run of a ticket that this clone knows, stored in Git or live. With `only`, that run alone.
pub fn verify_ticket(
    repository: &Repository,
    roots: &StateRoots,
    ticket: &TicketId,
    only: Option<&RunId>,
) -> VerifyReport {
    let mut report = Verifier {
        repository,
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
        let commit = stored.get(&run).copied();
        let journal = std::fs::read(roots.journal(ticket, &run)).ok();
        report.run = Some(run.clone());
        report.verify_run(ticket, &run, commit, journal.as_deref());
    }
    VerifyReport {
        ticket: ticket.clone(),
        verifications: report.found,
    }
}

struct Verifier<'a> {
    repository: &'a Repository,
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

    fn verify_run(&mut self, ticket: &TicketId, run: &RunId, stored: Option<CommitId>, live: Option<&[u8]>) {
        let live = live.and_then(|bytes| {
            self.journal("live journal", bytes, ticket, run)
                .map(|journal| (bytes, journal))
        });
        let Some(commit) = stored else {
            if let Some((_, (_, state))) = &live
                && state.is_ended()
            {
                self.add(
                    "stored run",
                    Verified::Information,
                    "the run ended and is not stored in Git yet".to_owned(),
                );
            }
            return;
        };
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
        let Some((records, _)) = self.journal("stored journal", bytes, ticket, run) else {
            return;
        };
        if let Some((live_bytes, _)) = &live {
            let begins = live_bytes.starts_with(bytes);
            self.is(
                "live journal begins with the stored one",
                begins,
                format!("{} bytes", bytes.len()),
            );
        }
        let head = records.last().map_or(Head::default().sum, |record| record.sum);
        let named = self.trailer(commit, "Counterfoil-Journal");
        self.is(
            "stored commit names the journal's head",
            named == Some(head.to_string()),
            format!("{head}"),
        );
        match file("receipt.json") {
            Some(receipt) => self.receipt(ticket, &records, receipt, file("evidence.json"), &files),
            None => self.add(
                "receipt",
                Verified::Information,
                "the run ended without a delivery".to_owned(),
            ),
        }
    }

    /// Checks a journal's chain, its steps and whose it is.
    fn journal(
        &mut self,
        what: &'static str,
        bytes: &[u8],
        ticket: &TicketId,
        run: &RunId,
    ) -> Option<(Vec<Record>, State)> {
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
                Some((journal.records, replayed.state().clone()))
            }
        }
    }

    fn receipt(
        &mut self,
        ticket: &TicketId,
        records: &[Record],
        bytes: &[u8],
        evidence: Option<&[u8]>,
        files: &BTreeMap<RepoPath, Vec<u8>>,
    ) {
        let Ok(run) = Run::replay(records) else { return };
        let Some(receipt) = run.receipt() else {
            return self.differs("receipt", "the journal does not come to a receipt");
        };
        self.is(
            "receipt",
            receipt.to_bytes() == bytes,
            "computed again from the journal",
        );
        if let Some(index) = EvidenceIndex::of(&run) {
            self.is(
                "evidence index",
                evidence == Some(&index.to_bytes()[..]),
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
        let name = format!("refs/counterfoil/receipts/{ticket}");
        let points = name
            .parse::<RefName>()
            .ok()
            .and_then(|name| self.repository.resolve(&name).ok().flatten());
        self.is("receipt ref", points.is_some(), name);
        self.sources(receipt);
        self.commits(&run, records, receipt);
    }

    /// What a person consented to is what lies in the base.
    fn sources(&mut self, receipt: &Receipt) {
        let mut wrong = Vec::new();
        let lock = &receipt.source;
        for file in lock.files.iter().chain([&lock.approval]) {
            let bytes = self
                .repository
                .read_file_at(receipt.base, &file.path, MAX_STORED_BYTES)
                .ok()
                .flatten();
            if bytes.is_none_or(|bytes| Digest::of(bytes) != file.sha256) {
                wrong.push(file.path.to_string());
            }
        }
        let count = lock.files.len() + 1;
        if wrong.is_empty() {
            self.matches("source lock", format!("{count} files in base {}", receipt.base.short()));
        } else {
            self.differs("source lock", format!("not what was approved: {}", wrong.join(", ")));
        }
    }

    fn commits(&mut self, run: &Run, records: &[Record], receipt: &Receipt) {
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
        let folder = records_folder(run);
        let only = self
            .repository
            .commit_tree_id(delivered.records)
            .ok()
            .and_then(|records_tree| {
                self.repository
                    .tree_differs_only_in(tree, records_tree, |path| {
                        folder.as_ref().is_some_and(|f| path.is_within(f))
                    })
                    .ok()
            });
        self.is("records commit", only == Some(true), "changes only the ticket's folder");
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
    }

    /// Branches are the user's: whatever became of this one is information.
    fn branch(&mut self, branch: &RefName, records: CommitId) {
        let value = self.repository.resolve(branch).ok().flatten().map(CommitId);
        let short = branch.short();
        match value {
            Some(value) if value == records => {
                self.matches("branch", format!("`{short}` points at {}", records.short()))
            }
            Some(value) if self.repository.is_ancestor(records, value).unwrap_or(false) => {
                self.add(
                    "branch",
                    Verified::Information,
                    format!("`{short}` contains {}", records.short()),
                );
            }
            Some(value) => {
                self.add(
                    "branch",
                    Verified::Information,
                    format!("`{short}` moved to {}", value.short()),
                );
            }
            None => self.add("branch", Verified::Information, format!("`{short}` is gone")),
        }
    }

    fn trailer(&self, commit: CommitId, key: &str) -> Option<String> {
        let message = self.repository.commit_message(commit).ok()?;
        message
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    }
}

/// The folder of the ticket's files, as the source lock names it.
fn records_folder(run: &Run) -> Option<RepoPath> {
    let approval = run.source_lock()?.approval.path.to_str()?.to_owned();
    approval.rsplit_once('/').and_then(|(folder, _)| folder.parse().ok())
}

/// The sum of the line before the intent to prepare the delivery that counted.
fn head_before_delivery(records: &[Record]) -> Option<Digest> {
    records.iter().rev().find_map(|record| match &record.event {
        ledger_core::Event::Intended(ledger_core::Effect::PrepareDelivery { journal, .. }) => {
            let before = record
                .seq
                .checked_sub(1)
                .and_then(|seq| records.get(usize::try_from(seq).ok()?));
            before.map(|before| before.sum).filter(|sum| sum == journal)
        }
        _ => None,
    })
}
