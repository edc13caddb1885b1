//! Everything that is known of a run in one file, to be given to somebody who was not there: without secrets, without values
//! of the environment and without paths of the machine.

mod archive;
mod cleaning;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use git_delivery::{ObjectError, Repository, StoreError};
use ledger_core::{
    CheckResult, Digest, Event, EvidenceIndex, MAX_DOCUMENT_BYTES, Observation, Record, RepoPath, Run, RunId, State,
    Statement, TicketId, TreeId,
};
use serde::Serialize;

use crate::ledger::join;
use crate::lock::TicketLock;
use crate::logs::{LogError, LogOptions, RunLogs};
use crate::packet::ReviewPacket;
use crate::redact::Redactor;
use crate::run_files::RunFiles;
use crate::run_history::{HistoryError, JOURNAL, ReadRun, read_run, stored_file};
use crate::workspace::{PolicyFile, Workspace};
use archive::{Archive, Form};

/// The name of the manifest's format.
pub const BUNDLE_SCHEMA: &str = "counterfoil.bundle/1";

/// What is in a bundle, as its last file `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleManifest {
    /// [`BUNDLE_SCHEMA`].
    pub schema: &'static str,
    /// The version of foil that made it.
    pub foil: &'static str,
    /// The ticket.
    pub ticket: TicketId,
    /// The run.
    pub run: RunId,
    /// How the run stood: `done`, `blocked`, `canceled`, `paused` or `running`.
    pub state: &'static str,
    /// The sum of the journal's last line, which commits and receipts name.
    pub journal: Digest,
    /// Every other file, in the order in which they are in the bundle: that of their paths.
    pub files: Vec<BundledFile>,
    /// What there was and is no more, or what cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingFile>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundledFile {
    /// Its path below the bundle's only folder.
    pub path: String,
    /// What it is.
    pub what: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The digest of these bytes.
    pub sha256: Digest,
    /// The digest of what it was made of, where something had to be taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Digest>,
}

/// What a bundle goes without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingFile {
    /// Where it would be.
    pub path: String,
    /// Why it is not.
    pub reason: String,
}

/// A bundle cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The run cannot be found or read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What the worker said cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Something of it cannot be read from the repository.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same, of an object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The bundle, or a file that it is made by, cannot be written.
    #[error("the bundle cannot be written: {0}")]
    Write(io::Error),
    /// A file of the run cannot be read.
    #[error("`{path}` of the run cannot be read: {source}")]
    Read {
        /// Its path in the bundle.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// There is a file of this name, which stays as it is.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// Writes the bundle of a run, the latest one or the one that is wanted, as a tar archive. The same run gives the same bytes,
/// as long as nothing is written to it and the environment is the same.
///
/// `redactor` knows what must not leave beside what follows from the workspace, see [`Redactor::environment`]. Of a large
/// file only a part is in memory at any time.
pub fn write_bundle(
    workspace: &Workspace,
    ticket: &TicketId,
    wanted: Option<&RunId>,
    redactor: &Redactor,
    out: &mut dyn Write,
) -> Result<BundleManifest, BundleError> {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let read = read_run(repository, roots, ticket, wanted)?;
    let files = RunFiles::open(roots, ticket, &read.known.run).map_err(|source| BundleError::Read {
        path: JOURNAL.to_owned(),
        source,
    })?;
    let collection = Collection {
        workspace,
        ticket,
        files,
        redactor: redactor.clone().workspace(workspace),
        planned: BTreeMap::new(),
        missing: Vec::new(),
        read,
    };
    collection.write(out)
}

/// The same as a new file, which is there whole or not at all. Never takes the place of another.
pub fn bundle_to_file(
    workspace: &Workspace,
    ticket: &TicketId,
    wanted: Option<&RunId>,
    redactor: &Redactor,
    path: &Path,
) -> Result<BundleManifest, BundleError> {
    let exists = || BundleError::Exists { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(BundleError::Write)?;
    let mut out = io::BufWriter::new(file);
    let manifest = write_bundle(workspace, ticket, wanted, redactor, &mut out)?;
    let file = out
        .into_inner()
        .map_err(|error| BundleError::Write(error.into_error()))?;
    file.as_file().sync_all().map_err(BundleError::Write)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(manifest),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(error) => Err(BundleError::Write(error.error)),
    }
}

/// What goes into a bundle, before it is known whether it can be read.
struct Collection<'a> {
    workspace: &'a Workspace,
    ticket: &'a TicketId,
    read: ReadRun,
    /// The run's live folder, where it is there.
    files: Option<RunFiles>,
    redactor: Redactor,
    planned: BTreeMap<String, Planned>,
    missing: Vec<MissingFile>,
}

