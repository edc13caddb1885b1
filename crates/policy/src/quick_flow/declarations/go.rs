//! What Go offers: what stands at the top of a file and begins with a capital.

use super::source::{Source, Until};

pub(super) fn go(source: &mut Source<'_>) {
    let mut open = 0_usize;
    let mut at = 0;
    while at < source.len() {
        let is_first = source.begins_line(at) || source.before(at) == ";";
        // However many brackets a text of several lines seems to open.
        let is_at_top = open == 0 || source.token(at).is_some_and(|token| token.column == 0);
        match source.text(at) {
            "func" if is_at_top && is_first => at = function(source, at),
            "type" | "var" | "const" if is_at_top && is_first => at = group(source, at),
            "(" | "[" | "{" => {
                open += 1;
                at += 1;
            }
            ")" | "]" | "}" => {
                open = open.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn is_exported(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// Where the head of a function ends that begins here.
fn function(source: &mut Source<'_>, at: usize) -> usize {
    let name = match source.text(at + 1) {
        "(" => source.closing(at + 1) + 1,
        _ => at + 1,
    };
    let end = source.end(at, Until::line(&["{"]));
    if is_exported(source.text(name)) {
        source.declare(at..end);
    }
    end.max(at + 1)
}

/// Where one or several of what this word declares end.
fn group(source: &mut Source<'_>, at: usize) -> usize {
    if source.text(at + 1) != "(" {
        return one(source, at, at + 1);
    }
    let mut next = at + 2;
    while next < source.len() && source.text(next) != ")" {
        next = match source.text(next) {
            ";" => next + 1,
            _ => one(source, at, next).max(next + 1),
        };
    }
    next + 1
}

/// Where one of those ends, whose names stand here.
fn one(source: &mut Source<'_>, word: usize, names: usize) -> usize {
    let end = source.end(names, Until::line(&[";"]));
    let mut is_seen = false;
    let mut name = names;
    while source.is_word(name) {
        is_seen |= is_exported(source.text(name));
        if source.text(name + 1) != "," {
            break;
        }
        name += 2;
    }
    if is_seen {
        let mut shown = match source.text(word) {
            "type" => end,
            _ => source.end(names, Until::line(&["=", ";"])),
        };
        if source.text(shown) == "=" && source.text(shown + 1) == "func" {
            shown = source.end(shown, Until::line(&["{"]));
        }
        source.declare(std::iter::once(word).chain(names..shown));
    }
    end.max(names)
}
