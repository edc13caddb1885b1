//! A tar archive in one folder, in which nothing tells when, where or by whom it was made.

use std::io::{self, Read, Seek as _, Write};

use ledger_core::Digest;
use serde::Serialize;
use tempfile::SpooledTempFile;

use super::cleaning::{clean_json, clean_json_lines, clean_text};
use super::{BundleError, BundleManifest, BundledFile};
use crate::redact::Redactor;

/// Up to this many bytes a file is kept in memory until its length is known.
const IN_MEMORY: usize = 1024 * 1024;

/// How what must not leave is taken out of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Line by line.
    Text,
    /// Out of the strings of one JSON document.
    Json,
    /// Out of the strings of one JSON document a line, of the first lines.
    JsonLines {
        /// How many there are.
        lines: u64,
    },
    /// It is out already.
    Clean,
}

/// An archive while files are added, in the order of their paths.
pub(super) struct Archive<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    root: String,
    redactor: Redactor,
    files: Vec<BundledFile>,
}

impl<'a> Archive<'a> {
    pub(super) fn new(out: &'a mut dyn Write, root: &str, redactor: Redactor) -> Self {
        Self {
            tar: tar::Builder::new(out),
            root: root.to_owned(),
            redactor,
            files: Vec::new(),
        }
    }

    /// Adds a file that is made of what `source` gives.
    pub(super) fn add(
        &mut self,
        path: &str,
        what: String,
        form: Form,
        source: &mut dyn Read,
    ) -> Result<(), BundleError> {
        let (mut source, mut cleaned) = (Hashed::new(source), Hashed::new(spool()));
        let result = match form {
            Form::Text => clean_text(&self.redactor, &mut source, &mut cleaned),
            Form::Json => clean_json(&self.redactor, &mut source, &mut cleaned),
            Form::JsonLines { lines } => clean_json_lines(&self.redactor, &mut source, &mut cleaned, lines),
            Form::Clean => io::copy(&mut source, &mut cleaned).map(|_| ()),
        };
        result.map_err(|source| BundleError::Read {
            path: path.to_owned(),
            source,
        })?;
        let original = source.hashing.digest();
        self.append(path, what, cleaned, Some(original))
    }

    /// Adds a file of JSON documents, one a line, from which everything is out already.
    pub(super) fn add_lines<T: Serialize>(
        &mut self,
        path: &str,
        what: String,
        write: impl FnOnce(&mut dyn FnMut(&T) -> Result<(), BundleError>) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let mut lines = Hashed::new(spool());
        write(&mut |line| {
            let mut bytes = serde_json::to_vec(line).map_err(|error| BundleError::Write(error.into()))?;
            bytes.push(b'\n');
            lines.write_all(&bytes).map_err(BundleError::Write)
        })?;
        self.append(path, what, lines, None)
    }

    /// Adds the manifest and ends the archive.
    pub(super) fn finish(
        mut self,
        manifest: impl FnOnce(Vec<BundledFile>) -> BundleManifest,
    ) -> Result<BundleManifest, BundleError> {
        let manifest = manifest(std::mem::take(&mut self.files));
        let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| BundleError::Write(error.into()))?;
        bytes.push(b'\n');
        self.entry("manifest.json", bytes.len() as u64, &mut bytes.as_slice())?;
        let out = self.tar.into_inner().map_err(BundleError::Write)?;
        out.flush().map_err(BundleError::Write)?;
        Ok(manifest)
    }

    fn append(
        &mut self,
        path: &str,
        what: String,
        content: Hashed<SpooledTempFile>,
        original: Option<Digest>,
    ) -> Result<(), BundleError> {
        let Hashed {
            inner: mut file,
            hashing,
            bytes,
        } = content;
        let sha256 = hashing.digest();
        file.rewind().map_err(BundleError::Write)?;
        self.entry(path, bytes, &mut file)?;
        self.files.push(BundledFile {
            path: path.to_owned(),
            what: self.redactor.text(&what),
            bytes,
            sha256,
            original: original.filter(|original| *original != sha256),
        });
        Ok(())
    }

    fn entry(&mut self, path: &str, bytes: u64, content: &mut dyn Read) -> Result<(), BundleError> {
        // Neither a time nor an owner: the same run gives the same bytes wherever and whenever that is.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let path = format!("{}/{path}", self.root);
        self.tar
            .append_data(&mut header, path, content)
            .map_err(BundleError::Write)
    }
}

fn spool() -> SpooledTempFile {
    SpooledTempFile::new(IN_MEMORY)
}

/// Something that is read or written while its digest is computed.
struct Hashed<T> {
    inner: T,
    hashing: ledger_core::Hashing,
    bytes: u64,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            hashing: Digest::hashing(),
            bytes: 0,
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hashing.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.saw(&buffer[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.saw(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
