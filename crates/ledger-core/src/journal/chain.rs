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

pub(super) fn each_line<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(Line<'a>) -> Result<(), JournalError>,
) -> Result<ChainSummary, JournalError> {
    let mut head = Head::default();
    let mut offset = 0;
    let mut number = 0;
    while offset < bytes.len() {
        number += 1;
        let rest = &bytes[offset..];
        let newline = memchr::memchr(b'\n', rest);
        let content = &rest[..newline.unwrap_or(rest.len())];
        if newline.is_none() && summed(content).is_none() {
            if number == 1 {
                return Err(JournalError::Empty);
            }
            return Ok(ChainSummary {
                head,
                torn: Some(TornTail {
                    offset,
                    bytes: rest.len(),
                }),
                unterminated: false,
            });
        }
        let line = check(content, number, &head)?;
        head = Head {
            next: head.next + 1,
            sum: line.sum,
        };
        visit(line)?;
        let Some(newline) = newline else {
            return Ok(ChainSummary {
                head,
                torn: None,
                unterminated: true,
            });
        };
        offset += newline + 1;
    }
    if number == 0 {
        return Err(JournalError::Empty);
    }
    Ok(ChainSummary {
        head,
        torn: None,
        unterminated: false,
    })
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
