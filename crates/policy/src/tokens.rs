//! Source text as words, numbers, texts and signs: comments are gone, and how it is laid out no longer counts.

/// How a language writes comments, texts and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    /// JavaScript and TypeScript.
    Script,
    Python,
    Go,
    /// Java, Kotlin and their kin.
    Jvm,
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
            "java" | "kt" | "kts" | "groovy" | "scala" => Self::Jvm,
            "rb" | "sh" | "bash" | "bats" | "pl" | "t" | "ex" | "exs" | "jl" | "r" | "nim" => Self::Hash,
            "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "cs" | "fs" | "swift" | "php" | "dart" | "lua" | "m" | "mm"
            | "zig" | "hs" | "ml" | "clj" | "erl" => Self::Other,
            _ => return None,
        })
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
        if self.language.has_slash_comments() {
            // Go is told in such whether a file is built, and with what.
            let is_told = self.language == Language::Go && rest.starts_with("//go:");
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
        let nests = matches!(self.language, Language::Rust);
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
    fn quoted(&mut self, rest: &str) -> Option<usize> {
        use Language::{Go, Jvm, Python, Rust, Script};
        if let (Rust, Some(length)) = (self.language, raw_text(rest)) {
            return Some(self.closed(length));
        }
        let prefix = match self.language {
            Python => rest
                .find(|c: char| !"rRbBuUfF".contains(c))
                .filter(|length| *length < 3)
                .unwrap_or(0),
            Rust => usize::from(rest.starts_with("b\"") || rest.starts_with("b'") || rest.starts_with("c\"")),
            _ => 0,
        };
        let body = rest.get(prefix..)?;
        let quote = body.chars().next()?;
        if prefix > 0 && !matches!(quote, '"' | '\'') {
            return None;
        }
        let triple = matches!(self.language, Python | Jvm | Language::Other);
        for mark in ["\"\"\"", "'''"] {
            if triple && body.starts_with(mark) {
                let length = until(body, mark, true, true).map(|length| prefix + length);
                return Some(self.closed(length));
            }
        }
        let spans_lines = self.language == Language::Hash;
        let length = match quote {
            '"' => until(body, "\"", true, self.language == Rust || spans_lines),
            '\'' if self.language == Rust => Some(character(body)?),
            '\'' => until(body, "'", true, spans_lines),
            '`' if matches!(self.language, Script | Go | Jvm) => until(body, "`", self.language == Script, true),
            '/' if self.language == Script && self.may_begin_a_pattern() => Some(pattern(body)?),
            _ => return None,
        };
        Some(self.closed(length.map(|length| prefix + length)))
    }

    /// Whether `/` begins a regular expression here, rather than divides.
    fn may_begin_a_pattern(&self) -> bool {
        self.found.last().is_none_or(|last| match last.kind {
            Kind::Sign => !matches!(last.text, ")" | "]" | "}"),
            Kind::Word => matches!(last.text, "return" | "typeof" | "case" | "in" | "of"),
            Kind::Number | Kind::Text => false,
        })
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

/// The length of a text that begins with `mark` and ends with the next one, or with the line where it cannot span several; none: it can,
/// and does not end.
fn until(body: &str, mark: &str, escapes: bool, spans_lines: bool) -> Option<usize> {
    let mut at = mark.len();
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with(mark) {
            return Some(at + mark.len());
        }
        if rest.starts_with('\n') && !spans_lines {
            return Some(at);
        }
        at += first;
        if escapes && rest.starts_with('\\') {
            at += body
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        }
    }
    (!spans_lines).then_some(body.len())
}

/// `r"…"`, `r#"…"#` and those of bytes; within: none, where it does not end.
fn raw_text(rest: &str) -> Option<Option<usize>> {
    let start = ["r", "br", "cr"].into_iter().find(|start| {
        let after = rest.strip_prefix(start).unwrap_or_default();
        after.trim_start_matches('#').starts_with('"')
    })?;
    let hashes = rest.get(start.len()..)?.find('"')?;
    let open = start.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = rest.get(open..)?.find(&close);
    Some(end.map(|end| open + end + close.len()))
}

/// `'a'` or `'\n'`; none: a lifetime.
fn character(body: &str) -> Option<usize> {
    let mut characters = body.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        return until(body, "'", true, false);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 1)
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
