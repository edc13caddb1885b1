//! Where the texts of a language end, with the code that stands in some of them.

use super::{Language, is_of_word};

/// How deep texts may stand in code that stands in texts. What is deeper is never closed.
const MAX_DEPTH: usize = 20;

/// The most signs in front of a quote.
const MAX_RUN: usize = 200;

/// How a text is written.
#[derive(Clone, Copy)]
struct Manner<'m> {
    mark: &'m str,
    escapes: bool,
    spans_lines: bool,
    /// Whether the mark means itself where it stands twice.
    doubles: bool,
    /// What begins code in it; its last bracket closes that.
    holes: &'static [&'static str],
}

impl<'m> Manner<'m> {
    const fn line(mark: &'m str) -> Self {
        Self {
            mark,
            escapes: true,
            spans_lines: false,
            doubles: false,
            holes: &[],
        }
    }

    const fn lines(mark: &'m str) -> Self {
        Self {
            spans_lines: true,
            ..Self::line(mark)
        }
    }

    const fn raw(mark: &'m str) -> Self {
        Self {
            escapes: false,
            ..Self::lines(mark)
        }
    }

    const fn with(self, holes: &'static [&'static str]) -> Self {
        Self { holes, ..self }
    }
}

/// How long a text is that begins here; none: none does; within: none, where it is never closed.
pub(super) fn text_at(rest: &str, language: Language, depth: usize) -> Option<Option<usize>> {
    use Language::{CSharp, Go, Hash, Jvm, Kotlin, Other, Php, Python, Rust, Script, Swift};
    let special = match language {
        Rust => raw_text(rest, &["r", "br", "cr"]),
        Swift if rest.starts_with('#') => raw_text(rest, &[""]),
        CSharp => c_sharp(rest, depth),
        Php => heredoc(rest),
        _ => None,
    };
    if special.is_some() {
        return special;
    }
    let prefix = match language {
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
    let is_formatted = rest.get(..prefix).is_some_and(|prefix| prefix.contains(['f', 'F']));
    let holes: &[&str] = match language {
        Python if is_formatted => &["{"],
        Script if quote == '`' => &["${"],
        Kotlin if quote == '"' => &["${"],
        Swift => &["\\("],
        Php if quote == '"' => &["{$", "${"],
        _ => &[],
    };
    let triples: &[&str] = match language {
        Python | Jvm | Other => &["\"\"\"", "'''"],
        Kotlin | Swift => &["\"\"\""],
        _ => &[],
    };
    let manner = if let Some(mark) = triples.iter().find(|mark| body.starts_with(**mark)) {
        match language {
            Kotlin => Manner::raw(mark),
            _ => Manner::lines(mark),
        }
    } else {
        match (quote, language) {
            ('"', Rust | Hash | Php) => Manner::lines("\""),
            ('"', _) => Manner::line("\""),
            ('\'', Rust) => return Some(Some(prefix + character(body)?)),
            ('\'', Hash | Php) => Manner::lines("'"),
            ('\'', Swift) => return None,
            ('\'', _) => Manner::line("'"),
            ('`', Script | Php) => Manner::lines("`"),
            ('`', Go | Jvm | Kotlin) => Manner::raw("`"),
            _ => return None,
        }
    };
    let mut length = until(body, manner.with(holes), language, depth);
    if let (Kotlin, "\"\"\"", Some(end)) = (language, manner.mark, length) {
        // The last three of them close it.
        let more = body
            .get(end..)
            .map_or(0, |rest| rest.len() - rest.trim_start_matches('"').len());
        length = Some(end + more);
    }
    Some(length.map(|length| prefix + length))
}

/// `"…"`, `@"…"`, `$"…"` and `"""…"""`, which as many of them close as opened it.
fn c_sharp(rest: &str, depth: usize) -> Option<Option<usize>> {
    let prefix = rest.get(..run(rest, |byte| matches!(byte, b'$' | b'@')))?;
    let body = rest.get(prefix.len()..)?;
    let quotes = body.len() - body.trim_start_matches('"').len();
    if quotes >= 3 {
        let mark = body.get(..quotes)?;
        let end = until(body, Manner::raw(mark), Language::CSharp, depth);
        return Some(end.map(|end| prefix.len() + end));
    }
    if quotes == 0 {
        return None;
    }
    let manner = if prefix.contains('@') {
        Manner {
            doubles: true,
            ..Manner::raw("\"")
        }
    } else {
        Manner::line("\"")
    };
    let holes: &[&str] = if prefix.contains('$') { &["{"] } else { &[] };
    let end = until(body, manner.with(holes), Language::CSharp, depth);
    Some(end.map(|end| prefix.len() + end))
}

/// How many bytes these are that a text begins with. No more of a long row of them is looked at from each.
fn run(text: &str, is_one: fn(u8) -> bool) -> usize {
    text.bytes().take(MAX_RUN).take_while(|byte| is_one(*byte)).count()
}

/// `<<<A`, `<<<"A"` and `<<<'A'` up to a line that begins with `A`.
fn heredoc(rest: &str) -> Option<Option<usize>> {
    let head = rest.strip_prefix("<<<")?;
    let head = head.get(..run(head, |byte| byte != b'\n'))?;
    let name = head.trim().trim_matches(['"', '\'']);
    if name.is_empty() || !name.chars().all(is_of_word) {
        return None;
    }
    let mut at = 3 + head.len() + 1;
    for line in rest.get(at..).unwrap_or_default().split_inclusive('\n') {
        let behind = line.trim_start().strip_prefix(name);
        if let Some(behind) = behind.filter(|behind| !behind.starts_with(is_of_word)) {
            return Some(Some(at + line.len() - behind.len()));
        }
        at += line.len();
    }
    Some(None)
}

/// The length of a text that begins and ends with its mark, or ends with the line where it cannot span several; none: it can, and does
/// not end.
fn until(body: &str, manner: Manner<'_>, language: Language, depth: usize) -> Option<usize> {
    let length = manner.mark.len();
    let mut at = length;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with(manner.mark) {
            if manner.doubles && rest.get(length..).is_some_and(|rest| rest.starts_with(manner.mark)) {
                at += 2 * length;
                continue;
            }
            return Some(at + length);
        }
        if rest.starts_with('\n') && !manner.spans_lines {
            return Some(at);
        }
        if let Some(hole) = manner.holes.iter().find(|hole| rest.starts_with(**hole)) {
            if *hole == "{" && rest.starts_with("{{") {
                at += 2;
                continue;
            }
            at += hole.find(['{', '('])?;
            at += code(body.get(at..)?, language, depth + 1)?;
            continue;
        }
        at += first;
        if manner.escapes && rest.starts_with('\\') {
            at += body
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        }
    }
    (!manner.spans_lines).then_some(body.len())
}

