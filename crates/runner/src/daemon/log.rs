//! The daemon's log: bounded, whatever its workers print.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A file with more than this is put aside.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// How many older ones are kept.
const KEPT: u32 = 3;

/// A log whose lines begin with the time, and of which only the latest part is kept. What cannot be written is lost: a full disk
/// stops no run.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    max_bytes: u64,
    is_in_line: bool,
}

impl Log {
    pub(super) fn open(path: &Path) -> Self {
        let mut log = Self {
            path: path.to_owned(),
            file: None,
            bytes: 0,
            max_bytes: MAX_BYTES,
            is_in_line: false,
        };
        // The next line tries again.
        let _ = log.reopen();
        log
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Appends output as it comes, in any pieces.
    pub(super) fn append(&mut self, output: &[u8], now: Timestamp) {
        for piece in output.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_in_line {
                self.make_room();
                self.write(format!("{now:.0} ").as_bytes());
            }
            self.write(piece);
            self.is_in_line = !piece.ends_with(b"\n");
        }
    }

    /// Appends a line of the daemon's own.
    pub(super) fn line(&mut self, text: &str, now: Timestamp) {
        if self.is_in_line {
            self.append(b"\n", now);
        }
        self.append(format!("foil daemon: {text}\n").as_bytes(), now);
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.file.is_none() && self.reopen().is_err() {
            return;
        }
        if let Some(file) = &mut self.file {
            match file.write_all(bytes) {
                Ok(()) => self.bytes = self.bytes.saturating_add(bytes.len() as u64),
                Err(_) => self.file = None,
            }
        }
    }

    fn make_room(&mut self) {
        if self.bytes < self.max_bytes {
            return;
        }
        self.file = None;
        for number in (1..KEPT).rev() {
            let _ = fs::rename(older(&self.path, number), older(&self.path, number + 1));
        }
        let _ = fs::rename(&self.path, older(&self.path, 1));
    }
}

fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_line_has_its_time_in_whatever_pieces_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let mut log = Log::open(&path);
        log.append(b"on", at(0));
        log.append(b"e\ntwo\n", at(1));
        log.append(b"cut off", at(2));
        log.line("hello", at(3));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "1970-01-01T00:00:00Z one\n1970-01-01T00:00:01Z two\n1970-01-01T00:00:02Z cut off\n\
             1970-01-01T00:00:03Z foil daemon: hello\n"
        );
    }

    #[test]
    fn only_the_latest_part_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let mut log = Log::open(&path);
        log.max_bytes = 100;
        for n in 0..100 {
            log.append(format!("line {n}\n").as_bytes(), at(n));
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3"]);
        let sizes = names
            .iter()
            .map(|name| fs::metadata(folder.path().join(name)).unwrap().len());
        assert!(sizes.max().unwrap() < 140);
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let latest = format!("{}{}", text("daemon.log.1"), text("daemon.log"));
        assert!(latest.ends_with("line 99\n"), "{latest}");
        assert!(latest.contains("line 96\n"), "{latest}");
        // After a restart it goes on where it was.
        let again = Log::open(&path);
        assert_eq!(again.bytes, fs::metadata(&path).unwrap().len());
    }
}
