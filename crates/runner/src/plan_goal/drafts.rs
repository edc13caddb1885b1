//! The drafts of a goal's package as they are, and as a plan wants them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use ledger_core::{Digest, GoalPlan, MAX_DOCUMENT_BYTES, PackageName, RepoPath, SpecFolder, SpecKind, TicketId};
use serde::{Deserialize, Serialize};

use super::{GoalError, GoalFile, GoalFileChange};
use crate::approve::is_delivered;
use crate::beneath::{Created, create_beneath, read_beneath, remove_just_made, replace_beneath};
use crate::ledger::{Ledger, TicketFileName, TicketFolder, join};
use crate::packages::{Packages, package_path};
use crate::plan_files::PlanFiles;
use crate::workspace::Workspace;

/// What a plan wrote last, so that what a person has changed since is known from it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    files: BTreeMap<RepoPath, Digest>,
}

/// The drafts of a package.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    /// In their order.
    pub(super) tickets: Vec<TicketId>,
    /// Those of them that a person has edited, and that stay as they are.
    pub(super) edited: BTreeSet<TicketId>,
    /// Every file of those that a plan may replace or remove, with what is in it.
    pub(super) replaceable: BTreeMap<RepoPath, Digest>,
    /// Whether the file of the package is there.
    pub(super) has_package: bool,
    record: PathBuf,
}

impl Drafts {
    /// Looks at what an earlier plan of this package left. Refuses a package that a person made, or of which anything was approved.
    pub(super) fn of(workspace: &Workspace, package: &PackageName) -> Result<Self, GoalError> {
        let record = PlanFiles::of(workspace.roots(), package).written();
        let written: Option<Written> = std::fs::read(&record)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let ledger = workspace.ledger()?;
        let root = workspace.repository().work_dir();
        let packages = Packages::in_work_tree(root, ledger.dir())?;
        let mut drafts = Self {
            record,
            ..Self::default()
        };
        let path = package_path(ledger.dir(), package).unwrap_or_else(|| ledger.dir().clone());
        let Some(read) = packages.find(package) else {
            return Ok(drafts);
        };
        let Some(written) = written else {
            return Err(GoalError::Taken {
                package: package.clone(),
            });
        };
        let known = read.as_ref().map_err(|problem| GoalError::Package {
            path: path.clone(),
            problem: problem.clone(),
        })?;
        let is_known = |path: &RepoPath| match read_beneath(root, path) {
            Ok(bytes) => {
                let digest = Digest::of(&bytes);
                (written.files.get(path) == Some(&digest) || is_committed(workspace, path, &bytes)).then_some(digest)
            }
            Err(_) => None,
        };
        // Only its list of tickets and its lock are written anew; what else it says stays.
        drafts.has_package = true;
        drafts.replaceable.insert(path, Digest::of(packages.document(package)));
        for id in &known.tickets {
            let Some(folder) = ledger.ticket(id) else { continue };
            if let Some(how) = begun(workspace, &folder) {
                return Err(GoalError::Begun {
                    package: package.clone(),
                    ticket: id.clone(),
                    how,
                });
            }
            drafts.tickets.push(id.clone());
            let files = files_of(&ledger, &folder);
            let strange = strange_files(workspace, &folder);
            let digests: Option<Vec<_>> = files.iter().map(|path| Some((path.clone(), is_known(path)?))).collect();
            match digests.filter(|_| !strange) {
                Some(digests) => drafts.replaceable.extend(digests),
                None => drop(drafts.edited.insert(id.clone())),
            }
        }
        Ok(drafts)
    }

    /// The drafts that a plan may change.
    pub(super) fn open(&self) -> Vec<TicketId> {
        let is_open = |id: &&TicketId| !self.edited.contains(*id);
        self.tickets.iter().filter(is_open).cloned().collect()
    }

