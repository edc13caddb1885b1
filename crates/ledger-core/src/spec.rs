//! Specs: requirements, design, tasks and delta of a change, as Markdown with tables.
//!
//! They may come from a stranger, so they are bounded, and whatever is wrong with them is told with its place. That ids resolve within a
//! set is settled here; what a ticket has to make of them is the policy's.

mod current;
mod delta;
mod design;
mod folder;
mod id;
mod markdown;
mod reader;
mod requirements;
mod skeleton;
mod tasks;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::document::{DocumentError, document_text};
use crate::ticket::DecisionStatus;

pub use current::{CurrentIds, CurrentProblem, CurrentRequirements, replaced_by, with_delta};
pub use delta::{Delta, DeltaChange, DeltaException, DeltaHandling, DeltaItem};
pub use design::{Design, DesignDecision, FileChange, ImpactedFile, PlannedTest};
pub use folder::{MOST_OF_ONE_NAME, SpecFolder};
pub use id::{DecisionId, DeltaItemId, RequirementId, TaskId};
pub use requirements::{Ambiguity, Requirement, Requirements, Trace};
pub use skeleton::spec_skeleton;
pub use tasks::{ProofItem, Task, TaskRole, Tasks};

use reader::Problems;

/// The most bytes that one file of a spec may have.
pub const MAX_SPEC_BYTES: usize = 256 * 1024;

/// The most rows of a table that are read.
pub const MAX_SPEC_ROWS: usize = 500;

/// The most problems that are told of one file.
pub const MAX_SPEC_PROBLEMS: usize = 50;

/// The specs of one change, whose ids resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecSet {
    /// What must be so.
    pub requirements: Requirements,
    /// How it is met, and where.
    pub design: Design,
    /// The steps.
    pub tasks: Tasks,
    /// What becomes of the current specs; none: nothing.
    pub delta: Option<Delta>,
}

/// The bytes of the files of a set.
#[derive(Debug, Clone, Copy)]
pub struct SpecSources<'a> {
    /// `requirements.md`.
    pub requirements: &'a [u8],
    /// `design.md`.
    pub design: &'a [u8],
    /// `tasks.md`.
    pub tasks: &'a [u8],
    /// `delta.md`, where there is one.
    pub delta: Option<&'a [u8]>,
}

/// Which file of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecKind {
    /// `requirements.md`
    Requirements,
    /// `design.md`
    Design,
    /// `tasks.md`
    Tasks,
    /// `delta.md`
    Delta,
}

impl SpecKind {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 4] = [Self::Requirements, Self::Design, Self::Tasks, Self::Delta];

    /// The name without its ending: also the key in a ticket.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requirements => "requirements",
            Self::Design => "design",
            Self::Tasks => "tasks",
            Self::Delta => "delta",
        }
    }
}

impl fmt::Display for SpecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that is wrong with a file of a set, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecProblem {
    /// The file.
    pub kind: SpecKind,
    /// How much it matters.
    pub severity: SpecSeverity,
    /// What and where.
    pub error: DocumentError,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecSeverity {
    /// Something is still to be written.
    Unfinished,
    /// It cannot be used.
    Error,
}

/// What came of reading a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecReading {
    /// The set, where nothing is wrong with it. Something may be unfinished.
    pub set: Option<SpecSet>,
    /// What is wrong or unfinished, file by file, at most [`MAX_SPEC_PROBLEMS`] of each.
    pub problems: Vec<SpecProblem>,
}

impl SpecSet {
    /// Reads the files of a change. Refuses what is no UTF-8 or too large, missing sections, tables that are none, rows with another
    /// number of cells, ids that occur twice or name nothing, and unknown words.
    ///
    /// ```
    /// use counterfoil_ledger_core::{SpecKind, SpecSet, SpecSources, spec_skeleton};
    /// let name = "0042-sign-up".parse().unwrap();
    /// let text = |kind| spec_skeleton(kind, &name, "Sign up", &"ledger".parse().unwrap(), 7);
    /// let [requirements, design, tasks, delta] = SpecKind::ALL.map(text);
    /// let sources = SpecSources {
    ///     requirements: requirements.as_bytes(),
    ///     design: design.as_bytes(),
    ///     tasks: tasks.as_bytes(),
    ///     delta: Some(delta.as_bytes()),
    /// };
    /// let reading = SpecSet::read(sources);
    /// assert_eq!(reading.set.unwrap().requirements.items[0].id.as_str(), "REQ-007");
    /// assert_eq!(reading.problems[0].error.to_string(), "line 7, column 1: the section `Summary` says nothing yet");
    /// ```
    pub fn read(sources: SpecSources<'_>) -> SpecReading {
        let (requirements, mut problems) = Requirements::read(sources.requirements);
        let (design, more) = Design::read(sources.design);
        problems.extend(more);
        let (tasks, more) = Tasks::read(sources.tasks);
        problems.extend(more);
        let delta = sources.delta.map(|bytes| {
            let (delta, more) = Delta::read(bytes);
            problems.extend(more);
            delta
        });
        let is_error = |problem: &SpecProblem| problem.severity == SpecSeverity::Error;
        let set = match (requirements, design, tasks, delta) {
            // A file with a mistake lacks rows, so that references to them would look wrong too.
            _ if problems.iter().any(is_error) => None,
            (_, _, _, Some(None)) => None,
            (Some(requirements), Some(design), Some(tasks), delta) => Some(Self {
                requirements,
                design,
                tasks,
                delta: delta.flatten(),
            }),
            _ => None,
        };
        if let Some(set) = &set {
            problems.extend(set.references(&sources));
        }
        SpecReading {
            set: set.filter(|_| !problems.iter().any(is_error)),
            problems,
        }
    }

