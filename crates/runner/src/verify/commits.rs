//! The commits of a delivery, computed again.

use std::collections::BTreeMap;

use ledger_core::{
    CommitId, Digest, MAX_DOCUMENT_BYTES, Receipt, ReplacedRequirement, RepoPath, Run, SourceLock, TicketFile, TreeId,
};
use policy::MemoryPaths;

use super::{MAX_STORED_BYTES, Verified, Verifier};
use crate::closeout::Closeout;
use crate::memory::with_notes;
use crate::specs::{LinkedSpecs, approval_of, overtaken_in};
use crate::workspace::PolicyFile;

impl Verifier<'_> {
    pub(super) fn commits(&mut self, journal: Option<Digest>, receipt: &Receipt, run: &Run) {
        let Some(delivered) = &receipt.delivered else {
            return self.add(
                "delivery",
                Verified::Information,
                "delivery mode `none`: nothing was delivered".to_owned(),
            );
        };
        let tree = self.repository.commit_tree_id(delivered.change);
        let Ok(tree) = tree else {
            return self.differs(
                "change commit",
                format!("{} is not in this repository", delivered.change),
            );
        };
        self.is(
            "tree of the change commit",
            tree == receipt.tree,
            format!("{tree} = what was checked and reviewed"),
        );
        let parents = self.repository.commit_parents(delivered.change).unwrap_or_default();
        self.is(
            "parent of the change commit",
            parents == [receipt.base],
            format!("base {}", receipt.base.short()),
        );
        let parents = self.repository.commit_parents(delivered.records).unwrap_or_default();
        self.is(
            "parent of the records commit",
            parents == [delivered.change],
            delivered.change.short(),
        );
        let lock = &receipt.source;
        let closeout = self.closeout(lock, tree).unwrap_or_else(|reason| {
            self.differs("specs", reason);
            None
        });
        let memory = self.memory(run, receipt).unwrap_or_else(|reason| {
            self.differs("memory files", reason);
            BTreeMap::new()
        });
        let only = self
            .repository
            .commit_tree_id(delivered.records)
            .ok()
            .and_then(|records_tree| {
                self.repository
                    .tree_differs_only_in(tree, records_tree, |path| {
                        is_record(lock, path)
                            || memory.contains_key(path)
                            || closeout.as_ref().is_some_and(|closeout| closeout.has(path))
                    })
                    .ok()
            });
        self.is(
            "records commit",
            only == Some(true),
            "changes only the ticket's records",
        );
        if !memory.is_empty() {
            let holds = self.holds_files(delivered.records, &memory);
            let count = memory.len();
            self.is(
                "memory files",
                holds,
                format!("the notes of the curator at the end of {count}"),
            );
        }
        if let Some(closeout) = &closeout {
            let holds = self.is_closed_out(closeout, delivered.records);
            self.is(
                "specs",
                holds,
                "the delta is in the current specs, and the specs are in the archive",
            );
        }
        let named = journal.map(|sum| sum.to_string());
        for (what, commit) in [
            ("change commit names the journal", delivered.change),
            ("records commit names the journal", delivered.records),
        ] {
            let trailer = self.trailer(commit, "Counterfoil-Journal");
            self.is(
                what,
                trailer.is_some() && trailer == named,
                trailer.unwrap_or_else(|| "no trailer".to_owned()),
            );
        }
        self.branch(&delivered.branch, delivered.records);
        if let (Some(remote), true) = (&delivered.remote, self.asks_remotes) {
            self.remote(remote, delivered.records);
        }
    }

    /// What has to become of the specs of the ticket, computed again from the tree; none where it has none, and the reason where that cannot
    /// be told.
    fn closeout(&self, lock: &SourceLock, tree: TreeId) -> Result<Option<Closeout>, String> {
        let Some(ticket) = self.contract(lock, tree) else {
            return Err("the contract of the ticket cannot be read in the tree".to_owned());
        };
        if !policy::has_specs(&ticket) {
            return Ok(None);
        }
        let specs = ledger_of(lock).and_then(|ledger| LinkedSpecs::in_tree(self.repository, tree, &ticket, &ledger));
        let specs = specs.ok_or("the specs of the ticket cannot be read in the tree")?;
        if let Some(overtaken) = self.overtaken(lock, tree)? {
            let (requirement, path) = (&overtaken.requirement, &overtaken.path);
            return Err(format!(
                "`{requirement}` says something else in `{path}` of the tree than when its replacement was approved"
            ));
        }
        let closeout = Closeout::of(self.repository, tree, &specs);
        closeout.map(Some).map_err(|error| error.to_string())
    }

    /// The first requirement that the approval lets the delta replace, and that is another in the tree.
    fn overtaken(&self, lock: &SourceLock, tree: TreeId) -> Result<Option<ReplacedRequirement>, String> {
        let approval = approval_of(self.repository, lock)?;
        let overtaken = overtaken_in(self.repository, tree, &approval.replaces).map_err(|error| error.to_string())?;
        Ok(overtaken.into_iter().next())
    }

    /// What the notes of the run have to make of its memory files, computed again from the tree; the reason where that cannot be told.
    fn memory(&self, run: &Run, receipt: &Receipt) -> Result<BTreeMap<RepoPath, Vec<u8>>, String> {
        let Some(curation) = run.curation().filter(|curation| !curation.notes.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let policy = self
            .repository
            .read_file_at(receipt.base, &PolicyFile::path(), MAX_DOCUMENT_BYTES as u64)
            .map_err(|error| error.to_string())?;
        let policy = PolicyFile::new(policy).policy.map_err(|problem| problem.to_string())?;
        let paths = MemoryPaths::new(&policy).map_err(|error| error.to_string())?;
        let noted = with_notes(self.repository, receipt.tree, curation, &receipt.ticket, &receipt.run);
        let noted = noted.map_err(|error| error.to_string())?;
        match noted.keys().find_map(|path| Some((path, paths.refusal(path)?))) {
            Some((path, (_, reason))) => Err(format!("`{path}`: {reason}")),
            None => Ok(noted),
        }
    }

    /// Whether a commit holds these files, byte for byte.
    fn holds_files(&self, commit: CommitId, files: &BTreeMap<RepoPath, Vec<u8>>) -> bool {
        files.iter().all(|(path, bytes)| {
            let found = self.repository.read_file_at(commit, path, MAX_STORED_BYTES);
            found.ok().flatten().as_ref() == Some(bytes)
        })
    }

    fn contract(&self, lock: &SourceLock, tree: TreeId) -> Option<TicketFile> {
        let (folder, _) = lock.approval.path.to_str()?.rsplit_once('/')?;
        let contract = format!("{folder}/ticket.toml").parse().ok()?;
        let side = self.repository.entry_at(tree, &contract).ok()??;
        let bytes = self.repository.read_blob(side.id, MAX_DOCUMENT_BYTES as u64).ok()?;
        TicketFile::parse(&bytes).ok()
    }

    fn is_closed_out(&self, closeout: &Closeout, records: CommitId) -> bool {
        let read = |path: &RepoPath| {
            self.repository
                .read_file_at(records, path, MAX_DOCUMENT_BYTES as u64)
                .ok()
        };
        let is_there = |(path, bytes): (&RepoPath, &Vec<u8>)| read(path).flatten().as_ref() == Some(bytes);
        closeout.written.iter().all(is_there) && closeout.removed.iter().all(|path| read(path) == Some(None))
    }

    pub(super) fn trailer(&self, commit: CommitId, key: &str) -> Option<String> {
        let message = self.repository.commit_message(commit).ok()?;
        message
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    }
}

