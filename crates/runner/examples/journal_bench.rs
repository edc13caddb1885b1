//! What a journal costs, for `cargo xtask bench`. Durations are printed in nanoseconds.
//!
//! - `journal_bench append FOLDER ROUNDS`: 1,000 lines appended and synced one by one, and the same bytes written and synced
//!   without a journal, in turn.
//! - `journal_bench write FILE BYTES`: a journal of at least that size.
//! - `journal_bench verify FILE`: its chain, from the file to the verdict.
#![expect(clippy::print_stdout, reason = "a program for people who measure")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use counterfoil_runner::{JournalFile, JournalSink as _};
use jiff::Timestamp;
use ledger_core::{Activity, Event, Head, verify_chain};

type Outcome<T> = Result<T, Box<dyn Error>>;

const LINES: usize = 1000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["append", folder, rounds] => append(Path::new(folder), rounds.parse()?),
        ["write", file, bytes] => write(Path::new(file), bytes.parse()?),
        ["verify", file] => verify(Path::new(file)),
        _ => Err("one of: append FOLDER ROUNDS, write FILE BYTES, verify FILE".into()),
    }
}

fn append(folder: &Path, rounds: usize) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for round in 0..rounds {
        let path = folder.join(format!("journal-{round}.jsonl"));
        let bare = folder.join(format!("bare-{round}"));
        let ours = append_to_journal(&path)?;
        let lines: Vec<Vec<u8>> = std::fs::read(&path)?
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let theirs = append_bare(&bare, &lines)?;
        println!("ours {}\ntheirs {}", ours.as_nanos(), theirs.as_nanos());
        std::fs::remove_file(path)?;
        std::fs::remove_file(bare)?;
    }
    Ok(())
}

fn append_to_journal(path: &Path) -> Outcome<Duration> {
    let mut journal = JournalFile::create(path)?;
    let events: Vec<Event> = (0..LINES).map(message).collect();
    let start = Instant::now();
    for event in &events {
        journal.append(Timestamp::now(), event)?;
        journal.sync()?;
    }
    Ok(start.elapsed())
}

fn append_bare(path: &Path, lines: &[Vec<u8>]) -> Outcome<Duration> {
    let mut file = File::create_new(path)?;
    let start = Instant::now();
    for line in lines {
        file.write_all(line)?;
        file.sync_data()?;
    }
    Ok(start.elapsed())
}

fn write(path: &Path, bytes: u64) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut head = Head::default();
    let mut written = 0;
    while written < bytes {
        let event = message(usize::try_from(head.next)?);
        let (line, next) = head.line(Timestamp::UNIX_EPOCH, &event)?;
        file.write_all(&line)?;
        written += line.len() as u64;
        head = next;
    }
    Ok(file.flush()?)
}

fn verify(path: &Path) -> Outcome<()> {
    let summary = verify_chain(&std::fs::read(path)?)?;
    println!("{} lines, {}", summary.head.next, summary.head.sum);
    Ok(())
}

/// What a worker says in between: most lines of a journal are like this.
fn message(number: usize) -> Event {
    Event::Activity(Activity::Message {
        text: format!(
            "Step {number}: I have read the module and the tests that call it. The parser accepts an address without a domain, \
             because the last part is never looked at; the form shows no message for that. Next I add a case to the table of \
             the tests and refuse it where the address is split, so that both callers see the same error."
        ),
    })
}
