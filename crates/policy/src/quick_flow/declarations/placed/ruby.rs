//! Ruby: what does not stand after `private`.

use super::{Place, Seen};
use crate::quick_flow::declarations::source::{Source, Until};

pub(super) fn seen(source: &mut Source<'_>, place: &Place<'_>) -> Seen {
    let (begin, end) = (place.words.start, place.words.end);
    let is_alone = begin + 1 == end;
    match source.text(begin) {
        "private" | "protected" if is_alone => Seen::Following(false),
        "public" if is_alone => Seen::Following(true),
        "private" | "protected" | "private_class_method" => Seen::Nothing,
        "class" | "module" => {
            let name = (begin + 1..end).find(|at| source.is_word(*at));
            Seen::Type(
                name.map_or("class", |at| source.text(at)).to_owned(),
                place.words.clone(),
            )
        }
        "def" => Seen::Declaration((begin..head_end(source, begin, end)).collect()),
        "attr_reader" | "attr_writer" | "attr_accessor" | "alias_method" | "alias" | "delegate" | "define_method" => {
            Seen::Declaration(place.words.clone().collect())
        }
        "if" | "unless" | "else" | "elsif" | "begin" | "rescue" | "ensure" | "case" | "when" => Seen::Within,
        _ if source.text(begin + 1) == "def" && end > begin + 1 => {
            Seen::Declaration((begin + 1..head_end(source, begin + 1, end)).collect())
        }
        name if name.starts_with(char::is_uppercase) => constant(source, place),
        // What is made or included stands in a block.
        _ if source.before(end) == "do" => Seen::Within,
        _ => Seen::Nothing,
    }
}

/// Where the body of a method begins that is written behind `=`; in `a=(value)` that sign is a part of the name, and behind a parameter it
/// begins a default.
fn head_end(source: &mut Source<'_>, begin: usize, end: usize) -> usize {
    let sign = source.end_within(begin, end, Until::signs(&["="]));
    let is_body = match source.before(sign) {
        ")" | "?" | "!" => true,
        _ => sign > 1 && matches!(source.before(sign - 1), "def" | "."),
    };
    if is_body && !source.is_joined(sign) { sign } else { end }
}

/// `A = 1`, `A, B = 1, 2`, `A ||= 1`: the names, and the value where it is a type.
fn constant(source: &Source<'_>, place: &Place<'_>) -> Seen {
    let Some(sign) = place.words.clone().find(|at| source.text(*at) == "=") else {
        return if source.before(place.words.end) == "do" {
            Seen::Within
        } else {
            Seen::Nothing
        };
    };
    let is_name = |at: usize| source.is_word(at) || matches!(source.text(at), "," | "::" | "||");
    if !(place.words.start..sign).all(is_name) {
        return Seen::Nothing;
    }
    let is_type = matches!(source.text(sign + 1), "Struct" | "Data" | "Class");
    let end = if is_type { place.words.end } else { sign };
    if is_type && source.before(end) == "do" {
        return Seen::Type(source.text(place.words.start).to_owned(), place.words.start..end);
    }
    Seen::Declaration((place.words.start..end).filter(|at| source.text(*at) != "||").collect())
}
