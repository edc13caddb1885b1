//! `design.md`: how the requirements are met, and where.

use std::ops::Range;

use super::reader::Reader;
use super::{DecisionId, RequirementId, SpecKind, SpecProblem, TaskId};
use crate::path::RepoPath;
use crate::ticket::DecisionStatus;

/// The design of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// Its name, such as `DES-sign-up`.
    pub id: String,
    /// Whether the whole design is decided.
    pub status: DecisionStatus,
    /// What was decided, or has to be before anybody begins.
    pub decisions: Vec<DesignDecision>,
    /// The files that it is about.
    pub files: Vec<ImpactedFile>,
    /// How each requirement is tested.
    pub tests: Vec<PlannedTest>,
}

/// A decision of a design.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesignDecision {
    /// Its name.
    pub id: DecisionId,
    /// Whether it is made.
    pub status: DecisionStatus,
    /// What was decided, as Markdown of one line.
    pub decision: String,
    /// The requirements that it serves.
    pub requirements: Vec<RequirementId>,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// A file that a design is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactedFile {
    /// The file.
    pub path: RepoPath,
    /// What happens to it.
    pub change: FileChange,
    /// The requirements that ask for it.
    pub requirements: Vec<RequirementId>,
    /// The tasks that do it.
    pub tasks: Vec<TaskId>,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// What a design says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Create,
    /// It is changed.
    Edit,
    /// It goes.
    Remove,
    /// It is looked at, and may stay as it is.
    Verify,
}

impl FileChange {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Remove => "remove",
            Self::Verify => "verify",
        }
    }
}

/// How a requirement is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTest {
    /// The requirement.
    pub requirement: RequirementId,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

const CHANGES: [(&str, FileChange); 4] = [
    ("create", FileChange::Create),
    ("edit", FileChange::Edit),
    ("remove", FileChange::Remove),
    ("verify", FileChange::Verify),
];

impl Design {
    pub(super) fn read(bytes: &[u8]) -> (Option<Self>, Vec<SpecProblem>) {
        let mut reader = match Reader::new(SpecKind::Design, bytes) {
            Ok(reader) => reader,
            Err(problem) => return (None, vec![problem]),
        };
        let id = reader.set_id("Design ID", "DES-");
        let status = reader.set_status();
        reader.prose("Overview", "say in a few sentences how it is done");
        let decisions = decisions(&mut reader);
        let files = files(&mut reader);
        reader.prose("Interfaces And Contracts", "say what others rely on, or \"None.\"");
        reader.table("Failure Modes", &["Failure", "Expected handling", "Proof"]);
        reader.prose(
            "Security And Privacy",
            "say what touches secrets, permissions or data of users, or \"None.\"",
        );
        let mut tests = Vec::new();
        for record in reader.table("Test Strategy", &["Requirement ID", "Test or proof", "Notes"]) {
            if let Some(requirement) = reader.id::<RequirementId>(&record, 0) {
                reader.words(&record, 1, &format!("how `{requirement}` is tested"));
                tests.push(PlannedTest {
                    requirement,
                    at: record.at,
                });
            }
        }
        let design = Self {
            id,
            status,
            decisions,
            files,
            tests,
        };
        (Some(design), reader.finish())
    }
}

fn decisions(reader: &mut Reader<'_>) -> Vec<DesignDecision> {
    let (mut decisions, mut taken) = (Vec::new(), Vec::new());
    let columns = ["Decision ID", "Status", "Decision", "Rationale", "Requirement IDs"];
    for record in reader.table("Decisions", &columns) {
        let Some(id) = reader.own_id::<DecisionId>(&record, 0, &taken) else {
            continue;
        };
        taken.push(id.clone());
        decisions.push(DesignDecision {
            status: reader.status(&record, 1),
            decision: reader.words(&record, 2, &format!("what `{id}` decides")),
            requirements: reader.ids(&record, 4),
            at: record.at,
            id,
        });
    }
    decisions
}

fn files(reader: &mut Reader<'_>) -> Vec<ImpactedFile> {
    let mut files: Vec<ImpactedFile> = Vec::new();
    for record in reader.table("Impacted Files", &["Path", "Change", "Requirement IDs", "Task IDs"]) {
        let cell = record.cells.first().cloned().unwrap_or_default();
        if cell.text.is_empty() {
            reader.unfinished(&cell.at, "the path is not written yet", "name the file, exactly");
            continue;
        }
        let Some(path) = reader.path(&cell, "name one file of the repository, exactly") else {
            continue;
        };
        if cell.text.contains(['*', '?']) {
            let message = "a design names files exactly, without `*` and `?`";
            reader.error(&cell.at, message, "name each file in a row of its own");
            continue;
        }
        if files.iter().any(|file| file.path == path) {
            reader.error(&cell.at, format!("`{path}` is there twice"), "make one row of both");
            continue;
        }
        if let Some(change) = reader.word(&record, 1, &CHANGES) {
            files.push(ImpactedFile {
                path,
                change,
                requirements: reader.ids(&record, 2),
                tasks: reader.ids(&record, 3),
                at: record.at,
            });
        }
    }
    files
}
