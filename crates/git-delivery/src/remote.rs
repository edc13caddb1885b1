//! Asking and updating one branch of a remote, by Git's own program: it knows the user's addresses, credentials and proxies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger_core::{CommitId, InvalidObjectId, ObjectId, RefName};

use crate::crash_point::crash_point;
use crate::git_program::{Answer, Call, GitProgramError};
use crate::refs::{Expected, RefError};
use crate::repository::{Repository, RepositoryError};

/// Where what was fetched of a remote's branch is kept, below it `<remote>/<branch>`. The user's own tracking branches are left
/// alone.
const TARGETS: &str = "refs/counterfoil/targets";

/// How long a remote is waited for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The most time.
    pub limit: Duration,
    /// Set by whoever does not want to wait any longer.
    pub stop: Arc<AtomicBool>,
}

impl Patience {
    /// At most this much, with nobody to cut it short.
    pub fn of(limit: Duration) -> Self {
        Self {
            limit,
            stop: Arc::default(),
        }
    }

    pub(crate) fn is_over(&self, waited: Duration) -> bool {
        waited >= self.limit || self.stop.load(Ordering::Relaxed)
    }
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEnd {
    /// The remote says that its branch is the new commit.
    Taken,
    /// Its branch was no longer what it was to be.
    Moved {
        /// The remote's words.
        reason: String,
    },
    /// A rule of the remote's forbids it.
    Rejected {
        /// The remote's words.
        reason: String,
    },
}

/// A remote cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The configuration has no remote of this name.
    #[error("there is no remote `{remote}`")]
    Unknown {
        /// The name.
        remote: String,
    },
    /// A push would go to several repositories, of which only one could be asked afterwards.
    #[error("the remote `{remote}` has {count} addresses to push to, and a delivery goes to one")]
    SeveralAddresses {
        /// The remote.
        remote: String,
        /// How many.
        count: usize,
    },
    /// A push to it makes it the same as this repository, whatever it is told to push.
    #[error("the remote `{remote}` is a mirror (`remote.{remote}.mirror`), which takes everything or nothing")]
    Mirror {
        /// The remote.
        remote: String,
    },
    /// The configuration says otherwise than when the remote was first asked where it is, who asks there, or what is started for it.
    #[error("Git's configuration of how the remote `{remote}` is reached was changed meanwhile")]
    Changed {
        /// The remote.
        remote: String,
    },
    /// It did not answer, or not who is asking.
    #[error("the remote `{remote}` did not answer: {reason}")]
    Unreachable {
        /// The remote.
        remote: String,
        /// What Git says, without addresses.
        reason: String,
    },
    /// It took longer than it may, or nobody waited any longer.
    #[error("the remote `{remote}` did not answer in time")]
    Late {
        /// The remote.
        remote: String,
    },
    /// The configuration cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A ref cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The program cannot be used.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

impl Repository {
    /// What a branch of a remote is now; none where it does not exist. Nothing is fetched.
    pub fn ask_remote(
        &self,
        remote: &str,
        branch: &RefName,
        patience: &Patience,
    ) -> Result<Option<CommitId>, RemoteError> {
        let addresses = self.addresses(remote)?;
        let call = self
            .git()
            .reading("ls-remote")
            .args(["--refs", "--quiet", "--", remote, branch.as_str()]);
        let answer = self.heard(call, remote, &addresses, patience)?;
        if answer.status != Some(0) {
            return Err(unreachable(remote, &addresses, &answer.complaint));
        }
        branch_in(&answer.stdout, branch).map_err(|_| {
            let command = "ls-remote".to_owned();
            GitProgramError::Unreadable { command }.into()
        })
    }

    /// Fetches a branch of a remote into a ref of ours, which keeps it, and gives what it is; none where it does not exist. No
    /// tag, no tracking branch and no `FETCH_HEAD` changes.
    pub fn fetch_branch(
        &self,
        remote: &str,
        branch: &RefName,
        patience: &Patience,
    ) -> Result<Option<CommitId>, RemoteError> {
        let addresses = self.addresses(remote)?;
        let kept = target_ref(remote, branch)?;
        let call = self
            .git()
            .writing("fetch")
            .args([
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-auto-maintenance",
                "--no-recurse-submodules",
                "--refmap=",
                "--",
                remote,
            ])
            .arg(format!("+{branch}:{kept}"));
        let answer = self.heard(call, remote, &addresses, patience)?;
        crash_point("a remote was fetched from");
        if answer.status == Some(0) {
            return Ok(self.resolve(&kept)?.map(CommitId));
        }
        // In the C locale.
        if answer.complaint.contains("couldn't find remote ref") {
            return Ok(None);
        }
        Err(unreachable(remote, &addresses, &answer.complaint))
    }

