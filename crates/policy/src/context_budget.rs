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
    /// Those of `[context] required` that are no files where a run would start.
    pub missing: Vec<RepoPath>,
}

/// The most files that a worker is given where its ticket does not say.
pub const DEFAULT_CONTEXT_FILES: u32 = 50;

/// The most lines that a worker is given where its ticket does not say.
pub const DEFAULT_CONTEXT_LINES: u32 = 1000;

/// How much a worker is given to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContextSize {
    /// Files: `[context] required`, linked specs and steering packs, each once.
    pub files: usize,
    /// Lines that are not empty of `problem`, `current`, `desired` and the texts of steering packs.
    pub lines: usize,
}

/// A limit for what is read, and how much there is.
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
    /// Whether the ticket says so itself.
    pub is_set: bool,
}

impl std::fmt::Display for ContextLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            key,
            what,
            has,
            most,
            is_set,
        } = self;
        write!(
            f,
            "the worker is given {has} {what} to read, and `context.{key}` is {most}"
        )?;
        match is_set {
            true => Ok(()),
            false => f.write_str(" where a ticket does not set it"),
        }
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
    /// What this ticket gives with packs of these texts and with this many files.
    pub fn of<'a>(ticket: &'a TicketFile, packs: impl IntoIterator<Item = &'a str>, files: usize) -> Self {
        let context = &ticket.context;
        let own = [&context.problem, &context.current, &context.desired].map(String::as_str);
        Self {
            files,
            lines: own.into_iter().chain(packs).map(full_lines).sum(),
        }
    }

    /// The same with one more file, whose text is given.
    pub fn with_file(self, text: &str) -> Self {
        Self {
            files: self.files.saturating_add(1),
            lines: self.lines.saturating_add(full_lines(text)),
        }
    }

    /// What is limited, by the ticket or else by the defaults, with how much there is of it.
    pub fn limits(&self, ticket: &TicketFile) -> [ContextLimit; 2] {
        let limit = |key, what, has, set: Option<u32>, default| ContextLimit {
            key,
            what,
            has,
            most: set.unwrap_or(default),
            is_set: set.is_some(),
        };
        let context = &ticket.context;
        let (files, lines) = (context.max_files, context.max_summary_lines);
        [
            limit("max_files", "files", self.files, files, DEFAULT_CONTEXT_FILES),
            limit("max_summary_lines", "lines", self.lines, lines, DEFAULT_CONTEXT_LINES),
        ]
    }

    /// The first limit that is exceeded.
    pub fn over(&self, ticket: &TicketFile) -> Option<ContextLimit> {
        let is_over = |limit: &ContextLimit| limit.has > usize::try_from(limit.most).unwrap_or(usize::MAX);
        self.limits(ticket).into_iter().find(is_over)
    }
}

/// The most characters that count as one line: as many as two lines of code that is set wide.
const LINE: usize = 200;

/// How many lines of a text are not empty. A longer one counts as so many lines as it fills.
fn full_lines(text: &str) -> usize {
    text.lines()
        .map(|line| line.trim().chars().count().div_ceil(LINE))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_breaks_is_no_way_around_the_budget() {
        for (text, lines) in [
            ("", 0),
            (" \n\t\n", 0),
            ("a\n\n b", 2),
            (&"é".repeat(200), 1),
            (&"é".repeat(201), 2),
            (&format!("{}a\nb", " ".repeat(1000)), 2),
            (&"x".repeat(200_000), 1000),
        ] {
            assert_eq!(full_lines(text), lines);
        }
    }

    #[test]
    fn the_schema_of_tickets_says_what_holds_where_a_ticket_does_not() {
        let schema = ledger_core::schema("ticket").unwrap().to_value().to_string();
        for default in [DEFAULT_CONTEXT_FILES, DEFAULT_CONTEXT_LINES] {
            assert!(
                schema.contains(&format!("together; {default} where it is not said")),
                "{default}"
            );
        }
    }
}
