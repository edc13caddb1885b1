//! Guessing how a project is tested, from the files at its root.

use std::path::Path;

use ledger_core::RepoPath;
use serde::Serialize;

use crate::beneath::read_beneath;

/// A check that a project seems to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedCheck {
    /// Its name.
    pub name: String,
    /// The line for `sh -c`.
    pub run: String,
    /// The file that tells.
    pub because: String,
}

/// How the project at this root is tested: one check for each kind of project that is found there. Where nothing is found,
/// the least check that there is.
pub fn detect_checks(root: &Path) -> Vec<DetectedCheck> {
    let project = Project { root };
    let found: Vec<_> = [
        project.cargo(),
        project.node(),
        project.python(),
        project.go(),
        project.java(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !found.is_empty() {
        return found;
    }
    // A Makefile often only calls the others, so it counts where it is alone.
    if let Some(make) = project.make() {
        return vec![make];
    }
    vec![check(
        "whitespace",
        "git diff --check HEAD",
        "no test command was found",
    )]
}

fn check(name: &str, run: &str, because: &str) -> DetectedCheck {
    DetectedCheck {
        name: name.to_owned(),
        run: run.to_owned(),
        because: because.to_owned(),
    }
}

struct Project<'a> {
    root: &'a Path,
}

impl Project<'_> {
    fn read(&self, name: &str) -> Option<String> {
        let path: RepoPath = name.parse().ok()?;
        String::from_utf8(read_beneath(self.root, &path).ok()?).ok()
    }

    fn has(&self, name: &str) -> bool {
        self.root.join(name).symlink_metadata().is_ok()
    }

    fn first<'b>(&self, names: &[&'b str]) -> Option<&'b str> {
        names.iter().copied().find(|name| self.has(name))
    }

    fn cargo(&self) -> Option<DetectedCheck> {
        let manifest = self.read("Cargo.toml")?;
        let run = if manifest.lines().any(|line| line.trim() == "[workspace]") {
            "cargo test --workspace"
        } else {
            "cargo test"
        };
        Some(check("cargo tests", run, "Cargo.toml"))
    }

    fn node(&self) -> Option<DetectedCheck> {
        let manifest: serde_json::Value = serde_json::from_str(&self.read("package.json")?).ok()?;
        let test = manifest.get("scripts")?.get("test")?.as_str()?;
        // What `npm init` writes where there are no tests.
        if test.trim().is_empty() || test.contains("no test specified") {
            return None;
        }
        let named = manifest
            .get("packageManager")
            .and_then(|manager| manager.as_str())
            .and_then(|manager| manager.split('@').next());
        let run = match named {
            Some("pnpm") => "pnpm test",
            Some("yarn") => "yarn test",
            Some("bun") => "bun run test",
            Some("npm") => "npm test",
            _ if self.has("pnpm-lock.yaml") => "pnpm test",
            _ if self.has("yarn.lock") => "yarn test",
            _ if self.has("bun.lock") || self.has("bun.lockb") => "bun run test",
            _ => "npm test",
        };
        let name = run.split(' ').next().unwrap_or("npm");
        Some(check(&format!("{name} tests"), run, "package.json"))
    }

    fn python(&self) -> Option<DetectedCheck> {
        let configured = |file: &str, section: &str| {
            self.read(file)
                .filter(|text| text.contains(section))
                .map(|_| file.to_owned())
        };
        let because = self
            .first(&["pytest.ini", "conftest.py"])
            .map(str::to_owned)
            .or_else(|| configured("pyproject.toml", "[tool.pytest"))
            .or_else(|| configured("setup.cfg", "[tool:pytest]"))
            .or_else(|| configured("tox.ini", "[pytest]"))
            .or_else(|| {
                // A Python project with a folder of tests is run by pytest nearly everywhere.
                let project = self.first(&["pyproject.toml", "setup.py", "setup.cfg"])?;
                self.first(&["tests", "test"]).map(|_| project.to_owned())
            })?;
        Some(check("pytest", "python3 -m pytest", &because))
    }

    fn go(&self) -> Option<DetectedCheck> {
        self.has("go.mod").then(|| check("go tests", "go test ./...", "go.mod"))
    }

    fn java(&self) -> Option<DetectedCheck> {
        if self.has("pom.xml") {
            let run = if self.has("mvnw") {
                "./mvnw -q test"
            } else {
                "mvn -q test"
            };
            return Some(check("maven tests", run, "pom.xml"));
        }
        let script = self.first(&["build.gradle.kts", "build.gradle"])?;
        let run = if self.has("gradlew") {
            "./gradlew test"
        } else {
            "gradle test"
        };
        Some(check("gradle tests", run, script))
    }

    fn make(&self) -> Option<DetectedCheck> {
        let file = self.first(&["GNUmakefile", "makefile", "Makefile"])?;
        let text = self.read(file)?;
        let target = ["test", "check"].into_iter().find(|target| {
            text.lines().any(|line| {
                line.strip_prefix(target)
                    .is_some_and(|rest| rest.trim_start().starts_with(':') && !rest.trim_start().starts_with(":="))
            })
        })?;
        Some(check(&format!("make {target}"), &format!("make {target}"), file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        detect_checks(root.path()).into_iter().map(|check| check.run).collect()
    }

    #[test]
    fn a_project_is_known_by_the_files_at_its_root() {
        let script = r#"{"scripts": {"test": "vitest run"}}"#;
        let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        for (files, run) in [
            (&[][..], &["git diff --check HEAD"][..]),
            (&[("Cargo.toml", "[package]\n")], &["cargo test"]),
            (&[("Cargo.toml", "[workspace]\n")], &["cargo test --workspace"]),
            (&[("package.json", script)], &["npm test"]),
            (&[("package.json", script), ("pnpm-lock.yaml", "")], &["pnpm test"]),
            (&[("package.json", script), ("yarn.lock", "")], &["yarn test"]),
            (&[("package.json", none)], &["git diff --check HEAD"]),
            (&[("package.json", "{")], &["git diff --check HEAD"]),
            (&[("pytest.ini", "")], &["python3 -m pytest"]),
            (
                &[("pyproject.toml", "[tool.pytest.ini_options]\n")],
                &["python3 -m pytest"],
            ),
            (
                &[("pyproject.toml", ""), ("tests/test_a.py", "")],
                &["python3 -m pytest"],
            ),
            (&[("pyproject.toml", "")], &["git diff --check HEAD"]),
            (&[("go.mod", "")], &["go test ./..."]),
            (&[("Makefile", "all:\n\ntest: all\n\t./run\n")], &["make test"]),
            (&[("Makefile", "check:\n")], &["make check"]),
            (&[("Makefile", "test := 1\ntests:\n")], &["git diff --check HEAD"]),
            (&[("pom.xml", "")], &["mvn -q test"]),
            (&[("build.gradle.kts", ""), ("gradlew", "")], &["./gradlew test"]),
            (
                &[("Cargo.toml", ""), ("package.json", script), ("Makefile", "test:\n")],
                &["cargo test", "npm test"],
            ),
        ] {
            assert_eq!(detected(files), run, "{files:?}");
        }
    }
}
