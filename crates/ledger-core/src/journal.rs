//! The journal's bytes: one JSON object a line, each chained to the line before it by SHA-256.
//!
//! A line is `{"seq":0,"at":"…","prev":"sha256:…","event":{…},"sum":"sha256:…"}` and a newline. `sum` is the SHA-256 of the
//! line's bytes before `,"sum"`; `prev` is the sum of the line before it, and all zeros in the first. Sums are taken over the
//! stored bytes, so there is no canonical form to get wrong.
//!
//! What this shows: any damage to stored bytes, at its line. What it cannot show, because it has no key: that somebody wrote
//! the whole file anew. For that compare the head with what Git has: the commits of the run name it in their trailer
//! `Counterfoil-Journal`, and so does the receipt.

mod chain;

use jiff::Timestamp;

pub use chain::{ChainSummary, verify_chain};

use crate::digest::Digest;
use crate::event::{Event, JOURNAL_FORMAT};

/// The most bytes that a line may have.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counted from 0.
    pub seq: u64,
    /// When it was written, by the clock of the machine.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The line's sum.
    pub sum: Digest,
}

/// The end of a journal, to which the next line is chained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The next line's number.
    pub next: u64,
    /// The last line's sum; all zeros where there is none.
    pub sum: Digest,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            next: 0,
            sum: Digest::from_bytes([0; 32]),
        }
    }
}

/// Bytes at the end of a journal that are no line: the last append was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where they begin.
    pub offset: usize,
    /// How many there are.
    pub bytes: usize,
}

/// A journal as read from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Its lines.
    pub records: Vec<Record>,
    /// Its end.
    pub head: Head,
    /// What has to be cut off before anything is appended.
    pub torn: Option<TornTail>,
    /// Whether the last line is whole but for its newline, which has to be added before anything is appended.
    pub unterminated: bool,
}

/// Why bytes are no journal, and at which line (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// There is not one whole line.
    #[error("the journal has no whole line")]
    Empty,
    /// A line's bytes do not have its sum.
    #[error("line {line} is damaged: its bytes do not have the sum that it ends with")]
    Sum {
        /// The line.
        line: usize,
    },
    /// A line does not follow the one before it.
    #[error("line {line} does not follow the line before it: {reason}")]
    Chain {
        /// The line.
        line: usize,
        /// How so.
        reason: &'static str,
    },
    /// A line is not of the journal's form.
    #[error("line {line} is not a journal line: {reason}")]
    Shape {
        /// The line.
        line: usize,
        /// How so.
        reason: String,
    },
    /// The journal was written by a newer version.
    #[error("line {line} needs a newer foil: {reason}")]
    Newer {
        /// The line.
        line: usize,
        /// What is unknown.
        reason: String,
    },
}

/// An event that cannot be written as a line.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It has no JSON form.
    #[error("the event has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// Its line would be longer than [`MAX_LINE_BYTES`].
    #[error("the event takes {bytes} bytes, more than the {MAX_LINE_BYTES} that a line may have")]
    TooLong {
        /// The length.
        bytes: usize,
    },
}

impl Head {
    /// The line, with its newline, that holds this event after this head, and the head after it.
    ///
    /// ```
    /// use counterfoil_ledger_core::{Event, Head, Journal, PauseCause};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let event = Event::Paused { cause: PauseCause::Stop };
    /// let (line, head) = Head::default().line(jiff::Timestamp::UNIX_EPOCH, &event)?;
    /// let journal = Journal::parse(&line)?;
    /// assert_eq!((journal.records[0].event.clone(), journal.head), (event, head));
    /// # Ok(()) }
    /// ```
    pub fn line(&self, at: Timestamp, event: &Event) -> Result<(Vec<u8>, Self), EncodeError> {
        let mut line = format!(
            "{{\"seq\":{},\"at\":\"{at}\",\"prev\":\"{}\",\"event\":",
            self.next, self.sum
        )
        .into_bytes();
        serde_json::to_writer(&mut line, event)?;
        let sum = Digest::of(&line);
        line.extend_from_slice(format!(",\"sum\":\"{sum}\"}}\n").as_bytes());
        if line.len() > MAX_LINE_BYTES {
            return Err(EncodeError::TooLong { bytes: line.len() });
        }
        Ok((
            line,
            Self {
                next: self.next + 1,
                sum,
            },
        ))
    }
}

impl Journal {
    /// Reads a journal: the chain first, then the events.
    pub fn parse(bytes: &[u8]) -> Result<Self, JournalError> {
        let mut records = Vec::new();
        let summary = chain::each_line(bytes, |line| {
            records.push(decode(&line)?);
            Ok(())
        })?;
        Ok(Self {
            records,
            head: summary.head,
            torn: summary.torn,
            unterminated: summary.unterminated,
        })
    }
}

/// Reads a journal line by line, from wherever its bytes come: the records of a long one take much memory.
///
/// ```
/// use counterfoil_ledger_core::{Event, Head, JournalReader, PauseCause};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let event = Event::Paused { cause: PauseCause::Stop };
/// let (line, head) = Head::default().line(jiff::Timestamp::UNIX_EPOCH, &event)?;
/// let mut reader = JournalReader::default();
/// assert_eq!(reader.next(&line)?.map(|record| record.event), Some(event));
/// assert_eq!(reader.next(b"{\"seq\":1,\"at")?, None);
/// assert_eq!(reader.end()?.head, head);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct JournalReader(chain::Chain);

impl JournalReader {
    /// The record of the next line, of these bytes with its newline, without which only the last may be. None where they are what is left of an append
    /// that was cut off.
    pub fn next(&mut self, line: &[u8]) -> Result<Option<Record>, JournalError> {
        let line = self.0.next(line)?;
        line.map(|line| decode(&line)).transpose()
    }

    /// What was read. Refuses a journal without a whole line.
    pub fn end(&self) -> Result<ChainSummary, JournalError> {
        self.0.end()
    }
}

fn decode(line: &chain::Line<'_>) -> Result<Record, JournalError> {
    let shape = |reason: String| JournalError::Shape {
        line: line.number,
        reason,
    };
    let at = line.at.parse().map_err(|error: jiff::Error| shape(error.to_string()))?;
    let event = serde_json::from_slice(line.event).map_err(|error| unreadable(line, &error))?;
    if let Event::Opened(opened) = &event
        && opened.format > JOURNAL_FORMAT
    {
        let reason = format!(
            "it has format {}, and this foil reads up to {JOURNAL_FORMAT}",
            opened.format
        );
        return Err(JournalError::Newer {
            line: line.number,
            reason,
        });
    }
    Ok(Record {
        seq: line.seq,
        at,
        event,
        sum: line.sum,
    })
}

/// Tells an event that a newer version wrote from one that is merely wrong.
fn unreadable(line: &chain::Line<'_>, error: &serde_json::Error) -> JournalError {
    let kind = serde_json::from_slice::<serde_json::Value>(line.event)
        .ok()
        .and_then(|value| value.get("kind")?.as_str().map(str::to_owned));
    let unknown_name = error.to_string().starts_with("unknown variant");
    match kind {
        Some(kind) if !Event::KINDS.contains(&kind.as_str()) => JournalError::Newer {
            line: line.number,
            reason: format!("unknown event `{}`", kind.escape_default()),
        },
        Some(kind) if unknown_name => JournalError::Newer {
            line: line.number,
            reason: format!("in event `{kind}`: {error}"),
        },
        _ => JournalError::Shape {
            line: line.number,
            reason: error.to_string(),
        },
    }
}
