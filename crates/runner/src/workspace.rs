//! The user's repository with the policy of its work tree and the state that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git_delivery::{Remote, Repository, RepositoryError};
use ledger_core::{Digest, RepoPath};
use policy::Policy;
use policy::config::AgentPolicy;

use crate::beneath::read_beneath;
use crate::ledger::{FileProblem, Ledger, LedgerError};
use crate::state::{StateError, StateRoots, user_state_folder};
use crate::trust::{TrustError, TrustStore};

/// What a workspace needs beside the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The user's state folder.
    pub state_folder: PathBuf,
}

impl Settings {
    /// The settings of the user of this process.
    pub fn from_environment() -> Result<Self, StateError> {
        Ok(Self {
            state_folder: user_state_folder()?,
        })
    }
}

/// A repository, the policy of its work tree, and its live state.
#[derive(Debug)]
pub struct Workspace {
    repository: Arc<Repository>,
    roots: StateRoots,
    policy: PolicyFile,
}

/// `counterfoil.toml` as it is in the work tree.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Its bytes; none where there is no file.
    pub bytes: Option<Vec<u8>>,
    /// What it says: all defaults where there is no file.
    pub policy: Result<Policy, FileProblem>,
}

impl PolicyFile {
    /// Its path in the repository.
    #[expect(clippy::expect_used, reason = "the name is a plain relative path")]
    pub fn path() -> RepoPath {
        Policy::FILE_NAME.parse().expect("a plain relative path")
    }

    /// The policy in these bytes.
    pub fn new(bytes: Option<Vec<u8>>) -> Self {
        let policy = Policy::parse(bytes.as_deref().unwrap_or_default()).map_err(FileProblem::from);
        Self { bytes, policy }
    }

    fn read(work_dir: &Path) -> Self {
        match read_beneath(work_dir, &Self::path()) {
            Ok(bytes) => Self::new(Some(bytes)),
            Err(FileProblem::Missing) => Self::new(None),
            Err(problem) => Self {
                bytes: None,
                policy: Err(problem),
            },
        }
    }

    /// The digest by which a user trusts it.
    pub fn digest(&self) -> Digest {
        Policy::digest(self.bytes.as_deref())
    }
}

/// Why a workspace cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// There is nowhere to keep state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The policy cannot be used.
    #[error("`counterfoil.toml`: {0}")]
    Policy(FileProblem),
    /// The ledger cannot be listed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trust store cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Workspace {
    /// Opens the repository that holds `from` and reads its policy. A policy that cannot be used is no error yet:
    /// [`Self::policy`] is.
    pub fn open(from: &Path, settings: &Settings) -> Result<Self, WorkspaceError> {
        let repository = Repository::discover(from)?;
        let roots = StateRoots::new(repository.common_dir(), &settings.state_folder);
        let policy = PolicyFile::read(repository.work_dir());
        Ok(Self {
            repository: Arc::new(repository),
            roots,
            policy,
        })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The repository, for work on other threads.
    pub fn shared_repository(&self) -> Arc<Repository> {
        Arc::clone(&self.repository)
    }

    /// Where its live state lies.
    pub fn roots(&self) -> &StateRoots {
        &self.roots
    }

    /// The policies that the user trusts.
    pub fn trust_store(&self) -> TrustStore {
        TrustStore::new(self.roots.trust())
    }

    /// The policy file of the work tree.
    pub fn policy_file(&self) -> &PolicyFile {
        &self.policy
    }

    /// The policy of the work tree, where it can be used.
    pub fn policy(&self) -> Result<&Policy, WorkspaceError> {
        self.policy
            .policy
            .as_ref()
            .map_err(|problem| WorkspaceError::Policy(problem.clone()))
    }

    /// Whether the user trusts the policy of the work tree.
    pub fn is_policy_trusted(&self) -> Result<bool, WorkspaceError> {
        Ok(self
            .trust_store()
            .is_trusted(self.repository.common_dir(), self.policy.digest())?)
    }

    /// By which policy the agent may be looked at before a run: the work tree's with its agent where the user trusts it,
    /// else with the agent that foil starts by default. The second says whether it is trusted.
    pub fn policy_to_look_at_agent(&self) -> Result<(Policy, bool), WorkspaceError> {
        let mut policy = self.policy()?.clone();
        // A trust store that cannot be read trusts nothing.
        let trusted = self.is_policy_trusted().unwrap_or(false);
        if !trusted {
            policy.agent = AgentPolicy {
                kind: policy.agent.kind,
                ..AgentPolicy::default()
            };
        }
        Ok((policy, trusted))
    }

    /// The ledger of the work tree.
    pub fn ledger(&self) -> Result<Ledger<'_>, WorkspaceError> {
        let dir = self.policy()?.ledger.dir.path();
        Ok(Ledger::in_work_tree(self.repository.work_dir(), dir)?)
    }

    /// The name of the repository that approvals are for: the policy's `[repository] id`, else `owner/name` from the remote
    /// that the policy delivers to or the only one, else `local`. Never holds a path of the machine or a credential.
    pub fn repository_id(&self) -> Result<String, WorkspaceError> {
        repository_id(self.policy()?, &self.repository.remotes()?)
    }
}

