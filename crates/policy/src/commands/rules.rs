//! What a plain command would do.

use ledger_core::{BlockerCode, Grants};

use super::words::Command;

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

/// What the command would do that needs a grant.
pub(super) fn judge(command: &Command, grants: &Grants) -> Found {
    reads_credentials(command)
        .or_else(|| git(command))
        .or_else(|| publishes(command))
        .or_else(|| deploys(command))
        .or_else(|| destroys(command))
        .or_else(|| installs(command, grants))
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

fn git(command: &Command) -> Found {
    if command.program() != "git" {
        return None;
    }
    let with_value = [
        "-C",
        "-c",
        "--git-dir",
        "--work-tree",
        "--namespace",
        "--config-env",
        "--exec-path",
    ];
    let words = verbs(command, &with_value, 3);
    match words.as_slice() {
        ["push" | "send-pack" | "send-email" | "request-pull", ..] | ["lfs", "push", ..] | ["svn", "dcommit", ..] => {
            unsafe_action("pushes", command)
        }
        ["subtree", "push", ..] => unsafe_action("pushes", command),
        ["credential" | "credential-store" | "credential-cache", ..] => unsafe_action("reads credentials", command),
        _ => None,
    }
}

fn publishes(command: &Command) -> Found {
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

fn deploys(command: &Command) -> Found {
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

fn destroys(command: &Command) -> Found {
    let program = command.program();
    let what = "destroys data";
    let writes_device = |path: &String| {
        path.strip_prefix("/dev/").is_some_and(|device| {
            ["sd", "nvme", "hd", "vd", "disk", "mmcblk", "mapper", "xvd"]
                .iter()
                .any(|kind| device.starts_with(kind))
        })
    };
    if command.writes.iter().any(writes_device) {
        return unsafe_action(what, command);
    }
    let destroying = match program {
        "rm" | "shred" | "srm" => {
            let recursive = command.arguments().iter().any(|word| {
                word == "--recursive" || (word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'R']))
            });
            (recursive || program != "rm") && command.plain_arguments().any(is_outside)
        }
        "rmdir" => false,
        "find" => command.has_option(&["-delete"]) && command.plain_arguments().next().is_some_and(is_outside),
        "dd" => command.arguments().iter().any(|word| {
            word.strip_prefix("of=")
                .is_some_and(|path| writes_device(&path.to_owned()))
        }),
        "wipefs" | "blkdiscard" | "fdisk" | "sgdisk" | "parted" | "cryptsetup" => {
            !is_help(command) && command.arguments().len() > 1
        }
        "dropdb" | "dropuser" | "pg_dropcluster" => true,
        "psql" | "mysql" | "mariadb" | "sqlite3" | "sqlcmd" | "cockroach" | "clickhouse-client" | "bq" | "snowsql"
        | "duckdb" => command.arguments().iter().any(|word| is_destructive_sql(word)),
        "mongo" | "mongosh" => command.arguments().iter().any(|word| {
            ["dropDatabase(", ".drop(", "deleteMany({})", "remove({})"]
                .iter()
                .any(|call| word.contains(call))
        }),
        "redis-cli" | "valkey-cli" => command
            .plain_arguments()
            .any(|word| word.eq_ignore_ascii_case("flushall") || word.eq_ignore_ascii_case("flushdb")),
        "mysqladmin" => command.plain_arguments().any(|word| word == "drop"),
        "rails" | "rake" | "bin/rails" => command
            .plain_arguments()
            .any(|word| matches!(word, "db:drop" | "db:reset" | "db:purge" | "db:drop:all")),
        "prisma" => {
            command.begins_with(["prisma", "migrate", "reset"].into_iter()) || command.has_option(&["--force-reset"])
        }
        "npx" => command.begins_with(["npx", "prisma", "migrate", "reset"].into_iter()),
        "python" | "python3" | "manage.py" => {
            command
                .plain_arguments()
                .any(|word| word == "flush" || word == "reset_db")
                && command.words.iter().any(|word| word.ends_with("manage.py"))
        }
        "docker" | "podman" => {
            let words = verbs(command, &["-H", "--host", "--context"], 2);
            matches!(
                words.as_slice(),
                ["system" | "volume", "prune"] | ["volume", "rm" | "remove"]
            )
        }
        "systemctl" => {
            let first = command.plain_arguments().next();
            matches!(
                first,
                Some("stop" | "disable" | "mask" | "poweroff" | "reboot" | "halt")
            )
        }
        "shutdown" | "reboot" | "poweroff" | "halt" => !is_help(command),
        name => name == "mkfs" || name.starts_with("mkfs."),
    };
    if destroying { unsafe_action(what, command) } else { None }
}

/// Whether deleting this folder deletes what is not the worker's: an absolute path outside of temporary folders, a home,
/// or a way up out of the place.
fn is_outside(path: &str) -> bool {
    if path.starts_with('~') || path.starts_with("$HOME") || path.starts_with("${HOME}") {
        return true;
    }
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if path.starts_with('/') {
        // An absolute path below a temporary folder, or deep enough to be a place of ours, is the worker's business:
        // the sandbox keeps it from writing anywhere else.
        let temporary = matches!(parts.as_slice(), ["tmp", _, ..] | ["var", "tmp", _, ..]);
        return !temporary && parts.len() < 4;
    }
    let mut depth = 0_i64;
    for part in parts {
        depth += if part == ".." { -1 } else { 1 };
        if depth < 0 {
            return true;
        }
    }
    false
}

fn is_destructive_sql(text: &str) -> bool {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ';')
        .flat_map(|part| part.split_inclusive(';'))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.iter().enumerate().any(|(index, word)| {
        let next = words.get(index + 1).map(String::as_str).unwrap_or_default();
        match word.as_str() {
            "drop" => matches!(
                next,
                "database" | "table" | "schema" | "user" | "role" | "index" | "view"
            ),
            "truncate" => !next.is_empty(),
            "delete" => {
                let statement = words[index..].iter().take_while(|word| !word.ends_with(';'));
                next == "from"
                    && !statement.clone().any(|word| word == "where")
                    && !words[index..].iter().any(|word| word == "where;")
            }
            _ => false,
        }
    })
}

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

fn reads_credentials(command: &Command) -> Found {
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

/// Installing by name adds a dependency. Installing what the lock file or the manifest already says does not.
fn installs(command: &Command, grants: &Grants) -> Found {
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
