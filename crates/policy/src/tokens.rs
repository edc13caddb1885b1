//! Source text as words, numbers, texts and signs: comments are gone, and how it is laid out no longer counts.

mod texts;

use self::texts::text_at;

/// How a language writes comments, texts and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    /// JavaScript and TypeScript.
    Script,
    Python,
    Go,
    /// Java and its kin.
    Jvm,
    Kotlin,
    Swift,
    CSharp,
    Php,
    /// Others in which `#` begins a comment.
    Hash,
    /// All others.
    Other,
}

impl Language {
    /// That of a file with this extension in lower case; none: not of source text that anybody knows.
    pub(crate) fn of(extension: &str) -> Option<Self> {
        Some(match extension {
            "rs" => Self::Rust,
            "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" => Self::Script,
            "py" | "pyi" => Self::Python,
            "go" => Self::Go,
            "java" | "groovy" | "scala" => Self::Jvm,
            "kt" | "kts" => Self::Kotlin,
            "swift" => Self::Swift,
            "cs" => Self::CSharp,
            "php" => Self::Php,
            "rb" | "sh" | "bash" | "bats" | "pl" | "t" | "ex" | "exs" | "jl" | "r" | "nim" => Self::Hash,
            "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "fs" | "dart" | "lua" | "m" | "mm" | "zig" | "hs" | "ml"
            | "clj" | "erl" => Self::Other,
            _ => return None,
        })
    }

    /// Whether nobody knows how it writes tests.
    pub(crate) fn has_unknown_tests(self) -> bool {
        matches!(self, Self::Hash | Self::Other | Self::Swift | Self::CSharp | Self::Php)
    }

    fn has_hash_comments(self) -> bool {
        matches!(self, Self::Python | Self::Hash)
    }

    fn has_slash_comments(self) -> bool {
        !self.has_hash_comments()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    Text,
    Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// The line that it begins in, counted from 1.
    pub(crate) line: u64,
    /// The line that it ends in.
    pub(crate) end_line: u64,
    /// The byte in the line that it begins at.
    pub(crate) column: usize,
}

impl Token<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text && self.kind != Kind::Text
    }

    /// The value of a number.
    pub(crate) fn value(&self) -> Option<f64> {
        if self.kind != Kind::Number {
            return None;
        }
        let plain = self.text.replace('_', "");
        if plain.starts_with("0x") || plain.starts_with("0b") || plain.starts_with("0o") {
            return None;
        }
        let suffix = |c: char| c.is_alphabetic();
        let digits = plain.trim_end_matches(|c: char| c.is_ascii_digit());
        // `1.5f32` and `10u8` end in a type, `1e5` does not.
        let typed = digits.trim_end_matches(suffix);
        let bare = plain.get(..typed.len()).unwrap_or_default();
        plain
            .parse()
            .or_else(|_| plain.trim_end_matches(suffix).parse())
            .or_else(|_| bare.parse())
            .ok()
    }
}

/// Signs of two characters that mean something else than the two.
const PAIRS: [&str; 12] = ["::", "->", "=>", "<=", ">=", "==", "!=", "&&", "||", "?.", "<<", ".."];

/// The tokens of a text. Total: whatever does not end, ends with the line or the text.
pub(crate) fn tokens(text: &str, language: Language) -> Vec<Token<'_>> {
    tokens_and_unclosed(text, language).0
}

/// The same, with the rest of the text from where a comment or a text begins that is never closed. Who errs about how a language writes
/// them ends there.
pub(crate) fn tokens_and_unclosed(text: &str, language: Language) -> (Vec<Token<'_>>, Option<&str>) {
    let mut lexer = Lexer {
        text,
        language,
        at: 0,
        line: 1,
        line_start: 0,
        found: Vec::new(),
        heads: Vec::new(),
        is_behind_head: false,
        unclosed: None,
    };
    while lexer.step() {}
    (lexer.found, lexer.unclosed.and_then(|begin| text.get(begin..)))
}

