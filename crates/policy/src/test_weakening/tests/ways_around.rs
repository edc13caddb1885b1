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
