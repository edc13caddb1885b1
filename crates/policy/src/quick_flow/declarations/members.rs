//! What types and lists of names declare, in languages that write blocks in braces.

use super::Language;
use super::source::{Source, Until};

/// Words that stand in front of a declaration and say nothing of who sees it.
const MODIFIERS: [&str; 33] = [
    "abstract",
    "async",
    "class",
    "convenience",
    "declare",
    "default",
    "dynamic",
    "extern",
    "final",
    "indirect",
    "lazy",
    "mutating",
    "native",
    "new",
    "nonisolated",
    "nonmutating",
    "override",
    "partial",
    "readonly",
    "required",
    "sealed",
    "static",
    "strictfp",
    "synchronized",
    "transient",
    "unowned",
    "unsafe",
    "virtual",
    "volatile",
    "weak",
    "public",
    "open",
    "accessor",
];

const HIDDEN: [&str; 5] = ["private", "protected", "internal", "fileprivate", "#"];

/// How the members of a type are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members {
    /// Where one ends.
    pub(super) until: Until,
    /// Those that say this are not told with the type: they are found by it.
    pub(super) but: &'static str,
}

pub(super) fn is_modifier(word: &str) -> bool {
    MODIFIERS.contains(&word)
}

pub(super) fn is_hidden(word: &str) -> bool {
    HIDDEN.contains(&word)
}

impl Source<'_> {
    /// Where the modifiers before a word begin.
    pub(super) fn first_modifier(&mut self, at: usize) -> usize {
        let mut first = at;
        while is_modifier(self.before(first)) && !matches!(self.before(first - 1), "." | "@") && self.may_look() {
            first -= 1;
        }
        first
    }

    /// Behind the modifiers that stand here, but for this one.
    pub(super) fn behind_modifiers(&mut self, from: usize, but: &str) -> usize {
        let mut at = from;
        while is_modifier(self.text(at)) && self.text(at) != but && self.may_look() {
            at += 1;
        }
        at
    }

    /// The members of the type whose brace opens here, up to their bodies and values, without those that others cannot see.
    pub(super) fn members(&mut self, owner: &str, brace: usize, how: Members) {
        let mut at = brace + 1;
        while at < self.len() && self.text(at) != "}" {
            let begin = self.behind_attributes(at);
            let mut name = begin;
            let (mut is_hidden_one, mut is_told_elsewhere) = (false, false);
            while (is_modifier(self.text(name)) || is_hidden(self.text(name))) && self.may_look() {
                // `private(set)` hides less than the member.
                is_hidden_one |= is_hidden(self.text(name)) && self.text(name + 1) != "(";
                is_told_elsewhere |= self.text(name) == how.but;
                name += 1;
            }
            let end = self.end(begin, how.until);
            if !is_hidden_one && !is_told_elsewhere {
                let shown = match self.text(end) {
                    // A method of a trait without a body has to be written by others.
                    ";" if self.language == Language::Rust => end + 1,
                    "{" => self.behind_accessors(end),
                    "=" => self.function_value(end + 1).unwrap_or(end),
                    _ => end,
                };
                self.declare_in(owner, begin..shown);
            }
            at = self.behind_body(end, how).max(at + 1);
        }
    }

    /// Behind the body, the value or the sign at which a member ends.
    fn behind_body(&mut self, end: usize, how: Members) -> usize {
        let value = Until {
            signs: &[";", ","],
            ..how.until
        };
        let mut at = end;
        if self.text(at) == "{" {
            at = self.closing(at) + 1;
        }
        if matches!(self.text(at), "=" | "=>") {
            at = self.end(at + 1, value);
        }
        while matches!(self.text(at), ";" | ",") {
            at += 1;
        }
        at
    }

    /// Behind what says no more than which accessors there are, such as `{ get; private set; }`; here, where it is a body.
    pub(super) fn behind_accessors(&mut self, brace: usize) -> usize {
        let close = self.closing(brace);
        let is_said = |at: usize| {
            let word = self.text(at);
            matches!(
                word,
                "get" | "set" | "init" | "add" | "remove" | "async" | "throws" | ";" | "mutating"
            ) || is_hidden(word)
        };
        let inside = brace + 1..close;
        if !inside.is_empty() && inside.clone().all(is_said) {
            close + 1
        } else {
            brace
        }
    }

    /// Names without their values: what others see of `a = 1, b: T = 2`, up to where the list ends.
    pub(super) fn names(&mut self, from: usize, until: Until) -> (Vec<usize>, usize) {
        let mut kept = Vec::new();
        let mut at = from;
        loop {
            let end = self.end(at, until);
            kept.extend(at..end);
            if self.text(end) != "=" {
                return (kept, end);
            }
            if let Some(body) = self.function_value(end + 1) {
                kept.extend(end..body);
            }
            let value = Until {
                signs: &[";", ","],
                ..until
            };
            at = self.end(end + 1, value);
            if self.text(at) != "," {
                return (kept, at);
            }
        }
    }

    /// Where the body of a function begins that is a value of a script: `async (a) => …`, `function (a) {…}`; none: it is none.
    pub(super) fn function_value(&mut self, from: usize) -> Option<usize> {
        if self.language != Language::Script {
            return None;
        }
        let is_async = usize::from(self.text(from) == "async");
        if self.text(from + is_async) == "function" {
            return Some(self.end(from, Until::signs(&["{"])));
        }
        let end = self.end(from, Until::line(&["=>", ";", ","]));
        (self.text(end) == "=>").then_some(end)
    }
}
