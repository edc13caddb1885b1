//! What a change set does to source and to tests: which files say something else, and whether there is a test that was not there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ledger_core::ChangedTests;

use super::files::Role;
use super::structure::{Assertion, Extent, Structure, Test};
use super::{TestChange, TestContent, TestRules};
use crate::dependencies::is_dependency_file;
use crate::tokens::{Kind, Language};

/// What these changed files are, without the trees of their tests. Documentation, manifests, lock files, and files that belong to tests
/// or say how they are run are no source; of source files in a language that is known, comments and layout do not count, unless layout says
/// which block a line is in.
///
/// A file counts as changed tests only where it holds a test or an assertion that no changed file had before: a comment in a test is none,
/// nor is one test less, an old one under another name or in another place, one that is skipped or empty, or a helper. What cannot be read
/// counts as source.
///
/// ```
/// use counterfoil_policy::{Policy, TestChange, TestContent, TestRules, changed_tests};
/// use ledger_core::TicketFile;
/// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
/// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
/// let added = |path: &str, text: &str| TestChange {
///     path: path.parse().unwrap(),
///     before: None,
///     after: Some(TestContent::Read(text.as_bytes().to_vec())),
/// };
/// let changes = [added("mail.py", "x = 1\n"), added("tests/test_mail.py", "def test_x():\n    assert x\n")];
/// let found = changed_tests(&rules, &changes);
/// assert_eq!((found.sources, found.tests), (1, 1));
/// ```
pub fn changed_tests(rules: &TestRules, changes: &[TestChange]) -> ChangedTests {
    let mut found = ChangedTests {
        sources: 0,
        first_source: None,
        tests: 0,
        apart: None,
        order: None,
    };
    let base = Base::of(rules, changes);
    for change in changes {
        let (is_source, is_test) = judge(rules, change, &base);
        if is_source {
            found.sources += 1;
            found.first_source.get_or_insert_with(|| change.path.clone());
        }
        found.tests += u64::from(is_test);
    }
    found
}

/// Whether a file is a change of source, and whether it brings tests.
fn judge(rules: &TestRules, change: &TestChange, base: &Base<'_>) -> (bool, bool) {
    let path = &change.path;
    let texts = (side(change.before.as_ref()), side(change.after.as_ref()));
    match rules.role(path) {
        Some(Role::Tests(language, Extent::Whole)) => {
            let after = texts.1.map(|after| Structure::of(after, language, Extent::Whole));
            (false, after.is_some_and(|after| base.lacks_tests_of(&after)))
        }
        // A snapshot that is new or another demands something else of the code.
        Some(Role::Snapshot) => (false, change.after.is_some() && change.before != change.after),
        Some(Role::Configuration(kind)) if !kind.is_source() => (false, false),
        _ if rules.is_test_file(path) || rules.is_documentation(path) || is_dependency_file(path) => (false, false),
        role => source(role, texts, change, base),
    }
}

/// The same of a source file, which may hold tests as well.
fn source(
    role: Option<Role>,
    (before, after): (Option<&str>, Option<&str>),
    change: &TestChange,
    base: &Base<'_>,
) -> (bool, bool) {
    let is_read = |content: &Option<TestContent>, text: Option<&str>| content.is_none() || text.is_some();
    if !is_read(&change.before, before) || !is_read(&change.after, after) {
        return (true, false);
    }
    let path = String::from_utf8_lossy(change.path.as_bytes());
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension = extension.to_ascii_lowercase();
    let Some(language) = Language::of(&extension) else {
        return (change.before != change.after, false);
    };
    let extent = match role {
        Some(Role::Tests(_, Extent::Marked)) => Extent::Marked,
        _ => Extent::Whole,
    };
    let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (before, after) = (
        Structure::of(old, language, extent),
        Structure::of(new, language, extent),
    );
    match extent {
        Extent::Marked => (outside(&before) != outside(&after), base.lacks_tests_of(&after)),
        Extent::Whole => {
            let is_sure = |text: &str, file: &Structure<'_>| is_read_for_sure(&extension, text, file);
            let are_read = is_sure(old, &before) && is_sure(new, &after);
            let is_same = are_read && words(&before) == words(&after) && before.depths == after.depths;
            (!is_same && change.before != change.after, false)
        }
    }
}

