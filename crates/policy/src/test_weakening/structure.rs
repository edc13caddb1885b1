//! What a source file tests: its tests, what they assert, and what keeps them from running.

mod assertions;
mod blocks;
mod examples;
mod functions;
mod markers;
mod tests_of;

use std::collections::BTreeSet;
use std::ops::Range;

use ledger_core::LineRange;

use crate::tokens::{Kind, Language, Token, tokens};

/// A test, as its test runner would find it.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) name: String,
    /// Its tokens, with the attributes in front.
    pub(super) range: Range<usize>,
    /// Those between its braces, or what a language has in their place.
    pub(super) body: Range<usize>,
}

/// A function with a name that is no test, and in none.
#[derive(Debug, Clone)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) range: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Assertion {
    pub(super) range: Range<usize>,
    /// Its test in [`Structure::tests`]; none: outside of tests, as in a function that tests call.
    pub(super) test: Option<usize>,
    /// That function in [`Structure::functions`], where it has a name.
    pub(super) function: Option<usize>,
    /// The blocks of its test that it stands in, the outermost first.
    pub(super) blocks: Vec<String>,
}

/// Something that keeps a test from running, or lets it pass whatever happens.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    pub(super) range: Range<usize>,
    pub(super) test: Option<usize>,
    /// It keeps all other tests from running.
    pub(super) focuses: bool,
    /// What never runs for it, or never fails, wherever and however it is run; empty where that depends.
    pub(super) idle: Range<usize>,
}

/// How much of a file is about tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// What is marked so, as `#[cfg(test)]` does.
    Marked,
}

#[derive(Debug, Clone)]
pub(super) struct Structure<'a> {
    pub(super) language: Language,
    pub(super) tokens: Vec<Token<'a>>,
    /// For each bracket the other one of its pair.
    pub(super) pairs: Vec<usize>,
    /// For each token the bracket that it stands in.
    pub(super) within: Vec<Option<usize>>,
    /// What is about tests, in order.
    pub(super) regions: Vec<Range<usize>>,
    pub(super) tests: Vec<Test>,
    /// Those outside of tests, none inside of another.
    pub(super) functions: Vec<Function<'a>>,
    /// Where layout says which block a statement is in: the first token of each, with how many blocks are around it. Empty elsewhere.
    pub(super) depths: Vec<(usize, usize)>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) markers: Vec<Marker>,
}

impl<'a> Structure<'a> {
    pub(super) fn of(text: &'a str, language: Language, extent: Extent) -> Self {
        let mut structure = Self::empty(tokens(text, language), language);
        tests_of::find(&mut structure, extent);
        structure.functions = functions::find(&structure);
        structure.assertions = assertions::find(&structure);
        structure.markers = markers::find(&structure);
        structure
    }

    /// The examples in the documentation of a source file in Rust, which are tests as well.
    pub(super) fn of_examples(text: &'a str) -> Self {
        examples::of(text)
    }

    fn empty(tokens: Vec<Token<'a>>, language: Language) -> Self {
        let (pairs, within) = brackets(&tokens);
        let mut structure = Self {
            language,
            regions: Vec::new(),
            tests: Vec::new(),
            functions: Vec::new(),
            depths: Vec::new(),
            assertions: Vec::new(),
            markers: Vec::new(),
            tokens,
            pairs,
            within,
        };
        structure.depths = structure.depths_of_statements();
        structure
    }

    pub(super) fn token(&self, at: usize) -> Option<&Token<'a>> {
        self.tokens.get(at)
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &[Token<'a>] {
        self.tokens.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn is(&self, at: usize, text: &str) -> bool {
        self.token(at).is_some_and(|token| token.is(text))
    }

    /// Whether these stand here one after the other.
    pub(super) fn are(&self, at: usize, texts: &[&str]) -> bool {
        texts
            .iter()
            .enumerate()
            .all(|(offset, text)| self.is(at + offset, text))
    }

    pub(super) fn word(&self, at: usize) -> Option<&'a str> {
        self.token(at)
            .filter(|token| token.kind == Kind::Word)
            .map(|token| token.text)
    }

    pub(super) fn is_before(&self, at: usize, text: &str) -> bool {
        at > 0 && self.is(at - 1, text)
    }

    pub(super) fn opens(&self, at: usize) -> bool {
        ["(", "[", "{"].iter().any(|open| self.is(at, open))
    }

    /// The end of a bracketed group that begins here, the closing one included.
    pub(super) fn group_end(&self, at: usize) -> usize {
        self.pairs.get(at).map_or(at + 1, |close| close + 1).max(at + 1)
    }

