//! Whom a change calls for beside its reviewer: by what it really touches and how large it is, never by what is said of it.

use std::collections::BTreeMap;

use ledger_core::{ChangeKind, ChangeSet, ExpertCall, ExpertField, Judge, RepoPath, TicketFile, WeakenedTest};

use crate::changes::ChangeFacts;
use crate::config::{GateLevel, Gates, Policy};
use crate::quick_flow::{Crossing, QuickFlow, QuickTrigger, is_benchmark, is_release, is_test};
use crate::scope::{InvalidScope, Protected, ProtectedPaths};

/// A change with more files, or more added lines, is looked at for what could be removed where the policy asks for that.
pub const LARGE_CHANGE_FILES: usize = 10;
/// See [`LARGE_CHANGE_FILES`].
pub const LARGE_CHANGE_LINES: u64 = 200;

/// The most characters of the words that say what calls for somebody.
const MAX_TRIGGER: usize = 300;

/// By what experts are called under one policy.
///
/// The same change and facts give the same calls, in the order of the experts, each with the first path that calls for it. Nothing in the
/// ledger counts.
#[derive(Debug, Clone)]
pub struct ExpertRouting {
    quick: QuickFlow,
    protected: ProtectedPaths,
    fields: Vec<ExpertField>,
}

/// What has to be known of a change beside its paths, so that it can be routed.
#[derive(Debug, Clone, Copy)]
pub struct RoutingFacts<'a> {
    /// What was gathered to judge it.
    pub change: &'a ChangeFacts,
    /// The hunks of it that weaken tests.
    pub weakened: &'a [WeakenedTest],
    /// How many lines it adds; needed where the gate `cleanup_review` is on. None counts as too many.
    pub added_lines: Option<u64>,
}

impl ExpertRouting {
    /// The rules under this policy. Refuses one whose patterns cannot be used.
    pub fn new(policy: &Policy) -> Result<Self, InvalidScope> {
        Ok(Self {
            quick: QuickFlow::new(policy)?,
            protected: ProtectedPaths::new(policy)?,
            fields: policy.review.experts.clone(),
        })
    }

    /// Whether it has to be known what files offer to others.
    pub fn asks_for_contracts(&self) -> bool {
        self.fields.contains(&ExpertField::Architecture)
    }

    /// Whom this change calls for, beside those that its ticket names.
    pub fn calls(
        &self,
        set: &ChangeSet,
        facts: RoutingFacts<'_>,
        ticket: &TicketFile,
        gates: &Gates,
    ) -> Vec<ExpertCall> {
        if set.changes.is_empty() {
            return Vec::new();
        }
        let mut found = Evidence::default();
        for crossing in self.quick.all_crossings(set, facts.change, ticket) {
            found.crossing(crossing);
        }
        for hunk in facts.weakened {
            let trigger = format!("weakened test: {}", hunk.how);
            found.add(ExpertField::Test, trigger, Some(hunk.path.clone()));
        }
        for change in set.changes.iter().filter(|change| self.quick.counts(&change.path)) {
            self.path(&change.path, change.kind(), &mut found);
        }
        let mut calls: Vec<_> = found
            .0
            .into_iter()
            .filter(|(field, _)| self.fields.contains(field))
            .collect();
        calls.sort_by_key(|(field, _)| *field);
        let mut calls: Vec<_> = calls
            .into_iter()
            .map(|(field, (trigger, path))| call(Judge::from(field), &trigger, path, GateLevel::Block))
            .collect();
        let first = || set.changes.iter().map(|change| &change.path).min().cloned();
        if gates.code_review != GateLevel::Off {
            calls.push(call(
                Judge::CodeReview,
                "the policy asks for it",
                first(),
                gates.code_review,
            ));
        }
        if let (true, Some(trigger)) = (gates.cleanup_review != GateLevel::Off, size(set, facts.added_lines)) {
            calls.push(call(Judge::CleanupReview, &trigger, first(), gates.cleanup_review));
        }
        calls
    }

    /// What a path calls for by its name, beside what quick mode looks at.
    fn path(&self, path: &RepoPath, kind: ChangeKind, found: &mut Evidence) {
        let mut add = |field, trigger: &str| found.add(field, trigger.to_owned(), Some(path.clone()));
        if is_test(path) && kind != ChangeKind::Added {
            add(ExpertField::Test, "a test that was there is changed or removed");
        }
        if is_benchmark(path) {
            add(ExpertField::Performance, "it measures how long something takes");
        }
        if self.protected.find(path) == Some(Protected::Automation) {
            add(ExpertField::ReleaseDocs, "automatic builds run it");
        } else if is_release(path) {
            add(
                ExpertField::ReleaseDocs,
                "it says how the program is built or shipped, or what is new in it",
            );
        } else if self.quick.is_documentation(path) {
            add(ExpertField::ReleaseDocs, "it is documentation");
        }
    }
}

/// For each field the first thing in the order of paths that calls for it.
#[derive(Default)]
struct Evidence(BTreeMap<ExpertField, (String, Option<RepoPath>)>);

impl Evidence {
    fn add(&mut self, field: ExpertField, trigger: String, path: Option<RepoPath>) {
        let is_earlier = |(_, known): &(String, Option<RepoPath>)| match (&path, known) {
            (Some(path), Some(known)) => path < known,
            // What is about a path says more.
            (Some(_), None) => true,
            (None, _) => false,
        };
        if self.0.get(&field).is_none_or(is_earlier) {
            self.0.insert(field, (trigger, path));
        }
    }

    fn crossing(&mut self, crossing: Crossing) {
        let field = match crossing.trigger {
            QuickTrigger::PublicApiSharedContract | QuickTrigger::MultipleServicesModules => ExpertField::Architecture,
            QuickTrigger::Dependencies | QuickTrigger::SecurityAuthPrivacy => ExpertField::Security,
            QuickTrigger::SchemaData => ExpertField::DataMigration,
            QuickTrigger::VisualFlowAmbiguity => ExpertField::UxAccessibility,
            QuickTrigger::BroadFileScope
            | QuickTrigger::ForbiddenPath
            | QuickTrigger::ProofUnavailable
            | QuickTrigger::UnclearRequirements => return,
        };
        self.add(
            field,
            format!("{}: {}", crossing.trigger, crossing.evidence),
            crossing.path,
        );
    }
}

fn call(judge: Judge, trigger: &str, path: Option<RepoPath>, level: GateLevel) -> ExpertCall {
    ExpertCall {
        judge,
        trigger: trigger.chars().take(MAX_TRIGGER).collect(),
        path,
        is_advisory: level != GateLevel::Block,
    }
}

/// Why a change is large, where it is.
fn size(set: &ChangeSet, added_lines: Option<u64>) -> Option<String> {
    let files = set.changes.len();
    match added_lines {
        _ if files > LARGE_CHANGE_FILES => Some(format!("it changes {files} files, more than {LARGE_CHANGE_FILES}")),
        None => Some("nobody knows how many lines it adds".to_owned()),
        Some(lines) if lines > LARGE_CHANGE_LINES => {
            Some(format!("it adds {lines} lines, more than {LARGE_CHANGE_LINES}"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