/// The folder of the ledger that a run was started from.
pub(super) fn ledger_of(lock: &SourceLock) -> Option<RepoPath> {
    let (folder, _) = lock.approval.path.to_str()?.rsplit_once('/')?;
    let (ledger, _) = folder.rsplit_once('/')?.0.rsplit_once('/')?;
    ledger.parse().ok()
}

/// Whether a path is one of the records that a run may add to its ticket's folder, and nothing that a person approved.
fn is_record(lock: &SourceLock, path: &RepoPath) -> bool {
    if lock.files.iter().chain([&lock.approval]).any(|file| file.path == *path) {
        return false;
    }
    let folder_of = |path: &RepoPath| Some(path.to_str()?.rsplit_once('/')?.0.to_owned());
    let name = path
        .to_str()
        .and_then(|path| path.rsplit_once('/'))
        .map(|(_, name)| name);
    let stem = name.and_then(|name| name.strip_suffix(".md")).unwrap_or_default();
    // `result.md`, and `result-2.md` of a later run.
    let kind = match stem.rsplit_once('-') {
        Some((kind, number)) if number.parse::<u32>().is_ok() => kind,
        _ => stem,
    };
    folder_of(path).is_some_and(|folder| folder_of(&lock.approval.path) == Some(folder))
        && ["result", "review", "plan", "handoff"].contains(&kind)
}

#[cfg(test)]
mod tests {
    use ledger_core::CoveredFile;

    use super::*;

    #[test]
    fn records_are_named_as_such_and_are_never_what_was_approved() {
        let covered = |path: &str| CoveredFile {
            path: path.parse().unwrap(),
            blob: "a".repeat(40).parse().unwrap(),
            sha256: Digest::of(path),
        };
        let lock = SourceLock {
            repository: "owner/name".to_owned(),
            files: vec![covered("l/tickets/t/ticket.toml"), covered("l/tickets/t/plan.md")],
            approval: covered("l/tickets/t/approval.toml"),
            approved_by: "A User".to_owned(),
            policy: Digest::of(b""),
            prompts: Vec::new(),
            steering: Vec::new(),
        };
        for (path, expected) in [
            ("l/tickets/t/result.md", true),
            ("l/tickets/t/review-2.md", true),
            ("l/tickets/t/handoff.md", true),
            ("l/tickets/t/plan.md", false),
            ("l/tickets/t/ticket.toml", false),
            ("l/tickets/t/approval.toml", false),
            ("l/tickets/t/prompt.md", false),
            ("l/tickets/t/result-x.md", false),
            ("l/tickets/t/more/result.md", false),
            ("l/tickets/other/result.md", false),
            ("result.md", false),
        ] {
            assert_eq!(is_record(&lock, &path.parse().unwrap()), expected, "{path}");
        }
    }
}
