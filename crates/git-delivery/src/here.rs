//! A commit on the user's current branch that takes exactly the given files and leaves everything else as it is.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{CommitId, ObjectId, RepoPath};

use crate::commit::{CommitDraft, CommitError, CommitTime};
use crate::git_program::GitProgramError;
use crate::refs::{Expected, RefError};
use crate::repository::{Head, Identity, Operation, Repository, RepositoryError};
use crate::tree::{EMPTY_TREE, TreeError};

/// Files cannot be committed here.
#[derive(Debug, thiserror::Error)]
pub enum HereError {
    /// There is nothing to commit.
    #[error("there is no file to commit")]
    Nothing,
    /// The user is in the middle of something.
    #[error("a {operation} is in progress")]
    OperationInProgress {
        /// What it is.
        operation: Operation,
    },
    /// No branch is checked out.
    #[error("no branch is checked out")]
    DetachedHead,
    /// The user has staged something else for one of the files.
    #[error("`{path}` has other content in the index")]
    StagedDifferently {
        /// The file.
        path: RepoPath,
    },
    /// The branch moved in between.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The tree cannot be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The commit cannot be made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] crate::objects::ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// What was committed.
#[derive(Debug)]
pub struct CommittedHere {
    /// The branch's new tip; the old one if the files were there already.
    pub commit: CommitId,
    /// Why the index does not show the new files as committed, if it does not. The commit is there all the same, and
    /// `git reset -- <path>` repairs the index.
    pub index_not_refreshed: Option<GitProgramError>,
}

/// What the index has at a path.
pub(crate) type Staged = BTreeMap<RepoPath, Vec<(String, ObjectId, String)>>;

/// What `ls-files --stage -z` answers. None where it is not that.
pub(crate) fn staged_in(answer: &[u8]) -> Option<Staged> {
    let mut staged = Staged::new();
    for line in answer.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let facts = std::str::from_utf8(&line[..tab]).ok()?;
        let path = RepoPath::new(&line[tab + 1..]).ok()?;
        let mut facts = facts.split(' ');
        let (mode, id, stage) = (facts.next()?, facts.next()?, facts.next()?);
        staged
            .entry(path)
            .or_default()
            .push((mode.to_owned(), id.parse().ok()?, stage.to_owned()));
    }
    Some(staged)
}

impl Repository {
    /// Commits exactly these files on the current branch, as plain files with this content, whatever else is staged or
    /// changed. Of the index only their entries are touched; the work tree is not touched at all. Works on a branch
    /// without commits. Refuses while a merge or the like is in progress, without a branch, and where the user has staged
    /// other content for one of the files.
    pub fn commit_files_on_head(
        &self,
        files: &BTreeMap<RepoPath, Vec<u8>>,
        message: &str,
        identity: &Identity,
        time: CommitTime,
    ) -> Result<CommittedHere, HereError> {
        if files.is_empty() {
            return Err(HereError::Nothing);
        }
        if let Some(operation) = self
            .operation_in_progress()
            .filter(|operation| *operation != Operation::Bisect)
        {
            return Err(HereError::OperationInProgress { operation });
        }
        let (branch, parent) = match self.head()? {
            Head::Branch { name, commit } => (name, Some(commit)),
            Head::Unborn { name } => (name, None),
            Head::Detached { .. } => return Err(HereError::DetachedHead),
        };
        let before = match parent {
            Some(commit) => self.commit_tree_id(commit)?,
            None => EMPTY_TREE,
        };
        let tree = self.overlay(before, files, &BTreeSet::new())?;
        self.refuse_staged_work(before, tree, files)?;
        let commit = match parent {
            Some(parent) if tree == before => parent,
            _ => {
                let draft = CommitDraft {
                    tree,
                    parents: parent.into_iter().collect(),
                    author: identity.author.clone(),
                    committer: identity.committer.clone(),
                    time,
                    message: message.to_owned(),
                };
                let commit = draft.write(self)?;
                let expected = parent.map_or(Expected::Missing, |parent| Expected::Is(parent.0));
                let subject = message.lines().next().unwrap_or_default();
                self.move_ref(&branch, commit.0, expected, &format!("commit: {subject}"))?;
                commit
            }
        };
        Ok(CommittedHere {
            commit,
            index_not_refreshed: self.refresh_index(tree, files).err(),
        })
    }

    fn refuse_staged_work(
        &self,
        before: ledger_core::TreeId,
        after: ledger_core::TreeId,
        files: &BTreeMap<RepoPath, Vec<u8>>,
    ) -> Result<(), HereError> {
        let staged = self.staged(files.keys())?;
        for path in files.keys() {
            let old = self.entry_at(before, path)?.map(|side| side.id.0);
            let new = self.entry_at(after, path)?.map(|side| side.id.0);
            let agrees = match staged.get(path).map(Vec::as_slice) {
                None => old.is_none(),
                Some([(_, id, stage)]) => {
                    stage == "0" && (Some(*id) == old || Some(*id) == new || is_intent_to_add(*id))
                }
                Some(_) => false,
            };
            if !agrees {
                return Err(HereError::StagedDifferently { path: path.clone() });
            }
        }
        Ok(())
    }

    fn staged<'a>(&self, paths: impl Iterator<Item = &'a RepoPath>) -> Result<Staged, GitProgramError> {
        let unreadable = || GitProgramError::Unreadable {
            command: "ls-files".to_owned(),
        };
        let answer = self
            .git()
            .on_index("ls-files", self.work_dir())
            .args(["--stage", "-z", "--full-name", "--"])
            .args(paths.map(|path| os_str(path.as_bytes())))
            .succeed()?;
        staged_in(&answer.stdout).ok_or_else(unreadable)
    }

    fn refresh_index(
        &self,
        tree: ledger_core::TreeId,
        files: &BTreeMap<RepoPath, Vec<u8>>,
    ) -> Result<(), GitProgramError> {
        let mut order = Vec::new();
        for path in files.keys() {
            let id = self.entry_at(tree, path).ok().flatten().map(|side| side.id);
            let id = id.ok_or_else(|| GitProgramError::Unreadable {
                command: "update-index".to_owned(),
            })?;
            order.extend_from_slice(format!("100644 {id} 0\t").as_bytes());
            order.extend_from_slice(path.as_bytes());
            order.push(0);
        }
        self.git()
            .on_index("update-index", self.work_dir())
            .args(["-z", "--index-info"])
            .stdin(&order)
            .succeed()
            .map(|_| ())
    }
}

/// `git add --intent-to-add` puts an empty blob into the index, which is nobody's work.
fn is_intent_to_add(id: ObjectId) -> bool {
    id.to_string() == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
}

fn os_str(bytes: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes).to_owned()
}