    /// What a branch of a remote was when it was last looked at from here: by [`Self::fetch_branch`], else as the user's own tracking
    /// branch has it. Nothing is asked.
    pub fn last_seen(&self, remote: &str, branch: &RefName) -> Result<Option<CommitId>, RemoteError> {
        let ours = self.resolve(&target_ref(remote, branch)?)?;
        let tracking: RefName = format!("refs/remotes/{remote}/{}", branch.short())
            .parse()
            .map_err(RepositoryError::from)?;
        Ok(ours.or(self.resolve(&tracking)?).map(CommitId))
    }

    /// Makes a branch of a remote `new` if it is `old`, which `new` must descend from: never by force. No hook of the user's runs,
    /// and nothing else is pushed along.
    pub fn push_commit(
        &self,
        remote: &str,
        branch: &RefName,
        old: CommitId,
        new: CommitId,
        patience: &Patience,
    ) -> Result<PushEnd, RemoteError> {
        // The lease makes the remote's own comparison exact. That `new` goes on from `old` is what keeps it from being a force.
        match self.is_ancestor(old, new) {
            Ok(true) => {}
            _ => {
                let reason = format!("{} does not go on from {}", new.short(), old.short());
                return Ok(PushEnd::Rejected { reason });
            }
        }
        let end = self.push(remote, branch, &old.to_string(), new.0, patience)?;
        if end == PushEnd::Taken {
            self.note_target(remote, branch, new)?;
        }
        Ok(end)
    }

    /// Makes a ref of a remote that must not exist there: never by force. No hook of the user's runs, and nothing else is pushed along.
    pub fn push_new(
        &self,
        remote: &str,
        name: &RefName,
        new: ObjectId,
        patience: &Patience,
    ) -> Result<PushEnd, RemoteError> {
        self.push(remote, name, "", new, patience)
    }

    /// `expected`: what the ref must be there; empty: it must not exist.
    fn push(
        &self,
        remote: &str,
        branch: &RefName,
        expected: &str,
        new: ObjectId,
        patience: &Patience,
    ) -> Result<PushEnd, RemoteError> {
        let addresses = self.addresses(remote)?;
        let call = self
            .git()
            .pushing()
            .args([
                "--porcelain",
                "--no-verify",
                "--no-follow-tags",
                "--no-signed",
                "--recurse-submodules=no",
            ])
            .arg(format!("--force-with-lease={branch}:{expected}"))
            .args(["--", remote])
            .arg(format!("{new}:{branch}"));
        crash_point("a push is about to begin");
        let answer = self.heard(call, remote, &addresses, patience)?;
        crash_point("a push has ended");
        let told = String::from_utf8_lossy(&answer.stdout);
        let line = told.lines().find_map(|line| {
            let (flag, rest) = line.split_once('\t')?;
            let (_, said) = rest.split_once('\t')?;
            rest.contains(branch.as_str())
                .then(|| (flag.to_owned(), said.to_owned()))
        });
        Ok(match line {
            Some((flag, _)) if flag != "!" && answer.status == Some(0) => PushEnd::Taken,
            // It may have been taken, and the rest of the answer is missing.
            Some((flag, _)) if flag != "!" => return Err(unreachable(remote, &addresses, &answer.complaint)),
            Some((_, said)) => {
                let reason = without_addresses(&told_by_remote(&answer.complaint, &said), &addresses);
                // What the remote's own rules refuse begins otherwise.
                let is_stale = said.starts_with("[rejected]")
                    || said.contains("failed to update ref")
                    || said.contains("cannot lock ref");
                match is_stale {
                    true => PushEnd::Moved { reason },
                    false => PushEnd::Rejected { reason },
                }
            }
            None => return Err(unreachable(remote, &addresses, &answer.complaint)),
        })
    }

