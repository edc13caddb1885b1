//! What a journal shows of damage, and what it does not.

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::{Digest, Head, Journal, JournalError, Run, verify_chain};
use support::{Climb, LOOP, STANDARD, at};

fn line_of(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn named_line(error: &JournalError) -> usize {
    match error {
        JournalError::Empty => 1,
        JournalError::Sum { line }
        | JournalError::Chain { line, .. }
        | JournalError::Shape { line, .. }
        | JournalError::Newer { line, .. } => *line,
    }
}

#[test]
fn a_whole_run_reads_back_and_folds_to_the_same_run() {
    for terms in [STANDARD, LOOP] {
        let climb = Climb::whole(terms);
        let journal = Journal::parse(&climb.journal).unwrap();
        let events: Vec<_> = journal
            .records
            .iter()
            .map(|record| (record.at, record.event.clone()))
            .collect();
        assert_eq!(events, climb.events);
        assert_eq!(
            (journal.head, journal.torn, journal.unterminated),
            (climb.head, None, false)
        );
        assert_eq!(Run::replay(&journal.records), Ok(climb.run));
    }
}

#[test]
fn every_flipped_bit_is_found_at_its_line() {
    let journal = Climb::to_iteration(LOOP).journal;
    let last_newline = journal.len() - 1;
    for offset in 0..journal.len() {
        for bit in 0..8 {
            let mut damaged = journal.clone();
            damaged[offset] ^= 1 << bit;
            match verify_chain(&damaged) {
                // A line that loses its newline runs into the next one; both are one damaged line then.
                Err(error) => assert_eq!(named_line(&error), line_of(&journal, offset), "{offset}.{bit}: {error}"),
                // The last newline is the only byte whose loss looks like an append that was cut off.
                Ok(summary) => {
                    assert_eq!(offset, last_newline, "{offset}.{bit} passed");
                    assert!(summary.torn.is_some(), "{offset}.{bit} passed");
                }
            }
        }
    }
}

#[test]
fn a_journal_cut_anywhere_is_shorter_or_torn_and_never_something_else() {
    let climb = Climb::to_iteration(LOOP);
    let whole = Journal::parse(&climb.journal).unwrap();
    let starts: Vec<_> = std::iter::once(0)
        .chain(memchr::memchr_iter(b'\n', &climb.journal).map(|newline| newline + 1))
        .collect();
    for length in 0..climb.journal.len() {
        let cut = &climb.journal[..length];
        let lines = starts.iter().filter(|start| **start <= length).count() - 1;
        let tail = length - starts[lines];
        let without_newline = length + 1 == starts[lines + 1];
        match Journal::parse(cut) {
            Err(error) => {
                assert_eq!(error, JournalError::Empty, "{length}");
                assert!(lines == 0 && !without_newline, "{length}");
            }
            Ok(journal) => {
                let expected = lines + usize::from(without_newline);
                assert_eq!(journal.records, whole.records[..expected], "{length}");
                assert_eq!(journal.unterminated, without_newline, "{length}");
                let torn = (tail > 0 && !without_newline).then_some((starts[lines], tail));
                assert_eq!(journal.torn.map(|torn| (torn.offset, torn.bytes)), torn, "{length}");
            }
        }
    }
}

#[test]
fn a_torn_tail_that_is_cut_off_can_be_appended_to() {
    let climb = Climb::whole(LOOP);
    let torn = &climb.journal[..climb.journal.len() - 10];
    let journal = Journal::parse(torn).unwrap();
    let mut mended = torn[..journal.torn.unwrap().offset].to_vec();
    let (line, head) = journal.head.line(at(99), &climb.events.last().unwrap().1).unwrap();
    mended.extend(line);
    assert_eq!(Journal::parse(&mended).unwrap().head, head);
}

#[test]
fn a_damaged_last_line_with_its_newline_is_no_torn_tail() {
    let mut journal = Climb::whole(LOOP).journal;
    let lines = line_of(&journal, journal.len() - 1);
    let offset = journal.len() - 20;
    journal[offset] ^= 1;
    assert_eq!(Journal::parse(&journal), Err(JournalError::Sum { line: lines }));
}

#[test]
fn lines_that_are_missing_swapped_or_doubled_break_the_chain() {
    let journal = Climb::whole(LOOP).journal;
    let lines: Vec<_> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    for index in 0..lines.len() - 1 {
        let mut missing = lines.clone();
        missing.remove(index);
        let mut swapped = lines.clone();
        swapped.swap(index, index + 1);
        let mut doubled = lines.clone();
        doubled.insert(index, lines[index]);
        for (broken, line) in [(missing, index + 1), (swapped, index + 1), (doubled, index + 2)] {
            let error = verify_chain(&broken.concat()).unwrap_err();
            assert!(
                matches!(error, JournalError::Chain { line: named, .. } if named == line),
                "{error}"
            );
        }
    }
}

#[test]
fn a_line_that_is_written_anew_with_its_sum_breaks_the_chain_at_the_next() {
    let climb = Climb::whole(LOOP);
    let lines: Vec<_> = climb.journal.split_inclusive(|byte| *byte == b'\n').collect();
    let mut head = Head::default();
    for (index, (time, event)) in climb.events.iter().enumerate().take(lines.len() - 1) {
        let (forged, _) = head.line(at(1_000_000), event).unwrap();
        let mut broken = lines.clone();
        broken[index] = &forged;
        let error = verify_chain(&broken.concat()).unwrap_err();
        assert!(
            matches!(error, JournalError::Chain { line, .. } if line == index + 2),
            "{error}"
        );
        head = head.line(*time, event).unwrap().1;
    }
}

#[test]
fn a_journal_written_anew_is_sound_and_has_another_head() {
    let climb = Climb::whole(LOOP);
    let (mut forged, mut head) = (Vec::new(), Head::default());
    for (index, (_, event)) in climb.events.iter().enumerate() {
        let later = at(1_000 + i64::try_from(index).unwrap());
        let (line, next) = head.line(later, event).unwrap();
        forged.extend(line);
        head = next;
    }
    let summary = verify_chain(&forged).unwrap();
    assert_eq!(summary.head.next, climb.head.next);
    assert_ne!(summary.head.sum, climb.head.sum);
}

#[test]
fn an_event_of_a_newer_version_is_named_and_never_skipped() {
    let line = |event: &str| {
        let body = format!(
            "{{\"seq\":0,\"at\":\"2026-11-21T00:00:00Z\",\"prev\":\"{}\",\"event\":{event}",
            Head::default().sum
        );
        format!("{body},\"sum\":\"{}\"}}\n", Digest::of(&body))
    };
    let errors: Vec<_> = [
        r#"{"kind":"teleported","to":"x"}"#,
        r#"{"kind":"intended","effect":"teleport"}"#,
        r#"{"kind":"opened","format":2,"foil":"9","ticket":"a","run":"b","repository":"c","mode":"loop","delivery":"none","review":true,"checks":[],"max_repair_rounds":3}"#,
        r#"{"kind":"warned"}"#,
        r#"{"no":"kind"}"#,
        "[]",
        "",
    ]
    .into_iter()
    .map(|event| Journal::parse(line(event).as_bytes()).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}
