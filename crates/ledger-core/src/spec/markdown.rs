//! What a spec is as Markdown: a title, fields above the first section, sections with prose and tables, and where each of them stands.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A document, cut into what specs are made of. Comments, HTML and what only decorates are left out.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    /// Where the title stands.
    pub(super) title: Option<Range<usize>>,
    /// The items `- Name: value` above the first section.
    pub(super) fields: Vec<Field>,
    /// A table above the first section, or what looks as if it was meant to be one.
    pub(super) stray_table: Option<Range<usize>>,
    pub(super) sections: Vec<Section>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) at: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Where its heading stands.
    pub(super) at: Range<usize>,
    /// What stands in it outside of tables.
    pub(super) prose: String,
    pub(super) tables: Vec<Table>,
    /// What looks as if it was meant to be a table, and is none.
    pub(super) broken_table: Option<Range<usize>>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) at: Range<usize>,
    pub(super) columns: Vec<Cell>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) at: Range<usize>,
    /// As many as the table has columns.
    pub(super) cells: Vec<Cell>,
    /// How many cells are written there.
    pub(super) written: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// What a reader sees.
    pub(super) text: String,
    /// Where it is written, without the spaces around it.
    pub(super) at: Range<usize>,
}

impl Markdown {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Parts {
            text,
            found: Self::default(),
            inside: Inside::Nothing,
            item: None,
        };
        for (event, at) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            parts.take(event, at);
        }
        parts.found
    }
}

/// What the text that comes next belongs to.
enum Inside {
    Nothing,
    Title,
    /// The name of a section.
    Name(String, Range<usize>),
    /// A heading within a section.
    Heading,
    /// The cells of a row so far, and whether it is the one with the names of the columns.
    Row {
        cells: Vec<Cell>,
        is_head: bool,
    },
}

struct Parts<'a> {
    text: &'a str,
    found: Markdown,
    inside: Inside,
    /// The item of a list above the first section.
    item: Option<(String, Range<usize>)>,
}

