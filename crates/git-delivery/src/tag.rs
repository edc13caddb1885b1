//! Annotated tags.

use ledger_core::{CommitId, ObjectId, RefName};

use crate::commit::{CommitError, CommitTime, signature};
use crate::objects::{DurableWriter, object_id};
use crate::repository::{Person, Repository};

/// An annotated tag that is not written yet. The same draft always gives the same object.
#[derive(Debug, Clone)]
pub struct TagDraft {
    /// Its ref, below `refs/tags/`.
    pub name: RefName,
    /// What it names.
    pub commit: CommitId,
    /// Who made it.
    pub tagger: Person,
    /// When.
    pub time: CommitTime,
    /// What it says, with a line break at the end.
    pub message: String,
}

impl TagDraft {
    /// The id that the tag's object will have.
    pub fn id(&self) -> Result<ObjectId, CommitError> {
        Ok(object_id(gix::objs::Kind::Tag, &self.bytes()?)?)
    }

    /// Writes the object so that it survives a power cut. No ref is made.
    pub fn write(&self, repository: &Repository) -> Result<ObjectId, CommitError> {
        let local = repository.local();
        let writer = DurableWriter::new(&local);
        let id = writer.write(gix::objs::Kind::Tag, &self.bytes()?)?;
        writer.finish()?;
        Ok(id)
    }

    fn bytes(&self) -> Result<Vec<u8>, CommitError> {
        if self.message.contains('\0') {
            return Err(CommitError::InvalidMessage);
        }
        let name = self.name.as_str();
        let name = name.strip_prefix("refs/tags/").unwrap_or(name);
        let tagger = signature(&self.tagger, self.time)?;
        let text = format!(
            "object {}\ntype commit\ntag {name}\ntagger {tagger}\n\n{}",
            self.commit, self.message
        );
        Ok(text.into_bytes())
    }
}
