//! Whether one assertion says what another said.

use std::collections::{BTreeMap, BTreeSet};

use super::thresholds::looser;
use crate::tokens::{Kind, Token};

/// How an assertion is like another one of the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alike {
    /// Only variables have other names.
    Same,
    /// It refuses at least as much.
    Tighter,
    /// It refuses less.
    Looser,
}

/// How `new` is like `old`, where these are the words of the tests that they are in; none: it says something else.
pub(super) fn alike(
    old: &[Token<'_>],
    new: &[Token<'_>],
    old_words: &BTreeSet<&str>,
    new_words: &BTreeSet<&str>,
) -> Option<Alike> {
    // A test that waits for what it asserts asserts more than one that does not.
    let (waited, old) = without_wait(old);
    let (waits, new) = without_wait(new);
    if waited && !waits {
        return None;
    }
    if is_stronger(old, new) {
        return Some(Alike::Tighter);
    }
    let (old, new) = (plain(old), plain(new));
    if old.len() != new.len() {
        return None;
    }
    let (mut names, mut back) = (BTreeMap::new(), BTreeMap::new());
    let mut numbers = Vec::new();
    for (at, (one, other)) in old.iter().zip(&new).enumerate() {
        if one.kind != other.kind {
            return None;
        }
        if one.kind == Kind::Number && one.text != other.text {
            numbers.push((at, one.value()?, other.value()?));
            continue;
        }
        if one.kind != Kind::Word || one.text == other.text {
            if one.text != other.text {
                return None;
            }
            // A name that stays cannot also be another one's new name.
            if one.kind == Kind::Word
                && (*names.entry(one.text).or_insert(other.text) != other.text
                    || *back.entry(other.text).or_insert(one.text) != one.text)
            {
                return None;
            }
            continue;
        }
        // What is asserted, what is called, what is a member and what is a type or a constant keep their names; a variable has a new one
        // everywhere.
        let follows = |sign: &str| at > 0 && old.get(at - 1).is_some_and(|token| token.is(sign));
        let leads = |sign: &str| old.get(at + 1).is_some_and(|token| token.is(sign));
        let is_small = |word: &str| !word.starts_with(char::is_uppercase);
        let is_variable = at > 0
            && is_small(one.text)
            && is_small(other.text)
            && !follows(".")
            && !follows("::")
            && !leads("(")
            && !leads("!")
            && !leads("::");
        let is_renamed = !old_words.contains(other.text)
            && !new_words.contains(one.text)
            && !is_literal(other.text)
            && !is_literal(one.text);
        let is_consistent = *names.entry(one.text).or_insert(other.text) == other.text
            && *back.entry(other.text).or_insert(one.text) == one.text;
        if !is_variable || !is_renamed || !is_consistent {
            return None;
        }
    }
    if numbers.is_empty() {
        return Some(Alike::Same);
    }
    let mut is_looser = false;
    for (at, one, other) in numbers {
        is_looser |= looser(&old, at, one, other)?;
    }
    Some(if is_looser { Alike::Looser } else { Alike::Tighter })
}

/// An assertion without what has its test wait for it, and whether there was such a word.
fn without_wait<'t, 's>(tokens: &'t [Token<'s>]) -> (bool, &'t [Token<'s>]) {
    match tokens.split_first() {
        Some((first, rest)) if ["await", "return", "=>"].iter().any(|word| first.is(word)) => (true, rest),
        _ => (false, tokens),
    }
}

/// Without what formatters add and remove.
fn plain<'t, 's>(tokens: &'t [Token<'s>]) -> Vec<&'t Token<'s>> {
    let closes = |token: &Token<'_>| [")", "]", "}"].iter().any(|close| token.is(close));
    let kept = tokens.iter().enumerate().filter(|(at, token)| {
        let before_close = tokens.get(at + 1).is_none_or(closes);
        !(token.is(";") || token.is("\\") || (token.is(",") && before_close))
    });
    kept.map(|(_, token)| token).collect()
}

fn is_literal(word: &str) -> bool {
    matches!(
        word,
        "true"
            | "false"
            | "True"
            | "False"
            | "None"
            | "null"
            | "nil"
            | "undefined"
            | "not"
            | "is"
            | "in"
            | "and"
            | "or"
            | "NaN"
            | "Some"
            | "Ok"
            | "Err"
    )
}

/// Whether equality is asserted now, of all that an order or a condition was asserted of before.
fn is_stronger(old: &[Token<'_>], new: &[Token<'_>]) -> bool {
    let asserts_equality = |tokens: &[Token<'_>]| {
        tokens.first().is_some_and(|token| {
            let name = token.text.to_ascii_lowercase();
            (name.ends_with("_eq") || name.contains("equal")) && !name.contains("not")
        })
    };
    let words = |tokens: &[Token<'_>]| -> BTreeSet<String> {
        let words = tokens
            .iter()
            .skip(1)
            .filter(|token| token.kind == Kind::Word && !is_literal(token.text));
        words.map(|token| token.text.to_owned()).collect()
    };
    !asserts_equality(old) && asserts_equality(new) && !words(old).is_empty() && words(old).is_subset(&words(new))
}
