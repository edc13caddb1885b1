//! Where the tests of a file are.

use std::ops::Range;

use super::{Extent, Kind, Language, Structure, Test};

/// Finds the tests and what else of the file is about tests.
pub(super) fn find(structure: &mut Structure<'_>, extent: Extent) {
    let (tests, mut regions) = match structure.language {
        Language::Rust => rust(structure, extent),
        Language::Script => (script(structure), Vec::new()),
        Language::Python => (python(structure), Vec::new()),
        Language::Go => (go(structure), Vec::new()),
        Language::Jvm | Language::Kotlin => (jvm(structure), Vec::new()),
        Language::Hash | Language::Other | Language::Swift | Language::CSharp | Language::Php => {
            (Vec::new(), Vec::new())
        }
    };
    if extent == Extent::Whole {
        regions = std::iter::once(0..structure.tokens.len()).collect();
    }
    // One inside another is part of it, so that every token has one test at most.
    let mut end = 0;
    structure.tests = tests;
    structure.tests.retain(|test| {
        let is_apart = test.range.start >= end;
        end = end.max(if is_apart { test.range.end } else { 0 });
        is_apart
    });
    structure.regions = regions;
}

/// Attributes that make a function a test, whatever path leads to them.
const TEST_ATTRIBUTES: [&str; 6] = [
    "test",
    "rstest",
    "test_case",
    "quickcheck",
    "wasm_bindgen_test",
    "test_log",
];

fn rust(file: &Structure<'_>, extent: Extent) -> (Vec<Test>, Vec<Range<usize>>) {
    let (mut tests, mut regions) = (Vec::new(), Vec::new());
    let (mut attributes_start, mut is_test, mut is_for_tests) = (None, false, false);
    let mut at = 0;
    while at < file.tokens.len() {
        if file.are(at, &["#", "["]) {
            let end = file.group_end(at + 1);
            attributes_start.get_or_insert(at);
            is_test |= is_test_attribute(file, at + 2);
            is_for_tests |= is_cfg_of_tests(file, &(at + 2..end));
            at = end;
            continue;
        }
        let start = attributes_start.unwrap_or(at);
        match file.word(at) {
            // What may stand between attributes and what they are of.
            Some("pub" | "async" | "const" | "unsafe" | "extern" | "crate" | "default") => {
                attributes_start.get_or_insert(at);
                at += 1;
                if file.is(at, "(") {
                    at = file.group_end(at);
                }
                continue;
            }
            Some("fn") if is_test => {
                let body = braces(file, at);
                tests.push(Test {
                    name: file.word(at + 1).unwrap_or_default().to_owned(),
                    range: start..body.end,
                    body,
                });
            }
            // A file of tests that nothing declares is never compiled.
            Some("mod") if file.is(at + 2, ";") && (is_for_tests || extent == Extent::Whole) => {
                let end = at + 3;
                tests.push(Test {
                    name: format!("mod {}", file.word(at + 1).unwrap_or_default()),
                    range: start..end,
                    body: end..end,
                });
            }
            _ => {}
        }
        if is_for_tests || is_test {
            let end = braces(file, at).end;
            // A test in a module of tests is in its region already.
            if regions.last().is_none_or(|last: &Range<usize>| last.end <= start) {
                regions.push(start..end);
            }
        }
        (attributes_start, is_test, is_for_tests) = (None, false, false);
        at += 1;
    }
    (tests, regions)
}

fn is_test_attribute(file: &Structure<'_>, mut at: usize) -> bool {
    while file.is(at + 1, "::") {
        at += 2;
    }
    file.word(at).is_some_and(|word| TEST_ATTRIBUTES.contains(&word))
}

/// `cfg(test)`, also among others, but not `cfg(not(test))`.
fn is_cfg_of_tests(file: &Structure<'_>, attribute: &Range<usize>) -> bool {
    let words = || attribute.clone().filter_map(|at| file.word(at));
    file.is(attribute.start, "cfg") && words().any(|word| word == "test") && !words().any(|word| word == "not")
}

/// The longest way from a name to its braces that is followed.
const LONGEST_SIGNATURE: usize = 1000;

/// What is between the next braces, with the closing one; empty where a `;` comes before.
pub(super) fn braces(file: &Structure<'_>, from: usize) -> Range<usize> {
    let mut at = from;
    for _ in 0..LONGEST_SIGNATURE {
        if at >= file.tokens.len() {
            break;
        }
        if file.is(at, "{") {
            return at + 1..file.group_end(at);
        }
        if file.is(at, ";") {
            return at + 1..at + 1;
        }
        at = if file.opens(at) { file.group_end(at) } else { at + 1 };
    }
    at.min(file.tokens.len())..at.min(file.tokens.len())
}

