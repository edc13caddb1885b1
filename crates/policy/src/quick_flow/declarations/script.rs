//! What JavaScript and TypeScript offer: what they export, in either way of doing so, and what has a name that is exported.

use std::collections::BTreeSet;

use super::members::Members;
use super::source::{Source, Until};

const METHODS: Members = Members {
    until: Until::line(&["{", ";", "="]),
    but: "",
};

pub(super) fn script(source: &mut Source<'_>) {
    let mut names = BTreeSet::new();
    let mut at = 0;
    while at < source.len() {
        let end = match source.text(at) {
            "export" if source.before(at) != "." && !matches!(source.text(at + 1), ":" | "(" | "," | ".") => {
                Some(export(source, at, &mut names))
            }
            "exports" => assigned(source, at, &mut names),
            "Object" if source.text(at + 1) == "." => defined(source, at, &mut names),
            _ => None,
        };
        at = end.unwrap_or(at).max(at + 1);
    }
    declared_elsewhere(source, &names);
}

/// What is declared by a word such as `function` that stands here, with what stands in front of it, and where that ends.
fn item(source: &mut Source<'_>, begin: usize, word: usize) -> Option<usize> {
    let end = match (source.text(word), source.text(word + 1)) {
        ("const", "enum") | ("interface" | "enum" | "namespace" | "module", _) => {
            let (kept, end) = source.block(begin, 2);
            source.declare(kept);
            return Some(end);
        }
        ("const" | "let" | "var", _) => {
            let (kept, end) = source.names(begin, Until::line(&["=", ";"]));
            source.declare(kept);
            return Some(end);
        }
        ("class", name) => {
            let name = if source.is_word(word + 1) { name } else { "class" }.to_owned();
            let end = source.end(begin, Until::signs(&["{", ";"]));
            source.declare(begin..end);
            if source.text(end) == "{" {
                source.members(&name, end, METHODS);
                return Some(source.closing(end));
            }
            return Some(end);
        }
        ("function", _) => source.end(begin, Until::line(&["{", ";"])),
        ("type", "{") => return None,
        ("type", _) => source.end(begin, Until::line(&[";"])),
        _ => return None,
    };
    source.declare(begin..end);
    Some(end)
}

fn export(source: &mut Source<'_>, at: usize, names: &mut BTreeSet<String>) -> usize {
    let word = source.behind_attributes(at + 1);
    let word = source.behind_modifiers(word, "class");
    if let Some(end) = item(source, at, word) {
        return end;
    }
    let end = source.end(at, Until::line(&[";"]));
    value(source, at, word, end, names);
    end
}

/// `exports.a = …`, `module.exports = …`.
fn assigned(source: &mut Source<'_>, at: usize, names: &mut BTreeSet<String>) -> Option<usize> {
    let begin = match source.before(at) {
        "." if at >= 2 && source.before(at - 1) == "module" => at - 2,
        "." => return None,
        _ => at,
    };
    let mut sign = at + 1;
    while source.may_look() {
        match source.text(sign) {
            "." => sign += 2,
            "[" => sign = source.closing(sign) + 1,
            "=" => break,
            _ => return None,
        }
    }
    if source.text(sign + 1) == "class" {
        source.declare(begin..sign);
        return item(source, sign + 1, sign + 1);
    }
    let end = source.end(begin, Until::line(&[";"]));
    value(source, begin, sign + 1, end, names);
    Some(end)
}

/// `Object.defineProperty(exports, …)` and the like.
fn defined(source: &mut Source<'_>, at: usize, names: &mut BTreeSet<String>) -> Option<usize> {
    let is_ours = matches!(source.text(at + 2), "assign" | "defineProperty" | "defineProperties")
        && source.text(at + 3) == "("
        && matches!(
            (source.text(at + 4), source.text(at + 6)),
            ("exports", _) | ("module", "exports")
        );
    if !is_ours {
        return None;
    }
    let end = source.closing(at + 3) + 1;
    value(source, at, at, end, names);
    Some(end)
}

/// A value that is exported: a function without its body, anything else without the bodies in it.
fn value(source: &mut Source<'_>, begin: usize, value: usize, end: usize, names: &mut BTreeSet<String>) {
    if let Some(body) = source.function_value(value) {
        source.declare(begin..body);
        return;
    }
    let mut kept = Vec::new();
    let mut braces = 0_usize;
    let mut at = begin;
    while at < end {
        let sign = source.text(at);
        if sign == "{" && (braces > 0 || matches!(source.before(at), ")" | "=>")) {
            at = source.closing(at).max(at) + 1;
            continue;
        }
        match sign {
            "{" => braces += 1,
            "}" => braces = braces.saturating_sub(1),
            _ => {}
        }
        if source.is_word(at) {
            names.insert(sign.to_owned());
        }
        kept.push(at);
        at += 1;
    }
    source.declare(kept);
}

/// What stands at the top of the file and has one of these names.
fn declared_elsewhere(source: &mut Source<'_>, names: &BTreeSet<String>) {
    let mut open = 0_usize;
    let mut at = 0;
    while at < source.len() {
        match source.text(at) {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            "function" | "class" | "const" | "let" | "var" | "interface" | "enum" | "type"
                if open == 0 && names.contains(source.text(at + 1)) =>
            {
                let begin = source.first_modifier(at);
                if !matches!(source.before(begin), "export" | "." | "=" | "import") {
                    // What stands in it goes on being counted.
                    item(source, begin, at);
                }
            }
            _ => {}
        }
        at += 1;
    }
}
