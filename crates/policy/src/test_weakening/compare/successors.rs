//! What became of the tests of the base.

use std::collections::{BTreeMap, BTreeSet};

use super::collected::Signs;
use super::{FilePair, Place};
use crate::test_weakening::structure::{Structure, Test};
use crate::tokens::Language;

/// For each test of the base the one that it became: of the same name in the same file, best with the same body, of the same name
/// elsewhere, with the same body, or with all that it asserts. A file that its test runner does not find any more has none.
pub(super) fn successors(files: &[FilePair<'_>]) -> BTreeMap<Place, Place> {
    let olds = places(files, |file| file.before.as_ref());
    let news = places(files, |file| file.after.as_ref());
    let signs: Vec<_> = files.iter().map(signs).collect();
    let declared: BTreeSet<&str> = news
        .iter()
        .filter_map(|(.., test)| test.name.strip_prefix("mod "))
        .collect();
    let is_found = |old: usize, new: usize| {
        let (old, new) = (signs.get(old), signs.get(new));
        let kept = old
            .zip(new)
            .map(|(old, new)| old.are_kept_by(new, declared.contains(&*new.module)));
        kept.unwrap_or_default()
    };
    let mut successors = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let keys: [KeyOfTest; 5] = [
        |file, structure, test| {
            Some(format!(
                "{}\n{}\n{}",
                file.path,
                test.name,
                structure.normal(&test.body)
            ))
        },
        |file, _, test| Some(format!("{}\n{}", file.path, test.name)),
        |_, _, test| Some(test.name.clone()),
        |_, structure, test| Some(structure.normal(&test.body)).filter(|body| !body.is_empty()),
        |_, structure, test| asserted(structure, test),
    ];
    for key in keys {
        // By file: that one is not found rules out all of its tests.
        let mut by_key: BTreeMap<String, BTreeMap<usize, Vec<Place>>> = BTreeMap::new();
        // The first one is popped first.
        for (place, file, structure, test) in news.iter().rev() {
            if let (false, Some(key)) = (taken.contains(place), key(file, structure, test)) {
                by_key.entry(key).or_default().entry(place.0).or_default().push(*place);
            }
        }
        for (place, file, structure, test) in &olds {
            if successors.contains_key(place) {
                continue;
            }
            let successor = key(file, structure, test).and_then(|key| {
                let by_file = by_key.get_mut(&key)?;
                let found = by_file
                    .keys()
                    .copied()
                    .find(|new| place.0 == *new || is_found(place.0, *new))?;
                let places = by_file.get_mut(&found)?;
                let successor = places.pop();
                if places.is_empty() {
                    by_file.remove(&found);
                }
                successor
            });
            if let Some(successor) = successor {
                taken.insert(successor);
                successors.insert(*place, successor);
            }
        }
    }
    successors
}

fn signs(file: &FilePair<'_>) -> Signs {
    let side = file.before.as_ref().or(file.after.as_ref());
    Signs::of(file.path, side.map_or(Language::Other, |side| side.language))
}

/// What a test and its successor have in common; none: nothing that would tell it from others.
type KeyOfTest = fn(&FilePair<'_>, &Structure<'_>, &Test) -> Option<String>;

type Placed<'f, 'a> = (Place, &'f FilePair<'a>, &'f Structure<'a>, &'f Test);

fn places<'f, 'a>(
    files: &'f [FilePair<'a>],
    side: impl Fn(&'f FilePair<'a>) -> Option<&'f Structure<'a>>,
) -> Vec<Placed<'f, 'a>> {
    let mut places = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let Some(structure) = side(file) else { continue };
        for (test_index, test) in structure.tests.iter().enumerate() {
            places.push(((index, test_index), file, structure, test));
        }
    }
    places
}

/// All that a test asserts; none: nothing.
fn asserted(structure: &Structure<'_>, test: &Test) -> Option<String> {
    let first = structure
        .assertions
        .partition_point(|assertion| assertion.range.start < test.range.start);
    let assertions = structure.assertions.get(first..).unwrap_or_default();
    let inside = assertions
        .iter()
        .take_while(|assertion| assertion.range.start < test.range.end);
    let texts: Vec<_> = inside.map(|assertion| structure.normal(&assertion.range)).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}
