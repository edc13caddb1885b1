//! Commits, made byte for byte as `git commit-tree` makes them, with an id that is known before anything is written.

use ledger_core::{CommitId, TreeId};

use crate::objects::{DurableWriter, ObjectError, object_id};
use crate::repository::{Person, Repository};

/// When something was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes by which the local time is ahead of UTC.
    pub offset_minutes: i16,
}

/// A commit that is not yet written. Never signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDraft {
    /// Its tree.
    pub tree: TreeId,
    /// Its parents, in order.
    pub parents: Vec<CommitId>,
    /// Who wrote the change.
    pub author: Person,
    /// Who recorded it.
    pub committer: Person,
    /// When, for both.
    pub time: CommitTime,
    /// The whole message. Stored as it is: it should end in a newline.
    pub message: String,
}

/// A commit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing is left of the name once what Git strips is gone.
    #[error("the name `{name}` cannot stand in a commit")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The message holds a NUL byte, at which Git would cut it.
    #[error("a commit message must not hold a NUL byte")]
    InvalidMessage,
    /// A parent or the tree is not in the store.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl CommitDraft {
    /// The id that the commit will have.
    pub fn id(&self) -> Result<CommitId, CommitError> {
        Ok(CommitId(object_id(gix::objs::Kind::Commit, &self.bytes()?)?))
    }

    /// Writes the commit so that it survives a power cut. Refuses one whose tree or parents are missing.
    pub fn write(&self, repository: &Repository) -> Result<CommitId, CommitError> {
        let bytes = self.bytes()?;
        let local = repository.local();
        repository.require(gix::objs::Kind::Tree, self.tree.0)?;
        for parent in &self.parents {
            repository.require(gix::objs::Kind::Commit, parent.0)?;
        }
        let writer = DurableWriter::new(&local);
        let id = CommitId(writer.write(gix::objs::Kind::Commit, &bytes)?);
        writer.finish()?;
        Ok(id)
    }

    fn bytes(&self) -> Result<Vec<u8>, CommitError> {
        if self.message.contains('\0') {
            return Err(CommitError::InvalidMessage);
        }
        let mut text = format!("tree {}\n", self.tree);
        for parent in &self.parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        text.push_str(&format!("author {}\n", signature(&self.author, self.time)?));
        text.push_str(&format!("committer {}\n", signature(&self.committer, self.time)?));
        text.push('\n');
        text.push_str(&self.message);
        Ok(text.into_bytes())
    }
}

/// A person at a time, as commits and tags name both.
pub(crate) fn signature(person: &Person, time: CommitTime) -> Result<String, CommitError> {
    let name = without_crud(&person.name);
    if name.is_empty() {
        return Err(CommitError::InvalidName {
            name: person.name.clone(),
        });
    }
    let CommitTime {
        seconds,
        offset_minutes,
    } = time;
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.unsigned_abs();
    Ok(format!(
        "{name} <{}> {seconds} {sign}{:02}{:02}",
        without_crud(&person.email),
        offset / 60,
        offset % 60
    ))
}

/// What Git leaves of a name or mail address: nothing that would end the field, and no punctuation around it. (Before
/// 2.46 Git took a final dot for punctuation too, which cut `Jr.` short.)
fn without_crud(text: &str) -> String {
    text.trim_matches(|c: char| c <= ' ' || ",:;<>\"\\'".contains(c))
        .chars()
        .filter(|c| !matches!(c, '\n' | '<' | '>' | '\0'))
        .collect()
}

impl Repository {
    fn require(&self, kind: gix::objs::Kind, id: ledger_core::ObjectId) -> Result<(), ObjectError> {
        let header = self
            .local()
            .try_find_header(crate::objects::theirs(id))
            .map_err(|error| ObjectError::Damaged {
                id,
                reason: error.to_string(),
            })?
            .ok_or(ObjectError::Missing { id })?;
        if header.kind() != kind {
            let expected = if kind == gix::objs::Kind::Tree {
                "tree"
            } else {
                "commit"
            };
            return Err(ObjectError::WrongKind { id, expected });
        }
        Ok(())
    }
}
