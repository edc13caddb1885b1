//! What a change set does to source and to tests: which files say something else, and whether there is a test that was not there.

use std::collections::BTreeMap;

use ledger_core::ChangedTests;

use super::files::Role;
use super::structure::{Extent, Structure};
use super::tokens::Language;
use super::{TestChange, TestContent, TestRules};
use crate::dependencies::is_dependency_file;

/// What these changed files are, without the trees of their tests. Documentation, manifests, lock files, and files that belong to tests
/// or say how they are run are no source; of source files in a language that is known, comments and layout do not count.
///
/// A file counts as changed tests only where it holds a test or an assertion that the base does not have there: a comment in a test is
/// none, nor is one test less. What cannot be read counts as source.
///
/// ```
/// use counterfoil_policy::{Policy, TestChange, TestContent, TestRules, changed_tests};
/// use ledger_core::TicketFile;
/// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
/// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
/// let added = |path: &str, text: &str| TestChange {
///     path: path.parse().unwrap(),
///     before: None,
///     after: Some(TestContent::Read(text.as_bytes().to_vec())),
/// };
/// let changes = [added("mail.py", "x = 1\n"), added("tests/test_mail.py", "def test_x():\n    assert x\n")];
/// let found = changed_tests(&rules, &changes);
/// assert_eq!((found.sources, found.tests), (1, 1));
/// ```
pub fn changed_tests(rules: &TestRules, changes: &[TestChange]) -> ChangedTests {
    let mut found = ChangedTests {
        sources: 0,
        first_source: None,
        tests: 0,
        apart: None,
        order: None,
    };
    for change in changes {
        let (is_source, is_test) = judge(rules, change);
        if is_source {
            found.sources += 1;
            found.first_source.get_or_insert_with(|| change.path.clone());
        }
        found.tests += u64::from(is_test);
    }
    found
}

/// Whether a file is a change of source, and whether it brings tests.
fn judge(rules: &TestRules, change: &TestChange) -> (bool, bool) {
    let path = &change.path;
    let texts = (side(change.before.as_ref()), side(change.after.as_ref()));
    match rules.role(path) {
        Some(Role::Tests(language, Extent::Whole)) => {
            let brings = texts
                .1
                .is_some_and(|after| brings_tests(&of(texts.0.unwrap_or_default(), language), &of(after, language)));
            (false, brings)
        }
        // A snapshot that is new or another demands something else of the code.
        Some(Role::Snapshot) => (false, change.after.is_some() && change.before != change.after),
        Some(Role::Configuration(_)) => (false, false),
        _ if rules.is_test_file(path) || rules.is_documentation(path) || is_dependency_file(path) => (false, false),
        role => source(role, texts, change),
    }
}

/// The same of a source file, which may hold tests as well.
fn source(role: Option<Role>, (before, after): (Option<&str>, Option<&str>), change: &TestChange) -> (bool, bool) {
    let is_read = |content: &Option<TestContent>, text: Option<&str>| content.is_none() || text.is_some();
    if !is_read(&change.before, before) || !is_read(&change.after, after) {
        return (true, false);
    }
    let extension = String::from_utf8_lossy(change.path.as_bytes()).into_owned();
    let extension = extension
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let Some(language) = extension.and_then(|extension| Language::of(&extension)) else {
        return (change.before != change.after, false);
    };
    let extent = match role {
        Some(Role::Tests(_, Extent::Marked)) => Extent::Marked,
        _ => Extent::Whole,
    };
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (before, after) = (
        Structure::of(before, language, extent),
        Structure::of(after, language, extent),
    );
    match extent {
        Extent::Marked => (outside(&before) != outside(&after), brings_tests(&before, &after)),
        Extent::Whole => (words(&before) != words(&after), false),
    }
}

fn side(content: Option<&TestContent>) -> Option<&str> {
    content.and_then(|content| content.text().ok())
}

fn of(text: &str, language: Language) -> Structure<'_> {
    Structure::of(text, language, Extent::Whole)
}

fn words<'a>(file: &Structure<'a>) -> Vec<&'a str> {
    file.tokens.iter().map(|token| token.text).collect()
}

/// The words of a source file that are not about tests.
fn outside<'a>(file: &Structure<'a>) -> Vec<&'a str> {
    let tokens = file.tokens.iter().enumerate();
    tokens
        .filter(|(at, _)| !file.in_region(*at))
        .map(|(_, token)| token.text)
        .collect()
}

/// Whether there is a test or an assertion that was not there. Where nobody knows how a language writes tests, any other word will do.
fn brings_tests(before: &Structure<'_>, after: &Structure<'_>) -> bool {
    let are_known = !matches!(after.language, Language::Hash | Language::Other);
    if !are_known && after.assertions.is_empty() {
        return !after.tokens.is_empty() && words(before) != words(after);
    }
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for text in said(before) {
        *left.entry(text).or_default() += 1;
    }
    said(after).any(|text| match left.get_mut(&text) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

/// Each test and each assertion as a text, whatever its layout.
fn said<'a>(file: &'a Structure<'_>) -> impl Iterator<Item = String> + 'a {
    let tests = file.tests.iter().map(|test| &test.range);
    let assertions = file.assertions.iter().map(|assertion| &assertion.range);
    tests.chain(assertions).map(|range| file.normal(range))
}
