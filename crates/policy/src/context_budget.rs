//! How much a worker is given to read.

use std::collections::BTreeSet;

use ledger_core::{RepoPath, SteeringName, SteeringPack, TicketFile};

use crate::secrets::SecretFinding;

/// What has to be known of the files that a worker is given to read, before a ticket may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextFacts {
    /// The files, see [`context_files`].
    pub files: Vec<RepoPath>,
    /// What looks like a secret in one of them, or is one by its name.
    pub secrets: Vec<(RepoPath, SecretFinding)>,
    /// Those that are larger than anything that a worker is told to read, with their bytes.
    pub too_large: Vec<(RepoPath, u64)>,
}

/// How much a worker is given to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContextSize {
    /// Files: `[context] required`, linked specs and steering packs, each once.
    pub files: usize,
    /// Lines that are not empty of `problem`, `current`, `desired` and the texts of steering packs.
    pub lines: usize,
}

/// A limit of the ticket's for what is read, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextLimit {
    /// The key below `[context]`.
    pub key: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// How many there are.
    pub has: usize,
    /// How many there may be.
    pub most: u32,
}

impl std::fmt::Display for ContextLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, what, has, most } = self;
        write!(
            f,
            "the worker is given {has} {what} to read, and `context.{key}` is {most}"
        )
    }
}

/// The files that a worker is given or told to read, beside the ticket: steering packs in their order, then `[context] required` and linked specs. Each once.
/// `path` says where a pack is.
pub fn context_files(
    ticket: &TicketFile,
    packs: &[(SteeringName, SteeringPack)],
    path: impl Fn(&SteeringName) -> Option<RepoPath>,
) -> Vec<RepoPath> {
    let steering = packs.iter().filter_map(|(name, _)| path(name));
    let required = ticket.context.required.iter().map(|file| file.path.clone());
    let mut seen = BTreeSet::new();
    let all = steering.chain(required).chain(ticket.specs.files().cloned());
    all.filter(|path| seen.insert(path.clone())).collect()
}

impl ContextSize {
    /// What this ticket gives with these packs and these files.
    pub fn of(ticket: &TicketFile, packs: &[(SteeringName, SteeringPack)], files: &[RepoPath]) -> Self {
        let context = &ticket.context;
        let own = [&context.problem, &context.current, &context.desired]
            .into_iter()
            .map(String::as_str);
        let texts = own.chain(packs.iter().map(|(_, pack)| pack.text.as_str()));
        let lines = texts.flat_map(str::lines).filter(|line| !line.trim().is_empty());
        Self {
            files: files.len(),
            lines: lines.count(),
        }
    }

    /// What the ticket limits, with how much there is of it.
    pub fn limits(&self, ticket: &TicketFile) -> impl Iterator<Item = ContextLimit> + use<> {
        let limit = |key, what, has, most: Option<u32>| {
            Some(ContextLimit {
                key,
                what,
                has,
                most: most?,
            })
        };
        let context = &ticket.context;
        let files = limit("max_files", "files", self.files, context.max_files);
        let lines = limit("max_summary_lines", "lines", self.lines, context.max_summary_lines);
        [files, lines].into_iter().flatten()
    }

    /// The first limit that is exceeded.
    pub fn over(&self, ticket: &TicketFile) -> Option<ContextLimit> {
        let is_over = |limit: &ContextLimit| limit.has > usize::try_from(limit.most).unwrap_or(usize::MAX);
        self.limits(ticket).find(is_over)
    }
}
