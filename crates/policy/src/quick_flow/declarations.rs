//! What a source file offers to others, as far as its lines tell.
//!
//! No parser: a line that begins a public declaration is found by its first words, and taken up to where its body begins. What
//! is private, or stands in a body, is not looked at. Options of a command line are offered wherever they stand. Where that errs it
//! finds too much rather than too little.

use std::collections::BTreeMap;

use ledger_core::RepoPath;

use super::indented::indented;
use super::options::options;
use crate::changes::is_migration;

/// The most characters of one declaration, its body among them, and of all those of a file that are looked at. Where there are
/// more, nobody can tell what is offered.
const MAX_DECLARATION: usize = 1 << 20;
const MAX_DECLARATIONS: usize = 8 << 20;

/// What stands for the declarations of a file in which there is too much to tell.
const TOO_MUCH: &str = "more than can be compared";

/// The public declarations that differ between the two sides of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicApiChange {
    /// Those that only the new side has, in the order of their bytes. A changed signature is both added and removed.
    pub added: Vec<String>,
    /// Those that only the old side has.
    pub removed: Vec<String>,
}

impl PublicApiChange {
    /// Whether both sides offer the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Languages whose public declarations are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Script,
    Python,
    Go,
    /// Those that write `public` in front: Java, C#, PHP, Swift.
    Public,
    Kotlin,
    Ruby,
}

fn language_of(path: &RepoPath) -> Option<Language> {
    let name = path.file_name().to_ascii_lowercase();
    let name = std::str::from_utf8(&name).unwrap_or_default();
    Some(match name.rsplit_once('.')?.1 {
        "rs" => Language::Rust,
        "ts" | "tsx" | "mts" | "cts" | "js" | "jsx" | "mjs" | "cjs" => Language::Script,
        "py" => Language::Python,
        "go" => Language::Go,
        "java" | "cs" | "php" | "swift" => Language::Public,
        "kt" => Language::Kotlin,
        "rb" => Language::Ruby,
        _ => return None,
    })
}

/// Whether what a file of this name offers to others can be told from its content. Classes of Ruby's migrations are called by their
/// framework alone, and that they change how data is stored is told by their path.
pub fn has_public_api(path: &RepoPath) -> bool {
    match language_of(path) {
        None => false,
        Some(Language::Ruby) if is_migration(path) => false,
        Some(_) => !super::paths::is_test(path),
    }
}

/// What a change does to the declarations that a source file offers to others, the options and commands of its command line among them;
/// none: the file is a test, or of no language that is known. A side that is not there offers nothing.
///
/// ```
/// use counterfoil_policy::public_api_change;
/// let path = "src/lib.rs".parse().unwrap();
/// let change = public_api_change(&path, Some(b"pub fn a() {\n    1\n}\n"), Some(b"pub fn a() {\n    2\n}\npub fn b() {}\n")).unwrap();
/// assert_eq!((change.added, change.removed), (vec!["pub fn b()".to_owned()], vec![]));
/// ```
pub fn public_api_change(path: &RepoPath, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<PublicApiChange> {
    if !has_public_api(path) {
        return None;
    }
    let language = language_of(path)?;
    let offered = |side: Option<&[u8]>| match side {
        Some(bytes) => declarations(language, &String::from_utf8_lossy(bytes)),
        None => Some(BTreeMap::new()),
    };
    let (Some(old), Some(new)) = (offered(before), offered(after)) else {
        return Some(PublicApiChange {
            added: vec![TOO_MUCH.to_owned()],
            removed: Vec::new(),
        });
    };
    // A name that two types share stands twice, so it is counted.
    let only_in = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
        one.iter()
            .filter(|(text, count)| other.get(*text).copied().unwrap_or(0) < **count)
            .map(|(text, _)| text.clone())
            .collect()
    };
    Some(PublicApiChange {
        added: only_in(&new, &old),
        removed: only_in(&old, &new),
    })
}

