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
    let (edits, of_dart, fetched) = (go_edits(command), dart_names(&words), fetched(command, &words));
    // Help of what is fetched first is none of the tool's.
    if is_help(command) && fetched.is_empty() {
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
        ("dart" | "flutter", ["pub", "add", ..] | ["pub", "global", "activate", ..]) => of_dart.as_slice(),
        ("deno" | "jsr", ["add" | "install" | "i", names @ ..]) => names,
        ("npx" | "pnpx" | "bunx", ["jsr", "add" | "install" | "i", names @ ..]) => names,
        (
            "rye" | "hatch" | "pixi" | "opam" | "nimble" | "cabal" | "luarocks" | "cpanm",
            ["add" | "install", names @ ..],
        ) => names,
        ("cargo", ["binstall", names @ ..]) => names,
        ("conan" | "nuget" | "vcpkg", ["install" | "add", names @ ..]) => names,
        ("dotnet", ["package", "add", name, ..]) => std::slice::from_ref(name),
        ("go", ["mod", "edit", ..]) => edits.as_slice(),
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
    let missing = names.iter().chain(&fetched).find(|name| {
        let is_granted = grants.names_dependency(name) || grants.names_dependency(bare_name(name));
        !is_local(name) && !is_granted
    })?;
    let detail = format!(
        "adds the dependency `{}`, which the ticket does not grant",
        short(bare_name(missing))
    );
    Some((BlockerCode::GrantMissing, detail))
}

/// What is fetched and run without being installed, and the addresses that what is installed comes from.
fn fetched<'a>(command: &'a Command, words: &[&'a str]) -> Vec<&'a str> {
    const INDEXES: [&str; 6] = [
        "-i",
        "--index-url",
        "--extra-index-url",
        "--index",
        "-f",
        "--find-links",
    ];
    // What is there already is run without a question, and what is not only with that.
    let is_asked = || {
        let mut arguments = command.arguments().iter();
        !arguments.any(|word| matches!(word.as_str(), "-y" | "--yes"))
    };
    match (command.program(), words) {
        ("npx", [_, ..]) if is_asked() => Vec::new(),
        ("pnpm" | "yarn", ["dlx", name, ..])
        | ("bun", ["x", name, ..])
        | ("pnpx" | "bunx" | "uvx" | "npx", [name, ..])
        | ("uv", ["tool", "run", name, ..])
        | ("pipx", ["run", name, ..]) => vec![name],
        ("go", ["run", name, ..]) if name.contains('@') => vec![name],
        ("cargo", ["add" | "install", ..]) => values_of(command, &["--git"]),
        ("pip" | "pip3" | "pipx", ["install", ..]) | ("python" | "python3", ["pip", "install", ..]) | ("uv", ..) => {
            values_of(command, &INDEXES)
        }
        ("npm" | "pnpm" | "yarn", ["install" | "i" | "add" | "ci", ..]) => values_of(command, &["--registry"]),
        _ => Vec::new(),
    }
}

/// What is said to these options, behind them or behind a `=`.
fn values_of<'a>(command: &'a Command, options: &[&str]) -> Vec<&'a str> {
    let mut values = Vec::new();
    let mut arguments = command.arguments().iter();
    while let Some(word) = arguments.next() {
        match word.split_once('=') {
            Some((option, value)) if options.contains(&option) => values.push(value),
            None if options.contains(&word.as_str()) => values.extend(arguments.next().map(String::as_str)),
            _ => {}
        }
    }
    values
}

/// What `go mod edit` is told to require or to replace.
fn go_edits(command: &Command) -> Vec<&str> {
    let options = ["-require", "--require", "-replace", "--replace", "-tool", "--tool"];
    let mut named = values_of(command, &options);
    // A folder of the repository in place of a dependency is none of the network's.
    let stays = |name: &&str| {
        name.split_once('=')
            .is_some_and(|(_, by)| by.starts_with("./") || by.starts_with("../"))
    };
    named.retain(|name| !stays(name));
    named
}

/// What `dart pub add` is told to add: `dev:name:^1.0.0` is a name between words.
fn dart_names<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let skipped = if words.get(1) == Some(&"global") { 3 } else { 2 };
    let bare = |word: &&'a str| {
        let named = word.strip_prefix("dev:").or_else(|| word.strip_prefix("override:"));
        named.unwrap_or(word).split(':').next().unwrap_or_default()
    };
    words.iter().skip(skipped).map(bare).collect()
}

/// The name without the version that is asked for, and without the registry that Deno writes before it.
fn bare_name(name: &str) -> &str {
    let prefixes = ["npm:", "jsr:", "dev:", "override:"];
    // `alias@npm:name` is that other one.
    let name = name.find("@npm:").map_or(name, |at| &name[at + 1..]);
    let name = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    let scoped = usize::from(name.starts_with('@'));
    let end = name[scoped..]
        .find(['@', '=', '<', '>', '~', '!', '[', ';', ' '])
        .map_or(name.len(), |at| at + scoped);
    &name[..end]
}
