//! Codex' own record of a conversation, read while it grows. It tells what the model asked for in conversations that
//! were resumed, where the app-server does not.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::agent::child::MAX_LINE_BYTES;

/// The new lines of a record.
#[derive(Debug)]
pub(super) struct RolloutTail {
    file: File,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
}

impl RolloutTail {
    /// What is appended to the record from now on.
    pub(super) fn from_now(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, rest: Vec::new() })
    }

    /// The items of the model's stream that were appended since the last call. A line that is longer than any should be
    /// is passed over, as is what cannot be read.
    pub(super) fn new_items(&mut self) -> Vec<Value> {
        let limit = MAX_LINE_BYTES as u64;
        let mut items = Vec::new();
        while self
            .file
            .by_ref()
            .take(limit)
            .read_to_end(&mut self.rest)
            .is_ok_and(|read| read > 0)
        {
            let whole = self
                .rest
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1);
            let lines: Vec<u8> = self.rest.drain(..whole).collect();
            items.extend(lines.split(|byte| *byte == b'\n').filter_map(item));
            if self.rest.len() > MAX_LINE_BYTES {
                self.rest = Vec::new();
            }
        }
        items
    }
}

/// The item that a line records.
fn item(line: &[u8]) -> Option<Value> {
    let mut line: Value = serde_json::from_slice(line).ok()?;
    (line.get("type")? == "response_item").then(|| line["payload"].take())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_whole_new_items_are_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, r#"{{"type":"response_item","payload":{{"n":0}}}}"#).unwrap();
        let mut tail = RolloutTail::from_now(file.path()).unwrap();
        assert!(tail.new_items().is_empty());
        writeln!(file, r#"{{"type":"event_msg","payload":{{"n":1}}}}"#).unwrap();
        writeln!(file, "not json").unwrap();
        write!(file, r#"{{"type":"response_item","pay"#).unwrap();
        assert!(tail.new_items().is_empty());
        writeln!(file, r#"load":{{"n":2}}}}"#).unwrap();
        assert_eq!(tail.new_items(), [serde_json::json!({ "n": 2 })]);
        assert!(tail.new_items().is_empty());
    }
}
