//! One turn of a planner. What ends the turn of a run's planner ends this one: it has no journal, so this is where its liveness is followed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Activity, Blocker, GoalPlan, Grants, Live, PauseCause, TokenCount, answer_schema_of};
use policy::{comes_near, ending_cause, judge_command, spent_turn};
use tokio::time::MissedTickBehavior;

use super::{GoalError, Planner};
use crate::agent::{Access, ProjectInstructions, Role, ThreadChoice, TurnEvent, TurnOutcome, TurnRequest};
use crate::engine::SilenceWatch;
use crate::moment::Moment;
use crate::redact::Redactor;
use crate::run_ticket::limits;

/// How often it is looked whether time is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A turn as it is seen.
struct Seen {
    began: Timestamp,
    live: Live,
    /// What it has spent.
    spent: TokenCount,
    has_warned: bool,
}

impl Planner<'_> {
    /// Takes it, and gives the answer.
    pub(super) async fn turn(
        &mut self,
        label: &str,
        prompt: String,
        place: PathBuf,
        show: &mut impl FnMut(&Activity),
    ) -> Result<String, GoalError> {
        let mut stop = self.request.stop.clone();
        let before = self.tokens;
        let began = Moment::now().at;
        let mut seen = Seen {
            began,
            live: Live::new(began),
            spent: TokenCount::default(),
            has_warned: false,
        };
        let mut silence = SilenceWatch::new(self.files.guards(), &self.policy.limits);
        let mut clock = tokio::time::interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let request = self.request_of(label, prompt, place);
        let mut turn = self.agent.start_turn(request);
        // Why the turn is to end before it has an answer.
        let mut broken: Option<GoalError> = None;
        let end = loop {
            tokio::select! {
                event = turn.events.recv() => match event {
                    Some(TurnEvent::Activity(activity)) => {
                        silence.heard();
                        seen.see(&activity);
                        self.tokens = before.plus(seen.spent);
                        show(&activity);
                    }
                    Some(TurnEvent::Ended(end)) => break Some(end),
                    None => break None,
                },
                activity = silence.look() => seen.see(&activity),
                _ = clock.tick() => {}
                Ok(cause) = stop.wait_for(Option::is_some), if broken.is_none() => {
                    broken = Some(GoalError::Stopped { cause: cause.unwrap_or(PauseCause::Stop) });
                    turn.interrupt();
                }
            }
            if broken.is_none()
                && let Some(cause) = self.cause(&seen)
            {
                broken = Some(cause);
                turn.interrupt();
            }
            if let Some(message) = self.warning(&mut seen) {
                show(&Activity::Warning { message });
            }
        };
        if let Some(end) = &end {
            self.tokens = before.plus(end.tokens);
        }
        match (broken, end.map(|end| end.outcome)) {
            (Some(broken), _) => Err(broken),
            (None, Some(TurnOutcome::Completed { answer })) => Ok(answer),
            (None, Some(TurnOutcome::Failed(failure))) => Err(GoalError::Failed {
                failure: Box::new(failure),
            }),
            (None, Some(TurnOutcome::Interrupted) | None) => Err(GoalError::Stopped {
                cause: PauseCause::Stop,
            }),
        }
    }

    fn request_of(&self, label: &str, prompt: String, place: PathBuf) -> TurnRequest {
        let agent = &self.policy.agent;
        TurnRequest {
            label: label.to_owned(),
            role: Role::Planner,
            place,
            thread: ThreadChoice::Fresh,
            prompt,
            answer_schema: answer_schema_of::<GoalPlan>().to_value(),
            access: Access::ReadOnly,
            network: false,
            model: self.request.model.clone().or_else(|| agent.model.clone()),
            effort: agent.reasoning_effort.clone(),
            instructions: ProjectInstructions::On,
            config: agent.config.clone().into_iter().collect(),
            env: BTreeMap::new(),
            log: self.files.log(),
            redactor: Redactor::default().workspace(self.workspace),
        }
    }

    /// Why the turn is to be ended now, if it is to be.
    fn cause(&self, seen: &Seen) -> Option<GoalError> {
        let (spent, most) = (self.tokens.total, self.policy.limits.max_tokens);
        if spent > most {
            return Some(GoalError::Tokens { spent, limit: most });
        }
        let limits = limits(&self.policy.limits);
        let cause = ending_cause(&seen.live, seen.began, &limits, Moment::now().at)
            .or_else(|| self.denied(seen))
            .or_else(|| spent_turn(&seen.live, &limits));
        cause.map(|because| GoalError::Ended {
            because: Box::new(because),
        })
    }

    /// A command that nobody may run. A goal has no grants.
    fn denied(&self, seen: &Seen) -> Option<Blocker> {
        let mut open = seen.live.open_commands.values();
        let violation = open.find_map(|open| judge_command(&open.command, self.policy, &Grants::default()))?;
        Some(Blocker::new(violation.code, format!("it {}", violation.detail)))
    }

    /// That most of the tokens are spent, once a turn.
    fn warning(&self, seen: &mut Seen) -> Option<String> {
        let limits = limits(&self.policy.limits);
        let (spent, most) = (self.tokens.total, limits.max_tokens);
        let is_near = comes_near(spent, most, limits.soft_percent);
        let is_news = is_near && !seen.has_warned;
        seen.has_warned |= is_near;
        is_news.then(|| format!("{} % of {most} tokens are spent", limits.soft_percent))
    }
}

impl Seen {
    fn see(&mut self, activity: &Activity) {
        self.live.see(Moment::now().at, activity);
        if let Activity::Tokens { spent } = activity {
            self.spent = *spent;
        }
    }
}
