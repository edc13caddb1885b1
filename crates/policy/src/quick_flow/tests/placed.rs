//! What languages offer to others in which its place says so.

use super::{all, api};

#[test]
fn what_python_offers_is_seen_at_the_top_under_conditions_and_in_classes() {
    all(
        "a.py",
        &[
            ("def a(x):\n    return 1\n", "def a(x):\n    return 2\n", ""),
            (
                "def a(x: int = 1) -> int:\n    pass\n",
                "def a(x: str = 1) -> int:\n    pass\n",
                "+def a(x: str = 1) -> int|-def a(x: int = 1) -> int",
            ),
            ("def _a():\n    def b(): pass\n", "def _c():\n    def d(): pass\n", ""),
            (
                "class A:\n    def b(self):\n        pass\n",
                "class A:\n    def _b(self):\n        def c(): pass\n    def __init__(self, x):\n        pass\n",
                "+A: def __init__(self, x)|-A: def b(self)",
            ),
            (
                "A = 1\n_B = 1\nif A == 2:\n    pass\n",
                "A = 2\n_C = 1\nif A == 3:\n    pass\n",
                "",
            ),
            ("", "A: int = 1\n__all__ = [\n    'A',\n]\n", "+A: int|+__all__ = ['A']"),
            (
                "@dataclass\nclass A:\n    x: int\n",
                "@dataclass\nclass A:\n    x: str\n    y = 1\n",
                "+A: x: str|+A: y|-A: x: int",
            ),
            (
                "class A:\n    x: int\n    _y: int\n",
                "class A:\n    x: int = 1\n    _z: str\n",
                "+A: x: int = …|-A: x: int",
            ),
            (
                "class A:\n    x: int = 1\n    def b(self):\n        y: int = 1\n        self.z = 1\n",
                "class A:\n    x: int = 2 # why\n    def b(self):\n        z: int = 1\n        self.y = 1\n",
                "",
            ),
            (
                "try:\n    import x\nexcept E:\n    def a(): pass\n",
                "try:\n    import x\nexcept E:\n    def b(): pass\n    A = 1\n",
                "+A|+def b()|-def a()",
            ),
            (
                "if X:\n    class A:\n        def b(self): return 1\nelse: C = 1\n",
                "if Y:\n    class A:\n        def c(self): return 2\nelse: D = 1\n",
                "+A: def c(self)|+D|-A: def b(self)|-C",
            ),
            (
                "if __name__ == '__main__':\n    a = 1\n",
                "if __name__ == '__main__':\n    b = 1\n",
                "",
            ),
            (
                "",
                "if __name__ != \"__main__\":\n    def a(): pass\nif __name__ == \"__main__\" or X:\n    def b(): pass\n",
                "+def a()|+def b()",
            ),
            ("A, B = 1, 2\n", "A, C = 3, 4\n", "+C|-B"),
            (
                "A = B = 1\n(C, [D]) = x\nE.f = 1\ng[0] = 1\nh(i=1)\n",
                "A = C = 2\n(B, [D]) = y\nE.g = 1\nh[0] = 1\nh(j=1)\n",
                "",
            ),
            ("A = 1; B = 2\n", "A = 1; C = 2\n", "+C|-B"),
            ("class A: x = 1; y = 2\n", "class A: x = 3; z = 4\n", "+A: z|-A: y"),
            (
                "class A:\n    class B:\n        x = 1\n    async def c(self): pass\n",
                "class A:\n    class B:\n        y = 1\n    async def c(self, x=1//2, z=3): pass\n",
                "+A: async def c(self, x=1//2, z=3)|+B: y|-A: async def c(self)|-B: x",
            ),
            (
                "def a(x, # one\n      y): return 1\n",
                "def a(x,\n      y):  # two\n    return 2\n",
                "",
            ),
            (
                "\"\"\"\ndef a(): pass\nclass B:\n\"\"\"\n",
                "\"\"\"\ndef b(): pass\nclass C:\n\"\"\"\n",
                "",
            ),
            ("from .x import a\n", "from .x import b\n", ""),
            (
                "def a() -> Dict[str, int]: return {}\nfor A in x: b = 1\n",
                "def a() -> Dict[str, str]: return {}\nfor A in y: b = 2\n",
                "+def a() -> Dict[str, str]|-def a() -> Dict[str, int]",
            ),
            (
                "class _A:\n    def b(self): pass\n    class C:\n        x = 1\n",
                "class _A:\n    def c(self): pass\n    class D:\n        y = 1\n",
                "",
            ),
            (
                "class A:\n    def __b(self): pass\n    def __len__(self): pass\n",
                "class A:\n    def __c(self): pass\n",
                "-A: def __len__(self)",
            ),
            (
                "type A = int\nx = lambda: 1\n",
                "type B = int\nx = lambda: 2\n",
                "+B|-A",
            ),
            (
                "class A:\n    match: int\nmatch x:\n    case 1: B = 1\n",
                "class A:\n    match: str\nmatch y:\n    case 2: C = 2\n",
                "+A: match: str|+C|-A: match: int|-B",
            ),
            (
                "__all__ += ['a']\n",
                "__all__ += ['b']\n",
                "+__all__ += ['b']|-__all__ += ['a']",
            ),
        ],
    );
}

