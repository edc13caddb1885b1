//! A file of lines that another process appends to, read on from where it was left.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// A file that is read line by line while it grows.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    file: File,
    /// Where to read on.
    offset: u64,
    /// The beginning of a line whose end was not read yet.
    partial: Vec<u8>,
    /// Whether the line under way is too long and is passed over.
    passing_over: bool,
    max_line: usize,
}

impl GrowingFile {
    /// Reads `file` from its beginning. Lines with more than `max_line` bytes are passed over.
    pub(crate) fn new(file: File, max_line: usize) -> Self {
        Self {
            file,
            offset: 0,
            partial: Vec::new(),
            passing_over: false,
            max_line,
        }
    }

    /// Calls with each line that is whole by now, without its newline. Stops at the first error; after one nothing more can
    /// be read.
    pub(crate) fn read_on<E: From<io::Error>>(
        &mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunk = vec![0; CHUNK];
        self.file.seek(SeekFrom::Start(self.offset))?;
        loop {
            let read = match self.file.read(&mut chunk) {
                Ok(0) => {
                    // Read again next time: the beginning of a line may be cut off and written anew.
                    self.offset -= self.partial.len() as u64;
                    self.partial = Vec::new();
                    return Ok(());
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.offset += read as u64;
            let mut rest = &chunk[..read];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (line, after) = (&rest[..end], &rest[end + 1..]);
                rest = after;
                let fits = !self.passing_over && self.partial.len() + line.len() <= self.max_line;
                self.passing_over = false;
                let mut whole = std::mem::take(&mut self.partial);
                if fits {
                    whole.extend_from_slice(line);
                    each(&whole)?;
                }
            }
            if self.passing_over || self.partial.len() + rest.len() > self.max_line {
                self.passing_over = true;
                self.partial = Vec::new();
            } else {
                self.partial.extend_from_slice(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(file: &mut GrowingFile) -> Vec<String> {
        let mut lines = Vec::new();
        file.read_on(|line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok::<(), io::Error>(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn a_line_is_given_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = File::create(&path).unwrap();
        let mut reader = GrowingFile::new(File::open(&path).unwrap(), 100);
        assert!(lines(&mut reader).is_empty());
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(lines(&mut reader), ["one"]);
        writer.write_all(b"o\n\nthree\n").unwrap();
        assert_eq!(lines(&mut reader), ["two", "", "three"]);
        assert!(lines(&mut reader).is_empty());
    }

    #[test]
    fn the_beginning_of_a_line_that_is_cut_off_and_written_anew_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntorn").unwrap();
        let mut reader = GrowingFile::new(File::open(&path).unwrap(), 100);
        assert_eq!(lines(&mut reader), ["one"]);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(lines(&mut reader), ["two"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_hides_nothing_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut content = vec![b'x'; 3 * CHUNK];
        content.extend_from_slice(b"\nshort\n");
        std::fs::write(&path, content).unwrap();
        let mut reader = GrowingFile::new(File::open(&path).unwrap(), 10);
        assert_eq!(lines(&mut reader), ["short"]);
        assert!(reader.partial.is_empty());
    }
}
