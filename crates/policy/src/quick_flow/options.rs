//! Which options and commands of a command line a source file declares, as far as its lines tell.
//!
//! No parser: what declares an option in the libraries that are usual in a language is known by its words, and taken up to where its
//! bracket closes. A function that handles a command and stands among its arguments is not looked at.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::declarations::Language;

/// The most lines between an attribute and what it stands on.
const MAX_LINES_BETWEEN: usize = 50;

/// How options are declared in a language.
struct Marks {
    /// What stands in front of a declaration of its own, such as a field or a function: attributes, annotations, decorators.
    in_front: Option<Regex>,
    /// What declares an option by itself.
    calls: Option<Regex>,
}

/// The texts are right, which a test shows.
fn marks(in_front: &str, calls: &str) -> Marks {
    let compiled = |text: &str| Regex::new(text).ok();
    Marks {
        in_front: compiled(in_front),
        calls: compiled(calls),
    }
}

/// clap, structopt, argh, bpaf.
static RUST: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        r"^#\[(?:arg|command|clap|structopt|argh|bpaf)\b",
        r#"\bArg::new\(|\barg!\(|\bclap::Command::new\(|\.subcommand\(|\.long\(\s*"|\.short\(\s*'"#,
    )
});

/// commander, yargs, oclif, `node:util`.
static SCRIPT: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        r"^@(?:Option|Command)\(",
        r#"(?x)
        \.(?:option|requiredOption|command|argument|positional)\(\s*["'`]
        | \bnew\s+(?:Option|Argument|Command)\(\s*["'`]
        | \.add(?:Option|Argument)\( | \bFlags\.\w+\( | \bparseArgs\("#,
    )
});

/// argparse, optparse, click, typer, pytest.
static PYTHON: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        r"^@(?:[\w.]*\.)?(?:command|group|option|argument|\w+_option)\b\(?",
        r"\.?\badd_(?:argument|option|parser|command|typer)\(|\baddoption\(|\bclick\.(?:Option|Argument|Command|Group)\(|\btyper\.(?:Option|Argument)\(",
    )
});

/// The standard library, pflag, cobra, urfave/cli.
static GO: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        "^$",
        r#"(?x)
        (?:\b(?:p?flag|flags|fs|\w*[fF]lagSet)|[fF]lags\(\))\.(?:Bool|Bytes|Count|Duration|Float|Func|IP|Int|String|TextVar|Uint|Var)\w*\(
        | \bcli\.\w*Flag\{ | \bUse:\s*["`]"#,
    )
});

/// picocli, JCommander, commons-cli, System.CommandLine, CommandLineParser, Symfony, Laravel, swift-argument-parser.
static PUBLIC: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        r"^(?:@(?:CommandLine\.)?(?:Option|OptionGroup|Parameters?|Command|Argument|Flag)\b\(?|\[(?:Option|Argument|Verb|Value|Command)\(|#\[AsCommand\b)",
        r#"(?x)
        (?:->|\.)add(?:Option|Argument)\( | \bOption\.builder\(
        | \bnew\s+(?:Option|Argument|(?:Root)?Command)(?:<[^\n]*>)?\(\s*"
        | \$signature\s*=\s*["']"#,
    )
});

/// clikt, kotlinx-cli, picocli.
static KOTLIN: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        r"^@(?:field:)?(?:CommandLine\.)?(?:Option|Parameters?|Command|Argument)\b\(?",
        r"\bby\s+(?:option|argument)\(|\.(?:option|argument)\(\s*ArgType",
    )
});

/// OptionParser, thor, dry-cli.
static RUBY: LazyLock<Marks> = LazyLock::new(|| {
    marks(
        "^$",
        r#"\.on\s*\(\s*["']-|\.on\s+["']-|\b(?:method_option|class_option|option|argument)\s+:|\bsubcommand\s+["']"#,
    )
});

