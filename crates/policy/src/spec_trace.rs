//! Whether a ticket and its specs speak of the same: every accepted requirement is asked for, worked on and proved.

use std::fmt;
use std::ops::Range;

use ledger_core::{
    AcceptanceProof, DecisionStatus, DeltaItem, DriftCode, DriftFinding, FileChange, Requirement, RequirementId,
    SpecKind, SpecMode, SpecSet, TaskRole, TicketCheck, TicketFile, TicketId,
};

use crate::config::{IndependentReview, PathPattern};
use crate::scope::PolicyScope;

/// A thread that breaks off between a ticket and its specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceGap {
    /// Where.
    pub place: TracePlace,
    /// What is missing, in lower case and without a final period.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

/// Where a thread breaks off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracePlace {
    /// In a file of the specs.
    Spec {
        /// The file.
        kind: SpecKind,
        /// The bytes.
        at: Range<usize>,
    },
    /// In the ticket: the keys that lead there, for `ledger_core::locate`.
    Ticket {
        /// The keys.
        keys: Vec<String>,
    },
}

/// A requirement, and what of a ticket has to prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredProof {
    /// The requirement.
    pub requirement: RequirementId,
    /// The acceptance items that are about it.
    pub acceptance: Vec<String>,
    /// Whether no check can prove it, so that a reviewer judges it.
    pub is_inspected: bool,
}

/// What has to be proved for each accepted requirement, in the order of the file.
pub fn required_proofs(ticket: &TicketFile, set: &SpecSet) -> Vec<RequiredProof> {
    let about = |id: &RequirementId| {
        let items = ticket.acceptance.iter().filter(|item| item.requirements.contains(id));
        items.map(|item| item.id.clone()).collect()
    };
    let required = set.requirements.accepted().map(|requirement| RequiredProof {
        acceptance: about(&requirement.id),
        is_inspected: requirement.is_inspected(),
        requirement: requirement.id.clone(),
    });
    required.collect()
}

/// The requirements that no passing check proves, although one has to.
pub fn unproved_requirements(required: &[RequiredProof], acceptance: &[AcceptanceProof]) -> Vec<DriftFinding> {
    let is_proved = |item: &String| {
        acceptance
            .iter()
            .any(|proof| proof.id == *item && !proof.checks.is_empty())
    };
    let unproved = required
        .iter()
        .filter(|required| !required.is_inspected && !required.acceptance.iter().any(is_proved));
    unproved
        .map(|required| DriftFinding {
            code: DriftCode::MissingProof,
            place: required.requirement.to_string(),
            detail: "it is accepted, and no check that passed proves it".to_owned(),
            blocks: true,
        })
        .collect()
}

/// What nobody has decided yet although it keeps the ticket from being begun: a file that is not accepted as a whole, rows of one that is,
/// decisions of the design, and questions that block. What is superseded is decided, and so is an item of the delta that `Closeout` handles.
pub fn open_spec_decisions(set: &SpecSet) -> Vec<String> {
    let undecided = |status| matches!(status, DecisionStatus::Unknown | DecisionStatus::Proposed);
    let mut open = Vec::new();
    let requirements = set.requirements.items.iter();
    let requirements = requirements.filter(|item| undecided(item.status)).map(|item| &item.id);
    open.extend(open_in(SpecKind::Requirements, set.requirements.status, requirements));
    if set.design.status != DecisionStatus::Accepted {
        open.push(format!("{}.md", SpecKind::Design));
    }
    let tasks = set.tasks.items.iter().filter(|task| undecided(task.status));
    open.extend(open_in(SpecKind::Tasks, set.tasks.status, tasks.map(|task| &task.id)));
    if let Some(delta) = &set.delta {
        let is_open = |item: &&DeltaItem| undecided(item.status) && delta.exception(&item.id).is_none();
        let items = delta.items.iter().filter(is_open).map(|item| &item.id);
        open.extend(open_in(SpecKind::Delta, delta.status, items));
    }
    let decisions = set
        .design
        .decisions
        .iter()
        .filter(|decision| undecided(decision.status));
    open.extend(decisions.map(|decision| decision.id.to_string()));
    let questions = set.requirements.ambiguities.iter().filter(|ambiguity| ambiguity.blocks);
    open.extend(questions.map(|ambiguity| shortened(&ambiguity.question)));
    open
}

/// What is open in a file, of which these rows are. One that is open as a whole stands for its rows: whoever decides it goes through them.
fn open_in<'a, T: fmt::Display + 'a>(
    kind: SpecKind,
    status: DecisionStatus,
    rows: impl Iterator<Item = &'a T>,
) -> Vec<String> {
    match status {
        DecisionStatus::Accepted => rows.map(T::to_string).collect(),
        _ => vec![format!("{kind}.md")],
    }
}

/// The beginning of a question.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

