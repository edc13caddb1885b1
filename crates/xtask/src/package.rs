//! The packages that would go to the registry: each must build from what it contains and bring its licence.

use std::collections::BTreeSet;

use crate::command::{capture, cargo, succeed};
use crate::error::{TaskError, nothing_found};
use crate::workspace::{Workspace, published};

/// Files that every package has to hold.
const REQUIRED: [&str; 4] = ["Cargo.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Packages every published crate and builds it from its package, one taking the others from theirs.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let metadata = workspace.metadata()?;
    let mut findings = Vec::new();
    let mut command = cargo(workspace, &["package", "--locked", "--allow-dirty"]);
    for package in published(&metadata) {
        let name = package.name.as_str();
        command.args(["--package", name]);
        let listed = capture(cargo(
            workspace,
            &["package", "--list", "--locked", "--allow-dirty", "--package", name],
        ))?;
        let files = String::from_utf8_lossy(&listed.stdout);
        let files: BTreeSet<_> = files.lines().collect();
        let missing = REQUIRED.iter().filter(|file| !files.contains(*file));
        findings.extend(missing.map(|file| format!("{name} holds no {file}")));
    }
    nothing_found(
        "packages lack files",
        findings,
        "link the licences of the root into the crate's folder, and say in its README.md what it is for",
    )?;
    succeed(command)
}
