//! Journals: as they are, and with lines whose sums fit whatever they say.

use jiff::Timestamp;
use ledger_core::{Digest, Event, Head, Journal, JournalError, JournalReader, Record, Run, verify_chain};

use crate::{chosen, is_one_of_eight};

/// The bytes of a journal, or lines of which one is made: whatever has a line that is not chained is tried both ways.
pub fn journal(data: &[u8]) {
    let _ = is_read_in_one_way(data);
    let chained = chained(data);
    let Ok(journal) = is_read_in_one_way(&chained) else {
        return;
    };
    damage_is_seen(&chained, &journal);
    is_written_as_it_is_read(&journal);
}

/// What is read is what it says of itself, and an error is at a line that is there. For some bytes also: read whole, line by line and by its chain alone it is
/// the same.
fn is_read_in_one_way(bytes: &[u8]) -> Result<Journal, JournalError> {
    let read = Journal::parse(bytes);
    if is_one_of_eight(bytes) {
        by_line_it_is_the_same(bytes, &read);
    }
    match &read {
        Ok(journal) => {
            assert_eq!(journal.head.next, journal.records.len() as u64);
            if let Some(torn) = journal.torn {
                assert_eq!(torn.offset + torn.bytes, bytes.len());
                let whole = Journal::parse(&bytes[..torn.offset]).expect("without its tail it is whole");
                assert_eq!(
                    (&whole.records, whole.torn, whole.head),
                    (&journal.records, None, journal.head)
                );
            }
            // Whatever comes of it: it has to come to something.
            let _ = Run::replay(&journal.records).map(|run| (run.next_seq(), run.tree()));
        }
        Err(error) => {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
            assert!(
                line_of(error).is_none_or(|line| (1..=lines).contains(&line)),
                "{error:?} of {lines}"
            );
        }
    }
    read
}

fn by_line_it_is_the_same(bytes: &[u8], read: &Result<Journal, JournalError>) {
    let mut reader = JournalReader::default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let records: Result<Vec<Option<Record>>, _> = lines.map(|line| reader.next(line)).collect();
    let by_line = records.and_then(|records| Ok((records.into_iter().flatten().collect::<Vec<_>>(), reader.end()?)));
    match read {
        Ok(journal) => {
            let (records, end) = by_line.expect("what is read whole is read line by line");
            assert_eq!(records, journal.records);
            assert_eq!(verify_chain(bytes), Ok(end));
            assert_eq!(
                (end.head, end.torn, end.unterminated),
                (journal.head, journal.torn, journal.unterminated)
            );
        }
        Err(error) => assert_eq!(by_line.as_ref().err(), Some(error)),
    }
}

/// Each line as the next line of a journal. Where it is one already, its event; else its bytes are taken for an event.
fn chained(data: &[u8]) -> Vec<u8> {
    let mut head = Head::default();
    let mut bytes = Vec::new();
    for line in data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(200)
    {
        let event = memchr(line, b"\"event\":").and_then(|at| line.get(at + 8..line.len().checked_sub(81)?));
        let begin = format!(
            "{{\"seq\":{},\"at\":\"2026-01-01T00:00:00Z\",\"prev\":\"{}\",\"event\":",
            head.next, head.sum
        );
        let body = [begin.as_bytes(), event.unwrap_or(line)].concat();
        let sum = Digest::of(&body);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(format!(",\"sum\":\"{sum}\"}}\n").as_bytes());
        head = Head {
            next: head.next + 1,
            sum,
        };
    }
    bytes
}

/// One bit of a journal that is another makes its line wrong; only at its very end it may look like an append that was cut off.
fn damage_is_seen(bytes: &[u8], journal: &Journal) {
    let at = chosen(bytes, bytes.len());
    let mut damaged = bytes.to_vec();
    let Some(byte) = damaged.get_mut(at) else { return };
    *byte ^= 1 << (chosen(bytes, usize::MAX) % 8);
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    match Journal::parse(&damaged) {
        Err(JournalError::Empty) => assert_eq!(line, 1),
        // A line break that is gone joins two lines, and one that is new parts them.
        Err(error) => assert_eq!(line_of(&error), Some(line), "{error:?}"),
        Ok(other) => {
            let whole = before
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1);
            let torn = other.torn.expect("damage is no other journal");
            assert!(torn.offset == whole || at + 1 == bytes.len(), "{torn:?}");
            assert_eq!(other.records[..], journal.records[..other.records.len()]);
        }
    }
}

/// What was read is written as a journal that is read as the same.
fn is_written_as_it_is_read(journal: &Journal) {
    let mut head = Head::default();
    let mut bytes = Vec::new();
    for record in &journal.records {
        let (line, next) = head.line(record.at, &record.event).expect("a short event has a line");
        bytes.extend_from_slice(&line);
        head = next;
    }
    let facts = |records: &[Record]| {
        records
            .iter()
            .map(|record| (record.at, record.event.clone()))
            .collect::<Vec<(Timestamp, Event)>>()
    };
    let again = Journal::parse(&bytes).expect("what is written is read");
    assert_eq!(facts(&again.records), facts(&journal.records));
}

fn line_of(error: &JournalError) -> Option<usize> {
    match error {
        JournalError::Empty => None,
        JournalError::Sum { line }
        | JournalError::Chain { line, .. }
        | JournalError::Shape { line, .. }
        | JournalError::Newer { line, .. } => Some(*line),
    }
}

fn memchr(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
