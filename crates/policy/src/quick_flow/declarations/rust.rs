//! What Rust offers: whatever is `pub` to everyone, and which traits its types implement.

use std::collections::BTreeSet;
use std::ops::Range;

use super::members::Members;
use super::source::{Source, Until};

const METHODS: Members = Members {
    until: Until::signs(&["{", ";", "="]),
    but: "pub",
};

/// Traits whose derive makes a type the description of a command line.
const COMMAND_LINES: [&str; 7] = [
    "Parser",
    "Subcommand",
    "Args",
    "ValueEnum",
    "StructOpt",
    "FromArgs",
    "Bpaf",
];

pub(super) fn rust(source: &mut Source<'_>) {
    let private = private_types(source);
    let mut attributes: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let end = match source.text(at) {
            "#" => {
                let behind = source.behind_attributes(at).max(at + 1);
                attributes.extend(at..behind);
                at = behind;
                continue;
            }
            "pub" if is_for_everyone(source, at) => Some(public(source, at, &derives(source, &attributes))),
            "struct" | "enum" if is_command_line(&derives(source, &attributes)) => {
                // Its fields and variants are what people write, whether or not other code sees them.
                let (kept, end) = source.block(at, 2);
                source.declare(kept);
                Some(end)
            }
            "macro_rules" if attributes.iter().any(|at| source.text(*at) == "macro_export") => {
                let end = source.end(at, Until::signs(&["{", "(", "[", ";"]));
                source.declare(at..end);
                Some(end)
            }
            "impl" if begins_item(source, at) => {
                let end = source.end(at, Until::signs(&["{", ";"]));
                let names = implemented(source, at..end);
                if names.is_some_and(|names| !names.iter().any(|name| private.is(at, name))) {
                    source.declare(at..end);
                }
                Some(end)
            }
            // What stands between an attribute and its item.
            "pub" | "(" | ")" | "crate" | "super" | "self" | "in" => None,
            _ => {
                attributes.clear();
                None
            }
        };
        if end.is_some() {
            attributes.clear();
        }
        at = end.unwrap_or(at).max(at + 1);
    }
}

/// Whether `pub` is not `pub(crate)` or the like.
fn is_for_everyone(source: &Source<'_>, at: usize) -> bool {
    source.text(at + 1) != "(" || !matches!(source.text(at + 2), "crate" | "super" | "self" | "in")
}

fn begins_item(source: &Source<'_>, at: usize) -> bool {
    matches!(
        source.before(at),
        "" | "{" | "}" | ";" | "]" | ")" | "unsafe" | "default"
    )
}

/// The types and traits that a file declares for itself alone: what is implemented for them, or by them, is not seen.
struct Private<'a> {
    /// The word at which the block begins that each word stands in.
    blocks: Vec<usize>,
    names: BTreeSet<(usize, &'a str)>,
}

impl Private<'_> {
    /// Whether a name means one of those here: what another block declares has nothing to do with it.
    fn is(&self, at: usize, name: &str) -> bool {
        let block = self.blocks.get(at).copied().unwrap_or_default();
        self.names.contains(&(block, name))
    }
}

fn private_types<'a>(source: &Source<'a>) -> Private<'a> {
    let (mut private, mut public) = (BTreeSet::new(), BTreeSet::new());
    let (mut blocks, mut open) = (Vec::new(), vec![0]);
    for at in 0..source.len() {
        match source.text(at) {
            "{" => open.push(at),
            "}" => drop(open.pop()),
            _ => {}
        }
        let block = open.last().copied().unwrap_or_default();
        blocks.push(block);
        if !matches!(source.text(at), "struct" | "enum" | "union" | "trait") || !source.is_word(at + 1) {
            continue;
        }
        let mut first = at;
        while matches!(source.before(first), "unsafe" | "auto") {
            first -= 1;
        }
        if source.before(first) == "pub" {
            public.insert((block, source.text(at + 1)));
        } else {
            private.insert((block, source.text(at + 1)));
        }
    }
    let names = private.difference(&public).copied().collect();
    Private { blocks, names }
}

/// The names of the trait and of the type in the head of an `impl`, those without a path that are no parameters of it; none: it is of no trait.
fn implemented<'a>(source: &Source<'a>, head: Range<usize>) -> Option<Vec<&'a str>> {
    let mut angles = 0_usize;
    let (mut parameters, mut names) = (BTreeSet::new(), Vec::new());
    let (mut last, mut is_of_trait) = (None, false);
    let has_parameters = source.text(head.start + 1) == "<";
    for at in head.start + 1..head.end {
        let text = source.text(at);
        match text {
            "<" => angles += 1,
            ">" => angles = angles.saturating_sub(1),
            "where" if angles == 0 => break,
            // `for<'a>` is none.
            "for" if angles == 0 && source.text(at + 1) != "<" => {
                names.extend(last.take());
                is_of_trait = true;
            }
            _ if !source.is_word(at) => {}
            _ if angles == 0 => last = (source.before(at) != "::").then_some(text),
            // The first angles are those behind `impl`.
            _ if has_parameters && last.is_none() && !is_of_trait => drop(parameters.insert(text)),
            _ => {}
        }
    }
    names.extend(last);
    names.retain(|name| !parameters.contains(name));
    is_of_trait.then_some(names)
}

/// The names of the traits that these attributes derive.
fn derives(source: &Source<'_>, attributes: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_list = false;
    for at in attributes.iter().copied() {
        match source.text(at) {
            "derive" => is_list = true,
            ")" => is_list = false,
            // The last word of a path.
            name if is_list && source.is_word(at) && matches!(source.text(at + 1), "," | ")") => {
                found.push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

fn is_command_line(derived: &[String]) -> bool {
    derived.iter().any(|name| COMMAND_LINES.contains(&name.as_str()))
}

/// A declaration that begins with `pub`, and where it ends.
fn public(source: &mut Source<'_>, at: usize, derived: &[String]) -> usize {
    let mut kind = at + 1;
    loop {
        match (source.text(kind), source.text(kind + 1)) {
            ("async" | "unsafe" | "default" | "safe", _) | ("const", "fn" | "unsafe" | "async" | "extern") => kind += 1,
            // A text in quotes says which.
            ("extern", "") => kind += 2,
            ("extern", "fn") => kind += 1,
            _ => break,
        }
    }
    let name = source.text(kind + 1).to_owned();
    let until = match source.text(kind) {
        "struct" | "enum" | "union" => {
            for of_trait in derived {
                source.declare_text(format!("impl {of_trait} for {name}"));
            }
            if source.text(kind) == "enum" || is_command_line(derived) {
                let (kept, end) = source.block(at, 2);
                source.declare(kept);
                return end;
            }
            Until::signs(&["{", ";"])
        }
        "trait" | "auto" => {
            let end = source.end(at, Until::signs(&["{", ";"]));
            source.declare(at..end);
            if source.text(end) == "{" {
                source.members(&name, end, METHODS);
            }
            return end;
        }
        "fn" | "mod" | "macro" => Until::signs(&["{", ";"]),
        "const" | "static" => Until::signs(&["=", ";"]),
        "type" | "use" | "extern" => Until::signs(&[";"]),
        _ => Until::fields(&[",", ";", "="]),
    };
    let end = source.end(at, until);
    source.declare(at..end);
    end
}
