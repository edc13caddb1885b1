//! Reading credentials.

use super::{Found, unsafe_action, verbs};
use crate::commands::words::Command;

/// Parts of paths where credentials live. A path is cut at its slashes, so `src/.sshd.rs` is none.
fn is_credential_path(word: &str) -> bool {
    // `--file=~/.ssh/id`, `@~/.netrc`, `if=/x`.
    let path = word.rsplit(['=', '@']).next().unwrap_or(word);
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let home = path.starts_with('~')
        || path.starts_with("$HOME")
        || path.starts_with("${HOME}")
        || path.starts_with('/')
        || path.starts_with("..");
    let has = |name: &str| parts.contains(&name);
    let public = parts
        .last()
        .is_some_and(|name| name.ends_with(".pub") || matches!(*name, "known_hosts" | "config.d"));
    let last = parts.last().copied().unwrap_or_default();
    (home && !public && (has(".ssh") || has(".gnupg") || has(".password-store")))
        || (home && has(".aws"))
        || (home && (has(".kube") || has(".docker")) && matches!(last, "config" | "config.json"))
        || (home && has("gcloud") && has(".config"))
        || (home && has("gh") && last == "hosts.yml")
        || (home && has(".codex") && last == "auth.json")
        || (home && has(".cargo") && last.starts_with("credentials"))
        || (home && matches!(last, ".netrc" | ".git-credentials" | ".pgpass" | ".npmrc" | ".pypirc"))
        || (path.starts_with("/proc/") && last == "environ")
        || matches!(path, "/etc/shadow" | "/etc/gshadow" | "/etc/sudoers")
        || path.starts_with("/run/secrets/")
        || path.starts_with("/var/run/secrets/")
}

pub(super) fn reads_credentials(command: &Command) -> Found {
    let what = "reads credentials";
    // These only name a path; they show nothing of what is in it.
    let harmless = matches!(
        command.program(),
        "echo" | "printf" | "test" | "[" | "[[" | "cd" | "mkdir" | "touch" | "chmod" | "true" | "export"
    );
    let reads = command.reads.iter().any(|path| is_credential_path(path));
    if reads || (!harmless && command.arguments().iter().any(|word| is_credential_path(word))) {
        return unsafe_action(what, command);
    }
    let words = verbs(
        command,
        &[
            "--profile",
            "--region",
            "--hostname",
            "-h",
            "--vault",
            "-n",
            "--namespace",
        ],
        3,
    );
    let reading = match (command.program(), words.as_slice()) {
        ("gh", ["auth", "token" | "login" | "refresh" | "setup-git", ..]) => true,
        (
            "gcloud",
            [
                "auth",
                "print-access-token" | "print-identity-token" | "login" | "application-default",
                ..,
            ],
        ) => true,
        ("az", ["account", "get-access-token", ..] | ["login", ..]) => true,
        (
            "aws",
            ["configure", ..]
            | ["secretsmanager", "get-secret-value", ..]
            | ["ssm", "get-parameter" | "get-parameters", ..],
        ) => true,
        (
            "aws",
            ["sts", "get-session-token" | "assume-role", ..]
            | ["ecr", "get-login-password" | "get-login", ..]
            | ["sso", ..],
        ) => true,
        ("kubectl" | "oc", ["get" | "describe", kind, ..]) => kind
            .split('/')
            .next()
            .is_some_and(|kind| matches!(kind, "secret" | "secrets")),
        ("vault", ["read" | "login" | "token" | "kv", ..]) | ("op", ["read" | "item" | "signin", ..]) => true,
        ("pass", ["show", ..])
        | ("bw", ["get" | "unlock" | "login", ..])
        | ("doppler" | "infisical", ["secrets", ..]) => true,
        ("security", ["find-generic-password" | "find-internet-password" | "dump-keychain", ..]) => true,
        ("secret-tool", ["lookup" | "search", ..]) => true,
        ("gpg" | "gpg2", _) => command.has_option(&["--export-secret-keys", "--export-secret-subkeys"]),
        ("ssh-add", _) => !command.has_option(&["-l", "-L"]),
        ("npm", ["token" | "login" | "adduser", ..])
        | ("docker" | "podman", ["login", ..])
        | ("heroku", ["auth:token", ..]) => true,
        _ => false,
    };
    if reading { unsafe_action(what, command) } else { None }
}
