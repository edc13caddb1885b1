//! Reading what specs have in common: fields, sections, tables and lists of ids, each mistake with its place.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::markdown::{Cell, Markdown, Row, Section};
use super::{MAX_SPEC_BYTES, MAX_SPEC_PROBLEMS, MAX_SPEC_ROWS, SpecKind, SpecProblem, SpecSeverity};
use crate::document::{DocumentError, document_text};
use crate::path::RepoPath;
use crate::ticket::DecisionStatus;

/// A document on its way to what it says. Goes on after a mistake, so that all of them are told at once.
pub(super) struct Reader<'a> {
    text: &'a str,
    document: Markdown,
    /// The sections that were asked for.
    known: BTreeSet<usize>,
    /// Those of them that are prose.
    prose: BTreeSet<usize>,
    /// The tables that were asked for: their sections and columns.
    tables: Vec<(String, Vec<String>)>,
    problems: Problems,
}

/// The most bytes of a path in a cell.
const MAX_PATH_BYTES: usize = 1000;

/// The mistakes of one document, bounded.
pub(super) struct Problems {
    kind: SpecKind,
    found: Vec<SpecProblem>,
}

/// A row of a table with its cells in the order that was asked for.
pub(super) struct Record {
    pub(super) at: Range<usize>,
    pub(super) cells: Vec<Cell>,
}

impl Problems {
    pub(super) fn new(kind: SpecKind) -> Self {
        Self {
            kind,
            found: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, severity: SpecSeverity, error: DocumentError) {
        if !self.is_full() {
            let kind = self.kind;
            self.found.push(SpecProblem { kind, severity, error });
        }
    }

    /// Whether one more would not be told. To find a place takes as long as the file is, and there may be as many mistakes.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_SPEC_PROBLEMS
    }

    pub(super) fn into_found(self) -> Vec<SpecProblem> {
        self.found
    }
}

impl<'a> Reader<'a> {
    /// Refuses what is no text or too large for a spec.
    pub(super) fn new(kind: SpecKind, bytes: &'a [u8]) -> Result<Self, SpecProblem> {
        let refused = |error| SpecProblem {
            kind,
            severity: SpecSeverity::Error,
            error,
        };
        let text = document_text(bytes).map_err(refused)?;
        if text.len() > MAX_SPEC_BYTES {
            let message = format!(
                "the spec has {} bytes, more than the {MAX_SPEC_BYTES} that are read",
                text.len()
            );
            let error = DocumentError::at(text, 0..0, message).with_hint("split it: one ticket, one small change");
            return Err(refused(error));
        }
        Ok(Self {
            text,
            document: Markdown::parse(text),
            known: BTreeSet::new(),
            prose: BTreeSet::new(),
            tables: Vec::new(),
            problems: Problems::new(kind),
        })
    }

    pub(super) fn error(&mut self, at: &Range<usize>, message: impl Into<String>, hint: &str) {
        if self.problems.is_full() {
            return;
        }
        let error = DocumentError::at(self.text, at.clone(), message).with_hint(hint);
        self.problems.add(SpecSeverity::Error, error);
    }

    pub(super) fn unfinished(&mut self, at: &Range<usize>, message: impl Into<String>, hint: &str) {
        if self.problems.is_full() {
            return;
        }
        let error = DocumentError::at(self.text, at.clone(), message).with_hint(hint);
        self.problems.add(SpecSeverity::Unfinished, error);
    }

