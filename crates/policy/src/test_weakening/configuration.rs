//! Files that say how tests are run.

mod tasks;

use ledger_core::LineRange;

use super::check_commands::CheckCommands;

/// Which part of such a file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigurationKind {
    /// All of it.
    Whole,
    /// All of it; it is a part of the product, or says how that is built, as well.
    Shared,
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
    /// The same of what those may include; it says how the product is built as well.
    Included,
    /// Tasks whose form is not read: all of it where checks call them, or it speaks of tests.
    Tasks,
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
                | "pytest.toml"
                | ".pytest.toml"
                | "ctestcustom.cmake"
                | "maven.config"
                | "clippy.toml"
                | ".clippy.toml"
                | "mypy.ini"
                | ".mypy.ini"
                | "ruff.toml"
                | ".ruff.toml"
                | ".flake8"
                | ".pylintrc"
                | "pylintrc"
                | "pyrightconfig.json"
                | "biome.json"
                | "biome.jsonc"
                | ".shellcheckrc"
                | ".rubocop.yml"
                | "phpstan.neon"
                | "phpstan.neon.dist"
                | "psalm.xml"
                | "checkstyle.xml"
                | "detekt.yml"
                | "deny.toml"
                | "rustfmt.toml"
                | ".rustfmt.toml"
                | ".clang-tidy"
                | ".clang-format"
                | "phpcs.xml"
                | "phpcs.xml.dist"
                | ".phpcs.xml"
                | ".php-cs-fixer.php"
                | ".php-cs-fixer.dist.php"
                | ".editorconfig"
                | ".yamllint"
                | ".yamllint.yml"
                | ".yamllint.yaml"
                | ".hadolint.yaml"
                | ".bandit"
                | ".pre-commit-config.yaml"
                | "lefthook.yml"
                | ".swiftlint.yml"
                | ".credo.exs"
                | ".sqlfluff"
                | ".ansible-lint"
                | ".gitleaks.toml"
                | ".tflint.hcl"
                | ".oxlintrc.json"
                | "typos.toml"
                | "_typos.toml"
                | ".typos.toml"
                | "cspell.json"
                | ".vale.ini"
                | "ty.toml"
                | ".eslintignore"
                | ".prettierignore"
                | ".stylelintignore"
                | ".rubocop_todo.yml"
                | "phpstan-baseline.neon"
        ) || begins(&[
            ".eslintrc",
            "eslint.config.",
            ".stylelintrc",
            "stylelint.config.",
            ".prettierrc",
            "prettier.config.",
            ".markdownlint",
            ".golangci.",
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
            "package.json" | "composer.json" | "deno.json" => Self::PackageJson,
            "pyproject.toml" => Self::PyProject,
            "cargo.toml" => Self::CargoToml,
            "setup.cfg" => Self::SetupCfg,
            "makefile" | "gnumakefile" | "justfile" | ".justfile" => Self::Targets,
            _ if begins(&["makefile."]) || name.ends_with(".mk") || name.ends_with(".just") => Self::Included,
            "rakefile" | "taskfile.yml" | "taskfile.yaml" => Self::Tasks,
            "cmakelists.txt" | "meson.build" | "build.gradle" | "build.gradle.kts" | "gradle.properties"
            | "pom.xml" | "deno.jsonc" | "mix.exs" => Self::Lines,
            _ if begins(&["vite.config."]) => Self::Mixed,
            // How strictly types are checked.
            _ if name.ends_with(".json") && begins(&["tsconfig.", "jsconfig."]) => Self::Shared,
            _ => return None,
        })
    }

    /// Whether it says how the product is built as well, so that it is source.
    pub(super) fn is_source(self) -> bool {
        matches!(self, Self::Shared | Self::Included | Self::Mixed | Self::Lines)
    }

    /// What the file says of it, where these are the checks; none: it is not of its format.
    pub(super) fn pieces(self, text: &str, checks: &CheckCommands) -> Option<Vec<Piece>> {
        let lines = || all_lines(text).into_iter();
        let pieces: Vec<_> = match self {
            Self::Whole | Self::Shared => all_lines(text),
            Self::PackageJson => tasks::of_package_json(text, checks)?,
            Self::PyProject => {
                let document: toml::Table = toml::from_str(text).ok()?;
                let tools = document.get("tool").and_then(toml::Value::as_table);
                let tools = tools.into_iter().flatten();
                tools
                    .filter_map(|(tool, value)| Some((tool, settings_of_checks(tool, value)?)))
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
                        is_inside = [
                            "[tool:pytest",
                            "[coverage:",
                            "[tox:",
                            "[aliases",
                            "[mypy",
                            "[flake8",
                            "[pylint",
                        ]
                        .iter()
                        .any(|name| line.starts_with(name));
                    }
                    is_inside
                });
                of_tests.collect()
            }
            Self::Targets => tasks::of_makefile(all_lines(text), checks, false),
            Self::Included => tasks::of_makefile(all_lines(text), checks, true),
            Self::Tasks if speaks_of_tests(text) || checks.call(&["rake", "task", "go-task"]) => all_lines(text),
            Self::Tasks => Vec::new(),
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

/// What the table of a tool in `pyproject.toml` says of checks.
fn settings_of_checks<'a>(tool: &str, table: &'a toml::Value) -> Option<&'a toml::Value> {
    match tool {
        "pytest" | "coverage" | "tox" | "nox" | "mutmut" | "ruff" | "mypy" | "pyright" | "basedpyright" | "pylint"
        | "flake8" | "poe" | "taskipy" => Some(table),
        // They say how the product is packed as well.
        "pdm" => table.get("scripts"),
        "hatch" => table.get("envs"),
        _ => None,
    }
}

/// Which targets there are to be tested, how, and what is refused in all.
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
                let is_lints = key == "lints";
                let is_list = path == ".workspace" && matches!(key.as_str(), "members" | "default-members" | "exclude");
                // What dependencies are called, and where they lie, is no matter of tests.
                let is_dependency = ["dependencies", ".patch", ".replace"]
                    .iter()
                    .any(|word| path.contains(word));
                if is_lints || (is_switch || is_list) && !value.is_table() && !is_dependency {
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
