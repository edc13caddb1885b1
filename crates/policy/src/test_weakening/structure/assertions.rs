//! What is asserted.

use std::ops::Range;

use super::{Assertion, Kind, Language, Structure, blocks};

/// Methods of the test object of small test runners for scripts.
const SCRIPT_METHODS: [&str; 24] = [
    "is",
    "not",
    "deepEqual",
    "notDeepEqual",
    "equal",
    "equals",
    "notEqual",
    "same",
    "true",
    "false",
    "truthy",
    "falsy",
    "throws",
    "throwsAsync",
    "rejects",
    "notThrows",
    "like",
    "regex",
    "snapshot",
    "ok",
    "notOk",
    "fail",
    "plan",
    "match",
];

/// Methods of Go's test object that fail a test.
const GO_FAILURES: [&str; 6] = ["Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"];

pub(super) fn find(file: &Structure<'_>) -> Vec<Assertion> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < file.tokens.len() {
        let range = assertion(file, at).filter(|_| file.in_region(at) || file.test_of(at).is_some());
        let end_of_last = found.last().map_or(0, |last: &Assertion| last.range.end);
        let range = range.map(|range| with_wait(file, range, end_of_last));
        let next = range.as_ref().map_or(at + 1, |range| range.end.max(at + 1));
        if let Some(range) = range {
            found.push(Assertion {
                test: file.test_of(at),
                function: file.test_of(at).is_none().then(|| file.function_of(at)).flatten(),
                blocks: blocks::around(file, range.start),
                range,
            });
        }
        at = next;
    }
    found
}

