//! Whether a change and its specs still say the same.

use std::collections::BTreeMap;

use ledger_core::{
    Change, ChangeSet, DecisionStatus, DeltaHandling, DriftCode, DriftFinding, FileChange, ImpactedFile, RepoPath,
    SpecDrift, SpecSet, TaskRole, TicketFile, with_delta,
};

use crate::changes::ChangeFacts;
use crate::config::{PathPattern, Policy};
use crate::quick_flow::{Crossing, QuickFlow, QuickTrigger, is_test};
use crate::scope::{InvalidScope, PatternSet};
use crate::spec_trace::required_proofs;

/// What a change is held against.
#[derive(Debug, Clone, Copy)]
pub struct SpecFacts<'a> {
    /// The specs, as they were approved.
    pub set: &'a SpecSet,
    /// Each file of the current specs that the delta names, as it is in the tree; none: it is not there.
    pub current: &'a BTreeMap<RepoPath, Option<Vec<u8>>>,
}

/// Where a change parts from its specs, before anything is said of proofs: those are known only after the checks, and
/// [`crate::unproved_requirements`] judges them.
///
/// A file that the design says is changed has to be. A changed file that no spec names is a risk; where it changes what specs are for (a
/// contract, data, dependencies, security, what people see) it blocks, as it does where no accepted requirement is named for the file, and
/// where the delta does not know the requirement of a contract or of data.
pub fn spec_drift(
    policy: &Policy,
    ticket: &TicketFile,
    changes: &ChangeSet,
    facts: &ChangeFacts,
    specs: SpecFacts<'_>,
) -> Result<SpecDrift, InvalidScope> {
    let mut found = Findings(Vec::new());
    promised_files(specs.set, changes, &mut found);
    let crossed = QuickFlow::new(policy)?.all_that_need_specs(changes, facts, ticket);
    for crossing in &crossed {
        if let Some(missing) = unspecified(specs.set, crossing) {
            let place = crossing.path.as_ref().map_or_else(String::new, ToString::to_string);
            let detail = format!("{}: {}, and {missing}", crossing.trigger, crossing.evidence);
            found.add(DriftCode::UnspecifiedBehaviour, place, detail, true);
        }
    }
    changed_files(policy, specs.set, changes, &crossed, &mut found)?;
    requirements(ticket, specs.set, &mut found);
    current_specs(&specs, &mut found);
    Ok(SpecDrift::new(found.0))
}

/// What parts a change without specs from having none, where the policy wants that to be a reason to stop: everything that specs are for.
pub fn drift_without_specs(
    policy: &Policy,
    ticket: &TicketFile,
    changes: &ChangeSet,
    facts: &ChangeFacts,
) -> Result<SpecDrift, InvalidScope> {
    let crossed = QuickFlow::new(policy)?.all_that_need_specs(changes, facts, ticket);
    let mut found = Findings(Vec::new());
    for crossing in &crossed {
        let place = crossing.path.as_ref().map_or_else(String::new, ToString::to_string);
        let detail = format!(
            "{}: {}, and the ticket has no specs",
            crossing.trigger, crossing.evidence
        );
        found.add(DriftCode::UnspecifiedBehaviour, place, detail, true);
    }
    Ok(SpecDrift::new(found.0))
}

struct Findings(Vec<DriftFinding>);

impl Findings {
    fn add(&mut self, code: DriftCode, place: String, detail: String, blocks: bool) {
        self.0.push(DriftFinding {
            code,
            place,
            detail,
            blocks,
        });
    }
}

/// Whether a row of the design counts: it names nothing, or something that is accepted.
fn is_due(set: &SpecSet, file: &ImpactedFile) -> bool {
    file.requirements.is_empty() || has_accepted(set, file)
}

fn has_accepted(set: &SpecSet, file: &ImpactedFile) -> bool {
    file.requirements.iter().any(|id| {
        set.requirements
            .get(id)
            .is_some_and(ledger_core::Requirement::is_accepted)
    })
}

/// Files that the design says are changed.
fn promised_files(set: &SpecSet, changes: &ChangeSet, found: &mut Findings) {
    for file in set.design.files.iter().filter(|file| is_due(set, file)) {
        let change = changes.changes.iter().find(|change| change.path == file.path);
        let is_kept = match file.change {
            FileChange::Verify => true,
            FileChange::Create | FileChange::Edit => change.is_some_and(|change| change.after.is_some()),
            FileChange::Remove => change.is_some_and(|change| change.after.is_none()),
        };
        if !is_kept {
            let is = match change {
                None => "it is not changed",
                Some(Change { after: None, .. }) => "it is removed",
                Some(_) => "it is still there",
            };
            let detail = format!("`design.md` says `{}`, and {is}", file.change.as_str());
            found.add(DriftCode::FileUnchanged, file.path.to_string(), detail, true);
        }
    }
}

