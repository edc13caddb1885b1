//! Hunks of a change that weaken tests, found by structure: comments, layout and the order of tests do not count.
//!
//! Best effort, and on the side of listing too much: what is listed is for a reviewer to judge. What cannot be read is listed as
//! such, never passed over.

mod changed;
mod check_commands;
mod compare;
mod configuration;
mod files;
mod inline;
mod justify;
mod structure;

use ledger_core::{LineRange, RepoPath, WeakenedTest, Weakening, fitting};

pub use changed::changed_tests;
use compare::{FilePair, compare};
use configuration::{ConfigurationKind, all_lines, differing, lines};
use files::Role;
pub use files::TestRules;
pub use inline::{InlineTests, inline_tests};
pub use justify::hunks_to_justify;
use structure::Structure;

use crate::tokens::Language;

/// The most hunks that are listed one by one; one more says how many there are besides.
pub const MAX_WEAKENED_TESTS: usize = 50;

/// The largest file that is read for this, in bytes.
pub const MAX_TEST_FILE_BYTES: u64 = 1 << 20;

/// The most that is read for this of one change set, in bytes.
pub const MAX_TEST_BYTES: u64 = 4 << 20;

/// A changed file that has to do with tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestChange {
    /// Its path.
    pub path: RepoPath,
    /// What it was; none: it was not there, or was no file.
    pub before: Option<TestContent>,
    /// What it is; none: it is not there, or is no file.
    pub after: Option<TestContent>,
}

/// The content of a file that has to do with tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestContent {
    /// All of it.
    Read(Vec<u8>),
    /// It is more than is read.
    TooLarge,
}

impl TestContent {
    fn text(&self) -> Result<&str, &'static str> {
        match self {
            Self::Read(bytes) if bytes.contains(&0) => Err("its content is no text"),
            Self::Read(bytes) => std::str::from_utf8(bytes).map_err(|_| "its content is no text"),
            Self::TooLarge => Err("it is too large to be judged"),
        }
    }
}

/// The hunks of these changes that weaken tests, by path and line, at most [`MAX_WEAKENED_TESTS`] and one that counts the rest.
///
/// What moved within the change is no removal: an assertion counts as there where its test calls a function of a changed file that asserts
/// the same.
///
/// ```
/// use counterfoil_policy::{Policy, TestChange, TestContent, TestRules, weakened_tests};
/// use ledger_core::{TicketFile, Weakening};
/// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
/// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
/// let change = TestChange {
///     path: "tests/test_mail.py".parse().unwrap(),
///     before: Some(TestContent::Read(b"def test_a():\n    assert valid('a@b')\n".to_vec())),
///     after: Some(TestContent::Read(b"def test_a():\n    pass\n".to_vec())),
/// };
/// let found = weakened_tests(&rules, &[change]);
/// assert_eq!((found[0].how, found[0].before.unwrap().first), (Weakening::AssertionRemoved, 2));
/// ```
pub fn weakened_tests(rules: &TestRules, changes: &[TestChange]) -> Vec<WeakenedTest> {
    let mut found = Vec::new();
    let mut pairs = Vec::new();
    for change in changes {
        let Some(role) = rules.role(&change.path) else {
            continue;
        };
        // What was not there before cannot have been weakened, but it may say how tests are run.
        if change.before.is_none() && !matches!(role, Role::Tests(..) | Role::Configuration(_)) {
            continue;
        }
        let before = change.before.as_ref().map(TestContent::text).transpose();
        let after = change.after.as_ref().map(TestContent::text).transpose();
        let texts = before.and_then(|before| Ok((before, after?)));
        match (role, texts) {
            (Role::Snapshot | Role::Data, texts) => found.extend(snapshot(change, changes, texts.ok())),
            (_, Err(why)) if change.before.is_some() => found.push(Found::of(change, Weakening::NotJudged, why)),
            (_, Err(_)) => {}
            (Role::Configuration(kind), Ok((before, after))) => {
                found.extend(configuration(rules, change, kind, before, after))
            }
            (Role::Tests(language, extent), Ok((before, after))) => {
                let pair = FilePair {
                    path: &change.path,
                    before: before.map(|text| Structure::of(text, language, extent)),
                    after: after.map(|text| Structure::of(text, language, extent)),
                };
                // A program of which nobody can tell what it tests decides that line by line.
                let is_unknown = pair.before.as_ref().is_some_and(|before| before.tests.is_empty());
                if is_unknown && after.is_some() && rules.is_run_by_check(&change.path) {
                    found.extend(configuration(rules, change, ConfigurationKind::Whole, before, after));
                }
                pairs.push(pair);
                pairs.extend(examples(&change.path, language, before, after));
            }
        }
    }
    found.extend(compare(&pairs));
    found.sort_by(|one, other| one.key().cmp(&other.key()));
    listed(found)
}

