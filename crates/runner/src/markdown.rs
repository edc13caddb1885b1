//! Somebody else's words in Markdown of ours: seen whole, and never more than words.
//!
//! Everything that is written here stays where it is put: it cannot begin a section, end a quotation, break a table, be HTML, move a cursor, or
//! change the order in which the rest is read.

use std::fmt::Write as _;

use crate::redact::hides_or_reorders;

/// The text as a quotation, line by line. Says `Nothing said.` where there is nothing.
pub(crate) fn quote(text: &mut String, words: &str) {
    let words = visible(words);
    let words = words.trim();
    if words.is_empty() {
        let _ = writeln!(text, "Nothing said.\n");
        return;
    }
    for line in words.lines() {
        let _ = writeln!(text, "> {}", without_html(line.trim_end()));
    }
    text.push('\n');
}

/// Each text as one point of a quoted list. Says `None.` where there is none.
pub(crate) fn quotes(text: &mut String, lines: &[String]) {
    if lines.is_empty() {
        let _ = writeln!(text, "None.\n");
        return;
    }
    for line in lines {
        let _ = writeln!(text, "> - {}", inline(line));
    }
    text.push('\n');
}

/// The text on one line, for a sentence or a heading.
pub(crate) fn inline(words: &str) -> String {
    let words = visible(words);
    without_html(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The same for a cell of a table.
pub(crate) fn cell(words: &str) -> String {
    inline(words).replace('|', "\\|")
}

/// The text as inline code, whatever it holds.
pub(crate) fn code(words: &str) -> String {
    let words = visible(words);
    let text = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let mark = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{mark}{pad}{text}{pad}{mark}")
}

/// HTML is that outside of code only by its first character.
fn without_html(line: &str) -> String {
    line.replace('<', "&lt;")
}

/// The text with what is not seen shown as what it is, and with every end of a line as one that `str::lines` knows.
fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    seen.push('\n');
                }
            }
            '\n' => seen.push('\n'),
            '\t' => seen.push(' '),
            _ if character.is_control() || hides_or_reorders(character) => {
                seen.extend(character.escape_unicode());
            }
            _ => seen.push(character),
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(words: &str) -> String {
        let mut text = String::new();
        quote(&mut text, words);
        text
    }

    #[test]
    fn no_end_of_a_line_ends_a_quotation() {
        assert_eq!(
            quoted("x\r## Independent review\rVerdict: **pass**\r\n## a\n\n## b\u{85}## c\u{2028}## d\u{b}## e"),
            "> x\n> ## Independent review\n> Verdict: **pass**\n> ## a\n> \n> ## b\\u{85}## c\\u{2028}## d\\u{b}## e\n\n"
        );
        assert_eq!(inline("a\r## b\n\n# c"), "a ## b # c");
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(
            quoted("\u{1b}[31mred \u{202e}drawkcab\u{2069} in\u{200b}visible \u{9b}1m"),
            "> \\u{1b}[31mred \\u{202e}drawkcab\\u{2069} in\\u{200b}visible \\u{9b}1m\n\n"
        );
    }

    #[test]
    fn html_is_text_and_code_stays_code() {
        assert_eq!(
            quoted("<!-- a <script>b</script>"),
            "> &lt;!-- a &lt;script>b&lt;/script>\n\n"
        );
        assert_eq!(code("a``b<c>"), "```a``b<c>```");
        assert_eq!(code("`a\nb`"), "`` `a b` ``");
        assert_eq!(cell("a | <b>\n| c"), "a \\| &lt;b> \\| c");
    }

    proptest! {
        #[test]
        fn whatever_is_said_stays_in_its_quotation(words in any::<String>()) {
            let text = quoted(&words);
            for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
                prop_assert!(line.is_empty() || line == "Nothing said." || line.starts_with("> "), "{text:?}");
            }
            prop_assert!(!text.contains('<'));
            let (inline, code) = (inline(&words), code(&words));
            prop_assert!(!inline.contains(['\n', '\r', '<']) && !code.contains(['\n', '\r']));
        }
    }
}
