//! The ledger's steering packs: read from a commit or a work tree, and chosen for a ticket.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;

use git_delivery::{ObjectError, Repository, blob_id};
use ledger_core::{
    CommitId, CoveredFile, Digest, EntryMode, MAX_DOCUMENT_BYTES, RepoPath, SourceLock, SteeringName, SteeringPack,
    TicketFile, TreeId,
};
use policy::{ContextFacts, Policy, PolicyScope, SecretRules, SteeringChoice, SteeringFacts, context_files};

use crate::beneath::{open_folder, read_beneath};
use crate::ledger::{FileProblem, join};

/// The most bytes of a file that a worker is told to read.
const MAX_CONTEXT_BYTES: u64 = 16 * 1024 * 1024;

/// All packs of a ledger.
#[derive(Debug, Default)]
pub(crate) struct SteeringFiles {
    /// Each that can be read, with its bytes.
    pub(crate) packs: BTreeMap<SteeringName, (SteeringPack, Vec<u8>)>,
    /// What lies there and is no pack.
    pub(crate) unusable: Vec<(RepoPath, PackProblem)>,
    dir: Option<RepoPath>,
    choice: OnceLock<SteeringChoice>,
}

/// Why a file is no pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PackProblem {
    /// Its name is none.
    #[error("its name is no name of a steering pack")]
    Name,
    /// It is Markdown or begins as a pack does, and has another ending.
    #[error("the names of packs end in `.md`")]
    Ending,
    /// It lies in a folder of its own.
    #[error("packs lie directly in the folder `steering`, not in folders below it")]
    Nested,
    /// It cannot be used.
    #[error(transparent)]
    File(#[from] FileProblem),
}

impl SteeringFiles {
    /// The packs of this ledger in a commit. No folder is no pack.
    pub(crate) fn at(repository: &Repository, commit: CommitId, ledger: &RepoPath) -> Result<Self, ObjectError> {
        let dir = join(ledger, "steering");
        let mut found = Self::default();
        if let Some(dir) = &dir {
            let tree = repository.commit_tree_id(commit)?;
            // A link in place of the folder leads to packs that nobody reads.
            if repository.entry_at(tree, dir)?.is_some() {
                found.unusable.push((dir.clone(), FileProblem::NotAFile.into()));
            }
            for entry in repository.list_tree(tree, Some(dir))? {
                let read = || match entry.side.mode {
                    EntryMode::File | EntryMode::Executable => repository
                        .read_blob(entry.side.id, MAX_DOCUMENT_BYTES as u64)
                        .map_err(FileProblem::from),
                    _ => Err(FileProblem::NotAFile),
                };
                found.add(dir, entry.path.clone(), read);
            }
        }
        found.dir = dir;
        Ok(found)
    }

    /// The packs of this ledger in a work tree. A folder that cannot be listed is itself no pack.
    pub(crate) fn in_work_tree(root: &Path, ledger: &RepoPath) -> Self {
        let mut found = Self::default();
        let Some(dir) = join(ledger, "steering") else {
            return found;
        };
        match names_in(root, &dir) {
            Ok(names) => {
                for name in names {
                    if let Ok(path) = RepoPath::new([dir.as_bytes(), b"/", &name].concat()) {
                        found.add(&dir, path.clone(), || read_beneath(root, &path));
                    }
                }
            }
            Err(FileProblem::Missing) => {}
            Err(problem) => found.unusable.push((dir.clone(), problem.into())),
        }
        found.dir = Some(dir);
        found
    }