/// See [`Workspace::repository_id`].
pub fn repository_id(policy: &Policy, remotes: &[Remote]) -> Result<String, WorkspaceError> {
    if let Some(id) = &policy.repository.id {
        return Ok(id.as_str().to_owned());
    }
    let remote = remotes
        .iter()
        .find(|remote| remote.name == policy.delivery.remote.as_str())
        .or(match remotes {
            [only] => Some(only),
            _ => None,
        });
    let name = remote
        .and_then(|remote| remote.fetch_url.as_deref())
        .and_then(name_in_url);
    Ok(name.unwrap_or_else(|| "local".to_owned()))
}

/// `owner/name` from an address; for a path of this machine `local/name`.
pub(crate) fn name_in_url(url: &str) -> Option<String> {
    let (path, remote) = match (url.split_once("://"), url.split_once(':')) {
        (Some(("file", path)), _) => (path, false),
        (Some((_, rest)), _) => (rest.split_once('/')?.1, true),
        // `user@host:path`, unless a slash before the colon makes it a path.
        (None, Some((host, path))) if !host.contains('/') => (path, true),
        _ => (url, false),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let parts: Vec<String> = path
        .split('/')
        .map(|part| {
            part.chars()
                .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
                .collect::<String>()
        })
        .filter(|part| !part.is_empty() && part != "." && part != "..")
        .collect();
    let name = parts.last()?;
    match (remote, parts.len()) {
        (true, 2..) => Some(parts.join("/")),
        _ => Some(format!("local/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_address_without_credentials_and_paths() {
        for (url, name) in [
            ("https://example.org/owner/name.git", "owner/name"),
            ("https://user:secret@example.org/owner/name", "owner/name"),
            ("ssh://git@example.org:2222/owner/name.git", "owner/name"),
            ("git@example.org:group/sub/name.git", "group/sub/name"),
            ("/home/someone/work/name.git", "local/name"),
            ("../name", "local/name"),
            ("file:///srv/git/name.git/", "local/name"),
            ("https://example.org/name", "local/name"),
        ] {
            assert_eq!(name_in_url(url).as_deref(), Some(name), "{url}");
        }
        assert_eq!(name_in_url(""), None);
    }

    #[test]
    fn the_policy_names_the_repository_before_any_remote_does() {
        let remote = |name: &str, url: &str| Remote {
            name: name.to_owned(),
            fetch_url: Some(url.to_owned()),
            push_urls: Vec::new(),
        };
        let id = |policy: &str, remotes: &[Remote]| {
            repository_id(&Policy::parse(policy.as_bytes()).unwrap(), remotes).unwrap()
        };
        let two = [remote("fork", "https://h/me/x"), remote("origin", "https://h/them/x")];
        assert_eq!(id("[repository]\nid = \"a/b\"\n", &two), "a/b");
        assert_eq!(id("", &two), "them/x");
        assert_eq!(id("", &two[..1]), "me/x");
        assert_eq!(id("", &[]), "local");
    }
}
