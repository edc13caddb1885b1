//! Room on the disks that runs write to.

use std::error::Error;
use std::io;
use std::path::Path;

use ledger_core::{AgentFailure, AgentFailureClass};

/// What programs say in the C locale when a disk is full. Git says the last of them without a reason, when it cannot write the
/// few bytes of a ref into a file that it has just made.
const FULL: [&str; 3] = ["No space left on device", "Disk quota exceeded", "couldn't write '"];

/// What is free for this user where there is least: on the disks of these folders, or of the nearest ones above them that exist.
/// `None` where the system does not say.
pub(crate) fn free_bytes(folders: &[&Path]) -> Option<u64> {
    let free = |folder: &&Path| {
        let disk = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    };
    folders.iter().filter_map(free).min()
}

/// Whether a full disk is at the bottom of an error.
pub(crate) fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // Another program's words may be in it.
            return is_kind_of_full(error) || says_full(&error.to_string());
        }
        if says_full(&cause.to_string()) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Whether a turn failed because the disk is full: its log, or what the agent itself writes.
pub(crate) fn ended_turn(failure: &AgentFailure) -> bool {
    let is_of_this_machine = matches!(
        failure.class,
        AgentFailureClass::Other
            | AgentFailureClass::Crashed
            | AgentFailureClass::Unavailable
            | AgentFailureClass::Protocol
    );
    is_of_this_machine && says_full(&failure.message)
}

fn is_kind_of_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn says_full(words: &str) -> bool {
    FULL.iter().any(|full| words.contains(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it cannot be written")]
    struct Above(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("git failed: {0}")]
    struct Told(&'static str);

    #[test]
    fn a_full_disk_is_found_below_other_errors() {
        assert!(is_full(&Above(io::ErrorKind::StorageFull.into())));
        assert!(is_full(&Above(io::ErrorKind::QuotaExceeded.into())));
        assert!(is_full(&Told(
            "fatal: cannot create .git/x.lock: No space left on device"
        )));
        assert!(is_full(&Told(
            "fatal: cannot update ref 'refs/a': couldn't write '.git/refs/a.lock'"
        )));
        assert!(!is_full(&Above(io::ErrorKind::PermissionDenied.into())));
        assert!(!is_full(&std::fmt::Error));
    }

    #[test]
    fn what_a_provider_says_of_its_own_disk_is_not_about_ours() {
        let failed = |class| AgentFailure::new(class, "No space left on device".to_owned());
        assert!(ended_turn(&failed(AgentFailureClass::Other)));
        assert!(ended_turn(&failed(AgentFailureClass::Crashed)));
        assert!(!ended_turn(&failed(AgentFailureClass::Server)));
        assert!(!ended_turn(&AgentFailure::new(
            AgentFailureClass::Other,
            "something else".to_owned()
        )));
    }

    #[test]
    fn the_folder_need_not_be_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("not/there/yet");
        assert!(free_bytes(&[&missing, folder.path()]).is_some());
        assert_eq!(free_bytes(&[]), None);
    }
}