    /// The mistakes, where no rows stand that nobody reads: above the first section, in a section that was not asked for, or in one of prose
    /// though they are those of a table that was.
    pub(super) fn finish(mut self) -> Vec<SpecProblem> {
        let hint = "move its rows to the section that they are for, or write prose";
        if let Some(at) = self.document.stray_table.clone() {
            let message = "a table above the first section is read by nobody";
            self.error(&first_line(self.text, &at), message, hint);
        }
        let mut found = Vec::new();
        for (index, section) in self.document.sections.iter().enumerate() {
            let name = shortened(&section.name);
            let broken = section.broken_table.as_ref();
            if self.prose.contains(&index) {
                found.extend(broken.map(|at| {
                    (
                        format!("what looks like a table in `{name}` is none, and read by nobody"),
                        at,
                    )
                }));
                for table in &section.tables {
                    let is_it = |(_, columns): &&(String, Vec<String>)| {
                        let has = |column: &String| table.columns.iter().any(|cell| same_name(&cell.text, column));
                        columns.iter().all(has)
                    };
                    let message = |(other, _): &(String, Vec<String>)| {
                        format!("the section `{name}` is prose, and has a table as that of `{other}`")
                    };
                    found.extend(self.tables.iter().find(is_it).map(|known| (message(known), &table.at)));
                }
            } else if let (false, Some(at)) = (
                self.known.contains(&index),
                section.tables.first().map(|table| &table.at).or(broken),
            ) {
                found.push((
                    format!("the section `{name}` is none that is read, and has a table"),
                    at,
                ));
            }
        }
        let found = found.into_iter().map(|(message, at)| (message, at.clone()));
        for (message, at) in found.collect::<Vec<_>>() {
            self.error(&first_line(self.text, &at), message, hint);
        }
        self.into_problems()
    }

    pub(super) fn into_problems(self) -> Vec<SpecProblem> {
        self.problems.into_found()
    }

    /// What is written at a place, without the spaces around it: Markdown of one line.
    pub(super) fn source(&self, cell: &Cell) -> String {
        match cell.text.is_empty() {
            true => String::new(),
            false => self.text[cell.at.clone()].to_owned(),
        }
    }

    fn top(&self) -> Range<usize> {
        self.document.title.clone().unwrap_or(0..0)
    }

    /// The name of the whole set, such as `REQSET-sign-up`.
    pub(super) fn set_id(&mut self, field: &str, prefix: &str) -> String {
        let Some((value, at)) = self.field(field, &format!("{prefix}sign-up")) else {
            return String::new();
        };
        let is_name = |rest: &str| {
            (1..=100).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !value.strip_prefix(prefix).is_some_and(is_name) {
            let message = format!("`{field}` is no name that begins with `{prefix}`");
            self.error(&at, message, &format!("write `- {field}: {prefix}sign-up`"));
        }
        value
    }

    /// The status of the whole set.
    pub(super) fn set_status(&mut self) -> DecisionStatus {
        match self.field("Status", "proposed") {
            Some((value, at)) => self.status_of(&value, &at),
            None => DecisionStatus::Unknown,
        }
    }

    fn field(&mut self, name: &str, example: &str) -> Option<(String, Range<usize>)> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        let mut fields = self.document.fields.iter().filter(|field| is_it(&field.name));
        let first = fields.next().map(|field| (field.value.clone(), field.at.clone()));
        let second = fields.next().map(|field| field.at.clone());
        if let Some(second) = second {
            self.error(&second, format!("`{name}` is there twice"), "leave one of them out");
        }
        if first.is_none() {
            let hint = format!("write `- {name}: {example}` below the title");
            self.error(&self.top(), format!("`{name}` is missing"), &hint);
        }
        first
    }

    /// Whether a section is there; it has to be.
    fn section(&mut self, name: &str) -> Option<usize> {
        let named = |(_, section): &(usize, &Section)| same_name(&section.name, name);
        let found: Vec<_> = self.document.sections.iter().enumerate().filter(named).collect();
        let first = found.first().map(|(index, _)| *index);
        let second = found.get(1).map(|(_, section)| section.at.clone());
        self.known.extend(found.iter().map(|(index, _)| *index));
        if let Some(second) = second {
            self.error(
                &second,
                format!("the section `{name}` is there twice"),
                "make one section of both",
            );
        }
        if first.is_none() {
            let near = |(_, section): &(usize, &Section)| {
                // A longer name is none that was mistyped, and takes long to compare.
                section.name.len() <= 2 * name.len()
                    && strsim::damerau_levenshtein(&folded(&section.name), &folded(name))
                        <= 1 + name.chars().count() / 4
            };
            let nearest = self.document.sections.iter().enumerate().find(near);
            let (at, hint) = match nearest {
                Some((index, section)) => {
                    self.known.insert(index);
                    (section.at.clone(), format!("write `## {name}` here"))
                }
                None => (self.top(), format!("add `## {name}`; it may say \"None.\"")),
            };
            self.error(&at, format!("the section `{name}` is missing"), &hint);
        }
        first
    }