/// How far a declaration reaches.
pub(super) enum Reach {
    /// To the end of its line.
    Line,
    /// To the first of these outside of brackets.
    Until(&'static [char]),
    /// To the end of its block, without what stands in more braces than this.
    Block(usize),
}

/// How often each declaration stands in a file; none: there is too much in it.
fn declarations(language: Language, text: &str) -> Option<BTreeMap<String, usize>> {
    let mut left = MAX_DECLARATIONS;
    let declared = match language {
        Language::Python => python(text, &mut left)?,
        Language::Kotlin | Language::Ruby => indented(language, text, &mut left)?,
        _ => by_first_words(language, text, &mut left)?,
    };
    let mut found = BTreeMap::new();
    for declaration in declared.into_iter().chain(options(language, text)) {
        *found.entry(declaration).or_default() += 1;
    }
    Some(found)
}

/// Declarations of languages in which the first words of a line say that others see it.
fn by_first_words(language: Language, text: &str, left: &mut usize) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut exported_macro = false;
    let mut command_line = false;
    let mut group = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = &text[start..];
        start += line.len();
        let trimmed = line.trim();
        let reach = match language {
            Language::Rust => {
                command_line |= trimmed.starts_with("#[derive(") && derives_command_line(rest);
                let is_type = |line: &str| {
                    let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
                    line.starts_with("struct ") || line.starts_with("enum ")
                };
                let reach = if exported_macro && trimmed.starts_with("macro_rules!") {
                    Some(Reach::Until(&['{', ';']))
                } else if command_line && is_type(trimmed) {
                    // Its fields and variants are what people write, whether or not other code sees them.
                    command_line = false;
                    Some(Reach::Block(2))
                } else {
                    rust(trimmed)
                };
                // Attributes and comments may stand between the two.
                exported_macro = trimmed.starts_with("#[macro_export")
                    || (exported_macro && (trimmed.starts_with('#') || trimmed.starts_with("//")));
                reach
            }
            Language::Script => script(trimmed),
            Language::Go => {
                let reach = go(line, group);
                group = match trimmed {
                    "const (" | "var (" | "type (" => true,
                    ")" => false,
                    _ => group,
                };
                reach
            }
            Language::Public => public(trimmed),
            Language::Python | Language::Kotlin | Language::Ruby => None,
        };
        if let Some(reach) = reach {
            let declaration = taken(rest.trim_start(), &reach, left)?;
            if !declaration.is_empty() {
                found.push(declaration);
            }
        }
    }
    Some(found)
}

