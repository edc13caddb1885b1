//! A source file as its words, with what it was found to declare.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Kind, Token, tokens, tokens_and_unclosed};

use super::Language;

/// How many words of one file are looked at, those of a body more than once. Where there are more, nobody can tell what is offered.
const MAX_LOOKED_AT: usize = 1 << 22;

/// What stands for the rest of a file in which a comment or a text begins that is never closed.
const UNCLOSED: &str = "what is never closed";

/// Words of PHP that mean the same in whatever case they are written.
const PHP_WORDS: [&str; 17] = [
    "abstract",
    "class",
    "const",
    "define",
    "enum",
    "final",
    "function",
    "interface",
    "new",
    "private",
    "protected",
    "public",
    "readonly",
    "static",
    "trait",
    "use",
    "var",
];

/// Words that go on with the line before.
const CONTINUING: [&str; 9] = [
    "extends",
    "from",
    "implements",
    "rethrows",
    "satisfies",
    "throws",
    "where",
    "async",
    "as",
];

/// Signs that go on with the line before, and those that end a line which does not go on.
const CONTINUING_SIGNS: [&str; 10] = ["|", "&", "?", ":", ".", "=", "=>", "->", "{", ","];
const ENDING_SIGNS: [&str; 7] = [")", "]", "}", ">", "?", "!", "*"];

/// Where a declaration ends, outside of brackets. What closes a bracket that was open before it ends it as well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    pub(super) signs: &'static [&'static str],
    /// Also where a line begins that does not go on with the one before.
    pub(super) line: bool,
    /// Whether `<` and `>` are brackets.
    pub(super) angles: bool,
}

impl Until {
    pub(super) const fn signs(signs: &'static [&'static str]) -> Self {
        Self {
            signs,
            line: false,
            angles: false,
        }
    }

    pub(super) const fn line(signs: &'static [&'static str]) -> Self {
        Self {
            line: true,
            ..Self::signs(signs)
        }
    }

    pub(super) const fn fields(signs: &'static [&'static str]) -> Self {
        Self {
            angles: true,
            ..Self::signs(signs)
        }
    }
}

/// What is offered to others, as it is shown. How it is laid out does not count.
#[derive(Debug, Default)]
pub(super) struct Found(BTreeMap<String, (usize, String)>);

impl Found {
    fn add(&mut self, same: String, shown: impl FnOnce() -> String) {
        self.0.entry(same).or_insert_with(|| (0, shown())).0 += 1;
    }

    pub(super) fn add_text(&mut self, text: String) {
        self.add(text.clone(), || text);
    }

    /// Those that stand here more often than there: a name that two types share stands twice.
    pub(super) fn without(&self, other: &Self) -> Vec<String> {
        let count = |same: &String| other.0.get(same).map_or(0, |(count, _)| *count);
        let more = self.0.iter().filter(|(same, (own, _))| count(same) < *own);
        let mut shown: Vec<_> = more.map(|(_, (_, shown))| shown.clone()).collect();
        shown.sort();
        shown
    }
}