struct Lexer<'a> {
    text: &'a str,
    language: Language,
    at: usize,
    line: u64,
    line_start: usize,
    found: Vec<Token<'a>>,
    /// For each `(` that is open, whether a statement goes on behind it.
    heads: Vec<bool>,
    /// Whether the last `)` closed such a one.
    is_behind_head: bool,
    /// Where something begins that is never closed.
    unclosed: Option<usize>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if first.is_whitespace() {
            self.pass(first.len_utf8());
        } else if let Some(length) = self.comment(rest) {
            self.pass(length);
        } else if let Some(length) = self.quoted(rest) {
            self.take(Kind::Text, length);
        } else if first.is_ascii_digit() {
            self.take(Kind::Number, number(rest));
        } else if is_of_word(first) {
            self.take(Kind::Word, rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
        } else {
            self.count_heads(first);
            let pair = PAIRS.iter().find(|pair| rest.starts_with(**pair));
            self.take(Kind::Sign, pair.map_or(first.len_utf8(), |pair| pair.len()));
        }
        true
    }

    /// Goes on by so many bytes, counting lines.
    fn pass(&mut self, length: usize) {
        let passed = self.rest().get(..length).unwrap_or_default();
        for (index, _) in passed.match_indices('\n') {
            self.line += 1;
            self.line_start = self.at + index + 1;
        }
        // Never stands still.
        self.at += length.max(1);
    }

    fn take(&mut self, kind: Kind, length: usize) {
        let (start, line, column) = (self.at, self.line, self.at.saturating_sub(self.line_start));
        self.pass(length);
        self.found.push(Token {
            kind,
            text: self.text.get(start..start + length).unwrap_or_default(),
            line,
            end_line: self.line,
            column,
        });
    }

    /// The length of what begins here, which is that of all the rest where it is never closed.
    fn closed(&mut self, length: Option<usize>) -> usize {
        length.unwrap_or_else(|| {
            self.unclosed = Some(self.at);
            self.rest().len()
        })
    }

    fn comment(&mut self, rest: &str) -> Option<usize> {
        let line = || rest.find('\n').unwrap_or(rest.len());
        match self.language {
            Language::Php => {
                if let Some(length) = php_comment(rest, self.at == 0) {
                    return Some(length);
                }
            }
            // `#region` and the like are for nobody but the compiler.
            Language::CSharp => {
                let begins_line = self.found.last().is_none_or(|last| last.end_line < self.line);
                if rest.starts_with('#') && begins_line {
                    return Some(line());
                }
            }
            _ => {}
        }
        if self.language.has_slash_comments() {
            // Go is told in such whether a file is built, and with what.
            let is_told = self.language == Language::Go && (rest.starts_with("//go:") || output(rest).is_some());
            if rest.starts_with("//") && !is_told {
                return Some(line());
            }
            if rest.starts_with("/*") {
                let length = self.block_comment(rest);
                return Some(self.closed(length));
            }
        }
        // `$#`, `${#a}` and `a#b` are none in shells and their kin.
        let follows = self.text.as_bytes().get(self.at.wrapping_sub(1));
        let begins = self.language == Language::Python || follows.is_none_or(u8::is_ascii_whitespace);
        (self.language.has_hash_comments() && rest.starts_with('#') && begins).then(line)
    }

    fn block_comment(&self, rest: &str) -> Option<usize> {
        let nests = matches!(self.language, Language::Rust | Language::Kotlin | Language::Swift);
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(found) = rest.get(at..).and_then(|rest| rest.find(['*', '/'])) {
            at += found;
            let rest = rest.get(at..).unwrap_or_default();
            if rest.starts_with("/*") && (depth == 0 || nests) {
                depth += 1;
                at += 2;
            } else if rest.starts_with("*/") {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            } else {
                at += 1;
            }
        }
        None
    }

    /// How long a text is that begins here.
    fn count_heads(&mut self, sign: char) {
        let is_head = |last: &Token<'_>| matches!(last.text, "if" | "while" | "for" | "with");
        match sign {
            '(' => self.heads.push(self.found.last().is_some_and(is_head)),
            ')' => self.is_behind_head = self.heads.pop().unwrap_or_default(),
            _ => {}
        }
    }

    fn quoted(&mut self, rest: &str) -> Option<usize> {
        let is_script = self.language == Language::Script;
        if let Some(length) = output(rest).filter(|_| self.language == Language::Go) {
            return Some(length);
        }
        let length = match text_at(rest, self.language, 0) {
            Some(length) => length,
            None if is_script && rest.starts_with('/') && self.may_begin_a_pattern() => Some(pattern(rest)?),
            None => return None,
        };
        Some(self.closed(length))
    }

    /// Whether `/` begins a regular expression here, rather than divides.
    fn may_begin_a_pattern(&self) -> bool {
        self.found.last().is_none_or(|last| match last.kind {
            Kind::Sign if last.text == ")" => self.is_behind_head,
            Kind::Sign => !matches!(last.text, "]" | "}"),
            Kind::Word => matches!(
                last.text,
                "return"
                    | "typeof"
                    | "case"
                    | "in"
                    | "of"
                    | "else"
                    | "do"
                    | "throw"
                    | "void"
                    | "delete"
                    | "yield"
                    | "await"
            ),
            Kind::Number | Kind::Text => false,
        })
    }
}

