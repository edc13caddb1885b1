//! Which ticket a person works on with Codex.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git_delivery::{Head, RepositoryError};
use ledger_core::{CommitId, RepoPath, TicketFile, TicketId};
use policy::Policy;

use crate::admit::policy_at_head;
use crate::engine::MOST_BRANCH_NAMES;
use crate::ledger::{Ledger, TicketFolder};
use crate::workspace::{PolicyFile, Settings, Workspace, WorkspaceError};

/// The repository around a folder; none where there is none, or one that cannot be worked on and has nothing of ours. A person who has hooks for all their
/// repositories must not be kept from working in those.
pub(super) fn repository_at(folder: &Path, settings: &Settings) -> Result<Option<Workspace>, String> {
    match Workspace::open(folder, settings) {
        Ok(workspace) => Ok(Some(workspace)),
        Err(WorkspaceError::Repository(RepositoryError::NotARepository { .. })) => Ok(None),
        Err(error) => {
            let ours = [PathBuf::from(Policy::FILE_NAME), Path::new("ledger").join("tickets")];
            let has_ours = |above: &Path| ours.iter().any(|name| above.join(name).symlink_metadata().is_ok());
            match folder.ancestors().any(has_ours) {
                true => Err(error.to_string()),
                false => Ok(None),
            }
        }
    }
}

/// The ledger as a conversation meets it: as it is committed, so that an agent that edits it changes nothing for itself.
#[derive(Debug)]
pub(super) struct ActiveLedger {
    pub(super) policy: Policy,
    /// The commit that is checked out; none where there is none yet.
    pub(super) commit: Option<CommitId>,
    pub(super) branch: Option<String>,
    pub(super) ticket: Option<ActiveTicket>,
    /// Whether the repository has anything of ours.
    pub(super) is_ours: bool,
}

#[derive(Debug)]
pub(super) struct ActiveTicket {
    pub(super) id: TicketId,
    pub(super) file: TicketFile,
}

impl ActiveLedger {
    /// Looks at the repository. The ticket is the one that was named, else the one whose delivery branch is checked out, where that is only one's; as it is committed,
    /// and as it is in the work tree where it is in no commit yet. Says why where it cannot be told.
    pub(super) fn of(workspace: &Workspace, named: Option<&str>) -> Result<Self, String> {
        let repository = workspace.repository();
        let head = repository.head().map_err(|error| error.to_string())?;
        let branch = match &head {
            Head::Branch { name, .. } | Head::Unborn { name } => Some(name.short().to_owned()),
            Head::Detached { .. } => None,
        };
        let commit = head.commit();
        let (policy, _) = policy_at_head(workspace).map_err(|error| error.to_string())?;
        let dir: &RepoPath = policy.ledger.dir.path();
        let here = Ledger::in_work_tree(repository.work_dir(), dir).map_err(|error| error.to_string())?;
        let committed = commit
            .map(|commit| Ledger::at_commit(repository, commit, dir))
            .transpose()
            .map_err(|error| error.to_string())?;
        let ledgers: Vec<_> = committed.iter().chain([&here]).collect();
        let folder = |id: &TicketId| ledgers.iter().find_map(|ledger| ledger.ticket(id));
        let id = match named {
            Some(name) => {
                let id: TicketId = name
                    .parse()
                    .map_err(|error| format!("`{name}` is no ticket: {error}"))?;
                Some(id)
            }
            None => {
                let branch = branch.as_deref().unwrap_or_default();
                let meant = by_branch(&policy, &ledgers, branch);
                // Where it is not clear nothing is guessed: the scope of another ticket would be a wrong leave.
                let mut all = meant.iter();
                if let (Some(first), Some(second)) = (all.next(), all.next()) {
                    return Err(format!(
                        "the branch `{branch}` may be that of `{first}` or of `{second}`; the person names the ticket in FOIL_TICKET"
                    ));
                }
                meant.into_iter().next()
            }
        };
        let ticket = match id {
            None => None,
            Some(id) => {
                let folder = folder(&id).ok_or_else(|| format!("there is no ticket `{id}`"))?;
                let file = folder.ticket().map_err(|problem| format!("ticket `{id}`: {problem}"))?;
                Some(ActiveTicket { id, file })
            }
        };
        // A policy of any size: it is only asked whether there is one.
        let has_policy = |commit| !matches!(repository.read_file_at(commit, &PolicyFile::path(), 0), Ok(None));
        let is_ours = ledgers.iter().any(|ledger| ledger.exists())
            || workspace.policy_file().bytes.is_some()
            || workspace.policy_file().policy.is_err()
            || commit.is_some_and(has_policy);
        Ok(Self {
            policy,
            commit,
            branch,
            ticket,
            is_ours,
        })
    }
}

/// The tickets whose delivery branch this may be: that of a package is the branch of all its tickets, and `foil/0001-hello-2` is the branch of `0001-hello-2`,
/// or of `0001-hello` where the first choice was taken.
fn by_branch(policy: &Policy, ledgers: &[&Ledger<'_>], branch: &str) -> BTreeSet<TicketId> {
    let template = &policy.delivery.branch;
    // A package may say that its tickets share one.
    let shared = template.shared();
    let package = |folder: &TicketFolder<'_>| folder.ticket().ok()?.package.map(|package| package.to_string());
    let mut found = BTreeSet::new();
    for ledger in ledgers {
        for id in ledger.ids() {
            let package = ledger.ticket(id).and_then(|folder| package(&folder));
            let of_package = package.as_deref().map(|_| shared.fill(id.as_str(), package.as_deref()));
            let mut wanted = of_package
                .into_iter()
                .chain([template.fill(id.as_str(), package.as_deref())]);
            if wanted.any(|wanted| branch.strip_prefix(wanted.as_str()).is_some_and(is_choice)) {
                found.insert(id.clone());
            }
        }
    }
    found
}

/// Whether this is what a delivery puts after the name of a branch: nothing, or a number where the name is taken.
fn is_choice(rest: &str) -> bool {
    let number = || rest.strip_prefix('-')?.parse::<u8>().ok();
    rest.is_empty()
        || number().is_some_and(|number| (2..=MOST_BRANCH_NAMES).contains(&number) && rest == format!("-{number}"))
}
