//! Tests that stand in a file of source, taken apart from the rest of it.

use super::files::Role;
use super::structure::{Extent, Structure};
use super::{TestChange, TestContent, TestRules};
use crate::tokens::{Language, Token};

/// A changed file of source in which tests are changed as well, with the tests of one side and the rest of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineTests {
    /// What it was, with the tests that it has now.
    pub tests_on_base: Vec<u8>,
    /// What it is, with the tests that it had.
    pub former_tests: Vec<u8>,
}

/// The tests in a file that both sides have, where they are changed: in Rust what stands at its top level under `#[cfg(test)]` or
/// `#[test]`. Tests that are moved between the two sides stand at the end of the file.
///
/// ```
/// use counterfoil_policy::{Policy, TestChange, TestContent, TestRules, inline_tests};
/// use ledger_core::TicketFile;
/// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
/// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
/// let text = |text: &str| Some(TestContent::Read(text.as_bytes().to_vec()));
/// let change = TestChange {
///     path: "src/lib.rs".parse().unwrap(),
///     before: text("fn f() {}\n"),
///     after: text("fn f() { g() }\n#[test]\nfn t() { f() }\n"),
/// };
/// let apart = inline_tests(&rules, &change).unwrap();
/// assert_eq!(apart.tests_on_base, b"fn f() {}\n\n#[test]\nfn t() { f() }\n");
/// ```
pub fn inline_tests(rules: &TestRules, change: &TestChange) -> Option<InlineTests> {
    if rules.role(&change.path) != Some(Role::Tests(Language::Rust, Extent::Marked)) {
        return None;
    }
    let text = |content: &Option<TestContent>| content.as_ref()?.text().ok().map(str::to_owned);
    let (before, after) = (text(&change.before)?, text(&change.after)?);
    let (before, after) = (Parts::of(&before)?, Parts::of(&after)?);
    (before.said != after.said).then(|| InlineTests {
        tests_on_base: before.with(&after.tests),
        former_tests: after.with(&before.tests),
    })
}

/// A file in two parts.
struct Parts<'a> {
    rest: String,
    tests: Vec<&'a str>,
    /// The tests as texts, whatever their layout.
    said: Vec<String>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let file = Structure::of(text, Language::Rust, Extent::Marked);
        let lines: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let start_of = |token: &Token<'_>| {
            let line = usize::try_from(token.line).ok()?.checked_sub(1)?;
            lines.get(line)?.checked_add(token.column)
        };
        let mut parts = Self {
            rest: String::new(),
            tests: Vec::new(),
            said: Vec::new(),
        };
        let mut at = 0;
        for region in &file.regions {
            let is_at_top = file.within.get(region.start).is_some_and(Option::is_none);
            let tokens = file.slice(region);
            let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
                continue;
            };
            let (start, end) = (start_of(first)?, start_of(last)?.checked_add(last.text.len())?);
            if !is_at_top || start < at {
                continue;
            }
            parts.rest.push_str(without_comment_at_end(text.get(at..start)?));
            parts.tests.push(text.get(start..end)?);
            parts.said.push(file.normal(region));
            at = end;
        }
        parts.rest.push_str(text.get(at..)?);
        Some(parts)
    }

    fn with(&self, tests: &[&str]) -> Vec<u8> {
        let mut text = self.rest.clone();
        for test in tests {
            text.push('\n');
            text.push_str(test);
            text.push('\n');
        }
        text.into_bytes()
    }
}

/// What is about a test that is taken away goes with it: a comment of documentation that documents nothing does not compile.
fn without_comment_at_end(text: &str) -> &str {
    let mut kept = text;
    loop {
        let trimmed = kept.trim_end();
        let line = trimmed.rfind('\n').map_or(0, |newline| newline + 1);
        match trimmed.get(line..) {
            Some(last) if last.trim_start().starts_with("//") => kept = trimmed.get(..line).unwrap_or_default(),
            _ => return kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_weakening::tests::RULES;

    fn apart(path: &str, before: &str, after: &str) -> Option<(String, String)> {
        let content = |text: &str| Some(TestContent::Read(text.as_bytes().to_vec()));
        let change = TestChange {
            path: path.parse().unwrap(),
            before: content(before),
            after: content(after),
        };
        let found = inline_tests(&RULES, &change)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Some((text(found.tests_on_base), text(found.former_tests)))
    }

    const BASE: &str = "//! A year.\n\npub fn days() -> u32 {\n    365\n}\n\n/// They are few.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(super::days(), 365);\n    }\n}\n\nfn last() {}\n";

    #[test]
    fn the_tests_of_each_side_are_put_to_the_rest_of_the_other() {
        let after = BASE.replace("    365\n", "    366\n").replace("365);", "366);");
        let (on_base, former) = apart("src/year.rs", BASE, &after).unwrap();
        let head = "//! A year.\n\npub fn days() -> u32 {\n    365\n}\n\n\n\nfn last() {}\n";
        let tests = "\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(super::days(), 366);\n    }\n}\n";
        assert_eq!(on_base, format!("{head}{tests}"));
        assert_eq!(
            former,
            format!("{head}{tests}")
                .replace("366", "36x")
                .replace("365", "366")
                .replace("36x", "365")
        );
    }

    #[test]
    fn a_file_whose_tests_are_as_they_were_is_left_as_it_is() {
        let after = BASE
            .replace("    365\n", "    366\n")
            .replace("fn a() {\n", "fn a()   { // so\n");
        assert_ne!(BASE, after);
        assert_eq!(apart("src/year.rs", BASE, &after), None);
        assert_eq!(
            apart("tests/year.rs", BASE, &after.replace("365)", "366)")),
            None,
            "all of it is tests"
        );
        assert_eq!(apart("src/year.py", "a = 1\n", "#[test]\nfn a() {}\n"), None);
    }

    #[test]
    fn tests_within_something_else_stay_where_they_are() {
        let inner = "impl A {\n    #[cfg(test)]\n    fn for_tests() {}\n}\n";
        let after = format!("{inner}#[test] fn b() {{}}\n#[cfg(test)]\nmod more;\n");
        let (on_base, former) = apart("src/a.rs", inner, &after).unwrap();
        assert_eq!(
            on_base,
            format!("{inner}\n#[test] fn b() {{}}\n\n#[cfg(test)]\nmod more;\n")
        );
        assert_eq!(former, format!("{inner}\n\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(
            before in "(#\\[cfg\\(test\\)\\]|#\\[test\\]|mod a|fn b|\\(|\\)|\\{|\\}|;|//é|\"|\n| |é){0,30}",
            after in "(#\\[cfg\\(test\\)\\]|#\\[test\\]|mod a|fn b|\\(|\\)|\\{|\\}|;|//é|\"|\n| |é){0,30}",
        ) {
            proptest::prop_assert_eq!(apart("a.rs", &before, &before), None);
            apart("a.rs", &before, &after);
        }
    }
}