/// The words of a file. Beyond its end there are empty ones.
pub(super) struct Source<'a> {
    pub(super) language: Language,
    tokens: Vec<Token<'a>>,
    found: Found,
    left: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, language: Language) -> Self {
        let (tokens, unclosed) = match language {
            // In Ruby an apostrophe in a text of many lines would open one that ends nowhere.
            Language::Ruby => (line_by_line(text, language), None),
            _ => tokens_and_unclosed(text, language.words()),
        };
        let mut found = Found::default();
        if let Some(rest) = unclosed {
            // Nobody knows what stands in it, so any change there is one of what is offered.
            found.add(rest.to_owned(), || UNCLOSED.to_owned());
        }
        Self {
            language,
            tokens,
            found,
            left: MAX_LOOKED_AT,
        }
    }

    /// What was declared; none: there is too much in the file to tell.
    pub(super) fn finish(self) -> Option<Found> {
        (self.left > 0).then_some(self.found)
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn token(&self, at: usize) -> Option<&Token<'a>> {
        self.tokens.get(at)
    }

    /// The word or sign that stands here; nothing for a text in quotes.
    pub(super) fn text(&self, at: usize) -> &'a str {
        match self.tokens.get(at) {
            Some(token) if token.kind == Kind::Text => "",
            Some(token) if self.language == Language::Php => php_word(token.text),
            Some(token) => token.text,
            None => "",
        }
    }

    pub(super) fn before(&self, at: usize) -> &'a str {
        at.checked_sub(1).map_or("", |before| self.text(before))
    }

    pub(super) fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word)
    }

    /// Whether nothing stands between a word and the one before.
    pub(super) fn is_joined(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.tokens.get(before));
        let (Some(before), Some(here)) = (before, self.tokens.get(at)) else {
            return false;
        };
        let is_one_line = before.line == before.end_line;
        is_one_line && here.line == before.line && before.column + before.text.len() == here.column
    }

    pub(super) fn begins_line(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.tokens.get(before));
        match (before, self.tokens.get(at)) {
            (Some(before), Some(here)) => here.line > before.end_line,
            _ => true,
        }
    }

    /// The lines whose first word is this one.
    pub(super) fn lines_beginning_with(&self, word: &str) -> BTreeSet<u64> {
        let begin = (0..self.len()).filter(|at| self.text(*at) == word && self.begins_line(*at));
        begin.filter_map(|at| Some(self.token(at)?.line)).collect()
    }

    /// Whether a line begins here that does not go on with the one before.
    fn begins_statement(&self, at: usize) -> bool {
        let sign = |at: usize| self.tokens.get(at).filter(|token| token.kind == Kind::Sign);
        let goes_on = at
            .checked_sub(1)
            .and_then(sign)
            .is_some_and(|before| !ENDING_SIGNS.contains(&before.text));
        let continues = sign(at).is_some_and(|sign| CONTINUING_SIGNS.contains(&sign.text));
        self.begins_line(at) && !goes_on && !continues && !CONTINUING.contains(&self.text(at))
    }

    /// Counts what is looked at: whether there is more that may be.
    pub(super) fn may_look(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// Where what begins here ends: the place behind its last word.
    pub(super) fn end(&mut self, from: usize, until: Until) -> usize {
        self.end_within(from, self.len(), until)
    }

    /// The same, where nothing from this limit on is looked at.
    pub(super) fn end_within(&mut self, from: usize, limit: usize, until: Until) -> usize {
        let mut open: Vec<&str> = Vec::new();
        let mut at = from;
        while at < limit.min(self.len()) && self.may_look() {
            let sign = self.text(at);
            let is_end = until.signs.contains(&sign) || (until.line && at > from && self.begins_statement(at));
            // What is less than something opens nothing.
            if is_end && (open.is_empty() || (sign != "," && open.iter().all(|open| *open == "<"))) {
                break;
            }
            match sign {
                "<" if until.angles => open.push(sign),
                ">" if open.last() == Some(&"<") => drop(open.pop()),
                "(" | "[" | "{" => open.push(sign),
                ")" | "]" | "}" => {
                    while open.last() == Some(&"<") {
                        open.pop();
                    }
                    if open.pop().is_none() {
                        break;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Where the bracket that opens here is closed; the end of the file where it is not.
    pub(super) fn closing(&mut self, open: usize) -> usize {
        self.end(open + 1, Until::signs(&[]))
    }

    /// A declaration with its block, without what stands in more braces than these, or up to where it ends without one.
    pub(super) fn block(&mut self, from: usize, braces: usize) -> (Vec<usize>, usize) {
        let mut kept = Vec::new();
        let mut open = 0_usize;
        let mut at = from;
        while at < self.len() && self.may_look() {
            let sign = self.text(at);
            if open == 0 && matches!(sign, ";" | "}") {
                break;
            }
            if sign == "}" {
                open -= 1;
            }
            if open <= braces {
                kept.push(at);
            }
            at += 1;
            match sign {
                "{" => open += 1,
                "}" if open == 0 => break,
                _ => {}
            }
        }
        (kept, at)
    }

    /// Behind the attributes or annotations that stand here: `#[…]`, `@Name(…)`, `[…]`.
    pub(super) fn behind_attributes(&mut self, from: usize) -> usize {
        let mut at = from;
        loop {
            let (here, next) = (self.text(at), self.text(at + 1));
            if here == "[" && self.language == Language::CSharp {
                at = self.closing(at) + 1;
            } else if matches!(here, "#" | "@") && next == "[" {
                at = self.closing(at + 1) + 1;
            } else if here == "@" && self.is_word(at + 1) && next != "interface" {
                at += 2;
                while matches!(self.text(at), "." | ":") && self.is_word(at + 1) && self.is_joined(at) {
                    at += 2;
                }
                if self.text(at) == "(" {
                    at = self.closing(at) + 1;
                }
            } else {
                return at;
            }
        }
    }

    /// Something is declared by these words.
    pub(super) fn declare(&mut self, kept: impl IntoIterator<Item = usize>) {
        self.declare_in("", kept);
    }

    /// A member of `owner` is declared by these words.
    pub(super) fn declare_in(&mut self, owner: &str, kept: impl IntoIterator<Item = usize>) {
        let mut kept: Vec<_> = kept.into_iter().filter(|at| *at < self.len()).collect();
        // A comma before what closes a list is no part of it.
        let closes = |at: &usize| matches!(self.text(*at), ")" | "]" | "}");
        let is_last: Vec<bool> = kept
            .iter()
            .zip(kept.iter().skip(1).map(Some).chain([None]))
            .map(|(at, next)| self.text(*at) == "," && next.is_none_or(closes))
            .collect();
        let mut is_last = is_last.into_iter();
        kept.retain(|_| is_last.next() != Some(true));
        if kept.is_empty() {
            return;
        }
        let (same, shown) = (self.joined(&kept, |_, _| true), self.said(kept));
        let owner = if owner.is_empty() {
            String::new()
        } else {
            format!("{owner}: ")
        };
        self.found.add(format!("{owner}{same}"), || format!("{owner}{shown}"));
    }

    /// These words as they stand in the file, in one line.
    pub(super) fn said(&self, kept: impl IntoIterator<Item = usize>) -> String {
        let kept: Vec<_> = kept.into_iter().collect();
        self.joined(&kept, |previous, at| {
            let is_joined = previous + 1 == at && self.is_joined(at);
            let hugs = matches!(self.text(previous), "(" | "[") || matches!(self.text(at), ")" | "]" | ",");
            !is_joined && !hugs
        })
    }

    fn joined(&self, kept: &[usize], is_apart: impl Fn(usize, usize) -> bool) -> String {
        let mut text = String::new();
        let mut previous = None;
        for at in kept.iter().copied() {
            if previous.is_some_and(|previous| is_apart(previous, at)) {
                text.push(' ');
            }
            text.push_str(self.tokens.get(at).map_or("", |token| token.text));
            previous = Some(at);
        }
        text
    }

    /// Something is declared that is said in other words.
    pub(super) fn declare_text(&mut self, text: String) {
        self.found.add_text(text);
    }
}

fn php_word(text: &str) -> &str {
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text;
    }
    let known = PHP_WORDS.into_iter().find(|word| word.eq_ignore_ascii_case(text));
    known.unwrap_or(text)
}

fn line_by_line(text: &str, language: Language) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (line, number) in text.split('\n').zip(1..) {
        found.extend(tokens(line, language.words()).into_iter().map(|token| Token {
            line: number,
            end_line: number,
            ..token
        }));
    }
    found
}
