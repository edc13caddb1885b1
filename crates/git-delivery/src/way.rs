//! How a remote is reached, as the configuration says it: where it is, who asks there, and which programs Git starts for it.
//!
//! It must not change under a run: what delivers would go elsewhere, and what somebody else named would be started.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ledger_core::Digest;

use crate::git_program::GitProgramError;
use crate::repository::Repository;

/// The ways to remotes as they were when each was asked first. Digests, as there may be credentials in them.
#[derive(Debug, Default)]
pub(crate) struct KnownWays(Mutex<BTreeMap<String, Digest>>);

/// Sections beside that of the remote itself.
const SECTIONS: [&[u8]; 5] = [b"credential.", b"http.", b"protocol.", b"ssh.", b"url."];

/// Variables of other sections.
const VARIABLES: [&[u8]; 4] = [
    b"core.askpass",
    b"core.gitproxy",
    b"core.sshcommand",
    b"push.pushoption",
];

impl Repository {
    /// Whether a remote is reached now as it was when it was first asked through this handle, and is noted if it was never.
    pub(crate) fn is_reached_as_before(&self, remote: &str) -> Result<bool, GitProgramError> {
        let listed = self.git().reading("config").args(["--list", "-z"]).succeed()?;
        let way = way_to(&listed.stdout, remote);
        let mut known = self.ways().0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(*known.entry(remote.to_owned()).or_insert(way) == way)
    }
}

/// Of entries as Git lists them: each the key, a line break, the value, and a zero.
fn way_to(listed: &[u8], remote: &str) -> Digest {
    let entries = listed.split(|byte| *byte == 0);
    let concerning: Vec<_> = entries.filter(|entry| concerns(entry, remote)).collect();
    Digest::of(concerning.join(&0))
}

fn concerns(entry: &[u8], remote: &str) -> bool {
    let key = entry.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let of_remote = key
        .strip_prefix(b"remote.")
        .and_then(|rest| rest.strip_prefix(remote.as_bytes()))
        .and_then(|rest| rest.strip_prefix(b"."));
    match of_remote {
        // What is tracked of it is the user's matter.
        Some(variable) => variable != b"fetch",
        None => SECTIONS.iter().any(|section| key.starts_with(section)) || VARIABLES.contains(&key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_how_a_remote_is_reached_and_nothing_else_is_its_way() {
        let before = b"user.name\nAda\0remote.origin.url\n/there\0".as_slice();
        let with = |entry: &str| way_to(&[before, entry.as_bytes(), b"\0"].concat(), "origin");
        for entry in [
            "remote.origin.url\n/elsewhere",
            "remote.origin.pushurl\n/elsewhere",
            "remote.origin.receivepack\n/program",
            "remote.origin.uploadpack\n/program",
            "url./elsewhere.insteadof\n/there",
            "credential.helper\n!program",
            "http.https://example.org.proxy\nproxy",
            "core.sshcommand\nprogram",
            "protocol.ext.allow\nalways",
        ] {
            assert_ne!(with(entry), way_to(before, "origin"), "{entry}");
        }
        for entry in [
            "remote.origin.fetch\n+refs/heads/*:refs/remotes/origin/*",
            "remote.other.url\n/elsewhere",
            "branch.main.remote\norigin",
            "core.editor",
            "alias.url\nstatus",
        ] {
            assert_eq!(with(entry), way_to(before, "origin"), "{entry}");
        }
    }
}
