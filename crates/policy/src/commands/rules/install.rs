//! Adding dependencies.

use ledger_core::{BlockerCode, Grants};

use super::{Found, is_help, short, verbs};
use crate::commands::words::Command;

/// Installing by name adds a dependency. Installing what the lock file or the manifest already says does not.
pub(super) fn installs(command: &Command, grants: &Grants) -> Found {
    let words = verbs(
        command,
        &[
            "--manifest-path",
            "-C",
            "--cwd",
            "--prefix",
            "-w",
            "--workspace",
            "--filter",
            "-p",
            "--package",
            "--features",
            "-F",
            "--version",
            "--group",
            "-G",
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-i",
            "--index-url",
            "--path",
            "--git",
            "--branch",
            "--rev",
            "--tag",
            "--registry",
            "--target",
            "-t",
            "--rename",
            "--extra",
        ],
        40,
    );
    if is_help(command) {
        return None;
    }
    let names: &[&str] = match (command.program(), words.as_slice()) {
        ("npm", ["install" | "i" | "add" | "in" | "isntall", names @ ..]) => names,
        ("pnpm" | "yarn" | "bun", ["add" | "install" | "i", names @ ..]) => names,
        ("yarn", ["global", "add", names @ ..]) => names,
        ("cargo", ["add" | "install", names @ ..]) => names,
        ("pip" | "pip3" | "pipx", ["install", names @ ..]) => names,
        ("python" | "python3", ["pip", "install", names @ ..]) => names,
        ("uv", ["add", names @ ..] | ["pip", "install", names @ ..] | ["tool", "install", names @ ..]) => names,
        ("poetry" | "pdm" | "pipenv" | "conda" | "mamba", ["add" | "install", names @ ..]) => names,
        ("go", ["get" | "install", names @ ..]) => names,
        ("gem", ["install", names @ ..]) | ("bundle", ["add", names @ ..]) => names,
        ("composer", ["require", names @ ..]) => names,
        ("dotnet", ["add", .., "package", name] | ["tool", "install", name]) => std::slice::from_ref(name),
        ("apt" | "apt-get" | "dnf" | "yum" | "apk" | "brew" | "pacman" | "snap", ["install" | "add", names @ ..]) => {
            names
        }
        ("swift", ["package", "add-dependency", names @ ..]) => names,
        _ => &[],
    };
    let is_local = |name: &str| {
        name == "."
            || name.starts_with("./")
            || name.starts_with("../")
            || name.starts_with('/')
            || name.starts_with(".[")
            || name.starts_with("file:")
            || name == "$()"
            || name.ends_with("...")
    };
    let missing = names.iter().find(|name| {
        !is_local(name)
            && !grants
                .dependencies
                .iter()
                .any(|granted| granted == *name || granted == bare_name(name))
    })?;
    let detail = format!(
        "adds the dependency `{}`, which the ticket does not grant",
        short(bare_name(missing))
    );
    Some((BlockerCode::GrantMissing, detail))
}

/// The name without the version that is asked for.
fn bare_name(name: &str) -> &str {
    let scoped = usize::from(name.starts_with('@'));
    let end = name[scoped..]
        .find(['@', '=', '<', '>', '~', '!', '[', ';', ' '])
        .map_or(name.len(), |at| at + scoped);
    &name[..end]
}
