//! The files that the tickets of a package consist of, which its lock has to name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use git_delivery::blob_id;
use ledger_core::{CoveredFile, Digest, Package, RepoPath, TicketFile, TicketId};

use crate::ledger::{FileProblem, Ledger, TicketFileName, TicketFolder};

/// The files of the tickets of a package, as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSources {
    /// Every file, in the order of the tickets; of each ticket contract, prompt, a plan that a person wrote, linked specs, and what else lies in its
    /// folder and is no record. One that two tickets link is there once.
    pub files: Vec<CoveredFile>,
    /// Their bytes.
    pub bytes: BTreeMap<RepoPath, Vec<u8>>,
}

/// A package whose tickets cannot be locked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceProblem {
    /// It lists a ticket that is not there.
    #[error("there is no ticket `{id}`")]
    NoTicket {
        /// The ticket.
        id: TicketId,
    },
    /// A file of a ticket is missing, is no plain file, or cannot be used.
    #[error("`{path}`: {problem}")]
    File {
        /// The file.
        path: RepoPath,
        /// What is wrong with it.
        problem: FileProblem,
    },
}

impl PackageSources {
    /// Reads the files of every ticket of a package, in a work tree or a commit, without following any symbolic link.
    pub fn of(ledger: &Ledger<'_>, package: &Package) -> Result<Self, SourceProblem> {
        let mut sources = Self::default();
        for id in &package.tickets {
            let folder = ledger
                .ticket(id)
                .ok_or_else(|| SourceProblem::NoTicket { id: id.clone() })?;
            sources.add(TicketSources::read(&folder)?);
        }
        Ok(sources)
    }

    /// Adds the files of one ticket.
    pub(super) fn add(&mut self, ticket: TicketSources) {
        for (file, bytes) in ticket.files {
            if let Entry::Vacant(free) = self.bytes.entry(file.path.clone()) {
                free.insert(bytes);
                self.files.push(file);
            }
        }
    }
}

/// The files of one ticket that a lock has to name, with their bytes.
pub(crate) struct TicketSources {
    pub(crate) files: Vec<(CoveredFile, Vec<u8>)>,
}

impl TicketSources {
    /// Reads them all.
    pub(crate) fn read(folder: &TicketFolder<'_>) -> Result<Self, SourceProblem> {
        let path = folder.path(TicketFileName::Ticket);
        let contract = whole(folder.read(TicketFileName::Ticket), &path)?;
        let ticket = TicketFile::parse(&contract).map_err(|error| in_file(&path, error.into()))?;
        Self::with_contract(folder, contract, &ticket)
    }

    /// Reads all but the contract, which is given as bytes and as what they say.
    pub(crate) fn with_contract(
        folder: &TicketFolder<'_>,
        contract: Vec<u8>,
        ticket: &TicketFile,
    ) -> Result<Self, SourceProblem> {
        let path = folder.path(TicketFileName::Ticket);
        let others = folder.other_files().map_err(|problem| in_file(&path, problem))?;
        let mut files = vec![(covered(&path, &contract)?, contract)];
        let path = folder.path(TicketFileName::Prompt);
        let prompt = whole(folder.read(TicketFileName::Prompt), &path)?;
        files.push((covered(&path, &prompt)?, prompt));
        let plan = folder.path(TicketFileName::Plan);
        if let Some(bytes) = folder.written_plan().map_err(|problem| in_file(&plan, problem))? {
            files.push((covered(&plan, &bytes)?, bytes));
        }
        for path in ticket.specs.files().chain(&others) {
            if files.iter().any(|(file, _)| file.path == *path) {
                continue;
            }
            let bytes = match archived(folder, path)? {
                Some(bytes) => bytes,
                None => whole(folder.read_path(path), path)?,
            };
            files.push((covered(path, &bytes)?, bytes));
        }
        Ok(Self { files })
    }
}

/// What stands now in the archive, of the specs of a ticket that is delivered; none where the file is in its place, or is no such one.
fn archived(folder: &TicketFolder<'_>, path: &RepoPath) -> Result<Option<Vec<u8>>, SourceProblem> {
    let read = |path: &RepoPath| folder.read_path(path).map_err(|problem| in_file(path, problem));
    if !folder.has(TicketFileName::Result) || read(path)?.is_some() {
        return Ok(None);
    }
    let Some(approval) = folder.approval().ok().flatten() else {
        return Ok(None);
    };
    let Some(file) = approval.file.iter().find(|file| file.path == *path) else {
        return Ok(None);
    };
    for place in folder.specs().archived(path) {
        match read(&place)? {
            None => break,
            Some(bytes) if Digest::of(&bytes) == file.sha256 => return Ok(Some(bytes)),
            Some(_) => {}
        }
    }
    Ok(None)
}

fn whole(read: Result<Option<Vec<u8>>, FileProblem>, path: &RepoPath) -> Result<Vec<u8>, SourceProblem> {
    read.and_then(|bytes| bytes.ok_or(FileProblem::Missing))
        .map_err(|problem| in_file(path, problem))
}

fn in_file(path: &RepoPath, problem: FileProblem) -> SourceProblem {
    SourceProblem::File {
        path: path.clone(),
        problem,
    }
}

/// A file as a lock names it.
fn covered(path: &RepoPath, bytes: &[u8]) -> Result<CoveredFile, SourceProblem> {
    Ok(CoveredFile {
        path: path.clone(),
        blob: blob_id(bytes).map_err(|error| in_file(path, error.into()))?,
        sha256: Digest::of(bytes),
    })
}
