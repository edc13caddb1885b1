//! What is wrong with steering packs, and with what they say to a ticket.

use std::sync::OnceLock;

use git_delivery::Repository;
use ledger_core::{RepoPath, RequiredFile, SteeringName, SteeringPack, TicketFile};
use policy::{
    ContextSize, InvalidScope, Policy, PolicyScope, RuleSource, SteeringConflict, SteeringFacts,
    check_steering_patterns, context_files, steering_conflicts,
};

use crate::beneath::is_file_beneath;
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{TicketFileName, TicketFolder};
use crate::steering_files::{PackProblem, SteeringFiles, is_copied};

/// The packs of the work tree, read when a ticket is looked at.
pub(super) struct SteeringRules<'a> {
    ledger: &'a RepoPath,
    repository: &'a Repository,
    files: OnceLock<SteeringFiles>,
    paths: OnceLock<Vec<RepoPath>>,
}

impl<'a> SteeringRules<'a> {
    /// Those of the ledger in this folder.
    pub(super) fn new(ledger: &'a RepoPath, repository: &'a Repository) -> Self {
        Self {
            ledger,
            repository,
            files: OnceLock::new(),
            paths: OnceLock::new(),
        }
    }

    fn files(&self) -> &SteeringFiles {
        self.files
            .get_or_init(|| SteeringFiles::in_work_tree(self.repository.work_dir(), self.ledger))
    }

    /// The files of the commit that is checked out by which packs are chosen; none where it cannot be read, which is told of elsewhere.
    fn paths(&self) -> &[RepoPath] {
        self.paths.get_or_init(|| {
            let paths = || {
                let commit = self.repository.head().ok()?.commit()?;
                let tree = self.repository.commit_tree_id(commit).ok()?;
                self.files().paths_in(self.repository, tree).ok()
            };
            // Of ten thousand tickets none has to look at the others again.
            self.files().choice().files_that_count(paths().unwrap_or_default())
        })
    }

    /// What is wrong with the packs, each on its own.
    pub(super) fn pack_findings(&self) -> Vec<Finding> {
        let files = self.files();
        let unusable = files.unusable.iter().map(|(path, problem)| {
            let finding =
                |hint: &str| Finding::new(FindingSeverity::Error, path.clone(), problem.to_string()).with_hint(hint);
            match problem {
                PackProblem::File(problem) => Finding::in_file(path.clone(), problem),
                PackProblem::Name => finding("rename the file, as in `security.md`"),
                PackProblem::Nested => finding("move it up, or give it another ending than `.md`"),
                PackProblem::Ending => {
                    finding("let its name end in `.md`; what is none ends in `.txt` and does not begin with `+++`")
                }
            }
        });
        let patterns = files.packs.iter().filter_map(|(name, (pack, bytes))| {
            let error = check_steering_patterns(&pack.head).err()?;
            let document = SteeringPack::head_document(bytes);
            let index = match &error {
                InvalidScope::Pattern { index, .. } => index.to_string(),
                _ => String::new(),
            };
            let keys = ["inclusion", "file_match", &index];
            let finding = Finding::at(
                FindingSeverity::Error,
                files.path(name)?,
                document.as_bytes(),
                &keys,
                error.to_string(),
            );
            Some(finding.with_hint("write an exact path, or a glob such as `src/auth/**`"))
        });
        unusable.chain(patterns).collect()
    }

    /// What a run of this ticket would be refused for, as parts of the ticket that are not finished.
    pub(super) fn findings(
        &self,
        folder: &TicketFolder<'_>,
        ticket: &TicketFile,
        contract: &[u8],
        scope: &PolicyScope<'_>,
    ) -> Vec<Finding> {
        let files = self.files();
        let find = |severity, keys: &[&str], message: String, hint: String| {
            Finding::at(severity, folder.path(TicketFileName::Ticket), contract, keys, message).with_hint(hint)
        };
        let mut findings = Vec::new();
        for (index, name) in ticket.context.steering.iter().enumerate() {
            if !files.packs.contains_key(name) {
                findings.push(find(
                    FindingSeverity::Error,
                    &["context", "steering", &index.to_string()],
                    format!("there is no steering pack `{name}` that can be used"),
                    nearest_pack(name, files),
                ));
            }
        }
        if !findings.is_empty() {
            return findings;
        }
        let Ok(facts) = files.chosen(ticket, scope, None, || Ok::<_, ()>(self.paths().into())) else {
            return findings;
        };
        for conflict in steering_conflicts(ticket, scope, &facts.packs) {
            let message = format!("no run would begin: {conflict}");
            let hint = "let one of them say otherwise, or take one away".to_owned();
            findings.push(match place(&conflict, ticket) {
                Some(keys) => {
                    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                    find(FindingSeverity::Unfinished, &keys, message, hint)
                }
                // Two packs: the ticket only brings them together.
                None => Finding::new(
                    FindingSeverity::Unfinished,
                    folder.path(TicketFileName::Ticket),
                    message,
                )
                .with_hint(hint),
            });
        }
        findings.extend(self.budget(ticket, &facts, find));
        findings
    }

