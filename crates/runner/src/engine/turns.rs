//! Turns of the worker and of the reviewer.

use std::collections::BTreeMap;

use ledger_core::{
    Activity, BlockerCode, Digest, Event, JudgedReview, Observation, Phase, Report, Review, Run, ThreadId, TreeId,
    TurnEnd, TurnPurpose, unjustified,
};
use policy::hunks_to_justify;

use super::given::GivenContext;
use super::reading::SeenEnd;
use super::watching::{SilenceWatch, TreeWatch};
use super::{Engine, Failed, agent_log, blocked, ticket_folder};
use crate::agent::{Access, Role, ThreadChoice, TurnEvent, TurnOutcome, TurnRequest};
use crate::children::children_in_words;
use crate::disk;
use crate::prompt::{Given, GivenPlan, ReviewTask, WriterTask, report_repair_prompt, review_prompt, writer_prompt};
use crate::records::{departures, report_of};
use crate::run_ticket::guards;
use crate::weakened::found;

impl Engine {
    pub(super) fn take_turn(
        &mut self,
        seq: u64,
        label: &str,
        purpose: TurnPurpose,
        thread: Option<&ThreadId>,
        run: &Run,
    ) {
        let prompt = match purpose {
            TurnPurpose::Write => self.with_task(label, run, writer_prompt),
            TurnPurpose::RepairReport => {
                let reason = run
                    .attempt()
                    .and_then(|attempt| attempt.turn.as_ref())
                    .map(|turn| &turn.end);
                let reason = match reason {
                    Some(TurnEnd::InvalidReport { reason }) => reason.as_str(),
                    _ => "it was not a report",
                };
                self.with_task(label, run, |task| report_repair_prompt(task, reason))
            }
        };
        let mut request = self.request(Role::Writer, label, prompt);
        request.thread = thread.cloned().map_or(ThreadChoice::Fresh, ThreadChoice::Resume);
        if purpose == TurnPurpose::RepairReport || !self.plan.ticket.file.mode.discipline().may_change {
            request.access = Access::ReadOnly;
            request.network = false;
        }
        let expected = label.to_owned();
        let trees = (request.access == Access::Write).then(|| self.watch_of_trees(run));
        self.forward(seq, request, self.given(Role::Writer, run), trees, move |end| {
            Ok(Observation::TurnEnded {
                end: turn_end(end.outcome, &expected),
                tokens: end.tokens,
                thread: end.thread,
            })
        });
    }

    /// A watch over a writer's files, which are as they were measured last or those of the base.
    fn watch_of_trees(&self, run: &Run) -> TreeWatch {
        let base = || self.repository.commit_tree_id(run.base()?).ok();
        let tree = run.change().map(|change| change.tree).or_else(base);
        TreeWatch::new(&self.plan, &self.repository, &self.places, tree)
    }

