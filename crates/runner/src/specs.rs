//! The specs that a ticket links: read from where its ledger is, and held against the ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git_delivery::{ObjectError, Repository};
use ledger_core::{
    Approval, CurrentIds, CurrentProblem, DeltaHandling, Digest, DocumentError, EntryMode, MAX_DOCUMENT_BYTES,
    ReplacedRequirement, RepoPath, SourceLock, SpecFolder, SpecKind, SpecReading, SpecSet, SpecSeverity, SpecSources,
    TicketFile, TicketId, TreeId, document_text, replaced_by, with_delta,
};
use policy::{
    ClaimedSpec, Policy, PolicyScope, SpecClaim, SpecConflict, TracePlace, has_specs, open_spec_decisions,
    spec_conflicts, trace_gaps,
};

use crate::approve::is_delivered;
use crate::beneath::folders_beneath;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{Ledger, TicketFileName, TicketFolder, join};
use crate::workspace::Workspace;

/// The specs of a ticket, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedSpecs {
    /// What they say.
    pub set: SpecSet,
    /// The name of their folder.
    pub name: TicketId,
    /// Their files, in a fixed order.
    pub files: Vec<LinkedSpec>,
    /// Where specs lie in this ledger.
    pub folder: SpecFolder,
}

/// A file of a ticket's specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedSpec {
    /// Which.
    pub kind: SpecKind,
    /// Its path.
    pub path: RepoPath,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl LinkedSpec {
    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// The files of the current specs that differ, or what cannot be brought into them.
pub(crate) type Brought = Result<BTreeMap<RepoPath, Vec<u8>>, Vec<CurrentProblem>>;

impl LinkedSpecs {
    /// The files of the current specs that the delta names, as they are in a tree.
    pub(crate) fn current_in(
        &self,
        repository: &Repository,
        tree: TreeId,
    ) -> Result<BTreeMap<RepoPath, Option<Vec<u8>>>, ObjectError> {
        let mut current = BTreeMap::new();
        for path in self.current_paths() {
            current.insert(path.clone(), current_file(repository, tree, path)?);
        }
        Ok(current)
    }

    /// The current specs of a tree once this change is delivered: the files that differ, whole. Else what cannot be brought into them.
    pub(crate) fn brought_into(&self, repository: &Repository, tree: TreeId) -> Result<Brought, ObjectError> {
        let taken = ids_in(repository, tree, &self.folder)?.taken_by(&self.set);
        Ok(match taken.is_empty() {
            true => with_delta(&self.set, &self.current_in(repository, tree)?),
            false => Err(taken),
        })
    }

    /// The first requirement that the delta replaces and that is another in the second tree.
    pub(crate) fn overtaken_between(
        &self,
        repository: &Repository,
        before: TreeId,
        after: TreeId,
    ) -> Result<Option<ReplacedRequirement>, ObjectError> {
        let replaced = replaced_by(&self.set, &self.current_in(repository, before)?);
        Ok(overtaken_in(repository, after, &replaced)?.into_iter().next())
    }

    fn current_paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.set
            .delta
            .iter()
            .flat_map(|delta| &delta.items)
            .map(|item| &item.current)
    }

    /// The specs that a ticket links, as they are in a tree; none where they cannot be used.
    pub(crate) fn in_tree(
        repository: &Repository,
        tree: TreeId,
        ticket: &TicketFile,
        ledger: &RepoPath,
    ) -> Option<Self> {
        let folder = SpecFolder::of(ledger);
        let mut files = Vec::new();
        for kind in SpecKind::ALL.into_iter().filter(|_| has_specs(ticket)) {
            let Some(path) = ticket.specs.file(kind) else { continue };
            let side = repository.entry_at(tree, path).ok()??;
            files.push(LinkedSpec {
                kind,
                path: path.clone(),
                bytes: repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64).ok()?,
            });
        }
        let first = files.first()?;
        let name = folder.change_of(&first.path, first.kind)?;
        let is_in_place = |file: &LinkedSpec| folder.change_of(&file.path, file.kind).as_ref() == Some(&name);
        let set = read_set(&files).set.filter(|_| files.iter().all(is_in_place))?;
        Some(Self {
            set,
            name,
            files,
            folder,
        })
    }

    /// What the ticket works on.
    pub(crate) fn claim(&self, id: &TicketId, ticket: &TicketFile) -> Option<SpecClaim> {
        let requirements = self.files.first()?.path.clone();
        Some(SpecClaim::new(id.clone(), ticket, requirements, &self.set))
    }
}

