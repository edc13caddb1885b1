//! Running data migrations.

use ledger_core::BlockerCode;

use super::{Found, is_help, verbs};
use crate::commands::words::Command;

/// Whatever changes the form of a database by migrations. Writing one, listing them and printing their statements do not.
pub(super) fn migrates(command: &Command) -> Found {
    if is_help(command) {
        return None;
    }
    let with_value = [
        "-c",
        "--config",
        "-x",
        "-n",
        "--name",
        "-d",
        "-u",
        "--url",
        "-e",
        "--env",
        "--schema",
        "--settings",
        "--database",
        "--source",
        "--database-url",
        "--migration-dir",
        "-dir",
        "-path",
        "-source",
        "--knexfile",
        "--dataSource",
        "--filter",
        "--workspace",
    ];
    let mut words = vec![command.program()];
    words.extend(verbs(command, &with_value, 6));
    let has = |names: &[&str], words: &[&str]| words.iter().any(|word| names.contains(word));
    let is_script = |words: &[&str]| {
        has(
            &[
                "migrate",
                "migrate-up",
                "migrate:up",
                "migrate:latest",
                "migrate:deploy",
                "migrate:run",
                "migration:run",
                "migrations:run",
                "db:migrate",
                "db-migrate",
                "db_migrate",
            ],
            words,
        )
    };
    let migrating = match behind_launcher(&words) {
        ["alembic", "upgrade" | "downgrade" | "stamp", ..] => !command.has_option(&["--sql"]),
        ["flask", "db", "upgrade" | "downgrade", ..] => !command.has_option(&["--sql"]),
        ["prisma", "migrate", "dev", ..] => !command.has_option(&["--create-only"]),
        ["prisma", "migrate", "deploy" | "resolve", ..] | ["prisma", "db", "push" | "execute", ..] => true,
        ["diesel", "migration", "run" | "redo" | "revert", ..] | ["diesel", "setup", ..] => true,
        ["sqlx", "migrate", "run" | "revert", ..] | ["sqlx", "database", "setup" | "reset", ..] => true,
        ["sea-orm-cli", "migrate", words @ ..] => !has(&["init", "generate", "status"], words),
        ["refinery", "migrate", ..] => true,
        ["rails" | "rake", words @ ..] => words.iter().any(|word| {
            matches!(*word, "db:migrate" | "db:rollback" | "db:forward")
                || word
                    .strip_prefix("db:migrate:")
                    .is_some_and(|rest| !rest.starts_with("status"))
        }),
        [program, "migrate", ..] if program.ends_with("manage.py") || program.starts_with("django-admin") => {
            !command.has_option(&["--plan", "--check"])
        }
        ["flyway", words @ ..] => has(&["migrate", "undo", "repair", "baseline"], words),
        ["mvn" | "mvnw", words @ ..] => has(
            &[
                "flyway:migrate",
                "flyway:undo",
                "liquibase:update",
                "liquibase:rollback",
            ],
            words,
        ),
        ["gradle" | "gradlew", words @ ..] => words.iter().any(|task| task.ends_with("flywayMigrate")),
        ["liquibase", words @ ..] => words.iter().any(|word| {
            let changes = ["update", "rollback"].iter().any(|verb| word.starts_with(verb));
            changes && !word.to_ascii_lowercase().ends_with("sql")
        }),
        ["knex", verb, ..] => matches!(
            *verb,
            "migrate:latest" | "migrate:up" | "migrate:down" | "migrate:rollback"
        ),
        ["sequelize" | "sequelize-cli", verb, ..] => *verb == "db:migrate" || verb.starts_with("db:migrate:undo"),
        ["typeorm" | "typeorm-ts-node-commonjs" | "typeorm-ts-node-esm", verb, ..] => {
            matches!(*verb, "migration:run" | "migration:revert")
        }
        ["mikro-orm", verb, ..] => matches!(*verb, "migration:up" | "migration:down" | "migration:fresh"),
        ["drizzle-kit", verb, ..] => matches!(*verb, "migrate" | "push"),
        ["goose", words @ ..] => has(&["up", "up-by-one", "up-to", "down", "down-to", "redo", "reset"], words),
        ["dbmate", words @ ..] => has(&["up", "migrate", "down", "rollback"], words),
        ["migrate", words @ ..] => has(&["up", "down", "goto", "force"], words),
        ["atlas", "migrate", "apply" | "down" | "set", ..] | ["atlas", "schema", "apply", ..] => true,
        ["artisan", verb, ..] => *verb == "migrate" || (verb.starts_with("migrate:") && !verb.ends_with(":status")),
        ["bin/console" | "console", verb, ..] => verb.starts_with("doctrine:migrations:migrate"),
        ["mix", words @ ..] => has(&["ecto.migrate", "ecto.rollback"], words),
        ["dotnet", "ef", "database", "update", ..] => true,
        ["phinx", "migrate" | "rollback", ..] | ["yoyo", "apply" | "rollback" | "reapply", ..] => true,
        ["sqitch", words @ ..] => has(&["deploy", "revert", "rebase"], words),
        ["make" | "just" | "task", words @ ..] => is_script(words),
        ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", script, ..] => is_script(&[script]),
        ["pnpm" | "yarn" | "bun", script, ..] => is_script(&[script]),
        _ => false,
    };
    migrating.then(|| {
        let program = command.program();
        let detail = format!("runs data migrations with `{program}`, and the ticket has no `[grants] migrations`");
        (BlockerCode::GrantMissing, detail)
    })
}

/// The words of a tool without the program that starts it.
fn behind_launcher<'words, 'line>(words: &'words [&'line str]) -> &'words [&'line str] {
    match words {
        ["npx" | "bunx" | "php" | "python" | "python3", rest @ ..]
        | ["bundle" | "npm" | "pnpm", "exec", rest @ ..]
        | ["pnpm" | "yarn", "dlx", rest @ ..]
        | ["poetry" | "uv" | "pdm" | "pipenv" | "hatch", "run", rest @ ..] => behind_launcher(rest),
        ["cargo", "sqlx", ..]
        | [
            "yarn" | "pnpm" | "bun",
            "prisma" | "knex" | "sequelize" | "sequelize-cli" | "typeorm" | "drizzle-kit" | "mikro-orm",
            ..,
        ] => words.get(1..).unwrap_or_default(),
        words => words,
    }
}