impl Language {
    fn marks(self) -> &'static Marks {
        match self {
            Self::Rust => &RUST,
            Self::Script => &SCRIPT,
            Self::Python => &PYTHON,
            Self::Go => &GO,
            Self::Java | Self::CSharp | Self::Php | Self::Swift => &PUBLIC,
            Self::Kotlin => &KOTLIN,
            Self::Ruby => &RUBY,
        }
    }

    /// Whether the code of a function begins here, such as one that handles a command.
    fn begins_function(self, text: &str) -> bool {
        match self {
            Self::Script => text.starts_with("=>") || text.starts_with("function"),
            Self::Go => text.starts_with("func("),
            _ => false,
        }
    }

    /// How much of this line is comment that begins here; none: none does.
    fn comment(self, text: &str) -> Option<usize> {
        let has_hashes = matches!(self, Self::Python | Self::Ruby);
        let is_block = !has_hashes && text.starts_with("/*");
        if !is_block && !text.starts_with(if has_hashes { "#" } else { "//" }) {
            return None;
        }
        let here = text.split('\n').next().unwrap_or_default();
        Some(if is_block { behind_comment(here, 2) } else { here.len() })
    }

    /// A line without the comments that it begins with. With `*` only those of several lines go on.
    fn behind_comments(self, line: &str, is_inside: bool) -> &str {
        let mut rest = line.trim_start();
        if is_inside && rest.starts_with('*') {
            rest = rest.get(behind_comment(rest, 0)..).unwrap_or_default().trim_start();
        }
        while let Some(length) = self.comment(rest) {
            rest = rest.get(length..).unwrap_or_default().trim_start();
        }
        rest
    }
}

/// Behind the end of a comment that is looked for from here; the end of the line where it goes on.
fn behind_comment(line: &str, from: usize) -> usize {
    let end = line.get(from..).and_then(|rest| rest.find("*/"));
    end.map_or(line.len(), |end| from + end + 2)
}

/// Each option or command that a file declares, in one line. In lines that `is_code` knows, `*` goes on with no comment.
pub(super) fn options(language: Language, text: &str, is_code: impl Fn(u64) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let marks = language.marks();
    let (mut start, mut taken) = (0, 0);
    let mut calls = Calls::new(marks.calls.as_ref(), text);
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let end = start + line.len();
        // What was taken with an option above is a part of it.
        let mut from = taken.max(start);
        start = end;
        let rest = text.get(from..end).unwrap_or_default();
        let here = language.behind_comments(rest, !is_code(number));
        if here.is_empty() {
            continue;
        }
        from += rest.len() - here.len();
        if let Some(mark) = marks.in_front.as_ref().and_then(|marks| marks.find(here)) {
            let (reached, attribute) = match mark.as_str().find(['(', '[']) {
                Some(at) => reach(language, text, from..from + at),
                None => (from + mark.end(), mark.as_str().to_owned()),
            };
            let subject = subject(language, text.get(reached..).unwrap_or_default());
            found.push(one_line(&format!("{subject} with {attribute}")));
            // What stands behind it on its line may be an option as well.
            (taken, from) = (reached, reached);
        }
        while let Some(call) = calls.next_in(from..end) {
            let opening = text.get(call.clone()).and_then(|call| call.rfind(['(', '[', '{']));
            let ends_with_quote = text
                .get(..call.end)
                .is_some_and(|call| call.ends_with(['"', '\'', '`']));
            let (reached, shown) = match opening {
                Some(at) => reach(language, text, from..call.start + at),
                None if ends_with_quote => reach(language, text, from..call.end - 1),
                None => statement(text, from),
            };
            let arguments = opening.and_then(|at| text.get(call.start + at + 1..));
            found.push(one_line(&match arguments.and_then(first_text) {
                Some(name) => format!("{name}: {shown}"),
                None => shown,
            }));
            (taken, from) = (reached, reached);
        }
    }
    found
}

