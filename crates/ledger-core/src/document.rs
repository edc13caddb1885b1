//! Reading the TOML files that people write, with errors that name line, column and the nearest known key.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// The most bytes that a file written by a person may have.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why a file cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DocumentError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes that the error is about.
    pub span: Range<usize>,
    /// What is wrong, in lower case and without a final period.
    pub message: String,
    /// What would be right, where that can be told.
    pub hint: Option<String>,
}

impl DocumentError {
    /// An error about these bytes of `text`.
    pub fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            span: start..floor_char_boundary(text, span.end).max(start),
            message: on_one_line(&message.into()),
            hint: None,
        }
    }

    /// The same error with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A message quotes what the file says, which must not look like more than one line of output.
fn on_one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for character in message.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// The text of a file: UTF-8 of at most [`MAX_DOCUMENT_BYTES`] and without NUL. A byte order mark and CRLF are fine.
pub fn document_text(bytes: &[u8]) -> Result<&str, DocumentError> {
    let whole = |message: String| DocumentError {
        line: 1,
        column: 1,
        span: 0..0,
        message,
        hint: None,
    };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let message = format!(
            "the file has {} bytes, more than the {MAX_DOCUMENT_BYTES} that are read",
            bytes.len()
        );
        return Err(whole(message).with_hint("is this the right file? keep long texts in the prompt"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        let good = std::str::from_utf8(valid).unwrap_or_default();
        DocumentError::at(good, good.len()..good.len(), "the file is not UTF-8 from here on")
            .with_hint("save it as UTF-8")
    })?;
    match text.find('\0') {
        Some(at) => Err(
            DocumentError::at(text, at..at + 1, "the file holds a NUL byte; it seems to be binary")
                .with_hint("is this the right file? it must be text in UTF-8"),
        ),
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
    }
}

/// Reads a TOML document of type `T`.
pub fn read_toml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    let text = document_text(bytes)?;
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim_end_matches('\n').replace('\n', ", ");
        if let Some(open) = unclosed_string(text, &span) {
            return open;
        }
        let hint = nearest_name(&message).or_else(|| next_step(&message));
        let message = without_jargon(&message);
        let error = DocumentError::at(text, span, message);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    })
}

/// Where a key or element stands in a TOML text, by a path such as `["check", "2", "run"]`: an element of an array by
/// its index. The last part that exists counts, so that a missing key is shown at its table.
pub fn locate(text: &str, path: &[&str]) -> Range<usize> {
    let Ok(document) = toml::de::DeTable::parse(text) else {
        return 0..0;
    };
    let mut span = document.span();
    let mut table = Some(document.get_ref());
    let mut array: Option<&toml::de::DeArray<'_>> = None;
    for part in path {
        let value = match (table, array) {
            (Some(table), _) => table
                .iter()
                .find(|(key, _)| key.get_ref() == part)
                .map(|(key, value)| (key.span(), value)),
            (None, Some(array)) => part
                .parse::<usize>()
                .ok()
                .and_then(|index| array.get(index))
                .map(|value| (value.span(), value)),
            (None, None) => None,
        };
        let Some((at, value)) = value else { break };
        span = at;
        table = value.get_ref().as_table();
        array = value.get_ref().as_array();
    }
    span
}

/// Serde lists the names that it knows in the message: "unknown field `titel`, expected one of `title`, `kind`".
fn nearest_name(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?;
    let (found, known) = rest.split_once(", expected ")?;
    let found = found.trim_matches('`');
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 3)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// A text in quotes that a line leaves open, where the parser stumbles over it. The parser itself reads on and complains
/// about what follows.
fn unclosed_string(text: &str, span: &Range<usize>) -> Option<DocumentError> {
    if toml::de::DeTable::parse(text).is_ok() {
        return None;
    }
    let at = floor_char_boundary(text, span.start);
    // The line of the place, and the one before it: the parser may have gone on to the next.
    let starts = |before: usize| text[..before].rfind('\n').map_or(0, |newline| newline + 1);
    let this = starts(at);
    let previous = this.checked_sub(1).map(starts);
    previous.into_iter().chain([this]).find_map(|start| {
        let line = text[start..].lines().next()?;
        let open = start + open_quote(line)?;
        let error = DocumentError::at(
            text,
            open..start + line.len(),
            "a text in quotes is not closed on its line",
        );
        Some(error.with_hint("close it with the same quote; a text of several lines stands in `\"\"\"`"))
    })
}

