//! Titles: one line that stands in lists, in commits and on terminals.

/// The most characters of a title.
const MAX: usize = 200;

/// Why a text is no title; none where it is one. What could end a line, move what stands beside it, or write over it is refused.
///
/// ```
/// use counterfoil_ledger_core::broken_title;
/// assert_eq!(broken_title("Refuse an empty name"), None);
/// assert!(broken_title("two\nlines").is_some());
/// assert!(broken_title("a\u{202e}b").is_some());
/// ```
pub fn broken_title(title: &str) -> Option<&'static str> {
    if title.trim().is_empty() || title.chars().count() > MAX || title.contains(['\n', '\r']) {
        return Some("the title must be one line of 1 to 200 characters");
    }
    title.contains(is_invisible).then_some(
        "the title must hold no control characters, and none that turn the direction of writing or end a line",
    )
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::broken_title;

    #[test]
    fn a_title_is_one_line_that_shows_what_it_is() {
        for title in ["a", "Größe: 10 % of <b>", "名前", "a\u{301}", &"x".repeat(200)] {
            assert_eq!(broken_title(title), None, "{title:?}");
        }
        for title in [
            "",
            " ",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\u{1b}[2J",
            "a\u{7}",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\tb",
            &"x".repeat(201),
        ] {
            assert!(broken_title(title).is_some(), "{title:?}");
        }
    }
}
