//! `schemas/*.schema.json`, `docs/reference.md` and `docs/troubleshooting.md`: generated from the Rust types, committed, and compared with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;
use crate::{reference, troubleshooting};

/// Every schema by file name. A crate with documents of its own adds one line.
fn all() -> Result<BTreeMap<String, String>, TaskError> {
    let mut schemas = ledger_core::schemas();
    schemas.push(("policy", policy::policy_schema()));
    schemas
        .into_iter()
        .map(|(name, schema)| {
            let mut text = serde_json::to_string_pretty(&schema).map_err(|error| TaskError::unreadable(name, error))?;
            text.push('\n');
            Ok((format!("{name}.schema.json"), text))
        })
        .collect()
}

/// What each generated page must be, by its path.
fn pages() -> Result<[(&'static str, String); 2], TaskError> {
    Ok([
        (reference::PATH, reference_page()?),
        (troubleshooting::PATH, troubleshooting::page()),
    ])
}

fn reference_page() -> Result<String, TaskError> {
    let value = |schema| serde_json::to_value(schema).map_err(|error| TaskError::unreadable(reference::PATH, error));
    let mut files = vec![("counterfoil.toml", value(policy::policy_schema())?)];
    for (name, schema) in ledger_core::schemas() {
        match name {
            "ticket" => files.insert(1, ("ticket.toml", value(schema)?)),
            "steering" => files.push(("ledger/steering/*.md", value(schema)?)),
            _ => {}
        }
    }
    Ok(reference::page(&files))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.path("schemas")
}

/// Writes all schemas and removes those that no type stands for.
pub(crate) fn write(workspace: &Workspace) -> Result<(), TaskError> {
    let folder = folder(workspace);
    let schemas = all()?;
    std::fs::create_dir_all(&folder).map_err(TaskError::file(&folder))?;
    for (file, text) in &schemas {
        let path = folder.join(file);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        std::fs::write(&path, text).map_err(TaskError::file(&path))?;
        println!("wrote schemas/{file}");
    }
    for file in committed(workspace)? {
        if !schemas.contains_key(&file) {
            let path = folder.join(&file);
            std::fs::remove_file(&path).map_err(TaskError::file(&path))?;
            println!("removed schemas/{file}");
        }
    }
    for (name, page) in pages()? {
        let path = workspace.path(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == page) {
            continue;
        }
        std::fs::write(&path, page).map_err(TaskError::file(&path))?;
        println!("wrote {name}");
    }
    Ok(())
}

/// Fails where a committed schema is not what its type says.
pub(crate) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    let schemas = all()?;
    let mut findings = Vec::new();
    for (file, text) in &schemas {
        match std::fs::read_to_string(folder(workspace).join(file)) {
            Err(_) => findings.push(format!("schemas/{file} is missing")),
            Ok(old) if old != *text => findings.push(difference(&format!("schemas/{file}"), &old, text)),
            Ok(_) => {}
        }
    }
    for file in committed(workspace)? {
        if !schemas.contains_key(&file) {
            findings.push(format!("schemas/{file} belongs to no type"));
        }
    }
    for (name, page) in pages()? {
        match std::fs::read_to_string(workspace.path(name)) {
            Err(_) => findings.push(format!("{name} is missing")),
            Ok(old) if old != page => findings.push(difference(name, &old, &page)),
            Ok(_) => {}
        }
    }
    nothing_found(
        "the committed schemas or pages differ from the Rust types",
        findings,
        "run `cargo xtask schemas`, read the difference as a user of the format would, and commit it",
    )
}

fn difference(file: &str, old: &str, new: &str) -> String {
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end of file)").trim().to_owned();
    format!(
        "{file}, line {}: it says `{}`, the type says `{}`",
        same + 1,
        line(old),
        line(new)
    )
}

/// The names of the schema files that are there.
fn committed(workspace: &Workspace) -> Result<Vec<String>, TaskError> {
    let folder = folder(workspace);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(TaskError::file(&folder))? {
        let name = entry.map_err(TaskError::file(&folder))?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".schema.json")) {
            files.push(name.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_line_that_differs() {
        assert_eq!(
            difference("schemas/x.schema.json", "{\n  \"a\": 1\n}\n", "{\n  \"a\": 2\n}\n"),
            "schemas/x.schema.json, line 2: it says `\"a\": 1`, the type says `\"a\": 2`"
        );
        assert!(difference("x", "a\n", "a\nb\n").contains("(end of file)"));
    }
}