/// The examples of a file, where it has some.
fn examples<'a>(
    path: &'a RepoPath,
    language: Language,
    before: Option<&'a str>,
    after: Option<&'a str>,
) -> Option<FilePair<'a>> {
    if language != Language::Rust {
        return None;
    }
    let pair = FilePair {
        path,
        before: before.map(Structure::of_examples),
        after: after.map(Structure::of_examples),
    };
    let mut sides = pair.before.iter().chain(&pair.after);
    sides.any(|side| !side.tests.is_empty()).then_some(pair)
}

/// A hunk before it has an id.
#[derive(Debug, Clone)]
struct Found {
    path: RepoPath,
    how: Weakening,
    before: Option<LineRange>,
    after: Option<LineRange>,
    excerpt: String,
}

impl Found {
    fn of(change: &TestChange, how: Weakening, why: &str) -> Self {
        Self {
            path: change.path.clone(),
            how,
            before: None,
            after: None,
            excerpt: why.to_owned(),
        }
    }

    fn key(&self) -> (&RepoPath, Option<LineRange>, Option<LineRange>, Weakening, &str) {
        (
            &self.path,
            self.before.or(self.after),
            self.after,
            self.how,
            &self.excerpt,
        )
    }
}

fn listed(found: Vec<Found>) -> Vec<WeakenedTest> {
    let mut hunks: Vec<_> = found
        .into_iter()
        .zip(1_u64..)
        .map(|(found, number)| WeakenedTest {
            id: format!("W{number}"),
            path: found.path,
            how: found.how,
            before: found.before,
            after: found.after,
            excerpt: found.excerpt,
            of_repair: false,
        })
        .collect();
    cut(&mut hunks);
    hunks
}

/// The hunks of a change, followed by those that it has only against trees of its run that were refused: what the change had brought, and
/// a repair has weakened again. At most as many as [`weakened_tests`] lists.
pub fn with_those_of_repairs(
    mut hunks: Vec<WeakenedTest>,
    of_repairs: impl IntoIterator<Item = WeakenedTest>,
) -> Vec<WeakenedTest> {
    for mut hunk in of_repairs {
        if hunks.iter().any(|known| is_same(known, &hunk)) {
            continue;
        }
        hunk.id = format!("W{}", hunks.len() + 1);
        hunk.of_repair = true;
        hunks.push(hunk);
    }
    cut(&mut hunks);
    hunks
}

/// Whether two hunks of different trees are the same: ids are counted anew for each tree, and lines move.
fn is_same(one: &WeakenedTest, other: &WeakenedTest) -> bool {
    (&one.path, one.how, &one.excerpt) == (&other.path, other.how, &other.excerpt)
}

