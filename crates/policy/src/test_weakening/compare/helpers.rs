//! Assertions in functions that tests call: whether one that a test no longer makes is made there.

use std::collections::{BTreeMap, BTreeSet};

use super::{FilePair, MAX_COMPARED, Place, afters, befores};
use crate::test_weakening::structure::{Assertion, Structure};
use crate::tokens::Kind;

/// The functions of both sides.
#[derive(Debug)]
pub(super) struct Helpers<'f> {
    before: Asserting<'f>,
    after: Asserting<'f>,
    /// Those of the change that somebody calls, each by its file and its index there.
    called: BTreeSet<(usize, usize)>,
    /// A file of tests is gone, and what stood there outside of functions may stand in another one.
    is_file_gone: bool,
}

/// How often a function asserts each text.
type Counts = BTreeMap<String, usize>;

/// What functions assert, by their names.
#[derive(Debug, Default)]
struct Asserting<'f> {
    of_file: BTreeMap<(usize, &'f str), Counts>,
    /// Of several with one name the one that asserts it most often.
    of_any: BTreeMap<&'f str, Counts>,
}

impl<'f> Helpers<'f> {
    /// `origins` has for each test of the change that was one before which one it was.
    pub(super) fn of(files: &'f [FilePair<'_>], origins: &BTreeMap<Place, Place>) -> Self {
        Self {
            before: Asserting::of(befores(files), |_, _| true),
            after: Asserting::of(afters(files), is_reached),
            called: called(files, origins),
            is_file_gone: files.iter().any(|file| file.after.is_none()),
        }
    }

    /// Whether somebody calls the function that an assertion of the change stands in.
    pub(super) fn are_called(&self, files: &[FilePair<'_>], file: usize, assertion: &Assertion) -> bool {
        let pair = files.get(file);
        let has_unknown_tests = pair.is_some_and(|pair| {
            pair.after
                .as_ref()
                .is_some_and(|after| after.language.has_unknown_tests())
        });
        match assertion.function {
            Some(function) => self.called.contains(&(file, function)),
            None => has_unknown_tests || self.is_file_gone || pair.is_some_and(|pair| pair.before.is_some()),
        }
    }

    /// Leaves those assertions of a test that its successor does not make through functions that it calls, and did not already.
    pub(super) fn leave_missing(
        &self,
        (before, old): (&Structure<'_>, Place),
        after: Option<(&Structure<'_>, Place)>,
        gone: &mut Vec<(&Assertion, String)>,
    ) {
        let Some((after, new)) = after.filter(|_| !gone.is_empty() && gone.len() <= MAX_COMPARED) else {
            return;
        };
        let calls_after = self.after.calls(after, new);
        if calls_after.is_empty() {
            return;
        }
        let calls_before = self.before.calls(before, old);
        let mut spent: Counts = BTreeMap::new();
        gone.retain(|(assertion, text)| {
            // A call in a block that the assertion was not in may never be made.
            let is_as_sure = |blocks: &[String]| assertion.blocks.starts_with(blocks);
            let now = self.after.count(new.0, &calls_after, text, is_as_sure);
            let then = self.before.count(old.0, &calls_before, text, |_| true);
            let spent = spent.entry(text.clone()).or_default();
            *spent += 1;
            then + *spent > now
        });
    }
}

/// How often a test calls functions, by name and by the blocks that it does so in.
type Calls<'s> = BTreeMap<(&'s str, Vec<String>), usize>;

impl<'f> Asserting<'f> {
    /// Of the assertions that are made where the function is called.
    fn of<'a: 'f>(
        side: impl Iterator<Item = (usize, &'f Structure<'a>)>,
        is_made: impl Fn(&Structure<'_>, &Assertion) -> bool,
    ) -> Self {
        let mut asserting = Self::default();
        for (file, structure) in side {
            let name = |function: usize| structure.functions.get(function).map(|function| function.name);
            for function in &structure.functions {
                asserting.of_file.entry((file, function.name)).or_default();
            }
            for assertion in structure.assertions.iter().filter(|one| is_made(structure, one)) {
                if let Some(name) = assertion.function.and_then(name) {
                    let counts = asserting.of_file.entry((file, name)).or_default();
                    *counts.entry(structure.normal(&assertion.range)).or_default() += 1;
                }
            }
        }
        for ((_, name), counts) in &asserting.of_file {
            let any = asserting.of_any.entry(name).or_default();
            for (text, count) in counts {
                let most = any.entry(text.clone()).or_default();
                *most = (*most).max(*count);
            }
        }
        asserting
    }

    /// The calls of functions that assert something.
    fn calls<'s>(&self, structure: &'s Structure<'_>, (_, test): Place) -> Calls<'s> {
        let mut calls = BTreeMap::new();
        let Some(test) = structure.tests.get(test) else {
            return calls;
        };
        for at in test.range.clone() {
            let Some(name) = structure.word(at) else { continue };
            // A fixture is called for whoever has it as a parameter.
            let is_called = structure.is(at + 1, "(") || structure.is(at + 1, "!") || at < test.body.start;
            if is_called && self.of_any.get(name).is_some_and(|counts| !counts.is_empty()) {
                *calls.entry((name, structure.blocks_around(at))).or_default() += 1;
            }
        }
        calls
    }

    /// How often this is asserted through these calls from a file.
    fn count(&self, file: usize, calls: &Calls<'_>, text: &str, counts: impl Fn(&[String]) -> bool) -> usize {
        let calls = calls.iter().filter(|((_, blocks), _)| counts(blocks));
        let of_call = calls.map(|((name, _), times)| {
            // What a file has itself is what it calls.
            let asserted = self.of_file.get(&(file, name)).or_else(|| self.of_any.get(name));
            times.saturating_mul(
                asserted
                    .and_then(|asserted| asserted.get(text))
                    .copied()
                    .unwrap_or_default(),
            )
        });
        of_call.sum()
    }
}

/// Whether nothing in front of an assertion leaves its function, or may.
fn is_reached(structure: &Structure<'_>, assertion: &Assertion) -> bool {
    let function = assertion.function.and_then(|at| structure.functions.get(at));
    function.is_none_or(|function| {
        let before = function.range.start..assertion.range.start.max(function.range.start);
        !structure.slice(&before).iter().any(|token| token.text == "return")
    })
}

/// The functions of the change that were there before, under the same name in the same file or in one that does not have them any more, and
/// those that a test of the base or one of these functions names now.
fn called(files: &[FilePair<'_>], origins: &BTreeMap<Place, Place>) -> BTreeSet<(usize, usize)> {
    let names = |side: Option<&Structure<'_>>| -> BTreeSet<String> {
        let functions = side.into_iter().flat_map(|structure| &structure.functions);
        functions.map(|function| function.name.to_owned()).collect()
    };
    let mut moved: BTreeSet<String> = BTreeSet::new();
    let mut kept: BTreeSet<(usize, String)> = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        let now = names(file.after.as_ref());
        for name in names(file.before.as_ref()) {
            if now.contains(&name) {
                kept.insert((index, name));
            } else {
                moved.insert(name);
            }
        }
    }
    let mut called = BTreeSet::new();
    let mut by_name: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    // Functions and tests whose words are still to be looked at.
    let mut left = Vec::new();
    for (file, structure) in afters(files) {
        for (index, function) in structure.functions.iter().enumerate() {
            if moved.contains(function.name) || kept.contains(&(file, function.name.to_owned())) {
                called.insert((file, index));
                left.push((structure, &function.range));
            } else {
                by_name.entry(function.name).or_default().push((file, index));
            }
        }
        for (index, test) in structure.tests.iter().enumerate() {
            if origins.contains_key(&(file, index)) {
                left.push((structure, &test.range));
            }
        }
    }
    while let Some((structure, range)) = left.pop() {
        let words = structure.slice(range).iter().filter(|token| token.kind == Kind::Word);
        for place in words.filter_map(|token| by_name.remove(token.text)).flatten() {
            called.insert(place);
            let structure = files.get(place.0).and_then(|file| file.after.as_ref());
            left.extend(structure.and_then(|structure| Some((structure, &structure.functions.get(place.1)?.range))));
        }
    }
    called
}
