//! Where comments and texts end that look like what they are not.

use super::api;

/// Behind each of these stands code, and in front of what would close it otherwise.
#[test]
fn no_comment_and_no_text_hides_what_stands_behind_it() {
    let declared = |name: &str| match name.rsplit('.').next() {
        Some("php") => ("function evil() {}", "+function evil()"),
        Some("cs") => ("public int evil() { }", "+public int evil()"),
        Some("swift") => ("public func evil() {}", "+public func evil()"),
        Some("kt") => ("fun evil() {}", "+fun evil()"),
        Some("py") => ("def evil(): pass", "+def evil()"),
        _ => ("export function evil() {}", "+export function evil()"),
    };
    for (name, opening) in [
        ("A.php", "<?php # /*"),
        ("A.php", "<?php # \"\"\""),
        ("A.php", "<?php // ?> ' <?php"),
        ("A.php", "It's /* one <?php"),
        ("A.php", "<?php $a = 1; ?> /* <?php"),
        ("A.php", "<?php $a = <<<X\n/*\nX;"),
        ("A.php", "<?php $a = '\n/*\n';"),
        ("A.php", "<?php $a = \"{$a[\"/*\"]}\";"),
        ("A.cs", "#region /*"),
        ("A.cs", "var a = $\"{\"/*\"}\";"),
        ("A.cs", "var a = @\"\\\"; var b = \"/*\";"),
        ("A.cs", "var a = \"\"\"\\\"\"\";"),
        ("A.swift", "/* /* */ \"\"\" */"),
        ("A.swift", "let a = \"\\(\"/*\")\""),
        ("A.swift", "let a = #\"\"\"\n\"\"\"/*\n\"\"\"#"),
        ("A.kt", "/* /* */ \"\"\" */"),
        ("A.kt", "private val a = \"\"\"\\\"\"\""),
        ("A.kt", "private val a = \"\"\"a\"\"\"\""),
        ("A.kt", "private val a = \"${\"/*\"}\""),
        ("a.ts", "let a = `${`/*`}`"),
        ("a.ts", "if (a) /[/*]/.test(b)"),
        ("a.py", "f\"{\"'''\"}\""),
        ("a.py", "f\"{{'''\""),
    ] {
        let (code, expected) = declared(name);
        // What would close it.
        let closing = "// */ \"\"\" ''' `\n";
        let closing = if name == "a.py" { "# '''\n" } else { closing };
        let before = format!("{opening}\n\n{closing}");
        let after = format!("{opening}\n{code}\n{closing}");
        assert_eq!(api(name, &before, &after), expected, "{name}: {opening}");
    }
}
