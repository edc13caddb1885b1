//! Publishing, releasing, and speaking on a forge.

use super::{Found, is_help, unsafe_action, verbs};
use crate::commands::words::Command;

pub(super) fn publishes(command: &Command) -> Found {
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
            "-R",
            "--repo",
        ],
        3,
    );
    if is_help(command) {
        return None;
    }
    let publishing = match (command.program(), words.as_slice()) {
        ("npm" | "pnpm" | "yarn" | "bun", ["publish" | "unpublish" | "deprecate", ..]) => true,
        (
            "npm" | "pnpm" | "yarn",
            ["npm", "publish", ..] | ["dist-tag", "add" | "rm", ..] | ["access" | "owner", ..],
        ) => true,
        ("lerna", ["publish", ..]) | ("changeset", ["publish", ..]) => true,
        ("npx" | "bunx", ["lerna" | "changeset", "publish", ..] | ["semantic-release" | "np", ..]) => true,
        ("semantic-release" | "np" | "goreleaser", []) => true,
        ("goreleaser", ["release", ..]) => !command.has_option(&["--snapshot"]),
        ("cargo", ["publish" | "yank" | "owner" | "login", ..] | ["release", ..]) => true,
        ("twine", ["upload", ..]) | ("poetry" | "uv" | "flit" | "hatch" | "pdm", ["publish", ..]) => true,
        ("python" | "python3", ["twine", "upload", ..]) => true,
        ("gem", ["push" | "yank", ..]) | ("mix", ["hex.publish", ..]) => true,
        ("dotnet" | "nuget", ["nuget", "push", ..] | ["push", ..]) => true,
        ("mvn" | "mvnw", words) => words
            .iter()
            .any(|word| matches!(*word, "deploy" | "release:perform" | "release:prepare")),
        ("gradle" | "gradlew", words) => words.iter().any(|word| {
            word.rsplit(':')
                .next()
                .is_some_and(|task| task.starts_with("publish") && !task.contains("ToMavenLocal"))
        }),
        ("docker" | "podman" | "nerdctl" | "buildah", ["push", ..] | ["image" | "manifest", "push", ..]) => true,
        ("docker" | "podman", ["buildx" | "build", ..]) => command.has_option(&["--push"]),
        ("skopeo", ["copy", ..])
        | ("crane", ["push" | "copy", ..])
        | ("helm", ["push", ..])
        | ("oras", ["push", ..]) => true,
        ("vsce" | "ovsx", ["publish", ..]) => true,
        ("gh", ["release", "create" | "upload" | "edit" | "delete" | "delete-asset", ..]) => true,
        (
            "gh",
            [
                "pr",
                "create" | "merge" | "close" | "comment" | "edit" | "review" | "ready" | "reopen",
                ..,
            ],
        ) => true,
        (
            "gh",
            [
                "issue",
                "create" | "close" | "comment" | "edit" | "delete" | "transfer" | "reopen",
                ..,
            ],
        ) => true,
        (
            "gh",
            [
                "repo",
                "create" | "delete" | "edit" | "rename" | "archive" | "fork" | "sync",
                ..,
            ],
        ) => true,
        (
            "gh",
            ["secret" | "variable", "set" | "delete" | "remove", ..] | ["workflow", "run" | "enable" | "disable", ..],
        ) => true,
        ("gh", ["gist", "create" | "edit" | "delete", ..] | ["label", "create" | "edit" | "delete" | "clone", ..]) => {
            true
        }
        ("gh", ["api", ..]) => {
            command.has_option(&["-X", "--method", "-f", "-F", "--field", "--raw-field", "--input"])
                && !command.arguments().iter().any(|word| word.eq_ignore_ascii_case("get"))
        }
        (
            "glab",
            [
                "release" | "mr" | "issue",
                "create" | "merge" | "close" | "delete" | "upload" | "note",
                ..,
            ],
        ) => true,
        ("hub", ["push" | "pull-request" | "release", ..]) => true,
        _ => false,
    };
    if publishing {
        unsafe_action("publishes or releases", command)
    } else {
        None
    }
}