    /// Whether a token is the first of its line.
    pub(super) fn begins_line(&self, at: usize) -> bool {
        match (self.token(at), at.checked_sub(1).and_then(|before| self.token(before))) {
            // A backslash joins two lines.
            (Some(token), Some(before)) => before.end_line < token.line && !before.is("\\"),
            _ => true,
        }
    }

    /// Whether a logical line of Python begins here: brackets and backslashes join lines.
    pub(super) fn begins_statement(&self, at: usize) -> bool {
        self.begins_line(at) && self.within.get(at).is_none_or(Option::is_none)
    }

    fn depths_of_statements(&self) -> Vec<(usize, usize)> {
        if self.language != Language::Python {
            return Vec::new();
        }
        let mut columns: Vec<usize> = Vec::new();
        let mut depths = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if self.begins_statement(at) {
                columns.retain(|column| *column < token.column);
                depths.push((at, columns.len()));
                columns.push(token.column);
            }
        }
        depths
    }

    /// The end of the statement that holds this token, where lines end statements: brackets and operators go on.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let mut end = at;
        while end < self.tokens.len() {
            let next = if self.opens(end) { self.group_end(end) } else { end + 1 };
            if [")", "]", "}", ";"].iter().any(|close| self.is(next, close)) || self.begins_line(next) {
                return next;
            }
            end = next;
        }
        self.tokens.len()
    }

    /// Where that begins whose member this is, such as `self` of `self.assert_ok()`. A longer way is not followed to its beginning.
    fn owner_start(&self, at: usize) -> usize {
        let is_member = |at: usize| at > 1 && self.is(at - 1, ".") && self.word(at - 2).is_some();
        let owners = std::iter::successors(Some(at), |at| is_member(*at).then(|| at - 2));
        owners.take(10).last().unwrap_or(at)
    }

    /// The test that a token belongs to.
    pub(super) fn test_of(&self, at: usize) -> Option<usize> {
        let last = self
            .tests
            .partition_point(|test| test.range.start <= at)
            .checked_sub(1)?;
        self.tests
            .get(last)
            .filter(|test| test.range.contains(&at))
            .map(|_| last)
    }

    /// The function outside of tests that a token belongs to.
    fn function_of(&self, at: usize) -> Option<usize> {
        let last = self
            .functions
            .partition_point(|function| function.range.start <= at)
            .checked_sub(1)?;
        let function = self.functions.get(last)?;
        function.range.contains(&at).then_some(last)
    }

    /// The blocks of its test that a token stands in, the outermost first.
    pub(super) fn blocks_around(&self, at: usize) -> Vec<String> {
        blocks::around(self, at)
    }

    /// The tests that never run, or never fail, by their index.
    pub(super) fn idle_tests(&self) -> BTreeSet<usize> {
        markers::idle_tests(self)
    }

    /// Whether a token is about tests.
    pub(super) fn in_region(&self, at: usize) -> bool {
        let last = self.regions.partition_point(|region| region.start <= at).checked_sub(1);
        last.and_then(|last| self.regions.get(last))
            .is_some_and(|region| region.contains(&at))
    }

    pub(super) fn lines(&self, range: &Range<usize>) -> Option<LineRange> {
        let tokens = self.slice(range);
        Some(LineRange {
            first: tokens.first()?.line,
            last: tokens.last()?.end_line,
        })
    }

    /// These tokens as one text, whatever their layout.
    pub(super) fn normal(&self, range: &Range<usize>) -> String {
        let mut text = String::new();
        let tokens = self.slice(range);
        for (index, token) in tokens.iter().enumerate() {
            let next = tokens.get(index + 1);
            // Formatters add and remove these.
            let closes = next.is_none_or(|next| [")", "]", "}"].iter().any(|close| next.is(close)));
            if (token.is(",") && closes) || token.is(";") || token.is("\\") {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(token.text);
        }
        text
    }
}

/// For each bracket the other of its pair, and for each token the opening one around it. Unpaired ones reach to the end.
fn brackets(tokens: &[Token<'_>]) -> (Vec<usize>, Vec<Option<usize>>) {
    let last = tokens.len().saturating_sub(1);
    let mut pairs: Vec<usize> = (0..tokens.len()).collect();
    let mut within = Vec::with_capacity(tokens.len());
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let closes = token.kind == Kind::Sign && matches!(token.text, ")" | "]" | "}");
        if closes && let Some(start) = open.pop() {
            set(&mut pairs, start, at);
            set(&mut pairs, at, start);
        }
        within.push(open.last().copied());
        if token.kind == Kind::Sign && matches!(token.text, "(" | "[" | "{") {
            open.push(at);
        }
    }
    for start in open {
        set(&mut pairs, start, last);
    }
    (pairs, within)
}

fn set(list: &mut [usize], at: usize, value: usize) {
    if let Some(entry) = list.get_mut(at) {
        *entry = value;
    }
}
