//! Reading a journal one record at a time, also while a runner writes it: a long one is never whole in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use ledger_core::{ChainSummary, JournalError, JournalReader, MAX_LINE_BYTES, Record, Refusal, Run};

/// Why a journal does not amount to a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is damaged, or holds no whole line.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It holds a step that may not follow.
    #[error("it holds a step that may not follow: {0}")]
    Step(#[from] Refusal),
}

impl ReplayError {
    /// Whether its run never began.
    pub(crate) fn never_began(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::NotFound,
            Self::Journal(error) => *error == JournalError::Empty,
            Self::Step(_) => false,
        }
    }
}

/// The records of a journal; a torn tail is passed over. After an error there are no more.
pub(crate) struct JournalRecords<R> {
    source: R,
    reader: JournalReader,
    line: Vec<u8>,
    is_over: bool,
}

impl JournalRecords<BufReader<File>> {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(BufReader::new(File::open(path)?)))
    }
}

impl<R: BufRead> JournalRecords<R> {
    /// Those that are read from here.
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            reader: JournalReader::default(),
            line: Vec::new(),
            is_over: false,
        }
    }

    /// What was read up to now.
    pub(crate) fn end(&self) -> Result<ChainSummary, JournalError> {
        self.reader.end()
    }

    fn read(&mut self) -> Result<Option<Record>, ReplayError> {
        loop {
            self.line.clear();
            let mut next = self.source.by_ref().take(MAX_LINE_BYTES as u64 + 1);
            if next.read_until(b'\n', &mut self.line)? == 0 {
                self.reader.end()?;
                return Ok(None);
            }
            if let Some(record) = self.reader.next(&self.line)? {
                return Ok(Some(record));
            }
        }
    }
}

impl<R: BufRead> Iterator for JournalRecords<R> {
    type Item = Result<Record, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

/// The run that a journal amounts to.
pub(crate) fn replay(path: &Path) -> Result<Run, ReplayError> {
    Run::try_replay(JournalRecords::open(path)?)
}

#[cfg(test)]
mod tests {
    use ledger_core::{Event, Head, Journal, PauseCause};

    use super::*;

    #[test]
    fn whatever_stands_in_a_file_is_read_as_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (mut whole, mut head) = (Vec::new(), Head::default());
        for cause in [PauseCause::Stop, PauseCause::Terminate, PauseCause::Person] {
            let (line, next) = head
                .line(jiff::Timestamp::UNIX_EPOCH, &Event::Paused { cause })
                .unwrap();
            whole.extend(line);
            head = next;
        }
        let mut damaged = whole.clone();
        damaged[40] ^= 1;
        let ends = (0..=whole.len()).map(|end| whole[..end].to_vec());
        for bytes in ends.chain([damaged]) {
            std::fs::write(&path, &bytes).unwrap();
            let read: Result<Vec<_>, _> = JournalRecords::open(&path).unwrap().collect();
            match (read, Journal::parse(&bytes)) {
                (Ok(records), Ok(journal)) => assert_eq!(records, journal.records),
                (Err(ReplayError::Journal(one)), Err(other)) => assert_eq!(one, other),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, vec![b'x'; 3 * MAX_LINE_BYTES]).unwrap();
        let mut records = JournalRecords::open(&path).unwrap();
        let read = records.next().unwrap();
        assert!(
            matches!(read, Err(ReplayError::Journal(JournalError::Shape { line: 2, .. }))),
            "{read:?}"
        );
        assert!(records.next().is_none());
    }
}