#[test]
fn what_a_python_package_takes_in_is_offered() {
    all(
        "a/__init__.py",
        &[
            (
                "from .x import a\n",
                "from .x import b\n",
                "+from .x import b|-from .x import a",
            ),
            ("from .x import (\n    a,\n)\n", "from .x import ( # why\n    a)\n", ""),
            (
                "from __future__ import a\nimport b\n",
                "from __future__ import c\nimport d\n",
                "",
            ),
        ],
    );
}

#[test]
fn what_kotlin_offers_is_told_by_where_it_stands() {
    all(
        "a.kt",
        &[
            ("fun a(x: Int = 1): Int = x\n", "fun a(x: Int = 1): Int = y\n", ""),
            ("fun a() {\n    val x = 1\n}\n", "fun a() {\n    val y = 1\n}\n", ""),
            ("fun a()\n", "private fun a()\n", "-fun a()"),
            (
                "data class A(\n    val b: Int,\n) : B() {\n    fun c() {\n        fun d() {}\n    }\n    private fun e() {}\n}\n",
                "data class A(\n    val b: Int,\n) : B() {\n    fun c(x: Int) {\n        fun f() {}\n    }\n    private fun g() {}\n}\n",
                "+A: fun c(x: Int)|-A: fun c()",
            ),
            (
                "internal class A {\n    fun b() {}\n}\n",
                "internal class A {\n    fun c() {}\n}\n",
                "",
            ),
            (
                "class A {\n    companion object {\n        const val B = 1\n    }\n}\n",
                "class A {\n    companion object {\n        const val C = 1\n    }\n}\n",
                "+companion: const val C|-companion: const val B",
            ),
            (
                "enum class A {\n    B,\n}\n",
                "enum class A {\n    B,\n    C,\n}\n",
                "+enum class A { B, C }|-enum class A { B }",
            ),
            (
                "class A { fun b() = 1; private fun c() = 1 }\n",
                "class A { fun d() = 1; private fun e() = 1 }\n",
                "+A: fun d()|-A: fun b()",
            ),
            (
                "class A {\n    @X(\"a b\") fun b() {}\n    /** x */ fun c() {}\n}\n",
                "class A {\n    @X(\"c d\")\n    fun b() {}\n    /** x */ fun d() {}\n}\n",
                "+A: fun d()|-A: fun c()",
            ),
            (
                "class A {\n    constructor(x: Int) : this(1)\n}\n",
                "class A {\n    constructor(x: String) : this(2)\n}\n",
                "+A: constructor(x: String)|-A: constructor(x: Int)",
            ),
            ("/*\nfun a() {}\n*/\n", "/*\nfun b() {}\n*/\n", ""),
            (
                "private class A { fun b() {} }\nfun c() { class D { fun e() {} } }\n",
                "private class A { fun c() {} }\nfun c() { class D { fun f() {} } }\n",
                "",
            ),
        ],
    );
}

