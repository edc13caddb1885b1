//! Anchors: refs of ours that keep a run's objects alive from before any event names them.

use std::{fs, io};

use ledger_core::{InvalidRefName, ObjectId, RefName, RunId};

use crate::refs::RefError;
use crate::repository::Repository;

const ROOT: &str = "refs/counterfoil/keep";

/// An anchor cannot be made, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The name does not fit a ref.
    #[error(transparent)]
    Name(#[from] InvalidRefName),
    /// An anchor of this name holds another object. Anchors never move.
    #[error("the anchor `{name}` already holds {actual}")]
    Taken {
        /// The anchor's ref.
        name: RefName,
        /// What it holds.
        actual: ObjectId,
    },
    /// A ref cannot be read or changed.
    #[error(transparent)]
    Ref(#[from] RefError),
}

/// A ref that keeps an object of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The name within the run.
    pub name: String,
    /// The tree or commit.
    pub object: ObjectId,
}

fn anchor_ref(run: &RunId, name: &str) -> Result<RefName, InvalidRefName> {
    format!("{ROOT}/{run}/{name}").parse()
}

impl Repository {
    /// Keeps a tree or commit, under a name that is unique in its run. Once this returns, ref and object survive a power
    /// cut. Doing it again is nothing; giving the name to another object is refused.
    pub fn anchor(&self, run: &RunId, name: &str, object: ObjectId) -> Result<(), AnchorError> {
        let name = anchor_ref(run, name)?;
        if !self.has_object(object) {
            return Err(RefError::MissingObject { id: object }.into());
        }
        match self.create_ref_of_ours(&name, object)? {
            None => Ok(()),
            Some(actual) if actual == object => Ok(()),
            Some(actual) => Err(AnchorError::Taken { name, actual }),
        }
    }

    /// What a run keeps, by name.
    pub fn anchors(&self, run: &RunId) -> Result<Vec<Anchor>, AnchorError> {
        let prefix = format!("{ROOT}/{run}/");
        let mut anchors = Vec::new();
        self.refs_below(&prefix, |name, object| {
            let name = name.strip_prefix(&prefix).unwrap_or(name).to_owned();
            anchors.push(Anchor { name, object });
        })?;
        Ok(anchors)
    }

    /// Removes the locks that a dead runner left where it was about to keep something for this run. Only for whoever keeps all others from
    /// running it: nobody else makes refs there, and Git, which packs them, locks only those that are there already.
    pub fn drop_dead_locks(&self, run: &RunId) -> io::Result<()> {
        let entries = match fs::read_dir(self.common_dir().join(ROOT).join(run.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            let names_nothing = path.with_extension("").try_exists().is_ok_and(|exists| !exists);
            if path.extension().is_some_and(|end| end == "lock") && names_nothing {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The runs that keep something, in the order of their ids. Names that are no run id are left alone.
    pub fn anchored_runs(&self) -> Result<Vec<RunId>, AnchorError> {
        let prefix = format!("{ROOT}/");
        let mut runs: Vec<RunId> = Vec::new();
        self.refs_below(&prefix, |name, _| {
            let run = name.strip_prefix(&prefix).and_then(|rest| rest.split('/').next());
            if let Some(run) = run.and_then(|run| run.parse().ok()) {
                runs.push(run);
            }
        })?;
        runs.sort();
        runs.dedup();
        Ok(runs)
    }

    /// Lets go of an object that a run keeps. Letting go of one that is not kept is nothing.
    pub fn release_anchor(&self, run: &RunId, name: &str) -> Result<(), AnchorError> {
        let name = anchor_ref(run, name)?;
        match self.resolve(&name)? {
            Some(object) => Ok(self.delete_ref(&name, object)?),
            None => Ok(()),
        }
    }
}
