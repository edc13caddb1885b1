//! What Go offers to others.

use super::all;

#[test]
fn what_stands_at_the_top_with_a_capital_is_seen() {
    all(
        "a.go",
        &[
            (
                "func a() {\n}\nfunc (t *T) B(x int) {\n}\n",
                "func b() {\n}\nfunc (t *T) B(x int) {\n\treturn\n}\n",
                "",
            ),
            (
                "type T struct {\n\tA int\n}\n",
                "type T struct {\n\tA string\n}\n",
                "+type T struct { A string }|-type T struct { A int }",
            ),
            (
                "const (\n\tA = 1\n\tb = 1\n)\n",
                "const (\n\tA = 2\n\tc = 1\n\tB = 3\n)\n",
                "+const B",
            ),
            ("var a, Bcd = 1, 2\n", "var a, Xyz = 1, 2\n", "+var a, Xyz|-var a, Bcd"),
            (
                "var a int; var B int\n",
                "var a int; var C int\n",
                "+var C int|-var B int",
            ),
            (
                "type (\n\tA struct {\n\t\tB int\n\t}\n\tc int\n)\n",
                "type (\n\tA struct {\n\t\tC int\n\t}\n\td int\n)\n",
                "+type A struct { C int }|-type A struct { B int }",
            ),
            ("const A = 1 // one\n", "const ( A = 2; b = 3 )\n", ""),
            (
                "const (\n\ta, B = 1, 2\n)\n",
                "const (\n\ta, C = 1, 2\n)\n",
                "+const a, C|-const a, B",
            ),
            (" func A() {\n}\n", " func A(x int) {\n}\n", "+func A(x int)|-func A()"),
            (
                "var A = func(x int) int { return 1 }\n",
                "var A = func(x, y int) int { return 2 }\n",
                "+var A = func(x, y int) int|-var A = func(x int) int",
            ),
            (
                "func a() {\n\tvar B = 1\n\ttype C int\n\tD := func() {}\n}\n",
                "func a() {\n\tvar E = 1\n\ttype F int\n\tG := func() {}\n}\n",
                "",
            ),
            (
                "/*\nfunc A() {}\n*/\nvar s = `\nfunc A() {}\n`\n",
                "/*\nfunc B() {}\n*/\nvar s = `\nfunc B() {}\n`\n",
                "",
            ),
            (
                "type A[T any] interface {\n\tB() // one\n}\n",
                "type A[T any] interface {\n\tB()\n\tC()\n}\n",
                "+type A[T any] interface { B() C() }|-type A[T any] interface { B() }",
            ),
            (
                "func (t *T) a() {}\nfunc A[X any](\n\tx X,\n) (int, error) {\n\treturn 1\n}\n",
                "func (t *T) b() {}\nfunc A[X any](x X) (int, error) {\n\treturn 2\n}\n",
                "",
            ),
        ],
    );
}
