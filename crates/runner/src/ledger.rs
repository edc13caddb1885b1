//! The ledger folder: which tickets there are and what lies in their folders, in a work tree or in a commit.

mod folder_files;
mod open;
mod ticket_folder;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use git_delivery::{ObjectError, Repository};
use ledger_core::{
    CommitId, CurrentIds, Digest, EntryMode, InvalidName, PackageName, RepoPath, Side, TicketId, TreeId,
};

pub(crate) use ticket_folder::read_committed;
pub use ticket_folder::{FileProblem, TicketFileName, TicketFolder};

/// A ledger whose folder has been listed. The tickets are read one by one when they are asked for, so a broken one never
/// stands in the way of the rest.
#[derive(Debug)]
pub struct Ledger<'a> {
    dir: RepoPath,
    ids: Vec<TicketId>,
    misfits: Vec<Misfit>,
    source: Source<'a>,
    /// The digests of packages that were asked for: every ticket of a package asks for the same.
    packages: Mutex<BTreeMap<PackageName, PackageDigest>>,
    /// The ids of the current specs, once a ticket has asked for them.
    current: OnceLock<CurrentIds>,
}

/// Digest of the file of a package; none where there is none.
type PackageDigest = Result<Option<Digest>, FileProblem>;

/// The files of a ticket in a commit, by name.
type CommittedFolder = BTreeMap<Vec<u8>, Side>;

#[derive(Debug)]
enum Source<'a> {
    /// There is no ledger folder.
    Nowhere,
    /// The work tree's root and the open folder `tickets`.
    WorkTree { root: PathBuf, tickets: OwnedFd },
    /// The folders of a commit, in the order of the ids.
    Commit {
        repository: &'a Repository,
        commit: CommitId,
        folders: Vec<CommittedFolder>,
    },
}

/// A folder among the tickets that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its path in the repository.
    pub path: RepoPath,
    /// Why it is no ticket.
    pub reason: MisfitReason,
}

/// Why a folder is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MisfitReason {
    /// Its name breaks a rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Its name is not UTF-8.
    #[error("its name is not UTF-8")]
    NotText,
    /// It is a symbolic link: a ledger is read without following any.
    #[error("it is a symbolic link, and a ledger is read without following any")]
    SymbolicLink,
    /// Another ticket has the same name but for upper and lower case.
    #[error("`{twin}` has the same name but for upper and lower case")]
    Twin {
        /// The other ticket, which counts.
        twin: TicketId,
    },
}

/// The ledger folder cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Something on the way is a file or a symbolic link.
    #[error("`{path}` is not a folder, and symbolic links are not followed")]
    NotAFolder {
        /// That path in the repository.
        path: RepoPath,
    },
    /// The system refuses.
    #[error("`{path}` cannot be read: {source}")]
    Io {
        /// The path in the repository.
        path: RepoPath,
        /// What the system says.
        source: std::io::Error,
    },
    /// A commit or tree cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// From this many tickets on a second thread pays.
const TWO_THREADS_FROM: usize = 64;

impl<'a> Ledger<'a> {
    /// Lists the ledger in this folder of a work tree. No folder is an empty ledger.
    pub fn in_work_tree(root: &Path, dir: &RepoPath) -> Result<Self, LedgerError> {
        let Some((tickets, entries)) = open::list_tickets(root, dir)? else {
            return Ok(Self {
                dir: dir.clone(),
                ids: Vec::new(),
                misfits: Vec::new(),
                source: Source::Nowhere,
                packages: Mutex::default(),
                current: OnceLock::new(),
            });
        };
        let mut names = Vec::with_capacity(entries.len());
        let mut misfits = Vec::new();
        for (name, is_link) in entries {
            match (is_link, ticket_id(&name)) {
                (false, Ok(id)) => names.push((id, ())),
                (true, _) => misfits.extend(misfit(dir, name, MisfitReason::SymbolicLink)),
                (false, Err(reason)) => misfits.extend(misfit(dir, name, reason)),
            }
        }
        let names = without_twins(dir, names, &mut misfits);
        Ok(Self {
            dir: dir.clone(),
            ids: names.into_iter().map(|(id, ())| id).collect(),
            misfits,
            source: Source::WorkTree {
                root: root.to_owned(),
                tickets,
            },
            packages: Mutex::default(),
            current: OnceLock::new(),
        })
    }

    /// Lists the ledger in this folder of a commit. No folder is an empty ledger.
    pub fn at_commit(repository: &'a Repository, commit: CommitId, dir: &RepoPath) -> Result<Self, LedgerError> {
        let tree = repository.commit_tree_id(commit)?;
        let tickets = tickets_dir(dir);
        no_link_leads_to(repository, tree, tickets.as_ref().unwrap_or(dir))?;
        let mut folders: BTreeMap<Vec<u8>, CommittedFolder> = BTreeMap::new();
        let mut links = Vec::new();
        for entry in repository.list_tree(tree, tickets.as_ref())? {
            let below = entry.path.as_bytes().get(dir.as_bytes().len() + TICKETS.len() + 1..);
            let Some(below) = below else { continue };
            let Some((folder, file)) = split_once(below, b'/') else {
                if entry.side.mode == EntryMode::Symlink && !below.starts_with(b".") {
                    links.push(below.to_vec());
                }
                continue;
            };
            if folder.starts_with(b".") {
                continue;
            }
            let files = folders.entry(folder.to_vec()).or_default();
            if !file.contains(&b'/') {
                files.insert(file.to_vec(), entry.side);
            }
        }
        let mut names = Vec::with_capacity(folders.len());
        let linked = |name| misfit(dir, name, MisfitReason::SymbolicLink);
        let mut misfits: Vec<_> = links.into_iter().filter_map(linked).collect();
        for (name, files) in folders {
            match ticket_id(&name) {
                Ok(id) => names.push((id, files)),
                Err(reason) => misfits.extend(misfit(dir, name, reason)),
            }
        }
        let (ids, folders) = without_twins(dir, names, &mut misfits).into_iter().unzip();
        Ok(Self {
            dir: dir.clone(),
            ids,
            misfits,
            source: Source::Commit {
                repository,
                commit,
                folders,
            },
            packages: Mutex::default(),
            current: OnceLock::new(),
        })
    }

