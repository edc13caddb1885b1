//! `requirements.md`: what must be so, and how it is proved.

use std::ops::Range;

use super::reader::Reader;
use super::{RequirementId, SpecKind, SpecProblem, TaskId};
use crate::id::TicketId;
use crate::ticket::DecisionStatus;

/// The requirements of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// Their name, such as `REQSET-sign-up`.
    pub id: String,
    /// Whether the whole set is decided.
    pub status: DecisionStatus,
    /// Each of them, in the order of the file.
    pub items: Vec<Requirement>,
    /// What was not clear.
    pub ambiguities: Vec<Ambiguity>,
    /// Where each requirement is met, as the author says.
    pub traces: Vec<Trace>,
}

/// Something that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Its name.
    pub id: RequirementId,
    /// Whether it is decided. Only accepted ones are worked on.
    pub status: DecisionStatus,
    /// What must be so, as Markdown of one line.
    pub text: String,
    /// When it is met, as Markdown of one line.
    pub criteria: String,
    /// What proves it: the name of a check, or words that begin with `inspection`.
    pub proof: String,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

impl Requirement {
    /// Whether it is to be worked on.
    pub fn is_accepted(&self) -> bool {
        self.status == DecisionStatus::Accepted
    }

    /// The names that its proof target could mean: what stands in backquotes, or else all of it and its parts between commas.
    pub fn named_proofs(&self) -> Vec<&str> {
        let quoted: Vec<_> = self.proof.split('`').skip(1).step_by(2).map(str::trim).collect();
        if !quoted.is_empty() {
            return quoted;
        }
        let all = std::iter::once(self.proof.as_str());
        all.chain(self.proof.split(',')).map(str::trim).collect()
    }

    /// Whether no check can prove it, so that a person or a reviewer has to look.
    pub fn is_inspected(&self) -> bool {
        let first = self.proof.trim_start_matches('`').get(..10);
        first.is_some_and(|first| first.eq_ignore_ascii_case("inspection"))
    }
}

/// A question, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// The question.
    pub question: String,
    /// Who has to answer it.
    pub owner: String,
    /// If true, no run starts before it is answered.
    pub blocks: bool,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// Where a requirement is met, as the author says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The requirement.
    pub requirement: RequirementId,
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// The tickets; none where nobody wrote one.
    pub tickets: Vec<TicketId>,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// The columns of the table of requirements.
pub(super) const COLUMNS: [&str; 5] = [
    "Requirement ID",
    "Status",
    "Requirement",
    "Acceptance criteria",
    "Proof target",
];

impl Requirements {
    pub(super) fn read(bytes: &[u8]) -> (Option<Self>, Vec<SpecProblem>) {
        let mut reader = match Reader::new(SpecKind::Requirements, bytes) {
            Ok(reader) => reader,
            Err(problem) => return (None, vec![problem]),
        };
        let id = reader.set_id("Spec ID", "REQSET-");
        let status = reader.set_status();
        reader.prose("Summary", "say in a few sentences what the change is for");
        reader.prose("Source Of Truth", "say who asked for it, and where; or \"None.\"");
        let items = items(&mut reader);
        reader.prose("Non-Goals", "say what is deliberately left out, or \"None.\"");
        let ambiguities = ambiguities(&mut reader);
        let mut traces = Vec::new();
        let columns = ["Requirement ID", "Design section", "Task ID", "Ticket ID", "Evidence"];
        for record in reader.table("Traceability", &columns) {
            if let Some(requirement) = reader.id(&record, 0) {
                traces.push(Trace {
                    requirement,
                    tasks: reader.ids(&record, 2),
                    tickets: reader.ids(&record, 3),
                    at: record.at,
                });
            }
        }
        let requirements = Self {
            id,
            status,
            items,
            ambiguities,
            traces,
        };
        (Some(requirements), reader.finish())
    }

    /// The requirement of this name.
    pub fn get(&self, id: &RequirementId) -> Option<&Requirement> {
        self.items.iter().find(|item| item.id == *id)
    }

    /// Those that are to be worked on.
    pub fn accepted(&self) -> impl Iterator<Item = &Requirement> {
        self.items.iter().filter(|item| item.is_accepted())
    }
}

/// The rows of the table of requirements, which is the same in a change and in what is current.
pub(super) fn items(reader: &mut Reader<'_>) -> Vec<Requirement> {
    let (mut items, mut taken) = (Vec::new(), Vec::new());
    for record in reader.table("Requirements", &COLUMNS) {
        let Some(id) = reader.own_id::<RequirementId>(&record, 0, &taken) else {
            continue;
        };
        taken.push(id.clone());
        items.push(Requirement {
            status: reader.status(&record, 1),
            text: reader.words(&record, 2, &format!("what `{id}` requires")),
            criteria: reader.words(&record, 3, &format!("when `{id}` is met")),
            proof: reader.words(&record, 4, &format!("what proves `{id}`")),
            at: record.at,
            id,
        });
    }
    items
}

fn ambiguities(reader: &mut Reader<'_>) -> Vec<Ambiguity> {
    let mut ambiguities = Vec::new();
    let columns = ["Question", "Current handling", "Owner", "Blocks implementation"];
    for record in reader.table("Ambiguity Log", &columns) {
        reader.words(&record, 1, "how it is handled now");
        if let Some(blocks) = reader.word(&record, 3, &[("yes", true), ("no", false)]) {
            ambiguities.push(Ambiguity {
                question: reader.words(&record, 0, "the question"),
                owner: reader.optional(&record, 2),
                blocks,
                at: record.at,
            });
        }
    }
    ambiguities
}
