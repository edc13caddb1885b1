//! What files with tests no longer test.

mod alike;
mod blocks;
mod collected;
mod helpers;
mod successors;
mod thresholds;
mod tried;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ledger_core::{LineRange, RepoPath, Weakening};

use super::structure::{Assertion, Marker, Structure};
use super::{Found, excerpt};
use alike::{Alike, alike};
use collected::Signs;
use helpers::Helpers;
use successors::successors;

/// A file with tests before and after the change.
#[derive(Debug)]
pub(super) struct FilePair<'a> {
    pub(super) path: &'a RepoPath,
    pub(super) before: Option<Structure<'a>>,
    pub(super) after: Option<Structure<'a>>,
}

/// Beyond so many assertions of one test without a counterpart nobody looks which of the others took their place.
const MAX_COMPARED: usize = 200;

/// A test: the index of its file, and its own in that file's structure.
type Place = (usize, usize);

pub(super) fn compare(files: &[FilePair<'_>]) -> Vec<Found> {
    let successors = successors(files);
    let origins: BTreeMap<_, _> = successors.iter().map(|(old, new)| (*new, *old)).collect();
    let helpers = Helpers::of(files, &origins);
    let asserted = asserted_now(files, &helpers);
    let mut comparison = Comparison {
        files,
        origins,
        successors,
        missing: missing(files, &asserted),
        asserted,
        helpers,
        values: files
            .iter()
            .map(|file| file.after.as_ref().map(tried::values).unwrap_or_default())
            .collect(),
        known_markers: known_markers(files),
        added_unknown: files
            .iter()
            .filter(|file| file.before.is_none())
            .filter_map(|file| Some((file, file.after.as_ref().filter(|after| is_unknown(after))?)))
            .map(|(file, after)| (whole(after), Signs::of(file.path, after.language)))
            .collect(),
        found: Vec::new(),
    };
    for file in 0..files.len() {
        comparison.compare_file(file);
    }
    comparison.found
}

struct Comparison<'f, 'a> {
    files: &'f [FilePair<'a>],
    successors: BTreeMap<Place, Place>,
    /// The same, the other way round.
    origins: BTreeMap<Place, Place>,
    /// What is asserted in each test, and outside of tests in each file.
    asserted: BTreeMap<Scope, Vec<&'f Assertion>>,
    /// What the tests of each file are tried with.
    values: Vec<tried::Values>,
    /// The functions that tests call.
    helpers: Helpers<'f>,
    /// How many fewer there are of each assertion outside of tests than in the base, wherever they are.
    missing: BTreeMap<String, usize>,
    /// What kept tests of the base from running.
    known_markers: BTreeMap<(Scope, String), usize>,
    /// New files whose tests nobody recognises, as they are.
    added_unknown: BTreeMap<String, Signs>,
    found: Vec<Found>,
}

/// Whether nobody can tell what a file tests.
fn is_unknown(structure: &Structure<'_>) -> bool {
    structure.language.has_unknown_tests() && structure.assertions.is_empty()
}

fn whole(structure: &Structure<'_>) -> String {
    structure.normal(&(0..structure.tokens.len()))
}

/// A file by its index, and a test in it; none: outside of tests.
type Scope = (usize, Option<usize>);

/// What stands in a function that nobody calls is not asserted.
fn asserted_now<'f>(files: &'f [FilePair<'_>], helpers: &Helpers<'_>) -> BTreeMap<Scope, Vec<&'f Assertion>> {
    let mut asserted: BTreeMap<Scope, Vec<&Assertion>> = BTreeMap::new();
    for (index, structure) in afters(files) {
        for assertion in &structure.assertions {
            if assertion.test.is_some() || helpers.are_called(files, index, assertion) {
                asserted.entry((index, assertion.test)).or_default().push(assertion);
            }
        }
    }
    asserted
}

