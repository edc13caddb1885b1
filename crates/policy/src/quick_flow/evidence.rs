//! What is told of a change of dependencies and of declarations, in words.

use super::crossing::shown;
use super::declarations::PublicApiChange;
use crate::dependencies::DependencyChange;

pub(super) fn dependency_evidence(change: Option<&DependencyChange>) -> String {
    match change {
        Some(DependencyChange::Names(names) | DependencyChange::Locked { names, .. }) if !names.is_empty() => {
            format!("it adds, replaces or removes {}", listed(names.iter()))
        }
        _ => "it says which dependencies there are".to_owned(),
    }
}

pub(super) fn api_evidence(change: &PublicApiChange) -> Option<String> {
    let mut parts = Vec::new();
    for (list, verb) in [(&change.added, "adds"), (&change.removed, "removes")] {
        if !list.is_empty() {
            let list: Vec<_> = list.iter().map(|declaration| without_values(declaration)).collect();
            parts.push(format!("{verb} {}", listed(list.iter())));
        }
    }
    (!parts.is_empty()).then(|| format!("it {}", parts.join(", and ")))
}

/// A declaration up to the first text in it, and without words that could be a key: what is recorded holds no secret, and what is
/// cut off in the middle of one would not be known as one any more.
fn without_values(declaration: &str) -> String {
    let shown = declaration.split(['"', '`']).next().unwrap_or_default();
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_+/=-.".contains(character);
    let mut kept = String::new();
    let mut rest = shown;
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|character| !is_word(character)).unwrap_or(word.len()));
        kept.push_str(before);
        let could_be_key = word.len() >= 16 && word.contains(|character: char| character.is_ascii_digit());
        kept.push_str(if could_be_key { "…" } else { word });
        rest = after;
    }
    kept.push_str(rest);
    kept.trim_end().to_owned()
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let names: Vec<_> = names.take(3).map(|name| format!("`{}`", shown(name, 80))).collect();
    match count.saturating_sub(3) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
