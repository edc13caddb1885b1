//! Which dependencies a change of a manifest or lock file adds, replaces or removes. Best effort: where a file cannot be read, the answer is
//! "unknown", never "none".

mod formats;
mod locked;

use std::collections::BTreeSet;

use ledger_core::RepoPath;

use formats::{Entries, entries};
use locked::{LockFormat, Locked};

/// What a change does to the dependencies of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencyChange {
    /// It adds or removes these, or changes where or in which version they come from. Empty: nothing of that.
    Names(BTreeSet<String>),
    /// It is a lock file, which also names what dependencies need themselves.
    Locked {
        /// All that it adds, replaces or removes.
        names: BTreeSet<String>,
        /// Those that were there before, and now come from elsewhere, or have other content in the same version.
        replaced: BTreeSet<String>,
    },
    /// It changed, and nobody can tell what that adds.
    Unknown,
}

/// How a file names dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    CargoToml,
    PackageJson,
    PyProject,
    Requirements,
    GoMod,
    Lock(LockFormat),
    Opaque,
}

/// Manifests and lock files that nobody reads here.
const OPAQUE: [&str; 82] = [
    ".pnpmfile.cjs",
    ".pnpmfile.mjs",
    "bower.json",
    "brewfile",
    "brewfile.lock.json",
    "build.gradle",
    "build.gradle.kts",
    "bun.lock",
    "bun.lockb",
    "cabal.project",
    "cabal.project.freeze",
    "cartfile",
    "cartfile.resolved",
    "composer.json",
    "composer.lock",
    "conanfile.py",
    "conanfile.txt",
    "cpanfile",
    "cpanfile.snapshot",
    "deno.json",
    "deno.jsonc",
    "deno.lock",
    "directory.packages.props",
    "dub.json",
    "dub.sdl",
    "elm.json",
    "environment.yaml",
    "environment.yml",
    "flake.lock",
    "flake.nix",
    "gemfile",
    "gemfile.lock",
    "gems.locked",
    "gems.rb",
    "go.sum",
    "go.work",
    "go.work.sum",
    "gradle.lockfile",
    "libs.versions.toml",
    "manifest.toml",
    "mix.exs",
    "mix.lock",
    "module.bazel",
    "module.bazel.lock",
    "package.resolved",
    "package.swift",
    "packages.config",
    "packages.lock.json",
    "paket.dependencies",
    "paket.lock",
    "pdm.lock",
    "pipfile",
    "pipfile.lock",
    "pixi.lock",
    "pixi.toml",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "pnpmfile.cjs",
    "podfile",
    "podfile.lock",
    "poetry.lock",
    "pom.xml",
    "project.clj",
    "pubspec.lock",
    "pubspec.yaml",
    "pylock.toml",
    "rebar.config",
    "rebar.lock",
    "renv.lock",
    "settings.gradle",
    "settings.gradle.kts",
    "setup.cfg",
    "setup.py",
    "shard.lock",
    "shard.yml",
    "stack.yaml",
    "stack.yaml.lock",
    "uv.lock",
    "vcpkg.json",
    "workspace",
    "workspace.bazel",
    "yarn.lock",
];

/// Settings that say where packages come from.
const REGISTRIES: [&str; 10] = [
    ".npmrc",
    ".yarnrc",
    "bunfig.toml",
    "pip.conf",
    "pip.ini",
    "uv.toml",
    "nuget.config",
    "gradle-wrapper.properties",
    "maven-wrapper.properties",
    "import_map.json",
];

/// Endings of manifests that are named after their project.
const OPAQUE_ENDINGS: [&str; 8] = [
    ".gemspec", ".csproj", ".fsproj", ".vbproj", ".cabal", ".opam", ".nimble", ".sbt",
];

fn is_in_requirements(path: &RepoPath) -> bool {
    let folder = path.as_bytes().rsplit(|byte| *byte == b'/').nth(1);
    folder.is_some_and(|folder| folder.eq_ignore_ascii_case(b"requirements"))
}

