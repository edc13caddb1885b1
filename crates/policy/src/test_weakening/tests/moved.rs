//! Assertions that moved, and those that only look so.

use super::*;

const PYTHON: &str = "def test_a():\n    status = get()\n    assert status == 200\n    assert status.body\n";

#[test]
fn an_assertion_where_it_asserts_nothing_has_not_moved() {
    let removed = "AssertionRemoved 3 -";
    let without = PYTHON.replace("    assert status == 200\n", "");
    let idle = "def unused(status):\n    assert status == 200\n";
    let trivial = "def test_b():\n    status = 200\n    assert status == 200\n";
    for more in [
        trivial,
        idle,
        "if False:\n    assert status == 200\n",
        // Somebody calls it, but nobody whom a test calls.
        "def unused(status):\n    assert status == 200\n\ndef more():\n    unused(200)\n",
    ] {
        let after = format!("{without}\n{more}");
        assert_eq!(found(&[("tests/test_m.py", PYTHON, &after)]), [removed], "{more}");
        let apart = [("tests/test_m.py", PYTHON, &*without), ("tests/helpers.py", "", more)];
        assert_eq!(found(&apart), [removed], "{more}");
    }
    // A test of the base, whatever it is about.
    let other = trivial.replace("    assert status == 200\n", "    assert status\n");
    let before = format!("{PYTHON}\n{other}");
    assert_eq!(
        found(&[("tests/test_m.py", &before, &format!("{without}\n{trivial}"))])[0],
        removed
    );
    // One that was called before, and still says no more than it did.
    let with_helper = |test: &str| format!("{idle}\n{}", test.replace("get()\n", "get()\n    unused(status)\n"));
    assert_eq!(
        found(&[("tests/test_m.py", &with_helper(PYTHON), &with_helper(&without))]),
        ["AssertionRemoved 7 -"]
    );
    // In a block that the assertion was not in, or by another one of the same name.
    let never = without.replace("get()\n", "get()\n    if False:\n        unused(status)\n");
    assert_eq!(
        found(&[("tests/test_m.py", PYTHON, &format!("{idle}\n{never}"))]),
        [removed]
    );
    let elsewhere = without.replace("get()\n", "get()\n    unused(status)\n") + "\ndef unused(status):\n    pass\n";
    assert_eq!(
        found(&[("tests/test_m.py", PYTHON, &elsewhere), ("tests/helpers.py", "", idle)]),
        [removed]
    );
    // In a function that may be left before.
    let calls = without.replace("get()\n", "get()\n    check(status)\n");
    for (body, expected) in [
        ("return\n    assert status == 200\n", &[removed][..]),
        ("if not status:\n        return\n    assert status == 200\n", &[removed]),
        ("assert status == 200\n    return status\n", &[]),
    ] {
        let after = format!("def check(status):\n    {body}\n{calls}");
        assert_eq!(found(&[("tests/test_m.py", PYTHON, &after)]), expected, "{body}");
    }
    let rust = "#[test]\nfn a() {\n    assert_eq!(got(), 200);\n}\n";
    let emptied = rust.replace("    assert_eq!(got(), 200);\n", "");
    for more in [
        "#[allow(dead_code)]\nfn unused() {\n    assert_eq!(got(), 200);\n}\n",
        "#[test]\nfn b() {\n    let got = || 200;\n    assert_eq!(got(), 200);\n}\n",
    ] {
        let after = format!("{emptied}{more}");
        assert_eq!(found(&[("tests/t.rs", rust, &after)]), [removed], "{more}");
    }
    let script = "it('a', () => {\n  const got = get();\n  expect(got).toBe(200);\n});\n";
    let emptied = script.replace("  expect(got).toBe(200);\n", "");
    for more in [
        "function unused(got) {\n  expect(got).toBe(200);\n}\n",
        "const unused = (got) => expect(got).toBe(200);\n",
        "const unused = async (got) => {\n  expect(got).toBe(200);\n};\n",
        "class Unused {\n  check(got: number): void {\n    expect(got).toBe(200);\n  }\n}\n",
        "it('b', () => {\n  const got = 200;\n  expect(got).toBe(200);\n});\n",
    ] {
        let after = format!("{emptied}{more}");
        assert_eq!(found(&[("a.test.ts", script, &after)]), [removed], "{more}");
    }
    for (path, test, more) in [
        (
            "a_test.go",
            "func TestA(t *testing.T) {\n\tgot := get()\n\tassert.Equal(t, 200, got)\n}\n",
            "func (s *Suite) unused(got int) {\n\tassert.Equal(t, 200, got)\n}\n",
        ),
        (
            "ATest.java",
            "class A {\n  @Test void a() {\n    assertEquals(200, got());\n  }\n}\n",
            "class B {\n  static <T> void unused() throws IOException {\n    assertEquals(200, got());\n  }\n}\n",
        ),
        (
            "ATest.kt",
            "class A {\n  @Test fun a() {\n    assertEquals(200, got())\n  }\n}\n",
            "fun unused() = assertEquals(200, got())\n",
        ),
    ] {
        let asserts = if path.ends_with(".go") {
            "assert.Equal(t, 200, got)"
        } else {
            "assertEquals(200, got())"
        };
        let after = format!("{}{more}", test.replace(asserts, ""));
        assert_eq!(found(&[(path, test, &after)]), [removed], "{path}");
    }
}

