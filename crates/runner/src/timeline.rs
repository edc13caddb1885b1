//! A run's journal as a timeline: one clear sentence an event, for people and for programs.

mod everywhere;
mod follow;
mod sentence;

use jiff::Timestamp;
use ledger_core::{Event, Opened, Record, RunId, TicketId};
use serde::Serialize;

pub use everywhere::{TimelineFollower, TimelineNews, TimelineStart, stored_timeline};
pub use follow::{FollowError, JournalFollower};

/// The name of the format of a timeline's lines.
pub const EVENTS_SCHEMA: &str = "counterfoil.events/1";

/// The most characters of a sentence.
const MAX_SENTENCE: usize = 400;

/// One event of a run, in a form that grows only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineLine {
    /// [`EVENTS_SCHEMA`].
    pub schema: &'static str,
    /// The ticket.
    pub ticket: TicketId,
    /// The run.
    pub run: RunId,
    /// The event's number in the run's journal, counted from 0.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The kind of event, as the journal names it.
    pub kind: &'static str,
    /// What the event is about: the phase, the effect, what was seen, the activity or the blocker's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What happened, in one sentence without control characters, at most 400 characters. What it quotes of the worker is the
    /// worker's word.
    pub text: String,
}

/// Which events of a run are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelineFilter {
    /// Only those that were written then or later.
    pub since: Option<Timestamp>,
    /// Only the last ones, this many.
    pub limit: Option<usize>,
}

impl TimelineLine {
    /// The line for an event of the run that was opened so.
    pub fn new(opened: &Opened, record: &Record) -> Self {
        Self {
            schema: EVENTS_SCHEMA,
            ticket: opened.ticket.clone(),
            run: opened.run.clone(),
            seq: record.seq,
            at: record.at,
            kind: record.event.kind(),
            subject: sentence::subject(&record.event),
            text: crate::agent::shorten(&sentence::sentence(&record.event), MAX_SENTENCE),
        }
    }

    /// Whether it tells only how many tokens were spent up to then: too many of these for people to read.
    pub fn is_token_count(&self) -> bool {
        self.kind == "activity" && self.subject.as_deref() == Some("tokens")
    }
}

/// The timeline of these records, oldest first. Without the event that opens a run, there is none.
pub fn timeline(records: &[Record], filter: TimelineFilter) -> Vec<TimelineLine> {
    let Some(Event::Opened(opened)) = records.first().map(|record| &record.event) else {
        return Vec::new();
    };
    let wanted: Vec<_> = records
        .iter()
        .filter(|record| filter.since.is_none_or(|since| record.at >= since))
        .collect();
    let skipped = filter.limit.map_or(0, |limit| wanted.len().saturating_sub(limit));
    wanted[skipped..]
        .iter()
        .map(|record| TimelineLine::new(opened, record))
        .collect()
}
