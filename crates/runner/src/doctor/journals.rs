//! Journals that are cut off or damaged: what is cut or set aside is kept beside them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ledger_core::JournalError;

use crate::journal_file::{JournalFile, JournalFileError, sync_folder};
use crate::run_history::{DAMAGED, JOURNAL};

/// How the names begin under which what was cut off is kept.
const TORN: &str = "journal-torn-";

/// Cuts the end of an append that was cut off, once a copy of it is on the disk. Gives the copy's name.
pub(super) fn cut(folder: &Path, torn: &[u8], now: Timestamp) -> Result<String, JournalFileError> {
    let name = format!("{TORN}{}", stamp(now));
    let path = folder.join(&name);
    let failed = |source| JournalFileError::Io {
        path: path.clone(),
        source,
    };
    let mut file = File::create_new(&path).map_err(failed)?;
    file.write_all(torn).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_folder(&path).map_err(failed)?;
    JournalFile::open(&folder.join(JOURNAL))?;
    Ok(name)
}

/// Gives a damaged journal another name, which is returned. Nothing of it is changed, and nothing is put in its place. Of one that is gone the name remains.
pub(super) fn set_aside(folder: &Path, now: Timestamp) -> io::Result<String> {
    let name = format!("{DAMAGED}{}.jsonl", stamp(now));
    let (from, to) = (folder.join(JOURNAL), folder.join(&name));
    // A link, unlike a renaming, never takes the place of a file.
    match fs::hard_link(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::create_new(&to)?.sync_all()?,
        linked => {
            linked?;
            fs::remove_file(&from)?;
        }
    }
    sync_folder(&to)?;
    Ok(name)
}

/// The journals of a run that were set aside, by name.
pub(super) fn aside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(DAMAGED)).collect();
    names.sort();
    names
}

/// Whether a journal can be read by no version, as far as this one can tell: one that is only newer is as it should be.
pub(super) fn is_damaged(error: &JournalError) -> bool {
    match error {
        JournalError::Sum { .. } | JournalError::Chain { .. } | JournalError::Shape { .. } => true,
        JournalError::Newer { .. } | JournalError::Empty => false,
    }
}

/// A file of a run as it is told: below the repository's Git folder.
pub(super) fn told(ticket: &str, run: &str, name: &str) -> String {
    let path: PathBuf = [".git/counterfoil/runs", ticket, run, name].iter().collect();
    path.display().to_string()
}

fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%S%.fZ").to_string()
}
