//! The difference between two trees as people and tools read it, and as those who look for secrets read it.

use ledger_core::{BlobId, ChangeSet, EntryMode, RepoPath, TreeId};

use crate::git_program::GitProgramError;
use crate::objects::ObjectError;
use crate::repository::Repository;

/// A difference cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// A patch that `git apply` accepts, unless it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The patch. Any bytes: files need not be UTF-8.
    pub bytes: Vec<u8>,
    /// Whether it was cut at the limit.
    pub truncated: bool,
}

/// How many lines of a file changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineCount {
    /// The path in the newer tree, or in the older for a file that is gone.
    pub path: RepoPath,
    /// The path in the older tree, for a rename.
    pub renamed_from: Option<RepoPath>,
    /// Lines added and removed; nothing for a binary file.
    pub lines: Option<(u64, u64)>,
}

/// Nothing of the user's configuration changes what a patch looks like, so that the same trees give the same bytes.
const STABLE: [&str; 11] = [
    "-r",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--ignore-submodules=none",
    "--submodule=short",
    "--diff-algorithm=histogram",
    "-O/dev/null",
    "--find-renames=50%",
    "-l400",
];

impl Repository {
    /// The change from one tree to another as a patch of at most `limit` bytes.
    pub fn patch(&self, before: TreeId, after: TreeId, limit: u64) -> Result<Patch, DiffError> {
        let answer = self
            .git()
            .reading("diff-tree")
            .args(STABLE)
            .args([
                "-p",
                "--binary",
                "--full-index",
                "--unified=3",
                "--inter-hunk-context=0",
            ])
            .args(["--src-prefix=a/", "--dst-prefix=b/"])
            .args([before.to_string(), after.to_string()])
            .limit(limit)
            .succeed()?;
        Ok(Patch {
            bytes: answer.stdout,
            truncated: answer.truncated,
        })
    }

    /// How many lines changed in each file.
    pub fn line_counts(&self, before: TreeId, after: TreeId) -> Result<Vec<LineCount>, DiffError> {
        let answer = self
            .git()
            .reading("diff-tree")
            .args(STABLE)
            .args(["--numstat", "-z"])
            .args([before.to_string(), after.to_string()])
            .succeed()?;
        let unreadable = || GitProgramError::Unreadable {
            command: "diff-tree --numstat".to_owned(),
        };
        if answer.truncated {
            return Err(unreadable().into());
        }
        Ok(line_counts_in(&answer.stdout).ok_or_else(unreadable)?)
    }

    /// Calls with the path, the id, the size and the bytes of each file that the change set adds or changes. Of a file
    /// that has more than `limit` bytes only the first `limit` are given; symbolic links give their target, submodules
    /// nothing.
    pub fn for_each_new_blob(
        &self,
        change_set: &ChangeSet,
        limit: u64,
        mut each: impl FnMut(&RepoPath, BlobId, u64, &[u8]),
    ) -> Result<(), DiffError> {
        let local = self.local();
        for change in &change_set.changes {
            let Some(after) = change.after.filter(|after| after.mode != EntryMode::Submodule) else {
                continue;
            };
            if change.before.is_some_and(|before| before.id == after.id) {
                continue;
            }
            let bytes = crate::objects::read_object(&local, after.id.0, gix::objs::Kind::Blob, u64::MAX)?;
            let shown = usize::try_from(limit).unwrap_or(usize::MAX).min(bytes.len());
            each(&change.path, after.id, bytes.len() as u64, &bytes[..shown]);
        }
        Ok(())
    }

    /// A digest of the change that survives moving it to other lines, as `git patch-id --stable` makes it. Nothing for a
    /// change that is empty, or whose patch has more than `limit` bytes.
    pub fn patch_id(&self, before: TreeId, after: TreeId, limit: u64) -> Result<Option<String>, DiffError> {
        let patch = self.patch(before, after, limit)?;
        if patch.truncated || patch.bytes.is_empty() {
            return Ok(None);
        }
        let answer = self
            .git()
            .reading("patch-id")
            .arg("--stable")
            .stdin(&patch.bytes)
            .succeed()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(text.split_whitespace().next().map(str::to_owned))
    }
}

/// What `diff-tree --numstat -z` answers. None where it is not that.
pub(crate) fn line_counts_in(answer: &[u8]) -> Option<Vec<LineCount>> {
    let mut counts = Vec::new();
    let Some(answer) = answer.strip_suffix(b"\0") else {
        return answer.is_empty().then_some(counts);
    };
    let mut fields = answer.split(|byte| *byte == 0);
    let path = |field: Option<&[u8]>| RepoPath::new(field?).ok();
    while let Some(field) = fields.next() {
        let mut columns = field.splitn(3, |byte| *byte == b'\t');
        let (added, removed, name) = (columns.next(), columns.next(), columns.next());
        let number = |column: Option<&[u8]>| std::str::from_utf8(column?).ok()?.parse::<u64>().ok();
        let lines = match (number(added), number(removed)) {
            (Some(added), Some(removed)) => Some((added, removed)),
            _ if added == Some(b"-") && removed == added => None,
            _ => return None,
        };
        // A rename has an empty name here and both names in the next two fields.
        let (renamed_from, path) = match name {
            Some(b"") => (Some(path(fields.next())?), path(fields.next())?),
            name => (None, path(name)?),
        };
        counts.push(LineCount {
            path,
            renamed_from,
            lines,
        });
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end_or_not_at_all() {
        let read = |answer: &str| line_counts_in(answer.as_bytes()).map(|counts| counts.len());
        assert_eq!(read(""), Some(0));
        assert_eq!(read("1\t2\ta\0-\t-\t\0b\0c\0"), Some(2));
        for other in [
            "\0",
            "1\t2\ta",
            "1\t2\ta\0\0b\0",
            "1\t2\ta\0b\0",
            "1\t2\t\0b\0",
            "1\t-\ta\0",
            "-\t1\ta\0",
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
