//! Whether a test runner that found a file finds it under another path, by the habits of each language.

use ledger_core::RepoPath;

use crate::test_weakening::files::{is_test_name, words_of};
use crate::tokens::Language;

/// Folders that the usual test runners do not look into.
const NOT_LOOKED_INTO: [&str; 7] = [
    "testdata",
    "vendor",
    "node_modules",
    "venv",
    "build",
    "dist",
    "__pycache__",
];

/// Ends of file names that have Go build a file for one system or one architecture alone.
const SYSTEMS_OF_GO: [&str; 32] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "386",
    "amd64",
    "arm",
    "arm64",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mipsle",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390x",
    "wasm",
    "zos",
    "hurd",
    "sparc64",
];

/// What a test runner goes by that looks for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signs {
    /// Its name or its folder says that it holds tests.
    is_named: bool,
    /// Nobody looks into its folder.
    is_hidden: bool,
    /// It is built for these alone.
    systems: Vec<String>,
    /// Cargo builds it as a target of its own.
    is_target: bool,
    /// It lies where Cargo looks for such targets.
    is_below_targets: bool,
    /// What Rust has to declare, so that the file is a part of some target.
    pub(super) module: String,
}

impl Signs {
    pub(super) fn of(path: &RepoPath, language: Language) -> Self {
        let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let is_ignored = |part: &&str| part.starts_with('.') || (language == Language::Go && part.starts_with('_'));
        let is_hidden = parts.iter().any(|part| NOT_LOOKED_INTO.contains(part))
            || parts.iter().any(is_ignored)
            || is_ignored(&name);
        let mut systems = Vec::new();
        if language == Language::Go {
            let stem = stem.strip_suffix("_test").unwrap_or(stem);
            let words = stem.split_once('_').map_or("", |(_, words)| words).split('_');
            let is_system = |word: &&str| SYSTEMS_OF_GO.contains(word);
            systems.extend(words.rev().take_while(is_system).map(str::to_owned));
        }
        let is_in_tests = |part: Option<&&str>| part.is_some_and(|part| *part == "tests");
        let is_target = is_in_tests(parts.last()) || (name == "main.rs" && is_in_tests(parts.iter().nth_back(1)));
        Self {
            is_named: is_named(language, &parts, stem),
            is_hidden,
            systems,
            is_target: language == Language::Rust && is_target,
            is_below_targets: parts.contains(&"tests"),
            module: match (stem, parts.last()) {
                ("mod" | "main", Some(folder)) => (*folder).to_owned(),
                _ => stem.to_owned(),
            },
        }
    }

    /// Whether whoever found a file with these signs finds one with the other ones, which is declared as a module or not.
    pub(super) fn are_kept_by(&self, other: &Self, is_declared: bool) -> bool {
        let is_built = !self.is_target || other.is_target || !other.is_below_targets || is_declared;
        let is_for_as_many = other.systems.iter().all(|system| self.systems.contains(system));
        (other.is_named || !self.is_named) && (self.is_hidden || !other.is_hidden) && is_for_as_many && is_built
    }
}

fn is_named(language: Language, folders: &[&str], stem: &str) -> bool {
    match language {
        Language::Rust => true,
        Language::Python => stem.starts_with("test") || stem.ends_with("_test"),
        Language::Go => stem.ends_with("_test"),
        Language::Script => {
            let is_marked = |word: &str| matches!(word, "test" | "spec");
            stem.split('.').skip(1).any(is_marked) || folders.contains(&"__tests__")
        }
        Language::Jvm | Language::Kotlin => {
            let words = words_of(stem);
            let is_case = words.ends_with(&["test".to_owned(), "case".to_owned()]);
            is_case || is_test_name(stem)
        }
        Language::Hash | Language::Other | Language::Swift | Language::CSharp | Language::Php => is_test_name(stem),
    }
}
