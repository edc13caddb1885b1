//! What a plain command would do.

mod consent;
mod credentials;
mod deploy;
mod destroy;
mod install;
mod lose;
mod migrate;
mod network;
mod publish;

use ledger_core::{BlockerCode, Grants};

use super::words::Command;
pub(crate) use consent::word_of_a_person;

type Found = Option<(BlockerCode, String)>;

fn unsafe_action(what: &str, command: &Command) -> Found {
    // Only the first words: an argument may hold what must not be recorded.
    let shown: Vec<_> = command.words.iter().take(3).map(|word| short(word)).collect();
    Some((BlockerCode::UnsafeAction, format!("{what}: `{}`", shown.join(" "))))
}

fn short(word: &str) -> String {
    word.chars()
        .take(40)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// What the command would do that needs a grant. `with_network` says whether the worker may use the network.
pub(super) fn judge(command: &Command, grants: &Grants, with_network: bool) -> Found {
    credentials::reads_credentials(command)
        .or_else(|| consent::gives_consent(command))
        .or_else(|| git(command))
        .or_else(|| publish::publishes(command))
        .or_else(|| deploy::deploys(command))
        .or_else(|| destroy::destroys(command))
        .or_else(|| install::installs(command, grants))
        .or_else(|| (!grants.migrations).then(|| migrate::migrates(command))?)
        .or_else(|| (!with_network).then(|| network::reaches_out(command))?)
}

/// What the command would do to a repository that a person works in.
pub(super) fn judge_beside_person(command: &Command) -> Found {
    lose::loses_work(command)
}

/// `arguments` without options that take a value, up to `count` plain words.
fn verbs<'a>(command: &'a Command, with_value: &[&str], count: usize) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut arguments = command.arguments().iter();
    while let Some(word) = arguments.next() {
        if with_value.contains(&word.as_str()) {
            arguments.next();
        } else if !word.starts_with('-') && !word.starts_with('+') {
            words.push(word.as_str());
            if words.len() == count {
                break;
            }
        }
    }
    words
}

fn is_help(command: &Command) -> bool {
    let asks = |word: &String| match word
        .strip_prefix("--dry-run")
        .or_else(|| word.strip_prefix("--dry_run"))
    {
        Some(rest) => !matches!(rest, "=none" | "=false"),
        None => word == "--help",
    };
    let alone = matches!(command.arguments(), [only] if matches!(only.as_str(), "-h" | "-v" | "-V" | "--version"));
    alone || command.arguments().iter().any(asks) || command.plain_arguments().next() == Some("help")
}

/// Options of `git` itself that take a value.
const GIT_WITH_VALUE: [&str; 7] = [
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--config-env",
    "--exec-path",
];

fn git(command: &Command) -> Found {
    if command.program() != "git" {
        return None;
    }
    let words = verbs(command, &GIT_WITH_VALUE, 3);
    match words.as_slice() {
        ["push" | "send-pack" | "send-email" | "request-pull", ..] | ["lfs", "push", ..] | ["svn", "dcommit", ..] => {
            unsafe_action("pushes", command)
        }
        ["subtree", "push", ..] => unsafe_action("pushes", command),
        ["credential" | "credential-store" | "credential-cache", ..] => unsafe_action("reads credentials", command),
        _ => None,
    }
}
