//! Looking at what a dead runner left under way.

use ledger_core::{Activity, AgentIdentity, Effect, Event, Observation, Pending};

use super::delivery::see_ref;
use super::storage::look_for_stored;
use super::turns::{review_end, turn_end};
use super::{Engine, agent_log};
use crate::agent::{TurnEnd, recover_turn};

impl Engine {
    /// What came of an effect, as the dead runner would have recorded it.
    pub(super) fn look_at(&self, pending: &Pending) -> Vec<Event> {
        let observed = |observation| {
            vec![Event::Observed {
                of: pending.seq,
                observation,
            }]
        };
        let lost = |reason: &str| {
            observed(Observation::Lost {
                reason: reason.to_owned(),
            })
        };
        match &pending.effect {
            Effect::TakeTurn { label, .. } => match self.recovered(label) {
                Some(end) => self.with_thread(pending, &end, {
                    let (tokens, thread) = (end.tokens, end.thread.clone());
                    let end = turn_end(end.outcome.clone(), label);
                    Observation::TurnEnded { end, tokens, thread }
                }),
                None => lost("the runner was gone in the middle of the turn"),
            },
            Effect::TakeReview { tree, label } => match self.recovered(label) {
                Some(end) => self.with_thread(pending, &end, {
                    let (tokens, thread) = (end.tokens, end.thread.clone());
                    let end = review_end(end.outcome.clone(), label, self.plan.policy.review.block_on);
                    Observation::ReviewEnded {
                        tree: *tree,
                        end,
                        tokens,
                        thread,
                    }
                }),
                None => lost("the runner was gone in the middle of the review"),
            },
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

    fn recovered(&self, label: &str) -> Option<TurnEnd> {
        recover_turn(&agent_log(&self.plan), label).ok().flatten()
    }

    /// The journal may have lost the line in which the agent named its conversation; the agent's own log has it.
    fn with_thread(&self, pending: &Pending, end: &TurnEnd, observation: Observation) -> Vec<Event> {
        let mut events = Vec::new();
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
        events.push(Event::Observed {
            of: pending.seq,
            observation,
        });
        events
    }
}
