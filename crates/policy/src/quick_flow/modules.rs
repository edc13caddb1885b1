//! Which part of a repository a path belongs to.

use std::collections::BTreeSet;

use ledger_core::RepoPath;

/// Names of the files that make a folder a package of its own.
pub const PACKAGE_MANIFESTS: &[&str] = &[
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "setup.py",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "mix.exs",
    "pubspec.yaml",
    "Package.swift",
];

/// Folders that divide a module and are none themselves.
const WITHIN_A_MODULE: &[&str] = &[
    "src",
    "lib",
    "bin",
    "include",
    "test",
    "tests",
    "spec",
    "specs",
    "examples",
    "benches",
    "__tests__",
];

/// The module of a path, as its folder: that of the nearest package manifest above it, else its first two folders, up to one
/// that only divides a module. The root's is empty.
pub(super) fn module_of(path: &RepoPath, manifests: &BTreeSet<RepoPath>) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut end = bytes.len();
    while let Some(slash) = bytes[..end].iter().rposition(|byte| *byte == b'/') {
        end = slash;
        if has_manifest(&bytes[..=slash], manifests) {
            return bytes[..slash].to_vec();
        }
    }
    if has_manifest(b"", manifests) {
        return Vec::new();
    }
    let folders = path.parts().count().saturating_sub(1);
    let parts: Vec<_> = path
        .parts()
        .take(folders.min(2))
        .take_while(|part| !WITHIN_A_MODULE.iter().any(|name| name.as_bytes() == *part))
        .collect();
    parts.join(&b'/')
}

fn has_manifest(folder: &[u8], manifests: &BTreeSet<RepoPath>) -> bool {
    PACKAGE_MANIFESTS.iter().any(|name| {
        RepoPath::new([folder, name.as_bytes()].concat()).is_ok_and(|manifest| manifests.contains(&manifest))
    })
}
