//! Looking at what a dead runner left under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use git_delivery::Patience;
use ledger_core::{Activity, AgentIdentity, CommitId, Effect, Event, Observation, Pending, PushTarget, Run};
use policy::judge_command;

use super::delivery::see_ref;
use super::reading::SeenEnd;
use super::remote::{Known, see_remote};
use super::storage::look_for_stored;
use super::turns::turn_end;
use super::{Engine, Failed, agent_log, blocked};
use crate::agent::{Redaction, TurnEnd, recover_turn_seeing};
use crate::target::LONGEST_QUESTION;

impl Engine {
    /// What came of an effect, as the dead runner would have recorded it.
    pub(super) fn look_at(&self, pending: &Pending, run: &Run) -> Vec<Event> {
        let observed = |observation| vec![observed(pending, observation)];
        let lost = |reason| vec![lost(pending, reason)];
        match &pending.effect {
            Effect::TakeTurn { label, .. } => self.look_at_turn(pending, label, "work", |end| Observation::TurnEnded {
                end: turn_end(end.outcome, label),
                tokens: end.tokens,
                thread: end.thread,
            }),
            Effect::TakePlan { label } => self.look_at_reading(pending, label, self.end_of_plan(label)),
            Effect::TakeReview { tree, label } => {
                self.look_at_reading(pending, label, self.end_of_review(*tree, label, run))
            }
            Effect::TakeAdvice { tree, label } => {
                self.look_at_reading(pending, label, self.end_of_advice(*tree, label))
            }
            Effect::AskExpert { judge, subject, label } => {
                self.look_at_reading(pending, label, self.end_of_expert(*judge, *subject, label))
            }
            Effect::TakeCuration { tree, label } => {
                self.look_at_reading(pending, label, self.end_of_curation(*tree, label, run))
            }
            Effect::UpdateRef { name, old, new } => match see_ref(&self.repository, name, *new) {
                Ok(Observation::RefSeen { value, contains_new }) if value != *old => {
                    observed(Observation::RefSeen { value, contains_new })
                }
                Ok(_) => lost("the branch had not moved"),
                Err(failed) => observed(failed.observation()),
            },
            Effect::StoreRun { name, journal } => {
                match look_for_stored(&self.repository, &self.plan.ticket.id, name, *journal) {
                    Some(commit) => observed(Observation::RunStored { commit }),
                    None => lost("the run was not stored"),
                }
            }
            _ => lost("the runner was gone"),
        }
    }

    /// Asks the remote what became of a push.
    pub(super) fn look_at_push(
        &self,
        pending: &Pending,
        target: &PushTarget,
        old: CommitId,
        run: &Run,
    ) -> impl Future<Output = Vec<Event>> + Send + use<> {
        let (repository, target, known) = (Arc::clone(&self.repository), target.clone(), Known::of(run));
        let (pending, mut stop) = (pending.clone(), self.stop.clone());
        async move {
            let patience = Patience::of(LONGEST_QUESTION);
            let waits = patience.clone();
            let looking = blocked(move || see_remote(&repository, &target, &known, &waits));
            let seen = tokio::select! {
                seen = looking => seen,
                // Who asked the runner to leave does not wait for the remote: the next one asks.
                Ok(_) = stop.wait_for(Option::is_some) => {
                    patience.stop.store(true, Ordering::Relaxed);
                    Ok(Observation::Interrupted)
                }
            };
            vec![match seen {
                Ok(Observation::RemoteSeen { value, .. }) if value == Some(old) => {
                    lost(&pending, "the remote had not moved")
                }
                Ok(observation) => observed(&pending, observation),
                Err(failed) => observed(&pending, failed.observation()),
            }]
        }
    }

    /// What the log of a turn holds whose thread may only read.
    fn look_at_reading(&self, pending: &Pending, label: &str, end: SeenEnd) -> Vec<Event> {
        self.look_at_turn(pending, label, "review", |turn| {
            end(turn).unwrap_or_else(Failed::observation)
        })
    }

    /// What the log of a turn in this place holds, with its end as an observation.
    fn look_at_turn(
        &self,
        pending: &Pending,
        label: &str,
        place: &str,
        observation: impl FnOnce(TurnEnd) -> Observation,
    ) -> Vec<Event> {
        let (refused, end) = self.recovered(label, place);
        let mut events: Vec<Event> = refused.into_iter().collect();
        let Some(end) = end else {
            events.push(lost(pending, "the runner was gone in the middle of the turn"));
            return events;
        };
        // The journal may have lost the line in which the agent named its conversation.
        if let (None, Some(thread)) = (&pending.live.thread, &end.thread) {
            events.push(Event::Activity(Activity::ThreadStarted {
                thread: thread.clone(),
                resumed: false,
                agent: AgentIdentity {
                    kind: self.agent.kind(),
                    version: "unknown".to_owned(),
                    model: self.plan.policy.agent.model.clone(),
                    sandbox: self.plan.policy.agent.sandbox.as_str().to_owned(),
                },
            }));
        }
        events.push(observed(pending, observation(end)));
        events
    }

    /// From the agent's own log: the first command for which the turn would have been stopped, which the journal may have
    /// lost, and how the turn ended.
    fn recovered(&self, label: &str, place: &str) -> (Option<Event>, Option<TurnEnd>) {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        // In the words in which the command would have been judged live.
        let redaction = Redaction::new(
            &self.plan.folders.place(place),
            None,
            environment,
            self.plan.redactor.clone(),
        );
        let (policy, grants) = (&self.plan.policy, &self.plan.ticket.file.grants);
        let mut refused = None;
        let end = recover_turn_seeing(&agent_log(&self.plan), label, &redaction, |activity| {
            if let (None, Activity::CommandStarted { command, .. }) = (&refused, &activity)
                && judge_command(command, policy, grants).is_some()
            {
                refused = Some(Event::Activity(activity));
            }
        });
        (refused, end.ok().flatten())
    }
}

fn observed(pending: &Pending, observation: Observation) -> Event {
    Event::Observed {
        of: pending.seq,
        observation,
    }
}

fn lost(pending: &Pending, reason: &str) -> Event {
    let reason = reason.to_owned();
    observed(pending, Observation::Lost { reason })
}
