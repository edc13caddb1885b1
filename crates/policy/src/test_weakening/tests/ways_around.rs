//! Tests that are weakened where nothing that they assert is touched.

use super::*;

#[test]
fn what_a_test_is_no_longer_tried_with_is_found() {
    let go = "package mail\n\nfunc TestParse(t *testing.T) {\n\tfor _, tc := range []struct{ in string; want int }{\n\t\t{\"a@\", 3},\n\t\t{\"b@\", 4},\n\t} {\n\t\tif got := Parse(tc.in); got != tc.want {\n\t\t\tt.Errorf(\"got %v\", got)\n\t\t}\n\t}\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("{\"b@\", 4}", "{\"b@\", 5}", &["AssertionChanged 6 6"]),
        ("\t\t{\"b@\", 4},\n", "", &["AssertionChanged 6 -"]),
        ("\t\t{\"a@\", 3},\n\t\t{\"b@\", 4},\n", "", &["AssertionChanged 5-6 -"]),
        ("\t\t{\"a@\", 3},\n", "\t\t{\"0\", 0},\n\t\t{\"a@\", 3},\n", &[]),
        (
            "\t\t{\"a@\", 3},\n\t\t{\"b@\", 4},\n",
            "\t\t{\"b@\", 4}, // first\n\t\t{\"a@\", 3},\n",
            &[],
        ),
    ];
    assert_finds("m_test.go", go, cases);
    let outside = "package mail\n\nimport (\n\t\"testing\"\n)\n\nvar cases = []Case{\n\t{\"a@\", true},\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("true", "false", &["AssertionChanged 8 8"]),
        ("\"testing\"", "\"more\"", &[]),
    ];
    assert_finds("m_test.go", outside, cases);
    let rust = "#[rstest]\n#[case(\"a@\")]\n#[case(\"b@\")]\nfn refuses(#[case] x: &str) {\n    for (y, want) in [(x, 1), (\"c\", 2)] {\n        assert_eq!(parse(y), want);\n    }\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("#[case(\"b@\")]\n", "", &["AssertionChanged 3 -"]),
        ("(\"c\", 2)", "(\"c\", 3)", &["AssertionChanged 5 5"]),
        (", (\"c\", 2)", "", &["AssertionChanged 5 -"]),
    ];
    assert_finds("tests/t.rs", rust, cases);
    let python = "CASES = [('a', None)]\n\n@pytest.mark.parametrize('x', [1, 2, 3])\ndef test_each(x):\n    'Says why.'\n    want = 4\n    assert f(x) == want\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("[1, 2, 3]", "[]", &["AssertionChanged 3 -"]),
        ("None", "0", &["AssertionChanged 1 1"]),
        ("want = 4", "want = 5", &["AssertionChanged 6 6"]),
        ("Says why", "Says more", &[]),
        ("test_each", "test_all", &[]),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let script =
        "import { ok } from './ok';\nit.each([[1], [2]])('ok %d', (n) => {\n  expect(ok(n)).toBe(true);\n});\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("[[1], [2]]", "[]", &["AssertionChanged 2 -"]),
        ("'ok %d'", "'%d'", &[]),
        ("./ok", "./oks", &[]),
    ];
    assert_finds("a.test.ts", script, cases);
    let java = "class T {\n  @ParameterizedTest\n  @ValueSource(ints = {1, 2})\n  void a(int n) {\n    assertTrue(p(n));\n  }\n}\n";
    assert_finds("ATest.java", java, &[("{1, 2}", "{1}", &["AssertionChanged 3 -"])]);
}