fn script(file: &Structure<'_>) -> Vec<Test> {
    let mut tests = Vec::new();
    for at in 0..file.tokens.len() {
        let declares = file
            .word(at)
            .is_some_and(|word| matches!(word, "it" | "test" | "specify" | "xit" | "xtest" | "xspecify" | "fit"));
        if !declares || file.is_before(at, ".") || file.is_before(at, "function") {
            continue;
        }
        // `test.each([…]).skip("name", …)`
        let mut open = at + 1;
        while file.is(open, ".") {
            let is_table = matches!(file.word(open + 1), Some("each" | "for" | "skipIf" | "runIf"));
            open += 2;
            if is_table {
                let is_text = file.token(open).is_some_and(|token| token.kind == Kind::Text);
                open = if is_text { open + 1 } else { file.group_end(open) };
            }
        }
        let name = file.token(open + 1).filter(|name| name.kind == Kind::Text);
        if let (true, Some(name)) = (file.is(open, "("), name) {
            tests.push(Test {
                name: name.text.trim_matches(['"', '\'', '`']).to_owned(),
                range: at..file.group_end(open),
                body: open + 2..file.group_end(open),
            });
        }
    }
    tests
}

fn python(file: &Structure<'_>) -> Vec<Test> {
    let lines = statements(file);
    let indent = |line: &Range<usize>| file.token(line.start).map_or(0, |token| token.column);
    let mut tests = Vec::new();
    let mut decorated = None;
    for (index, line) in lines.iter().enumerate() {
        if file.is(line.start, "@") {
            decorated.get_or_insert(line.start);
            continue;
        }
        let start = decorated.take().unwrap_or(line.start);
        let function = if file.is(line.start, "async") {
            line.start + 1
        } else {
            line.start
        };
        let name = file.word(function + 1).filter(|name| name.starts_with("test"));
        let (true, Some(name)) = (file.is(function, "def"), name) else {
            continue;
        };
        // A body may also follow on the same line.
        let body = (function + 2..line.end)
            .find(|at| file.is(*at, "("))
            .map_or(line.end, |open| file.group_end(open));
        let below = lines.get(index + 1..).unwrap_or_default();
        let end = below.iter().find(|below| indent(below) <= indent(line));
        tests.push(Test {
            name: name.to_owned(),
            range: start..end.map_or(file.tokens.len(), |end| end.start),
            body: body..end.map_or(file.tokens.len(), |end| end.start),
        });
    }
    tests
}

/// The logical lines.
fn statements(file: &Structure<'_>) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for at in 1..=file.tokens.len() {
        let ends = at == file.tokens.len() || file.begins_statement(at);
        if ends && start < at {
            lines.push(start..at);
            start = at;
        }
    }
    lines
}

fn go(file: &Structure<'_>) -> Vec<Test> {
    // What is called `TestMain` runs the tests and is none.
    let is_test = |name: &str| {
        name != "TestMain"
            && ["Test", "Benchmark", "Fuzz", "Example"].iter().any(|prefix| {
                name.strip_prefix(prefix)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase()))
            })
    };
    let mut tests = Vec::new();
    for at in 0..file.tokens.len() {
        // A method of a suite has its receiver in between.
        let name_at = if file.is(at + 1, "(") {
            file.group_end(at + 1)
        } else {
            at + 1
        };
        let name = file.word(name_at).filter(|name| is_test(name));
        if let (true, Some(name)) = (file.is(at, "func"), name) {
            let body = braces(file, name_at + 1);
            tests.push(Test {
                name: name.to_owned(),
                range: at..body.end,
                body,
            });
        }
    }
    tests
}

fn jvm(file: &Structure<'_>) -> Vec<Test> {
    let mut tests = Vec::new();
    let (mut start, mut is_test) = (None, false);
    let mut at = 0;
    while at < file.tokens.len() {
        if file.is(at, "@") && file.word(at + 1).is_some() {
            start.get_or_insert(at);
            let name = file.word(at + 1).unwrap_or_default();
            is_test |= matches!(
                name,
                "Test" | "ParameterizedTest" | "RepeatedTest" | "TestFactory" | "TestTemplate" | "Property"
            );
            at += 2;
            while file.is(at, ".") {
                at += 2;
            }
            if file.is(at, "(") {
                at = file.group_end(at);
            }
            continue;
        }
        // The name of what is declared stands before its parameters; nothing but modifiers and a type stands before that.
        if is_test && file.is(at, "(") {
            let name = at.checked_sub(1).and_then(|before| file.token(before));
            let body = braces(file, at);
            tests.push(Test {
                name: name
                    .map(|name| name.text.trim_matches('`').to_owned())
                    .unwrap_or_default(),
                range: start.unwrap_or(at)..body.end,
                body,
            });
            (start, is_test) = (None, false);
        } else if ["{", "}", ";"].iter().any(|sign| file.is(at, sign)) {
            (start, is_test) = (None, false);
        }
        at += 1;
    }
    tests
}
