//! What a file has to do with tests.

use ledger_core::{RepoPath, TicketFile};

use super::check_commands::{CheckCommands, TASK_RUNNERS};
use super::configuration::ConfigurationKind;
use super::structure::Extent;
use crate::commands::quoted;
use crate::config::Policy;
use crate::scope::{FoldedSet, InvalidScope, PatternSet, Protected, ProtectedPaths};
use crate::test_folders::are_of_tests;
use crate::tokens::Language;

/// Which files are about tests, under one policy and one ticket.
#[derive(Debug, Clone)]
pub struct TestRules {
    own: FoldedSet,
    docs: PatternSet,
    protected: ProtectedPaths,
    /// What the checks run is what proves the change.
    pub(super) checks: CheckCommands,
}

/// What a file has to do with tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It holds tests, all of it or what is marked so.
    Tests(Language, Extent),
    /// It is what a test compares with.
    Snapshot,
    /// Tests read it: to compare with it, or to be tried with it.
    Data,
    /// It says how tests are run.
    Configuration(ConfigurationKind),
}

impl TestRules {
    /// The built-in rules with `[scope] tests` of the policy, and the checks of both. Refuses patterns that are too large.
    pub fn new(policy: &Policy, ticket: &TicketFile) -> Result<Self, InvalidScope> {
        let of_policy = policy.check.iter().map(|check| (&check.run, &check.argv));
        let of_ticket = ticket.check.iter().map(|check| (&check.run, &check.argv));
        let lines = of_policy.chain(of_ticket).flat_map(|(run, argv)| {
            run.clone()
                .into_iter()
                .chain(argv.as_ref().map(|argv| quoted(argv.iter())))
        });
        Ok(Self {
            own: FoldedSet::new("scope.tests", &policy.scope.tests)?,
            docs: PatternSet::new("scope.docs_roots", &policy.scope.docs_roots)?,
            protected: ProtectedPaths::new(policy)?,
            checks: CheckCommands::of(lines),
        })
    }

    /// Whether a change of this file may weaken tests, so that its content is needed.
    ///
    /// ```
    /// use counterfoil_policy::{Policy, TestRules};
    /// use ledger_core::TicketFile;
    /// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
    /// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
    /// assert!(rules.concerns(&"tests/mail.py".parse().unwrap()));
    /// assert!(!rules.concerns(&"src/mail.py".parse().unwrap()));
    /// ```
    pub fn concerns(&self, path: &RepoPath) -> bool {
        self.role(path).is_some()
    }

    /// Whether the file belongs to tests as a whole: it holds them, is what they compare with, or lies where they do. Where tests are a
    /// part of a source file, it does not.
    ///
    /// ```
    /// use counterfoil_policy::{Policy, TestRules};
    /// use ledger_core::TicketFile;
    /// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
    /// let rules = TestRules::new(&Policy::default(), &ticket).unwrap();
    /// assert!(rules.is_test_file(&"tests/data/mail.txt".parse().unwrap()));
    /// assert!(!rules.is_test_file(&"src/lib.rs".parse().unwrap()));
    /// ```
    pub fn is_test_file(&self, path: &RepoPath) -> bool {
        let whole = matches!(self.role(path), Some(Role::Tests(_, Extent::Whole) | Role::Snapshot));
        whole || self.is_among_tests(path, &folders(&String::from_utf8_lossy(path.as_bytes())))
    }

    /// Whether tests may stand in the file, or what they compare with.
    pub fn may_hold_tests(&self, path: &RepoPath) -> bool {
        matches!(self.role(path), Some(Role::Tests(..) | Role::Snapshot)) || self.is_test_file(path)
    }

    /// Whether all that the file says is how tests are run: settings of a test runner, a script that a check runs, what automatic builds
    /// run, or the policy.
    pub fn says_how_tests_are_run(&self, path: &RepoPath) -> bool {
        self.role(path) == Some(Role::Configuration(ConfigurationKind::Whole))
    }

    /// Whether a check runs the file as a program.
    pub(super) fn is_run_by_check(&self, path: &RepoPath) -> bool {
        self.checks.run(&String::from_utf8_lossy(path.as_bytes()))
    }

    /// Whether documentation lives there.
    pub(super) fn is_documentation(&self, path: &RepoPath) -> bool {
        self.docs.allows(path)
    }

    fn is_among_tests(&self, path: &RepoPath, folders: &[String]) -> bool {
        are_of_tests(folders) || self.own.find(path).is_some()
    }