struct Planned {
    what: String,
    form: Form,
    source: Source,
}

enum Source {
    Bytes(Vec<u8>),
    File(File),
    /// What the agents said and did, as `foil logs` shows it.
    Transcript,
}

impl Collection<'_> {
    fn write(mut self, out: &mut dyn Write) -> Result<BundleManifest, BundleError> {
        self.plan_run()?;
        self.plan_source();
        self.plan_checks()?;
        self.plan_records()?;
        let run = &self.read.run;
        let root = format!("{}.{}", self.ticket, self.read.known.run);
        let mut archive = Archive::new(out, &root, self.redactor.clone());
        for (path, planned) in std::mem::take(&mut self.planned) {
            let (what, form) = (planned.what, planned.form);
            match planned.source {
                Source::Bytes(bytes) => archive.add(&path, what, form, &mut bytes.as_slice())?,
                Source::File(mut file) => archive.add(&path, what, form, &mut file)?,
                Source::Transcript => self.add_transcript(&mut archive, &path, what)?,
            }
        }
        self.missing.sort_by(|a, b| a.path.cmp(&b.path));
        archive.finish(|files| BundleManifest {
            schema: BUNDLE_SCHEMA,
            foil: env!("CARGO_PKG_VERSION"),
            ticket: self.ticket.clone(),
            run: self.read.known.run.clone(),
            state: self.state(run),
            journal: self.read.journal.head.sum,
            files,
            missing: self.missing.clone(),
        })
    }

    fn state(&self, run: &Run) -> &'static str {
        let locks = self.workspace.roots().locks();
        match run.state() {
            State::Done => "done",
            State::Blocked(_) => "blocked",
            State::Canceled { .. } => "canceled",
            State::Climbing | State::Paused { .. } if TicketLock::holder(&locks, self.ticket).is_some() => "running",
            State::Climbing | State::Paused { .. } => "paused",
        }
    }

    fn plan(&mut self, path: &str, what: &str, form: Form, source: Source) {
        let what = what.to_owned();
        self.planned.insert(path.to_owned(), Planned { what, form, source });
    }

    fn miss(&mut self, path: &str, reason: impl std::fmt::Display) {
        self.missing.push(MissingFile {
            path: path.to_owned(),
            reason: self.redactor.text(&reason.to_string()),
        });
    }

    fn repository(&self) -> &Repository {
        self.workspace.repository()
    }

    /// A file that is stored in Git with the run, where it is.
    fn stored(&self, path: &str) -> Result<Option<Vec<u8>>, BundleError> {
        match self.read.known.stored {
            Some(commit) => Ok(stored_file(self.repository(), commit, path)?),
            None => Ok(None),
        }
    }

    /// What tells of the run as a whole.
    fn plan_run(&mut self) -> Result<(), BundleError> {
        let live = self.live(JOURNAL)?;
        let journal = match live {
            Some(file) => Source::File(file),
            None => Source::Bytes(self.stored(JOURNAL)?.unwrap_or_default()),
        };
        // As far as it was read: its runner may write on.
        let lines = self.read.journal.head.next;
        self.plan(
            JOURNAL,
            "the journal: every event, chained",
            Form::JsonLines { lines },
            journal,
        );
        if self.files.is_some() {
            let what = "what the agents said and did, as `foil logs --json` shows it";
            self.plan("agent.jsonl", what, Form::Clean, Source::Transcript);
        } else {
            self.miss("agent.jsonl", "the run is kept in Git only, which has no transcript");
        }
        let packet = ReviewPacket::read(self.workspace, &self.read.run, self.ticket.as_str());
        let summary = Source::Bytes(packet.markdown().into_bytes());
        self.plan("summary.md", "what a person needs to judge it", Form::Text, summary);
        let receipt = self.read.run.receipt().cloned();
        if let Some(receipt) = &receipt {
            let what = "the proof of delivery";
            self.plan("receipt.json", what, Form::Json, Source::Bytes(receipt.to_bytes()));
            let statement = Statement::of(receipt).to_bytes();
            let what = "the same as an in-toto statement";
            self.plan("statement.json", what, Form::Json, Source::Bytes(statement));
        }
        if let Some(evidence) = EvidenceIndex::of(&self.read.run) {
            let what = "the evidence that the result rests on";
            self.plan("evidence.json", what, Form::Json, Source::Bytes(evidence.to_bytes()));
        }
        Ok(())
    }

    /// What was asked and allowed, as the run is bound to it.
    fn plan_source(&mut self) {
        if let Some(base) = self.read.run.base() {
            let path = PolicyFile::path();
            let name = format!("source/{path}");
            match self.repository().read_file_at(base, &path, MAX_DOCUMENT_BYTES as u64) {
                Ok(Some(bytes)) => self.plan(&name, "the policy of the run", Form::Text, Source::Bytes(bytes)),
                // Without a file everything is as by default.
                Ok(None) => {}
                Err(error) => self.miss(&name, error),
            }
        }
        let Some(lock) = self.read.run.source_lock().cloned() else {
            self.miss("source", "the run stopped before it was bound to its ticket");
            return;
        };
        let covered = lock.files.iter().map(|file| (file, "covered by the approval"));
        let others = lock.prompts.iter().map(|file| (file, "a prompt that the policy names"));
        let steering = lock
            .steering
            .iter()
            .map(|file| (file, "a steering pack that was given"));
        let approval = [(&lock.approval, "who approved which bytes")];
        for (file, what) in covered.chain(others).chain(steering).chain(approval) {
            let name = format!("source/{}", file.path);
            match self.repository().read_blob(file.blob, MAX_DOCUMENT_BYTES as u64) {
                Ok(bytes) if Digest::of(&bytes) == file.sha256 => {
                    self.plan(&name, what, Form::Text, Source::Bytes(bytes));
                }
                Ok(_) => self.miss(&name, "it is not what the run is bound to"),
                Err(error) => self.miss(&name, error),
            }
        }
    }

    /// What the checks printed, in the order in which they ran.
    fn plan_checks(&mut self) -> Result<(), BundleError> {
        let records = std::mem::take(&mut self.read.journal.records);
        for record in &records {
            for (place, result) in results_of(record).into_iter().enumerate() {
                let name = format!("checks/{:06}-{:02}-{}.txt", record.seq, place, file_name(&result.name));
                let what = format!("what the check `{}` printed: {}", result.name, result.ending());
                let hex = result.output.digest.hex();
                let live = self
                    .live(&format!("checks/{hex}"))?
                    .filter(|file| is_recorded(file, result));
                let source = match live {
                    Some(file) => Some(Source::File(file)),
                    None => {
                        let stored = self.stored(&format!("outputs/{hex}"))?;
                        let stored = stored.filter(|bytes| Digest::of(bytes) == result.output.digest);
                        stored.map(Source::Bytes)
                    }
                };
                let end = || Source::Bytes(result.output.tail.clone().into_bytes());
                if source.is_none() && result.output.kept_bytes > result.output.tail.len() as u64 {
                    self.miss(&name, "the whole output is no longer kept; the file has its end");
                }
                self.plan(&name, &what, Form::Text, source.unwrap_or_else(end));
            }
        }
        Ok(())
    }

    /// The records that were delivered with the change.
    fn plan_records(&mut self) -> Result<(), BundleError> {
        let delivered = self.read.run.receipt().and_then(|receipt| receipt.delivered.as_ref());
        let Some(commit) = delivered.map(|delivered| delivered.records) else {
            return Ok(());
        };
        let Ok(ledger) = self.workspace.policy().map(|policy| policy.ledger.dir.path().clone()) else {
            return Ok(());
        };
        let Some(folder) = join(&ledger, &format!("tickets/{}", self.ticket)) else {
            return Ok(());
        };
        let tree: TreeId = match self.repository().commit_tree_id(commit) {
            Ok(tree) => tree,
            Err(error) => {
                self.miss("records", error);
                return Ok(());
            }
        };
        let of_run = format!("\nrun: {}\n", self.read.known.run);
        for entry in self.repository().list_tree(tree, Some(&folder))? {
            let Some(name) = record_name(&entry.path, &folder).filter(|_| entry.side.mode.is_file()) else {
                continue;
            };
            let bytes = self.repository().read_blob(entry.side.id, MAX_DOCUMENT_BYTES as u64)?;
            // Those of earlier runs of the ticket are in the folder too.
            if bytes.windows(of_run.len()).any(|window| window == of_run.as_bytes()) {
                let path = format!("records/{name}");
                self.plan(&path, "a record that was delivered", Form::Text, Source::Bytes(bytes));
            }
        }
        Ok(())
    }

    fn live(&self, name: &str) -> Result<Option<File>, BundleError> {
        let Some(files) = &self.files else {
            return Ok(None);
        };
        files.file(name).map_err(|source| BundleError::Read {
            path: name.to_owned(),
            source,
        })
    }

    fn add_transcript(&self, archive: &mut Archive<'_>, path: &str, what: String) -> Result<(), BundleError> {
        let options = LogOptions {
            agent: true,
            checks: false,
            raw: false,
            redactor: self.redactor.clone(),
        };
        let roots = self.workspace.roots();
        let mut logs = RunLogs::open(
            self.repository(),
            roots,
            self.ticket,
            Some(&self.read.known.run),
            options,
        )?;
        archive.add_lines(path, what, |give| {
            let mut result = Ok(());
            logs.read_on(|line| {
                if result.is_ok() {
                    result = give(&line);
                }
            })?;
            result
        })
    }
}

