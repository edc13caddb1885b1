//! The packages that would go to the registry: each must build from what it contains and bring its licence.

use std::collections::BTreeSet;
use std::path::PathBuf;

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
    // Cargo unpacks the packages beside those of other registries, and takes what it finds there of an earlier time for the same.
    command.env("CARGO_HOME", cargo_home_without_sources(workspace)?);
    succeed(command)
}

/// A home for Cargo below the target folder, with all that the user's has but the sources that are unpacked there.
fn cargo_home_without_sources(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    let of_user = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let of_user = of_user
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .ok_or_else(|| TaskError::unreadable("CARGO_HOME", "there is no home folder"))?;
    let home = workspace.target_folder().join("package-home");
    if home.exists() {
        std::fs::remove_dir_all(&home).map_err(TaskError::file(&home))?;
    }
    let registry = home.join("registry");
    std::fs::create_dir_all(&registry).map_err(TaskError::file(&registry))?;
    for (folder, left_out) in [("", "registry"), ("registry", "src")] {
        let folder = PathBuf::from(folder);
        let there = of_user.join(&folder);
        for entry in std::fs::read_dir(&there).map_err(TaskError::file(&there))? {
            let name = entry.map_err(TaskError::file(&there))?.file_name();
            let link = home.join(&folder).join(&name);
            if name != left_out {
                std::os::unix::fs::symlink(there.join(&name), &link).map_err(TaskError::file(&link))?;
            }
        }
    }
    Ok(home)
}