    pub(super) fn role(&self, path: &RepoPath) -> Option<Role> {
        // Before its name or its folder is looked at: a pipeline says which tests are run at all, wherever its parts lie.
        if let Some(Protected::Automation | Protected::Policy) = self.protected.find(path) {
            return Some(Role::Configuration(ConfigurationKind::Whole));
        }
        let text = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let name = text.rsplit('/').next().unwrap_or_default();
        let folders = folders(&text);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let extension = extension.to_ascii_lowercase();
        let is_own = self.own.find(path).is_some();
        let in_tests = self.is_among_tests(path, &folders);
        if is_snapshot(&folders, stem, &name.to_ascii_lowercase(), &extension, in_tests) {
            return Some(Role::Snapshot);
        }
        if let Some(kind) = ConfigurationKind::of(&name.to_ascii_lowercase()) {
            return Some(Role::Configuration(kind));
        }
        let language = Language::of(&extension).or(is_own.then_some(Language::Other));
        if let (Some(language), true) = (language, in_tests || is_test_name(stem)) {
            return Some(Role::Tests(language, Extent::Whole));
        }
        let is_run = self.checks.run(&text) || self.checks.call(runners_of(&name.to_ascii_lowercase()));
        let is_named = is_run || self.checks.name(&text);
        // What a check runs, not what it looks at.
        if is_named && is_check_script(stem, &extension) {
            return Some(Role::Configuration(ConfigurationKind::Whole));
        }
        // Among tools a name is enough, and where a check runs tasks, which call them, not even that is needed.
        let is_program = language.is_some() || is_check_script(stem, &extension);
        let is_tool = is_program && folders.iter().any(|folder| is_of_tools(folder));
        if is_tool && (is_named || self.checks.call(&TASK_RUNNERS)) {
            return Some(Role::Configuration(ConfigurationKind::Whole));
        }
        if is_run {
            return Some(Role::Configuration(ConfigurationKind::Shared));
        }
        if in_tests && is_data(&extension) {
            return Some(Role::Data);
        }
        let language = language?;
        (language == Language::Rust).then_some(Role::Tests(language, Extent::Marked))
    }
}

/// The names of the folders that a file lies in, in lower case.
fn folders(path: &str) -> Vec<String> {
    let above = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    above.split('/').map(str::to_ascii_lowercase).collect()
}

fn is_data(extension: &str) -> bool {
    matches!(
        extension,
        "json"
            | "jsonl"
            | "ndjson"
            | "yaml"
            | "yml"
            | "toml"
            | "csv"
            | "tsv"
            | "txt"
            | "xml"
            | "html"
            | "svg"
            | "out"
            | "dat"
            | "bin"
    )
}

/// Programs that read a file of this name, in lower case, whatever they are told to do. Nobody else needs to.
fn runners_of(name: &str) -> &'static [&'static str] {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    match stem {
        "gulpfile" => &["gulp"],
        "gruntfile" => &["grunt"],
        "dockerfile" | "containerfile" => &["docker", "docker-compose", "podman"],
        "docker-compose" | "compose" if ending.ends_with("yml") || ending.ends_with("yaml") => {
            &["docker", "docker-compose", "podman"]
        }
        _ if name.ends_with(".rake") => &["rake"],
        _ => match name {
            "tasks.py" => &["invoke", "inv"],
            "dodo.py" => &["doit"],
            "magefile.go" => &["mage"],
            _ => &[],
        },
    }
}

/// Whether a folder holds what a project is built and looked after with, and not what it is.
fn is_of_tools(folder: &str) -> bool {
    matches!(folder, "tool" | "tools" | "script" | "scripts" | "ci" | ".ci" | "hack")
}

fn is_check_script(stem: &str, extension: &str) -> bool {
    let says_so = |word: &String| super::configuration::is_about_checks(word);
    matches!(extension, "" | "sh" | "bash" | "mk" | "ps1") || words_of(stem).iter().any(says_so)
}

/// `mail_test`, `test_mail`, `mail.spec`, `MailTests`: the first or the last word says it.
pub(super) fn is_test_name(stem: &str) -> bool {
    let words = words_of(stem);
    [words.first(), words.last()]
        .into_iter()
        .flatten()
        .any(|word| matches!(word.as_str(), "test" | "tests" | "spec" | "specs"))
        || stem.ends_with("IT")
}

/// The words of a name, in lower case: `HTTPTest` has two, as `http_test` has.
pub(super) fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let is_new = match before.filter(|before| before.is_alphanumeric()) {
            None => true,
            // The last capital of several begins the next word.
            Some(before) if before.is_uppercase() => {
                c.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase())
            }
            Some(_) => c.is_uppercase(),
        };
        before = Some(c);
        if !c.is_alphanumeric() {
            continue;
        }
        if is_new {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

fn is_snapshot(folders: &[String], stem: &str, name: &str, extension: &str, in_tests: bool) -> bool {
    let is_kept = |word: &str| {
        matches!(
            word,
            "golden" | "goldens" | "expected" | "snapshots" | "snapshot" | "approved" | "baselines" | "expectations"
        )
    };
    if extension == "snap"
        || folders
            .iter()
            .any(|folder| folder == "__snapshots__" || folder == "__image_snapshots__")
    {
        return true;
    }
    if matches!(extension, "golden" | "snapshot") || name.contains(".approved.") {
        return true;
    }
    let by_name = || name.split(['.', '_', '-']).any(is_kept) || matches!(extension, "stdout" | "stderr");
    let in_data = in_tests || folders.iter().any(|folder| folder == "testdata");
    let is_code = Language::of(extension).is_some();
    let is_test = is_code && is_test_name(stem);
    in_data && !is_test && (folders.iter().any(|folder| is_kept(folder)) || (by_name() && !is_code))
}
