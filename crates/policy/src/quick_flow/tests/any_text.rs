//! Whatever stands in a file, it is told in time.

use proptest::prelude::*;

use super::*;

const EVERY: [&str; 10] = [
    "a.rs",
    "a.ts",
    "__init__.py",
    "a.go",
    "a.java",
    "a.cs",
    "a.swift",
    "a.php",
    "a.kt",
    "a.rb",
];

#[test]
fn a_file_with_more_declarations_than_can_be_compared_counts_as_changed() {
    // Each reaches to the end of the file, because none of them ends.
    let endless = "public interface A {\n".repeat(4_000);
    let change = public_api_change(&path("A.java"), Some(endless.as_bytes()), Some(b"")).unwrap();
    assert_eq!(change.added, ["more than can be compared"]);
    assert!(!change.is_empty());
}

#[test]
fn a_file_that_is_too_large_for_its_words_counts_as_changed() {
    let large = "fn a() {}\n".repeat(1 << 18);
    let change = public_api_change(&path("a.rs"), Some(large.as_bytes()), Some(large.as_bytes())).unwrap();
    assert_eq!(change.added, ["more than can be compared"]);
}

#[test]
fn what_is_never_closed_counts_as_changed_where_it_changes() {
    for (name, opening) in [
        ("a.rs", "/*"),
        ("a.rs", "\""),
        ("a.rs", "r#\""),
        ("a.js", "`"),
        ("a.py", "'''"),
        ("a.go", "`"),
        ("a.kt", "\"\"\""),
        ("A.java", "/*"),
        ("A.cs", "/*"),
        ("A.swift", "\"\"\""),
        ("A.php", "/*"),
    ] {
        let file = |text: &str| format!("a\n{opening}\n{text}\n");
        let change = |before: &str, after: &str| {
            public_api_change(&path(name), Some(file(before).as_bytes()), Some(file(after).as_bytes())).unwrap()
        };
        assert_eq!(change("1", "2").added, ["what is never closed"], "{name}: {opening}");
        assert!(change("1", "1").is_empty(), "{name}: {opening}");
    }
}

/// None of these may take longer than its size allows for.
#[test]
fn files_that_are_made_to_be_compared_slowly_are_compared() {
    for (name, piece) in [
        ("a.rs", "\n"),
        ("a.rs", "pub trait A {\n"),
        ("a.rs", "impl A "),
        ("a.rs", "#["),
        ("a.rs", "#[macro_export]\n"),
        ("a.rs", "#[derive(A)]macro_rules"),
        ("a.js", "/["),
        ("a.js", "export "),
        ("a.js", "export const a =("),
        ("a.js", "class a "),
        ("a.py", "if a: "),
        ("a.py", "if a:\n "),
        ("a.py", "a=("),
        ("a.go", "func ("),
        ("a.kt", "class A {"),
        ("a.kt", "@a:b("),
        ("A.java", "public enum A<"),
        ("A.cs", "[public "),
        ("A.swift", "public a="),
        ("A.php", "public static "),
        ("A.php", "static "),
        ("A.php", "public var "),
        ("a.js", "module.exports."),
        ("a.rb", "class A;"),
        ("a.rs", "#[arg(\n"),
        ("a.rs", "#[arg(a)]\n"),
        ("a.rs", "#[derive(Parser"),
        ("a.rs", "Arg::new('"),
        ("a.rs", "// Arg::new(\n"),
        ("a.js", ".option(\n'"),
        ("a.js", ".option('"),
        ("a.js", "new "),
        ("a.py", "@click.option\n"),
        ("a.py", "# add_argument(\n"),
        ("a.go", "Use:"),
        ("a.java", "new Option<"),
        ("a.kt", "class A\n "),
        ("a.rb", "option :a,\n"),
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        let change = public_api_change(&path(name), Some(text.as_bytes()), Some(b"")).unwrap();
        assert!(change.added.len() <= 1, "{name}: {piece:?}");
    }
}

