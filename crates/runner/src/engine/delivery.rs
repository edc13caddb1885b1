//! The commits of a delivery, and the one ref that moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use git_delivery::{CommitDraft, CommitTime, Expected, RefError, Repository};
use ledger_core::{
    BlockerCode, CommitId, Digest, Kind, Observation, PreparedDelivery, RefName, RepoPath, Run, RunId, TicketId, TreeId,
};

use policy::may_stack;

use super::storage::each_record_up_to;
use super::{Engine, Failed, RunPlan, ticket_folder};
use crate::closeout::{Closeout, CloseoutError};
use crate::memory::with_notes;
use crate::records::{RecordFacts, handoff_record, plan_record, result_record, review_record, setback, setbacks};

impl Engine {
    pub(super) fn prepare_delivery(&mut self, seq: u64, tree: TreeId, journal: Digest, run: &Run) {
        let (plan, repository, run) = (Arc::clone(&self.plan), Arc::clone(&self.repository), run.clone());
        self.blocking(seq, move || {
            // What is delivered could not be verified without it.
            let mut of_run = Vec::new();
            each_record_up_to(&plan.folders.run, journal, |record| {
                of_run.extend(setback(&record.event))
            })?;
            let setbacks = setbacks(&plan.folders.run, of_run);
            let delivery = prepare(&plan, &repository, seq, tree, journal, &run, &setbacks)?;
            Ok(Observation::DeliveryPrepared { delivery })
        });
    }

    pub(super) fn update_ref(&mut self, seq: u64, name: &RefName, old: Option<CommitId>, new: CommitId) {
        let (repository, name) = (Arc::clone(&self.repository), name.clone());
        let reason = format!("foil: deliver {}", self.plan.ticket.id);
        self.blocking(seq, move || {
            let expected = old.map_or(Expected::Missing, |old| Expected::Is(old.0));
            match repository.update_ref(&name, new.0, expected, &reason) {
                Ok(()) => {}
                // What it is now is looked at below, and judged there.
                Err(RefError::Refused { .. }) => {}
                Err(error) => return Err(not_moved(&error)),
            }
            see_ref(&repository, &name, new)
        });
    }
}

/// Why a branch cannot be moved: its name, or something that passes.
fn not_moved(error: &RefError) -> Failed {
    match error {
        RefError::CheckedOut { .. } | RefError::NameTaken { .. } => Failed::new(BlockerCode::BranchNameTaken, error),
        _ => Failed::of(error),
    }
}

/// What a ref points at, and whether that contains the commit.
pub(super) fn see_ref(repository: &Repository, name: &RefName, new: CommitId) -> Result<Observation, Failed> {
    let value = repository
        .resolve(name)
        .map_err(|error| Failed::of(&error))?
        .map(CommitId);
    let contains_new = match value {
        Some(value) => value == new || repository.is_ancestor(new, value).unwrap_or(false),
        None => false,
    };
    Ok(Observation::RefSeen { value, contains_new })
}