/// Every thread that breaks off between the ticket of this name and its specs, in a fixed order; empty: none does.
pub fn trace_gaps(scope: &PolicyScope<'_>, id: &TicketId, ticket: &TicketFile, set: &SpecSet) -> Vec<TraceGap> {
    let mut gaps = Gaps(Vec::new());
    if set.requirements.accepted().next().is_none() {
        gaps.spec(
            SpecKind::Requirements,
            &(0..0),
            "no requirement is accepted, so that there is nothing to do".to_owned(),
            "set the status of what is decided to `accepted`",
        );
    }
    let is_reviewed =
        !ticket.mode.discipline().review_may_be_off || scope.policy().review.independent != IndependentReview::Off;
    for requirement in set.requirements.accepted() {
        requirement_gaps(scope, ticket, set, requirement, &mut gaps);
        if requirement.is_inspected() && !is_reviewed {
            let message = format!(
                "`{}` is to be inspected, and a run of this ticket has no reviewer",
                requirement.id
            );
            let hint = "give the ticket a mode with a review, or name a check that proves it";
            gaps.spec(SpecKind::Requirements, &requirement.at, message, hint);
        }
    }
    let is_worked_on = |id: &RequirementId| set.requirements.get(id).is_some_and(Requirement::is_accepted);
    for task in set.tasks.accepted() {
        if !task.requirements.iter().any(is_worked_on) {
            let (message, hint) = match task.requirements.first() {
                None => (
                    format!("`{}` serves no requirement", task.id),
                    "name the requirements that it serves",
                ),
                Some(first) => (
                    format!("`{}` is accepted, and `{first}`, which it serves, is not", task.id),
                    "decide both alike",
                ),
            };
            gaps.spec(SpecKind::Tasks, &task.at, message, hint);
        }
        for pattern in &task.allowed {
            if let Err(error) = pattern.parse::<PathPattern>() {
                let message = format!("what `{}` may change cannot be used: {error}", task.id);
                gaps.spec(
                    SpecKind::Tasks,
                    &task.at,
                    message,
                    "name exact paths or globs, such as `src/auth/**`",
                );
            }
        }
    }
    scope_gaps(scope, ticket, set, &mut gaps);
    delta_gaps(set, &mut gaps);
    traceability_gaps(id, set, &mut gaps);
    for (index, item) in ticket.acceptance.iter().enumerate() {
        for (place, id) in item.requirements.iter().enumerate() {
            let (message, hint) = match set.requirements.get(id) {
                Some(requirement) if requirement.is_accepted() => continue,
                Some(_) => (
                    format!("`{id}` is not accepted in `requirements.md`"),
                    "set its status to `accepted`, or take it out here",
                ),
                None => (
                    format!("`{id}` is not in `requirements.md`"),
                    "name a requirement that is there",
                ),
            };
            let keys = ["acceptance", &index.to_string(), "requirements", &place.to_string()].map(str::to_owned);
            gaps.ticket(keys.to_vec(), message, hint);
        }
    }
    gaps.0
}

fn requirement_gaps(
    scope: &PolicyScope<'_>,
    ticket: &TicketFile,
    set: &SpecSet,
    requirement: &Requirement,
    gaps: &mut Gaps,
) {
    let id = &requirement.id;
    let at = &requirement.at;
    if !set.tasks.accepted().any(|task| task.requirements.contains(id)) {
        let message = format!("no accepted task serves `{id}`");
        gaps.spec(SpecKind::Requirements, at, message, "name it in a task of `tasks.md`");
    }
    let in_files = set.design.files.iter().any(|file| file.requirements.contains(id));
    if !in_files && !set.design.tests.iter().any(|test| test.requirement == *id) {
        let message = format!("the design says nothing of `{id}`");
        let hint = "name it in `design.md`, for a file under `Impacted Files` or under `Test Strategy`";
        gaps.spec(SpecKind::Requirements, at, message, hint);
    }
    let items: Vec<_> = ticket
        .acceptance
        .iter()
        .filter(|item| item.requirements.contains(id))
        .map(|item| &item.id)
        .collect();
    if items.is_empty() {
        let message = format!("no `[[acceptance]]` of the ticket is about `{id}`");
        let hint = format!("write `requirements = [\"{id}\"]` in the item that is about it");
        gaps.spec(SpecKind::Requirements, at, message, &hint);
        return;
    }
    if requirement.is_inspected() {
        return;
    }
    let proves = |check: &&TicketCheck| check.proves.iter().any(|item| items.contains(&item));
    let proving: Vec<_> = ticket.check.iter().filter(proves).map(|check| &check.name).collect();
    let Some(first) = proving.first() else {
        let message = format!("no `[[check]]` of the ticket proves what is asked for `{id}`");
        let hint =
            "name its acceptance item in the `proves` of a check; or let its proof target begin with `inspection`";
        gaps.spec(SpecKind::Requirements, at, message, hint);
        return;
    };
    let named = requirement.named_proofs();
    if proving.iter().any(|check| named.contains(&check.as_str())) {
        return;
    }
    let of_ticket = ticket.check.iter().map(|check| &check.name);
    let of_policy = scope.policy().check.iter().map(|check| &check.name);
    let message = match of_ticket.chain(of_policy).find(|check| named.contains(&check.as_str())) {
        Some(check) => format!("the proof target of `{id}` is the check `{check}`, and that proves nothing about it"),
        None => format!("the proof target of `{id}` names no check of the ticket"),
    };
    let hint = format!("write the name of a check that proves it, such as `{first}`, alone or in backquotes");
    gaps.spec(SpecKind::Requirements, at, message, &hint);
}