#[test]
fn what_ruby_offers_is_told_by_where_it_stands() {
    all(
        "a.rb",
        &[
            ("def a(x)\n  1\nend\n", "def a(x) # one\n  2\nend\n", ""),
            (
                "module M\n  class A < B\n    C = 1\n    attr_reader :d\n    def e; end\n    private\n    def f; end\n  end\nend\n",
                "module M\n  class A < B\n    C = 2\n    attr_reader :d, :x\n    def e(y) = y\n    private\n    def g; end\n  end\nend\n",
                "+A: attr_reader :d, :x|+A: def e(y)|-A: attr_reader :d|-A: def e",
            ),
            (
                "class A\n  class << self\n    private\n    def b; end\n  end\n  def c; end\nend\n",
                "class A\n  class << self\n    private\n    def x; end\n  end\n  def d; end\nend\n",
                "+A: def d|-A: def c",
            ),
            (
                "class A\n  private def b; end\nend\n",
                "class A\n  private def c; end\nend\n",
                "",
            ),
            (
                "class A; def b; end; end\n",
                "class A; def c; end; end\n",
                "+A: def c|-A: def b",
            ),
            (
                "def a(x) = 1\ndef b=(x)\nend\n",
                "def a(x) = 2\ndef c=(x)\nend\n",
                "+def c=(x)|-def b=(x)",
            ),
            (
                "def a(b = nil, c)\nend\ndef d e = nil, f\nend\ndef g? = 1\ndef self.h = 1\n",
                "def a(b = nil, c, x)\nend\ndef d e = nil, f, x\nend\ndef g? = 2\ndef self.h = 2\n",
                "+def a(b = nil, c, x)|+def d e = nil, f, x|-def a(b = nil, c)|-def d e = nil, f",
            ),
            (
                "class A\n  memoize def b; end\n  public def c; end\n  private_class_method def self.d; end\nend\n",
                "class A\n  memoize def x; end\n  public def y; end\n  private_class_method def self.z; end\nend\n",
                "+A: def x|+A: def y|-A: def b|-A: def c",
            ),
            (
                "A = Struct.new(:a)\nB = x(1)\n",
                "A = Struct.new(:b)\nB = x(2)\n",
                "+A = Struct.new(:b)|-A = Struct.new(:a)",
            ),
            (
                "if x\n  def a; end\nend\n",
                "if y\n  def b; end\nend\n",
                "+def b|-def a",
            ),
            (
                "class A\n  included do\n    def b; end\n  end\nend\n",
                "class A\n  included do\n    def c; end\n  end\nend\n",
                "+A: def c|-A: def b",
            ),
            (
                "x = <<~E\n  It's\nE\ndef a; end\n",
                "x = <<~E\n  It's\nE\ndef b; end\n",
                "+def b|-def a",
            ),
            (
                "def a\n  B = 1\n  if x\n    def c; end\n  end\nend\n",
                "def a\n  C = 1\n  if y\n    def d; end\n  end\nend\n",
                "",
            ),
        ],
    );
}

#[test]
fn a_long_file_without_semicolons_is_compared() {
    for (name, head, end) in [
        ("a.py", "def c():\n    return ", ""),
        ("a.rb", "def c\n  ", "\nend"),
        ("a.kt", "fun c() {\n    ", "\n}"),
    ] {
        let file = |body: &str| format!("{}{head}{body}{end}\n", "x(f(a, b), c)\n".repeat(5_000));
        assert_eq!(api(name, &file("1"), &file("2")), "", "{name}");
    }
    let long = "x = f(a, b)\n".repeat(5_000);
    assert_eq!(api("a.py", &long, &format!("{long}y = 1\n")), "+y");
}