    /// The ledger's folder in the repository.
    pub fn dir(&self) -> &RepoPath {
        &self.dir
    }

    /// Whether there is a folder for tickets at all.
    pub fn exists(&self) -> bool {
        !matches!(self.source, Source::Nowhere)
    }

    /// The ids of all tickets, in their order. Of twins only the first counts.
    pub fn ids(&self) -> &[TicketId] {
        &self.ids
    }

    /// Folders among the tickets that are none, in the order of their paths.
    pub fn misfits(&self) -> &[Misfit] {
        &self.misfits
    }

    /// Refuses a ticket in whose place there is a symbolic link.
    pub(crate) fn refuse_link(&self, id: &TicketId) -> Result<(), LedgerError> {
        let place = join(&self.dir, &format!("tickets/{id}"));
        let is_it =
            |misfit: &&Misfit| misfit.reason == MisfitReason::SymbolicLink && Some(&misfit.path) == place.as_ref();
        match self.misfits.iter().find(is_it) {
            Some(misfit) => Err(LedgerError::NotAFolder {
                path: misfit.path.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The folder of a ticket.
    pub fn ticket(&self, id: &TicketId) -> Option<TicketFolder<'_>> {
        let index = self.ids.binary_search(id).ok()?;
        Some(self.folder(index))
    }

    /// Digest of the file of a package in the same work tree or commit; none where there is none. Read once.
    fn package_digest(&self, name: &PackageName, read: impl FnOnce() -> PackageDigest) -> PackageDigest {
        if let Some(known) = self.packages.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        // Not under the lock: another thread may read it too, which costs less than to wait.
        let found = read();
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        packages.entry(name.clone()).or_insert(found).clone()
    }

    fn folder(&self, index: usize) -> TicketFolder<'_> {
        TicketFolder::new(self, index)
    }

    /// What `read` makes of each ticket, in the order of the ids. A large ledger is read by two threads.
    pub fn map<T: Send>(&self, read: impl Fn(&TicketFolder<'_>) -> T + Sync) -> Vec<T> {
        let all = |range: std::ops::Range<usize>| -> Vec<T> { range.map(|index| read(&self.folder(index))).collect() };
        let count = self.ids.len();
        if count < TWO_THREADS_FROM {
            return all(0..count);
        }
        let middle = count / 2;
        std::thread::scope(|scope| {
            let second = scope.spawn(|| all(middle..count));
            let mut whole = all(0..middle);
            match second.join() {
                Ok(rest) => whole.extend(rest),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            whole
        })
    }
}

/// Refuses a folder of a tree that lies behind a symbolic link or anything else that is no folder.
fn no_link_leads_to(repository: &Repository, tree: TreeId, folder: &RepoPath) -> Result<(), LedgerError> {
    let bytes = folder.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for end in ends.map(|(end, _)| end).chain([bytes.len()]) {
        let Ok(path) = RepoPath::new(&bytes[..end]) else {
            continue;
        };
        if repository.entry_at(tree, &path)?.is_some() {
            return Err(LedgerError::NotAFolder { path });
        }
    }
    Ok(())
}

const TICKETS: &str = "/tickets";

/// The folder `tickets` of a ledger. None only if the two do not make a path, which they always do.
pub(crate) fn tickets_dir(dir: &RepoPath) -> Option<RepoPath> {
    join(dir, "tickets")
}

/// A path below another.
pub(crate) fn join(folder: &RepoPath, below: &str) -> Option<RepoPath> {
    RepoPath::new([folder.as_bytes(), b"/", below.as_bytes()].concat()).ok()
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn ticket_id(name: &[u8]) -> Result<TicketId, MisfitReason> {
    let name = std::str::from_utf8(name).map_err(|_| MisfitReason::NotText)?;
    Ok(name.parse()?)
}

fn misfit(dir: &RepoPath, name: Vec<u8>, reason: MisfitReason) -> Option<Misfit> {
    let path = [dir.as_bytes(), TICKETS.as_bytes(), b"/", &name].concat();
    RepoPath::new(path).ok().map(|path| Misfit { path, reason })
}

/// The names in order; of those that differ only by case, the first.
fn without_twins<T>(dir: &RepoPath, mut names: Vec<(TicketId, T)>, misfits: &mut Vec<Misfit>) -> Vec<(TicketId, T)> {
    names.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut folded: Vec<(String, usize)> = names
        .iter()
        .enumerate()
        .map(|(index, (id, _))| (id.folded(), index))
        .collect();
    folded.sort();
    let mut twins: BTreeMap<usize, usize> = BTreeMap::new();
    for pair in folded.windows(2) {
        if pair[0].0 == pair[1].0 {
            let first = twins.get(&pair[0].1).copied().unwrap_or(pair[0].1);
            twins.insert(pair[1].1, first);
        }
    }
    for (twin, first) in &twins {
        let reason = MisfitReason::Twin {
            twin: names[*first].0.clone(),
        };
        misfits.extend(misfit(dir, names[*twin].0.as_str().as_bytes().to_vec(), reason));
    }
    misfits.sort_by(|a, b| a.path.cmp(&b.path));
    let mut index = 0;
    names.retain(|_| {
        index += 1;
        !twins.contains_key(&(index - 1))
    });
    names
}

#[cfg(test)]
mod tests;
