//! What keeps tests from running, or lets them pass whatever happens.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Language, Marker, Structure};

pub(super) fn find(file: &Structure<'_>) -> Vec<Marker> {
    let mut found = Vec::new();
    for at in 0..file.tokens.len() {
        let marker = early_return(file, at)
            .map(|range| (range, false))
            .or_else(|| match file.language {
                Language::Rust => rust(file, at).map(|range| (range, false)),
                Language::Script => script(file, at),
                Language::Python => python(file, at).map(|range| (range, false)),
                Language::Go => go(file, at),
                Language::Jvm => jvm(file, at).map(|range| (range, false)),
                Language::Hash | Language::Other => other(file, at).map(|range| (range, false)),
            });
        if let Some((range, focuses)) = marker {
            found.push(Marker {
                test: file.test_of(at),
                range,
                focuses,
            });
        }
    }
    if file.language == Language::Python {
        found.extend(shadows(file));
    }
    found
}

/// A function of Python's takes the place of an earlier one of the same name, which never runs then.
fn shadows(file: &Structure<'_>) -> Vec<Marker> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    // The classes around a line, each with its column.
    let mut classes: Vec<(usize, usize)> = Vec::new();
    for at in (0..file.tokens.len()).filter(|at| file.begins_line(*at)) {
        let column = file.token(at).map_or(0, |token| token.column);
        classes.retain(|(around, _)| *around < column);
        if file.is(at, "class") {
            classes.push((column, at));
        }
        let name = if file.is(at, "async") { at + 2 } else { at + 1 };
        let is_test = file.is(name - 1, "def") && file.word(name).is_some_and(|name| name.starts_with("test"));
        let owner = classes.last().map(|(_, class)| *class);
        if is_test && !known.insert((owner, column, file.word(name))) {
            found.push(Marker {
                range: name - 1..name + 1,
                test: None,
                focuses: false,
            });
        }
    }
    found
}

/// A `return` without a value leaves a test before its end.
fn early_return(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    file.test_of(at)?;
    let is_bare = file.is(at + 1, ";") || file.is(at + 1, "}") || file.begins_line(at + 1);
    (file.is(at, "return") && is_bare).then_some(at..at + 1)
}

/// An attribute of a test, or of a module of tests.
fn rust(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let open = if file.are(at, &["#", "!", "["]) { at + 2 } else { at + 1 };
    if !file.is(at, "#") || !file.is(open, "[") {
        return None;
    }
    let range = at..file.group_end(open);
    if file.test_of(at).is_none() && !file.in_region(at) && !is_of_tests(file, range.end) {
        return None;
    }
    // An attribute that never ends is not read to its end.
    let words: Vec<_> = range.clone().take(100).filter_map(|at| file.word(at)).collect();
    let is_marker = match words.first().copied() {
        // With which words it panics is an assertion; that it may is no test of what it asserted before.
        Some("should_panic") => return Some(at..open + 2),
        Some("ignore") => true,
        // `cfg(test)` is what makes it a test.
        Some("cfg") => words != ["cfg", "test"],
        Some("cfg_attr") => words.contains(&"ignore") || words.contains(&"should_panic"),
        _ => false,
    };
    is_marker.then_some(range)
}

/// Whether this is a module with tests in it, whatever is said of it.
fn is_of_tests(file: &Structure<'_>, at: usize) -> bool {
    let body = at + 2..file.group_end(at + 2);
    let first = file.tests.partition_point(|test| test.range.start < body.start);
    let holds_one = file
        .tests
        .get(first)
        .is_some_and(|test| body.contains(&test.range.start));
    file.is(at, "mod") && file.is(at + 2, "{") && holds_one
}

fn script(file: &Structure<'_>, at: usize) -> Option<(Range<usize>, bool)> {
    let word = file.word(at)?;
    if file.is_before(at, ".") || file.is_before(at, "function") {
        return None;
    }
    match word {
        "xit" | "xtest" | "xdescribe" | "xcontext" | "xspecify" if file.is(at + 1, "(") => Some((at..at + 1, false)),
        "fit" | "fdescribe" | "fcontext" if file.is(at + 1, "(") => Some((at..at + 1, true)),
        "it" | "test" | "describe" | "context" | "suite" | "specify" | "this" | "t" => {
            let mut next = at + 1;
            while file.is(next, ".") {
                match file.word(next + 1) {
                    Some("only") => return Some((at..next + 2, true)),
                    Some("skip" | "todo" | "fixme" | "failing" | "fails" | "skipIf" | "runIf") => {
                        return Some((at..next + 2, false));
                    }
                    _ => next += 2,
                }
            }
            None
        }
        _ => None,
    }
}

fn python(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let word = file.word(at)?;
    let names = matches!(
        word,
        "skip" | "skipif" | "xfail" | "skipIf" | "skipUnless" | "expectedFailure" | "skipTest" | "importorskip"
    );
    let is_one = match word {
        "pytestmark" | "collect_ignore" | "collect_ignore_glob" | "__test__" | "SkipTest" => true,
        // Streams skip as well.
        "skip" => {
            ["mark", "pytest", "unittest"]
                .iter()
                .any(|owner| at > 1 && file.are(at - 2, &[owner, "."]))
                || file.is_before(at, "@")
        }
        _ => names && (file.is_before(at, ".") || file.is_before(at, "@")),
    };
    is_one.then(|| {
        at..if file.is(at + 1, "(") {
            file.group_end(at + 1)
        } else {
            at + 1
        }
    })
}

fn go(file: &Structure<'_>, at: usize) -> Option<(Range<usize>, bool)> {
    // It decides whether the tests of its package run at all.
    if file.are(at, &["func", "TestMain", "("]) {
        let end = (at..file.tokens.len()).find(|open| file.is(*open, "{"));
        return Some((at..end.map_or(file.tokens.len(), |open| file.group_end(open)), true));
    }
    skips_of_go(file, at).map(|range| (range, false))
}

fn skips_of_go(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    if file.are(at, &["/", "/", "go", ":", "build"]) {
        return Some(
            at..(at + 1..file.tokens.len())
                .find(|next| file.begins_line(*next))
                .unwrap_or(file.tokens.len()),
        );
    }
    let skips = matches!(file.word(at)?, "Skip" | "SkipNow" | "Skipf") && file.is(at + 1, "(");
    let short = file.are(at, &["Short", "("]);
    let owner = at.checked_sub(2);
    // `t`, or the `T()` of a suite.
    let is_test = owner.is_some_and(|owner| ["t", "b", "tb", "f", ")"].iter().any(|name| file.is(owner, name)));
    (((skips && is_test) || short) && file.is_before(at, ".")).then_some(at..at + 1)
}

fn jvm(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let word = file.word(at)?;
    let annotates = file.is_before(at, "@")
        && ["Disabled", "Ignore", "EnabledIf", "EnabledOn"]
            .iter()
            .any(|name| word.starts_with(name));
    let assumes = word.starts_with("assume") && file.is(at + 1, "(");
    (annotates || assumes).then_some(at..at + 1)
}

fn other(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let word = file.word(at)?;
    let is_one = matches!(
        word,
        "skip"
            | "pending"
            | "xit"
            | "xdescribe"
            | "xcontext"
            | "GTEST_SKIP"
            | "XCTSkip"
            | "Ignore"
            | "Ignored"
            | "markTestSkipped"
            | "markTestIncomplete"
            | "Skip"
    );
    ((is_one && !file.is_before(at, ".")) || word.starts_with("DISABLED_")).then_some(at..at + 1)
}