    /// What was pushed is what was last seen, without asking again.
    fn note_target(&self, remote: &str, branch: &RefName, seen: CommitId) -> Result<(), RemoteError> {
        let kept = target_ref(remote, branch)?;
        let expected = self.resolve(&kept)?.map_or(Expected::Missing, Expected::Is);
        match self.update_ref(&kept, seen.0, expected, "foil: pushed") {
            // Somebody fetched meanwhile, and knows better.
            Ok(()) | Err(RefError::Refused { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the remote is: what must not be told. Refused where a push would go to several places, or elsewhere than before.
    fn addresses(&self, remote: &str) -> Result<Vec<String>, RemoteError> {
        let known = self.remotes()?.into_iter().find(|known| known.name == remote);
        let Some(known) = known else {
            return Err(RemoteError::Unknown {
                remote: remote.to_owned(),
            });
        };
        if known.push_urls.len() > 1 {
            return Err(RemoteError::SeveralAddresses {
                remote: remote.to_owned(),
                count: known.push_urls.len(),
            });
        }
        let mirror = format!("remote.{remote}.mirror");
        if self.local().config_snapshot().boolean(mirror.as_str()) == Some(true) {
            let remote = remote.to_owned();
            return Err(RemoteError::Mirror { remote });
        }
        if !self.is_reached_as_before(remote)? {
            let remote = remote.to_owned();
            return Err(RemoteError::Changed { remote });
        }
        Ok(known.fetch_url.into_iter().chain(known.push_urls).collect())
    }

    fn heard(
        &self,
        call: Call<'_>,
        remote: &str,
        addresses: &[String],
        patience: &Patience,
    ) -> Result<Answer, RemoteError> {
        let has_ssh_command = self.local().config_snapshot().string("core.sshCommand").is_some();
        match call
            // As the user's own Git reads a relative address: from the top of the work tree.
            .started_in(self.work_dir())
            .with_network_variables(has_ssh_command)
            .patient(patience.clone())
            .run()
        {
            Err(GitProgramError::Late { .. }) => Err(RemoteError::Late {
                remote: remote.to_owned(),
            }),
            Err(error @ GitProgramError::Interrupted { .. }) => Err(unreachable(remote, addresses, &error.to_string())),
            other => Ok(other?),
        }
    }
}

fn target_ref(remote: &str, branch: &RefName) -> Result<RefName, RepositoryError> {
    Ok(format!("{TARGETS}/{remote}/{}", branch.short()).parse()?)
}

fn unreachable(remote: &str, addresses: &[String], complaint: &str) -> RemoteError {
    let reason = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    let reason = without_addresses(&reason.collect::<Vec<_>>().join("; "), addresses);
    RemoteError::Unreachable {
        remote: remote.to_owned(),
        reason: if reason.is_empty() {
            "git gave no reason".to_owned()
        } else {
            reason
        },
    }
}

/// What a branch is by what `ls-remote` answers; none where it is not told.
pub(crate) fn branch_in(answer: &[u8], branch: &RefName) -> Result<Option<CommitId>, InvalidObjectId> {
    let text = String::from_utf8_lossy(answer);
    let line = text
        .lines()
        .find_map(|line| line.split_once('\t').filter(|(_, name)| *name == branch.as_str()));
    line.map(|(id, _)| id.parse().map(CommitId)).transpose()
}

/// What the remote itself says about a refusal, which Git marks, with the reason in short.
fn told_by_remote(complaint: &str, said: &str) -> String {
    let lines = complaint.lines().filter_map(|line| line.strip_prefix("remote: "));
    let lines: Vec<_> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines[..] {
        [] => said.to_owned(),
        _ => format!("{said}: {}", lines.join("; ")),
    }
}

/// An address may hold credentials, and a path is one of this machine.
pub(crate) fn without_addresses(text: &str, addresses: &[String]) -> String {
    let mut text = text.to_owned();
    let mut addresses: Vec<&str> = addresses
        .iter()
        .map(String::as_str)
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort_by_key(|address| std::cmp::Reverse(address.len()));
    for address in addresses {
        text = text.replace(address, "its address");
        if let Some(path) = address.strip_prefix("file://") {
            text = text.replace(path, "its address");
        }
    }
    // Git itself takes the password out of an address, and leaves the rest.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || c == '+';
        let begin = rest[..at].trim_end_matches(is_scheme).len();
        let end = rest[at..]
            .find(|c: char| c.is_whitespace() || c == '\'' || c == '"')
            .map_or(rest.len(), |end| at + end);
        out.push_str(&rest[..begin]);
        out.push_str("its address");
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_credentials_nor_paths_of_the_machine_are_told() {
        let addresses = [
            "https://me:s3cret@example.org/a.git".to_owned(),
            "/srv/git/a.git".to_owned(),
        ];
        for (text, told) in [
            (
                "fatal: '/srv/git/a.git' does not appear to be a git repository",
                "fatal: 'its address' does not appear to be a git repository",
            ),
            (
                "fatal: unable to access 'https://me@example.org/a.git/': 403",
                "fatal: unable to access 'its address': 403",
            ),
            ("To https://me:s3cret@example.org/a.git failed", "To its address failed"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(without_addresses(text, &addresses), told);
        }
    }

    #[test]
    fn an_address_may_follow_any_letter() {
        for (text, told) in [
            ("siehe „https://example.org/a“ dort", "siehe „its address dort"),
            ("voilà://x", "voilàits address"),
            ("é", "é"),
        ] {
            assert_eq!(without_addresses(text, &[]), told);
        }
    }
}
