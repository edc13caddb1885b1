//! Folders that hold tests, by the habits of many languages.

/// What a folder of tests is called, in lower case.
const NAMES: &[&str] = &[
    "test",
    "tests",
    "__tests__",
    "spec",
    "specs",
    "e2e",
    "testing",
    "testdata",
    "integration_tests",
    "integration-tests",
    "androidtest",
];

/// Whether what lies in these folders belongs to tests. They are in lower case, the outermost first. Those of benchmarks are not among
/// them: a benchmark shows how long something takes, not that it is right.
pub(crate) fn are_of_tests<T: AsRef<[u8]>>(folders: &[T]) -> bool {
    let is_named = |folder: &T| NAMES.iter().any(|name| name.as_bytes() == folder.as_ref());
    // Integration tests of Maven and Gradle. Elsewhere `it` is as likely to be Italian.
    let are_integration_tests =
        |pair: &[T]| matches!(pair, [above, folder] if above.as_ref() == b"src" && folder.as_ref() == b"it");
    folders.iter().any(is_named) || folders.windows(2).any(are_integration_tests)
}

#[cfg(test)]
mod tests {
    use ledger_core::{RepoPath, TicketFile};

    use crate::quick_flow::is_test;
    use crate::{Policy, TestRules};

    #[test]
    fn the_detectors_of_quick_mode_and_of_weakened_tests_know_the_same_folders() {
        let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
        let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
        for (folders, is_in_tests) in [
            ("test", true),
            ("a/Tests/b", true),
            ("src/__tests__", true),
            ("spec", true),
            ("specs/models", true),
            ("web/e2e", true),
            ("testing", true),
            ("pkg/testdata", true),
            ("integration_tests", true),
            ("integration-tests", true),
            ("app/src/androidTest/java", true),
            ("module/src/it/java", true),
            ("locales/it", false),
            ("it", false),
            ("src", false),
            ("latest", false),
            ("bench", false),
            ("benchmarks", false),
        ] {
            let path: RepoPath = format!("{folders}/mail.py").parse().unwrap();
            assert_eq!(is_test(&path), is_in_tests, "{folders}: quick mode");
            assert_eq!(rules.is_test_file(&path), is_in_tests, "{folders}: weakened tests");
        }
        // What Cargo builds as a benchmark offers nothing to others, and it proves nothing either.
        let path: RepoPath = "benches/mail.rs".parse().unwrap();
        assert!(is_test(&path) && !rules.is_test_file(&path));
    }
}
