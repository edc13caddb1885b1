//! What stands around an assertion within its test, and so decides whether and how often it is asserted.

use std::ops::Range;

use super::{Language, Structure};

/// So many blocks are told, from the innermost on.
const DEEPEST: usize = 12;

/// The longest head of a block that is read, in tokens.
const LONGEST_HEAD: usize = 60;

/// Words that begin a block which may be run once, often, or not at all.
const HEADS: [&str; 22] = [
    "if", "else", "elif", "unless", "when", "for", "while", "until", "loop", "do", "match", "switch", "case", "select",
    "try", "catch", "except", "finally", "with", "async", "def", "function",
];

/// The blocks of its test around a token, the outermost first, each by the word that begins it.
pub(super) fn around(file: &Structure<'_>, at: usize) -> Vec<String> {
    let test = file.test_of(at).and_then(|test| file.tests.get(test));
    let Some(test) = test.filter(|test| at >= test.body.start) else {
        return Vec::new();
    };
    let mut blocks = match file.language {
        Language::Python => by_indentation(file, at, test.body.start),
        _ => by_brackets(file, at, test.body.start),
    };
    blocks.reverse();
    blocks
}

/// What a statement is the whole body of, where that has no braces: of a condition or a loop, or of a closure, which is run by whoever calls
/// it, if anybody does.
fn without_braces(file: &Structure<'_>, at: usize) -> Option<String> {
    let arrows: &[&str] = match file.language {
        Language::Script => &["=>"],
        Language::Rust => &["|", "||", "=>"],
        Language::Jvm | Language::Kotlin => &["->"],
        _ => &[],
    };
    let before = file.owner_start(at).checked_sub(1)?;
    // One that is waited for begins with its arrow.
    if arrows.iter().any(|arrow| file.is(before, arrow) || file.is(at, arrow)) {
        return Some("{".to_owned());
    }
    let head = match file.pairs.get(before) {
        Some(open) if file.is(before, ")") => open.checked_sub(1)?,
        _ => before,
    };
    named(file, head..before + 1).map(str::to_owned)
}

fn by_brackets(file: &Structure<'_>, at: usize, first: usize) -> Vec<String> {
    let open = |at: usize| file.within.get(at).copied().flatten().filter(|open| *open >= first);
    let brackets = std::iter::successors(open(at), |at| open(*at)).take(DEEPEST);
    without_braces(file, at)
        .into_iter()
        .chain(brackets.filter_map(|open| block(file, open)))
        .collect()
}

/// The block that this bracket opens.
fn block(file: &Structure<'_>, open: usize) -> Option<String> {
    if !file.is(open, "{") {
        let name = if file.is_before(open, "!") {
            open.checked_sub(2)
        } else {
            open.checked_sub(1)
        };
        return Some(name.and_then(|name| file.word(name)).unwrap_or("(").to_owned());
    }
    let mut start = open;
    while let Some(before) = start.checked_sub(1).filter(|_| open - start < LONGEST_HEAD) {
        if [";", "{", "}", "(", "[", ","].iter().any(|sign| file.is(before, sign)) {
            break;
        }
        // What is in brackets belongs to the head.
        let closes = [")", "]"].iter().any(|close| file.is(before, close));
        start = if closes {
            file.pairs.get(before).map_or(before, |open| (*open).min(before))
        } else {
            before
        };
    }
    Some(named(file, start..open).unwrap_or("{").to_owned())
}

/// The word that begins a block, and that it never runs where that is plain.
fn named<'a>(file: &Structure<'a>, head: Range<usize>) -> Option<&'a str> {
    let first = file.word(head.start).filter(|word| HEADS.contains(word))?;
    let mut others = (head.start + 1..head.end).filter(|at| !["(", ")", ":"].iter().any(|sign| file.is(*at, sign)));
    let is_never = |at: usize| ["false", "False", "0"].iter().any(|text| file.is(at, text));
    match (others.next(), others.next()) {
        (Some(only), None) if is_never(only) => Some("never"),
        _ => Some(first),
    }
}

/// The same by columns.
fn by_indentation(file: &Structure<'_>, at: usize, first: usize) -> Vec<String> {
    let statements = &file.depths;
    let Some(own) = statements.partition_point(|(start, _)| *start <= at).checked_sub(1) else {
        return Vec::new();
    };
    let head = |index: usize| {
        let start = statements.get(index).map_or(0, |(start, _)| *start);
        let end = (start..file.tokens.len())
            .take(LONGEST_HEAD)
            .find(|end| file.is(*end, ":"));
        named(file, start..end.unwrap_or(start + 1)).map(str::to_owned)
    };
    let mut blocks = Vec::new();
    let Some((start, mut depth)) = statements.get(own).copied() else {
        return blocks;
    };
    // `lambda: fail()`
    if file.is_before(file.owner_start(at), ":") && (start..at).rev().take(LONGEST_HEAD).any(|at| file.is(at, "lambda"))
    {
        blocks.push("lambda".to_owned());
    }
    // `if a: assert b`
    if start < at {
        blocks.extend(head(own));
    }
    // A longer test is not followed to its beginning.
    for index in (0..own).rev().take(1000) {
        let Some((start, above)) = statements.get(index).copied().filter(|(start, _)| *start >= first) else {
            break;
        };
        if above < depth && start < at {
            blocks.extend(head(index));
            depth = above;
        }
        if blocks.len() >= DEEPEST {
            break;
        }
    }
    blocks
}
