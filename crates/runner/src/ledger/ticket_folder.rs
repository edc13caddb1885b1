//! One ticket's folder, read on demand.

use git_delivery::{ObjectError, Repository};
use ledger_core::{
    Approval, Cancellation, CommitId, CurrentIds, Digest, DocumentError, MAX_DOCUMENT_BYTES, PackageName, RepoPath,
    SpecFolder, SteeringName, TicketFile, TicketId, document_text,
};

use super::{Ledger, Source, folder_files, join};
use crate::beneath;
use crate::packages::package_path;
use crate::records::is_record_of;
use crate::specs::{current_beneath, current_files};

/// A file that a ticket's folder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TicketFileName {
    /// The contract.
    Ticket,
    /// What the worker is asked.
    Prompt,
    /// Who approved which bytes.
    Approval,
    /// Who canceled it.
    Canceled,
    /// The plan.
    Plan,
    /// The record of the run that delivered it.
    Result,
}

impl TicketFileName {
    /// The name in the folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket.toml",
            Self::Prompt => "prompt.md",
            Self::Approval => "approval.toml",
            Self::Canceled => "canceled.toml",
            Self::Plan => "plan.md",
            Self::Result => "result.md",
        }
    }
}

/// Why a file of the ledger cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// It is a folder, a symbolic link or the like.
    #[error("it is not a plain file, and symbolic links are not followed")]
    NotAFile,
    /// It is larger than any document.
    #[error("it has {bytes} bytes, more than the {MAX_DOCUMENT_BYTES} that are read")]
    TooLarge {
        /// How many bytes it has.
        bytes: u64,
    },
    /// The system or the object store refuses.
    #[error("it cannot be read: {reason}")]
    Unreadable {
        /// What was said.
        reason: String,
    },
    /// It is not what it should be.
    #[error("{0}")]
    Document(Box<DocumentError>),
}

impl From<DocumentError> for FileProblem {
    fn from(error: DocumentError) -> Self {
        Self::Document(Box::new(error))
    }
}

/// A ticket's folder. Nothing of it is read before it is asked for.
#[derive(Debug)]
pub struct TicketFolder<'a> {
    ledger: &'a Ledger<'a>,
    index: usize,
}

impl<'a> TicketFolder<'a> {
    pub(super) fn new(ledger: &'a Ledger<'a>, index: usize) -> Self {
        Self { ledger, index }
    }

