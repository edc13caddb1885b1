//! Files that say how tests are run.

use ledger_core::LineRange;

use super::files::words_of;

/// Which part of such a file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigurationKind {
    /// All of it.
    Whole,
    /// Scripts and tables of `package.json`.
    PackageJson,
    /// Tables of `pyproject.toml`.
    PyProject,
    /// The targets of `Cargo.toml`.
    CargoToml,
    /// Sections of `setup.cfg`.
    SetupCfg,
    /// Targets of a `Makefile` and its kin.
    Targets,
    /// All of it where it speaks of tests at all; it says how the product is built as well.
    Mixed,
    /// The lines that speak of tests; the others say how the product is built.
    Lines,
}

/// A line, or something as small, that says how tests are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Where it is, where that is known.
    pub(super) line: Option<u64>,
}

impl ConfigurationKind {
    /// That of a file with this name in lower case.
    pub(super) fn of(name: &str) -> Option<Self> {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let whole = matches!(
            name,
            "conftest.py"
                | "pytest.ini"
                | ".pytest.ini"
                | "tox.ini"
                | "noxfile.py"
                | ".coveragerc"
                | "codecov.yml"
                | ".codecov.yml"
                | "phpunit.xml"
                | "phpunit.xml.dist"
                | ".rspec"
                | "nextest.toml"
                | "tarpaulin.toml"
                | ".simplecov"
                | "insta.yaml"
        ) || begins(&[
            "jest.config.",
            "vitest.config.",
            "vitest.workspace.",
            "karma.conf.",
            "playwright.config.",
            "cypress.config.",
            "cypress.json",
            "ava.config.",
            "jasmine.json",
            "wdio.conf.",
            ".mocharc",
            ".nycrc",
            ".c8rc",
            ".taprc",
        ]);
        if whole {
            return Some(Self::Whole);
        }
        Some(match name {
            "package.json" => Self::PackageJson,
            "pyproject.toml" => Self::PyProject,
            "cargo.toml" => Self::CargoToml,
            "setup.cfg" => Self::SetupCfg,
            "makefile" | "gnumakefile" | "justfile" | ".justfile" | "rakefile" | "taskfile.yml" | "taskfile.yaml" => {
                Self::Targets
            }
            "cmakelists.txt" | "meson.build" | "build.gradle" | "build.gradle.kts" | "pom.xml" | "composer.json"
            | "deno.json" | "deno.jsonc" | "mix.exs" => Self::Lines,
            _ if begins(&["vite.config."]) => Self::Mixed,
            _ => return None,
        })
    }

    /// Whether it says how the product is built as well, so that it is source.
    pub(super) fn is_source(self) -> bool {
        matches!(self, Self::Mixed | Self::Lines)
    }

    /// What the file says of it; none: it is not of its format.
    pub(super) fn pieces(self, text: &str) -> Option<Vec<Piece>> {
        let lines = || all_lines(text).into_iter();
        let pieces: Vec<_> = match self {
            Self::Whole => all_lines(text),
            Self::PackageJson => of_package_json(text)?,
            Self::PyProject => {
                let document: toml::Table = toml::from_str(text).ok()?;
                let tools = document.get("tool").and_then(toml::Value::as_table);
                let tools = tools.into_iter().flatten();
                tools
                    .filter(|(tool, _)| matches!(tool.as_str(), "pytest" | "coverage" | "tox" | "nox" | "mutmut"))
                    .map(|(tool, value)| piece(format!("tool.{tool} = {value}")))
                    .collect()
            }
            Self::CargoToml => {
                let mut pieces = Vec::new();
                of_targets_of_cargo(&toml::Value::Table(toml::from_str(text).ok()?), "", &mut pieces);
                pieces
            }
            Self::SetupCfg => {
                let mut is_inside = false;
                let of_tests = lines().filter(|piece| {
                    let line = piece.text.trim();
                    if line.starts_with('[') {
                        is_inside = ["[tool:pytest", "[coverage:", "[tox:", "[aliases"]
                            .iter()
                            .any(|name| line.starts_with(name));
                    }
                    is_inside
                });
                of_tests.collect()
            }
            Self::Targets => {
                let mut is_inside = false;
                let of_tests = lines().filter(|piece| {
                    let line = piece.text.as_str();
                    let is_heading = !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty();
                    if is_heading {
                        let target = line.split([':', '=']).next().unwrap_or_default();
                        is_inside = words_of(target).iter().any(|word| is_about_checks(word));
                    }
                    is_inside
                });
                of_tests.collect()
            }
            Self::Mixed if speaks_of_tests(text) => all_lines(text),
            Self::Mixed => Vec::new(),
            Self::Lines => lines().filter(|piece| speaks_of_tests(&piece.text)).collect(),
        };
        Some(pieces.into_iter().filter(|piece| says_something(&piece.text)).collect())
    }
}

