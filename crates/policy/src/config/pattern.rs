//! Path patterns: exact paths or globs.

use globset::{Glob, GlobBuilder};
use ledger_core::RepoPath;

use super::text::checked_text;

checked_text! {
    /// An exact path or a glob, relative to the repository's root. `*` and `?` stay within one folder, `**` crosses
    /// folders, a folder and everything in it is `folder/**`.
    PathPattern, what = "a path pattern", rule = broken_rule, example = "src/auth/**"
}

impl PathPattern {
    /// The most characters that a pattern may have.
    pub const MAX_LENGTH: usize = 1000;

    /// The glob. `fold` ignores case; `*` never crosses `/`.
    pub(crate) fn glob(&self, fold: bool) -> Result<Glob, globset::Error> {
        build(&self.0, fold)
    }

    /// The parts of every path that the pattern can mean, up to the first that is not written out: the path itself where all are.
    pub(crate) fn beginning(&self) -> Option<RepoPath> {
        let is_written_out = |part: &&str| !part.contains(['*', '?', '[', '{']);
        let parts: Vec<_> = self.0.split('/').take_while(is_written_out).collect();
        RepoPath::new(parts.join("/")).ok()
    }

    /// Whether the pattern takes in everything below some folder, whatever the names are.
    pub(crate) fn covers_folders(&self) -> bool {
        self.0 == "**" || self.0.ends_with("/**")
    }
}

fn build(text: &str, fold: bool) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .case_insensitive(fold)
        .build()
}

fn broken_rule(text: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(reason.to_owned());
    if text.is_empty() || text.len() > PathPattern::MAX_LENGTH {
        return wrong("it must have 1 to 1000 characters");
    }
    if text.chars().any(char::is_control) {
        return wrong("it holds a control character");
    }
    if text.contains('\\') {
        return wrong("it holds a backslash; parts are separated by `/`");
    }
    if text.starts_with('/') {
        return wrong("it begins with `/`; patterns are relative to the repository's root");
    }
    if text.ends_with('/') {
        return Err(format!(
            "it ends with `/`; for everything in the folder write `{text}**`"
        ));
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return wrong("a part of it is empty, `.` or `..`");
    }
    if class_crosses_folders(text) {
        return wrong("a `[…]` in it would also match `/`; list the characters that are meant");
    }
    build(text, false).map(|_| ()).map_err(|error| error.kind().to_string())
}

/// `[!a]` and ranges such as `[+-9]` match `/` in a glob, so that one more folder would slip in.
fn class_crosses_folders(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    // Where the class opens that a character stands in. Its first character is never its end, and a bracket in it is a character.
    let mut opened = None;
    for (index, character) in characters.iter().enumerate() {
        match (character, opened) {
            ('[', None) => {
                opened = Some(index);
                if matches!(characters.get(index + 1), Some('!' | '^')) {
                    return true;
                }
            }
            (']', Some(at)) if index > at + 1 => opened = None,
            ('/', Some(_)) => return true,
            ('-', Some(at)) if index > at + 1 => {
                let before = characters[index - 1];
                let after = characters.get(index + 1).copied().unwrap_or(']');
                if after != ']' && before <= '/' && '/' <= after {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_a_pattern_means_begins_with_its_beginning() {
        for (pattern, beginning) in [
            ("src/auth/**", Some("src/auth")),
            ("src/auth/*.rs", Some("src/auth")),
            ("Cargo.toml", Some("Cargo.toml")),
            ("app/[id]/page.tsx", Some("app")),
            ("src/{a/b,c}/d", Some("src")),
            ("a?/b", None),
            ("**/*.rs", None),
            ("{a,b}/*.rs", None),
        ] {
            let found = pattern.parse::<PathPattern>().unwrap().beginning();
            assert_eq!(found, beginning.map(|path| path.parse().unwrap()), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_mean_something_else_than_they_seem_to_are_refused() {
        for good in [
            "src/**",
            "*.md",
            "**",
            "a",
            "app/[id]/page.tsx",
            "app/[...slug]/page.tsx",
            "{a,b}/*.rs",
            "a b/ü.txt",
            "v[0-9].txt",
            "a[]]b",
            "a[[]b",
            "a[-9]b",
        ] {
            assert!(
                good.parse::<PathPattern>().is_ok(),
                "{good}: {:?}",
                good.parse::<PathPattern>()
            );
        }
        for bad in [
            "",
            "/etc/passwd",
            "src/",
            "./src",
            "src/../x",
            "a//b",
            "src\\x",
            "a[!b]c",
            "a[^b]c",
            "a[+-9]b",
            "a[[][!b]c",
            "a[[][+-9]b",
            "a[--9]b",
            "[",
            "{a",
            "a\nb",
            &"x".repeat(1001),
        ] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad:?}");
        }
    }
}