    /// What the ticket tells the worker to read and nobody can. A ticket that comes after others may be told to read what they bring.
    pub(super) fn required(
        &self,
        folder: &TicketFolder<'_>,
        ticket: &TicketFile,
        contract: &[u8],
        policy: &Policy,
    ) -> Vec<Finding> {
        let comes_after_others = !ticket.depends_on.is_empty()
            || ticket.package.is_some()
            || ticket.parent.is_some()
            || ticket.mode.discipline().owns_tickets;
        let required = ticket.context.required.iter().enumerate();
        let missing = required.filter(|(_, file)| !self.has_file(&file.path) && !is_copied(policy, &file.path));
        let finding = |(index, file): (usize, &RequiredFile)| {
            let (severity, unless) = match comes_after_others {
                true => (FindingSeverity::Warning, ", unless a ticket before this one makes it"),
                false => (FindingSeverity::Error, ""),
            };
            let message = format!("there is no file `{}` for the worker to read{unless}", file.path);
            let keys = ["context", "required", &index.to_string(), "path"];
            let path = folder.path(TicketFileName::Ticket);
            Finding::at(severity, path, contract, &keys, message)
                .with_hint("name a file, no folder and no link, that is committed; or take it out")
        };
        missing.map(finding).collect()
    }

    /// Whether the work tree has this file, or the commit that is checked out: not all of that has to be in a work tree.
    fn has_file(&self, path: &RepoPath) -> bool {
        let is_committed = || {
            let commit = self.repository.head().ok()?.commit()?;
            let tree = self.repository.commit_tree_id(commit).ok()?;
            Some(self.repository.entry_at(tree, path).ok()??.mode.is_file())
        };
        is_file_beneath(self.repository.work_dir(), path) || is_committed().unwrap_or(false)
    }

    fn budget(
        &self,
        ticket: &TicketFile,
        facts: &SteeringFacts,
        find: impl Fn(FindingSeverity, &[&str], String, String) -> Finding,
    ) -> Vec<Finding> {
        let files = context_files(ticket, &facts.packs, |name| self.files().path(name));
        let texts = facts.packs.iter().map(|(_, pack)| pack.text.as_str());
        let size = ContextSize::of(ticket, texts, files.len());
        size.over(ticket)
            .map(|over| {
                find(
                    FindingSeverity::Unfinished,
                    &["context", over.key],
                    format!("no run would begin: {over}"),
                    "name less in `[context]`, or raise it".to_owned(),
                )
            })
            .into_iter()
            .collect()
    }
}

/// The keys of the ticket that a pack contradicts.
fn place(conflict: &SteeringConflict, ticket: &TicketFile) -> Option<Vec<String>> {
    let id = match conflict {
        SteeringConflict::Scope { .. } => return Some(vec!["scope".to_owned()]),
        SteeringConflict::Rule { first, second, .. } => {
            [second, first].into_iter().find_map(|source| match source {
                RuleSource::Decision(id) => Some(id),
                RuleSource::Pack(_) => None,
            })?
        }
    };
    let index = ticket.decision.iter().position(|decision| decision.id == *id)?;
    Some(vec!["decision".to_owned(), index.to_string(), "rules".to_owned()])
}

fn nearest_pack(name: &SteeringName, files: &SteeringFiles) -> String {
    let distance = |known: &&SteeringName| strsim::damerau_levenshtein(name.as_str(), known.as_str());
    match files
        .packs
        .keys()
        .min_by_key(distance)
        .filter(|known| distance(known) <= 2)
    {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "packs are the files `*.md` in the ledger's folder `steering`".to_owned(),
    }
}