#[test]
fn an_assertion_in_another_block_of_its_test_is_found() {
    let rust = "#[test]\nfn a() {\n    for x in all() {\n        assert!(ok(x));\n    }\n    assert_eq!(b(), 1);\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "    assert_eq!(b(), 1);",
            "    if false { assert_eq!(b(), 1); }",
            &["AssertionChanged 6 6"],
        ),
        (
            "    assert_eq!(b(), 1);",
            "    let _ = catch_unwind(|| { assert_eq!(b(), 1); });",
            &["AssertionChanged 6 6"],
        ),
        (
            "        assert!(ok(x));\n    }\n",
            "    }\n    assert!(ok(x));\n",
            &["AssertionChanged 4 5"],
        ),
        ("for x in all()", "for x in everything()", &[]),
    ];
    assert_finds("tests/t.rs", rust, cases);
    let python = "def test_a():\n    for x in y:\n        if x:\n            assert ok(x)\n    assert b()\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("            assert ok", "    assert ok", &["AssertionChanged 4 4"]),
        ("if x", "if False", &["AssertionChanged 4 4"]),
        ("    assert b()", "    if x: assert b()", &["AssertionChanged 5 5"]),
        (
            "    assert b()",
            "    try:\n        assert b()\n    except AssertionError:\n        pass",
            &["AssertionChanged 5 6"],
        ),
        ("    for x in y:\n", "    for x in y:\n\n        # so\n", &[]),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let script = "it('a', () => {\n  expect(a()).toBe(b);\n});\n";
    let cases: &[(&str, &str, &[&str])] = &[(
        "  expect(a()).toBe(b);",
        "  setTimeout(() => { expect(a()).toBe(b); }, 1e9);",
        &["AssertionChanged 2 2"],
    )];
    assert_finds("a.test.ts", script, cases);
    let cases: &[(&str, &str, &[&str])] = &[
        ("  expect", "  if (c) expect", &["AssertionChanged 2 2"]),
        ("  expect", "  if (c) d(); else expect", &["AssertionChanged 2 2"]),
        ("  expect", "  for (const c of d) expect", &["AssertionChanged 2 2"]),
        ("  expect", "  d(c); expect", &[]),
    ];
    assert_finds("a.test.ts", script, cases);
    let go = "func TestA(t *testing.T) {\n\tif a() {\n\t\tt.Error(b)\n\t}\n}\n";
    let within = "func TestA(t *testing.T) {\n\tif c {\n\t\tif a() {\n\t\t\tt.Error(b)\n\t\t}\n\t}\n}\n";
    assert_eq!(found(&[("a_test.go", go, within)]), ["AssertionChanged 2-3 3-4"]);
}

#[test]
fn what_keeps_a_test_runner_from_a_test_is_found() {
    let rust = "#[test]\nfn a() {\n    assert_eq!(b(), 1);\n}\n";
    for (after, expected) in [
        (format!("later! {{\n{rust}}}\n"), "Skipped - 1"),
        (
            format!("macro_rules! assert_eq {{ ($($t:tt)*) => {{}} }}\n{rust}"),
            "Skipped - 1",
        ),
    ] {
        assert_eq!(found(&[("tests/t.rs", rust, &after)]), [expected], "{after}");
        assert_eq!(found(&[("tests/t.rs", &after, &format!("{after}// so\n"))]), [""; 0]);
    }
    let python = "class TestMail:\n    def test_a(self):\n        assert a()\n\n@pytest.mark.slow\ndef test_b():\n    assert b()\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("class TestMail", "class MailChecks", &["Skipped - 1"]),
        ("class TestMail", "class MailChecks(TestCase)", &[]),
        (
            "class TestMail:\n",
            "class TestMail:\n    def __init__(self):\n        pass\n",
            &["Skipped - 2"],
        ),
        ("    assert b()\n", "    assert b()\n\ndel test_b\n", &["Skipped - 9"]),
        (
            "@pytest.mark.slow\ndef test_b():\n    assert",
            "def later():\n  @pytest.mark.slow\n  def test_b():\n    assert",
            &["Skipped - 5"],
        ),
        ("@pytest.mark.slow", "@pytest.mark.flaky(reruns=10)", &["Skipped 5-7 5"]),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let script = "it('a', () => {\n  expect(a()).toBe(b);\n});\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("it('a', ", "it('a', { skip: true }, ", &["Skipped 1-3 1"]),
        ("it('a', ", "it('a', { skip: false }, ", &[]),
        ("it('a', ", "it('a', { timeout: 5 }, ", &[]),
        ("it('a', ", "jest.retryTimes(10);\nit('a', ", &["Skipped - 1"]),
        ("it('a', ", "const expect = always;\nit('a', ", &["Skipped - 1"]),
    ];
    assert_finds("a.test.ts", script, cases);
    let java = "class T {\n  @Test\n  void a() {\n    assertEquals(1, a());\n  }\n}\n";
    assert_finds("ATest.java", java, &[("void a", "private void a", &["Skipped 2-5 3"])]);
}

#[test]
fn an_assertion_that_nobody_waits_for_or_calls_is_found() {
    let script = "it('a', async () => {\n  await expect(f()).resolves.toBe(1);\n  expect(g()).toBe(2);\n});\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("await expect", "expect", &["AssertionChanged 2 2"]),
        ("await expect", "return expect", &[]),
        ("  expect(g", "  await expect(g", &[]),
        (
            "  expect(g",
            "  const later = () => expect(g",
            &["AssertionChanged 3 3"],
        ),
        (
            "  expect(g()).toBe(2);",
            "  const later = () => { expect(g()).toBe(2); };",
            &["AssertionChanged 3 3"],
        ),
    ];
    assert_finds("a.test.ts", script, cases);
    let arrow = "it('a', () => expect(f()).rejects.toThrow());\nit('b', () => expect(g()).toBe(1));\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "expect(f()).rejects.toThrow()",
            "{ expect(f()).rejects.toThrow() }",
            &["AssertionChanged 1 1"],
        ),
        (
            "expect(f()).rejects.toThrow()",
            "{ return expect(f()).rejects.toThrow() }",
            &[],
        ),
        ("() => expect(f", "async () => await expect(f", &[]),
        ("expect(g()).toBe(1)", "{ expect(g()).toBe(1) }", &[]),
    ];
    assert_finds("b.test.ts", arrow, cases);
    let python = "async def test_a(self):\n    await self.assert_mail('a')\n    self.assertEqual(1, b)\n    assert c\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("await self", "self", &["AssertionChanged 2 2"]),
        (
            "    self.assertEqual",
            "    later = lambda: self.assertEqual",
            &["AssertionChanged 3 3"],
        ),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let rust = "#[test]\nfn a() {\n    assert!(b());\n    match c() {\n        Some(d) => assert!(d),\n        None => {}\n    }\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "    assert!(b())",
            "    let _ = || assert!(b())",
            &["AssertionChanged 3 3"],
        ),
        (
            "    assert!(b())",
            "    let _ = move |_: ()| assert!(b())",
            &["AssertionChanged 3 3"],
        ),
        ("assert!(d)", "{ assert!(d) }", &[]),
    ];
    assert_finds("tests/t.rs", rust, cases);
    let java = "class T {\n  @Test(expected = A.class)\n  void a() {\n    assertEquals(1, a());\n  }\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "    assertEquals",
            "    Runnable later = () -> assertEquals",
            &["AssertionChanged 4 4"],
        ),
        ("(expected = A.class)", "", &["AssertionRemoved 2 -"]),
        ("expected = A.class", "expected = A.class, timeout = 5", &[]),
    ];
    assert_finds("ATest.java", java, cases);
}