fn prepare(
    plan: &RunPlan,
    repository: &Repository,
    seq: u64,
    tree: TreeId,
    journal: Digest,
    run: &Run,
    setbacks: &[String],
) -> Result<PreparedDelivery, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::new(BlockerCode::TreeMismatch, error);
    let base = run.base().ok_or_else(|| wrong(&"the run has no base"))?;
    // The branch that this run has made already, before its target moved, as long as nobody did anything with it.
    let placed = run.placed().filter(|(branch, records)| {
        let now = repository.resolve(branch).ok().flatten();
        now == Some(records.0)
    });
    let (branch, old) = match placed {
        Some((branch, records)) => (branch.clone(), Some(records)),
        None => match shared_branch(plan, repository, base)? {
            Some((branch, tip)) => (branch, Some(tip)),
            None => (free_branch(plan, repository)?, None),
        },
    };
    let draft = |tree, parent, message| CommitDraft {
        tree,
        parents: vec![parent],
        author: plan.identity.author.clone(),
        committer: plan.identity.committer.clone(),
        // The journal's time, so that the same run always gives the same commits.
        time: CommitTime {
            seconds: run.last_at().as_second(),
            offset_minutes: 0,
        },
        message,
    };
    let message = change_message(plan, journal);
    let change = draft(tree, base, message.clone())
        .write(repository)
        .map_err(|error| Failed::of(&error))?;

    let facts = RecordFacts {
        change,
        branch: &branch,
        title: &plan.ticket.file.title,
        setbacks,
    };
    let mut records = record_files(plan, repository, base, run, &facts)?;
    if let Some(curation) = run.curation() {
        let noted = with_notes(repository, tree, curation, &plan.ticket.id, &plan.run);
        records.extend(noted.map_err(|error| Failed::of(&error))?);
    }
    let closeout = match &plan.specs {
        Some(specs) => Closeout::of(repository, tree, specs).map_err(not_closed_out)?,
        None => Closeout::default(),
    };
    let files = records.iter().chain(&closeout.written);
    let files: BTreeMap<_, _> = files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
    let records_tree = repository
        .overlay(tree, &files, &closeout.removed)
        .map_err(|error| Failed::of(&error))?;
    let only_records = repository
        .tree_differs_only_in(tree, records_tree, |path| {
            records.contains_key(path) || closeout.has(path)
        })
        .map_err(|error| Failed::of(&error))?;
    if !only_records {
        return Err(wrong(&"the records commit would change more than the records"));
    }
    let records = draft(records_tree, change, records_message(plan, journal))
        .write(repository)
        .map_err(|error| Failed::of(&error))?;
    for (what, commit) in [("change", change), ("records", records)] {
        // Each try has names of its own: after a crash the commits are others, because the journal is.
        repository
            .anchor(&plan.run, &format!("{what}-{seq}"), commit.0)
            .map_err(|error| Failed::of(&error))?;
    }
    Ok(PreparedDelivery {
        mode: run.opened().delivery,
        branch,
        old,
        base,
        // As read back from the commit, not as intended: it is compared with what was reviewed.
        tree: repository.commit_tree_id(change).map_err(|error| Failed::of(&error))?,
        change,
        records_tree,
        records,
        identity: format!("{} <{}>", plan.identity.author.name, plan.identity.author.email),
        message: Digest::of(message),
    })
}

/// The delta was held against the tree when it was measured, so what does not fit now is somebody's doing.
fn not_closed_out(error: CloseoutError) -> Failed {
    match error {
        CloseoutError::Object(error) => Failed::of(&error),
        CloseoutError::Changed { .. } => Failed::new(BlockerCode::TreeMismatch, error),
        CloseoutError::Current(_) | CloseoutError::Archive => Failed::new(BlockerCode::SpecDrift, error),
    }
}

/// The branch of the package and its tip, where the change goes on from there.
fn shared_branch(
    plan: &RunPlan,
    repository: &Repository,
    base: CommitId,
) -> Result<Option<(RefName, CommitId)>, Failed> {
    let Some(goal) = &plan.goal else {
        return Ok(None);
    };
    let found = goal.find(repository).map_err(|error| Failed::of(&error))?;
    let Some((branch, tip)) = found else {
        return Ok(None);
    };
    if repository.is_ancestor(tip, base).map_err(|error| Failed::of(&error))? {
        return Ok(Some((branch, tip)));
    }
    // Where the run may not start from it, it is left as it is, and a branch of another name goes on from the base.
    if !may_stack(&plan.policy) {
        return Ok(None);
    }
    let reason = format!(
        "`{}` is at {} now, which the run did not start from: somebody moved it while the run was under way",
        branch.short(),
        tip.short()
    );
    Err(Failed::new(BlockerCode::UpstreamMoved, reason))
}