    fn add(&mut self, dir: &RepoPath, path: RepoPath, read: impl FnOnce() -> Result<Vec<u8>, FileProblem>) {
        let below = path.as_bytes().get(dir.as_bytes().len() + 1..).unwrap_or_default();
        let Some(stem) = below.strip_suffix(b".md") else {
            // Whoever wrote it took it for a pack, and it would have steered nobody.
            if is_markdown(below) || !is_kept_by_editor(below) && read().is_ok_and(|bytes| bytes.starts_with(b"+++")) {
                self.unusable.push((path, PackProblem::Ending));
            }
            return;
        };
        if stem.contains(&b'/') {
            return self.unusable.push((path, PackProblem::Nested));
        }
        let name = std::str::from_utf8(stem)
            .ok()
            .and_then(|stem| stem.parse::<SteeringName>().ok());
        let Some(name) = name else {
            return self.unusable.push((path, PackProblem::Name));
        };
        let pack = read().and_then(|bytes| Ok((SteeringPack::parse(&bytes)?, bytes)));
        match pack {
            Ok(pack) => {
                self.packs.insert(name, pack);
            }
            Err(problem) => self.unusable.push((path, problem.into())),
        }
    }

    /// What chooses among the packs.
    pub(crate) fn choice(&self) -> &SteeringChoice {
        let heads = self.packs.iter().map(|(name, (pack, _))| (name, &pack.head));
        self.choice.get_or_init(|| SteeringChoice::new(heads))
    }

    /// The files of a tree by which packs are chosen; others too where a pack may be chosen by any.
    pub(crate) fn paths_in(&self, repository: &Repository, tree: TreeId) -> Result<Vec<RepoPath>, ObjectError> {
        let mut paths = Vec::new();
        match self.choice().places() {
            // Few packs are for files of the ledger, which has more of them than most sources.
            Some(places) => {
                for place in places {
                    let file = repository.entry_at(tree, place)?.map(|_| place.clone());
                    let below = repository.list_tree(tree, Some(place))?;
                    paths.extend(file.into_iter().chain(below.into_iter().map(|entry| entry.path)));
                }
            }
            None => paths.extend(repository.list_tree(tree, None)?.into_iter().map(|entry| entry.path)),
        }
        Ok(paths)
    }

    /// The file of a pack.
    pub(crate) fn path(&self, name: &SteeringName) -> Option<RepoPath> {
        join(self.dir.as_ref()?, &format!("{name}.md"))
    }

    /// Whether the file at this path is a pack with these bytes.
    pub(crate) fn holds(&self, file: &CoveredFile) -> bool {
        self.packs
            .iter()
            .any(|(name, (_, bytes))| self.path(name).as_ref() == Some(&file.path) && Digest::of(bytes) == file.sha256)
    }