/// Leaves as many hunks as a list may have, and one that counts the rest.
fn cut(hunks: &mut Vec<WeakenedTest>) {
    let listed = fitting(hunks).min(MAX_WEAKENED_TESTS);
    let more = hunks.len() - listed;
    // Of the rest only the first path is named; a reviewer has to look at all of it.
    if let (true, Some(first)) = (more > 0, hunks.get(listed).cloned()) {
        hunks.truncate(listed);
        hunks.push(WeakenedTest {
            how: Weakening::NotJudged,
            before: None,
            after: None,
            excerpt: format!("{more} more hunks that weaken tests, from here on"),
            ..first
        });
    }
}

fn snapshot(change: &TestChange, changes: &[TestChange], texts: Option<(Option<&str>, Option<&str>)>) -> Option<Found> {
    if change.after.is_none() {
        // The same content under another name is a rename.
        let moved = changes
            .iter()
            .any(|other| other.before.is_none() && other.after == change.before);
        return (!moved).then(|| Found::of(change, Weakening::SnapshotRewritten, "it was deleted"));
    }
    let Some((Some(before), Some(after))) = texts else {
        return Some(Found::of(
            change,
            Weakening::SnapshotRewritten,
            "its content is no text",
        ));
    };
    let (old, new) = (all_lines(before), all_lines(after));
    let (old, new) = (
        without_front_matter(&change.path, old),
        without_front_matter(&change.path, new),
    );
    let (old, new) = differing(&old, &new)?;
    Some(Found {
        path: change.path.clone(),
        how: Weakening::SnapshotRewritten,
        before: lines(old),
        after: lines(new),
        excerpt: excerpt(
            old.first().map(|piece| piece.text.as_str()),
            new.first().map(|piece| piece.text.as_str()),
        ),
    })
}

/// What a snapshot of insta says of itself is not compared by its test.
fn without_front_matter(path: &RepoPath, mut lines: Vec<configuration::Piece>) -> Vec<configuration::Piece> {
    let is_mark = |piece: &configuration::Piece| piece.text.trim_end() == "---";
    if path.as_bytes().ends_with(b".snap")
        && lines.first().is_some_and(is_mark)
        && let Some(end) = lines.iter().skip(1).position(is_mark)
    {
        lines.drain(..end + 2);
    }
    lines
}

fn configuration(
    rules: &TestRules,
    change: &TestChange,
    kind: ConfigurationKind,
    before: Option<&str>,
    after: Option<&str>,
) -> Option<Found> {
    let pieces = |text: Option<&str>| text.map_or(Some(Vec::new()), |text| kind.pieces(text, &rules.checks));
    let (Some(old), Some(new)) = (pieces(before), pieces(after)) else {
        return (before != after).then(|| Found::of(change, Weakening::NotJudged, "it is not of its format"));
    };
    let (old, new) = differing(&old, &new)?;
    Some(Found {
        path: change.path.clone(),
        how: Weakening::ConfigurationChanged,
        before: lines(old),
        after: lines(new),
        excerpt: excerpt(
            old.first().map(|piece| piece.text.as_str()),
            new.first().map(|piece| piece.text.as_str()),
        ),
    })
}

/// The most characters of each side of an excerpt.
const EXCERPT: usize = 200;

/// The beginnings of what was there and of what is there.
fn excerpt(before: Option<&str>, after: Option<&str>) -> String {
    let sides = [("-", before), ("+", after)];
    let sides = sides
        .iter()
        .filter_map(|(sign, text)| Some(format!("{sign} {}", beginning((*text)?))));
    sides.collect::<Vec<_>>().join("\n")
}

/// The first words of a text. A word is whole or not there at all: a secret that is cut in two is not recognised any more.
fn beginning(text: &str) -> String {
    let mut beginning = String::new();
    let mut characters = 0;
    for word in text.split_whitespace() {
        let length = word.chars().take(EXCERPT + 1).count() + 1;
        if characters + length > EXCERPT {
            beginning.push_str(" …");
            break;
        }
        characters += length;
        if !beginning.is_empty() {
            beginning.push(' ');
        }
        beginning.push_str(word);
    }
    beginning.trim_start().to_owned()
}

#[cfg(test)]
mod tests;
