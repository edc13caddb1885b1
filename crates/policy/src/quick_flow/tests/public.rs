//! What languages offer to others that write `public` in front of it, or `private`.

use super::all;

#[test]
fn what_java_offers_is_seen_behind_annotations_and_modifiers() {
    all(
        "A.java",
        &[
            (
                "public class A {\n  private int x;\n}\n",
                "public class A {\n  public int y() {\n  }\n}\n",
                "+public int y()",
            ),
            (
                "",
                "class A {\n  @GetMapping(\"/x\") public String x() { return 1; }\n}\n",
                "+public String x()",
            ),
            (
                "",
                "class A { static public int x; final static public void y() {} }\n",
                "+final static public void y()|+static public int x",
            ),
            (
                "public\ninterface A {\n  void b();\n}\n",
                "public\ninterface A {\n  void c();\n}\n",
                "+A: void c()|-A: void b()",
            ),
            (
                "public interface A {\n  @Deprecated int a(); // x\n  default void b() { c(1); }\n}\n",
                "public interface A {\n  int a();\n  default void b() { c(2); }\n}\n",
                "",
            ),
            (
                "public interface A { @X(\"a\") int a(); }\n",
                "public interface A { @X(\"a\") long a(); }\n",
                "+A: long a()|-A: int a()",
            ),
            (
                "public class A { public int a(int x) throws B { return 1; } }\n",
                "public class A { public int a(int x)\n      throws C { return 2; } }\n",
                "+public int a(int x) throws C|-public int a(int x) throws B",
            ),
            (
                "public class A { public int a = 1, b = 2; }\n",
                "public class A { public int a = 3, c = 4; }\n",
                "+public int a, c|-public int a, b",
            ),
            (
                "public enum A { B, C(1); private int x; public int y() { return 1; } }\n",
                "public enum A {\n  B,\n  D(1);\n  private int z; public int y() { return 2; }\n}\n",
                "+A: D(1)|-A: C(1)",
            ),
            (
                "public record A(int x) {}\n",
                "public record A(int x, int y) {}\n",
                "+public record A(int x, int y)|-public record A(int x)",
            ),
            (
                "public @interface A { String value() default \"a\"; }\n",
                "public @interface A { String value(); int x(); }\n",
                "+A: String value()|+A: int x()|-A: String value() default \"a\"",
            ),
            (
                "/*\n public int a();\n*/\nString s = \" public int a();\";\n",
                "/*\n public int b();\n*/\nString s = \" public int b();\";\n",
                "",
            ),
            (
                "public class A<T extends B<T>> { /** x */ public A() { b(); } }\n",
                "public class A<T extends B<T>>\n{\n  public A()\n  {\n    c();\n  }\n}\n",
                "",
            ),
        ],
    );
}

#[test]
fn what_c_sharp_offers_is_seen_behind_attributes_and_modifiers() {
    all(
        "A.cs",
        &[
            (
                "",
                "class A { [HttpGet] public int B() { return 1; } }\n",
                "+public int B()",
            ),
            (
                "",
                "class A { static public int B; [X(\"]\")] [Y] override public int C() => 1; }\n",
                "+override public int C()|+static public int B",
            ),
            (
                "class A { public int B() => 1; }\n",
                "class A { public int B() => 2; }\n",
                "",
            ),
            (
                "class A { public int B { get; set; } = 1; }\n",
                "class A { public int B { get; private set; } = 2; }\n",
                "+public int B { get; private set; }|-public int B { get; set; }",
            ),
            (
                "class A { public int B { get { return x; } } }\n",
                "class A { public int B { get { return y; } } }\n",
                "",
            ),
            (
                "public interface A {\n  [X] int B(int x);\n  int C { get; }\n}\n",
                "public interface A {\n  int B(int y);\n  int C { get; set; }\n}\n",
                "+A: int B(int y)|+A: int C { get; set; }|-A: int B(int x)|-A: int C { get; }",
            ),
            (
                "public enum A { B = 1 }\n",
                "public enum A { B = 2 }\n",
                "+A: B = 2|-A: B = 1",
            ),
            (
                "internal class A { private int B; }\n",
                "internal class A { private int C; }\n",
                "",
            ),
            (
                "public record A(int X);\n",
                "public record A(int Y);\n",
                "+public record A(int Y)|-public record A(int X)",
            ),
        ],
    );
}