/// The length of the comment that tells Go what an example prints, with the lines of comments below it.
fn output(rest: &str) -> Option<usize> {
    let head: String = rest.strip_prefix("//")?.chars().take(40).collect();
    let head = head.trim_start().to_ascii_lowercase();
    let mut lines = rest.split_inclusive('\n');
    let first = lines.next()?;
    if !head.starts_with("output:") && !head.starts_with("unordered output:") {
        return None;
    }
    let below = lines.take_while(|line| line.trim_start().starts_with("//"));
    let length = first.len() + below.map(str::len).sum::<usize>();
    rest.get(..length).map(|comment| comment.trim_end().len())
}

/// A comment of PHP in one line, which the code ends with as well, or what stands outside of the code.
fn php_comment(rest: &str, is_file: bool) -> Option<usize> {
    let is_line = rest.starts_with("//") || (rest.starts_with('#') && !rest.starts_with("#["));
    if is_line {
        let line = rest.split('\n').next()?;
        return Some(line.find("?>").unwrap_or(line.len()));
    }
    if !is_file && !rest.starts_with("?>") {
        return None;
    }
    let mut begins = rest.match_indices("<?");
    let code = begins.find(|(at, _)| !rest.get(at + 2..).is_some_and(|rest| rest.starts_with("xml")));
    match code {
        Some((at, mark)) => Some(at + mark.len()),
        // What never says that it is code may be a part of it.
        None => (!is_file).then_some(rest.len()),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is = |at: usize, test: fn(&u8) -> bool| bytes.get(at).is_some_and(test);
    let mut at = 1;
    loop {
        let exponent = |at: usize| {
            is(at - 1, |b| matches!(b, b'e' | b'E')) && is(at, |b| matches!(b, b'+' | b'-')) && !rest.starts_with("0x")
        };
        if is(at, |b| b.is_ascii_alphanumeric() || *b == b'_') {
            at += 1;
        } else if (is(at, |b| *b == b'.') || exponent(at)) && is(at + 1, u8::is_ascii_digit) {
            at += 2;
        } else {
            return at;
        }
    }
}

/// The most characters of a regular expression: a long line of what could begin one is not looked through for each of them.
const MAX_PATTERN: usize = 500;

fn pattern(body: &str) -> Option<usize> {
    let (mut in_class, mut escaped) = (false, false);
    for (at, c) in body.char_indices().skip(1).take(MAX_PATTERN) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return Some(at + 1),
            _ => {}
        }
    }
    None
}