impl Parts<'_> {
    fn take(&mut self, event: Event<'_>, at: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, at),
            Event::End(tag) => self.end(tag, at),
            Event::Text(words) | Event::Code(words) => self.words(&words),
            Event::SoftBreak | Event::HardBreak => self.words(" "),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, at: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.inside = match level {
                    HeadingLevel::H1 => {
                        self.found.title.get_or_insert(self.trimmed(at));
                        Inside::Title
                    }
                    HeadingLevel::H2 => Inside::Name(String::new(), self.trimmed(at)),
                    _ => Inside::Heading,
                }
            }
            Tag::Item if self.found.sections.is_empty() => self.item = Some((String::new(), self.trimmed(at))),
            Tag::Paragraph | Tag::CodeBlock(CodeBlockKind::Indented) | Tag::HtmlBlock => {
                let looks_like_a_table = looks_like_a_table(&self.text[at.clone()]);
                let at = self.trimmed(at);
                if looks_like_a_table {
                    let broken = match self.found.sections.last_mut() {
                        Some(section) => &mut section.broken_table,
                        None => &mut self.found.stray_table,
                    };
                    broken.get_or_insert(at);
                }
            }
            Tag::Table(_) => {
                let at = self.trimmed(at);
                match self.found.sections.last_mut() {
                    Some(section) => section.tables.push(Table {
                        at,
                        columns: Vec::new(),
                        rows: Vec::new(),
                    }),
                    None => {
                        self.found.stray_table.get_or_insert(at);
                    }
                }
            }
            Tag::TableHead | Tag::TableRow => {
                let is_head = matches!(tag, Tag::TableHead);
                let cells = Vec::new();
                self.inside = Inside::Row { cells, is_head };
            }
            Tag::TableCell => {
                let at = self.trimmed(at);
                if let Inside::Row { cells, .. } = &mut self.inside {
                    let text = String::new();
                    cells.push(Cell { text, at });
                }
            }
            // What starts after a paragraph is another block of prose.
            _ => self.words(" "),
        }
    }

    fn end(&mut self, tag: TagEnd, at: Range<usize>) {
        match tag {
            TagEnd::Heading(_) => {
                if let Inside::Name(name, at) = std::mem::replace(&mut self.inside, Inside::Nothing) {
                    self.item = None;
                    self.found.sections.push(Section {
                        name: one_line(&name),
                        at,
                        prose: String::new(),
                        tables: Vec::new(),
                        broken_table: None,
                    });
                }
            }
            TagEnd::Item => {
                if let Some((text, at)) = self.item.take()
                    && let Some((name, value)) = text.split_once(':')
                {
                    self.found.fields.push(Field {
                        name: one_line(name),
                        value: one_line(value),
                        at,
                    });
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = self.trimmed(at);
                let Inside::Row { mut cells, is_head } = std::mem::replace(&mut self.inside, Inside::Nothing) else {
                    return;
                };
                for cell in &mut cells {
                    cell.text = one_line(&cell.text);
                    // One that is not written stands after its row.
                    cell.at = cell.at.start.min(row.end)..cell.at.end.min(row.end);
                }
                let written = written_cells(&self.text[row.clone()]);
                let table = self
                    .found
                    .sections
                    .last_mut()
                    .and_then(|section| section.tables.last_mut());
                match table {
                    Some(table) if is_head => table.columns = cells,
                    Some(table) => table.rows.push(Row {
                        at: row,
                        cells,
                        written,
                    }),
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn words(&mut self, words: &str) {
        match &mut self.inside {
            Inside::Title | Inside::Heading => {}
            Inside::Name(name, _) => name.push_str(words),
            Inside::Row { cells, .. } => {
                if let Some(cell) = cells.last_mut() {
                    cell.text.push_str(words);
                }
            }
            Inside::Nothing => match (&mut self.item, self.found.sections.last_mut()) {
                (Some((text, _)), _) => text.push_str(words),
                (None, Some(section)) => section.prose.push_str(words),
                (None, None) => {}
            },
        }
    }

    /// A place without the white space around it.
    fn trimmed(&self, at: Range<usize>) -> Range<usize> {
        let text = &self.text[at.clone()];
        let start = at.start + (text.len() - text.trim_start().len());
        start..(start + text.trim().len())
    }
}

/// Whether a line of it begins as a row does, or is what parts the head of a table from its rows. A comment is left out, whatever stands in
/// it.
fn looks_like_a_table(text: &str) -> bool {
    let is_comment = text.trim_start().starts_with("<!--");
    let parts = |line: &str| {
        let mut signs = line.chars().filter(|c| !c.is_whitespace());
        line.contains('|') && line.contains('-') && signs.all(|c| matches!(c, '|' | '-' | ':'))
    };
    !is_comment
        && text
            .lines()
            .any(|line| line.trim_start().starts_with('|') || parts(line))
}

/// The words with single spaces between them.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How many cells a row of a table is written with. The parser fills up what is missing and drops what is too much; this is
/// how it cuts them.
fn written_cells(row: &str) -> usize {
    let bytes = row.trim().as_bytes();
    let (mut count, mut at) = (0, 0);
    loop {
        at += usize::from(bytes.get(at) == Some(&b'|'));
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            at += 1;
        }
        if at >= bytes.len() {
            return count;
        }
        count += 1;
        while bytes.get(at).is_some_and(|byte| *byte != b'|') {
            at += match (bytes[at], bytes.get(at + 1), bytes.get(at + 2)) {
                (b'\\', Some(b'\\'), Some(b'|')) => 3,
                (b'\\', Some(next), _) if next.is_ascii_punctuation() => 2,
                _ => 1,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(Vec<String>, usize)> {
        let found = Markdown::parse(text);
        let rows = found.sections[0].tables[0].rows.iter();
        rows.map(|row| (row.cells.iter().map(|cell| cell.text.clone()).collect(), row.written))
            .collect()
    }

    #[test]
    fn rows_are_cut_as_the_parser_cuts_them() {
        let table = "## T\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| `x \\| y` | **2** |\n| 1 |\n| 1 | 2 | 3 |\n1 | 2\n| | |\n| a \\\\| b | c |\n| <!-- x --> | y |\n";
        let row = |one: &str, two: &str, written| (vec![one.to_owned(), two.to_owned()], written);
        assert_eq!(
            cells(table),
            [
                row("1", "2", 2),
                row("x | y", "2", 2),
                row("1", "", 1),
                row("1", "2", 3),
                row("1", "2", 2),
                row("", "", 2),
                row("a | b", "c", 2),
                row("", "y", 2),
            ]
        );
    }

    #[test]
    fn the_places_of_cells_are_those_of_their_text() {
        let text = "# Title\n\n- Spec ID: `REQSET-1`\n- Status: accepted\n\n## One\n\nProse.\n\n| a |   b |\n|---|---|\n|  x | y  |\n";
        let found = Markdown::parse(text);
        let table = &found.sections[0].tables[0];
        let places: Vec<_> = table.rows[0].cells.iter().map(|cell| &text[cell.at.clone()]).collect();
        assert_eq!(places, ["x", "y"]);
        assert_eq!(&text[table.rows[0].at.clone()], "|  x | y  |");
        let fields: Vec<_> = found
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(fields, [("Spec ID", "REQSET-1"), ("Status", "accepted")]);
        assert_eq!(&text[found.title.unwrap()], "# Title");
        assert_eq!(found.sections[0].prose.trim(), "Prose.");
    }

    #[test]
    fn a_table_whose_separator_does_not_fit_is_told_from_prose() {
        let found = Markdown::parse("## One\n\n| a | b |\n| --- |\n| 1 | 2 |\n");
        assert!(found.sections[0].tables.is_empty());
        assert!(found.sections[0].broken_table.is_some());
    }
}