    /// A section that has to say something in prose.
    pub(super) fn prose(&mut self, name: &str, hint: &str) {
        let Some(index) = self.section(name) else { return };
        self.prose.insert(index);
        let section = &self.document.sections[index];
        if section.prose.trim().is_empty() && section.tables.is_empty() {
            let at = section.at.clone();
            self.unfinished(&at, format!("the section `{name}` says nothing yet"), hint);
        }
    }

    /// The rows of the one table of a section, which may say in prose that there is nothing.
    pub(super) fn table(&mut self, name: &str, columns: &[&str]) -> Vec<Record> {
        self.tables.push((
            name.to_owned(),
            columns.iter().map(|column| (*column).to_owned()).collect(),
        ));
        let Some(index) = self.section(name) else {
            return Vec::new();
        };
        let section = &mut self.document.sections[index];
        let (heading, broken) = (section.at.clone(), section.broken_table.take());
        let mut tables = std::mem::take(&mut section.tables).into_iter();
        let (first, second) = (tables.next(), tables.next());
        if let Some(second) = second {
            let message = format!("the section `{name}` has a second table");
            self.error(&second.at, message, "make one table of both");
        }
        let shown = format!("| {} |", columns.join(" | "));
        if let Some(at) = &broken {
            let message = "this is no table: its second row must have as many cells as its first, and nothing stands before a row";
            self.error(at, message, &format!("write `{shown}` and below it a `---` for each"));
        }
        let Some(table) = first else {
            if broken.is_none() && self.document.sections[index].prose.trim().is_empty() {
                let message = format!("the section `{name}` has no table `{shown}`");
                self.unfinished(&heading, message, "write the table, or \"None.\"");
            }
            return Vec::new();
        };
        let mut order = Vec::new();
        for column in columns {
            match table.columns.iter().position(|cell| same_name(&cell.text, column)) {
                Some(place) => order.push(place),
                None => {
                    let message = format!("the table has no column `{column}`");
                    self.error(
                        &first_line(self.text, &table.at),
                        message,
                        &format!("its columns are `{shown}`"),
                    );
                }
            }
        }
        for (place, cell) in table.columns.iter().enumerate() {
            if !order.contains(&place) {
                let message = format!("the column `{}` is not known, or is there twice", shortened(&cell.text));
                self.error(&cell.at, message, &format!("its columns are `{shown}`"));
            }
        }
        if order.len() != columns.len() || table.columns.len() != columns.len() {
            return Vec::new();
        }
        if let Some(row) = table.rows.get(MAX_SPEC_ROWS) {
            let message = format!("the table has more than the {MAX_SPEC_ROWS} rows that are read");
            self.error(&row.at, message, "split the spec: one ticket, one small change");
        }
        let rows: Vec<_> = table.rows.into_iter().take(MAX_SPEC_ROWS).collect();
        rows.into_iter().filter_map(|row| self.record(row, &order)).collect()
    }

    fn record(&mut self, row: Row, order: &[usize]) -> Option<Record> {
        if row.written != order.len() {
            let message = format!(
                "the row has {} cells, and its table {} columns",
                row.written,
                order.len()
            );
            self.error(
                &row.at,
                message,
                "give it as many; a `|` within a cell is written `\\|`",
            );
            return None;
        }
        let cells = order.iter().filter_map(|place| row.cells.get(*place).cloned());
        Some(Record {
            at: row.at,
            cells: cells.collect(),
        })
    }

    /// A cell that has to say something.
    pub(super) fn words(&mut self, record: &Record, index: usize, what: &str) -> String {
        let cell = record.cells.get(index).cloned().unwrap_or_default();
        if cell.text.is_empty() {
            self.unfinished(&cell.at, format!("{what} is not written yet"), "fill in the cell");
        }
        self.source(&cell)
    }