/// What no spec says of something that specs are for.
fn unspecified(set: &SpecSet, crossing: &Crossing) -> Option<&'static str> {
    let named = |file: &&ImpactedFile| Some(&file.path) == crossing.path.as_ref() && file.change != FileChange::Verify;
    let Some(file) = set.design.files.iter().find(named) else {
        return Some("the design does not say that the file changes");
    };
    if !has_accepted(set, file) {
        return Some("the design names no accepted requirement for the file");
    }
    let needs_delta = matches!(
        crossing.trigger,
        QuickTrigger::PublicApiSharedContract | QuickTrigger::SchemaData
    );
    let items = set.delta.iter().flat_map(|delta| &delta.items);
    let mut decided = items.filter(|item| item.status == DecisionStatus::Accepted);
    let mut in_delta = || decided.any(|item| file.requirements.contains(&item.requirement));
    (needs_delta && !in_delta()).then_some("no accepted item of the delta is about its requirements")
}

/// Changed files that no spec names, and tasks of which no file changed.
fn changed_files(
    policy: &Policy,
    set: &SpecSet,
    changes: &ChangeSet,
    crossed: &[Crossing],
    found: &mut Findings,
) -> Result<(), InvalidScope> {
    let docs = PatternSet::new("scope.docs_roots", &policy.scope.docs_roots)?;
    let mut of_tasks = Vec::new();
    for task in set.tasks.accepted() {
        // One that is no pattern is told before anything runs.
        let patterns: Vec<PathPattern> = task.allowed.iter().filter_map(|text| text.parse().ok()).collect();
        let allowed = PatternSet::new("tasks", &patterns)?;
        let is_begun = changes.changes.iter().any(|change| allowed.allows(&change.path));
        if task.role == TaskRole::ScopedWorker && !is_begun {
            let detail = "no file that it may change is changed".to_owned();
            found.add(DriftCode::TaskWithoutChange, task.id.to_string(), detail, false);
        }
        of_tasks.push(allowed);
    }
    for change in &changes.changes {
        let path = &change.path;
        let is_named = set.design.files.iter().any(|file| file.path == *path)
            || of_tasks.iter().any(|allowed| allowed.allows(path))
            || crossed.iter().any(|crossing| crossing.path.as_ref() == Some(path));
        // Tests and documentation change no behaviour.
        if !is_named && !is_test(path) && !docs.allows(path) {
            let detail = "neither the design nor a task names it".to_owned();
            found.add(DriftCode::FileUnnamed, path.to_string(), detail, false);
        }
    }
    Ok(())
}

/// Requirements that only a reviewer can judge.
fn requirements(ticket: &TicketFile, set: &SpecSet, found: &mut Findings) {
    for required in required_proofs(ticket, set) {
        let proved = |id: &String| ticket.check.iter().any(|check| check.proves.contains(id));
        if required.is_inspected && !required.acceptance.iter().any(proved) {
            let detail = "no check proves it; a reviewer has judged it alone".to_owned();
            found.add(
                DriftCode::InspectionOnly,
                required.requirement.to_string(),
                detail,
                false,
            );
        }
    }
}

/// Items of the delta that do not become current.
fn current_specs(specs: &SpecFacts<'_>, found: &mut Findings) {
    let Some(delta) = &specs.set.delta else { return };
    for problem in with_delta(specs.set, specs.current).err().into_iter().flatten() {
        let detail = format!("it cannot be brought into `{}`: {}", problem.file, problem.reason);
        found.add(DriftCode::NotCurrent, problem.item.to_string(), detail, true);
    }
    let accepted = delta
        .items
        .iter()
        .filter(|item| item.status == DecisionStatus::Accepted);
    for item in accepted {
        if let Some(DeltaHandling::Deferred { owner, follow_up }) = delta.exception(&item.id) {
            let detail = format!("{owner} sees to it in ticket `{follow_up}`");
            found.add(DriftCode::Deferred, item.id.to_string(), detail, false);
        }
    }
}

#[cfg(test)]
mod tests;
