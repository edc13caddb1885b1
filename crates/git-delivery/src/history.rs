//! Where something came into a history.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use ledger_core::{CommitId, RepoPath};

use crate::git_program::GitProgramError;
use crate::objects::{ObjectError, damaged, ours, theirs};
use crate::repository::Repository;

impl Repository {
    /// The commit of this history that first added a file; none where none did. A merge that only brings what was added elsewhere is none.
    pub fn added_by(&self, tip: CommitId, path: &RepoPath) -> Result<Option<CommitId>, GitProgramError> {
        let call = self.git().reading("log");
        let listed = call
            .args(["--format=%H", "--diff-filter=A", "--no-renames", "--no-show-signature"])
            .args([tip.to_string(), "--".to_owned()])
            .arg(OsStr::from_bytes(path.as_bytes()))
            .succeed()?;
        let oldest = listed
            .stdout
            .split(|byte| *byte == b'\n')
            .rfind(|line| !line.is_empty());
        Ok(oldest.and_then(|line| std::str::from_utf8(line).ok()?.parse().ok()))
    }

    /// The best commit that both go on from; none where their histories have nothing in common.
    pub fn merge_base(&self, one: CommitId, other: CommitId) -> Result<Option<CommitId>, ObjectError> {
        if one == other {
            return Ok(Some(one));
        }
        let local = self.local();
        let found = local.merge_base(theirs(one.0), theirs(other.0));
        let found = found.map_err(|error| damaged(one.0, error))?;
        found.map(|id| ours(id.detach()).map(CommitId)).transpose()
    }
}
