//! The chain of a journal, checked over its bytes without looking into the events.

use super::{Head, JournalError, MAX_LINE_BYTES, TornTail};
use crate::digest::{Digest, hex};

/// What a chain amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainSummary {
    /// Its end.
    pub head: Head,
    /// What is left after the last whole line.
    pub torn: Option<TornTail>,
    /// Whether the last line is whole but for its newline.
    pub unterminated: bool,
}

/// Checks every sum and every link of a journal, without reading the events.
pub fn verify_chain(bytes: &[u8]) -> Result<ChainSummary, JournalError> {
    each_line(bytes, |_| Ok(()))
}

/// A line whose sum and link hold.
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) seq: u64,
    pub(super) at: &'a str,
    pub(super) event: &'a [u8],
    pub(super) sum: Digest,
}

const SUM_KEY: &[u8] = b",\"sum\":\"sha256:";
const TAIL_BYTES: usize = SUM_KEY.len() + 64 + 2;

/// A chain as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Chain {
    head: Head,
    lines: usize,
    /// How many bytes its whole lines have.
    offset: usize,
    torn: Option<TornTail>,
    unterminated: bool,
}

impl Chain {
    /// The next line, of these bytes with its newline. None where they are what is left of an append that was cut off.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Line<'a>>, JournalError> {
        self.lines += 1;
        if self.torn.is_some() || self.unterminated {
            return Err(JournalError::Shape {
                line: self.lines,
                reason: "the line before it has no end".to_owned(),
            });
        }
        let content = bytes.strip_suffix(b"\n");
        if content.is_none() && summed(bytes).is_none() {
            self.torn = Some(TornTail {
                offset: self.offset,
                bytes: bytes.len(),
            });
            return Ok(None);
        }
        let line = check(content.unwrap_or(bytes), self.lines, &self.head)?;
        self.head = Head {
            next: self.head.next + 1,
            sum: line.sum,
        };
        self.offset += bytes.len();
        self.unterminated = content.is_none();
        Ok(Some(line))
    }

    /// What it amounts to. Refuses one without a whole line.
    pub(super) fn end(&self) -> Result<ChainSummary, JournalError> {
        if self.head.next == 0 {
            return Err(JournalError::Empty);
        }
        Ok(ChainSummary {
            head: self.head,
            torn: self.torn,
            unterminated: self.unterminated,
        })
    }
}

pub(super) fn each_line<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(Line<'a>) -> Result<(), JournalError>,
) -> Result<ChainSummary, JournalError> {
    let mut chain = Chain::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        if let Some(line) = chain.next(line)? {
            visit(line)?;
        }
        rest = after;
    }
    chain.end()
}

/// The bytes under the sum, and the sum, where the sum is right.
fn summed(content: &[u8]) -> Option<(&[u8], Digest)> {
    let (body, tail) = content.split_at_checked(content.len().checked_sub(TAIL_BYTES)?)?;
    let digits = tail.strip_prefix(SUM_KEY)?.strip_suffix(b"\"}")?;
    let sum = Digest::of(body);
    (hex(sum.as_bytes()).as_bytes() == digits).then_some((body, sum))
}

fn check<'a>(content: &'a [u8], number: usize, head: &Head) -> Result<Line<'a>, JournalError> {
    if content.len() > MAX_LINE_BYTES {
        return Err(JournalError::Shape {
            line: number,
            reason: format!("it has {} bytes", content.len()),
        });
    }
    let (body, sum) = summed(content).ok_or(JournalError::Sum { line: number })?;
    let shape = || JournalError::Shape {
        line: number,
        reason: "it does not begin with seq, at, prev, event".to_owned(),
    };
    let rest = body.strip_prefix(b"{\"seq\":").ok_or_else(shape)?;
    let (seq, rest) = split_at(rest, b",\"at\":\"").ok_or_else(shape)?;
    let (at, rest) = split_at(rest, b"\",\"prev\":\"").ok_or_else(shape)?;
    let (prev, event) = split_at(rest, b"\",\"event\":").ok_or_else(shape)?;
    let seq = std::str::from_utf8(seq)
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or_else(shape)?;
    let at = std::str::from_utf8(at).map_err(|_| shape())?;
    if seq != head.next {
        return Err(JournalError::Chain {
            line: number,
            reason: "its number is not the next one",
        });
    }
    let expected = format!("sha256:{}", hex(head.sum.as_bytes()));
    if prev != expected.as_bytes() {
        return Err(JournalError::Chain {
            line: number,
            reason: "it names another sum than that line has",
        });
    }
    Ok(Line {
        number,
        seq,
        at,
        event,
        sum,
    })
}

/// What stands before the first `separator` within a line's short fixed part, and what stands after it.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let window = &bytes[..bytes.len().min(128)];
    let at = memchr::memmem::find(window, separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
