//! The files that a run is pinned to by the lock of its package.

use git_delivery::{ObjectError, Repository};
use ledger_core::{
    CoveredFile, Digest, DocumentError, MAX_DOCUMENT_BYTES, Package, PackageName, RepoPath, Side, SourceLock,
    SpecFolder, TicketId, TreeId,
};

use crate::ledger::join;

/// The package of a run cannot be read as it was approved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinnedError {
    /// Its bytes are gone from the repository.
    #[error("the package `{path}` cannot be read as it was approved: {source}")]
    Object {
        /// Its file.
        path: RepoPath,
        /// Why.
        source: ObjectError,
    },
    /// They are others than the digest says.
    #[error("the package `{path}` is not what was approved")]
    Digest {
        /// Its file.
        path: RepoPath,
    },
    /// Nobody has approved it with the ticket.
    #[error("the package of the ticket is not among what was approved")]
    NotCovered,
    /// They are no package.
    #[error("the package `{path}` cannot be used: {source}")]
    Document {
        /// Its file.
        path: RepoPath,
        /// Why.
        source: DocumentError,
    },
}

/// The files of all tickets of its package, which the person agreed to with the ticket; none where it is of no package.
pub(crate) fn pinned_files(
    repository: &Repository,
    lock: &SourceLock,
    ticket: &TicketId,
    named: Option<&PackageName>,
) -> Result<Vec<CoveredFile>, PinnedError> {
    match (package_of_run(lock, ticket), named) {
        (Some(file), _) => Ok(approved_package(repository, file)?.lock),
        (None, Some(_)) => Err(PinnedError::NotCovered),
        (None, None) => Ok(Vec::new()),
    }
}

/// Whether a tree has a pinned file as it was locked: in its place, or, where it is of the specs of a ticket that was delivered since, where those
/// are archived.
pub(crate) fn is_as_pinned(
    repository: &Repository,
    tree: TreeId,
    ledger: &RepoPath,
    file: &CoveredFile,
) -> Result<bool, ObjectError> {
    // A link whose target reads like the file is another thing.
    let is_it = |side: Side| side.mode.is_file() && side.id == file.blob;
    if let Some(side) = repository.entry_at(tree, &file.path)? {
        return Ok(is_it(side));
    }
    for path in SpecFolder::of(ledger).archived(&file.path) {
        match repository.entry_at(tree, &path)? {
            None => break,
            Some(side) if is_it(side) => return Ok(true),
            Some(_) => {}
        }
    }
    Ok(false)
}

/// A package as it was approved, whose lock pins the files of all its tickets.
fn approved_package(repository: &Repository, file: &CoveredFile) -> Result<Package, PinnedError> {
    let path = file.path.clone();
    let bytes = match repository.read_blob(file.blob, MAX_DOCUMENT_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(source) => return Err(PinnedError::Object { path, source }),
    };
    if Digest::of(&bytes) != file.sha256 {
        return Err(PinnedError::Digest { path });
    }
    Package::parse(&bytes).map_err(|source| PinnedError::Document { path, source })
}

/// The package among the sources of a run of this ticket, by where it lies beside the approval; none where there is none.
fn package_of_run<'a>(lock: &'a SourceLock, ticket: &TicketId) -> Option<&'a CoveredFile> {
    let approval = lock.approval.path.to_str()?;
    let dir: RepoPath = approval
        .strip_suffix(&format!("/tickets/{ticket}/approval.toml"))?
        .parse()
        .ok()?;
    let folder = join(&dir, "packages")?;
    lock.files.iter().find(|file| {
        let below = file.path.as_bytes().strip_prefix(folder.as_bytes());
        below.is_some_and(|rest| rest.starts_with(b"/") && rest.ends_with(b".toml"))
    })
}