/// The text of a declaration in one line, without comments; none: it takes more characters than are left.
pub(super) fn taken(text: &str, reach: &Reach, left: &mut usize) -> Option<String> {
    let mut kept = String::new();
    let mut comment = false;
    // How many brackets, or braces of a block, are open.
    let mut open = 0_usize;
    let mut characters = text.chars().peekable();
    let mut looked_at = 0_usize;
    while let Some(character) = characters.next() {
        looked_at += 1;
        *left = left.checked_sub(1)?;
        if looked_at > MAX_DECLARATION {
            return None;
        }
        let next = characters.peek().copied();
        comment = (comment && character != '\n') || (character == '/' && next == Some('/'));
        match reach {
            Reach::Line if character == '\n' => break,
            // A blank line ends what no sign ends.
            Reach::Until(_) if open == 0 && character == '\n' && next == Some('\n') => break,
            _ if comment => continue,
            Reach::Line => kept.push(character),
            Reach::Until(ends) => {
                let is_arrow = character == '=' && matches!(next, Some('>' | '='));
                if open == 0 && !is_arrow && ends.contains(&character) {
                    break;
                }
                match character {
                    '(' | '[' | '{' => open += 1,
                    ')' | ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                kept.push(character);
            }
            Reach::Block(depth) => {
                let is_end = match character {
                    // A declaration that has no block after all.
                    ';' => open == 0,
                    '}' => {
                        open = open.saturating_sub(1);
                        open == 0
                    }
                    _ => false,
                };
                if is_end {
                    break;
                }
                if open <= *depth {
                    kept.push(character);
                }
                if character == '{' {
                    open += 1;
                }
            }
        }
    }
    Some(match reach {
        Reach::Block(1) => members(&kept),
        _ => kept.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Of a class or trait: what its members are called and take, without what others cannot see and without values.
fn members(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| {
        !["private ", "protected ", "internal ", "#", "@", "*", "/*"]
            .iter()
            .any(|hidden| line.starts_with(hidden))
    });
    let mut words = Vec::new();
    for line in lines {
        // A value, but no type that stands in brackets.
        let shown = match line.split_once(" = ") {
            Some((before, _)) if !before.contains(['<', '(']) => before,
            _ => line,
        };
        words.extend(shown.split_whitespace());
    }
    words.join(" ")
}

/// Whether a text begins with a derive that makes a type the description of a command line.
fn derives_command_line(text: &str) -> bool {
    let Some(list) = text.trim_start().strip_prefix("#[derive(") else {
        return false;
    };
    let list: String = list.chars().take(500).take_while(|c| *c != ')').collect();
    list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| {
        matches!(
            word,
            "Parser" | "Subcommand" | "Args" | "ValueEnum" | "StructOpt" | "FromArgs" | "Bpaf"
        )
    })
}

fn rust(line: &str) -> Option<Reach> {
    let mut words = line.strip_prefix("pub ")?.split_whitespace().peekable();
    loop {
        return Some(match words.next()? {
            "async" | "unsafe" | "default" => continue,
            "const"
                if words
                    .peek()
                    .is_some_and(|next| matches!(*next, "fn" | "unsafe" | "async")) =>
            {
                continue;
            }
            "extern" if words.peek().is_some_and(|next| next.starts_with('"') || *next == "fn") => {
                words.next_if(|next| next.starts_with('"'));
                continue;
            }
            "fn" | "mod" | "struct" | "union" | "macro" => Reach::Until(&['{', ';']),
            "const" | "static" => Reach::Until(&['=', ';']),
            "type" | "use" | "extern" => Reach::Until(&[';']),
            "enum" => Reach::Block(2),
            "trait" | "auto" => Reach::Block(1),
            _ => Reach::Line,
        });
    }
}

fn script(line: &str) -> Option<Reach> {
    if line.starts_with("module.exports") || line.starts_with("exports.") {
        return Some(if line.ends_with('{') {
            Reach::Block(1)
        } else {
            Reach::Line
        });
    }
    let rest = line.strip_prefix("export")?;
    if !rest.starts_with([' ', '{', '*']) {
        return None;
    }
    let mut words = rest.split_whitespace().peekable();
    loop {
        return Some(match words.next()? {
            "default" | "declare" | "abstract" | "async" => match words.peek() {
                Some(_) => continue,
                None => Reach::Line,
            },
            "const" if words.peek() == Some(&"enum") => Reach::Block(2),
            "function" | "function*" => Reach::Until(&['{', ';']),
            "interface" | "enum" | "namespace" => Reach::Block(2),
            "class" => Reach::Block(1),
            "type" => Reach::Until(&[';']),
            "const" | "let" | "var" => Reach::Until(&['=', ';', '\n']),
            word if word.starts_with('{') => Reach::Until(&[';', '\n']),
            _ => Reach::Line,
        });
    }
}

fn go(line: &str, in_group: bool) -> Option<Reach> {
    let is_exported = |name: &str| name.starts_with(char::is_uppercase);
    if let Some(rest) = line.strip_prefix("func ") {
        let name = match rest.strip_prefix('(') {
            Some(method) => method.split_once(')')?.1.trim_start(),
            None => rest,
        };
        return is_exported(name).then_some(Reach::Until(&['{', '\n']));
    }
    if let Some(rest) = line.strip_prefix("type ") {
        let block = line.trim_end().ends_with('{');
        return is_exported(rest).then_some(if block { Reach::Block(2) } else { Reach::Line });
    }
    let name = line.strip_prefix("var ").or_else(|| line.strip_prefix("const "));
    let name = name.or_else(|| line.strip_prefix('\t').filter(|_| in_group))?;
    is_exported(name).then_some(Reach::Until(&['=', '\n']))
}

fn public(line: &str) -> Option<Reach> {
    let rest = line.strip_prefix("public ").or_else(|| line.strip_prefix("open "))?;
    let is_open = rest
        .split_whitespace()
        .take(4)
        .any(|word| matches!(word, "interface" | "enum" | "protocol"));
    Some(if is_open {
        Reach::Block(1)
    } else {
        Reach::Until(&['{', ';', '=', '\n'])
    })
}

/// Module-level names and methods of module-level classes, without those that begin with `_`.
fn python(text: &str, left: &mut usize) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut class: Option<(String, Option<usize>)> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = &text[start..];
        start += line.len();
        let code = line.trim();
        if code.is_empty() || code.starts_with(['#', ')', ']', '}', '@']) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let is_function = code.starts_with("def ") || code.starts_with("async def ");
        let mut signature = || taken(rest.trim_start(), &Reach::Until(&[':']), left);
        if indent > 0 {
            if let Some((name, inner)) = &mut class
                && *inner.get_or_insert(indent) == indent
                && is_function
                && !is_private(code)
            {
                found.push(format!("{name}: {}", signature()?));
            }
            continue;
        }
        class = None;
        if is_function && !is_private(code) {
            found.push(signature()?);
        } else if let Some(name) = code.strip_prefix("class ") {
            if !name.starts_with('_') {
                let header = signature()?;
                found.push(header.clone());
                class = Some((header, None));
            }
        } else if code.starts_with("__all__") {
            found.push(taken(rest, &Reach::Until(&['\n']), left)?);
        } else if let Some(name) = python_name(code) {
            found.push(name.to_owned());
        }
    }
    Some(found)
}

fn is_private(function: &str) -> bool {
    let name = function.trim_start_matches("async ").trim_start_matches("def ");
    // What a class does when it is made or used is seen by others.
    name.trim_start().starts_with('_') && !name.trim_start().starts_with("__")
}

/// The name that a module-level line gives a value or a type.
fn python_name(code: &str) -> Option<&str> {
    let end = code.find(|character: char| !character.is_alphanumeric() && character != '_')?;
    let (name, rest) = code.split_at(end);
    let rest = rest.trim_start();
    let is_assigned = rest.starts_with(':') || (rest.starts_with('=') && !rest.starts_with("=="));
    let is_word = matches!(name, "else" | "try" | "finally" | "lambda");
    (is_assigned && !is_word && !name.is_empty() && !name.starts_with('_')).then_some(name)
}
