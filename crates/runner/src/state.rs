//! Where live state lies: never committed, never in a place of the worker's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ledger_core::{RunId, TicketId};

/// The two roots of live state.
///
/// Below the repository's common Git directory lie runs and locks: losing them costs unfinished runs and nothing else.
/// Below the user's state folder lie places, our Codex home and the trust store: losing them costs caches and trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRoots {
    repository: PathBuf,
    user: PathBuf,
}

/// The user's state folder cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Neither `XDG_STATE_HOME` nor `HOME` names a folder.
    #[error("neither XDG_STATE_HOME nor HOME names an absolute folder, so there is nowhere to keep state")]
    NoHome,
}

impl StateRoots {
    /// The roots for a repository and a user's state folder, both given.
    pub fn new(common_dir: &Path, user: impl Into<PathBuf>) -> Self {
        Self {
            repository: common_dir.join("counterfoil"),
            user: user.into(),
        }
    }

    /// The roots for a repository and the user of this process.
    pub fn from_environment(common_dir: &Path) -> Result<Self, StateError> {
        Ok(Self::new(common_dir, user_state_folder()?))
    }

    /// The folder below the common Git directory.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// The user's state folder.
    pub fn user(&self) -> &Path {
        &self.user
    }

    /// The folder of all runs, with a folder for each ticket.
    pub fn runs(&self) -> PathBuf {
        self.repository.join("runs")
    }

    /// The folder of a ticket's runs.
    pub fn ticket_runs(&self, ticket: &TicketId) -> PathBuf {
        self.runs().join(ticket.as_str())
    }

    /// The folder of a run's places.
    pub fn places_of(&self, ticket: &TicketId, run: &RunId) -> PathBuf {
        self.places().join(format!("{ticket}-{run}"))
    }

    /// The folder of one run.
    pub fn run(&self, ticket: &TicketId, run: &RunId) -> PathBuf {
        self.ticket_runs(ticket).join(run.as_str())
    }

    /// The journal of one run.
    pub fn journal(&self, ticket: &TicketId, run: &RunId) -> PathBuf {
        self.run(ticket, run).join("journal.jsonl")
    }

    /// The folder of all locks, see [`crate::lock::TicketLock`].
    pub fn locks(&self) -> PathBuf {
        self.repository.join("locks")
    }

    /// The folder of all places.
    pub fn places(&self) -> PathBuf {
        self.user.join("places")
    }

    /// Our own Codex home.
    pub fn codex_home(&self) -> PathBuf {
        self.user.join("codex-home")
    }

    /// The folder of the trust store.
    pub fn trust(&self) -> PathBuf {
        self.user.join("trust")
    }

    /// The runs of a ticket that this clone knows, oldest first: run ids sort by time. A ticket without any has none;
    /// what is no run is passed over.
    pub fn runs_of(&self, ticket: &TicketId) -> std::io::Result<Vec<RunId>> {
        let entries = match std::fs::read_dir(self.ticket_runs(ticket)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(Ok(run)) = name.to_str().map(str::parse::<RunId>) {
                runs.push(run);
            }
        }
        runs.sort();
        Ok(runs)
    }
}

/// `${XDG_STATE_HOME:-~/.local/state}/counterfoil` of the user of this process. A relative `XDG_STATE_HOME` is ignored, as
/// its specification says.
pub fn user_state_folder() -> Result<PathBuf, StateError> {
    state_folder_from(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
}

fn state_folder_from(state_home: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, StateError> {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(state_home)
        .or_else(|| absolute(home).map(|home| home.join(".local/state")))
        .map(|folder| folder.join("counterfoil"))
        .ok_or(StateError::NoHome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_follows_the_environment_and_ignores_relative_paths() {
        let folder = |state: Option<&str>, home: Option<&str>| {
            state_folder_from(state.map(OsString::from), home.map(OsString::from)).ok()
        };
        assert_eq!(folder(Some("/s"), Some("/h")), Some("/s/counterfoil".into()));
        assert_eq!(folder(None, Some("/h")), Some("/h/.local/state/counterfoil".into()));
        assert_eq!(
            folder(Some("s"), Some("/h")),
            Some("/h/.local/state/counterfoil".into())
        );
        assert_eq!(folder(Some(""), Some("")), None);
        assert_eq!(folder(None, None), None);
    }

    #[test]
    fn runs_are_listed_oldest_first_and_strangers_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let roots = StateRoots::new(folder.path(), "/nowhere");
        let ticket: TicketId = "a".parse().unwrap();
        assert_eq!(roots.runs_of(&ticket).unwrap(), vec![]);
        for name in ["02", "01", ".tmp"] {
            std::fs::create_dir_all(roots.ticket_runs(&ticket).join(name)).unwrap();
        }
        let names: Vec<_> = roots
            .runs_of(&ticket)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["01", "02"]);
    }
}
