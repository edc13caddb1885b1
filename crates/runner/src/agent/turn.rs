//! The two ends of a turn: what the caller holds, and what the agent's task reports into.

use std::time::Duration;

use ledger_core::{Activity, AgentFailure, ThreadId, TokenCount};
use tokio::sync::{mpsc, watch};

use super::{TurnEnd, TurnEvent, TurnOutcome};

/// Events that wait for the caller before the agent is held up.
const WAITING_EVENTS: usize = 64;

/// How long an agent's process may take to end a turn that is interrupted before it is killed. Half of the two seconds in which
/// an interrupted run stops.
pub(super) const INTERRUPT_LIMIT: Duration = Duration::from_secs(1);

/// A turn under way. Dropping it interrupts the turn.
#[derive(Debug)]
pub struct Turn {
    /// What happens, in order; the last event is [`TurnEvent::Ended`]. An agent whose events are not taken is held up.
    pub events: mpsc::Receiver<TurnEvent>,
    stop: watch::Sender<bool>,
}

impl Turn {
    /// A turn, and the end that its agent reports into: for agents that an embedding program brings.
    pub fn channel() -> (Self, TurnSink) {
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let (stop, stopped) = watch::channel(false);
        let sink = TurnSink {
            sender,
            stop: StopSignal(stopped),
        };
        (Self { events, stop }, sink)
    }

    /// Asks the agent to end the turn. Returns at once; [`TurnEvent::Ended`] follows within seconds, and may still say
    /// that the agent had finished.
    pub fn interrupt(&self) {
        self.stop.send_replace(true);
    }
}

/// Where an agent's task reports a turn.
#[derive(Debug)]
pub struct TurnSink {
    sender: mpsc::Sender<TurnEvent>,
    stop: StopSignal,
}

impl TurnSink {
    /// Reports something that was seen. Waits while the caller is behind, but not for a caller that wants the turn to
    /// end: then what does not fit is dropped.
    pub async fn activity(&mut self, activity: Activity) {
        let event = TurnEvent::Activity(activity);
        tokio::select! {
            biased;
            permit = self.sender.reserve() => {
                if let Ok(permit) = permit {
                    permit.send(event);
                }
            }
            () = self.stop.wait() => {}
        }
    }

    /// Reports the end.
    pub async fn ended(self, end: TurnEnd) {
        // A caller that dropped the turn does not want to know.
        let _ = self.sender.send(TurnEvent::Ended(end)).await;
    }

    /// Whether the caller wants the turn to end.
    pub fn stop(&self) -> StopSignal {
        self.stop.clone()
    }
}

/// Says whether a turn is to end: it was interrupted, or the caller is gone.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Whether the turn is to end.
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the turn is to end.
    pub async fn wait(&mut self) {
        // An error means that the caller dropped the turn.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl TurnEnd {
    /// A turn that was interrupted before anything was done.
    pub(super) fn interrupted() -> Self {
        Self {
            outcome: TurnOutcome::Interrupted,
            tokens: TokenCount::default(),
            thread: None,
        }
    }

    /// A turn that failed.
    pub(crate) fn failed(failure: AgentFailure, tokens: TokenCount, thread: Option<ThreadId>) -> Self {
        Self {
            outcome: TurnOutcome::Failed(failure),
            tokens,
            thread,
        }
    }
}