/// How many names are tried for a branch.
pub(crate) const MOST_BRANCH_NAMES: u8 = 99;

/// The branch by the policy's template, or the first of its name with `-2`, `-3`, … that does not exist.
fn free_branch(plan: &RunPlan, repository: &Repository) -> Result<RefName, Failed> {
    let package = plan.ticket.file.package.as_ref().map(ledger_core::PackageName::as_str);
    let wanted = plan.policy.delivery.branch.fill(plan.ticket.id.as_str(), package);
    let taken = |error: &dyn std::fmt::Display| Failed::new(BlockerCode::BranchNameTaken, error);
    for suffix in 1..=MOST_BRANCH_NAMES {
        let name = if suffix == 1 {
            wanted.clone()
        } else {
            format!("{wanted}-{suffix}")
        };
        let name = RefName::branch(&name).map_err(|error| taken(&error))?;
        if repository.resolve(&name).map_err(|error| Failed::of(&error))?.is_none() {
            return Ok(name);
        }
    }
    Err(taken(&format!(
        "`{wanted}` and {} names after it exist",
        MOST_BRANCH_NAMES - 1
    )))
}

fn change_message(plan: &RunPlan, journal: Digest) -> String {
    let file = &plan.ticket.file;
    let kind = match file.kind {
        Kind::Feature => "feature",
        Kind::Bugfix => "bugfix",
        Kind::Refactor => "refactor",
        Kind::Test => "test",
        Kind::Documentation => "documentation",
        Kind::Diagnosis => "diagnosis",
        Kind::Cleanup => "cleanup",
    };
    let subject = plan
        .policy
        .delivery
        .message
        .fill(plan.ticket.id.as_str(), &file.title, kind);
    format!("{subject}\n\n{}", trailers(&plan.ticket.id, &plan.run, journal))
}

fn records_message(plan: &RunPlan, journal: Digest) -> String {
    let id = &plan.ticket.id;
    format!("{id}: records\n\n{}", trailers(id, &plan.run, journal))
}

/// What ties a commit to its run.
pub(super) fn trailers(ticket: &TicketId, run: &RunId, journal: Digest) -> String {
    format!("Counterfoil-Ticket: {ticket}\nCounterfoil-Run: {run}\nCounterfoil-Journal: {journal}\n")
}

/// The records that go beside the ticket. Nothing is overwritten: a later run writes `result-2.md`.
fn record_files(
    plan: &RunPlan,
    repository: &Repository,
    base: CommitId,
    run: &Run,
    facts: &RecordFacts<'_>,
) -> Result<BTreeMap<RepoPath, Vec<u8>>, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::new(BlockerCode::TreeMismatch, error);
    let folder = ticket_folder(plan);
    let tree = repository.commit_tree_id(base).map_err(|error| Failed::of(&error))?;
    for n in 1..=999 {
        let name = |record: &str| {
            let name = if n == 1 {
                format!("{folder}/{record}.md")
            } else {
                format!("{folder}/{record}-{n}.md")
            };
            name.parse::<RepoPath>().map_err(|error| wrong(&error))
        };
        let (plan, result, review) = (name("plan")?, name("result")?, name("review")?);
        let handoff = name("handoff")?;
        let free = |path: &RepoPath| repository.entry_at(tree, path).map(|entry| entry.is_none());
        let mut records = BTreeMap::from([
            (result, result_record(run, facts)),
            (review, review_record(run, facts)),
            (handoff, handoff_record(run, facts)),
        ]);
        records.extend(plan_record(run, facts).map(|record| (plan, record)));
        let mut all_free = true;
        for path in records.keys() {
            all_free &= free(path).map_err(|error| Failed::of(&error))?;
        }
        if all_free {
            return Ok(records
                .into_iter()
                .map(|(path, text)| (path, text.into_bytes()))
                .collect());
        }
    }
    Err(wrong(&"there are 999 results of this ticket"))
}