/// Whether nothing of a file is taken for a comment that is none, as far as anybody can tell: what is one in one language is a text or
/// an operator in another, also where one stands within the other.
fn is_read_for_sure(extension: &str, text: &str, file: &Structure<'_>) -> bool {
    // A text may hold expressions, and these texts, which are not followed.
    let nests = || {
        let texts = file.tokens.iter().filter(|token| token.kind == Kind::Text);
        let count = |text: &str, sign: char| text.matches(sign).count();
        texts
            .map(|token| token.text)
            .any(|text| count(text, '{') != count(text, '}'))
    };
    // What stands between elements is text, whatever it looks like.
    let holds_markup = || {
        let text: String = text.split_whitespace().collect();
        text.contains("</") || text.contains("/>")
    };
    match extension {
        "rs" => true,
        "py" | "pyi" => !nests(),
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" => !nests() && !holds_markup(),
        // An escape may end the line that a comment stands in.
        "java" | "kt" | "kts" => !nests() && !text.contains("\\u"),
        // What is imported from C stands in a comment.
        "go" => !text.contains("\"C\""),
        _ => false,
    }
}

fn side(content: Option<&TestContent>) -> Option<&str> {
    content.and_then(|content| content.text().ok())
}

fn words<'a>(file: &Structure<'a>) -> Vec<&'a str> {
    file.tokens.iter().map(|token| token.text).collect()
}

/// The words of a source file that are not about tests.
fn outside<'a>(file: &Structure<'a>) -> Vec<&'a str> {
    let tokens = file.tokens.iter().enumerate();
    tokens
        .filter(|(at, _)| !file.in_region(*at))
        .map(|(_, token)| token.text)
        .collect()
}

/// What the changed files tested before, wherever they did.
#[derive(Debug, Default)]
struct Base<'a> {
    assertions: BTreeSet<String>,
    /// What each test consists of.
    tests: BTreeSet<Parts<'a>>,
    /// The same by name, the most that one of that name has.
    by_name: BTreeMap<String, Parts<'a>>,
    /// All words of the files whose tests nobody knows.
    unknown: BTreeSet<Vec<&'a str>>,
}

impl<'a> Base<'a> {
    fn of(rules: &TestRules, changes: &'a [TestChange]) -> Self {
        let mut base = Self::default();
        for change in changes {
            if let (Some(text), Some(Role::Tests(language, extent))) =
                (side(change.before.as_ref()), rules.role(&change.path))
            {
                base.add(&Structure::of(text, language, extent));
            }
        }
        base
    }

    fn add(&mut self, file: &Structure<'a>) {
        if file.language.has_unknown_tests() {
            self.unknown.insert(words(file));
        }
        let assertions = file.assertions.iter().map(|assertion| file.normal(&assertion.range));
        self.assertions.extend(assertions);
        for test in &file.tests {
            let parts = parts(file, test);
            let most = self.by_name.entry(test.name.clone()).or_default();
            for (part, count) in &parts {
                let known = most.entry(part.clone()).or_default();
                *known = (*known).max(*count);
            }
            self.tests.insert(parts);
        }
    }

    /// Whether a file of the change has a test or an assertion that was not there. Where nobody knows how a language writes tests, any
    /// other word will do.
    fn lacks_tests_of(&self, after: &Structure<'_>) -> bool {
        if after.language.has_unknown_tests() && after.assertions.is_empty() {
            return !after.tokens.is_empty() && !self.unknown.contains(&words(after));
        }
        let idle = after.idle_tests();
        let mut assertions = after.assertions.iter();
        let mut tests = after.tests.iter().enumerate();
        // What a function asserts is asserted by the tests that call it, if there are any.
        let lacks_assertion = assertions.any(|assertion| {
            let counts = assertion
                .test
                .map_or(assertion.function.is_none(), |test| !idle.contains(&test));
            counts && !self.assertions.contains(&after.normal(&assertion.range))
        });
        lacks_assertion || tests.any(|(index, test)| !idle.contains(&index) && self.lacks(after, test))
    }

