//! Assertions that say what they said, in another block of their test.

use std::collections::BTreeMap;

use super::Asserted;
use crate::test_weakening::structure::{Assertion, Structure};

/// Each assertion of a test that is there with the same words, but in other blocks than any that is left.
pub(super) fn moved<'b, 'n>(
    before: &Structure<'_>,
    olds: &[&'b Assertion],
    news: &[Asserted<'n>],
) -> Vec<(&'b Assertion, &'n Assertion)> {
    let mut left: BTreeMap<&str, BTreeMap<&[String], Vec<&Asserted<'n>>>> = BTreeMap::new();
    // The first one is popped first.
    for new in news.iter().rev() {
        let by_blocks = left.entry(&new.text).or_default();
        by_blocks.entry(&new.assertion.blocks).or_default().push(new);
    }
    let mut others = Vec::new();
    for old in olds {
        let text = before.normal(&old.range);
        let same = left
            .get_mut(text.as_str())
            .and_then(|by_blocks| by_blocks.get_mut(old.blocks.as_slice()));
        if same.and_then(Vec::pop).is_none() {
            others.push((*old, text));
        }
    }
    let mut found = Vec::new();
    for (old, text) in others {
        let Some(by_blocks) = left.get_mut(text.as_str()) else {
            continue;
        };
        by_blocks.retain(|_, places| !places.is_empty());
        if let Some(new) = by_blocks.values_mut().next().and_then(Vec::pop) {
            found.push((old, new.assertion));
        }
    }
    found
}
