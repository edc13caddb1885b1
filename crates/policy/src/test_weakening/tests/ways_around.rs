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