/// What moved from one function to another, whatever its file, is not missing. What a test asserted and another one asserts now is: it
/// may be about something else there.
fn missing(files: &[FilePair<'_>], asserted: &BTreeMap<Scope, Vec<&Assertion>>) -> BTreeMap<String, usize> {
    let mut missing = BTreeMap::new();
    for (_, structure) in befores(files) {
        for assertion in structure.assertions.iter().filter(|assertion| assertion.test.is_none()) {
            *missing.entry(structure.normal(&assertion.range)).or_default() += 1;
        }
    }
    for (index, structure) in afters(files) {
        for assertion in asserted.get(&(index, None)).into_iter().flatten() {
            used_up(&mut missing, &structure.normal(&assertion.range));
        }
    }
    missing
}

fn known_markers(files: &[FilePair<'_>]) -> BTreeMap<(Scope, String), usize> {
    let mut known = BTreeMap::new();
    for (index, structure) in befores(files) {
        for marker in &structure.markers {
            let key = ((index, marker.test), structure.normal(&marker.range));
            *known.entry(key).or_default() += 1;
        }
    }
    known
}

/// What the base has, each with the index of its file.
fn befores<'f, 'a>(files: &'f [FilePair<'a>]) -> impl Iterator<Item = (usize, &'f Structure<'a>)> {
    let files = files.iter().enumerate();
    files.filter_map(|(index, file)| Some((index, file.before.as_ref()?)))
}

/// What is there now, each with the index of its file.
fn afters<'f, 'a>(files: &'f [FilePair<'a>]) -> impl Iterator<Item = (usize, &'f Structure<'a>)> {
    let files = files.iter().enumerate();
    files.filter_map(|(index, file)| Some((index, file.after.as_ref()?)))
}

/// An assertion of one side with its text.
struct Asserted<'s> {
    assertion: &'s Assertion,
    text: String,
}

impl<'f, 'a> Comparison<'f, 'a> {
    fn compare_file(&mut self, index: usize) {
        let files = self.files;
        let Some(file) = files.get(index) else { return };
        let Some(before) = &file.before else {
            if let Some(after) = &file.after {
                self.compare_markers(index, file, after);
            }
            return;
        };
        let start = self.found.len();
        let removed: BTreeSet<usize> = (0..before.tests.len())
            .filter(|test| !self.successors.contains_key(&(index, *test)))
            .collect();
        for test in removed.iter().filter_map(|test| before.tests.get(*test)) {
            self.add(file, Weakening::TestRemoved, Some((before, &test.range)), None);
        }
        self.compare_assertions(index, before, &removed);
        self.compare_values(index, file, before);
        let Some(after) = &file.after else {
            if self.found.len() > start || self.is_lost(file, before) {
                self.found.truncate(start);
                self.found.push(Found {
                    path: file.path.clone(),
                    how: Weakening::TestFileDeleted,
                    before: before.lines(&(0..before.tokens.len())),
                    after: None,
                    excerpt: named(before),
                });
            }
            return;
        };
        self.compare_markers(index, file, after);
        for (old, new) in thresholds::loosened(before, after) {
            self.add(
                file,
                Weakening::ThresholdLoosened,
                Some((before, &old)),
                Some((after, &new)),
            );
        }
    }

    /// Whether a deleted file whose tests nobody recognises is not there under another name.
    fn is_lost(&self, file: &FilePair<'_>, before: &Structure<'_>) -> bool {
        let is_kept = |signs: &Signs| Signs::of(file.path, before.language).are_kept_by(signs, false);
        let is_there = || self.added_unknown.get(&whole(before)).is_some_and(is_kept);
        is_unknown(before) && !before.tokens.is_empty() && !is_there()
    }

    fn compare_assertions(&mut self, index: usize, before: &'f Structure<'a>, removed: &BTreeSet<usize>) {
        let mut by_test: BTreeMap<Option<usize>, Vec<&Assertion>> = BTreeMap::new();
        for assertion in &before.assertions {
            by_test.entry(assertion.test).or_default().push(assertion);
        }
        for (test, assertions) in by_test {
            // A removed test is listed as a whole.
            if test.is_some_and(|test| removed.contains(&test)) {
                continue;
            }
            let after = self.successor(index, test);
            self.compare_test((index, test), before, &assertions, after);
        }
    }

    /// What a test, or everything outside of tests, of a file became.
    fn successor(&self, file: usize, test: Option<usize>) -> Option<(&'f Structure<'a>, Scope)> {
        let scope = match test {
            Some(test) => {
                let (file, test) = self.successors.get(&(file, test)).copied()?;
                (file, Some(test))
            }
            None => (file, None),
        };
        Some((self.files.get(scope.0)?.after.as_ref()?, scope))
    }

