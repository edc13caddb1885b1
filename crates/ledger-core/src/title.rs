//! Titles: one line that stands in lists, in commits and on terminals.

/// The most characters of a title.
const MAX: usize = 200;

/// Why a text is no title; none where it is one. What else could confuse whoever reads it is taken out where it is shown.
///
/// ```
/// use counterfoil_ledger_core::broken_title;
/// assert_eq!(broken_title("Refuse an empty name"), None);
/// assert!(broken_title("two\nlines").is_some());
/// assert!(broken_title("no commit holds this: \0").is_some());
/// ```
pub fn broken_title(title: &str) -> Option<&'static str> {
    // Whatever ends a line anywhere; and no message of a commit holds a NUL.
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\0'];
    let is_one = !title.trim().is_empty() && title.chars().count() <= MAX && !title.contains(ends);
    (!is_one).then_some("the title must be one line of 1 to 200 characters")
}

#[cfg(test)]
mod tests {
    use super::broken_title;

    #[test]
    fn a_title_is_one_line_that_shows_what_it_is() {
        for title in ["a", "Größe: 10 % of <b>", "名前", "a\tb", "a\u{7}", &"x".repeat(200)] {
            assert_eq!(broken_title(title), None, "{title:?}");
        }
        let long = "x".repeat(201);
        for title in ["", " ", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\u{2028}b", &long] {
            assert!(broken_title(title).is_some(), "{title:?}");
        }
    }
}