/// The files of the current specs in a tree.
pub(crate) fn current_files(
    repository: &Repository,
    tree: TreeId,
    specs: &SpecFolder,
) -> Result<Vec<RepoPath>, ObjectError> {
    let listed = repository.list_tree(tree, Some(specs.path()))?;
    let paths = listed.into_iter().map(|entry| entry.path);
    Ok(paths.filter(|path| specs.is_current(path)).collect())
}

/// The files of the current specs in a work tree.
pub(crate) fn current_beneath(root: &Path, specs: &SpecFolder) -> Vec<RepoPath> {
    let Some(folder) = join(specs.path(), "current") else {
        return Vec::new();
    };
    let files = folders_beneath(root, &folder).into_iter();
    let paths = files.filter_map(|name| join(&folder, &format!("{name}/requirements.md")));
    paths.filter(|path| specs.is_current(path)).collect()
}

/// The requirements of the current specs in a tree, and where they are.
fn ids_in(repository: &Repository, tree: TreeId, specs: &SpecFolder) -> Result<CurrentIds, ObjectError> {
    let mut ids = CurrentIds::default();
    for path in current_files(repository, tree, specs)? {
        if let Some(bytes) = current_file(repository, tree, &path)? {
            ids.add(&path, &bytes);
        }
    }
    Ok(ids)
}

/// A file of the current specs in a tree; none where it is not there.
fn current_file(repository: &Repository, tree: TreeId, path: &RepoPath) -> Result<Option<Vec<u8>>, ObjectError> {
    match repository.entry_at(tree, path)? {
        None => Ok(None),
        Some(side) if matches!(side.mode, EntryMode::File | EntryMode::Executable) => {
            Ok(Some(repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64)?))
        }
        // What is no plain file has no requirements, and is not replaced by one.
        Some(_) => Ok(Some(Vec::new())),
    }
}

/// Those of these requirements of which the current specs of a tree say something else.
pub(crate) fn overtaken_in(
    repository: &Repository,
    tree: TreeId,
    replaced: &[ReplacedRequirement],
) -> Result<Vec<ReplacedRequirement>, ObjectError> {
    let mut overtaken = Vec::new();
    for replaced in replaced {
        let bytes = current_file(repository, tree, &replaced.path)?;
        if !replaced.is_in(bytes.as_deref()) {
            overtaken.push(replaced.clone());
        }
    }
    Ok(overtaken)
}