    /// The ticket's id.
    pub fn id(&self) -> &'a TicketId {
        &self.ledger.ids[self.index]
    }

    /// Whether the ledger has a ticket of this name.
    pub fn knows(&self, id: &TicketId) -> bool {
        self.ledger.ids.binary_search(id).is_ok()
    }

    /// The path of one of its files in the repository.
    pub fn path(&self, name: TicketFileName) -> RepoPath {
        let below = format!("tickets/{}/{}", self.id(), name.as_str());
        join(&self.ledger.dir, &below).unwrap_or_else(|| self.ledger.dir.clone())
    }

    /// Where specs lie in the same ledger.
    pub fn specs(&self) -> SpecFolder {
        SpecFolder::of(&self.ledger.dir)
    }

    /// The path of a steering pack of the same ledger.
    pub fn steering_path(&self, name: &SteeringName) -> RepoPath {
        join(&self.ledger.dir, &format!("steering/{name}.md")).unwrap_or_else(|| self.ledger.dir.clone())
    }

    /// The bytes of one of its files. None if it is not there.
    pub fn read(&self, name: TicketFileName) -> Result<Option<Vec<u8>>, FileProblem> {
        let read = match &self.ledger.source {
            Source::Nowhere => return Ok(None),
            Source::WorkTree { tickets, .. } => {
                beneath::read_at(tickets, format!("{}/{}", self.id(), name.as_str()).as_bytes())
            }
            Source::Commit {
                repository, folders, ..
            } => match folders[self.index].get(name.as_str().as_bytes()) {
                None => return Ok(None),
                Some(side) if !side.mode.is_file() => Err(FileProblem::NotAFile),
                Some(side) => repository
                    .read_blob(side.id, MAX_DOCUMENT_BYTES as u64)
                    .map_err(FileProblem::from),
            },
        };
        match read {
            Err(FileProblem::Missing) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The bytes of any file of the same work tree or commit.
    pub fn read_path(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, FileProblem> {
        let read = match &self.ledger.source {
            Source::Nowhere => return Ok(None),
            Source::WorkTree { root, .. } => beneath::read_beneath(root, path),
            Source::Commit { repository, commit, .. } => return read_committed(repository, *commit, path),
        };
        match read {
            Err(FileProblem::Missing) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The requirements that the current specs of the same work tree or commit have, and where. Read once.
    pub(crate) fn current_ids(&self, specs: &SpecFolder) -> &CurrentIds {
        self.ledger.current.get_or_init(|| {
            let paths = match &self.ledger.source {
                Source::Nowhere => Vec::new(),
                Source::WorkTree { root, .. } => current_beneath(root, specs),
                Source::Commit { repository, commit, .. } => {
                    let tree = repository.commit_tree_id(*commit);
                    // What cannot be listed is told by whoever reads a file of it.
                    tree.and_then(|tree| current_files(repository, tree, specs))
                        .unwrap_or_default()
                }
            };
            let mut ids = CurrentIds::default();
            for path in paths {
                if let Ok(Some(bytes)) = self.read_path(&path) {
                    ids.add(&path, &bytes);
                }
            }
            ids
        })
    }

    /// The file of a package in the same ledger.
    pub fn package_path(&self, name: &PackageName) -> Option<RepoPath> {
        package_path(&self.ledger.dir, name)
    }

    /// Digest of the file of a package in the same ledger; none where there is none.
    pub(crate) fn package_digest(&self, name: &PackageName) -> Result<Option<Digest>, FileProblem> {
        self.ledger.package_digest(name, || {
            let Some(path) = self.package_path(name) else {
                return Ok(None);
            };
            Ok(self.read_path(&path)?.map(Digest::of))
        })
    }

    /// What lies in the folder beside contract, prompt and records, however deep, in the order of the paths. In a work tree, hidden
    /// files and those whose names end in `~` are left out; in a commit nothing is.
    pub fn other_files(&self) -> Result<Vec<RepoPath>, FileProblem> {
        let Some(folder) = join(&self.ledger.dir, &format!("tickets/{}", self.id())) else {
            return Ok(Vec::new());
        };
        let mut paths = match &self.ledger.source {
            Source::Nowhere => return Ok(Vec::new()),
            Source::WorkTree { tickets, .. } => folder_files::below(tickets, self.id(), folder.as_bytes())?,
            Source::Commit { repository, commit, .. } => {
                let tree = repository.commit_tree_id(*commit)?;
                let entries = repository.list_tree(tree, Some(&folder))?;
                if entries.len() > folder_files::MOST_FILES {
                    return Err(folder_files::too_many());
                }
                entries.into_iter().map(|entry| entry.path).collect()
            }
        };
        let beginning = folder.as_bytes().len() + 1;
        paths.retain(|path| {
            let name = path.as_bytes().get(beginning..).unwrap_or_default();
            name != b"ticket.toml" && name != b"prompt.md" && !folder_files::is_record(name)
        });
        Ok(paths)
    }

    /// Whether the folder has something of this name, whatever it is.
    pub fn has(&self, name: TicketFileName) -> bool {
        match &self.ledger.source {
            Source::Nowhere => false,
            Source::WorkTree { tickets, .. } => {
                let path = format!("{}/{}", self.id(), name.as_str());
                rustix::fs::statat(tickets, path.as_str(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
            }
            Source::Commit { folders, .. } => folders[self.index].contains_key(name.as_str().as_bytes()),
        }
    }

    /// The ticket's contract.
    pub fn ticket(&self) -> Result<TicketFile, FileProblem> {
        self.contract().1
    }

    /// The bytes of the ticket's contract, empty where they cannot be read, and what they say.
    pub(crate) fn contract(&self) -> (Vec<u8>, Result<TicketFile, FileProblem>) {
        match self.read(TicketFileName::Ticket) {
            Ok(Some(bytes)) => {
                let ticket = TicketFile::parse(&bytes).map_err(FileProblem::from);
                (bytes, ticket)
            }
            Ok(None) => (Vec::new(), Err(FileProblem::Missing)),
            Err(problem) => (Vec::new(), Err(problem)),
        }
    }

    /// What the worker is asked.
    pub fn prompt(&self) -> Result<String, FileProblem> {
        let bytes = self.read(TicketFileName::Prompt)?.ok_or(FileProblem::Missing)?;
        Ok(document_text(&bytes)?.to_owned())
    }

    /// The plan that a person wrote; none where there is none, or only the record of a run.
    pub fn written_plan(&self) -> Result<Option<Vec<u8>>, FileProblem> {
        if !self.has(TicketFileName::Plan) {
            return Ok(None);
        }
        let bytes = self.read(TicketFileName::Plan)?;
        Ok(bytes.filter(|bytes| !is_record_of(bytes, "plan")))
    }

    /// The approval, where there is one.
    pub fn approval(&self) -> Result<Option<Approval>, FileProblem> {
        let bytes = self.read(TicketFileName::Approval)?;
        Ok(bytes.map(|bytes| Approval::parse(&bytes)).transpose()?)
    }

    /// The cancellation, where there is one.
    pub fn cancellation(&self) -> Result<Option<Cancellation>, FileProblem> {
        let bytes = self.read(TicketFileName::Canceled)?;
        Ok(bytes.map(|bytes| Cancellation::parse(&bytes)).transpose()?)
    }
}

/// The bytes of a file of a commit; none where there is nothing. What is there and is no plain file is told.
pub(crate) fn read_committed(
    repository: &Repository,
    commit: CommitId,
    path: &RepoPath,
) -> Result<Option<Vec<u8>>, FileProblem> {
    let tree = repository.commit_tree_id(commit)?;
    match repository.entry_at(tree, path)? {
        None => Ok(None),
        Some(side) if side.mode.is_file() => Ok(Some(repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64)?)),
        Some(_) => Err(FileProblem::NotAFile),
    }
}

impl From<ObjectError> for FileProblem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::TooLarge { size, .. } => Self::TooLarge { bytes: size },
            other => Self::Unreadable {
                reason: other.to_string(),
            },
        }
    }
}
