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
                Language::Jvm | Language::Kotlin => jvm(file, at).map(|range| (range, false)),
                Language::Hash | Language::Other | Language::Swift | Language::CSharp | Language::Php => {
                    other(file, at).map(|range| (range, false))
                }
            });
        let is_in_last = found.last().is_some_and(|last: &Marker| last.range.contains(&at));
        let marker = marker.or_else(|| exit(file, at).filter(|_| !is_in_last).map(|range| (range, true)));
        if let Some((range, focuses)) = marker {
            found.push(Marker {
                test: file.test_of(at),
                idle: idle(file, &range),
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

/// Words of what keeps a test from running, or from failing, wherever and however it is run.
const ALWAYS: [&str; 19] = [
    "ignore",
    "skip",
    "todo",
    "fixme",
    "xit",
    "xtest",
    "xspecify",
    "xdescribe",
    "xcontext",
    "expectedFailure",
    "SkipTest",
    "skipTest",
    "Skip",
    "SkipNow",
    "Skipf",
    "Disabled",
    "Ignore",
    "enabled",
    "return",
];

/// What a marker has never run, or never fail, if it does not depend on anything: a test, or what holds several.
/// The most tokens that are looked through for what a function begins with.
const SIGNATURE: usize = 100;

fn idle(file: &Structure<'_>, range: &Range<usize>) -> Range<usize> {
    // An attribute that never ends is not read to its end.
    let mut words = range.clone().take(20).filter_map(|at| file.word(at));
    let first = words.next().unwrap_or_default();
    let is_always = |word: &str| ALWAYS.contains(&word);
    let test = file.test_of(range.start).and_then(|test| file.tests.get(test));
    let is_idle = match first {
        // One without its function; `test.skip(a, "b")` within a test may depend on `a`.
        "it" | "test" | "specify" => {
            test.is_some_and(|test| test.range.start == range.start) && (range.len() == 1 || words.any(is_always))
        }
        "describe" | "context" | "suite" | "this" | "t" => words.any(is_always),
        "cfg" => words.next() == Some("any") && words.next().is_none(),
        // What is no keyword is a condition.
        "xfail" => range.len() == 1 || file.is(range.start + 3, "="),
        _ => is_always(first),
    };
    // What a script calls its test with is a block as well.
    let own = usize::from(file.language == Language::Script);
    let found = match test {
        _ if !is_idle => None,
        Some(test) => Some(test.range.clone()).filter(|_| file.blocks_around(range.start).len() <= own),
        None => group_of(file, range),
    };
    found.unwrap_or(0..0)
}

/// The tests that a marker outside of them is about.
fn group_of(file: &Structure<'_>, range: &Range<usize>) -> Option<Range<usize>> {
    let open = match file.language {
        Language::Script => Some(range.end).filter(|open| file.is(*open, "(")),
        Language::Jvm | Language::Kotlin => {
            let mut head = (range.end..file.tokens.len()).take(60);
            head.find(|at| file.is(*at, "{"))
        }
        Language::Python => {
            let mut near = range.start.saturating_sub(8)..range.start;
            let begins = |at: usize| (at + 1..range.start).all(|next| !file.begins_statement(next));
            let is_of_file = near.any(|at| file.is(at, "pytestmark") && begins(at));
            return is_of_file.then_some(0..file.tokens.len());
        }
        _ => None,
    };
    open.map(|open| open..file.group_end(open))
}

/// The tests that never run, or never fail, by their index.
pub(super) fn idle_tests(file: &Structure<'_>) -> BTreeSet<usize> {
    let mut ranges: Vec<_> = file.markers.iter().map(|marker| &marker.idle).collect();
    ranges.sort_by_key(|range| range.start);
    let mut ranges = ranges.into_iter().peekable();
    let mut end = 0;
    let mut idle = BTreeSet::new();
    for (index, test) in file.tests.iter().enumerate() {
        while let Some(range) = ranges.next_if(|range| range.start <= test.range.start) {
            end = end.max(range.end);
        }
        // Python does not look for tests in functions.
        let is_inside = file.language == Language::Python && file.function_of(test.range.start).is_some();
        if test.range.start < end || is_inside {
            idle.insert(index);
        }
    }
    idle
}

/// What ends the process, and with it all tests that would have run in it: it may say that they passed.
fn exit(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let word = file.word(at)?;
    let owner = at.checked_sub(2).and_then(|owner| file.word(owner)).unwrap_or_default();
    let (is_member, is_path) = (file.is_before(at, "."), file.is_before(at, "::"));
    let is_bare = !is_member && !is_path && !["fn", "def", "function"].iter().any(|word| file.is_before(at, word));
    let is_one = match (file.language, word) {
        (Language::Rust, "exit") => is_bare || (is_path && owner == "process"),
        (Language::Python, "exit" | "_exit") => is_bare || (is_member && matches!(owner, "sys" | "os")),
        (Language::Script, "exit") => is_member && matches!(owner, "process" | "Deno"),
        (Language::Go, "Exit") => is_member && owner == "os",
        (Language::Jvm | Language::Kotlin, "exit") => is_member && owner == "System",
        (Language::Kotlin, "exitProcess") => is_bare,
        _ => false,
    };
    // What a file does that is run by itself is nothing to its tests.
    let is_of_main = || (at.saturating_sub(12)..at).any(|before| file.is(before, "__name__"));
    let is_about_tests = file.in_region(at) || file.test_of(at).is_some();
    (is_one && file.is(at + 1, "(") && is_about_tests && !is_of_main()).then_some(at..at + 1)
}

/// A function of Python's takes the place of an earlier one of the same name, which never runs then.
fn shadows(file: &Structure<'_>) -> Vec<Marker> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    // The classes and functions around a statement, each with its column.
    let mut classes: Vec<(usize, usize)> = Vec::new();
    let mut told = BTreeSet::new();
    for at in (0..file.tokens.len()).filter(|at| file.begins_statement(*at)) {
        let column = file.token(at).map_or(0, |token| token.column);
        classes.retain(|(around, _)| *around < column);
        if let Some(around) = uncollected(file, at, &classes).filter(|around| told.insert(*around)) {
            found.push(Marker {
                range: around..around + 2,
                test: None,
                idle: 0..0,
                focuses: false,
            });
        }
        if file.is(at, "class") || (file.is(at, "def") && file.test_of(at).is_none()) {
            classes.push((column, at));
        }
        let name = if file.is(at, "async") { at + 2 } else { at + 1 };
        let is_test = file.is(name - 1, "def") && file.word(name).is_some_and(|name| name.starts_with("test"));
        let owner = classes.last().map(|(_, class)| *class);
        if is_test && !known.insert((owner, column, file.word(name))) {
            found.push(Marker {
                range: name - 1..name + 1,
                test: None,
                idle: 0..0,
                focuses: false,
            });
        }
    }
    found
}

/// Where this statement of Python's has tests not be collected: a function or a class around it that is none of tests, or what it does
/// itself.
fn uncollected(file: &Structure<'_>, at: usize, around: &[(usize, usize)]) -> Option<usize> {
    let is_of_tests = |at: usize| {
        file.word(at)
            .is_some_and(|word| word.to_ascii_lowercase().starts_with("test"))
    };
    if file.is(at, "del") && is_of_tests(at + 1) {
        return Some(at);
    }
    let (_, owner) = around.last().copied()?;
    let name = if file.is(at, "async") { at + 2 } else { at + 1 };
    let is_class = file.is(owner, "class");
    // What a class inherits may make it one of tests, whatever it is called.
    let inherits = is_class && file.is(owner + 2, "(") && !file.is(owner + 3, ")");
    if !file.is(name - 1, "def") || inherits {
        return None;
    }
    if is_class && is_of_tests(owner + 1) {
        return file.is(name, "__init__").then_some(at);
    }
    (is_of_tests(name)).then_some(owner)
}

/// A `return` without a value leaves a test before its end.
fn early_return(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    file.test_of(at)?;
    let is_bare = file.is(at + 1, ";") || file.is(at + 1, "}") || file.begins_line(at + 1);
    (file.is(at, "return") && is_bare).then_some(at..at + 1)
}

/// An attribute of a test, or of a module of tests.
fn rust(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    // A macro may do with tests what it likes, and one of this name with all that is asserted.
    if file.word(at).is_some() && file.is(at + 1, "!") && file.opens(at + 2) && file.test_of(at).is_none() {
        return holds_test(file, &(at + 3..file.group_end(at + 2))).then_some(at..at + 2);
    }
    if file.are(at, &["macro_rules", "!"]) {
        let asserts = file.word(at + 2).is_some_and(|name| name.contains("assert"));
        return (asserts && file.in_region(at)).then_some(at..at + 3);
    }
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
    file.is(at, "mod") && file.is(at + 2, "{") && holds_test(file, &(at + 2..file.group_end(at + 2)))
}

fn holds_test(file: &Structure<'_>, range: &Range<usize>) -> bool {
    let first = file.tests.partition_point(|test| test.range.start < range.start);
    let test = file.tests.get(first);
    test.is_some_and(|test| range.contains(&test.range.start))
}

fn script(file: &Structure<'_>, at: usize) -> Option<(Range<usize>, bool)> {
    let word = file.word(at)?;
    if matches!(word, "retryTimes" | "retries") && file.is_before(at, ".") && file.is(at + 1, "(") {
        return Some((at..at + 1, false));
    }
    let is_declared = ["function", "const", "let", "var"]
        .iter()
        .any(|declares| file.is_before(at, declares));
    if is_declared && matches!(word, "expect" | "assert") {
        return Some((at - 1..at + 1, false));
    }
    if file.is_before(at, ".") || is_declared {
        return None;
    }
    let test = file.test_of(at).and_then(|test| file.tests.get(test));
    // `it("name")`, with nothing but the closing bracket.
    if test.is_some_and(|test| test.range.start == at && test.body.len() < 2) {
        return Some((at..at + 1, false));
    }
    let declares = matches!(word, "it" | "test" | "describe" | "context" | "suite" | "specify");
    if let Some(option) = declares.then(|| option_of_script(file, at)).flatten() {
        return Some(option);
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

/// `it("name", { skip: true }, …)`
fn option_of_script(file: &Structure<'_>, at: usize) -> Option<(Range<usize>, bool)> {
    let open = at + 4;
    let has_options = file.is(at + 1, "(") && file.is(at + 3, ",") && file.is(open, "{");
    // Options are few; a longer group is none of options.
    let inside = (open + 1..file.group_end(open)).take(60).filter(|_| has_options);
    let mut options = inside.filter(|option| file.within.get(*option) == Some(&Some(open)));
    options.find_map(|option| {
        let is_one = matches!(file.word(option)?, "skip" | "todo" | "only" | "fails");
        let is_set = file.is(option + 1, ":") && !file.is(option + 2, "false");
        (is_one && is_set).then(|| (option..option + 3, file.is(option, "only")))
    })
}

fn python(file: &Structure<'_>, at: usize) -> Option<Range<usize>> {
    let word = file.word(at)?;
    if let Some(test) = file.test_of(at).and_then(|test| file.tests.get(test)) {
        // Without a plugin that waits for it, nobody runs it; a decorator may name one.
        let is_waited_for = || {
            let from = test.range.start.max(at.saturating_sub(SIGNATURE));
            let words = file.slice(&(from..at)).iter();
            words
                .into_iter()
                .any(|word| ["asyncio", "anyio", "trio"].iter().any(|name| word.is(name)))
        };
        if file.are(at, &["async", "def"]) && at < test.body.start && !is_waited_for() {
            return Some(at..at + 2);
        }
        if word == "yield" && !file.blocks_around(at).iter().any(|block| block == "def") {
            return Some(at..at + 1);
        }
    }
    let names = matches!(
        word,
        "skip"
            | "skipif"
            | "xfail"
            | "skipIf"
            | "skipUnless"
            | "expectedFailure"
            | "skipTest"
            | "importorskip"
            | "flaky"
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
        let end = (at..file.tokens.len()).take(SIGNATURE).find(|open| file.is(*open, "{"));
        return Some((at..end.map_or(at + 3, |open| file.group_end(open)), true));
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
    // A method that a test runner cannot call, or does not look at.
    let test = file.test_of(at).and_then(|test| file.tests.get(test));
    let is_of_test =
        test.is_some_and(|test| at < test.body.start && file.within.get(at) == file.within.get(test.range.start));
    let hides = matches!(word, "private" | "static") && is_of_test;
    // `@Test(enabled = false)` of TestNG.
    if file.are(at, &["enabled", "=", "false"]) {
        return Some(at..at + 3);
    }
    (annotates || assumes || hides || is_abstract_class_of_tests(file, at)).then_some(at..at + 1)
}

/// Nobody makes an object of such a class.
fn is_abstract_class_of_tests(file: &Structure<'_>, at: usize) -> bool {
    let mut near = (at + 1..file.tokens.len()).take(5);
    if !file.is(at, "abstract") || !near.any(|next| file.is(next, "class")) {
        return false;
    }
    let body = (at..file.tokens.len()).take(100).find(|open| file.is(*open, "{"));
    body.is_some_and(|open| holds_test(file, &(open..file.group_end(open))))
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