fn format_of(path: &RepoPath) -> Option<Format> {
    let name = path.file_name().to_ascii_lowercase();
    let name = std::str::from_utf8(&name).ok()?;
    Some(match name {
        "cargo.toml" => Format::CargoToml,
        "cargo.lock" => Format::Lock(LockFormat::Cargo),
        "package.json" => Format::PackageJson,
        "package-lock.json" | "npm-shrinkwrap.json" => Format::Lock(LockFormat::Npm),
        "pyproject.toml" => Format::PyProject,
        "go.mod" => Format::GoMod,
        _ if name.starts_with("constraints") && name.ends_with(".txt") => Format::Requirements,
        _ if name.contains("requirements") && (name.ends_with(".txt") || name.ends_with(".in")) => Format::Requirements,
        // One of several lock files of a project.
        _ if name.starts_with("pylock.") && name.ends_with(".toml") => Format::Opaque,
        _ if OPAQUE.contains(&name) || REGISTRIES.contains(&name) => Format::Opaque,
        _ if OPAQUE_ENDINGS.iter().any(|ending| name.ends_with(ending)) => Format::Opaque,
        // `requirements/base.txt` and its like.
        _ if (name.ends_with(".txt") || name.ends_with(".in")) && is_in_requirements(path) => Format::Requirements,
        _ => return None,
    })
}

/// Whether a file of this name says which dependencies there are.
pub fn is_dependency_file(path: &RepoPath) -> bool {
    format_of(path).is_some()
}

/// Whether a file says which dependencies there are in a way that is not read: every change of it is one of dependencies.
pub fn is_opaque_dependency_file(path: &RepoPath) -> bool {
    format_of(path) == Some(Format::Opaque)
}