    /// References that name nothing.
    fn references(&self, sources: &SpecSources<'_>) -> Vec<SpecProblem> {
        let mut found = Vec::new();
        let mut lost = References::new(SpecKind::Requirements, sources.requirements);
        let requirements: BTreeSet<_> = self.requirements.items.iter().map(|item| &item.id).collect();
        let tasks: BTreeSet<_> = self.tasks.items.iter().map(|item| &item.id).collect();
        for trace in &self.requirements.traces {
            lost.check(&requirements, [&trace.requirement], "requirements.md", &trace.at);
            lost.check(&tasks, &trace.tasks, "tasks.md", &trace.at);
        }
        found.extend(lost.into_found());

        let mut lost = References::new(SpecKind::Design, sources.design);
        for decision in &self.design.decisions {
            lost.check(&requirements, &decision.requirements, "requirements.md", &decision.at);
        }
        for file in &self.design.files {
            lost.check(&requirements, &file.requirements, "requirements.md", &file.at);
            lost.check(&tasks, &file.tasks, "tasks.md", &file.at);
        }
        for test in &self.design.tests {
            lost.check(&requirements, [&test.requirement], "requirements.md", &test.at);
        }
        found.extend(lost.into_found());

        let mut lost = References::new(SpecKind::Tasks, sources.tasks);
        for task in &self.tasks.items {
            lost.check(&requirements, &task.requirements, "requirements.md", &task.at);
        }
        for proof in &self.tasks.proofs {
            lost.check(&requirements, &proof.covers, "requirements.md", &proof.at);
        }
        found.extend(lost.into_found());

        if let (Some(delta), Some(bytes)) = (&self.delta, sources.delta) {
            let mut lost = References::new(SpecKind::Delta, bytes);
            for item in &delta.items {
                // What is removed need not be said anew.
                if item.change != DeltaChange::Removed {
                    lost.check(&requirements, [&item.requirement], "requirements.md", &item.at);
                }
                lost.handling(item, delta.exception(&item.id));
                lost.status(item, self.requirements.get(&item.requirement));
            }
            found.extend(lost.into_found());
        }
        found
    }
}

/// Looks for what the ids of one file name.
struct References<'a> {
    text: &'a str,
    problems: Problems,
}

impl<'a> References<'a> {
    fn new(kind: SpecKind, bytes: &'a [u8]) -> Self {
        Self {
            // It was read before.
            text: document_text(bytes).unwrap_or_default(),
            problems: Problems::new(kind),
        }
    }

    fn into_found(self) -> Vec<SpecProblem> {
        self.problems.into_found()
    }

    fn error(&mut self, at: &Range<usize>, message: String, hint: &str) {
        if self.problems.is_full() {
            return;
        }
        let error = DocumentError::at(self.text, at.clone(), message).with_hint(hint);
        self.problems.add(SpecSeverity::Error, error);
    }

    fn check<'b, T: Ord + fmt::Display + 'b>(
        &mut self,
        known: &BTreeSet<&T>,
        named: impl IntoIterator<Item = &'b T>,
        file: &str,
        at: &Range<usize>,
    ) {
        for id in named {
            if !known.contains(id) {
                let hint = format!("add it to `{file}`, or name one that is there");
                self.error(at, format!("`{id}` is not in `{file}`"), &hint);
            }
        }
    }

    /// An item that was decided does not go by a remark at the end.
    fn handling(&mut self, item: &DeltaItem, handling: Option<&DeltaHandling>) {
        let is_superseded = item.status == DecisionStatus::Superseded;
        match handling {
            None if is_superseded => {
                let message = format!("`{}` is superseded, and `Closeout` does not say by what", item.id);
                self.error(
                    &item.at,
                    message,
                    "add a row to `Closeout` that names the other item or decision",
                );
            }
            Some(DeltaHandling::Superseded { .. }) if !is_superseded => {
                let message = format!(
                    "`Closeout` says that `{}` is superseded, and its status does not",
                    item.id
                );
                self.error(&item.at, message, "set its status to `superseded`");
            }
            Some(DeltaHandling::Deferred { .. }) if is_superseded => {
                let message = format!("`{}` is superseded and cannot be deferred", item.id);
                self.error(&item.at, message, "name in `Closeout` what it is superseded by");
            }
            _ => {}
        }
    }

    /// What becomes current is what was decided.
    fn status(&mut self, item: &DeltaItem, requirement: Option<&Requirement>) {
        let becomes_current = item.status == DecisionStatus::Accepted && item.change != DeltaChange::Removed;
        if becomes_current && requirement.is_some_and(|requirement| !requirement.is_accepted()) {
            let message = format!(
                "`{}` is accepted, and its requirement `{}` is not",
                item.id, item.requirement
            );
            self.error(&item.at, message, "decide both alike");
        }
        if item.change == DeltaChange::Removed && requirement.is_some_and(Requirement::is_accepted) {
            let message = format!(
                "`{}` removes `{}`, which `requirements.md` requires",
                item.id, item.requirement
            );
            self.error(&item.at, message, "take it out of one of them");
        }
    }
}

#[cfg(test)]
mod tests;