#[test]
fn modifiers_are_not_walked_over_again_from_each_of_them() {
    let too_much: &[&str] = &["more than can be compared"];
    for (name, head, piece, expected) in [
        ("A.php", "", "static ", &[][..]),
        ("a.js", "export { class }\n", "class ", too_much),
        ("a.js", "", "module.exports.", too_much),
    ] {
        let text = format!("{head}{}", piece.repeat(((2 << 20) - head.len()) / piece.len()));
        // Each of them from each other would take minutes.
        let change = public_api_change(&path(name), Some(text.as_bytes()), Some(b"")).unwrap();
        assert_eq!(change.added, expected, "{name}: {piece:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_paths_end_in_a_sorted_and_bounded_answer(
        paths in proptest::collection::btree_set(
            proptest::collection::vec(
                proptest::sample::select(b"/.aA_-*[{?\x01\x80\xffsqltokenSession.rs".to_vec()), 1..40
            ),
            0..40,
        ),
        extensions in proptest::collection::vec(
            proptest::sample::select(vec!["", ".rs", ".tsx", ".sql", "/Cargo.toml", "/auth.py", ".proto"]), 40
        ),
    ) {
        let all: BTreeSet<RepoPath> = paths
            .into_iter()
            .zip(extensions)
            .filter_map(|(mut bytes, extension)| {
                bytes.extend(extension.as_bytes());
                RepoPath::new(bytes).ok()
            })
            .collect();
        let changes = all.iter().map(|path| Change {
            path: path.clone(),
            before: None,
            after: side("1"),
            renamed_from: None,
        });
        let allowed = all.iter().filter_map(|path| path.to_str().map(str::to_owned)).collect();
        let mut ticket = quick(&["a"], "");
        ticket.scope.allowed = Some(allowed);
        let facts = ChangeFacts { files: BTreeMap::new(), manifests: all.clone(), ..ChangeFacts::default() };
        let rules = rules();
        for crossed in [rules.of_changes(&set(changes.collect()), &facts, &ticket), rules.of_ticket(&ticket, &all)] {
            prop_assert!(crossed.is_sorted_by_key(|crossing| (crossing.trigger, crossing.path.clone())));
            for crossing in &crossed {
                prop_assert!(crossing.evidence.len() < 1200, "{crossing}");
                let same = crossed.iter().filter(|other| other.trigger == crossing.trigger).count();
                prop_assert!(same <= MAX_PLACES);
            }
        }
    }

    #[test]
    fn any_options_end_in_an_answer_and_the_same_ones_in_no_change(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "#[arg(", "#[derive(Parser)]\n", "struct A {", ".option('", ".command(\"", "@click.option(", "add_argument(", "flag.Int(",
                "Use: \"", "cli.XFlag{", "@Option", "[Option(", "new Option<", "by option(", ".on('-", "option :a,", "\n", "  ", "// ", "# ",
                "'", "\"", "\\", ")", "]", "}", "=>", "func(", "é", "*", "class A ", "fun a", "def a", "private\n", "end\n",
                "pub ", "public ", "static ", "trait ", "enum ", "interface ", "impl ", " for ", "export ", "exports", "module.", "const ", "function ",
                "type ", "func A", "A, B = ", "if a", ":", "(", "[", "{", "}", "<", ">", ",", ";", "=", "@a", "#[", "default ", "do\n", "get;",
            ]),
            0..60,
        ),
    ) {
        let text = words.concat();
        for name in EVERY {
            let change = public_api_change(&path(name), Some(text.as_bytes()), Some(text.as_bytes())).unwrap();
            prop_assert!(change.is_empty());
            public_api_change(&path(name), None, Some(text.as_bytes()));
        }
    }

    #[test]
    fn any_content_ends_in_an_answer_and_the_same_content_in_no_change(
        bytes in proptest::collection::vec(
            proptest::sample::select(b"\n\n {}()[]<>;,=:#@/\\\"'\x00\xff\xc3pub fn class def export type enum const".to_vec()), 0..300
        ),
    ) {
        for name in EVERY {
            let change = public_api_change(&path(name), Some(&bytes), Some(&bytes)).unwrap();
            prop_assert!(change.is_empty());
            public_api_change(&path(name), None, Some(&bytes));
        }
    }
}