    /// The files that a plan wants, and those that it does not want any more.
    pub(super) fn wanted(
        &self,
        plan: &GoalPlan,
        package: &PackageName,
        ledger: &RepoPath,
    ) -> Result<Wanted, Vec<String>> {
        let mut wanted = Wanted::default();
        let specs = SpecFolder::of(ledger);
        let mut wrong = Vec::new();
        for planned in &plan.tickets {
            let Ok(id) = planned.id.parse::<TicketId>() else {
                continue;
            };
            wanted.order.push(id.clone());
            if self.edited.contains(&id) {
                continue;
            }
            let contract = match planned.contract(package, |kind| specs.change_file(&id, kind)) {
                Ok(contract) => format!("#:schema ../../schemas/ticket.schema.json\n{contract}"),
                Err(error) => {
                    wrong.push(format!("`{id}`: {}", error.message));
                    continue;
                }
            };
            let texts = [
                (TicketFileName::Ticket, contract),
                (TicketFileName::Prompt, ended(&planned.prompt)),
            ];
            for (name, text) in texts {
                if let Some(path) = join(ledger, &format!("tickets/{id}/{}", name.as_str())) {
                    wanted.files.insert(path, text);
                }
            }
            if !planned.specs.is_empty() {
                for kind in SpecKind::ALL {
                    wanted
                        .files
                        .insert(specs.change_file(&id, kind), ended(planned.specs.text(kind)));
                }
            }
        }
        // An edited one that the plan does not name is part of the package all the same.
        for id in self
            .edited
            .iter()
            .filter(|id| !wanted.order.contains(id))
            .collect::<Vec<_>>()
        {
            wanted.order.push(id.clone());
        }
        wanted.removed = self
            .replaceable
            .keys()
            .filter(|path| !wanted.files.contains_key(*path) && package_path(ledger, package).as_ref() != Some(path))
            .cloned()
            .collect();
        if wrong.is_empty() { Ok(wanted) } else { Err(wrong) }
    }

