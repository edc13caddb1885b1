//! The curator's turn, and what becomes of its notes.

use git_delivery::Repository;
use ledger_core::{BlockerCode, Curation, JudgedCuration, Observation, RepoPath, Run, TreeId};
use policy::{MemoryFacts, MemoryPaths, SecretRules, note_violations};

use super::reading::SeenEnd;
use super::whole::{began, whole};
use super::{Engine, Failed, RunPlan, base_of};
use crate::agent::Role;
use crate::children::children_in_words;
use crate::memory::{memory_files, text_at, with_notes};
use crate::prompt::{CurationTask, curation_prompt};
use crate::records::{report_of, review_of};

impl Engine {
    /// The curator sees tree T, where nobody writes any more.
    pub(super) fn take_curation(&mut self, seq: u64, tree: TreeId, label: &str, run: &Run) {
        let prompt = self.prompt_for_curation(tree, label, run);
        let end = self.end_of_curation(tree, label, run);
        self.read(seq, Role::Curator, label, prompt, self.given(Role::Curator, run), end);
    }

    fn prompt_for_curation(&self, tree: TreeId, label: &str, run: &Run) -> Result<String, Failed> {
        self.bring_review_to(base_of(run)?, tree)?;
        let memory = memory(&self.plan, &self.repository, run, tree)?;
        let whole = match began(run) {
            Some(since) => Some(whole(&self.repository, since, tree)?.summary()),
            None => None,
        };
        let attempt = run.attempt();
        let checked = attempt.and_then(|attempt| attempt.checked.as_ref());
        let curation = attempt.and_then(|attempt| attempt.curation.as_ref());
        Ok(curation_prompt(&CurationTask {
            ticket: &self.plan.ticket,
            label,
            changed: whole.as_ref().or(run.change()).map_or(&[], |change| &change.paths),
            children: &children_in_words(run),
            checks: checked.map_or(&[], |checked| &checked.results),
            report: report_of(run),
            review: review_of(run),
            memory: &memory,
            last: curation.map(|ended| &ended.end),
            instructions: self.plan.instructions.curator.as_deref(),
            steering: &self.plan.instructions.steering,
        }))
    }

    /// What the end of a curator's turn shows.
    pub(super) fn end_of_curation(&self, tree: TreeId, label: &str, run: &Run) -> SeenEnd {
        let run = run.clone();
        self.end_of_reading(
            label,
            "curation",
            Curation::parse,
            move |curation, plan, repository| {
                let paths =
                    MemoryPaths::new(&plan.policy).map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))?;
                let facts = facts(plan, repository, &run, tree, &curation)?;
                let refused = note_violations(&curation, &paths, &facts);
                Ok(JudgedCuration { curation, refused })
            },
            |end, tokens, thread| Observation::CurationEnded { end, tokens, thread },
        )
    }
}

/// The memory files that may be added to, with their texts: those of the base that the tree still has.
fn memory(
    plan: &RunPlan,
    repository: &Repository,
    run: &Run,
    tree: TreeId,
) -> Result<Vec<(ledger_core::RepoPath, String)>, Failed> {
    let base = repository.commit_tree_id(base_of(run)?);
    let base = base.map_err(|error| Failed::of(&error))?;
    let files = memory_files(repository, base, &plan.policy).map_err(|error| Failed::of(&error))?;
    let mut texts = Vec::new();
    for path in files {
        let text = text_at(repository, tree, &path).map_err(|error| Failed::of(&error))?;
        texts.extend(text.map(|text| (path, text)));
    }
    Ok(texts)
}

/// What has to be known of an answer to judge it.
fn facts(
    plan: &RunPlan,
    repository: &Repository,
    run: &Run,
    tree: TreeId,
    curation: &Curation,
) -> Result<MemoryFacts, Failed> {
    let files = memory(plan, repository, run, tree)?;
    let rules = SecretRules::new(&plan.policy);
    let mut facts = MemoryFacts::default();
    let (ticket, run) = (&plan.ticket.id, &plan.run);
    let noted = with_notes(repository, tree, curation, ticket, run).map_err(|error| Failed::of(&error))?;
    for (path, before) in &files {
        if let Some(after) = noted.get(path) {
            let secrets = rules.added(path, Some(before.as_bytes()), after);
            facts
                .secrets
                .extend(secrets.into_iter().map(|secret| (path.clone(), secret)));
        }
        facts.files.insert(path.clone());
    }
    // Also before anything of ours is put before its lines.
    for note in &curation.notes {
        if let Ok(path) = note.path.parse::<RepoPath>() {
            let secrets = rules.scan(&path, note.text.as_bytes());
            facts
                .secrets
                .extend(secrets.into_iter().map(|secret| (path.clone(), secret)));
        }
    }
    // As prose has no path of its own, it is looked at like the record that it goes into.
    if let Ok(path) = "handoff.md".parse() {
        facts.secrets_in_handoff = rules.scan(&path, curation.handoff.as_bytes());
    }
    Ok(facts)
}
