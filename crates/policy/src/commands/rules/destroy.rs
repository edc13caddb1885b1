//! Destroying data that is not the worker's own.

use super::{Found, is_help, unsafe_action, verbs};
use crate::commands::words::Command;

pub(super) fn destroys(command: &Command) -> Found {
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