    /// Writes the files of a plan into the user's work tree, if what they replace is still as it was looked at, and notes what was written.
    pub(super) fn write(&self, workspace: &Workspace, wanted: &Wanted) -> Result<Vec<GoalFile>, GoalError> {
        let root = workspace.repository().work_dir();
        for (path, digest) in &self.replaceable {
            let is_same = read_beneath(root, path).is_ok_and(|bytes| Digest::of(&bytes) == *digest);
            if !is_same {
                return Err(GoalError::Moved { path: path.clone() });
            }
        }
        // First the note: should this be ended in between, the files that are there are still known as the plan's.
        let mut note = Written {
            files: self.replaceable.clone(),
        };
        let digests = wanted.files.iter().map(|(path, text)| (path.clone(), Digest::of(text)));
        note.files.extend(digests.clone());
        self.note(&note)?;
        let mut files = Vec::new();
        let mut made = Vec::new();
        for (path, text) in &wanted.files {
            let change = if self.replaceable.contains_key(path) {
                let is_same = read_beneath(root, path).is_ok_and(|bytes| bytes == text.as_bytes());
                if !is_same {
                    replace_beneath(root, path, text.as_bytes())?;
                }
                if is_same {
                    GoalFileChange::Kept
                } else {
                    GoalFileChange::Replaced
                }
            } else {
                match create_beneath(root, path, text.as_bytes()) {
                    Ok(Created::New) => made.push(path.clone()),
                    refused => {
                        for path in &made {
                            remove_just_made(root, path, false);
                        }
                        refused?;
                        return Err(GoalError::Exists { path: path.clone() });
                    }
                }
                GoalFileChange::Created
            };
            files.push(GoalFile {
                path: path.clone(),
                change,
            });
        }
        for path in &wanted.removed {
            remove_just_made(root, path, false);
            if let Some(folder) = parent(path) {
                remove_just_made(root, &folder, true);
            }
            files.push(GoalFile {
                path: path.clone(),
                change: GoalFileChange::Removed,
            });
        }
        self.note(&Written {
            files: digests.collect(),
        })?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// What [`Self::write`] would do.
    pub(super) fn would_write(&self, workspace: &Workspace, wanted: &Wanted) -> Vec<GoalFile> {
        let root = workspace.repository().work_dir();
        let planned = wanted.files.iter().map(|(path, text)| {
            let change = match read_beneath(root, path) {
                Ok(bytes) if bytes == text.as_bytes() => GoalFileChange::Kept,
                Ok(_) => GoalFileChange::Replaced,
                Err(_) => GoalFileChange::Created,
            };
            (path, change)
        });
        let removed = wanted.removed.iter().map(|path| (path, GoalFileChange::Removed));
        let mut files: Vec<_> = planned
            .chain(removed)
            .map(|(path, change)| GoalFile {
                path: path.clone(),
                change,
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    fn note(&self, written: &Written) -> Result<(), GoalError> {
        let failed = |source| GoalError::State {
            path: self.record.clone(),
            source,
        };
        let write = || -> std::io::Result<()> {
            let folder = self.record.parent().unwrap_or(&self.record);
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(written)?)?;
            file.as_file().sync_all()?;
            file.persist(&self.record).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(failed)
    }
}

/// What a plan wants of the work tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The tickets of the package, in their order.
    pub(super) order: Vec<TicketId>,
    /// The files, with their texts.
    pub(super) files: BTreeMap<RepoPath, String>,
    /// Files of drafts that are not wanted any more.
    pub(super) removed: Vec<RepoPath>,
}

/// What keeps a ticket from being planned anew.
fn begun(workspace: &Workspace, folder: &TicketFolder<'_>) -> Option<&'static str> {
    if is_delivered(workspace, folder) {
        return Some("delivered");
    }
    if folder.has(TicketFileName::Canceled) {
        return Some("canceled");
    }
    if folder.has(TicketFileName::Approval) {
        return Some("approved");
    }
    let has_runs = !workspace.roots().runs_of(folder.id()).unwrap_or_default().is_empty();
    has_runs.then_some("begun")
}

/// The files that a plan writes for a ticket and that are there.
fn files_of(ledger: &Ledger<'_>, folder: &TicketFolder<'_>) -> Vec<RepoPath> {
    let mut files = vec![folder.path(TicketFileName::Ticket), folder.path(TicketFileName::Prompt)];
    let specs = SpecFolder::of(ledger.dir());
    let linked = folder.ticket().ok().map(|ticket| ticket.specs);
    for kind in SpecKind::ALL {
        let path = specs.change_file(folder.id(), kind);
        if linked.as_ref().and_then(|specs| specs.file(kind)) == Some(&path) {
            files.push(path);
        }
    }
    files
}

/// Whether a person has put a file beside the ticket's.
fn strange_files(workspace: &Workspace, folder: &TicketFolder<'_>) -> bool {
    let contract = folder.path(TicketFileName::Ticket);
    let Some(path) = parent(&contract) else { return true };
    let on_disk = workspace.repository().work_dir().join(path.to_string());
    let Ok(entries) = std::fs::read_dir(on_disk) else {
        return true;
    };
    let is_plain = |name: &std::ffi::OsStr| {
        [TicketFileName::Ticket, TicketFileName::Prompt]
            .iter()
            .any(|known| name == known.as_str())
    };
    let mut names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    names.any(|name| !name.is_ok_and(|name| is_plain(&name)))
}

/// Whether these bytes are what `HEAD` has there: then Git keeps them.
fn is_committed(workspace: &Workspace, path: &RepoPath, bytes: &[u8]) -> bool {
    let repository = workspace.repository();
    let Some(commit) = repository.head().ok().and_then(|head| head.commit()) else {
        return false;
    };
    let there = repository.read_file_at(commit, path, MAX_DOCUMENT_BYTES as u64);
    there.is_ok_and(|there| there.as_deref() == Some(bytes))
}

fn parent(path: &RepoPath) -> Option<RepoPath> {
    path.to_str()?.rsplit_once('/')?.0.parse().ok()
}

fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}
