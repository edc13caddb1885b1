//! A run's journal on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use git_delivery::crash_point;
use jiff::Timestamp;
use ledger_core::{EncodeError, Event, Head, Journal, JournalError, Record, TornTail};

/// The folders of a run that may be new with its journal: the run's, its ticket's, that of all runs, and ours in the
/// repository.
const NEW_FOLDERS: usize = 4;

/// Where a run's events go. The drive appends through this, so that a simulated world can lose what was not synced.
pub trait JournalSink {
    /// Appends an event. It can be read by others at once, and survives a power cut after the next [`Self::sync`].
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Record, JournalFileError>;

    /// Makes everything that was appended survive a power cut.
    fn sync(&mut self) -> Result<(), JournalFileError>;

    /// The end that the next event is chained to.
    fn head(&self) -> Head;
}

/// Why a journal file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalFileError {
    /// The file could not be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else than a journal. Nothing was changed.
    #[error("`{}`: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: JournalError,
    },
    /// An event could not be written as a line. Nothing was appended.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl JournalFileError {
    /// Whether the file never came to hold a whole line: its run never began.
    pub fn never_began(&self) -> bool {
        match self {
            Self::Damaged { source, .. } => *source == JournalError::Empty,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Encode(_) => false,
        }
    }
}

/// A journal that is open for appending. One process at a time: whoever opens it holds the ticket's lock.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
    head: Head,
}

/// A journal that was opened, what it holds, and what had to be cut off.
#[derive(Debug)]
pub struct OpenedJournal {
    /// The file.
    pub file: JournalFile,
    /// Its lines.
    pub records: Vec<Record>,
    /// The end of an append that was cut off, if there was one. It is gone now.
    pub torn: Option<TornTail>,
}

impl JournalFile {
    /// Creates a journal. Refuses to touch a file that exists.
    pub fn create(path: &Path) -> Result<Self, JournalFileError> {
        let failed = |source| JournalFileError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            create_folders(folder).map_err(failed)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        crash_point("an empty journal is made");
        sync_folder(path).map_err(failed)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            head: Head::default(),
        })
    }

    /// Creates a journal that begins with these lines, all of them or none. Refuses to touch a file that exists.
    pub fn create_with(path: &Path, lines: &[u8]) -> Result<OpenedJournal, JournalFileError> {
        let failed = |source| JournalFileError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            create_folders(folder).map_err(failed)?;
        }
        let unfinished = path.with_extension("new");
        let mut file = File::create(&unfinished).map_err(failed)?;
        file.write_all(lines).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        crash_point("a journal is written beside its name");
        // A link, unlike a renaming, never takes the place of a file.
        std::fs::hard_link(&unfinished, path).map_err(failed)?;
        crash_point("a journal has its name");
        std::fs::remove_file(&unfinished).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Self::open(path)
    }

    /// Opens a journal, checks all of it, and cuts off a torn tail. Refuses a damaged one without changing it.
    pub fn open(path: &Path) -> Result<OpenedJournal, JournalFileError> {
        let failed = |source| JournalFileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new().read(true).append(true).open(path).map_err(failed)?;
        // It has its name already where [`Self::create_with`] was cut off.
        match std::fs::remove_file(path.with_extension("new")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let journal = Journal::parse(&bytes).map_err(|source| JournalFileError::Damaged {
            path: path.to_owned(),
            source,
        })?;
        if let Some(torn) = journal.torn {
            file.set_len(u64::try_from(torn.offset).unwrap_or(u64::MAX))
                .map_err(failed)?;
            file.sync_data().map_err(failed)?;
        } else if journal.unterminated {
            file.seek(SeekFrom::End(0)).map_err(failed)?;
            file.write_all(b"\n").map_err(failed)?;
        }
        let file = Self {
            file,
            path: path.to_owned(),
            head: journal.head,
        };
        Ok(OpenedJournal {
            file,
            records: journal.records,
            torn: journal.torn,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a journal without changing it, also while a runner writes it: a torn tail is passed over.
pub fn read_journal(path: &Path) -> Result<Journal, JournalFileError> {
    let bytes = std::fs::read(path).map_err(|source| JournalFileError::Io {
        path: path.to_owned(),
        source,
    })?;
    Journal::parse(&bytes).map_err(|source| JournalFileError::Damaged {
        path: path.to_owned(),
        source,
    })
}

impl JournalSink for JournalFile {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Record, JournalFileError> {
        let (line, head) = self.head.line(at, event)?;
        crash_point("an event is about to be appended");
        // One write: a reader sees the whole line or a tail that it knows to be torn.
        self.file.write_all(&line).map_err(|source| JournalFileError::Io {
            path: self.path.clone(),
            source,
        })?;
        crash_point("an event is appended");
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
        self.file.sync_data().map_err(|source| JournalFileError::Io {
            path: self.path.clone(),
            source,
        })?;
        crash_point("the journal is brought to the disk");
        Ok(())
    }

    fn head(&self) -> Head {
        self.head
    }
}

/// Makes a folder and those above it that are not there, so that their names survive a power cut. One that was made just now
/// and not brought to the disk cannot be told from one that was: what is there already is brought there again.
fn create_folders(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for new in folder.ancestors().take(NEW_FOLDERS) {
        sync_folder(new)?;
    }
    Ok(())
}

/// Makes a new name in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
