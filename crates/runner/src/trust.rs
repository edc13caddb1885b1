//! The trust store: which policies this user has agreed to, by their digest and the repository that they are in.

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ledger_core::{CheckCommand, Digest};
use policy::Policy;
use policy::config::{CheckPolicy, SandboxUse};
use serde::{Deserialize, Serialize};

/// The policies that a user trusts. A cloned repository runs nothing until its policy is in here.
///
/// One file a policy, below the user's state folder and so outside any repository: writing one never touches another.
#[derive(Debug, Clone)]
pub struct TrustStore {
    folder: PathBuf,
}

/// The trust store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file of it cannot be used.
    #[error("the trust store at `{}` cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// When a policy was trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TrustRecord {
    schema: u32,
    repository: Vec<u8>,
    policy: Digest,
    at: Timestamp,
}

impl TrustStore {
    /// The store in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// When the user trusted the policy with this digest in the repository with this common Git directory. None if never,
    /// and also if the record is not whole: then it counts for nothing.
    pub fn trusted_at(&self, common_dir: &Path, policy: Digest) -> Result<Option<Timestamp>, TrustError> {
        let repository = canonical(common_dir)?;
        let path = self.record_path(&repository, policy);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrustError::Io { path, source }),
        };
        let record = serde_json::from_slice::<TrustRecord>(&bytes).ok().filter(|record| {
            record.schema == 1 && record.policy == policy && record.repository == repository.as_os_str().as_bytes()
        });
        Ok(record.map(|record| record.at))
    }

    /// Whether the user trusts the policy with this digest in that repository. The digest of no bytes is no exception:
    /// without a policy too, the tickets of a repository name commands.
    pub fn is_trusted(&self, common_dir: &Path, policy: Digest) -> Result<bool, TrustError> {
        Ok(self.trusted_at(common_dir, policy)?.is_some())
    }

    /// Remembers that the user trusts the policy with this digest in that repository. Survives a power cut.
    pub fn trust(&self, common_dir: &Path, policy: Digest, at: Timestamp) -> Result<(), TrustError> {
        let repository = canonical(common_dir)?;
        let path = self.record_path(&repository, policy);
        let record = TrustRecord {
            schema: 1,
            repository: repository.as_os_str().as_bytes().to_vec(),
            policy,
            at,
        };
        let written = serde_json::to_vec(&record)
            .map_err(io::Error::other)
            .and_then(|bytes| write_new(&path, &bytes));
        written.map_err(|source| TrustError::Io { path, source })
    }

    fn record_path(&self, repository: &Path, policy: Digest) -> PathBuf {
        let repository = Digest::of(repository.as_os_str().as_bytes()).hex();
        self.folder.join(repository).join(format!("{}.json", policy.hex()))
    }
}

/// The same repository is the same whatever symbolic links lead to it.
fn canonical(common_dir: &Path) -> Result<PathBuf, TrustError> {
    common_dir.canonicalize().map_err(|source| TrustError::Io {
        path: common_dir.to_owned(),
        source,
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// A command that a policy makes the runner start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyCommand {
    /// When it is run.
    pub what: PolicyCommandKind,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The command line.
    pub command: String,
    /// Whether it runs without a sandbox.
    pub unsandboxed: bool,
    /// Whether it may use the network.
    pub network: bool,
}

/// When a policy's command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyCommandKind {
    /// For each turn.
    Agent,
    /// Once a place, before the worker.
    Setup,
    /// After each turn.
    Check,
    /// Before or after each iteration, or at the end of a run, as its name says.
    Hook,
    /// When somebody is to be told.
    Notify,
}

/// Every command that a policy makes the runner start, in the order of their kinds.
pub fn policy_commands(policy: &Policy) -> Vec<PolicyCommand> {
    let agent = PolicyCommand {
        what: PolicyCommandKind::Agent,
        name: None,
        command: policy.agent.command.clone(),
        unsandboxed: false,
        network: policy.agent.network,
    };
    let setup = policy.workspace.setup.iter().map(|setup| PolicyCommand {
        what: PolicyCommandKind::Setup,
        name: None,
        command: setup.run.clone(),
        unsandboxed: false,
        network: setup.network,
    });
    let checks = policy.check.iter().map(check_command);
    let hooks = policy.hooks.commands().map(|(hook, command)| PolicyCommand {
        what: PolicyCommandKind::Hook,
        name: Some(hook.as_str().to_owned()),
        command: command.to_owned(),
        unsandboxed: false,
        network: policy.hooks.network,
    });
    let notify = policy.notify.command.iter().map(|command| PolicyCommand {
        what: PolicyCommandKind::Notify,
        name: None,
        command: command.clone(),
        unsandboxed: true,
        network: true,
    });
    let all = std::iter::once(agent).chain(setup).chain(checks).chain(hooks);
    all.chain(notify).collect()
}

fn check_command(check: &CheckPolicy) -> PolicyCommand {
    let command = CheckCommand::new(check.run.as_deref(), check.argv.as_deref());
    PolicyCommand {
        what: PolicyCommandKind::Check,
        name: Some(check.name.clone()),
        command: command.map(|command| command.to_string()).unwrap_or_default(),
        unsandboxed: check.sandbox == SandboxUse::Off,
        network: check.network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_for_one_digest_in_one_repository_and_survives_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, link] = ["one", "two", "link"].map(|name| folder.path().join(name));
        std::fs::create_dir(&one).unwrap();
        std::fs::create_dir(&two).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let store = TrustStore::new(folder.path().join("state/trust"));
        let (policy, other) = (Digest::of(b"a"), Digest::of(b"b"));
        assert!(!store.is_trusted(&one, policy).unwrap());
        store.trust(&one, policy, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(store.trusted_at(&one, policy).unwrap(), Some(Timestamp::UNIX_EPOCH));
        assert!(store.is_trusted(&link, policy).unwrap());
        assert!(!store.is_trusted(&one, other).unwrap());
        assert!(!store.is_trusted(&two, policy).unwrap());
    }

    #[test]
    fn a_damaged_record_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore::new(folder.path().join("trust"));
        let policy = Digest::of(b"a");
        store.trust(folder.path(), policy, Timestamp::UNIX_EPOCH).unwrap();
        let path = store.record_path(&canonical(folder.path()).unwrap(), policy);
        std::fs::write(&path, b"{").unwrap();
        assert!(!store.is_trusted(folder.path(), policy).unwrap());
        store.trust(folder.path(), policy, Timestamp::UNIX_EPOCH).unwrap();
        assert!(store.is_trusted(folder.path(), policy).unwrap());
    }

    #[test]
    fn what_would_run_names_the_agent_and_every_command() {
        let policy: Policy = ledger_core::read_toml(
            b"[workspace]\nsetup = [{ run = \"npm ci\", network = true }]\n\
              [[check]]\nname = \"tests\"\nargv = [\"cargo\", \"test\"]\nsandbox = \"off\"\n\
              [hooks]\non_completed = \"make pages\"\npre_iteration = \"./quota\"\nnetwork = true\n\
              [notify]\ncommand = \"mail -s foil ann\"\n",
        )
        .unwrap();
        insta::assert_json_snapshot!(policy_commands(&policy));
    }
}