#[test]
fn an_assertion_of_a_function_that_goes_into_one_that_nobody_calls_is_found() {
    let check = "def check(got):\n    assert got == 1\n    assert got.ok\n";
    let test = "def test_a():\n    check(get())\n";
    let before = format!("{check}\n{test}");
    let moved = check.replace("    assert got == 1\n", "") + "\ndef unused(got):\n    assert got == 1\n";
    let after = format!("{moved}\n{test}");
    assert_eq!(found(&[("tests/test_m.py", &before, &after)]), ["AssertionRemoved 2 -"]);
    assert_eq!(
        found(&[("tests/helpers.py", check, &moved)]),
        ["AssertionRemoved 2 -"],
        "whoever calls it is unchanged"
    );
    for moved in [
        // The function has another name, or calls the other one, or is elsewhere.
        before.replace("check", "verify"),
        after.replace("    assert got.ok", "    unused(got)\n    assert got.ok"),
    ] {
        assert_eq!(found(&[("tests/test_m.py", &before, &moved)]), [""; 0], "{moved}");
    }
    let kept = moved.replace("def check(got):\n", "def check(got):\n    unused(got)\n");
    assert_eq!(found(&[("tests/helpers.py", check, &kept)]), [""; 0]);
    assert_eq!(
        found(&[("tests/helpers.py", check, "x = 1\n"), ("tests/more.py", "", check)]),
        [""; 0]
    );
    let before_each = "beforeEach(() => {\n  expect(get()).toBe(1);\n});\n";
    assert_eq!(
        found(&[("a.test.js", before_each, ""), ("b.test.js", "", before_each)]),
        [""; 0]
    );
}

#[test]
fn an_assertion_in_a_function_that_its_test_calls_has_moved() {
    let check = "def check(status):\n    assert status == 200\n";
    let calling = "def test_a():\n    status = get()\n    check(status)\n    assert status.body\n";
    let looping = "def test_a():\n    for status in all():\n        assert status == 200\n";
    let fixture = "@pytest.fixture\ndef status():\n    status = get()\n    assert status == 200\n    return status\n";
    for files in [
        &[("tests/test_m.py", PYTHON, &*format!("{check}\n{calling}"))][..],
        &[("tests/test_m.py", PYTHON, calling), ("tests/helpers.py", "", check)],
        // Several tests have one function.
        &[(
            "tests/test_m.py",
            &*[PYTHON, &PYTHON.replace("_a", "_b")].concat(),
            &*[check, calling, &calling.replace("_a", "_b")].concat(),
        )],
        // The loop goes with it, or stays.
        &[(
            "tests/test_m.py",
            looping,
            "def check(all):\n    for status in all:\n        assert status == 200\n\ndef test_a():\n    check(all())\n",
        )],
        &[(
            "tests/test_m.py",
            looping,
            &*looping
                .replace("assert status == 200", "check(status)")
                .replace("def test_a", &format!("{check}\ndef test_a")),
        )],
        &[(
            "tests/test_m.py",
            PYTHON,
            &*format!("{fixture}\ndef test_a(status):\n    assert status.body\n"),
        )],
        &[(
            "tests/t.rs",
            "#[test]\nfn a() {\n    assert!(got());\n}\n",
            "macro_rules! check {\n    () => { assert!(got()); };\n}\n#[test]\nfn a() {\n    check!();\n}\n",
        )],
        &[(
            "a.test.ts",
            "it('a', () => {\n  expect(got).toBe(200);\n});\n",
            "const check = (got) => {\n  expect(got).toBe(200);\n};\nit('a', () => {\n  check(got);\n});\n",
        )],
        &[(
            "ATest.java",
            "class A {\n  @Test void a() {\n    assertEquals(200, got());\n  }\n}\n",
            "class A {\n  private void check() {\n    assertEquals(200, got());\n  }\n  @Test void a() {\n    check();\n  }\n}\n",
        )],
    ] {
        assert_eq!(found(files), [""; 0], "{files:?}");
    }
    // Once for two that were there.
    let twice = PYTHON.replace("status.body", "status == 200");
    assert_eq!(
        found(&[(
            "tests/test_m.py",
            &twice,
            &format!("{check}\n{}", calling.replace("    assert status.body\n", ""))
        )]),
        ["AssertionRemoved 4 -"]
    );
}
