//! Turns of threads that may only read: what they are shown, how they are started, and what their end shows.

use std::sync::Arc;

use git_delivery::Repository;
use ledger_core::{BlockerCode, InvalidReport, Observation, ReaderEnd, Run, ThreadId, TokenCount, TreeId};

use super::given::GivenContext;
use super::places::Places;
use super::set_up::{NAMED_PATHS, named};
use super::whole::began;
use super::{Engine, Failed, RunPlan, base_of};
use crate::agent::{Role, TurnEnd, TurnOutcome};

/// What the end of a turn shows.
pub(super) type SeenEnd = Box<dyn FnOnce(TurnEnd) -> Result<Observation, Failed> + Send>;

impl Engine {
    /// Starts a turn with this prompt, or says why there is none.
    pub(super) fn read(
        &mut self,
        seq: u64,
        role: Role,
        label: &str,
        prompt: Result<String, Failed>,
        given: GivenContext,
        end: SeenEnd,
    ) {
        match prompt {
            Ok(prompt) => self.forward(seq, self.request(role, label, prompt), given, None, end),
            Err(failed) => self.waiting(seq, std::future::ready(Err(failed))),
        }
    }

    /// What the end of a turn shows whose answer is parsed and judged like this. `during` says when, for people.
    pub(super) fn end_of_reading<P, A>(
        &self,
        label: &str,
        during: &'static str,
        parse: impl FnOnce(&str, &str) -> Result<P, InvalidReport> + Send + 'static,
        judge: impl FnOnce(P, &RunPlan, &Repository) -> Result<A, Failed> + Send + 'static,
        observation: impl FnOnce(ReaderEnd<A>, TokenCount, Option<ThreadId>) -> Observation + Send + 'static,
    ) -> SeenEnd {
        let (plan, repository, places) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.repository),
            self.places.clone(),
        );
        let label = label.to_owned();
        Box::new(move |end| {
            let read = match end.outcome {
                TurnOutcome::Completed { answer } => match parse(&answer, &label) {
                    Ok(answer) => {
                        unchanged_by_reader(&places, &plan, &repository, during)?;
                        ReaderEnd::Answered(judge(answer, &plan, &repository)?)
                    }
                    Err(error) => ReaderEnd::InvalidAnswer {
                        reason: error.to_string(),
                    },
                },
                TurnOutcome::Interrupted => ReaderEnd::Interrupted,
                TurnOutcome::Failed(failure) => ReaderEnd::Failed { failure },
            };
            Ok(observation(read, end.tokens, end.thread))
        })
    }

    /// Brings the place of those who only read to the base.
    pub(super) fn show_base(&self, run: &Run) -> Result<(), Failed> {
        let base = base_of(run)?;
        let tree = self.repository.commit_tree_id(base);
        self.bring_review_to(base, tree.map_err(|error| Failed::of(&error))?)
    }

    /// Brings that place to exactly this tree. Gives the patch to it, and whether that was cut.
    pub(super) fn show_to_reader(&self, tree: TreeId, run: &Run) -> Result<(String, bool), Failed> {
        let base = base_of(run)?;
        self.bring_review_to(base, tree)?;
        let limit = self.plan.policy.review.max_diff.as_bytes();
        self.patch(began(run).unwrap_or(base), tree, limit)
    }
}

/// Refuses what an agent says that only reads, where anything changed in its place meanwhile: it may read everything there, so that its
/// answer would be about something else, and it shows that it was not held to reading.
fn unchanged_by_reader(places: &Places, plan: &RunPlan, repository: &Repository, during: &str) -> Result<(), Failed> {
    let strays = places.with_runners(|runners| runners.strays_in_review(plan, repository))?;
    let paths: Vec<_> = strays.changed.iter().chain(&strays.added).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let paths = named(paths.into_iter(), NAMED_PATHS);
    let reason = format!("{paths} changed in the reviewer's place during {during}");
    Err(Failed::new(BlockerCode::TreeMismatch, reason))
}
