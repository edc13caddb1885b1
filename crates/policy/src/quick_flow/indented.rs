//! What Kotlin and Ruby offer to others, where nothing in front of a declaration says so and its place does: what stands in the file or
//! in a type is seen, what stands in a function is not. Places are told by indentation.

use super::declarations::{Language, Reach, taken};

/// What a line is to others.
enum Seen {
    /// Nothing, nor is anything in it.
    Nothing,
    /// A declaration, up to here. What stands in it is not seen.
    Declaration(Reach),
    /// A type of this name, whose members are seen.
    Type(String, Reach),
    /// What follows in the same type is seen, or is not.
    Following(bool),
}

/// Lines that stand deeper than this one belong to it.
struct Block {
    indent: usize,
    /// The type that it is; none: it is none, or nobody sees it.
    name: Option<String>,
    /// Whether members that follow are seen.
    shows: bool,
}

/// The public declarations; none: they take more characters than are left.
pub(super) fn indented(language: Language, text: &str, left: &mut usize) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut open: Vec<Block> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = text.get(start..)?;
        start += line.len();
        let code = line.trim();
        let is_end = code.starts_with([')', ']', '}']) || code == "end";
        if code.is_empty() || is_end || ["#", "//", "/*", "*"].iter().any(|sign| code.starts_with(sign)) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        while open.last().is_some_and(|block| block.indent >= indent) {
            open.pop();
        }
        let seen = match language {
            Language::Ruby => ruby(code),
            _ => kotlin(code),
        };
        if let Seen::Following(shows) = seen {
            if let Some(block) = open.last_mut() {
                block.shows = shows;
            }
            continue;
        }
        let is_shown = open.last().is_none_or(|block| block.name.is_some() && block.shows);
        let mut name = None;
        if is_shown && let Seen::Declaration(reach) | Seen::Type(_, reach) = &seen {
            let owner = open.last().and_then(|block| block.name.as_deref());
            let owner = owner.map_or(String::new(), |owner| format!("{owner}: "));
            found.push(format!("{owner}{}", taken(rest.trim_start(), reach, left)?));
            if let Seen::Type(own, _) = seen {
                name = Some(own);
            }
        }
        open.push(Block {
            indent,
            name,
            shows: true,
        });
    }
    Some(found)
}

fn kotlin(code: &str) -> Seen {
    let mut words = code.split_whitespace().peekable();
    let mut is_enum = false;
    while let Some(word) = words.next() {
        return match word {
            "private" | "internal" | "protected" => Seen::Nothing,
            "public" | "open" | "abstract" | "final" | "override" | "suspend" | "inline" | "data" | "sealed"
            | "value" | "inner" | "companion" | "const" | "lateinit" | "operator" | "infix" | "tailrec"
            | "external" | "expect" | "actual" | "annotation" => continue,
            "enum" => {
                is_enum = true;
                continue;
            }
            "fun" if words.peek() == Some(&"interface") => continue,
            "class" if is_enum => Seen::Declaration(Reach::Block(1)),
            "class" | "interface" | "object" => {
                let name = words.next().map(first_name).filter(|name| !name.is_empty());
                Seen::Type(name.unwrap_or("companion").to_owned(), Reach::Until(&['{', '\n']))
            }
            "typealias" => Seen::Declaration(Reach::Line),
            "fun" | "val" | "var" => Seen::Declaration(Reach::Until(&['{', '=', '\n'])),
            annotation if annotation.starts_with('@') => continue,
            _ => Seen::Nothing,
        };
    }
    Seen::Nothing
}

fn ruby(code: &str) -> Seen {
    let (word, rest) = code.split_once([' ', '\t']).unwrap_or((code, ""));
    match word {
        "private" | "protected" if rest.is_empty() || rest.starts_with('#') => Seen::Following(false),
        "public" if rest.is_empty() || rest.starts_with('#') => Seen::Following(true),
        "class" | "module" => {
            let name = first_name(rest.trim_start_matches(['<', ' ']));
            Seen::Type(name.to_owned(), Reach::Until(&['\n', ';', '#']))
        }
        "def" | "attr_reader" | "attr_writer" | "attr_accessor" | "alias_method" | "alias" | "delegate" => {
            Seen::Declaration(Reach::Until(&['\n', ';', '#']))
        }
        name if name.starts_with(char::is_uppercase) && first_name(name) == name && is_assigned(rest) => {
            Seen::Declaration(Reach::Until(&['=', '\n']))
        }
        _ => Seen::Nothing,
    }
}

fn is_assigned(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with('=') && !rest.starts_with("==")
}

/// The name that a text begins with.
fn first_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
    text.get(..end.unwrap_or(text.len()))
        .unwrap_or_default()
        .trim_end_matches(':')
}
