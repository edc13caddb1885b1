//! The pure crates do no I/O, read no clock and use no randomness: shown, not promised.
//!
//! 1. Each pure crate has the same `clippy.toml` with the methods and types that it must not use.
//! 2. A canary crate uses every one of them, and Clippy must find every use; so the list is not misspelt and not ignored.
//! 3. No source of a pure crate switches the lints off.
//! 4. What the pure crates depend on is a list with a reason for each crate, and the list is exact.

mod canary;
mod dependencies;

use crate::error::{TaskError, nothing_found};
use crate::workspace::{PURE_CRATES, Workspace};

/// Runs all four.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let rules = same_rules(workspace)?;
    nothing_switched_off(workspace)?;
    dependencies::check(workspace)?;
    canary::check(workspace, &rules)
}

/// The one text that all pure crates have as `clippy.toml`.
fn same_rules(workspace: &Workspace) -> Result<String, TaskError> {
    let texts = PURE_CRATES
        .iter()
        .map(|(folder, _)| workspace.read(&format!("crates/{folder}/clippy.toml")))
        .collect::<Result<Vec<_>, _>>()?;
    let findings = PURE_CRATES
        .iter()
        .zip(&texts)
        .filter(|(_, text)| **text != texts[0])
        .map(|((folder, _), _)| {
            format!(
                "crates/{folder}/clippy.toml differs from crates/{}/clippy.toml",
                PURE_CRATES[0].0
            )
        })
        .collect();
    nothing_found(
        "the pure crates do not have the same rules",
        findings,
        "make the files equal: what one pure crate must not do, no other may",
    )?;
    Ok(texts[0].clone())
}

/// Looks for attributes that would let a forbidden use pass.
fn nothing_switched_off(workspace: &Workspace) -> Result<(), TaskError> {
    let mut findings = Vec::new();
    for (folder, _) in PURE_CRATES {
        let mut folders = vec![workspace.path(&format!("crates/{folder}/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(TaskError::file(&folder))? {
                let path = entry.map_err(TaskError::file(&folder))?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).map_err(TaskError::file(&path))?;
                let shown = path.strip_prefix(workspace.root()).unwrap_or(&path).display();
                let switched_off = |line: &str| {
                    ["disallowed_methods", "disallowed_types"]
                        .iter()
                        .any(|lint| line.contains(lint))
                };
                for (number, _) in text.lines().enumerate().filter(|(_, line)| switched_off(line)) {
                    findings.push(format!("{shown}:{}", number + 1));
                }
            }
        }
    }
    nothing_found(
        "a pure crate switches a purity lint off",
        findings,
        "let the caller do it and pass the result in; `runner` is the place for I/O and clocks",
    )
}