/// The length of code that stands in a text and begins with this bracket; none: it is never closed.
fn code(rest: &str, language: Language, depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        let first = here.chars().next()?;
        if let Some(length) = text_at(here, language, depth) {
            // A character in quotes that is none ends nowhere, as in the rest of a file.
            at += length?.max(1);
            continue;
        }
        if language.has_slash_comments() && here.starts_with("/*") {
            at += here.find("*/")? + 2;
            continue;
        }
        if is_of_word(first) {
            at += here.find(|c| !is_of_word(c))?;
            continue;
        }
        match first {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open -= 1,
            _ => {}
        }
        at += first.len_utf8();
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// What begins with one of these, hashes and a quote, and ends with the quote and as many hashes; within: none, where it does not end.
fn raw_text(rest: &str, starts: &[&str]) -> Option<Option<usize>> {
    let hashes_behind = |start: &str| run(rest.get(start.len()..).unwrap_or_default(), |byte| byte == b'#');
    let start = starts.iter().find(|start| {
        let quote = rest.get(start.len() + hashes_behind(start)..);
        rest.starts_with(**start) && quote.is_some_and(|quote| quote.starts_with('"'))
    })?;
    let hashes = hashes_behind(start);
    let quotes = rest.get(start.len() + hashes..)?;
    // Swift has those of several lines, too.
    let quote = if starts == [""] && quotes.starts_with("\"\"\"") {
        "\"\"\""
    } else {
        "\""
    };
    let open = start.len() + hashes + quote.len();
    let close = format!("{quote}{}", "#".repeat(hashes));
    let end = rest.get(open..)?.find(&close);
    Some(end.map(|end| open + end + close.len()))
}

/// `'a'` or `'\n'`; none: a lifetime.
fn character(body: &str) -> Option<usize> {
    let mut characters = body.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        return until(body, Manner::line("'"), Language::Rust, 0);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 1)
}