    /// Whether a test does something, and neither just what one of the base does, nor less than one of its name did.
    fn lacks(&self, after: &Structure<'_>, test: &Test) -> bool {
        let parts = parts(after, test);
        let has_all = |former: &Parts<'_>| {
            let count = |part: &str| former.get(part).copied().unwrap_or_default();
            parts.iter().all(|(part, times)| *times <= count(part))
        };
        let is_less = self.by_name.get(&test.name).is_some_and(has_all);
        does_something(after, test) && !is_less && !self.tests.contains(&parts)
    }
}

/// How often a test has each of its words, and once each assertion, however often it is made.
type Parts<'a> = BTreeMap<Cow<'a, str>, usize>;

/// What a test consists of, whatever its order and its name.
fn parts<'a>(file: &Structure<'a>, test: &Test) -> Parts<'a> {
    let mut parts = Parts::new();
    let mut at = test.range.start;
    let mut assertions = assertions_of(file, test).iter().peekable();
    while at < test.range.end {
        if let Some(assertion) = assertions.next_if(|assertion| assertion.range.start <= at) {
            parts.insert(Cow::Owned(file.normal(&assertion.range)), 1);
            at = assertion.range.end.max(at);
            continue;
        }
        let token = file.token(at).filter(|token| token.kind != Kind::Sign);
        let is_name = |text: &str| at < test.body.start && text.trim_matches(['"', '\'', '`']) == test.name;
        if let Some(token) = token.filter(|token| !is_name(token.text)) {
            *parts.entry(Cow::Borrowed(token.text)).or_default() += 1;
        }
        at += 1;
    }
    parts
}

fn assertions_of<'f>(file: &'f Structure<'_>, test: &Test) -> &'f [Assertion] {
    let until = |end: usize| file.assertions.partition_point(|assertion| assertion.range.start < end);
    let range = until(test.range.start)..until(test.range.end);
    file.assertions.get(range).unwrap_or_default()
}

/// Whether a test asserts, calls or looks at anything.
fn does_something(file: &Structure<'_>, test: &Test) -> bool {
    let uses = |at: usize| {
        let is_name = file.word(at).is_some_and(|word| !matches!(word, "function" | "async"));
        is_name && ["(", ".", "!", "[", "::"].iter().any(|sign| file.is(at + 1, sign))
    };
    !assertions_of(file, test).is_empty() || test.body.clone().any(uses)
}

#[cfg(test)]
mod tests {
    use ledger_core::TicketFile;

    use super::*;
    use crate::config::Policy;

    /// What a change is, from these sides: whether of source, and whether it brings tests.
    fn seen(path: &str, before: Option<&str>, after: Option<&str>) -> (u64, u64) {
        seen_of(&[(path, before, after)])
    }

    /// The same of several files.
    fn seen_of(files: &[(&str, Option<&str>, Option<&str>)]) -> (u64, u64) {
        let policy = "[scope]\ntests = [\"proofs/**\"]\ndocs_roots = [\"docs/**\", \"*.md\"]\n[[check]]\nname = \"t\"\nrun = \"sh check.sh\"\n";
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
        let content = |text: &str| TestContent::Read(text.as_bytes().to_vec());
        let changes: Vec<_> = files
            .iter()
            .map(|(path, before, after)| TestChange {
                path: path.parse().unwrap(),
                before: before.map(content),
                after: after.map(content),
            })
            .collect();
        let found = changed_tests(&TestRules::new(&policy, &ticket).unwrap(), &changes);
        assert_eq!(found.first_source.is_some(), found.sources > 0);
        (found.sources, found.tests)
    }