    /// What a ticket is given. `files` lists the files of the base, and is asked only where a pack needs it. A run that was begun keeps the packs that it was begun
    /// with, `locked`: its base may hold what the choice did not know yet, such as what it is stacked on.
    pub(crate) fn chosen<'a, E>(
        &self,
        ticket: &TicketFile,
        scope: &PolicyScope<'_>,
        locked: Option<&SourceLock>,
        files: impl FnOnce() -> Result<Cow<'a, [RepoPath]>, E>,
    ) -> Result<SteeringFacts, E> {
        let mut facts = SteeringFacts {
            packs: Vec::new(),
            unusable: self
                .unusable
                .iter()
                .map(|(path, problem)| format!("`{path}`: {problem}"))
                .collect(),
        };
        let names: Vec<SteeringName> = match locked {
            Some(lock) => {
                let named = |file: &CoveredFile| {
                    self.packs
                        .keys()
                        .find(|name| self.path(name).as_ref() == Some(&file.path))
                };
                lock.steering.iter().filter_map(named).cloned().collect()
            }
            None => {
                let choice = self.choice();
                let files = match choice.needs_files() {
                    true => files()?,
                    false => Cow::default(),
                };
                choice.of(ticket, scope, &files).unwrap_or_else(|error| {
                    facts.unusable.push(error.to_string());
                    Vec::new()
                })
            }
        };
        let pack = |name: SteeringName| self.packs.get(&name).map(|(pack, _)| (name, pack.clone()));
        facts.packs = names.into_iter().filter_map(pack).collect();
        Ok(facts)
    }

    /// The files of the packs that were chosen, in their order.
    pub(crate) fn covered(&self, facts: &SteeringFacts) -> Result<Vec<CoveredFile>, ObjectError> {
        let mut files = Vec::new();
        for (name, _) in &facts.packs {
            let (Some(path), Some((_, bytes))) = (self.path(name), self.packs.get(name)) else {
                continue;
            };
            files.push(CoveredFile {
                path,
                blob: blob_id(bytes)?,
                sha256: Digest::of(bytes),
            });
        }
        Ok(files)
    }

    /// What is known of the files that a worker is given to read, as they are in the first of these commits that has them: the one that a
    /// run would start from, and those that it would be stacked on.
    pub(crate) fn context(
        &self,
        ticket: &TicketFile,
        policy: &Policy,
        facts: &SteeringFacts,
        repository: &Repository,
        commits: &[CommitId],
    ) -> Result<ContextFacts, ObjectError> {
        let files = context_files(ticket, &facts.packs, |name| self.path(name));
        let mut found = ContextFacts {
            files,
            ..ContextFacts::default()
        };
        if found.files.is_empty() {
            return Ok(found);
        }
        let rules = SecretRules::new(policy);
        let required: BTreeSet<_> = ticket.context.required.iter().map(|file| &file.path).collect();
        for path in &found.files {
            match read_in(repository, commits, path) {
                Ok(Some(bytes)) => {
                    let secrets = rules.scan(path, &bytes).into_iter();
                    found.secrets.extend(secrets.map(|secret| (path.clone(), secret)));
                }
                // A folder, a link, or not there. Linked specs are looked at on their own.
                Ok(None) if required.contains(path) && !is_copied(policy, path) => found.missing.push(path.clone()),
                Ok(None) => {}
                Err(ObjectError::TooLarge { size, .. }) => found.too_large.push((path.clone(), size)),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// The bytes of a file in the first of these commits that has it.
fn read_in(repository: &Repository, commits: &[CommitId], path: &RepoPath) -> Result<Option<Vec<u8>>, ObjectError> {
    for commit in commits {
        if let Some(bytes) = repository.read_file_at(*commit, path, MAX_CONTEXT_BYTES)? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Whether the policy has this file, which nobody tracks, copied to where the worker is.
pub(crate) fn is_copied(policy: &Policy, path: &RepoPath) -> bool {
    let copied = policy.workspace.copy.iter();
    copied.map(RepoPath::as_bytes).any(|copied| {
        let below = path.as_bytes().strip_prefix(copied);
        below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
    })
}

/// Whether a file is hidden, or a copy by its name.
fn is_kept_by_editor(name: &[u8]) -> bool {
    let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    file.starts_with(b".") || file.ends_with(b"~")
}

/// Whether a file by this name is Markdown, however its ending is written.
fn is_markdown(name: &[u8]) -> bool {
    let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let known: [&[u8]; 4] = [b"md", b"markdown", b"mdown", b"mkd"];
    name.contains(&b'.') && known.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The names of the files in a folder of a work tree and the folders in it, in their order. No link is followed.
fn names_in(root: &Path, dir: &RepoPath) -> Result<Vec<Vec<u8>>, FileProblem> {
    use rustix::io::Errno;
    let failed = |errno: Errno| match errno {
        Errno::NOENT => FileProblem::Missing,
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => FileProblem::NotAFile,
        other => FileProblem::Unreadable {
            reason: std::io::Error::from(other).to_string(),
        },
    };
    open_folder(root, dir.parts()).map_err(failed)?;
    let unreadable = |error: std::io::Error| FileProblem::Unreadable {
        reason: error.to_string(),
    };
    let on_disk = root.join(std::ffi::OsStr::from_bytes(dir.as_bytes()));
    let (mut names, mut folders) = (Vec::new(), vec![(on_disk, Vec::new())]);
    while let Some((folder, below)) = folders.pop() {
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = [&below, entry.file_name().as_bytes()].concat();
            if entry.file_type().map_err(unreadable)?.is_dir() {
                folders.push((entry.path(), [&name[..], b"/"].concat()));
            } else {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}
