//! Functions that are no tests, but that tests may call.

use std::ops::Range;

use super::tests_of::braces;
use super::{Function, Kind, Language, Structure};

/// So many tokens are looked at for the rest of a head.
const LONGEST_HEAD: usize = 20;

/// What may stand where the name of a function of its own would.
const NO_NAMES: [&str; 12] = [
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "with",
    "return",
    "new",
    "throw",
    "else",
    "do",
    "synchronized",
];

/// The functions outside of tests, without those inside of others.
pub(super) fn find<'a>(file: &Structure<'a>) -> Vec<Function<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < file.tokens.len() {
        let function = file.test_of(at).is_none().then(|| function(file, at)).flatten();
        at = function
            .as_ref()
            .map_or(at + 1, |function| function.range.end.max(at + 1));
        found.extend(function);
    }
    found
}

fn function<'a>(file: &Structure<'a>, at: usize) -> Option<Function<'a>> {
    let (name, end) = match file.language {
        Language::Rust if file.is(at, "fn") => (file.word(at + 1)?, braces(file, at).end),
        Language::Rust if file.are(at, &["macro_rules", "!"]) => (file.word(at + 2)?, file.group_end(at + 3)),
        Language::Go if file.is(at, "func") => {
            // A method has its receiver in between.
            let has_receiver = file.is(at + 1, "(");
            let name = if has_receiver { file.group_end(at + 1) } else { at + 1 };
            (file.word(name)?, braces(file, name + 1).end)
        }
        Language::Python if file.is(at, "def") => (file.word(at + 1)?, end_of_indentation(file, at)),
        Language::Kotlin if file.is(at, "fun") => {
            let open = near(file, at, "(")?;
            (file.word(open - 1)?, end_of_body(file, open))
        }
        Language::Jvm => method(file, at)?,
        Language::Script => function_of_script(file, at)?,
        _ => return None,
    };
    Some(Function { name, range: at..end })
}

/// The first of these signs in a head.
fn near(file: &Structure<'_>, at: usize, sign: &str) -> Option<usize> {
    (at + 1..file.tokens.len())
        .take(LONGEST_HEAD)
        .find(|next| file.is(*next, sign))
}

/// The end of a function with these parameters, whose body is a block or an expression.
fn end_of_body(file: &Structure<'_>, parameters: usize) -> usize {
    let head = file.group_end(parameters);
    let begin = (head..file.tokens.len())
        .take(LONGEST_HEAD)
        .find(|at| file.is(*at, "{") || file.is(*at, "="));
    match begin {
        Some(at) if file.is(at, "{") => file.group_end(at),
        Some(at) if file.is(at + 1, "{") => file.group_end(at + 1),
        Some(at) => file.line_end(at),
        None => head,
    }
}

fn end_of_indentation(file: &Structure<'_>, at: usize) -> usize {
    let first = if file.is_before(at, "async") { at - 1 } else { at };
    let column = file.token(first).map_or(0, |token| token.column);
    let is_out = |at: &usize| file.begins_statement(*at) && file.token(*at).is_some_and(|token| token.column <= column);
    let mut below = at + 1..file.tokens.len();
    below.find(is_out).unwrap_or(file.tokens.len())
}

/// `Type name(…) {`, `Type name(…) throws A {`, `def name(…) = …`: a type or a modifier stands before the name.
fn method<'a>(file: &Structure<'a>, at: usize) -> Option<(&'a str, usize)> {
    let before = at.checked_sub(1).and_then(|before| file.token(before))?;
    let is_declared = match before.kind {
        Kind::Word => !NO_NAMES.contains(&before.text),
        Kind::Sign => matches!(before.text, ">" | "]"),
        Kind::Number | Kind::Text => false,
    };
    let name = file.word(at).filter(|name| !NO_NAMES.contains(name))?;
    if !is_declared || !file.is(at + 1, "(") {
        return None;
    }
    let head = file.group_end(at + 1);
    let has_body = before.is("def") || file.is(head, "{") || file.is(head, "throws");
    has_body.then(|| (name, end_of_body(file, at + 1)))
}

/// `function name(…) {`, `const name = (…) => …`, `name(…) {`
fn function_of_script<'a>(file: &Structure<'a>, at: usize) -> Option<(&'a str, usize)> {
    let word = file.word(at)?;
    match word {
        "function" => {
            let name = if file.is(at + 1, "*") { at + 2 } else { at + 1 };
            Some((file.word(name)?, braces(file, name).end))
        }
        "const" | "let" | "var" => {
            let name = file.word(at + 1)?;
            let mut value = near(file, at, "=")? + 1;
            if file.is(value, "async") {
                value += 1;
            }
            if file.is(value, "function") {
                return Some((name, braces(file, value).end));
            }
            let head = if file.is(value, "(") {
                file.group_end(value)
            } else {
                value
            };
            let arrow = near(file, head.checked_sub(1)?, "=>")?;
            // Another value than an arrow, with an arrow behind it.
            if (head..arrow).any(|at| ["(", ";", "=", "."].iter().any(|sign| file.is(at, sign))) {
                return None;
            }
            let is_block = file.is(arrow + 1, "{");
            let end = if is_block {
                file.group_end(arrow + 1)
            } else {
                file.line_end(arrow)
            };
            Some((name, end))
        }
        _ => {
            let head = file.is(at + 1, "(").then(|| file.group_end(at + 1))?;
            let is_method = !NO_NAMES.contains(&word) && !file.is_before(at, ".") && !file.is_before(at, "new");
            let has_body = file.is(head, "{") || (file.is(head, ":") && is_return_type(file, head));
            (is_method && has_body).then(|| (word, end_of_body(file, at + 1)))
        }
    }
}

/// Whether what follows a `:` is a type, and a block follows that.
fn is_return_type(file: &Structure<'_>, colon: usize) -> bool {
    let is_of_type = |at: &usize| {
        let is_word = file.word(*at).is_some_and(|word| !NO_NAMES.contains(&word));
        is_word || ["<", ">", "[", "]", "|", "."].iter().any(|sign| file.is(*at, sign))
    };
    let head: Range<usize> = colon + 1..file.tokens.len();
    let end = head.take(LONGEST_HEAD).find(|at| !is_of_type(at));
    end.is_some_and(|end| end > colon + 1 && file.is(end, "{"))
}