    #[test]
    fn tests_in_a_source_file_are_told_from_the_rest_of_it() {
        let file = |body: &str, tests: &str| format!("fn f() {{ {body} }}\n#[cfg(test)]\nmod tests {{ {tests} }}\n");
        let test = "#[test] fn a() { assert!(f()); }";
        let two = "#[test] fn a() { assert!(f()); assert!(!g()); }";
        let base = file("true", test);
        let judged = |after: &str| seen("src/lib.rs", Some(&base), Some(after));
        assert_eq!(judged(&file("false", test)), (1, 0));
        assert_eq!(judged(&file("true", two)), (0, 1));
        assert_eq!(judged(&file("false", two)), (1, 1));
        assert_eq!(judged(&file("true", "")), (0, 0), "one test less is no new test");
        assert_eq!(
            judged(&file(
                "/* really */ true",
                "#[test]\n fn a() {\n assert!(f())\n }\n // yes"
            )),
            (0, 0)
        );
    }

    #[test]
    fn what_is_neither_test_nor_documentation_is_source_whatever_it_is() {
        for path in [
            "src/a.py",
            "a.html",
            "a.sql",
            "Dockerfile",
            "lib/it.txt",
            "docs.py",
            "src/readme.mdx",
            "CMakeLists.txt",
            "vite.config.ts",
        ] {
            assert_eq!(seen(path, Some("a = 1"), Some("a = 2")), (1, 0), "{path}");
            assert_eq!(seen(path, Some("a = 1"), None), (1, 0), "{path}");
            assert_eq!(seen(path, None, Some("\0")), (1, 0), "{path}");
        }
        for path in [
            "docs/a.py",
            "README.md",
            "Cargo.toml",
            "package-lock.json",
            "tests/data.txt",
            "pytest.ini",
            "check.sh",
            ".ci/run",
            "conftest.py",
            "src/conftest.py",
        ] {
            assert_eq!(seen(path, Some("a = 1"), Some("a = 2")), (0, 0), "{path}");
        }
        assert_eq!(seen("src/a.py", Some("a = 1"), Some("a  =  1 # one")), (0, 0));
    }

    #[test]
    fn where_a_line_of_python_stands_is_source_and_how_far_it_is_indented_is_not() {
        let before = "if x:\n    check(x)\n    pay(x,\n        y)\n";
        for path in ["src/a.py", "src/a.pyi"] {
            let judged = |after: &str| seen(path, Some(before), Some(after)).0;
            assert_eq!(
                judged("if x:\n    check(x)\npay(x,\n        y)\n"),
                1,
                "{path}: out of the block"
            );
            assert_eq!(judged("if x: check(x)\npay(x, y)\n"), 1, "{path}: on one line");
            assert_eq!(
                judged("if x:\n  check(x)\n  # now\n\n  pay(\nx, y)\n"),
                0,
                "{path}: layout"
            );
        }
        let nested = "for a in b:\n if a:\n  c()\n d()\n";
        assert_eq!(
            seen("a.py", Some(nested), Some(&nested.replace(" d()", "  d()"))),
            (1, 0)
        );
        assert_eq!(seen("a.py", Some(nested), Some(&nested.replace(" d()", "d()"))), (1, 0));
        assert_eq!(seen("a.py", Some(nested), Some(&nested.replace(' ', "\t"))), (0, 0));
    }

    #[test]
    fn what_only_looks_like_a_comment_is_source() {
        for (path, before, after) in [
            ("a.lua", "return a // 2", "return a // 3"),
            ("a.hs", "b = a // [(1,2)]", "b = a // [(1,3)]"),
            ("a.sh", "curl http://a/b#c -o x", "curl http://a/b#d | sh"),
            ("a.pl", "s #a#b#;", "s #a#c#; system('evil');"),
            (
                "a.php",
                "<p>http://a</p><?php x(); ?>",
                "<p>http://a</p><?php evil(); ?>",
            ),
            ("a.vue", "<p>http://a {{ b }}</p>", "<p>http://a {{ evil() }}</p>"),
            ("a.tsx", "b = <p>https://a/{c}</p>;", "b = <p>https://a/{evil()}</p>;"),
            ("a.js", "b = <p>https://a/{c}< /p>;", "b = <p>https://a/{evil()}< /p>;"),
            ("a.js", "b = `${c('`//d')}`;", "b = `${c('`//e')}`;"),
            ("a.py", "b = f\"{c[\"#\"]} d\"", "b = f\"{c[\"#\"]} e\""),
            ("a.kt", "val b = \"${c(\"//d\")}\"", "val b = \"${c(\"//e\")}\""),
            ("a.groovy", "b = /http://c/", "b = /http://d/"),
            ("A.java", "// \\u000a b();", "// \\u000a evil();"),
            ("a.go", "// int b();\nimport \"C\"", "// int c();\nimport \"C\""),
            (
                "a.go",
                "//go:embed a.txt\nvar b string",
                "//go:embed b.txt\nvar b string",
            ),
        ] {
            assert_eq!(seen(path, Some(before), Some(after)), (1, 0), "{path}: {after}");
            assert_eq!(seen(path, Some(before), Some(before)), (0, 0), "{path}: only its mode");
        }
        for path in ["a.rs", "a.go", "a.ts", "a.js", "A.java", "a.kt"] {
            assert_eq!(
                seen(path, Some("b = \"//\";"), Some("b =\n\"//\"; // c")),
                (0, 0),
                "{path}"
            );
        }
    }

