//! Limits that a test accepts.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::test_weakening::files::words_of;
use crate::test_weakening::structure::Structure;
use crate::tokens::{Kind, Token};

/// Names of what lets more pass when it is larger.
const LARGER_IS_LOOSER: [&str; 12] = [
    "tolerance",
    "tol",
    "atol",
    "rtol",
    "epsilon",
    "eps",
    "delta",
    "timeout",
    "deadline",
    "retries",
    "attempts",
    "slack",
];

/// Names of what lets more pass when it is smaller.
const SMALLER_IS_LOOSER: [&str; 6] = ["coverage", "places", "digits", "precision", "cases", "decimal"];

/// Whether a number in an assertion is looser than it was; none: it is no limit.
pub(super) fn looser(tokens: &[&Token<'_>], at: usize, old: f64, new: f64) -> Option<bool> {
    // Where the opposite is asserted, looser is tighter.
    let negates = |(at, token): (usize, &&Token<'_>)| {
        (at > 1 && token.is("!")) || token.is("not") || token.text.to_ascii_lowercase().ends_with("false")
    };
    if tokens.iter().enumerate().any(negates) {
        return None;
    }
    let sign = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|token| token.text);
    let (before, after) = (sign(at.checked_sub(1)), sign(at.checked_add(1)));
    // A condition that ends in a failure says what must not be.
    let larger = |larger: bool| {
        let fails_if = tokens.first().is_some_and(|token| token.is("if"));
        if larger == fails_if { new < old } else { new > old }
    };
    match (before, after) {
        (Some("<" | "<="), _) | (_, Some(">" | ">=")) => return Some(larger(true)),
        (Some(">" | ">="), _) | (_, Some("<" | "<=")) => return Some(larger(false)),
        _ => {}
    }
    let name = match before? {
        // `delta=0.1`
        "=" | ":" => {
            return direction(sign(at.checked_sub(2))?).map(|larger| if larger { new > old } else { new < old });
        }
        // `toBeLessThan(5)`
        "(" => sign(at.checked_sub(2))?,
        // `assertLess(x, 5)`
        "," => tokens.first()?.text,
        _ => return None,
    };
    let words = words_of(name);
    let says = |wanted: &str| words.iter().any(|word| word == wanted);
    match (says("less"), says("greater")) {
        (true, false) => Some(new > old),
        (false, true) => Some(new < old),
        _ => None,
    }
}

/// Whether more passes when what has this name is larger; none: it is no limit.
fn direction(name: &str) -> Option<bool> {
    let words = words_of(name);
    let any = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    if any(&LARGER_IS_LOOSER) {
        Some(true)
    } else if any(&SMALLER_IS_LOOSER) {
        Some(false)
    } else {
        None
    }
}

/// The lines outside of assertions in which nothing but a limit differs, and that is looser.
pub(super) fn loosened(before: &Structure<'_>, after: &Structure<'_>) -> Vec<(Range<usize>, Range<usize>)> {
    let (old, new) = (limits(before), limits(after));
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for limit in &new {
        *counts.entry((&limit.shape, &limit.values)).or_default() += 1;
    }
    let mut gone: BTreeMap<&str, Vec<&Limit>> = BTreeMap::new();
    for limit in &old {
        match counts.get_mut(&(limit.shape.as_str(), limit.values.as_str())) {
            Some(count) if *count > 0 => *count -= 1,
            _ => gone.entry(&limit.shape).or_default().push(limit),
        }
    }
    for limits in gone.values_mut() {
        // The first is taken first.
        limits.reverse();
    }
    let mut found = Vec::new();
    for limit in &new {
        let Some(count) = counts.get_mut(&(limit.shape.as_str(), limit.values.as_str())) else {
            continue;
        };
        if *count == 0 {
            continue;
        }
        *count -= 1;
        let Some(old) = gone.get_mut(limit.shape.as_str()).and_then(Vec::pop) else {
            continue;
        };
        let is_looser = old
            .numbers
            .iter()
            .zip(&limit.numbers)
            .any(|(old, new)| if limit.larger_is_looser { new > old } else { new < old });
        if is_looser {
            found.push((old.range.clone(), limit.range.clone()));
        }
    }
    found
}

/// A line with a limit in it.
pub(super) struct Limit {
    pub(super) range: Range<usize>,
    /// The line without its numbers.
    shape: String,
    values: String,
    numbers: Vec<f64>,
    larger_is_looser: bool,
}

pub(super) fn limits(structure: &Structure<'_>) -> Vec<Limit> {
    let mut asserted = structure.assertions.iter().map(|assertion| &assertion.range).peekable();
    let mut limits = Vec::new();
    let mut start = 0;
    while start < structure.tokens.len() {
        let line = structure.token(start).map(|token| token.line);
        let mut end = start + 1;
        while end < structure.tokens.len() && structure.token(end).map(|token| token.line) == line {
            end += 1;
        }
        while asserted.next_if(|range| range.end <= start).is_some() {}
        let is_asserted = asserted.peek().is_some_and(|range| range.start < end);
        if !is_asserted && structure.in_region(start) {
            limits.extend(limit(structure, start..end));
        }
        start = end;
    }
    limits
}

fn limit(structure: &Structure<'_>, range: Range<usize>) -> Option<Limit> {
    let tokens = structure.slice(&range);
    let larger_is_looser = tokens
        .iter()
        .filter(|token| token.kind == Kind::Word)
        .find_map(|token| direction(token.text))?;
    let (mut shape, mut values, mut numbers) = (String::new(), String::new(), Vec::new());
    for token in tokens {
        if token.kind == Kind::Number {
            values.push_str(token.text);
            values.push(' ');
            numbers.extend(token.value());
            shape.push('#');
        } else {
            shape.push_str(token.text);
        }
        shape.push(' ');
    }
    (!numbers.is_empty()).then_some(Limit {
        range,
        shape,
        values,
        numbers,
        larger_is_looser,
    })
}