/// The approval that a run was started with; the reason where it cannot be read.
pub(crate) fn approval_of(repository: &Repository, lock: &SourceLock) -> Result<Approval, String> {
    let bytes = repository.read_blob(lock.approval.blob, MAX_DOCUMENT_BYTES as u64);
    Approval::parse(&bytes.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// What came of reading the specs that a ticket links.
#[derive(Debug, Default)]
pub(crate) struct SpecReport {
    /// They, where they can be used.
    pub(crate) specs: Option<LinkedSpecs>,
    /// What is wrong with them, unfinished, or does not fit the ticket.
    pub(crate) findings: Vec<Finding>,
    /// What nobody has decided yet.
    pub(crate) open: Vec<String>,
}

impl SpecReport {
    /// Reads the specs where the ticket's folder is. Nothing for a ticket that has none, and for one that is delivered or closed: its specs
    /// may be in the archive.
    pub(crate) fn read(
        folder: &TicketFolder<'_>,
        ticket: &TicketFile,
        contract: &[u8],
        scope: &PolicyScope<'_>,
    ) -> Self {
        let Some(mut reader) = Reader::new(folder, ticket, contract, scope.policy()) else {
            return Self::default();
        };
        let Some(specs) = reader.linked() else {
            return Self {
                findings: reader.findings,
                ..Self::default()
            };
        };
        reader.traces(scope, &specs);
        reader.delta(&specs);
        let open = open_spec_decisions(&specs.set);
        reader.open(&open);
        Self {
            specs: Some(specs),
            findings: reader.findings,
            open,
        }
    }

    /// The first reason why a run cannot rest on them.
    pub(crate) fn refusal(&self) -> Option<String> {
        let grave = |finding: &&Finding| finding.severity >= FindingSeverity::Unfinished;
        let first = self.findings.iter().find(grave)?;
        let place = match first.line {
            Some(line) => format!("{}:{line}", first.path),
            None => first.path.to_string(),
        };
        Some(format!("`{place}`: {}", first.message))
    }
}

struct Reader<'a, 'b> {
    folder: &'a TicketFolder<'b>,
    ticket: &'a TicketFile,
    contract: &'a [u8],
    specs: SpecFolder,
    findings: Vec<Finding>,
}

impl<'a, 'b> Reader<'a, 'b> {
    /// None for a ticket that has no specs, and for one that is delivered or closed.
    fn new(folder: &'a TicketFolder<'b>, ticket: &'a TicketFile, contract: &'a [u8], policy: &Policy) -> Option<Self> {
        if !has_specs(ticket) || folder.has(TicketFileName::Result) || folder.has(TicketFileName::Canceled) {
            return None;
        }
        Some(Self {
            folder,
            ticket,
            contract,
            specs: SpecFolder::of(policy.ledger.dir.path()),
            findings: Vec::new(),
        })
    }

    /// What the ticket links, where all of it can be read.
    fn linked(&mut self) -> Option<LinkedSpecs> {
        let (name, files) = self.files()?;
        Some(LinkedSpecs {
            set: self.set(&files)?,
            name,
            files,
            folder: self.specs.clone(),
        })
    }

    fn in_ticket(&mut self, severity: FindingSeverity, keys: &[&str], message: String, hint: &str) {
        let path = self.folder.path(TicketFileName::Ticket);
        let finding = Finding::at(severity, path, self.contract, keys, message);
        self.findings.push(finding.with_hint(hint));
    }

    fn in_spec(
        &mut self,
        severity: FindingSeverity,
        spec: &LinkedSpec,
        at: std::ops::Range<usize>,
        message: String,
        hint: &str,
    ) {
        let text = document_text(&spec.bytes).unwrap_or_default();
        let error = DocumentError::at(text, at, message).with_hint(hint);
        self.findings.push(Finding {
            severity,
            ..Finding::in_document(spec.path.clone(), &error)
        });
    }

    /// The linked files and the name of the folder that they lie in, which has to be one.
    fn files(&mut self) -> Option<(TicketId, Vec<LinkedSpec>)> {
        let (mut files, mut name, mut complete) = (Vec::new(), None, true);
        for kind in SpecKind::ALL {
            let Some(path) = self.ticket.specs.file(kind) else {
                continue;
            };
            let keys = ["specs", kind.as_str()];
            let expected = self.specs.change_file(name.as_ref().unwrap_or(self.folder.id()), kind);
            match self.specs.change_of(path, kind) {
                Some(found) if name.as_ref().is_none_or(|name| *name == found) => name = Some(found),
                _ => {
                    let message = format!("`{path}` is not where the specs of a change lie");
                    self.in_ticket(FindingSeverity::Error, &keys, message, &format!("it is `{expected}`"));
                    complete = false;
                    continue;
                }
            }
            match self.folder.read_path(path) {
                Ok(Some(bytes)) => files.push(LinkedSpec {
                    kind,
                    path: path.clone(),
                    bytes,
                }),
                Ok(None) => {
                    let message = format!("the linked spec `{path}` does not exist");
                    self.in_ticket(
                        FindingSeverity::Error,
                        &keys,
                        message,
                        "write it; `foil new --spec` shows how it begins",
                    );
                    complete = false;
                }
                Err(problem) => {
                    self.findings.push(Finding::in_file(path.clone(), &problem));
                    complete = false;
                }
            }
        }
        name.filter(|_| complete).map(|name| (name, files))
    }

    fn set(&mut self, files: &[LinkedSpec]) -> Option<SpecSet> {
        let reading = read_set(files);
        for problem in &reading.problems {
            let Some(file) = files.iter().find(|file| file.kind == problem.kind) else {
                continue;
            };
            let severity = match problem.severity {
                SpecSeverity::Error => FindingSeverity::Error,
                SpecSeverity::Unfinished => FindingSeverity::Unfinished,
            };
            self.findings.push(Finding {
                severity,
                ..Finding::in_document(file.path.clone(), &problem.error)
            });
        }
        reading.set
    }

    /// What breaks off between the ticket and its specs.
    fn traces(&mut self, scope: &PolicyScope<'_>, specs: &LinkedSpecs) {
        for gap in trace_gaps(scope, self.folder.id(), self.ticket, &specs.set) {
            match gap.place {
                TracePlace::Ticket { keys } => {
                    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                    self.in_ticket(FindingSeverity::Unfinished, &keys, gap.message, &gap.hint);
                }
                TracePlace::Spec { kind, at } => {
                    if let Some(file) = specs.files.iter().find(|file| file.kind == kind) {
                        self.in_spec(FindingSeverity::Unfinished, file, at, gap.message, &gap.hint);
                    }
                }
            }
        }
    }

    /// Whether the delta can be brought into the current specs as they are now.
    fn delta(&mut self, specs: &LinkedSpecs) {
        let file = specs.files.iter().find(|file| file.kind == SpecKind::Delta);
        let (Some(delta), Some(file)) = (&specs.set.delta, file) else {
            return;
        };
        let mut current = BTreeMap::new();
        for item in &delta.items {
            if !self.specs.is_current(&item.current) {
                let message = format!("`{}` is not where current requirements lie", item.current);
                let hint = format!("it is `{}/current/<name>/requirements.md`", self.specs.path());
                self.in_spec(FindingSeverity::Error, file, item.at.clone(), message, &hint);
                continue;
            }
            match self.folder.read_path(&item.current) {
                Ok(bytes) => drop(current.insert(item.current.clone(), bytes)),
                Err(problem) => self.findings.push(Finding::in_file(item.current.clone(), &problem)),
            }
            if let Some(DeltaHandling::Deferred { follow_up, .. }) = delta.exception(&item.id)
                && !self.folder.knows(follow_up)
            {
                let message = format!(
                    "`{}` is deferred to ticket `{follow_up}`, which does not exist",
                    item.id
                );
                let hint = "write that ticket, or name one that is there";
                self.in_spec(FindingSeverity::Unfinished, file, item.at.clone(), message, hint);
            }
        }
        for problem in self.folder.current_ids(&self.specs).taken_by(&specs.set) {
            let hint = "`foil new --spec` gives the next free number";
            self.in_spec(
                FindingSeverity::Unfinished,
                file,
                problem.at.clone(),
                problem.to_string(),
                hint,
            );
        }
        for problem in with_delta(&specs.set, &current).err().into_iter().flatten() {
            // What comes first may bring what is missing; the run sees it on its base.
            let (severity, hint) = match self.ticket.depends_on.is_empty() && self.ticket.package.is_none() {
                true => (
                    FindingSeverity::Unfinished,
                    "look at what is current there, and mend the delta",
                ),
                false => (
                    FindingSeverity::Warning,
                    "it has to fit once what the ticket depends on is delivered",
                ),
            };
            self.in_spec(severity, file, problem.at.clone(), problem.to_string(), hint);
        }
    }

    fn open(&mut self, open: &[String]) {
        if let Some(first) = open.first() {
            let more = match open.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!("`{first}`{more} in the specs blocks the ticket until it is accepted");
            let hint = "decide it, and set the status to `accepted`";
            self.in_ticket(FindingSeverity::Warning, &["specs"], message, hint);
        }
    }
}

fn read_set(files: &[LinkedSpec]) -> SpecReading {
    let of = |kind| {
        files
            .iter()
            .find(|file| file.kind == kind)
            .map(|file| file.bytes.as_slice())
    };
    SpecSet::read(SpecSources {
        requirements: of(SpecKind::Requirements).unwrap_or_default(),
        design: of(SpecKind::Design).unwrap_or_default(),
        tasks: of(SpecKind::Tasks).unwrap_or_default(),
        delta: of(SpecKind::Delta),
    })
}

/// What every open ticket of a ledger with specs works on.
pub(crate) fn open_claims(workspace: &Workspace, ledger: &Ledger<'_>, policy: &Policy) -> Vec<SpecClaim> {
    let claims = ledger.map(|folder| claim_of(workspace, folder, &folder.ticket().ok()?, policy));
    claims.into_iter().flatten().collect()
}

/// What one ticket works on, where it is open and has specs. Where these have a mistake, it works on all that they name.
pub(crate) fn claim_of(
    workspace: &Workspace,
    folder: &TicketFolder<'_>,
    ticket: &TicketFile,
    policy: &Policy,
) -> Option<SpecClaim> {
    let specs = Reader::new(folder, ticket, b"", policy)?.linked();
    let claim = match specs {
        Some(specs) => specs.claim(folder.id(), ticket),
        None => unreadable_claim(folder, ticket, policy),
    };
    claim.filter(|_| !is_delivered(workspace, folder))
}

/// What a ticket works on as far as can be told, where its specs cannot be used; none where it has none, or is delivered or closed.
pub(crate) fn unreadable_claim(folder: &TicketFolder<'_>, ticket: &TicketFile, policy: &Policy) -> Option<SpecClaim> {
    let reader = Reader::new(folder, ticket, b"", policy)?;
    let read = |path: &RepoPath| folder.read_path(path).ok().flatten();
    let files: Vec<_> = ticket.specs.files().filter_map(read).collect();
    let texts: Vec<_> = files.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    let texts = texts.iter().map(|text| text.as_ref());
    Some(SpecClaim::of_unreadable(
        folder.id().clone(),
        ticket,
        &reader.specs,
        texts,
    ))
}

/// The requirements that the delta of a ticket replaces, as they are required where its folder is. Those that a ticket before it works on
/// too, and that is not merged there, are left out: what they will say is not known yet.
pub(crate) fn replaced_in(
    folder: &TicketFolder<'_>,
    ticket: &TicketFile,
    policy: &Policy,
    before: &[TicketFolder<'_>],
) -> Vec<ReplacedRequirement> {
    let linked = |folder: &TicketFolder<'_>, ticket: &TicketFile| Reader::new(folder, ticket, b"", policy)?.linked();
    let Some(specs) = linked(folder, ticket) else {
        return Vec::new();
    };
    let read = |path: &RepoPath| (path.clone(), folder.read_path(path).ok().flatten());
    let current = specs.current_paths().map(read).collect();
    let claimed = before.iter().filter_map(|other| {
        let ticket = other.ticket().ok()?;
        linked(other, &ticket)?.claim(other.id(), &ticket)
    });
    let claimed: BTreeSet<_> = claimed.flat_map(|claim| claim.on).collect();
    let mut replaced = replaced_by(&specs.set, &current);
    replaced.retain(|item| !claimed.contains(&ClaimedSpec::Requirement(item.requirement.clone())));
    replaced
}

/// What others work on at the same time as this ticket with these specs.
pub(crate) fn conflicts_with(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    policy: &Policy,
    id: &TicketId,
    own: &SpecClaim,
) -> Vec<SpecConflict> {
    let mut claims = open_claims(workspace, ledger, policy);
    claims.retain(|claim| claim.ticket != *id);
    claims.push(own.clone());
    spec_conflicts(&claims).remove(id).unwrap_or_default()
}

/// What is told of a conflict at the ticket.
pub(crate) fn conflict_findings(
    folder: &TicketFolder<'_>,
    contract: &[u8],
    conflicts: &[SpecConflict],
) -> Vec<Finding> {
    let path = folder.path(TicketFileName::Ticket);
    let finding = |conflict: &SpecConflict| {
        let (own, other) = (folder.id(), &conflict.other);
        let message = format!("`{own}` and `{other}` are both open, and both work on {}", conflict.on);
        let severity = FindingSeverity::Unfinished;
        Finding::at(severity, path.clone(), contract, &["specs"], message).with_hint(format!(
            "name `{other}` in `depends_on`, or this one in that of `{other}`; or take it out of one"
        ))
    };
    conflicts.iter().map(finding).collect()
}