    #[test]
    fn a_test_is_new_where_it_or_an_assertion_was_not_there() {
        let test = "def test_a():\n    assert a == 1\n";
        for path in ["tests/test_a.py", "proofs/a.py", "src/test_a.py"] {
            assert_eq!(seen(path, None, Some(test)), (0, 1), "{path}");
            assert_eq!(seen(path, Some(test), None), (0, 0), "{path}");
            assert_eq!(seen(path, Some(test), Some(&test.replace('1', "2"))), (0, 1), "{path}");
            assert_eq!(
                seen(path, Some(test), Some(&format!("# more\n\n{test}\nimport os\n"))),
                (0, 0),
                "{path}"
            );
        }
        // Less, the same twice, the same under another name or elsewhere.
        let more = format!("{test}    assert b\n");
        let copied = test.replace("test_a", "test_b");
        let python = |after: &str| seen("tests/test_a.py", Some(test), Some(after)).1;
        assert_eq!(seen("tests/test_a.py", Some(&more), Some(test)), (0, 0));
        assert_eq!(python(&format!("{test}    assert a == 1\n")), 0);
        assert_eq!(python(&copied), 0);
        assert_eq!(python(&format!("{test}\n{copied}")), 0);
        let elsewhere = [
            ("tests/test_a.py", Some(test), Some("import os\n")),
            ("tests/test_b.py", None, Some(&*copied)),
        ];
        assert_eq!(seen_of(&elsewhere), (0, 0));
        // What does nothing, or is never run.
        for (idle, run) in [
            ("def test_b():\n    pass\n", "def test_b():\n    b()\n"),
            ("def test_b(a):\n    'All is well.'\n", "def test_b(a):\n    a.b\n"),
            (
                "@pytest.mark.skip\ndef test_b():\n    assert b\n",
                "@pytest.mark.slow\ndef test_b():\n    assert b\n",
            ),
            (
                "def test_b():\n    pytest.skip('b')\n    assert b\n",
                "def test_b():\n    if c:\n        pytest.skip('b')\n    assert b\n",
            ),
            (
                "def test_b():\n    return\n    assert b\n",
                "def test_b():\n    if c:\n        return\n    assert b\n",
            ),
            (
                "def later():\n    def test_b():\n        assert b\n",
                "class TestB:\n    def test_b():\n        assert b\n",
            ),
            (
                "pytestmark = pytest.mark.skip\ndef test_b():\n    assert b\n",
                "@pytest.mark.skipif(c)\ndef test_b():\n    assert b\n",
            ),
            (
                "pytestmark = [pytest.mark.skip]\ndef test_b():\n    assert b\n",
                "pytestmark = []\n@pytest.mark.skip\nclass C:\n    pass\ndef test_b():\n    assert b\n",
            ),
            (
                "@pytest.mark.xfail(reason='c')\ndef test_b():\n    assert b\n",
                "@pytest.mark.xfail(c == 'd')\ndef test_b():\n    assert b\n",
            ),
            // A function that tests may call, and one that does.
            (
                "def check(b):\n    assert b\n",
                "def check(b):\n    assert b\n\ndef test_b():\n    check(b)\n",
            ),
        ] {
            assert_eq!(seen("tests/test_b.py", None, Some(idle)), (0, 0), "{idle}");
            assert_eq!(seen("tests/test_b.py", None, Some(run)), (0, 1), "{run}");
        }
        for (path, idle, run) in [
            (
                "tests/b.rs",
                "#[test]\n#[ignore]\nfn b() { assert!(c()); }",
                "#[test]\n#[cfg(unix)]\nfn b() { assert!(c()); }",
            ),
            (
                "tests/b.rs",
                "#[test]\nfn b() {}",
                "#[test]\n#[should_panic]\nfn b() { c(); }",
            ),
            (
                "tests/b.rs",
                "#[test]\n#[cfg(any())]\nfn b() { c(); }",
                "#[test]\nfn b() -> Result { c()? }",
            ),
            (
                "b.test.js",
                "it.skip('b', () => { expect(b()).toBe(1); });",
                "it('b', () => { if (!c) return; expect(b()).toBe(1); });",
            ),
            ("b.test.js", "it.todo('b');", "it('b', () => { a(); });"),
            ("b.test.js", "it('b');", "it('b', async () => { await a(); });"),
            (
                "b.test.js",
                "it('b', { skip: true }, () => { a(); });",
                "it('b', { timeout: 5 }, () => { a(); });",
            ),
            (
                "b.test.js",
                "describe.skip('c', () => { it('b', () => { a(); }); });",
                "describe('c', () => { it('b', () => { a(); }); });",
            ),
            (
                "b.test.js",
                "it('b', function (done) {});",
                "Deno.test('b', () => { assertEquals(a, 1); });",
            ),
            (
                "b_test.go",
                "func TestB(t *testing.T) {\n\tt.Skip()\n\tb()\n}\n",
                "func TestB(t *testing.T) {\n\tif testing.Short() {\n\t\tt.Skip()\n\t}\n\tb()\n}\n",
            ),
            (
                "BTest.java",
                "class B { @Test @Disabled void b() { c(); } }",
                "class B { @Test @DisabledOnOs(A) void b() { c(); } }",
            ),
            (
                "BTest.java",
                "@Ignore class B { @Test void b() { c(); } }",
                "@Tag class B { @Test void b() { c(); } }",
            ),
            (
                "BTest.java",
                "class B { @Test(enabled = false) void b() { c(); } }",
                "class B { @Test(enabled = true) void b() { c(); } }",
            ),
        ] {
            assert_eq!(seen(path, None, Some(idle)), (0, 0), "{idle}");
            assert_eq!(seen(path, None, Some(run)), (0, 1), "{run}");
        }
        let script = "it('a', () => { expect(a).toBe(1); });";
        let twice = script.replace(" expect(a).toBe(1);", " expect(a).toBe(1); expect(a).toBe(1);");
        assert_eq!(seen("a.test.js", Some(script), Some(&twice)), (0, 0));
        // Another row of a table.
        let table = "@pytest.mark.parametrize('b', [(1, 2)])\ndef test_b(b):\n    assert c(b)\n";
        for rows in ["(1, 2), (3, 4)", "(1, 2), (2, 1)"] {
            let longer = table.replace("(1, 2)", rows);
            assert_eq!(seen("tests/test_b.py", Some(table), Some(&longer)), (0, 1), "{rows}");
            assert_eq!(seen("tests/test_b.py", Some(&longer), Some(table)), (0, 0), "{rows}");
        }
        // Nobody knows how these write tests.
        for path in ["tests/a.lua", "spec/mail_spec.rb", "proofs/a.odd"] {
            assert_eq!(seen(path, Some("a(1)"), Some("a(2)")), (0, 1), "{path}");
            assert_eq!(seen(path, Some("a(1)"), Some("a( 1 )")), (0, 0), "{path}");
        }
        let copied = [
            ("tests/a.lua", Some("a(1)"), Some("")),
            ("tests/b.lua", None, Some("a(1)")),
        ];
        assert_eq!(seen_of(&copied), (0, 0));
        assert_eq!(seen("tests/golden/a.txt", Some("a"), Some("b")), (0, 1));
    }
}
