//! Dependencies that a crate declares and whose name no source file of it holds.

use std::path::Path;

use cargo_metadata::Package;

use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;

/// Fails where a package of the workspace declares a dependency that it does not use.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let metadata = workspace.metadata()?;
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        findings.extend(unused(package)?);
    }
    nothing_found(
        "dependencies that are declared and not used",
        findings,
        "remove them from the crate's Cargo.toml; whoever needs one later adds it again",
    )
}

fn unused(package: &Package) -> Result<Vec<String>, TaskError> {
    let folder = package
        .manifest_path
        .parent()
        .ok_or_else(|| TaskError::unreadable(package.name.as_str(), "its manifest lies in no folder"))?;
    let mut source = String::new();
    for part in ["src", "tests", "examples", "benches"] {
        read_sources(folder.join(part).as_std_path(), &mut source)?;
    }
    let mut findings: Vec<_> = package
        .dependencies
        .iter()
        .map(|dependency| dependency.rename.as_ref().unwrap_or(&dependency.name))
        .filter(|name| !mentions(&source, &name.replace('-', "_")))
        .map(|name| format!("{}: {name}", package.name))
        .collect();
    findings.dedup();
    Ok(findings)
}

/// Appends every Rust file below `folder`.
pub(crate) fn read_sources(folder: &Path, source: &mut String) -> Result<(), TaskError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(TaskError::file(folder))? {
        let path = entry.map_err(TaskError::file(folder))?.path();
        if path.is_dir() {
            read_sources(&path, source)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&std::fs::read_to_string(&path).map_err(TaskError::file(&path))?);
        }
    }
    Ok(())
}

/// Whether the identifier stands in the source as a whole word, outside of line comments.
fn mentions(source: &str, identifier: &str) -> bool {
    let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//") || line.trim_start().starts_with("///"))
        .any(|line| {
            line.match_indices(identifier).any(|(at, _)| {
                !line[..at].ends_with(part_of_word) && !line[at + identifier.len()..].starts_with(part_of_word)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_outside_of_comments_count() {
        assert!(mentions("use serde::Serialize;", "serde"));
        assert!(mentions("    #[tokio::main]", "tokio"));
        assert!(!mentions("use serde_json::Value;", "serde"));
        assert!(!mentions("// serde is not needed\nlet a = my_serde;", "serde"));
    }
}
