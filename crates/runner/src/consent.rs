//! Whether a ticket's approval stands: who approved, and whether every covered file still has the approved bytes.

use jiff::Timestamp;
use ledger_core::{Approval, Digest, RepoPath, RequirementId, TicketFile};

use crate::ledger::{FileProblem, TicketFileName, TicketFolder};

/// How a ticket stands with a person's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentState {
    /// Nobody approved it.
    NotApproved,
    /// It is approved as it is.
    Approved {
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
        /// Digest of the approval's own bytes.
        approval: Digest,
    },
    /// It was approved, and is not what was approved any more.
    Stale {
        /// The file that differs.
        path: RepoPath,
        /// How.
        how: StaleReason,
    },
    /// It was approved for another repository.
    WrongRepository {
        /// For which.
        approved: String,
    },
    /// The approval cannot be used.
    Unreadable(FileProblem),
}

/// How a file differs from what was approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaleReason {
    /// Its bytes are others.
    #[error("it changed after the approval")]
    Changed,
    /// It is gone.
    #[error("it is gone since the approval")]
    Gone,
    /// The approval does not speak of it.
    #[error("the approval does not cover it")]
    NotCovered,
    /// It has a requirement that the delta modifies or removes, and says something else of it.
    #[error("`{requirement}` says something else there than when its replacement was approved")]
    Requirement {
        /// The requirement.
        requirement: RequirementId,
    },
}

/// The files that an approval of this ticket must cover: contract, prompt, a plan that a person wrote, linked specs, the steering packs that it names, and the
/// package that it names, whose lock has the files of the other tickets.
pub fn required_files(folder: &TicketFolder<'_>, ticket: &TicketFile) -> Vec<RepoPath> {
    let mut paths = vec![folder.path(TicketFileName::Ticket), folder.path(TicketFileName::Prompt)];
    // One that cannot be read is not known to be a record.
    if !matches!(folder.written_plan(), Ok(None)) {
        paths.push(folder.path(TicketFileName::Plan));
    }
    let packs = ticket.context.steering.iter().map(|name| folder.steering_path(name));
    for path in ticket.specs.files().cloned().chain(packs) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let package = ticket.package.as_ref().and_then(|name| folder.package_path(name));
    paths.extend(package.filter(|path| !paths.contains(path)));
    paths
}

/// How a ticket stands with a person's consent. `contract` is the bytes of `ticket.toml`, which the caller has read.
pub fn consent_state(
    folder: &TicketFolder<'_>,
    contract: &[u8],
    ticket: &TicketFile,
    repository_id: &str,
) -> ConsentState {
    let bytes = match folder.read(TicketFileName::Approval) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return ConsentState::NotApproved,
        Err(problem) => return ConsentState::Unreadable(problem),
    };
    let approval = match Approval::parse(&bytes) {
        Ok(approval) => approval,
        Err(error) => return ConsentState::Unreadable(error.into()),
    };
    if approval.repository != repository_id {
        return ConsentState::WrongRepository {
            approved: approval.repository,
        };
    }
    let required = required_files(folder, ticket);
    for path in &required {
        if !approval.file.iter().any(|file| file.path == *path) {
            return ConsentState::Stale {
                path: path.clone(),
                how: StaleReason::NotCovered,
            };
        }
    }
    let contract_path = folder.path(TicketFileName::Ticket);
    let prompt_path = folder.path(TicketFileName::Prompt);
    let package = ticket.package.as_ref();
    let package = package.and_then(|name| Some((name, folder.package_path(name)?)));
    for file in &approval.file {
        let found = if file.path == contract_path {
            Ok(Some(Digest::of(contract)))
        } else if file.path == prompt_path {
            folder.read(TicketFileName::Prompt).map(|bytes| bytes.map(Digest::of))
        } else if let Some((name, _)) = package.as_ref().filter(|(_, path)| file.path == *path) {
            folder.package_digest(name)
        } else {
            folder.read_path(&file.path).map(|bytes| bytes.map(Digest::of))
        };
        let how = match found {
            Ok(Some(digest)) if digest == file.sha256 => continue,
            Ok(None) => StaleReason::Gone,
            // What cannot be read is not what was approved.
            Ok(Some(_)) | Err(_) => StaleReason::Changed,
        };
        return ConsentState::Stale {
            path: file.path.clone(),
            how,
        };
    }
    for replaced in &approval.replaces {
        let bytes = folder.read_path(&replaced.path).ok().flatten();
        if !replaced.is_in(bytes.as_deref()) {
            return ConsentState::Stale {
                path: replaced.path.clone(),
                how: StaleReason::Requirement {
                    requirement: replaced.requirement.clone(),
                },
            };
        }
    }
    ConsentState::Approved {
        by: approval.by,
        at: approval.at,
        approval: Digest::of(&bytes),
    }
}
