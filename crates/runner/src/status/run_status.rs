//! A run as people want to see it, computed from the run alone.

use jiff::Timestamp;
use ledger_core::{MAX_DOCUMENT_BYTES, Phase, Run, RunId, StackedTicket};
use policy::{Limits, Liveness, liveness};
use serde::Serialize;

use crate::packet::ticket_in_base;
use crate::run_ticket::limits;
use crate::stack::stack_of;
use crate::workspace::{PolicyFile, Workspace};

/// How far a run is and what it is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStatus {
    /// The run.
    pub run: RunId,
    /// The highest phase that is entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The iteration, counted from 1; 0 before the first.
    pub iteration: u32,
    /// Repair rounds that were started.
    pub repair_rounds: u32,
    /// What is being done now, in a few words. The worker's part is its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// Paths that differ from the base, as last computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    /// Tokens spent.
    pub tokens: u64,
    /// Hooks and notifications of which nobody knows how they ended, in words; they are not done again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// The most tokens that it may spend. Only of a run that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How the agent is whose turn is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Liveness>,
    /// The limits that it was begun under: those of its base, tightened by its ticket. Only of a run that is under way.
    #[serde(skip)]
    pub limits: Option<Limits>,
    /// The delivered tickets that its base rests on, which were not merged when it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacked: Vec<StackedTicket>,
    /// When the run began.
    pub started_at: Timestamp,
    /// When its last event was written.
    pub last_event_at: Timestamp,
    /// Seconds that a runner has been at work on it, pauses not counted.
    pub elapsed_seconds: u64,
}

impl RunStatus {
    /// How far this run is. `now` is given for a run that is under way: the time since its last event counts then.
    pub fn of(run: &Run, now: Option<Timestamp>) -> Self {
        let waiting = now.map_or(jiff::SignedDuration::ZERO, |now| now.duration_since(run.last_at()));
        let elapsed = run.active().saturating_add(waiting.max(jiff::SignedDuration::ZERO));
        let measured = run
            .attempt()
            .and_then(|attempt| attempt.measured.as_ref())
            .map(|measured| &measured.change)
            .or(run.change());
        Self {
            run: run.opened().run.clone(),
            phase: run.phase(),
            iteration: run.attempt().map_or(0, |attempt| attempt.n),
            repair_rounds: run.totals().repair_rounds,
            doing: run.pending().map(|pending| {
                let words = pending.effect.words();
                match pending.live.doing.as_str() {
                    "" => words.to_owned(),
                    doing => format!("{words}: {doing}"),
                }
            }),
            files_changed: measured.map(|change| change.counts.total()),
            tokens: run.tokens().total,
            unknown: crate::once_only::unknown(run),
            max_tokens: None,
            liveness: None,
            limits: None,
            stacked: stack_of(run).to_vec(),
            started_at: run.opened_at(),
            last_event_at: run.last_at(),
            elapsed_seconds: u64::try_from(elapsed.as_secs()).unwrap_or(0),
        }
    }

    /// The same of a run that is under way, with the limits that it was begun under.
    pub(crate) fn under_way(workspace: &Workspace, run: &Run, now: Timestamp) -> Self {
        Self::within(limits_of(workspace, run), run, now)
    }

    /// The same with these limits.
    pub(crate) fn within(limits: Option<Limits>, run: &Run, now: Timestamp) -> Self {
        // Only an agent says something of itself.
        let live = run.pending().map(|pending| &pending.live);
        let live = live.filter(|live| live.thread.is_some());
        Self {
            max_tokens: limits.map(|limits| limits.max_tokens),
            liveness: live.map(|live| liveness(live, &limits.unwrap_or_default(), now)),
            limits,
            ..Self::of(run, Some(now))
        }
    }
}

fn limits_of(workspace: &Workspace, run: &Run) -> Option<Limits> {
    let repository = workspace.repository();
    let bytes = repository.read_file_at(run.base()?, &PolicyFile::path(), MAX_DOCUMENT_BYTES as u64);
    let policy = PolicyFile::new(bytes.ok()?).policy.ok()?;
    let of_ticket = ticket_in_base(workspace, run)?.limits;
    Some(limits(&policy.limits).tightened(&of_ticket))
}