#[test]
fn other_ways_to_keep_a_test_from_running_are_found() {
    let python = "import sys\n\ndef test_a():\n    f()\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("def test_a", "async def test_a", &["Skipped 3-4 3"]),
        ("def test_a", "@pytest.mark.asyncio\nasync def test_a", &[]),
        ("    f()", "    yield f()", &["Skipped 3-4 4"]),
        ("    f()", "    def g():\n        yield 1\n    f()", &[]),
        ("    f()", "    sys.exit(0)", &["Skipped 3-4 4"]),
        ("import sys\n", "import sys\nexit()\n", &["Skipped - 2"]),
        (
            "    f()\n",
            "    f()\n\nif __name__ == '__main__':\n    sys.exit(main())\n",
            &[],
        ),
        ("    f()", "    f(program.exit(1))", &[]),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let script = "it('a', () => {\n  f();\n});\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (", () => {\n  f();\n}", "", &["Skipped 1-3 1"]),
        ("  f();", "  process.exit(0);", &["Skipped 1-3 2"]),
        ("it('a'", "process.exit();\nit('a'", &["Skipped - 1"]),
    ];
    assert_finds("a.test.js", script, cases);
    let rust = "#[test]\nfn a() {\n    f();\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("    f();", "    std::process::exit(0);", &["Skipped 1-4 3"]),
        ("    f();", "    exit(0);", &["Skipped 1-4 3"]),
        ("    f();", "    f().exit(0);", &[]),
    ];
    assert_finds("tests/t.rs", rust, cases);
    let outside = "fn main() { std::process::exit(1) }\n#[cfg(test)]\nmod tests { fn f() {} }\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("exit(1)", "exit(2); exit(3)", &[]),
        ("fn f() {}", "fn f() { exit(0) }", &["Skipped - 3"]),
    ];
    assert_finds("src/main.rs", outside, cases);
    // It ends those of other files as well.
    let init = "package mail\n\nfunc init() {\n\tos.Exit(0)\n}\n";
    assert_eq!(found(&[("init_test.go", "", init)]), ["Skipped - 4"]);
    let java = "public class T {\n  @Test\n  public void a() {\n    f();\n  }\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("@Test", "@Test(enabled = false)", &["Skipped 2-5 2"]),
        ("public class", "public abstract class", &["Skipped - 1"]),
        ("    f();", "    System.exit(0);", &["Skipped 2-5 4"]),
        ("public class T {", "abstract class B {\n}\npublic class T {", &[]),
    ];
    assert_finds("ATest.java", java, cases);
}

