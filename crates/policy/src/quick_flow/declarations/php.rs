//! What PHP offers, where everything is public that does not say otherwise.

use super::members::{is_hidden, is_modifier};
use super::source::{Source, Until};

pub(super) fn php(source: &mut Source<'_>) {
    let mut at = 0;
    while at < source.len() {
        at = declaration(source, at).unwrap_or(at + 1);
    }
}

/// Where a declaration ends that has its word here; none: there is none.
fn declaration(source: &mut Source<'_>, at: usize) -> Option<usize> {
    let word = source.text(at);
    let is_named = source.is_word(at + 1) || (word == "function" && source.text(at + 1) == "&");
    let is_value = match source.before(at) {
        "::" | "->" | "?->" | "use" | "new" => true,
        "\\" => word != "define",
        _ => false,
    };
    if is_value {
        return None;
    }
    let until = match word {
        "define" if source.text(at + 1) == "(" => Until::signs(&[";"]),
        "function" | "class" | "interface" | "trait" if is_named => Until::signs(&["{", ";"]),
        "enum" if is_named => Until::signs(&[]),
        "const" if is_named => Until::signs(&[";", "="]),
        "public" | "var" => Until::signs(&[";", "=", "{"]),
        _ => return None,
    };
    if !is_seen(source, at) {
        return None;
    }
    // What `public` stands in front of is found by its own word.
    let next = source.behind_modifiers(at + 1, "");
    if matches!(word, "public" | "var") && matches!(source.text(next), "function" | "const" | "var") {
        return None;
    }
    let begin = source.first_modifier(at);
    let (kept, end) = match word {
        "enum" => {
            let (kept, end) = source.block(at, 1);
            ((begin..at).chain(kept).collect(), end)
        }
        "define" => {
            let end = source.end(at + 2, Until::signs(&[","]));
            ((at..end).collect(), end)
        }
        _ => source.names(begin, until),
    };
    source.declare(kept);
    Some(end.max(at + 1))
}

/// Whether no word in front hides it.
fn is_seen(source: &mut Source<'_>, at: usize) -> bool {
    let mut first = at;
    while is_modifier(source.before(first)) && source.may_look() {
        first -= 1;
    }
    !is_hidden(source.before(first))
}
