//! Deploying, and changing systems that run.

use super::{Found, is_help, unsafe_action, verbs};
use crate::commands::words::Command;

pub(super) fn deploys(command: &Command) -> Found {
    if is_help(command) {
        return None;
    }
    let words = verbs(
        command,
        &[
            "-n",
            "--namespace",
            "--context",
            "--kubeconfig",
            "--profile",
            "--region",
            "--project",
            "-chdir",
            "-i",
            "-f",
            "--cluster",
        ],
        4,
    );
    let deploying = match (command.program(), words.as_slice()) {
        (
            "kubectl" | "oc",
            [
                "apply" | "create" | "delete" | "replace" | "patch" | "edit" | "scale" | "set" | "rollout" | "drain"
                | "cordon" | "exec" | "cp" | "label" | "annotate" | "taint" | "run" | "expose" | "autoscale",
                ..,
            ],
        ) => true,
        ("helm", ["install" | "upgrade" | "uninstall" | "delete" | "rollback", ..]) => true,
        ("helmfile", ["apply" | "sync" | "destroy", ..]) => true,
        ("terraform" | "tofu" | "terragrunt", ["apply" | "destroy" | "import" | "taint" | "untaint", ..]) => true,
        ("terraform" | "tofu" | "terragrunt", ["state", "rm" | "mv" | "push", ..] | ["workspace", "delete", ..]) => {
            true
        }
        ("pulumi", ["up" | "destroy" | "refresh" | "cancel", ..])
        | ("cdk" | "sst" | "cdktf", ["deploy" | "destroy", ..]) => true,
        ("ansible-playbook", _) => !command.has_option(&["--check", "--syntax-check", "--list-tasks", "--list-hosts"]),
        ("ansible", [_, ..]) => true,
        ("aws", ["configure" | "help", ..] | []) => false,
        ("aws", [_, verb, ..]) => ![
            "describe", "list", "get", "help", "ls", "wait", "validate", "head", "lookup",
        ]
        .iter()
        .any(|safe| verb.starts_with(safe)),
        ("gcloud" | "az", words) => words.iter().any(|word| {
            matches!(
                *word,
                "deploy"
                    | "create"
                    | "delete"
                    | "update"
                    | "set"
                    | "up"
                    | "start"
                    | "stop"
                    | "apply"
                    | "import"
                    | "ssh"
            )
        }),
        ("gsutil", ["rm" | "cp" | "mv" | "rsync" | "rb" | "mb", ..]) => true,
        (
            "s3cmd" | "rclone",
            [
                "put" | "del" | "rm" | "rb" | "sync" | "copy" | "move" | "delete" | "purge",
                ..,
            ],
        ) => true,
        ("fly" | "flyctl", ["deploy" | "launch" | "destroy" | "apps" | "secrets" | "scale", ..]) => true,
        ("vercel" | "now", ["deploy" | "remove" | "rm" | "env" | "promote" | "rollback", ..]) => true,
        ("vercel" | "now", []) => true,
        (
            "netlify" | "firebase" | "wrangler" | "serverless" | "sls" | "cap" | "dokku" | "railway" | "amplify" | "eb",
            words,
        ) => words.iter().any(|word| {
            matches!(
                *word,
                "deploy" | "remove" | "up" | "publish" | "delete" | "functions:delete" | "terminate"
            )
        }),
        (
            "npx" | "bunx",
            [
                "vercel" | "wrangler" | "netlify" | "firebase" | "serverless" | "cdk" | "sst",
                "deploy" | "publish",
                ..,
            ],
        ) => true,
        ("heroku", words) => words.iter().any(|word| {
            word.starts_with("container:release")
                || word.starts_with("pg:reset")
                || word.starts_with("apps:destroy")
                || word.starts_with("config:set")
                || word.starts_with("releases:rollback")
        }),
        ("docker" | "podman", ["stack" | "service", "deploy" | "create" | "update" | "rm" | "scale", ..]) => true,
        ("ssh" | "scp" | "sftp" | "mosh", [_, ..]) => true,
        ("rsync", words) => words.iter().any(|word| {
            word.contains("::")
                || word
                    .split_once(':')
                    .is_some_and(|(host, _)| !host.contains('/') && host.len() > 1)
        }),
        ("npm" | "pnpm" | "yarn" | "bun", ["run" | "run-script", script, ..]) => is_deploy_script(script),
        ("yarn" | "pnpm" | "bun", [script, ..]) => is_deploy_script(script),
        ("make" | "just" | "task" | "rake", words) => words.iter().any(|word| is_deploy_script(word)),
        _ => false,
    };
    if deploying {
        unsafe_action("deploys or changes a running system", command)
    } else {
        None
    }
}

fn is_deploy_script(name: &str) -> bool {
    name.split([':', '-', '_'])
        .next()
        .is_some_and(|first| matches!(first, "deploy" | "publish" | "release"))
        && !name.ends_with("-build")
        && !name.contains("dry")
}