    /// A cell that may be empty.
    pub(super) fn optional(&self, record: &Record, index: usize) -> String {
        record
            .cells
            .get(index)
            .map(|cell| self.source(cell))
            .unwrap_or_default()
    }

    pub(super) fn status(&mut self, record: &Record, index: usize) -> DecisionStatus {
        let cell = record.cells.get(index).cloned().unwrap_or_default();
        self.status_of(&cell.text, &cell.at)
    }

    fn status_of(&mut self, text: &str, at: &Range<usize>) -> DecisionStatus {
        match text {
            "unknown" => DecisionStatus::Unknown,
            "proposed" => DecisionStatus::Proposed,
            "accepted" => DecisionStatus::Accepted,
            "superseded" => DecisionStatus::Superseded,
            other => {
                let message = format!("`{}` is no status", shortened(other));
                self.error(at, message, "it is `unknown`, `proposed`, `accepted` or `superseded`");
                DecisionStatus::Unknown
            }
        }
    }

    /// The path of a cell that says something.
    pub(super) fn path(&mut self, cell: &Cell, hint: &str) -> Option<RepoPath> {
        // An error about a path shows it.
        if cell.text.len() > MAX_PATH_BYTES {
            self.error(&cell.at, format!("a path has at most {MAX_PATH_BYTES} bytes"), hint);
            return None;
        }
        match cell.text.parse::<RepoPath>() {
            Ok(path) => Some(path),
            Err(error) => {
                self.error(&cell.at, error.to_string(), hint);
                None
            }
        }
    }

    /// The word of a list of known ones.
    pub(super) fn word<T: Copy>(&mut self, record: &Record, index: usize, known: &[(&str, T)]) -> Option<T> {
        let cell = record.cells.get(index).cloned().unwrap_or_default();
        let found = known.iter().find(|(word, _)| *word == cell.text);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
            let message = format!("`{}` is none of the words of this column", shortened(&cell.text));
            self.error(&cell.at, message, &format!("it is one of {}", words.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// The id of a row, which no row before it has.
    pub(super) fn own_id<T>(&mut self, record: &Record, index: usize, taken: &[T]) -> Option<T>
    where
        T: FromStr + PartialEq + fmt::Display,
        T::Err: fmt::Display,
    {
        let id = self.id::<T>(record, index)?;
        if taken.contains(&id) {
            let at = record.cells.get(index).map_or(0..0, |cell| cell.at.clone());
            self.error(&at, format!("`{id}` is there twice"), "give each one an id of its own");
            return None;
        }
        Some(id)
    }

    /// The one id of a cell.
    pub(super) fn id<T>(&mut self, record: &Record, index: usize) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let cell = record.cells.get(index).cloned().unwrap_or_default();
        match cell.text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                self.error(
                    &cell.at,
                    format!("{error}"),
                    "write the id alone, such as in the skeleton",
                );
                None
            }
        }
    }

    /// The ids of a cell, which may be none.
    pub(super) fn ids<T>(&mut self, record: &Record, index: usize) -> Vec<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let cell = record.cells.get(index).cloned().unwrap_or_default();
        let mut ids = Vec::new();
        for word in listed(&cell.text) {
            match word.parse() {
                Ok(id) => ids.push(id),
                Err(error) => self.error(
                    &cell.at,
                    format!("{error}"),
                    "write ids with commas between them, or `none`",
                ),
            }
        }
        ids
    }
}

/// The items of a list in a cell: commas stand between them, but for those in braces.
pub(super) fn listed(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    let is_something = |part: &&str| !matches!(*part, "" | "-" | "–" | "—") && !part.eq_ignore_ascii_case("none");
    parts.map(str::trim).filter(is_something).collect()
}

/// Names are compared without case, and in one spelling.
fn folded(name: &str) -> String {
    name.to_lowercase().replace("behavior", "behaviour")
}

fn same_name(found: &str, name: &str) -> bool {
    folded(found) == folded(name)
}

/// The beginning of what somebody wrote, in one line.
fn shortened(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

fn first_line(text: &str, at: &Range<usize>) -> Range<usize> {
    let length = text[at.clone()].lines().next().map_or(0, str::len);
    at.start..at.start + length
}
