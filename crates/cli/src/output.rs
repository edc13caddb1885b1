//! Where words go: the answer to standard output, the story to standard error.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::args::{Color, Global};
use crate::failure::Failure;

/// A heading.
pub(crate) const HEADING: Style = Style::new().bold();
/// Something good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something to look at.
pub(crate) const NOTICE: Style = AnsiColor::Yellow.on_default();
/// Something bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Something that only completes the picture.
pub(crate) const DIM: Style = Style::new().dimmed();

/// How the command speaks.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    color: Color,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            color: global.color,
        }
    }

    /// Gives documents, for a command line that could not be understood otherwise.
    pub(crate) fn for_documents() -> Self {
        Self {
            json: true,
            quiet: false,
            color: Color::Auto,
        }
    }

    /// Whether the answer is to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person reads the answer as it appears.
    #[cfg(feature = "tui")]
    pub(crate) fn is_live(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Whether a person watches the story as it appears.
    pub(crate) fn story_is_live(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether standard error shows colours.
    pub(crate) fn story_has_color(&self) -> bool {
        !matches!(self.choice(&io::stderr()), ColorChoice::Auto | ColorChoice::Never)
    }

    /// Whether the answer shows colours.
    #[cfg(feature = "tui")]
    pub(crate) fn has_color(&self) -> bool {
        !matches!(self.choice(&io::stdout()), ColorChoice::Auto | ColorChoice::Never)
    }

    fn choice(&self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.color {
            Color::Auto => AutoStream::choice(stream),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    /// Part of the answer, for people. It may hold styles.
    pub(crate) fn answer(&self, text: &str) -> Result<(), Failure> {
        let stdout = io::stdout();
        let choice = self.choice(&stdout);
        let mut stream = AutoStream::new(stdout.lock(), choice);
        stream.write_all(text.as_bytes())?;
        stream.flush()?;
        Ok(())
    }

    /// The answer as bytes that are no message: a schema, a script.
    pub(crate) fn document(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stream = io::stdout().lock();
        stream.write_all(bytes)?;
        stream.flush()?;
        Ok(())
    }

    /// The answer as one JSON document.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut stream = BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut stream, value).map_err(Failure::Json)?;
        stream.write_all(b"\n")?;
        stream.flush()?;
        Ok(())
    }

    /// One line of a stream of JSON documents.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut stream = BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut stream, value).map_err(Failure::Json)?;
        stream.write_all(b"\n")?;
        stream.flush()?;
        Ok(())
    }

    /// Part of the story: what happens and what comes next. Left out with `--quiet`.
    pub(crate) fn story(&self, text: &str) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.error(text) }
    }

    /// What went wrong. Never left out.
    pub(crate) fn error(&self, text: &str) -> io::Result<()> {
        let stderr = io::stderr();
        let choice = self.choice(&stderr);
        let mut stream = AutoStream::new(stderr.lock(), choice);
        stream.write_all(text.as_bytes())
    }
}

/// Text of others for a terminal: one line, in which nothing can move the cursor, change colours or reorder what follows.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' | '\r' => plain.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                let _ = write!(plain, "\\u{{{:x}}}", u32::from(character));
            }
            other if other.is_control() => {
                let _ = write!(plain, "\\x{:02x}", u32::from(other));
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Text in a style.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Rows as columns: each as wide as its widest cell, the last one as it is. Cells hold no styles.
pub(crate) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let gap = widths[column].saturating_sub(cell.chars().count()) + 2;
                line.push_str(&" ".repeat(gap));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1 ticket`, `2 tickets`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `950`, `1.2k`, `3.4M`.
pub(crate) fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_forge_a_line() {
        assert_eq!(plain("a\nb\x1b[31m\u{202e}c"), "a b\\x1b[31m\\u{202e}c");
    }

    #[test]
    fn large_numbers_are_short() {
        assert_eq!(
            [0, 999, 1_049, 12_345, 1_250_000].map(thousands),
            ["0", "999", "1.0k", "12.3k", "1.2M"]
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["a".to_owned(), "x".to_owned()],
            vec!["bcd".to_owned(), String::new()],
        ];
        assert_eq!(table(&rows, 2), "  a    x\n  bcd\n");
    }
}