#[test]
fn weakened_examples_are_found() {
    let go = "func ExampleAdd() {\n\tfmt.Println(Add(1, 2))\n\tif a {\n\t}\n\t// Output:\n\t// 3\n}\n\nfunc TestA(t *testing.T) {\n\t// Output: none\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("\t// Output:\n\t// 3\n", "", &["AssertionRemoved 5-6 -"]),
        ("// 3", "// 4", &["AssertionChanged 5-6 5-6"]),
        ("\t// Output:\n", "\t// Prints:\n", &["AssertionRemoved 5-6 -"]),
        ("// Output: none", "// nothing", &["AssertionChanged 10 -"]),
        ("\tif a", "\t// so\n\tif a", &[]),
    ];
    assert_finds("a_test.go", go, cases);
    let rust = "//! All.\n//!\n//! ```\n//! assert!(all());\n//! ```\n\n/// A sum.\n///\n/// ```\n/// # use sum::add;\n/// let sum = add(1, 2);\n/// assert_eq!(sum, 3);\n/// ```\n///\n/// ```text\n/// 1 + 2\n/// ```\n#[must_use]\npub fn add(a: u8, b: u8) -> u8 {\n    a + b\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("//! ```\n//! assert!(all());\n//! ```\n", "", &["TestRemoved 4 -"]),
        ("/// ```\n/// # use", "/// ```ignore\n/// # use", &["Skipped 10-12 9"]),
        (
            "/// ```\n/// # use",
            "/// ```rust,no_run\n/// # use",
            &["Skipped 10-12 9"],
        ),
        ("/// ```\n/// # use", "/// ```text\n/// # use", &["TestRemoved 10-12 -"]),
        ("/// ```\n/// # use", "/// ```rust\n/// # use", &[]),
        ("/// assert_eq!(sum, 3);\n", "", &["AssertionRemoved 12 -"]),
        (
            "/// assert_eq!(sum, 3);\n",
            "/// // assert_eq!(sum, 3);\n",
            &["AssertionRemoved 12 -"],
        ),
        ("sum, 3", "sum, 4", &["AssertionChanged 12 12"]),
        ("/// 1 + 2", "/// 1 + 3", &[]),
        ("/// A sum.", "/// The sum.", &[]),
        ("pub fn add", "pub fn plus", &[]),
        ("    a + b\n", "    b + a\n", &[]),
    ];
    assert_finds("src/lib.rs", rust, cases);
    let moved = [("src/lib.rs", rust, "//! Elsewhere.\n"), ("src/more.rs", "", rust)];
    assert_eq!(found(&moved), [""; 0]);
    assert_eq!(found(&[("src/lib.rs", rust, "")]), ["TestFileDeleted 4-12 -"]);
    assert_eq!(
        found(&[("src/lib.rs", "", &rust.replace("/// ```\n", "/// ```ignore\n"))]),
        [""; 0]
    );
    // What is never closed, and marks that are none.
    for odd in [
        "/// ```\n/// assert!(a);\nfn a() {}\n",
        "//// ```\n/// ~~~~\n/// ```\n/// ~~~\n",
    ] {
        assert_eq!(found(&[("src/lib.rs", odd, odd)]), [""; 0]);
    }
}

#[test]
fn another_type_that_is_expected_is_no_other_name_of_a_variable() {
    let python = "def test_a():\n    with pytest.raises(ValueError):\n        f()\n    assert isinstance(g(), int)\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("(ValueError)", "(Exception)", &["AssertionChanged 2 2"]),
        ("int)", "Number)", &["AssertionChanged 4 4"]),
    ];
    assert_finds("tests/test_m.py", python, cases);
    let java = "class T {\n  @Test(expected = A.class)\n  void a() {\n    assertEquals(MOST, got);\n  }\n}\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("A.class", "Throwable.class", &["AssertionChanged 2 2"]),
        ("MOST", "MORE", &["AssertionChanged 4 4"]),
        ("got", "found", &[]),
    ];
    assert_finds("ATest.java", java, cases);
}
