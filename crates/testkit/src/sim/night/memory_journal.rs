//! Journals on a disk that may be full, and that forgets what was not synced when the power is cut.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use ledger_core::{Event, Head, Record};
use runner::{JournalFileError, JournalSink};

use super::fuse::{Fault, Operation, Part};
use super::world::{SharedWorld, lock};

/// The bytes of one journal.
#[derive(Debug, Default)]
pub(super) struct StoredBytes {
    pub(super) bytes: Vec<u8>,
    /// How many of them survive a power cut.
    pub(super) synced: usize,
}

/// A journal that is open for appending.
pub(super) struct MemoryJournal {
    world: SharedWorld,
    ticket: usize,
    head: Head,
}

impl MemoryJournal {
    pub(super) fn new(world: SharedWorld, ticket: usize, head: Head) -> Self {
        Self { world, ticket, head }
    }

    fn error(&self, kind: io::ErrorKind) -> JournalFileError {
        JournalFileError::Io {
            path: PathBuf::from(format!("{}/journal.jsonl", self.ticket)),
            source: kind.into(),
        }
    }
}

impl JournalSink for MemoryJournal {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Record, JournalFileError> {
        let (line, head) = self.head.line(at, event)?;
        let mut world = lock(&self.world);
        if world.fuse.is_dead() {
            return Err(self.error(io::ErrorKind::BrokenPipe));
        }
        let fault = world.fuse.burn(Operation::Append);
        let part = match fault {
            // What is left of it then is said when the power is cut.
            Some(Fault::PowerCut(..)) => Part::All,
            Some(Fault::Kill(done) | Fault::Full(done)) => done,
            _ if world.finds_disk_full() => Part::Drawn,
            _ => Part::All,
        };
        let dies = world.fuse.is_dead();
        let is_full = !dies && (part != Part::All || matches!(fault, Some(Fault::Full(_))));
        let written = part.of(line.len(), &mut world.chance);
        let written = if is_full { written.min(line.len() - 1) } else { written };
        let stored = &mut world.tickets[self.ticket].journal;
        stored.bytes.extend_from_slice(&line[..written]);
        if dies {
            return Err(self.error(io::ErrorKind::BrokenPipe));
        }
        if is_full {
            world.tally.full_disks += 1;
            return Err(self.error(io::ErrorKind::StorageFull));
        }
        world.tally.steps += 1;
        let record = Record {
            seq: self.head.next,
            at,
            event: event.clone(),
            sum: head.sum,
        };
        self.head = head;
        Ok(record)
    }

    fn sync(&mut self) -> Result<(), JournalFileError> {
        let mut world = lock(&self.world);
        if world.fuse.is_dead() {
            return Err(self.error(io::ErrorKind::BrokenPipe));
        }
        let fault = world.fuse.burn(Operation::Sync);
        let is_done = match fault {
            Some(Fault::Kill(done) | Fault::PowerCut(done, _) | Fault::Full(done)) => done.is_done(&mut world.chance),
            _ => true,
        };
        if is_done {
            let stored = &mut world.tickets[self.ticket].journal;
            stored.synced = stored.bytes.len();
        }
        match fault {
            Some(Fault::Full(_)) => {
                world.tally.full_disks += 1;
                Err(self.error(io::ErrorKind::StorageFull))
            }
            _ if world.fuse.is_dead() => Err(self.error(io::ErrorKind::BrokenPipe)),
            _ => Ok(()),
        }
    }

    fn head(&self) -> Head {
        self.head
    }
}