pub(super) fn all_lines(text: &str) -> Vec<Piece> {
    let lines = text.lines().zip(1_u64..);
    lines
        .map(|(line, number)| Piece {
            text: line.to_owned(),
            line: Some(number),
        })
        .collect()
}

fn says_something(line: &str) -> bool {
    let line = line.trim();
    // The first line of a script names the program that reads it.
    let is_comment = line.starts_with('#') && !line.starts_with("#!");
    !line.is_empty() && !is_comment && !line.starts_with("//") && !line.starts_with(';')
}

/// Whether a word of a name says that something checks.
pub(super) fn is_about_checks(word: &str) -> bool {
    matches!(
        word,
        "test"
            | "tests"
            | "spec"
            | "check"
            | "checks"
            | "verify"
            | "lint"
            | "ci"
            | "coverage"
            | "cover"
            | "e2e"
            | "unit"
            | "integration"
            | "jest"
            | "vitest"
            | "pytest"
    )
}

fn speaks_of_tests(text: &str) -> bool {
    text.to_ascii_lowercase().contains("test")
}

fn piece(text: String) -> Piece {
    Piece { text, line: None }
}

fn of_package_json(text: &str) -> Option<Vec<Piece>> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut pieces = Vec::new();
    let scripts = document.get("scripts").and_then(serde_json::Value::as_object);
    for (name, script) in scripts.into_iter().flatten() {
        if words_of(name)
            .iter()
            .any(|word| is_about_checks(word) || is_about_checks(word.trim_start_matches("pre")))
        {
            pieces.push(piece(format!("scripts.{name} = {script}")));
        }
    }
    for key in [
        "jest",
        "vitest",
        "mocha",
        "nyc",
        "c8",
        "ava",
        "tap",
        "jasmine",
        "playwright",
    ] {
        if let Some(value) = document.get(key) {
            pieces.push(piece(format!("{key} = {value}")));
        }
    }
    Some(pieces)
}

/// Which targets there are to be tested, and how.
fn of_targets_of_cargo(value: &toml::Value, path: &str, pieces: &mut Vec<Piece>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let place = format!("{path}.{key}");
                let is_switch = matches!(
                    key.as_str(),
                    "test"
                        | "doctest"
                        | "harness"
                        | "autotests"
                        | "overflow-checks"
                        | "debug-assertions"
                        | "required-features"
                        | "path"
                );
                let is_list = path == ".workspace" && matches!(key.as_str(), "members" | "default-members" | "exclude");
                // What dependencies are called, and where they lie, is no matter of tests.
                let is_dependency = ["dependencies", ".patch", ".replace"]
                    .iter()
                    .any(|word| path.contains(word));
                if (is_switch || is_list) && !value.is_table() && !is_dependency {
                    pieces.push(piece(format!("{} = {value}", place.trim_start_matches('.'))));
                } else {
                    of_targets_of_cargo(value, &place, pieces);
                }
            }
        }
        toml::Value::Array(values) => {
            for value in values {
                of_targets_of_cargo(value, path, pieces);
            }
        }
        _ => {}
    }
}

/// The pieces that differ, in their indentation too, once what both have in front and at the end is left out.
pub(super) fn differing<'a>(old: &'a [Piece], new: &'a [Piece]) -> Option<(&'a [Piece], &'a [Piece])> {
    let same = |(one, other): &(&Piece, &Piece)| one.text.trim_end() == other.text.trim_end();
    let front = old.iter().zip(new).take_while(same).count();
    let (old, new) = (old.get(front..)?, new.get(front..)?);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (old.get(..old.len() - end)?, new.get(..new.len() - end)?);
    (!old.is_empty() || !new.is_empty()).then_some((old, new))
}

/// The lines of these pieces.
pub(super) fn lines(pieces: &[Piece]) -> Option<LineRange> {
    Some(LineRange {
        first: pieces.first()?.line?,
        last: pieces.last()?.line?,
    })
}