/// The calls of a file, one after the other. No part of it is looked through for each of its lines.
struct Calls<'t> {
    marks: Option<&'t Regex>,
    text: &'t str,
    /// The first that was not passed over yet.
    next: Option<Range<usize>>,
}

impl<'t> Calls<'t> {
    fn new(marks: Option<&'t Regex>, text: &'t str) -> Self {
        let mut calls = Self {
            marks,
            text,
            next: None,
        };
        calls.find_from(0);
        calls
    }

    fn find_from(&mut self, from: usize) {
        let found = self.marks.filter(|_| self.text.is_char_boundary(from));
        self.next = found.and_then(|marks| Some(marks.find_at(self.text, from)?.range()));
    }

    /// The first that begins in these bytes.
    fn next_in(&mut self, range: Range<usize>) -> Option<Range<usize>> {
        if self.next.as_ref()?.start < range.start {
            self.find_from(range.start);
        }
        self.next.clone().filter(|next| next.start < range.end)
    }
}

/// What an attribute stands on: the next line that is none itself, up to its body.
fn subject(language: Language, text: &str) -> &str {
    let is_between =
        |line: &str| line.is_empty() || line.starts_with('@') || (line.starts_with(['#', '[']) && line.ends_with(']'));
    let mut lines = text
        .lines()
        .take(MAX_LINES_BETWEEN)
        .map(|line| language.behind_comments(line, true).trim_end());
    let line = lines.find(|line| !is_between(line)).unwrap_or_default();
    line.trim_end_matches(['{', ',', ';', ':', ' '])
}

/// A first argument that is a text: what an option is called.
fn first_text(arguments: &str) -> Option<&str> {
    let arguments = arguments.trim_start();
    let quote = arguments
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\'' | '`'))?;
    let (name, _) = arguments.get(1..)?.split_once(quote)?;
    let is_name = |c: char| c.is_alphanumeric() || " ,-_<>[]|=.:".contains(c);
    (name.len() <= 60 && name.chars().all(is_name)).then_some(name)
}

/// From the beginning of the range to where what opens at its end is closed again, or a function begins: that place, and the text
/// without comments.
fn reach(language: Language, text: &str, range: Range<usize>) -> (usize, String) {
    let mut kept = text.get(range.clone()).unwrap_or_default().to_owned();
    let rest = text.get(range.end..).unwrap_or_default();
    let (mut depth, mut quote, mut skipped_to) = (0_usize, None, 0);
    for (at, character) in rest.char_indices() {
        if at < skipped_to {
            continue;
        }
        let here = rest.get(at..).unwrap_or_default();
        if let Some(open) = quote {
            kept.push(character);
            if character == '\\' {
                let escaped = here.chars().nth(1);
                kept.extend(escaped);
                skipped_to = at + 1 + escaped.map_or(0, char::len_utf8);
            } else if character == open {
                quote = None;
            }
        } else if let Some(length) = (depth > 0).then(|| language.comment(here)).flatten() {
            skipped_to = at + length;
            continue;
        } else if language.begins_function(here) {
            return (range.end + at, kept);
        } else {
            kept.push(character);
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '"' | '`' => quote = Some(character),
                // A lifetime begins with the same sign.
                '\'' if language != Language::Rust || is_character(here) => quote = Some(character),
                _ => {}
            }
        }
        if depth == 0 && quote.is_none() {
            return (range.end + at + character.len_utf8(), kept);
        }
    }
    (text.len(), kept)
}

/// Whether a text begins with one character in quotes.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

/// A line, with those that go on with it.
fn statement(text: &str, from: usize) -> (usize, String) {
    let mut end = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        end += line.len();
        if !line.trim_end().ends_with([',', '\\']) {
            break;
        }
    }
    (end, text.get(from..end).unwrap_or_default().to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_a_pattern() {
        for marks in [&RUST, &SCRIPT, &PYTHON, &GO, &PUBLIC, &KOTLIN, &RUBY] {
            assert!(marks.in_front.is_some() && marks.calls.is_some());
        }
    }
}