#[test]
fn what_swift_offers_is_seen_behind_attributes_and_modifiers() {
    all(
        "A.swift",
        &[
            ("", "class A {\n  @objc public func a() {}\n}\n", "+public func a()"),
            (
                "",
                "class A { static public let a = 1; class open func b() {} }\n",
                "+class open func b()|+static public let a",
            ),
            (
                "public func a(x: Int) -> Int {\n  1\n}\n",
                "public func a(x: Int)\n  -> Int\n{\n  2\n}\n",
                "",
            ),
            (
                "public protocol A {\n  var b: Int { get }\n  func c()\n}\n",
                "public protocol A {\n  var b: Int { get set }\n  func c() throws\n}\n",
                "+A: func c() throws|+A: var b: Int { get set }|-A: func c()|-A: var b: Int { get }",
            ),
            (
                "public extension A {\n  func b() { c(1) }\n  private func d() {}\n}\n",
                "public extension A {\n  func b() { c(2) }\n  @objc func e() {}\n  private func f() {}\n}\n",
                "+A: func e()",
            ),
            (
                "extension A: B {\n}\nextension A {\n}\n",
                "extension A: C {\n}\n",
                "+extension A: C|-extension A: B",
            ),
            (
                "public enum A {\n  case a, b(Int)\n  case c\n}\n",
                "public enum A {\n  case a, b(Int)\n  case d\n}\n",
                "+A: case d|-A: case c",
            ),
            (
                "public private(set) var a: Int = 1\nlet b = 1\n",
                "public private(set) var a: Int = 2\nlet b = 2\n",
                "",
            ),
            ("log(x, privacy: .public)\n", "log(y, privacy: .public)\n", ""),
        ],
    );
}

#[test]
fn whatever_php_does_not_hide_is_seen() {
    all(
        "A.php",
        &[
            ("<?php\n", "<?php\nfunction a($x) { return 1; }\n", "+function a($x)"),
            (
                "<?php\nfunction a($x) { return 1; }\n",
                "<?php\n// why\nfunction a($x) { return 2; /* x */ }\n",
                "",
            ),
            (
                "class A { function b() {} }\n",
                "class A { function b($x) {} }\n",
                "+function b($x)|-function b()",
            ),
            (
                "class A { private function b() {} final protected static function c() {} }\n",
                "class A { private function d() {} final protected static function e() {} }\n",
                "",
            ),
            (
                "",
                "class A { static public function b() {} #[X] public ?int $c = 1; var $d; const E = 1, F = 2; }\n",
                "+class A|+const E, F|+public ?int $c|+static public function b()|+var $d",
            ),
            (
                "$a = function ($x) { return new class { }; };\nuse function a\\b;\n$c = A::class;\n",
                "$a = function ($y) { return new class extends B { }; };\nuse function a\\c;\n$c = B::class;\n",
                "",
            ),
            (
                "interface A { function b(); }\ntrait C { function d() {} }\n",
                "interface A { function b(): int; }\ntrait C { function e() {} }\n",
                "+function b(): int|+function e()|-function b()|-function d()",
            ),
            (
                "enum A: string { case B = 'b'; function c() { return 1; } }\n",
                "enum A: string { case B = 'c'; function c() { return 2; } }\n",
                "+enum A: string { case B = 'c'; function c() { } }|-enum A: string { case B = 'b'; function c() { } }",
            ),
            (
                "",
                "Function a() {} CLASS B { PUBLIC FUNCTION c() {} Private Function d() {} } \\define('E', 1);\n",
                "+CLASS B|+Function a()|+PUBLIC FUNCTION c()|+define('E'",
            ),
            ("define('A', 1);\n", "define('B', 2);\n", "+define('B'|-define('A'"),
            (
                "abstract class A { abstract function b(); }\n",
                "class A { function b() {} }\n",
                "+class A|+function b()|-abstract class A|-abstract function b()",
            ),
        ],
    );
}
