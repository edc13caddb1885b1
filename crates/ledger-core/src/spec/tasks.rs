//! `tasks.md`: the steps of a change, in order.

use std::ops::Range;

use super::reader::{Reader, listed};
use super::{RequirementId, SpecKind, SpecProblem, TaskId};
use crate::ticket::DecisionStatus;

/// The tasks of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tasks {
    /// Their name, such as `TASKSET-sign-up`.
    pub id: String,
    /// Whether the whole set is decided.
    pub status: DecisionStatus,
    /// Each of them, in order.
    pub items: Vec<Task>,
    /// What proves what.
    pub proofs: Vec<ProofItem>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// Whether it is to be done.
    pub status: DecisionStatus,
    /// What has to be done before; each stands above it.
    pub depends_on: Vec<TaskId>,
    /// Who does it.
    pub role: TaskRole,
    /// The exact paths or globs that it may change.
    pub allowed: Vec<String>,
    /// The requirements that it serves.
    pub requirements: Vec<RequirementId>,
    /// What shows that it is done, as Markdown of one line.
    pub proof: String,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

/// Who does a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRole {
    /// A person, or the runner.
    Manager,
    /// The worker.
    ScopedWorker,
    /// The reviewer.
    Reviewer,
    /// The checks.
    Verifier,
}

/// What a proof covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofItem {
    /// Its name.
    pub name: String,
    /// The requirements that it covers.
    pub covers: Vec<RequirementId>,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

const ROLES: [(&str, TaskRole); 4] = [
    ("scoped_worker", TaskRole::ScopedWorker),
    ("manager", TaskRole::Manager),
    ("reviewer", TaskRole::Reviewer),
    ("verifier", TaskRole::Verifier),
];

impl Tasks {
    pub(super) fn read(bytes: &[u8]) -> (Option<Self>, Vec<SpecProblem>) {
        let mut reader = match Reader::new(SpecKind::Tasks, bytes) {
            Ok(reader) => reader,
            Err(problem) => return (None, vec![problem]),
        };
        let id = reader.set_id("Task Set ID", "TASKSET-");
        let status = reader.set_status();
        let items = items(&mut reader);
        let mut proofs = Vec::new();
        for record in reader.table("Proof Map", &["Proof item", "Covers", "Command or inspection"]) {
            let name = reader.words(&record, 0, "the name of the proof");
            reader.words(&record, 2, "the command or inspection");
            proofs.push(ProofItem {
                covers: reader.ids(&record, 1),
                name,
                at: record.at,
            });
        }
        reader.prose("Handoff Notes", "say what whoever goes on has to know, or \"None.\"");
        let tasks = Self {
            id,
            status,
            items,
            proofs,
        };
        (Some(tasks), reader.finish())
    }

    /// The task of this name.
    pub fn get(&self, id: &TaskId) -> Option<&Task> {
        self.items.iter().find(|item| item.id == *id)
    }

    /// Those that are to be done.
    pub fn accepted(&self) -> impl Iterator<Item = &Task> {
        self.items.iter().filter(|item| item.status == DecisionStatus::Accepted)
    }
}

fn items(reader: &mut Reader<'_>) -> Vec<Task> {
    let (mut items, mut taken) = (Vec::new(), Vec::<TaskId>::new());
    let columns = [
        "Task ID",
        "Status",
        "Depends on",
        "Owner role",
        "Allowed files",
        "Requirement IDs",
        "Proof",
    ];
    for record in reader.table("Task List", &columns) {
        let Some(id) = reader.own_id::<TaskId>(&record, 0, &taken) else {
            continue;
        };
        let depends_on: Vec<TaskId> = reader.ids(&record, 2);
        if let Some(later) = depends_on.iter().find(|task| !taken.contains(task)) {
            let message = format!("`{id}` depends on `{later}`, which no row above it has");
            reader.error(
                &record.at,
                message,
                "order the tasks so that each stands below those that it depends on",
            );
        }
        taken.push(id.clone());
        let Some(role) = reader.word(&record, 3, &ROLES) else {
            continue;
        };
        let allowed = record.cells.get(4).cloned().unwrap_or_default();
        if allowed.text.is_empty() && role == TaskRole::ScopedWorker {
            let message = format!("what `{id}` may change is not written yet");
            reader.unfinished(&allowed.at, message, "name exact paths or globs, such as `src/auth/**`");
        }
        items.push(Task {
            status: reader.status(&record, 1),
            depends_on,
            role,
            allowed: listed(&allowed.text).into_iter().map(str::to_owned).collect(),
            requirements: reader.ids(&record, 5),
            proof: reader.words(&record, 6, &format!("what shows that `{id}` is done")),
            at: record.at,
            id,
        });
    }
    items
}
