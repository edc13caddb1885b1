//! Python: names without `_` in front, and whatever a package takes in.

use std::ops::Range;

use super::{Place, Seen};
use crate::quick_flow::declarations::source::{Source, Until};

pub(super) fn seen(source: &mut Source<'_>, place: &Place<'_>) -> Seen {
    let (begin, end) = (place.words.start, place.words.end);
    let mut first = begin;
    // In front of `def`, `with` and `for`.
    first += usize::from(source.text(begin) == "async");
    match source.text(first) {
        "def" if is_private(source.text(first + 1)) => Seen::Nothing,
        "def" => Seen::Declaration((begin..head_end(source, begin, end)).collect()),
        "class" if source.text(first + 1).starts_with('_') => Seen::Nothing,
        "class" => Seen::Type(source.text(first + 1).to_owned(), begin..head_end(source, begin, end)),
        // What is done when the file is run, and not when it is taken in.
        "if" if is_run(source, first) => Seen::Nothing,
        "if" | "elif" | "else" | "try" | "except" | "finally" | "with" | "for" | "while" | "match" | "case"
            if head_end(source, begin, end) < end && !is_field(source, first) =>
        {
            Seen::Within
        }
        "from" if !place.is_member && is_package(place.path) && source.text(first + 1) != "__future__" => {
            Seen::Declaration(place.words.clone().collect())
        }
        "__all__" => Seen::Declaration(place.words.clone().collect()),
        // `type A = B`.
        "type" if source.is_word(first + 1) => names(source, begin + 1..end, place.is_member),
        _ => names(source, begin..end, place.is_member),
    }
}

/// `if __name__ == "__main__":`, and nothing else that names these two.
fn is_run(source: &Source<'_>, at: usize) -> bool {
    let main = source.token(at + 3).map_or("", |token| token.text);
    (source.text(at + 1), source.text(at + 2), source.text(at + 4)) == ("__name__", "==", ":")
        && matches!(main, "\"__main__\"" | "'__main__'")
}

/// `match: int` and `case: int` give names types.
fn is_field(source: &Source<'_>, at: usize) -> bool {
    matches!(source.text(at), "match" | "case") && source.text(at + 1) == ":"
}

fn is_package(file: &str) -> bool {
    file == "__init__.py"
}

fn head_end(source: &mut Source<'_>, begin: usize, end: usize) -> usize {
    source.end_within(begin, end, Until::signs(&[":"]))
}

fn is_private(name: &str) -> bool {
    // What a class does when it is made or used is seen by others.
    name.starts_with('_') && !(name.starts_with("__") && name.ends_with("__"))
}

/// The names that a statement gives values or types: `A = B = 1`, `A, B = 1, 2`, `A: int = 1`.
fn names(source: &mut Source<'_>, words: Range<usize>, is_member: bool) -> Seen {
    let mut found = Vec::new();
    let mut begin = words.start;
    loop {
        let sign = source.end_within(begin, words.end, Until::signs(&["=", ":"]));
        let is_target = |at: usize| source.is_word(at) || matches!(source.text(at), "," | "(" | ")" | "[" | "]" | "*");
        let is_phrase = |at: usize| source.is_word(at) && source.is_word(at + 1);
        let is_name = sign > begin && sign < words.end && (begin..sign).all(|at| is_target(at) && !is_phrase(at));
        // `a[0] = 1` and `a(b).c = 1` name nothing; `[a, b] = c` does.
        if !is_name
            || source.text(begin) == "lambda"
            || (source.is_word(begin) && matches!(source.text(begin + 1), "(" | "["))
        {
            break;
        }
        let named: Vec<_> = (begin..sign).filter(|at| source.is_word(*at)).collect();
        let named = named
            .into_iter()
            .map(|at| source.text(at))
            .filter(|name| !is_private(name));
        if source.text(sign) == "=" {
            found.extend(named.map(str::to_owned));
            begin = sign + 1;
            continue;
        }
        let named: Vec<_> = named.map(str::to_owned).collect();
        let value = source.end_within(sign + 1, words.end, Until::signs(&["="]));
        let said = source.said(sign + 1..value);
        // Whether a field has a default is seen by those who make one.
        let default = if is_member && value < words.end { " = …" } else { "" };
        found.extend(named.iter().map(|name| format!("{name}: {said}{default}")));
        break;
    }
    if found.is_empty() {
        Seen::Nothing
    } else {
        Seen::Names(found)
    }
}