/// What the change of a file does to dependencies; none: the file says nothing about them. What stays within the repository (a path, a
/// workspace's own entry) is no dependency.
///
/// ```
/// use counterfoil_policy::{DependencyChange, dependency_change};
/// let path = "Cargo.toml".parse().unwrap();
/// let before = b"[dependencies]\nserde = \"1\"\n";
/// let after = b"[dependencies]\nserde = \"1\"\nemail_address = \"0.2\"\n";
/// let change = dependency_change(&path, Some(before), Some(after)).unwrap();
/// assert_eq!(change, DependencyChange::Names(["email_address".to_owned()].into()));
/// ```
pub fn dependency_change(path: &RepoPath, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<DependencyChange> {
    let format = format_of(path)?;
    if before == after {
        return Some(DependencyChange::Names(BTreeSet::new()));
    }
    Some(match format {
        Format::Lock(format) => {
            let read = |side: Option<&[u8]>| side.map_or(Some(Locked::default()), |bytes| Locked::read(format, bytes));
            match (read(before), read(after)) {
                (Some(old), Some(new)) => old.changed_to(&new),
                _ => DependencyChange::Unknown,
            }
        }
        format => {
            let read = |side: Option<&[u8]>| side.map_or(Some(Entries::default()), |bytes| entries(format, bytes));
            // What could not be read before is compared with nothing: then everything that is there counts as added.
            match (read(before), read(after)) {
                (_, None) => DependencyChange::Unknown,
                (None, Some(_)) if after.is_none() => DependencyChange::Unknown,
                (old, Some(new)) => DependencyChange::Names(old.unwrap_or_default().differing(&new)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, before: &str, after: &str) -> String {
        match dependency_change(&path.parse().unwrap(), Some(before.as_bytes()), Some(after.as_bytes())) {
            None => "-".to_owned(),
            Some(DependencyChange::Unknown) => "unknown".to_owned(),
            Some(DependencyChange::Names(names)) => names.into_iter().collect::<Vec<_>>().join(" "),
            Some(DependencyChange::Locked { names, replaced }) => {
                let mark = |name: &String| {
                    if replaced.contains(name) {
                        format!("!{name}")
                    } else {
                        name.clone()
                    }
                };
                names.iter().map(mark).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn every_manifest_of_a_package_says_which_dependencies_there_are() {
        let more = [
            "web/App.csproj",
            "requirements/base.txt",
            "go.work",
            "deno.json",
            "pnpm-workspace.yaml",
        ];
        for name in crate::PACKAGE_MANIFESTS.iter().copied().chain(more) {
            assert!(is_dependency_file(&name.parse().unwrap()), "{name}");
        }
        for name in ["notes/base.txt", "gradle.rs", "setup.pyi"] {
            assert!(!is_dependency_file(&name.parse().unwrap()), "{name}");
        }
        assert_eq!(
            change("pom.xml", "<project/>", "<project><dependencies/></project>"),
            "unknown"
        );
        assert_eq!(change("requirements/base.txt", "a==1\n", "a==1\nb==2\n"), "b");
    }

    #[test]
    fn added_and_replaced_dependencies_are_named() {
        for (path, before, after, expected) in [
            (
                "Cargo.toml",
                "[package]\nversion = \"1\"\n",
                "[package]\nversion = \"2\"\n",
                "",
            ),
            (
                "Cargo.toml",
                "[dependencies]\na = \"1\"\n",
                "[dependencies]\na = { version = \"1\", features = [\"x\"] }\n",
                "",
            ),
            (
                "Cargo.toml",
                "[dependencies]\na = \"1\"\n",
                "[dependencies]\na = { git = \"https://x\" }\n",
                "a https://x",
            ),
            (
                "Cargo.toml",
                "",
                "[target.'cfg(unix)'.dev-dependencies]\nb = \"1\"\n",
                "b",
            ),
            (
                "Cargo.toml",
                "",
                "[dependencies]\nb.workspace = true\nc = { path = \"../c\" }\n",
                "",
            ),
            (
                "Cargo.toml",
                "",
                "[workspace.dependencies]\nb = \"1\"\n[patch.crates-io]\nc = { git = \"x\" }\n",
                "b x",
            ),
            ("Cargo.toml", "", "not toml", "unknown"),
            (
                "sub/Cargo.lock",
                "",
                "[[package]]\nname = \"own\"\nversion = \"1\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"r\"\n",
                "a",
            ),
            (
                "package.json",
                "{\"version\": \"1\"}",
                "{\"version\": \"2\", \"scripts\": {\"a\": \"b\"}}",
                "",
            ),
            (
                "package.json",
                "{\"dependencies\": {\"a\": \"1\"}}",
                "{\"dependencies\": {\"a\": \"2\", \"b\": \"workspace:*\"}, \"devDependencies\": {\"c\": \"1\"}}",
                "a c",
            ),
            (
                "package-lock.json",
                "{}",
                "{\"packages\": {\"\": {}, \"node_modules/a\": {\"version\": \"1\"}, \"node_modules/b\": {\"link\": true}}}",
                "a",
            ),
            (
                "pyproject.toml",
                "",
                "[project]\ndependencies = [\"Left_Pad>=1\"]\n[tool.poetry.group.x.dependencies]\nb = \"1\"\n",
                "b left-pad",
            ),
            ("requirements-dev.txt", "a==1\n", "a==1\nb[x]>=2 # c\n-e .\n", "b"),
            ("requirements.txt", "a==1\n", "a==1\n# by hand \\\nevil==1\n", "evil"),
            ("requirements.txt", "a==1\n", "a==1 \\\n# by hand \\\nevil==1\n", "evil"),
            ("requirements.txt", "", "a==1 \\\n    --hash=sha256:00\n", "a"),
            (
                "package.json",
                "{}",
                "{\"scripts\": {\"postprepare\": \"npm i evil\"}}",
                "postprepare",
            ),
            (
                "pyproject.toml",
                "",
                "[tool.pdm.resolution.overrides]\nrequests = \"https://x/evil\"\n",
                "https://x/evil",
            ),
            ("pylock.dev.toml", "", "x", "unknown"),
            ("project/plugins.sbt", "", "x", "unknown"),
            ("gems.rb", "", "x", "unknown"),
            (".pnpmfile.cjs", "", "x", "unknown"),
            ("WORKSPACE", "", "x", "unknown"),
            (
                "go.mod",
                "module x\n",
                "module x\nrequire a/b v1\nrequire (\n\tc/d v2 // indirect\n)\nreplace e => ./f\n",
                "a/b c/d",
            ),
            ("yarn.lock", "", "x", "unknown"),
            ("CARGO.TOML", "", "[dependencies]\nb = \"1\"\n", "b"),
            ("src/main.rs", "", "x", "-"),
        ] {
            assert_eq!(change(path, before, after), expected, "{path}: {after}");
        }
    }

    #[test]
    fn what_a_manifest_calls_otherwise_is_named_by_what_is_taken() {
        for (path, after, expected) in [
            (
                "Cargo.toml",
                "[dependencies]\nserde = { package = \"evil\", version = \"1\" }\n",
                "evil",
            ),
            (
                "Cargo.toml",
                "[dependencies]\nserde = { git = \"https://x/evil\" }\n",
                "https://x/evil",
            ),
            (
                "Cargo.toml",
                "[patch.crates-io]\nserde = { git = \"https://x/evil\" }\n",
                "https://x/evil",
            ),
            ("package.json", "{\"dependencies\": {\"a\": \"npm:evil@1\"}}", "evil"),
            (
                "package.json",
                "{\"dependencies\": {\"a\": \"npm:@s/evil@1\"}}",
                "@s/evil",
            ),
            (
                "package.json",
                "{\"dependencies\": {\"a\": \"github:x/evil#main\"}}",
                "github:x/evil",
            ),
            ("package.json", "{\"dependencies\": {\"a\": \"x/evil\"}}", "x/evil"),
            (
                "package.json",
                "{\"overrides\": {\"a\": {\"b\": \"npm:evil@1\"}}}",
                "evil",
            ),
            ("package.json", "{\"dependencies\": {\"a\": \">=1 <2 || latest\"}}", "a"),
            (
                "pyproject.toml",
                "[project]\ndependencies = [\"a @ https://x/evil.whl ; os_name == 'nt'\"]\n",
                "https://x/evil.whl",
            ),
            (
                "pyproject.toml",
                "[tool.poetry.dependencies]\na = { git = \"https://x/evil\" }\n",
                "https://x/evil",
            ),
            (
                "requirements.txt",
                "git+https://x/evil@main\n",
                "git+https://x/evil@main",
            ),
            ("requirements.txt", "a@git+https://x/evil\n", "git+https://x/evil"),
            ("requirements.txt", "--index-url https://x\n", "--index-url https://x"),
            ("go.mod", "module x\nreplace a/b => c/evil v1\n", "c/evil"),
            (
                "package-lock.json",
                "{\"packages\": {\"node_modules/a\": {\"name\": \"evil\", \"version\": \"1\"}}}",
                "evil",
            ),
        ] {
            let before = if path.ends_with(".json") { "{}" } else { "" };
            assert_eq!(change(path, before, after), expected, "{path}: {after}");
        }
    }

    #[test]
    fn nothing_hides_behind_what_was_there_or_beside_the_usual_sections() {
        let cargo_like = "[project]\ndependencies = [\"requests>=2\"]\n";
        for (path, before, after, expected) in [
            (
                "requirements.txt",
                "requests==2\n",
                "requests @ https://x/evil.whl\nrequests==2\n",
                "https://x/evil.whl",
            ),
            (
                "requirements.txt",
                "a==1 \\\n  --hash=sha256:1\n",
                "a==1 \\\n  --hash=sha256:1 \\\n  --hash=sha256:2\n",
                "a",
            ),
            ("dev-requirements.txt", "", "evil\n", "evil"),
            ("requirements/base.in", "", "evil\n", "evil"),
            (
                "pyproject.toml",
                cargo_like,
                "[project]\ndependencies = [\"requests @ https://x/evil\", \"requests>=2\"]\n",
                "https://x/evil",
            ),
            (
                "pyproject.toml",
                "",
                "[[tool.uv.index]]\nurl = \"https://x\"\ndefault = true\n",
                "https://x",
            ),
            (
                "pyproject.toml",
                "",
                "[[tool.poetry.source]]\nname = \"x\"\nurl = \"https://x\"\n",
                "https://x",
            ),
            (
                "pyproject.toml",
                "",
                "[tool.uv]\noverride-dependencies = [\"evil\"]\n",
                "evil",
            ),
            (
                "pyproject.toml",
                "",
                "[tool.pdm.dev-dependencies]\ntest = [\"evil>1\"]\n",
                "evil",
            ),
            (
                "pyproject.toml",
                "",
                "[tool.hatch.envs.a]\ndependencies = [\"evil\"]\n",
                "evil",
            ),
            (
                "pyproject.toml",
                "",
                "[tool.uv.sources]\na = { git = \"https://x\" }\n",
                "https://x",
            ),
            (
                "pyproject.toml",
                "",
                "[build-system]\nrequires = [\"evil\"]\nbuild-backend = \"x\"\n",
                "evil x",
            ),
            ("pyproject.toml", "", "[dependency-groups]\ntest = [\"evil\"]\n", "evil"),
            (
                "pyproject.toml",
                "",
                "[tool.ruff]\nline-length = 100\n[tool.mypy]\nstrict = true\n",
                "",
            ),
            (
                "go.mod",
                "replace a/b v0.9.0 => c/d v1.0.0\n",
                "replace a/b v1.0.0 => evil/y v1.0.0\nreplace a/b v0.9.0 => c/d v1.0.0\n",
                "evil/y",
            ),
            (
                "go.mod",
                "",
                "require(\n\tevil/x v1\n)\nreplace(\n\ta => evil/y v1\n)\n",
                "evil/x evil/y",
            ),
            (
                "package.json",
                "{}",
                "{\"pnpm\": {\"overrides\": {\"a\": \"npm:evil@1\"}}}",
                "evil",
            ),
            (
                "package.json",
                "{}",
                "{\"packageManager\": \"yarn@https://x\"}",
                "https://x",
            ),
            (
                "package.json",
                "{}",
                "{\"scripts\": {\"postinstall\": \"npm i evil\", \"test\": \"a\"}}",
                "postinstall",
            ),
            (
                "Cargo.toml",
                "",
                "[dependencies]\na = { version = \"1\", registry = \"evil\" }\n",
                "evil",
            ),
            (".npmrc", "", "registry=https://x\n", "unknown"),
            (
                "gradle/wrapper/gradle-wrapper.properties",
                "",
                "distributionUrl=https://x\n",
                "unknown",
            ),
        ] {
            assert_eq!(change(path, before, after), expected, "{path}: {after}");
        }
    }

    #[test]
    fn what_is_removed_is_named_like_what_is_added() {
        for (path, before, after, expected) in [
            (
                "Cargo.toml",
                "[dependencies]\na = \"1\"\nb = \"1\"\n",
                "[dependencies]\na = \"1\"\n",
                "b",
            ),
            ("package.json", "{\"dependencies\": {\"a\": \"1\"}}", "{}", "a"),
            ("requirements.txt", "a==1\nb==1\n", "a==1\n", "b"),
            ("go.mod", "module x\nrequire a/b v1\n", "module x\n", "a/b"),
        ] {
            assert_eq!(change(path, before, after), expected, "{path}: {after}");
        }
        let removed =
            |path: &str, before: &str| dependency_change(&path.parse().unwrap(), Some(before.as_bytes()), None);
        let a = DependencyChange::Names(["a".to_owned()].into());
        assert_eq!(removed("Cargo.toml", "[dependencies]\na = \"1\"\n"), Some(a));
        assert_eq!(
            removed("Cargo.toml", "[package]\n"),
            Some(DependencyChange::Names(BTreeSet::new()))
        );
        assert_eq!(removed("yarn.lock", "x"), Some(DependencyChange::Unknown));
        assert_eq!(removed("Cargo.toml", "not toml"), Some(DependencyChange::Unknown));
    }

    #[test]
    fn a_file_that_is_left_as_it_is_changes_nothing() {
        let path: RepoPath = "yarn.lock".parse().unwrap();
        let nothing = Some(DependencyChange::Names(BTreeSet::new()));
        assert_eq!(dependency_change(&path, Some(b"x"), Some(b"x")), nothing);
    }

    #[test]
    fn what_a_lock_file_takes_from_elsewhere_is_told_from_what_is_new() {
        let cargo = |name: &str, version: &str, source: &str, checksum: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\nchecksum = \"{checksum}\"\n"
            )
        };
        let a = cargo("a", "1", "registry", "x");
        for (after, expected) in [
            (cargo("a", "1", "registry", "y"), "!a"),
            (cargo("a", "1", "git+https://b", "x"), "!a"),
            (cargo("a", "2", "git+https://b", "y"), "!a"),
            (cargo("a", "2", "registry", "y"), "a"),
            (format!("{a}{}", cargo("b", "1", "git+https://b", "y")), "b"),
            (format!("{a}{}", cargo("a", "2", "registry", "y")), "a"),
            (String::new(), "a"),
        ] {
            assert_eq!(change("Cargo.lock", &a, &after), expected, "{after}");
        }
        let git = |rev: &str| cargo("a", "1", &format!("git+https://b?branch=main#{rev}"), "");
        assert_eq!(
            change("Cargo.lock", &git("1"), &git("2")),
            "!a",
            "the same version, and other content"
        );

        let npm = |version: &str, host: &str, integrity: &str| {
            format!(
                "{{\"packages\": {{\"node_modules/a\": {{\"version\": \"{version}\", \"resolved\": \"https://{host}/a-{version}.tgz\", \
                 \"integrity\": \"{integrity}\"}}}}}}"
            )
        };
        let before = npm("1", "r.org", "x");
        for (after, expected) in [
            (npm("1", "r.org", "y"), "!a"),
            (npm("1", "r.org", ""), "!a"),
            (npm("1", "evil.org", "x"), "!a"),
            (npm("2", "evil.org", "y"), "!a"),
            (npm("2", "r.org", "y"), "a"),
        ] {
            assert_eq!(change("package-lock.json", &before, &after), expected, "{after}");
        }
        // npm writes down later what it did not know before.
        assert_eq!(change("package-lock.json", &npm("1", "r.org", ""), &before), "a");
        assert_eq!(change("package-lock.json", "no json", &before), "unknown");
    }

    proptest::proptest! {
        #[test]
        fn any_content_ends_in_an_answer(content in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            for name in ["Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "pyproject.toml", "requirements.txt", "go.mod", "yarn.lock"] {
                dependency_change(&name.parse().unwrap(), Some(&content), Some(b"{}"));
                dependency_change(&name.parse().unwrap(), None, Some(&content));
            }
        }
    }
}
