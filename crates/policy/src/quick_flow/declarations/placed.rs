//! What languages offer in which nothing in front of a declaration says so and its place does: Python, Kotlin, Ruby. What stands in
//! the file or in a type is seen, what stands in a function is not. Places are told by indentation.

mod kotlin;
mod python;
mod ruby;

use std::ops::Range;

use super::Language;
use super::source::{Source, Until};

/// What a statement is to others.
enum Seen {
    /// Nothing, nor is anything in it.
    Nothing,
    /// A declaration by these words. What stands in it is not seen.
    Declaration(Vec<usize>),
    /// Several, in other words.
    Names(Vec<String>),
    /// A type of this name, whose members are seen, declared by these words.
    Type(String, Range<usize>),
    /// What stands in it is seen where it is itself: a condition.
    Within,
    /// What follows in the same type is seen, or is not.
    Following(bool),
}

/// Lines that stand deeper than this one belong to it.
struct Block {
    indent: usize,
    /// The type that it is, or stands in; none: it is in none.
    owner: Option<String>,
    is_type: bool,
    /// Whether what follows in it is seen.
    shows: bool,
}

/// The statement that is being looked at: its words, and where it stands.
struct Place<'p> {
    words: Range<usize>,
    /// Whether it stands in a type rather than in the file.
    is_member: bool,
    path: &'p str,
}

/// Finds the declarations of a file of this name.
pub(super) fn placed(source: &mut Source<'_>, text: &str, file: &str) {
    let indents: Vec<usize> = text
        .split('\n')
        .map(|line| line.len() - line.trim_start().len())
        .collect();
    let mut open: Vec<Block> = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let line = source
            .token(at)
            .map_or(0, |token| usize::try_from(token.line).unwrap_or(0));
        let mut indent = indents.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let line_end = line_end(source, at);
        // The statements of one line, and those in a type that it begins, which stand deeper.
        while at < line_end {
            if matches!(source.text(at), ";" | ")" | "]" | "}") {
                at += 1;
                continue;
            }
            let end = source.end_within(at, line_end, Until::signs(&[";"]));
            let inner = statement(source, &mut open, indent, at..end, file);
            indent += usize::from(inner.is_some());
            at = inner.unwrap_or(end).max(at + 1);
        }
        at = line_end.max(at);
    }
}

/// Where a line ends, with those that brackets or a sign at its end join to it.
fn line_end(source: &Source<'_>, from: usize) -> usize {
    let joins = |sign: &str| match source.language {
        Language::Kotlin => matches!(sign, "(" | "["),
        _ => matches!(sign, "(" | "[" | "{"),
    };
    let closes = |sign: &str| match source.language {
        Language::Kotlin => matches!(sign, ")" | "]"),
        _ => matches!(sign, ")" | "]" | "}"),
    };
    let mut open = 0_usize;
    let mut at = from;
    while at < source.len() {
        let is_joined = open > 0 || source.before(at) == "\\";
        if at > from && source.begins_line(at) && !is_joined {
            break;
        }
        open += usize::from(joins(source.text(at)));
        open = open.saturating_sub(usize::from(closes(source.text(at))));
        at += 1;
    }
    at
}

/// Looks at one statement; where what stands in it on the same line begins, if that is seen.
fn statement(
    source: &mut Source<'_>,
    open: &mut Vec<Block>,
    indent: usize,
    words: Range<usize>,
    file: &str,
) -> Option<usize> {
    if source.text(words.start) == "end" {
        return None;
    }
    while open.last().is_some_and(|block| block.indent >= indent) {
        open.pop();
    }
    let outer = open.last();
    let shows = outer.is_none_or(|block| block.shows);
    let owner = outer.and_then(|block| block.owner.clone());
    let end = words.end;
    let place = Place {
        words: words.clone(),
        is_member: owner.is_some(),
        path: file,
    };
    let seen = match source.language {
        Language::Ruby => ruby::seen(source, &place),
        Language::Kotlin => kotlin::seen(source, &place),
        _ => python::seen(source, &place),
    };
    let mut block = Block {
        indent,
        owner: None,
        is_type: false,
        shows: false,
    };
    let mut inner = None;
    match seen {
        Seen::Following(follows) => {
            if let Some(outer) = open.last_mut().filter(|outer| outer.is_type) {
                outer.shows = follows;
            }
            return None;
        }
        _ if !shows => {}
        Seen::Nothing => {}
        Seen::Declaration(kept) => source.declare_in(owner.as_deref().unwrap_or_default(), kept),
        Seen::Names(names) => {
            let owner = owner.map_or(String::new(), |owner| format!("{owner}: "));
            for name in names {
                source.declare_text(format!("{owner}{name}"));
            }
        }
        Seen::Type(name, head) => {
            inner = Some(head.end);
            source.declare_in(owner.as_deref().unwrap_or_default(), head);
            block.owner = Some(name);
            (block.is_type, block.shows) = (true, true);
        }
        Seen::Within => {
            inner = Some(match source.language {
                Language::Python => source.end_within(words.start, end, Until::signs(&[":"])),
                _ => end,
            });
            block.owner = owner;
            block.shows = true;
        }
    }
    open.push(block);
    // Behind the sign that begins what stands in it.
    inner.map(|inner| (inner + 1).min(end))
}
