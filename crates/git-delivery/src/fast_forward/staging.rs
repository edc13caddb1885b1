//! Files of a commit as `git checkout` would write them, in a folder of ours: line ends, encodings and link types are Git's to decide.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledger_core::{CommitId, EntryMode, RepoPath};

use super::work_tree::{Found, look};
use crate::beneath::Root;
use crate::git_program::GitProgramError;
use crate::repository::Repository;

/// Files of a commit, beside the user's work tree.
pub(super) struct Staging {
    files: PathBuf,
    index: PathBuf,
}

impl Staging {
    /// Makes room for files of this commit in a new folder.
    pub(super) fn of(repository: &Repository, folder: &Path, commit: CommitId) -> Result<Self, StagingError> {
        let staging = Self {
            files: folder.join("files"),
            index: folder.join("index"),
        };
        fs::create_dir_all(&staging.files).map_err(StagingError::Io)?;
        staging
            .call(repository, "read-tree")
            .arg(commit.to_string())
            .succeed()?;
        Ok(staging)
    }

    /// The first of these paths whose content is made by a program of the configuration, and the filter's name.
    pub(super) fn filtered(
        &self,
        repository: &Repository,
        paths: &[&RepoPath],
    ) -> Result<Option<(RepoPath, String)>, StagingError> {
        let input = nul_separated(paths);
        let answer = self
            .call(repository, "check-attr")
            .args(["--cached", "-z", "--stdin", "filter"])
            .stdin(&input)
            .succeed()?;
        let fields: Vec<_> = answer.stdout.split(|byte| *byte == 0).collect();
        for line in fields.chunks_exact(3) {
            let value = String::from_utf8_lossy(line[2]);
            if !matches!(&*value, "unspecified" | "unset" | "set") {
                let path = RepoPath::new(line[0]).map_err(|_| GitProgramError::Unreadable {
                    command: "check-attr".to_owned(),
                })?;
                return Ok(Some((path, value.into_owned())));
            }
        }
        Ok(None)
    }

    /// Writes these files. None of them may have a filter.
    pub(super) fn write(&self, repository: &Repository, paths: &[&RepoPath]) -> Result<(), StagingError> {
        let input = nul_separated(paths);
        self.call(repository, "checkout-index")
            .args(["--force", "-z", "--stdin"])
            .stdin(&input)
            .succeed()?;
        Ok(())
    }

    /// Where a file is that was written.
    pub(super) fn path(&self, path: &RepoPath) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.files.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
    }

    /// The kind and content of a file that was written.
    pub(super) fn side(&self, path: &RepoPath) -> io::Result<Option<(EntryMode, ledger_core::BlobId)>> {
        Ok(match look(&Root::open(&self.files)?, path)? {
            Found::File(content) if content.executable => Some((EntryMode::Executable, content.id)),
            Found::File(content) => Some((EntryMode::File, content.id)),
            Found::Link(content) => Some((EntryMode::Symlink, content.id)),
            _ => None,
        })
    }

    fn call<'a>(&self, repository: &Repository, name: &'static str) -> crate::git_program::Call<'a> {
        repository.git().on_index_at(name, &self.files, &self.index)
    }
}

/// Files cannot be staged.
#[derive(Debug, thiserror::Error)]
pub(super) enum StagingError {
    #[error(transparent)]
    Io(io::Error),
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// Paths as `-z --stdin` reads them.
pub(super) fn nul_separated(paths: &[&RepoPath]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
    }
    bytes
}
