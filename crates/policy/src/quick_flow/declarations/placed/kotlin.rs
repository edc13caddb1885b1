//! Kotlin: what no word hides.

use super::{Place, Seen};
use crate::quick_flow::declarations::source::{Source, Until};

pub(super) fn seen(source: &mut Source<'_>, place: &Place<'_>) -> Seen {
    let begin = source.behind_attributes(place.words.start);
    let last = place.words.end;
    let mut is_enum = false;
    let mut at = begin;
    while at < last {
        let until = match source.text(at) {
            "private" | "internal" | "protected" => return Seen::Nothing,
            "public" | "open" | "abstract" | "final" | "override" | "suspend" | "inline" | "data" | "sealed"
            | "value" | "inner" | "companion" | "const" | "lateinit" | "operator" | "infix" | "tailrec"
            | "external" | "expect" | "actual" | "annotation" => {
                at += 1;
                continue;
            }
            "enum" => {
                is_enum = true;
                at += 1;
                continue;
            }
            "fun" if source.text(at + 1) == "interface" => {
                at += 1;
                continue;
            }
            "class" if is_enum => return Seen::Declaration(source.block(begin, 1).0),
            "class" | "interface" | "object" => {
                let name = if source.is_word(at + 1) {
                    source.text(at + 1)
                } else {
                    "companion"
                };
                let end = source.end_within(begin, last, Until::signs(&["{"]));
                return Seen::Type(name.to_owned(), begin..end);
            }
            "typealias" => Until::signs(&[]),
            "constructor" => Until::signs(&["{", ":"]),
            "fun" | "val" | "var" => Until::signs(&["{", "="]),
            "@" => {
                at = source.behind_attributes(at).max(at + 1);
                continue;
            }
            _ => return Seen::Nothing,
        };
        let end = source.end_within(begin, last, until);
        return Seen::Declaration((begin..end).collect());
    }
    Seen::Nothing
}