/// The assertion that this word makes.
fn assertion(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    if is_output_of_example(file, at) {
        return Some(at..at + 1);
    }
    let word = file.word(at)?;
    // A declaration asserts nothing.
    if ["fn", "function", "def", "func", "fun", "void", "macro_rules", "class"]
        .iter()
        .any(|declares| file.is_before(at, declares))
    {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let called = |at: usize| file.is(at, "(");
    let asserts = lower.trim_start_matches('_').starts_with("assert") || lower.contains("_assert");
    let range = match file.language {
        // That it panics, and how, is what such a test asserts.
        Language::Rust if word == "should_panic" && file.is_before(at, "[") => {
            Some(at..file.group_end(at - 1).saturating_sub(1))
        }
        Language::Rust => {
            let is_macro = file.is(at + 1, "!") && file.opens(at + 2) && (asserts || lower.starts_with("expect"));
            let is_call = called(at + 1) && (asserts || lower.starts_with("expect_")) && lower != "expect_err";
            (is_macro || is_call).then(|| at..chain(file, at))
        }
        Language::Script => {
            let begins = asserts || lower.starts_with("expect");
            let is_should = word == "should" && file.is_before(at, ".") && (file.is(at + 1, ".") || called(at + 1));
            let is_method = word == "t"
                && file.is(at + 1, ".")
                && called(at + 3)
                && file.word(at + 2).is_some_and(|method| SCRIPT_METHODS.contains(&method));
            let goes_on = called(at + 1) || file.is(at + 1, ".");
            ((begins && goes_on) || is_should || is_method).then(|| at..chain(file, at))
        }
        Language::Python if word == "assert" => Some(at..file.line_end(at)),
        Language::Python => {
            let is_context = matches!(word, "raises" | "warns" | "fail") && file.is_before(at, ".");
            ((asserts || is_context) && called(at + 1)).then(|| at..chain(file, at))
        }
        Language::Go => {
            let fails = file.is_before(at, ".") && called(at + 1) && GO_FAILURES.contains(&word);
            if fails {
                return Some(condition_of(file, at)..file.group_end(at + 1));
            }
            let library = matches!(word, "assert" | "require") && file.is(at + 1, ".");
            (library || (asserts && called(at + 1))).then(|| at..chain(file, at))
        }
        Language::Jvm | Language::Kotlin => {
            let begins = asserts || lower.starts_with("verify") || lower.starts_with("expect") || word == "fail";
            let is_statement = word == "assert" && !called(at + 1) && !file.is(at + 1, ".");
            if is_statement {
                return Some(at..statement_end(file, at));
            }
            // `@Test(expected = A.class)`
            let open = file.within.get(at).copied().flatten();
            if word == "expected" && file.is(at + 1, "=") && open.is_some_and(|open| file.is_before(open, "Test")) {
                return Some(at..argument_end(file, at));
            }
            // `shouldBe` of Kotlin stands between its operands.
            if lower.starts_with("should") && !called(at + 1) && !file.is_before(at, ".") {
                return Some(line_start(file, at)..file.line_end(at));
            }
            let goes_on = called(at + 1) || (word == "assert" && file.is(at + 1, ".")) || file.is(at + 1, "{");
            (begins && goes_on).then(|| at..chain(file, at))
        }
        Language::Hash | Language::Other | Language::Swift | Language::CSharp | Language::Php => {
            let begins = [
                "assert",
                "expect",
                "require_",
                "refute",
                "must_",
                "should",
                "check_",
                "xctassert",
                "verify",
            ];
            let begins = asserts || begins.iter().any(|prefix| lower.starts_with(prefix));
            let goes_on = called(at + 1) || file.is(at + 1, ".") || file.is(at + 1, "!") || file.begins_line(at);
            (begins && goes_on).then(|| at..file.line_end(at))
        }
    };
    range.filter(|range| !range.is_empty())
}

/// The comment that says what an example of Go prints; one without is not even run.
fn is_output_of_example(file: &Structure<'_>, at: usize) -> bool {
    let is_comment = |at: usize| {
        file.token(at)
            .is_some_and(|token| token.kind == Kind::Text && token.text.starts_with("//"))
    };
    let test = || file.test_of(at).and_then(|test| file.tests.get(test));
    file.language == Language::Go && is_comment(at) && test().is_some_and(|test| test.name.starts_with("Example"))
}

/// An assertion with the word in front of it that has the test wait for a promise: one that nobody waits for fails no test.
fn with_wait(file: &Structure<'_>, range: Range<usize>, from: usize) -> Range<usize> {
    let start = file.owner_start(range.start);
    let Some(before) = start.checked_sub(1).filter(|before| *before >= from) else {
        return range;
    };
    let promises = || {
        let mut words = file.slice(&range).iter();
        words.any(|token| token.is("resolves") || token.is("rejects"))
    };
    let waits = match file.language {
        Language::Script if file.is(before, "=>") => promises(),
        Language::Script => file.is(before, "await") || file.is(before, "return"),
        Language::Python => file.is(before, "await"),
        _ => false,
    };
    if waits { before..range.end } else { range }
}

fn argument_end(file: &Structure<'_>, at: usize) -> usize {
    let mut end = at;
    while end < file.tokens.len() && ![",", ")", "]", "}"].iter().any(|sign| file.is(end, sign)) {
        end = if file.opens(end) { file.group_end(end) } else { end + 1 };
    }
    end.min(file.tokens.len())
}

/// The end of a call and of everything that is called on its result.
fn chain(file: &Structure<'_>, at: usize) -> usize {
    let mut end = at + 1;
    if file.is(end, "!") && file.opens(end + 1) {
        end = file.group_end(end + 1);
    }
    let is_jvm = matches!(file.language, Language::Jvm | Language::Kotlin);
    loop {
        if file.is(end, "(") || file.is(end, "[") || (file.is(end, "{") && is_jvm) {
            end = file.group_end(end);
        } else if (file.is(end, ".") || file.is(end, "?.") || file.is(end, "::")) && file.word(end + 1).is_some() {
            end += 2;
        } else {
            return end;
        }
    }
}

/// Where the `if` begins whose body this is in: the condition is what is asserted.
fn condition_of(file: &Structure<'_>, at: usize) -> usize {
    let statement = at.saturating_sub(2);
    let open = file
        .within
        .get(at)
        .copied()
        .flatten()
        .filter(|open| file.is(*open, "{"));
    let Some(open) = open else { return statement };
    // A condition is short; a longer one is not followed.
    let earliest = open.saturating_sub(60);
    (earliest..open)
        .rev()
        .take_while(|before| !file.is(*before, "{") && !file.is(*before, "}"))
        .find(|before| file.is(*before, "if"))
        .unwrap_or(statement)
}

fn statement_end(file: &Structure<'_>, at: usize) -> usize {
    let mut end = at;
    while end < file.tokens.len() && !file.is(end, ";") && !file.is(end, "}") {
        end = if file.opens(end) { file.group_end(end) } else { end + 1 };
    }
    end.min(file.tokens.len())
}

fn line_start(file: &Structure<'_>, at: usize) -> usize {
    // A line that is longer is not followed.
    (at.saturating_sub(200)..=at)
        .rev()
        .find(|start| file.begins_line(*start))
        .unwrap_or(at)
}
