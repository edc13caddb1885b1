//! What tests are tried with: texts, numbers and truth values outside of what they assert, as in the rows of a table.

use std::collections::BTreeMap;
use std::ops::Range;

use super::thresholds::limits;
use crate::test_weakening::structure::Structure;
use crate::tokens::{Kind, Language, Token};

/// So many brackets are looked at that a value stands in.
const DEEPEST: usize = 8;

/// Values by the test that they stand in; none: outside of tests.
pub(super) type Values = BTreeMap<Option<usize>, Vec<Value>>;

/// A value of a test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    at: usize,
    is_asserted: bool,
}

/// All values of a file.
pub(super) fn values(file: &Structure<'_>) -> Values {
    let mut values = Values::new();
    let mut asserted = file.assertions.iter().map(|assertion| &assertion.range).peekable();
    let limits = limits(file);
    let mut limits = limits.iter().map(|limit| &limit.range).peekable();
    for (at, token) in file.tokens.iter().enumerate() {
        while asserted.next_if(|range| range.end <= at).is_some() {}
        while limits.next_if(|range| range.end <= at).is_some() {}
        let is_in = |range: Option<&&Range<usize>>| range.is_some_and(|range| range.contains(&at));
        let (is_asserted, is_near_limit) = (is_in(asserted.peek()), is_in(limits.peek()));
        let is_limit = is_near_limit && ["=", ":", "("].iter().any(|sign| file.is_before(at, sign));
        if !is_value(token) || is_limit || is_remark(file, at) {
            continue;
        }
        let test = file.test_of(at);
        let is_counted = match test.and_then(|test| file.tests.get(test)) {
            // What a script calls its test stands in front of its body.
            Some(test) => file.language != Language::Script || at + 1 != test.body.start,
            None => file.in_region(at) && is_of_table(file, at),
        };
        if is_counted {
            values.entry(test).or_default().push(Value { at, is_asserted });
        }
    }
    values
}

fn is_value(token: &Token<'_>) -> bool {
    let is_word = || matches!(token.text, "true" | "false" | "True" | "False" | "None" | "null");
    match token.kind {
        Kind::Text | Kind::Number => true,
        Kind::Word => is_word(),
        Kind::Sign => false,
    }
}

/// A text that is a statement of its own says something to people alone.
fn is_remark(file: &Structure<'_>, at: usize) -> bool {
    file.language == Language::Python && file.begins_statement(at) && file.begins_statement(at + 1)
}

/// Paths that are imported are no values of tests.
fn is_of_table(file: &Structure<'_>, at: usize) -> bool {
    let around = |at: usize| file.within.get(at).copied().flatten();
    let mut brackets = std::iter::successors(around(at), |open| around(*open)).take(DEEPEST);
    brackets.any(|open| file.is(open, "[") || file.is(open, "{"))
}

/// The values of one test that its successor does not have, from the first to the last, with those that it has instead.
pub(super) fn gone(
    (before, old): (&Structure<'_>, &[Value]),
    (after, new): (&Structure<'_>, &[Value]),
) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let text = |file: &Structure<'_>, value: &Value| file.token(value.at).map(|token| token.text.to_owned());
    let mut left: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for value in new {
        *left.entry((text(after, value)?, value.is_asserted)).or_default() += 1;
    }
    let mut take = |text: &str, is_asserted: bool| match left.get_mut(&(text.to_owned(), is_asserted)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let mut missing = Vec::new();
    // An asserted value takes its own place first, so that another one of the test does not count as asserted now.
    for value in old.iter().filter(|value| value.is_asserted) {
        take(&text(before, value)?, true);
    }
    for value in old.iter().filter(|value| !value.is_asserted) {
        let text = text(before, value)?;
        if !take(&text, false) && !take(&text, true) {
            missing.push(value.at);
        }
    }
    let range = *missing.first()?..missing.last()? + 1;
    let mut fresh = new.iter().filter(|value| {
        let text = text(after, value).unwrap_or_default();
        !value.is_asserted && take(&text, false)
    });
    let first = fresh.next().map(|value| value.at);
    let last = fresh.last().map(|value| value.at).or(first);
    Some((range, first.zip(last).map(|(first, last)| first..last + 1)))
}