/// The results that a record tells of, in the order in which the commands ran.
fn results_of(record: &Record) -> Vec<&CheckResult> {
    let Event::Observed { observation, .. } = &record.event else {
        return Vec::new();
    };
    match observation {
        Observation::ChecksRan { results, set_up, .. } => set_up.iter().chain(results).collect(),
        Observation::TestsCompared { ran, set_up, .. } => {
            set_up.iter().chain(ran.iter().flat_map(|run| &run.results)).collect()
        }
        Observation::PlacesReady { set_up, .. } => set_up.iter().collect(),
        _ => Vec::new(),
    }
}

/// Whether the bytes of this file are those that were recorded. It is then to be read from its beginning.
fn is_recorded(mut file: &File, result: &CheckResult) -> bool {
    use io::{Read as _, Seek as _};

    let (mut hashing, mut chunk) = (Digest::hashing(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hashing.update(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    hashing.digest() == result.output.digest && file.rewind().is_ok()
}

/// A name of a check as part of a file's name: at most 60 letters, digits, dots and dashes.
fn file_name(name: &str) -> String {
    let harmless = |character: char| match character {
        character if character.is_ascii_alphanumeric() || character == '.' => character,
        _ => '-',
    };
    name.chars().take(60).map(harmless).collect()
}

/// The name of a record that lies right in the folder of its ticket.
fn record_name(path: &RepoPath, folder: &RepoPath) -> Option<String> {
    let name = path.as_bytes().get(folder.as_bytes().len() + 1..)?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.contains('/'))?;
    let stem = name.strip_suffix(".md")?;
    let kind = stem.trim_end_matches(|character: char| character.is_ascii_digit());
    let kind = kind.strip_suffix('-').unwrap_or(kind);
    ["plan", "result", "review", "handoff"]
        .contains(&kind)
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checks_cannot_leave_their_folder() {
        assert_eq!(file_name("../../etc/passwd\n\u{202e}ä"), "..-..-etc-passwd---");
        assert_eq!(file_name(&"x".repeat(500)).len(), 60);
    }

    #[test]
    fn records_are_told_from_everything_else_in_their_folder() {
        let folder: RepoPath = "ledger/tickets/0001-a".parse().unwrap();
        let name = |path: &str| record_name(&format!("ledger/tickets/0001-a/{path}").parse().unwrap(), &folder);
        for record in ["result.md", "result-2.md", "handoff.md", "plan.md", "review-10.md"] {
            assert_eq!(name(record).as_deref(), Some(record));
        }
        for other in [
            "prompt.md",
            "result.txt",
            "deep/result.md",
            "results.md",
            "approval.toml",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