/// Where the author says in which ticket a requirement is met, and by which task, it is this ticket, and the task says the same.
fn traceability_gaps(id: &TicketId, set: &SpecSet, gaps: &mut Gaps) {
    for trace in &set.requirements.traces {
        let requirement = &trace.requirement;
        if let Some(other) = trace.tickets.first().filter(|_| !trace.tickets.contains(id)) {
            let message =
                format!("`{requirement}` is said to be met by the ticket `{other}`, and these are the specs of `{id}`");
            let hint = format!("name `{id}`, or leave the cell empty");
            gaps.spec(SpecKind::Requirements, &trace.at, message, &hint);
        }
        let tasks = trace.tasks.iter().filter_map(|task| set.tasks.get(task));
        for task in tasks.filter(|task| !task.requirements.contains(requirement)) {
            let message = format!(
                "`{requirement}` is said to be met by `{}`, which does not name it",
                task.id
            );
            let hint = "name it in the task too, or take the task out here";
            gaps.spec(SpecKind::Requirements, &trace.at, message, hint);
        }
    }
}

/// A file that the design or a task says is changed, and that the ticket does not let the worker change, would never agree.
fn scope_gaps(scope: &PolicyScope<'_>, ticket: &TicketFile, set: &SpecSet, gaps: &mut Gaps) {
    // A scope that cannot be used is told elsewhere.
    let Ok(rules) = scope.rules(ticket) else {
        return;
    };
    for file in set.design.files.iter().filter(|file| file.change != FileChange::Verify) {
        if let Some(violation) = rules.judge(&file.path) {
            let message = format!(
                "the ticket does not let `{}` be changed: {}",
                file.path, violation.detail
            );
            gaps.spec(
                SpecKind::Design,
                &file.at,
                message,
                "widen the ticket's `[scope] allowed`, or take the file out of the design",
            );
        }
    }
    let of_worker = set.tasks.accepted().filter(|task| task.role == TaskRole::ScopedWorker);
    for (task, pattern) in of_worker.flat_map(|task| task.allowed.iter().map(move |pattern| (task, pattern))) {
        if let Some(violation) = rules.judge_pattern(ticket, pattern) {
            let message = format!(
                "the ticket does not let `{}` change `{pattern}`: {}",
                task.id, violation.detail
            );
            let hint = "widen the ticket's `[scope] allowed`, or narrow what the task may change";
            gaps.spec(SpecKind::Tasks, &task.at, message, hint);
        }
    }
    let has_writer = set.tasks.accepted().any(|task| task.role == TaskRole::ScopedWorker);
    if !has_writer && set.tasks.accepted().next().is_some() {
        let message = "no accepted task is a `scoped_worker`'s, so that a worker has nothing to do".to_owned();
        gaps.spec(SpecKind::Tasks, &(0..0), message, "give the work to `scoped_worker`");
    }
}

/// Where there is a delta, what is worked on becomes current, or somebody decided that it does not.
fn delta_gaps(set: &SpecSet, gaps: &mut Gaps) {
    let Some(delta) = &set.delta else { return };
    for requirement in set.requirements.accepted() {
        let id = &requirement.id;
        let hint =
            "decide it in `delta.md`, where it may also be deferred or superseded; or leave the delta out as a whole";
        match delta.items.iter().find(|item| item.requirement == *id) {
            None => {
                let message = format!("no item of the delta is about `{id}`, so that it would not become current");
                gaps.spec(SpecKind::Requirements, &requirement.at, message, hint);
            }
            Some(item) if matches!(item.status, DecisionStatus::Unknown | DecisionStatus::Proposed) => {
                let message = format!("`{id}` is accepted, and `{}`, which makes it current, is not", item.id);
                gaps.spec(SpecKind::Delta, &item.at, message, hint);
            }
            Some(_) => {}
        }
    }
}

struct Gaps(Vec<TraceGap>);

impl Gaps {
    fn spec(&mut self, kind: SpecKind, at: &Range<usize>, message: String, hint: &str) {
        let at = at.clone();
        self.0.push(TraceGap {
            place: TracePlace::Spec { kind, at },
            message,
            hint: hint.to_owned(),
        });
    }

    fn ticket(&mut self, keys: Vec<String>, message: String, hint: &str) {
        self.0.push(TraceGap {
            place: TracePlace::Ticket { keys },
            message,
            hint: hint.to_owned(),
        });
    }
}

/// Whether a ticket has specs that it is held to.
pub fn has_specs(ticket: &TicketFile) -> bool {
    ticket.specs.mode == SpecMode::Full
}