/// Where a quote stands in a line of TOML that is not closed on it. Lines with texts of several lines are left alone.
fn open_quote(line: &str) -> Option<usize> {
    if line.contains("\"\"\"") || line.contains("'''") {
        return None;
    }
    let mut open: Option<(usize, char)> = None;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match (open, character) {
            (Some((_, '"')), '\\') => {
                characters.next();
            }
            (Some((_, quote)), _) if quote == character => open = None,
            (None, '"' | '\'') => open = Some((at, character)),
            (None, '#') => return None,
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

/// What to write where a value of another type stands, by what serde says that it expected.
const TYPE_HINTS: [(&str, &str); 9] = [
    ("expected i32", "write a number without quotes, such as `2`"),
    ("expected u32", "write a number without quotes, such as `2`"),
    ("expected u64", "write a number without quotes, such as `400_000`"),
    ("expected a sequence", "write a list, such as `[\"one\", \"two\"]`"),
    ("expected a boolean", "write `true` or `false`, without quotes"),
    ("expected a string", "write it in quotes"),
    ("expected a map", "write a table, such as `{ key = \"value\" }`"),
    ("expected f64", "write a number without quotes, such as `0.8`"),
    ("expected f32", "write a number without quotes, such as `0.8`"),
];

/// What to do about an error that names no nearest word.
fn next_step(message: &str) -> Option<String> {
    if let Some(name) = message.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        return Some(format!("add `{name} = …`"));
    }
    if message.starts_with("duplicate key") {
        return Some("leave one of them out".to_owned());
    }
    let other_type = message.starts_with("invalid type: ");
    if let (true, Some((_, hint))) = (
        other_type,
        TYPE_HINTS.iter().find(|(expected, _)| message.ends_with(expected)),
    ) {
        return Some((*hint).to_owned());
    }
    let of_toml = ["key with no value", "unexpected key or value", "invalid "];
    let is_type = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    (!is_type && of_toml.iter().any(|begin| message.starts_with(begin)))
        .then(|| "the file is TOML: write `key = value`, and texts in quotes".to_owned())
}

/// Serde names types as Rust does: "invalid type: string "high", expected i32".
fn without_jargon(message: &str) -> String {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let expected = match expected {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "a sequence" => "a list in `[` and `]`",
        "a boolean" => "`true` or `false`",
        "a string" => "a text in quotes",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    let found = match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating", number)) => format!("the number {}", number.trim_start_matches("point ")),
        Some(("boolean", value)) => value.to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "a table".to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {expected}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only the errors are looked at")]
        title: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only the errors are looked at")]
        count: u32,
    }

    fn error(bytes: &[u8]) -> String {
        let error = read_toml::<Sample>(bytes).unwrap_err();
        format!("{error} | {}", error.hint.as_deref().unwrap_or_default())
    }

    #[test]
    fn errors_name_line_column_and_the_nearest_key() {
        insta::assert_snapshot!(
            [
                error(b""),
                error(b"title = \"x\"\ntitel = 1\n"),
                error(b"title = \"x\"\r\ncount = \"many\"\r\n"),
                error(b"title = \"x\"\ncount = -1\n"),
                error(b"title = \"x\"\ntitle = \"y\"\n"),
                error("title = \"é\" oops".as_bytes()),
                error(b"title = \"x\nmode\n"),
                error(b"title = 'x\n"),
                error(b"title = \"x\" # it's fine\nmode\n"),
                error(b"title = [1]\n"),
                error(b"title = true\n"),
                error(b"title = 1.5\n"),
                error(b"title = \"x\"\n\xff\xfe"),
                error(b"title = \"\x00\""),
                error(&vec![b'#'; MAX_DOCUMENT_BYTES + 1]),
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_message_is_one_line_whatever_the_file_says() {
        for text in ["\"a\\nb\" = 1\n", "title = \"x\"\n\"\\u001b[2Jcount\" = 1\n"] {
            let error = read_toml::<Sample>(text.as_bytes()).unwrap_err();
            assert!(!error.message.contains(char::is_control), "{error:?}");
        }
        let error = DocumentError::at("x", 0..1, "`a\nb` occurs twice");
        assert_eq!(error.to_string(), "line 1, column 1: `a\\nb` occurs twice");
    }

    #[test]
    fn a_byte_order_mark_and_crlf_are_fine() {
        assert!(read_toml::<Sample>("\u{feff}title = \"x\"\r\ncount = 2\r\n".as_bytes()).is_ok());
    }

    #[test]
    fn locate_finds_keys_elements_and_the_nearest_table() {
        let text = "a = 1\n[[check]]\nname = \"x\"\n[[check]]\nname = \"y\"\nrun = \"z\"\n";
        let at = |path: &[&str]| DocumentError::at(text, locate(text, path), "").line;
        assert_eq!(at(&["check", "1", "run"]), 6);
        assert_eq!(at(&["check", "1", "argv"]), 4);
        assert_eq!(at(&["a"]), 1);
        assert_eq!(locate("= broken", &["a"]), 0..0);
    }
}