    /// The prompt that this makes of what the turn is about.
    fn with_task(&self, label: &str, run: &Run, prompt: impl FnOnce(&WriterTask<'_>) -> String) -> String {
        let attempt = run.attempt();
        let failed: Vec<_> = run
            .last_checked()
            .map(|checked| {
                checked
                    .results
                    .iter()
                    .filter(|result| !result.passed())
                    .cloned()
                    .collect()
            })
            .unwrap_or_default();
        let told = &self.plan.instructions;
        let findings = run.to_mend();
        let instructions = told
            .repair
            .as_ref()
            .filter(|_| !findings.is_empty())
            .or(told.writer.as_ref());
        let workspace = &self.plan.policy.workspace;
        let set_up: Vec<_> = workspace.setup.iter().map(|command| command.run.clone()).collect();
        prompt(&WriterTask {
            ticket: &self.plan.ticket,
            label,
            iteration: attempt.map_or(1, |attempt| attempt.n),
            is_rescued: run.opened().rescued.is_some(),
            round: run.round().map(|round| &round.task),
            cause: attempt.and_then(|attempt| attempt.cause.as_ref()),
            findings,
            questions: run.questions(),
            failed_checks: &failed,
            checks: &self.named_checks(),
            plan: self.given_plan(run),
            forbidden: &self.forbidden(),
            instructions: instructions.map(String::as_str),
            steering: &told.steering,
            hand_offs: &self.plan.hand_offs,
            gates: self.plan.gates(),
            given: Given {
                copied: &workspace.copy,
                set_up: &set_up,
            },
            specs: self.plan.specs.as_ref(),
            children: &children_in_words(run),
        })
    }

    /// The checks that will be run, as `name: command`.
    pub(super) fn named_checks(&self) -> Vec<String> {
        let checks = self.plan.checks.iter();
        checks
            .map(|check| format!("`{}`: `{}`", check.name, check.command))
            .collect()
    }

    /// The plan that the writer is to follow.
    pub(super) fn given_plan<'a>(&self, run: &'a Run) -> GivenPlan<'a> {
        match run.followed_plan() {
            Some(plan) => GivenPlan::Made(plan),
            None if run.evidence(Phase::PlanRecorded).is_some() => {
                GivenPlan::Written(format!("{}/plan.md", ticket_folder(&self.plan)))
            }
            None => GivenPlan::None,
        }
    }

    /// What the policy forbids to every ticket.
    pub(super) fn forbidden(&self) -> Vec<String> {
        let forbidden = &self.plan.policy.scope.forbidden;
        forbidden.iter().map(ToString::to_string).collect()
    }

    pub(super) fn take_review(&mut self, seq: u64, tree: TreeId, label: &str, run: &Run) {
        let shown = self.show_to_reader(tree, run);
        let last = run.attempt().and_then(|attempt| attempt.review.as_ref());
        let last = last.filter(|review| review.tree == tree);
        let refused = last.and_then(|review| review.turn.end.refused_for());
        let prompt =
            shown.map(|(patch, is_cut)| self.with_review(label, (&patch, is_cut), refused, run, review_prompt));
        let end = self.end_of_review(tree, label, run);
        self.read(seq, Role::Reviewer, label, prompt, self.given(Role::Reviewer, run), end);
    }

    /// The prompt that this makes of what a review is about.
    pub(super) fn with_review(
        &self,
        label: &str,
        (patch, patch_is_cut): (&str, bool),
        refused: Option<&str>,
        run: &Run,
        prompt: impl FnOnce(&ReviewTask<'_>) -> String,
    ) -> String {
        let attempt = run.attempt();
        let checked = attempt.and_then(|attempt| attempt.checked.as_ref());
        prompt(&ReviewTask {
            ticket: &self.plan.ticket,
            label,
            patch,
            patch_is_cut,
            checks: checked.map_or(&[], |checked| &checked.results),
            forbidden: &self.forbidden(),
            questions: run.questions(),
            report: report_of(run),
            plan: run.followed_plan(),
            departures: &run
                .followed_plan()
                .map(|plan| departures(run, plan))
                .unwrap_or_default(),
            instructions: self.plan.instructions.reviewer.as_deref(),
            steering: &self.plan.instructions.steering,
            weakened: found(run),
            to_justify: &hunks_to_justify(run, &self.plan.gates()),
            compared: attempt.and_then(|attempt| attempt.compared.as_ref()),
            specs: self.plan.specs.as_ref(),
            children: &children_in_words(run),
            drift: crate::drift::found(run),
            repaired: run.to_mend(),
            refused,
        })
    }

    /// What the end of a reviewer's turn shows. What it does not justify of the hunks that it has to is found wrong beside what it found
    /// itself, and stops the change whatever else the policy lets pass.
    pub(super) fn end_of_review(&self, tree: TreeId, label: &str, run: &Run) -> SeenEnd {
        let to_justify = hunks_to_justify(run, &self.plan.gates());
        self.end_of_reading(
            label,
            "the review",
            Review::parse,
            move |mut review, plan, _| {
                let unjustified = unjustified(&to_justify, &review.weakened_tests);
                let passes = review.passes(plan.policy.review.block_on) && unjustified.is_empty();
                review.findings.extend(unjustified);
                Ok(JudgedReview { review, passes })
            },
            move |end, tokens, thread| Observation::ReviewEnded {
                tree,
                end,
                tokens,
                thread,
            },
        )
    }

    pub(super) fn request(&self, role: Role, label: &str, prompt: String) -> TurnRequest {
        let (place, answer, access) = match role {
            Role::Writer => ("work", "report", Access::Write),
            Role::Planner => ("review", "plan", Access::ReadOnly),
            Role::Reviewer => ("review", "review", Access::ReadOnly),
            Role::Advisor => ("review", "advice", Access::ReadOnly),
            Role::Expert => ("review", "expert", Access::ReadOnly),
            Role::Curator => ("review", "curation", Access::ReadOnly),
        };
        let agent = &self.plan.policy.agent;
        let granted = self.plan.ticket.file.grants.network;
        TurnRequest {
            label: label.to_owned(),
            role,
            place: self.plan.folders.place(place),
            thread: ThreadChoice::Fresh,
            prompt,
            answer_schema: schema_of_answer(answer),
            access,
            network: access == Access::Write && (agent.network || granted),
            model: agent.model.clone(),
            effort: agent.reasoning_effort.clone(),
            instructions: role.instructions(),
            config: agent.config.clone().into_iter().collect(),
            env: BTreeMap::new(),
            log: agent_log(&self.plan),
            redactor: self.plan.redactor.clone(),
        }
    }

    /// Starts a turn and hands on what is seen of it; its end becomes the effect's observation.
    pub(super) fn forward(
        &mut self,
        seq: u64,
        request: TurnRequest,
        given: GivenContext,
        mut trees: Option<TreeWatch>,
        observation: impl FnOnce(crate::agent::TurnEnd) -> Result<Observation, Failed> + Send + 'static,
    ) {
        let sent = Activity::PromptSent {
            digest: Digest::of(&request.prompt),
            bytes: u64::try_from(request.prompt.len()).unwrap_or(u64::MAX),
            given: given.files,
            size: Some(given.size),
        };
        let sender = self.sender.clone();
        let mut turn = self.agent.start_turn(request);
        let mut interrupted = self.interrupt.subscribe();
        let mut watch = SilenceWatch::new(guards(&self.plan.folders.run), &self.plan.policy.limits);
        self.waiting(seq, async move {
            let mut asked = false;
            let _ = sender.send(Event::Activity(sent)).await;
            loop {
                let (event, is_from_agent) = tokio::select! {
                    event = turn.events.recv() => (event, true),
                    seen = watch.look() => (Some(TurnEvent::Activity(seen)), false),
                    changed = interrupted.wait_for(|interrupt| *interrupt), if !asked => {
                        // Where the engine is gone, so is whoever would want the turn.
                        drop(changed);
                        asked = true;
                        turn.interrupt();
                        continue;
                    }
                };
                if is_from_agent {
                    watch.heard();
                }
                match event {
                    Some(TurnEvent::Activity(activity)) => {
                        let changed = match &mut trees {
                            Some(trees) => trees.after(&activity).await,
                            None => None,
                        };
                        for activity in std::iter::once(activity).chain(changed) {
                            let _ = sender.send(Event::Activity(activity)).await;
                        }
                    }
                    // Another turn would end the same way.
                    Some(TurnEvent::Ended(crate::agent::TurnEnd {
                        outcome: TurnOutcome::Failed(failure),
                        ..
                    })) if disk::ended_turn(&failure) => {
                        return Err(Failed::new(BlockerCode::DiskFull, failure.message));
                    }
                    Some(TurnEvent::Ended(end)) => return blocked(move || observation(end)).await,
                    None => {
                        let reason = "the agent ended without a word".to_owned();
                        return Ok(Observation::Lost { reason });
                    }
                }
            }
        });
    }
}

/// The answer of a writer's turn, read as a report.
pub(super) fn turn_end(outcome: TurnOutcome, label: &str) -> TurnEnd {
    match outcome {
        TurnOutcome::Completed { answer } => match Report::parse(&answer, label) {
            Ok(report) => TurnEnd::Reported { report },
            Err(error) => TurnEnd::InvalidReport {
                reason: error.to_string(),
            },
        },
        TurnOutcome::Interrupted => TurnEnd::Interrupted,
        TurnOutcome::Failed(failure) => TurnEnd::Failed { failure },
    }
}

/// The schema that an answer is asked to have.
fn schema_of_answer(name: &str) -> serde_json::Value {
    ledger_core::schema(name).map_or(serde_json::Value::Null, |schema| schema.to_value())
}