    /// What tests are no longer tried with.
    fn compare_values(&mut self, index: usize, file: &'f FilePair<'a>, before: &'f Structure<'a>) {
        for (test, old) in tried::values(before) {
            let Some((after, (successor, scope))) = self.successor(index, test) else {
                continue;
            };
            let new = self.values.get(successor).and_then(|values| values.get(&scope));
            let new = new.map_or(&[][..], Vec::as_slice);
            if let Some((old, new)) = tried::gone((before, &old), (after, new)) {
                let new = new.as_ref().map(|new| (after, new));
                self.add(file, Weakening::AssertionChanged, Some((before, &old)), new);
            }
        }
    }

    /// What one test, or everything outside of tests, no longer asserts.
    fn compare_test(
        &mut self,
        (index, test): Scope,
        before: &'f Structure<'a>,
        assertions: &[&Assertion],
        after: Option<(&'f Structure<'a>, Scope)>,
    ) {
        let Some(file) = self.files.get(index) else { return };
        let mut news: Vec<Asserted<'_>> = Vec::new();
        if let Some((structure, scope)) = after {
            let of_it = self.asserted.get(&scope).into_iter().flatten();
            news.extend(of_it.map(|assertion| Asserted {
                text: structure.normal(&assertion.range),
                assertion,
            }));
        }
        if let Some((after, _)) = after {
            for (old, new) in blocks::moved(before, assertions, &news) {
                let side = |assertion: &Assertion, structure: &Structure<'_>| {
                    let text = structure.normal(&assertion.range);
                    format!("{} {text}", assertion.blocks.join(" "))
                };
                self.found.push(Found {
                    path: file.path.clone(),
                    how: Weakening::AssertionChanged,
                    before: before.lines(&old.range),
                    after: after.lines(&new.range),
                    excerpt: excerpt(Some(&side(old, before)), Some(&side(new, after))),
                });
            }
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for new in &news {
            *counts.entry(&new.text).or_default() += 1;
        }
        let mut gone = Vec::new();
        for assertion in assertions {
            let text = before.normal(&assertion.range);
            match counts.get_mut(text.as_str()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => gone.push((*assertion, text)),
            }
        }
        // What is new in this test: of each text the last ones.
        let mut fresh: Vec<_> = news
            .iter()
            .rev()
            .filter(|new| match counts.get_mut(new.text.as_str()) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    true
                }
                _ => false,
            })
            .collect();
        fresh.reverse();
        match test {
            Some(test) => {
                let old = (before, (index, test));
                let new = after.and_then(|(after, (file, test))| Some((after, (file, test?))));
                self.helpers.leave_missing(old, new, &mut gone);
            }
            None => gone.retain(|(_, text)| used_up(&mut self.missing, text)),
        }
        if gone.is_empty() {
            return;
        }
        let Some((after, (_, successor))) = after.filter(|_| gone.len() <= MAX_COMPARED && fresh.len() <= MAX_COMPARED)
        else {
            for (assertion, _) in gone {
                self.add_removed(file, before, &assertion.range);
            }
            return;
        };
        let scope = |structure: &Structure<'_>, test: Option<usize>| {
            let range = test
                .and_then(|test| structure.tests.get(test))
                .map(|test| test.range.clone());
            range.unwrap_or(0..structure.tokens.len())
        };
        let (old_words, new_words) = (
            words(before, &scope(before, test)),
            words(after, &scope(after, successor)),
        );
        // First those that mean the same, then those of the same form, so that no other takes their counterpart.
        for wanted in [Alike::Same, Alike::Tighter, Alike::Looser] {
            gone.retain(|(old, _)| {
                let old = &old.range;
                let is_one = |new: &&Asserted<'_>| {
                    alike(
                        before.slice(old),
                        after.slice(&new.assertion.range),
                        &old_words,
                        &new_words,
                    ) == Some(wanted)
                };
                let Some(position) = fresh.iter().position(is_one) else {
                    return true;
                };
                let new = fresh.remove(position);
                if wanted == Alike::Looser {
                    let (old, new) = (Some((before, old)), Some((after, &new.assertion.range)));
                    self.add(file, Weakening::ThresholdLoosened, old, new);
                }
                false
            });
        }
        let mut fresh = fresh.into_iter();
        for (assertion, _) in gone {
            match fresh.next() {
                Some(new) => {
                    let (old, new) = (Some((before, &assertion.range)), Some((after, &new.assertion.range)));
                    self.add(file, Weakening::AssertionChanged, old, new);
                }
                None => self.add_removed(file, before, &assertion.range),
            }
        }
    }

    fn compare_markers(&mut self, index: usize, file: &'f FilePair<'a>, after: &'f Structure<'a>) {
        // What is new as a whole may wait; what moved there may not wait where it did not before.
        let of_file = match file.before {
            Some(_) => Some(index),
            None => {
                let first = self.origins.range((index, 0)..(index + 1, 0)).next();
                first.map(|(_, (origin, _))| *origin)
            }
        };
        for marker in &after.markers {
            let origin = marker.test.and_then(|test| self.origins.get(&(index, test)).copied());
            let scope = match (origin, marker.test) {
                (Some((file, test)), _) => (file, Some(test)),
                // A new test is like none of the base.
                (None, Some(_)) => (usize::MAX, None),
                (None, None) => (of_file.unwrap_or(usize::MAX), None),
            };
            if used_up(&mut self.known_markers, &(scope, after.normal(&marker.range))) {
                continue;
            }
            // A new test may wait, as long as the others do not wait for it.
            let is_new = origin.is_none() && (marker.test.is_some() || of_file.is_none());
            if is_new && !marker.focuses {
                continue;
            }
            let old = origin.and_then(|(file, test)| {
                let structure = self.files.get(file)?.before.as_ref()?;
                Some((structure, &structure.tests.get(test)?.range))
            });
            let lines = old.and_then(|(structure, range)| structure.lines(range));
            let shown = marker_shown(after, marker);
            self.found.push(Found {
                path: file.path.clone(),
                how: Weakening::Skipped,
                before: lines,
                after: after.lines(&marker.range),
                excerpt: excerpt(None, Some(&shown)),
            });
        }
    }

    fn add_removed(&mut self, file: &FilePair<'_>, before: &Structure<'_>, range: &Range<usize>) {
        let lines = before.lines(range);
        // Neighbours are one hunk.
        if let (Some(last), Some(lines)) = (self.found.last_mut(), lines)
            && last.how == Weakening::AssertionRemoved
            && last.path == *file.path
            && let Some(before) = &mut last.before
            && (before.first..=before.last.saturating_add(1)).contains(&lines.first)
        {
            before.last = before.last.max(lines.last);
            return;
        }
        self.add(file, Weakening::AssertionRemoved, Some((before, range)), None);
    }

    fn add(
        &mut self,
        file: &FilePair<'_>,
        how: Weakening,
        before: Option<(&Structure<'_>, &Range<usize>)>,
        after: Option<(&Structure<'_>, &Range<usize>)>,
    ) {
        let lines = |side: Option<(&Structure<'_>, &Range<usize>)>| -> Option<LineRange> {
            side.and_then(|(structure, range)| structure.lines(range))
        };
        let text = |side: Option<(&Structure<'_>, &Range<usize>)>| {
            side.map(|(structure, range)| {
                let end = range.end.min(range.start.saturating_add(80));
                structure.normal(&(range.start..end))
            })
        };
        self.found.push(Found {
            path: file.path.clone(),
            how,
            before: lines(before),
            after: lines(after),
            excerpt: excerpt(text(before).as_deref(), text(after).as_deref()),
        });
    }
}

/// Takes one off a count, where it is not at zero.
fn used_up<K: Ord + ?Sized, Q: Ord + std::borrow::Borrow<K>>(counts: &mut BTreeMap<Q, usize>, key: &K) -> bool {
    match counts.get_mut(key) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

/// A marker with the name of its test.
fn marker_shown(structure: &Structure<'_>, marker: &Marker) -> String {
    let test = marker.test.and_then(|test| structure.tests.get(test));
    let text = structure.normal(&marker.range);
    match test {
        Some(test) => format!("{text} in {}", test.name),
        None => text,
    }
}

fn words<'s>(structure: &'s Structure<'_>, range: &Range<usize>) -> BTreeSet<&'s str> {
    structure.slice(range).iter().map(|token| token.text).collect()
}

/// The first tests of a file by name.
fn named(structure: &Structure<'_>) -> String {
    let names: Vec<_> = structure.tests.iter().take(5).map(|test| test.name.as_str()).collect();
    excerpt(Some(&names.join(", ")), None)
}
