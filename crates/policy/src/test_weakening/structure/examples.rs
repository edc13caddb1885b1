//! Examples in the documentation of Rust, which are run as tests.

use super::{Language, Marker, Structure, Test, assertions, markers};
use crate::tokens::{Kind, Token, tokens};

/// Attributes of an example that keep it from being run, or have it pass although it does not do what it did.
const KEPT_BACK: [&str; 4] = ["ignore", "no_run", "compile_fail", "should_panic"];

/// The examples of a file: each a test, with the attributes of its fence in front.
pub(super) fn of(text: &str) -> Structure<'_> {
    let mut reader = Reader::default();
    for (line, number) in text.lines().zip(1_u64..) {
        reader.read(line, number);
    }
    reader.end_documentation("");
    let mut structure = Structure::empty(reader.tokens, Language::Rust);
    structure.regions = std::iter::once(0..structure.tokens.len()).collect();
    structure.tests = reader.tests;
    structure.assertions = assertions::find(&structure);
    structure.markers = markers::find(&structure);
    structure.markers.extend(kept_back(&structure));
    structure
}

#[derive(Debug, Default)]
struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    tests: Vec<Test>,
    /// The fence that is open, and whether what stands in it is an example.
    fence: Option<(&'a str, bool)>,
    /// What is read is about the file or the module around it.
    is_of_file: bool,
    /// Tests from here on have no name yet.
    unnamed: usize,
}

impl<'a> Reader<'a> {
    fn read(&mut self, line: &'a str, number: u64) {
        let trimmed = line.trim_start();
        let is_of_file = trimmed.starts_with("//!");
        if self.is_of_file && !is_of_file {
            self.end_documentation("");
        }
        self.is_of_file = is_of_file;
        if let Some(said) = documentation(trimmed) {
            self.read_documentation(said, line.len() - said.len(), number);
            return;
        }
        // What stands between documentation and what it is of.
        let is_between = trimmed.is_empty() || trimmed.starts_with("#[") || trimmed.starts_with("//");
        if !is_between || self.fence.is_some() {
            self.end_documentation(trimmed);
        }
    }

    fn read_documentation(&mut self, said: &'a str, column: usize, number: u64) {
        let trimmed = said.trim();
        let marks = trimmed.len() - trimmed.trim_start_matches(['`', '~']).len();
        let (mark, attributes) = trimmed.split_at(marks);
        match self.fence {
            Some((open, _)) if attributes.is_empty() && mark.starts_with(open) => self.close(),
            Some((_, true)) => self.add(code(said), column + said.len() - code(said).len(), number),
            Some((_, false)) => {}
            None if mark.len() >= 3 => {
                let is_example = is_rust(attributes);
                self.fence = Some((mark, is_example));
                if is_example {
                    let start = self.tokens.len();
                    self.add(attributes, column, number);
                    let body = self.tokens.len();
                    self.tests.push(Test {
                        name: String::new(),
                        range: start..body,
                        body: body..body,
                    });
                }
            }
            None => {}
        }
    }

    /// Takes in one line by itself, so that nothing in it can swallow what follows.
    fn add(&mut self, code: &'a str, column: usize, number: u64) {
        self.tokens
            .extend(tokens(code, Language::Rust).into_iter().map(|token| Token {
                line: number,
                end_line: number,
                column: column + token.column,
                ..token
            }));
    }

    fn close(&mut self) {
        if let (Some((_, true)), Some(test)) = (self.fence.take(), self.tests.last_mut()) {
            test.range.end = self.tokens.len();
            test.body.end = self.tokens.len();
        }
    }

    /// Names the examples after what follows them.
    fn end_documentation(&mut self, item: &str) {
        self.close();
        if self.unnamed == self.tests.len() {
            return;
        }
        let name = name_of(item);
        for (test, number) in self.tests.iter_mut().skip(self.unnamed).zip(1..) {
            test.name = format!("example {number} of {name}");
        }
        self.unnamed = self.tests.len();
    }
}

/// What a line of documentation says.
fn documentation(trimmed: &str) -> Option<&str> {
    let of_item = trimmed.strip_prefix("///").filter(|rest| !rest.starts_with('/'));
    of_item.or_else(|| trimmed.strip_prefix("//!"))
}

/// A line of an example: what only its test shows, and its documentation does not, has a mark.
fn code(said: &str) -> &str {
    let trimmed = said.trim_start();
    let hidden = trimmed.strip_prefix('#');
    hidden
        .filter(|rest| rest.is_empty() || rest.starts_with(' '))
        .unwrap_or(said)
}

/// Whether what stands in a fence with these attributes is Rust.
fn is_rust(attributes: &str) -> bool {
    let mut words = attributes.split([',', ' ']).filter(|word| !word.is_empty());
    words.all(|word| {
        KEPT_BACK.contains(&word)
            || matches!(word, "rust" | "test_harness" | "standalone_crate")
            || word.starts_with("edition")
            || word.starts_with("ignore-")
    })
}

/// The name of the item that begins in this line.
fn name_of(item: &str) -> &str {
    let words: Vec<_> = tokens(item, Language::Rust)
        .into_iter()
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.text)
        .collect();
    let follows = |keyword: &str| {
        let at = words.iter().position(|word| *word == keyword)?;
        words.get(at + 1)
    };
    let keywords = [
        "fn",
        "struct",
        "enum",
        "trait",
        "union",
        "type",
        "mod",
        "macro_rules",
        "static",
        "const",
    ];
    let named = keywords.iter().find_map(|keyword| follows(keyword));
    named.or(words.first()).copied().unwrap_or("the file")
}

/// The attributes that keep an example from being run.
fn kept_back(file: &Structure<'_>) -> Vec<Marker> {
    let mut found = Vec::new();
    for (index, test) in file.tests.iter().enumerate() {
        let attributes = test.range.start..test.body.start;
        found.extend(
            attributes
                .filter(|at| file.word(*at).is_some_and(|word| KEPT_BACK.contains(&word)))
                .map(|at| Marker {
                    range: at..at + 1,
                    test: Some(index),
                    focuses: false,
                    idle: test.range.clone(),
                }),
        );
    }
    found
}
